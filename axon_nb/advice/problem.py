"""Owns what a rule is told of a model that does not fit, and what it gives back: candidates for a fix.

Knows nothing about which mistakes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from axon_nb.advice import edits
from axon_nb.errors import AxonError
from axon_nb.graph import Model, Node
from axon_nb.layer import Layer, Op, registry
from axon_nb.shapes import Shape, show
from axon_nb.trace import NodeTrace

SPATIAL = ("convolution", "pooling")


@dataclass(frozen=True)
class Candidate:
    """A change that might help. ``cost`` says how much it changes: the least is offered first, if it helps at all."""

    cost: float
    text: str
    code: str
    make: Callable[[], Model]


Rule = Callable[["Problem"], Iterator[Candidate]]
RULES: list[Rule] = []
"""All rules. Each knows a kind of mistake and gives candidates for it, nothing where it sees none."""


def rule(function: Rule) -> Rule:
    """Add a rule."""
    RULES.append(function)
    return function


@dataclass(frozen=True)
class Problem:
    """The node that does not fit, and what is known of those before it."""

    model: Model
    node: Node
    known: dict[Node, NodeTrace]
    error: AxonError

    @property
    def op(self) -> Op:
        """The layer that does not fit."""
        return self.node.layer

    @property
    def family(self) -> str:
        """Its family."""
        return self.op.declaration.family

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What it gets; ``()`` for several tensors at once."""
        return tuple(self.shape(parent) for parent in self.node.parents)

    @property
    def rank(self) -> int:
        """Number of axes of its first input."""
        return len(self.shapes[0]) if self.shapes else 0

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Kinds of numbers that it gets."""
        return tuple(self.known[parent].dtype or "" for parent in self.node.parents)

    def shape(self, node: Node) -> Shape:
        """Return the output shape of a node before the one that does not fit."""
        found = self.known[node].shape
        return () if found is None or any(isinstance(dim, tuple) for dim in found) else found  # type: ignore[return-value]

    def option(self, name: str, default: Any = None) -> Any:
        """Return an option of the layer that does not fit."""
        return self.op.options.get(name, default)

    def has(self, name: str) -> bool:
        """Whether the layer that does not fit has such an option."""
        return name in self.op.options

    def place(self, op: Op) -> str:
        """Say where another layer stands, nothing for the one that does not fit."""
        if op is self.op:
            return ""
        name = self.model.names[self.model.owners[op]]
        return f" ({name!r}{f', {op.source}' if op.source else ''})"

    def above(self, node: Node) -> Iterator[Node]:
        """Walk up from a node, itself first, for as long as there is one parent only."""
        while True:
            yield node
            if len(node.parents) != 1:
                return
            node = node.parents[0]

    def before(self) -> Iterator[Node]:
        """Walk through all nodes before the one that does not fit, the nearest first."""
        seen: set[Node] = set()
        rows = list(self.node.parents)
        while rows:
            node = rows.pop(0)
            if node not in seen:
                seen.add(node)
                yield node
                rows += node.parents

    def all_get(self, option: str, ops: Collection[Op]) -> str:
        """Say of several layers that all get one option; nothing of one or two, which are better written out."""
        names = [self.model.names[self.model.owners[op]] for op in ops]
        return f"give {', '.join(names[:-1])} and {names[-1]} the option {option}" if len(names) > 2 else ""

    # Candidates

    def insert(self, cost: float, layer: Layer, place: int | None = None, *, written: str = "") -> Candidate:
        """Put a layer before the one that does not fit, on one of its inputs or on all."""
        chosen = tuple(range(len(self.node.parents)) if place is None else (place,))
        words, code = self._insertion(written or repr(layer), chosen)
        return Candidate(cost, words, code, lambda: edits.inserted(self.model, self.node, layer, chosen))

    def _insertion(self, layer: str, places: tuple[int, ...]) -> tuple[str, str]:
        """Say where a layer is put in."""
        if self.node.is_input:
            code = f"... | {layer} | {self.node.path[-1]}"
            return f"put {layer} between the parts: {code}", code
        if len(self.node.parents) == 1:
            code = f"{layer} | {self.op!r}"
            return f"put {layer} before it: {code}", code
        if places == (0,) and self.op.source is not None and self.op.source.segment.startswith("residual("):
            code = f"residual(..., shortcut={layer})"
            return f"give the input a way of its own: {code}", code
        names = [self.model.names[self.node.parents[place]] for place in places]
        on = " and ".join(map(repr, dict.fromkeys(names)))
        to = "between" if len(places) == 1 else "between each of"
        return f"put {layer} {to} {on} and {self.model.names[self.node]!r}: ... | {layer}", f"... | {layer}"

    def append(self, cost: float, after: Node, layer: Layer) -> Candidate:
        """Put a layer behind an earlier one."""
        code = f"{after.layer!r} | {layer!r}"
        name = self.model.names[after]
        words = f"put {layer!r} behind {name!r}: {code}"
        return Candidate(cost, words, code, lambda: edits.appended(self.model, after, layer))

    def change(self, cost: float, op: Op | None = None, **options: Any) -> Candidate:
        """Give a layer other options: the one that does not fit, or one before it."""
        return self.changes(cost, {op or self.op: options})

    def changes(self, cost: float, changes: dict[Op, dict[str, Any]], text: str = "") -> Candidate:
        """Give several layers other options."""
        new = {op: edits.with_options(op, **options) for op, options in changes.items()}
        code = "\n".join(map(repr, new.values()))
        words = " and ".join(f"{new[op]!r} in place of {op!r}{self.place(op)}" for op in new)
        return Candidate(cost, text or f"write {words}", code, lambda: edits.changed(self.model, new))

    def remove(self, cost: float, *nodes: Node) -> Candidate:
        """Leave out layers."""
        words = " and ".join(f"{node.layer!r}{self.place(node.layer)}" for node in nodes)
        return Candidate(cost, f"leave out {words}", "", lambda: edits.without(self.model, *nodes))

    def insert_and_change(self, cost: float, layer: Layer, op: Op, **options: Any) -> Candidate:
        """Put a layer before the one that does not fit, and give an earlier one other options."""
        put, change = self.insert(cost, layer), self.change(cost, op, **options)
        new = {op: edits.with_options(op, **options)}
        words, code = f"{change.text} and {put.text}", f"{change.code}\n{put.code}"
        return Candidate(cost, words, code, lambda: edits.changed(put.make(), new))

    def replace(self, cost: float, layer: Layer, node: Node | None = None) -> Candidate:
        """Put another layer in the place of one."""
        old = node or self.node
        words = f"write {layer!r} in place of {old.layer!r}{self.place(old.layer)}"
        return Candidate(cost, words, repr(layer), lambda: edits.replaced(self.model, old, layer))

    def input(self, cost: float, node: Node, *, shape: Shape | None = None, dtype: str | None = None) -> Candidate:
        """Declare another shape or dtype for an input."""
        options: dict[str, Any] = ({"shape": shape} if shape else {}) | ({"dtype": dtype} if dtype else {})
        new = edits.with_options(node.layer, **options)
        words = f"declare input({show_shape(new.options['shape'])}"
        words += f", dtype={new.options['dtype']!r})" if new.options["dtype"] != "float32" else ")"
        at = f" for {self.model.names[node]!r}" if len(self.model.inputs) > 1 or node.path else ""
        code = words.removeprefix("declare ")
        return Candidate(cost, words + at, code, lambda: edits.changed(self.model, {node.layer: new}))


def show_shape(shape: Shape | None) -> str:
    """Write a shape as code.

    Example:
        >>> show_shape((None, "time", 3))
        "(None, 'time', 3)"
    """
    return repr(shape)


def make(name: str, *args: Any, **options: Any) -> Layer:
    """Make a built-in layer by its name.

    Example:
        >>> make("reshape", (1, 28, 28))
        reshape((1, 28, 28))
    """
    made: Layer = registry[name](*args, **options)
    return made


def axes_of(shape: Shape) -> tuple[int | str | None, ...]:
    """Leave out the batch axis."""
    return shape[1:]


__all__ = ["RULES", "SPATIAL", "Candidate", "Problem", "axes_of", "make", "rule", "show"]
