"""Owns what the kernels of a scan compute, in tinygrad's kernel language: products, one step and its gradient.

Knows nothing about tensors, nor about how loops are arranged: ``scan_serial`` and ``scan_shared`` do that.
"""

from __future__ import annotations

import functools
import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tinygrad import UOp
from tinygrad.dtype import DType
from tinygrad.mixin.gradient import compute_gradient
from tinygrad.renderer import Estimates
from tinygrad.uop.ops import AxisType, KernelInfo, Ops, PatternMatcher, UPat, graph_rewrite

from axon_nb.functional.scan_cell import Cell, Sizes
from axon_nb.functional.scan_loops import Axes, Spot

# What an activation notes for the gradient of tensors (detach) means nothing in a kernel: there it is written already.
_WITHOUT_MARKS = PatternMatcher([(UPat((Ops.DETACH, Ops.CONTIGUOUS_BACKWARD), name="mark"), lambda mark: mark.src[0])])


class Forward(NamedTuple):
    """The buffers of the kernel over time. It fills the first ones; products are sums where the cell only adds.

    ``scratch`` is for the products of one step, if the kernels want it.
    """

    states: UOp
    products: UOp
    scratch: UOp | None
    projected: UOp
    kernel: UOp
    first: UOp
    bias: UOp | None
    mask: UOp | None


class Backward(NamedTuple):
    """The buffers of the kernel back through time. It fills the first three; a cell may not need the last three.

    Of a cell that only adds, products are sums, and nothing is needed of what was projected.
    """

    of_projected: UOp | None
    of_products: UOp
    carry: UOp
    above: UOp
    turned: UOp
    mask: UOp | None
    projected: UOp | None
    products: UOp
    states: UOp


Read = Callable[[tuple[UOp, ...], UOp], UOp]
"""From a cell of the spatial axes and a column to the number there."""

Gradients = tuple[list[UOp], list[UOp], list[UOp]]
"""Of projected inputs, of products, and of states before the step."""


