"""Owns the edits by which a layer changes its place, or is written a second time.

Knows nothing about models or shapes.
"""

from __future__ import annotations

import ast

from axon_nb.widgets.arguments import cut_of
from axon_nb.widgets.document import Document, EditError, Extent
from axon_nb.widgets.edits import Edit, Patch, begins, delete, index_of, insert, own_line, patched, step_at

_NAME = "name"


def move(document: Document, step: ast.expr, by: int) -> Edit:
    r"""Let a layer change places with one before (``by=-1``) or behind it (``by=1``) in its pipe.

    Example:
        >>> document = Document.read("%%axon\nx\n| relu()  # bend\n| dense(2)")
        >>> move(document, document.cell.tree.body[0].value.right, -1).text
        '%%axon\nx\n| dense(2)\n| relu()  # bend'
    """
    pipe = document.pipe(step)
    index = index_of(pipe, step)
    other, first = index + by, int(begins(pipe))
    fix = "a layer moves inside its own pipe"
    if index < first:
        problem = "what begins a pipe cannot be moved"
        raise EditError(problem, fix="move what stands behind it")
    if not first <= other < len(pipe.operands):
        problem = f"it is the {'first' if by < 0 else 'last'} already"
        raise EditError(problem, fix=fix)
    mine, its = pipe.extents[index], pipe.extents[other]
    if own_line(document, pipe, index) and own_line(document, pipe, other):  # comments move along
        mine, its = (Extent(one.start, document.comment_after(one.end)) for one in (mine, its))
    texts = [document.text[one.start : one.end] for one in (mine, its)]
    text = patched(document.text, Patch(mine.start, mine.end, texts[1]), Patch(its.start, its.end, texts[0]))
    return Edit(text, its.start + (len(texts[1]) - len(texts[0]) if by > 0 else 0))


def move_after(document: Document, step: ast.expr, other: ast.expr) -> Edit:
    """Take a layer out of its pipe and put it behind another one, in whatever pipe that stands."""
    if step is other or other in list(ast.walk(step)):
        problem = "a layer cannot be moved into itself"
        raise EditError(problem)
    pipe, target = document.pipe(step), document.pipe(other)
    index = index_of(pipe, step)
    if index == 0 and begins(pipe):
        problem = "what begins a pipe cannot be moved"
        raise EditError(problem, fix="move what stands behind it")
    if target.operands == pipe.operands:
        return _move_inside(document, step, index_of(target, other) - index + (index_of(target, other) < index))
    place = pipe.extents[index]
    code = document.text[place.start : place.end]
    mark = "\N{OBJECT REPLACEMENT CHARACTER}"
    put = insert(document, other, mark + code)
    after = Document.read(put.text.replace(mark, ""))
    shift = len(put.text) - 1 - len(document.text)
    at = put.text.index(mark)
    moved = place.start + (shift if at <= place.start else 0)
    found = (
        node for node in ast.walk(after.cell.tree)
        if isinstance(node, ast.expr) and type(node) is type(step) and after.extent(node).start == moved
        and after.extent(node).end == moved + len(code)
    )  # fmt: skip
    old = next(found, None)
    if old is None:
        problem = "a layer cannot be moved there: the text around it would be read otherwise"
        raise EditError(problem, fix="delete it here, and insert it there")
    gone = delete(after, old)
    return Edit(gone.text, at - (len(after.text) - len(gone.text) if moved < at else 0))


def _move_inside(document: Document, step: ast.expr, by: int) -> Edit:
    done = Edit(document.text, document.extent(step).start)
    here, focus = document, step
    for _ in range(abs(by)):
        done = move(here, focus, 1 if by > 0 else -1)
        here = Document.read(done.text)
        focus = step_at(here, done.focus) or focus
    return done


def duplicate(document: Document, step: ast.expr) -> Edit:
    """Put a layer like this one behind it; a name is not copied, for no two layers have the same."""
    pipe = document.pipe(step)
    place = pipe.extents[index_of(pipe, step)]
    code = document.text[place.start : place.end]
    if isinstance(step, ast.Call):
        name = next((one for one in step.keywords if one.arg == _NAME), None)
        if name is not None:
            cut = cut_of(document, step, name)
            code = code[: cut.start - place.start] + code[cut.end - place.start :]
    return insert(document, step, code)
