"""Owns pooling: windows reduced to one number, and whole maps reduced to one number.

Knows nothing about layers. Pooling to a size that is given is in ``adaptive.py``.
"""

from __future__ import annotations

import math

from tinygrad import Tensor

from axon_nb.functional import reduction, window


def max_pool(
    x: Tensor, *, kernel_size: window.Size = 2, strides: window.Size | None = None,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Take the largest number of each window; padding is never the largest. The gradient goes to the first largest.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Raises:
        ShapeError: the window does not fit.

    Example:
        >>> max_pool(Tensor([[[1.0, 3.0, 2.0, 5.0]]])).tolist()
        [[[3.0, 5.0]]]
    """
    x, size, steps, apart, cells = _window(x, kernel_size, strides, padding, dilation, channels)
    x = window.apart(x).pad((None, None, *cells), value=x.dtype.min)
    for axis in reversed(range(len(size))):  # rows of the window last, so that "first" is in reading order
        x = window.apart(reduction.largest(x, axis + 2, size[axis], steps[axis], apart[axis]))
    return window.from_first(x, channels)


def avg_pool(
    x: Tensor, *, kernel_size: window.Size = 2, strides: window.Size | None = None,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, channels: str = "first",
    count_padding: bool = True,
) -> Tensor:  # fmt: skip
    """Take the mean of each window; padded cells count as zeros unless ``count_padding`` is false.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Raises:
        ShapeError: the window does not fit.

    Example:
        >>> avg_pool(Tensor([[[1.0, 3.0, 2.0, 5.0]]])).tolist()
        [[[2.0, 3.5]]]
    """
    x, size, steps, apart, cells = _window(x, kernel_size, strides, padding, dilation, channels)
    out = x.avg_pool2d(
        size, stride=steps, dilation=apart, padding=window.flat(cells), count_include_pad=count_padding
    )  # fmt: skip
    return window.from_first(out, channels)


def lp_pool(
    x: Tensor, *, norm: float = 2, kernel_size: window.Size = 2, strides: window.Size | None = None,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Take sum(x**norm) ** (1/norm) of each window: with a norm of 1 the sum, with 2 the length.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Numbers keep their sign, as in PyTorch and Axon: an odd norm of a negative sum is NaN. The gradient of a window of
    zeros is 0.

    Raises:
        ShapeError: the window does not fit.

    Example:
        >>> lp_pool(Tensor([[[3.0, 4.0, 5.0, 12.0]]])).round().tolist()
        [[[5.0, 13.0]]]
    """
    x, size, steps, apart, cells = _window(x, kernel_size, strides, padding, dilation, channels)
    mean = reduction.power(x, norm).avg_pool2d(size, stride=steps, dilation=apart, padding=window.flat(cells))
    return window.from_first(reduction.root(mean * math.prod(size), norm), channels)


def blur_pool(
    x: Tensor, *, strides: window.Size = 1, padding: window.PaddingValue = "valid", channels: str = "first"
) -> Tensor:
    """Smooth each map with the weights 1 2 1 along every spatial axis (in 2-D a window of 3x3, over 16).

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *spatial')

    Raises:
        ShapeError: the map is smaller than the window.

    Source: Zhang 2019, https://arxiv.org/abs/1904.11486

    Example:
        >>> blur_pool(Tensor([[[0.0, 4.0, 8.0, 0.0]]])).tolist()
        [[[4.0, 5.0]]]
    """
    x, _, steps, _, cells = _window(x, 3, strides, padding, 1, channels)
    x = x.pad((None, None, *cells))
    for axis, step in enumerate(steps, start=2):
        before, at, after = reduction.slices(x, axis, 3, step)
        x = (before + 2 * at + after) / 4
    return window.from_first(x, channels)


def global_avg_pool(x: Tensor, *, keep_axes: bool = False, channels: str = "first") -> Tensor:
    """Take the mean of each whole map.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Example:
        >>> global_avg_pool(Tensor([[[1.0, 3.0, 2.0, 6.0]]])).tolist()
        [[3.0]]
    """
    x = window.to_first(x, channels)
    return _whole(x.mean(_spatial(x), keepdim=keep_axes), keep_axes, channels)


def global_max_pool(x: Tensor, *, keep_axes: bool = False, channels: str = "first") -> Tensor:
    """Take the largest number of each whole map. Equal ones share the gradient, as in PyTorch's ``amax``.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Example:
        >>> global_max_pool(Tensor([[[1.0, 3.0, 2.0, 6.0]]])).tolist()
        [[6.0]]
    """
    x = window.to_first(x, channels)
    return _whole(x.max(_spatial(x), keepdim=keep_axes), keep_axes, channels)


def global_lp_pool(x: Tensor, *, norm: float = 2, keep_axes: bool = False, channels: str = "first") -> Tensor:
    """Take sum(x**norm) ** (1/norm) of each whole map.

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels), or (batch, channels, 1, ...) with ``keep_axes``

    Example:
        >>> global_lp_pool(Tensor([[[2.0, 4.0, 5.0, 6.0]]])).round().tolist()
        [[9.0]]
    """
    x = window.to_first(x, channels)
    return _whole(
        reduction.root(reduction.power(x, norm).sum(_spatial(x), keepdim=keep_axes), norm), keep_axes, channels
    )


def _spatial(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _whole(x: Tensor, keep_axes: bool, channels: str) -> Tensor:
    return window.from_first(x, channels) if keep_axes else x


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
