"""Owns the page of a builder: what it shows of it, and which call each of its messages stands for.

Knows nothing about how text is edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axon_nb.declaration import Declaration
from axon_nb.display.html import clean_lines
from axon_nb.errors import AxonError
from axon_nb.layer import registry
from axon_nb.widgets.deltas import Parts
from axon_nb.widgets.document import EditError
from axon_nb.widgets.forms import drawn, kind, palette, table_rows, totals, values
from axon_nb.widgets.rebuild import Version
from axon_nb.widgets.shown import text_of
from axon_nb.widgets.skin import Skin

if TYPE_CHECKING:
    from axon_nb.widgets.builder import Builder

_MOST_KEPT = 16
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
    """What a page shows of a builder; made anew only when the text has changed."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.known: dict[int, tuple[Version, dict[str, Any]]] = {}
        self.kinds: dict[str, tuple[Declaration, dict[str, Any]]] = {}
        named = [(name, builder.names.get(name, registry.get(name))) for name in builder.palette_names()]
        self.palette = palette(named)

    def __call__(self) -> dict[str, Any]:
        builder = self.builder
        known = self.of(builder.version)
        return {
            "palette": self.palette,
            "joins": list(_JOINS),
            "kinds": Parts((name, data) for name, (_, data) in self.kinds.items()),
            **known,
            "selected": builder.selected,
            "can_undo": builder.can_undo,
            "can_redo": builder.can_redo,
        }

    def of(self, version: Version) -> dict[str, Any]:
        """Describe a version; those that undo and redo come back to are kept."""
        known = self.known.get(id(version))
        if known is None or known[0] is not version:
            if len(self.known) >= _MOST_KEPT:
                self.known.clear()
            known = self.known[id(version)] = (version, self.described(version))
        return known[1]

    def described(self, version: Version) -> dict[str, Any]:
        builder, report, error = self.builder, version.report, version.error
        return {
            "text": version.text,
            "forms": Parts((name, self.form(name)) for name in version.rows),
            "rows": table_rows(report),
            **drawn(report),
            "totals": totals(report),
            "error": clean_lines(error) if error and version.text.count("\n") > 1 else "",
            "fixes": list(builder.fixes) if error else [],
        }

    def form(self, layer: str) -> dict[str, Any]:
        """Describe the form of a layer: what its fields hold, and of which kind it is."""
        builder = self.builder
        declaration, own = builder.declaration_of(layer)
        if declaration is None:
            return {"kind": None, "own": False}
        known = self.kinds.get(declaration.name)
        if known is None or known[0] is not declaration:
            self.kinds[declaration.name] = (declaration, kind(declaration))
        return {
            "kind": declaration.name,
            "own": own,
            "given": builder.given_name(layer) or "",
            "values": values(declaration, builder.options_of(layer)),
        }
