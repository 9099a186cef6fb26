"""Owns how a tall drawing is cut into columns that stand side by side, so that a page shows all of it.

Knows nothing about models: it moves boxes and arrows that have their places already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from axon_nb.display.layout import Arrow, Box, Layout, Point

TALLEST, WIDEST = 900.0, 1000.0
"""What a page shows at once, in points: about a screen, and about a printed page."""

_GAP = 40.0
_TURN = 8.0
"""How far below a column, and above the next one, an arrow runs that leads from one to the other."""

Piece = tuple[Point, Point, Point, Point]


def in_columns(layout: Layout) -> Layout:
    """Cut a drawing that is too tall into as few columns as make it fit; return it as it is where that can't be.

    It is cut only where no box stands and where all arrows come from one box, or lead to one: so that an arrow between
    columns can't be taken for another.

    Example:
        >>> from axon_nb.display.layout import stack
        >>> names = [f"n{i}" for i in range(40)]
        >>> tall = stack(dict.fromkeys(names, 60.0), 36, list(pairwise(names)))
        >>> tall.height > TALLEST > in_columns(tall).height
        True
    """
    if layout.height <= TALLEST:
        return layout
    places = _places(layout)
    best = layout
    for count in range(2, len(places) + 2):
        cuts = _choose(places, layout.height, count)
        found = _arrange(layout, cuts)
        if found.width > WIDEST:
            break
        if found.height < best.height:
            best = found
        if found.height <= TALLEST:
            break
    return best


def _places(layout: Layout) -> list[float]:
    """Find the heights at which the drawing may be cut."""
    spans = [(*_ends(arrow), arrow) for arrow in layout.arrows]
    boxes = sorted((box.y - box.height / 2, box.y + box.height / 2) for box in (*layout.nodes, *layout.clusters))
    found, end = [], boxes[0][1] if boxes else 0.0
    for top, bottom in boxes:
        middle = (end + top) / 2
        if end < top and _may_be_cut(layout, middle, [arrow for low, high, arrow in spans if low < middle < high]):
            found.append(middle)
        end = max(end, bottom)
    return found


def _may_be_cut(layout: Layout, y: float, crossing: Sequence[Arrow]) -> bool:
    if any(arrow.points[-1][1] <= y or not _goes_down(arrow) for arrow in crossing):
        return False  # through the tip, or where it is crossed more than once
    starts = {_at(layout.nodes, arrow.points[0]) for arrow in crossing}
    ends = {_at(layout.nodes, arrow.tip or arrow.points[-1]) for arrow in crossing}
    return min(len(starts), len(ends)) <= 1


def _ends(arrow: Arrow) -> tuple[float, float]:
    heights = [y for _, y in arrow.points] + ([arrow.tip[1]] if arrow.tip else [])
    return min(heights, default=0.0), max(heights, default=0.0)


def _goes_down(arrow: Arrow) -> bool:
    return all(first[1] <= second[1] + 0.5 for first, second in pairwise(arrow.points))


def _at(nodes: Iterable[Box], point: Point) -> str:
    """Name the box at whose edge an arrow ends."""
    return min(nodes, key=lambda box: _distance(box, point)).id


def _distance(box: Box, point: Point) -> float:
    aside = max(0.0, abs(point[0] - box.x) - box.width / 2)
    return aside + max(0.0, abs(point[1] - box.y) - box.height / 2)


def _choose(places: Sequence[float], height: float, count: int) -> list[float]:
    """Take the places that come nearest to columns of one height."""
    wanted = [height * (index + 1) / count for index in range(count - 1)]
    return sorted({min(places, key=lambda place: abs(place - one)) for one in wanted})


@dataclass(frozen=True)
class _Column:
    top: float
    bottom: float
    right: float
    """Of what is in it, in its new place."""
    dx: float
    dy: float

    def moved(self, point: Point) -> Point:
        return round(point[0] + self.dx, 2), round(point[1] + self.dy, 2)


def _arrange(layout: Layout, cuts: Sequence[float]) -> Layout:
    """Put the parts between the cuts side by side, and lead arrows from each to the next."""
    parts = [_split(arrow, cuts) for arrow in layout.arrows]
    columns: list[_Column] = []
    for top, bottom in pairwise([0.0, *cuts, layout.height]):
        left, right = _extent(layout, parts, top, bottom)
        dx = columns[-1].right + _GAP - left if columns else -left
        dy = 2 * _TURN - top if columns else 0.0
        columns.append(_Column(top, bottom, right + dx, dx, dy))

    def column(y: float) -> _Column:
        return next(one for one in columns if y <= one.bottom)

    def box(old: Box) -> Box:
        x, y = column(old.y).moved((old.x, old.y))
        return replace(old, x=x, y=y)

    arrows = []
    for arrow, pieces in zip(layout.arrows, parts, strict=True):
        tip = arrow.tip and column(arrow.tip[1]).moved(arrow.tip)
        arrows.append(Arrow(_joined(pieces, column), tip))
    tall = max(one.bottom + one.dy + (_TURN if one is not columns[-1] else 0) for one in columns)
    return Layout(
        columns[-1].right, tall, tuple(map(box, layout.nodes)), tuple(map(box, layout.clusters)), tuple(arrows)
    )


def _extent(layout: Layout, parts: Iterable[Sequence[Piece]], top: float, bottom: float) -> tuple[float, float]:
    """Find how far to the left and right a part of the drawing goes."""
    boxes = [box for box in (*layout.nodes, *layout.clusters) if top < box.y < bottom]
    sides = [x for box in boxes for x in (box.x - box.width / 2, box.x + box.width / 2)]
    sides += [x for pieces in parts for piece in pieces if top <= _middle(piece) <= bottom for x, _ in piece]
    return min(sides, default=0.0), max(sides, default=0.0)


def _middle(piece: Piece) -> float:
    return (piece[0][1] + piece[3][1]) / 2


def _joined(pieces: Sequence[Piece], column: Callable[[float], _Column]) -> tuple[Point, ...]:
    """Write the pieces of an arrow as one curve, with a way from column to column."""
    points: list[Point] = []
    last: _Column | None = None
    for piece in pieces:
        here = column(_middle(piece))
        start, *rest = map(here.moved, piece)
        if last is None:
            points.append(start)
        elif last is not here:
            points += _way(points[-1], start, last.right + _GAP / 2)
        points += rest
        last = here
    return tuple(points)


def _way(start: Point, end: Point, lane: float) -> list[Point]:
    """Lead down, over to the lane between two columns, up in it, and down into the next column, with round corners."""
    low, high = start[1] + _TURN, end[1] - _TURN
    stops = [start, (start[0], low), (lane, low), (lane, high), (end[0], high), end]
    points: list[Point] = []
    for before, corner, after in zip(stops, stops[1:], stops[2:], strict=False):
        into, out = _towards(corner, before), _towards(corner, after)
        points += [into, into, into, corner, corner, out]
    return [*points, end, end, end]


def _towards(corner: Point, other: Point) -> Point:
    """Give the point where a corner begins to be round."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    share = min(0.5, _TURN / 2 / (abs(dx) + abs(dy) or 1.0))
    return round(corner[0] + dx * share, 2), round(corner[1] + dy * share, 2)


