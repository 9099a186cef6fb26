"""Owns what is asked of labels: that they fit the model's output and the loss, before a step is taken.

Knows nothing about the loop.
"""

from __future__ import annotations

from typing import Any

from axon_nb.data import as_numbers, check_finite
from axon_nb.errors import DataError, warn
from axon_nb.functional.loss import class_axis, fits_class_numbers
from axon_nb.functional.losses import losses
from axon_nb.lazy import numpy as np
from axon_nb.shapes import show

_CLASSES = "categorical_cross_entropy"


def prepare_labels(
    y: Any, samples: int, output: tuple[int, ...], loss: str, layer: str, axis: int | None = None
) -> np.ndarray:
    """Check labels and bring them into the form the loss takes.

    Args:
        y: the labels.
        samples: how many samples the data has.
        output: the model's output shape for that many samples.
        loss: name of the loss.
        layer: the output layer, for messages.
        axis: where the output has the classes, if that was said.

    Raises:
        DataError: they don't fit; says what would.

    Example:
        >>> prepare_labels([0, 2], 2, (2, 3), "categorical_cross_entropy", "dense 'dense_0'").dtype
        dtype('int32')
    """
    array = check_labels(y, samples)
    kind = getattr(losses[loss], "labels", "numbers")
    if kind == "classes":
        return _classes(array, output, loss, layer, axis)
    if kind in ("groups", "sequences"):
        return _whole_numbers(array, kind, output, loss)
    at = class_axis(array.shape, output, axis) if output else 0
    if output and output[at] == 1 and fits_class_numbers(array.shape, output, at):
        array = array.reshape(output)
    if array.shape != output:
        problem = f"the labels do not fit the output of {layer}"
        got = f"labels {show(array.shape)}, output {show(output)}"
        raise DataError(problem, got=got, fix=_fixes(array, output))
    if kind == "chances" and (array.min() < 0 or array.max() > 1):
        problem = f"the labels go from {array.min():g} to {array.max():g} and {loss} takes 0 (no) to 1 (yes)"
        raise DataError(problem, fix=f'loss="{_CLASSES}" for class numbers, loss="mean_squared_error" for amounts')
    if kind == "signs" and not (np.abs(array) == 1).all():
        problem = f"{loss} takes labels of -1 and 1"
        fix = "2 * y - 1 makes them of 0 and 1"
        raise DataError(problem, got=f"labels from {array.min():g} to {array.max():g}", fix=fix)
    return array.astype(np.float32)


def _whole_numbers(array: np.ndarray, kind: str, output: tuple[int, ...], loss: str) -> np.ndarray:
    """Check numbers of groups, one for each sample, or rows of class numbers, filled up at the end."""
    if kind == "groups" and array.shape == (len(array), 1):
        array = array.reshape(-1)
    rank, expected = (1, "a group number for each sample") if kind == "groups" else (2, "a row of labels each")
    if array.ndim != rank or not np.equal(np.mod(array, 1), 0).all():
        problem = f"{loss} takes {expected}, in whole numbers"
        raise DataError(problem, got=f"labels {show(array.shape)} {array.dtype}")
    if kind == "sequences" and array.max() >= output[-1]:
        problem = f"the labels go up to {int(array.max())} and the output has classes 0 to {output[-1] - 1}"
        raise DataError(problem, fix=_range_fix(0, int(array.max()), output[-1]))
    return array.astype(np.int32)


def check_labels(y: Any, samples: int) -> np.ndarray:
    """Check what all labels have to be: finite numbers, one row for each sample. Doubles become single floats.

    Raises:
        DataError: they are not.
    """
    array = np.asarray(as_numbers(y, "the labels"))
    check_finite(array, "the labels")
    if array.shape[:1] != (samples,):
        problem = "the data and the labels have different numbers of samples"
        got = f"{samples} samples, labels {show(array.shape)}"
        raise DataError(problem, got=got)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _classes(array: np.ndarray, output: tuple[int, ...], loss: str, layer: str, axis: int | None) -> np.ndarray:
    at = class_axis(array.shape, output, axis)
    classes, numbers = output[at], (*output[:at], *output[at + 1 :])
    if array.shape == output and len(output) > 1 and classes > 1:
        _check_rows(array, at, loss, chosen=axis is not None)
        return array.astype(np.float32)
    if not fits_class_numbers(array.shape, output, at):
        problem = f"the labels do not fit the output of {layer}"
        got = f"labels {show(array.shape)}, output {show(output)}"
        fix = (f"class numbers {show(numbers)}, or one-hot rows {show(output)}", *_class_fix(array, output))
        raise DataError(problem, got=got, fix=fix)
    if axis is None and at != 1 and len(output) > 2 and fits_class_numbers(array.shape, output, 1):
        text = f"the labels {show(array.shape)} fit the output {show(output)} of {layer} with the classes on its last"
        text = f"{text} axis, which is taken, and on axis 1: losses.{loss}(axis=1) or axis=-1 says which"
        warn(text)
    array = array.reshape(numbers)
    if classes == 1:
        problem = f"{layer} has one output, and {loss} compares classes"
        raise DataError(
            problem, fix=('loss="binary_cross_entropy" for yes or no', "an output layer with a unit per class")
        )
    if not np.equal(np.mod(array, 1), 0).all():
        problem = "class numbers are whole numbers"
        raise DataError(problem, got=f"labels such as {array[np.mod(array, 1) != 0][0]}")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= classes:
        problem = f"the labels go from {low} to {high} and the output of {layer} has classes 0 to {classes - 1}"
        raise DataError(problem, fix=_range_fix(low, high, classes))
    return array.astype(np.int32)


def _check_rows(array: np.ndarray, axis: int, loss: str, *, chosen: bool) -> None:
    """Refuse one-hot labels whose ones are along axis 1, where the loss goes along the last: shapes cannot tell."""
    if chosen or array.ndim < 3 or axis == 1 or _sums_to_one(array, axis) or not _sums_to_one(array, 1):
        return
    problem = f"the labels are one-hot along axis 1, and {loss} takes the last axis"
    fix = (f"loss=losses.{loss}(axis=1), and metrics such as metrics.accuracy(axis=1)", "class numbers: y.argmax(1)")
    raise DataError(problem, got=f"labels {show(array.shape)}", fix=fix)


def _sums_to_one(array: np.ndarray, axis: int) -> bool:
    return bool(np.allclose(array.sum(axis), 1, atol=1e-3))


def _range_fix(low: int, high: int, classes: int) -> str:
    if low < 0:
        return "class numbers begin at 0: numpy.unique(labels, return_inverse=True)[1] makes such numbers"
    return "subtract 1 from the labels" if (low, high) == (1, classes) else f"dense({high + 1}, ...) as the last layer"


def _class_fix(array: np.ndarray, output: tuple[int, ...]) -> tuple[str, ...]:
    if array.ndim == 1 and len(output) > 2:
        one = show((output[0], output[-1]))
        return (f"put flatten() or a pooling over all before the last layer, for one answer per sample: {one}",)
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
