"""Declares a layer for each activation, and ``activation`` for any function."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.functional import activations as functional
from axon_nb.layer import layer
from axon_nb.options import Channels, Function, Initializer, Shared, activations
from axon_nb.scope import Scope

LAYERS = {name: layer(family="activation", name=name)(function) for name, function in activations.items()}


@layer(family="activation")
def activation(x: Tensor, function: Function) -> Tensor:
    """Apply an activation by name, or any function of a tensor.

    Shapes:
        any -> the same

    Source: https://hexdocs.pm/axon/Axon.html#activation/3

    Example:
        >>> from axon_nb import activation, input
        >>> (input((None, 128)) | activation("tanh")).output_shape
        (None, 128)
    """
    return functional.activate(x, function)


@layer(family="activation")
def prelu(
    scope: Scope, x: Tensor, *, shared: Shared = False, channels: Channels = "first",
    slope_initializer: Initializer = 0.25,
) -> Tensor:  # fmt: skip
    """Keep what is above zero, and a trained slope times what is below.

    Shapes:
        (batch, channels, ...) -> the same; with ``channels="last"`` (batch, ..., channels)

    Its parameter is ``slope`` (channels,), or (1,) with ``shared``. Slopes start at 0.25, as in the paper and PyTorch.
    There is one for each channel: PyTorch's default is one for all, Keras's one for each number, Axon has no prelu.

    Source: He and others 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> from axon_nb import input, prelu
        >>> (input((None, 32, 26, 26)) | prelu(name="p")).params
        {'p.slope': (32,)}
    """
    scope.expect(x, least=2)
    axis = 1 if channels == "first" else -1
    slope = scope.param("slope", (1 if shared else x.shape[axis],), slope_initializer)
    return functional.prelu(x, slope, axis)
