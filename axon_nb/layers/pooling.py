"""Declares pooling."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.layer import layer
from axon_nb.options import (
    Channels,
    CountPadding,
    Dilation,
    KeepAxes,
    KernelSize,
    Norm,
    OutputSize,
    Padding,
    Strides,
)


@layer(family="pooling")
def max_pool(
    x: Tensor, kernel_size: KernelSize = 2, strides: Strides | None = None, padding: Padding = "valid", *,
    dilation: Dilation = 1, channels: Channels = "first",
) -> Tensor:  # fmt: skip
    """Take the largest number of each window. The window moves by its own size unless ``strides`` is given.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial'); with ``channels="last"`` they are last in both

    Of equal numbers the first gets the gradient, as in PyTorch. Axon has a ``kernel_size`` of 1 by default (2 is
    Keras's), channels last, and pads ``"same"`` as if strides were 1.

    Source: https://hexdocs.pm/axon/Axon.html#max_pool/2

    Example:
        >>> from axon_nb import input, max_pool
        >>> (input((None, 32, 26, 26)) | max_pool(2)).output_shape
        (None, 32, 13, 13)
    """
    return functional.max_pool(
        x, kernel_size=kernel_size, strides=strides, padding=padding, dilation=dilation, channels=channels
    )


@layer(family="pooling")
def avg_pool(
    x: Tensor, kernel_size: KernelSize = 2, strides: Strides | None = None, padding: Padding = "valid", *,
    dilation: Dilation = 1, channels: Channels = "first", count_padding: CountPadding = True,
) -> Tensor:  # fmt: skip
    """Take the mean of each window. The window moves by its own size unless ``strides`` is given.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial'); with ``channels="last"`` they are last in both

    Padded cells count as zeros, as in PyTorch and Axon; with ``count_padding=False`` they don't count, as in Keras.
    Axon has a ``kernel_size`` of 1 by default (2 is Keras's), channels last, and pads ``"same"`` as if strides were 1.

    Source: https://hexdocs.pm/axon/Axon.html#avg_pool/2

    Example:
        >>> from axon_nb import avg_pool, input
        >>> (input((None, 32, 26, 26)) | avg_pool(2)).output_shape
        (None, 32, 13, 13)
    """
    return functional.avg_pool(
        x, kernel_size=kernel_size, strides=strides, padding=padding, dilation=dilation, channels=channels,
        count_padding=count_padding,
    )  # fmt: skip


@layer(family="pooling")
def lp_pool(
    x: Tensor, kernel_size: KernelSize = 2, strides: Strides | None = None, padding: Padding = "valid", *,
    norm: Norm = 2, dilation: Dilation = 1, channels: Channels = "first",
) -> Tensor:  # fmt: skip
    """Take sum(x**norm) ** (1/norm) of each window. The window moves by its own size unless ``strides`` is given.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial'); with ``channels="last"`` they are last in both

    Numbers keep their sign, as in PyTorch and Axon (ONNX takes them without): an odd norm above 1 of a negative sum is
    NaN. Axon has a ``kernel_size`` of 1 by default, channels last, and pads ``"same"`` as if strides were 1.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html

    Example:
        >>> from axon_nb import input, lp_pool
        >>> (input((None, 32, 26, 26)) | lp_pool(2)).output_shape
        (None, 32, 13, 13)
    """
    return functional.lp_pool(
        x, norm=norm, kernel_size=kernel_size, strides=strides, padding=padding, dilation=dilation, channels=channels
    )


@layer(family="pooling")
def blur_pool(x: Tensor, strides: Strides = 1, padding: Padding = "valid", *, channels: Channels = "first") -> Tensor:
    """Smooth each map with the weights 1 2 1 along every spatial axis (3x3 in 2-D), so that striding does not alias.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial'); with ``channels="last"`` they are last in both

    Strides are 1 by default, as in Axon, which takes no others (and one channel only, where channels are last). The
    paper strides by 2 after it: ``blur_pool(2)``. It works on any number of spatial axes; Axon's on two.

    Source: Zhang 2019, https://arxiv.org/abs/1904.11486

    Example:
        >>> from axon_nb import blur_pool, input
        >>> (input((None, 32, 28, 28)) | blur_pool(2, padding="same")).output_shape
        (None, 32, 14, 14)
    """
    return functional.blur_pool(x, strides=strides, padding=padding, channels=channels)


@layer(family="pooling")
def adaptive_avg_pool(x: Tensor, output_size: OutputSize, *, channels: Channels = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take the mean of each.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *output_size); with ``channels="last"`` they are last in both

    The windows are PyTorch's: cell i of o looks at the cells from floor(i * size / o) to ceil((i + 1) *
    size / o). Axon's windows all have size - (o - 1) * floor(size / o) cells; both are the same where o divides the
    size. Axon's ``output_size`` is the size of the input by default, its channels last.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html

    Example:
        >>> from axon_nb import adaptive_avg_pool, input
        >>> (input((None, 32, "height", "width")) | adaptive_avg_pool(7)).output_shape
        (None, 32, 7, 7)
    """
    return functional.adaptive_avg_pool(x, output_size, channels=channels)


@layer(family="pooling")
def adaptive_max_pool(x: Tensor, output_size: OutputSize, *, channels: Channels = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take the largest number of each.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *output_size); with ``channels="last"`` they are last in both

    The windows are PyTorch's, not Axon's: see ``adaptive_avg_pool``. Of equal numbers the first gets the gradient.
    Axon's ``output_size`` is the size of the input by default, its channels last.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html

    Example:
        >>> from axon_nb import adaptive_max_pool, input
        >>> (input((None, 32, "height", "width")) | adaptive_max_pool((7, 1))).output_shape
        (None, 32, 7, 1)
    """
    return functional.adaptive_max_pool(x, output_size, channels=channels)


@layer(family="pooling")
def adaptive_lp_pool(x: Tensor, output_size: OutputSize, *, norm: Norm = 2, channels: Channels = "first") -> Tensor:
    """Cut each map into ``output_size`` windows as equal as can be, and take sum(x**norm) ** (1/norm) of each.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *output_size); with ``channels="last"`` they are last in both

    The windows are PyTorch's, not Axon's: see ``adaptive_avg_pool``; the sum is that of ``lp_pool``. Axon's
    ``output_size`` is the size of the input by default, its channels last.

    Source: https://hexdocs.pm/axon/Axon.html#adaptive_lp_pool/2

    Example:
        >>> from axon_nb import adaptive_lp_pool, input
        >>> (input((None, 32, "height", "width")) | adaptive_lp_pool(7)).output_shape
        (None, 32, 7, 7)
    """
    return functional.adaptive_lp_pool(x, output_size, norm=norm, channels=channels)


@layer(family="pooling")
def global_avg_pool(x: Tensor, *, keep_axes: KeepAxes = False, channels: Channels = "first") -> Tensor:
    """Take the mean of each whole map, so that the size of the image no longer matters.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Axon's channels are last by default.

    Source: Lin, Chen and Yan 2013, https://arxiv.org/abs/1312.4400

    Example:
        >>> from axon_nb import global_avg_pool, input
        >>> (input((None, 32, "height", "width")) | global_avg_pool()).output_shape
        (None, 32)
    """
    return functional.global_avg_pool(x, keep_axes=keep_axes, channels=channels)


@layer(family="pooling")
def global_max_pool(x: Tensor, *, keep_axes: KeepAxes = False, channels: Channels = "first") -> Tensor:
    """Take the largest number of each whole map. Equal ones share the gradient, as in PyTorch's ``amax``.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Axon's channels are last by default.

    Source: https://hexdocs.pm/axon/Axon.html#global_max_pool/2

    Example:
        >>> from axon_nb import global_max_pool, input
        >>> (input((None, 32, "height", "width")) | global_max_pool(keep_axes=True)).output_shape
        (None, 32, 1, 1)
    """
    return functional.global_max_pool(x, keep_axes=keep_axes, channels=channels)


@layer(family="pooling")
def global_lp_pool(x: Tensor, *, norm: Norm = 2, keep_axes: KeepAxes = False, channels: Channels = "first") -> Tensor:
    """Take sum(x**norm) ** (1/norm) of each whole map; numbers keep their sign, as in ``lp_pool``.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Axon's channels are last by default.

    Source: https://hexdocs.pm/axon/Axon.html#global_lp_pool/2

    Example:
        >>> from axon_nb import global_lp_pool, input
        >>> (input((None, 32, "height", "width")) | global_lp_pool(norm=1)).output_shape
        (None, 32)
    """
    return functional.global_lp_pool(x, norm=norm, keep_axes=keep_axes, channels=channels)
