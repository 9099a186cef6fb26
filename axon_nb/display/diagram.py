"""Owns the diagram of a model: which boxes, clusters and arrows it has, as DOT source and as SVG.

Knows nothing about tables, cards or how a layout is found.
"""

from __future__ import annotations

import base64
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, get_args

from axon_nb.display import dot, style
from axon_nb.display.boxes import Box, boxes, main_line
from axon_nb.display.columns import TALLEST, in_columns
from axon_nb.display.describe import describe
from axon_nb.display.fold import Entry, Group, Outline, outline
from axon_nb.display.html import clean, elide, escape, text_width
from axon_nb.display.layout import Engine, Layout, lay_out, stack
from axon_nb.display.lines import group_name, group_note
from axon_nb.display.svg import BOLD, GREY, INK, Frame, Look, arrow_piece, draw, node_piece
from axon_nb.display.words import count, duration, listed, local_name, says_op, shape_words
from axon_nb.rows import Report, Row

Direction = Literal["TB", "LR"]

MOST_EDGES = 1000
"""A drawing with more arrows can't be read, and takes long to lay out: it becomes a plain list of boxes."""

_NAME_WIDTH, _SHAPE_WIDTH = 28, 32
_SIZE = re.compile(r'width="(\d+)" height="(\d+)"')
_USUAL_SIZE = 720, 480
_SMALLEST = 0.75
"""How far a drawing shrinks to fit, at most: its letters are then 8 or 9 pixels high."""
_LEFT_OUT = "left_out"
_log = logging.getLogger(__name__)


def dot_source(report: Report, *, unfold: bool = False, direction: Direction = "TB") -> str:
    """Write a model's diagram in Graphviz's language.

    Args:
        report: the model's rows.
        unfold: show every layer of repeated blocks.
        direction: ``TB`` from top to bottom, ``LR`` from left to right.

    Example:
        >>> from axon_nb.rows import Row
        >>> row = Row(0, "image", "input", "input", (), (), (None, 784), "float32")
        >>> "image" in dot_source(Report("mnist", (row,)))
        True
    """
    return _Diagram(report, outline(report, unfold=unfold), direction, merge=not unfold).source()


def diagram_svg(
    report: Report, *, unfold: bool = False, direction: Direction | None = None, engine: Engine = "graphviz-pure"
) -> str:
    """Draw a model's diagram; whatever happens to the layout, there is a drawing.

    Args:
        report: the model's rows.
        unfold: show every layer of repeated blocks.
        direction: ``TB`` from top to bottom, ``LR`` from left to right; by default from top to bottom, and in columns
            where that would be taller than a page.
        engine: ``graphviz-pure`` draws the same bytes on every machine; ``dot`` is the installed Graphviz.

    Example:
        >>> from axon_nb.rows import Row
        >>> row = Row(0, "image", "input", "input", (), (), (None, 784), "float32")
        >>> diagram_svg(Report("mnist", (row,))).count("<rect")
        1
    """
    diagram = _Diagram(report, outline(report, unfold=unfold), direction, merge=not unfold)
    return diagram.svg(engine)


def outlined_svg(report: Report, outlined: Outline, *, merge: bool = True) -> str:
    """Draw the diagram of a model whose outline is known.

    Example:
        >>> outlined_svg(Report("m", ()), outline(Report("m", ()))).count("<rect")
        0
    """
    return _Diagram(report, outlined, None, merge=merge).svg("graphviz-pure")


def image_html(svg: str, report: Report, outlined: Outline | None = None, *, whole: bool = False) -> str:
    """Put a drawing into an ``<img>`` that needs no other file, with what it shows in words.

    A page that is printed shows no more of a box that scrolls than what is in view: so a drawing shrinks first, for as
    long as it can be read. Only one that is very tall scrolls, and then a line below it says so.

    Args:
        svg: the drawing.
        report: the model's rows.
        outlined: its outline, where that is known.
        whole: whether all of it is to be in view, however tall it is.

    Example:
        >>> image_html("<svg/>", Report("m", ()))[-47:]
        'src="data:image/svg+xml;base64,PHN2Zy8+"></div>'
    """
    found = _SIZE.search(svg)
    width, height = (int(found[1]), int(found[2])) if found else _USUAL_SIZE
    scrolls = not whole and height > TALLEST / _SMALLEST
    if not whole and not scrolls:
        width = round(width * min(1.0, TALLEST / height))
    narrowest = int(width * _SMALLEST)
    data = base64.b64encode(svg.encode()).decode("ascii")
    alt = escape(describe(report, outlined or outline(report)))
    look = f"max-width:100%;min-width:{narrowest}px;height:auto;margin:0;background:transparent"
    image = f'<img alt="{alt}" width="{width}" style="{look}" src="data:image/svg+xml;base64,{data}">'
    box = f"flex:1 1 {narrowest}px;max-width:{width}px;overflow:auto"
    if not scrolls:
        return f'<div style="{box}">{image}</div>'
    more = f'<div style="margin-top:4px;font-size:12px;{style.FAINT}">scrolls: diagram() shows all of it</div>'
    return f'<div style="{box}"><div style="max-height:{style.TALLEST_PX}px;overflow:auto">{image}</div>{more}</div>'


