"""Owns the text of a ``%%axon`` cell as a document: where in it each layer of the model was written.

Knows nothing about widgets, and changes nothing: ``edits`` does.
"""

from __future__ import annotations

import ast
import bisect
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from axon_nb.errors import AxonError
from axon_nb.magic.scan import Token, tokens
from axon_nb.magic.text import Cell, read_cell
from axon_nb.source import Source

_HEADER = re.compile(r"%%axon(?:[ \t]+(?P<line>[^\n]*))?(?:\n|$)")
_FLAGS = ("--columns",)
Position = tuple[int, int, int, int]


class EditError(AxonError):
    """An edit of a model's text that cannot be made; the text is as it was."""


@dataclass(frozen=True)
class Extent:
    """A piece of the text: characters from ``start`` up to ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class Pipe:
    """The operands of one pipe, ``a | b | c``, brackets around them included, and where the pipes stand."""

    operands: tuple[ast.expr, ...]
    extents: tuple[Extent, ...]
    pipes: tuple[int, ...]
    depth: int
    """How many brackets are open around it."""


def split_header(text: str) -> tuple[str | None, str]:
    r"""Cut a text into what stands behind ``%%axon`` and the body; ``None`` where it has no such line.

    Example:
        >>> split_header("%%axon mnist\ninput(3)"), split_header("input(3)")
        (('mnist', 'input(3)'), (None, 'input(3)'))
    """
    found = _HEADER.match(text)
    return (None, text) if found is None else ((found["line"] or "").strip(), text[found.end() :])


def clean(text: str, header: str = "") -> str:
    r"""Write a text with ``%%axon`` as its first line and plain line ends.

    Example:
        >>> clean("input(3)\r\n", "mnist")
        '%%axon mnist\ninput(3)\n'
    """
    line, body = split_header(text.replace("\r\n", "\n").replace("\r", "\n"))
    return f"{f'%%axon {header if line is None else line}'.rstrip()}\n{body}"


@dataclass(frozen=True)
class Document:
    """A text that Python can read."""

    text: str
    """Its first line begins with ``%%axon``."""
    cell: Cell = field(repr=False)

    @staticmethod
    def read(text: str) -> Document:
        r"""Read a text; nothing is run.

        Raises:
            CellError: it cannot be read.

        Example:
            >>> Document.read("%%axon m\ninput((None, 4)) | dense(2)").cell.name
            'm'
        """
        return _read(text)

    @cached_property
    def lines(self) -> list[int]:
        """Where each line begins, in characters."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    def offset(self, line: int, column: int) -> int:
        """Turn a line (from 1) and a column in bytes, as ``ast`` counts them, into a place in the text."""
        start = self.lines[line - 1]
        row = self.text[start : self.lines[line] if line < len(self.lines) else len(self.text)]
        return start + (column if row.isascii() else len(row.encode()[:column].decode(errors="replace")))

    def extent(self, node: ast.expr | ast.stmt | ast.keyword) -> Extent:
        """Return where a node of the tree stands, brackets around it left out."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return Extent(self.offset(node.lineno, node.col_offset), self.offset(end_line, end_column))

    def source_of(self, node: ast.expr) -> str:
        """Return a node's text."""
        place = self.extent(node)
        return self.text[place.start : place.end]

    def line_of(self, place: int) -> int:
        """Return the number of a line, from 1."""
        return bisect.bisect_right(self.lines, place)

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node of the tree."""
        return {child: node for node in ast.walk(self.cell.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens of the body, placed in the whole text."""
        start = self.lines[1] if len(self.lines) > 1 else len(self.text)
        return [token._replace(start=token.start + start) for token in tokens(self.text[start:])]

    @cached_property
    def _starts(self) -> list[int]:
        return [token.start for token in self.tokens]

    def between(self, start: int, end: int) -> list[Token]:
        """List the tokens that begin in a piece of the text."""
        first, last = bisect.bisect_left(self._starts, start), bisect.bisect_left(self._starts, end)
        return self.tokens[first:last]

    @cached_property
    def _by_position(self) -> dict[Position, ast.expr]:
        found: dict[Position, ast.expr] = {}
        for node in ast.walk(self.cell.tree):
            if isinstance(node, ast.expr) and node.end_lineno is not None and node.end_col_offset is not None:
                found.setdefault((node.lineno, node.end_lineno, node.col_offset, node.end_col_offset), node)
        return found

    def step(self, source: Source | None) -> ast.expr | None:
        """Find the expression that made a layer: the call, the name in a pipe, or ``a + b``; ``None``: not here."""
        if source is None or source.filename != self.cell.filename:
            return None
        return self.step_at(source.position)

    def step_at(self, position: tuple[int | None, ...]) -> ast.expr | None:
        """Find the expression at a position; of ``a | b`` it is what is joined on."""
        node = self._by_position.get(position)  # type: ignore[arg-type]  # one with None is found nowhere
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            node = node.right
        return node

    def statement(self, node: ast.AST) -> ast.stmt:
        """Return the statement of the body that a node stands in."""
        while self.parents.get(node) is not self.cell.tree:
            node = self.parents[node]
        assert isinstance(node, ast.stmt)  # noqa: S101  # the body of a module is statements
        return node

    def pipe(self, step: ast.expr) -> Pipe:
        """Return the pipe that a step stands in; of one that stands in none, a pipe of itself alone."""
        top = self._top(step)
        if not _is_pipe(top):
            return Pipe((step,), (self.extent(step),), (), self._depth(self.extent(step).start))
        operands: list[ast.expr] = []
        node = top
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            operands.append(node.right)
            inner = node.left
            node = inner if self._continues(inner, node) else ast.Constant(None)
            if not _is_pipe(node):
                operands.append(inner)
        operands.reverse()
        return self._cut(tuple(operands), self.extent(top))

    def _top(self, step: ast.expr) -> ast.expr:
        top: ast.expr = step
        parent = self.parents.get(top)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr):
            top = parent
            above = self.parents.get(top)
            while isinstance(above, ast.BinOp) and above.left is top and self._continues(top, above):
                top, above = above, self.parents.get(above)
        return top

    def _continues(self, inner: ast.expr, outer: ast.BinOp) -> bool:
        """Whether the left side of a pipe is the same pipe, and not one in brackets of its own."""
        return _is_pipe(inner) and _is_pipe(outer) and _start(inner) == _start(outer)

    def _cut(self, operands: tuple[ast.expr, ...], whole: Extent) -> Pipe:
        # Where the body begins with a pipe, the first operand is the input that the header names.
        named = self.line_of(whole.start) == 1
        inside = self.between(self.lines[1] if named else whole.start, whole.end)
        depth = min((token.depth for token in inside if token.kind == "pipe"), default=0)
        pipes = tuple(token.start for token in inside if token.kind == "pipe" and token.depth == depth)
        if len(pipes) != len(operands) - 1:
            problem = "the pipe cannot be read well enough to change it here"
            raise EditError(problem, fix="change the text")
        ends = (*pipes[1:], whole.end)
        rest = [self._trimmed(start + 1, end) for start, end in zip(pipes, ends, strict=True)]
        first = self.extent(operands[0]) if named else self._trimmed(whole.start, pipes[0])
        return Pipe(operands, (first, *rest), pipes, depth)

    def _trimmed(self, start: int, end: int) -> Extent:
        """Leave out the space and the comments at both ends; ``|>`` is one token, whose rest may stand first."""
        code = [token for token in self.between(start, end) if token.is_code and token.start >= start]
        last = code[-1]
        return Extent(code[0].start, last.start + len(last.text))

    def _depth(self, place: int) -> int:
        before = bisect.bisect_right(self._starts, place) - 1
        return self.tokens[before].depth if before >= 0 else 0

    def comment_after(self, place: int) -> int:
        """Return where the line ends, if only space and a comment follow a place; else the place itself."""
        for token in self.between(place, len(self.text)):
            if token.kind == "newline":
                return token.start
            if token.kind not in ("space", "comment"):
                return place
        return len(self.text)

    def begins_line(self, place: int) -> bool:
        """Whether only space stands before a place in its line."""
        return not self.text[self.lines[self.line_of(place) - 1] : place].strip()

    def indent_at(self, place: int) -> str:
        """Return the space that a line begins with."""
        found = re.compile(r"[ \t]*").match(self.text, self.lines[self.line_of(place) - 1])
        return found.group() if found else ""


@lru_cache(maxsize=16)  # an edit reads its text, and so does who runs it
def _read(text: str) -> Document:
    header, body = split_header(text)
    return Document(text, read_cell(header or "", body, valued=_FLAGS))


def _is_pipe(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)


def _start(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset
