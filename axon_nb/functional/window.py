"""Owns what convolution and pooling have in common: channels axes, sizes for each axis, and padding.

Knows nothing about what happens inside the window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import OptionError, ShapeError

Size: TypeAlias = int | tuple[int, ...]
PaddingValue: TypeAlias = str | int | Sequence[tuple[int, int]]

_LEAST_RANK = 3


def to_first(x: Tensor, channels: str) -> Tensor:
    """Move the channels axis from last to right after the batch, where it is last."""
    expect(x, least=_LEAST_RANK, fix="it takes (batch, channels, height, width), or one spatial axis or three")
    return x if channels == "first" else x.permute(0, x.ndim - 1, *range(1, x.ndim - 1))


def from_first(x: Tensor, channels: str) -> Tensor:
    """Move the channels axis back to where it was."""
    return x if channels == "first" else x.permute(0, *range(2, x.ndim), 1)


def apart(x: Tensor) -> Tensor:
    """Compute a tensor's gradient by a kernel of its own.

    Fused with a window's own sum, it is computed again for each of its cells: a small network's training step took
    twenty times as long, and four times as long to compile.
    """
    return x.contiguous_backward()


def slide(x: Tensor, sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Tensor:
    """Lay out all windows over the spatial axes.

    The axes are taken one after the other, so that a window's gradient is summed along one axis at a time: 3 + 3
    numbers for each cell under a window of 3 x 3, not 9.

    Shapes:
        x (batch, *spatial, channels) -> (batch, *places, *window, channels)

    Example:
        >>> slide(Tensor([[[1.0], [2.0], [4.0]]]), (2,), (1,), (1,)).tolist()
        [[[[1.0], [2.0]], [[2.0], [4.0]]]]
    """
    axes = len(sizes)
    for n in range(axes):
        x = _along(x, 2 * n + 1, sizes[n], strides[n], dilation[n])
        if n < axes - 1:
            x = apart(x)
    return x.permute(0, *range(2, 2 * axes + 1, 2), *range(1, 2 * axes, 2), 2 * axes + 1)


def _along(x: Tensor, axis: int, size: int, stride: int, dilation: int) -> Tensor:
    """Put in the place of an axis (window, places): what is in each cell of a window, as it moves.

    Rows of the axis repeated, each longer than it by the distance of two cells, begin that much further along it.
    """
    before, (length, *after) = x.shape[:axis], x.shape[axis:]

    def shaped(*here: int) -> tuple[int, ...]:
        return (*before, *here, *after)

    def first(x: Tensor, *here: int) -> Tensor:
        return x.shrink((*(None for _ in before), *((0, size) for size in here), *(None for _ in after)))

    if size == stride == 1:
        return x.reshape(shaped(1, length))
    places = (length - dilation * (size - 1) - 1) // stride + 1
    row = length * max(1, -(-(places * stride - dilation) // length)) + dilation
    times = -(-size * row // length)
    x = x.reshape(shaped(1, length)).expand(shaped(times, length)).reshape(shaped(times * length))
    x = first(first(x, size * row).reshape(shaped(size, row)), size, places * stride)
    return (
        x
        if stride == 1
        else first(x.reshape(shaped(size, places, stride)), size, places, 1).reshape(shaped(size, places))
    )


def per_axis(size: Size, axes: int, what: str) -> tuple[int, ...]:
    """Write a size for each spatial axis.

    Raises:
        ShapeError: a tuple has another number of sizes.

    Example:
        >>> per_axis(3, 2, "kernel_size")
        (3, 3)
    """
    if isinstance(size, int):
        return (size,) * axes
    if len(size) != axes:
        problem = f"{what} has {len(size)} sizes and the input {axes} spatial axes"
        raise ShapeError(problem, fix=f"give one number, or {axes}")
    return tuple(size)


def pads(
    padding: PaddingValue, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Work out the cells added before and after each spatial axis.

    ``"same"`` gives ``ceil(size / stride)`` windows, as ONNX's SAME_UPPER and Keras do.

    Example:
        >>> pads("same", (28, 28), (3, 3), (2, 2), (1, 1))
        [(0, 1), (0, 1)]
    """
    if isinstance(padding, str):
        _check_word(padding)
        if padding == "valid":
            return [(0, 0)] * len(sizes)
        return [_same(n, k, s, d) for n, k, s, d in zip(sizes, kernel, strides, dilation, strict=True)]
    return pairs(padding, len(sizes))


