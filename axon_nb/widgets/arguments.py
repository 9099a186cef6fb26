"""Owns the edit of one argument of a call: written, changed or taken away, the others left as they are.

Knows nothing about which options a layer has.
"""

from __future__ import annotations

import ast

from axon_nb.widgets.document import Document, EditError, Extent
from axon_nb.widgets.edits import Edit, Patch, patched


def set_argument(
    document: Document, step: ast.expr, name: str, code: str | None, place: int | None, *, optional: bool = True
) -> Edit:
    r"""Write an argument of a call: in place of the one there, or behind all others; ``None`` takes it away.

    Args:
        document: the text.
        step: a call, or a bare name, which becomes one.
        name: the argument.
        code: its new value.
        place: which of the positional arguments it is, where it may stand among them.
        optional: whether it may be left out.

    Example:
        >>> document = Document.read("%%axon\nx | dense(2, name='a')")
        >>> set_argument(document, document.cell.tree.body[0].value.right, "units", "64", 0).text
        "%%axon\nx | dense(64, name='a')"
    """
    if isinstance(step, ast.Name):
        end = document.extent(step).end
        written = f"{name}={code}" if code is not None else ""
        return Edit(patched(document.text, Patch(end, end, f"({written})")), document.extent(step).start)
    if not isinstance(step, ast.Call):
        problem = "this has no options"
        raise EditError(problem, fix="write it as a call of the layer")
    start = document.extent(step).start
    keyword = next((one for one in step.keywords if one.arg == name), None)
    if keyword is not None:
        if code is None and optional:
            cut = cut_of(document, step, keyword)
            return Edit(patched(document.text, Patch(cut.start, cut.end, "")), start)
        value = document.extent(keyword.value)
        return Edit(patched(document.text, Patch(value.start, value.end, code or "None")), start)
    if place is not None and place < len(step.args):
        if any(isinstance(one, ast.Starred) for one in step.args[: place + 1]):
            problem = f"{name} is given with *, so it is not known where it stands"
            raise EditError(problem, fix="change the text")
        value = document.extent(step.args[place])
        return Edit(patched(document.text, Patch(value.start, value.end, code or "None")), start)
    if code is None:
        return Edit(document.text, start)
    if any(one.arg is None for one in step.keywords):
        problem = "options are given with **, so it is not known which"
        raise EditError(problem, fix="change the text")
    tokens = [one for one in document.between(document.extent(step.func).end, document.extent(step).end) if one.is_code]
    last = tokens[-2]
    comma = {"(": "", ",": " "}.get(last.text if tokens[0] is last or last.text == "," else "", ", ")
    at = last.start + len(last.text)
    return Edit(patched(document.text, Patch(at, at, f"{comma}{name}={code}")), start)


def cut_of(document: Document, call: ast.Call, argument: ast.keyword) -> Extent:
    """Return what to take away with an argument: it, and one comma."""
    place = document.extent(argument)
    tokens = document.between(document.extent(call.func).end, document.extent(call).end)
    after = next((one for one in tokens if one.is_code and one.start >= place.end), None)
    before = [one for one in tokens if one.is_code and one.start < place.start]
    if before and before[-1].text == ",":
        return Extent(before[-1].start, place.end)
    if after is not None and after.text == ",":
        rest = next((one for one in tokens if one.is_code and one.start > after.start), None)
        return Extent(place.start, rest.start if rest else after.start + 1)
    return place
