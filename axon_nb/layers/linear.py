"""Declares dense and embedding."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.functional.activations import activate
from axon_nb.layer import layer
from axon_nb.options import Activation, Count, Initializer, Units, UseBias
from axon_nb.scope import Scope


@layer(family="linear")
def dense(
    scope: Scope, x: Tensor, units: Units, activation: Activation = None, *, use_bias: UseBias = True,
    kernel_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Multiply the last axis by a kernel and add a bias.

    Shapes:
        (batch, ..., in) -> (batch, ..., units)

    Parameters are ``kernel`` (in, units) and ``bias`` (units,).

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 784)) | dense(128, "relu")).output_shape
        (None, 128)
    """
    scope.expect(x, least=2)
    kernel = scope.param("kernel", (x.shape[-1], units), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    return activate(functional.dense(x, kernel, bias), activation)


@layer(family="linear")
def embedding(
    scope: Scope, x: Tensor, vocab_size: Count, units: Units, *, kernel_initializer: Initializer = "uniform"
) -> Tensor:
    """Look up a trained vector for each whole number.

    Shapes:
        (batch, ...) of whole numbers in [0, vocab_size) -> (batch, ..., units). A number out of range gives zeros.

    Its parameter is ``kernel`` (vocab_size, units).

    Example:
        >>> from axon_nb import embedding, input
        >>> (input((None, "time"), dtype="int32") | embedding(1000, 16)).output_shape
        (None, 'time', 16)
    """
    return functional.embedding(x, scope.param("kernel", (vocab_size, units), kernel_initializer))
