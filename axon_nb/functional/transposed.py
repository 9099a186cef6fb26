"""Owns convolutions turned around: each cell of the input is spread over a window of the result.

Knows nothing about layers.
"""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional import window


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: window.Size = 1,
    padding: window.PaddingValue = "valid", output_padding: window.Size = 0, dilation: window.Size = 1,
    groups: int = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Add up kernels, each times one cell of the input, ``strides`` apart: what a convolution's gradient does.

    Shapes:
        x (batch, in, *spatial), kernel (in, out/groups, *window) as in PyTorch and ONNX (it is the kernel of the
        convolution that this turns around), bias (out,) -> (batch, out, *spatial'), where spatial' is
        size * stride + max(span - stride, 0) if padding is "valid", size * stride if it is "same", and
        (size - 1) * stride + span - before - after if it is given; span is (kernel - 1) * dilation + 1

    Args:
        x: the input.
        kernel: the weights.
        bias: added to each channel of the result.
        strides: how far apart the kernels are put.
        padding: cells cut off the result, as in PyTorch.
        output_padding: cells added after the end of the result.
        dilation: the distance between the window's cells.
        groups: groups of channels that are kept apart.
        channels: where the channels axis stands.

    Raises:
        ShapeError: the kernel does not fit the input, or all of the result is cut off.

    Example:
        >>> conv_transpose(Tensor([[[1.0, 2.0]]]), Tensor([[[1.0, 10.0, 100.0]]]), strides=2).tolist()
        [[[1.0, 10.0, 102.0, 20.0, 200.0]]]
    """
    x = window.to_first(x, channels)
    size = window.check_kernel(x, kernel)
    axes = len(size)
    if x.shape[1] != kernel.shape[0] or kernel.shape[0] % groups:
        problem = f"the input has {x.shape[1]} channels and the kernel takes {kernel.shape[0]} in {groups} groups"
        raise ShapeError(problem, fix='channels="last" if the channels stand last')
    steps = window.per_axis(strides, axes, "strides")
    apart = window.per_axis(dilation, axes, "dilation")
    more = window.per_axis(output_padding, axes, "output_padding")
    cut = window.transposed_pads(padding, size, steps, apart)
    cut = [(before, after - extra) for (before, after), extra in zip(cut, more, strict=True)]
    out = _cut(_whole(x, kernel, steps, apart, groups), cut)
    if bias is not None:
        out = out + bias.reshape(1, -1, *(1,) * axes)
    return window.from_first(out, channels)


def _whole(x: Tensor, kernel: Tensor, steps: Sequence[int], apart: Sequence[int], groups: int) -> Tensor:
    """Make the whole result, of which padding is cut.

    No zeros are put between the cells of x, only to be multiplied: every ``step``-th cell of the result is a plain
    convolution with every ``step``-th cell of the kernel, and one convolution makes all of these, as channels.
    """
    span = [(k - 1) * d + 1 for k, d in zip(kernel.shape[2:], apart, strict=True)]
    sizes = [(n - 1) * s + k for n, s, k in zip(x.shape[2:], steps, span, strict=True)]
    kernel = window.spread(kernel, [d if s > 1 else 1 for s, d in zip(steps, apart, strict=True)])
    apart = [d if s == 1 else 1 for s, d in zip(steps, apart, strict=True)]
    channels = kernel.shape[1] * groups
    kernel = _phases(kernel, steps, groups)
    pads = [((k - 1) * d,) * 2 for k, d in zip(kernel.shape[2:], apart, strict=True)]
    y = x.conv2d(kernel, groups=groups, dilation=tuple(apart), padding=window.flat(pads))
    return _interleave(y, channels, steps).shrink((None, None, *((0, size) for size in sizes)))


def _phases(kernel: Tensor, steps: Sequence[int], groups: int) -> Tensor:
    """Take a kernel (in, out/groups, *window) apart: (out * steps, in/groups, *window/steps), flipped."""
    axes = len(steps)
    taps = [-(-k // s) for k, s in zip(kernel.shape[2:], steps, strict=True)]
    fill = [(0, t * s - k) for k, t, s in zip(kernel.shape[2:], taps, steps, strict=True)]
    within, out = kernel.shape[0] // groups, kernel.shape[1]
    pairs = [n for pair in zip(taps, steps, strict=True) for n in pair]
    parts = kernel.pad((None, None, *fill)).reshape(groups, within, out, *pairs)
    parts = parts.permute(0, 2, *range(4, 4 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2))
    return parts.reshape(-1, within, *taps).flip(tuple(range(2, 2 + axes)))


def _interleave(y: Tensor, channels: int, steps: Sequence[int]) -> Tensor:
    """Put the cells of (batch, channels * steps, *spatial) side by side: (batch, channels, *spatial * steps)."""
    axes = len(steps)
    spatial = y.shape[2:]
    y = y.reshape(y.shape[0], channels, *steps, *spatial)
    y = y.permute(0, 1, *(place for i in range(axes) for place in (2 + axes + i, 2 + i)))
    return y.reshape(y.shape[0], channels, *(n * s for n, s in zip(spatial, steps, strict=True)))


def _cut(x: Tensor, cells: Sequence[tuple[int, int]]) -> Tensor:
    """Cut cells off the spatial axes; a negative number of them is added, as zeros."""
    x = x.pad((None, None, *((max(-before, 0), max(-after, 0)) for before, after in cells)))
    ends = [(max(before, 0), n - max(after, 0)) for n, (before, after) in zip(x.shape[2:], cells, strict=True)]
    if any(start >= end for start, end in ends):
        problem = f"padding cuts off all of the {' x '.join(map(str, x.shape[2:]))} cells of the result"
        raise ShapeError(problem, fix="less padding")
    return x.shrink((None, None, *ends))
