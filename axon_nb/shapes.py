"""Owns shapes as people write them: dims that are sizes, names or unknown, and how they are printed.

Knows nothing about layers or tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex, TypeAlias

from axon_nb.errors import ShapeError, brief

Dim: TypeAlias = int | str | None
"""A size, a name for a size that is not known yet (``"time"``), or ``None``: not known and not named."""

Shape: TypeAlias = tuple[Dim, ...]


def as_shape(value: object, *, what: str = "shape") -> Shape:
    """Check a shape a user wrote.

    Raises:
        ShapeError: it is not a tuple or list of positive sizes, names and ``None``.

    Example:
        >>> as_shape([None, 784])
        (None, 784)
    """
    if isinstance(value, set | frozenset):
        problem = f"a {what} needs an order, and a set has none"
        raise ShapeError(problem, got=repr(value), fix="write it with round brackets: (None, 784)")
    size = whole(value)
    if size is not None:
        problem = f"a {what} is a tuple"
        raise ShapeError(problem, got=repr(value), fix=f"write (None, {size}) for samples of {size} numbers each")
    if isinstance(value, str) or not isinstance(value, Sequence):
        problem = f"a {what} is a tuple of sizes, names and None"
        raise ShapeError(problem, got=brief(value), fix="write for example (None, 1, 28, 28)")
    if not value:
        problem = f"a {what} begins with the batch axis"
        raise ShapeError(problem, got=repr(value), fix="write for example (None, 784)")
    return tuple(_as_dim(dim, value, what) for dim in value)


def _as_dim(dim: object, shape: Sequence[object], what: str) -> Dim:
    if dim is None or (isinstance(dim, str) and dim.isidentifier()):
        return dim
    size = whole(dim)
    if size is None:
        problem = f"a {what} holds whole numbers, names and None"
        raise ShapeError(problem, got=brief(tuple(shape)), fix="write for example (None, 1, 28, 28)")
    if size < 1:
        problem = f"every size in a {what} is at least 1"
        raise ShapeError(problem, got=brief(tuple(shape)), fix="write None for a size that is not known yet")
    return size


def whole(value: object) -> int | None:
    """Return a whole number of any library as an int, and ``None`` for all else: ``True`` and 3.0 are none.

    Example:
        >>> whole(3), whole(True), whole(3.0)
        (3, None, None)
    """
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return operator.index(value)
    except TypeError:  # an array of several numbers
        return None


def show(shape: Shape | None) -> str:
    """Write a shape for people: names without quotes, ``?`` where even the rank is unknown.

    Example:
        >>> show((None, "time", 16)), show((3,)), show(None)
        ('(None, time, 16)', '(3,)', '?')
    """
    if shape is None:
        return "?"
    inner = ", ".join(str(dim) for dim in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
