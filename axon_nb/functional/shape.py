"""Owns changes of shape that leave the numbers alone (resizing is in ``resizing.py``).

Knows nothing about layers.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence

from tinygrad import Tensor, dtypes

from axon_nb.checks import expect
from axon_nb.errors import OptionError, ShapeError, unknown
from axon_nb.functional import window
from axon_nb.functional.axes import one_axis, some_axes


def flatten(x: Tensor) -> Tensor:
    """Make one axis of all axes but the batch.

    Shapes:
        x (batch, ...) -> (batch, features)

    Example:
        >>> flatten(Tensor.zeros(2, 3, 4)).shape
        (2, 12)
    """
    expect(x, least=1)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give every sample another shape; one size may be -1, it follows from the rest.

    Shapes:
        x (batch, ...) -> (batch, *shape)

    Raises:
        ShapeError: the numbers of values differ.

    Example:
        >>> reshape(Tensor.zeros(2, 12), (3, -1)).shape
        (2, 3, 4)
    """
    expect(x, least=1)
    have = math.prod(x.shape[1:])
    rest = math.prod(size for size in shape if size != -1)
    if (-1 in shape and have % rest) or (-1 not in shape and have != rest):
        problem = f"each sample has {have} values and {tuple(shape)} takes {'a multiple of ' * (-1 in shape)}{rest}"
        raise ShapeError(problem, fix="reshape leaves the batch axis out: reshape((28, 28)) makes (batch, 28, 28)")
    return x.reshape(x.shape[0], *(have // rest if size == -1 else size for size in shape))


def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Put the axes into another order.

    ``axes`` counts all axes, the batch as 0, as in Axon and NumPy; those that leave 0 out keep the batch first, as in
    Keras's Permute. Without ``axes`` the order of all axes is reversed, the batch's place too.

    Shapes:
        x (batch, ...) -> the same sizes in another order

    Raises:
        ShapeError: an axis is not there, is missing or is named twice.

    Example:
        >>> transpose(Tensor.zeros(2, 3, 4), (2, 1)).shape
        (2, 4, 3)
        >>> transpose(Tensor.zeros(2, 3, 4)).shape
        (4, 3, 2)
    """
    rank = len(x.shape)
    order = tuple(reversed(range(rank))) if axes is None else some_axes(x, axes)
    if 0 not in order:
        order = (0, *order)
    if len(order) != rank:
        missing = ", ".join(str(axis) for axis in range(1, rank) if axis not in order)
        problem = f"axes {tuple(axes or ())} leave out axis {missing}"
        raise ShapeError(problem, fix=f"transpose({tuple(reversed(range(1, rank)))}) names all axes but the batch")
    return x.permute(order)


def pad(
    x: Tensor, padding: int | Sequence[tuple[int, int]], value: float = 0.0, *, mode: str = "constant",
    channels: str = "first",
) -> Tensor:  # fmt: skip
    """Add cells before and after the spatial axes; a negative number of them is cut off.

    ``padding`` is one number for all sides, or a pair (before, after) for each spatial axis; a pair for each axis but
    the batch pads the channels too. The cells hold ``value``, or what stands in the tensor mirrored (``"reflect"``,
    without its edge), its edge repeated (``"edge"``), or what stands at the other end (``"wrap"``).

    Shapes:
        x (batch, channels, *spatial) -> (batch, channels, *(before + spatial + after)); or with channels="last"

    Raises:
        ShapeError: there is another number of pairs than axes, or too few cells to mirror or to cut off.
        OptionError: there is no such mode.

    Source: https://numpy.org/doc/stable/reference/generated/numpy.pad.html

    Example:
        >>> pad(Tensor([[[1.0, 2.0]]]), 1).tolist()
        [[[0.0, 1.0, 2.0, 0.0]]]
        >>> pad(Tensor([[[1.0, 2.0, 3.0]]]), [(2, -1)], mode="reflect").tolist()
        [[[3.0, 2.0, 1.0, 2.0]]]
    """
    expect(x, least=2)
    if mode not in _MODES:
        msg = "pad mode"
        raise unknown(msg, mode, _MODES, error=OptionError)
    pairs = _pairs(padding, len(x.shape), channels)
    for axis, (cells, (before, after)) in enumerate(zip(x.shape, pairs, strict=True)):
        most = {"constant": math.inf, "reflect": cells - 1, "edge": math.inf, "wrap": cells}[mode]
        if max(before, after) > most or cells + min(before, 0) + min(after, 0) < 1:
            problem = f"axis {axis} has {cells} cells, which are too few for {(before, after)}"
            raise ShapeError(problem, fix=f"add at most {most} cells on a side" if max(before, after) > most else ())
    whole = float(value).is_integer() and not dtypes.is_float(x.dtype)
    return x.pad(pairs, mode=_MODES[mode], value=int(value) if whole else value)


_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _pairs(padding: int | Sequence[tuple[int, int]], rank: int, channels: str) -> tuple[tuple[int, int], ...]:
    """Write a pair for every axis, the batch and the channels too."""
    none = (0, 0)
    spatial = ((padding, padding),) * (rank - 2) if isinstance(padding, int) else tuple((p[0], p[1]) for p in padding)
    if len(spatial) == rank - 1:
        return (none, *spatial)
    if len(spatial) != rank - 2 or not spatial:
        problem = f"the input has {rank - 2} spatial axes and padding is {padding}"
        raise ShapeError(problem, fix=f"give {rank - 1} pairs (before, after), one for each axis but the batch")
    return (none, none, *spatial) if channels == "first" else (none, *spatial, none)


def slice(x: Tensor, start: int | None = None, stop: int | None = None, step: int = 1, *, axis: int = -1) -> Tensor:
    """Take the cells from ``start`` to before ``stop`` of an axis, as ``x[start:stop:step]`` does.

    Shapes:
        x (batch, ..., cells) -> (batch, ..., fewer cells), on the axis that is given

    Raises:
        ShapeError: there is no such axis, or nothing would be left of it.
        OptionError: the step is 0.

    Example:
        >>> slice(Tensor([[1, 2, 3, 4]]), 1, 3).tolist()
        [[2, 3]]
        >>> slice(Tensor([[1, 2, 3, 4]]), step=-2).tolist()
        [[4, 2]]
    """
    at = one_axis(x, axis)
    if step == 0:
        problem = "step must be another number than 0"
        raise OptionError(problem, where="slice", fix="for example step=2")
    cells = builtins.slice(start, stop, step)
    if not range(x.shape[at])[cells]:
        problem = f"nothing is left of axis {axis}, which has {x.shape[at]} cells"
        raise ShapeError(problem, got=f"start={start}, stop={stop}, step={step}")
    return x[(builtins.slice(None),) * at + (cells,)]


def split(x: Tensor, sections: int | Sequence[int], axis: int = -1) -> tuple[Tensor, ...]:
    """Cut an axis into parts: a number of equal ones, or parts of the sizes that are given.

    Shapes:
        x (batch, ..., cells) -> for each part (batch, ..., its cells), on the axis that is given

    Raises:
        ShapeError: there is no such axis, or the parts do not make up the whole.

    Example:
        >>> [part.tolist() for part in split(Tensor([[1, 2, 3, 4]]), 2)]
        [[[1, 2]], [[3, 4]]]
        >>> [part.tolist() for part in split(Tensor([[1, 2, 3, 4]]), (1, 3))]
        [[[1]], [[2, 3, 4]]]
    """
    at = one_axis(x, axis)
    cells = x.shape[at]
    if isinstance(sections, int) and (sections < 1 or cells % sections):
        problem = f"axis {axis} has {cells} cells, which cannot be cut into {sections} equal parts"
        raise ShapeError(problem, fix="give the size of each part: split((size, ...))")
    sizes = [cells // sections] * sections if isinstance(sections, int) else list(sections)
    if sum(sizes) != cells or min(sizes) < 1:
        problem = f"axis {axis} has {cells} cells, and the parts {tuple(sizes)} have {sum(sizes)}"
        raise ShapeError(problem, fix="give sizes of at least 1 that add up to the whole")
    return x.split(sizes, at)


def pixel_shuffle(x: Tensor, upscale_factor: int, *, channels: str = "first") -> Tensor:
    """Make channels into space: every ``upscale_factor`` ** 2 channels become a square of cells.

    Shapes:
        x (batch, channels * factor ** 2, height, width) -> (batch, channels, height * factor, width * factor); or with
        channels="last", the channels in the same order (TensorFlow's depth_to_space has another there)

    Raises:
        ShapeError: the channels are no multiple of the factor's square.

    Source: Shi and others 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> pixel_shuffle(Tensor([[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]), 2).tolist()
        [[[[1.0, 2.0], [3.0, 4.0]]]]
    """
    expect(x, rank=4)
    batch, within, height, width = window.to_first(x, channels).shape
    r = upscale_factor
    if within % (r * r):
        problem = f"{within} channels are no multiple of {r} * {r}"
        raise ShapeError(problem, fix=f"give the layer before it {-(-within // (r * r)) * r * r} units")
    cells = window.to_first(x, channels).reshape(batch, within // (r * r), r, r, height, width)
    y = cells.permute(0, 1, 4, 2, 5, 3).reshape(batch, within // (r * r), height * r, width * r)
    return window.from_first(y, channels)


def pixel_unshuffle(x: Tensor, downscale_factor: int, *, channels: str = "first") -> Tensor:
    """Make space into channels, the inverse of ``pixel_shuffle``.

    Shapes:
        x (batch, channels, height * factor, width * factor) -> (batch, channels * factor ** 2, height, width); or with
        channels="last"

    Raises:
        ShapeError: height or width is no multiple of the factor.

    Source: Shi and others 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> pixel_unshuffle(Tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 2).tolist()
        [[[[1.0]], [[2.0]], [[3.0]], [[4.0]]]]
    """
    expect(x, rank=4)
    batch, within, height, width = window.to_first(x, channels).shape
    r = downscale_factor
    if height % r or width % r:
        problem = f"height {height} and width {width} must be multiples of {r}"
        raise ShapeError(problem, fix="pad(...) or resize(...) before it")
    cells = window.to_first(x, channels).reshape(batch, within, height // r, r, width // r, r)
    y = cells.permute(0, 1, 3, 5, 2, 4).reshape(batch, within * r * r, height // r, width // r)
    return window.from_first(y, channels)
