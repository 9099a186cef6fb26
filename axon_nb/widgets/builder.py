"""Owns ``Builder``: a model that is changed by calls, each of which changes its text; undo, redo, fixes.

Knows nothing about how it is shown, but that somebody may want to hear of changes.
"""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from axon_nb.declaration import Declaration
from axon_nb.display.views import View, card
from axon_nb.errors import AxonError, brief, unknown
from axon_nb.graph import INPUT, Model
from axon_nb.layer import check_name, registry
from axon_nb.rows import Report
from axon_nb.widgets import arguments, edits, joins, moves
from axon_nb.widgets.document import Document, EditError, clean, split_header
from axon_nb.widgets.fixes import Offer, offers
from axon_nb.widgets.guard import Guard
from axon_nb.widgets.opening import input_for, name_of, own_layers, text_of
from axon_nb.widgets.rebuild import Version, called, rebuild
from axon_nb.widgets.shown import Shown, look_again
from axon_nb.widgets.values import check, literal_options, typed, write


@dataclass(frozen=True)
class _Moment:
    version: Version
    selected: str | None


class Builder(Shown):
    """Build a model step by step, by hand or by calls; its text, its table and its diagram are always in step.

    In a notebook it is shown as a page to build on. Every click there is a call of one of its methods.

    Args:
        model: what to begin with: any model, or the text of a ``%%axon`` cell. Nothing by default.
        data: data for the model, ``(x, y)`` or x: an empty builder begins with an input of its shape.
        names: variables that the text may use, beside all layers.

    Example:
        >>> from axon_nb.widgets.builder import Builder
        >>> builder = Builder()
        >>> builder.insert("input", shape=(None, 1, 28, 28), name="image")
        >>> builder.insert("flatten")
        >>> builder.insert("dense", units=10, activation="softmax")
        >>> builder.set("dense_0", units=12)
        >>> print(builder.text)
        %%axon net
        input((None, 1, 28, 28), name="image")
        | flatten()
        | dense(12, activation="softmax")
        <BLANKLINE>
        >>> builder.undo()
        >>> builder.model.output_shape
        (None, 10)
    """

    def __init__(
        self, model: Model | str | None = None, data: Any = None, *, names: Mapping[str, Any] | None = None
    ) -> None:
        self.data = data
        self._listeners: list[Callable[[], None]] = []
        self._past: list[_Moment] = []
        self._future: list[_Moment] = []
        self.names = dict(names or {}) | own_layers(model)
        self._guard = Guard(registry, self.names)
        self.selected: str | None = None
        self._model: Model | None = None
        text = clean(model if isinstance(model, str) else text_of(model, self.names), name_of(model))
        if split_header(text)[1].strip() == "" and data is not None:
            text += f"{input_for(data)}\n"
        self._show(self._read(text, own=True))

    # What there is.

    @property
    def text(self) -> str:
        """The text of the ``%%axon`` cell. Assign to it to change the model."""
        return self._version.text

    @text.setter
    def text(self, text: str) -> None:
        if not isinstance(text, str):
            problem = "the text of a model is text"
            raise EditError(problem, got=brief(text))
        self._change(edits.Edit(clean(text, split_header(self.text)[0] or "")), own=True)

    @property
    def model(self) -> Model | None:
        """The last valid model; ``None`` before there is one."""
        return self._model

    @property
    def version(self) -> Version:
        """The text and all that is known of it."""
        return self._version

    @property
    def error(self) -> AxonError | None:
        """Why the text makes no model that fits; ``None`` where it does."""
        return self._version.error

    @property
    def report(self) -> Report:
        """What is known of the layers that are written, up to the error if there is one."""
        return self._version.report

    @property
    def card(self) -> View:
        """The card of what is written."""
        return card(self.report)

    @property
    def layers(self) -> list[str]:
        """The names of the layers, as the methods take them."""
        return list(self._version.rows)

    @cached_property
    def _offers(self) -> list[Offer]:
        return offers(self._version, lambda text: self._read(text, own=False), self.names)

    @property
    def fixes(self) -> tuple[str, ...]:
        """What could be done about the error: each was tried. ``fix(0)`` does the first."""
        return () if self._version.is_valid else tuple(offer.words for offer in self._offers)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return bool(self._future)

    # What can be done.

    def insert(self, layer: str, *, after: str | None = None, before: str | None = None, **options: Any) -> None:
        """Put a layer into the model, at its end if no place is given.

        Args:
            layer: its name: ``"dense"``; ``"input"`` for a further input.
            after: the layer to put it behind.
            before: the layer to put it before.
            **options: its options, and ``name``. One that must be given and is not gets an example.

        Raises:
            UnknownNameError: there is no such layer.
            OptionError: an option is out of range.
            EditError: there is no such place.
        """
        code = self._code(layer, options)
        document = self._document()
        if document is None or not document.cell.tree.body:
            self._change(edits.Edit(f"{self.text.rstrip()}\n{code}\n", len(self.text.rstrip()) + 1))
        elif layer == "input" and after is None and before is None:
            self._change(edits.prepend(document, f"{self._free_name('x')} = {code}"))
        else:
            step, is_before = self._place(after, before)
            self._change(edits.insert(document, step, code, before=is_before))

    def delete(self, layer: str) -> None:
        """Take a layer out; what read it reads what it read."""
        self._change(edits.delete(self._need_document(), self._step(layer)))

    def duplicate(self, layer: str) -> None:
        """Put a layer with the same options behind it."""
        self._change(moves.duplicate(self._need_document(), self._step(layer)))

    def move(self, layer: str, by: int | None = None, *, after: str | None = None) -> None:
        """Move a layer: ``by=-1`` towards the input, ``by=1`` towards the output, or behind another one."""
        document = self._need_document()
        if after is not None:
            self._change(moves.move_after(document, self._step(layer), self._step(after)))
            return
        if by not in (1, -1):
            problem = "by is 1 or -1"
            raise EditError(problem, got=brief(by), fix='move("dense_0", by=-1), or move("dense_0", after="flatten_0")')
        self._change(moves.move(document, self._step(layer), by))

    def set(self, layer: str, **options: Any) -> None:
        """Change options of a layer; one that is set to its default is no longer written.

        Raises:
            OptionError: an option is unknown, out of range, or has no literal.
        """
        document, step = self._need_document(), self._step(layer)
        start = document.extent(step).start
        here = document
        for name, value in options.items():
            declared = self._declaration(self._called(step, layer))
            option = declared.option(name)
            parsed = check(option, value, declared.name)
            places = [one.name for one in declared.options if one.positional]
            is_default = not option.required and parsed == option.default and type(parsed) is type(option.default)
            code = None if is_default else write(parsed, option)
            if code is None and not _is_written(step, name, places):
                continue
            place = places.index(name) if name in places else None
            done = arguments.set_argument(here, step, name, code, place)
            here = Document.read(done.text)
            step = edits.step_at(here, start) or step
        self._change(edits.Edit(here.text, start))

    def rename(self, layer: str, name: str | None) -> None:
        """Give a layer a name; ``None`` takes it away.

        Raises:
            DeclarationError: it cannot be a name.
        """
        name = check_name(name)
        step = self._step(layer)
        self._called(step, layer)
        code = None if name is None else write(name)
        self._change(arguments.set_argument(self._need_document(), step, "name", code, None))

    def wrap(self, layer: str, last: str | None = None) -> None:
        """Make a layer, or all from one to another, a residual: their result is added to their input."""
        other = None if last is None else self._step(last)
        self._change(edits.wrap(self._need_document(), self._step(layer), "residual(", ")", other))

    def branch(
        self, layer: str, other: str = "dense", *, join: Literal["concatenate", "add", "multiply"] = "concatenate",
        **options: Any,
    ) -> None:  # fmt: skip
        """Put another layer beside one, on the same input, and join what both give."""
        self._need_join(join)
        code = self._code(other, options)
        self._change(edits.wrap(self._need_document(), self._step(layer), f"{join}(", f", {code})"))

    def join(self, first: str, second: str, by: Literal["add", "concatenate", "multiply", "subtract"] = "add") -> None:
        """Join the outputs of two layers behind the one that is written last; what followed reads the result."""
        self._need_join(by)
        document = self._need_document()
        names = self._free_name("h"), self._free_name("joined"), self._free_name("both")
        self._change(joins.join(document, self._step(first), self._step(second), f"{by}()", names))

    def undo(self) -> None:
        """Take back the last change; nothing happens where there is none."""
        if self._past:
            self._future.append(_Moment(self._version, self.selected))
            self._return(self._past.pop())

    def redo(self) -> None:
        """Do again what was undone last."""
        if self._future:
            self._past.append(_Moment(self._version, self.selected))
            self._return(self._future.pop())

    def fix(self, number: int = 0) -> None:
        """Do what one of the ``fixes`` says.

        Raises:
            EditError: there is no such fix.
        """
        found = [] if self._version.is_valid else self._offers
        if not isinstance(number, int) or not 0 <= number < len(found):
            problem = "there is no such fix"
            raise EditError(problem, got=brief(number), fix=[f"{i}: {one.words}" for i, one in enumerate(found)])
        self._change(edits.Edit(found[number].text))

    def select(self, layer: str | None) -> None:
        """Choose the layer that the form shows."""
        self.selected = None if layer is None else self._known(layer)
        self._tell()

    def write_from_page(self, text: str) -> None:
        """Take a text that came from a page: it is refused where it does more than join declared layers.

        Raises:
            RefusedError: it does; what the user wrote in a cell of their own may stand in it unchanged.
        """
        text = clean(text, split_header(self.text)[0] or "")
        try:
            document = Document.read(text)
        except AxonError:
            document = None  # it cannot be read, so it is not run: it is shown with its error
        if document is not None:
            self._guard.check(document)
        self._change(edits.Edit(text), own=False)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call a function after every change."""
        self._listeners.append(listener)

    # How it is done.

    def _read(self, text: str, *, own: bool) -> Version:
        if own:
            with contextlib.suppress(AxonError):  # a text that cannot be read is not run either
                self._guard.trust(Document.read(text))
        return rebuild(text, self.names, plain=self._guard.is_plain)

    def _show(self, version: Version) -> None:
        self._version = version
        self.__dict__.pop("_offers", None)
        if version.is_valid:
            self._model = version.model
        if self.selected not in version.rows:
            self.selected = None
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
        look_again()

    def _change(self, edit: edits.Edit, *, own: bool = False) -> None:
        if edit.text == self.text:
            return
        moment = _Moment(self._version, self.selected)
        version = self._read(edit.text, own=own)
        self._past.append(moment)
        self._future.clear()
        self.selected = _at(version, edit.focus) or self.selected
        self._show(version)

    def _return(self, moment: _Moment) -> None:
        self.selected = moment.selected
        self._show(moment.version)

    def _document(self) -> Document | None:
        if self._version.document is None and split_header(self.text)[1].strip():
            self._need_document()
        return self._version.document

    def _need_document(self) -> Document:
        if self._version.document is None:
            problem = "the text cannot be read, so there is nothing to change in it"
            raise EditError(problem, fix="correct the text, or undo()")
        return self._version.document

    def _known(self, layer: str) -> str:
        if not isinstance(layer, str) or layer not in self._version.rows:
            msg = "layer"
            raise unknown(msg, layer, self.layers, error=EditError)
        return layer

    def _step(self, layer: str) -> ast.expr:
        step = self._version.steps.get(self._known(layer))
        if step is None:
            source = self._version.rows[layer].source
            problem = f"{layer} is not written in this text" + (f" but in {source}" if source else "")
            raise EditError(problem, fix="change it there")
        return step

    def _place(self, after: str | None, before: str | None) -> tuple[ast.expr, bool]:
        if after is not None and before is not None:
            problem = "a layer is put after one or before one, not both"
            raise EditError(problem)
        if before is not None:
            return self._step(before), True
        if after is None:
            return self._last(), False
        if self._known(after) in self._version.steps:
            return self._version.steps[after], False
        # It was made elsewhere, by a function for example: what reads it may be written here.
        row = self._version.rows[after]
        reader = next((one.name for one in self.report.rows if row.key in one.parents), None)
        return (
            (self._step(reader), True)
            if reader is not None and reader in self._version.steps
            else (self._step(after), False)
        )

    def _last(self) -> ast.expr:
        """Return the step that a layer at the end of the model goes behind."""
        document = self._need_document()
        statement = document.cell.tree.body[-1]
        value = statement.value if isinstance(statement, ast.Expr | ast.Assign) else None
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
            return value.right
        if value is None:
            problem = "the text does not end with the model"
            raise EditError(problem, fix="say where: insert(..., after=...)")
        return value

    def _code(self, layer: str, options: dict[str, Any]) -> str:
        """Write the call of a layer; the options that it must have and that are not given are examples."""
        declared = self._declaration(layer)
        given = dict(options)
        name = check_name(given.pop("name", None))
        for key in given:
            declared.option(key)
        parts = []
        for number, option in enumerate(declared.options):
            if option.name not in given and not option.required:
                continue
            value = check(option, given.get(option.name, option.type.example), declared.name)
            if option.required or value != option.default:
                is_bare = number == 0 and option.positional and (option.required or declared is INPUT)
                parts.append(("" if is_bare else f"{option.name}=") + write(value, option))
        if name:
            parts.append(f"name={write(name)}")
        return f"{layer}({', '.join(parts)})"

    def _declared(self, layer: str) -> Declaration | None:
        if layer == "input":
            return INPUT
        known = self.names.get(layer, registry.get(layer)) if isinstance(layer, str) else None
        return getattr(known, "declaration", None)

    def _declaration(self, layer: str) -> Declaration:
        declared = self._declared(layer)
        if declared is None:
            msg = "layer"
            raise unknown(msg, layer, self.palette_names())
        return declared

    def palette_names(self) -> list[str]:
        """The names of all layers that can be inserted."""
        mine = [name for name, value in self.names.items() if hasattr(value, "declaration") and callable(value)]
        return ["input", *(name for name, value in registry.items() if hasattr(value, "declaration")), *mine]

    def _called(self, step: ast.expr, layer: str) -> str:
        """Return the name by which a step calls its layer, where that is one with options of its own."""
        name = called(step)
        row, declared = self._version.rows[layer], self._declared(name)
        is_one = isinstance(step, ast.Call | ast.Name)
        if not is_one or declared is None or (row.status == "ok" and declared.name != row.op):
            problem = f"{layer} is made by {name}, which has no options of its own here"
            raise EditError(problem, fix="change the text")
        return name

    def _need_join(self, name: str) -> None:
        known = ("concatenate", "add", "multiply", "subtract", "stack")
        if name not in known:
            msg = "way to join"
            raise unknown(msg, name, known)

    def _free_name(self, start: str) -> str:
        taken = set(re.findall(r"\w+", self.text)) | set(self.names) | set(registry)
        if start not in taken:
            return start
        return next(f"{start}_{number}" for number in range(1, sys.maxsize) if f"{start}_{number}" not in taken)

    def typed_options(self, layer: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Read what was typed in the form of a layer.

        Raises:
            OptionError: it is no value of the option.
        """
        declared = self._declaration(self._called(self._step(layer), layer))
        return {name: typed(declared.option(name), text, declared.name) for name, text in fields.items()}

    def declaration_of(self, layer: str) -> tuple[Declaration | None, bool]:
        """Return the declaration of a layer, if it has one, and whether its options can be changed in this text."""
        node, step = self._version.nodes.get(layer), self._version.steps.get(layer)
        with contextlib.suppress(AxonError):
            if step is not None:
                return self._declared(self._called(step, layer)), True
        return (node.layer.declaration if node else None), False

    def options_of(self, layer: str) -> dict[str, Any] | None:
        """Return the options of a layer; ``None`` where its call fails."""
        node = self._version.nodes.get(layer)
        if node is not None:
            return node.options
        step = self._version.steps.get(layer)
        if not isinstance(step, ast.Call):
            return None
        declared = self._declared(called(step))
        return None if declared is None else literal_options(declared, step)

    def given_name(self, layer: str) -> str | None:
        """Return the name that a layer was given, if it was."""
        step = self._version.steps.get(layer)
        named = [one for one in step.keywords if one.arg == "name"] if isinstance(step, ast.Call) else []
        return layer.rpartition(".")[2] if named else None

    def _make_skin(self) -> Any:
        from axon_nb.widgets.builder_page import make_skin  # anywidget is only needed to show it

        self.on_change(self._update_card)
        return make_skin(self)

    def _static(self) -> dict[str, str]:
        shown = self.card
        return {"text/plain": repr(shown), "text/html": shown._repr_html_()}

    def __repr__(self) -> str:
        state = "does not fit" if self.error else f"{len(self.report.rows)} layers"
        return f"<Builder: {self.report.name or 'model'}, {state}>"


def _is_written(step: ast.expr, name: str, places: list[str]) -> bool:
    if not isinstance(step, ast.Call):
        return False
    return any(one.arg == name for one in step.keywords) or (name in places and places.index(name) < len(step.args))


def _at(version: Version, place: int | None) -> str | None:
    """Find the layer that is written at a place."""
    if version.document is None or place is None:
        return None
    found = [(name, version.document.extent(step)) for name, step in version.steps.items()]
    around = [
        (at.end - at.start, -number, name) for number, (name, at) in enumerate(found) if at.start <= place < at.end
    ]
    exact = [name for name, at in found if at.start == place]
    return exact[-1] if exact else min(around)[2] if around else None
