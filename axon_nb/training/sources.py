"""Owns the kinds of data people have: arrays, batches, functions that make them, other libraries' data sets.

Knows nothing about models. Other libraries are known by what their objects can do; none is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME
from axon_nb.engine import random as streams
from axon_nb.errors import DataError, brief
from axon_nb.lazy import numpy as np


@dataclass(frozen=True)
class Source:
    """Batches as the user's data gives them, by epoch."""

    batches: Callable[[int], Iterator[Any]]
    steps: int | None = None


def is_arrays(data: Any, inputs: int = 1) -> bool:
    """Tell arrays ``(x, y)`` or ``(x, y, weights)`` from batches, for a model with so many inputs.

    Two batches ((x, y), (x, y)) are no arrays; ((a, b), y), which feeds two inputs, is; and so is ((a, b), (c, d)) for
    a model with two inputs.
    """
    if inputs > 1 and isinstance(data, tuple) and len(data) in (2, 3):
        first = data[0]
        if isinstance(first, tuple) and len(first) == inputs and all(_is_array(x) and not _nested(x) for x in first):
            return True
    if not isinstance(data, tuple) or len(data) not in (2, 3) or all(map(_is_batch, data)):
        return False
    return len(data) == 2 or not any(isinstance(part, list) and part and _is_batch(part[0]) for part in data)


def _is_batch(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) in (2, 3) and all(_is_array(part) for part in value)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | tuple | list)


def _is_array(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(map(_is_array, value.values()))
    return bool(getattr(value, "shape", None))


def host(value: Any) -> Any:
    """Return a tensor's numbers as an array, also within dicts and tuples; leave all else as it is."""
    if isinstance(value, Tensor):
        with RUNTIME:
            return value.numpy()
    if isinstance(value, Mapping):
        return {name: host(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(host, value))
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a PyTorch tensor
        return value.detach().cpu().numpy()
    if hasattr(value, "numpy") and not isinstance(value, np.ndarray) and callable(value.numpy):  # a TensorFlow tensor
        return value.numpy()
    return value


def as_source(data: Any, batch_size: int, seed: int, *, shuffle: bool) -> Source:
    """Return the batches of data that is not arrays.

    Raises:
        DataError: it is no data, or can be read only once.

    Example:
        >>> source = as_source(lambda: iter([1, 2]), 32, 0, shuffle=True)
        >>> list(source.batches(0)), list(source.batches(1))
        ([1, 2], [1, 2])
    """
    if isinstance(data, Iterator):
        problem = "an iterator can be read only once, and training reads the data once per epoch"
        fix = ("give a list of batches, or an object whose __iter__ begins anew", "give the function that makes it")
        raise DataError(problem, fix=fix)
    if hasattr(data, "as_numpy_iterator"):  # tf.data.Dataset: its own batches
        return Source(lambda epoch: iter(data.as_numpy_iterator()), _size(data))
    if _is_torch_stream(data):
        return Source(lambda epoch: _collected(iter(data), batch_size))
    if _has_samples(data):
        return _from_samples(data, batch_size, seed, shuffle=shuffle)
    if isinstance(data, Iterable) and not isinstance(data, Mapping | str | bytes | np.ndarray | Tensor):
        return Source(lambda epoch: iter(data), _size(data))
    if callable(data) and not isinstance(data, type):
        return Source(lambda epoch: _iterated(data, epoch))
    problem = "training data is (x, y), or an iterable of such batches"
    raise DataError(problem, got=brief(data), fix="fit((x, y), loss=...) with x an array or a dict of arrays by input")


def _size(data: Any) -> int | None:
    if not isinstance(data, Sized):
        return None
    try:
        return len(data) or None
    except TypeError:  # a DataLoader over a stream
        return None


def _iterated(make: Callable[..., Any], epoch: int) -> Iterator[Any]:
    made = make(epoch) if _takes_epoch(make) else make()
    if not isinstance(made, Iterable) or isinstance(made, Mapping | str | bytes):
        problem = "the function given as data must return an iterable of batches"
        raise DataError(problem, got=brief(made))
    return iter(made)


def _takes_epoch(make: Callable[..., Any]) -> bool:
    try:
        needed = [p for p in inspect.signature(make).parameters.values() if p.default is p.empty]
    except (TypeError, ValueError):
        return False
    return any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in needed)


def _is_torch_stream(data: Any) -> bool:
    return any(one.__name__ == "IterableDataset" and one.__module__.startswith("torch.") for one in type(data).__mro__)


def _has_samples(data: Any) -> bool:
    """Whether it is a data set of single samples, as PyTorch has them: a length, and a sample for each number."""
    kind = type(data)
    return (
        hasattr(kind, "__getitem__") and hasattr(kind, "__len__") and not hasattr(kind, "__iter__")
        and not isinstance(data, Tensor)
    )  # fmt: skip


def _from_samples(data: Any, batch_size: int, seed: int, *, shuffle: bool) -> Source:
    samples = len(data)

    def batches(epoch: int) -> Iterator[Any]:
        order = streams.generator(seed, "shuffle", str(epoch)).permutation(samples) if shuffle else range(samples)
        return _collected((data[int(number)] for number in order), batch_size)

    return Source(batches, -(-samples // batch_size) or None)


def _collected(samples: Iterator[Any], batch_size: int) -> Iterator[Any]:
    """Join samples into batches."""
    group: list[Any] = []
    for sample in samples:
        group.append(sample)
        if len(group) == batch_size:
            yield _stacked(group)
            group = []
    if group:
        yield _stacked(group)


def _stacked(group: list[Any]) -> Any:
    first = group[0]
    if isinstance(first, Mapping):
        return {name: _stacked([one[name] for one in group]) for name in first}
    if isinstance(first, tuple | list):
        return tuple(_stacked([one[at] for one in group]) for at in range(len(first)))
    try:
        return np.stack([np.asarray(host(one)) for one in group])
    except ValueError as error:
        problem = "the samples of a batch differ in shape"
        raise DataError(problem, fix="pad them to one shape, or give batches") from error
