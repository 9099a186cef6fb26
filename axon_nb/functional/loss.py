"""Owns what all losses share: their register, the reduction over samples, labels in the form of the output.

Knows nothing about single losses; ``losses.py`` gathers them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, overload

from tinygrad import Tensor, dtypes

from axon_nb.errors import DataError, OptionError, brief, unknown, warn
from axon_nb.functional.activations import log_sigmoid
from axon_nb.functional.logits import Kind, logits_of
from axon_nb.lazy import numpy as np
from axon_nb.registry import Registry

Loss = Callable[..., Tensor]
Reduction: TypeAlias = Literal["mean", "sum", "none"]
Labels = Literal["numbers", "chances", "classes", "signs", "groups", "sequences"]
F = TypeVar("F", bound=Loss)

losses: Registry[Loss] = Registry("loss")
"""Losses by name."""

TINY = 1e-7
"""The least probability that is told from none."""


@overload
def loss(function: F) -> F: ...
@overload
def loss(*, labels: Labels = "numbers", by_sample: bool = True, listed: bool = True) -> Callable[[F], F]: ...


def loss(function: Any = None, *, labels: Labels = "numbers", by_sample: bool = True, listed: bool = True) -> Any:
    """Put a loss into the registry: ``fit(loss="name")`` takes it from then on.

    Called with options and no tensors, the loss is itself with these options: ``fit(loss=losses.huber(delta=2.0))``.

    Args:
        function: takes y_true and y_pred, and options by name; ``reduction`` is one of them.
        labels: what y_true is made of: numbers as the output has, chances (0 to 1), classes (numbers or one-hot rows),
            signs (-1 or 1), groups (a number for each sample) or sequences (padded rows of class numbers).
        by_sample: whether the loss of a sample depends on that sample only.
        listed: whether it goes into the registry.

    Example:
        >>> from axon_nb.functional.losses import huber
        >>> huber(delta=2.0)(Tensor([0.0]), Tensor([2.0]), reduction="sum").item()
        2.0
    """
    if function is None:
        return functools.partial(loss, labels=labels, by_sample=by_sample, listed=listed)
    made: Any = configurable(function)
    made.labels, made.by_sample = labels, by_sample
    if listed:
        losses.add(function.__name__, made)
    return made


def configurable(function: F, tensors: int = 2) -> F:
    """Let a function of tensors and options be called with options only: it is then itself with these options.

    Arrays and lists of numbers become tensors, so that it can be tried on what ``model.predict`` gives.
    """
    options = list(inspect.signature(function).parameters.values())[tensors:]
    names = [option.name for option in options]
    takes_all = any(option.kind is option.VAR_KEYWORD for option in options)

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        named = given.keys() & {"y_true", "y_pred"}
        if args or named:
            given |= {name: as_tensors(given[name]) for name in named}
            return function(*map(as_tensors, args[:tensors]), *args[tensors:], **given)
        for name in given:
            if name not in names and not takes_all:
                kind = f"{function.__name__} option"
                raise unknown(kind, name, names, error=OptionError)
        return functools.partial(call, **given)

    return call  # type: ignore[return-value]


def as_tensors(value: Any) -> Any:
    """Make a tensor of an array, or of a list of numbers; of each part of a tuple. Tensors and ``None`` stay.

    Raises:
        DataError: these are not numbers.

    Example:
        >>> as_tensors(([[0.5, 0.5]], 1))[0].shape
        (1, 2)
    """
    if value is None or isinstance(value, Tensor):
        return value
    if isinstance(value, tuple):
        return tuple(map(as_tensors, value))
    if isinstance(value, list) and any(isinstance(part, Tensor) for part in value):
        return [as_tensors(part) for part in value]
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, object)  # rows of different lengths
    if array.dtype.kind not in "fiub":
        problem = "labels and outputs are tensors, or arrays of numbers"
        raise DataError(problem, got=brief(value), fix="numpy.array(values, dtype='float32')")
    return Tensor(array.astype(np.float32) if array.dtype == np.float64 else array)


def reduce(each: Tensor, reduction: Reduction, weights: Tensor | None = None) -> Tensor:
    """Take the mean or the sum of losses, or leave them.

    Args:
        each: the losses.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weights: how much each counts; a mean is divided by their sum.

    Raises:
        OptionError: the reduction is none of these.

    Example:
        >>> reduce(Tensor([1.0, 3.0]), "mean").item()
        2.0
        >>> reduce(Tensor([1.0, 3.0]), "mean", Tensor([3.0, 1.0])).item()
        1.5
    """
    if reduction not in ("mean", "sum", "none"):
        problem = "reduction is 'mean', 'sum' or 'none'"
        raise OptionError(problem, got=repr(reduction))
    weighted = each if weights is None else each * weights
    if reduction == "mean":
        return weighted.mean() if weights is None else weighted.sum() / weights.sum()
    return weighted.sum() if reduction == "sum" else weighted


def per_sample(each: Tensor) -> Tensor:
    """Take the mean over a sample's outputs; an output that has no axis for them has one.

    Example:
        >>> per_sample(Tensor([[1.0, 3.0]])).tolist(), per_sample(Tensor([1.0, 3.0])).tolist()
        ([2.0], [1.0, 3.0])
    """
    return each.mean(-1) if each.ndim > 1 else each


def wide(x: Tensor) -> Tensor:
    """Return numbers as floats of at least single precision.

    Example:
        >>> wide(Tensor([1, 2])).dtype
        dtypes.float
    """
    return x if x.dtype in (dtypes.float32, dtypes.float64) else x.cast(dtypes.float32)


def matched(y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Return labels and output as floats.

    Raises:
        DataError: they differ in shape.

    Example:
        >>> [x.dtype for x in matched(Tensor([1]), Tensor([0.5]))]
        [dtypes.float, dtypes.float]
    """
    if y_true.shape != y_pred.shape:
        problem = "the labels and the output differ in shape"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")
    return wide(y_true), wide(y_pred)


