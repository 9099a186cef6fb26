"""Owns what a page is told of what it was told before: the parts that changed, and what a list has grown by.

Knows nothing about pages or what they show: plain data goes in and comes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Parts(dict[str, Any]):
    """Things by name, in an order, of which few change at a time: rows of a table, boxes of a diagram."""

    def since(self, before: Any) -> dict[str, Any] | None:
        """Tell what changed: the parts to put, and the order if that is another; ``None``: nothing.

        Example:
            >>> Parts(a=1, b=2).since(Parts(a=1, c=3))
            {'put': [['b', 2]], 'order': ['a', 'b']}
            >>> Parts(a=1, b=3).since(Parts(a=1, b=2))
            {'put': [['b', 3]]}
        """
        known = before if isinstance(before, Parts) else None
        put = [[name, part] for name, part in self.items() if known is None or name not in known or known[name] != part]
        if known is not None and list(known) == list(self):
            return {"put": put} if put else None
        return {"put": put, "order": list(self)}


class Grown(list[Any]):
    """A list that grows at its end: the history of a number."""

    def since(self, before: Any) -> dict[str, Any] | None:
        """Tell what came on, and behind how many; from the beginning where it is another list.

        Example:
            >>> Grown([1, 2, 3]).since(Grown([1, 2])), Grown([1]).since(Grown([1, 2])), Grown([4]).since(None)
            ({'from': 2, 'add': [3]}, {'from': 0, 'add': [1]}, {'from': 0, 'add': [4]})
        """
        known = before if isinstance(before, Grown) else None
        if known is not None and self[: len(known)] == known:
            return {"from": len(known), "add": self[len(known) :]} if len(self) > len(known) else None
        return {"from": 0, "add": list(self)}


def changes(state: Mapping[str, Any], told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """List what a page is to be told, and note that it was: plain values, parts and lists by what was told before.

    Example:
        >>> told = {"a": 1}
        >>> changes({"a": 1, "b": Parts(c=2)}, told), told
        ({'parts': {'b': {'put': [['c', 2]], 'order': ['c']}}}, {'a': 1, 'b': {'c': 2}})
    """
    found: dict[str, dict[str, Any]] = {}
    for name, value in state.items():
        if name in told and told[name] is value:
            continue
        if isinstance(value, Parts | Grown):
            delta = value.since(told.get(name))
            if delta is not None:
                found.setdefault("parts" if isinstance(value, Parts) else "grown", {})[name] = delta
        elif name not in told or told[name] != value:
            found.setdefault("patch", {})[name] = value
        told[name] = value
    return found
