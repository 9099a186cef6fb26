# ruff: noqa: N802, N803, ANN001, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns ONNX's Resize in all its ways, and RoiAlign: maps read at places between their cells."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from tinygrad import Tensor, dtypes

from axon_nb.interop.operators import OLDER, own
from axon_nb.interop.optional import InteropError
from axon_nb.lazy import numpy as np


@own
def Resize(
    X, roi=None, scales=None, sizes=None, antialias=0, axes=None, coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75, exclude_outside=0, extrapolation_value=0.0, keep_aspect_ratio_policy="stretch",
    mode="nearest", nearest_mode="round_prefer_floor",
):  # fmt: skip
    chosen = [axis % X.ndim for axis in axes] if axes else list(range(X.ndim))
    before = [int(X.shape[axis]) for axis in chosen]
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    bounds = list(zip(roi[: len(chosen)], roi[len(chosen) :], strict=True)) if crops else [(0.0, 1.0)] * len(chosen)
    cells, factors = _sizes(before, list(scales or ()), list(sizes or ()), keep_aspect_ratio_policy, bounds)
    made, outside = X, None
    for axis, have, want, factor, (start, end) in zip(chosen, before, cells, factors, bounds, strict=True):
        if have == want and factor == 1 and not crops:
            continue
        places = _places(coordinate_transformation_mode, have, want, factor, start, end)
        if mode == "nearest":
            made = _rows(made, axis, np.clip(_whole(places, nearest_mode), 0, have - 1).astype("int32"))
        else:
            narrow = min(factor, 1.0) if antialias else 1.0
            weights = _weights(places, have, mode, narrow, cubic_coeff_a, bool(exclude_outside))
            made = _product(made, axis, weights)
        if crops:
            shape = tuple(want if i == axis else 1 for i in range(X.ndim))
            out = Tensor(((places < 0) | (places > have - 1)).reshape(shape))
            outside = out if outside is None else outside | out
    return (made if outside is None else outside.where(extrapolation_value, made)).cast(X.dtype)


OLDER["Resize"] = (
    11,
    lambda X, scales, **about: Resize(
        X, None, scales, coordinate_transformation_mode="asymmetric", nearest_mode="floor", **about
    ),
)


def _sizes(
    before: list[int], scales: list[float], sizes: list[int], policy: str, bounds: Sequence[tuple[float, float]]
) -> tuple[list[int], list[float]]:
    """Work out sizes and by which factor each axis grows."""
    if not sizes:
        cells = [math.floor(n * (end - start) * s) for n, s, (start, end) in zip(before, scales, bounds, strict=True)]
        return cells, scales
    factors = [want / have for want, have in zip(sizes, before, strict=True)]
    if policy == "stretch":
        return [int(n) for n in sizes], factors
    one = min(factors) if policy == "not_larger" else max(factors)
    return [math.floor(one * n + 0.5) for n in before], [one] * len(before)


def _places(way: str, have: int, want: int, factor: float, start: float, end: float) -> Any:
    """List where each cell of the result is in the map."""
    i: Any = np.arange(want, dtype="float32")  # where a place is between two cells, all agree in 32 bits
    by = np.float32(factor)
    if way == "align_corners":
        return i * (have - 1) / (want - 1) if want > 1 else i * 0
    if way == "asymmetric":
        return i / by
    if way == "tf_crop_and_resize":
        if want == 1:
            return i + 0.5 * (start + end) * (have - 1)
        return start * (have - 1) + i * (end - start) * (have - 1) / (want - 1)
    if way == "pytorch_half_pixel" and want == 1:
        return i * 0
    if way not in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
        problem = f"coordinate_transformation_mode={way!r} is none of ONNX"
        raise ValueError(problem)
    places = (i + np.float32(0.5)) / by - np.float32(0.5)
    return places + np.float32(have / 2 * (1 - want / (factor * have))) if way == "half_pixel_symmetric" else places


_WHOLE = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5), "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": lambda x: np.floor(x), "ceil": lambda x: np.ceil(x),
}  # fmt: skip


def _whole(places: Any, way: str) -> Any:
    return _WHOLE[way](places)


