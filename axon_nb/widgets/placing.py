"""Owns where boxes stand in the diagram of a widget: in layers, by arithmetic alone, in milliseconds.

Knows nothing about models. The diagram of a card is placed by Graphviz, which takes longer and does it better.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from axon_nb.display.layout import Arrow, Box, Layout, Point

_ROW_GAP, _GAP, _DUMMY = 26.0, 18.0, 10.0
_SWEEPS = 4

Edge = tuple[str, str]
_Via = tuple[Edge, int]
_Thing = str | _Via
"""A node, or the place where an arrow crosses a layer."""


def place(sizes: Mapping[str, tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Place nodes under those that they read.

    Args:
        sizes: width and height of each node, in points; parents stand before children.
        edges: arrows between nodes.

    Example:
        >>> layout = place({"a": (60, 30), "b": (60, 30), "c": (60, 30)}, [("a", "b"), ("b", "c"), ("a", "c")])
        >>> [round(box.y) for box in layout.nodes], len(layout.arrows)
        ([19, 75, 131], 3)
    """
    return _placed(tuple(sizes.items()), tuple(edges))


@lru_cache(maxsize=64)  # where only numbers change, nothing is placed anew
def _placed(sized: tuple[tuple[str, tuple[float, float]], ...], edges: tuple[Edge, ...]) -> Layout:
    sizes = dict(sized)
    ranks = _ranks(sizes, edges)
    above, rows = _threads(ranks, edges)
    _order(rows, above)
    widths = {thing: _width(thing, sizes) for row in rows for thing in row}
    xs = _columns(rows, above, widths)
    ys, tall = _heights(rows, sizes)
    left = min((x - widths[thing] / 2 for thing, x in xs.items()), default=0.0) - 4
    boxes = {
        name: Box(name, round(xs[name] - left, 1), round(ys[ranks[name]], 1), *size) for name, size in sizes.items()
    }
    wide = max((x + widths[thing] / 2 for thing, x in xs.items()), default=0.0) - left + 4
    arrows = [_arrow(edge, boxes, ranks, xs, ys, left) for edge in dict.fromkeys(edges)]
    return Layout(wide, tall, tuple(boxes.values()), (), tuple(arrows))


def _ranks(sizes: Mapping[str, object], edges: Sequence[Edge]) -> dict[str, int]:
    parents = defaultdict(list)
    for tail, head in edges:
        parents[head].append(tail)
    ranks: dict[str, int] = {}
    for name in sizes:
        ranks[name] = 1 + max((ranks.get(parent, -1) for parent in parents[name]), default=-1)
    children = defaultdict(list)
    for tail, head in edges:
        children[tail].append(ranks[head])
    for name in reversed(list(sizes)):  # what begins anew stands right above what reads it
        if not parents[name] and children[name]:
            ranks[name] = max(0, min(children[name]) - 1)
    return ranks


def _threads(ranks: Mapping[str, int], edges: Sequence[Edge]) -> tuple[dict[_Thing, list[_Thing]], list[list[_Thing]]]:
    """List for each thing what it hangs on in the row above, and the things of each row."""
    rows: list[list[_Thing]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    above: dict[_Thing, list[_Thing]] = defaultdict(list)
    for name, rank in ranks.items():
        rows[rank].append(name)
    for edge in dict.fromkeys(edges):
        tail, head = edge
        before: _Thing = tail
        for rank in range(ranks[tail] + 1, ranks[head]):
            via: _Via = (edge, rank)
            rows[rank].append(via)
            above[via].append(before)
            before = via
        above[head].append(before)
    return above, rows


def _below(above: Mapping[_Thing, list[_Thing]]) -> dict[_Thing, list[_Thing]]:
    below: dict[_Thing, list[_Thing]] = defaultdict(list)
    for thing, parents in above.items():
        for parent in parents:
            below[parent].append(thing)
    return below


def _order(rows: list[list[_Thing]], above: Mapping[_Thing, list[_Thing]]) -> None:
    below = _below(above)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row, other in pairwise(rows if down else rows[::-1]):
            if len(other) < 2:
                continue
            place_of = {thing: index for index, thing in enumerate(row)}
            keys = {
                thing: _mean([place_of[one] for one in near.get(thing, ()) if one in place_of], index)
                for index, thing in enumerate(other)
            }
            other.sort(key=lambda thing: (keys[thing], not isinstance(thing, str)))


def _width(thing: _Thing, sizes: Mapping[str, tuple[float, float]]) -> float:
    return sizes[thing][0] if isinstance(thing, str) else _DUMMY


def _columns(
    rows: list[list[_Thing]], above: Mapping[_Thing, list[_Thing]], widths: Mapping[_Thing, float]
) -> dict[_Thing, float]:
    below = _below(above)
    xs: dict[_Thing, float] = {}
    for row in rows:
        at = 0.0
        for thing in row:
            xs[thing] = at + widths[thing] / 2
            at += widths[thing] + _GAP
        middle = (at - _GAP) / 2
        for thing in row:
            xs[thing] -= middle
    for sweep in range(2 * _SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else rows[::-1]:
            wanted = [_mean([xs[one] for one in near.get(thing, ())], xs[thing]) for thing in row]
            if len(row) > 1:
                wanted = _apart(wanted, [widths[thing] for thing in row])
            xs.update(zip(row, wanted, strict=True))
    return xs


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise  # fmean takes longer for one or two


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Come as near to the wanted places as can be with nothing overlapping, the order kept.

    Example:
        >>> _apart([0.0, 0.0], [10.0, 10.0])
        [-14.0, 14.0]
    """
    offsets = [0.0]
    for one, other in pairwise(widths):
        offsets.append(offsets[-1] + (one + other) / 2 + _GAP)
    groups: list[tuple[float, int]] = []  # a mean and how many share it
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while groups and groups[-1][0] > mean:
            before, many = groups.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        groups.append((mean, count))
    means = [mean for mean, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _heights(rows: list[list[_Thing]], sizes: Mapping[str, tuple[float, float]]) -> tuple[list[float], float]:
    """Return the middle of each row, and the height of all."""
    ys, at = [], 4.0
    for row in rows:
        tall = max((sizes[thing][1] for thing in row if isinstance(thing, str)), default=0.0)
        ys.append(at + tall / 2)
        at += tall + _ROW_GAP
    return ys, max(0.0, at - _ROW_GAP) + 4


def _arrow(
    edge: Edge, boxes: Mapping[str, Box], ranks: Mapping[str, int], xs: Mapping[_Thing, float], ys: Sequence[float],
    left: float,
) -> Arrow:  # fmt: skip
    tail, head = boxes[edge[0]], boxes[edge[1]]
    stops: list[Point] = [(tail.x, tail.y + tail.height / 2)]
    stops += [(round(xs[edge, rank] - left, 1), ys[rank]) for rank in range(ranks[edge[0]] + 1, ranks[edge[1]])]
    tip = (head.x, head.y - head.height / 2)
    stops.append((tip[0], tip[1] - 7))
    points = [stops[0]]
    for (x, y), (to_x, to_y) in pairwise(stops):
        bend = (to_y - y) / 2
        points += [(x, y + bend), (to_x, to_y - bend), (to_x, to_y)]
    return Arrow(tuple(points), tip)
