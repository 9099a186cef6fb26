"""Owns what a diagram shows in one sentence, for people who don't see it.

Knows nothing about drawing.
"""

from __future__ import annotations

from axon_nb.display.fold import Group, Outline
from axon_nb.display.html import clean, elide
from axon_nb.display.words import shape_words, title
from axon_nb.rows import Report

_LONGEST_DESCRIPTION = 500


def describe(report: Report, outlined: Outline) -> str:
    """Say in one sentence what the diagram shows, for people who don't see it.

    Example:
        >>> from axon_nb.display.fold import outline
        >>> from axon_nb.rows import Row
        >>> report = Report("mnist", (Row(0, "image", "input", "input", (), (), (None, 784), "float32"),))
        >>> describe(report, outline(report))
        'Diagram of mnist: image (None, 784)'
    """
    written, fold = "", -1
    for item in outlined.items:
        if fold >= 0 and item.level <= fold:
            written, fold = f"{written})", -1
        if isinstance(item, Group):
            if item.times > 1:
                written, fold = f"{_then(written)}{item.times} times (", item.level
            continue
        mark = {"failed": " does not fit", "pending": " not reached"}.get(item.row.status, "")
        shape = f" {shape_words(item.row)}" if item.row.op == "input" and not item.row.parents else ""
        written = f"{_then(written)}{clean(item.row.name)}{shape}{mark}"
        if len(written) > 2 * _LONGEST_DESCRIPTION:
            break
    return elide(f"Diagram of {title(report)}: {written}{')' if fold >= 0 else ''}", _LONGEST_DESCRIPTION)


def _then(written: str) -> str:
    return f"{written} → " if written and not written.endswith("(") else written
