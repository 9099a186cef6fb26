"""Owns the ONNX operators of attention, positions and the gated feed-forward network."""

from __future__ import annotations

import math
from typing import Any

from axon_nb.interop.emit import At, Value, emits, np
from axon_nb.interop.emit_linear import product


def _roles(at: At, xs: tuple[Value | None, ...]) -> tuple[Value, Value, Value, Value | None]:
    """Name one to four inputs; the mask, the last, keeps its kind of numbers."""
    query, key, value, mask = (*xs, None, None, None)[:4]
    assert query is not None  # noqa: S101 - the first input is always there
    query = at.meet(query)
    key = query if key is None else at.meet(key)
    return query, key, key if value is None else at.meet(value), mask


def _attend(at: At, query: str, key: str, value: str, mask: Value | None, depth: int, rank: int) -> str:
    """Write attention in steps: products, softmax over what is seen, zeros where nothing is."""
    order = [*range(rank - 2), rank - 1, rank - 2]
    scaled = at.op("Mul", query, at.numbers(1 / math.sqrt(depth)))
    scores = at.op("MatMul", scaled, at.op("Transpose", key, perm=order))
    seen = None
    if mask is not None and "float" in mask.dtype:
        scores = at.op("Add", scores, mask if mask.dtype == at.dtype else at.cast(mask, at.dtype))
        seen = at.op("Not", at.op("IsInf", scores, detect_positive=0))
    elif mask is not None:
        none = at.numbers(0, mask.dtype) if mask.dtype != "bool" else ""
        seen = at.op("Not", at.op("Equal", mask, none)) if none else str(mask)
    if at["causal"]:
        one = at.numbers([1], "int64")
        shape = at.op("Shape", scores, start=-2)
        square = at.op("Trilu", at.op("ConstantOfShape", shape, value=at.writer.onnx.helper.make_tensor(
            "one", at.writer.onnx.TensorProto.INT32, [1], [1])), upper=0)  # fmt: skip
        before = at.op("Equal", square, at.cast(one, "int32"))
        seen = before if seen is None else at.op("And", seen, before)
    if seen is None:
        return str(at.op("MatMul", at.op("Softmax", scores, axis=-1), value))
    lowest = at.numbers(float(np.finfo(at.dtype).min))
    weights = at.op("Softmax", at.op("Where", seen, scores, lowest), axis=-1)
    return str(at.op("MatMul", at.op("Where", seen, weights, at.numbers(0)), value))


@emits("scaled_dot_product_attention", raw=True)
def _scaled(at: At, *xs: Value | None) -> str:
    query, key, value, mask = _roles(at, xs)
    if mask is None and query.rank == key.rank == value.rank == 4:
        return str(at.op("Attention", query, key, value, is_causal=int(at["causal"])))
    return _attend(at, query, key, value, mask, query.shape[-1], query.rank)


@emits("multi_head_attention", raw=True)
def _multi_head(at: At, *xs: Value | None) -> str:
    query, key, value, mask = _roles(at, xs)
    heads = at["heads"]
    shared = heads if at["kv_heads"] is None else at["kv_heads"]
    depth = at.params["query_kernel"].shape[1] // heads
    projected = [
        product(at, one, 3, f"{role}_kernel", f"{role}_bias")
        for role, one in (("query", query), ("key", key), ("value", value))
    ]
    if mask is None and not at["rotary"] and shared == heads:  # runtimes differ in which heads share keys
        found = at.op(
            "Attention", *projected, q_num_heads=heads, kv_num_heads=heads, is_causal=int(at["causal"]),
        )  # fmt: skip
        return product(at, found, 3, "output_kernel", "output_bias")
    q, k, v = (
        at.op("Transpose", at.op("Reshape", one, at.ints(0, 0, n, -1)), perm=[0, 2, 1, 3])
        for one, n in zip(projected, (heads, shared, shared), strict=True)
    )
    if at["rotary"]:
        q, k = (_turn(at, one, depth, 10000.0, "halves", 2) for one in (q, k))
    k, v = (_repeated(at, one, shared, heads, depth) for one in (k, v))
    spread = None
    if mask is not None:
        axes = {2: (1, 2), 3: (1,), 4: ()}[mask.rank]
        spread = Value.of(at.op("Unsqueeze", mask, at.ints(*axes)) if axes else mask, (0, 0, 0, 0), mask.dtype)
    found = at.op("Transpose", _attend(at, q, k, v, spread, depth, 4), perm=[0, 2, 1, 3])
    return product(at, at.op("Reshape", found, at.ints(0, 0, -1)), 3, "output_kernel", "output_bias")


