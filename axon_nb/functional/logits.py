"""Owns the memory of where probabilities came from: the numbers that went into a softmax or a sigmoid.

Knows nothing about losses, which ask for them: a logarithm of exp(x) / sum(exp(x)) loses what log_softmax(x) keeps.

The memory is of the graph, not of values: it ends when the probabilities are computed, or are dropped.
"""

from __future__ import annotations

import math
from typing import Literal
from weakref import WeakKeyDictionary

from tinygrad import Tensor
from tinygrad.uop.ops import Ops, UOp

Kind = Literal["softmax", "sigmoid"]

_origins: WeakKeyDictionary[UOp, tuple[Kind, int, UOp]] = WeakKeyDictionary()
# A value here is part of the graph of its key, so that it keeps nothing alive.


def remember_logits(probabilities: Tensor, logits: Tensor, kind: Kind, axis: int = -1) -> Tensor:
    """Note what went into a softmax along an axis, or into a sigmoid; return the probabilities as they are.

    Example:
        >>> x = Tensor([1.0, 2.0])
        >>> logits_of(remember_logits(x.sigmoid(), x, "sigmoid"), "sigmoid").tolist()
        [1.0, 2.0]
    """
    _origins[probabilities.uop] = kind, axis % max(logits.ndim, 1), logits.uop
    return probabilities


def logits_of(probabilities: Tensor, kind: Kind, axis: int = -1) -> Tensor | None:
    """Find what went into the softmax or sigmoid whose result this is; ``None`` if unknown.

    The result may have been cast, or have another shape or order since: the logits come in the same one. A softmax is
    one along that axis, wherever the axis stood when it was taken.

    Example:
        >>> logits_of(Tensor([0.3, 0.7]), "softmax") is None
        True
    """
    uop, moves = probabilities.uop, list[UOp]()
    while uop not in _origins and uop.op in _MOVES:
        moves.append(uop)
        uop = uop.src[0]
    found = _origins.get(uop)
    if found is None or found[0] != kind:
        return None
    _, at, logits = found
    place: int | None = at
    for move in reversed(moves):
        place = None if place is None else _moved(move, place)
        logits = move.replace(src=(logits, *move.src[1:]))
    if kind == "softmax" and place != axis % max(probabilities.ndim, 1):
        return None
    return Tensor(logits).cast(probabilities.dtype)


_MOVES = (Ops.CAST, Ops.RESHAPE, Ops.PERMUTE, Ops.SHRINK, Ops.FLIP, Ops.CONTIGUOUS)
"""What leaves numbers as they are, or apart from each other: a number is still made of the same logits."""


def _moved(move: UOp, axis: int) -> int | None:
    """Tell where an axis stands after a move; ``None`` where it is not whole any more."""
    old, new = move.src[0].shape, move.shape
    if move.op is Ops.PERMUTE:
        return tuple(move.arg).index(axis)
    if move.op is Ops.RESHAPE:
        before = math.prod(old[:axis])
        places = [i for i, size in enumerate(new) if size == old[axis] and math.prod(new[:i]) == before]
        return places[-1] if places else None
    return axis if new[axis] == old[axis] else None
