"""Owns the sizes that are tried for dims that are not known, and what follows from the results: a size, a name, a rule.

Knows nothing about models, layers or tensors.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from axon_nb.shapes import Dim, Shape

# Probe sizes of the batch axis and of the others. Round ones, because models of images of any size halve them several
# times; two per unknown dim, unusual enough not to be taken for a size that someone wrote.
_BATCH_PROBES = (88, 136)
_OTHER_PROBES = ((224, 352), (288, 416), (160, 480), (544, 608), (672, 736))
_UNEVEN = (1, 2, 3)  # added to named sizes, to tell time//2 from (time+1)//2; a model that takes round sizes may refuse


@dataclass(frozen=True)
class Probes:
    """The dims that are not known, and the sizes tried for each: one dict per run.

    First a run with a size for each, then one per dim with another size for that dim, then those with uneven sizes.
    A list of values, one per run, may end in ``None``: the model does not take these uneven sizes.
    """

    runs: tuple[dict[str, int], ...]
    uneven: int
    """How many of the runs, at the end, have uneven sizes."""
    batch: str | None
    """The symbol of the batch axis, where its size is not known."""
    batch_size: int = 1
    """Its size, where it is known."""
    maps: bool = False
    """Whether an input has more axes than batch and features."""

    @functools.cached_property
    def key(self) -> Hashable:
        """What tells these from others."""
        runs = tuple(tuple(run.items()) for run in self.runs)
        return runs, self.uneven, self.batch, self.batch_size, self.maps

    def concrete(self, shape: Shape, run: int) -> tuple[int, ...]:
        """Put the sizes of one run in place of what is not known."""
        return tuple(d if isinstance(d, int) else self.runs[run][symbol(d, axis)] for axis, d in enumerate(shape))

    def is_round(self, run: int) -> bool:
        """Whether a run has round sizes, which every model is asked to take."""
        return run < len(self.runs) - self.uneven

    def common(self, values: Sequence[int | None]) -> Dim:
        """Find the dim that has these sizes in the runs: a size, a name, or unknown."""
        known = [(value, run) for value, run in zip(values, self.runs, strict=True) if value is not None]
        if len({value for value, _ in known}) == 1:
            return known[0][0]
        for name in self.runs[0]:
            if all(value == run[name] for value, run in known):
                return None if "@" in name else name
        for index, name in enumerate(self.runs[0], start=1):
            moved = [i for i, (value, _) in enumerate(known) if self.is_round(i) and value != known[0][0]]
            if moved == [index] and "@" not in name:
                points = [(run[name], value) for value, run in known]
                return _formula(name, points, index, partial=len(known) < len(values))
        return None

    def per_sample(self, values: Sequence[int]) -> int | None:
        """Bring a count that grows linearly with the batch down to a batch of one.

        Args:
            values: the count in each run with round sizes.
        """
        if self.batch is None:
            return values[0] // self.batch_size if len(set(values)) == 1 else None
        index = 1 + list(self.runs[0]).index(self.batch)
        if any(value != values[0] for i, value in enumerate(values) if i not in (0, index)):
            return None  # another size that is not known matters
        small, large = self.runs[0][self.batch], self.runs[index][self.batch]
        slope = (values[index] - values[0]) / (large - small)
        return round(values[0] - slope * (small - 1))


def _formula(name: str, points: Sequence[tuple[int, int]], index: int, *, partial: bool) -> Dim:
    """Write a size that follows from a named dim, given sizes of both: ``2*time``, ``(time+1)//2``.

    Args:
        name: the dim.
        points: sizes of the dim, and what follows from each.
        index: the one of the points, beside the first, at which the dim has another round size.
        partial: whether uneven sizes were refused, so that what holds for round ones is all there is to say.
    """
    (size, value), (other, changed) = points[0], points[index]
    slope = (changed - value) / (other - size)
    if slope >= 1:
        times, shift = int(slope), value - int(slope) * size
        return f"{_times(times, name)}{_plus(shift)}" if all(v == times * s + shift for s, v in points) else None
    share = round(1 / slope) if slope > 0 else 1
    shifts = [
        shift
        for shift in range(value * share - size, (value + 1) * share - size)
        if all((s + shift) // share == v for s, v in points)
    ]
    if 0 in shifts and (partial or all(s in (size, other) for s, _ in points)):
        shifts = [0]
    if len(shifts) != 1:
        return None
    return f"({name}{_plus(shifts[0])})//{share}" if shifts[0] else f"{name}//{share}"


def _times(factor: int, name: str) -> str:
    return name if factor == 1 else f"{factor}*{name}"


def _plus(number: int) -> str:
    return f"{number:+d}" if number else ""


def symbol(dim: str | None, axis: int) -> str:
    """Name a dim that is not known: unnamed ones are taken to be the same on the same axis of every input."""
    return dim if dim is not None else f"@{axis}"


def _other_probes() -> Iterator[tuple[int, int]]:
    for more in itertools.count(step=32):
        yield from ((low + more, high + more) for low, high in _OTHER_PROBES)


def make_probes(shapes: Iterable[Shape]) -> Probes:
    """Choose the sizes to try for every dim that is not known."""
    symbols: dict[str, bool] = {}
    shapes = list(shapes)
    written = {dim for shape in shapes for dim in shape if isinstance(dim, int)}
    batch_sizes = [shape[0] for shape in shapes if shape and isinstance(shape[0], int)]
    for shape in shapes:
        for axis, dim in enumerate(shape):
            if not isinstance(dim, int):
                symbols.setdefault(symbol(dim, axis), axis == 0)
    batch = next((name for name, is_batch in symbols.items() if is_batch), None)
    pairs: dict[str, tuple[int, int]] = {}
    unused = (pair for pair in _other_probes() if written.isdisjoint(pair))
    for name, is_batch in symbols.items():
        if is_batch and name == batch:
            pairs[name] = _BATCH_PROBES
        else:
            pairs[name] = next(unused)
    base = {name: low for name, (low, _) in pairs.items()}
    runs = [base] + [base | {name: high} for name, (_, high) in pairs.items()]
    named = [name for name in pairs if "@" not in name and name != batch]
    uneven = [base | {name: base[name] + more for name in named} for more in _UNEVEN if named]
    maps = any(len(shape) > 2 for shape in shapes)
    return Probes(tuple(runs + uneven), len(uneven), batch, batch_sizes[0] if batch_sizes else 1, maps)