def _split(arrow: Arrow, cuts: Sequence[float]) -> list[Piece]:
    """Give the pieces of an arrow's curve, each in one column."""
    pieces: list[Piece] = []
    for start in range(0, len(arrow.points) - 3, 3):
        a, b, c, d = arrow.points[start : start + 4]
        rest = (a, b, c, d)
        for cut in cuts:
            if rest[0][1] < cut < rest[3][1]:
                first, rest = _cut(rest, cut)
                pieces.append(first)
        pieces.append(rest)
    return pieces


def _cut(piece: Piece, y: float) -> tuple[Piece, Piece]:
    """Cut a curve that goes down where it has reached a height."""
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _halves(piece, middle)[1][0][1] < y else (low, middle)
    first, second = _halves(piece, high)
    return (*first[:3], (first[3][0], y)), ((second[0][0], y), *second[1:])


def _halves(piece: Piece, share: float) -> tuple[Piece, Piece]:
    """Cut a Bézier curve in two, as de Casteljau did."""

    def between(first: Point, second: Point) -> Point:
        return first[0] + (second[0] - first[0]) * share, first[1] + (second[1] - first[1]) * share

    a, b, c, d = piece
    ab, bc, cd = between(a, b), between(b, c), between(c, d)
    abc, bcd = between(ab, bc), between(bc, cd)
    middle = between(abc, bcd)
    return (a, ab, abc, middle), (middle, bcd, cd, d)