Place = Callable[[Mapping[str, tuple[float, float]], Sequence[tuple[str, str]]], Layout]
"""Finds places for nodes of given widths and heights, and for the arrows between them."""


@dataclass(frozen=True)
class Pieces:
    """A diagram in pieces, for a page that draws anew only what has changed. Each is SVG around its own (0, 0)."""

    width: int
    height: int
    boxes: dict[str, str]
    """By the name of a row."""
    places: list[float]
    """Where they stand: x and y of each."""
    arrows: dict[str, tuple[str, str, str]]
    """From one row to another: their names, and the arrow as it is drawn from the place of the first."""


def diagram_pieces(report: Report, place: Place) -> Pieces:
    r"""Draw every layer of a model, for a page that answers clicks.

    Args:
        report: the model's rows.
        place: finds the places; a program that does it takes too long for a page that is being worked on.

    Example:
        >>> from axon_nb.display.layout import stack
        >>> from axon_nb.rows import Row
        >>> rows = (Row(0, "x", "input", "input", (), (), (None, 4), "float32"),
        ...         Row(1, "relu_0", "relu", "activation", (), (0,), (None, 4), "float32"))
        >>> found = diagram_pieces(Report("m", rows), lambda sizes, edges: stack({n: s[0] for n, s in sizes.items()}, 40, edges))
        >>> list(found.boxes), list(found.arrows), len(found.places)
        (['x', 'relu_0'], ['x\nrelu_0'], 4)
    """  # noqa: E501
    looks = {row.key: _own_look(_bare(row)) for row in report.rows}
    names = {_id(row.key): row.name for row in report.rows}
    edges = dict.fromkeys((_id(parent), _id(row.key)) for row in report.rows for parent in row.parents)
    layout = place({_id(key): _size(look) for key, look in looks.items()}, list(edges))
    boxes = {box.id: box for box in layout.nodes}
    arrows = {}
    for (tail, head), arrow in zip(edges, layout.arrows, strict=True):
        x, y = boxes[tail].x, boxes[tail].y
        points = tuple((round(px - x, 1), round(py - y, 1)) for px, py in arrow.points)
        tip = arrow.tip and (round(arrow.tip[0] - x, 1), round(arrow.tip[1] - y, 1))
        arrows[f"{names[tail]}\n{names[head]}"] = (names[tail], names[head], arrow_piece(points, tip))
    return Pieces(
        math.ceil(layout.width), math.ceil(layout.height),
        {row.name: node_piece(looks[row.key], *_size(looks[row.key])) for row in report.rows},
        [number for row in report.rows for number in (boxes[_id(row.key)].x, boxes[_id(row.key)].y)],
        arrows,
    )  # fmt: skip


def _bare(row: Row) -> Row:
    """Leave out what a box does not show, so that rows that look alike are one to the cache."""
    return replace(row, key=0, parents=row.parents and (0,), options=(), params=(), macs=None, source="")


@lru_cache(maxsize=4096)
def _own_look(row: Row) -> Look:
    look = _look(Box((Entry(0, row, row),)))
    return replace(look, lines=(elide(row.name, _NAME_WIDTH), *look.lines[1:]))


def _size(look: Look) -> tuple[float, float]:
    wide = max(6.8 * max(map(text_width, look.lines)), BOLD * text_width(look.lines[0]))
    return round(24 + wide, 1), 12 + 14 * len(look.lines) + 8 * look.ring


@dataclass
class _Cluster:
    """A cluster and what stands in it, while the source is written."""

    id: str
    frame: Frame
    level: int
    content: list[str] = field(default_factory=list)


