"""Owns the colours and the inline styles of tables, diagrams and cards.

Knows nothing about what they show. Pages may be light or dark: text keeps the page's colour, lines are mid-grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from axon_nb.display.lines import Line
    from axon_nb.rows import Status

LINE = "rgba(127,127,127,.35)"
QUIET_LINE = "rgba(127,127,127,.16)"
BAND = "rgba(127,127,127,.10)"
WRONG = "#d1495b"
"""Red that can be read on white and on black."""

RIGHT = "#4f9d69"
"""Green that can be read on white and on black."""

FAMILIES = {
    "input": "#dddddd",
    "linear": "#77aadd",
    "embedding": "#77aadd",
    "convolution": "#99ddff",
    "recurrent": "#44bb99",
    "attention": "#ffaabb",
    "pooling": "#bbcc33",
    "normalization": "#eedd88",
    "dropout": "#eedd88",
    "activation": "#ee8866",
    "combine": "#cccc66",
    "shape": "#dddddd",
    "custom": "#eeeeee",
}
"""Fill by layer family: Paul Tol's "light" scheme, made for dark text on it and for every kind of colour vision."""

OTHER_FAMILY = "#eeeeee"

PLAIN = "background:transparent"
TABLE = (
    "border-collapse:collapse;border:none;margin:0;font-size:13px;line-height:1.35;"
    "color:inherit;background:transparent;font-variant:tabular-nums"
)
TALLEST_PX = 560
"""Taller tables scroll, and so do drawings that cannot be shrunk to fit a page."""

SIDES = "display:flex;flex-wrap:wrap;gap:12px 32px;align-items:flex-start"
FAINT = "opacity:.65;font-weight:normal"
_CELL = "padding:3px 12px 3px 0;border:none;vertical-align:top;"
_LEFT = "text-align:left;"
_RIGHT = "text-align:right;white-space:nowrap;"
_MONO = "font-family:monospace;font-size:12px;white-space:nowrap;"
TOTAL = f"padding:5px 12px 3px 0;border:none;border-top:1px solid {LINE};{_RIGHT}font-weight:bold"
FACTS = f"margin:4px 0 0;padding-left:13px;font-size:12px;width:0;min-width:calc(100% - 13px);{FAINT}"
TOTAL_NAME = f"padding:5px 12px 3px 12px;border:none;border-top:1px solid {LINE};text-align:left;font-weight:bold"


def family(name: str) -> str:
    """Give a family's colour.

    Example:
        >>> family("linear"), family("mine")
        ('#77aadd', '#eeeeee')
    """
    return FAMILIES.get(name, OTHER_FAMILY)


def heat(share: float) -> str:
    """Give the colour of a share of the time: from pale to red, for dark text on it.

    Example:
        >>> heat(0), heat(1)
        ('#f2efe6', '#e8674a')
    """
    share = min(max(share, 0.0), 1.0)
    cold, hot = (242, 239, 230), (232, 103, 74)
    return "#" + "".join(f"{round(c + (h - c) * share):02x}" for c, h in zip(cold, hot, strict=True))


def head(*, number: bool, first: bool) -> str:
    """Style a column's heading.

    Example:
        >>> head(number=True, first=True)[:24]
        'padding:3px 12px 4px 12p'
    """
    base = f"padding:3px 12px 4px {12 if first else 0}px;border:none;border-bottom:1px solid {LINE};font-weight:bold;"
    return base + (_RIGHT if number else _LEFT)


def row(status: Status) -> str:
    """Style a line: what was not reached is faint.

    Example:
        >>> row("pending")
        'background:transparent;border-bottom:1px solid rgba(127,127,127,.16);opacity:.5'
    """
    look = f"{PLAIN};border-bottom:1px solid {QUIET_LINE}"
    return f"{look};opacity:.5" if status == "pending" else look


def name(line: Line) -> str:
    """Style a layer's name: with the colour of its family at its left.

    Example:
        >>> from axon_nb.display.lines import Line
        >>> "3px solid #77aadd" in name(Line(0, False, {}, "dense_0", family="linear"))
        True
    """
    colour = WRONG if line.status == "failed" else family(line.family)
    edge = "transparent" if line.heading else colour
    return f"{_CELL}{_LEFT}padding-left:10px;border-left:3px solid {edge};font-weight:normal"


def cell(*, number: bool, failed: bool) -> str:
    """Style a fact about a layer.

    Example:
        >>> cell(number=False, failed=True)[-30:]
        'font-weight:bold;color:#d1495b'
    """
    look = _CELL + (_RIGHT if number else _LEFT + _MONO)
    return look + (f"font-weight:bold;color:{WRONG}" if failed else "")
