"""Owns the pages of ``what_if`` and ``live``: what they show, and which calls their messages stand for.

Knows nothing about how models change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from axon_nb.display.html import clean_lines
from axon_nb.errors import AxonError
from axon_nb.rows import Report
from axon_nb.widgets.forms import drawn, table_rows, totals
from axon_nb.widgets.shown import text_of
from axon_nb.widgets.skin import Skin

if TYPE_CHECKING:
    from axon_nb.widgets.live import Live
    from axon_nb.widgets.what_if import Number, WhatIf


def number_of(message: dict[str, Any], name: str) -> int | float:
    """Take a number out of a message.

    Raises:
        AxonError: it is not there, or is no number.
    """
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        problem = f"the message has no {name}"
        raise AxonError(problem)
    return value


def what_if_skin(tried: WhatIf) -> Skin:
    """Make the page of sliders."""

    def change(message: dict[str, Any]) -> None:
        name, value = text_of(message, "name"), number_of(message, "value")
        number = next((one for one in tried.numbers if one.name == name), None)
        whole = number is not None and number.option.type.control != "float"
        tried.set(name, int(value) if whole and float(value).is_integer() else value)

    def state() -> dict[str, Any]:
        values = tried.values
        return {
            "numbers": [_slider(number) for number in tried.numbers],
            "values": values,
            "costs": tried.costs,
            **shown(tried.report),
        }

    return Skin("what_if", {"turn": change, "reset": lambda m: tried.reset()}, state)


def _slider(number: Number) -> dict[str, Any]:
    return {"name": number.name, "layer": number.layer, "low": number.low, "high": number.high, "step": number.step,
            "help": number.option.type.help, "unit": number.option.type.unit}  # fmt: skip


def live_skin(view: Live) -> Skin:
    """Make the page of a card that follows a variable."""

    def state() -> dict[str, Any]:
        return {"name": view.name, "note": view.note, **drawn(view.report), **shown(view.report)}

    return Skin("live", {}, state)


def shown(known: Report) -> dict[str, Any]:
    """Describe the table of a report, its totals and its error."""
    return {
        "rows": table_rows(known),
        "totals": totals(known),
        "error": clean_lines(known.error) if known.error else "",
    }
