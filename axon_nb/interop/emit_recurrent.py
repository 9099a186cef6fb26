"""Owns the ONNX operators of recurrent layers: RNN, LSTM and GRU, and a Scan where those cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from axon_nb.functional import window
from axon_nb.interop.emit import At, Value, emits, np
from axon_nb.interop.emit_conv import pads
from axon_nb.interop.writer import Writer, kind_of

_FUNCTIONS: dict[str | None, tuple[str, float, float]] = {
    "tanh": ("Tanh", 0, 0), "sigmoid": ("Sigmoid", 0, 0), "relu": ("Relu", 0, 0), "softsign": ("Softsign", 0, 0),
    "softplus": ("Softplus", 0, 0), "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5), "elu": ("Elu", 1, 0),
    "leaky_relu": ("LeakyRelu", 0.01, 0), None: ("Affine", 1, 0), "linear": ("Affine", 1, 0),
}  # fmt: skip
"""Activations that ONNX's recurrent operators know, with the alpha and beta that make them ours."""


def _names(*functions: Any) -> dict[str, Any] | None:
    """Write activations as attributes; ``None`` where ONNX does not know one."""
    known = [_FUNCTIONS[f] for f in functions if isinstance(f, str | None) and f in _FUNCTIONS]
    if len(known) < len(functions):
        return None
    attributes: dict[str, Any] = {"activations": [name for name, _, _ in known]}
    if any(alpha or beta for _, alpha, beta in known):
        attributes |= {
            "activation_alpha": [float(a) for _, a, _ in known],
            "activation_beta": [float(b) for *_, b in known],
        }
    return attributes


def _gates(order: Sequence[int], count: int) -> Callable[[Any], Any]:
    """Put gates, side by side on the last axis, into another order, and the kernel on its side."""

    def change(values: Any) -> Any:
        parts = np.split(np.asarray(values), count, axis=-1)
        return np.concatenate([parts[i] for i in order], axis=-1).T[None]

    return change


States = tuple[Value | None, ...]


def _op(
    at: At, x: Value, kind: str, order: Sequence[int], bias: Any, attributes: dict[str, Any], states: States
) -> Any:
    count = len(order)
    change = _gates(order, count)
    kernels = [at.weight(name, "onnx", change) for name in ("kernel", "recurrent_kernel")]
    more = [at.made("onnx_bias", bias[None]) if bias is not None else ""]
    if any(state is not None for state in states):
        more += ["", *(at.op("Unsqueeze", _start(at, x, state), at.ints(0)) for state in states)]
    if not any(more):
        more = []
    sequence, *last = at.op(
        kind, at.transpose(x, (1, 0, 2)), *kernels, *more, outputs=1 + len(states), hidden_size=at["units"],
        **attributes,
    )  # fmt: skip
    axis = at.ints(0)
    ends = [at.op("Squeeze", one, axis) for one in last] if at["return_state"] or not at["return_sequence"] else []
    main = at.transpose(at.op("Squeeze", sequence, at.ints(1)), (1, 0, 2)) if at["return_sequence"] else ends[0]
    return (main, *ends) if at["return_state"] else main


def _start(at: At, x: Value, state: Value | None) -> str:
    """Write the state to begin with: the one given, or zeros."""
    if state is not None:
        return at.meet(state)
    return str(at.op("Expand", at.numbers(0), at.op("Concat", at.size(x, 0), at.ints(at["units"]), axis=0)))


def _bias(at: At, order: Sequence[int], forget: float = 0.0) -> Any:
    """Make ONNX's bias: the input's gates, then the recurrent ones."""
    units, count = at["units"], len(order)
    if "bias" not in at.params and not forget:
        return None
    own = np.array(at.params["bias"]) if "bias" in at.params else np.zeros(count * units)
    if forget:
        own[units : 2 * units] += forget
    added = np.zeros(count * units)
    if "recurrent_bias" in at.params:
        added[2 * units :] = at.params["recurrent_bias"]
    return np.concatenate([_gates(order, count)(one[None])[0] for one in (own, added)]).ravel()