def _repeated(at: At, x: str, heads: int, wanted: int, depth: int) -> str:
    """Repeat each head of keys or values (batch, heads, keys, depth) for as many heads of queries as share it."""
    if heads == wanted:
        return x
    wide = at.op("Expand", at.op("Unsqueeze", x, at.ints(2)), at.ints(1, 1, wanted // heads, 1, 1))
    rows = at.op("Concat", at.ints(0, wanted), at.op("Shape", x, start=2, end=3), at.ints(depth), axis=0)
    return str(at.op("Reshape", wide, rows))


def _angles(at: At, x: str, axis: int, count: int, base: float, units: int) -> str:
    """Write the angles of each place (rows) and each speed (columns)."""
    length = at.op("Squeeze", at.size(x, axis), at.ints(0))
    places = at.op("Range", at.numbers(0, "int64"), length, at.numbers(1, "int64"))
    column = at.op("Unsqueeze", at.cast(places, "float32"), at.ints(1))
    speeds = np.exp(np.arange(count, dtype=np.float32) * np.float32(-2 * math.log(base) / units))
    return str(at.op("Mul", column, at.numbers(speeds, "float32")))


def _wide(at: At, x: str) -> str:
    return x if at.dtype == "float32" else at.cast(x, at.dtype)


@emits("sinusoidal_positions")
def _sinusoidal(at: At, x: Value) -> str:
    units = x.shape[-1]
    angles = _angles(at, x, x.rank - 2, -(-units // 2), at["base"], units)
    waves = [at.op("Unsqueeze", at.op(kind, angles), at.ints(2)) for kind in ("Sin", "Cos")]
    pairs = at.op("Reshape", at.op("Concat", *waves, axis=2), at.ints(0, -1))
    if units % 2:
        pairs = at.op("Slice", pairs, at.ints(0), at.ints(units), at.ints(1))
    return str(at.op("Add", x, _wide(at, pairs)))


def _turn(at: At, x: str, units: int, base: float, pairs: str, axis: int) -> str:
    """Turn pairs of features on the last axis; places stand on ``axis``, an axis before the last two or the one."""
    angles = _angles(at, x, axis, units // 2, base, units)
    sin, cos = (_wide(at, at.op(kind, angles)) for kind in ("Sin", "Cos"))
    if axis == 1:  # (batch, time, heads, units)
        sin, cos = (at.op("Unsqueeze", one, at.ints(1)) for one in (sin, cos))
    half, last = units // 2, at.ints(-1)
    if pairs == "halves":
        first, second = at.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    else:
        first = at.op("Slice", x, at.ints(0), at.ints(units), last, at.ints(2))
        second = at.op("Slice", x, at.ints(1), at.ints(units), last, at.ints(2))
    left = at.op("Sub", at.op("Mul", first, cos), at.op("Mul", second, sin))
    right = at.op("Add", at.op("Mul", second, cos), at.op("Mul", first, sin))
    if pairs == "halves":
        return str(at.op("Concat", left, right, axis=-1))
    both = at.op("Concat", at.op("Unsqueeze", left, last), at.op("Unsqueeze", right, last), axis=-1)
    return str(at.op("Reshape", both, at.ints(0, 0, 0, 2 * half)))


@emits("rotary_positions")
def _rotary(at: At, x: Value) -> str:
    units = x.shape[-1] // at["heads"]
    parts = at.op("Reshape", x, at.ints(0, 0, at["heads"], units))
    turned = _turn(at, parts, units, at["base"], at["pairs"], 1)
    return str(at.op("Reshape", turned, at.ints(0, 0, -1)))


@emits("learned_positions")
def _learned(at: At, x: Value) -> str:
    rows = at.op("Slice", at.weight("kernel"), at.ints(0), at.size(x, 1), at.ints(0))
    return str(at.op("Add", x, rows))


@emits("swiglu")
def _swiglu(at: At, x: Value) -> str:
    value = product(at, x, x.rank)
    gate: Any = product(at, x, x.rank, "gate_kernel", "gate_bias")
    gate = at.activate(gate, shape=(*x.shape[:-1], at["hidden_units"]))
    return product(at, at.op("Mul", value, gate), x.rank, "output_kernel", "output_bias")
