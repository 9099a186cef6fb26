"""Owns the way from the text of a ``%%axon`` cell to Python's syntax tree, every position kept.

Knows nothing about IPython, layers or models: it runs nothing.
"""

from __future__ import annotations

import ast
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import NoReturn

from axon_nb.caret import Span, span_of, split_lines
from axon_nb.errors import CellError, point
from axon_nb.magic.header import MAGIC, Header, Input, read_header
from axon_nb.magic.mistakes import UNREADABLE, explain
from axon_nb.magic.scan import first_code, join_pipes
from axon_nb.shapes import Shape

VALUE = "__axon_value__"
"""What the value of a last expression is called while the cell runs."""

_SHAPED = ("input", "reshape")
_EXAMPLE = "write for example input((None, 784)) | dense(10)"


@dataclass(frozen=True)
class Cell:
    """A cell that was read: lines and columns in ``tree`` and ``code`` are those the user sees.

    The value of the cell is found under ``result`` after ``code`` was run.
    """

    header: Header
    body: str
    lines: tuple[str, ...] = field(repr=False)
    tree: ast.Module = field(repr=False)
    code: CodeType = field(repr=False)
    result: str

    @property
    def name(self) -> str | None:
        """The name to give the model: that of the header, else the one that the last line assigns."""
        return self.header.name or (self.result if self.result != VALUE else None)

    @property
    def inputs(self) -> tuple[tuple[str, Shape | None], ...]:
        """The inputs in the header, by name and shape."""
        return tuple((entry.name, entry.shape) for entry in self.header.inputs)

    @property
    def flags(self) -> tuple[str, ...]:
        """The words of the header that are flags or their values."""
        return self.header.flags

    @property
    def filename(self) -> str:
        """What tracebacks call the cell."""
        return self.code.co_filename


def filename(name: str | None, text: str) -> str:
    """Return what tracebacks call a cell: another name for every version, so that old layers keep their lines.

    Example:
        >>> filename("mnist", "input(3)"), filename(None, "input(3)")
        ('<axon mnist 2fc5ecf0>', '<axon 2fc5ecf0>')
    """
    version = f"{zlib.crc32(text.encode(errors='replace')):08x}"
    return f"<axon {name} {version}>" if name else f"<axon {version}>"


def read_cell(line: str, body: str, *, valued: Collection[str] = (), sizes: Mapping[str, object] | None = None) -> Cell:
    r"""Read a cell without running anything.

    A line that begins with ``|`` continues the one before, also over blank lines and comments, and so does what
    follows a line that ends with one; ``|>`` is accepted for ``|``. The body may begin with a pipe where the header
    names one input, and may be indented as a whole. ``input({None, 784})`` is read as ``input((None, 784))``.

    The cell's value is that of its last expression. Where the last statement assigns to a name, or defines a function
    (``@model def net(x): ...``), it is what this name then holds.

    Args:
        line: the rest of the first line, behind ``%%axon``.
        body: the lines after it.
        valued: the flags in the header that take a value.
        sizes: variables that may stand for sizes in the header's shapes.

    Raises:
        CellError: the cell cannot be read; says where and what to do.

    Example:
        >>> cell = read_cell("mnist", "input({None, 784})\n\n|> dense(10)  # digits\n|> softmax()\n")
        >>> print(cell.name, ast.unparse(cell.tree))
        mnist input((None, 784)) | dense(10) | softmax()
        >>> call = cell.tree.body[-1].value.right
        >>> call.lineno, call.col_offset
        (5, 3)
    """
    header = read_header(line, valued=valued, sizes=sizes)
    lines = split_lines(f"{MAGIC}{line}\n{body}")
    _check_start(header.inputs, body, lines)
    tree = _parse(header.inputs, body, lines)
    _order_shapes(tree)
    file = filename(header.name, "\n".join(lines))
    code, result = _compile(tree, file, f"\n{body}", lines)
    return Cell(header, body, lines, tree, code, result)


