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
    Factors,
    Groups,
    Initializer,
    InputDilation,
    KernelSize,
    Multiplier,
    OutputPadding,
    Padding,
    Strides,
    Units,
    UseBias,
)
from axon_nb.scope import Scope


@layer(family="convolution")
def conv(
    scope: Scope, x: Tensor, units: Units, kernel_size: KernelSize, strides: Strides = 1, padding: Padding = "valid",
    *, activation: Activation = None, dilation: Dilation = 1, input_dilation: InputDilation = 1, groups: Groups = 1,
    channels: Channels = "first", use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Slide kernels over one, two or three spatial axes.

    Shapes:
        (batch, in, *spatial) -> (batch, units, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', units)

    Parameters are ``kernel`` (units, in/groups, *kernel_size), the same for both places of the channels, and ``bias``
    (units,). ``"same"`` padding gives ceil(size / stride) cells, as in Keras and ONNX's SAME_UPPER; Axon pads as if
    strides were 1. Axon has a ``kernel_size`` of 1 by default, and channels last.

    Source: LeCun and others 1998, https://doi.org/10.1109/5.726791

    Example:
        >>> from axon_nb import conv, input
        >>> (input((None, 1, 28, 28)) | conv(32, 3, activation="relu")).output_shape
        (None, 32, 26, 26)
    """
    within, size = _channels_and_window(scope, x, kernel_size, channels)
    _check_groups(groups, within, units)
    kernel = scope.param("kernel", (units, within // groups, *size), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    y = functional.conv(
        x, kernel, bias, strides=strides, padding=padding, dilation=dilation, input_dilation=input_dilation,
        groups=groups, channels=channels,
    )  # fmt: skip
    return activate(y, activation)


@layer(family="convolution")
def conv_transpose(
    scope: Scope, x: Tensor, units: Units, kernel_size: KernelSize, strides: Strides = 1, padding: Padding = "valid",
    *, activation: Activation = None, output_padding: OutputPadding = 0, dilation: Dilation = 1, groups: Groups = 1,
    channels: Channels = "first", use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Turn a convolution around: spread each cell over a window of the result, ``strides`` apart. It makes maps larger.

    Shapes:
        (batch, in, *spatial) -> (batch, units, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', units)

    With a window of span = (kernel_size - 1) * dilation + 1 cells, size becomes size * stride + max(span - stride, 0)
    if padding is ``"valid"``, as in Keras, size * stride if it is ``"same"``, and (size - 1) * stride + span - before -
    after if it is given, as in PyTorch; ``output_padding`` comes on top.

    Parameters are ``kernel`` (in, units/groups, *kernel_size) as in PyTorch and ONNX, the same for both places of the
    channels, and ``bias`` (units,). Axon's kernel is (units, in, *kernel_size) and mirrored along each spatial axis;
    Axon has a ``kernel_size`` of 1 by default, channels last, and its explicit padding is span - 1 - padding.

    Source: Zeiler and others 2010, https://doi.org/10.1109/CVPR.2010.5539957

    Example:
        >>> from axon_nb import conv_transpose, input
        >>> (input((None, 32, 7, 7)) | conv_transpose(16, 3, strides=2, padding="same")).output_shape
        (None, 16, 14, 14)
    """
    within, size = _channels_and_window(scope, x, kernel_size, channels)
    _check_groups(groups, within, units)
    kernel = scope.param("kernel", (within, units // groups, *size), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    y = functional.conv_transpose(
        x, kernel, bias, strides=strides, padding=padding, output_padding=output_padding, dilation=dilation,
        groups=groups, channels=channels,
    )  # fmt: skip
    return activate(y, activation)


@layer(family="convolution")
def depthwise_conv(
    scope: Scope, x: Tensor, multiplier: Multiplier, kernel_size: KernelSize, strides: Strides = 1,
    padding: Padding = "valid", *, activation: Activation = None, dilation: Dilation = 1,
    input_dilation: InputDilation = 1, channels: Channels = "first", use_bias: UseBias = True,
    kernel_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Slide kernels over each channel by itself; channels are not mixed.

    Shapes:
        (batch, in, *spatial) -> (batch, in*multiplier, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', in*multiplier). Channel c * multiplier + j of the result is made of channel c.

    Parameters are ``kernel`` (in*multiplier, 1, *kernel_size), the same for both places of the channels, and ``bias``
    (in*multiplier,). Axon has a ``kernel_size`` of 1 by default, channels last, and pads ``"same"`` as if strides
    were 1.

    Source: Howard and others 2017, https://arxiv.org/abs/1704.04861

    Example:
        >>> from axon_nb import depthwise_conv, input
        >>> (input((None, 8, 28, 28)) | depthwise_conv(2, 3, padding="same")).output_shape
        (None, 16, 28, 28)
    """
    within, size = _channels_and_window(scope, x, kernel_size, channels)
    kernel = scope.param("kernel", (within * multiplier, 1, *size), kernel_initializer)
    bias = scope.param("bias", (within * multiplier,), bias_initializer) if use_bias else None
    y = functional.depthwise_conv(
        x, kernel, bias, strides=strides, padding=padding, dilation=dilation, input_dilation=input_dilation,
        channels=channels,
    )  # fmt: skip
    return activate(y, activation)


@layer(family="convolution")
def separable_conv(
    scope: Scope, x: Tensor, units: Units, kernel_size: KernelSize, strides: Strides = 1, padding: Padding = "valid",
    *, activation: Activation = None, multiplier: Multiplier = 1, dilation: Dilation = 1, channels: Channels = "first",
    use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Slide kernels over each channel by itself, then mix the channels at each place: a cheaper ``conv``.

    Shapes:
        (batch, in, *spatial) -> (batch, units, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', units)

    Parameters are ``depthwise_kernel`` (in*multiplier, 1, *kernel_size), ``pointwise_kernel`` (units, in*multiplier,
    1, ...) and ``bias`` (units,), as in Keras. What Axon calls separable_conv2d and separable_conv3d is
    ``spatial_separable_conv``.

    Source: Chollet 2017, https://arxiv.org/abs/1610.02357

    Example:
        >>> from axon_nb import input, separable_conv
        >>> model = input((None, 32, 28, 28)) | separable_conv(64, 3, padding="same", name="mix")
        >>> model.params["mix.pointwise_kernel"]
        (64, 32, 1, 1)
    """
    within, size = _channels_and_window(scope, x, kernel_size, channels)
    deep = within * multiplier
    depthwise = scope.param("depthwise_kernel", (deep, 1, *size), kernel_initializer)
    pointwise = scope.param("pointwise_kernel", (units, deep, *(1,) * len(size)), kernel_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    y = functional.separable_conv(
        x, depthwise, pointwise, bias, strides=strides, padding=padding, dilation=dilation, channels=channels
    )
    return activate(y, activation)


@layer(family="convolution")
def spatial_separable_conv(
    scope: Scope, x: Tensor, multiplier: Multiplier, kernel_size: KernelSize, strides: Strides = 1,
    padding: Padding = "valid", *, activation: Activation = None, factors: Factors = "alike",
    dilation: Dilation = 1, input_dilation: InputDilation = 1, channels: Channels = "first", use_bias: UseBias = True,
    kernel_initializer: Initializer = "glorot_uniform", bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Slide over each channel by itself with kernels that span one axis each: 3x1, then 1x3. Axon's separable_conv2d.

    Shapes:
        (batch, in, *spatial) -> (batch, in*multiplier, *spatial'); with ``channels="last"`` (batch, *spatial, in) ->
        (batch, *spatial', in*multiplier)

    With ``factors="alike"`` each of the kernels strides, pads and dilates the input on all axes, as in Axon: strides of
    2 leave a quarter of each axis in 2-D, an eighth in 3-D. With ``"own_axis"`` each does so on its own axis only, so
    that these options mean what they mean in ``depthwise_conv``.

    Parameters are ``kernel_1`` (in*multiplier, 1, k, 1), ``kernel_2`` (in*multiplier, 1, 1, k) ... and ``bias_1``,
    ``bias_2`` ... (in*multiplier,). Axon has a ``kernel_size`` of 1 by default, channels last, and pads ``"same"`` as
    if strides were 1.

    Source: https://hexdocs.pm/axon/Axon.html#separable_conv2d/3

    Example:
        >>> from axon_nb import input, spatial_separable_conv
        >>> (input((None, 3, 28, 28)) | spatial_separable_conv(2, 3, name="thin")).params["thin.kernel_2"]
        (6, 1, 1, 3)
    """
    within, size = _channels_and_window(scope, x, kernel_size, channels)
    deep = within * multiplier
    kernels, biases = [], []
    for axis, cells in enumerate(size):
        shape = tuple(cells if i == axis else 1 for i in range(len(size)))
        kernels.append(scope.param(f"kernel_{axis + 1}", (deep, 1, *shape), kernel_initializer))
        if use_bias:
            biases.append(scope.param(f"bias_{axis + 1}", (deep,), bias_initializer))
    y = functional.spatial_separable_conv(
        x, kernels, biases or None, strides=strides, padding=padding, dilation=dilation, input_dilation=input_dilation,
        factors=factors, channels=channels,
    )  # fmt: skip
    return activate(y, activation)


def _channels_and_window(
    scope: Scope, x: Tensor, kernel_size: int | tuple[int, ...], channels: str
) -> tuple[int, tuple[int, ...]]:
    scope.expect(x, rank=(3, 4, 5), fix=_rank_fix(len(x.shape)))
    within = x.shape[1 if channels == "first" else -1]
    return within, window.per_axis(kernel_size, len(x.shape) - 2, "kernel_size")


def _check_groups(groups: int, within: int, units: int) -> None:
    if within % groups or units % groups:
        problem = f"groups={groups} must divide the {within} channels of the input and the {units} units"
        raise ShapeError(problem)


def _rank_fix(rank: int) -> tuple[str, ...]:
    if rank == 2:
        return ("put reshape((1, height, width)) before it", "or use dense(...) for flat features")
    return ()
