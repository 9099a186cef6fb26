"""Owns changes of a text that make its model fit: those an error offers, and those for a call that cannot be made.

Knows nothing about which mistakes there are: errors bring their fixes, and each is tried before it is offered.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from axon_nb.errors import AxonError
from axon_nb.graph import INPUT, Model, Node
from axon_nb.layer import Op, registry
from axon_nb.widgets import arguments, edits
from axon_nb.widgets.document import Document
from axon_nb.widgets.rebuild import Version, called
from axon_nb.widgets.values import write

MOST = 4
Try = Callable[[str], Version]
_Change = tuple[tuple[int, int], Callable[[Document], edits.Edit]]
"""A change, and the line and column of what it changes."""


@dataclass(frozen=True)
class Offer:
    """A change that was tried and works: what it does, and the text after it."""

    words: str
    text: str


def offers(version: Version, attempt: Try, names: Mapping[str, Any]) -> list[Offer]:
    """Find changes after which the model of a text fits.

    Args:
        version: one that is not valid.
        attempt: makes the version of a text.
        names: the user's variables.
    """
    if version.document is None or version.error is None:
        return []
    found: list[Offer] = []
    seen = {version.text}
    candidates = _offered(version) if version.model is not None else _guessed(version, names)
    for words, text in candidates:
        if text not in seen and len(found) < MOST:
            seen.add(text)
            if attempt(text).is_valid:
                found.append(Offer(words, text))
    return found


def _offered(version: Version) -> Iterator[tuple[str, str]]:
    """Turn the models that an error offers into texts."""
    assert version.model is not None and version.document is not None  # noqa: S101, PT018  # the caller has looked
    for fix in version.error.fixes if version.error else ():
        model = getattr(fix, "model", None)
        if isinstance(model, Model):
            try:
                yield str(fix), as_text(version.document, version.model, model)
            except (AxonError, StopIteration, ValueError):
                continue
    failed = next((row.name for row in version.report.rows if row.status == "failed"), None)
    if failed is not None and failed in version.steps:
        step = version.steps[failed]
        if called(step) != "input":
            yield f"leave {failed} out", edits.delete(version.document, step).text


def as_text(document: Document, old: Model, new: Model) -> str:
    """Make the changes to a text that lead from its model to another one that was made of it.

    A layer that stands where an old one was written is that one with other options; all others are put in before what
    reads them.

    Raises:
        AxonError: the change cannot be made in the text.
    """
    text = document.text
    before = {_place(layer): layer for layer in _ops(old) if _place(layer) is not None}
    after = {id(layer) for layer in _ops(new)}
    kept = {id(layer) for layer in _ops(old)}
    changes: list[_Change] = []
    for node in new.nodes:
        if id(node.layer) in kept:
            continue
        was = before.get(_place(node.layer))
        if was is not None and was.declaration is node.layer.declaration and id(was) not in after:
            changes.append(_options(was, node.layer))
        else:
            changes.append(_insertion(new, node, kept, before))
    changed = {_place(node.layer) for node in new.nodes}
    for layer in old.layers:
        if id(layer) not in after and _place(layer) not in changed:
            changes.append(_deletion(layer))
    # From the last place to the first: earlier places stay where they are.
    for _, change in sorted(changes, key=lambda one: one[0], reverse=True):
        text = change(document if text == document.text else Document.read(text)).text
    return text


def _ops(model: Model) -> list[Op]:
    return list(dict.fromkeys(node.layer for node in model.nodes))


def _place(layer: Op) -> tuple[Any, ...] | None:
    return None if layer.source is None else (layer.source.filename, layer.source.position)


def _options(was: Op, now: Op) -> _Change:
    position = was.source.position if was.source else (0, 0, 0, 0)
    given = {name: value for name, value in now.options.items() if was.options[name] != value}

    def change(document: Document) -> edits.Edit:
        done = edits.Edit(document.text)
        for name, value in given.items():
            here = document if done.text == document.text else Document.read(done.text)
            step = _step_like(here, was, position)
            places = [option.name for option in was.declaration.options if option.positional]
            place = places.index(name) if name in places else None
            option = was.declaration.option(name)
            code = None if not option.required and value == option.default else write(value, option)
            done = arguments.set_argument(here, step, name, code, place)
        return done

    return (position[0], position[2] or 0), change


def _step_like(document: Document, layer: Op, position: tuple[int | None, ...]) -> ast.expr:
    """Find the expression that begins where a layer was written; its end may have moved."""
    exact = document.step_at(position)
    if exact is not None:
        return exact
    line, column = position[0], position[2]
    for node in ast.walk(document.cell.tree):
        if isinstance(node, ast.Call) and (node.lineno, node.col_offset) == (line, column):
            return node
    problem = f"{layer!r} is not written in this cell"
    raise AxonError(problem)


def _insertion(new: Model, node: Node, kept: set[int], before: Mapping[Any, Op]) -> _Change:
    reader = next(one for one in new.nodes if node in one.parents)
    while id(reader.layer) not in kept and _place(reader.layer) not in before:
        reader = next(one for one in new.nodes if reader in one.parents)
    source = reader.layer.source
    position = source.position if source else (0, 0, 0, 0)
    code = code_of(node.layer)

    def change(document: Document) -> edits.Edit:
        return edits.insert(document, _step_like(document, reader.layer, position), code, before=True)

    return (position[0], position[2] or 0), change


def _deletion(layer: Op) -> _Change:
    position = layer.source.position if layer.source else (0, 0, 0, 0)

    def change(document: Document) -> edits.Edit:
        return edits.delete(document, _step_like(document, layer, position))

    return (position[0], position[2] or 0), change


def code_of(layer: Op) -> str:
    """Write a declared layer as code.

    Raises:
        AxonError: it is none, or an option has no literal.

    Example:
        >>> from axon_nb import conv
        >>> code_of(conv(8, 3, padding="same"))
        'conv(8, kernel_size=3, padding="same")'
    """
    declaration = layer.declaration
    if declaration is not INPUT and declaration.name not in registry:
        problem = f"{layer!r} is not a layer with a name"
        raise AxonError(problem)
    bare = [o.name for o in declaration.options[:1] if o.positional and (o.required or declaration is INPUT)]
    parts = []
    for name, value in declaration.shown(layer.options):
        written = write(value, declaration.option(name))
        parts.append(written if name in bare else f"{name}={written}")
    if layer.name:
        parts.append(f"name={write(layer.name)}")
    return f"{declaration.name}({', '.join(parts)})"


def _guessed(version: Version, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Propose changes of a call that cannot be made: the nearest name, an example for an option, no such layer."""
    document = version.document
    failed = next((row.name for row in version.report.rows if row.status == "failed"), None)
    if document is None or failed is None or failed not in version.steps:
        return
    step, problem = version.steps[failed], str(version.error.problem if version.error else "")
    name = called(step)
    function = step.func if isinstance(step, ast.Call) else step
    if isinstance(function, ast.Name) and name not in names and name not in registry:
        place = document.extent(function)
        for close in difflib.get_close_matches(name, list(registry), n=2, cutoff=0.5):
            yield f"write {close}", document.text[: place.start] + close + document.text[place.end :]
    declaration = getattr(registry.get(name), "declaration", None)
    for option in () if declaration is None else declaration.options:
        if re.search(rf"\b{re.escape(option.name)}\b", problem) and option.type.example is not None:
            places = [one.name for one in declaration.options if one.positional]  # type: ignore[union-attr]
            place_of = places.index(option.name) if option.name in places else None
            code = write(option.type.example, option)
            try:
                yield f"{option.name}={code}", arguments.set_argument(document, step, option.name, code, place_of).text
            except AxonError:
                continue
    yield f"leave {failed} out", edits.delete(document, step).text
