"""Declares layers with a kernel of their own for all values: dense, bilinear, embedding, bias and scale."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.functional.activations import activate
from axon_nb.functional.axes import one_axis
from axon_nb.layer import layer
from axon_nb.options import Activation, Axis, Count, Initializer, Units, UseBias
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

    Source: https://hexdocs.pm/axon/Axon.html#dense/3

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

    Source: https://hexdocs.pm/axon/Axon.html#embedding/4

    Example:
        >>> from axon_nb import embedding, input
        >>> (input((None, "time"), dtype="int32") | embedding(1000, 16)).output_shape
        (None, 'time', 16)
    """
    return functional.embedding(x, scope.param("kernel", (vocab_size, units), kernel_initializer))


@layer(family="linear")
def bilinear(
    scope: Scope, x1: Tensor, x2: Tensor, units: Units, activation: Activation = None, *, use_bias: UseBias = True,
    kernel_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Multiply two inputs by a kernel, one from either side: for each unit x1 * kernel * x2, then add a bias.

    Shapes:
        (batch, ..., in1) and (batch, ..., in2) -> (batch, ..., units)

    Parameters are ``kernel`` (units, in1, in2) and ``bias`` (units,).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Bilinear.html

    Example:
        >>> from axon_nb import bilinear, input
        >>> ((input((None, 8)), input((None, 4))) | bilinear(16)).output_shape
        (None, 16)
    """
    scope.expect(x1, least=2)
    scope.expect(x2, least=2)
    kernel = scope.param("kernel", (units, x1.shape[-1], x2.shape[-1]), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    return activate(functional.bilinear(x1, x2, kernel, bias), activation)


@layer(family="linear")
def bias(scope: Scope, x: Tensor, *, axis: Axis = -1, bias_initializer: Initializer = "zeros") -> Tensor:
    """Add a trained bias to every cell of an axis; ``axis=1`` for the channels of images.

    Shapes:
        (batch, ..., features) -> the same

    Its parameter is ``bias`` (features,).

    Source: https://hexdocs.pm/axon/Axon.html#bias/2

    Example:
        >>> from axon_nb import bias, input
        >>> (input((None, 8)) | bias(name="b")).params
        {'b.bias': (8,)}
    """
    scope.expect(x, least=2)
    size = x.shape[one_axis(x, axis)]
    return functional.bias(x, scope.param("bias", (size,), bias_initializer), axis)


@layer(family="linear")
def scale(scope: Scope, x: Tensor, *, axis: Axis = -1, scale_initializer: Initializer = "ones") -> Tensor:
    """Multiply every cell of an axis by a trained scale; ``axis=1`` for the channels of images.

    Deep transformers begin with small ones: ``scale(scale_initializer=1e-4)``.

    Shapes:
        (batch, ..., features) -> the same

    Its parameter is ``scale`` (features,).

    Source: Touvron and others 2021 (LayerScale), https://arxiv.org/abs/2103.17239

    Example:
        >>> from axon_nb import input, scale
        >>> (input((None, 8)) | scale(name="s")).params
        {'s.scale': (8,)}
    """
    scope.expect(x, least=2)
    size = x.shape[one_axis(x, axis)]
    return functional.scale(x, scope.param("scale", (size,), scale_initializer), axis)
