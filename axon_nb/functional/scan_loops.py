"""Owns the loops of a scan's kernels in tinygrad's kernel language: axes, places, and how an axis is cut.

Knows nothing about what is computed in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from tinygrad import UOp
from tinygrad.uop.ops import AxisType, Ops


class Axes:
    """Makes the axes of a kernel: those made first go around those made later."""

    def __init__(self) -> None:
        self._ids = itertools.count()

    def __call__(self, size: int, kind: AxisType = AxisType.WEAK) -> UOp:
        """Make one. Of a single cell it is no loop, but the number 0."""
        return UOp.const(0) if size == 1 else UOp.range(size, next(self._ids), kind)


class Spot(NamedTuple):
    """Where a number is: sample, cell of the spatial axes, unit."""

    sample: UOp
    place: tuple[UOp, ...]
    unit: UOp

    @property
    def flat(self) -> tuple[UOp, ...]:
        """All of it, as an index."""
        return (self.sample, *self.place, self.unit)

    def at(self, t: UOp | int) -> tuple[UOp | int, ...]:
        """All of it, as an index of what there is for each step."""
        return (self.sample, t, *self.place, self.unit)


def every(stores: Sequence[UOp], *axes: UOp) -> UOp:
    """Do stores in every cell of the axes."""
    return UOp.group(*stores).end(*(axis for axis in axes if axis.op is Ops.RANGE))


def divisor(size: int, limit: int, step: int = 1) -> int:
    """Return the largest divisor of a size up to a limit; multiples of ``step`` go first.

    Example:
        >>> divisor(40, 16), divisor(40, 16, step=4), divisor(7, 4)
        (10, 8, 1)
    """
    fitting = [n for n in range(1, min(size, limit) + 1) if size % n == 0]
    return max(fitting, key=lambda n: (n % step == 0, n))
