"""Owns ``--check "params < 50_000, output == (None, 10)"``: what a model must be, read without evaluating anything.

Knows nothing about IPython.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NoReturn

from axon_nb.display import style
from axon_nb.display.html import escape
from axon_nb.errors import CellError, unknown
from axon_nb.rows import Report, Row
from axon_nb.shapes import show

_EXAMPLE = 'write for example --check "params < 50_000, output == (None, 10)"'

FACTS: dict[str, Callable[[Report], Any]] = {
    "params": lambda report: report.totals.trainable + report.totals.frozen,
    "trainable": lambda report: report.totals.trainable,
    "frozen": lambda report: report.totals.frozen,
    "state": lambda report: report.totals.state,
    "size": lambda report: report.totals.nbytes,
    "macs": lambda report: report.totals.macs,
    "layers": lambda report: sum(not _is_input(row) for row in report.rows),
    "input": lambda report: _only([row.shape for row in report.rows if _is_input(row) and not row.parents]),
    "output": lambda report: _only([row.shape for row in report.rows if row.output is not None]),
}
"""What can be asked of a model; the name of a layer asks how many there are of it."""

_SIGNS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt), ast.LtE: ("<=", operator.le), ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge), ast.Eq: ("==", operator.eq), ast.NotEq: ("!=", operator.ne),
}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing that was asked, whether it is so, and what is the case."""

    text: str
    passed: bool
    actual: str


def check(report: Report, text: str, layers: Collection[str]) -> tuple[Check, ...]:
    """Look whether a model is as asked.

    Args:
        report: the model's rows.
        text: comparisons with commas between.
        layers: names of layers that may be counted.

    Raises:
        CellError: the text is something else.

    Example:
        >>> rows = (Row(0, "x", "input", "input", (), (), (None, 4), "float32", output=""),)
        >>> check(Report("m", rows), "params < 50_000, output == (None, 10)", ())
        (Check(text='params < 50_000', passed=True, actual='0'), Check(text='output == (None, 10)', passed=False, \
actual='(None, 4)'))
    """
    try:
        tree = ast.parse(f"({text}\n,)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        _refuse(f"{text!r} is no comparison")
    parts = tree.elts if isinstance(tree, ast.Tuple) else []
    if not parts:
        _refuse(f"{text!r} is no comparison")
    return tuple(_one(part, report, layers) for part in parts)


def _refuse(problem: str) -> NoReturn:
    problem = f"--check: {problem}"
    raise CellError(problem, fix=_EXAMPLE)


def _one(node: ast.expr, report: Report, layers: Collection[str]) -> Check:
    text = _source(node)
    if not isinstance(node, ast.Compare) or not all(type(sign) in _SIGNS for sign in node.ops):
        _refuse(f"{text!r} is no comparison with <, <=, >, >=, == or !=")
    sides = [_value(side, report, layers) for side in (node.left, *node.comparators)]
    known = [side for side, one in zip(sides, (node.left, *node.comparators), strict=True) if isinstance(one, ast.Name)]
    if not known:
        _refuse(f"{text!r} asks nothing of the model")
    passed = all(
        _holds(_SIGNS[type(sign)], left, right, text)
        for sign, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
    )
    return Check(text, passed, ", ".join(map(_shown, known)))


def _source(node: ast.expr) -> str:
    """Write a comparison as people do, thousands with ``_``."""
    if isinstance(node, ast.Compare):
        signs = [_SIGNS[type(sign)][0] if type(sign) in _SIGNS else "?" for sign in node.ops]
        sides = map(_source, node.comparators)
        return " ".join([_source(node.left), *(f"{sign} {side}" for sign, side in zip(signs, sides, strict=True))])
    if isinstance(node, ast.Constant) and isinstance(node.value, int) and not isinstance(node.value, bool):
        return f"{node.value:_}"
    return ast.unparse(node)


def _holds(sign: tuple[str, Callable[[Any, Any], bool]], left: Any, right: Any, text: str) -> bool:
    if sign[0] in ("==", "!="):
        return sign[1](left, right)
    for side in (left, right):
        if side is None:
            return False  # a cost that is not known
        if isinstance(side, tuple | str):
            _refuse(f"{text!r} orders what has no order")
    return sign[1](left, right)


def _value(node: ast.expr, report: Report, layers: Collection[str]) -> Any:
    match node:
        case ast.Constant(value=int() | float() | str() | None) if not isinstance(node.value, bool):
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Tuple(elts=sizes) | ast.List(elts=sizes):
            return tuple(_size(size, report, layers) for size in sizes)
        case ast.Name(id=name):
            if name in FACTS:
                return FACTS[name](report)
            own = {row.op for row in report.rows}  # layers of the user's own among them
            if name in layers or name in own:
                return sum(row.op == name for row in report.rows)
            raise unknown("fact", name, dict.fromkeys([*FACTS, *own, *layers]), error=CellError)  # noqa: EM101 - the kind, not the message
    _refuse(f"{ast.unparse(node)!r} is neither a fact of the model, a number nor a shape")


def _size(node: ast.expr, report: Report, layers: Collection[str]) -> Any:
    """Read a size in a shape: a bare name there names a dim."""
    return node.id if isinstance(node, ast.Name) else _value(node, report, layers)


def _is_input(row: Row) -> bool:
    return row.op == "input"


def _only(shapes: list[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else tuple(shapes)


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and any(isinstance(one, tuple) for one in value):
        return ", ".join(map(_shown, value))
    return show(value) if isinstance(value, tuple) else f"{value:_}" if isinstance(value, int) else str(value)


def checks_text(made: tuple[Check, ...]) -> str:
    """Write checks as text.

    Example:
        >>> print(checks_text((Check("params < 5", False, "8"),)))
        0 of 1 check passed
          FAIL  params < 5  (is 8)
    """
    lines = [f"  {'pass' if one.passed else 'FAIL'}  {one.text}  (is {one.actual})" for one in made]
    return "\n".join([_headline(made), *lines])


def _headline(made: tuple[Check, ...]) -> str:
    return f"{sum(one.passed for one in made)} of {len(made)} check{'s' * (len(made) > 1)} passed"


def checks_html(made: tuple[Check, ...]) -> str:
    """Write checks as HTML: in words, not by colour alone.

    Example:
        >>> "FAIL" in checks_html((Check("params < 5", False, "8"),))
        True
    """
    lines = "\n".join(
        f'<div style="padding:2px 0 2px 10px;border-left:3px solid {style.RIGHT if one.passed else style.WRONG}">'
        f"<strong>{'pass' if one.passed else 'FAIL'}</strong>&ensp;<code>{escape(one.text)}</code>"
        f'&ensp;<span style="{style.FAINT}">is {escape(one.actual)}</span></div>'
        for one in made
    )
    return f'<div style="margin:6px 0;font-size:13px"><strong>{_headline(made)}</strong>\n{lines}\n</div>'
