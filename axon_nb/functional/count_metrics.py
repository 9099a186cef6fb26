"""Owns metrics made of counts: of yes and no, right and wrong.

Know nothing about training.
"""

from __future__ import annotations

from typing import Any, Literal

from tinygrad import Tensor

from axon_nb.errors import OptionError
from axon_nb.functional.metric import TINY, count, metric, yes_where

Average = Literal["micro", "macro", "none"]


def _counted(y_true: Tensor, y_pred: Tensor, threshold: float | None, average: Average, axis: int | None) -> Tensor:
    """Count, for each sample, right yes, wrong yes, wrong no and right no: (batch, 4), or (batch, 4, outputs)."""
    if average not in ("micro", "macro", "none"):
        problem = "average is 'micro', 'macro' or 'none'"
        raise OptionError(problem, got=repr(average))
    true, said = yes_where(y_true, y_pred, threshold, axis)
    kinds = Tensor.stack(true & said, true.logical_not() & said, true & said.logical_not(), (true | said).logical_not())
    counts = kinds.cast("float32").sum(2).transpose(0, 1)
    return counts.sum(-1) if average == "micro" else counts


def _averaged(top: Any, bottom: Any, average: Average) -> Any:
    share = top / (bottom + TINY)
    return share.mean() if average == "macro" else share


def _precision(sums: Any, average: Average) -> Any:
    return _averaged(sums[0], sums[0] + sums[1], average)


def _recall(sums: Any, average: Average) -> Any:
    return _averaged(sums[0], sums[0] + sums[2], average)


def _specificity(sums: Any, average: Average) -> Any:
    return _averaged(sums[3], sums[3] + sums[1], average)


def _f1(sums: Any, average: Average) -> Any:
    return _averaged(2 * sums[0], 2 * sums[0] + sums[1] + sums[2], average)


@metric(finish=_precision)
def precision(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, average: Average = "micro",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the share of right answers among those that were "yes": 0 where there was none.

    From Axon it departs in that it is pooled over the epoch, and that labels may be class numbers.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> (), or (outputs,) for average "none"

    Args:
        y_true: 0 or 1, or class numbers (batch, ...).
        y_pred: probabilities.
        threshold: "yes" is what is above it; ``None``: the largest output of a row.
        average: "micro" counts all outputs together, "macro" takes the mean over the outputs, "none" tells them apart.
        axis: where the outputs are; by default the last axis, or axis 1 if only that fits class numbers.

    Source: https://en.wikipedia.org/wiki/Precision_and_recall

    Example:
        >>> precision(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        0.5
    """
    return _counted(y_true, y_pred, threshold, average, axis)


@metric(finish=_recall)
def recall(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, average: Average = "micro",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the share of "yes" that was found: 0 where there is none. Options are those of precision.

    From Axon it departs in that it is pooled over the epoch, and that labels may be class numbers.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> (), or (outputs,) for average "none"

    Source: https://en.wikipedia.org/wiki/Precision_and_recall

    Example:
        >>> recall(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        0.5
    """
    return _counted(y_true, y_pred, threshold, average, axis)


@metric(finish=_recall)
def sensitivity(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, average: Average = "micro",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the share of "yes" that was found: another name for recall.

    From Axon it departs in that it is pooled over the epoch, and that labels may be class numbers.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> (), or (outputs,) for average "none"

    Source: https://en.wikipedia.org/wiki/Sensitivity_and_specificity

    Example:
        >>> sensitivity(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        0.5
    """
    return _counted(y_true, y_pred, threshold, average, axis)


@metric(finish=_specificity)
def specificity(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, average: Average = "micro",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the share of "no" that was found: 0 where there is none. Options are those of precision.

    From Axon it departs in that it is pooled over the epoch, and that labels may be class numbers.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> (), or (outputs,) for average "none"

    Source: https://en.wikipedia.org/wiki/Sensitivity_and_specificity

    Example:
        >>> specificity(Tensor([0, 0, 1]), Tensor([0.9, 0.2, 0.8])).item()
        0.5
    """
    return _counted(y_true, y_pred, threshold, average, axis)


@metric(finish=_f1)
def f1(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, average: Average = "micro",
    axis: int | None = None,
) -> Tensor:  # fmt: skip
    """Give the harmonic mean of precision and recall. Options are those of precision.

    Axon has none.

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> (), or (outputs,) for average "none"

    Source: https://en.wikipedia.org/wiki/F-score

    Example:
        >>> f1(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        0.5
    """
    return _counted(y_true, y_pred, threshold, average, axis)


@metric(finish=count)
def true_positives(y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, axis: int | None = None) -> Tensor:
    """Count the "yes" that was said to be "yes".

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> ()

    Source: https://en.wikipedia.org/wiki/Confusion_matrix

    Example:
        >>> true_positives(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        1
    """
    return _counted(y_true, y_pred, threshold, "micro", axis)[:, 0]


@metric(finish=count)
def false_positives(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, axis: int | None = None
) -> Tensor:
    """Count the "no" that was said to be "yes".

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> ()

    Source: https://en.wikipedia.org/wiki/Confusion_matrix

    Example:
        >>> false_positives(Tensor([0, 0, 1]), Tensor([0.9, 0.8, 0.2])).item()
        2
    """
    return _counted(y_true, y_pred, threshold, "micro", axis)[:, 1]


@metric(finish=count)
def false_negatives(
    y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, axis: int | None = None
) -> Tensor:
    """Count the "yes" that was said to be "no".

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> ()

    Source: https://en.wikipedia.org/wiki/Confusion_matrix

    Example:
        >>> false_negatives(Tensor([0, 1, 1]), Tensor([0.9, 0.8, 0.2])).item()
        1
    """
    return _counted(y_true, y_pred, threshold, "micro", axis)[:, 2]


@metric(finish=count)
def true_negatives(y_true: Tensor, y_pred: Tensor, *, threshold: float | None = 0.5, axis: int | None = None) -> Tensor:
    """Count the "no" that was said to be "no".

    Shapes:
        y_true, y_pred (batch, ..., outputs) or (batch,) -> ()

    Source: https://en.wikipedia.org/wiki/Confusion_matrix

    Example:
        >>> true_negatives(Tensor([0, 0, 1]), Tensor([0.9, 0.2, 0.2])).item()
        1
    """
    return _counted(y_true, y_pred, threshold, "micro", axis)[:, 3]
