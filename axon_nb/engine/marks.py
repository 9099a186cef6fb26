"""Owns the mark of a tensor's place: what tells at a glance that tensors are where they were.

Knows nothing about what is remembered by it, nor about numbers: these may have changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import ref

from tinygrad.uop.ops import UOp

Marks = tuple["ref[UOp]", ...]


def marks(uops: Iterable[UOp]) -> Marks:
    """Return marks that are equal for the same places alone, keep none of them alive, and may be keys.

    A tensor that is assigned to, replaced or computed has another ``uop``; one that is given up leaves a mark that
    equals no other, also where a new one stands at its address.

    Example:
        >>> from tinygrad import Tensor
        >>> weight = Tensor([1.0]).realize()
        >>> before = marks([weight.uop])
        >>> before == marks([weight.uop]), before == marks([weight.replace(Tensor([2.0]).realize()).uop])
        (True, False)
    """
    return tuple(map(ref, uops))
