"""Owns what a scan is told: the cell that is run, and how large everything is.

Knows nothing about kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Step = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Any, ...]]


@dataclass(frozen=True)
class Cell:
    """What a recurrent cell does to each unit by itself.

    ``step`` makes the next states of projected inputs, recurrent products (of both one for each gate) and states. The
    first state is the output, and is what the recurrent kernel multiplies. A step is called with tensors, and with the
    single numbers of a kernel: it may use arithmetic and functions of each number.

    ``adds`` says that all it does with projected inputs and products is to add them: then a kernel keeps the sums, and
    they have one gradient.
    """

    step: Step
    gates: int
    states: int
    adds: bool = False


@dataclass(frozen=True)
class Sizes:
    """How large everything is; dense cells have no spatial axes and no window."""

    batch: int
    time: int
    spatial: tuple[int, ...]
    units: int
    window: tuple[int, ...]

    @property
    def items(self) -> int:
        """Numbers in one state of one sample."""
        return math.prod(self.spatial) * self.units

    def states(self, count: int) -> tuple[int, ...]:
        """Shape of all states at all times."""
        return (count, self.batch, self.time + 1, *self.spatial, self.units)

    def steps(self, gates: int) -> tuple[int, ...]:
        """Shape of what there is for each gate and step."""
        return (self.batch, self.time, *self.spatial, gates * self.units)

    def macs(self, gates: int) -> int:
        """Multiply-adds of the recurrent products."""
        return self.batch * self.time * self.items * math.prod(self.window) * gates * self.units
