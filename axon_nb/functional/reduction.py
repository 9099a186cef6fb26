"""Owns how the numbers of a window become one: the largest with PyTorch's gradient, sums of powers.

Knows nothing about padding or about where channels stand.
"""

from __future__ import annotations

import functools
import operator

from tinygrad import Tensor

_MANY = 8  # from here on a chain of comparisons takes longer to compile than a reduction takes to run


def slices(x: Tensor, axis: int, size: int, step: int, apart: int = 1) -> list[Tensor]:
    """Split windows along an axis: first the first cell of every window, then the second ones, ...

    Example:
        >>> [part.tolist() for part in slices(Tensor([1, 2, 3, 4, 5]), 0, size=2, step=3)]
        [[1, 4], [2, 5]]
    """
    count = (x.shape[axis] - (size - 1) * apart - 1) // step + 1
    if size == step and apart == 1:  # windows side by side: a reshape, whose gradient is a tenth of the work
        before, after = x.shape[:axis], x.shape[axis + 1 :]
        front, back = (None,) * axis, (None,) * len(after)
        parts = x.shrink((*front, (0, count * size), *back)).reshape(*before, count, size, *after)
        # What parts[..., cell, ...] is made of, which takes long to find that out.
        cells = (parts.shrink((*front, None, (cell, cell + 1), *back)) for cell in range(size))
        return [cell.reshape(*before, count, *after) for cell in cells]
    starts = (cell * apart for cell in range(size))
    return [x[(slice(None),) * axis + (slice(start, start + (count - 1) * step + 1, step),)] for start in starts]


def largest(x: Tensor, axis: int, size: int, step: int, apart: int = 1) -> Tensor:
    """Take the largest number of each window along an axis.

    As in PyTorch the first of equal ones gets the whole gradient, and NaN is larger than any number. On a CPU it is
    also twice as fast in training as tinygrad's own max_pool2d, whose gradient is shared among equal ones.

    Example:
        >>> largest(Tensor([1.0, 4.0, 3.0]), 0, size=2, step=1).tolist()
        [4.0, 4.0]
    """
    if size > _MANY:
        windows = x.unfold(axis, (size - 1) * apart + 1, step)
        return first_largest(windows[..., ::apart], windows.ndim - 1)
    return functools.reduce(lambda a, b: ((b > a) | b.isnan()).where(b, a), slices(x, axis, size, step, apart))


def first_largest(x: Tensor, axis: int) -> Tensor:
    """Take the largest number along an axis; the first of equal ones gets the whole gradient.

    Example:
        >>> x = Tensor([[2.0, 5.0, 5.0]])
        >>> first_largest(x, 1).sum().gradient(x)[0].tolist()
        [[0.0, 1.0, 0.0]]
    """
    order = Tensor.arange(x.shape[axis], 0, -1).reshape(-1, *(1,) * (x.ndim - axis - 1))
    rank = (x < x.max(axis, keepdim=True)).where(0, order)
    return (rank == rank.max(axis, keepdim=True)).where(x, 0).sum(axis)


def power(x: Tensor, norm: float) -> Tensor:
    """Raise to a power: by multiplying where it is a whole number, which keeps signs and is exact.

    Example:
        >>> power(Tensor([-2.0]), 3.0).tolist()
        [-8.0]
    """
    if norm == int(norm) and norm <= _MANY:
        return functools.reduce(operator.mul, [x] * int(norm))
    return x**norm


def root(x: Tensor, norm: float) -> Tensor:
    """Take the norm-th root; its gradient at 0 is 0, where a sum of powers has none.

    Example:
        >>> x = Tensor([0.0, 27.0])
        >>> y = root(x, 3)
        >>> [round(v, 4) for v in y.tolist()], [round(v, 4) for v in y.sum().gradient(x)[0].tolist()]
        ([0.0, 3.0], [0.0, 0.037])
    """
    if norm == 1:
        return x
    positive = (x == 0).where(1, x)
    return (x == 0).where(0, positive.sqrt() if norm == 2 else positive ** (1 / norm))
