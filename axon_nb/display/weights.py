"""Owns how weights are shown: a line for each tensor, with a small histogram of its values; as HTML and as text.

Knows nothing about where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from axon_nb.display import style
from axon_nb.display.html import elide, escape, pad
from axon_nb.display.words import count, size
from axon_nb.shapes import show

BINS = 24
MOST = 40
"""Of more tensors, the first and the last are shown."""
_BARS = "▁▂▃▄▅▆▇█"
_HEADS = ("Name", "Shape", "Kind", "Mean", "Deviation", "Least", "Greatest", "Values")


@dataclass(frozen=True)
class Weight:
    """What is shown of one tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: str
    nbytes: int
    facts: tuple[float, float, float, float] | None
    """Mean, standard deviation, least and greatest of the finite values; ``None`` where there are none."""
    bins: tuple[int, ...] = ()
    """How many values fall into each of equal parts from the least to the greatest."""
    wrong: int = 0
    """How many values are not finite."""


def weights_text(weights: Sequence[Weight], total: str) -> str:
    """Write weights as a table for a terminal.

    Example:
        >>> print(weights_text([Weight("d.bias", (2,), "float32", "trainable", 8, (0.5, 0.5, 0.0, 1.0), (1, 1))], "8"))
        8
        Name    Shape  Kind       Mean  Deviation  Least  Greatest  Values
        d.bias  (2,)   trainable  0.5   0.5        0      1         ██
    """
    grid = [_HEADS, *(_cells(one) for one in _some(weights))]
    wide = [max(map(len, column)) for column in zip(*grid, strict=True)]
    rows = ["  ".join(pad(cell, width) for cell, width in zip(row, wide, strict=True)).rstrip() for row in grid]
    return "\n".join([total, *rows])


def weights_html(weights: Sequence[Weight], total: str) -> str:
    """Write weights as HTML, with a histogram for each that has the colour of the page's text.

    Example:
        >>> weights_html([], "none")[:5]
        '<div '
    """
    head = "".join(
        f'<th scope="col" align="left" style="{style.head(number=False, first=not i)}">{name}</th>'
        for i, name in enumerate(_HEADS)
    )
    rows = "\n".join(_row(one) for one in _some(weights))
    return (
        f'<div style="margin:4px 0;color:inherit;overflow:auto;max-height:{style.TALLEST_PX}px">\n'
        f'<div style="margin:0 0 6px;font-size:14px">{escape(total)}</div>\n'
        f'<table style="{style.TABLE}">\n<thead><tr style="{style.PLAIN}">{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def total_words(values: int, nbytes: int, kinds: dict[str, int]) -> str:
    """Say how many values there are, and of which kinds.

    Example:
        >>> total_words(10, 40, {"trainable": 8, "frozen": 0, "state": 2})
        '10 values, 40 bytes: 8 trainable, 2 state'
    """
    told = ", ".join(f"{count(number)} {kind}" for kind, number in kinds.items() if number)
    return f"{count(values)} values, {size(nbytes)}" + (f": {told}" if told else "")


def _some(weights: Sequence[Weight]) -> list[Weight]:
    if len(weights) <= MOST:
        return list(weights)
    half = MOST // 2
    left = weights[half:-half]
    more = Weight(f"… {len(left)} more …", (), "", "", sum(one.nbytes for one in left), None)
    return [*weights[:half], more, *weights[-half:]]


def _cells(one: Weight) -> tuple[str, ...]:
    facts = [f"{value:.3g}" for value in one.facts] if one.facts else [""] * 4
    top = max(one.bins, default=0) or 1
    bars = "".join(_BARS[(len(_BARS) - 1) * n // top] if n else " " for n in one.bins)
    wrong = f" {one.wrong} not finite" if one.wrong else ""
    dtype = "" if one.dtype in ("float32", "") else f" {one.dtype}"
    shape = (show(one.shape) + dtype) if one.dtype else ""
    return (elide(one.name, 40), shape, one.kind, *facts, bars.rstrip() + wrong)


def _row(one: Weight) -> str:
    *cells, _ = _cells(one)
    name, *rest = cells
    first = f'<th scope="row" align="left" style="{style.cell(number=False, failed=False)}padding-left:12px">'
    others = "".join(
        f'<td align="left" style="{style.cell(number=False, failed=False)}">{escape(cell)}</td>' for cell in rest
    )
    wrong = f' <span style="color:{style.WRONG}">{one.wrong} not finite</span>' if one.wrong else ""
    row = f"{style.PLAIN};border-bottom:1px solid {style.QUIET_LINE}"
    title = f"{first}<bdi>{escape(name)}</bdi></th>"
    return f'<tr style="{row}">{title}{others}<td>{_histogram(one)}{wrong}</td></tr>'


def _histogram(one: Weight) -> str:
    if not one.bins:
        return ""
    top, step, tall = max(one.bins) or 1, 4, 18
    bars = "".join(
        f'<rect x="{i * step}" y="{tall - h}" width="{step - 1}" height="{h}"/>'
        for i, n in enumerate(one.bins)
        if (h := max(1, round(tall * n / top)) if n else 0)
    )
    wide = step * len(one.bins)
    return (
        f'<svg width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}" role="img" aria-label="histogram" '
        f'fill="{style.FAMILIES["linear"]}" stroke="none">{bars}</svg>'
    )


__all__ = ["BINS", "Weight", "total_words", "weights_html", "weights_text"]