def _weights(places: Any, have: int, mode: str, narrow: float, a: float, inside_only: bool) -> Any:
    """Make a row of weights for each cell of the result; ``narrow`` below 1 widens what a cell looks at."""
    reach = {"linear": 1, "cubic": 2}[mode] / narrow
    low = np.floor(places)
    near = np.arange(math.floor(-reach) + 1, math.ceil(reach) + 1)
    cells = low[:, None] + near
    weights = _kernel(mode, np.abs((cells - places[:, None]) * narrow), a)
    if inside_only:
        weights = np.where((cells >= 0) & (cells < have), weights, 0)
    weights = weights / weights.sum(-1, keepdims=True)
    made = np.zeros((len(places), have))
    rows = np.broadcast_to(np.arange(len(places))[:, None], cells.shape)
    np.add.at(made, (rows, np.clip(cells, 0, have - 1).astype("int64")), weights)
    return made


def _kernel(mode: str, x: Any, a: float) -> Any:
    if mode == "linear":
        return np.clip(1 - x, 0, 1)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _product(x: Tensor, axis: int, weights: Any) -> Tensor:
    kind = x.dtype if dtypes.is_float(x.dtype) else dtypes.float32
    return (x.cast(kind).transpose(axis, -1) @ Tensor(weights.T.astype("float32")).cast(kind)).transpose(axis, -1)


def _rows(x: Tensor, axis: int, cells: Any) -> Tensor:
    times = len(cells) // x.shape[axis]
    if times and np.array_equal(cells, np.arange(x.shape[axis]).repeat(times)):
        return x.repeat_interleave(times, axis)
    return x[(slice(None),) * axis + (Tensor(cells),)]


@own
def RoiAlign(
    X, rois, batch_indices, coordinate_transformation_mode="half_pixel", mode="avg", output_height=1, output_width=1,
    sampling_ratio=0, spatial_scale=1.0,
):  # fmt: skip
    if sampling_ratio < 1:
        problem = "sampling_ratio=0 takes as many samples as regions are large, which is not known beforehand"
        raise InteropError(problem)
    moved = coordinate_transformation_mode == "half_pixel"
    bounds = rois * spatial_scale - (0.5 if moved else 0.0)
    count = rois.shape[0]
    lines = []
    for axis, cells, length in ((1, output_height, X.shape[2]), (0, output_width, X.shape[3])):
        start, size = bounds[:, axis], bounds[:, axis + 2] - bounds[:, axis]
        size = size if moved else size.maximum(1)
        steps = (Tensor.arange(cells * sampling_ratio) + 0.5) / (cells * sampling_ratio)
        lines.append(_between(start.unsqueeze(1) + size.unsqueeze(1) * steps, length))
    maps = X[batch_indices].flatten(2)  # (regions, channels, cells)
    parts = []
    for rows, one in lines[0]:
        for columns, other in lines[1]:
            cells = (rows.unsqueeze(2) * X.shape[3] + columns.unsqueeze(1)).reshape(count, 1, -1)
            seen = maps.gather(2, cells.expand(count, X.shape[1], cells.shape[-1]))
            parts.append(seen * (one.unsqueeze(2) * other.unsqueeze(1)).reshape(count, 1, -1))
    shape = (count, X.shape[1], output_height, sampling_ratio, output_width, sampling_ratio)
    if mode == "max":  # of what each corner adds, as ONNX has it
        return functools.reduce(Tensor.maximum, parts).reshape(shape).max((3, 5))
    return sum(parts[1:], parts[0]).reshape(shape).mean((3, 5))


OLDER["RoiAlign"] = 16, functools.partial(RoiAlign, coordinate_transformation_mode="output_half_pixel")


def _between(place: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two cells around each place, and their weights; none counts far outside of the map."""
    fits = (place >= -1) & (place <= size)
    place = place.maximum(0).minimum(size - 1)
    low = place.floor()
    share = place - low
    cells = low.cast("int32"), (low + 1).minimum(size - 1).cast("int32")
    return [(cells[0], fits.where(1 - share, 0)), (cells[1], fits.where(share, 0))]
