"""Owns joining several tensors into one.

Knows nothing about layers.
"""

from __future__ import annotations

import functools
import operator

from tinygrad import Tensor

from axon_nb.errors import ShapeError


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
    rank = len(xs[0].shape)
    if not -rank <= axis < rank:
        problem = f"axis {axis} is not there: the first input has {rank} axes"
        raise ShapeError(problem)
    at = axis % rank
    rests = [(*x.shape[:at], *x.shape[at + 1 :]) for x in xs]
    if any(len(x.shape) != rank for x in xs) or len(set(rests)) > 1:
        problem = f"all sizes but those of axis {axis} must be the same"
        raise ShapeError(problem, fix=_axis_fixes([x.shape for x in xs], at))
    return xs[0].cat(*xs[1:], dim=at)


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
    if not xs:
        problem = "takes at least one input"
        raise ShapeError(problem)
    rank = max(len(x.shape) for x in xs)
    for axis in range(1, rank + 1):
        sizes = {x.shape[-axis] for x in xs if axis <= len(x.shape)} - {1}
        if len(sizes) > 1:
            problem = f"the sizes of axis {rank - axis} differ: {' and '.join(str(s) for s in sorted(sizes))}"
            raise ShapeError(problem, fix="give the branches the same number of units")
    return xs
