"""Declares convolutions."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.errors import ShapeError
from axon_nb.functional import window
from axon_nb.functional.activations import activate
from axon_nb.layer import layer
from axon_nb.options import (
    Activation,
    Channels,
    Dilation,
    Groups,
    Initializer,
    KernelSize,
    Padding,
    Strides,
    Units,
    UseBias,
)
from axon_nb.scope import Scope


@layer(family="convolution")
def conv(
    scope: Scope, x: Tensor, units: Units, kernel_size: KernelSize, strides: Strides = 1, padding: Padding = "valid",
    *, activation: Activation = None, dilation: Dilation = 1, groups: Groups = 1, channels: Channels = "first",
    use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Slide kernels over one, two or three spatial axes.

    Shapes:
        (batch, in, *spatial) -> (batch, units, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', units)

    Parameters are ``kernel`` (units, in/groups, *kernel_size), the same for both places of the channels, and ``bias``
    (units,). ``"same"`` padding gives ceil(size / stride) cells, as in Keras and ONNX's SAME_UPPER.

    Example:
        >>> from axon_nb import conv, input
        >>> (input((None, 1, 28, 28)) | conv(32, 3, activation="relu")).output_shape
        (None, 32, 26, 26)
    """
    scope.expect(x, rank=(3, 4, 5), fix=_rank_fix(len(x.shape)))
    within = x.shape[1 if channels == "first" else -1]
    if within % groups or units % groups:
        problem = f"groups={groups} must divide the {within} channels of the input and the {units} units"
        raise ShapeError(problem)
    size = window.per_axis(kernel_size, len(x.shape) - 2, "kernel_size")
    kernel = scope.param("kernel", (units, within // groups, *size), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    y = functional.conv(
        x, kernel, bias, strides=strides, padding=padding, dilation=dilation, groups=groups, channels=channels
    )
    return activate(y, activation)


def _rank_fix(rank: int) -> tuple[str, ...]:
    if rank == 2:
        return ("put reshape((1, height, width)) before it", "or use dense(...) for flat features")
    return ()
