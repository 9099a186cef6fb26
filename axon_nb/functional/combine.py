"""Owns joining several tensors into one.

Knows nothing about layers.
"""

from __future__ import annotations

import functools
import operator

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional.axes import one_axis


def add(*xs: Tensor) -> Tensor:
    """Add tensors; sizes of 1 are repeated.

    Example:
        >>> add(Tensor([[1.0, 2.0]]), Tensor([[10.0]])).tolist()
        [[11.0, 12.0]]
    """
    return functools.reduce(operator.add, _broadcastable(xs))


def subtract(*xs: Tensor) -> Tensor:
    """Subtract all further tensors from the first; sizes of 1 are repeated.

    Example:
        >>> subtract(Tensor([[1.0, 2.0]]), Tensor([[10.0]])).tolist()
        [[-9.0, -8.0]]
    """
    return functools.reduce(operator.sub, _broadcastable(xs))


def multiply(*xs: Tensor) -> Tensor:
    """Multiply tensors number by number; sizes of 1 are repeated.

    Example:
        >>> multiply(Tensor([[1.0, 2.0]]), Tensor([[10.0]])).tolist()
        [[10.0, 20.0]]
    """
    return functools.reduce(operator.mul, _broadcastable(xs))


def concatenate(*xs: Tensor, axis: int = -1) -> Tensor:
    """Put tensors one behind the other along an axis; all other sizes are the same.

    Raises:
        ShapeError: another size differs, or there is no such axis.

    Example:
        >>> concatenate(Tensor([[1, 2]]), Tensor([[3]])).tolist()
        [[1, 2, 3]]
    """
    _need_one(xs)
    rank, at = len(xs[0].shape), one_axis(xs[0], axis)
    rests = [(*x.shape[:at], *x.shape[at + 1 :]) for x in xs]
    if any(len(x.shape) != rank for x in xs) or len(set(rests)) > 1:
        problem = f"all sizes but those of axis {axis} must be the same"
        raise ShapeError(problem, fix=_axis_fixes([x.shape for x in xs], at))
    return xs[0].cat(*xs[1:], dim=at)


def stack(*xs: Tensor, axis: int = -1) -> Tensor:
    """Put tensors of the same shape side by side on a new axis.

    Shapes:
        any number of (batch, ...) -> (batch, ..., inputs), or the new axis where it is given

    Raises:
        ShapeError: the shapes differ, or there is no such place for an axis.

    Example:
        >>> stack(Tensor([[1, 2]]), Tensor([[3, 4]])).tolist()
        [[[1, 3], [2, 4]]]
    """
    _need_one(xs)
    if len({x.shape for x in xs}) > 1:
        problem = "all inputs must have the same shape"
        raise ShapeError(problem, fix="concatenate(...) joins inputs whose sizes differ on one axis")
    rank = len(xs[0].shape)
    if not -rank - 1 <= axis <= rank:
        problem = f"there is no place {axis} for a new axis: the inputs have {rank} axes"
        raise ShapeError(problem, fix=f"choose one from {-rank - 1} to {rank}")
    return xs[0].stack(*xs[1:], dim=axis % (rank + 1))


def _need_one(xs: tuple[Tensor, ...]) -> None:
    if not xs:
        problem = "takes at least one input"
        raise ShapeError(problem)


def _axis_fixes(shapes: list[tuple[int, ...]], at: int) -> list[str]:
    rank = len(shapes[0])
    if any(len(shape) != rank for shape in shapes):
        return ["flatten() both first"]
    return [
        f"concatenate(axis={other})"
        for other in range(1, rank)
        if other != at and len({(*s[:other], *s[other + 1 :]) for s in shapes}) == 1
    ]


def _broadcastable(xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    _need_one(xs)
    rank = max(len(x.shape) for x in xs)
    for axis in range(1, rank + 1):
        sizes = {x.shape[-axis] for x in xs if axis <= len(x.shape)} - {1}
        if len(sizes) > 1:
            problem = f"the sizes of axis {rank - axis} differ: {' and '.join(str(s) for s in sorted(sizes))}"
            raise ShapeError(problem, fix="give the branches the same number of units")
    return xs
