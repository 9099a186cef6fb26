"""Declares ``onnx_scan``: ONNX's loop over a sequence as a layer, one step after the other."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from tinygrad import Tensor

from axon_nb.interop import shape_code
from axon_nb.interop.node import Inputs, Plain, find, given_value
from axon_nb.interop.operators import BEFOREHAND
from axon_nb.interop.optional import InteropError, need
from axon_nb.interop.read import array_of, in_order, label
from axon_nb.layer import layer
from axon_nb.lazy import numpy as np
from axon_nb.options import Count, Text
from axon_nb.scope import Scope

Body = Text(help="The graph of one step, as ONNX in base64.", example="")
Names = Plain(help="Names in the body of what it reads from outside of it.", example=("kernel",))


@layer(family="onnx", outputs=lambda options: options["outputs"])
def onnx_scan(
    scope: Scope, *xs: Tensor, body: Annotated[str, Body], inputs: Annotated[Any, Inputs] = (),
    captured: Annotated[Any, Names] = (), scanned: Count = 1, axes: Annotated[Any, Names] = (), outputs: Count = 1,
    version: Count = 23,
) -> Any:  # fmt: skip
    """Go through a sequence as an ONNX Scan does: states go from step to step; ``from_onnx`` makes it.

    Shapes:
        states and sequences -> the last states, and what each step gives, with time on the axes that ``axes`` says

    Source: https://onnx.ai/onnx/operators/onnx__Scan.html

    Example:
        >>> from axon_nb import onnx_scan
        >>> onnx_scan.__name__
        'onnx_scan'
    """
    graph = read_body(body)
    values = [given_value(scope, xs, one, place, "Scan") for place, one in enumerate(inputs)]
    count = len(values) - len(captured)
    outer = dict(zip(captured, values[count:], strict=True))
    states = [_tensor(one) for one in values[: count - scanned]]
    sequences = [_tensor(one) for one in values[count - scanned : count]]
    in_axes, out_axes = axes or ((0,) * scanned, (0,) * outputs)
    kept: list[list[Any]] = [[] for _ in range(len(graph.output) - len(states))]
    for t in range(int(sequences[0].shape[in_axes[0]])):
        now = [one[(slice(None),) * axis + (t,)] for one, axis in zip(sequences, in_axes, strict=True)]
        names = [one.name for one in graph.input]
        results = interpret(graph, {**outer, **dict(zip(names, [*states, *now], strict=True))}, version)
        states = [one.contiguous() for one in results[: len(states)]]
        for column, one in zip(kept, results[len(states) :], strict=True):
            column.append(one)
    stacked = [Tensor.stack(*column, dim=axis) for column, axis in zip(kept, out_axes, strict=False)]
    made = (*states, *stacked)[:outputs]
    return made[0] if outputs == 1 else made


def read_body(body: str) -> Any:
    """Read the graph of a step."""
    onnx = need("onnx", "a model with an ONNX loop")
    try:
        return onnx.GraphProto.FromString(base64.b64decode(body))
    except Exception as error:
        problem = "the body of the loop is damaged"
        raise InteropError(problem) from error


def interpret(graph: Any, given: dict[str, Any], version: int) -> list[Any]:
    """Run a graph on tensors; numbers that are known stay NumPy's."""
    known = dict(given)
    for tensor in graph.initializer:
        known[tensor.name] = array_of(tensor, None)
    helper = need("onnx", "a model with an ONNX loop").helper
    for node in in_order(graph, set(known)):
        values = [known[name] if name else None for name in node.input]
        there = [one for one in values if one is not None]
        if node.op_type in ("Shape", "Size") and isinstance(values[0], Tensor):
            made: Any = (shape_code.ask(node, tuple(int(n) for n in values[0].shape)),)
        elif node.op_type in shape_code.KNOWN and all(isinstance(one, np.ndarray) for one in there):
            made = shape_code.evaluate(node, values, version)
        else:
            made = _one(node, values, version, helper)
        known |= {name: one for name, one in zip(node.output, made, strict=False) if name}
    return [_tensor(known[one.name]) for one in graph.output]


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(np.ascontiguousarray(value).reshape(np.shape(value)))


def _one(node: Any, values: list[Any], version: int, helper: Any) -> tuple[Any, ...]:
    consts = BEFOREHAND.get(node.op_type, ())
    inputs = [
        one if one is None else one.tolist() if place in consts and isinstance(one, np.ndarray) else _tensor(one)
        for place, one in enumerate(values)
    ]
    about = {}
    for one in node.attribute:
        if one.HasField("g"):
            problem = f"{node.op_type} within a loop holds a graph of its own, which is not supported"
            raise InteropError(problem, where=label(node))
        value = helper.get_attribute_value(one)
        about[one.name] = value.decode() if isinstance(value, bytes) else value
    if node.op_type == "Split" and len(inputs) < 2:
        about["num_outputs"] = len(node.output)
    made = find(node.op_type, node.domain, version)(*inputs, **about)
    return made if isinstance(made, tuple) else (made,)
