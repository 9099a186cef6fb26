"""Owns NumPy, imported when it is first used: ``%load_ext axon_nb`` need not wait for it.

Knows nothing about what it is used for.
"""

from __future__ import annotations

import importlib
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
