"""Owns what a metric is: sums over samples that batches add to, and the number that is made of them at the end.

Knows nothing about single metrics; ``metrics.py`` has them.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from tinygrad import Tensor

from axon_nb.errors import DataError, TrainingError, brief
from axon_nb.functional.loss import as_tensors, class_axis, configurable, losses, one_hot_like
from axon_nb.lazy import numpy as np
from axon_nb.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])
Measure = Callable[[Tensor, Tensor, Tensor | None], Tensor]

metrics: Registry[Callable[..., Any]] = Registry("metric")
"""Metrics by name. A loss is one too."""

TINY = 1e-16
"""Added to a count that is divided by, as in Axon: 0 of 0 is 0."""


@dataclass(frozen=True, eq=False)
class Metric:
    """A number over all samples, however they come in batches.

    Called with ``(y_true, y_pred)`` it gives the number for these.

    Example:
        >>> from axon_nb.functional.metrics import precision
        >>> strict = precision(threshold=0.8)
        >>> strict
        <Metric precision>
        >>> strict(Tensor([1.0, 0.0]), Tensor([0.9, 0.7])).item()
        1.0
    """

    name: str
    measure: Measure
    """Makes a batch's sums (of a shape that does not depend on the batch) from labels, output and each sample's weight
    (``None`` for all alike)."""
    finish: Callable[[Any], Any]
    """Makes the result of sums: of a tensor, or of a NumPy array."""
    merge: Callable[[Any, Any], Any] = operator.add
    """Joins the sums of earlier batches (zeros at first) with those of another."""
    by_sample: bool = True
    """Whether samples with a weight of 0 are left out."""

    def __call__(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Work out the metric for one batch: of tensors, or of arrays."""
        result: Tensor = self.finish(self.measure(as_tensors(y_true), as_tensors(y_pred), None))
        return result

    def value(self, sums: np.ndarray) -> Any:
        """Make the result of sums that were read from the device: a number, or an array."""
        with np.errstate(divide="ignore", invalid="ignore"):
            result = np.asarray(self.finish(sums.astype(np.float64)))
        return result.item() if result.ndim == 0 else result

    def __repr__(self) -> str:
        return f"<Metric {self.name}>"


def mean(sums: Any) -> Any:
    """Divide the first sum by the second.

    Example:
        >>> mean(np.array([3.0, 4.0])).item()
        0.75
    """
    return sums[0] / (sums[1] + TINY)


@overload
def metric(function: F) -> F: ...
@overload
def metric(*, finish: Callable[..., Any], merge: Callable[[Any, Any], Any] | None = None) -> Callable[[F], F]: ...


def metric(
    function: Any = None, *, finish: Callable[..., Any] | None = None, merge: Callable[[Any, Any], Any] | None = None
) -> Any:
    """Put a metric into the registry: ``fit(metrics=["name"])`` takes it from then on.

    Called with options and no tensors, the metric is itself with these options:
    ``fit(metrics=[metrics.precision(threshold=0.8)])``.

    Args:
        function: takes y_true and y_pred, and options by name. It gives a number for each sample, whose mean is
            reported; with ``finish`` a row of numbers for each sample, which are summed; with ``merge`` it takes each
            sample's weight (or ``None``) as its third argument and sums by itself.
        finish: makes the result of the sums; takes those of the function's options that it names.
        merge: joins the sums of two sets of batches, where these do not just add up.

    Example:
        >>> from axon_nb.functional.metrics import accuracy, metrics
        >>> metrics["accuracy"] is accuracy
        True
    """
    if function is None:
        return functools.partial(metric, finish=finish, merge=merge)
    name = function.__name__
    taken = [] if finish is None else list(inspect.signature(finish).parameters)[1:]

    def with_options(**options: Any) -> Metric:
        given = functools.partial(function, **options)
        measure = given if merge else functools.partial(_sums if finish else _mean_sums, given)
        last = functools.partial(finish, **_chosen(function, options, taken)) if finish else mean
        return Metric(name, measure, last, merge or operator.add)

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if len(args) == 2:
            return with_options(**options)(*args)
        tensors = [options.pop(key) for key in ("y_true", "y_pred")[len(args) :] if key in options]
        made = checked(**options) and with_options(**options)
        return made(*args, *tensors) if args or tensors else made

    checked = configurable(function, tensors=3 if merge else 2)
    call.is_metric = True  # type: ignore[attr-defined]
    metrics.add(name, call)
    return call


def _chosen(function: Callable[..., Any], options: dict[str, Any], names: list[str]) -> dict[str, Any]:
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    return {name: options.get(name, defaults[name]) for name in names}


def as_metric(value: Callable[..., Any], name: str) -> Metric:
    """Make a metric of any function of y_true and y_pred: the mean of its numbers for samples, or of its one number.

    Args:
        value: a metric, a loss, or a function.
        name: what the function is called.

    Example:
        >>> worst = as_metric(lambda y_true, y_pred: (y_true - y_pred).abs().max(-1), "worst")
        >>> worst(Tensor([[0.0, 0.0]]), Tensor([[1.0, 3.0]])).item()
        3.0
    """
    if isinstance(value, Metric):
        return value
    if getattr(value, "is_metric", False):
        made: Metric = value()
        return made
    return Metric(name, functools.partial(_mean_sums, for_each(value)), mean, by_sample=knows_samples(value))


