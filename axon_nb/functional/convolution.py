"""Owns convolutions over any number of spatial axes.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional import window


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: window.Size = 1,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, groups: int = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Slide a kernel over the spatial axes and sum its products with what it covers.

    Shapes:
        x (batch, in, *spatial), kernel (out, in/groups, *window), bias (out,) -> (batch, out, *spatial');
        with ``channels="last"`` x and the result have their channels last, the kernel stays as it is.

    Raises:
        ShapeError: the kernel does not fit the input.

    Example:
        >>> conv(Tensor([[[1.0, 2.0, 4.0]]]), Tensor([[[1.0, -1.0]]])).tolist()
        [[[-1.0, -2.0]]]
    """
    x = window.to_first(x, channels)
    spatial = x.shape[2:]
    size = kernel.shape[2:]
    if len(size) != len(spatial):
        problem = f"the kernel has {len(size)} spatial axes and the input {len(spatial)}"
        raise ShapeError(problem)
    if x.shape[1] != kernel.shape[1] * groups:
        problem = f"the input has {x.shape[1]} channels and the kernel takes {kernel.shape[1] * groups}"
        raise ShapeError(problem, fix='channels="last" if the channels stand last')
    steps = window.per_axis(strides, len(spatial), "strides")
    apart = window.per_axis(dilation, len(spatial), "dilation")
    cells = window.pads(padding, spatial, size, steps, apart)
    window.check_window(spatial, size, apart, cells)
    out = x.conv2d(kernel, bias, groups=groups, stride=steps, dilation=apart, padding=window.flat(cells))
    return window.from_first(out, channels)
