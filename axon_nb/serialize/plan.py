"""Owns how a graph is cut into lines of code: what becomes a pipe, a variable, a residual or a block.

Knows nothing about how layers and values are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from axon_nb.graph import Model, Node, leaves, output_count
from axon_nb.layer import Op
from axon_nb.serialize.equality import inputs_of, is_wiring
from axon_nb.serialize.spell import Speller, is_plain, quoted
from axon_nb.serialize.values import is_built_in

WIDTH = 88
_LONGEST_OPERAND = 48
_LONGEST_PIPE = 100  # Python's compiler refuses pipes that are too long
_DEEPEST = 12
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*"}


@dataclass(frozen=True)
class Segment:
    """One step of a pipe: where it stands, how it is written, and what must be known to write others around it."""

    path: tuple[str, ...]
    text: str
    is_input: bool = False
    is_bare: bool = False
    depth: int = 0


@dataclass
class Expression:
    """What a node is: a pipe that begins with another node, with text, or with several nodes joined."""

    start: Node | None = None
    text: str = ""
    operands: tuple[Node | None, ...] = ()
    sign: str = ""
    segments: list[Segment] = field(default_factory=list)


@dataclass(frozen=True)
class Statement:
    """A line of code: names, and the value that they get."""

    targets: tuple[str, ...]
    head: str
    steps: tuple[str, ...] = ()


class Plan:
    """The statements of a model; ``outputs`` writes each of its outputs."""

    def __init__(self, model: Model, speller: Speller) -> None:
        self.model = model
        self.speller = speller
        self.statements: list[Statement] = []
        self.last: Statement | None = None
        uses = Counter(node.layer for node in model.nodes if not is_wiring(node))
        self._shared: dict[Op, str | None] = {op: None for op, count in uses.items() if count > 1}
        self._uses: Counter[Node] = Counter(leaves(model.outputs))
        self._picked: dict[Node, dict[int, Node]] = {}
        self._written: dict[Node, str] = {}
        for node in model.nodes:
            if node.is_pick:
                self._picked.setdefault(node.parents[0], {})[node.options["index"]] = node
                continue
            self._uses.update(node.parents)
        self._expressions: dict[Node, Expression] = {}
        for node in model.nodes:
            if not node.is_pick:
                self._expressions[node] = self._express(node)
        self._write()

    def written(self, node: Node) -> str:
        """Return what stands for a node in an expression."""
        return self._written[node]

    # What each node is.

    def _express(self, node: Node) -> Expression:
        if node.is_input and not node.parents:
            return Expression(text=self.speller.layer(node))
        segment = self._segment(node)
        inputs = inputs_of(node)
        if not inputs:  # a constant
            return Expression(text=grouped([segment], (), self.speller.prefix)[0])
        if len(inputs) == 1 and inputs[0] is not None:
            return Expression(start=inputs[0], segments=[segment])
        folded = self._fold(node)
        if folded is not None:
            return folded
        if self._is_plain_join(node) and len(inputs) == 2 and not node.path and node.op in _SIGNS:
            return Expression(operands=inputs, sign=_SIGNS[node.op])
        return Expression(operands=inputs, segments=[segment])

    def _segment(self, node: Node) -> Segment:
        several = len(inputs_of(node)) != 1
        bare = self.speller.is_bare(node)
        if node.layer in self._shared:
            text, bare = self._layer_name(node), False
        else:
            text = self.speller.layer(node)
            bare = bare and "(" not in text
            if bare and several:
                text, bare = f"{self.speller.wrapped(text)}()", False
        return Segment(node.path, text, node.is_input, bare)

    def _layer_name(self, node: Node) -> str:
        name = self._shared[node.layer]
        if name is None:
            text = self.speller.layer(node)
            if is_plain(node.layer.declaration) and "(" not in text:
                text = f"{self.speller.wrapped(text)}()"
            name = self._shared[node.layer] = self.speller.variable(self._local(node))
            self.statements.append(Statement((name,), text))
        return name

    def _local(self, node: Node) -> str:
        return node.own_name or self.model.names[node].rpartition(".")[2]

    def _is_plain_join(self, node: Node) -> bool:
        """Whether a node is what ``a + b``, ``residual`` or ``concatenate(a, b)`` make: of no name, used once."""
        named = node in self.speller.own_names
        return not named and node.layer not in self._shared and is_built_in(node.layer.declaration)

    # Branches that become one step.

    def _fold(self, node: Node) -> Expression | None:
        inputs = inputs_of(node)
        if not self._is_plain_join(node) or None in inputs or len(inputs) < 2:
            return None
        branches = [self._walk(one, node) for one in inputs if one is not None]
        source = branches[0][0]
        if any(start is not source for start, _ in branches) or not all(
            self._fits(segments, node) for _, segments in branches
        ):
            return None
        steps = [segments for _, segments in branches]
        text = self._folded(node, steps)
        if text is None:
            return None
        self._uses[source] -= len(inputs) - 1
        depth = 1 + max(segment.depth for segments in steps for segment in segments)
        return Expression(start=source, segments=[Segment(node.path, text, depth=depth)])

    def _walk(self, node: Node, end: Node) -> tuple[Node, list[Segment]]:
        """Go back along a pipe that nothing else reads, to where it begins."""
        segments: list[Segment] = []
        while self._uses[node] == 1 and not node.is_pick and node not in self._picked:
            known = self._expressions[node]
            if known.start is None:
                break
            segments += reversed(known.segments)
            node = known.start
        return node, segments[::-1]

    def _fits(self, segments: Sequence[Segment], node: Node) -> bool:
        depth = len(node.path)
        return all(
            one.path[:depth] == node.path and not (one.is_input and len(one.path) == depth) and one.depth < _DEEPEST
            for one in segments
        )

    def _folded(self, node: Node, branches: list[list[Segment]]) -> str | None:
        steps = [grouped(segments, node.path, self.speller.prefix) for segments in branches]
        if node.op == "add" and len(steps) == 2 and steps[1]:
            shortcut = [f"shortcut={self._chain(branches[0], node.path)}"] if steps[0] else []
            return called(f"{self.speller.prefix}residual", [*steps[1], *shortcut])
        if not node.path or not any(steps):
            return None  # written out, which is plainer: (x | a, x | b) | concatenate()
        inputs = [self._chain(segments, node.path) for segments in branches]
        return self.speller.call(node.layer, inputs=inputs)

    def _chain(self, segments: list[Segment], path: tuple[str, ...]) -> str:
        """Write steps as one layer."""
        if not segments:
            return f"{self.speller.prefix}noop()"
        if len(segments) > 1 and segments[0].is_bare and segments[1].is_bare:
            first = Segment(segments[0].path, f"{self.speller.wrapped(segments[0].text)}()")
            segments = [first, *segments[1:]]
        return " | ".join(grouped(segments, path, self.speller.prefix))

    # Statements.

    def _write(self) -> None:
        single = isinstance(self.model.outputs, Node)
        ends = self._ends()
        for node in self.model.nodes:
            if node.is_pick or node not in ends:
                continue
            head, steps = self._pipe(node)
            if node in self._picked:
                self._unpack(node, head, steps)
            elif single and node is self.model.outputs:
                self.last = Statement((), head, tuple(steps))
            elif self._uses[node] == 1 and self._is_short(head, steps):
                self._written[node] = " | ".join([head, *steps])
            else:
                name = self.speller.variable(self._local(node), f"{self._local(node)}_out")
                self._written[node] = name
                self.statements.append(Statement((name,), head, tuple(steps)))

    def _ends(self) -> set[Node]:
        """Find the nodes whose values are written down: what is in the middle of a pipe, or folded, is not."""
        stack = list(leaves(self.model.outputs))
        ends, reached = set(stack), set()
        while stack:
            node = stack.pop()
            if node in reached:
                continue
            reached.add(node)
            if node.is_pick:
                stack.append(node.parents[0])
                continue
            known = self._expressions[node]
            before = [one for one in (known.start, *known.operands) if one is not None]
            ends.update(one for one in before if known.start is None or self._uses[one] > 1)
            stack += before
        return ends | {node for node in self._picked if node in reached}

    def _is_short(self, head: str, steps: list[str]) -> bool:
        text = " | ".join([head, *steps])
        return len(text) <= _LONGEST_OPERAND and "\n" not in text

    def _pipe(self, node: Node) -> tuple[str, list[str]]:
        """Follow a pipe back to where it begins; one that is too long is cut by variables."""
        parts: list[list[Segment]] = []
        while True:
            known = self._expressions[node]
            parts.append(known.segments)
            if known.start is None:
                head = self._head(known)
                break
            if known.start in self._written:
                head = self._written[known.start]
                break
            node = known.start
        segments = [segment for part in reversed(parts) for segment in part]
        steps = grouped(segments, (), self.speller.prefix)
        while len(steps) > _LONGEST_PIPE:
            name = self.speller.variable("x", "h")
            self.statements.append(Statement((name,), head, tuple(steps[:_LONGEST_PIPE])))
            head, steps = name, steps[_LONGEST_PIPE:]
        return _in_brackets(head) if steps else head, steps

    def _head(self, known: Expression) -> str:
        if known.text:
            return known.text
        written = [None if one is None else self._written[one] for one in known.operands]
        if known.sign:
            left, right = (_in_brackets(one or "") for one in written)
            return f"{left} {known.sign} {right}"
        operands = [one or "None" for one in written]
        if len(operands) == 1:
            return f"({operands[0]},)"
        line = f"({', '.join(operands)})"
        return line if len(line) <= WIDTH else called("", operands)

    def _unpack(self, node: Node, head: str, steps: list[str]) -> None:
        picks = self._picked[node]
        targets = []
        for index in range(output_count(node.layer)):
            pick = picks.get(index)
            name = "_" if pick is None else self.speller.variable(f"{self._local(node)}_{index}")
            targets.append(name)
            if pick is not None:
                self._written[pick] = name
        self.statements.append(Statement(tuple(targets), head, tuple(steps)))


def grouped(segments: Sequence[Segment], path: tuple[str, ...], prefix: str = "") -> list[str]:
    """Write steps, those that stand in one part as a block.

    Example:
        >>> grouped([Segment((), "a"), Segment(("p",), "b"), Segment(("p",), "c")], ())
        ['a', 'block("p", b, c)']
    """
    depth = len(path)
    written: list[str] = []
    for part, inside in groupby(segments, key=lambda one: one.path[depth : depth + 1]):
        if part:
            written.append(called(f"{prefix}block", [quoted(part[0]), *grouped(list(inside), (*path, *part), prefix)]))
        else:
            written += [one.text for one in inside]
    return written


def called(name: str, arguments: Sequence[str]) -> str:
    """Write a call in one line, or with an argument a line where it is long."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= WIDTH - 8 and "\n" not in line:
        return line
    inside = "".join(f"    {argument},\n".replace("\n", "\n    ").removesuffix("    ") for argument in arguments)
    return f"{name}(\n{inside})"


def _in_brackets(text: str) -> str:
    """Put brackets around what is not one word or one call."""
    depth = 0
    for place, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth == 0 and char in "|+-*" and text[place - 1 : place] == " ":
            return f"({text})"
    return text
