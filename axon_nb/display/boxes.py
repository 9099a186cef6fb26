"""Owns which layers of an outline share a box in the diagram, and which are left out of one that is too large.

Knows nothing about how boxes look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from axon_nb.display.fold import QUIET, Entry, Outline
from axon_nb.rows import Row

MERGE_ABOVE = 16
"""Diagrams of up to so many layers have a box for each."""

MOST_BOXES = 200


@dataclass(frozen=True)
class Box:
    """The layers in one box: a layer, and the quiet ones after it that only it feeds. Empty: layers left out."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Boxes:
    """The boxes by the key of their first row, and the key of the box that each row stands in.

    Rows that are left out stand in no box: ``left_out`` has their keys.
    """

    by_key: dict[int, Box]
    box_of: dict[int, int]
    left_out: frozenset[int]

    def edges(self, rows: Iterable[Row], shown: dict[int, int]) -> list[tuple[int | None, int | None]]:
        """List the arrows between boxes, each once; ``None`` stands for what is left out."""
        found: dict[tuple[int | None, int | None], None] = {}
        for row in rows:
            if row.key in shown:
                continue
            head = self.box_of.get(row.key)
            for parent in row.parents:
                tail = self.box_of.get(shown.get(parent, parent))
                if tail != head:
                    found[tail, head] = None
        return list(found)


def boxes(outline: Outline, rows: Iterable[Row], *, merge: bool = True) -> Boxes:
    """Put the layers of an outline into boxes; with ``merge``, fewer of them where there are many layers.

    Example:
        >>> row = Row(7, "image", "input", "input", (), (), (None, 784), "float32")
        >>> list(boxes(Outline((Entry(0, row, row),), {}), [row]).by_key)
        [7]
    """
    grouped = (
        _merge(outline, rows)
        if merge and len(outline.entries) > MERGE_ABOVE
        else [[entry] for entry in outline.entries]
    )
    over = max(0, len(grouped) - MOST_BOXES)
    first = MOST_BOXES * 2 // 3
    left_out = grouped[first : first + over + 1] if over else []
    gone = frozenset(entry.row.key for group in left_out for entry in group)
    kept = [group for group in grouped if group[0].row.key not in gone]
    return Boxes(
        by_key={group[0].row.key: Box(tuple(group)) for group in kept},
        box_of={entry.row.key: group[0].row.key for group in kept for entry in group},
        left_out=gone,
    )


def _merge(outline: Outline, rows: Iterable[Row]) -> list[list[Entry]]:
    readers: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        for parent in row.parents:
            readers[outline.shown.get(parent, parent)].add(outline.shown.get(row.key, row.key))
    grouped: list[list[Entry]] = []
    before: Entry | None = None
    for item in outline.items:
        if not isinstance(item, Entry):
            before = None
            continue
        if before is not None and _joins(before, item, readers):
            grouped[-1].append(item)
        else:
            grouped.append([item])
        before = item
    return grouped


def _joins(before: Entry, entry: Entry, readers: dict[int, set[int]]) -> bool:
    """Tell whether a layer is only a step after the one before it, in the same group."""
    row = entry.row
    return (
        row.family in QUIET
        and row.status == before.row.status == "ok"
        and before.row.op != "input"
        and before.last.output is None
        and before.level == entry.level
        and row.parents == (before.row.key,)
        and readers[before.row.key] == {row.key}
    )


def main_line(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Choose the arrows that lie on the one longest way through their two ends: those that a reader follows.

    Example:
        >>> sorted(main_line([("a", "b"), ("b", "c"), ("a", "c")]))
        [('a', 'b'), ('b', 'c')]
    """
    before, after = _longest(edges), _longest([(head, tail) for tail, head in reversed(edges)])
    from_deepest: dict[str, list[str]] = defaultdict(list)
    to_highest: dict[str, list[str]] = defaultdict(list)
    for tail, head in edges:
        if before[head] == before[tail] + 1:
            from_deepest[head].append(tail)
        if after[tail] == after[head] + 1:
            to_highest[tail].append(head)
    return {edge for edge in edges if from_deepest[edge[1]] == [edge[0]] and to_highest[edge[0]] == [edge[1]]}


def _longest(edges: list[tuple[str, str]]) -> dict[str, int]:
    """Count the steps of the longest way to each end; arrows come in an order in which tails are done first."""
    steps: dict[str, int] = defaultdict(int)
    for tail, head in edges:
        steps[head] = max(steps[head], steps[tail] + 1)
    return steps