def pairs(padding: int | Sequence[tuple[int, int]], axes: int) -> list[tuple[int, int]]:
    """Write padding that is given in cells as (before, after) for each spatial axis.

    Raises:
        ShapeError: there are more or fewer pairs than spatial axes.

    Example:
        >>> pairs(1, 2)
        [(1, 1), (1, 1)]
    """
    if isinstance(padding, int):
        return [(padding, padding)] * axes
    if len(padding) != axes:
        problem = f"padding has {len(padding)} pairs and the input {axes} spatial axes"
        raise ShapeError(problem, fix=f"give {axes} pairs (before, after)")
    return [(int(pair[0]), int(pair[1])) for pair in padding]


def _check_word(padding: str) -> None:
    if padding not in ("valid", "same"):
        problem = f"padding is 'valid', 'same', a number of cells or pairs of them, got {padding!r}"
        raise OptionError(problem)


def transposed_pads(
    padding: PaddingValue, kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Work out the cells cut off the result of a transposed convolution; fewer than none are added.

    The result has (size - 1) * stride + span cells before that. ``"valid"`` keeps them all and adds up to
    size * stride + max(span - stride, 0), as Keras does; ``"same"`` leaves size * stride.

    Example:
        >>> transposed_pads("same", (4, 1), (2, 2), (1, 1))
        [(1, 1), (0, -1)]
    """
    if not isinstance(padding, str):
        return pairs(padding, len(kernel))
    _check_word(padding)
    over = [(k - 1) * d + 1 - s for k, s, d in zip(kernel, strides, dilation, strict=True)]
    return [(n // 2, n - n // 2) if padding == "same" and n > 0 else (0, min(n, 0)) for n in over]


def spread(x: Tensor, steps: Sequence[int]) -> Tensor:
    """Move the cells of the spatial axes apart and put zeros between them; channels are first.

    Example:
        >>> spread(Tensor([[[1.0, 2.0]]]), (3,)).tolist()
        [[[1.0, 0.0, 0.0, 2.0]]]
    """
    if all(step == 1 for step in steps):
        return x
    sizes = x.shape[2:]
    x = x.reshape(*x.shape[:2], *(n for size in sizes for n in (size, 1)))
    x = x.pad((None, None, *(pair for step in steps for pair in (None, (0, step - 1)))))
    x = x.reshape(*x.shape[:2], *(size * step for size, step in zip(sizes, steps, strict=True)))
    return x.shrink((None, None, *((0, (size - 1) * step + 1) for size, step in zip(sizes, steps, strict=True))))


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    windows = -(-size // stride)
    total = max((windows - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def check_kernel(x: Tensor, kernel: Tensor) -> tuple[int, ...]:
    """Check that a kernel has the spatial axes of an input with its channels first; return its window.

    Raises:
        ShapeError: it has more or fewer.
    """
    if len(kernel.shape) != len(x.shape):
        problem = f"the kernel has {len(kernel.shape) - 2} spatial axes and the input {len(x.shape) - 2}"
        raise ShapeError(problem)
    return tuple(kernel.shape[2:])


def check_window(
    sizes: Sequence[int], kernel: Sequence[int], dilation: Sequence[int], padding: Sequence[tuple[int, int]]
) -> None:
    """Check that the window fits into the padded input at least once.

    Raises:
        ShapeError: it does not.
    """
    for size, k, d, (lo, hi) in zip(sizes, kernel, dilation, padding, strict=True):
        span = (k - 1) * d + 1
        if span > size + lo + hi:
            problem = f"a window of {span} does not fit into {size + lo + hi} cells"
            raise ShapeError(problem, fix=("a smaller kernel_size", 'padding="same"'))


def flat(padding: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Write padding as tinygrad takes it: the last axis first."""
    return tuple(cell for pair in reversed(padding) for cell in pair)
