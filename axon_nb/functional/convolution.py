"""Owns convolutions over any number of spatial axes: whole, in groups, in factors, and turned around.

Knows nothing about layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional import window

T = TypeVar("T")


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: window.Size = 1,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, input_dilation: window.Size = 1,
    groups: int = 1, channels: str = "first",
) -> Tensor:  # fmt: skip
    """Slide a kernel over the spatial axes and sum its products with what it covers.

    Shapes:
        x (batch, in, *spatial), kernel (out, in/groups, *window), bias (out,) -> (batch, out, *spatial');
        with ``channels="last"`` x and the result have their channels last, the kernel stays as it is.

    Args:
        x: the input.
        kernel: the weights.
        bias: added to each channel of the result.
        strides: how far the window moves.
        padding: zeros around the input.
        dilation: the distance between the window's cells.
        input_dilation: the distance to which the input's cells are moved apart first, with zeros between them.
        groups: groups of channels that are kept apart.
        channels: where the channels axis stands.

    Raises:
        ShapeError: the kernel does not fit the input.

    Example:
        >>> conv(Tensor([[[1.0, 2.0, 4.0]]]), Tensor([[[1.0, -1.0]]])).tolist()
        [[[-1.0, -2.0]]]
    """
    x = window.to_first(x, channels)
    size = window.check_kernel(x, kernel)
    axes = len(size)
    if x.shape[1] != kernel.shape[1] * groups:
        problem = f"the input has {x.shape[1]} channels and the kernel takes {kernel.shape[1] * groups}"
        raise ShapeError(problem, fix='channels="last" if the channels stand last')
    if kernel.shape[0] % groups:
        problem = f"groups={groups} must divide the {kernel.shape[0]} channels of the result"
        raise ShapeError(problem)
    x = window.spread(x, window.per_axis(input_dilation, axes, "input_dilation"))
    steps = window.per_axis(strides, axes, "strides")
    apart = window.per_axis(dilation, axes, "dilation")
    cells = window.pads(padding, x.shape[2:], size, steps, apart)
    window.check_window(x.shape[2:], size, apart, cells)
    if groups == 1 and str(x.device).partition(":")[0] == "CPU":
        out = _product(x, kernel, bias, steps, apart, cells)
    else:
        out = x.conv2d(kernel, bias, groups=groups, stride=steps, dilation=apart, padding=window.flat(cells))
    return window.from_first(window.apart(out), channels)


def _product(
    x: Tensor, kernel: Tensor, bias: Tensor | None, strides: Sequence[int], dilation: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> Tensor:  # fmt: skip
    """Convolve by one product of matrices: all windows, channels last, and the kernel.

    The numbers of a window are then copied channels at a time, and nothing is turned but the kernel: a training step of
    a small convolution takes two thirds of the time that it takes with channels first.
    """
    out, _, *size = kernel.shape
    last = x.permute(0, *range(2, x.ndim), 1).pad(((0, 0), *padding, (0, 0)))
    windows = window.slide(last, size, strides, dilation)
    places = windows.shape[: x.ndim - 1]
    rows = window.apart(kernel.permute(0, *range(2, x.ndim), 1).reshape(out, -1))  # turned first, then put in order
    made = windows.reshape(*places, -1) @ rows.permute(1, 0)
    return (made if bias is None else made + bias).permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def depthwise_conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: window.Size = 1,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, input_dilation: window.Size = 1,
    channels: str = "first",
) -> Tensor:  # fmt: skip
    """Slide over each channel kernels of its own; channel c makes the channels from c * multiplier on.

    Shapes:
        x (batch, in, *spatial), kernel (in*multiplier, 1, *window), bias (in*multiplier,) ->
        (batch, in*multiplier, *spatial')

    Raises:
        ShapeError: the kernel does not fit the input.

    Example:
        >>> x = Tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> depthwise_conv(x, Tensor([[[1.0]], [[-1.0]], [[10.0]], [[-10.0]]])).tolist()
        [[[1.0, 2.0], [-1.0, -2.0], [30.0, 40.0], [-30.0, -40.0]]]
    """
    within, _ = _channels_and_axes(x, channels)
    if len(kernel.shape) > 1 and (kernel.shape[1] != 1 or kernel.shape[0] % within):
        problem = f"the input has {within} channels and the kernel is {tuple(kernel.shape)}"
        raise ShapeError(problem, fix=f"a kernel of shape ({within} * multiplier, 1, ...)")
    return conv(
        x, kernel, bias, strides=strides, padding=padding, dilation=dilation, input_dilation=input_dilation,
        groups=within, channels=channels,
    )  # fmt: skip


def separable_conv(
    x: Tensor, depthwise_kernel: Tensor, pointwise_kernel: Tensor, bias: Tensor | None = None, *,
    strides: window.Size = 1, padding: window.PaddingValue = "valid", dilation: window.Size = 1,
    channels: str = "first",
) -> Tensor:  # fmt: skip
    """Slide over each channel by itself, then mix the channels at each place.

    Shapes:
        x (batch, in, *spatial), depthwise_kernel (in*multiplier, 1, *window),
        pointwise_kernel (out, in*multiplier, 1, ...), bias (out,) -> (batch, out, *spatial')

    Raises:
        ShapeError: a kernel does not fit its input.

    Source: Chollet 2017, https://arxiv.org/abs/1610.02357

    Example:
        >>> x = Tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> separable_conv(x, Tensor([[[1.0]], [[10.0]]]), Tensor([[[1.0], [1.0]]])).tolist()
        [[[31.0, 42.0]]]
    """
    deep = depthwise_conv(
        x, depthwise_kernel, strides=strides, padding=padding, dilation=dilation, channels=channels
    )  # fmt: skip
    return conv(deep, pointwise_kernel, bias, channels=channels)


def spatial_separable_conv(
    x: Tensor, kernels: Sequence[Tensor], biases: Sequence[Tensor] | None = None, *, strides: window.Size = 1,
    padding: window.PaddingValue = "valid", dilation: window.Size = 1, input_dilation: window.Size = 1,
    factors: Literal["alike", "own_axis"] = "alike", channels: str = "first",
) -> Tensor:  # fmt: skip
    """Slide over each channel by itself with kernels that span one axis each, one after the other.

    Shapes:
        x (batch, in, *spatial), kernels (in*multiplier, 1, k, 1), (in*multiplier, 1, 1, k) ..., one for each spatial
        axis, biases (in*multiplier,) each -> (batch, in*multiplier, *spatial')

    Args:
        x: the input.
        kernels: a depthwise kernel for each spatial axis.
        biases: a bias for each of them.
        strides: how far the windows move.
        padding: zeros around the input.
        dilation: the distance between a window's cells.
        input_dilation: the distance to which the cells are moved apart first, with zeros between them.
        factors: ``"alike"``: each kernel strides, pads and dilates on all axes; ``"own_axis"``: on its own axis only.
        channels: where the channels axis stands.

    Raises:
        ShapeError: a kernel does not fit its input, or there are too few or too many.

    Example:
        >>> x = Tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
        >>> kernels = Tensor([1.0, -1.0]).reshape(1, 1, 2, 1), Tensor([1.0, 10.0]).reshape(1, 1, 1, 2)
        >>> spatial_separable_conv(x, kernels).tolist()
        [[[[-22.0]]]]
    """
    within, axes = _channels_and_axes(x, channels)
    if len(kernels) != axes or len(biases or kernels) != axes:
        problem = f"takes one kernel (and bias) for each of the {axes} spatial axes"
        raise ShapeError(problem, got=f"{len(kernels)} kernels, {len(biases or ())} biases")
    steps = window.per_axis(strides, axes, "strides")
    gaps = window.per_axis(input_dilation, axes, "input_dilation")
    cells = padding if isinstance(padding, str) else window.pairs(padding, axes)
    for axis, kernel in enumerate(kernels):
        own = axis if factors == "own_axis" else None
        x = conv(
            x, kernel, biases[axis] if biases else None, strides=_only(own, steps, 1),
            padding=cells if isinstance(cells, str) else _only(own, cells, (0, 0)), dilation=dilation,
            input_dilation=_only(own, gaps, 1), groups=within if axis == 0 else kernel.shape[0], channels=channels,
        )  # fmt: skip
    return x


def _only(axis: int | None, values: Sequence[T], neutral: T) -> tuple[T, ...]:
    return tuple(value if axis in (None, i) else neutral for i, value in enumerate(values))


def _channels_and_axes(x: Tensor, channels: str) -> tuple[int, int]:
    x = window.to_first(x, channels)
    return x.shape[1], x.ndim - 2
