"""Owns the list of frameworks that code and weights are written for: ``code(target=...)`` and ``weights_for``."""

from __future__ import annotations

from typing import Any

from axon_nb.errors import unknown
from axon_nb.graph import Model
from axon_nb.interop.code_out import arrays, write
from axon_nb.interop.code_torch import ACTIVATIONS, TINY, TINYGRAD, TORCH, tinygrad_code, torch_code
from axon_nb.params import Params
from axon_nb.serialize.code import targets

_TABLES: dict[str, Any] = {"torch": (TORCH, ACTIVATIONS), "tinygrad": (TINYGRAD, TINY)}


def weights_for(model: Model, params: Params, target: str) -> dict[str, Any]:
    """Return the weights as the code of ``model.code(target=...)`` takes them: a state dict of NumPy arrays.

    Args:
        model: the model.
        params: its weights.
        target: ``"torch"`` or ``"tinygrad"``.

    Raises:
        UnknownNameError: there is no such target.
        InteropError: a layer has no code there.

    Example:
        >>> from axon_nb import dense, input, weights_for
        >>> model = input((None, 3)) | dense(2)
        >>> {name: array.shape for name, array in weights_for(model, model.init(), "torch").items()}
        {'dense_0.weight': (2, 3), 'dense_0.bias': (2,)}
    """
    if target not in _TABLES:
        msg = "target"
        raise unknown(msg, target, _TABLES)
    return arrays(write(model, *_TABLES[target]), params)


targets.add("torch", torch_code)
targets.add("tinygrad", tinygrad_code)
