"""Owns the page of a builder: what it shows of it, and which call each of its messages stands for.

Knows nothing about how text is edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axon_nb.display.diagram import hooked_svg
from axon_nb.display.html import clean_lines
from axon_nb.errors import AxonError
from axon_nb.layer import registry
from axon_nb.rows import Report
from axon_nb.widgets.document import EditError
from axon_nb.widgets.forms import fields, palette, row_data, totals
from axon_nb.widgets.placing import place
from axon_nb.widgets.shown import text_of
from axon_nb.widgets.skin import Skin

if TYPE_CHECKING:
    from axon_nb.widgets.builder import Builder

_MOST_DRAWN = 16
_JOINS = ("add", "concatenate", "multiply", "subtract")


def make_skin(builder: Builder) -> Skin:
    """Make the page of a builder."""

    def options(message: dict[str, Any]) -> dict[str, Any]:
        given = message.get("options")
        if not isinstance(given, dict) or not given or not all(isinstance(name, str) for name in given):
            problem = "the message has no options"
            raise AxonError(problem)
        return given

    def by(message: dict[str, Any]) -> int:
        return {-1: -1, 1: 1}[message["by"]]

    def move(message: dict[str, Any]) -> None:
        layer = text_of(message, "layer")
        if "after" in message:
            builder.move(layer, after=text_of(message, "after"))
        else:
            builder.move(layer, by(message))

    def change(message: dict[str, Any]) -> None:
        layer = text_of(message, "layer")
        builder.set(layer, **builder.typed_options(layer, options(message)))

    def rename(message: dict[str, Any]) -> None:
        builder.rename(text_of(message, "layer"), text_of(message, "name", optional=True) or None)

    def fix(message: dict[str, Any]) -> None:
        words = text_of(message, "words")
        if words not in builder.fixes:  # the error is another one by now
            problem = "there is no such fix any more"
            raise EditError(problem)
        builder.fix(builder.fixes.index(words))

    actions = {
        "select": lambda m: builder.select(text_of(m, "layer", optional=True)),
        "insert": lambda m: builder.insert(text_of(m, "layer"), after=text_of(m, "after", optional=True)),
        "delete": lambda m: builder.delete(text_of(m, "layer")),
        "duplicate": lambda m: builder.duplicate(text_of(m, "layer")),
        "move": move,
        "set": change,
        "rename": rename,
        "wrap": lambda m: builder.wrap(text_of(m, "layer"), text_of(m, "last", optional=True)),
        "branch": lambda m: builder.branch(text_of(m, "layer"), text_of(m, "other"), join=text_of(m, "by")),
        "join": lambda m: builder.join(text_of(m, "layer"), text_of(m, "other"), text_of(m, "by")),
        "undo": lambda m: builder.undo(),
        "redo": lambda m: builder.redo(),
        "fix": fix,
        "text": lambda m: builder.write_from_page(text_of(m, "text")),
    }
    skin = Skin("builder", actions, _State(builder))
    builder.on_change(skin.tell)
    return skin


class _State:
    """What a page shows of a builder; drawn again only when the rows have changed."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.drawn: dict[int, tuple[Report, str]] = {}
        named = [(name, builder.names.get(name, registry.get(name))) for name in builder.palette_names()]
        self.palette = palette(named)

    def __call__(self) -> dict[str, Any]:
        builder = self.builder
        report = builder.report
        known = self.drawn.get(id(report))
        if known is None or known[0] is not report:
            if len(self.drawn) >= _MOST_DRAWN:
                self.drawn.clear()
            known = self.drawn[id(report)] = (report, hooked_svg(report, place) if report.rows else "")
        return {
            "palette": self.palette,
            "text": builder.text,
            "rows": [row_data(row) for row in report.rows],
            "svg": known[1],
            "totals": totals(report),
            "error": clean_lines(builder.error) if builder.error and builder.text.count("\n") > 1 else "",
            "fixes": list(builder.fixes) if builder.error else [],
            "selected": builder.selected,
            "form": form(builder),
            "can_undo": builder.can_undo,
            "can_redo": builder.can_redo,
            "joins": list(_JOINS),
        }


def form(builder: Builder) -> dict[str, Any] | None:
    """Describe the form of the selected layer."""
    layer = builder.selected
    if layer is None:
        return None
    row = next((row for row in builder.report.rows if row.name == layer), None)
    declaration, own = builder.declaration_of(layer)
    options = builder.options_of(layer)
    if row is None or declaration is None:
        return {"layer": layer, "op": row.op if row else "", "family": row.family if row else "", "doc": "", "name": "",
                "fields": [], "editable": False}  # fmt: skip
    return {
        "layer": layer,
        "op": declaration.name,
        "family": declaration.family,
        "doc": declaration.doc.partition("\n")[0],
        "name": builder.given_name(layer) or "",
        "fields": fields(declaration, options),
        "editable": own,
    }
