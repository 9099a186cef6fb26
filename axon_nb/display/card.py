"""Owns the card under a cell: a model's title, table, diagram and totals as one piece of static HTML, or as text.

Knows nothing about notebooks: the HTML uses only what survives their sanitizers (inline styles, images as data).
"""

from __future__ import annotations

from dataclasses import dataclass

from axon_nb.display import style
from axon_nb.display.diagram import image_html, outlined_svg
from axon_nb.display.fold import Outline, outline
from axon_nb.display.html import clean_lines, escape, escape_lines
from axon_nb.display.lines import DEFAULT, Column
from axon_nb.display.table import facts_html, outlined_html, table_text
from axon_nb.display.words import failure, signature, title
from axon_nb.errors import Fix
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
    return f"{_headline(report)}\n\n{table_text(report, columns=look.columns, unfold=look.unfold)}"


def _headline(report: Report) -> str:
    return f"{title(report)}: {failure(report) or signature(report)}".removesuffix(": ")


def card_html(report: Report, look: Look = USUAL) -> str:
    """Write a model's card as HTML: title, table beside diagram, totals.

    Example:
        >>> card_html(Report("mnist", ())).startswith("<div ")
        True
    """
    return _card(report, _fixes(report), look)


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
    message = clean_lines(report.error) if report.error else ""
    known = card_text(report) if report.rows else _headline(report)
    return f"{known}\n\n{message}".rstrip()


def error_html(report: Report) -> str:
    """Write the card of a model that cannot be built, with the message over the table.

    Example:
        >>> "nothing fits" in error_html(Report("m", (), ValueError("nothing fits")))
        True
    """
    if report.error is None:
        return _card(report, "", USUAL)
    return _card(
        report,
        f'<pre style="margin:6px 0 10px;padding:8px 12px;border:none;border-left:3px solid {style.WRONG};'
        f'background:{style.BAND};color:inherit;white-space:pre-wrap">{escape_lines(report.error)}</pre>\n',
        USUAL,
    )


def _card(report: Report, message: str, look: Look) -> str:
    inside = ""
    if report.rows:
        outlined = outline(report, unfold=look.unfold)
        svg = outlined_svg(report, outlined, merge=not look.unfold) if look.diagram else ""
        picture = image_html(svg, report, outlined) if svg else ""
        inside = f'<div style="{style.SIDES}">\n{_table(report, outlined, look)}{picture}\n</div>\n'
    return f'<div style="margin:4px 0;color:inherit">\n{_title(report)}\n{message}{inside}</div>'


def _table(report: Report, outlined: Outline, look: Look) -> str:
    """Put the totals under the table; a long table scrolls, they don't."""
    tall = len(outlined.items) > _LINES_IN_VIEW
    limit = f";max-height:{style.TALLEST_PX}px" if tall else ""
    lines = outlined_html(report, outlined, look.columns, most=None if look.unfold else _MOST_LINES)
    table = f'<div style="overflow:auto{limit}">\n{lines}\n</div>'
    return f'<div style="flex:0 1 auto;max-width:100%">\n{table}\n{facts_html(report, whole=tall)}\n</div>\n'


def _title(report: Report) -> str:
    wrong = failure(report)
    words = f'<span style="color:{style.WRONG};font-weight:bold">{escape(wrong)}</span>' if wrong else ""
    words = words or f'<span style="{style.FAINT}">{escape(signature(report))}</span>'
    return (
        f'<div style="margin:0 0 6px;font-size:14px"><strong style="font-size:16px"><bdi>{escape(title(report))}</bdi>'
        f"</strong>&ensp;{words}</div>"
    )
