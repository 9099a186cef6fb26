"""Owns metrics: numbers that tell a person how good predictions are.

Know nothing about training. Each takes ``(y_true, y_pred)`` and gives one number per sample; their mean is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tinygrad import Tensor

from axon_nb.errors import DataError
from axon_nb.functional.losses import binary_cross_entropy, categorical_cross_entropy, losses, mean_absolute_error
from axon_nb.registry import Registry

Metric = Callable[..., Tensor]
F = TypeVar("F", bound=Metric)

metrics: Registry[Metric] = Registry("metric")
"""Metrics by name. A loss is one too."""


def metric(function: F) -> F:
    """Put a metric into the registry: ``fit(metrics=["name"])`` takes it from then on."""
    metrics.add(function.__name__, function)
    return function


@metric
def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Give 1 where the class is right and 0 where it is not.

    Shapes:
        y_true (batch, ...) of class numbers or (batch, ..., classes) one-hot, y_pred (batch, ..., classes)
        -> (batch, ...). With one class, both are "yes" above 0.5.

    Example:
        >>> accuracy(Tensor([1, 0]), Tensor([[0.2, 0.8], [0.4, 0.6]])).tolist()
        [1.0, 0.0]
    """
    if y_pred.shape[-1] == 1:
        right = (y_pred > 0.5) == (y_true.reshape(y_pred.shape) > 0.5)
        return right.squeeze(-1).cast("float32")
    if y_true.shape == y_pred.shape:
        y_true = y_true.argmax(-1)
    elif y_true.shape not in (y_pred.shape[:-1], (*y_pred.shape[:-1], 1)):
        problem = "the labels fit neither as class numbers nor as one-hot rows"
        raise DataError(problem, got=f"labels {tuple(y_true.shape)}, output {tuple(y_pred.shape)}")
    return (y_pred.argmax(-1) == y_true.reshape(y_pred.shape[:-1])).cast("float32")


for _loss in (mean_absolute_error, losses["mean_squared_error"], binary_cross_entropy, categorical_cross_entropy):
    metrics.add(_loss.__name__, _loss)
