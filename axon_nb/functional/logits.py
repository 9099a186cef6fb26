"""Owns the memory of where probabilities came from: the numbers that went into a softmax or a sigmoid.

Knows nothing about losses, which ask for them: a logarithm of exp(x) / sum(exp(x)) loses what log_softmax(x) keeps.

The memory is of the graph, not of values: it ends when the probabilities are computed, or are dropped.
"""

from __future__ import annotations

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
    """Find what went into the softmax or sigmoid whose result this is, also where that was cast; ``None`` if unknown.

    A softmax is one along that axis. Of a sigmoid the result may have another shape since: each number is still from
    one number.

    Example:
        >>> logits_of(Tensor([0.3, 0.7]), "softmax") is None
        True
    """
    uop = probabilities.uop
    passed = {Ops.CAST, Ops.RESHAPE} if kind == "sigmoid" else {Ops.CAST}
    while uop not in _origins and uop.op in passed:
        uop = uop.src[0]
    found = _origins.get(uop)
    if found is None or found[0] != kind or (kind == "softmax" and found[1] != axis % max(probabilities.ndim, 1)):
        return None
    return Tensor(found[2]).reshape(probabilities.shape).cast(probabilities.dtype)
