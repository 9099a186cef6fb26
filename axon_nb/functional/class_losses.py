"""Owns losses for classes and for yes or no: how little probability was given to what was true.

Knows nothing about training. Probabilities that come from a softmax or a sigmoid are compared by what went into these,
so that the loss and its gradient stay right where a probability rounds to 0 or 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad import Tensor

from axon_nb.errors import OptionError
from axon_nb.functional.loss import (
    TINY,
    Reduction,
    class_axis,
    log_odds,
    log_probabilities,
    loss,
    matched,
    one_hot_like,
    per_sample,
    pick_weights,
    reduce,
    wide,
)


@loss(labels="chances")
def binary_cross_entropy(
    y_true: Tensor, y_pred: Tensor, *, from_logits: bool = False, positive_weight: float | None = None,
    negative_weight: float | None = None, label_smoothing: float = 0.0, reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Compare probabilities of "yes" with what was true (0 or 1).

    From Axon it departs in that the reduction is "mean" by default, and that "none" goes with weights too.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Args:
        y_true: 0 or 1, or a probability between.
        y_pred: probabilities, from a sigmoid; or its inputs with ``from_logits``.
        from_logits: whether ``y_pred`` did not go through a sigmoid yet.
        positive_weight: how much a "yes" counts, 1 by default. A mean is divided by the number of samples all the same.
        negative_weight: how much a "no" counts, 1 by default.
        label_smoothing: share of each label that is replaced by a half.
        reduction: over the samples.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html

    Example:
        >>> round(binary_cross_entropy(Tensor([[1.0, 0.0]]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
    """
    true, _ = matched(y_true, y_pred)
    smooth = _smoothed(true, label_smoothing, 2)
    yes, no = log_odds(y_pred, from_logits=from_logits)
    each = -(smooth * yes + (1 - smooth) * no)
    if positive_weight is not None or negative_weight is not None:
        each = each * (true * _or_one(positive_weight) + (1 - true) * _or_one(negative_weight))
    return reduce(per_sample(each), reduction)


def _or_one(weight: float | None) -> float:
    return 1.0 if weight is None else weight


