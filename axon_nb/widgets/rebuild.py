"""Owns the way from a text to what is known of it: its model, or how far it goes, why not further, and who is where.

Knows nothing about editing: it runs the text as a ``%%axon`` cell is run.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Any

from axon_nb.errors import AxonError
from axon_nb.graph import Model, Node
from axon_nb.graph import input as make_input
from axon_nb.layer import registry
from axon_nb.magic.cell import run
from axon_nb.magic.show import library
from axon_nb.magic.text import VALUE, Cell
from axon_nb.rows import Report, Row
from axon_nb.trace import report
from axon_nb.widgets.document import Document

_NO_BUILTINS: dict[str, Any] = {"__builtins__": {}}


@dataclass(frozen=True)
class Version:
    """A text, and all that is known of it."""

    text: str
    document: Document | None
    """``None`` where Python cannot read the text."""
    model: Model | None
    """The whole model, also one whose shapes do not fit; ``None`` where there is none."""
    report: Report
    """The rows up to the error, then those that it keeps from being reached."""
    error: AxonError | None
    steps: Mapping[str, ast.expr]
    """By the name of a row: the expression that made it. Rows made elsewhere are missing."""

    @property
    def is_valid(self) -> bool:
        """Whether there is a model, and its layers fit."""
        return self.error is None and self.model is not None

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The rows by name."""
        return {row.name: row for row in self.report.rows}

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes of the model by name."""
        return self.model.by_name if self.model else {}


def rebuild(text: str, names: Mapping[str, Any], *, plain: bool) -> Version:
    r"""Read and run a text.

    Args:
        text: with ``%%axon`` in its first line.
        names: variables in scope beside the layers.
        plain: whether nothing of Python's own is in scope.

    Example:
        >>> rebuild("%%axon m\ninput((None, 4), name='x') | dense(2)", {}, plain=True).report.totals.trainable
        10
    """
    try:
        document = Document.read(text)
    except AxonError as error:
        return Version(text, None, None, Report(None, (), error), error, {})
    scope = {**names, **_NO_BUILTINS} if plain else dict(names)
    try:
        model = _run(document.cell, scope)
    except AxonError as error:
        return _unfinished(document, scope, error)
    known = report(model)
    wrong = known.error if known.error is None or isinstance(known.error, AxonError) else AxonError(str(known.error))
    return Version(text, document, model, known, wrong, _steps(document, model))


def _run(cell: Cell, scope: Mapping[str, Any]) -> Model:
    known = library()
    made = run(cell, scope, registry, lambda name, shape: make_input(shape, name=name),
               is_model=known.is_model, unapplied=known.unapplied)  # fmt: skip
    model: Any = made.value
    name = cell.name
    return model.named(name) if name and name.isidentifier() else model


def _steps(document: Document, model: Model) -> dict[str, ast.expr]:
    found = {}
    for node, name in model.names.items():
        step = None if node.is_pick else document.step(node.layer.source)
        if step is not None:
            found[name] = step
    return found


def _unfinished(document: Document, scope: Mapping[str, Any], error: AxonError) -> Version:
    """Say what there is of a model up to an error, and what is written behind."""
    failed = _failed_step(document, error)
    statement = document.cell.tree.body[-1] if failed is None else document.statement(failed)
    cut = _before(document, failed) if failed is not None else None
    known, steps = Report(document.cell.name, (), error), {}
    part = _shorter(document, statement, cut)
    if part is not None:
        try:
            model = _run(part, scope)
            known, steps = report(model), _steps(document, model)
        except AxonError:
            pass  # what stands before makes no model either
    rest = _written(document, statement, cut)
    rows, more = _pending(document, rest, failed, known.rows)
    return Version(document.text, document, None, Report(document.cell.name, rows, error), error, {**steps, **more})


def _failed_step(document: Document, error: AxonError) -> ast.expr | None:
    """Find the expression of the cell that was running when an error was raised."""
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    found = None
    traceback: TracebackType | None = cause.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == document.cell.filename:
            at = next(islice(code.co_positions(), traceback.tb_lasti // 2, None), None)
            found = document.step_at(at) if at is not None else None
        traceback = traceback.tb_next
    return found


def _before(document: Document, step: ast.expr) -> ast.expr | None:
    """Return what stands before a step in the outermost pipe around it."""
    found = None
    node: ast.AST = step
    while not isinstance(node, ast.stmt):
        parent = document.parents[node]
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr) and parent.right is node:
            found = parent.left
        node = parent
    return found


def _shorter(document: Document, statement: ast.stmt, cut: ast.expr | None) -> Cell | None:
    """Make the cell that ends before a step, or before the whole statement."""
    body = document.cell.tree.body
    before = list(body[: body.index(statement)])
    value = cut
    while value is None and before:
        last = before[-1]
        value = last.value if isinstance(last, ast.Expr | ast.Assign) else None
        before = before[:-1] if value is None or isinstance(last, ast.Expr) else before
    if value is None:
        return None
    keep = ast.Assign([ast.copy_location(ast.Name(VALUE, ast.Store()), value)], value)
    tree = ast.Module([*before, ast.copy_location(keep, value)], [])
    cell = document.cell
    return replace(cell, tree=tree, code=compile(tree, cell.filename, "exec", dont_inherit=True), result=VALUE)


def _written(document: Document, statement: ast.stmt, cut: ast.expr | None) -> list[ast.expr]:
    """List the steps of a statement's pipe behind a place."""
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
    steps: list[ast.expr] = []
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr) and value is not cut:
        steps.append(value.right)
        value = value.left
    if value is not None and value is not cut:
        steps.append(value)
    return steps[::-1]


