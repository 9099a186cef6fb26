"""Owns how packages that are not always installed are loaded, and the error where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from axon_nb.errors import AxonError


class InteropError(AxonError):
    """A file, module or layer that cannot go from one framework to another."""


_PIP = {"onnx": 'pip install "axon_nb[onnx]"', "torch": "pip install torch", "h5py": "pip install h5py"}


def need(package: str, purpose: str) -> Any:
    """Import a package that is not always there.

    Raises:
        InteropError: it is not installed; says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        root = package.partition(".")[0]
        problem = f"{purpose} needs the package {root}"
        raise InteropError(problem, fix=_PIP.get(root, f"pip install {root}")) from error
