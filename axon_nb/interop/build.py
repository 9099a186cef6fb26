"""Owns a model while it is made of an ONNX graph: which tensor is a model, a constant, or a number made of shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axon_nb.errors import AxonError, brief
from axon_nb.graph import Model, Node, leaves
from axon_nb.interop import shape_code
from axon_nb.interop.node import find
from axon_nb.interop.operators import BEFOREHAND
from axon_nb.interop.optional import InteropError, need
from axon_nb.interop.read import array_of, is_narrow, label, reads_of
from axon_nb.layer import Op, registry
from axon_nb.lazy import numpy as np
from axon_nb.trace import Spec, trace_layer

SIZES = ((6, 4, 10), (12, 8, 16), (24, 32, 20), (48, 36, 40), (64, 96, 56))
"""Sizes that are tried for those that are not known: what a layer gives for them tells its result's shape."""


_PLAIN: frozenset[str | None] = frozenset(
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]
)
"""Kinds of numbers that NumPy has too."""


_PASSES = frozenset(
    ["Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Concat", "Slice", "Split", "Gather",
     "Expand", "Tile"]
)  # fmt: skip
"""Operators whose results are the numbers that they take."""

_READS = frozenset(["Cast", "CastLike", "DequantizeLinear", "Shape", "Size"])
"""Operators that make numbers of more bits of those of few."""


@dataclass(eq=False)
class Tensor:
    """A tensor of the graph that a layer gives: the model that ends in it, and its sizes in each try."""

    model: Model
    specs: list[Spec] | None = None

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        """Its sizes, ``None`` for those that are not always the same; ``None`` where even the rank is not known."""
        if self.specs is None or len({len(one.shape) for one in self.specs}) > 1:
            return None
        return tuple(
            sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*(s.shape for s in self.specs), strict=True)
        )

    @property
    def rank(self) -> int | None:
        """Number of axes, if known."""
        return None if self.shape is None else len(self.shape)

    @property
    def dtype(self) -> str | None:
        """Kind of numbers, if known."""
        return self.specs[0].dtype if self.specs else None


@dataclass(eq=False)
class Asked:
    """Numbers that follow from the shapes of tensors: the nodes that work them out, and from what."""

    nodes: list[Any]
    constants: dict[str, Any]
    sources: dict[str, Tensor]
    name: str


Known = Any
"""A constant: a NumPy array."""


@dataclass(eq=False)
class At:
    """One node of the graph, as the entries of the table see it."""

    builder: Builder
    node: Any
    inputs: list[Any]
    about: dict[str, Any]

    @property
    def op(self) -> str:
        """The operator's name."""
        return str(self.node.op_type)

    @property
    def version(self) -> int:
        """Which version of ONNX's operators it is of."""
        return self.builder.version

    def x(self, place: int = 0) -> Tensor | None:
        """Return an input that a layer gives; ``None`` where it is none."""
        one = self.inputs[place] if place < len(self.inputs) else None
        return one if isinstance(one, Tensor) else None

    def known(self, place: int) -> Any:
        """Return an input that is constant; ``None`` where it is none."""
        one = self.inputs[place] if place < len(self.inputs) else None
        return one if isinstance(one, np.ndarray) else None

    def has(self, place: int) -> bool:
        """Whether there is an input at a place."""
        return place < len(self.inputs) and self.inputs[place] is not None

    def ints(self, place: int, attribute: str = "") -> list[int] | None:
        """Read whole numbers from a constant input, or from the attribute that older versions have for it."""
        values = self.known(place)
        if values is not None:
            return [int(one) for one in np.ravel(values)]
        given = self.about.get(attribute)
        return None if self.has(place) or given is None else [int(one) for one in given]

    def outputs(self) -> int:
        """Count the results that are asked for."""
        return max((i + 1 for i, name in enumerate(self.node.output) if name), default=1)

    def layer(self, kind: str, *xs: Tensor, weights: Mapping[str, Any] | None = None, states: Sequence[str] = (),
              share: Sequence[int] = (), **options: Any) -> Any:  # fmt: skip
        """Apply a layer with weights; ``share`` names the inputs that they come from, by which uses share one layer."""
        return self.builder.apply(self, kind, xs, weights or {}, states, share, options)

    def refuse(self, problem: str, fix: Any = ()) -> InteropError:
        """Make the error that names the node."""
        return InteropError(problem, where=label(self.node), fix=fix)


Entry = Callable[[At], Any]
TABLE: dict[str, Entry] = {}
"""What an operator becomes: a function that returns a Tensor, several, or ``None`` where no layer fits."""