def for_each(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Ask a loss for one number per sample, where it knows how to."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function  # written in C
    return functools.partial(function, reduction="none") if "reduction" in parameters else function


def base_of(function: Any) -> Any:
    """Find the loss under ``losses.huber(delta=2.0)`` or ``label_smoothing(loss)``; else the function itself.

    Example:
        >>> from axon_nb.functional.losses import huber
        >>> base_of(huber(delta=2.0)) is huber
        True
    """
    found = function
    while not any(found is known for known in losses.values()):
        inner = found.func if isinstance(found, functools.partial) else getattr(found, "__wrapped__", None)
        if inner is None:
            return function.func if isinstance(function, functools.partial) else function
        found = inner
    return found


def option_of(function: Any, name: str) -> Any:
    """Find an option that was given with a loss or metric: ``losses.huber(delta=2.0)``; ``None`` if it was not.

    Example:
        >>> from axon_nb.functional.losses import huber, label_smoothing
        >>> option_of(huber(delta=2.0), "delta"), option_of(label_smoothing(huber), "delta")
        (2.0, None)
    """
    found = function
    while found is not None:
        if isinstance(found, functools.partial):
            if name in found.keywords:
                return found.keywords[name]
            found = found.func
        else:
            found = getattr(found, "__wrapped__", None)
    return None


def knows_samples(function: Any) -> bool:
    """Tell whether it is known of a loss that each sample's number depends on that sample only."""
    return getattr(base_of(function), "by_sample", False)


def as_tensor(value: Any, what: str) -> Tensor:
    """Return what a user's function returned.

    Raises:
        TrainingError: it is no tensor.
    """
    if not isinstance(value, Tensor):
        problem = f"{what} must return a tensor"
        raise TrainingError(problem, got=brief(value), fix="work on the tensors y_true and y_pred that it is given")
    return value


def _sums(function: Callable[..., Tensor], y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Tensor:
    rows = as_tensor(function(y_true, y_pred), "a metric").cast("float32")
    if weights is not None:
        rows = rows * weights.reshape(-1, *(1 for _ in rows.shape[1:]))
    return rows.sum(0)


def _mean_sums(function: Callable[..., Tensor], y_true: Tensor, y_pred: Tensor, weights: Tensor | None) -> Tensor:
    """Sum the numbers of samples and the samples; a sample with several numbers has their mean."""
    each = as_tensor(function(y_true, y_pred), "a metric").cast("float32")
    samples = int(y_pred.shape[0])
    if not each.shape:
        return Tensor.stack(each * samples, each.const_like(samples))
    rows = each.reshape(each.shape[0], math.prod(each.shape[1:])).mean(1)
    counted = rows.const_like(1) if weights is None else weights
    return Tensor.stack((rows * counted).sum(), counted.sum())


def count(sums: Any) -> Any:
    """Turn sums into whole numbers.

    Example:
        >>> count(np.array([2.0, 3.0])).tolist()
        [2, 3]
    """
    return sums.round().cast("int32") if isinstance(sums, Tensor) else sums.round().astype("int64")


def like(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Give labels the shape of the output.

    Raises:
        DataError: there are more or fewer of them.

    Example:
        >>> like(Tensor([1, 0]), Tensor.zeros(2, 1)).shape
        (2, 1)
    """
    if y_true.numel() != y_pred.numel():
        problem = "the labels and the output differ in shape"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")
    return y_true.reshape(y_pred.shape)


def outputs_last(y_true: Tensor, y_pred: Tensor, axis: int | None) -> tuple[Tensor, Tensor]:
    """Move the axis of the outputs, or classes, to the end: of the labels too where they have it.

    Example:
        >>> true, pred = outputs_last(Tensor.zeros(2, 8, 9), Tensor.zeros(2, 5, 8, 9), None)
        >>> true.shape, pred.shape
        ((2, 8, 9), (2, 8, 9, 5))
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    if y_true.ndim == y_pred.ndim:
        y_true = _moved(y_true, at)
    return y_true, _moved(y_pred, at)


def _moved(x: Tensor, axis: int) -> Tensor:
    rest = [one for one in range(x.ndim) if one != axis]
    return x if axis >= x.ndim - 1 else x.permute(*rest, axis)


def yes_where(
    y_true: Tensor, y_pred: Tensor, threshold: float | None, axis: int | None = None
) -> tuple[Tensor, Tensor]:
    """Tell where the answer is yes and where it was said to be: (batch, places, outputs).

    Args:
        y_true: 0 or 1 for each output, or class numbers.
        y_pred: the output.
        threshold: yes is what is above it; ``None``: the largest output of a row.
        axis: where the outputs are; ``None``: the last, or axis 1 if only that fits class numbers.

    Example:
        >>> yes, said = yes_where(Tensor([1]), Tensor([[0.2, 0.3]]), None)
        >>> yes.tolist(), said.tolist()
        ([[[False, True]]], [[[False, True]]])
    """
    y_true, y_pred = outputs_last(y_true, y_pred, axis)
    columns = 1 if y_pred.ndim == 1 else int(y_pred.shape[-1])
    pred = y_pred.reshape(y_pred.shape[0], -1, columns)
    if columns > 1 and y_true.shape != y_pred.shape:
        y_true = one_hot_like(y_true, y_pred)
    true = like(y_true, pred) > 0.5
    if threshold is None:
        return true, pred.argmax(-1).unsqueeze(-1) == Tensor.arange(columns)
    return true, pred > threshold
