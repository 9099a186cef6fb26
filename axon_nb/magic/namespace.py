"""Owns what a name means while a cell runs: the cell's own, then the user's, then the layers.

Knows nothing about layers or IPython: it is given mappings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MISSING = object()
_PYTHON = ("__builtins__", "__name__")


class Namespace(dict[str, Any]):
    r"""The globals of one cell, in which the cell may assign without the user's variables being touched.

    A function defined in the cell lives on with these globals. It must see what the user's variables hold when it is
    called, as any function in a notebook does; and it must not keep alive what the user has deleted since. So the
    user's variables are looked up in place, and the copy, which only the body of a class needs (Python reads its
    globals past ``__getitem__``), is dropped by ``settle``.

    Example:
        >>> user = {"width": 3}
        >>> names = Namespace(user, {"dense": "a layer"})
        >>> exec("def show(): return width, dense\nwidth = 4", names)
        >>> names.assigned()["width"], names["show"](), user
        (4, (4, 'a layer'), {'width': 3})
        >>> user.update(names.settle())
        >>> user["width"] = 5
        >>> user["show"]()
        (5, 'a layer')
    """

    def __init__(
        self, user: Mapping[str, Any], layers: Mapping[str, Any], inputs: Mapping[str, Any] | None = None
    ) -> None:
        self._user = user
        self.layers = layers
        self._inputs = dict(inputs or {})
        self._start = {**layers, **user, **self._inputs, "__name__": "__main__"}
        super().__init__(self._start)

    def __getitem__(self, name: str) -> Any:
        own = dict.get(self, name, _MISSING)
        is_own = own is not self._start.get(name, _MISSING) or name in self._inputs
        value = own if is_own else self._user.get(name, own)
        if value is _MISSING:
            raise KeyError(name)
        return value

    def assigned(self) -> dict[str, Any]:
        """Return what the cell has assigned; its inputs are parameters and stay its own."""
        return {
            name: value
            for name, value in self.items()
            if value is not self._start.get(name, _MISSING) and name not in self._inputs and name not in _PYTHON
        }

    def settle(self) -> dict[str, Any]:
        """Return what the cell has assigned, to be the user's, and from now on look it up there."""
        assigned = self.assigned()
        kept = {name: dict.get(self, name) for name in (*self._inputs, *_PYTHON)}
        self.clear()
        self.update(self.layers, **kept)
        self._start = dict(self)
        return assigned
