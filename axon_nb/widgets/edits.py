"""Owns the edits of a model's text: each changes as little of it as can be, comments, names and layout are kept.

Knows nothing about models or shapes: a layer is the expression that made it.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from axon_nb.widgets.document import Document, EditError, Extent, Pipe


@dataclass(frozen=True)
class Edit:
    """A text after an edit, and a place in it that is in what was edited last."""

    text: str
    focus: int | None = None


@dataclass(frozen=True)
class Patch:
    """A piece of a text, and what is put in its place."""

    start: int
    end: int
    text: str


def patched(text: str, *patches: Patch) -> str:
    """Put other text in place of some pieces; their places are those in the old text."""
    for patch in sorted(patches, key=lambda one: (one.start, one.end), reverse=True):
        text = text[: patch.start] + patch.text + text[patch.end :]
    return text


def insert(document: Document, step: ast.expr, code: str, *, before: bool = False) -> Edit:
    r"""Put a layer behind (or before) another in its pipe.

    Example:
        >>> from axon_nb.widgets.document import Document
        >>> document = Document.read("%%axon\nx\n| dense(2)  # two\n")
        >>> first = document.pipe(document.cell.tree.body[0].value.right).operands[0]
        >>> print(insert(document, first, "relu()").text)
        %%axon
        x
        | relu()
        | dense(2)  # two
        <BLANKLINE>
    """
    step = _applied(document, step)
    pipe = document.pipe(step)
    index = index_of(pipe, step) - before
    if isinstance(document.parents[step], ast.BinOp) and len(pipe.operands) == 1:  # | binds less than + does
        place = pipe.extents[0]
        texts = (f"({code} | ", ")") if before else ("(", f" | {code})")
        patches = Patch(place.start, place.start, texts[0]), Patch(place.end, place.end, texts[1])
        return Edit(patched(document.text, *patches), place.start + 1 if before else place.end + 4)
    if index < 0:
        start = pipe.extents[0].start
        return Edit(patched(document.text, Patch(start, start, f"{code} | ")), start)
    end = pipe.extents[index].end
    if document.line_of(end) == 1:
        end = document.lines[1] - 1
        return Edit(patched(document.text, Patch(end, end, f"\n| {code}")), end + 3)
    if not _stands_in_lines(document, pipe) or not _is_alone(document, pipe.extents[index]):
        return Edit(patched(document.text, Patch(end, end, f" | {code}")), end + 3)
    end = document.comment_after(end)
    lead = _lead(document, pipe)
    return Edit(patched(document.text, Patch(end, end, f"\n{lead}{code}")), end + 1 + len(lead))


def _applied(document: Document, step: ast.expr) -> ast.expr:
    """Return the call in which a layer is applied by brackets, ``dense(2)(x)``, in place of the layer."""
    parent = document.parents.get(step)
    while isinstance(parent, ast.Call) and parent.func is step:
        step, parent = parent, document.parents.get(parent)
    return step


def index_of(pipe: Pipe, step: ast.expr) -> int:
    """Return which of a pipe's operands a step is."""
    return pipe.operands.index(step)


def _stands_in_lines(document: Document, pipe: Pipe) -> bool:
    """Whether its steps stand under one another, or would, being the first of a statement."""
    if len(pipe.operands) == 1:
        parent = document.parents[pipe.operands[0]]
        return pipe.depth == 0 and isinstance(parent, ast.Expr | ast.Assign) and _is_alone(document, pipe.extents[0])
    return any(document.begins_line(place) for place in pipe.pipes)


def _is_alone(document: Document, place: Extent) -> bool:
    return document.comment_after(place.end) > place.end or document.text[place.end : place.end + 1] in ("", "\n")


def _lead(document: Document, pipe: Pipe) -> str:
    """Return the space and the pipe that lines of this pipe begin with."""
    place = next((p for p in pipe.pipes if document.begins_line(p)), None)
    if place is None:
        return document.indent_at(pipe.extents[0].start) + "| "
    found = re.compile(r"\|>?[ \t]*").match(document.text, place)
    return document.indent_at(place) + (found.group() if found else "| ")


def append(document: Document, code: str) -> Edit:
    """Write a statement behind all others."""
    text = document.text.rstrip("\n")
    return Edit(f"{text}\n{code}\n", len(text) + 1)


def prepend(document: Document, code: str) -> Edit:
    """Write a statement before all others."""
    first = document.cell.tree.body[0]
    place = document.lines[max(first.lineno, 2) - 1]
    return Edit(patched(document.text, Patch(place, place, f"{code}\n")), place)


