"""Owns how a placed diagram is drawn: SVG text, the same bytes for the same diagram.

Knows nothing about models or Graphviz. Legible on light and dark pages: dark text on filled boxes, mid-grey lines.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from axon_nb.display.html import escape, text_width
from axon_nb.display.layout import Arrow, Box, Layout, Point

FONT = "Arial,Helvetica,'Liberation Sans',sans-serif"
BOLD = 7.8
"""Points that a character of a box's first line takes, in a font that is wider than Arial."""

INK = "#1c1c1c"
GREY = "#888888"
TAG = "#6b6b6b"
_DASHED = ' stroke-dasharray="4 3"'
_PAD = 4.0


@dataclass(frozen=True)
class Look:
    """How a node is drawn. ``ring``: a second outline; ``pill``: round ends; ``dashed``: not there yet."""

    lines: tuple[str, ...]
    fill: str
    edge: str = GREY
    ink: str = INK
    thick: bool = False
    ring: bool = False
    pill: bool = False
    dashed: bool = False
    full: str = ""


@dataclass(frozen=True)
class Frame:
    """How a cluster is drawn."""

    label: str
    dashed: bool = False


def draw(layout: Layout, looks: Mapping[str, Look], frames: Mapping[str, Frame], label: str) -> str:
    """Draw a placed diagram.

    Example:
        >>> box = Box("n0", 30, 20, 60, 36)
        >>> look = Look(("x",), "#dddddd")
        >>> draw(Layout(60, 40, (box,), (), ()), {"n0": look}, {}, "x")[:30]
        '<svg xmlns="http://www.w3.org/'
    """
    width, height = math.ceil(layout.width + 2 * _PAD), math.ceil(layout.height + 2 * _PAD)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{FONT}" font-size="11">',
            f"<title>{escape(label)}</title>",
            f'<g transform="translate({_PAD:g} {_PAD:g})">',
            *(_frame(box, frames[box.id]) for box in layout.clusters if box.id in frames),
            *(_arrow(arrow) for arrow in layout.arrows),
            *(_tag(box, frames[box.id]) for box in layout.clusters if box.id in frames),
            *(_node(box, looks[box.id]) for box in layout.nodes if box.id in looks),
            "</g>",
            "</svg>",
            "",
        ]
    )


@lru_cache(maxsize=4096)
def node_piece(look: Look, width: float, height: float) -> str:
    """Draw a node alone, its middle at (0, 0): for a page that puts it in its place, and draws anew only what changed.

    Example:
        >>> node_piece(Look(("x",), "#dddddd"), 60, 36)[:28]
        '<g><rect x="-30" y="-18" wid'
    """
    return _node(Box("", 0.0, 0.0, width, height), look)


@lru_cache(maxsize=4096)
def arrow_piece(points: tuple[Point, ...], tip: Point | None) -> str:
    """Draw an arrow alone, its points counted from wherever the page puts it.

    Example:
        >>> arrow_piece(((0.0, 0.0), (0.0, 5.0), (0.0, 5.0), (0.0, 10.0)), None)[:32]
        '<g><path d="M0,0 C0,5 0,5 0,10" '
    """
    return f"<g>{_arrow(Arrow(points, tip))}</g>"


def _n(value: float) -> str:
    """Write a length to a tenth of a point, without trailing zeros or a negative zero."""
    return f"{round(value, 1) + 0.0:g}"


def _rect(box: Box, radius: float, attributes: str) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(box.width)}" height="{_n(box.height)}" '
        f'rx="{_n(radius)}" {attributes}/>'
    )


def _frame(box: Box, frame: Frame) -> str:
    dash = _DASHED if frame.dashed else ""
    return _rect(box, 8, f'fill="{GREY}" fill-opacity=".12" stroke="{GREY}" stroke-opacity=".7"{dash}')


def _tag(box: Box, frame: Frame) -> str:
    """Draw a cluster's name on a ground of its own: arrows pass behind it."""
    if not frame.label:
        return ""
    width = min(box.width, 12 + 6.3 * text_width(frame.label))
    middle, top = box.x - box.width / 2 + width / 2, box.y - box.height / 2
    ground = _rect(Box("", middle, top + 8, width, 16), 5, f'fill="{TAG}"')
    place = f'x="{_n(middle)}" y="{_n(top + 12)}" text-anchor="middle" fill="#ffffff"'
    return f"{ground}<text {place}>{escape(frame.label)}</text>"


def _node(box: Box, look: Look) -> str:
    radius = box.height / 2 if look.pill else 5
    dash = _DASHED if look.dashed else ""
    ring = ""
    if look.ring:
        ring = _rect(box, radius + 3, f'fill="none" stroke="{GREY}" stroke-width="1.5"')
        # Graphviz counts the second outline into the size.
        box = Box(box.id, box.x, box.y, box.width - 8, box.height - 8)
    rect = _rect(box, radius, f'fill="{look.fill}" stroke="{look.edge}" stroke-width="{3 if look.thick else 1}"{dash}')
    first = box.y - 7 * (len(look.lines) - 1) + 4
    texts = "".join(
        f'<text x="{_n(box.x)}" y="{_n(first + 14 * index)}" text-anchor="middle" fill="{look.ink}"{_weight(index)}>'
        f"{escape(line)}</text>"
        for index, line in enumerate(look.lines)
    )
    title = f"<title>{escape(look.full)}</title>" if look.full else ""
    return f"<g>{title}{ring}{rect}{texts}</g>"


def _weight(index: int) -> str:
    return ' font-weight="bold" font-size="12"' if index == 0 else ' fill-opacity=".8"'


def _arrow(arrow: Arrow) -> str:
    if not arrow.points:
        return ""
    first, *rest = arrow.points
    path = f"M{_p(first)}" + (" C" + " ".join(_p(point) for point in rest) if rest else "")
    line = f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.4"/>'
    return line + (_tip(arrow.points[-1], arrow.tip) if arrow.tip else "")


def _tip(base: Point, tip: Point) -> str:
    dx, dy = tip[0] - base[0], tip[1] - base[1]
    length = math.hypot(dx, dy) or 1.0
    across = (-dy / length * 3.2, dx / length * 3.2)
    corners = (tip, (base[0] + across[0], base[1] + across[1]), (base[0] - across[0], base[1] - across[1]))
    return f'<path d="M{" L".join(_p(corner) for corner in corners)}Z" fill="{GREY}"/>'


def _p(point: Point) -> str:
    return f"{_n(point[0])},{_n(point[1])}"
