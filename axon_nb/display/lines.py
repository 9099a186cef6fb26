"""Owns what each line of a model's table says, column by column, in words.

Knows nothing about HTML or column widths: the text and the HTML table are both written from these lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from axon_nb.display.fold import Entry, Group, Outline
from axon_nb.display.html import clean, elide
from axon_nb.display.words import TIMES, count, duration, listed, local_name, options_words, says_op, shape_words
from axon_nb.errors import UnknownNameError, unknown
from axon_nb.rows import Report, Row, Status

Column = Literal["layer", "options", "shape", "dtype", "inputs", "macs", "time", "parameters"]

COLUMNS: tuple[Column, ...] = get_args(Column)
DEFAULT: tuple[Column, ...] = ("layer", "options", "shape", "parameters")
NUMBERS: frozenset[Column] = frozenset({"macs", "time", "parameters"})

HEADINGS: dict[Column, str] = {
    "layer": "Layer",
    "options": "Options",
    "shape": "Output shape",
    "dtype": "Type",
    "inputs": "Inputs",
    "macs": "Multiply-adds",
    "time": "Time",
    "parameters": "Parameters",
}

_LONGEST_NAME = 40
_LONGEST_REASON = 160
_KIND = "column"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    ``full`` is the name that ``cells["layer"]`` may show cut; ``op`` is what stands behind it: the
    operation where the name doesn't say it, or how often a heading's layers repeat.
    """

    level: int
    heading: bool
    cells: dict[Column, str]
    full: str
    op: str = ""
    notes: tuple[str, ...] = ()
    family: str = ""
    status: Status = "ok"


def lines(report: Report, outlined: Outline, columns: Sequence[Column] = DEFAULT) -> list[Line]:
    """Write the lines of a model's table.

    Raises:
        UnknownNameError: a column that does not exist.

    Example:
        >>> from axon_nb.display.fold import outline
        >>> row = Row(0, "image", "input", "input", (), (), (None, 784), "float32")
        >>> report = Report("mnist", (row,))
        >>> lines(report, outline(report))[0].cells["shape"]
        '(None, 784)'
    """
    for column in columns:
        if column not in COLUMNS:
            raise unknown(_KIND, column, COLUMNS, error=UnknownNameError)
    return _Writer(report, outlined, columns).lines()


def used(columns: Sequence[Column], written: Sequence[Line]) -> list[Column]:
    """Leave out the columns that would be empty.

    Example:
        >>> used(DEFAULT, [Line(0, False, {"layer": "x", "shape": "(3,)", "options": "", "parameters": "1"}, "x")])
        ['layer', 'shape', 'parameters']
    """
    filled = {column for column in columns if any(line.cells.get(column) for line in written)}
    return [column for column in columns if column in filled or column not in {"options", "inputs"}]


def shortened(written: list[Line], most: int | None) -> list[Line]:
    """Leave out the middle of a table with more than ``most`` lines, and say so.

    Example:
        >>> one = Line(0, False, {"layer": "x", "shape": "(3,)"}, "x")
        >>> [line.full for line in shortened([one] * 9, 5)]
        ['x', 'x', 'x', '5 more lines', 'x']
    """
    if most is None or len(written) <= most:
        return written
    first, last = most * 2 // 3, most - most * 2 // 3 - 1
    words = f"{count(len(written) - first - last)} more lines"
    note = Line(0, True, dict.fromkeys(written[0].cells, "") | {"layer": words}, words)
    return [*written[:first], note, *written[len(written) - last :]]


def group_name(group: Group) -> str:
    """Name a heading: the part or block, or the first and last layer of a fold.

    Example:
        >>> row = Row(0, "a.x", "input", "input", ("a",), (), None, None)
        >>> group_name(Group(0, ("a",), row, row, 0, 1))
        'a'
    """
    if group.times == 1:
        return group.path[-1]
    first, last = (
        (group.path[-1], group.last_path[-1]) if group.named else (local_name(group.first), local_name(group.last))
    )
    return first if first == last else f"{first} … {last}"