def _pending(
    document: Document, steps: list[ast.expr], failed: ast.expr | None, rows: tuple[Row, ...]
) -> tuple[tuple[Row, ...], dict[str, ast.expr]]:
    """Make rows of steps that were not reached: the one that failed, and those behind it."""
    counts = Counter(row.op for row in rows)
    taken = {row.name for row in rows}
    made = [replace(row, output=None) for row in rows]
    found: dict[str, ast.expr] = {}
    inside = set(ast.walk(failed)) if failed is not None else set()
    for step in steps:
        op = called(step)
        name = _given_name(step) or f"{op}_{counts[op]}"
        counts[op] += 1
        if name in taken:
            continue
        taken.add(name)
        declaration = getattr(registry.get(op), "declaration", None)
        is_failed = failed is not None and (step in inside or failed in set(ast.walk(step)))
        parents = (made[-1].key,) if made else ()
        made.append(Row(
            key=max((row.key for row in made), default=-1) + 1, name=name, op=op,
            family="input" if op == "input" else getattr(declaration, "family", "custom"), path=(), parents=parents,
            shape=None, dtype=None, status="failed" if is_failed else "pending",
            source=f"cell line {step.lineno}",
        ))  # fmt: skip
        found[name] = step
    return tuple(made), found


def called(step: ast.expr) -> str:
    """Return the name of the layer that a step calls, or what stands there.

    Example:
        >>> called(ast.parse("dense(2)").body[0].value), called(ast.parse("a + b").body[0].value)
        ('dense', 'add')
    """
    match step:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)) | ast.Name(id=name):
            return name
        case ast.Call(func=ast.Call() as inner):
            return called(inner)
        case ast.BinOp(op=ast.Add()):
            return "add"
        case ast.BinOp(op=ast.Sub()):
            return "subtract"
        case ast.BinOp(op=ast.Mult()):
            return "multiply"
        case ast.Tuple() | ast.List():
            return "values"
    return "function"


def _given_name(step: ast.expr) -> str | None:
    if isinstance(step, ast.Call):
        for one in step.keywords:
            if one.arg == "name" and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                return one.value.value or None
    return None
