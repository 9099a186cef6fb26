"""Owns metrics of classes: which share was right, and what was taken for what.

Know nothing about training.
"""

from __future__ import annotations

import math

from tinygrad import Tensor

from axon_nb.errors import OptionError
from axon_nb.functional.loss import class_axis, classes_along, one_hot_like
from axon_nb.functional.metric import count, like, metric


@metric
def accuracy(
    y_true: Tensor, y_pred: Tensor, *, threshold: float = 0.5, from_logits: bool = False, sparse: bool | None = None,
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the share of samples whose class is right.

    From Axon it departs in that any rank will do, and that ``sparse`` goes by the shapes.

    Shapes:
        y_true (batch, ...) of class numbers or (batch, ..., classes) one-hot, y_pred (batch, ..., classes) -> ()

    Args:
        y_true: what was true.
        y_pred: the output. With one output, or none beside the batch axis, it says "yes" above the threshold.
        threshold: a probability.
        from_logits: whether ``y_pred`` did not go through a sigmoid yet.
        sparse: whether y_true holds class numbers; by default the shapes tell.
        axis: where the output has the classes; by default the last axis, or axis 1 if only that fits class numbers, as
            in an output (batch, classes, height, width) with labels (batch, height, width).

    Source: https://keras.io/api/metrics/accuracy_metrics/#accuracy-class

    Example:
        >>> accuracy(Tensor([1, 0]), Tensor([[0.2, 0.8], [0.4, 0.6]])).item()
        0.5
    """
    at = class_axis(y_true.shape, y_pred.shape, axis)
    if _says_yes(y_pred, at):
        limit = _logit(threshold) if from_logits else threshold
        return ((y_pred > limit) == (like(y_true, y_pred) > 0.5)).cast("float32")
    right = y_pred.argmax(at).unsqueeze(at) == classes_along(y_pred, at)
    return right.where(one_hot_like(_as_numbers(y_true, y_pred, at), y_pred, sparse, at), 0).sum(at) > 0.5


def _says_yes(y_pred: Tensor, axis: int) -> bool:
    """Tell whether there is one output, which means yes or no."""
    return y_pred.ndim == 1 or y_pred.shape[axis] == 1


def _logit(share: float) -> float:
    if not 0 < share < 1:
        problem = "threshold must be a number above 0 and below 1"
        raise OptionError(problem, got=repr(share))
    return math.log(share / (1 - share))


@metric
def top_k_categorical_accuracy(
    y_true: Tensor, y_pred: Tensor, *, k: int = 5, sparse: bool | None = None, axis: int | None = None
) -> Tensor:
    """Give the share of samples whose class is among the k with the largest outputs.

    Shapes:
        y_true (batch, ...) of class numbers or (batch, ..., classes) one-hot, y_pred (batch, ..., classes) -> ()

    Args:
        y_true: what was true.
        y_pred: the output. One row without a batch axis is one sample.
        k: how many. Of equal outputs the first counts as larger.
        sparse: whether y_true holds class numbers; by default the shapes tell.
        axis: where the output has the classes; by default the last axis, or axis 1 if only that fits class numbers, as
            in an output (batch, classes, height, width) with labels (batch, height, width).

    Source: https://keras.io/api/metrics/accuracy_metrics/#topkcategoricalaccuracy-class

    Example:
        >>> top_k_categorical_accuracy(Tensor([1, 0]), Tensor([[0.1, 0.4, 0.5], [0.1, 0.4, 0.5]]), k=2).item()
        0.5
    """
    if k < 1:
        problem = "k must be a whole number of at least 1"
        raise OptionError(problem, got=repr(k))
    if y_pred.ndim == 1:
        y_true, y_pred = y_true.unsqueeze(0), y_pred.unsqueeze(0)
    along = class_axis(y_true.shape, y_pred.shape, axis)
    true = one_hot_like(y_true, y_pred, sparse, along) > 0.5
    own = true.where(y_pred, 0).sum(along, keepdim=True)
    place = classes_along(y_pred, along)
    at = true.where(place, 0).sum(along, keepdim=True)
    before = (y_pred > own) | ((y_pred == own) & (place < at))
    return before.sum(along) < k


def _as_numbers(y_true: Tensor, y_pred: Tensor, axis: int) -> Tensor:
    """Turn rows that give each class a share into one-hot ones; leave class numbers."""
    if y_true.shape != y_pred.shape:
        return y_true
    return y_true.argmax(axis)


@metric(finish=count)
def confusion_matrix(y_true: Tensor, y_pred: Tensor, *, threshold: float = 0.5, axis: int | None = None) -> Tensor:
    """Count how often each class (row) was said to be which class (column).

    Axon has none. The history holds one array for each epoch.

    Shapes:
        y_true (batch, ...) of class numbers or (batch, ..., classes) one-hot, y_pred (batch, ..., classes)
        -> (classes, classes); with one output (2, 2): no, yes

    Args:
        y_true: what was true.
        y_pred: the output.
        threshold: with one output, "yes" is what is above it.
        axis: where the output has the classes; by default the last axis, or axis 1 if only that fits class numbers, as
            in an output (batch, classes, height, width) with labels (batch, height, width).

    Source: https://en.wikipedia.org/wiki/Confusion_matrix

    Example:
        >>> confusion_matrix(Tensor([0, 1, 1]), Tensor([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])).tolist()
        [[1, 0], [1, 1]]
    """
    samples = y_pred.shape[0]
    at = class_axis(y_true.shape, y_pred.shape, axis)
    if _says_yes(y_pred, at):
        true, said = (like(y_true, y_pred) > 0.5).reshape(samples, -1), (y_pred > threshold).reshape(samples, -1)
        classes = 2
    else:
        classes = int(y_pred.shape[at])
        numbers = _as_numbers(y_true, y_pred, at)
        one_hot_like(numbers, y_pred, True, at)  # checks the shape
        true, said = numbers.reshape(samples, -1), y_pred.argmax(at).reshape(samples, -1)
    number = Tensor.arange(classes)
    rows, columns = true.unsqueeze(-1).cast("int32") == number, said.unsqueeze(-1).cast("int32") == number
    return (rows.unsqueeze(-1) & columns.unsqueeze(-2)).cast("float32").sum(1)