@emits("rnn", raw=True)
def _rnn(at: At, x: Value, hidden: Value | None = None, mask: Value | None = None) -> Any:
    names = _names(at["activation"])
    if names is None or mask is not None:
        return _scan(at, at.meet(x), 1, _rnn_step, (hidden,), mask)
    return _op(at, at.meet(x), "RNN", (0,), _bias(at, (0,)), names, (hidden,))


@emits("lstm", raw=True)
def _lstm(at: At, x: Value, hidden: Value | None = None, cell: Value | None = None, mask: Value | None = None) -> Any:
    names = _names(at["gate"], at["activation"], at["activation"])
    if names is None or mask is not None:
        return _scan(at, at.meet(x), 4, _lstm_step, (hidden, cell), mask)
    order = (0, 3, 1, 2)  # ONNX: input, output, forget, cell
    return _op(at, at.meet(x), "LSTM", order, _bias(at, order, at["forget_bias"]), names, (hidden, cell))


@emits("gru", raw=True)
def _gru(at: At, x: Value, hidden: Value | None = None, mask: Value | None = None) -> Any:
    names = _names(at["gate"], at["activation"])
    if names is None or mask is not None:
        return _scan(at, at.meet(x), 3, _gru_step, (hidden,), mask)
    order = (1, 0, 2)  # ONNX: update, reset, new
    return _op(at, at.meet(x), "GRU", order, _bias(at, order), {**names, "linear_before_reset": 1}, (hidden,))


Step = Callable[[At, list[str], list[str], list[str]], list[str]]


def _rnn_step(at: At, x: list[str], h: list[str], states: list[str]) -> list[str]:
    return [at.apply(at.op("Add", x[0], h[0]), at["activation"])]


def _lstm_step(at: At, x: list[str], h: list[str], states: list[str]) -> list[str]:
    enter, keep, new, leave = (at.op("Add", one, other) for one, other in zip(x, h, strict=True))
    if at["forget_bias"]:
        keep = at.op("Add", keep, at.numbers(at["forget_bias"]))
    entered = at.op("Mul", at.apply(enter, at["gate"]), at.apply(new, at["activation"]))
    cell = at.op("Add", at.op("Mul", at.apply(keep, at["gate"]), states[1]), entered)
    return [at.op("Mul", at.apply(leave, at["gate"]), at.apply(cell, at["activation"])), cell]


def _gru_step(at: At, x: list[str], h: list[str], states: list[str]) -> list[str]:
    reset, update = (at.apply(at.op("Add", x[n], h[n]), at["gate"]) for n in (0, 1))
    new = at.apply(at.op("Add", x[2], at.op("Mul", reset, h[2])), at["activation"])
    return [at.op("Add", new, at.op("Mul", update, at.op("Sub", states[0], new)))]


def _scan(at: At, x: Value, gates: int, step: Step, states: States, mask: Value | None) -> Any:
    """Write time as a loop whose body is one step."""
    units = at["units"]
    first = [_start(at, x, state) for state in states]

    def body(inner: At, now: str, states: list[str]) -> list[str]:
        projected = inner.op("MatMul", now, inner.weight("kernel"))
        if "bias" in inner.params:
            projected = inner.op("Add", projected, inner.weight("bias"))
        product = inner.op("MatMul", states[0], inner.weight("recurrent_kernel"))
        if "recurrent_bias" in inner.params:
            pad = lambda v: np.concatenate([np.zeros(2 * units), v])  # noqa: E731
            product = inner.op("Add", product, inner.weight("recurrent_bias", "padded", pad))
        return step(inner, _parts(inner, projected, gates, -1), _parts(inner, product, gates, -1), states)

    return _loop(at, x, first, (None, units), body, mask)


def _parts(at: At, x: str, count: int, axis: int) -> list[str]:
    return [x] if count == 1 else list(at.op("Split", x, outputs=count, axis=axis, num_outputs=count))


