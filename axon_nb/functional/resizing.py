"""Owns resizing of spatial axes: which cells a new cell is made of, and with what weights.

Knows nothing about layers. The rules are those of ``jax.image.resize``, which Axon follows too: cells have their middle
at half numbers, weights that would fall outside are left out and the others scaled up, cubics have a = -0.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tinygrad import Tensor, dtypes

from axon_nb.checks import expect
from axon_nb.errors import OptionError, unknown
from axon_nb.functional import window

_FIX = "resize takes (batch, channels, height, width), or one spatial axis or three"


def resize(
    x: Tensor, size: int | tuple[int, ...], *, method: str = "nearest", antialias: bool = True, channels: str = "first"
) -> Tensor:
    """Resize the spatial axes. Axes that have their size already are left alone.

    ``"nearest"`` keeps the kind of numbers; the other methods give floating-point ones.

    Shapes:
        x (batch, channels, *spatial), size (*spatial') -> (batch, channels, *spatial'); or with channels="last"

    Raises:
        ShapeError: there is no spatial axis, or another number of them than sizes.
        OptionError: there is no such method.

    Source: https://docs.jax.dev/en/latest/_autosummary/jax.image.resize.html

    Example:
        >>> resize(Tensor([[[0.0, 4.0]]]), 4, method="bilinear").tolist()
        [[[0.0, 1.0, 3.0, 4.0]]]
    """
    expect(x, rank=(3, 4, 5), fix=_FIX)
    if method != "nearest" and method not in _KERNELS:
        msg = "resize method"
        raise unknown(msg, method, ["nearest", *_KERNELS], error=OptionError)
    first = 2 if channels == "first" else 1
    for axis, cells in enumerate(window.per_axis(size, len(x.shape) - 2, "size"), start=first):
        if x.shape[axis] != cells:
            x = _nearest(x, axis, cells) if method == "nearest" else _weighted(x, axis, cells, method, antialias)
    return x


def upsample(
    x: Tensor, scale_factor: int | tuple[int, ...] = 2, *, method: str = "nearest", channels: str = "first"
) -> Tensor:
    """Make the spatial axes a whole number of times as large.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *(scale_factor * spatial)); or with channels="last"

    Raises:
        ShapeError: there is no spatial axis, or another number of them than factors.
        OptionError: there is no such method.

    Example:
        >>> upsample(Tensor([[[1.0, 2.0]]])).tolist()
        [[[1.0, 1.0, 2.0, 2.0]]]
    """
    expect(x, rank=(3, 4, 5), fix=_FIX)
    spatial = x.shape[2:] if channels == "first" else x.shape[1:-1]
    factors = window.per_axis(scale_factor, len(spatial), "scale_factor")
    size = tuple(cells * factor for cells, factor in zip(spatial, factors, strict=True))
    return resize(x, size, method=method, channels=channels)


def _nearest(x: Tensor, axis: int, cells: int) -> Tensor:
    have = x.shape[axis]
    if cells % have == 0:
        return x.repeat_interleave(cells // have, axis)
    index = ((2 * Tensor.arange(cells) + 1) * have) // (2 * cells)  # whole numbers: halves are not rounded away
    return x[(slice(None),) * axis + (index,)]


def _weighted(x: Tensor, axis: int, cells: int, method: str, antialias: bool) -> Tensor:
    if not dtypes.is_float(x.dtype):
        x = x.float()
    # A buffer of their own: worked out inside of the product, the weights would be made anew for every line.
    weights = _weights(x.shape[axis], cells, _KERNELS[method], antialias).cast(x.dtype).clone(device=x.device)
    return x.transpose(axis, -1).matmul(weights).transpose(axis, -1)


def _weights(have: int, cells: int, kernel: Callable[[Tensor], Tensor], antialias: bool) -> Tensor:
    """Work out the weight of each old cell (rows) in each new one (columns)."""
    new, old = Tensor.arange(cells).reshape(1, cells), Tensor.arange(have).reshape(have, 1)
    distance = ((2 * new + 1) * have - cells - 2 * cells * old).abs().float() / (2 * cells)
    widened = max(have / cells, 1.0) if antialias else 1.0
    weights = kernel(distance / widened)
    return weights / weights.sum(0, keepdim=True)


def _linear(distance: Tensor) -> Tensor:
    return (1 - distance).relu()


def _cubic(distance: Tensor) -> Tensor:
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((2.5 - 0.5 * distance) * distance - 4) * distance + 2
    return (distance < 1).where(near, (distance < 2).where(far, 0))


def _lanczos(radius: int) -> Callable[[Tensor], Tensor]:
    def kernel(distance: Tensor) -> Tensor:
        turn = math.pi * (distance < 1e-3).where(1, distance)  # 0 / 0
        value = radius * turn.sin() * (turn / radius).sin() / (turn * turn)
        return (distance < 1e-3).where(1, (distance < radius).where(value, 0))

    return kernel


_KERNELS = {"bilinear": _linear, "bicubic": _cubic, "lanczos3": _lanczos(3), "lanczos5": _lanczos(5)}
