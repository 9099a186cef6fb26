"""Owns the loops of a scan on a CPU: one thread; products in tiles that fit its registers, then unit by unit.

Knows nothing about what is computed in them.
"""

from __future__ import annotations

from tinygrad import UOp
from tinygrad.uop.ops import AxisType

from axon_nb.functional.scan_kernels import Axes, Backward, Forward, Kernels, Spot, divisor, every

_TILE = (2, 16)  # samples and columns: measured best on AVX2, 20 GMAC/s; larger ones spill


class SerialKernels(Kernels):
    """Kernels of one thread."""

    sums_kernel = True  # while a step's numbers are in the cache: three times faster than one product afterwards

    def write_forward(self, at: Forward) -> UOp:  # noqa: D102
        axes = Axes()
        spot, own = self._units(axes)
        begun = every(self.keep_first(at, spot), *own)
        t = axes(self.sizes.time)
        states, products = at.states.after(begun, t), at.products.after(t)
        tile, over = self._tile(axes, self.cell.gates * self.sizes.units)
        (sum_,) = self.product(
            axes, lambda place, unit: states[(0, t, tile.sample, *place, unit)], at.kernel, tile.place, [tile.unit], 1
        )
        cell = products[(t, *tile.flat)]
        products = products.after(every([cell.store(self.biased_sum(at.bias, sum_, tile.unit))], *over))
        spot, own = self._units(axes)
        sums = [products[self.gate(spot, t, n)] for n in range(self.cell.gates)]
        stores = self.keep_states(states, self.advance(at, states, sums, spot, t), spot, t)
        return every([every(stores, *own)], t)

    def write_backward(self, at: Backward) -> UOp:  # noqa: D102
        axes = Axes()
        begun = self._begin_sums(axes, at)
        spot, own = self._units(axes)
        begun.append(every(self.clear(at.carry, spot), *own))
        back = axes(self.sizes.time)
        t = self.sizes.time - 1 - back
        carry = at.carry.after(*begun, back)
        spot, own = self._units(axes)
        done = every(self.keep_gradients(at, carry, spot, t, *self.retreat(at, carry, spot, t)), *own)
        carry, products = carry.after(done), at.of_products.after(done)
        tile, over = self._tile(axes, self.sizes.units)
        (sum_,) = self.product(
            axes, lambda place, unit: products[(t, tile.sample, *place, unit)], at.turned, tile.place, [tile.unit], -1
        )
        cell = carry[(0, *tile.flat)]
        stores = [every([cell.store(cell + sum_)], *over), *self._add_sums(axes, at, products, t, (*begun, back))]
        return every(stores, back)

    def _begin_sums(self, axes: Axes, at: Backward) -> list[UOp]:
        """Clear the gradients of kernel and bias."""
        sums = [buffer.flatten() for buffer in (at.of_kernel, at.of_bias) if buffer is not None]
        cells = [axes(buffer.shape[0]) for buffer in sums]
        return [every([buffer[cell].store(0.0)], cell) for buffer, cell in zip(sums, cells, strict=True)]

    def _add_sums(self, axes: Axes, at: Backward, products: UOp, t: UOp, after: tuple[UOp, ...]) -> list[UOp]:
        """Add one step to the gradients of kernel and bias."""
        z, columns = self.sizes, self.cell.gates * self.sizes.units
        taps = tuple(axes(size) for size in z.window)
        depth, rows = self._split(axes, z.units, divisor(z.units, _TILE[0]))
        column, wide = self._split(axes, columns, divisor(columns, _TILE[1], step=4))
        sums = self.kernel_gradient(axes, at, products, t, taps, depth, column)
        added = []
        if at.of_kernel is not None:
            cell = at.of_kernel.after(*after)[(*taps, depth, column)]
            added.append(every([cell.store(cell + sums)], *taps, *rows, *wide))
        if at.of_bias is not None:
            column, wide = self._split(axes, columns, divisor(columns, _TILE[1], step=4))
            cell = at.of_bias.after(*after)[column]
            added.append(every([cell.store(cell + self.bias_gradient(axes, products, t, column))], *wide))
        return added

    def _split(self, axes: Axes, size: int, part: int) -> tuple[UOp, tuple[UOp, UOp]]:
        """Return an index, and its axes: the outer one a loop, the inner one in registers."""
        outer, inner = axes(size // part), axes(part, AxisType.UPCAST)
        return outer * part + inner, (outer, inner)

    def _units(self, axes: Axes) -> tuple[Spot, tuple[UOp, ...]]:
        z = self.sizes
        sample, *place, unit = own = tuple(axes(size) for size in (z.batch, *z.spatial, z.units))
        return Spot(sample, tuple(place), unit), own

    def _tile(self, axes: Axes, columns: int) -> tuple[Spot, tuple[UOp, ...]]:
        rows, wide = divisor(self.sizes.batch, _TILE[0]), divisor(columns, _TILE[1], step=4)
        sample, *place = (axes(size) for size in (self.sizes.batch // rows, *self.sizes.spatial))
        column = axes(columns // wide)
        row, cell = axes(rows, AxisType.UPCAST), axes(wide, AxisType.UPCAST)
        return Spot(sample * rows + row, tuple(place), column * wide + cell), (sample, *place, column, row, cell)
