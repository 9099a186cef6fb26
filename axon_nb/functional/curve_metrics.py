"""Owns metrics that compare outputs over a whole range: the area under a curve, the variance explained.

Know nothing about training.
"""

from __future__ import annotations

import math
from typing import Any

from tinygrad import Tensor

from axon_nb.functional.count_metrics import Average
from axon_nb.functional.logits import logits_of
from axon_nb.functional.loss import wide
from axon_nb.functional.metric import TINY, like, metric, outputs_last, yes_where
from axon_nb.lazy import numpy as np

_BINS = 512


def _area(sums: Any, average: Average) -> Any:
    no, yes = sums[0], sums[1]
    pairs = no.sum(0) * yes.sum(0)
    above = (yes * (no.cumsum(0) - no / 2)).sum(0)  # pairs in one bin count half
    known = pairs > 0
    areas = above / (pairs + (pairs == 0))
    if average == "none":
        return _where(known, areas)
    count = known.sum()
    return _where(count > 0, (areas * known).sum() / (count + (count == 0)))


def _where(known: Any, value: Any) -> Any:
    """Put NaN where nothing is known: of 0 / 0 the compiler may make 0."""
    return known.where(value, math.nan) if isinstance(known, Tensor) else np.where(known, value, math.nan)


@metric(finish=_area)
def auc(
    y_true: Tensor, y_pred: Tensor, *, from_logits: bool = False, average: Average = "macro", axis: int | None = None
) -> Tensor:
    """Give the area under the receiver operating characteristic: how often a "yes" is put above a "no".

    It is counted in 512 bins, which are narrow near 0 and 1, so that it can be pooled; the error is below 0.001 unless
    most outputs lie in a few bins. NaN where there is no "yes" or no "no". Axon has none.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,); y_true may hold class numbers -> (), or (outputs,)

    Args:
        y_true: 0 or 1, or class numbers (batch, ...): each class against the others.
        y_pred: probabilities.
        from_logits: whether ``y_pred`` did not go through a sigmoid yet.
        average: "micro" counts all outputs together, "macro" takes the mean over the outputs, "none" tells them apart.
        axis: where the outputs are; by default the last axis, or axis 1 if only that fits class numbers.

    Source: https://en.wikipedia.org/wiki/Receiver_operating_characteristic

    Example:
        >>> auc(Tensor([0, 0, 1, 1]), Tensor([0.1, 0.4, 0.35, 0.8])).item()
        0.75
    """
    yes, _ = yes_where(y_true, y_pred, 0.5, axis)
    _, places = outputs_last(y_true, _bins(y_pred, from_logits=from_logits), axis)
    bins = places.reshape(*yes.shape, 1) == Tensor.arange(_BINS)
    if average == "micro":
        yes, bins = yes.reshape(yes.shape[0], -1, 1), bins.reshape(yes.shape[0], -1, 1, _BINS)
    sides = Tensor.stack(yes.logical_not(), yes, dim=-1).unsqueeze(-1) & bins.unsqueeze(-2)
    return sides.cast("float32").sum(1).permute(0, 2, 3, 1)  # batch, no or yes, bin, output


def _bins(y_pred: Tensor, *, from_logits: bool) -> Tensor:
    """Sort probabilities into bins: half of the width goes by the probability, half by its logit."""
    logits = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    p = wide(y_pred).clip(0, 1) if logits is None else wide(logits).sigmoid()
    odds = ((p + TINY) / (1 - p + TINY)).log() if logits is None else wide(logits)
    place = p / 2 + (odds / (8 + odds.abs()) + 1) / 4
    return (place * _BINS).cast("int32").clip(0, _BINS - 1).contiguous()


def _explained(sums: Any) -> Any:
    spread, rest = sums[2], sums[3]
    return (1 - rest / (spread + (spread == 0) * rest + 1e-30)).mean()


def _joined(old: Any, new: Any) -> Any:
    """Join counts, means, squared distances from the mean and squared errors (Chan, Golub and LeVeque 1979)."""
    count = old[0] + new[0]
    apart, whole = new[1] - old[1], count + (count == 0)
    mean = old[1] + apart * new[0] / whole
    spread = old[2] + new[2] + apart * apart * old[0] * new[0] / whole
    return Tensor.stack(count, mean, spread, old[3] + new[3])


@metric(finish=_explained, merge=_joined)
def r2(y_true: Tensor, y_pred: Tensor, weights: Tensor | None = None) -> Tensor:
    """Give the share of the labels' variance that is explained: 1 at best, 0 for always saying their mean.

    The mean over the outputs. Axon has none.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> ()

    Source: https://en.wikipedia.org/wiki/Coefficient_of_determination

    Example:
        >>> round(r2(Tensor([[1.0], [2.0], [3.0]]), Tensor([[1.0], [2.0], [2.0]])).item(), 4)
        0.5
    """
    columns = 1 if y_pred.ndim == 1 else int(y_pred.shape[-1])
    true, pred = (wide(x).reshape(y_pred.shape[0], -1, columns) for x in (like(y_true, y_pred), y_pred))
    counted = true.const_like(1) if weights is None else weights.reshape(-1, 1, 1).expand(true.shape)
    count = counted.sum((0, 1))
    mean = (true * counted).sum((0, 1)) / (count + (count == 0))
    spread, rest = (((true - other).square() * counted).sum((0, 1)) for other in (mean, pred))
    return Tensor.stack(count, mean, spread, rest)
