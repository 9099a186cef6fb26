"""Owns scans of one's own: an ONNX Scan whose body is the step."""

from __future__ import annotations

from typing import Any

from axon_nb.interop.emit import At, Value, emits
from axon_nb.interop.writer import Writer, kind_of


@emits("scan", raw=True)
def _scan(at: At, x: Value, initial: Value | None = None) -> str:
    shape = (x.shape[0], *(at["state"] or ())) if initial is None else initial.shape
    kind = "float32" if initial is None else initial.dtype
    writer, names, made = _body(at, x, shape, kind)
    if initial is None and made[-1].dtype != kind:  # zeros are zeros in any kind
        kind = made[-1].dtype
        writer, names, made = _body(at, x, shape, kind)
    if made[-1].dtype != kind or not _alike(made[-1].shape, shape):
        problem = "the state that its step returns has another shape or kind of numbers than the one it takes"
        raise at.refuse(problem)
    first: str = initial or at.op(
        "Expand", at.numbers(0, kind), at.op("Concat", at.size(x, 0), at.ints(*shape[1:]), axis=0)
    )
    graph = writer.graph(
        f"{at.name}/body", [_info(at, name) for name in names],
        [_info(at, Value.of(writer.op("Identity", one), one.shape, one.dtype)) for one in (made[-1], made[0])],
        own=False,
    )  # fmt: skip
    axes = {"scan_input_axes": [1], "scan_output_axes": [1]}
    _, sequence = at.op("Scan", first, x, outputs=2, body=graph, num_scan_inputs=1, **axes)
    return str(sequence)


def _body(at: At, x: Value, shape: tuple[Any, ...], kind: str) -> tuple[Writer, tuple[Value, Value], list[Value]]:
    """Write the step; returns its state and input, and what it gives: the output, and the next state."""
    writer = Writer(at.writer)
    state = Value.of(writer.name(f"{at.name}/state"), shape, kind)
    now = Value.of(writer.name(f"{at.name}/step"), (x.shape[0], *x.shape[2:]), x.dtype)
    assert at.within is not None  # noqa: S101 - export sets it
    made = at.within(at["step"].model, (now, state), writer)
    if len(made) > 2:
        problem = f"its step returns {len(made)} tensors, and a step returns a state, or an output and a state"
        raise at.refuse(problem)
    return writer, (state, now), made


def _alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(one) == len(other) and all(a == b for a, b in zip(one[1:], other[1:], strict=True))


def _info(at: At, value: Value) -> Any:
    dims = [size if isinstance(size, int) else None for size in value.shape]
    return at.writer.onnx.helper.make_tensor_value_info(str(value), kind_of(value.dtype), dims)
