"""Owns small tables of differences and costs, as text and as HTML that suits light and dark pages.

Knows nothing about what stands in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from axon_nb.display import style
from axon_nb.display.html import elide, escape, pad, text_width

_WIDEST = 60


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """Write a table in fixed-width text; ``numbers`` are the columns that stand to the right.

    Example:
        >>> print(text_table(["a", "n"], [["x", "1"], ["yy", "23"]], [1]))
        a    n
        ──────
        x    1
        yy  23
    """
    grid = [list(heads), *([elide(cell, _WIDEST) for cell in row] for row in rows)]
    widths = [max(text_width(row[place]) for row in grid) for place in range(len(heads))]
    lines = [
        "  ".join(pad(cell, widths[place], right=place in numbers) for place, cell in enumerate(row)).rstrip()
        for row in grid
    ]
    return "\n".join([lines[0], "─" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])


def html_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int], colours: Sequence[str | None] = ()
) -> str:
    """Write a table as HTML with inline styles; each row may have a colour at its left. Every text is escaped.

    Example:
        >>> html_table(["a"], [["<x>"]], []).count("&lt;x&gt;")
        1
    """
    looks = [style.head(number=place in numbers, first=not place) for place in range(len(heads))]
    head = "".join(
        f'<th scope="col" align="{_side(place, numbers)}" style="{looks[place]}">{escape(cell)}</th>'
        for place, cell in enumerate(heads)
    )
    body = []
    for index, row in enumerate(rows):
        colour = (colours[index] if index < len(colours) else None) or "transparent"
        cells = "".join(_cell(cell, place, numbers, colour) for place, cell in enumerate(row))
        body.append(f'<tr style="{style.row("ok")}">{cells}</tr>')
    return (
        f'<table style="{style.TABLE}">\n<thead><tr style="{style.PLAIN}">{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(body)}\n</tbody>\n</table>"
    )


def _cell(text: str, place: int, numbers: Sequence[int], colour: str) -> str:
    look = style.cell(number=place in numbers, failed=False)
    edge = f";padding-left:10px;border-left:3px solid {colour}" if not place else ""
    return f'<td align="{_side(place, numbers)}" style="{look}{edge}">{escape(text)}</td>'


def _side(place: int, numbers: Sequence[int]) -> str:
    return "right" if place in numbers else "left"
