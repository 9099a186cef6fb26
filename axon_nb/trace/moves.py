"""Owns shortcuts in tinygrad (0.14) where all sizes are plain numbers: the same graph, made in a fraction of the time.

Knows nothing about models or layers. Three quarters of the time of shape inference went into these: a reshape, shrink,
pad or permute made a UOp for each size, put them into others, looked there for something to simplify and worked out the
shape by walking the graph, all of which plain numbers do not need. What is not plain goes tinygrad's own way, and so
does what does not fit, as its errors are those that people are shown. Could go upstream.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from tinygrad import Tensor
from tinygrad.uop.ops import GroupOp, Ops, UOp, recursive_property

_SHAPE = "_RECURSIVE_PROPERTY__shape"  # where tinygrad remembers the shape of a UOp

_mop = UOp._mop
_tensor_mop = Tensor._mop
_get = recursive_property.__get__


def install() -> None:
    """Put the shortcuts in, once."""
    UOp._mop = _moved
    Tensor._mop = _moved_tensor
    Tensor.shape = property(_shape)
    recursive_property.__get__ = _remembered


def _shape(self: Tensor) -> Any:
    known = self.uop.__dict__.get(_SHAPE)
    return self.uop.shape if known is None else known


def _moved(self: UOp, op: Ops, arg: Any) -> UOp:
    plan = _plan(self, op, arg)
    return _mop(self, op, arg) if plan is None else _make(self, op, arg, plan)


def _moved_tensor(self: Tensor, op: Ops, arg: Any) -> Tensor:
    plan = _plan(self.uop, op, arg)
    if plan is None:
        return _tensor_mop(self, op, arg)
    if plan[0] == self.uop.__dict__[_SHAPE] and op in _NOTHING_MOVES:
        return self  # which is what tinygrad answers as well, once it has made the UOp and seen its shape
    return self._apply_uop(_make, op=op, arg=arg, plan=plan)


_NOTHING_MOVES = frozenset({Ops.RESHAPE, Ops.PAD, Ops.SHRINK})
"""What does nothing where the shape stays as it is."""

_Plan = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]
"""The shape of the result, and the rows of sizes that say what is done."""


def _plan(uop: UOp, op: Ops, arg: Any) -> _Plan | None:
    before, find = uop.__dict__.get(_SHAPE), _PLANS.get(op)
    return find(before, arg) if before is not None and find is not None and _is_plain(before) else None


def _make(uop: UOp, op: Ops, arg: Any, plan: _Plan) -> UOp:
    sizes, rows = plan
    made = UOp(op, uop.dtype, (uop, *map(_row, rows)), None if rows else arg)
    made.__dict__[_SHAPE] = sizes
    return made


def _remembered(self: Any, x: Any, owner: Any = None) -> Any:
    """Work out what depends on the sources alone from what is known of them, without a walk that finds nothing more."""
    if x is None:
        return self
    known, name = x.__dict__, self.nm
    if name in known:
        return known[name]
    for source in x.src:
        if name not in source.__dict__:
            return _get(self, x, owner)
    found = known[name] = (_common(x) if name == _SHAPE and x.op in _ELEMENTWISE else None) or self.fxn(x)
    return found


_ELEMENTWISE = frozenset({*GroupOp.Broadcastable, *GroupOp.Unary, Ops.CAST})


def _common(x: UOp) -> Any:
    """Return the shape that all sources have, if it is one: tinygrad finds it too, after thirty other questions."""
    first, *others = (source.__dict__[_SHAPE] for source in x.src)
    return first if all(one == first for one in others) else None


def _is_plain(sizes: Any) -> bool:
    """Whether these are whole numbers: not formulas, and not truth values, which are other constants."""
    return set(map(type, sizes)) <= _WHOLE


_WHOLE = {int}


@functools.lru_cache(maxsize=8192)
def _row(sizes: tuple[int, ...]) -> UOp:
    """Return the sizes as they stand in the graph."""
    numbers = tuple(map(UOp.const, sizes))
    return numbers[0] if len(numbers) == 1 else UOp(Ops.STACK, src=numbers)


def _reshape(before: tuple[int, ...], arg: Any) -> _Plan | None:
    fits = type(arg) is tuple and _is_plain(arg) and min(arg, default=0) >= 0
    return (arg, (arg,)) if fits and math.prod(before) == math.prod(arg) else None


def _expand(before: tuple[int, ...], arg: Any) -> _Plan | None:
    return ((*arg, *before), (arg,)) if type(arg) is tuple and arg and _is_plain(arg) else None


def _permute(before: tuple[int, ...], arg: Any) -> _Plan | None:
    fits = type(arg) is tuple and _is_plain(arg) and sorted(arg) == list(range(len(before)))
    return (tuple(before[axis] for axis in arg), ()) if fits else None


def _pad(before: tuple[int, ...], arg: Any) -> _Plan | None:
    found = _ranges(before, arg)
    if found is None or not all(start + old <= size for old, start, size in zip(before, *found, strict=True)):
        return None
    return found[1], found


def _shrink(before: tuple[int, ...], arg: Any) -> _Plan | None:
    found = _ranges(before, arg)
    if found is None or not all(start + size <= old for old, start, size in zip(before, *found, strict=True)):
        return None
    return found[1], found


def _ranges(before: tuple[int, ...], arg: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Sort pairs of start and size into all starts and all sizes."""
    if not arg or len(arg) != len(before):
        return None
    starts, sizes = zip(*arg, strict=True)
    fits = _is_plain(starts) and _is_plain(sizes) and min(starts) >= 0 and min(sizes) >= 0
    return (starts, sizes) if fits else None


_PLANS = {
    Ops.RESHAPE: _reshape, Ops.EXPAND: _expand, Ops.PERMUTE: _permute, Ops.PAD: _pad, Ops.SHRINK: _shrink,
}  # fmt: skip