def _check_start(inputs: tuple[Input, ...], body: str, lines: tuple[str, ...]) -> None:
    first = first_code(body)
    if first is None:
        _fail("the cell is empty" if not body.strip() else "the cell holds only comments", lines, _head(lines))
    if first.kind != "pipe" or len(inputs) == 1:
        return
    before = split_lines(body[: first.start])
    span = Span(len(before) + 1, len(before[-1]), len(before) + 1, len(before[-1]) + len(first.text))
    if inputs:
        names = " and ".join(entry.name for entry in inputs)
        fix = f"write ({', '.join(entry.name for entry in inputs)}) | concatenate(), or name the one that is meant"
        _fail(f"it is not clear which of {names} goes into the pipe", lines, span, fix)
    fix = "begin with input(...), or name the input in the header: %%axon NAME(x: 784)"
    _fail("nothing stands before the pipe", lines, span, fix)


def _head(lines: tuple[str, ...]) -> Span:
    return Span(1, 0, 1, len(lines[0]))


def _fail(problem: str, lines: tuple[str, ...], span: Span, fix: str = _EXAMPLE) -> NoReturn:
    raise point(CellError(problem, fix=fix), lines, span)


def _parse(inputs: tuple[Input, ...], body: str, lines: tuple[str, ...]) -> ast.Module:
    """Parse the body with line 1, the magic's own, put to use for what the body leaves out."""
    first = first_code(body)
    before = split_lines(body[: first.start])[-1] if first else ""
    if first and first.kind == "pipe":
        tree = _parse_after(inputs[0].name, body, lines)
        _move_first_line(tree, len(lines[0][: inputs[0].span.column].encode()))
        return tree
    if before.strip("\f"):
        match _parse_after("if 1:", body, lines).body:  # the body is indented as a whole
            case [ast.If(body=statements, orelse=[])]:
                return ast.Module(statements, [])
    return _parse_after("", body, lines)


def _parse_after(opening: str, body: str, lines: tuple[str, ...]) -> ast.Module:
    source = f"{opening}\n{body}"
    try:
        return ast.parse(join_pipes(source))
    except UNREADABLE as error:
        raise explain(error, source, lines) from None


def _move_first_line(tree: ast.Module, column: int) -> None:
    """Put what was written on line 1 for the parser where the user sees it: in the header, from this byte on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr | ast.stmt):
            if node.end_lineno == 1 and node.end_col_offset is not None:
                node.end_col_offset += column
            if node.lineno == 1:
                node.col_offset += column


def _order_shapes(tree: ast.Module) -> None:
    """Read the braces of a shape, as Elixir writes it, as a tuple: a set would lose order and equal sizes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in _SHAPED:
            node.args[:1] = [_ordered(argument) for argument in node.args[:1]]
            for option in node.keywords:
                option.value = _ordered(option.value) if option.arg == "shape" else option.value


def _called(function: ast.expr) -> str | None:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def _ordered(node: ast.expr) -> ast.expr:
    return ast.copy_location(ast.Tuple(node.elts, ast.Load()), node) if isinstance(node, ast.Set) else node


def _compile(tree: ast.Module, file: str, source: str, lines: tuple[str, ...]) -> tuple[CodeType, str]:
    """Compile the cell so that its value can be had by a name."""
    last = tree.body[-1]
    statements: list[ast.stmt] = tree.body
    match last:
        case ast.Expr(value=value):
            keep = ast.Assign([ast.copy_location(ast.Name(VALUE, ast.Store()), value)], value)
            statements, result = [*tree.body[:-1], ast.copy_location(keep, last)], VALUE
        case ast.Assign(targets=[*_, ast.Name(id=result)]):
            pass
        case ast.AnnAssign(target=ast.Name(id=result), value=ast.expr()) | ast.AugAssign(target=ast.Name(id=result)):
            pass
        case ast.FunctionDef(name=result):
            pass
        case ast.Return():
            result = VALUE  # Python will say why not
        case _:
            fix = "end the cell with the model, or with the name that holds it"
            _fail("the last statement has no value, so there is no model", lines, span_of(last, lines), fix)
    try:
        return compile(ast.Module(statements, []), file, "exec", dont_inherit=True), result
    except UNREADABLE as error:
        raise explain(error, source, lines) from None