def group_note(group: Group) -> str:
    """Say how often a fold's items stand there: ``x6``; nothing for a plain group.

    Example:
        >>> row = Row(0, "a", "relu", "activation", (), (), None, None)
        >>> group_note(Group(0, (), row, row, 0, 6, times=6))
        'x6'
    """
    if group.times == 1:
        return ""
    return f"{TIMES}{group.times} in parallel" if group.parallel else f"{TIMES}{group.times}"


class _Writer:
    def __init__(self, report: Report, outlined: Outline, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.outline = outlined
        self.rows = {row.key: row for row in report.rows}
        self.error = report.error
        self.outputs = sum(row.output is not None for row in report.rows)
        self.cells: dict[Column, Callable[[Entry], str]] = {
            "layer": lambda entry: local_name(entry.row),
            "options": lambda entry: options_words(entry.row),
            "shape": lambda entry: shape_words(entry.row),
            "dtype": lambda entry: clean(entry.row.dtype or ""),
            "inputs": lambda entry: listed(self._inputs(entry.row)),
            "time": lambda entry: _times(entry),
            "macs": lambda entry: _each(entry.copies, entry.row.macs or 0) if entry.row.macs else "",
            "parameters": lambda entry: _each(entry.copies, entry.params) if entry.params else "",
        }

    def lines(self) -> list[Line]:
        written, before = [], None
        for item in self.outline.items:
            if isinstance(item, Entry):
                written.append(self._layer(item, before))
                before = item.row
            else:
                written.append(self._heading(item))
        return written

    def _heading(self, group: Group) -> Line:
        cells = dict.fromkeys(self.columns, "")
        full = group_name(group)
        cells["layer"] = elide(full, _LONGEST_NAME)
        cells["parameters"] = _each(group.copies, group.params)
        return Line(group.level, True, cells, full, op=group_note(group))

    def _layer(self, entry: Entry, before: Row | None) -> Line:
        cells = {column: self.cells[column](entry) for column in {*self.columns, "layer"}}
        full = cells["layer"]
        cells["layer"] = elide(full, _LONGEST_NAME)
        row = entry.row
        return Line(
            entry.level, False, cells, full,
            op="" if says_op(row) or row.name == row.op else elide(row.op, 24),
            notes=tuple(self._notes(entry, before)), family=row.family, status=row.status,
        )  # fmt: skip

    def _notes(self, entry: Entry, before: Row | None) -> list[str]:
        row, notes = entry.row, []
        if row.status == "failed":
            notes += self._reason()
        parents = list(dict.fromkeys(self.outline.shown.get(key, key) for key in row.parents))
        if "inputs" not in self.columns and parents and parents != [before.key if before else None]:
            notes.append(f"from {listed(self._inputs(row))}")
        if row.shared_with is not None:
            notes.append(f"shared with {elide(row.shared_with, _LONGEST_NAME)}")
        if entry.last.output:
            notes.append(f"output {elide(entry.last.output, _LONGEST_NAME)}")
        elif entry.last.output is not None and self.outputs > 1:
            notes.append("output")
        return notes

    def _reason(self) -> list[str]:
        """Say what the layer that does not fit needs, and what it gets."""
        problem, got = (getattr(self.error, part, None) for part in ("problem", "got"))
        return [elide(part, _LONGEST_REASON) for part in (problem, got and f"gets {got}") if part]

    def _inputs(self, row: Row) -> list[str]:
        """Name what a row reads; the name leaves out the part that both stand in."""
        names = []
        for key in row.parents:
            parent = self.rows.get(key)
            if parent is not None:
                name = local_name(parent) if parent.path == row.path else parent.name
                names.append(elide(name, _LONGEST_NAME))
        return names


def _times(entry: Entry) -> str:
    return "" if entry.row.time_s is None else duration(entry.row.time_s)


def _each(copies: int, number: int) -> str:
    return count(number) if copies == 1 else f"{count(copies)} {TIMES} {count(number)}"
