"""Owns what a model shows of itself: its card in a notebook, and ``table``, ``diagram`` and ``summary``.

Knows nothing about how they are drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from axon_nb.display.card import card as model_card
from axon_nb.display.card import error_card
from axon_nb.display.diagram import diagram_svg, dot_source, image_html
from axon_nb.display.table import table_html, table_text
from axon_nb.graph import Model, verb
from axon_nb.rows import Report
from axon_nb.trace import report


class View:
    """A picture or table of a model: shown as HTML in a notebook, as text elsewhere."""

    def __init__(self, text: str, html: str) -> None:
        self._text = text
        self._html = html

    def __repr__(self) -> str:
        return self._text

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._html


class Diagram(View):
    """A diagram of a model, with its source in Graphviz's language."""

    def __init__(self, svg: str, dot: str, html: str) -> None:
        super().__init__(dot, html)
        self.svg = svg
        self.dot = dot

    def save(self, path: str | Path) -> Path:
        """Write the diagram as an SVG file (``.svg``) or as Graphviz source (anything else)."""
        target = Path(path)
        target.write_text(self.svg if target.suffix == ".svg" else self.dot, encoding="utf-8")
        return target


def card(shown: Report) -> View:
    """Make the card of a report; of a model that does not fit, with the reason."""
    if shown.error is not None:
        return _view(error_card(shown))
    return _view(model_card(shown))


def _view(data: dict[str, str]) -> View:
    return View(data["text/plain"], data["text/html"])


@verb
def table(model: Model, *, columns: Any = None, unfold: bool = False, **shapes: Any) -> View:
    """Show the layers with their shapes and parameters.

    Args:
        model: the model.
        columns: some of ``"layer", "shape", "parameters", "dtype", "options", "macs", "inputs"``.
        unfold: show every layer of repeated blocks.
        **shapes: shapes of inputs by name, for concrete sizes.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 4), name="x") | dense(2)).table()
        Layer      Options  Output shape  Parameters
        ────────────────────────────────────────────
        x (input)           (None, 4)
        dense_0    units=2  (None, 2)             10
        ────────────────────────────────────────────
        Parameters           10  all trainable
        Size           40 bytes  40 bytes
        Multiply-adds         8  for one sample
    """
    shown = report(model, shapes)
    chosen = {} if columns is None else {"columns": tuple(columns)}
    return View(table_text(shown, unfold=unfold, **chosen), table_html(shown, unfold=unfold, **chosen))


@verb
def diagram(
    model: Model, *, direction: Literal["TB", "LR"] | None = None, unfold: bool = False, **shapes: Any
) -> Diagram:
    """Draw the layers and how they are joined.

    Args:
        model: the model.
        direction: ``"TB"`` from top to bottom, ``"LR"`` from left to right; by default from top to bottom, and in
            columns where that would be taller than a page.
        unfold: draw every layer of repeated blocks.
        **shapes: shapes of inputs by name, for concrete sizes.
    """
    shown = report(model, shapes)
    options: dict[str, Any] = {"unfold": unfold} | ({"direction": direction} if direction else {})
    svg = diagram_svg(shown, **options)
    return Diagram(svg, dot_source(shown, **options), image_html(svg, shown, whole=True))


@verb
def summary(model: Model, **shapes: Any) -> View:
    """Show the card: title, table, diagram and totals.

    Args:
        model: the model.
        **shapes: shapes of inputs by name, for concrete sizes.
    """
    return card(report(model, shapes))


@verb
def _repr_mimebundle_(model: Model, **_: Any) -> dict[str, str]:
    shown = card(report(model))
    return {"text/plain": repr(shown), "text/html": shown._repr_html_()}
