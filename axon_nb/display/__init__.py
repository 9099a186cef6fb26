"""Owns how models look: pure functions from rows to text, HTML and SVG.

Knows nothing about notebooks, widgets or tensors.
"""

from axon_nb.display.card import Look, card_html, card_text, error_html, error_text
from axon_nb.display.diagram import diagram_svg, dot_source
from axon_nb.display.table import table_html, table_text

__all__ = [
    "Look",
    "card_html",
    "card_text",
    "diagram_svg",
    "dot_source",
    "error_html",
    "error_text",
    "table_html",
    "table_text",
]
