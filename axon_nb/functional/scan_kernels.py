"""Owns what the kernels of a scan compute, in tinygrad's kernel language: sizes, products, one step and its gradient.

Knows nothing about tensors, nor about how loops are arranged: ``scan_serial`` and ``scan_shared`` do that.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from tinygrad import UOp
from tinygrad.dtype import DType
from tinygrad.mixin.gradient import compute_gradient
from tinygrad.renderer import Estimates
from tinygrad.uop.ops import AxisType, KernelInfo, Ops, PatternMatcher, UPat, graph_rewrite

# What an activation notes for the gradient of tensors (detach) means nothing in a kernel: there it is written already.
_WITHOUT_MARKS = PatternMatcher([(UPat((Ops.DETACH, Ops.CONTIGUOUS_BACKWARD), name="mark"), lambda mark: mark.src[0])])

Step = Callable[[Sequence[Any], Sequence[Any], Sequence[Any]], tuple[Any, ...]]


@dataclass(frozen=True)
class Cell:
    """What a recurrent cell does to each unit by itself.

    ``step`` makes the next states of projected inputs, recurrent products (of both one for each gate) and states. The
    first state is the output, and is what the recurrent kernel multiplies. A step is called with tensors, and with the
    single numbers of a kernel: it may use arithmetic and functions of each number.
    """

    step: Step
    gates: int
    states: int


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
        return (count, self.time + 1, self.batch, *self.spatial, self.units)

    def steps(self, gates: int) -> tuple[int, ...]:
        """Shape of what there is for each gate and step."""
        return (self.time, self.batch, *self.spatial, gates * self.units)

    def macs(self, gates: int) -> int:
        """Multiply-adds of the recurrent products."""
        return self.batch * self.time * self.items * math.prod(self.window) * gates * self.units


class Forward(NamedTuple):
    """The buffers of the kernel over time. It fills the first two."""

    states: UOp
    products: UOp
    projected: UOp
    kernel: UOp
    first: UOp
    bias: UOp | None
    mask: UOp | None


class Backward(NamedTuple):
    """The buffers of the kernel back through time. It fills the first three, and the next two where they are given."""

    of_projected: UOp
    of_products: UOp
    carry: UOp
    of_kernel: UOp | None
    of_bias: UOp | None
    above: UOp
    states: UOp
    products: UOp
    projected: UOp
    turned: UOp
    mask: UOp | None


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


Read = Callable[[tuple[UOp, ...], UOp], UOp]
"""From a cell of the spatial axes and a column to the number there."""

Gradients = tuple[list[UOp], list[UOp], list[UOp]]
"""Of projected inputs, of products, and of states before the step."""


class Kernels(ABC):
    """Writes both kernels for one cell and its sizes."""

    sums_kernel: ClassVar[bool]
    """Whether the way back sums the gradients of kernel and bias too; else that is left to products of tensors."""

    def __init__(self, cell: Cell, sizes: Sizes, dtype: DType, *, biased: bool, masked: bool) -> None:
        self.cell, self.sizes, self.dtype = cell, sizes, dtype
        self.biased, self.masked = biased, masked

    def forward(self, *buffers: UOp) -> UOp:
        """Write the kernel over time: it fills the first two buffers."""
        states, products, projected, kernel, first, *rest = buffers
        bias, mask = self._optional(rest)
        at = Forward(states, products, projected, kernel, first, bias, mask)
        return self._sink(self.write_forward(at), "scan")

    def backward(self, *buffers: UOp) -> UOp:
        """Write the kernel back through time: it fills the buffers before ``above``."""
        of_projected, of_products, carry, *rest = buffers
        sums = 1 + self.biased if self.sums_kernel else 0
        of_kernel, of_bias = (*rest[:sums], None, None)[:2]
        above, states, products, projected, turned, *masks = rest[sums:]
        mask = masks[0] if masks else None
        at = Backward(
            of_projected, of_products, carry, of_kernel, of_bias, above, states, products, projected, turned, mask
        )
        return self._sink(self.write_backward(at), "scan_back")

    def _optional(self, rest: Sequence[UOp]) -> tuple[UOp | None, UOp | None]:
        return (rest[0] if self.biased else None), (rest[-1] if self.masked else None)

    @abstractmethod
    def write_forward(self, at: Forward) -> UOp:
        """Arrange the loops over time."""

    @abstractmethod
    def write_backward(self, at: Backward) -> UOp:
        """Arrange the loops back through time."""

    def _sink(self, body: UOp, name: str) -> UOp:
        z, gates = self.sizes, self.cell.gates
        spelled = "_".join(map(str, (name, z.batch, z.time, *z.spatial, z.units, gates)))
        info = KernelInfo(spelled, opts_to_apply=(), estimates=Estimates(ops=2 * z.macs(gates)))
        return graph_rewrite(body, _WITHOUT_MARKS).sink(arg=info)

    def product(
        self, axes: Axes, read: Read, kernel: UOp, place: tuple[UOp, ...], columns: Sequence[UOp], sign: int
    ) -> list[UOp]:
        """Multiply the numbers in the window around a place with columns of a kernel (*window, depth, columns).

        ``sign`` is 1 over time; on the way back it is -1, and the window is turned around.
        """
        over = [axes(size, AxisType.REDUCE) for size in kernel.shape[:-1]]
        *taps, depth = over
        near, inside = self._near(place, taps, sign)
        number = _where(inside, read(near, depth).cast(self.dtype))
        return [_summed(number * kernel[(*over, one)].cast(self.dtype), over) for one in columns]

    def kernel_gradient(
        self, axes: Axes, at: Backward, products: UOp, t: UOp, taps: tuple[UOp, ...], depth: UOp, column: UOp
    ) -> UOp:
        """Sum what one step adds to the gradient of a number of the kernel."""
        over = [axes(size, AxisType.REDUCE) for size in (self.sizes.batch, *self.sizes.spatial)]
        sample, *place = over
        near, inside = self._near(tuple(place), taps, 1)
        number = _where(inside, at.states[(0, t, sample, *near, depth)])
        return _summed(number * products[(t, sample, *place, column)], over)

    def bias_gradient(self, axes: Axes, products: UOp, t: UOp, column: UOp) -> UOp:
        """Sum what one step adds to the gradient of a number of the bias."""
        over = [axes(size, AxisType.REDUCE) for size in (self.sizes.batch, *self.sizes.spatial)]
        sample, *place = over
        return _summed(products[(t, sample, *place, column)], over)

    def _near(self, place: Sequence[UOp], taps: Sequence[UOp], sign: int) -> tuple[tuple[UOp, ...], UOp | None]:
        """Return the cells under a window's cells, and whether these are inside."""
        inside: UOp | None = None
        near = []
        for cell, tap, size, span in zip(place, taps, self.sizes.spatial, self.sizes.window, strict=True):
            moved = cell + (tap - (span - 1) // 2) * sign
            there = (moved >= 0) & (moved < size)
            inside = there if inside is None else inside & there
            near.append(moved.maximum(0).minimum(size - 1))
        return tuple(near), inside

    def biased_sum(self, bias: UOp | None, sum_: UOp, column: UOp) -> UOp:
        """Add the bias of a column, if there is one."""
        return sum_ if bias is None else sum_ + bias[column].cast(self.dtype)

    def column(self, gate: int, unit: UOp) -> UOp:
        """Return the column of a gate's unit."""
        return unit + gate * self.sizes.units

    def gate(self, spot: Spot, t: UOp, gate: int) -> tuple[UOp, ...]:
        """Return the index of a unit's gate at a step."""
        return (t, spot.sample, *spot.place, self.column(gate, spot.unit))

    def state(self, number: int, spot: Spot, t: UOp | int) -> tuple[Any, ...]:
        """Return the index of a unit's state at a time."""
        return (number, t, *spot.flat)

    def advance(self, at: Forward, states: UOp, products: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Return the states of a unit after a step."""
        inputs = [at.projected[self.gate(spot, t, n)].cast(self.dtype) for n in range(self.cell.gates)]
        before = [states[self.state(s, spot, t)] for s in range(self.cell.states)]
        return self._masked(at.mask, spot, t, self.cell.step(inputs, products, before), before)

    def retreat(self, at: Backward, carry: UOp, spot: Spot, t: UOp) -> Gradients:
        """Return the gradients of a unit at a step: the step's own, by tinygrad's rules, number by number."""
        inputs = [at.projected[self.gate(spot, t, n)].cast(self.dtype) for n in range(self.cell.gates)]
        products = [at.products[self.gate(spot, t, n)] for n in range(self.cell.gates)]
        before = [at.states[self.state(s, spot, t)] for s in range(self.cell.states)]
        after = self._masked(at.mask, spot, t, self.cell.step(inputs, products, before), before)
        above = [at.above[self.state(s, spot, t + 1)] + carry[(s, *spot.flat)] for s in range(self.cell.states)]
        goal = functools.reduce(operator.add, map(operator.mul, after, above))
        found = compute_gradient(goal, goal.const_like(1), {*inputs, *products, *before})
        of_inputs, of_products, of_before = (
            [found.get(one, goal.const_like(0)) for one in group] for group in (inputs, products, before)
        )
        return of_inputs, of_products, of_before

    def _masked(self, mask: UOp | None, spot: Spot, t: UOp, new: Sequence[UOp], old: Sequence[UOp]) -> list[UOp]:
        if mask is None:
            return list(new)
        real = mask[t, spot.sample] != 0
        return [real.where(one, other) for one, other in zip(new, old, strict=True)]

    def keep_first(self, at: Forward, spot: Spot) -> list[UOp]:
        """Store the initial states of a unit; return the stores."""
        return [at.states[self.state(s, spot, 0)].store(at.first[(s, *spot.flat)]) for s in range(self.cell.states)]

    def keep_states(self, states: UOp, values: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Store the states of a unit after a step; return the stores."""
        return [states[self.state(s, spot, t + 1)].store(value) for s, value in enumerate(values)]

    def clear(self, carry: UOp, spot: Spot) -> list[UOp]:
        """Store zeros where the gradients of a unit's states are summed; return the stores."""
        return [carry[(s, *spot.flat)].store(0.0) for s in range(self.cell.states)]

    def keep_gradients(
        self, at: Backward, carry: UOp, spot: Spot, t: UOp, inputs: list[UOp], products: list[UOp], before: list[UOp]
    ) -> list[UOp]:
        """Store the gradients of a unit at a step; return the stores."""
        return [
            *(at.of_projected[self.gate(spot, t, n)].store(value) for n, value in enumerate(inputs)),
            *(at.of_products[self.gate(spot, t, n)].store(value) for n, value in enumerate(products)),
            *(carry[(s, *spot.flat)].store(value) for s, value in enumerate(before)),
        ]


def _where(inside: UOp | None, number: UOp) -> UOp:
    return number if inside is None else inside.where(number, 0)


def _summed(term: UOp, axes: Sequence[UOp]) -> UOp:
    loops = [axis for axis in axes if axis.op is Ops.RANGE]
    return term.reduce(*loops, arg=Ops.ADD) if loops else term


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
