# ruff: noqa: N802, N803, ANN001, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns ONNX operators over maps that tinygrad has not: sampling at given places, and patches put together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from tinygrad import Tensor

from axon_nb.functional.window import spread
from axon_nb.interop.operators import own


@own
def GridSample(X, grid, mode="linear", padding_mode="zeros", align_corners=0):
    sizes = X.shape[2:]
    places = []
    for axis, size in enumerate(sizes):
        n = grid[..., len(sizes) - 1 - axis].float()
        place = (n + 1) / 2 * (size - 1) if align_corners else ((n + 1) * size - 1) / 2
        place = _even(place) if mode == "nearest" else place
        places.append(_inside(place, size, padding_mode, align_corners))
    if mode == "nearest":
        return _at(X, places, padding_mode, align_corners).cast(X.dtype)
    weights = _cubic if mode in ("cubic", "bicubic") else _linear
    total = Tensor.zeros(1)
    for chosen in itertools.product(*(weights(place) for place in places)):
        share = math.prod((one for _, one in chosen[1:]), start=chosen[0][1])
        total = total + _at(X, [one for one, _ in chosen], padding_mode, align_corners) * share.unsqueeze(1)
    return total.cast(X.dtype)


def _even(x: Tensor) -> Tensor:
    """Round halves to the even number."""
    low = x.floor()
    gap = x - low
    odd = (low / 2).floor() * 2 != low
    return ((gap > 0.5) | ((gap == 0.5) & odd)).where(low + 1, low)


def _linear(place: Tensor) -> list[tuple[Tensor, Tensor]]:
    low = place.floor()
    return [(low, 1 - (place - low)), (low + 1, place - low)]


def _cubic(place: Tensor, a: float = -0.75) -> list[tuple[Tensor, Tensor]]:
    low = place.floor()
    x = place - low

    def near(t: Tensor) -> Tensor:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: Tensor) -> Tensor:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    return [(low - 1, far(x + 1)), (low, near(x)), (low + 1, near(1 - x)), (low + 2, far(2 - x))]


def _inside(place: Tensor, size: int, mode: str, corners: int) -> Tensor:
    """Bring places that are outside of a map inside, as the mode says."""
    if mode == "border":
        return place.clip(0, size - 1)
    if mode != "reflection":
        return place
    low, width = (0.0, size - 1.0) if corners else (-0.5, float(size))
    if not width:
        return place * 0
    turn = (place - low) - ((place - low) / (2 * width)).floor() * (2 * width)
    return low + (turn > width).where(2 * width - turn, turn)


def _at(X: Tensor, places: Sequence[Tensor], mode: str, corners: int) -> Tensor:
    """Read a map at whole places: (batch, channels, *sizes) at (batch, *out) each gives (batch, channels, *out)."""
    index: Any = None
    inside: Any = None
    for place, size in zip(places, X.shape[2:], strict=True):
        moved = _inside(place, size, mode, corners)
        fits = (moved >= 0) & (moved <= size - 1)
        inside = fits if inside is None else inside & fits
        cell = moved.clip(0, size - 1).cast("int32")
        index = cell if index is None else index * size + cell
    batch, channels = X.shape[:2]
    flat = index.reshape(batch, 1, -1).expand(batch, channels, -1)
    found = X.flatten(2).gather(2, flat).reshape(batch, channels, *index.shape[1:])
    return inside.unsqueeze(1).where(found, 0)


@own
def Col2Im(input, image_shape, block_shape, dilations=None, pads=None, strides=None):
    axes, count = len(image_shape), math.prod(block_shape)
    apart, steps, pads = dilations or [1] * axes, strides or [1] * axes, pads or [0] * 2 * axes
    whole = [n + pads[i] + pads[axes + i] for i, n in enumerate(image_shape)]
    blocks = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(whole, block_shape, apart, steps, strict=True)]
    parts = input.reshape(input.shape[0], -1, count, *blocks)
    total: Any = None
    for number, offsets in enumerate(itertools.product(*(range(k) for k in block_shape))):
        wide = spread(parts[:, :, number], steps)
        starts = [o * d for o, d in zip(offsets, apart, strict=True)]
        ends = [n - start - size for n, start, size in zip(whole, starts, wide.shape[2:], strict=True)]
        placed = wide.pad((None, None, *zip(starts, ends, strict=True)))
        total = placed if total is None else total + placed
    kept = [(pads[i], pads[i] + n) for i, n in enumerate(image_shape)]
    return total.shrink((None, None, *kept))


@own
def DeformConv(
    X, W, offset, B=None, mask=None, dilations=None, group=1, kernel_shape=None, offset_group=1, pads=None, strides=None
):  # fmt: skip
    (kh, kw), (sh, sw), (dh, dw) = W.shape[2:], strides or (1, 1), dilations or (1, 1)
    top, left = (pads or (0, 0, 0, 0))[:2]
    batch, channels, (height, width) = X.shape[0], X.shape[1], offset.shape[2:]
    moved = offset.reshape(batch * offset_group, kh, kw, 2, height, width)
    y = moved[:, :, :, 0] + _grid(kh, dh, 1, 4) + _grid(height, sh, 3, 4) - top
    x = moved[:, :, :, 1] + _grid(kw, dw, 2, 4) + _grid(width, sw, 4, 4) - left
    maps = X.reshape(batch * offset_group, channels // offset_group, *X.shape[2:])
    total = Tensor.zeros(1)
    for (row, one), (column, other) in itertools.product(_linear(y), _linear(x)):
        total = total + _at(maps, [row, column], "zeros", 1) * (one * other).unsqueeze(1)
    if mask is not None:
        total = total * mask.reshape(batch * offset_group, 1, kh, kw, height, width)
    inner = channels // group
    seen = total.reshape(batch, group, inner, kh, kw, height, width)
    kernel = W.reshape(1, group, W.shape[0] // group, inner, kh, kw, 1, 1)
    made = (seen.unsqueeze(2) * kernel).sum((3, 4, 5)).reshape(batch, W.shape[0], height, width)
    return (made if B is None else made + B.reshape(1, -1, 1, 1)).cast(X.dtype)


def _grid(count: int, step: int, axis: int, last: int) -> Tensor:
    return (Tensor.arange(count) * step).reshape(tuple(count if i == axis else 1 for i in range(last + 1)))


@own
def SpaceToDepth(data, blocksize, mode="DCR"):
    batch, channels, height, width = data.shape
    parts = data.reshape(batch, channels, height // blocksize, blocksize, width // blocksize, blocksize)
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return parts.permute(order).reshape(batch, -1, height // blocksize, width // blocksize)
