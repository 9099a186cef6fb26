"""Owns what a page needs to know of a layer: the fields of its form, made from its declaration, and the palette.

Knows nothing about text or pages: plain data comes out.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from axon_nb.declaration import Declaration
from axon_nb.display.diagram import diagram_pieces
from axon_nb.display.words import count, options_words, shape_words, totals_words
from axon_nb.graph import INPUT
from axon_nb.options import Option
from axon_nb.rows import Report, Row
from axon_nb.widgets.deltas import Parts
from axon_nb.widgets.placing import place
from axon_nb.widgets.values import shown

_BOUNDS = ("minimum", "maximum", "above", "below")
_LONGEST = 60


def field(option: Option) -> dict[str, Any]:
    """Describe the control of one option.

    Example:
        >>> from axon_nb import dropout
        >>> made = field(dropout.declaration.option("rate"))
        >>> made["control"], made["minimum"], made["below"]
        ('float', 0, 1)
    """
    kind = option.type
    return {
        "name": option.name,
        "control": kind.control,
        "default": None if option.required else shown(option.default),
        "required": option.required,
        "optional": option.optional,
        "choices": list(kind.choices),
        "help": kind.help,
        "unit": kind.unit,
        "example": shown(kind.example),
        **{bound: getattr(kind, bound) for bound in _BOUNDS if getattr(kind, bound, None) is not None},
    }


def kind(declaration: Declaration) -> dict[str, Any]:
    """Describe the form that all layers of a kind have.

    Example:
        >>> from axon_nb import dense
        >>> made = kind(dense.declaration)
        >>> made["family"], made["fields"][0]["name"]
        ('linear', 'units')
    """
    return {
        "op": declaration.name,
        "family": declaration.family,
        "doc": declaration.doc.partition("\n")[0],
        "fields": [field(option) for option in declaration.options],
    }


def values(declaration: Declaration, options: Mapping[str, Any] | None) -> list[Any]:
    """List what the fields of a layer's form hold; nothing where its call fails.

    Example:
        >>> from axon_nb import dropout
        >>> values(dropout.declaration, {"rate": 0.25})[:1], values(dropout.declaration, None)[:1]
        (['0.25'], [''])
    """
    found: list[Any] = []
    for option in declaration.options:
        value = (options or {}).get(option.name, None if option.required else option.default)
        if option.type.control == "bool":
            found.append(bool(value))
        else:
            found.append("" if options is None else shown(value))
    return found


def palette(layers: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """List layers by family: name and first line of the docs.

    Example:
        >>> from axon_nb import dense
        >>> palette([("dense", dense)])[1]["family"]
        'linear'
    """
    families: dict[str, list[dict[str, str]]] = {"input": [{"name": "input", "help": "Begin a model."}]}
    for name, layer in layers:
        declaration = getattr(layer, "declaration", None)
        if declaration is None or declaration is INPUT:
            continue
        help = (inspect.cleandoc(declaration.doc) if declaration.doc else "").partition("\n")[0]
        families.setdefault(declaration.family, []).append({"name": name, "help": help})
    return [{"family": family, "layers": found} for family, found in families.items()]


def table_rows(report: Report) -> Parts:
    """Describe the rows of a table by name.

    Example:
        >>> list(table_rows(Report("m", (Row(0, "x", "input", "input", (), (), (None, 4), "float32"),))))
        ['x']
    """
    return Parts((row.name, row_data(row)) for row in report.rows)


def drawn(report: Report) -> dict[str, Any]:
    """Describe the diagram of a report in pieces: its size, its boxes with their places, and its arrows.

    Example:
        >>> drawn(Report("m", (Row(0, "x", "input", "input", (), (), (None, 4), "float32"),)))["size"]
        [94, 48]
    """
    pieces = diagram_pieces(report, place)
    return {
        "size": [pieces.width, pieces.height],
        "boxes": Parts(pieces.boxes),
        "places": pieces.places,
        "arrows": Parts(pieces.arrows),
    }


def row_data(row: Row) -> dict[str, Any]:
    """Describe a row of the table.

    Example:
        >>> row_data(Row(0, "x", "input", "input", (), (), (None, 4), "float32"))["shape"]
        '(None, 4)'
    """
    params = sum(param.count for param in row.params)
    options = options_words(row)
    return {
        "op": row.op,
        "family": row.family,
        "options": options if len(options) <= _LONGEST else options[: _LONGEST - 1] + "…",
        "shape": shape_words(row),
        "params": count(params) if params else f"shared with {row.shared_with}" if row.shared_with else "",
        "status": row.status,
    }


def totals(report: Report) -> str:
    """Write the totals in one line.

    Example:
        >>> totals(Report(None, ()))
        '0 parameters · 0 multiply-adds for one sample'
    """
    words = []
    for label, number, note in totals_words(report):
        unit = {"Parameters": " parameters", "Size": "", "Multiply-adds": " multiply-adds"}.get(
            label, f" {label.lower()}"
        )
        words.append(f"{number}{unit}" + (f" {note}" if label == "Multiply-adds" else ""))
    return " · ".join(words)
