"""Owns the edit that joins the results of two layers: their pipes are cut, and what they make gets names.

Knows nothing about models or shapes.
"""

from __future__ import annotations

import ast

from axon_nb.widgets.document import Document, EditError, Pipe
from axon_nb.widgets.edits import Edit, Patch, index_of, patched


def join(document: Document, first: ast.expr, second: ast.expr, code: str, names: tuple[str, str, str]) -> Edit:
    r"""Join the results of two steps behind the one that is written last.

    Their pipes are cut after them, and what was made up to there gets a name.

    Args:
        document: the text.
        first: a step of a statement's pipe.
        second: another one.
        code: the layer that joins: ``add()``.
        names: three names that are free.

    Example:
        >>> document = Document.read("%%axon\nx\n| relu()\n| dense(2)\n| tanh()")
        >>> whole = document.cell.tree.body[0].value
        >>> print(join(document, whole.left.left.right, whole.left.right, "add()", ("h", "joined", "both")).text)
        %%axon
        h = x
        | relu()
        joined = h
        | dense(2)
        (joined, h)
        | add()
        | tanh()
    """
    early, late = sorted((first, second), key=lambda step: document.extent(step).start)
    if early is late:
        problem = "two layers are joined, and this is one"
        raise EditError(problem)
    text, name = _named(document, early, names[0])
    after = Document.read(text)
    shift = len(text) - len(document.text)
    again = _same(after, late, document.extent(late).start + shift)
    if again is None:
        problem = "these cannot be joined here"
        raise EditError(problem, fix="change the text")
    text, other = _named(after, again, names[1])
    done = Document.read(text)
    return _behind(done, other, f"({other}, {name})\n| {code}", names[2])


def _same(document: Document, step: ast.expr, start: int) -> ast.expr | None:
    wanted = ast.dump(step)
    found = [node for node in ast.walk(document.cell.tree) if isinstance(node, ast.expr) and ast.dump(node) == wanted]
    return next((node for node in found if document.extent(node).start == start), None)


def _named(document: Document, step: ast.expr, name: str) -> tuple[str, str]:
    """Give what a statement's pipe makes up to a step a name; it has one already where the statement ends there."""
    statement, pipe = document.statement(step), document.pipe(step)
    if document.parents[_outermost(document, step)] is not statement or not isinstance(
        statement, ast.Expr | ast.Assign
    ):
        problem = "only layers of a statement's own pipe can be joined, not those inside brackets"
        raise EditError(problem, fix="change the text")
    index, place = index_of(pipe, step), document.extent(statement)
    is_end = index == len(pipe.operands) - 1
    if isinstance(statement, ast.Assign):
        target = statement.targets[0]
        if len(statement.targets) != 1 or not isinstance(target, ast.Name):
            problem = "the statement assigns to several names"
            raise EditError(problem, fix="change the text")
        if is_end:
            return document.text, target.id
        value = document.extent(statement.value)
        return _cut_after(
            document, pipe, index, Patch(place.start, value.start, f"{name} = "), f"{target.id} = {name}"
        ), name
    if document.line_of(place.start) == 1:  # the body begins with a pipe: the header names its input
        start = document.lines[1]
        head = Patch(start, start, f"{name} = {document.source_of(pipe.operands[0])}\n")
        if index == 0:
            return document.text, document.source_of(pipe.operands[0])
    else:
        head = Patch(place.start, place.start, f"{name} = ")
    if is_end:
        return patched(document.text, head), name
    return _cut_after(document, pipe, index, head, name), name


def _cut_after(document: Document, pipe: Pipe, index: int, head: Patch, again: str) -> str:
    """Cut a pipe in two statements: the second begins with a name for what the first makes."""
    end = document.comment_after(pipe.extents[index].end)
    bar = pipe.pipes[index]
    if document.begins_line(bar):
        return patched(document.text, head, Patch(end, end, f"\n{again}"))
    rest = pipe.extents[index + 1].start
    return patched(document.text, head, Patch(pipe.extents[index].end, rest, f"\n{again}\n| "))


def _outermost(document: Document, step: ast.expr) -> ast.expr:
    node = step
    parent = document.parents[node]
    while isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr):
        node, parent = parent, document.parents[parent]
    return node


def _behind(document: Document, name: str, code: str, free: str) -> Edit:
    """Write a statement behind the one that assigns a name; what read the name from there on reads its result."""
    body = document.cell.tree.body
    made = [one for one in body if isinstance(one, ast.Assign) and name in _assigned(one)]
    at = body.index(made[-1]) if made else -1
    readers = [
        node for statement in body[at + 1 :] for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]  # fmt: skip
    layer = code.index("|") + 2
    if len(readers) == 1 and _begins_statement(document, readers[0]):
        place = document.extent(readers[0])
        return Edit(patched(document.text, Patch(place.start, place.end, code)), place.start + layer)
    end = document.comment_after(document.extent(made[-1]).end) if made else document.lines[1] - 1
    if not readers:
        return Edit(patched(document.text, Patch(end, end, f"\n{code}")), end + 1 + layer)
    renamed = [Patch(place.start, place.end, free) for place in map(document.extent, readers)]
    head = f"\n{free} = "
    return Edit(patched(document.text, Patch(end, end, head + code), *renamed), end + len(head) + layer)


def _assigned(statement: ast.Assign) -> set[str]:
    return {target.id for target in statement.targets if isinstance(target, ast.Name)}


def _begins_statement(document: Document, name: ast.expr) -> bool:
    node: ast.AST = name
    parent = document.parents[name]
    while isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr) and parent.left is node:
        node, parent = parent, document.parents[parent]
    return isinstance(parent, ast.Expr | ast.Assign) and document.line_of(document.extent(parent).start) > 1
