"""Owns the list of frameworks that code and weights are written for: ``code(target=...)`` and ``weights_for``."""

from __future__ import annotations

from typing import Any

from axon_nb.errors import unknown
from axon_nb.graph import Model
from axon_nb.interop.code_keras import KERAS, keras_code
from axon_nb.interop.code_out import Framework, arrays, write
from axon_nb.interop.code_torch import TINYGRAD, TORCH, tinygrad_code, torch_code
from axon_nb.params import Params
from axon_nb.serialize.code import targets

_FRAMEWORKS: dict[str, Framework] = {"torch": TORCH, "tinygrad": TINYGRAD, "keras": KERAS}


def weights_for(model: Model, params: Params, target: str) -> dict[str, Any]:
    """Return the weights as the code of ``model.code(target=...)`` takes them: NumPy arrays by name.

    PyTorch's and tinygrad's ``load_state_dict`` take them as tensors. In Keras they are named by their paths:
    ``for one in model.weights: one.assign(weights[one.path])``.

    Args:
        model: the model.
        params: its weights.
        target: ``"torch"``, ``"tinygrad"`` or ``"keras"``.

    Raises:
        UnknownNameError: there is no such target.
        InteropError: a layer has no code there.

    Example:
        >>> from axon_nb import dense, input, weights_for
        >>> model = input((None, 3)) | dense(2)
        >>> {name: array.shape for name, array in weights_for(model, model.init(), "torch").items()}
        {'dense_0.weight': (2, 3), 'dense_0.bias': (2,)}
    """
    if target not in _FRAMEWORKS:
        msg = "target"
        raise unknown(msg, target, _FRAMEWORKS)
    return arrays(write(model, _FRAMEWORKS[target]), params)


targets.add("torch", torch_code)
targets.add("tinygrad", tinygrad_code)
targets.add("keras", keras_code)