class _Diagram:
    """Everything there is to draw: ``looks`` by node id, ``frames`` by cluster id, ``edges`` between node ids."""

    def __init__(self, report: Report, outlined: Outline, direction: Direction | None, *, merge: bool) -> None:
        self.direction = direction
        self.description = describe(report, outlined)
        self.boxes = boxes(outlined, report.rows, merge=merge)
        self.looks: dict[str, Look] = {}
        self.frames: dict[str, Frame] = {}
        self.body = self._body(outlined)
        self.edges = [(_id(a), _id(b)) for a, b in self.boxes.edges(report.rows, outlined.shown)]

    def _body(self, outlined: Outline) -> list[str]:
        """Write nodes and clusters, and note their looks."""
        root = _Cluster("", Frame(""), -1)
        open_clusters = [root]
        for number, item in enumerate(outlined.items):
            while open_clusters[-1].level >= item.level:
                _close(open_clusters)
            if isinstance(item, Group):
                open_clusters.append(self._cluster(f"cluster_{number}", item))
            elif box := self.boxes.by_key.get(item.row.key):
                open_clusters[-1].content.append(self._node(_id(item.row.key), _look(box)))
            elif item.row.key in self.boxes.left_out and _LEFT_OUT not in self.looks:
                words = f"{count(len(self.boxes.left_out))} more layers"
                root.content.append(self._node(_LEFT_OUT, Look((words,), style.OTHER_FAMILY, pill=True)))
        while len(open_clusters) > 1:
            _close(open_clusters)
        return root.content

    def _cluster(self, name: str, group: Group) -> _Cluster:
        label = elide(group_name(group), _NAME_WIDTH) if group.times == 1 or group.named else ""
        label = f"{label}  {group_note(group)}".strip()
        self.frames[name] = Frame(label, dashed=group.times > 1)
        return _Cluster(name, self.frames[name], group.level)

    def _node(self, name: str, look: Look) -> str:
        self.looks[name] = look
        return dot.node(name, look)

    def source(self) -> str:
        """Write the DOT source."""
        return dot.document(self.direction or "TB", self.body, self.edges, main_line(self.edges))

    def svg(self, engine: Engine) -> str:
        """Lay it out and draw it."""
        placed = self.layout(engine)
        if self.direction is None:
            placed = in_columns(placed)
        return draw(placed, self.looks, self.frames, self.description)

    def layout(self, engine: Engine) -> Layout:
        """Find places for everything, by an engine if one can, else one box under the other."""
        others: tuple[Engine, ...] = get_args(Engine)
        if len(self.edges) <= MOST_EDGES:
            for choice in dict.fromkeys((engine, *others)):
                try:
                    return lay_out(self.source(), choice)
                except Exception:
                    # A program that is missing or fails must not break a cell.
                    _log.debug("no layout by %s", choice, exc_info=True)
        return self._stack()

    def _stack(self) -> Layout:
        self.frames.clear()
        edges = self.edges
        if len(edges) > MOST_EDGES:
            order = {name: index for index, name in enumerate(self.looks)}
            edges = [(tail, head) for tail, head in edges if order[head] - order[tail] == 1]
            words = f"{count(len(self.edges) - len(edges))} more arrows are not drawn"
            self.looks["note"] = Look((words,), "none", ink=GREY, dashed=True)
        widths = {name: 24 + 6.8 * max(map(text_width, look.lines)) for name, look in self.looks.items()}
        height = 12 + 14 * max((len(look.lines) for look in self.looks.values()), default=1)
        return stack(widths, height, edges)


def _id(key: int | None) -> str:
    return _LEFT_OUT if key is None else f"n{key}"


def _look(box: Box) -> Look:
    row, end = box.entries[0].row, box.entries[-1]
    name = local_name(row)
    lines = [name]
    if not says_op(row) and row.op not in {"input", name}:
        lines.append(row.op)
    if len(box.entries) > 1:
        lines.append(listed([entry.row.op for entry in box.entries[1:]], 2))
    if row.shared_with is not None:
        lines.append(f"shared with {row.shared_with}")
    lines.append(elide(shape_words(end.row), _SHAPE_WIDTH))
    if end.last.output:
        lines.append(f"→ {end.last.output}")
    heats = [entry.row.heat for entry in box.entries if entry.row.heat is not None]
    heat = max(heats) if heats else None
    if heat is not None:
        taken = [entry.row.time_s for entry in box.entries if entry.row.time_s is not None]
        lines += [duration(sum(taken))] if taken else []
    wrong, pending = row.status == "failed", row.status == "pending"
    return Look(
        tuple(elide(line, _SHAPE_WIDTH) for line in lines),
        fill="none" if pending else style.family(row.family) if heat is None else style.heat(heat),
        edge=style.WRONG if wrong else GREY,
        ink=GREY if pending else INK,
        thick=wrong,
        ring=end.last.output is not None and not pending,
        pill=row.op == "input" and not row.parents,
        dashed=pending,
        full=", ".join(clean(entry.row.name) for entry in box.entries),
    )


def _close(open_clusters: list[_Cluster]) -> None:
    """End the innermost cluster; one with nothing in it is left out."""
    cluster = open_clusters.pop()
    if cluster.content:
        open_clusters[-1].content.append(dot.cluster(cluster.id, cluster.frame, cluster.content))