def class_axis(true: Sequence[Any], pred: Sequence[Any], axis: int | None = None) -> int:
    """Tell which axis of an output holds the classes, from the front.

    It is the last, unless the labels are class numbers that fit only without axis 1: then the output is channels-first,
    such as labels (batch, height, width) and an output (batch, classes, height, width), which is PyTorch's rule.

    Args:
        true: shape of the labels.
        pred: shape of the output.
        axis: the axis, where somebody said it.

    Raises:
        OptionError: the output has no such axis.

    Example:
        >>> class_axis((2, 8, 8), (2, 8, 8, 5)), class_axis((2, 8, 8), (2, 5, 8, 8)), class_axis((2, 8), (2, 8, 8))
        (3, 1, 2)
    """
    if axis is not None:
        if not -len(pred) <= axis < len(pred):
            problem = f"the output has no axis {axis} for the classes"
            raise OptionError(problem, got=f"output {tuple(pred)}", fix=f"an axis from {-len(pred)} to {len(pred) - 1}")
        return axis % len(pred)
    last = max(len(pred) - 1, 0)
    others = len(pred) > 2 and not fits_class_numbers(true, pred, last) and fits_class_numbers(true, pred, 1)
    yes_or_no = len(pred) > 3 and tuple(true) == tuple(pred) and pred[1] == 1 != pred[last]
    return 1 if others or yes_or_no else last


def fits_class_numbers(true: Sequence[Any], pred: Sequence[Any], axis: int) -> bool:
    """Tell whether labels of a shape are class numbers for an output: it without that axis, or with a size of 1 there.

    Example:
        >>> fits_class_numbers((2, 8), (2, 5, 8), 1), fits_class_numbers((2, 1, 8), (2, 5, 8), 1)
        (True, True)
    """
    before, after = tuple(pred[:axis]), tuple(pred[axis + 1 :])
    return tuple(true) in (before + after, (*before, 1, *after))


