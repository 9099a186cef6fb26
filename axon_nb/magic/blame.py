"""Owns the words for what goes wrong while a cell runs: which of its lines, which name, what to do.

Knows the cell and its namespace, but nothing about what layers are or how IPython shows an error.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from itertools import islice
from types import TracebackType

from axon_nb.caret import Span, span_of, span_of_bytes
from axon_nb.errors import AxonError, CellError, UnknownNameError, point
from axon_nb.magic.namespace import Namespace
from axon_nb.magic.text import Cell
from axon_nb.synonyms import nearest

_ELIXIR = {"nil": "None", "true": "True", "false": "False", "null": "None"}
Positions = tuple[int | None, int | None, int | None, int | None]


def blame(error: Exception, cell: Cell, names: Namespace) -> AxonError:
    """Make the error to show for one that was raised while a cell ran, with its place in the cell.

    An ``AxonError`` is returned itself, with its place filled in.
    """
    positions, is_innermost = _positions(error.__traceback__, cell)
    node = _node(cell.tree, positions)
    if isinstance(error, AxonError):
        option = _option(node, error.problem)
        return point(error, cell.lines, span_of(option, cell.lines) if option else span_at(cell, positions))
    ours = (is_innermost and (_unknown(error, names) or _hidden(error, node, names))) or _other(error)
    return point(ours, cell.lines, span_at(cell, positions))


def span_at(cell: Cell, positions: Positions) -> Span:
    """Turn positions of code of the cell, as Python compiled it, into what to point at."""
    node = _node(cell.tree, positions)
    if node:
        # A call over several lines is shown by what is called.
        is_long = node.end_lineno != node.lineno
        return span_of(node.func if is_long and isinstance(node, ast.Call) else node, cell.lines)
    line, end_line, column, end_column = positions
    line = line or 1
    last = len(cell.lines[line - 1].encode(errors="replace"))
    return span_of_bytes(line, column or 0, end_line or line, last if end_column is None else end_column, cell.lines)


def _positions(traceback: TracebackType | None, cell: Cell) -> tuple[Positions, bool]:
    """Find the innermost code of the cell that was running, and whether it raised the error itself."""
    found: Positions = (1, 1, 0, None)
    is_innermost = False
    while traceback:
        code = traceback.tb_frame.f_code
        is_innermost = code.co_filename == cell.filename
        if is_innermost:
            at = next(islice(code.co_positions(), traceback.tb_lasti // 2, None), (None, None, None, None))
            found = at if at[0] is not None else (traceback.tb_lineno, traceback.tb_lineno, 0, None)
        traceback = traceback.tb_next
    return found, is_innermost


def _node(tree: ast.Module, positions: Positions) -> ast.expr | None:
    """Find the expression that stands at these positions; of ``a | b`` it is what is joined on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            at = (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)
            if at == positions:
                return _joined(node)
    return None


def _joined(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.BinOp) and (isinstance(node.op, ast.BitOr) or node.end_lineno != node.lineno):
        node = node.right
    return node


def _option(node: ast.expr | None, problem: str) -> ast.keyword | None:
    """Find the option of a call that a problem speaks of."""
    options = node.keywords if isinstance(node, ast.Call) else []
    return next((one for one in options if one.arg and re.search(rf"\b{one.arg}\b", problem)), None)


def _unknown(error: Exception, names: Namespace) -> AxonError | None:
    """Make the error for a name that does not exist: the nearest ones, then all layers."""
    if type(error) is not NameError or not error.name:
        return None
    name = error.name
    if name in _ELIXIR:
        return UnknownNameError(f"there is no {name!r} in Python", fix=f"write {_ELIXIR[name]}")
    close = nearest(name, names.layers) or nearest(name, sorted({*_own(names), *dir(builtins)}))
    fixes = [f"did you mean {' or '.join(map(repr, close))}?"] if close else []
    if name.lower() in ("sequential", "model"):
        fixes = ["layers are joined by |: input((None, 784)) | dense(32) | dense(10)"]
    fixes.append("%axon layers lists all layers")
    return UnknownNameError(f"there is no layer or variable {name!r}", fix=fixes)


def _own(names: Namespace) -> Iterator[str]:
    """Leave out what IPython put among the user's variables."""
    return (name for name in names if not name.startswith("_") and name not in ("In", "Out", "exit", "quit"))


def _hidden(error: Exception, node: ast.expr | None, names: Namespace) -> AxonError | None:
    """Make the error for a variable that stands where a layer of the same name was meant."""
    name = _called(node)
    if not isinstance(error, TypeError) or name not in names.layers or names[name] is names.layers[name]:
        return None
    kind = type(names[name]).__name__
    problem = f"{name!r} is your own variable ({_article(kind)}) and hides the layer"
    fix = "give the variable another name" if name in names.assigned() else f"del {name}"
    return CellError(problem, got=f"TypeError: {error}", fix=fix)


def _called(node: ast.expr | None) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
            return name
    return ""


def _article(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def _other(error: Exception) -> CellError:
    if isinstance(error, TypeError) and re.match(r"input\(\) takes .* positional", str(error)):
        return CellError("input takes one shape", fix="write it with brackets of its own: input((None, 784))")
    first, *more = str(error).strip().splitlines() or [""]
    said = f": {first}{' ...' if more else ''}" if first else ""
    return CellError(f"{type(error).__name__}{said}")
