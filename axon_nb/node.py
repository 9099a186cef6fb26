"""Owns nodes: layers applied inside a model, what they read, and how they are named.

Knows nothing about models, shapes or weights.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, TypeAlias

from axon_nb import shapes
from axon_nb.declaration import Declaration
from axon_nb.errors import GraphError, Place
from axon_nb.layer import Op
from axon_nb.options import Choice, Flag, Option, OptionType
from axon_nb.rules import Rules

_keys = itertools.count()

DTYPES = ("float32", "float16", "bfloat16", "float64", "int32", "int64", "int16", "int8", "uint8", "bool",
          "uint16", "uint32", "uint64")  # fmt: skip


class _ShapeOption(OptionType):
    """A shape with its batch axis."""

    control = "shape"

    def parse(self, value: Any) -> shapes.Shape:
        return shapes.as_shape(value)


def _input_function(x: Any) -> Any:
    return x


INPUT = Declaration(
    "input", "input", _input_function, (), variadic=False, scoped=False,
    options=(
        Option("shape", _ShapeOption(help="Shape with the batch axis; None or a name where not known.",
                                     example=(None, 784)), None, optional=True),
        Option("dtype", Choice(words=DTYPES, help="Kind of numbers.", example="int32"), "float32", positional=False),
        Option("optional", Flag(help="Whether it may be left out.", example=True), False, positional=False),
    ),
)  # fmt: skip


PICK = Declaration(
    "output", "combine", _input_function, ("x",), variadic=False, scoped=False,
    options=(Option("index", OptionType(help="Which of the outputs.", example=0)),),
)  # fmt: skip
"""One of several outputs of the layer before it."""


class Node:
    """A layer applied inside a model.

    ``inputs`` are what it reads, in the order of its declaration's inputs, ``None`` for one that is left out; the last
    ones that are left out are not listed. ``parents`` are those that are there.
    """

    __slots__ = ("frozen", "hooks", "inputs", "key", "layer", "own_name", "parents", "path")

    def __init__(
        self, layer: Op, inputs: Iterable[Node | None], path: tuple[str, ...] = (), *, own_name: str | None = None,
        frozen: Rules = (), hooks: tuple[Any, ...] = (),
    ) -> None:  # fmt: skip
        self.key = next(_keys)
        self.layer = layer
        self.inputs = tuple(inputs)
        while self.inputs and self.inputs[-1] is None:
            self.inputs = self.inputs[:-1]
        self.parents: tuple[Node, ...] = tuple(node for node in self.inputs if node is not None)
        self.path = path
        self.own_name = own_name or layer.name
        """Its name within its part, if it was given one: by ``name=``, or by surgery, which keeps names."""
        self.frozen = frozen
        """Rules on the layer's parameters, the last that matches holds: ``(("*", True), ("bias", False))``."""
        self.hooks = hooks
        """What is called when it runs: see ``Model.hook``."""

    def altered(self, **changes: Any) -> Node:
        """Copy the node, with other inputs or parents, another path, layer, name, rules or hooks.

        As many parents as it has stand at the places of those that it has.
        """
        if "parents" in changes:
            changes["inputs"] = self.placed(tuple(changes.pop("parents")))
        kept = {"layer": self.layer, "inputs": self.inputs, "path": self.path, "frozen": self.frozen}
        own = {} if "layer" in changes else {"own_name": self.own_name}
        return Node(**{**kept, **own, "hooks": self.hooks, **changes})

    def placed(self, parents: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put what stands for its parents at their places, ``None`` at those of inputs that are left out."""
        if len(parents) != len(self.parents):
            return parents
        rest = iter(parents)
        return tuple(None if one is None else next(rest) for one in self.inputs)

    def lacks(self, is_missing: Callable[[Node], bool]) -> bool:
        """Whether it has no value: an input that it needs is missing, or all that it could have."""
        missing = [is_missing(node) for node in self.parents]
        if not any(missing):
            return False
        needs = self.layer.declaration.needs
        return all(missing) or self.is_input or any(
            node is not None and needs(place) and is_missing(node) for place, node in enumerate(self.inputs)
        )  # fmt: skip

    def over(self, new: Callable[[Node], Node], **changes: Any) -> Node:
        """Copy the node over other parents, each at the place of the one that it stands for."""
        return self.altered(inputs=tuple(one and new(one) for one in self.inputs), **changes)

    @property
    def op(self) -> str:
        """Name of the layer's function: ``dense``."""
        return self.layer.declaration.name

    @property
    def options(self) -> dict[str, Any]:
        """The layer's options, defaults filled in."""
        return self.layer.options

    @property
    def is_pick(self) -> bool:
        """Whether it is one of several outputs of its parent."""
        return self.layer.declaration is PICK

    @property
    def is_input(self) -> bool:
        """Whether it is an input, of the whole model or (if it has a parent) of a part of it."""
        return self.layer.declaration is INPUT

    def __repr__(self) -> str:
        return f"<Node {self.layer!r}>"


Structure: TypeAlias = "Node | tuple[Structure, ...] | dict[str, Structure]"


def leaves(structure: Structure) -> Iterator[Node]:
    """List the nodes of outputs that may be nested."""
    if isinstance(structure, Node):
        yield structure
    else:
        for part in structure.values() if isinstance(structure, dict) else structure:
            yield from leaves(part)


def map_leaves(structure: Structure, function: Callable[[Node], Any]) -> Any:
    """Put the results of a function in place of the nodes."""
    if isinstance(structure, Node):
        return function(structure)
    if isinstance(structure, dict):
        return {name: map_leaves(part, function) for name, part in structure.items()}
    return tuple(map_leaves(part, function) for part in structure)


def pick(op: Op, index: int) -> Op:
    """Make what stands for one of the several outputs of a layer."""
    made = Op(PICK, {"index": index})
    made.source = op.source
    return made


def output_count(op: Op) -> int:
    """Count the tensors that a layer returns."""
    outputs = op.declaration.outputs
    return 1 if outputs is None else outputs(op.options)


def where(op: Op, name: str | None = None) -> Place:
    """Say which layer and where it was written: ``dense 'dense_1' (cell line 4)``."""
    named = f" {name or op.name!r}" if name is None and op.name else f" {name!r}" if name else ""
    source = op.joined or op.source
    return Place(f"{op.declaration.name}{named}" + (f" ({source})" if source else ""), source)


def name_nodes(nodes: tuple[Node, ...]) -> dict[Node, str]:
    """Name nodes: ``dense_0``, ``dense_1`` by op and order in their part; a name of the layer's own goes first.

    A further use of a layer is ``dense_0#2``. What has no weights to share is named by its place alone: one of several
    outputs ``lstm_0[1]``, and the input of a part, which may stand there several times.

    Raises:
        GraphError: two different layers of one part have the same name, or a layer has the name of a part.
    """
    taken: dict[tuple[tuple[str, ...], str], Any] = {
        (node.path[:depth], part): None for node in nodes for depth, part in enumerate(node.path)
    }
    owners: dict[Op, Node] = {}
    for node in nodes:
        owners.setdefault(node.layer, node)
    for node in owners.values():  # a further use is named after the first
        claim: Any = INPUT if node.is_input and node.parents else node.layer
        if node.own_name and taken.setdefault((node.path, node.own_name), claim) is not claim:
            both = "two layers" if taken[node.path, node.own_name] else "a layer and a part"
            problem = f"there are {both} named {node.own_name!r}"
            raise GraphError(problem, where=where(node.layer), fix="give one of them another name=...")
    counts: Counter[tuple[tuple[str, ...], str]] = Counter()
    names: dict[Node, str] = {}
    uses: Counter[Any] = Counter()
    first: dict[Op, str] = {}
    for node in nodes:
        if node.is_pick:
            name = f"{names[node.parents[0]]}[{node.options['index']}]"
        elif node.layer in first:
            name = first[node.layer]
        else:
            name = ".".join((*node.path, node.own_name or _next_name(node, counts, taken)))
            if not node.is_input:
                first[node.layer] = name
        uses[name] += 1
        names[node] = name if uses[name] == 1 else f"{name}#{uses[name]}"
    return names


def _next_name(node: Node, counts: Counter[Any], taken: Container[tuple[tuple[str, ...], str]]) -> str:
    while True:
        own = f"{node.op}_{counts[node.path, node.op]}"
        counts[node.path, node.op] += 1
        if (node.path, own) not in taken:
            return own


__all__ = [
    "DTYPES", "INPUT", "PICK", "Node", "Structure", "leaves", "map_leaves", "name_nodes", "output_count", "pick",
    "where",
]  # fmt: skip
