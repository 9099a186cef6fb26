"""Owns the card under a cell: a model's title, table, diagram and totals as one piece of static HTML, or as text.

Knows nothing about notebooks: the HTML uses only what survives their sanitizers (inline styles, images as data).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from axon_nb.display import style
from axon_nb.display.diagram import image_html, outlined_svg
from axon_nb.display.fold import Outline, outline
from axon_nb.display.html import clean_lines, escape, escape_lines
from axon_nb.display.lines import DEFAULT, Column, Line, lines
from axon_nb.display.table import facts_html, lines_html, lines_text
from axon_nb.display.words import failure, signature, title
from axon_nb.errors import AxonError, Fix
from axon_nb.rows import Report

_LINES_IN_VIEW = 30
_MOST_LINES = 300


@dataclass(frozen=True)
class Look:
    """How a card is to look."""

    columns: tuple[Column, ...] = DEFAULT
    """Columns of the table."""
    diagram: bool = True
    unfold: bool = False
    """Whether every layer of repeated blocks is shown."""


USUAL = Look()


@dataclass(frozen=True)
class _Page:
    """What the text and the HTML of a card are both written from."""

    report: Report
    look: Look
    outline: Outline
    lines: list[Line]

    @classmethod
    def of(cls, report: Report, look: Look) -> Self:
        outlined = outline(report, unfold=look.unfold)
        return cls(report, look, outlined, lines(report, outlined, look.columns))


def card_text(report: Report, look: Look = USUAL) -> str:
    """Write a model's card as text: title, table, totals.

    Example:
        >>> from axon_nb.rows import Row
        >>> print(card_text(Report("m", (Row(0, "x", "input", "input", (), (), (None, 4), "float32"),))))
        m: (None, 4)
        <BLANKLINE>
        Layer      Output shape  Parameters
        ───────────────────────────────────
        x (input)  (None, 4)
        ───────────────────────────────────
        Parameters  0
    """
    return _text(_Page.of(report, look))


def _text(page: _Page) -> str:
    return f"{_headline(page.report)}\n\n{lines_text(page.report, page.lines, page.look.columns)}"


def _headline(report: Report) -> str:
    return f"{title(report)}: {failure(report) or signature(report)}".removesuffix(": ")


def card_html(report: Report, look: Look = USUAL) -> str:
    """Write a model's card as HTML: title, table beside diagram, totals.

    Example:
        >>> card_html(Report("mnist", ())).startswith("<div ")
        True
    """
    return _html(_Page.of(report, look), _fixes(report))


def card(report: Report, look: Look = USUAL) -> dict[str, str]:
    """Write a model's card in all the ways that notebooks ask for, by MIME type.

    Example:
        >>> sorted(card(Report("mnist", ())))
        ['text/html', 'text/plain']
    """
    page = _Page.of(report, look)
    return {"text/html": _html(page, _fixes(report)), "text/plain": _text(page)}


def _fixes(report: Report) -> str:
    """List the fixes for a model that does not fit, which were tried and work."""
    fixes = [fix for fix in getattr(report.error, "fixes", ()) if isinstance(fix, Fix)]
    if not fixes:
        return ""
    lines = "\n".join(f'<li style="margin:2px 0">{escape(fix.text)}</li>' for fix in fixes)
    head = "To make it fit, one of" if len(fixes) > 1 else "To make it fit"
    look = f"padding:6px 12px;border-left:3px solid {style.RIGHT};background:{style.BAND};font-size:13px"
    points = f'<ul style="margin:2px 0;padding-left:18px">\n{lines}\n</ul>'
    return f'<div style="margin:6px 0 10px;{look}">{head}:{points}</div>\n'


def error_text(report: Report) -> str:
    """Write what is known of a model that cannot be built, and why it can't.

    Example:
        >>> print(error_text(Report("m", (), ValueError("nothing fits"))))
        m: this model cannot be built
        <BLANKLINE>
        nothing fits
    """
    return _error_text(_Page.of(report, USUAL))


def _error_text(page: _Page) -> str:
    message = clean_lines(_said(page.report.error)) if page.report.error else ""
    known = _text(page) if page.report.rows else _headline(page.report)
    return f"{known}\n\n{message}".rstrip()


def error_html(report: Report) -> str:
    """Write the card of a model that cannot be built, with the message over the table.

    Example:
        >>> "nothing fits" in error_html(Report("m", (), ValueError("nothing fits")))
        True
    """
    return _error_html(_Page.of(report, USUAL))


def _error_html(page: _Page) -> str:
    if page.report.error is None:
        return _html(page, "")
    message = (
        f'<pre style="margin:6px 0 10px;padding:8px 12px;border:none;border-left:3px solid {style.WRONG};'
        f'background:{style.BAND};color:inherit;font-family:monospace;font-size:13px;white-space:pre-wrap">{escape_lines(_said(page.report.error))}</pre>\n'
    )
    return _html(page, message)


def error_card(report: Report) -> dict[str, str]:
    """Write the card of a model that cannot be built in all the ways that notebooks ask for, by MIME type.

    Example:
        >>> error_card(Report("m", (), ValueError("nothing fits")))["text/plain"].splitlines()[-1]
        'nothing fits'
    """
    page = _Page.of(report, USUAL)
    return {"text/html": _error_html(page), "text/plain": _error_text(page)}


def _said(error: Exception) -> object:
    """Give the text of an error, with the line that it is about where that is known."""
    return error.shown if isinstance(error, AxonError) else error


def _html(page: _Page, message: str) -> str:
    report, inside = page.report, ""
    if report.rows:
        svg = outlined_svg(report, page.outline, merge=not page.look.unfold) if page.look.diagram else ""
        picture = image_html(svg, report, page.outline) if svg else ""
        inside = f'<div style="{style.SIDES}">\n{_table(page)}{picture}\n</div>\n'
    return f'<div style="margin:4px 0;color:inherit">\n{_title(report)}\n{message}{inside}</div>'


def _table(page: _Page) -> str:
    """Put the totals under the table; a long table scrolls, they don't."""
    tall = len(page.outline.items) > _LINES_IN_VIEW
    limit = f";max-height:{style.TALLEST_PX}px" if tall else ""
    rows = lines_html(page.report, page.lines, page.look.columns, most=None if page.look.unfold else _MOST_LINES)
    table = f'<div style="overflow:auto{limit}">\n{rows}\n</div>'
    return f'<div style="flex:0 1 auto;max-width:100%">\n{table}\n{facts_html(page.report, whole=tall)}\n</div>\n'


def _title(report: Report) -> str:
    wrong = failure(report)
    words = f'<span style="color:{style.WRONG};font-weight:bold">{escape(wrong)}</span>' if wrong else ""
    words = words or f'<span style="{style.FAINT}">{escape(signature(report))}</span>'
    return (
        f'<div style="margin:0 0 6px;font-size:14px"><strong style="font-size:16px"><bdi>{escape(title(report))}</bdi>'
        f"</strong>&ensp;{words}</div>"
    )
