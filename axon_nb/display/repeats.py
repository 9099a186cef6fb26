"""Owns the search for repeated stretches in a sequence of linked items: where, how long, how often.

Knows nothing about layers: items are symbols (equal symbols look alike) with links to other items.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LONGEST_UNIT = 256
_NEXT_ALIKE = 4
_PHASES_TRIED = 4
_LEAST_SAVED = 2


@dataclass(frozen=True)
class Sequence:
    """Items in order, as the search sees them; all lists have one entry for each item."""

    symbols: list[int]
    links: list[tuple[int, ...]]
    """The items that each one reads."""
    pinned: list[bool]
    """Items that must stay visible, such as outputs."""
    quiet: list[bool]
    """Items that a unit had better not begin with."""
    nesting: list[int]
    """How many enclosing groups each item shares with the one before it."""

    def readers(self) -> list[list[int]]:
        """List, for each item, the items that read it."""
        found: list[list[int]] = [[] for _ in self.symbols]
        for index, links in enumerate(self.links):
            for link in links:
                found[link].append(index)
        return found


@dataclass(frozen=True)
class Repeat:
    """``times`` stretches of ``period`` items each, that look alike, beginning at ``start``.

    ``parallel``: each reads the same items and is read by the same ones, instead of reading the one before.
    """

    start: int
    period: int
    times: int
    parallel: bool = False

    @property
    def end(self) -> int:
        """Give the index after the last item."""
        return self.start + self.period * self.times

    @property
    def saved(self) -> int:
        """Count the lines that showing it once, under a heading, saves."""
        return self.period * (self.times - 1) - 1


def find_repeats(sequence: Sequence) -> list[Repeat]:
    """Choose the repeats that save most lines and don't overlap, in order.

    Example:
        >>> chain = Sequence([0] + [1, 2] * 3, [(), *((i,) for i in range(6))], [False] * 7, [False] * 7, [0] * 7)
        >>> find_repeats(chain)
        [Repeat(start=1, period=2, times=3, parallel=False)]
    """
    search = _Search(sequence)
    heap = [candidate for low, high, period in search.alike() for candidate in search.best(low, high, period)]
    heapq.heapify(heap)
    taken = bytearray(len(sequence.symbols))
    chosen = []
    while heap:
        _, _, low, high, repeat = heapq.heappop(heap)
        if not any(taken[repeat.start : repeat.end]):
            taken[repeat.start : repeat.end] = b"\x01" * (repeat.end - repeat.start)
            chosen.append(repeat)
        for free_low, free_high in _free(taken, low, high):
            for candidate in search.best(free_low, free_high, repeat.period):
                heapq.heappush(heap, candidate)
    return sorted(chosen, key=lambda repeat: repeat.start)


def _free(taken: bytearray, low: int, high: int) -> Iterator[tuple[int, int]]:
    start = low
    for index in range(low, high + 1):
        if index == high or taken[index]:
            if index > start:
                yield start, index
            start = index + 1


_Candidate = tuple[int, int, int, int, "Repeat"]
"""Ordered best first: minus the lines saved, the period, then the stretch that was searched."""


class _Search:
    """What the search needs again and again about one sequence."""

    def __init__(self, sequence: Sequence) -> None:
        self.sequence = sequence
        self.readers = sequence.readers()
        self.crossing = self._count_crossings()

    def _count_crossings(self) -> list[int]:
        """Count, at each place between two items, the items before it that are read after it."""
        changes = [0] * (len(self.readers) + 1)
        for index, readers in enumerate(self.readers):
            last = max(readers, default=index)
            if last > index:
                changes[index + 1] += 1
                changes[last + 1 if last + 1 < len(changes) else -1] -= 1
        total, found = 0, []
        for change in changes:
            total += change
            found.append(total)
        return found

    def alike(self) -> Iterator[tuple[int, int, int]]:
        """Give the longest stretches in which every item looks like the one a period later: low, high, period.

        The first unit may read something else than the unit before it, which isn't there.
        """
        count = len(self.sequence.symbols)
        for period in self._periods():
            start = 0
            for index in range(count - period + 1):
                if index < count - period and self._matches(index, index + period):
                    continue
                low = start
                while index > start and low > max(0, start - period) and self._may_begin(low - 1, period):
                    low -= 1
                if index - low >= period:
                    yield low, index + period, period
                start = index + 1

    def _periods(self) -> list[int]:
        places: dict[int, list[int]] = defaultdict(list)
        for index, symbol in enumerate(self.sequence.symbols):
            places[symbol].append(index)
        periods = {
            later - index
            for indices in places.values()
            for step in range(1, _NEXT_ALIKE + 1)
            for index, later in zip(indices, indices[step:], strict=False)
        }
        return sorted(period for period in periods if period <= LONGEST_UNIT)

    def _matches(self, index: int, later: int) -> bool:
        if self.sequence.symbols[index] != self.sequence.symbols[later]:
            return False
        here, there, step = self.sequence.links[index], self.sequence.links[later], later - index
        return len(here) == len(there) and all(b - a in (0, step) for a, b in zip(here, there, strict=True))

    def _may_begin(self, index: int, period: int) -> bool:
        later = index + period
        if self.sequence.symbols[index] != self.sequence.symbols[later]:
            return False
        here, there = self.sequence.links[index], self.sequence.links[later]
        near = range(index - period + 1, later)
        return len(here) == len(there) and all(
            b - a in (0, period) or b in near for a, b in zip(here, there, strict=True)
        )

    def best(self, low: int, high: int, period: int) -> Iterator[_Candidate]:
        """Give the best repeat of a period inside a stretch, if any is worth it."""
        most_starts = range(low, min(low + period, high - 2 * period + 1))
        order = sorted(most_starts, key=lambda at: (self.crossing[at], -((high - at) // period), self._quiet(at), at))
        for start in order[:_PHASES_TRIED]:
            repeat = self._checked(Repeat(start, period, (high - start) // period))
            if repeat is not None and repeat.saved >= _LEAST_SAVED:
                yield -repeat.saved, period, low, high, repeat
                return

    def _quiet(self, at: int) -> bool:
        return self.sequence.quiet[at]

    def _checked(self, repeat: Repeat) -> Repeat | None:
        if not self._wired_alike(repeat):
            return None
        if self._is_parallel(repeat):
            return (
                Repeat(repeat.start, repeat.period, repeat.times, parallel=True)
                if self._cut_at_groups(repeat)
                else None
            )
        shorter = self._until_read_outside(repeat)
        return shorter if shorter.times >= 2 and self._cut_at_groups(shorter) else None

    def _wired_alike(self, repeat: Repeat) -> bool:
        """Check that each link either always leads to one item outside, or moves along with its unit."""
        links, period = self.sequence.links, repeat.period
        inside, unit = range(repeat.start, repeat.end), range(repeat.start, repeat.start + period)
        for first in unit:
            for slot in range(len(links[first])):
                ends = [links[at][slot] for at in range(first, repeat.end, period)]
                if all(end == ends[0] for end in ends) and ends[0] not in inside:
                    continue
                enters = ends[0] not in inside and ends[1] in unit
                if not (enters or ends[1] == ends[0] + period):
                    return False
                if any(later != end + period for end, later in pairwise(ends[1:])):
                    return False
        return True

    def _is_parallel(self, repeat: Repeat) -> bool:
        start, period = repeat.start, repeat.period
        first, second = range(start, start + period), range(start + period, start + 2 * period)
        if any(link in first for index in second for link in self.sequence.links[index]):
            return False
        inside = range(repeat.start, repeat.end)
        if any(self.sequence.pinned[index] for index in inside):
            return False
        for offset in range(period):
            places = range(start + offset, repeat.end, period)
            outer = [[r for r in self.readers[at] if r not in inside] for at in places]
            if any(readers != outer[0] for readers in outer):
                return False
        return True

    def _until_read_outside(self, repeat: Repeat) -> Repeat:
        """Shorten to the units of which only the last is read, or is an output, outside."""
        while repeat.times >= 2:
            inside = range(repeat.start, repeat.end)
            early = range(repeat.start, repeat.end - repeat.period)
            seen = next((index for index in early if self._seen_outside(index, inside)), None)
            if seen is None:
                break
            repeat = Repeat(repeat.start, repeat.period, (seen - repeat.start) // repeat.period + 1)
        return repeat

    def _seen_outside(self, index: int, inside: range) -> bool:
        return self.sequence.pinned[index] or any(reader not in inside for reader in self.readers[index])

    def _cut_at_groups(self, repeat: Repeat) -> bool:
        """Check that no unit begins or ends in the middle of a group that the others don't share."""
        nesting = self.sequence.nesting
        shared = min(nesting[repeat.start + 1 : repeat.end])
        edges = range(repeat.start, repeat.end + 1, repeat.period)
        return all(edge == len(nesting) or nesting[edge] <= shared for edge in edges)
