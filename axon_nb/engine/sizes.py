"""Owns a shortcut in tinygrad: sizes that are plain numbers are as simple as they get.

Knows nothing about models. tinygrad (0.14) looks for something to simplify in the sizes of every reshape, shrink and
pad; that was a fifth of the time that shape inference takes. It skips single numbers itself, and not rows of them.
Could go upstream.
"""

from __future__ import annotations

from typing import Any

from tinygrad.uop.ops import Ops, UOp

_simplify = UOp.simplify


def install() -> None:
    """Put the shortcut in, once."""
    UOp.simplify = _shortcut


def _shortcut(self: UOp, *args: Any, **kwargs: Any) -> UOp:
    if self.op is Ops.SINK and all(map(_is_plain, self.src)):
        return self
    return _simplify(self, *args, **kwargs)


def _is_plain(size: UOp) -> bool:
    """Whether something is a number, or a row of numbers."""
    return size.op is Ops.CONST or (size.op is Ops.STACK and all(one.op is Ops.CONST for one in size.src))
