"""Owns how training data becomes batches of arrays: shuffled by seed and epoch, the short last one included.

Knows nothing about models' weights or steps. What kinds of data there are stands in ``sources.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from axon_nb.data import as_inputs, as_numbers, batch_shapes, check_finite
from axon_nb.engine import random as streams
from axon_nb.errors import DataError, OptionError, brief
from axon_nb.graph import Model, Node
from axon_nb.lazy import numpy as np
from axon_nb.shapes import show, whole
from axon_nb.training.shelf import Cut
from axon_nb.training.sources import as_source, host, is_arrays


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step takes."""

    inputs: dict[Node, Any]
    labels: tuple[Any, ...]
    """Arrays by output."""
    weights: Any = None
    """How much each sample counts, or ``None``."""
    cut: Cut | None = None
    """The same as samples of arrays, inputs first, then labels and weights, where it is cut from arrays."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values()))) if self.inputs else len(self.labels[0])


Labels = Callable[[Any, Mapping[str, tuple[int, ...]]], tuple[Any, ...]]
"""Checks labels, given the shapes of the inputs, and parts them by output."""


@dataclass(frozen=True, eq=False)
class Feed:
    """Batches for each epoch."""

    batches: Callable[..., Iterator[Any]]
    """Takes the epoch, and how many batches of it to leave out."""
    samples: int | None
    """How many samples an epoch has, where that is known."""
    steps: int | None
    shapes: dict[str, tuple[int, ...]]
    """Shapes of the inputs of the first batch, by name."""


def make_feed(
    model: Model, data: Any, batch_size: int, seed: int, labels: Labels, *, shuffle: bool = True,
    steps: int | None = None,
) -> Feed:  # fmt: skip
    """Turn what a user gave as data into a Feed.

    Args:
        model: whose inputs are fed.
        data: ``(x, y)`` or ``(x, y, weights)``, x an array or a dict of arrays by input; or what gives such batches.
        batch_size: samples in a batch; ignored for an iterable of batches.
        seed: of the shuffling.
        labels: checks labels, given the shapes of the data by input.
        shuffle: whether each epoch has another order.
        steps: batches in an epoch, for data that has no end.

    Raises:
        DataError: the data does not fit the model, is empty, or holds NaN.
    """
    if is_arrays(data, len(model.inputs)):
        return _from_arrays(model, data, batch_size, seed, labels, shuffle=shuffle, steps=steps)
    source = as_source(data, batch_size, seed, shuffle=shuffle)

    def batches(epoch: int, start: int = 0) -> Iterator[Batch]:
        for number, item in enumerate(source.batches(epoch)):
            if number >= start:
                yield _as_batch(model, item, labels)
            if steps is not None and number + 1 >= steps:
                return

    first = _first(batches)
    return Feed(batches, None, steps or source.steps, {model.names[n]: tuple(a.shape) for n, a in first.inputs.items()})


def _first(batches: Callable[..., Iterator[Any]]) -> Any:
    found = batches(0)
    first = next(found, None)
    getattr(found, "close", lambda: None)()  # a generator of the user's may hold a file
    if first is None:
        problem = "there are no batches"
        raise DataError(problem, fix="give at least one (x, y)")
    return first


def _as_batch(model: Model, item: Any, labels: Labels) -> Batch:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        problem = "a batch is a pair (x, y)"
        raise DataError(problem, got=brief(item), fix="for arrays write a tuple: fit((x, y), ...)")
    arrays, shapes = _checked_inputs(model, item[0])
    samples = next(iter(shapes.values()))[0]
    weights = _sample_weights(item[2], samples) if len(item) == 3 else None
    return Batch(arrays, labels(host(item[1]), shapes), weights)


def _checked_inputs(model: Model, x: Any) -> tuple[dict[Node, Any], dict[str, tuple[int, ...]]]:
    arrays = {node: host(value) for node, value in as_inputs(model, host(x)).items()}
    shapes = batch_shapes(model, arrays)
    for node, array in arrays.items():
        check_finite(array, f"input {model.names[node]!r}")
    return arrays, shapes


def _sample_weights(value: Any, samples: int) -> Any:
    array = np.asarray(as_numbers(host(value), "the sample weights"), np.float32)
    if array.shape != (samples,):
        problem = "the sample weights are one number for each sample"
        raise DataError(problem, got=f"{samples} samples, weights {show(array.shape)}")
    check_finite(array, "the sample weights")
    if array.min() < 0:
        problem = "a sample weight is below 0"
        raise DataError(problem, got=f"{array.min():g}")
    return array


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


def order_of(samples: int, seed: int, epoch: int, *, shuffle: bool) -> Any:
    """Return the numbers of the samples in an epoch's order."""
    return streams.generator(seed, "shuffle", str(epoch)).permutation(samples) if shuffle else np.arange(samples)