def one_hot_like(y_true: Tensor, y_pred: Tensor, sparse: bool | None = None, axis: int | None = None) -> Tensor:
    """Turn class numbers into rows with a one, as wide as the output; leave rows as they are.

    Args:
        y_true: class numbers (batch, ...) or (batch, ..., 1), or rows (batch, ..., classes).
        y_pred: what they are compared with: (batch, ..., classes).
        sparse: whether they are class numbers; ``None`` goes by the shapes.
        axis: where the output has the classes; ``None`` goes by the shapes: see `class_axis`.

    Raises:
        DataError: the labels are neither.

    Example:
        >>> one_hot_like(Tensor([1]), Tensor.zeros(1, 3)).tolist()
        [[0.0, 1.0, 0.0]]
    """
    if y_true.shape == y_pred.shape and not sparse:
        return wide(y_true)
    at = class_axis(y_true.shape, y_pred.shape, axis)
    if sparse is False or not fits_class_numbers(y_true.shape, y_pred.shape, at):
        problem = "the labels fit neither as class numbers nor as one-hot rows"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")
    numbers = y_true.reshape(*y_pred.shape[:at], 1, *y_pred.shape[at + 1 :])
    return (numbers == classes_along(y_pred, at).cast(numbers.dtype)).cast(wide(y_pred).dtype)


def classes_along(y_pred: Tensor, axis: int) -> Tensor:
    """Number the classes along an axis of an output.

    Example:
        >>> classes_along(Tensor.zeros(2, 3, 4), 1).shape
        (3, 1)
    """
    return Tensor.arange(int(y_pred.shape[axis])).reshape(-1, *(1 for _ in y_pred.shape[axis + 1 :]))


def log_probabilities(y_pred: Tensor, *, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Take the logarithm of probabilities of classes along an axis, by their logits where these are known.

    Example:
        >>> log_probabilities(Tensor([[0.0, 1000.0]]), from_logits=True).tolist()
        [[-1000.0, 0.0]]
    """
    logits = _logits(y_pred, "softmax", from_logits=from_logits, axis=axis)
    return wide(y_pred).clip(TINY, 1).log() if logits is None else wide(logits).log_softmax(axis)


def log_odds(y_pred: Tensor, *, from_logits: bool = False) -> tuple[Tensor, Tensor]:
    """Take the logarithms of the probability of "yes" and of "no", by the logits where these are known.

    Example:
        >>> [round(x.item(), 4) for x in log_odds(Tensor(0.0), from_logits=True)]
        [-0.6931, -0.6931]
    """
    logits = _logits(y_pred, "sigmoid", from_logits=from_logits)
    if logits is not None:
        return log_sigmoid(wide(logits)), log_sigmoid(-wide(logits))
    p = wide(y_pred).clip(TINY, 1 - TINY)
    return p.log(), (1 - p).log()


def _logits(y_pred: Tensor, kind: Kind, *, from_logits: bool, axis: int = -1) -> Tensor | None:
    known = logits_of(y_pred, kind, axis)
    if from_logits and known is not None:
        warn(f"from_logits=True, and the output went through a {kind} already")
    return y_pred if from_logits else known


def pick_weights(weights: Sequence[float], one_hot: Tensor, axis: int = -1) -> Tensor:
    """Pick the weight of each sample's class.

    Raises:
        OptionError: there is not one weight for each class.

    Example:
        >>> [round(w, 1) for w in pick_weights([0.5, 2.0, 1.0], Tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])).tolist()]
        [2.0, 1.0]
    """
    classes = int(one_hot.shape[axis])
    if len(weights) != classes:
        problem = f"class_weights needs a weight for each of the {classes} classes"
        raise OptionError(problem, got=f"{len(weights)} weights")
    return (one_hot * _row(list(weights), classes_along(one_hot, axis % one_hot.ndim))).sum(axis)


def _row(values: list[float], numbers: Tensor, first: int = 0) -> Tensor:
    """Make a row of given values without memory of its own, which a recorded step would not own."""
    if len(values) == 1:
        return numbers.cast(dtypes.float32).const_like(float(values[0]))
    middle = len(values) // 2
    low, high = _row(values[:middle], numbers, first), _row(values[middle:], numbers, first + middle)
    return (numbers < first + middle).where(low, high)
