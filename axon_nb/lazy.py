"""Owns how modules are loaded: late, like NumPy; with word to those who wait for them; with no search for garbage.

Knows nothing about what it is used for.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as numpy
else:

    class _Lazy:
        """Stands for a module until something of it is asked for."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            return getattr(importlib.import_module(self._name), name)

    numpy = _Lazy("numpy")


_waiting: dict[str, list[Callable[[], None]]] = {}


def when_loaded(part: str, function: Callable[[], None]) -> None:
    """Call a function once a part of the package has been loaded, by whoever is the first to need it."""
    _waiting.setdefault(part, []).append(function)


def loaded(part: str) -> None:
    """Say that a part of the package has been loaded: the last thing that it does."""
    for function in _waiting.pop(part, ()):
        function()


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let nobody look for garbage while modules are loaded: all that they make stays.

    Python looked a hundred times, at all objects of the process too, for a fifth of the time that loading took.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()  # together: what is there counts as old, without a look at each of 50,000 objects
                gc.unfreeze()
            gc.enable()
