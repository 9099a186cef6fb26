"""Owns the line behind ``%%axon``: the model's name, its inputs with their shapes, and the flags.

Knows nothing about the body of the cell, and evaluates nothing: shapes are read from the syntax tree.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn

from axon_nb.caret import Span, span_of
from axon_nb.errors import CellError, point
from axon_nb.magic.mistakes import UNREADABLE, explain
from axon_nb.magic.scan import tokens, words
from axon_nb.shapes import Dim, Shape

MAGIC = "%%axon "


@dataclass(frozen=True)
class Input:
    """An input named in the header; its shape is ``None`` where only the name stands there."""

    name: str
    shape: Shape | None
    span: Span


@dataclass(frozen=True)
class Header:
    """What stands in a header; ``flags`` are its words as written, values included."""

    name: str | None
    inputs: tuple[Input, ...]
    flags: tuple[str, ...]


def read_header(line: str, *, valued: Collection[str] = (), sizes: Mapping[str, object] | None = None) -> Header:
    """Read what stands behind ``%%axon``.

    Args:
        line: the rest of the first line.
        valued: the flags that take the word after them as their value.
        sizes: variables; a name in a shape that holds a whole number here is that size, any other names a dim.

    Raises:
        CellError: it cannot be read; points at the place.

    Example:
        >>> header = read_header("gan(latent: 128, image: (batch, 1, 28, 28), label) --quiet")
        >>> header.name, header.flags
        ('gan', ('--quiet',))
        >>> [(entry.name, entry.shape) for entry in header.inputs]
        [('latent', (None, 128)), ('image', ('batch', 1, 28, 28)), ('label', None)]
    """
    start, end, flags = _split(line, valued)
    reader = _Reader(MAGIC + line, len(MAGIC) + start, len(MAGIC) + end, sizes or {})
    name = reader.name()
    return Header(name, reader.inputs(), flags)


def _split(line: str, valued: Collection[str]) -> tuple[int, int, tuple[str, ...]]:
    """Tell the flags, which may stand before or behind, from the rest; return where that begins and ends."""
    flags: list[str] = []
    places: list[int] = []
    takes_value = False
    for word in words(line):
        if takes_value or word.text.startswith("-"):
            takes_value = not takes_value and word.text in valued
            flags.append(_unquoted(word.text))
        else:
            places += [word.start, word.start + len(word.text)]
    return (places[0], places[-1], tuple(flags)) if places else (0, 0, tuple(flags))


def _unquoted(text: str) -> str:
    """Take the quotes from a flag's value.

    Example:
        >>> _unquoted("'a, b'"), _unquoted("--check='a, b'"), _unquoted("it's")
        ('a, b', '--check=a, b', "it's")
    """
    return re.sub(r"""^(--[\w-]+=)?(['"])(.*)\2$""", r"\1\3", text)


@dataclass(frozen=True)
class _Reader:
    """A first line, and where in it the name and the inputs begin and end."""

    line: str
    start: int
    end: int
    sizes: Mapping[str, object]

    @property
    def bracket(self) -> int:
        found = self.line.find("(", self.start, self.end)
        return self.end if found < 0 else found

    def name(self) -> str | None:
        name = self.line[self.start : self.bracket].strip()
        if not name or (name.isidentifier() and not keyword.iskeyword(name)):
            return name or None
        problem = f"{name!r} is not a name: names are made of letters, digits and _, and begin with no digit"
        if keyword.iskeyword(name):
            problem = f"{name!r} is a word of Python's own and cannot name a model"
        return self._fail(problem, self.start, self.start + len(name), f"write {MAGIC}{_valid(name)}")

    def inputs(self) -> tuple[Input, ...]:
        found: dict[str, Input] = {}
        for argument in self._arguments() if self.bracket < self.end else ():
            span = span_of(argument, (self.line,))
            stop = span.column + len(argument.arg)
            if argument.arg in found:
                problem = f"there are two inputs {argument.arg!r}"
                self._fail(problem, span.column, stop, "give each input a name of its own")
            shape = self._shape(argument.annotation) if argument.annotation else None
            found[argument.arg] = Input(argument.arg, shape, Span(1, span.column, 1, stop))
        return tuple(found.values())

    def _arguments(self) -> list[ast.arg]:
        """Read ``generator(latent: 128)`` as the head of a function, which is what it looks like."""
        rest = self.line[self.bracket : self.end]
        closer = next((token for token in tokens(rest) if token.kind == "close" and token.depth == 0), None)
        if closer and closer.start + 1 < len(rest):
            behind = self.bracket + closer.start + 1
            self._fail("only flags may follow the inputs", behind, self.end, f"write {MAGIC}NAME(input: shape, ...)")
        # Padded, so that all columns of the function are those of the line.
        define = "def _" if self.bracket == self.start else "def "
        source = f"{define:{self.start}}{self.line[self.start : self.end]}: pass"
        try:
            (definition,) = ast.parse(source).body
        except UNREADABLE as error:
            source = source.removesuffix(": pass")
            raise explain(error, source, (self.line,), fix="write for example (latent: 128, label: 10)") from None
        assert isinstance(definition, ast.FunctionDef)  # noqa: S101  # by the source that was just made
        arguments = definition.args
        if arguments.defaults:
            span = span_of(arguments.defaults[0], (self.line,))
            self._fail("an input's shape stands behind a ':'", span.column, span.end_column, "write latent: 128")
        if arguments.posonlyargs or arguments.vararg or arguments.kwonlyargs or arguments.kwarg:
            self._fail("inputs are plain names", self.bracket, self.end, "write for example (latent: 128, label: 10)")
        return arguments.args

    def _shape(self, node: ast.expr) -> Shape | None:
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        if not isinstance(node, ast.Tuple | ast.List | ast.Set):
            return (None, self._dim(node))
        dims = tuple(self._dim(dim) for dim in node.elts)
        return dims if dims and not isinstance(dims[0], int) else (None, *dims)

    def _dim(self, node: ast.expr) -> Dim:
        match node:
            case ast.Constant(value=None) | ast.Name(id="nil"):
                return None
            case ast.Constant(value=int(size)) if size > 0 and not isinstance(size, bool):
                return size
            case ast.Constant(value=str(name)) if name.isidentifier():
                return name
            case ast.Name(id=name):
                value = self.sizes.get(name)
                return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else name
        span = span_of(node, (self.line,))
        problem = "a shape in the header holds whole numbers from 1 on, names and None"
        fix = "write for example latent: 128 or image: (1, 28, 28)"
        return self._fail(problem, span.column, span.end_column, fix)

    def _fail(self, problem: str, start: int, end: int, fix: str) -> NoReturn:
        raise point(CellError(problem, fix=fix), (self.line,), Span(1, start, 1, end))


def _valid(name: str) -> str:
    """Make the nearest name that is valid.

    Example:
        >>> _valid("my model"), _valid("2nd"), _valid("class"), _valid("!")
        ('my_model', '_2nd', 'class_', 'model')
    """
    text = re.sub(r"\W+", "_", name).strip("_") or "model"
    text = text if text.isidentifier() else f"_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text
