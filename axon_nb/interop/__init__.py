"""Owns the ways in and out: ONNX, weights and modules of other frameworks, and code for them.

Knows nothing about notebooks. ``onnx``, ``torch`` and ``h5py`` are loaded when they are used, never by importing this.
"""

from axon_nb.interop import code_elixir as _elixir  # noqa: F401 - adds a target of code()
from axon_nb.interop import export as _export  # noqa: F401 - adds Model.to_onnx
from axon_nb.interop.code_targets import weights_for
from axon_nb.interop.importer import from_onnx
from axon_nb.interop.optional import InteropError
from axon_nb.interop.torch_in import from_torch
from axon_nb.interop.weights import Loaded, load_weights

__all__ = ["InteropError", "Loaded", "from_onnx", "from_torch", "load_weights", "weights_for"]
