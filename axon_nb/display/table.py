"""Owns the table of a model, a line for each layer, as fixed-width text and as HTML.

Knows nothing about the diagram or the card around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from axon_nb.display import style
from axon_nb.display.fold import outline
from axon_nb.display.html import elide, escape, pad, text_width
from axon_nb.display.lines import DEFAULT, HEADINGS, NUMBERS, Column, Line, lines, shortened, used
from axon_nb.display.words import count, totals_words
from axon_nb.rows import Report

WIDEST = 100
_GAP = "  "
_LIMITS: dict[Column, int] = {"layer": 40, "options": 60, "shape": 32, "inputs": 30}
_LEAST_OPTIONS = 16
_DEEPEST = 8
_TBODY = "</tbody>\n<tbody>\n"


def table_text(report: Report, *, columns: Sequence[Column] = DEFAULT, unfold: bool = False) -> str:
    """Write a model's table for a terminal: up to about 100 columns wide, totals under it.

    Args:
        report: the model's rows.
        columns: any of layer, options, shape, dtype, inputs, macs, time, parameters.
        unfold: show every layer of repeated blocks.

    Raises:
        UnknownNameError: a column that does not exist.

    Example:
        >>> from axon_nb.rows import Row
        >>> print(table_text(Report("m", (Row(0, "x", "input", "input", (), (), (None, 4), "float32"),))))
        Layer      Output shape  Parameters
        ───────────────────────────────────
        x (input)  (None, 4)
        ───────────────────────────────────
        Parameters  0
    """
    return lines_text(report, lines(report, outline(report, unfold=unfold), columns), columns)


def lines_text(report: Report, written: list[Line], columns: Sequence[Column] = DEFAULT) -> str:
    """Write the table of a model whose lines are known.

    Example:
        >>> lines_text(Report("m", ()), [], ["layer"]).splitlines()[0]
        'Layer'
    """
    shown = used(columns, written)
    heads = [HEADINGS[column] for column in shown]
    grid = _fitted(heads, [[_text_cell(line, column) for column in shown] for line in written], shown)
    widths = _widths(heads, grid)
    whole = sum(widths) + len(_GAP) * (len(widths) - 1)
    notes = ["; ".join(line.notes) for line in written]
    beside = all(whole + len(_GAP) + text_width(note) <= WIDEST for note in notes if note)
    body = []
    for line, cells, note in zip(written, grid, notes, strict=True):
        text = _text_line(cells, shown, widths)
        if note and beside:
            body.append(f"{text}{_GAP}{note}")
            continue
        body.append(text.rstrip())
        if note:
            indent = "  " * (min(line.level, _DEEPEST) + 1)
            body.append(indent + elide(note, WIDEST - len(indent)))
    rule = "─" * max([whole, *map(text_width, body)])
    return "\n".join([_text_line(heads, shown, widths).rstrip(), rule, *body, rule, *totals_text(report)])


def _widths(heads: list[str], grid: list[list[str]]) -> list[int]:
    return [max(map(text_width, column)) for column in zip(heads, *grid, strict=True)]


def _fitted(heads: list[str], grid: list[list[str]], columns: Sequence[Column]) -> list[list[str]]:
    """Cut the options where the table would be too wide."""
    if "options" not in columns:
        return grid
    place, widths = columns.index("options"), _widths(heads, grid)
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - WIDEST
    room = max(_LEAST_OPTIONS, widths[place] - max(0, over))
    return [[*cells[:place], elide(cells[place], room), *cells[place + 1 :]] for cells in grid]


def totals_text(report: Report) -> list[str]:
    """Write the totals, a line each.

    Example:
        >>> totals_text(Report(None, ()))
        ['Parameters     0', 'Multiply-adds  0  for one sample']
    """
    totals = totals_words(report)
    wide = [max(map(len, column)) for column in zip(*totals, strict=True)]
    return [
        f"{label.ljust(wide[0])}{_GAP}{number.rjust(wide[1])}{_GAP}{note}".rstrip() for label, number, note in totals
    ]


def _text_cell(line: Line, column: Column) -> str:
    value = line.cells[column]
    if column == "layer":
        indent, op = "  " * min(line.level, _DEEPEST), f" ({line.op})" if line.op else ""
        return indent + elide(value, _LIMITS["layer"] - len(indent + op)) + op
    return elide(value, _LIMITS[column]) if column in _LIMITS else value


def _text_line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    joined = zip(cells, columns, widths, strict=True)
    return _GAP.join(pad(cell, width, right=column in NUMBERS) for cell, column, width in joined)


def table_html(report: Report, *, columns: Sequence[Column] = DEFAULT, unfold: bool = False) -> str:
    """Write a model's table as HTML, with inline styles only and colours that suit light and dark pages.

    Args:
        report: the model's rows.
        columns: any of layer, options, shape, dtype, inputs, macs, parameters.
        unfold: show every layer of repeated blocks.

    Raises:
        UnknownNameError: a column that does not exist.

    Example:
        >>> table_html(Report("m", ()))[:7]
        '<table '
    """
    written = lines(report, outline(report, unfold=unfold), columns)
    return f"{lines_html(report, written, columns)}\n{facts_html(report)}"


def lines_html(
    report: Report, written: list[Line], columns: Sequence[Column] = DEFAULT, most: int | None = None
) -> str:
    """Write the table of a model whose lines are known, as HTML; of more than ``most`` lines, the first and last.

    Example:
        >>> lines_html(Report("m", ()), [])[:7]
        '<table '
    """
    written = shortened(written, most)
    shown = used(columns, written)
    heads = "".join(_html_head(column, first=not place) for place, column in enumerate(shown))
    rows = "\n".join(
        _TBODY * _begins_part(before, line) + _html_row(line, shown)
        for before, line in zip([None, *written], written, strict=False)
    )
    return (
        f'<table style="{style.TABLE}">\n<thead><tr style="{style.PLAIN}">{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n{_html_total(report, shown)}\n</table>"
    )


def facts_html(report: Report, *, whole: bool = False) -> str:
    """Write what stands under the table: kinds of parameters, bytes, multiply-adds; with ``whole``, their sum too.

    Example:
        >>> facts_html(Report("m", ()), whole=True)[-49:]
        '0 parameters · 0 multiply-adds for one sample</p>'
    """
    (_, number, kinds), *others = totals_words(report)
    facts = [f"{number} parameters" + (f": {kinds}" if kinds else "")] if whole else [kinds] if kinds else []
    for label, number, note in others:
        facts.append(f"{number} ({note})" if label == "Size" else f"{number} {label.lower()} {note}")
    return f'<p style="{style.FACTS}">{escape(" · ".join(facts))}</p>'


def _begins_part(before: Line | None, line: Line) -> bool:
    """Tell where a new body begins: at each outer heading, and after what stands under one."""
    return before is not None and line.level == 0 and (line.heading or before.level > 0)


def _html_row(line: Line, columns: Sequence[Column]) -> str:
    cells = "".join(_html_name(line) if column == "layer" else _html_cell(line, column) for column in columns)
    return f'<tr style="{style.row(line.status)}">{cells}</tr>'


def _html_name(line: Line) -> str:
    name = line.cells["layer"]
    # Indented by characters and aligned by attributes, which stay where style attributes are taken away (GitHub).
    indent = "&emsp;" * min(line.level, _DEEPEST)
    title = f' title="{escape(line.full)}"' if name != line.full else ""
    parts = [f"<bdi{title}>{escape(name)}</bdi>"]
    if line.heading:
        parts = [f"<strong>{parts[0]}</strong>"]
    if line.op:
        parts.append(f' <small style="{style.FAINT}">{escape(line.op)}</small>')
    if line.notes:
        parts.append(f'<br>{indent}<small style="{style.FAINT}"><bdi>{escape("; ".join(line.notes))}</bdi></small>')
    scope = "rowgroup" if line.heading and line.level == 0 else "row"
    return f'<th scope="{scope}" align="left" style="{style.name(line)}">{indent}{"".join(parts)}</th>'


def _html_cell(line: Line, column: Column) -> str:
    value = line.cells[column]
    cut = elide(value, 48)
    title = f' title="{escape(value)}"' if cut != value else ""
    look = style.cell(number=column in NUMBERS, failed=line.status == "failed" and column == "shape")
    return f'<td{_align(column)} style="{look}"{title}>{escape(cut)}</td>'


def _html_total(report: Report, columns: Sequence[Column]) -> str:
    totals = report.totals
    if "parameters" not in columns or columns[0] == "parameters":
        return ""
    whole = count(totals.trainable + totals.frozen + totals.state)
    cells = f'<th scope="row" align="left" style="{style.TOTAL_NAME}">Total</th>'
    for column in columns[1:]:
        value = whole if column == "parameters" else ""
        cells += f'<td align="right" style="{style.TOTAL}">{value}</td>'
    return f'<tfoot><tr style="{style.PLAIN}">{cells}</tr></tfoot>'


def _html_head(column: Column, *, first: bool) -> str:
    look = style.head(number=column in NUMBERS, first=first)
    return f'<th scope="col"{_align(column)} style="{look}">{HEADINGS[column]}</th>'


def _align(column: Column) -> str:
    return f' align="{"right" if column in NUMBERS else "left"}"'
