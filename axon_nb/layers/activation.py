"""Declares a layer for each activation, and ``activation`` for any function."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.functional.activations import activate
from axon_nb.layer import layer
from axon_nb.options import Function, activations

LAYERS = {name: layer(family="activation")(function) for name, function in activations.items()}


@layer(family="activation")
def activation(x: Tensor, function: Function) -> Tensor:
    """Apply an activation by name, or any function of a tensor.

    Shapes:
        any -> the same

    Example:
        >>> from axon_nb import activation, input
        >>> (input((None, 128)) | activation("tanh")).output_shape
        (None, 128)
    """
    return activate(x, function)
