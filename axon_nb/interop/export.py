"""Owns export to ONNX: walks a model, writes each layer by its entry in the table, and names inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from axon_nb.engine import RUNTIME
from axon_nb.errors import ParamsError, brief, warn
from axon_nb.files import write_bytes
from axon_nb.graph import Model, Node, leaves, verb
from axon_nb.hooks import On
from axon_nb.interop import (  # noqa: F401 - the modules fill the table
    emit_activation,
    emit_attention,
    emit_conv,
    emit_linear,
    emit_norm,
    emit_pool,
    emit_recurrent,
    emit_scan,
    emit_shape,
    under,
)
from axon_nb.interop.emit import RAW, TABLE, At
from axon_nb.interop.optional import InteropError
from axon_nb.interop.runs import Runs
from axon_nb.interop.uops import trace_function, trace_hooks, trace_layer_body
from axon_nb.interop.within import Weights, fitted, paths_within
from axon_nb.interop.writer import OPSET, Value, Writer, kind_of
from axon_nb.layer import declared
from axon_nb.params import Params, Path, check_fits
from axon_nb.trace import Trace, path_of, trace
from axon_nb.training.trained import Trained

_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")


@verb
def to_onnx(model: Model, params: Params, path: str | os.PathLike[str] | None = None, /, **shapes: Any) -> bytes:
    """Write the model as it predicts, with its weights, in ONNX: an operator for each layer wherever ONNX has one.

    The batch and other sizes that are not known stay open, under their names. What is only there in training is left
    out. A function of one's own is written as the operations it is made of, and so is a hook with ``compiled=True``.
    A layer's policy is written as casts around it.

    What cannot be written is said in a warning, which names the layers: hooks that read numbers. So are layers in
    bfloat16, which is written, but which onnxruntime does not compute on a CPU.

    Args:
        model: the model.
        params: its weights.
        path: where to write the file; it is put there in one go. Without it, only the bytes are returned.
        **shapes: shapes of inputs that were declared without one.

    Raises:
        InteropError: the package ``onnx`` is missing, or a layer cannot be written; names the layer.
        ShapeError: a layer does not fit.
        ParamsError: the weights are not the model's.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 3), name="x") | dense(2, "relu")
        >>> import importlib.util
        >>> len(model.to_onnx(model.init())) > 100 if importlib.util.find_spec("onnx") else True
        True
    """
    if not isinstance(params, Params):
        problem = "params come from model.init() or fit(...).params"
        raise ParamsError(problem, got=brief(params))
    with RUNTIME:
        traced: Trace = trace(model, shapes).check_known()
        check_fits(params, {path: (spec.shape, spec.dtype) for path, spec in traced.params().items()})
        made = _Export(model, traced, Weights(params.leaves), Writer()).proto().SerializeToString()
    _tell(model)
    if path is not None:
        write_bytes(path, made)
    return bytes(made)


def _trained_to_onnx(self: Trained, path: str | os.PathLike[str] | None = None, /, **shapes: Any) -> bytes:
    """Write the trained model in ONNX: see :meth:`Model.to_onnx`."""
    return to_onnx(self.model, self.params, path, **shapes)


Trained.to_onnx = _trained_to_onnx  # type: ignore[attr-defined]  # as verbs are added to Model


def _tell(model: Model) -> None:
    """Warn of what the file has not, or what not all can run."""
    hooks, halves = under.left_out(model), under.of_kind(model, "bfloat16")
    if hooks:
        fix = "hook(..., compiled=True) makes tensor operations of one, which can be written"
        warn(f"to_onnx leaves out hooks that read numbers, and what they change: {', '.join(hooks)}; {fix}")
    if halves:
        fix = "apply_policy(policies.mixed_float16) or apply_policy(None) makes one that it does"
        warn(f"onnxruntime does not compute in bfloat16 on a CPU: {', '.join(halves)}; {fix}")


class _Export:
    """A model on its way to ONNX: the whole one, or one within a layer."""

    def __init__(
        self, model: Model, traced: Trace, weights: Weights, writer: Writer, paths: Mapping[Node, Path] | None = None,
        place: str = "",
    ) -> None:  # fmt: skip
        self.model, self.traced, self.weights, self.writer = model, traced, weights, writer
        self.paths = {node: path_of(model, node) for node in model.nodes} if paths is None else paths
        self.place = place
        self.runs = Runs(model, traced)
        self.values: dict[Node, Any] = {}
        self.narrow: dict[tuple[str, str], str] = {}
        """What was widened, by its name then and the kind of numbers before: its name before."""

    def name(self, node: Node) -> str:
        """Name a layer, with what it is within."""
        return self.place + self.model.names[node]

    def proto(self) -> Any:
        inputs = [self._input(node) for node in self.model.inputs]
        ends = self._outputs()
        for name in ends:  # so that no other tensor takes the name
            self.writer._taken.add(name)
        self.walk()
        outputs = [self._output(name, node) for name, node in ends.items()]
        graph = self.writer.graph(self.model.name or "model", inputs, outputs)
        return self.writer.model(graph, {"made_by": "axon_nb", "opset": str(OPSET)})

    def walk(self) -> None:
        """Write all layers."""
        for node in self.model.nodes:
            made = self.values[node] if node in self.values else self._node(node)
            self.values[node] = self._hooked(node, "forward", made)

    def _input(self, node: Node) -> Any:
        name = self.writer.name(self.model.names[node])
        known = self.traced.nodes[node]
        shape: Any = known.shape
        self.values[node] = Value.of(name, shape, str(known.dtype))
        dims = [d if d is not None else "batch" if axis == 0 else f"{name}_{axis}" for axis, d in enumerate(shape)]
        return self.writer.onnx.helper.make_tensor_value_info(name, kind_of(str(known.dtype)), dims)

    def _outputs(self) -> dict[str, Node]:
        model = self.model
        if isinstance(model.outputs, dict) and all(isinstance(one, Node) for one in model.outputs.values()):
            wanted = list(model.outputs.items())
        else:
            nodes = list(leaves(model.outputs))
            wanted = [("output" if len(nodes) == 1 else f"output_{i}", node) for i, node in enumerate(nodes)]
        taken = {model.names[node] for node in model.inputs}
        found: dict[str, Node] = {}
        for name, node in wanted:
            while name in taken or name in found:
                name += "_"
            found[name] = node  # type: ignore[assignment]
        return found

    def _output(self, name: str, node: Node) -> Any:
        value = self.values[node]
        if isinstance(value, tuple):
            problem = "gives several tensors at once, and an output is one"
            raise InteropError(problem, where=self.model.names[node])
        helper = self.writer.onnx.helper
        self.writer.nodes.append(helper.make_node("Identity", [value], [name], name=f"{name}/Identity"))
        dims = ["batch" if d is None and axis == 0 else d for axis, d in enumerate(value.shape)]
        return helper.make_tensor_value_info(name, kind_of(value.dtype), dims)

    def _node(self, node: Node) -> Any:
        taken = self._hooked(node, "pre_forward", tuple(self.values[parent] for parent in node.parents))
        given: list[Any] = list(node.placed(taken))
        if node.is_input:
            return given[0]
        if node.is_pick:
            parts: Any = given[0]
            return parts[node.options["index"]]
        known, name = self.traced.nodes[node], self.name(node)
        several = bool(known.shape) and isinstance(known.shape[0], tuple)  # type: ignore[index]
        shapes: Any = known.shape if several else (known.shape,)
        kinds = str(known.dtype).split(", ")
        if node.op in TABLE and node.layer.declaration is declared(node.op):
            within = under.kinds_within(node, self.runs, kinds)
            given = [x and self._computed(node, x) for x in given]
            at = self._at(node, name, given, within[0], shapes)
            if node.op not in RAW:
                given, within = [x and at.meet(x) for x in given], [at.dtype] * len(kinds)
            made = TABLE[node.op](at, *given)
        else:
            at, within = self._at(node, name, given, kinds[0], shapes), kinds
            made = trace_layer_body(at, node, given, self.runs)
        results = made if isinstance(made, tuple) else (made,)
        values = []
        for result, shape, inner, kind in zip(results, shapes, within, kinds, strict=True):
            values.append(Value.of(result if inner == kind else at.cast(result, kind), shape, kind))
            if inner in ("float16", "bfloat16") and kind in ("float32", "float64"):
                self.narrow[values[-1], inner] = result
        return tuple(values) if several else values[0]

    def _computed(self, node: Node, x: Value) -> Value:
        """Cast an input to what the layer's policy computes with; what was widened before is taken as it was."""
        policy = node.layer.policy
        to = None if policy is None else policy.compute
        if to is None or "float" not in x.dtype or x.dtype == to:
            return x
        narrow = self.narrow.get((x, to))
        name = narrow or self.writer.op("Cast", x, name=self.name(node), to=kind_of(to))
        return Value.of(name, x.shape, to)

    def _hooked(self, node: Node, on: On, value: Any) -> Any:
        """Write the hooks of a layer that are tensor operations, on a value or on several."""
        if not any(one.compiled and one.fits(on, training=False) for one in node.hooks):
            return value
        values, name = value if isinstance(value, tuple) else (value,), self.name(node)
        at = At(self.writer, name, {}, {}, values[0].shape, values[0].dtype, name)
        made = trace_hooks(at, node, on, values, self.runs)
        found = tuple(Value.of(one, old.shape, old.dtype) for one, old in zip(made, values, strict=True))
        return found if isinstance(value, tuple) else found[0]

    def _at(self, node: Node, name: str, given: list[Any], kind: str, shapes: Any) -> At:
        path = self.paths[node]
        found = self.weights.under(node.layer.policy if node.op in TABLE else None).of(path)
        kinds = [x.dtype for x in given if x is not None] + [dtype for _, dtype in found.values()]
        widest = max(kinds, key=_ORDER.index) if node.op not in RAW else kind
        if "float" in kind and "float" not in widest:
            widest = kind
        at = At(
            writer=self.writer, name=name, options=dict(node.options),
            params={key: array for key, (array, _) in found.items()}, shape=shapes[0], dtype=widest,
            owner=".".join(path),
        )  # fmt: skip
        at.function = lambda function, x: trace_function(at, node, function, x, self.runs)
        at.within = lambda part, given, writer: self._within(node, part, given, writer)
        return at

    def _within(self, node: Node, part: Model, given: Sequence[Value], writer: Writer) -> list[Value]:
        """Write a model that is a part of a layer; returns its results."""
        model, inputs = fitted(part, given)
        paths = {one: (*self.paths[node], *inner) for one, inner in paths_within(model).items()}
        weights = self.weights.under(node.layer.policy)
        inner = _Export(model, trace(model).check_known(), weights, writer, paths, f"{self.name(node)}.")
        inner.values |= dict(zip(inputs, given, strict=True))
        inner.walk()
        ends = [inner.values[one] for one in leaves(model.outputs)]
        return [one for end in ends for one in (end if isinstance(end, tuple) else (end,))]
