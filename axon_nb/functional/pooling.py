"""Owns pooling: windows reduced to one number, and whole maps reduced to one number.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.functional import window


def max_pool(
    x: Tensor, *, kernel_size: window.Size = 2, strides: window.Size | None = None,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Take the largest number of each window; padding is never the largest.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Example:
        >>> max_pool(Tensor([[[1.0, 3.0, 2.0, 5.0]]])).tolist()
        [[[3.0, 5.0]]]
    """
    x, size, steps, apart, cells = _window(x, kernel_size, strides, padding, dilation, channels)
    out = x.max_pool2d(size, stride=steps, dilation=apart, padding=window.flat(cells))
    assert isinstance(out, Tensor)  # noqa: S101 - tells mypy that no indices were asked for
    return window.from_first(out, channels)


def avg_pool(
    x: Tensor, *, kernel_size: window.Size = 2, strides: window.Size | None = None,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, channels: str = "first",
    count_padding: bool = True,
) -> Tensor:  # fmt: skip
    """Take the mean of each window; padded cells count as zeros unless ``count_padding`` is false.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Example:
        >>> avg_pool(Tensor([[[1.0, 3.0, 2.0, 5.0]]])).tolist()
        [[[2.0, 3.5]]]
    """
    x, size, steps, apart, cells = _window(x, kernel_size, strides, padding, dilation, channels)
    out = x.avg_pool2d(
        size, stride=steps, dilation=apart, padding=window.flat(cells), count_include_pad=count_padding
    )  # fmt: skip
    return window.from_first(out, channels)


def _window(
    x: Tensor, kernel_size: window.Size, strides: window.Size | None, padding: window.PaddingValue,
    dilation: window.Size, channels: str,
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]:  # fmt: skip
    x = window.to_first(x, channels)
    spatial = x.shape[2:]
    size = window.per_axis(kernel_size, len(spatial), "kernel_size")
    steps = size if strides is None else window.per_axis(strides, len(spatial), "strides")
    apart = window.per_axis(dilation, len(spatial), "dilation")
    cells = window.pads(padding, spatial, size, steps, apart)
    window.check_window(spatial, size, apart, cells)
    return x, size, steps, apart, cells


def global_avg_pool(x: Tensor, *, keep_axes: bool = False, channels: str = "first") -> Tensor:
    """Take the mean of each whole map.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Example:
        >>> global_avg_pool(Tensor([[[1.0, 3.0, 2.0, 6.0]]])).tolist()
        [[3.0]]
    """
    x = window.to_first(x, channels)
    out = x.mean(tuple(range(2, x.ndim)), keepdim=keep_axes)
    return window.from_first(out, channels) if keep_axes else out
