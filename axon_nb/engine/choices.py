"""Owns how kernels are laid out on the CPU where tinygrad's own choice is slow to run, or to compile.

Knows nothing about tensors, layers or steps.

tinygrad computes a few numbers together and loads them four at a time, which holds LLVM to vectors of four; a plain
loop becomes vectors of eight or sixteen. And it wastes most of what is loaded for a sum over rows (the gradient of a
bias, the statistics of batch norm), which it reads column by column, one number of each line of cache, and for what is
turned on its way from one layer to the next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from tinygrad.codegen.opt import Opt, OptOps, heuristic
from tinygrad.codegen.opt.postrange import Scheduler
from tinygrad.uop.ops import AxisType, Ops, UOp

from axon_nb.engine.plan import DEVICE
from axon_nb.engine.settings import SETTINGS

LANES = (16, 8, 4)
"""How many numbers are computed side by side: the most of these that divides the axis. 16 fill a line of cache."""
FEW_LANES = (4,)
FEW_NODES = 40
"""Nodes of a kernel's graph from which on fewer numbers are computed together: each is lowered by itself, in Python."""
WHOLE = 7
"""Up to which size an axis that nothing divides is computed as one: tinygrad's own measure."""
PER_THREAD = 128 << 10
"""Operations for which another thread is worth it: tinygrad's own measure."""

Widening = tuple[UOp, int]
"""An axis, and how many numbers along it are computed together."""
Strides = dict[UOp, int]
"""By how much an index grows with each counter that is in it; 0 where that is not one number."""


def install() -> None:
    """Let tinygrad ask here first. Calling it again changes nothing."""
    original = heuristic.hand_coded_optimizations
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def choose(kernel: Scheduler) -> Scheduler:
        is_ours = SETTINGS.fast and kernel.ren.target.device == DEVICE
        chosen = _widenings(kernel) if is_ours else None
        return original(kernel) if chosen is None else _laid_out(kernel, chosen)

    heuristic.hand_coded_optimizations = choose


def _laid_out(kernel: Scheduler, widenings: Sequence[Widening]) -> Scheduler:
    kernel = kernel.copy()
    for axis, lanes in widenings:
        kernel.apply_opt(Opt(OptOps.UPCAST, kernel.rngs.index(axis), lanes))
    _share(kernel)
    return kernel


def _share(kernel: Scheduler) -> None:
    """Share the kernel out among threads, along an axis that is a loop."""
    most: Any = kernel.ren.global_max
    for threads in range(min(most[0], math.prod(kernel.full_shape) // PER_THREAD), 1, -1):
        for axis in kernel.axes_of(AxisType.WEAK):
            if kernel.full_shape[axis] % threads == 0:
                kernel.apply_opt(Opt(OptOps.THREAD, axis, threads))
                return


def _widenings(kernel: Scheduler) -> list[Widening] | None:
    """Return what is computed together, or None where that is left to tinygrad."""
    if not all(isinstance(size, int) for size in kernel.full_shape):
        return None
    axes = [kernel.rngs[axis] for axis in kernel.upcastable_dims]
    # How the index of each place in memory grows along the axes; what is written comes last.
    places = [_strides(place.src[1].get_idx()) for place in kernel.bufs]
    if kernel.reduceops:
        side = _widened(_summed_side_by_side(kernel, axes, places))
        return [] if side is None and _is_sum_in_order(kernel, places) else side
    is_small = len(kernel.ast.backward_slice) <= FEW_NODES
    turned = _widened(_turned(kernel, axes, places))
    if turned is None:
        if _is_in_order(axes, places):
            return []  # LLVM makes vectors of such a loop by itself, and wider ones; and it is lowered once
        return None if is_small else _some(axes, places)
    return [*turned, *(_widened(axes[-1], FEW_LANES) or ())] if is_small else turned


def _widened(axis: UOp | None, lanes: tuple[int, ...] = LANES) -> list[Widening] | None:
    if axis is None:
        return None
    return next(([(axis, n)] for n in lanes if (axis.vmax + 1) % n == 0), None)


def _summed_side_by_side(kernel: Scheduler, axes: Sequence[UOp], places: Sequence[Strides]) -> UOp | None:
    """Find the axis of the results along which what is summed lies side by side, if not more lies so along sums."""
    summed = set(kernel.ranges_of(AxisType.REDUCE))
    votes = dict.fromkeys(axes, 0)
    side: set[UOp] = set()
    for strides in places:
        if not summed & strides.keys():
            continue
        along_sum = any(strides[one] == 1 for one in summed & strides.keys())
        for one in votes.keys() & strides.keys():
            votes[one] += (strides[one] == 1) - along_sum
        side |= {one for one in votes.keys() & strides.keys() if strides[one] == 1}
    best = max(side, key=lambda one: votes[one], default=None)
    return best if best is not None and votes[best] >= 0 else None


def _turned(kernel: Scheduler, axes: Sequence[UOp], places: Sequence[Strides]) -> UOp | None:
    """Find the axis along which what is read lies side by side, if what is written lies so along another."""
    if any(one.op is Ops.WHERE and one.src[0].ranges for one in kernel.ast.backward_slice):
        return None  # windows with a border
    *read, store = places
    written = [one for one in axes if store.get(one) == 1]
    far = [place for place in read if len(written) == 1 and place.get(written[0], 0) >= LANES[0]]
    return next((one for place in far for one in axes if place.get(one) == 1), None)


def _is_in_order(axes: Sequence[UOp], places: Sequence[Strides]) -> bool:
    """Tell whether what is written lies side by side along the innermost loop, and that is long enough for vectors."""
    return bool(axes) and axes[-1].vmax + 1 > WHOLE and places[-1].get(axes[-1]) == 1


def _is_sum_in_order(kernel: Scheduler, places: Sequence[Strides]) -> bool:
    """Tell whether what is summed lies side by side along the innermost sum, and that is long enough for vectors."""
    inner = kernel.rngs[kernel.unrollable_dims[-1]] if kernel.unrollable_dims else None
    if inner is None or inner.vmax + 1 <= WHOLE or any(one.arg[0] is not Ops.ADD for one in kernel.reduceops):
        return False
    strides = [place[inner] for place in places if inner in place]
    return bool(strides) and all(stride == 1 for stride in strides)


def _some(axes: Sequence[UOp], places: Sequence[Strides]) -> list[Widening]:
    """Choose for a large kernel, where tinygrad computes up to 49 numbers together, fewer: along one axis.

    It is the one along which most lies side by side; of several, the last.
    """
    found = [(one, _widened(one, FEW_LANES) or _whole(one)) for one in reversed(axes)]
    fitting = {one: widening for one, widening in found if widening}
    best = max(fitting, key=lambda one: sum(place.get(one) == 1 for place in places), default=None)
    return [] if best is None else fitting[best]


def _whole(axis: UOp) -> list[Widening]:
    return [(axis, axis.vmax + 1)] if axis.vmax + 1 <= WHOLE else []


def _strides(index: UOp) -> Strides:
    strides: Strides = {}
    for term in index.split_uop(Ops.ADD):
        if term.op is Ops.RANGE:
            strides[term] = 1
        elif term.op is Ops.MUL and term.src[0].op is Ops.RANGE and term.src[1].op is Ops.CONST:
            strides[term.src[0]] = int(term.src[1].val)
        else:
            strides |= dict.fromkeys((one for one in term.toposort() if one.op is Ops.RANGE), 0)
    return strides
