"""Owns counting the multiply-adds in a graph of tensors that are not computed.

Knows nothing about layers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from tinygrad.uop.ops import GroupOp, Ops, UOp


def count_macs(result: Any) -> int:
    """Count multiply-adds: the products that are summed, in the graph of the result.

    A kernel written by hand (a recurrent layer's loop over time) says itself how many operations it takes.
    """
    return _count(part.uop for part in (result if isinstance(result, tuple | list) else [result]))


def _count(roots: Iterable[UOp]) -> int:
    total = 0
    for uop in _within(roots):
        if uop.op is Ops.REDUCE:
            total += _macs_of(uop)
        elif uop.op is Ops.FUNCTION:
            total += _count(uop.src[:1])
        elif uop.op is Ops.CALL:
            estimates = getattr(uop.src[0].arg, "estimates", None)
            total += int(estimates.ops) // 2 if estimates is not None else _count(uop.src[:1])
    return total


def _within(roots: Iterable[UOp]) -> Iterator[UOp]:
    """Walk through a graph, each part once: not through the sizes that things are moved by, nor into what is called."""
    seen: set[UOp] = set()
    waiting = list(roots)
    while waiting:
        uop = waiting.pop()
        if uop not in seen:
            seen.add(uop)
            yield uop
            waiting += uop.src[:1] if uop.op in GroupOp.Movement else uop.src[1:] if uop.op in _CALLED else uop.src


_CALLED = frozenset({Ops.CALL, Ops.FUNCTION})


def _macs_of(reduce: UOp) -> int:
    if reduce.arg[0] is not Ops.ADD:
        return 0
    source = reduce.src[0]
    while source.op in _TRANSPARENT:
        source = source.src[0]
    if source.op is not Ops.MUL or any(part.op is Ops.CONST for part in source.src):
        return 0
    return math.prod(int(size) for size in source.shape)


_TRANSPARENT = frozenset({Ops.CAST, Ops.PERMUTE, Ops.RESHAPE, Ops.CONTIGUOUS})
