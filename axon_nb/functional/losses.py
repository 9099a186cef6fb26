"""Owns losses: functions of what is true and what was predicted, the smaller the better.

Know nothing about training. Each takes ``(y_true, y_pred)`` and a reduction over the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

from tinygrad import Tensor

from axon_nb.errors import DataError
from axon_nb.registry import Registry

Loss = Callable[..., Tensor]
Reduction: TypeAlias = Literal["mean", "sum", "none"]
F = TypeVar("F", bound=Loss)

losses: Registry[Loss] = Registry("loss")
"""Losses by name."""

_TINY = 1e-7


def loss(function: F) -> F:
    """Put a loss into the registry: ``fit(loss="name")`` takes it from then on."""
    losses.add(function.__name__, function)
    return function


def reduce(per_sample: Tensor, reduction: Reduction) -> Tensor:
    """Take the mean or the sum of the samples' losses, or leave them.

    Example:
        >>> reduce(Tensor([1.0, 3.0]), "mean").item()
        2.0
    """
    if reduction == "mean":
        return per_sample.mean()
    return per_sample.sum() if reduction == "sum" else per_sample


def _same_shape(y_true: Tensor, y_pred: Tensor) -> None:
    if y_true.shape != y_pred.shape:
        problem = "the labels and the output differ in shape"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")


@loss
def mean_squared_error(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of the squared differences along the last axis.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Example:
        >>> mean_squared_error(Tensor([[1.0, 2.0]]), Tensor([[1.0, 4.0]])).item()
        2.0
    """
    _same_shape(y_true, y_pred)
    return reduce((y_true - y_pred).square().mean(-1), reduction)


@loss
def mean_absolute_error(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of the absolute differences along the last axis.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Example:
        >>> mean_absolute_error(Tensor([[1.0, 2.0]]), Tensor([[1.0, 4.0]])).item()
        1.0
    """
    _same_shape(y_true, y_pred)
    return reduce((y_true - y_pred).abs().mean(-1), reduction)


@loss
def binary_cross_entropy(
    y_true: Tensor, y_pred: Tensor, *, from_logits: bool = False, reduction: Reduction = "mean"
) -> Tensor:
    """Compare probabilities of "yes" with what was true (0 or 1).

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Args:
        y_true: 0 or 1, or a probability between.
        y_pred: probabilities, from a sigmoid; or its inputs with ``from_logits``.
        from_logits: whether ``y_pred`` did not go through a sigmoid yet.
        reduction: over the samples.

    Example:
        >>> round(binary_cross_entropy(Tensor([[1.0, 0.0]]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
    """
    _same_shape(y_true, y_pred)
    if from_logits:
        each = y_pred.maximum(0) - y_pred * y_true + (1 + (-y_pred.abs()).exp()).log()
    else:
        p = y_pred.clip(_TINY, 1 - _TINY)
        each = -(y_true * p.log() + (1 - y_true) * (1 - p).log())
    return reduce(each.mean(-1), reduction)


@loss
def categorical_cross_entropy(
    y_true: Tensor, y_pred: Tensor, *, from_logits: bool = False, reduction: Reduction = "mean"
) -> Tensor:
    """Compare probabilities of classes with the class that was true.

    Shapes:
        y_true (batch, ...) of class numbers, or (batch, ..., classes) one-hot; y_pred (batch, ..., classes)
        -> () or (batch, ...)

    Args:
        y_true: class numbers from 0, or a probability for each class.
        y_pred: probabilities, from a softmax; or its inputs with ``from_logits``.
        from_logits: whether ``y_pred`` did not go through a softmax yet.
        reduction: over the samples.

    Example:
        >>> round(categorical_cross_entropy(Tensor([1]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
        >>> round(categorical_cross_entropy(Tensor([[0.0, 1.0]]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
    """
    log_p = y_pred.log_softmax(-1) if from_logits else y_pred.clip(_TINY, 1).log()
    return reduce(-(one_hot_like(y_true, y_pred) * log_p).sum(-1), reduction)


def one_hot_like(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Turn class numbers into rows with a one, as wide as the output; leave rows as they are.

    Raises:
        DataError: the labels are neither.

    Example:
        >>> one_hot_like(Tensor([1]), Tensor.zeros(1, 3)).tolist()
        [[0.0, 1.0, 0.0]]
    """
    if y_true.shape == y_pred.shape:
        return y_true
    if y_true.shape != y_pred.shape[:-1] and y_true.shape != (*y_pred.shape[:-1], 1):
        problem = "the labels fit neither as class numbers nor as one-hot rows"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")
    numbers = y_true.reshape(*y_pred.shape[:-1], 1)
    return (numbers == Tensor.arange(int(y_pred.shape[-1]), dtype=numbers.dtype)).cast(y_pred.dtype)