@loss(labels="classes")
def categorical_cross_entropy(
    y_true: Tensor, y_pred: Tensor, *, from_logits: bool = False, sparse: bool | None = None,
    class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0, axis: int | None = None,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Compare probabilities of classes with the class that was true.

    From Axon it departs in that the reduction is "mean" by default, that ``sparse`` goes by the shapes, and that class
    weights go with class numbers too.

    Shapes:
        y_true (batch, ...) of class numbers, or (batch, ..., classes) one-hot; y_pred (batch, ..., classes)
        -> () or (batch, ...)

    Args:
        y_true: class numbers from 0, or a probability for each class.
        y_pred: probabilities, from a softmax; or its inputs with ``from_logits``.
        from_logits: whether ``y_pred`` did not go through a softmax yet.
        sparse: whether y_true holds class numbers; by default the shapes tell.
        class_weights: how much each class counts; a mean is divided by the sum of the weights of the true classes.
        label_smoothing: share of each label that is spread over all classes.
        axis: where the output has the classes; by default the last axis, or axis 1 if only that fits class numbers, as
            in an output (batch, classes, height, width) with labels (batch, height, width).
        reduction: over the samples.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html

    Example:
        >>> round(categorical_cross_entropy(Tensor([1]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
        >>> round(categorical_cross_entropy(Tensor([[0.0, 1.0]]), Tensor([[0.5, 0.5]])).item(), 4)
        0.6931
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    true = one_hot_like(y_true, y_pred, sparse, at)
    smooth = _smoothed(true, label_smoothing, int(y_pred.shape[at]))
    each = -(smooth * log_probabilities(y_pred, from_logits=from_logits, axis=at)).sum(at)
    return reduce(each, reduction, None if class_weights is None else pick_weights(class_weights, true, at))


@loss(labels="chances")
def focal(
    y_true: Tensor, y_pred: Tensor, *, gamma: float = 2.0, alpha: float | None = 0.25, from_logits: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Compare probabilities of "yes" with what was true; the better a prediction is already, the less it counts.

    Axon has none.

    Shapes:
        y_true, y_pred (batch, ..., outputs) -> () or (batch, ...)

    Args:
        y_true: 0 or 1.
        y_pred: probabilities, from a sigmoid; or its inputs with ``from_logits``.
        gamma: how much less; 0 is binary_cross_entropy.
        alpha: how much a "yes" counts, and 1 - alpha a "no"; ``None`` for both alike.
        from_logits: whether ``y_pred`` did not go through a sigmoid yet.
        reduction: over the samples.

    Source: Lin and others 2017, https://arxiv.org/abs/1708.02002

    Example:
        >>> round(focal(Tensor([[1.0]]), Tensor([[0.5]])).item(), 4)
        0.0433
    """
    true, _ = matched(y_true, y_pred)
    yes, no = log_odds(y_pred, from_logits=from_logits)
    each = -(true * yes + (1 - true) * no) * (gamma * (true * no + (1 - true) * yes)).exp()
    if alpha is not None:
        each = each * (true * alpha + (1 - true) * (1 - alpha))
    return reduce(per_sample(each), reduction)


@loss(labels="classes")
def categorical_focal(
    y_true: Tensor, y_pred: Tensor, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None,
    from_logits: bool = False, sparse: bool | None = None, axis: int | None = None, reduction: Reduction = "mean",
) -> Tensor:  # fmt: skip
    """Compare probabilities of classes with the true one; the better a prediction is already, the less it counts.

    Axon has none.

    Shapes:
        y_true (batch, ...) of class numbers, or (batch, ..., classes) one-hot; y_pred (batch, ..., classes)
        -> () or (batch, ...)

    Args:
        y_true: class numbers from 0, or a probability for each class.
        y_pred: probabilities, from a softmax; or its inputs with ``from_logits``.
        gamma: how much less; 0 is categorical_cross_entropy.
        class_weights: how much each class counts; a mean is divided by the sum of the weights of the true classes.
        from_logits: whether ``y_pred`` did not go through a softmax yet.
        sparse: whether y_true holds class numbers; by default the shapes tell.
        axis: where the output has the classes; by default the last axis, or axis 1 if only that fits class numbers, as
            in an output (batch, classes, height, width) with labels (batch, height, width).
        reduction: over the samples.

    Source: Lin and others 2017, https://arxiv.org/abs/1708.02002

    Example:
        >>> round(categorical_focal(Tensor([1]), Tensor([[0.5, 0.5]])).item(), 4)
        0.1733
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    true = one_hot_like(y_true, y_pred, sparse, at)
    log_p = log_probabilities(y_pred, from_logits=from_logits, axis=at)
    rest = (1 - log_p.exp()).clip(TINY, 1)  # a power of 0 would have no gradient
    each = -(true * log_p * (gamma * rest.log()).exp()).sum(at)
    return reduce(each, reduction, None if class_weights is None else pick_weights(class_weights, true, at))


@loss(labels="classes")
def kl_divergence(y_true: Tensor, y_pred: Tensor, *, axis: int | None = None, reduction: Reduction = "mean") -> Tensor:
    """Sum y_true * log(y_true / y_pred) over the classes: how far one distribution is from another.

    From Axon it departs in that the reduction is "mean" by default. ``axis`` is that of categorical_cross_entropy.

    Shapes:
        y_true, y_pred (batch, ..., classes) -> () or (batch, ...); y_true may hold class numbers (batch, ...)

    Source: https://keras.io/api/losses/probabilistic_losses/#kldivergence-class

    Example:
        >>> round(kl_divergence(Tensor([[0.0, 1.0]]), Tensor([[0.6, 0.4]])).item(), 4)
        0.9163
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    true = one_hot_like(y_true, y_pred, axis=at)
    return reduce((true * (true.clip(TINY, 1).log() - log_probabilities(y_pred, axis=at))).sum(at), reduction)


@loss(labels="classes")
def categorical_hinge(
    y_true: Tensor, y_pred: Tensor, *, axis: int | None = None, reduction: Reduction = "mean"
) -> Tensor:
    """Take max(0, 1 + the largest output of a wrong class - the output of the right one).

    From Axon it departs in that the reduction is "mean" by default, and that labels may be class numbers. ``axis`` is
    that of categorical_cross_entropy.

    Shapes:
        y_true (batch, ...) of class numbers, or (batch, ..., classes) one-hot; y_pred (batch, ..., classes)
        -> () or (batch, ...)

    Source: https://keras.io/api/losses/hinge_losses/#categoricalhinge-class

    Example:
        >>> categorical_hinge(Tensor([0]), Tensor([[0.5, 0.75, 0.25]])).item()
        1.25
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    true, pred = one_hot_like(y_true, y_pred, axis=at), wide(y_pred)
    wrong = ((1 - true) * pred).max(at)
    return reduce((1 - (true * pred).sum(at) + wrong).relu(), reduction)


def _smoothed(true: Tensor, smoothing: float, choices: int) -> Tensor:
    if not 0 <= smoothing < 1:
        problem = "label smoothing must be a number of at least 0 and below 1"
        raise OptionError(problem, got=repr(smoothing), fix="label_smoothing=0.1")
    return true * (1 - smoothing) + smoothing / choices if smoothing else true


def apply_label_smoothing(y_true: Tensor, y_pred: Tensor, *, smoothing: float = 0.1, axis: int | None = None) -> Tensor:
    """Take a share of each label and spread it over all classes, so that a model is never asked to be certain.

    ``axis`` is that of categorical_cross_entropy.

    Shapes:
        y_true (batch, ...) of class numbers, or (batch, ..., classes); y_pred (batch, ..., classes)
        -> (batch, ..., classes)

    Source: Szegedy and others 2015, https://arxiv.org/abs/1512.00567

    Example:
        >>> [round(v, 2) for v in apply_label_smoothing(Tensor([[0.0, 1.0]]), Tensor.zeros(1, 2))[0].tolist()]
        [0.05, 0.95]
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    return _smoothed(one_hot_like(y_true, y_pred, axis=at), smoothing, int(y_pred.shape[at]))


def label_smoothing(loss: Callable[..., Tensor], *, smoothing: float = 0.1) -> Callable[..., Tensor]:
    """Wrap a loss for classes: its labels are smoothed first. See apply_label_smoothing.

    Example:
        >>> smooth = label_smoothing(categorical_cross_entropy, smoothing=0.2)
        >>> round(smooth(Tensor([1]), Tensor([[0.1, 0.9]])).item(), 4)
        0.3251
    """

    @functools.wraps(loss)
    def smooth(y_true: Tensor, y_pred: Tensor, **options: Any) -> Tensor:
        at = class_axis(y_true.shape, y_pred.shape, options.get("axis"))
        if at != y_pred.ndim - 1:
            options["axis"] = at  # the labels have the output's shape from here on, which no longer tells
        return loss(apply_label_smoothing(y_true, y_pred, smoothing=smoothing, axis=at), y_pred, **options)

    return smooth
