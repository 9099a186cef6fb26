"""Declares changes of shape."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.layer import layer
from axon_nb.options import (
    Antialias,
    Axis,
    Cell,
    Channels,
    Factor,
    Margin,
    PadMode,
    PadValue,
    ResizeMethod,
    SampleShape,
    ScaleFactor,
    Sections,
    SomeAxes,
    Step,
    TargetSize,
)


@layer(family="shape")
def flatten(x: Tensor) -> Tensor:
    """Make one axis of all axes but the batch.

    Shapes:
        (batch, ...) -> (batch, features)

    Source: https://hexdocs.pm/axon/Axon.html#flatten/2

    Example:
        >>> from axon_nb import flatten, input
        >>> (input((None, 32, 13, 13)) | flatten()).output_shape
        (None, 5408)
    """
    return functional.flatten(x)


@layer(family="shape")
def reshape(x: Tensor, shape: SampleShape) -> Tensor:
    """Give every sample another shape; the batch axis is left out, and one size may be -1.

    Shapes:
        (batch, ...) -> (batch, *shape)

    Axon's shape begins with the batch (``:batch``), and calls the size that follows from the rest ``:auto``.

    Source: https://hexdocs.pm/axon/Axon.html#reshape/3

    Example:
        >>> from axon_nb import input, reshape
        >>> (input((None, 784)) | reshape((28, 28))).output_shape
        (None, 28, 28)
    """
    sizes = (shape,) if isinstance(shape, int) else shape
    return functional.reshape(x, sizes)  # type: ignore[arg-type]  # the option type admits whole numbers only


@layer(family="shape")
def transpose(x: Tensor, axes: SomeAxes | None = None) -> Tensor:
    """Put the axes into another order.

    ``axes`` counts all axes, the batch as 0, as in Axon; those that leave 0 out keep the batch first, as in Keras's
    Permute. Without ``axes`` the order of all axes is reversed, the batch's place too, as in Axon.

    Shapes:
        (batch, ...) -> the same sizes in another order

    Source: https://hexdocs.pm/axon/Axon.html#transpose/3

    Example:
        >>> from axon_nb import input, transpose
        >>> (input((None, "time", 16)) | transpose((2, 1))).output_shape
        (None, 16, 'time')
    """
    return functional.transpose(x, (axes,) if isinstance(axes, int) else axes)


@layer(family="shape")
def pad(
    x: Tensor, padding: Margin, value: PadValue = 0.0, *, mode: PadMode = "constant", channels: Channels = "first"
) -> Tensor:
    """Add cells before and after the spatial axes; a negative number of them is cut off.

    ``padding`` is one number for all sides, or a pair (before, after) for each spatial axis; a pair for each axis but
    the batch pads the channels too. Channels stand first (in Axon last).

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *(before + spatial + after)); or with ``channels="last"``

    Source: https://hexdocs.pm/axon/Axon.html#pad/4

    Example:
        >>> from axon_nb import input, pad
        >>> (input((None, 3, 28, 28)) | pad([(1, 1), (0, 4)], mode="edge")).output_shape
        (None, 3, 30, 32)
    """
    return functional.pad(x, padding, value, mode=mode, channels=channels)


@layer(family="shape")
def slice(x: Tensor, start: Cell | None = None, stop: Cell | None = None, step: Step = 1, *, axis: Axis = -1) -> Tensor:
    """Take the cells from ``start`` to before ``stop`` of an axis, as ``x[start:stop:step]`` does.

    Shapes:
        (batch, ..., cells) -> (batch, ..., fewer cells), on the axis that is given

    Source: https://numpy.org/doc/stable/user/basics.indexing.html#slicing-and-striding

    Example:
        >>> from axon_nb import input, slice
        >>> (input((None, "time", 16)) | slice(1, axis=1)).output_shape
        (None, 'time-1', 16)
    """
    return functional.slice(x, start, stop, step, axis=axis)


@layer(family="shape")
def resize(
    x: Tensor, size: TargetSize, method: ResizeMethod = "nearest", *, antialias: Antialias = True,
    channels: Channels = "first",
) -> Tensor:  # fmt: skip
    """Resize the spatial axes. Axes that have their size already are left alone.

    The rules are those of ``jax.image.resize``, as in Axon: nearest is PyTorch's nearest-exact, cubics have a = -0.5,
    and all cells count when an axis shrinks (``antialias=False`` for PyTorch's default). Channels stand first (in Axon
    last).

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *size); or with ``channels="last"``

    Source: https://docs.jax.dev/en/latest/_autosummary/jax.image.resize.html

    Example:
        >>> from axon_nb import input, resize
        >>> (input((None, 3, "height", "width")) | resize(224, "bilinear")).output_shape
        (None, 3, 224, 224)
    """
    return functional.resize(x, size, method=method, antialias=antialias, channels=channels)


@layer(family="shape")
def upsample(
    x: Tensor, scale_factor: ScaleFactor = 2, method: ResizeMethod = "nearest", *, channels: Channels = "first"
) -> Tensor:
    """Make the spatial axes a whole number of times as large.

    Shapes:
        (batch, channels, *spatial) -> (batch, channels, *(scale_factor * spatial)); or with ``channels="last"``

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Upsample.html

    Example:
        >>> from axon_nb import input, upsample
        >>> (input((None, 32, 14, 14)) | upsample(2)).output_shape
        (None, 32, 28, 28)
    """
    return functional.upsample(x, scale_factor, method=method, channels=channels)


@layer(family="shape")
def pixel_shuffle(x: Tensor, upscale_factor: Factor, *, channels: Channels = "first") -> Tensor:
    """Make channels into space: every ``upscale_factor`` ** 2 channels become a square of cells.

    Shapes:
        (batch, channels * factor ** 2, height, width) -> (batch, channels, height * factor, width * factor); or with
        ``channels="last"``, the channels in the same order (TensorFlow's depth_to_space has another there)

    Source: Shi and others 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> from axon_nb import input, pixel_shuffle
        >>> (input((None, 64, 14, 14)) | pixel_shuffle(2)).output_shape
        (None, 16, 28, 28)
    """
    return functional.pixel_shuffle(x, upscale_factor, channels=channels)


@layer(family="shape")
def pixel_unshuffle(x: Tensor, downscale_factor: Factor, *, channels: Channels = "first") -> Tensor:
    """Make space into channels, the inverse of ``pixel_shuffle``.

    Shapes:
        (batch, channels, height * factor, width * factor) -> (batch, channels * factor ** 2, height, width); or with
        ``channels="last"``

    Source: Shi and others 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> from axon_nb import input, pixel_unshuffle
        >>> (input((None, 16, 28, 28)) | pixel_unshuffle(2)).output_shape
        (None, 64, 14, 14)
    """
    return functional.pixel_unshuffle(x, downscale_factor, channels=channels)


def _parts(options: dict[str, Any]) -> int:
    sections = options["sections"]
    return sections if isinstance(sections, int) else len(sections)


@layer(family="shape", outputs=_parts)
def split(x: Tensor, sections: Sections, *, axis: Axis = -1) -> Any:
    """Cut an axis into parts: a number of equal ones, or parts of the sizes that are given.

    Shapes:
        (batch, ..., cells) -> for each part (batch, ..., its cells), on the axis that is given

    The parts are outputs of their own: unpack them, or pipe them into a layer that takes several.

    Source: https://hexdocs.pm/axon/Axon.html#split/3

    Example:
        >>> from axon_nb import input, multiply, split
        >>> values, gates = input((None, 8)) | split(2)
        >>> (input((None, 8)) | split(2) | multiply()).output_shape
        (None, 4)
    """
    parts = functional.split(x, sections, axis)
    return parts if len(parts) > 1 else parts[0]
