"""Owns what changed between two versions of a model: layers added, removed and changed, parameters and cost.

Knows nothing about how versions are kept.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from axon_nb.display import style
from axon_nb.display.html import clean, escape
from axon_nb.display.words import count, options_words, shape_words
from axon_nb.rows import Report, Row

_MOST = 30


@dataclass(frozen=True)
class Change:
    """One line of what changed: a sign (``+``, ``-`` or ``~``) and words."""

    sign: str
    words: str


def changes(old: Report, new: Report) -> tuple[Change, ...]:
    """Compare two versions of a model, layer by layer.

    Example:
        >>> x = Row(0, "x", "input", "input", (), (), (None, 4), "float32")
        >>> y = Row(1, "dense_0", "dense", "linear", (), (0,), (None, 2), "float32", (("units", 2),))
        >>> changes(Report("m", (x,)), Report("m", (x, y)))
        (Change(sign='+', words='dense_0 (units=2): (None, 2)'),)
    """
    found: list[Change] = []
    left, right = [_key(row) for row in old.rows], [_key(row) for row in new.rows]
    matched = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, a, b, c, d in matched.get_opcodes():
        before, after = list(old.rows[a:b]), list(new.rows[c:d])
        if tag == "equal":
            found += [_changed(x, y) for x, y in zip(before, after, strict=True) if _differs(x, y, old, new)]
            continue
        while before and after and before[0].op == after[0].op:
            found.append(_changed(before.pop(0), after.pop(0)))
        found += [Change("-", _words(row)) for row in before]
        found += [Change("+", _words(row)) for row in after]
    return tuple(found)


def _key(row: Row) -> tuple[str, str, tuple[str, ...]]:
    return (row.op, options_words(row), row.path)


def _differs(x: Row, y: Row, old: Report, new: Report) -> bool:
    """Whether a layer that looks the same has other shapes, or reads something else."""
    sources = [[report.rows[key].op for key in row.parents] for row, report in ((x, old), (y, new))]
    return (x.shape, x.dtype, x.status) != (y.shape, y.dtype, y.status) or sources[0] != sources[1]


def _words(row: Row) -> str:
    options = options_words(row)
    return f"{clean(row.name)}{f' ({options})' if options else ''}: {shape_words(row)}"


def _changed(x: Row, y: Row) -> Change:
    told = []
    if options_words(x) != options_words(y):
        told.append(f"{options_words(x) or 'defaults'} -> {options_words(y) or 'defaults'}")
    if shape_words(x) != shape_words(y):
        told.append(f"{shape_words(x)} -> {shape_words(y)}")
    if x.dtype != y.dtype:
        told.append(f"{clean(x.dtype or '?')} -> {clean(y.dtype or '?')}")
    return Change("~", f"{clean(y.name)}: {', '.join(told) or 'reads something else'}")


def summary(old: Report, new: Report) -> str:
    """Say in one line what changed; nothing where nothing did.

    Example:
        >>> summary(Report("m", ()), Report("m", ()))
        ''
    """
    return _summary(old, new, changes(old, new))


def _summary(old: Report, new: Report, found: tuple[Change, ...]) -> str:
    kinds = {"+": "added", "-": "removed", "~": "changed"}
    told = [f"{n} {word}" for sign, word in kinds.items() if (n := sum(one.sign == sign for one in found))]
    layers = f"layers: {', '.join(told)}" if told else ""
    deltas = [_delta(_count(old), _count(new), "parameters"), _delta(old.totals.macs, new.totals.macs, "multiply-adds")]
    return "; ".join(part for part in (layers, *deltas) if part)


def _count(report: Report) -> int:
    totals = report.totals
    return totals.trainable + totals.frozen + totals.state


def _delta(old: int | None, new: int | None, what: str) -> str:
    if old == new:
        return ""
    if old is None or new is None:
        return f"{what}: {count(old)} -> {count(new)}"
    share = f", {(new - old) / old:+.0%}" if old else ""
    return f"{what}: {count(old)} -> {count(new)} ({new - old:+,}{share})"


def changes_text(old: Report, new: Report) -> str:
    """Write what changed, as text.

    Example:
        >>> print(changes_text(Report("m", ()), Report("m", ())))
        nothing changed
    """
    found = changes(old, new)
    said = _summary(old, new, found)
    return "\n".join([said, *(f"  {one.sign} {one.words}" for one in _some(found))]) if said else "nothing changed"


def changes_html(old: Report, new: Report) -> str:
    """Write what changed as HTML that is collapsed; nothing where nothing did.

    Example:
        >>> changes_html(Report("m", ()), Report("m", ()))
        ''
    """
    found = changes(old, new)
    said = _summary(old, new, found)
    if not said:
        return ""
    signs = {"+": "added", "-": "removed", "~": "changed"}
    lines = "\n".join(
        f'<tr style="{style.PLAIN}"><td align="left" style="{style.cell(number=False, failed=False)}">'
        f'{escape(signs.get(one.sign, ""))}</td><td align="left" style="{style.cell(number=False, failed=False)}">'
        f"<bdi>{escape(one.words)}</bdi></td></tr>"
        for one in _some(found)
    )
    table = f'<table style="{style.TABLE}"><tbody>\n{lines}\n</tbody></table>' if lines else ""
    return (
        f'<details style="margin:6px 0;font-size:13px"><summary>Changed since the last run: {escape(said)}</summary>\n'
        f"{table}</details>"
    )


def _some(found: tuple[Change, ...]) -> tuple[Change, ...]:
    return found if len(found) <= _MOST else (*found[:_MOST], Change("", f"{len(found) - _MOST} more"))
