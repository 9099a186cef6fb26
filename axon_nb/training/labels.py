"""Owns what is asked of labels: that they fit the model's output and the loss, before a step is taken.

Knows nothing about the loop.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from axon_nb.data import as_numbers, check_finite
from axon_nb.errors import DataError
from axon_nb.shapes import show

_CLASSES = "categorical_cross_entropy"


def prepare_labels(y: Any, samples: int, output: tuple[int, ...], loss: str, layer: str) -> np.ndarray:
    """Check labels and bring them into the form the loss takes.

    Args:
        y: the labels.
        samples: how many samples the data has.
        output: the model's output shape for that many samples.
        loss: name of the loss.
        layer: the output layer, for messages.

    Raises:
        DataError: they don't fit; says what would.

    Example:
        >>> prepare_labels([0, 2], 2, (2, 3), "categorical_cross_entropy", "dense 'dense_0'").dtype
        dtype('int32')
    """
    array = np.asarray(as_numbers(y, "the labels"))
    check_finite(array, "the labels")
    if array.shape[:1] != (samples,):
        problem = "the data and the labels have different numbers of samples"
        got = f"{samples} samples, labels {show(array.shape)}"
        raise DataError(problem, got=got)
    if array.shape == output[:-1] and output[-1] == 1 and loss != _CLASSES:
        array = array.reshape(output)
    if loss == _CLASSES:
        return _classes(array, output, layer)
    if array.shape != output:
        problem = f"the labels do not fit the output of {layer}"
        got = f"labels {show(array.shape)}, output {show(output)}"
        raise DataError(problem, got=got, fix=_fixes(array, output))
    return array.astype(np.float32)


def _classes(array: np.ndarray, output: tuple[int, ...], layer: str) -> np.ndarray:
    if array.shape == (*output[:-1], 1):
        array = array.reshape(output[:-1])
    if array.shape == output and len(output) > 1 and output[-1] > 1:
        return array.astype(np.float32)
    if array.shape != output[:-1]:
        problem = f"the labels do not fit the output of {layer}"
        got = f"labels {show(array.shape)}, output {show(output)}"
        fix = (f"class numbers {show(output[:-1])}, or one-hot rows {show(output)}", *_class_fix(array, output))
        raise DataError(problem, got=got, fix=fix)
    if output[-1] == 1:
        problem = f"{layer} has one output, and {_CLASSES} compares classes"
        raise DataError(
            problem, fix=('loss="binary_cross_entropy" for yes or no', "an output layer with a unit per class")
        )
    if not np.equal(np.mod(array, 1), 0).all():
        problem = "class numbers are whole numbers"
        raise DataError(problem, got=f"labels such as {array[np.mod(array, 1) != 0][0]}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= output[-1]:
        problem = f"the labels go from {low} to {high} and the output of {layer} has classes 0 to {output[-1] - 1}"
        raise DataError(problem, fix=_range_fix(low, high, output[-1]))
    return array.astype(np.int32)


def _range_fix(low: int, high: int, classes: int) -> str:
    if low < 0:
        return "class numbers begin at 0: numpy.unique(labels, return_inverse=True)[1] makes such numbers"
    return "subtract 1 from the labels" if (low, high) == (1, classes) else f"dense({high + 1}, ...) as the last layer"


def _class_fix(array: np.ndarray, output: tuple[int, ...]) -> tuple[str, ...]:
    if array.ndim == len(output) and array.ndim > 1:
        return (f"dense({array.shape[-1]}, ...) as the last layer",)
    return ()


def _fixes(array: np.ndarray, output: tuple[int, ...]) -> list[str]:
    if array.shape == output[:-1] and array.dtype.kind in "iub":
        return [f'loss="{_CLASSES}" for class numbers', "dense(1) as the last layer for one number per sample"]
    if array.shape == output[:-1]:
        return ["dense(1) as the last layer for one number per sample"]
    if array.ndim == len(output) and array.shape[:-1] == output[:-1]:
        return [f"dense({array.shape[-1]}) as the last layer"]
    return [f"labels of shape {show(output)}"]