def _loop(at: At, x: Value, first: list[str], shape: tuple[Any, ...], body: Any, mask: Value | None) -> Any:
    """Write a Scan over axis 1 of x, and of the mask; the states are (batch, ...) each."""
    helper = at.writer.onnx.helper
    inner = replace(at, writer=Writer(at.writer), shape=shape)
    kind = kind_of(at.dtype)
    names = [inner.writer.name(f"{at.name}/state_{i}") for i in range(len(first))]
    now = inner.writer.name(f"{at.name}/step")
    real = inner.writer.name(f"{at.name}/real")
    found = body(inner, now, names)
    marks = []
    if mask is not None:
        marks = [mask if mask.dtype == "bool" else at.cast(mask, "bool")]
        seen = inner.op("Unsqueeze", real, inner.ints(*range(1, len(shape))))
        found = [inner.op("Where", seen, new, old) for new, old in zip(found, names, strict=True)]
    states = [inner.op("Identity", one) for one in found]
    shown = inner.op("Identity", states[0])

    def info(name: str, dims: Sequence[Any] | None) -> Any:
        return helper.make_tensor_value_info(
            name, kind, None if dims is None else [d if isinstance(d, int) else None for d in dims]
        )

    steps = [info(now, (x.shape[0], *x.shape[2:]))]
    steps += [helper.make_tensor_value_info(real, kind_of("bool"), [None])] if marks else []
    graph = inner.writer.graph(
        f"{at.name}/body", [*(info(n, shape) for n in names), *steps],
        [*(info(s, shape) for s in states), info(shown, shape)], own=False,
    )  # fmt: skip
    results = at.op(
        "Scan",
        *first,
        x,
        *marks,
        outputs=len(first) + 1,
        body=graph,
        num_scan_inputs=1 + len(marks),
        scan_input_axes=[1] * (1 + len(marks)),
        scan_output_axes=[1],
    )
    *ends, sequence = results
    main = sequence if at["return_sequence"] else ends[0]
    return (main, *ends) if at["return_state"] else main


@emits("conv_lstm", raw=True)
def _conv_lstm(
    at: At, x: Value, hidden: Value | None = None, cell: Value | None = None, mask: Value | None = None
) -> Any:
    x = at.meet(x)
    axes, units = x.rank - 3, at["units"]
    size = list(at.params["kernel"].shape[2:])
    steps = at.per_axis("strides", axes)
    sizes = x.shape[2:-1] if at.last else x.shape[3:]
    cells = pads(at, at["padding"], sizes, size, steps, [1] * axes)
    kept = window.pads("same", [10**6] * axes, size, [1] * axes, [1] * axes)
    around = [lo for lo, _ in kept] + [hi for _, hi in kept]

    def maps(inner: At, now: str) -> str:
        bias = [inner.weight("bias")] if "bias" in inner.params else []
        y = inner.first(now, x.rank - 1)
        return str(inner.op("Conv", y, inner.weight("kernel"), *bias, kernel_shape=size, strides=steps, **cells))

    def body(inner: At, now: str, states: list[str]) -> list[str]:
        product = inner.op("Conv", states[0], inner.weight("recurrent_kernel"), kernel_shape=size, pads=around)
        return _lstm_step(inner, _parts(inner, maps(inner, now), 4, 1), _parts(inner, product, 4, 1), states)

    start = at.op("Squeeze", at.op("Slice", x, at.ints(0), at.ints(1), at.ints(1)), at.ints(1))
    like = at.op("Slice", maps(at, start), at.ints(0), at.ints(units), at.ints(1))
    zeros = at.op("Expand", at.numbers(0), at.op("Shape", like))
    plain = replace(at, options={**at.options, "return_sequence": True, "return_state": True})
    states = [zeros if state is None else at.first(at.meet(state), x.rank - 1) for state in (hidden, cell)]
    sequence, *ends = _loop(plain, x, states, (None, units, *[None] * axes), body, mask)
    if at.last:
        rank = x.rank
        sequence = at.transpose(sequence, (0, 1, *range(3, rank), 2))
        ends = [at.back(one, rank - 1) for one in ends]
    main = sequence if at["return_sequence"] else ends[0]
    return (main, *ends) if at["return_state"] else main
