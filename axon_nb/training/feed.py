"""Owns how training data becomes batches of arrays: shuffled by seed and epoch, the short last one included.

Knows nothing about models' weights or steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.data import as_inputs, as_numbers, batch_shapes, check_finite
from axon_nb.engine import random as streams
from axon_nb.errors import DataError, OptionError, brief
from axon_nb.graph import Model, Node
from axon_nb.lazy import numpy as np
from axon_nb.shapes import show, whole

Batch = tuple[dict[Node, Any], Any]
"""Arrays by input, and labels."""

Labels = Callable[[Any, Mapping[str, tuple[int, ...]]], Any]


@dataclass(frozen=True)
class Feed:
    """Batches for each epoch."""

    batches: Callable[[int], Iterator[Batch]]
    samples: int | None
    """How many samples an epoch has, where that is known."""
    steps: int | None
    shapes: dict[str, tuple[int, ...]]
    """Shapes of the inputs of the first batch, by name."""


def make_feed(model: Model, data: Any, batch_size: int, seed: int, labels: Labels, *, shuffle: bool = True) -> Feed:
    """Turn what a user gave as data into a Feed.

    Args:
        model: whose inputs are fed.
        data: ``(x, y)``, x an array or a dict of arrays by input, or an iterable of such batches.
        batch_size: samples in a batch; ignored for an iterable of batches.
        seed: of the shuffling.
        labels: checks labels, given the shapes of the data by input.
        shuffle: whether each epoch has another order.

    Raises:
        DataError: the data does not fit the model, is empty, or holds NaN.
    """
    if isinstance(data, tuple) and len(data) == 2 and not all(map(_is_batch, data)):
        return _from_arrays(model, data[0], data[1], batch_size, seed, labels, shuffle=shuffle)
    if isinstance(data, Iterable) and not isinstance(data, Mapping | str | np.ndarray | Tensor | Iterator):
        return _from_batches(model, data, labels)
    if isinstance(data, Iterator):
        problem = "an iterator can be read only once, and training reads the data once per epoch"
        raise DataError(problem, fix="give a list of batches, or an object whose __iter__ begins anew")
    problem = "training data is (x, y), or an iterable of such batches"
    raise DataError(problem, got=brief(data), fix="fit((x, y), loss=...) with x an array or a dict of arrays by input")


def _is_batch(value: Any) -> bool:
    """Tell two batches, ((x, y), (x, y)), from (x, y) and from ((a, b), y), which feeds two inputs."""
    return isinstance(value, tuple) and len(value) == 2 and hasattr(value[0], "shape") and hasattr(value[1], "shape")


def check_batch_size(batch_size: Any) -> int:
    """Check a batch size.

    Raises:
        OptionError: it is not a whole number of at least 1.
    """
    return whole_number(batch_size, "batch_size")


def whole_number(value: Any, name: str) -> int:
    """Check a number of at least 1.

    Raises:
        OptionError: it is something else.
    """
    number = whole(value)
    if number is None or number < 1:
        problem = f"{name} must be a whole number of at least 1"
        raise OptionError(problem, got=brief(value))
    return number


def filled(array: Any, size: int) -> Any:
    """Repeat the last sample up to a size."""
    missing = size - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


def _from_arrays(model: Model, x: Any, y: Any, batch_size: int, seed: int, labels: Labels, *, shuffle: bool) -> Feed:
    arrays = {node: host(value) for node, value in as_inputs(model, x).items()}
    shapes = batch_shapes(model, arrays)
    for node, array in arrays.items():
        check_finite(array, f"input {model.names[node]!r}")
    samples = next(iter(shapes.values()))[0]
    y = labels(host(y), shapes)
    size = min(check_batch_size(batch_size), samples)

    def batches(epoch: int) -> Iterator[Batch]:
        order = streams.generator(seed, "shuffle", str(epoch)).permutation(samples) if shuffle else np.arange(samples)
        for start in range(0, samples, size):
            at = order[start : start + size]
            yield {node: array[at] for node, array in arrays.items()}, y[at]

    return Feed(batches, samples, -(-samples // size), {name: (size, *shape[1:]) for name, shape in shapes.items()})


def _from_batches(model: Model, data: Iterable[Any], labels: Labels) -> Feed:
    def batches(epoch: int) -> Iterator[Batch]:
        for item in data:
            if not isinstance(item, tuple | list) or len(item) != 2:
                problem = "a batch is a pair (x, y)"
                raise DataError(problem, got=brief(item), fix="for arrays write a tuple: fit((x, y), ...)")
            arrays = {node: host(value) for node, value in as_inputs(model, item[0]).items()}
            shapes = batch_shapes(model, arrays)
            for node, array in arrays.items():
                check_finite(array, f"input {model.names[node]!r}")
            yield arrays, labels(host(item[1]), shapes)

    first = next(batches(0), None)
    if first is None:
        problem = "there are no batches"
        raise DataError(problem, fix="give at least one (x, y)")
    steps = len(data) if isinstance(data, Sized) else None
    return Feed(batches, None, steps, {model.names[n]: tuple(a.shape) for n, a in first[0].items()})


def host(value: Any) -> Any:
    """Return a tensor's numbers as an array; leave all else as it is."""
    return value.numpy() if isinstance(value, Tensor) else value


def split(data: Any, share: float) -> tuple[Any, Any]:
    """Cut the last share of the samples off, for validation.

    Raises:
        OptionError: the share leaves nothing on one side.

    Example:
        >>> train, valid = split((np.zeros((10, 2)), np.zeros(10)), 0.2)
        >>> len(train[1]), len(valid[1])
        (8, 2)
    """
    if not isinstance(data, tuple) or len(data) != 2:
        problem = "a share for validation is cut off arrays (x, y)"
        raise OptionError(problem, fix="validation=(x, y) beside an iterable of batches")
    x, y = data[0], as_numbers(host(data[1]), "the labels")
    samples = len(y) if y.shape else 0
    at = samples - round(samples * share)
    if not 0 < at < samples:
        problem = f"validation={share} leaves no sample on one side of {samples}"
        raise OptionError(problem, fix="a share between 0 and 1, or validation=(x, y)")

    def cut(part: slice) -> Any:
        if isinstance(x, Mapping):
            return {name: rows(value, part) for name, value in x.items()}, y[part]
        return (tuple(rows(value, part) for value in x) if isinstance(x, tuple) else rows(x, part)), y[part]

    def rows(value: Any, part: slice) -> Any:
        array = as_numbers(host(value), "the data")
        if array.shape[:1] != (samples,):
            problem = "the data and the labels have different numbers of samples"
            raise DataError(problem, got=f"data {show(array.shape)}, labels {show(y.shape)}")
        return array[part]

    return cut(slice(0, at)), cut(slice(at, None))
