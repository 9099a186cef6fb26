"""Owns the loops of a scan on a CPU: threads share samples; products in tiles that fit registers, then unit by unit.

Knows nothing about what is computed in them.
"""

from __future__ import annotations

from tinygrad import UOp
from tinygrad.dtype import DType
from tinygrad.uop.ops import AxisType, Ops

from axon_nb.functional.scan_cell import Cell, Sizes
from axon_nb.functional.scan_kernels import Backward, Forward, Kernels
from axon_nb.functional.scan_loops import Axes, Spot, divisor, every

_ROWS, _CELLS = 7, 80
"""Samples, and numbers in all, of a product that are in registers at a time: 4 by 16 or 20 where they divide.

Measured on AVX-512: 8 by 16 is no faster, and takes twice as long to compile; 2 by 16 takes a third longer to run.
"""
_SHARE = 32
"""Samples in a part, at most. Smaller ones are shared out more evenly, larger ones are no faster."""
_LEAST = 1 << 18
"""Multiply-adds for which it is worth waking another thread."""


class SerialKernels(Kernels):
    """Kernels that come in parts: each has some of the samples, for all times, and is done by one thread.

    Args:
        threads: how many threads share the parts.
    """

    def __init__(self, cell: Cell, sizes: Sizes, dtype: DType, *, biased: bool, masked: bool, threads: int) -> None:
        super().__init__(cell, sizes, dtype, biased=biased, masked=masked)
        self._share = share_of(sizes.batch, sizes.macs(cell.gates), threads)

    @property
    def filled(self) -> list[tuple[int, ...]]:
        """Shapes of what the kernel over time fills: states, products, and of a cell that only adds those of a step.

        LLVM makes no vectors of what is read and written in one buffer: so products that are added go to another.
        """
        z = self.sizes
        return [*super().filled, *[(z.batch, *z.spatial, self.cell.gates * z.units)] * self.cell.adds]

    def backward(self, *buffers: UOp) -> UOp:
        """Write the kernel back through time."""
        sink = super().backward(*buffers)
        used = {uop.arg.slot for uop in sink.toposort() if uop.op is Ops.PARAM}
        if used != set(range(len(used))):
            # tinygrad (0.14) passes the part's number after as many buffers as are used, whichever these are.
            self._share = self.sizes.batch
            sink = super().backward(*buffers)
        return sink

    def write_forward(self, at: Forward) -> UOp:  # noqa: D102
        axes = Axes()
        part = self._part(axes)
        spot, own = self._units(axes, part)
        begun = every(self.keep_first(at, spot), *own)
        t = axes(self.sizes.time)
        states = at.states.after(begun, t)
        tile, over = self._tile(axes, part, self.cell.gates * self.sizes.units)
        (sum_,) = self.product(
            axes, lambda place, unit: states[(0, tile.sample, t, *place, unit)], at.kernel, tile.place, [tile.unit], 1
        )
        cells = (at.products if at.scratch is None else at.scratch).after(t)
        done = every([cells[_cell(at, tile, t)].store(self.biased_sum(at.bias, sum_, tile.unit))], *over)
        spot, own = self._units(axes, part)
        products = [cells.after(done)[_cell(at, self.gate(spot, n), t)] for n in range(self.cell.gates)]
        sums = self.joined(at, products, spot, t)
        stores = self.keep_states(states, self.advance(at, states, sums, spot, t), spot, t)
        if at.scratch is not None:
            stores += self.keep_products(at.products, sums, spot, t)
        return every([every([every(stores, *own)], t)], part)

    def write_backward(self, at: Backward) -> UOp:  # noqa: D102
        axes = Axes()
        part = self._part(axes)
        spot, own = self._units(axes, part)
        begun = every(self.clear(at.carry, spot), *own)
        back = axes(self.sizes.time)
        t = self.sizes.time - 1 - back
        carry = at.carry.after(begun, back)
        spot, own = self._units(axes, part)
        done = every(self.keep_gradients(at, carry, spot, t, self.retreat(at, carry, spot, t)), *own)
        carry, products = carry.after(done), at.of_products.after(done)
        tile, over = self._tile(axes, part, self.sizes.units)
        (sum_,) = self.product(
            axes, lambda place, unit: products[(tile.sample, t, *place, unit)], at.turned, tile.place, [tile.unit], -1
        )
        cell = carry[(0, *tile.flat)]
        return every([every([every([cell.store(cell + sum_)], *over)], back)], part)

    def _units(self, axes: Axes, part: UOp) -> tuple[Spot, tuple[UOp, ...]]:
        z = self.sizes
        sample, *place, unit = own = tuple(axes(size) for size in (self._share, *z.spatial, z.units))
        return Spot(part * self._share + sample, tuple(place), unit), own

    def _tile(self, axes: Axes, part: UOp, columns: int) -> tuple[Spot, tuple[UOp, ...]]:
        rows = _rows(self._share)
        wide = divisor(columns, _CELLS // rows, step=4)
        block, *place = (axes(size) for size in (self._share // rows, *self.sizes.spatial))
        column = axes(columns // wide)
        row, cell = axes(rows, AxisType.UPCAST), axes(wide, AxisType.UPCAST)
        sample = part * self._share + block * rows + row
        return Spot(sample, tuple(place), column * wide + cell), (block, *place, column, row, cell)

    def _part(self, axes: Axes) -> UOp:
        return axes(self.sizes.batch // self._share, AxisType.THREAD)


def _cell(at: Forward, spot: Spot, t: UOp) -> tuple[UOp | int, ...]:
    """Return where a product is before anything is added."""
    return spot.at(t) if at.scratch is None else spot.flat


def share_of(batch: int, work: int, threads: int) -> int:
    """Return how many samples a part should have, so that all threads are done early.

    Args:
        batch: how many samples there are.
        work: their multiply-adds.
        threads: how many threads share the parts.

    Example:
        >>> share_of(64, 1 << 26, threads=2), share_of(63, 1 << 26, threads=2), share_of(64, 1000, threads=2)
        (32, 7, 64)
    """
    least = batch * _LEAST / max(work, 1)
    fitting = [n for n in range(1, batch + 1) if batch % n == 0 and least <= n <= max(least, _SHARE)]
    if threads == 1 or not fitting:
        return batch

    def wait(share: int) -> tuple[float, int]:
        rounds = -(-batch // share // threads)
        row = 1 + 1 / min(_rows(share), 4)  # one by itself takes 1.6 times as long as one of four
        return rounds * share * row, -share

    return min(fitting, key=wait)


def _rows(share: int) -> int:
    return divisor(share, _ROWS, step=4)
