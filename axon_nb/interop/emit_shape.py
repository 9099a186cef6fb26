"""Owns the ONNX operators of changes of shape."""

from __future__ import annotations

from typing import Any

from axon_nb.functional import resizing, window
from axon_nb.functional.shape import _pairs as pad_pairs
from axon_nb.interop.emit import At, Value, emits, np


@emits("flatten")
def _flatten(at: At, x: Value) -> str:
    return str(at.op("Flatten", x, axis=1))


@emits("reshape")
def _reshape(at: At, x: Value) -> str:
    shape = at["shape"]
    return str(at.op("Reshape", x, at.ints(0, *((shape,) if isinstance(shape, int) else shape))))


@emits("transpose")
def _transpose(at: At, x: Value) -> str:
    axes = at["axes"]
    if axes is None:
        return str(at.op("Transpose", x, perm=list(range(x.rank))[::-1]))
    order = [one % x.rank for one in ((axes,) if isinstance(axes, int) else axes)]
    return str(at.op("Transpose", x, perm=order if 0 in order else [0, *order]))


@emits("reverse")
def _reverse(at: At, x: Value) -> str:
    least = np.iinfo("int64").min
    return str(at.op("Slice", x, at.ints(-1), at.ints(int(least)), at.ints(at["axis"]), at.ints(-1)))


@emits("slice")
def _slice(at: At, x: Value) -> str:
    start, stop, step = at["start"], at["stop"], at["step"]
    most, least = 2**31 - 1, -(2**31)
    first = start if start is not None else (0 if step > 0 else most)
    last = stop if stop is not None else (most if step > 0 else least)
    return str(at.op("Slice", x, at.ints(first), at.ints(last), at.ints(at["axis"]), at.ints(step)))


@emits("split")
def _split(at: At, x: Value) -> Any:
    sections, axis = at["sections"], at["axis"]
    if isinstance(sections, int):
        made = at.op("Split", x, outputs=sections, axis=axis, num_outputs=sections)
    else:
        made = at.op("Split", x, at.ints(*sections), outputs=len(sections), axis=axis)
    return (made,) if isinstance(made, str) else tuple(made)


@emits("pad")
def _pad(at: At, x: Value) -> str:
    pairs = pad_pairs(at["padding"], x.rank, at["channels"])
    y: str = x
    if any(cells > 0 for pair in pairs for cells in pair):
        margins = [max(pair[side], 0) for side in (0, 1) for pair in pairs]
        value = (at.numbers(at["value"]),) if at["mode"] == "constant" else ()
        y = at.op("Pad", x, at.ints(*margins), *value, mode=at["mode"])
    cut = [(axis, min(pair[0], 0), min(pair[1], 0)) for axis, pair in enumerate(pairs) if min(pair) < 0]
    if cut:
        axes, starts, ends = zip(*cut, strict=True)
        last = [end or 2**31 - 1 for end in ends]
        y = at.op("Slice", y, at.ints(*(-start for start in starts)), at.ints(*last), at.ints(*axes))
    return y if y is not x else str(at.op("Identity", x))


_METHODS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    "bilinear": {"mode": "linear"},
    "bicubic": {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1},
}


def _scaled(at: At, x: Value, cells: tuple[int, ...] | None, factors: tuple[int, ...] | None, antialias: bool) -> str:
    """Write a change of size: to ``cells`` for each spatial axis, or by ``factors``."""
    sizes, method = at.spatial(x), at["method"]
    y = at.first(x, x.rank)
    known = all(isinstance(n, int) for n in sizes)
    if known:
        cells = cells or tuple(n * f for n, f in zip(sizes, factors or (), strict=True))
    shrinks = antialias and method != "nearest" and (
        cells is not None and not all(isinstance(n, int) and n <= c for n, c in zip(sizes, cells, strict=True))
    )  # fmt: skip
    if known and cells is not None and (shrinks or method not in _METHODS or (method == "bicubic" and x.rank != 4)):
        return at.back(_by_matrices(at, y, sizes, cells, antialias), x.rank)
    if method not in _METHODS or (method == "bicubic" and x.rank != 4):
        problem = f"resizes by {method}, and the size of its input is not known"
        raise at.refuse(problem, "give input(...) the sizes of its spatial axes")
    attributes = dict(_METHODS[method])
    if shrinks:
        attributes |= {"antialias": 1, "exclude_outside": 1}
    if cells is None:
        scales = at.numbers([1.0, 1.0, *map(float, factors or ())], "float32")
        y = at.op("Resize", y, "", scales, coordinate_transformation_mode="half_pixel", **attributes)
    else:
        kept = [x.shape[0], x.shape[-1 if at.last else 1]]
        head = at.ints(*kept) if all(isinstance(n, int) for n in kept) else at.op("Shape", y, start=0, end=2)
        size = at.op("Concat", head, at.ints(*cells), axis=0)
        y = at.op("Resize", y, "", "", size, coordinate_transformation_mode="half_pixel", **attributes)
    return at.back(y, x.rank)


def _by_matrices(at: At, y: str, sizes: Any, cells: tuple[int, ...], antialias: bool) -> str:
    """Write a product with the weights of each axis, where ONNX has no such way to resize."""
    rank = len(sizes) + 2
    for axis, (n, c) in enumerate(zip(sizes, cells, strict=True), start=2):
        if n == c:
            continue
        weights = resizing._weights(n, c, resizing._KERNELS[at["method"]], antialias).numpy()
        order = [one for one in range(rank) if one != axis] + [axis]
        moved = at.op("MatMul", at.transpose(y, order), at.numbers(weights))
        y = at.transpose(moved, [int(i) for i in np.argsort(order)])
    return y


@emits("resize")
def _resize(at: At, x: Value) -> str:
    return _scaled(at, x, window.per_axis(at["size"], x.rank - 2, "size"), None, at["antialias"])


@emits("upsample")
def _upsample(at: At, x: Value) -> str:
    return _scaled(at, x, None, window.per_axis(at["scale_factor"], x.rank - 2, "scale_factor"), antialias=False)


@emits("pixel_shuffle")
def _pixel_shuffle(at: At, x: Value) -> str:
    return at.back(at.op("DepthToSpace", at.first(x, 4), blocksize=at["upscale_factor"], mode="CRD"), 4)


@emits("pixel_unshuffle")
def _pixel_unshuffle(at: At, x: Value) -> str:
    r, within = at["downscale_factor"], x.shape[-1 if at.last else 1]
    y = at.op("SpaceToDepth", at.first(x, 4), blocksize=r)  # its channels are (place, channel): ours the other way
    order = np.arange(r * r * within).reshape(r * r, within).T.ravel()
    return at.back(at.op("Gather", y, at.numbers(order, "int64"), axis=1), 4)
