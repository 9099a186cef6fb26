"""Owns how axis numbers are read: negative ones count from the end, and one that is not there is an error.

Knows nothing about what is done along them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axon_nb.errors import ShapeError


def one_axis(x: Any, axis: int) -> int:
    """Count an axis of a tensor from the front.

    Raises:
        ShapeError: the tensor has no such axis.

    Example:
        >>> from tinygrad import Tensor
        >>> one_axis(Tensor.zeros(2, 3, 4), -1)
        2
    """
    rank = len(x.shape)
    if not -rank <= axis < rank:
        problem = f"there is no axis {axis}: the input has {rank} axes"
        raise ShapeError(problem, fix=f"choose one from {-rank} to {rank - 1}" if rank else ())
    return axis % rank


def some_axes(x: Any, axes: int | Sequence[int]) -> tuple[int, ...]:
    """Count one axis or several from the front, in the order in which they are given.

    Raises:
        ShapeError: the tensor lacks one of them, or one is given twice.

    Example:
        >>> from tinygrad import Tensor
        >>> some_axes(Tensor.zeros(2, 3, 4), (-1, 1))
        (2, 1)
    """
    found = tuple(one_axis(x, axis) for axis in ([axes] if isinstance(axes, int) else axes))
    if len(set(found)) < len(found):
        problem = f"axes {tuple(axes) if not isinstance(axes, int) else axes} name one axis twice"
        raise ShapeError(problem, fix="name each axis once")
    return found


def along(values: Any, x: Any, axis: int) -> Any:
    """Turn a row of values, one for each cell of an axis of ``x``, so that it meets that axis.

    Raises:
        ShapeError: there are more or fewer values than cells.

    Example:
        >>> from tinygrad import Tensor
        >>> along(Tensor([1.0, 2.0, 3.0]), Tensor.zeros(2, 3, 4), 1).shape
        (3, 1)
    """
    at = one_axis(x, axis)
    if len(values.shape) != 1 or values.shape[0] not in (1, x.shape[at]):
        problem = f"axis {axis} has {x.shape[at]} cells, and there are values of shape {tuple(values.shape)} for them"
        raise ShapeError(problem, fix=f"give {x.shape[at]} values")
    return values.reshape(-1, *[1] * (len(x.shape) - at - 1))
