"""Owns the loss for sequences without known timing: connectionist temporal classification.

Knows nothing about training. The walk over time is one kernel, so that its compile time does not grow with the length.
"""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor, dtypes
from tinygrad.uop.ops import AxisType, KernelInfo, UOp

from axon_nb.errors import DataError
from axon_nb.functional.logits import logits_of
from axon_nb.functional.loss import Reduction, loss, reduce, wide

_NEVER = -1e30  # a logarithm of 0 that may be subtracted from itself


@loss(labels="sequences")
def connectionist_temporal_classification(
    y_true: Tensor | tuple[Tensor, Tensor], y_pred: Tensor, *, blank: int = 0, from_logits: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Take -log of the probability that the steps spell the labels, over all ways to do so (CTC).

    From Axon it departs in that the reduction is "mean" by default, and that labels may come without their lengths.
    It has a gradient, and that has none.

    Shapes:
        y_true (batch, labels), or ((batch,) of lengths, (batch, labels)); y_pred (batch, time, classes)
        -> () or (batch,)

    Args:
        y_true: class numbers, filled up at the end with ``blank`` or -1; or how many count, and the numbers.
        y_pred: logarithms of probabilities, from a log_softmax (or the result of a softmax, or with ``from_logits``
            what goes into one).
        blank: the class that stands for "nothing new".
        from_logits: whether ``y_pred`` did not go through a log_softmax yet.
        reduction: over the samples. A mean divides each loss by its number of labels first, as in Axon and PyTorch.

    Raises:
        DataError: the shapes are others.

    Source: Graves and others 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf

    Example:
        >>> even = Tensor.full((1, 2, 2), -0.6931472)
        >>> round(connectionist_temporal_classification(Tensor([[1]]), even).item(), 4)
        0.2877
    """
    lengths, labels = _lengths_and_labels(y_true, y_pred, blank)
    logits = y_pred if from_logits else logits_of(y_pred, "softmax")
    log_p = wide(y_pred) if logits is None else wide(logits).log_softmax(-1)
    each = _minus_log(lengths, _with_blanks(labels, blank), log_p, blank)
    return reduce(each / lengths.maximum(1) if reduction == "mean" else each, reduction)


def _lengths_and_labels(y_true: Any, y_pred: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    lengths, labels = y_true if isinstance(y_true, tuple | list) else (None, y_true)
    if y_pred.ndim != 3 or labels.ndim != 2 or labels.shape[0] != y_pred.shape[0]:
        problem = "connectionist_temporal_classification takes labels (batch, labels), output (batch, time, classes)"
        raise DataError(problem, got=f"labels {tuple(labels.shape)}, output {tuple(y_pred.shape)}")
    labels = labels.cast(dtypes.int32)
    if lengths is None:
        lengths = ((labels != blank) & (labels >= 0)).sum(1)
    return lengths.cast(dtypes.int32).reshape(-1), labels.maximum(0)


def _with_blanks(labels: Tensor, blank: int) -> Tensor:
    """Put a blank before, between and after the labels: (batch, 2 * labels + 1)."""
    pairs = Tensor.stack(Tensor.full_like(labels, blank), labels, dim=-1).flatten(1)
    return pairs.pad((None, (0, 1)), value=blank)


def _minus_log(lengths: Tensor, spelled: Tensor, log_p: Tensor, blank: int) -> Tensor:
    places = int(spelled.shape[1])
    place = Tensor.arange(places).reshape(1, -1)
    last = 2 * lengths.reshape(-1, 1)
    two_before = spelled.pad((None, (2, 0)), value=blank)[:, :places]
    jumps = _log((spelled != blank) & (spelled != two_before))  # over the blank between two different labels
    classes = Tensor.arange(int(log_p.shape[-1]), dtype=spelled.dtype)
    emitted = (spelled.unsqueeze(1).unsqueeze(-1) == classes).where(log_p.unsqueeze(2), 0).sum(-1)  # batch, time, place
    fixed = emitted.detach().contiguous()
    ends = (place == last) | (place == last - 1)
    forward = _walk(fixed, _log(place < 2).expand(ends.shape), jumps)
    backward = _walk(fixed.flip((1, 2)), _log(ends).flip(1), _jumps_back(jumps)).flip((1, 2))
    final = ends.where(forward[:, -1], _NEVER).logsumexp(1)
    can_be = final > _NEVER / 2
    # Each emitted logarithm has minus the share of the ways that pass through it as its gradient.
    share = (forward + backward - fixed - can_be.where(final, -_NEVER).reshape(-1, 1, 1)).exp()
    carrier = -(share.detach() * emitted).sum((1, 2))
    value = can_be.where(-final, float("inf"))
    return carrier - carrier.detach() + value.detach()


def _log(allowed: Tensor) -> Tensor:
    return allowed.where(0.0, _NEVER)


def _jumps_back(jumps: Tensor) -> Tensor:
    """Say for the way back where a jump may land: it takes off where the one forward lands."""
    return jumps.pad((None, (0, 2)), value=_NEVER)[:, 2:].flip(1)


def _walk(emitted: Tensor, start: Tensor, jumps: Tensor) -> Tensor:
    """Sum, in logarithms, over all ways to each place at each step: stay, go on by one, or jump by two."""
    ways = Tensor.empty(*emitted.shape, dtype=emitted.dtype, device=emitted.device)
    inputs = (one.cast(emitted.dtype).contiguous() for one in (emitted, start, jumps))
    return ways.custom_kernel(*inputs, fxn=_walk_kernel)[0]


def _walk_kernel(ways: UOp, emitted: UOp, start: UOp, jumps: UOp) -> UOp:
    samples, steps, places = emitted.shape
    sample = UOp.range(samples, 0)
    first = UOp.range(places, 1, AxisType.LOOP)
    begun = ways[sample, 0, first].store(emitted[sample, 0, first].load() + start[sample, first].load()).end(first)
    step, place = UOp.range(steps - 1, 2, AxisType.LOOP), UOp.range(places, 3, AxisType.LOOP)
    before = ways.after(begun).after(step)

    def came_from(distance: int) -> UOp:
        value = before[sample, step, (place - distance).maximum(0)].load()
        return (place >= distance).where(value, value.const_like(_NEVER)) if distance else value

    stay, go, jump = came_from(0), came_from(1), came_from(2) + jumps[sample, place].load()
    largest = stay.maximum(go).maximum(jump)
    summed = (stay - largest).exp() + (go - largest).exp() + (jump - largest).exp()
    value = summed.log() + largest + emitted[sample, step + 1, place].load()
    walked = ways[sample, step + 1, place].store(value).end(place).end(step)
    return walked.end(sample).sink(arg=KernelInfo(name="ctc_walk", opts_to_apply=()))
