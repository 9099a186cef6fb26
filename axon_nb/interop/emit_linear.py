"""Owns the ONNX operators of layers with a kernel for all values, of joining, and of choosing."""

from __future__ import annotations

from axon_nb.interop.emit import At, Value, emits, np


def product(at: At, x: str, rank: int, kernel: str = "kernel", bias: str = "bias") -> str:
    """Write a product with a kernel and a sum with a bias: one Gemm for flat features."""
    if rank == 2:
        more = (at.weight(bias),) if bias in at.params else ()
        return str(at.op("Gemm", x, at.weight(kernel), *more))
    y = at.op("MatMul", x, at.weight(kernel))
    return str(at.op("Add", y, at.weight(bias)) if bias in at.params else y)


@emits("dense")
def _dense(at: At, x: Value) -> str:
    return at.activate(product(at, x, x.rank), shape=(*x.shape[:-1], at["units"]))


@emits("embedding", raw=True)
def _embedding(at: At, x: Value) -> str:
    indices = x if x.dtype in ("int32", "int64") else at.cast(x, "int64")
    return str(at.op("Gather", at.weight("kernel"), indices, axis=0))


@emits("bilinear")
def _bilinear(at: At, x1: Value, x2: Value) -> str:
    y = at.op("Einsum", x1, x2, at.weight("kernel"), equation="...i,...j,oij->...o")
    y = at.op("Add", y, at.weight("bias")) if "bias" in at.params else y
    return at.activate(y, shape=(*x1.shape[:-1], at["units"]))


def _row(at: At, x: Value, name: str) -> str:
    after = x.rank - 1 - at["axis"] % x.rank
    return at.weight(name, f"row{after}" * bool(after), lambda values: values.reshape(-1, *[1] * after))


@emits("bias")
def _bias(at: At, x: Value) -> str:
    return str(at.op("Add", x, _row(at, x, "bias")))


@emits("scale")
def _scale(at: At, x: Value) -> str:
    return str(at.op("Mul", x, _row(at, x, "scale")))


def _fold(at: At, kind: str, xs: tuple[Value, ...]) -> str:
    result: str = xs[0]
    for other in xs[1:]:
        result = at.op(kind, result, other)
    return result if len(xs) > 1 else str(at.op("Identity", result))


@emits("add")
def _add(at: At, *xs: Value) -> str:
    return str(at.op("Sum", *xs)) if len(xs) > 2 and "float" in at.dtype else _fold(at, "Add", xs)


@emits("subtract")
def _subtract(at: At, *xs: Value) -> str:
    return _fold(at, "Sub", xs)


@emits("multiply")
def _multiply(at: At, *xs: Value) -> str:
    return _fold(at, "Mul", xs)


@emits("concatenate")
def _concatenate(at: At, *xs: Value) -> str:
    return str(at.op("Concat", *xs, axis=at["axis"]))


@emits("stack")
def _stack(at: At, *xs: Value) -> str:
    axis = at["axis"] % (xs[0].rank + 1)
    return str(at.op("Concat", *(at.op("Unsqueeze", x, at.ints(axis)) for x in xs), axis=axis))


@emits("mask", raw=True)
def _mask(at: At, x: Value) -> str:
    return str(at.op("Not", at.op("Equal", x, at.numbers(at["eos_token"], x.dtype))))


@emits("or_else", raw=True)
def _or_else(at: At, *xs: Value) -> Value:
    return xs[0]  # in ONNX no input is left out


@emits("where", raw=True)
def _where(at: At, condition: Value, x: Value, y: Value) -> str:
    chosen: str = condition
    if condition.dtype != "bool":
        chosen = at.op("Not", at.op("Equal", condition, at.numbers(0, condition.dtype)))
    missing = range(condition.rank, x.rank)
    if missing:
        chosen = at.op("Unsqueeze", chosen, at.ints(*missing))
    given = (one if one.dtype == at.dtype else at.cast(one, at.dtype) for one in (x, y))
    return str(at.op("Where", chosen, *given))


@emits("constant", raw=True)
def _constant(at: At, x: Value | None = None) -> str:
    if x is None:
        return str(at.op("Identity", at.weight("value")))
    values = np.asarray(at.params["value"])
    shape = (1, *[1] * max(x.rank - 1 - values.ndim, 0), *values.shape)
    target = at.op("Concat", at.size(x, 0), at.ints(*shape[1:]), axis=0)
    return str(at.op("Expand", at.weight("value", "batched", lambda v: np.asarray(v).reshape(shape)), target))


@emits("dropout", "spatial_dropout", "alpha_dropout", "feature_alpha_dropout", "gaussian_noise", "gaussian_dropout",
       raw=True)  # fmt: skip
def _training_only(at: At, x: Value) -> Value:
    return x
