"""Owns pooling to a size that is given, whatever the size of the map.

Knows nothing about layers.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygrad import Tensor

from axon_nb.functional import reduction, window


def adaptive_avg_pool(x: Tensor, output_size: window.Size, *, channels: str = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take the mean of each.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *output_size). Cell i of a result of o cells looks at the
        cells from floor(i * size / o) to ceil((i + 1) * size / o).

    Example:
        >>> adaptive_avg_pool(Tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]]), 3).tolist()
        [[[1.5, 3.0, 4.5]]]
    """
    return _pool(x, output_size, channels, _mean)


def adaptive_max_pool(x: Tensor, output_size: window.Size, *, channels: str = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take the largest number of each.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *output_size), from windows as in ``adaptive_avg_pool``

    Example:
        >>> adaptive_max_pool(Tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]]), 3).tolist()
        [[[2.0, 4.0, 5.0]]]
    """
    return _pool(x, output_size, channels, _largest)


def adaptive_lp_pool(x: Tensor, output_size: window.Size, *, norm: float = 2, channels: str = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take sum(x**norm) ** (1/norm) of each.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *output_size), from windows as in ``adaptive_avg_pool``

    Example:
        >>> adaptive_lp_pool(Tensor([[[4.0, 3.0, 4.0]]]), 2).round().tolist()
        [[[5.0, 5.0]]]
    """
    return reduction.root(_pool(reduction.power(x, norm), output_size, channels, _sum), norm)


def _pool(x: Tensor, output_size: window.Size, channels: str, reduce: Callable[[Tensor, int, int], Tensor]) -> Tensor:
    x = window.to_first(x, channels)
    sizes = window.per_axis(output_size, x.ndim - 2, "output_size")
    for axis in reversed(range(2, x.ndim)):
        x = reduce(x, axis, sizes[axis - 2])
    return window.from_first(x, channels)


def _mean(x: Tensor, axis: int, cells: int) -> Tensor:
    if x.shape[axis] % cells == 0:
        return x.unflatten(axis, (cells, -1)).mean(axis + 1)
    total = _sum(x, axis, cells)
    start, end = _bounds(x.shape[axis], cells)
    return total / (end - start).reshape(cells, *(1,) * (x.ndim - axis - 1))


def _sum(x: Tensor, axis: int, cells: int) -> Tensor:
    if x.shape[axis] % cells == 0:
        return x.unflatten(axis, (cells, -1)).sum(axis + 1)
    return _seen(x, axis, cells).where(x.unsqueeze(axis), 0).sum(axis + 1)


def _largest(x: Tensor, axis: int, cells: int) -> Tensor:
    size = x.shape[axis]
    if size % cells == 0:
        return reduction.largest(x, axis, size // cells, size // cells)
    return reduction.first_largest(_seen(x, axis, cells).where(x.unsqueeze(axis), x.dtype.min), axis + 1)


def _bounds(size: int, cells: int) -> tuple[Tensor, Tensor]:
    """Where each window begins and ends; windows of neighbours overlap where the sizes do not divide."""
    cell = Tensor.arange(cells)
    return cell * size // cells, ((cell + 1) * size + cells - 1) // cells


def _seen(x: Tensor, axis: int, cells: int) -> Tensor:
    """Whether each cell of the result (rows) looks at each cell of an axis (columns)."""
    size = x.shape[axis]
    start, end = (bound.unsqueeze(1) for bound in _bounds(size, cells))
    at = Tensor.arange(size)
    seen = (at >= start) & (at < end)
    return seen.reshape(cells, size, *(1,) * (x.ndim - axis - 1))
