"""Owns the plot that grows in a notebook while training.

Knows nothing about training: it is told points, and draws lines.
"""

from __future__ import annotations

import html
import math
import uuid

from ipywidgets import HTML

from axon_nb.magic.output import publish
from axon_nb.widgets.shown import VIEW

_WIDTH, _HEIGHT, _MOST = 320, 140, 400


class NotebookPlot:
    """Lines in a widget that leaves nothing behind when it is closed; what stays is the result's own display."""

    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[float, float]]] = {}
        self._html = HTML()
        self._id = uuid.uuid4().hex
        publish({VIEW: {"version_major": 2, "version_minor": 0, "model_id": self._html.model_id}}, self._id)

    def add(self, points: dict[str, list[tuple[float, float]]]) -> None:
        """Draw more points."""
        for name, more in points.items():
            line = self._lines.setdefault(name, [])
            line += [point for point in more if math.isfinite(point[1])]
            if len(line) > _MOST:  # every other: the message stays small however long it trains
                line[:] = [*line[:-1:2], line[-1]]
        self._html.value = drawn(self._lines)

    def close(self) -> None:
        """Take it away."""
        publish({"text/plain": ""}, self._id, update=True)
        self._html.close()


def drawn(lines: dict[str, list[tuple[float, float]]]) -> str:
    """Draw lines as HTML: a small plot for each number, validation dashed beside training.

    Example:
        >>> drawn({"loss": [(1, 0.5), (2, 0.25)]}).count("<polyline")
        1
    """
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, points in lines.items():
        if points:
            groups.setdefault(name.removeprefix("val_"), {})[name] = points
    return "".join(_plot(title, group) for title, group in groups.items())


def _plot(title: str, group: dict[str, list[tuple[float, float]]]) -> str:
    every = [point for points in group.values() for point in points]
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)
    wide, tall = (right - left) or 1, (high - low) or 1

    def place(x: float, y: float) -> str:
        return f"{4 + (x - left) / wide * (_WIDTH - 8):.1f},{4 + (high - y) / tall * (_HEIGHT - 8):.1f}"

    drawn_lines = "".join(
        f'<polyline points="{" ".join(place(x, y) for x, y in points)}" fill="none" stroke="currentColor" '
        f'stroke-width="1.5" stroke-dasharray="{"5 3" if name.startswith("val_") else "none"}"/>'
        for name, points in group.items()
    )
    last = ", ".join(f"{name} {points[-1][1]:.4g}" for name, points in group.items())
    return (
        f'<div style="display:inline-block;margin:4px 16px 4px 0"><b>{html.escape(title)}</b>'
        f'<span style="opacity:.7;margin-left:8px">{html.escape(last)}</span><br>'
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" style="border:1px solid rgba(128,128,128,.4)" role="img" '
        f'aria-label="{html.escape(title)}, from {low:.4g} to {high:.4g}">{drawn_lines}</svg></div>'
    )