def cuts(samples: int, size: int, start: int, steps: int | None) -> Iterator[tuple[int, int]]:
    """List where the batches of an epoch begin and end."""
    count = -(-samples // size)
    for number in range(start, count if steps is None else min(steps, count)):
        yield number * size, min((number + 1) * size, samples)


def _from_arrays(
    model: Model, data: Any, batch_size: int, seed: int, labels: Labels, *, shuffle: bool, steps: int | None
) -> Feed:
    arrays, shapes = _checked_inputs(model, data[0])
    samples = next(iter(shapes.values()))[0]
    y = labels(host(data[1]), shapes)
    weights = _sample_weights(data[2], samples) if len(data) == 3 else None
    size = min(check_batch_size(batch_size), samples)
    whole = [*arrays.values(), *y, *([] if weights is None else [weights])]

    def batches(epoch: int, start: int = 0) -> Iterator[Batch]:
        order = order_of(samples, seed, epoch, shuffle=shuffle)
        for begin, end in cuts(samples, size, start, steps):
            at = order[begin:end]
            inputs = {node: array[at] for node, array in arrays.items()}
            yield Batch(inputs, tuple(one[at] for one in y), None if weights is None else weights[at], Cut(whole, at))

    count = -(-samples // size)
    shapes = {name: (size, *shape[1:]) for name, shape in shapes.items()}
    return Feed(batches, samples, count if steps is None else min(steps, count), shapes)


def split(data: Any, share: float, inputs: int = 1) -> tuple[Any, Any]:
    """Cut the last share of the samples off, for validation.

    Raises:
        OptionError: the share leaves nothing on one side.

    Example:
        >>> train, valid = split((np.zeros((10, 2)), np.zeros(10)), 0.2)
        >>> len(train[1]), len(valid[1])
        (8, 2)
    """
    if not isinstance(data, tuple) or not is_arrays(data, inputs):
        problem = "a share for validation is cut off arrays (x, y)"
        raise OptionError(problem, fix="validation=(x, y) beside an iterable of batches")
    parts = [
        _arrays_in(part, what) for part, what in zip(data, ("the data", "the labels", "the weights"), strict=False)
    ]
    labels = next(_leaves(parts[1]), np.zeros(()))
    samples = len(labels) if labels.shape else 0
    at = samples - round(samples * share)
    if not 0 < at < samples:
        problem = f"validation={share} leaves no sample on one side of {samples}"
        raise OptionError(problem, fix="a share between 0 and 1, or validation=(x, y)")
    for part in parts:
        for array in _leaves(part):
            if array.shape[:1] != (samples,):
                problem = "the data and the labels have different numbers of samples"
                raise DataError(problem, got=f"data {show(array.shape)}, labels {show(labels.shape)}")
    first, last = (tuple(_rows(part, cut) for part in parts) for cut in (slice(0, at), slice(at, None)))
    return first, last


def _arrays_in(value: Any, what: str) -> Any:
    value = host(value)
    if isinstance(value, Mapping):
        return {name: None if part is None else _arrays_in(part, what) for name, part in value.items()}  # left out
    if isinstance(value, tuple):
        return tuple(None if part is None else _arrays_in(part, what) for part in value)
    return as_numbers(value, what)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(part)
    elif value is not None:
        yield value


def _rows(value: Any, cut: slice) -> Any:
    if isinstance(value, Mapping):
        return {name: _rows(part, cut) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_rows(part, cut) for part in value)
    return None if value is None else value[cut]
