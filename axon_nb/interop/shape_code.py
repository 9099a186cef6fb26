"""Owns numbers that follow from shapes: the small part of an ONNX graph that only asks how large tensors are.

It is worked out with NumPy by ONNX's own reference operators, from a list of operators that cannot grow large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from axon_nb.errors import brief
from axon_nb.interop.optional import InteropError, need
from axon_nb.interop.read import label
from axon_nb.lazy import numpy as np

MOST = 2**22
"""The most numbers that are worked out so."""

MOST_FILLED = 2**27
"""The most numbers of a constant that is one number throughout: it takes no memory until it is a weight."""

KNOWN = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "ConstantOfShape",
        "Cos",
        "Div",
        "Equal",
        "Exp",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "Range",
        "Reciprocal",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Round",
        "ScatterND",
        "Shape",
        "Sign",
        "Sin",
        "Size",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Tile",
        "Transpose",
        "Trilu",
        "Unsqueeze",
        "Where",
        "Xor",
        "CumSum",
        "NonZero",
        "OneHot",
        "Sum",
        "Tan",
        "Sigmoid",
        "Tanh",
        "GatherElements",
        "GatherND",
        "CastLike",
        "Constant",
        "MelWeightMatrix",
    ]
)


def evaluate(node: Any, inputs: Sequence[Any], version: int) -> list[Any]:
    """Work out one node with NumPy.

    Raises:
        InteropError: it cannot be, or its result would be too large.
    """
    if node.op_type == "ConstantOfShape":
        return [_filled(node, inputs)]
    reference = need("onnx.reference", "import from ONNX")
    _check_size(node, inputs)
    helper = need("onnx", "import from ONNX").helper
    feeds = {name: array for name, array in zip(node.input, inputs, strict=True) if name}
    graph = helper.make_graph(
        [node], "one", [helper.make_tensor_value_info(n, 1, None) for n in feeds],
        [helper.make_tensor_value_info(n, 1, None) for n in node.output if n],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    try:
        with np.errstate(all="ignore"):
            found = reference.ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:
        problem = "cannot be worked out"
        raise InteropError(problem, where=label(node), got=brief(str(error) or type(error).__name__)) from error
    results = iter(found)
    return [_plain(np.asarray(next(results))) if name else None for name in node.output]


def _plain(array: Any) -> Any:
    """Return numbers of a kind that NumPy has: others, such as bfloat16, as float32."""
    return array if array.dtype.kind in "fiub" else array.astype("float32") if array.dtype.kind == "V" else array


def _check_size(node: Any, inputs: Sequence[Any]) -> None:
    kind = node.op_type
    size = max((np.size(one) for one in inputs if one is not None), default=0)
    try:
        if kind == "Expand":
            size = math.prod(max(abs(int(n)), 1) for n in np.ravel(inputs[1])) * np.size(inputs[0])
        elif kind == "Tile":
            size = math.prod(abs(int(n)) for n in np.ravel(inputs[1])) * np.size(inputs[0])
        elif kind == "Range":
            start, end, step = (float(np.ravel(one)[0]) for one in inputs)
            size = int(abs(end - start) / abs(step)) if step else 0
        elif kind == "MelWeightMatrix":
            size = abs(int(np.ravel(inputs[0])[0])) * abs(int(np.ravel(inputs[1])[0]))
        elif kind == "OneHot":
            size = abs(int(np.ravel(inputs[1])[0])) * np.size(inputs[0])
        elif kind in ("Add", "Mul", "Where", "Equal", "Sub", "Less", "Greater"):
            size = math.prod(np.broadcast_shapes(*(np.shape(one) for one in inputs)))
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        problem = "its inputs do not fit"
        raise InteropError(problem, where=label(node), got=brief(str(error))) from error
    if size > MOST:
        raise _too_many(node, size, MOST)


def _too_many(node: Any, size: int, most: int) -> InteropError:
    problem = f"would make {size:,} numbers while the model is read"
    return InteropError(problem, where=label(node), got=f"at most {most:,} are made so")


def _filled(node: Any, inputs: Sequence[Any]) -> Any:
    """Make a constant that is one number throughout, without memory for each."""
    numpy_helper = need("onnx", "import from ONNX").numpy_helper
    given = [numpy_helper.to_array(one.t) for one in node.attribute if one.name == "value"]
    value = given[0] if given else np.zeros(1, "float32")
    shape = tuple(int(n) for n in np.ravel(inputs[0])) if len(inputs) == 1 else (-1,)
    if value.size != 1 or any(n < 0 for n in shape):
        problem = "its inputs do not fit"
        raise InteropError(problem, where=label(node), got=brief(shape))
    if math.prod(shape) > MOST_FILLED:
        raise _too_many(node, math.prod(shape), MOST_FILLED)
    return np.broadcast_to(value.reshape(()), shape)


def run(program: str, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """Work out a stored program (see :func:`store`) for shapes by name."""
    import base64

    onnx = need("onnx", "a model with computed shapes")
    model = onnx.load_model_from_string(base64.b64decode(program))
    known: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        known[tensor.name] = onnx.numpy_helper.to_array(tensor)
    version = int(model.opset_import[0].version)
    for node in model.graph.node:
        if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
            known[node.output[0]] = ask(node, shapes[node.input[0]])
        else:
            results = evaluate(node, [known[name] if name else None for name in node.input], version)
            known |= dict(zip(node.output, results, strict=True))
    return known[model.graph.output[0].name]


def ask(node: Any, shape: tuple[int, ...]) -> Any:
    """Answer Shape or Size."""
    if node.op_type == "Size":
        return np.asarray(math.prod(shape), "int64")
    told = {one.name: int(one.i) for one in node.attribute}
    return np.asarray(shape[told.get("start", 0) : told.get("end")], "int64")


def store(nodes: Sequence[Any], constants: Mapping[str, Any], output: str, version: int) -> str:
    """Write a program as text, so that it can be an option of a layer."""
    import base64

    onnx = need("onnx", "import from ONNX")
    helper = onnx.helper
    graph = helper.make_graph(
        list(nodes), "shapes", [], [helper.make_tensor_value_info(output, 1, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    return base64.b64encode(model.SerializeToString()).decode()