class Kernels(ABC):
    """Writes both kernels for one cell and its sizes."""

    def __init__(self, cell: Cell, sizes: Sizes, dtype: DType, *, biased: bool, masked: bool) -> None:
        self.cell, self.sizes, self.dtype = cell, sizes, dtype
        self.biased, self.masked = biased, masked

    @property
    def filled(self) -> list[tuple[int, ...]]:
        """Shapes of what the kernel over time fills: states, products, and perhaps scratch."""
        return [self.sizes.states(self.cell.states), self.sizes.steps(self.cell.gates)]

    def forward(self, *buffers: UOp) -> UOp:
        """Write the kernel over time: it fills the first buffers."""
        states, products, *scratch = (one.reshape(shape) for one, shape in zip(buffers, self.filled, strict=False))
        projected, kernel, first, *rest = buffers[len(self.filled) :]
        bias, mask = (rest[0] if self.biased else None), (rest[-1] if self.masked else None)
        at = Forward(states, products, scratch[0] if scratch else None, projected, kernel, first, bias, mask)
        return self._sink(self.write_forward(at), "scan")

    def backward(self, *buffers: UOp) -> UOp:
        """Write the kernel back through time: it fills the buffers before ``above``."""
        given, apart = iter(buffers), not self.cell.adds
        of_projected = self._steps(next(given)) if apart else None
        of_products, carry, above, turned = itertools.islice(given, 4)
        mask = next(given) if self.masked else None
        projected = next(given) if apart else None
        products, states = given
        filled = of_projected, self._steps(of_products), carry
        read = self._states(above), turned, mask, projected, self._steps(products), self._states(states)
        return self._sink(self.write_backward(Backward(*filled, *read)), "scan_back")

    def _states(self, buffer: UOp) -> UOp:
        return buffer.reshape(self.sizes.states(self.cell.states))

    def _steps(self, buffer: UOp) -> UOp:
        return buffer.reshape(self.sizes.steps(self.cell.gates))

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

    def joined(self, at: Forward, products: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Return what is kept of the products of a unit's gates: of a cell that only adds, with what was projected."""
        if not self.cell.adds:
            return list(products)
        return [product + one for product, one in zip(products, self.gates(at.projected, spot, t), strict=True)]

    def keep_products(self, products: UOp, values: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Store the products of a unit's gates; return the stores."""
        return [products[self.gate(spot, n).at(t)].store(value) for n, value in enumerate(values)]

    def gate(self, spot: Spot, gate: int) -> Spot:
        """Return the place of a unit's gate among the columns."""
        return spot._replace(unit=spot.unit + gate * self.sizes.units)

    def gates(self, buffer: UOp | None, spot: Spot, t: UOp) -> list[Any]:
        """Return the numbers of a unit's gates at a step, or zeros."""
        found = [self.gate(spot, n).at(t) for n in range(self.cell.gates)]
        return [0.0 if buffer is None else buffer[index].cast(self.dtype) for index in found]

    def advance(self, at: Forward, states: UOp, products: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Return the states of a unit after a step."""
        inputs = self.gates(None if self.cell.adds else at.projected, spot, t)
        before = [states[(s, *spot.at(t))] for s in range(self.cell.states)]
        return self._masked(at.mask, spot, t, self.cell.step(inputs, products, before), before)

    def retreat(self, at: Backward, carry: UOp, spot: Spot, t: UOp) -> Gradients:
        """Return the gradients of a unit at a step: the step's own, by tinygrad's rules, number by number."""
        inputs, products = (self.gates(buffer, spot, t) for buffer in (at.projected, at.products))
        before = [at.states[(s, *spot.at(t))] for s in range(self.cell.states)]
        after = self._masked(at.mask, spot, t, self.cell.step(inputs, products, before), before)
        above = [at.above[(s, *spot.at(t + 1))] + carry[(s, *spot.flat)] for s in range(self.cell.states)]
        goal = functools.reduce(operator.add, map(operator.mul, after, above))
        groups = [] if at.projected is None else inputs, products, before
        found = compute_gradient(goal, goal.const_like(1), {one for group in groups for one in group})
        of_inputs, of_products, of_before = ([found.get(one, goal.const_like(0)) for one in group] for group in groups)
        return of_inputs, of_products, of_before

    def _masked(self, mask: UOp | None, spot: Spot, t: UOp, new: Sequence[UOp], old: Sequence[UOp]) -> list[UOp]:
        if mask is None:
            return list(new)
        real = mask[spot.sample, t] != 0
        return [real.where(one, other) for one, other in zip(new, old, strict=True)]

    def keep_first(self, at: Forward, spot: Spot) -> list[UOp]:
        """Store the initial states of a unit; return the stores."""
        return [at.states[(s, *spot.at(0))].store(at.first[(s, *spot.flat)]) for s in range(self.cell.states)]

    def keep_states(self, states: UOp, values: Sequence[UOp], spot: Spot, t: UOp) -> list[UOp]:
        """Store the states of a unit after a step; return the stores."""
        return [states[(s, *spot.at(t + 1))].store(value) for s, value in enumerate(values)]

    def clear(self, carry: UOp, spot: Spot) -> list[UOp]:
        """Store zeros where the gradients of a unit's states are summed; return the stores."""
        return [carry[(s, *spot.flat)].store(0.0) for s in range(self.cell.states)]

    def keep_gradients(self, at: Backward, carry: UOp, spot: Spot, t: UOp, gradients: Gradients) -> list[UOp]:
        """Store the gradients of a unit at a step; return the stores."""
        of_inputs, of_products, of_before = gradients
        of_gates = [(at.of_projected, of_inputs), (at.of_products, of_products)]
        return [
            *(
                buffer[self.gate(spot, n).at(t)].store(value)
                for buffer, values in of_gates
                if buffer is not None
                for n, value in enumerate(values)
            ),
            *(carry[(s, *spot.flat)].store(value) for s, value in enumerate(of_before)),
        ]


def _where(inside: UOp | None, number: UOp) -> UOp:
    return number if inside is None else inside.where(number, 0)


def _summed(term: UOp, axes: Sequence[UOp]) -> UOp:
    loops = [axis for axis in axes if axis.op is Ops.RANGE]
    return term.reduce(*loops, arg=Ops.ADD) if loops else term
