"""Owns how kernels are shown: a table with their sources, as text and as HTML.

Knows nothing about how they were made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axon_nb.display import style
from axon_nb.display.html import elide, escape
from axon_nb.display.words import count, duration
from axon_nb.display.words import size as nbytes_words

_MOST = 200
"""Kernels of which the sources are put into a page."""


@dataclass(frozen=True)
class KernelRow:
    """What is shown of one kernel."""

    number: int
    layers: tuple[str, ...]
    writes: str
    name: str
    source: str
    lexer: str
    operations: int
    nbytes: int
    groups: tuple[int, ...]
    threads: tuple[int, ...] | None


def kernels_text(rows: Sequence[KernelRow], headline: str) -> str:
    """Write a table of kernels, one to a line.

    Example:
        >>> row = KernelRow(0, ("dense_0",), "output of dense_0", "r_4", "int x;", "c", 24, 40, (1, 1, 1), (4, 1, 1))
        >>> print(kernels_text([row], "model: 1 kernel in C"))
        model: 1 kernel in C
        <BLANKLINE>
        #  Layers   Writes             Operations     Bytes  Launch
        0  dense_0  output of dense_0          24  40 bytes  1 x 4
    """
    head = ("#", "Layers", "Writes", "Operations", "Bytes", "Launch")
    cells = [
        (str(row.number), elide(_layers(row), 44), elide(row.writes, 36), *_costs(row), _launch(row)) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    right = {3, 4}
    lines = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in (head, *cells)
    ]
    return "\n".join([headline, "", *(line.rstrip() for line in lines)])


def kernels_html(rows: Sequence[KernelRow], headline: str) -> str:
    """Write kernels as HTML: a line for each, which opens to its source.

    Example:
        >>> row = KernelRow(0, ("<b>",), "", "r_4", "int x;", "c", 24, 40, (1, 1, 1), None)
        >>> "<b>" in kernels_html([row], "model")
        False
    """
    body = "\n".join(_row(row, with_source=place < _MOST) for place, row in enumerate(rows))
    total = f"{count(sum(r.operations for r in rows))} operations · {nbytes_words(sum(r.nbytes for r in rows))} moved"
    return (
        f'<div style="margin:4px 0;color:inherit;max-width:1000px">\n'
        f'<div style="margin:0 0 6px;font-size:14px"><strong style="font-size:16px"><bdi>{escape(headline)}</bdi>'
        f'</strong>&ensp;<span style="{style.FAINT}">{escape(total)}</span></div>\n{body}\n</div>'
    )


def _row(row: KernelRow, *, with_source: bool) -> str:
    facts = f"{count(row.operations)} operations · {nbytes_words(row.nbytes)} · {_launch(row)}"
    summary = (
        f'<span style="display:inline-block;min-width:2.2em;{style.FAINT}">{row.number}</span>'
        f"<strong><bdi>{escape(elide(_layers(row), 80))}</bdi></strong>"
        + (f" <bdi>{escape(row.writes)}</bdi>" if row.writes else "")
        + f' <small style="{style.FAINT}">{escape(facts)}</small>'
    )
    line = f"border-top:1px solid {style.QUIET_LINE};padding:3px 0"
    if not with_source:
        return f'<div style="{line}">{summary}</div>'
    return (
        f'<details style="{line}"><summary style="cursor:pointer">{summary}</summary>\n'
        f'<pre style="margin:6px 0 10px;padding:8px 12px;border:none;border-left:3px solid {style.LINE};'
        f'background:{style.BAND};color:inherit;overflow:auto;max-height:460px;font-family:monospace;font-size:12px;line-height:1.4">'
        f"{highlighted(row.source, row.lexer)}</pre></details>"
    )


def _layers(row: KernelRow) -> str:
    return ", ".join(row.layers) or "bookkeeping"


def _costs(row: KernelRow) -> tuple[str, str]:
    return count(row.operations), nbytes_words(row.nbytes)


def _launch(row: KernelRow) -> str:
    """Write the launch: workgroups x threads, axes of one thing left out."""
    groups = " · ".join(str(n) for n in row.groups if n != 1) or "1"
    if row.threads is None:
        return f"{groups} part{'s' * (groups != '1')}"
    return f"{groups} x {' · '.join(str(n) for n in row.threads if n != 1) or '1'}"


def shares_text(shares: Sequence[tuple[str, float]]) -> str:
    """Write what each kernel takes of the time, the longest first.

    Example:
        >>> print(shares_text([("a", 1e-3), ("b, c", 3e-3)]))
        Kernels, the longest first
          3.0 ms   75 %  b, c
          1.0 ms   25 %  a
    """
    whole = sum(seconds for _, seconds in shares) or 1.0
    lines = [
        f"  {duration(seconds)}  {seconds / whole:>4.0%}".replace("%", " %") + f"  {elide(layers or 'bookkeeping', 70)}"
        for layers, seconds in sorted(shares, key=lambda share: -share[1])
    ]
    return "\n".join(["Kernels, the longest first", *lines])


def shares_html(headline: str, table: str, picture: str, shares: Sequence[tuple[str, float]]) -> str:
    """Write a profile as HTML: table beside diagram, and under them a bar for each kernel.

    Example:
        >>> "<b>" in shares_html("model", "", "", [("<b>", 1.0)])
        False
    """
    whole = sum(seconds for _, seconds in shares) or 1.0
    bars = "\n".join(
        f'<tr style="{style.PLAIN}"><td align="right" style="{_BAR_CELL}">{duration(seconds)}</td>'
        f'<td style="{_BAR_CELL}"><div style="width:{260 * seconds / whole:.0f}px;height:10px;'
        f'background:{style.heat(seconds / whole)};border:1px solid {style.LINE}"></div></td>'
        f'<td align="left" style="{_BAR_CELL};text-align:left"><bdi>{escape(layers or "bookkeeping")}</bdi></td></tr>'
        for layers, seconds in sorted(shares, key=lambda share: -share[1])
    )
    return (
        f'<div style="margin:4px 0;color:inherit">\n<div style="margin:0 0 6px;font-size:14px">'
        f'<strong style="font-size:16px"><bdi>{escape(headline)}</bdi></strong></div>\n'
        f'<div style="{style.SIDES}">\n<div style="overflow:auto">{table}\n'
        f'<table style="{style.TABLE}"><caption style="text-align:left;padding:10px 12px 4px;{style.FAINT}">'
        f"Kernels, the longest first</caption><tbody>\n{bars}\n</tbody></table></div>\n{picture}\n</div></div>"
    )


_BAR_CELL = "padding:2px 12px;border:none;text-align:right;white-space:nowrap"


def highlighted(source: str, lexer: str) -> str:
    """Colour source code, in colours that can be read on light and on dark pages; plain where that can't be done.

    Example:
        >>> highlighted("<x>", "text")
        '&lt;x&gt;'
    """
    try:
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
        from pygments.util import ClassNotFound
    except ImportError:
        return escape(source.strip())
    try:
        found = get_lexer_by_name(lexer)
    except ClassNotFound:
        found = get_lexer_by_name("c")
    formatter: Any = HtmlFormatter(nowrap=True, noclasses=True, style=_style())
    return highlight(source.strip(), found, formatter).rstrip()


def _style() -> Any:
    from pygments.style import Style
    from pygments.token import Comment, Keyword, Name, Number, String

    class _Both(Style):
        # Mid tones: none needs a light or a dark page.
        styles = {  # noqa: RUF012 - pygments' own form
            Comment: "italic #808080",
            Keyword: "#b0568f",
            Keyword.Type: "#3f8f8f",
            Name.Function: "bold",
            Name.Builtin: "#3f8f8f",
            Number: "#b9762b",
            String: "#5d8f3f",
        }

    return _Both
