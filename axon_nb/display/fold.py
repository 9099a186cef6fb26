"""Owns the outline of a model: its rows under the parts and blocks they stand in, repeated blocks folded.

Knows nothing about text, HTML or drawing: tables and diagrams both show this outline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from axon_nb.display.repeats import Repeat, Sequence, find_repeats
from axon_nb.display.words import options_words
from axon_nb.rows import Report, Row

FOLD_ABOVE = 10
"""Models of up to so many layers are shown whole: there the names matter more than the lines."""

DEEPEST = 8
"""Groups nested deeper are shown as part of the one around them."""

QUIET = frozenset({"activation", "normalization", "dropout"})
"""Families that follow another layer: a fold or a box had better not begin with one."""


@dataclass(frozen=True)
class Entry:
    """A layer that is shown. ``copies``: how many it stands for; ``last``: the last of them."""

    level: int
    row: Row
    last: Row
    copies: int = 1

    @property
    def params(self) -> int:
        """Count the parameters and state of one copy."""
        return params_of(self.row)


@dataclass(frozen=True)
class Group:
    """A heading over the items after it that have a higher level.

    ``times`` is above 1 for a fold: the items are shown once and stand for so many units.
    ``params`` counts all units; ``copies`` is how often a fold around this group repeats it.
    """

    level: int
    path: tuple[str, ...]
    first: Row
    last: Row
    params: int
    rows: int
    times: int = 1
    parallel: bool = False
    copies: int = 1
    named: bool = True
    """The units are themselves parts or blocks, named in ``path`` (the first of them)."""
    last_path: tuple[str, ...] = ()


Item: TypeAlias = Entry | Group


@dataclass(frozen=True)
class Outline:
    """The items to show, headings before what stands under them, and who stands for the rows that are not shown."""

    items: tuple[Item, ...]
    shown: dict[int, int]
    """Key of each hidden row -> key of the shown row that stands for it."""

    @property
    def entries(self) -> list[Entry]:
        """List the layers that are shown."""
        return [item for item in self.items if isinstance(item, Entry)]


def params_of(row: Row) -> int:
    """Count a row's parameters and state.

    Example:
        >>> params_of(Row(0, "relu_0", "relu", "activation", (), (), None, None))
        0
    """
    return sum(param.count for param in row.params)


def outline(report: Report, *, unfold: bool = False) -> Outline:
    """Order a model's rows by the parts they stand in and fold what repeats.

    Example:
        >>> row = Row(0, "image", "input", "input", (), (), (None, 784), "float32")
        >>> [item.row.name for item in outline(Report("mnist", (row,))).entries]
        ['image']
    """
    rows = _gather(report.rows)
    repeats = [] if unfold or len(rows) <= FOLD_ABOVE else find_repeats(_sequence(rows))
    shown = {
        rows[index].key: rows[repeat.start + (index - repeat.start) % repeat.period].key
        for repeat in repeats
        for index in range(repeat.start + repeat.period, repeat.end)
    }
    return Outline(tuple(_Builder(rows, repeats).items()), shown)


def _path(row: Row) -> tuple[str, ...]:
    return row.path[:DEEPEST]


def _gather(rows: tuple[Row, ...]) -> list[Row]:
    """Bring the rows of each part together, at the place of the part's first row."""
    first: dict[tuple[str, ...], int] = {}
    places = []
    for index, row in enumerate(rows):
        path = _path(row)
        prefixes = [path[:depth] for depth in range(1, len(path) + 1)]
        places.append((*(first.setdefault(prefix, index) for prefix in prefixes), index))
    return [rows[index] for index in sorted(range(len(rows)), key=lambda index: (places[index], len(places[index])))]


def _sequence(rows: list[Row]) -> Sequence:
    index_of = {row.key: index for index, row in enumerate(rows)}
    index_of_name = {row.name: index for index, row in enumerate(rows)}
    looks: dict[object, int] = {}
    links = []
    for row in rows:
        reads = [index_of[parent] for parent in row.parents if parent in index_of]
        weights = [index_of_name[row.shared_with]] if row.shared_with in index_of_name else []
        links.append((*reads, *weights))
    return Sequence(
        symbols=[looks.setdefault(_look(row), len(looks)) for row in rows],
        links=links,
        pinned=[row.output is not None or row.status == "failed" for row in rows],
        quiet=[row.family in QUIET for row in rows],
        nesting=[0, *(_shared(_path(before), _path(row)) for before, row in pairwise(rows))],
    )


def _look(row: Row) -> object:
    """Give what two rows must have in common for one to stand for the other."""
    path = tuple(part.rstrip("0123456789") for part in _path(row))
    params = tuple((param.name, param.shape, param.dtype, param.kind) for param in row.params)
    counted_elsewhere = row.shared_with is None
    same = (row.op, row.family, options_words(row), row.shape, row.dtype, row.macs, row.status)
    return (*same, path, params, counted_elsewhere, len(row.parents))


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    depth = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        depth += 1
    return depth


class _Builder:
    """Walks the rows once and gives headings and layers."""

    def __init__(self, rows: list[Row], repeats: list[Repeat]) -> None:
        self.rows = rows
        self.repeats = {repeat.start: repeat for repeat in repeats}
        self.open: tuple[str, ...] = ()
        self.params: dict[tuple[str, ...], int] = defaultdict(int)
        self.members: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            path, number = _path(row), params_of(row)
            for depth in range(1, len(path) + 1):
                self.params[path[:depth]] += number
                self.members[path[:depth]].append(row)

    def items(self) -> Iterator[Item]:
        index = 0
        while index < len(self.rows):
            repeat = self.repeats.get(index)
            if repeat is None:
                row = self.rows[index]
                yield from self._headings(_path(row))
                yield Entry(len(_path(row)), row, row)
                index += 1
            else:
                yield from self._fold(repeat)
                index = repeat.end

    def _headings(self, path: tuple[str, ...], shift: int = 0, copies: int = 1) -> Iterator[Group]:
        for depth in range(_shared(self.open, path), len(path)):
            here = path[: depth + 1]
            members = self.members[here]
            yield Group(depth + shift, here, members[0], members[-1], self.params[here], len(members), copies=copies)
        self.open = path

    def _fold(self, repeat: Repeat) -> Iterator[Item]:
        rows = self.rows[repeat.start : repeat.end]
        paths = [_path(row) for row in rows[: repeat.period]]
        around = _path(rows[0])
        for row in rows:
            around = around[: _shared(around, _path(row))]
        yield from self._headings(around)
        named = all(len(path) > len(around) and path[len(around)] == paths[0][len(around)] for path in paths)
        inner = len(around) + 1 if named else len(around)
        yield Group(
            level=len(around),
            path=paths[0][:inner],
            first=rows[0],
            last=rows[-1],
            params=sum(params_of(row) for row in rows),
            rows=len(rows),
            times=repeat.times,
            parallel=repeat.parallel,
            named=named,
            last_path=_path(rows[-1])[:inner],
        )
        shift = 0 if named else 1
        self.open = paths[0][:inner]
        for row, last in zip(rows[: repeat.period], rows[-repeat.period :], strict=True):
            yield from self._headings(_path(row), shift, repeat.times)
            yield Entry(len(_path(row)) + shift, row, last, repeat.times)
        self.open = around
