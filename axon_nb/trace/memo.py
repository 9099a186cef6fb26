"""Owns the memory of what was worked out last: so many results, the one that was longest not asked for goes first.

Knows nothing about what is remembered.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Results by what they follow from.

    Example:
        >>> memo = Memo(2)
        >>> for number in (1, 2, 1, 3):
        ...     _ = memo.get(number) or memo.keep(number, number * number)
        >>> memo.get(1), memo.get(2), memo.get(3), len(memo)
        (1, None, 9, 2)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable) -> T | None:
        """Return what is remembered, and remember it longer."""
        found = self._known.pop(key, None)
        if found is not None:
            self._known[key] = found
        return found

    def keep(self, key: Hashable, result: T) -> T:
        """Remember a result, and return it."""
        self._known[key] = result
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return result

    def __len__(self) -> int:
        return len(self._known)
