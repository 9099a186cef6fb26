"""Declares pooling."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.layer import layer
from axon_nb.options import Channels, Dilation, KernelSize, Padding, Strides, UseBias


@layer(family="pooling")
def max_pool(
    x: Tensor, kernel_size: KernelSize = 2, strides: Strides | None = None, padding: Padding = "valid", *,
    dilation: Dilation = 1, channels: Channels = "first",
) -> Tensor:  # fmt: skip
    """Take the largest number of each window. The window moves by its own size unless ``strides`` is given.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial')

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
    dilation: Dilation = 1, channels: Channels = "first", count_padding: UseBias = True,
) -> Tensor:  # fmt: skip
    """Take the mean of each window. The window moves by its own size unless ``strides`` is given.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *spatial')

    Padded cells count as zeros, as in PyTorch and Axon; with ``count_padding=False`` they don't count, as in Keras.

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
def global_avg_pool(x: Tensor, *, keep_axes: UseBias = False, channels: Channels = "first") -> Tensor:
    """Take the mean of each whole map, so that the size of the image no longer matters.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Example:
        >>> from axon_nb import global_avg_pool, input
        >>> (input((None, 32, "height", "width")) | global_avg_pool()).output_shape
        (None, 32)
    """
    return functional.global_avg_pool(x, keep_axes=keep_axes, channels=channels)