def reads(*ops: str) -> Callable[[Entry], Entry]:
    """Put a function into the table."""

    def put(function: Entry) -> Entry:
        for op in ops:
            TABLE[op] = function
        return function

    return put


@dataclass(eq=False)
class Builder:
    """Makes layers of nodes, one after the other."""

    version: int
    folder: Path | None
    domains: Mapping[str, int]
    values: dict[str, Any] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    records: list[tuple[Op, dict[str, Any], frozenset[str]]] = field(default_factory=list)
    readers: dict[str, list[Any]] = field(default_factory=dict)
    skip: dict[str, str] = field(default_factory=dict)
    """Results that a layer before gives already: a sum that became the bias of a product."""
    before: dict[Tensor, Tensor] = field(default_factory=dict)
    inverse: dict[Any, Tensor] = field(default_factory=dict)
    narrow: set[str] = field(default_factory=set)
    """Results of a kind of few bits, which come in more: see ``read``."""
    inlined: int = 0
    """How many graphs were put in place, for names that are new."""
    unrolled: int = 0
    """How many nodes loops were unrolled to."""
    inline: Mapping[str, Callable[[At], Any]] = field(default_factory=dict)
    """Operators that are done away with."""
    _ends: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)
    _shared: dict[Any, Op] = field(default_factory=dict)
    _sources: dict[str, list[Any]] = field(default_factory=dict)

    def count_readers(self, graph: Any) -> None:
        """Note who reads what."""
        for node in graph.node:
            for name in reads_of(node):
                self.readers.setdefault(name, []).append(node)
        self._ends |= {one.name for one in graph.output}

    def only_reader(self, name: str) -> Any:
        """Return the node that reads a result, where there is one alone and the result is no output."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._ends else None

    def pair(self, node: Any, place: int, after: Any) -> tuple[str, ...]:
        """Name the weights of a product and of the sum behind it."""
        return (
            node.input[place],
            *(name for name in (after.input if after is not None else ()) if name in self.values),
        )

    def add(self, node: Any) -> None:
        """Take one node into the model."""
        if node.output and node.output[0] in self.skip:
            self.values[node.output[0]] = self.values[self.skip[node.output[0]]]
            return
        inputs = [self.values[name] if name else None for name in node.input]
        at = At(self, node, inputs, self._attributes(node))
        self._follow(at)
        try:
            made = self._made(at)
        except AxonError:
            raise
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            problem = "its attributes or inputs are not what ONNX says of it"
            raise InteropError(problem, where=label(node), got=brief(str(error))) from error
        results = made if isinstance(made, tuple | list) else (made,)
        for name, result in zip(node.output, results, strict=False):
            if name:
                self.values[name] = result

    def hold(self, tensor: Any, name: str) -> None:
        """Take a constant of the file, under a name."""
        self.values[name] = array_of(tensor, self.folder)
        if is_narrow(int(tensor.data_type)):
            self.narrow.add(name)

    def _follow(self, at: At) -> None:
        """Follow numbers of few bits until they are read in more; refuse to make such, for nothing rounds to them."""
        node = at.node
        places = [place for place, name in enumerate(node.input) if name in self.narrow]
        constant = at.op == "Constant" and any(
            one.HasField("t") and is_narrow(one.t.data_type) for one in node.attribute
        )
        made = any(isinstance(kind, int) and is_narrow(kind) for kind in map(at.about.get, ("to", "output_dtype")))
        if constant or (places and at.op in _PASSES):
            self.narrow.update(node.output)
        elif made or (places and not (at.op in _READS and (at.op != "CastLike" or places == [0]))):
            problem = "makes numbers of 8 bits with a point, or of less than 8 bits, which is not supported"
            raise at.refuse(problem)

    def _made(self, at: At) -> Any:
        node = at.node
        if node.domain not in ("", "ai.onnx"):
            return self.plain(at)
        if at.op == "Constant":
            return self._constant(at)
        there = [one for one in at.inputs if one is not None]
        if at.op in shape_code.KNOWN and all(isinstance(one, np.ndarray) for one in there) and "g" not in at.about:
            return shape_code.evaluate(node, at.inputs, self.version)
        like = at.x(1) if at.op == "CastLike" else None
        if like is not None and at.known(0) is not None and like.dtype in _PLAIN:
            return at.known(0).astype(like.dtype)
        if at.op in ("Shape", "Size") and isinstance(at.inputs[0], Tensor):
            source = at.inputs[0]
            if source.shape is not None and None not in source.shape:
                return shape_code.ask(node, source.shape)  # type: ignore[arg-type]
            return Asked([node], {}, {node.input[0]: source}, node.output[0])
        if at.op in shape_code.KNOWN and there and all(isinstance(one, np.ndarray | Asked) for one in there):
            return self._asked(at)
        at.inputs = [self._settled(one) if isinstance(one, Asked) else one for one in at.inputs]
        if at.op in self.inline:
            return self.inline[at.op](at)
        entry = TABLE.get(at.op)
        if entry is not None and self._is_plain(at):
            try:
                made = entry(at)
            except AxonError:
                made = None  # an option that the layer has not: the operator itself may take it
            if made is not None:
                return made
        return self.plain(at)

    @staticmethod
    def _is_plain(at: At) -> bool:
        return any(isinstance(one, Tensor) for one in at.inputs)

    def _constant(self, at: At) -> Any:
        about = at.about
        if "value" in about:
            return about["value"]
        for key, kind in (
            ("value_float", "float32"),
            ("value_floats", "float32"),
            ("value_int", "int64"),
            ("value_ints", "int64"),
        ):
            if key in about:
                return np.asarray(about[key], kind)
        problem = "is a constant that is no tensor of numbers"
        raise at.refuse(problem)

    def _asked(self, at: At) -> Any:
        nodes: list[Any] = []
        constants: dict[str, Any] = {}
        sources: dict[str, Tensor] = {}
        for name, one in zip(at.node.input, at.inputs, strict=True):
            if isinstance(one, Asked):
                nodes += [n for n in one.nodes if n not in nodes]
                constants |= one.constants
                sources |= one.sources
            elif one is not None:
                constants[name] = one
        made = tuple(Asked([*nodes, at.node], constants, sources, name) for name in at.node.output if name)
        return tuple(self._if_known(one) for one in made)

    def _if_known(self, asked: Asked) -> Any:
        """Return the numbers where they are the same in every try."""
        tries = self.tries(asked)
        if tries is None or any(not np.array_equal(one, tries[0]) for one in tries):
            return asked
        return tries[0]

    def tries(self, asked: Asked) -> list[Any] | None:
        """Work the numbers out for the sizes of each try."""
        if any(source.specs is None for source in asked.sources.values()):
            return None
        found = []
        for run in range(len(SIZES[0])):
            shapes = {name: source.specs[run].shape for name, source in asked.sources.items()}  # type: ignore[index]
            found.append(self._work_out(asked, shapes))
        return found

    def _work_out(self, asked: Asked, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        known = dict(asked.constants)
        for node in asked.nodes:
            if node.op_type in ("Shape", "Size") and node.input[0] in shapes:
                known[node.output[0]] = shape_code.ask(node, shapes[node.input[0]])
            else:
                results = shape_code.evaluate(node, [known[n] if n else None for n in node.input], self.version)
                known |= dict(zip(node.output, results, strict=True))
        return known[asked.name]

    def _settled(self, asked: Asked) -> Any:
        return self._if_known(asked)

    def _attributes(self, node: Any) -> dict[str, Any]:
        onnx = need("onnx", "import from ONNX")
        about: dict[str, Any] = {}
        for one in node.attribute:
            if one.HasField("t"):
                about[one.name] = array_of(one.t, self.folder)
            elif one.HasField("g") or len(one.graphs):
                about[one.name] = one.g
                about["g"] = True
            elif one.HasField("sparse_tensor") or len(one.tensors) or one.HasField("tp"):
                problem = f"its attribute {one.name!r} is of a kind that is not supported"
                raise InteropError(problem, where=label(node))
            else:
                try:
                    value = onnx.helper.get_attribute_value(one)
                    value = value.decode() if isinstance(value, bytes) else value
                    about[one.name] = (
                        [v.decode() if isinstance(v, bytes) else v for v in value] if isinstance(value, list) else value
                    )
                except (ValueError, TypeError, UnicodeDecodeError) as error:
                    problem = f"its attribute {one.name!r} is damaged"
                    raise InteropError(problem, where=label(node)) from error
        return about

    # layers

    def name(self, at: At) -> str | None:
        """Make a name for the layer out of the node's: dots and slashes separate parts, and are not in names."""
        given = at.node.name.strip("/")
        given = given.removesuffix(f"/{at.op}")
        name = re.sub(r"[^0-9A-Za-z_]+", "_", given).strip("_")
        if not name:
            return None
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}_{count}"
        self._names.add(unique)
        return unique

    def apply(
        self, at: At, kind: str, xs: Sequence[Tensor], weights: Mapping[str, Any], states: Sequence[str],
        share: Sequence[int | str], options: dict[str, Any],
    ) -> Any:  # fmt: skip
        """Apply a layer, and remember its weights."""
        declaration: Any = registry[kind].declaration  # type: ignore[attr-defined]
        key = (
            (kind, repr(sorted(options.items())), tuple(at.node.input[i] if isinstance(i, int) else i for i in share))
            if share
            else None
        )
        op = self._shared.get(key) if key is not None else None
        if op is None:
            try:
                op = Op(declaration, declaration.bind((), options), self.name(at))
            except AxonError as error:
                raise error.at(label(at.node)) from error
            self.records.append((op, dict(weights), frozenset(states)))
            if key is not None:
                self._shared[key] = op
        try:
            model = op(*(x.model for x in xs)) if xs else Model(Node(op, ()))
        except AxonError as error:
            raise error.at(label(at.node)) from error
        return self._traced(at, op, model, xs)

    def _traced(self, at: At, op: Op, model: Model, xs: Sequence[Tensor]) -> Any:
        specs: list[Any] | None = None
        if all(x.specs is not None for x in xs):
            try:
                runs = range(len(SIZES[0]))
                specs = [trace_layer(op, tuple(x.specs[run] for x in xs)).output for run in runs]  # type: ignore[index]
            except InteropError as error:
                raise error.at(label(at.node)) from error
            except AxonError as error:
                if all(x.shape is not None and None not in x.shape for x in xs):
                    raise InteropError(error.problem, where=label(at.node), got=error.got, fix=error.fixes) from error
        if isinstance(model.outputs, tuple):
            parts = list(leaves(model.outputs))
            return tuple(
                Tensor(Model(part), None if specs is None else [one[i] for one in specs])
                for i, part in enumerate(parts)
            )
        if specs is not None and isinstance(specs[0], tuple):
            specs = None
        return Tensor(model, specs)

    def plain(self, at: At) -> Any:
        """Keep the operator as it is: a layer ``onnx_node``."""
        if "g" in at.about or at.op == "Scan":
            problem = f"{at.op} holds a graph of its own, which is not supported"
            raise at.refuse(problem)
        version = self.domains.get(at.node.domain, self.version)
        try:
            find(at.op, at.node.domain, version)
        except InteropError as error:
            raise error.at(label(at.node)) from None
        options = {
            "op": at.op, "attributes": {key: _plain(value) for key, value in at.about.items()},
            "outputs": at.outputs(), "version": max(version, 1), "domain": at.node.domain,
        }  # fmt: skip
        return self.keep(at, "onnx_node", at.inputs, options)

    def keep(self, at: At, kind: str, inputs: Sequence[Any], options: dict[str, Any]) -> Any:
        """Apply a layer that is told what stands at each of its inputs: tensors, weights, numbers."""
        xs: list[Tensor] = []
        given: list[Any] = []
        weights: dict[str, Any] = {}
        states: list[str] = []
        for place, one in enumerate(inputs):
            given.append(self._given(at, place, one, xs, weights, states))
        while given and given[-1] == ():
            given.pop()
        return self.apply(at, kind, xs, weights, states, (), {**options, "inputs": tuple(given)})

    def _given(self, at: At, place: int, one: Any, xs: list[Tensor], weights: dict[str, Any], states: list[str]) -> Any:
        if one is None:
            return ()
        if isinstance(one, Asked):
            offset = len(xs)
            renamed = {name: str(offset + i) for i, name in enumerate(one.sources)}
            xs += one.sources.values()
            return ("shapes", self.program(one, renamed))
        if isinstance(one, np.ndarray):
            consts = place in BEFOREHAND.get(at.op, ()) or (at.op == "Gather" and place == 1)
            if consts or one.size <= 1 or (at.op == "Scan" and "float" not in str(one.dtype)):
                if one.size > shape_code.MOST:
                    problem = f"input {place} has {one.size:,} numbers where a few are expected"
                    raise at.refuse(problem)
                return ("constant", str(one.dtype), one.shape, tuple(one.ravel().tolist()))
            name = f"input_{place}"
            weights[name] = one
            if "float" not in str(one.dtype):
                states.append(name)
            return ("weight", name, one.shape, str(one.dtype))
        if isinstance(one, Tensor):
            xs.append(one)
            return ("tensor", len(xs) - 1)
        problem = f"input {place} is a sequence, which is not supported"
        raise at.refuse(problem)

    def program(self, asked: Asked, renamed: Mapping[str, str]) -> str:
        """Store what works numbers out, with the tensors it asks under other names."""
        nodes = []
        for node in asked.nodes:
            copy = type(node)()
            copy.CopyFrom(node)
            if copy.op_type in ("Shape", "Size") and copy.input[0] in renamed:
                copy.input[0] = renamed[copy.input[0]]
            nodes.append(copy)
        return shape_code.store(nodes, asked.constants, asked.name, self.version)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ("numbers", str(value.dtype), value.shape, tuple(value.ravel().tolist()))
    return tuple(value) if isinstance(value, list) else value