def delete(document: Document, step: ast.expr) -> Edit:
    r"""Take a layer out of its pipe; one that stands alone becomes ``noop()``, a sum its first part.

    Example:
        >>> document = Document.read("%%axon\nx | relu() | dense(2)")
        >>> delete(document, document.cell.tree.body[0].value.left.right).text
        '%%axon\nx | dense(2)'
    """
    pipe = document.pipe(step)
    index = index_of(pipe, step)
    if isinstance(step, ast.BinOp):
        place = document.extent(step)
        return Edit(patched(document.text, Patch(place.start, place.end, _inner(document, step.left))), place.start)
    if len(pipe.operands) == 1:
        return _delete_alone(document, step, pipe.extents[0])
    if index == 0:
        if document.line_of(pipe.extents[0].start) == 1:
            problem = "this input is named in the first line"
            raise EditError(problem, fix="change the first line of the text")
        return Edit(
            patched(document.text, Patch(pipe.extents[0].start, pipe.extents[1].start, "")), pipe.extents[0].start
        )
    before, place = pipe.extents[index - 1], pipe.extents[index]
    return Edit(patched(document.text, *_cuts(document, pipe, index, before, place)), before.start)


def _cuts(document: Document, pipe: Pipe, index: int, before: Extent, place: Extent) -> list[Patch]:
    """Return what to take away with a step that has one before it."""
    line = own_line(document, pipe, index)
    if line is not None:
        return [Patch(line.start, line.end, "")]
    bar = pipe.pipes[index - 1]
    if (
        document.begins_line(bar)
        and index < len(pipe.pipes)
        and document.line_of(pipe.pipes[index]) == document.line_of(bar)
    ):
        return [Patch(bar, pipe.pipes[index], "")]
    between = document.between(before.end, place.start)
    if any(token.kind == "comment" for token in between):
        token = next(token for token in between if token.start == bar)
        return [Patch(bar, bar + len(token.text), ""), Patch(place.start, place.end, "")]
    return [Patch(before.end, place.end, "")]


def _inner(document: Document, node: ast.expr) -> str:
    """Write a part of an expression, in brackets where it had some."""
    code = document.source_of(node)
    return f"({code})" if isinstance(node, ast.BinOp | ast.Lambda | ast.IfExp) else code


def _delete_alone(document: Document, step: ast.expr, place: Extent) -> Edit:
    parent = document.parents.get(step)
    siblings: list[ast.expr] = []
    if isinstance(parent, ast.Tuple | ast.List | ast.Call):
        siblings = parent.args if isinstance(parent, ast.Call) else parent.elts
    if step in siblings and len(siblings) > 2 - isinstance(parent, ast.Call):
        at = siblings.index(step)
        if at + 1 < len(siblings):
            patch = Patch(place.start, document.extent(siblings[at + 1]).start, "")
        else:
            patch = Patch(document.extent(siblings[at - 1]).end, place.end, "")
        return Edit(patched(document.text, patch), place.start)
    if isinstance(parent, ast.Expr):
        start = document.lines[document.line_of(place.start) - 1]
        end = document.comment_after(place.end)
        return Edit(patched(document.text, Patch(start, min(end + 1, len(document.text)), "")), None)
    return Edit(patched(document.text, Patch(place.start, place.end, "noop()")), place.start)


def own_line(document: Document, pipe: Pipe, index: int) -> Extent | None:
    """Return the lines of a step that shares them with no other, the line end before them included."""
    if index == 0 or not document.begins_line(pipe.pipes[index - 1]):
        return None
    place = pipe.extents[index]
    end = document.comment_after(place.end)
    if end == place.end and end < len(document.text) and document.text[end] != "\n":
        return None
    start = document.lines[document.line_of(pipe.pipes[index - 1]) - 1] - 1
    return Extent(start, end)


def begins(pipe: Pipe) -> bool:
    """Whether data, not a layer, begins a pipe, as far as its text says: ``input(...)``, a name, several values."""
    first = pipe.operands[0]
    return not isinstance(first, ast.Call) or _called(first) == "input"


def _called(node: ast.expr) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def step_at(document: Document, place: int | None) -> ast.expr | None:
    """Find the outermost step of a pipe, or else the expression, that begins at a place of the text."""
    found = None
    for node in ast.walk(document.cell.tree):
        if isinstance(node, ast.expr) and place == document.extent(node).start:
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)):
                return node
            found = found or node
    return found


def wrap(document: Document, step: ast.expr, start: str, end: str, last: ast.expr | None = None) -> Edit:
    r"""Put a layer, or several that follow one another in a pipe, inside brackets.

    Example:
        >>> document = Document.read("%%axon\nx | dense(2) | relu()")
        >>> last = document.cell.tree.body[0].value
        >>> wrap(document, last.left.right, "residual(", ")", last.right).text
        '%%axon\nx | residual(dense(2) | relu())'
    """
    pipe = document.pipe(step)
    first, final = index_of(pipe, step), index_of(pipe, step)
    if last is not None:
        if last not in pipe.operands:
            problem = "only layers of one pipe can be taken together"
            raise EditError(problem)
        first, final = sorted((first, index_of(pipe, last)))
    if first == 0 and begins(pipe):
        problem = "what begins a pipe cannot be wrapped"
        raise EditError(problem, fix="choose what stands behind it")
    a, b = pipe.extents[first].start, pipe.extents[final].end
    return Edit(patched(document.text, Patch(a, a, start), Patch(b, b, end)), a)
