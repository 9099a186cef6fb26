"""Owns the loops of a scan on a GPU: a group of threads has one sample, and shares what is multiplied next.

Knows nothing about what is computed in them. tinygrad puts in the barriers: it sees that shared memory is read after
it is written (``after``), and that a loop writes again what it has read.
"""

from __future__ import annotations

from tinygrad import UOp
from tinygrad.dtype import AddrSpace
from tinygrad.uop.ops import AxisType

from axon_nb.functional.scan_kernels import Backward, Forward, Kernels
from axon_nb.functional.scan_loops import Axes, Spot, divisor, every

_LANES = 256  # threads in a group: as many as every GPU can start


class SharedKernels(Kernels):
    """Kernels of a group of threads for each sample."""

    def write_forward(self, at: Forward) -> UOp:  # noqa: D102
        z, axes = self.sizes, Axes()
        sample, lane = self._threads(axes)
        near = self._shared(2, *z.spatial, z.units)  # two: a fast thread writes the next one while others still read
        spot, turn = self._own(axes, sample, lane)
        begun = near[(0, *spot.place, spot.unit)].store(at.first[(0, sample, *spot.place, spot.unit)])
        begun = every([*self.keep_first(at, spot), begun], turn)
        t = axes(z.time)
        states, near = at.states.after(begun, t), near.after(begun, t)
        spot, turn = self._own(axes, sample, lane)
        columns = [self.gate(spot, n).unit for n in range(self.cell.gates)]
        sums = self.product(axes, lambda place, unit: near[(t % 2, *place, unit)], at.kernel, spot.place, columns, 1)
        sums = [self.biased_sum(at.bias, sum_, column) for sum_, column in zip(sums, columns, strict=True)]
        sums = self.joined(at, sums, spot, t)
        values = self.advance(at, states, sums, spot, t)
        stores = [
            *self.keep_products(at.products, sums, spot, t),
            *self.keep_states(states, values, spot, t),
            near[((t + 1) % 2, *spot.place, spot.unit)].store(values[0]),
        ]
        return every([every([every(stores, turn)], t)], sample, lane)

    def write_backward(self, at: Backward) -> UOp:  # noqa: D102
        z, axes = self.sizes, Axes()
        sample, lane = self._threads(axes)
        near = self._shared(*z.spatial, self.cell.gates * z.units)
        spot, turn = self._own(axes, sample, lane)
        cleared = every(self.clear(at.carry, spot), turn)
        back = axes(z.time)
        t = z.time - 1 - back
        carry, near = at.carry.after(cleared, back), near.after(back)
        spot, turn = self._own(axes, sample, lane)
        found = self.retreat(at, carry, spot, t)
        _, products, _ = found
        shares = [near[(*spot.place, self.gate(spot, n).unit)].store(value) for n, value in enumerate(products)]
        done = every([*self.keep_gradients(at, carry, spot, t, found), *shares], turn)
        carry, near = carry.after(done), near.after(done)
        spot, turn = self._own(axes, sample, lane)
        (sum_,) = self.product(axes, lambda place, unit: near[(*place, unit)], at.turned, spot.place, [spot.unit], -1)
        cell = carry[(0, *spot.flat)]
        return every([every([every([cell.store(cell + sum_)], turn)], back)], sample, lane)

    def _threads(self, axes: Axes) -> tuple[UOp, UOp]:
        lanes = divisor(self.sizes.items, _LANES)
        return axes(self.sizes.batch, AxisType.GLOBAL), axes(lanes, AxisType.LOCAL)

    def _own(self, axes: Axes, sample: UOp, lane: UOp) -> tuple[Spot, UOp]:
        """Return the units of a thread, and the axis that runs over them."""
        lanes = divisor(self.sizes.items, _LANES)
        turn = axes(self.sizes.items // lanes)
        rest = turn * lanes + lane
        numbers = []
        for size in reversed((*self.sizes.spatial, self.sizes.units)):
            numbers.append(rest % size)
            rest = rest // size
        unit, *place = numbers
        return Spot(sample, tuple(reversed(place)), unit), turn

    def _shared(self, *shape: int) -> UOp:
        return UOp.placeholder(shape, self.dtype, slot=0, addrspace=AddrSpace.LOCAL)
