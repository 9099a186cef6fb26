"""Owns the running of a cell: its code in a namespace of its own, and out of it a model.

Knows nothing about IPython, and nothing of layers but what it is handed.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from axon_nb.caret import Span, span_of
from axon_nb.errors import AxonError, CellError, point
from axon_nb.magic.blame import blame
from axon_nb.magic.namespace import Namespace
from axon_nb.magic.text import VALUE, Cell
from axon_nb.shapes import Shape

MakeInput = Callable[[str, Shape | None], object]
IsModel = Callable[[object], bool]
_LONGEST = 60
Unapplied = Callable[[object], str | None]


@dataclass(frozen=True)
class Result:
    """The model that a cell made, and what else it assigned."""

    value: object
    assigned: dict[str, object]


def run(
    cell: Cell,
    user: Mapping[str, object],
    layers: Mapping[str, object],
    make_input: MakeInput,
    *,
    is_model: IsModel,
    unapplied: Unapplied = lambda value: None,
) -> Result:
    r"""Run a cell and return its model; the user's variables are read and never written.

    Args:
        cell: what ``read_cell`` made.
        user: the user's variables. They win over layers of the same name.
        layers: all layers and combinators by name, and ``input``.
        make_input: makes the model of an input that the header names.
        is_model: says whether a value is a model.
        unapplied: says what a layer that has no input yet is called (a Layer, a Block); None for anything else.

    Raises:
        AxonError: one that a layer raised, with its place in the cell filled in.
        CellError: the user's code failed, or made no model.
        UnknownNameError: a name is neither a layer nor a variable.

    Example:
        >>> from axon_nb.magic.text import read_cell
        >>> cell = read_cell("total(x)", "y = x + one\ny | 8")
        >>> run(cell, {"one": 1}, {}, lambda name, shape: 2, is_model=lambda value: isinstance(value, int))
        Result(value=11, assigned={'y': 3})
    """
    _check_name(cell, layers)
    _remember(cell)
    inputs = _inputs(cell, make_input)
    namespace = Namespace(user, layers, inputs)
    try:
        exec(cell.code, namespace)  # running the user's code is what a cell is for
    except AxonError as error:
        blame(error, cell, namespace)
        raise
    except Exception as error:
        raise blame(error, cell, namespace) from error
    value = namespace[cell.result]
    if not is_model(value):
        raise _no_model(value, cell, unapplied)
    assigned = namespace.settle()
    assigned.pop(VALUE, None)
    return Result(value, assigned)


def _check_name(cell: Cell, layers: Mapping[str, object]) -> None:
    name = cell.header.name
    if name and name in layers:
        start = cell.lines[0].find(name)
        problem = f"{name!r} is a layer, which a model of that name would hide"
        error = CellError(problem, fix=f"write for example %%axon {name}_model")
        raise point(error, cell.lines, Span(1, start, 1, start + len(name)))


def _remember(cell: Cell) -> None:
    """Let tracebacks and ``inspect`` find the lines of the cell."""
    lines = [f"{line}\n" for line in cell.lines]
    linecache.cache[cell.filename] = (sum(map(len, lines)), None, lines, cell.filename)


def _inputs(cell: Cell, make_input: MakeInput) -> dict[str, object]:
    """Make the inputs of the header, by code that stands there: so they are written where the user wrote them."""
    made: dict[str, object] = {}
    for entry in cell.header.inputs:
        place = entry.span
        start, end = (len(cell.lines[0][:column].encode()) for column in (place.column, place.end_column))
        call = ast.parse("make(name, shape)", mode="eval")
        for node in ast.walk(call):
            if isinstance(node, ast.expr):
                node.col_offset, node.end_col_offset = start, end
        try:
            scope = {"make": make_input, "name": entry.name, "shape": entry.shape}
            made[entry.name] = eval(compile(call, cell.filename, "eval", dont_inherit=True), scope)
        except AxonError as error:
            point(error, cell.lines, place)
            raise
    return made


def _no_model(value: object, cell: Cell, unapplied: Unapplied) -> CellError:
    """Say what the cell made in place of a model."""
    last = cell.tree.body[-1]
    node = _first_operand(last.value) if isinstance(last, ast.Expr) else last
    return point(_say_no_model(value, unapplied(value)), cell.lines, span_of(node, cell.lines))


def _say_no_model(value: object, layer: str | None) -> CellError:
    kind = type(value).__name__
    if layer:
        fix = "start with input(...), for example: input((None, 784)) | ..."
        return CellError(f"this is a {layer}: it has no input yet, so it is no model", fix=fix)
    if value is None:
        return CellError("the cell makes None, not a model", fix="end the cell with the model")
    if isinstance(value, tuple | list | dict):
        fix = "outputs(name=..., other=...) makes one model of several"
        return CellError(f"the cell makes a {kind}, not one model", fix=fix)
    if callable(value):
        name = getattr(value, "__name__", kind)
        return CellError(f"{name!r} is a function, not a model", fix=f"call it: {name}(...)")
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    return CellError(f"the cell makes {article} {kind}, not a model", got=_short(value), fix="end it with the model")


def _first_operand(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else f"{text.splitlines()[0][:_LONGEST]}..."
