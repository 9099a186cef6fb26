"""Owns losses for amounts: how far numbers are off.

Knows nothing about classes or training. All take ``(y_true, y_pred)`` of one shape.
"""

from __future__ import annotations

import math

from tinygrad import Tensor

from axon_nb.errors import OptionError
from axon_nb.functional.activations import softplus
from axon_nb.functional.loss import TINY, Reduction, loss, matched, per_sample, reduce


@loss
def mean_squared_error(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of the squared differences along the last axis.

    From Axon it departs in that the reduction is "mean" by default.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html

    Example:
        >>> mean_squared_error(Tensor([[1.0, 2.0]]), Tensor([[1.0, 4.0]])).item()
        2.0
    """
    true, pred = matched(y_true, y_pred)
    return reduce(per_sample((true - pred).square()), reduction)


@loss
def mean_absolute_error(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of the absolute differences along the last axis.

    From Axon it departs in that the reduction is "mean" by default.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html

    Example:
        >>> mean_absolute_error(Tensor([[1.0, 2.0]]), Tensor([[1.0, 4.0]])).item()
        1.0
    """
    true, pred = matched(y_true, y_pred)
    return reduce(per_sample((true - pred).abs()), reduction)


@loss
def huber(y_true: Tensor, y_pred: Tensor, *, delta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Square small differences and take large ones as they are: outliers pull less than in mean_squared_error.

    From Axon it departs in that the reduction is "mean" by default. As there, "none" gives a number for each output.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ..., outputs)

    Args:
        y_true: what was true.
        y_pred: what was predicted.
        delta: the difference from which on it grows in a straight line, above 0.
        reduction: over the samples.

    Raises:
        OptionError: delta is not above 0.

    Source: Huber 1964, https://doi.org/10.1214/aoms/1177703732

    Example:
        >>> huber(Tensor([[0.0], [0.0]]), Tensor([[1.0], [3.0]]), reduction="none").tolist()
        [[0.5], [2.5]]
    """
    if not delta > 0:
        problem = "huber: delta must be a number above 0"
        raise OptionError(problem, got=repr(delta), fix="huber(delta=1.0)")
    true, pred = matched(y_true, y_pred)
    size = (true - pred).abs()
    small = size <= delta
    inside = small.where(size, 0)  # so that the square of what is far off, which may overflow, is never taken
    return reduce(small.where(0.5 * inside.square(), delta * (size - 0.5 * delta)), reduction)


@loss
def log_cosh(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of log(cosh(difference)) along the last axis: half a square near zero, a straight line far off.

    From Axon it departs in that the reduction is "mean" by default, and that large differences do not overflow.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://keras.io/api/losses/regression_losses/#logcosh-class

    Example:
        >>> round(log_cosh(Tensor([[0.0]]), Tensor([[1.0]])).item(), 4)
        0.4338
        >>> round(log_cosh(Tensor([[0.0]]), Tensor([[-1000.0]])).item(), 4)
        999.3068
    """
    true, pred = matched(y_true, y_pred)
    difference = pred - true
    return reduce(per_sample(difference + softplus(-2 * difference) - math.log(2)), reduction)


@loss
def poisson(y_true: Tensor, y_pred: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Take the mean of expected minus counted times log(expected): for counts, and a model that gives what to expect.

    From Axon it departs in that the reduction is "mean" by default.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://keras.io/api/losses/probabilistic_losses/#poisson-class

    Example:
        >>> round(poisson(Tensor([[1.0]]), Tensor([[2.0]])).item(), 4)
        1.3069
    """
    true, pred = matched(y_true, y_pred)
    return reduce(per_sample(pred - true * (pred + TINY).log()), reduction)


@loss(listed=False)
def cosine_similarity(
    y_true: Tensor, y_pred: Tensor, *, axis: int | tuple[int, ...] = -1, epsilon: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Take the cosine of the angle between two vectors: 1 where they point the same way. See also cosine_distance.

    As it grows the better a prediction is, it is no loss by name: ``fit(loss="cosine_distance")``.
    From Axon it departs in that the reduction is "mean" by default, and that any rank will do.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Args:
        y_true: what was true.
        y_pred: what was predicted.
        axis: the axis or axes of a vector.
        epsilon: the least product of lengths that it is divided by.
        reduction: over the samples.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineSimilarity.html

    Example:
        >>> round(cosine_similarity(Tensor([[0.0, 2.0]]), Tensor([[0.0, 1.0]])).item(), 4)
        1.0
    """
    true, pred = matched(y_true, y_pred)
    lengths = true.square().sum(axis) * pred.square().sum(axis)
    # The least is put under the root, whose gradient at 0 is infinite.
    return reduce((true * pred).sum(axis) / lengths.maximum(epsilon * epsilon).sqrt(), reduction)


@loss
def cosine_distance(
    y_true: Tensor, y_pred: Tensor, *, axis: int | tuple[int, ...] = -1, epsilon: float = 1e-6,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Take 1 - cosine_similarity: 0 where two vectors point the same way, 2 where they point apart.

    Axon has only the similarity, which a loss would make smaller.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html

    Example:
        >>> cosine_distance(Tensor([[0.0, 1.0]]), Tensor([[0.0, -3.0]])).item()
        2.0
    """
    return reduce(1 - cosine_similarity(y_true, y_pred, axis=axis, epsilon=epsilon, reduction="none"), reduction)
