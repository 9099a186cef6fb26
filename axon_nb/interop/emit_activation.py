"""Owns the ONNX operators of activations."""

from __future__ import annotations

from axon_nb.interop.emit import At, Value, emits


def _plain(name: str, kind: str) -> None:
    emits(name)(lambda at, x: at.op(kind, x))


for _name, _kind in {
    "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign",
    "mish": "Mish", "exp": "Exp",
}.items():  # fmt: skip
    _plain(_name, _kind)


@emits("linear")
def _linear(at: At, x: Value) -> str:
    return str(at.op("Identity", x))


@emits("activation")
def _activation(at: At, x: Value) -> str:
    function = at["function"]
    return _linear(at, x) if function == "linear" else at.apply(x, function)


def _clip(at: At, x: str, low: float, high: float) -> str:
    return str(at.op("Clip", x, at.numbers(low), at.numbers(high)))


@emits("relu6")
def _relu6(at: At, x: Value) -> str:
    return _clip(at, x, 0, 6)


@emits("hard_tanh")
def _hard_tanh(at: At, x: Value) -> str:
    return _clip(at, x, -1, 1)


@emits("leaky_relu")
def _leaky_relu(at: At, x: Value) -> str:
    return str(at.op("LeakyRelu", x, alpha=at["alpha"]))


@emits("elu")
def _elu(at: At, x: Value) -> str:
    return str(at.op("Elu", x, alpha=at["alpha"]))


@emits("celu")
def _celu(at: At, x: Value) -> str:
    if at.dtype == "float32":
        return str(at.op("Celu", x, alpha=at["alpha"]))
    return at.cast(at.op("Celu", at.cast(x, "float32"), alpha=at["alpha"]), at.dtype)  # which knows no other kind


@emits("selu")
def _selu(at: At, x: Value) -> str:
    return str(at.op("Selu", x, alpha=at["alpha"], gamma=at["gamma"]))


@emits("hard_sigmoid")
def _hard_sigmoid(at: At, x: Value) -> str:
    return str(at.op("HardSigmoid", x, alpha=at["alpha"], beta=at["beta"]))


@emits("hard_silu")
def _hard_silu(at: At, x: Value) -> str:
    if abs(at["alpha"] - 1 / 6) < 1e-9 and at["beta"] == 0.5:
        return str(at.op("HardSwish", x))
    return str(at.op("Mul", x, _hard_sigmoid(at, x)))


@emits("log_sigmoid")
def _log_sigmoid(at: At, x: Value) -> str:
    return str(at.op("Neg", at.op("Softplus", at.op("Neg", x))))


@emits("silu", "swish")
def _silu(at: At, x: Value) -> str:
    return str(at.op("Mul", x, at.op("Sigmoid", x)))  # Swish is an operator of its own from opset 24 on


@emits("gelu")
def _gelu(at: At, x: Value) -> str:
    return str(at.op("Gelu", x, approximate="tanh" if at["approximate"] else "none"))


@emits("softmax")
def _softmax(at: At, x: Value) -> str:
    axis = at["axis"]
    if isinstance(axis, int):
        return str(at.op("Softmax", x, axis=axis))
    powers = at.op("Exp", at.op("Sub", x, at.op("ReduceMax", x, at.ints(*axis))))
    return str(at.op("Div", powers, at.op("ReduceSum", powers, at.ints(*axis))))


@emits("log_softmax")
def _log_softmax(at: At, x: Value) -> str:
    axis = at["axis"]
    if isinstance(axis, int):
        return str(at.op("LogSoftmax", x, axis=axis))
    return str(at.op("Sub", x, at.op("ReduceLogSumExp", x, at.ints(*axis))))


@emits("log_sumexp")
def _log_sumexp(at: At, x: Value) -> str:
    axis = at["axis"]
    return str(at.op("ReduceLogSumExp", x, at.ints(*((axis,) if isinstance(axis, int) else axis))))


@emits("glu")
def _glu(at: At, x: Value) -> str:
    values, gates = at.op("Split", x, outputs=2, axis=at["axis"], num_outputs=2)
    return str(at.op("Mul", values, at.op("Sigmoid", gates)))


@emits("prelu")
def _prelu(at: At, x: Value) -> str:
    after = 0 if at.last else x.rank - 2
    return str(
        at.op("PRelu", x, at.weight("slope", f"row{after}" * bool(after), lambda s: s.reshape(-1, *[1] * after)))
    )
