"""Owns import from ONNX: a file becomes a model of layers and its weights."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from tinygrad import Tensor as Numbers

from axon_nb.engine import RUNTIME
from axon_nb.errors import unknown
from axon_nb.graph import DTYPES, Model, Node, input, leaves
from axon_nb.interop import recognise, recognise_shape, scan  # noqa: F401 - the modules fill the table
from axon_nb.interop.build import SIZES, Asked, Builder, Tensor
from axon_nb.interop.inline import INLINED
from axon_nb.interop.optional import InteropError
from axon_nb.interop.read import dtype_of, in_order, is_narrow, label, read_model, version_of
from axon_nb.interop.shape_code import MOST, MOST_FILLED
from axon_nb.layer import Op, registry
from axon_nb.lazy import numpy as np
from axon_nb.params import Leaf, Params, realize
from axon_nb.trace import Spec, path_of


def from_onnx(
    source: str | os.PathLike[str] | bytes, *, constants: Mapping[str, Any] | None = None
) -> tuple[Model, Params]:
    """Read a model from an ONNX file: a layer for each operator that has one, and the operator itself for the others.

    So it is shown, frozen, changed and trained as one made here. Operators without a layer are computed by tinygrad's
    implementations. Nothing in the file is run, and data beside it is read from its own folder only.

    Numbers of 2 and 4 bits come as 8, and those of 4 and 8 bits with a point as float32: what reads them works, and
    what would round to them is refused.

    Args:
        source: the path of a file, or its bytes.
        constants: values for inputs, by name, which the model then no longer has: for inputs that say a shape.

    Returns:
        The model, and its weights. A model with several outputs has them by name.

    Raises:
        InteropError: the package ``onnx`` is missing; the file cannot be read, is damaged, or has an operator that is
            not supported, which is named.

    Example:
        >>> import importlib.util
        >>> from axon_nb import dense, from_onnx, input
        >>> model = input((None, 3), name="x") | dense(2, "relu")
        >>> if importlib.util.find_spec("onnx"):
        ...     again, params = from_onnx(model.to_onnx(model.init()))
        ... else:
        ...     again = model
        >>> again.output_shape
        (None, 2)
    """
    proto, folder = read_model(source)
    with RUNTIME:
        return _Import(proto, folder, dict(constants or {})).made()


class _Import:
    def __init__(self, proto: Any, folder: Any, constants: dict[str, Any]) -> None:
        self.graph = proto.graph
        if len(self.graph.sparse_initializer):
            problem = "it has sparse constants, which are not supported"
            raise InteropError(problem)
        domains = {one.domain: int(one.version) for one in proto.opset_import}
        self.builder = Builder(version_of(proto), folder, domains, inline=INLINED)
        self.builder.count_readers(self.graph)
        self.inputs: list[Model] = []
        self.sizes: dict[Any, tuple[int, ...]] = {}
        for tensor in self.graph.initializer:
            self.builder.hold(tensor, tensor.name)
        names = [one.name for one in self.graph.input if one.name not in self.builder.values]
        for name, value in constants.items():
            if name not in names:
                msg = "input"
                raise unknown(msg, name, names)
            self.builder.values[name] = np.asarray(value)
        for one in self.graph.input:
            if one.name not in self.builder.values:
                self._input(one)

    def _input(self, info: Any) -> None:
        where = f"input {info.name!r}"
        kind = info.type.WhichOneof("value")
        if kind != "tensor_type":
            problem = "is no tensor: sequences, maps and optional values are not supported"
            raise InteropError(problem, where=where)
        told = info.type.tensor_type
        dtype = dtype_of(int(told.elem_type), where)
        if is_narrow(int(told.elem_type)):
            self.builder.narrow.add(info.name)
        if dtype not in DTYPES:
            problem = f"takes numbers of a kind that models have not: {dtype}"
            raise InteropError(problem, where=where)
        dims = [self._dim(d, axis) for axis, d in enumerate(told.shape.dim)]
        shape = tuple(dims) if told.HasField("shape") and dims else None
        made = input(shape, name=_plain_name(info.name), dtype=dtype)
        scalar = told.HasField("shape") and not dims
        specs = None
        if shape is not None or scalar:
            runs = range(len(SIZES[0]))
            specs = [Spec(tuple(self._tried(d, a, info.name, run) for a, d in enumerate(dims)), dtype) for run in runs]
        self.inputs.append(made)
        self.builder.values[info.name] = Tensor(made, specs)

    @staticmethod
    def _dim(dim: Any, axis: int) -> Any:
        if dim.HasField("dim_value") and dim.dim_value > 0:
            return int(dim.dim_value)
        name = re.sub(r"\W+", "_", dim.dim_param)
        if axis == 0 and name in ("", "batch", "N", "batch_size", "n"):
            return None
        return name if name.isidentifier() else None

    def _tried(self, dim: Any, axis: int, name: str, run: int) -> int:
        if isinstance(dim, int):
            return dim
        key = dim if dim is not None else "@batch" if axis == 0 else (name, axis)
        if key not in self.sizes:
            self.sizes[key] = SIZES[len(self.sizes) % len(SIZES)]
        return self.sizes[key][run]

    def made(self) -> tuple[Model, Params]:
        """Make all layers, then the model and its weights."""
        values = self.builder.values
        for node in in_order(self.graph, set(values)):
            for name in node.input:
                if name and name not in values:
                    problem = f"reads {name!r}, which an operator before it does not give"
                    raise InteropError(problem, where=label(node))
            self.builder.add(node)
        ends = {one.name: self._end(one.name) for one in self.graph.output}
        if not ends:
            problem = "it has no outputs"
            raise InteropError(problem)
        model = next(iter(ends.values())) if len(ends) == 1 else Model({k: m.outputs for k, m in ends.items()})
        model = model.named(_plain_name(self.graph.name)) if self.graph.name not in ("", "model") else model
        return model, self._params(model)

    def _end(self, name: str) -> Model:
        value = self.builder.values.get(name)
        if name in self.builder.narrow:
            problem = "numbers of 8 bits with a point, or of less than 8 bits, are no output"
            raise InteropError(problem, where=f"output {name!r}")
        if isinstance(value, Tensor):
            return value.model
        if isinstance(value, Asked):
            sources = list(value.sources.values())
            program = self.builder.program(value, {name: str(i) for i, name in enumerate(value.sources)})
            model: Model = self._identity(("shapes", program))(*(one.model for one in sources))
            return model
        if isinstance(value, np.ndarray) and value.size <= MOST:
            given = ("constant", str(value.dtype), value.shape, tuple(value.ravel().tolist()))
            return Model(Node(self._identity(given), ()))
        problem = (
            f"nothing makes the output {name!r}"
            if value is None
            else f"the output {name!r} does not depend on an input"
        )
        raise InteropError(problem)

    @staticmethod
    def _identity(given: tuple[Any, ...]) -> Op:
        """Make the layer that gives numbers which are known, or follow from shapes."""
        declaration: Any = registry["onnx_node"].declaration  # type: ignore[attr-defined]
        return Op(declaration, declaration.bind((), {"op": "Identity", "inputs": (given,)}))

    def _params(self, model: Model) -> Params:
        owners: dict[Any, Node] = {node.layer: node for node in reversed(model.nodes)}
        found: dict[tuple[str, ...], Leaf] = {}
        repeated = [one.size for _, weights, _ in self.builder.records for one in weights.values() if 0 in one.strides]
        if sum(repeated) > 2 * MOST_FILLED:  # numbers that stand in the file are as many as its size allows
            problem = f"it would make {sum(repeated):,} numbers of a few"
            raise InteropError(problem, got=f"at most {2 * MOST_FILLED:,} are made so")
        for op, weights, states in self.builder.records:
            if op not in owners:
                continue
            path = path_of(model, owners[op])
            for name, array in weights.items():
                tensor = Numbers(np.array(array, order="C"))
                found[*path, name] = Leaf(tensor, "state" if name in states else "trainable")
        realize([leaf.tensor for leaf in found.values()])
        return Params(found)


def _plain_name(name: str) -> str | None:
    return re.sub(r"[.#\s]+", "_", name) or None


__all__ = ["from_onnx", "leaves"]
