"""Owns where the boxes and arrows of a diagram stand: it runs the layout engine and reads its answer.

Knows nothing about models or colours. The only place that runs Graphviz.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Engine = Literal["graphviz-pure", "dot"]
Point = tuple[float, float]

TIMEOUT_S = 20.0
_ROW = 62.0
_MARGIN = 6.0


@dataclass(frozen=True)
class Box:
    """A node or a cluster: its id in the DOT source, its middle, width and height, in points, y downwards."""

    id: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Arrow:
    """An edge: the points of its curve (one, then three for each Bézier piece) and its tip."""

    points: tuple[Point, ...]
    tip: Point | None


@dataclass(frozen=True)
class Layout:
    """Everything placed, in a picture of ``width`` by ``height`` points."""

    width: float
    height: float
    nodes: tuple[Box, ...]
    clusters: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def lay_out(source: str, engine: Engine = "graphviz-pure") -> Layout:
    """Place the nodes of a DOT source; one that differs from an earlier one in digits only is placed like that.

    ``graphviz-pure`` comes with pip and answers with the same numbers on every machine; ``dot`` is whatever Graphviz
    is installed, and answers by its own version and fonts.

    Raises:
        RuntimeError: the engine is not there, or fails.
        TimeoutExpired: it takes too long.

    Example:
        >>> [box.id for box in lay_out("digraph { a -> b }").nodes]
        ['a', 'b']
    """
    return _lay_out(_LABEL.sub(_same_digits, source), engine)


_LABEL = re.compile(r'label="(?:[^"\\]|\\.)*"')
_DIGIT = re.compile("[0-9]")


def _same_digits(label: re.Match[str]) -> str:
    """Write every digit as 0: all are equally wide, so that a label with other numbers takes the same place."""
    return _DIGIT.sub("0", label[0])


@lru_cache(maxsize=64)
def _lay_out(source: str, engine: Engine) -> Layout:
    from graphviz.backend import execute  # only drawing needs it

    # run_check and not graphviz.pipe: pipe runs the program called "dot" and nothing else.
    # json0 has the places alone; json writes every stroke as well, four times as much.
    command = [_executable(engine), "-Kdot", "-Tjson0"]
    try:
        done = execute.run_check(
            command, input=source, encoding="utf-8", capture_output=True, quiet=True, timeout=TIMEOUT_S
        )
    except execute.CalledProcessError as error:
        message = f"{engine} failed: {error.stderr.strip()}"
        raise RuntimeError(message) from error
    return _read(json.loads(done.stdout))


@lru_cache(maxsize=2)
def _executable(engine: Engine) -> str:
    """Find the program; that of graphviz-pure stands beside the running Python, often not on PATH."""
    user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    places = [sysconfig.get_path("scripts"), user] if engine == "graphviz-pure" else []
    found = shutil.which(engine, path=os.pathsep.join([*places, os.environ.get("PATH", "")]))
    if found is None:
        message = f"{engine} is not installed"
        raise RuntimeError(message)
    return found


def _read(answer: Mapping[str, Any]) -> Layout:
    left, bottom, right, top = _numbers(answer["bb"])

    def point(text: str) -> Point:
        x, y = _numbers(text)
        return round(x - left, 2), round(top - y, 2)

    nodes, clusters = [], []
    for thing in answer.get("objects", ()):
        if "pos" in thing:
            width, height = float(thing["width"]) * 72, float(thing["height"]) * 72
            nodes.append(Box(thing["name"], *point(thing["pos"]), width, height))
        elif "bb" in thing:
            x0, y0, x1, y1 = _numbers(thing["bb"])
            middle = point(f"{(x0 + x1) / 2},{(y0 + y1) / 2}")
            clusters.append(Box(thing["name"], *middle, x1 - x0, y1 - y0))
    arrows = []
    for edge in answer.get("edges", ()):
        pieces = edge["pos"].split()
        tip = next((point(piece[2:]) for piece in pieces if piece.startswith("e,")), None)
        arrows.append(Arrow(tuple(point(piece) for piece in pieces if piece[1] != "," or piece[0] not in "se"), tip))
    return Layout(right - left, top - bottom, tuple(nodes), tuple(clusters), tuple(arrows))


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def stack(widths: Mapping[str, float], height: float, edges: Sequence[tuple[str, str]]) -> Layout:
    """Place nodes one under the other, without any program: plain, but always there.

    Example:
        >>> stack({"a": 60, "b": 60}, 36, [("a", "b")]).height
        110.0
    """
    middle = max(widths.values(), default=0) / 2 + _MARGIN
    order = {node: index for index, node in enumerate(widths)}
    boxes = tuple(
        Box(node, middle, _MARGIN + height / 2 + index * _ROW, widths[node], height) for node, index in order.items()
    )
    arrows, bulges = [], [0.0]
    for tail, head in edges:
        start, end = boxes[order[tail]], boxes[order[head]]
        skipped = order[head] - order[tail] - 1
        bulge = 0.0 if skipped == 0 else middle * 0.5 + 14 * math.sqrt(abs(skipped))
        bulges.append(bulge)
        arrows.append(_curve(start, end, bulge, straight=skipped == 0))
    tall = max(0, len(boxes) - 1) * _ROW + height + 2 * _MARGIN
    return Layout(2 * middle + max(bulges), tall, boxes, (), tuple(arrows))


def _curve(start: Box, end: Box, bulge: float, *, straight: bool) -> Arrow:
    if straight:
        top, bottom = (start.x, start.y + start.height / 2), (end.x, end.y - end.height / 2)
        near = (end.x, bottom[1] - 8)
        return Arrow((top, top, near, near), bottom)
    out, back = start.x + start.width / 2, end.x + end.width / 2
    side = max(out, back) + bulge
    near = (back + 8, end.y)
    return Arrow(((out, start.y), (side, start.y), (side, end.y), near), (back, end.y))
