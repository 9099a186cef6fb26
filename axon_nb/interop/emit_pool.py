"""Owns the ONNX operators of pooling."""

from __future__ import annotations

import math
from typing import Any

from axon_nb.functional import window
from axon_nb.interop.emit import At, Value, emits, np
from axon_nb.interop.emit_conv import pads


def _window(at: At, x: Value, kind: str, fill: float | None, **attributes: Any) -> str:
    """Write a pooling operator; padding as wide as the window, which ONNX refuses, is written as a node of its own."""
    axes = x.rank - 2
    size, apart = at.per_axis("kernel_size", axes), at.per_axis("dilation", axes)
    steps = size if at["strides"] is None else at.per_axis("strides", axes)
    cells = pads(at, at["padding"], at.spatial(x), size, steps, apart)
    y: str = at.first(x, x.rank)
    if any(pad >= size[i % axes] for i, pad in enumerate(cells.get("pads", ()))):
        if fill is None:
            problem = "pads by more than its window, and does not count what is padded"
            raise at.refuse(problem)
        margins = cells.pop("pads")
        y = at.op("Pad", y, at.ints(0, 0, *margins[:axes], 0, 0, *margins[axes:]), at.numbers(fill))
    if any(one != 1 for one in apart):
        attributes["dilations"] = apart
    return str(at.op(kind, y, kernel_shape=size, strides=list(steps), **cells, **attributes))


@emits("max_pool")
def _max_pool(at: At, x: Value) -> str:
    return at.back(_window(at, x, "MaxPool", -math.inf), x.rank)


@emits("avg_pool")
def _avg_pool(at: At, x: Value) -> str:
    counts = at["count_padding"]
    return at.back(_window(at, x, "AveragePool", 0.0 if counts else None, count_include_pad=int(counts)), x.rank)


def _power(at: At, x: str, norm: float) -> str:
    return x if norm == 1 else str(at.op("Mul", x, x) if norm == 2 else at.op("Pow", x, at.numbers(norm)))


def _root(at: At, x: str, norm: float) -> str:
    return x if norm == 1 else str(at.op("Sqrt", x) if norm == 2 else at.op("Pow", x, at.numbers(1 / norm)))


@emits("lp_pool")
def _lp_pool(at: At, x: Value) -> str:
    norm = at["norm"]
    if norm % 2 == 0 and at["padding"] == "valid":  # ONNX takes numbers without their sign
        return at.back(_window(at, x, "LpPool", None, p=int(norm)), x.rank)
    powers = Value.of(_power(at, x, norm), x.shape, x.dtype)
    mean = _window(at, powers, "AveragePool", 0.0, count_include_pad=1)
    cells = math.prod(at.per_axis("kernel_size", x.rank - 2))
    return at.back(_root(at, at.op("Mul", mean, at.numbers(cells)), norm), x.rank)


@emits("blur_pool")
def _blur_pool(at: At, x: Value) -> str:
    axes, within = x.rank - 2, x.shape[-1 if at.last else 1]
    steps = at.per_axis("strides", axes)
    weights = np.ones(())
    for _ in range(axes):
        weights = np.multiply.outer(weights, np.array([1, 2, 1]) / 4)
    kernel = at.numbers(np.broadcast_to(weights, (within, 1, *weights.shape)))
    cells = pads(at, at["padding"], at.spatial(x), [3] * axes, steps, [1] * axes)
    y = at.op("Conv", at.first(x, x.rank), kernel, kernel_shape=[3] * axes, strides=steps, group=within, **cells)
    return at.back(y, x.rank)


def _whole(at: At, x: Value, kind: str, y: str | None = None) -> str:
    axes = range(1, x.rank - 1) if at.last else range(2, x.rank)
    return str(at.op(kind, x if y is None else y, at.ints(*axes), keepdims=int(at["keep_axes"])))


@emits("global_avg_pool")
def _global_avg(at: At, x: Value) -> str:
    if at["keep_axes"] and not at.last:
        return str(at.op("GlobalAveragePool", x))
    return _whole(at, x, "ReduceMean")


@emits("global_max_pool")
def _global_max(at: At, x: Value) -> str:
    if at["keep_axes"] and not at.last:
        return str(at.op("GlobalMaxPool", x))
    return _whole(at, x, "ReduceMax")


@emits("global_lp_pool")
def _global_lp(at: At, x: Value) -> str:
    norm = at["norm"]
    if norm == 2:
        return _whole(at, x, "ReduceL2")
    return _root(at, _whole(at, x, "ReduceSum", _power(at, x, norm)), norm)


def _adaptive(at: At, x: Value, pool: str, reduce: str, y: str | None = None) -> str:
    """Write windows as equal as can be: a pooling operator where they are equal, else a reduction for each."""
    sizes, cells = at.spatial(x), window.per_axis(at["output_size"], x.rank - 2, "output_size")
    y = at.first(x if y is None else y, x.rank)
    known = all(isinstance(n, int) for n in sizes)
    if pool and known and all(n % o == 0 for n, o in zip(sizes, cells, strict=True)):
        size = [n // o for n, o in zip(sizes, cells, strict=True)]
        return at.back(at.op(pool, y, kernel_shape=size, strides=size), x.rank)
    for axis, (n, o) in enumerate(zip(sizes, cells, strict=True), start=2):
        y = _adaptive_axis(at, y, axis, n, o, reduce)
    return at.back(y, x.rank)


def _adaptive_axis(at: At, y: str, axis: int, size: Any, cells: int, reduce: str) -> str:
    if cells == 1:
        return str(at.op(reduce, y, at.ints(axis), keepdims=1))
    if not isinstance(size, int):
        problem = f"cuts an axis into {cells} windows, and the size of the axis is not known"
        raise at.refuse(problem, "give input(...) the sizes of its spatial axes, or use global_avg_pool()")
    parts = []
    for cell in range(cells):
        start, end = cell * size // cells, -(-(cell + 1) * size // cells)
        part = at.op("Slice", y, at.ints(start), at.ints(end), at.ints(axis))
        parts.append(at.op(reduce, part, at.ints(axis), keepdims=1))
    return str(at.op("Concat", *parts, axis=axis))


@emits("adaptive_avg_pool")
def _adaptive_avg(at: At, x: Value) -> str:
    return _adaptive(at, x, "AveragePool", "ReduceMean")


@emits("adaptive_max_pool")
def _adaptive_max(at: At, x: Value) -> str:
    return _adaptive(at, x, "MaxPool", "ReduceMax")


@emits("adaptive_lp_pool")
def _adaptive_lp(at: At, x: Value) -> str:
    norm = at["norm"]
    return _root(at, _adaptive(at, x, "", "ReduceSum", _power(at, x, norm)), norm)
