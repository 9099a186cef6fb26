"""Owns normalisation: shifting and scaling numbers to a mean of zero and a variance of one.

Knows nothing about layers.
"""

from __future__ import annotations

from typing import Literal

from tinygrad import Tensor, dtypes

from axon_nb.checks import expect
from axon_nb.errors import ShapeError
from axon_nb.functional.axes import some_axes

Axes = int | tuple[int, ...]


def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *,
    epsilon: float = 1e-5, axis: int = 1,
) -> Tensor:  # fmt: skip
    """Normalise each channel by a mean and a variance, then scale by gamma and shift by beta.

    Shapes:
        x (batch, channels, ...), all others (channels,) -> as x

    Source: Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167

    Example:
        >>> x = Tensor([[1.0], [3.0]])
        >>> [[round(v, 3) for v in row] for row in batch_norm(x, *moments(x)).tolist()]
        [[-1.0], [1.0]]
    """
    shape = tuple(-1 if i == axis % x.ndim else 1 for i in range(x.ndim))
    out = (x - mean.reshape(shape)) * (variance.reshape(shape) + epsilon).rsqrt()
    if gamma is not None:
        out = out * gamma.reshape(shape)
    return out if beta is None else out + beta.reshape(shape)


def moments(x: Tensor, axis: int = 1) -> tuple[Tensor, Tensor]:
    """Take the mean and the (population) variance of each channel over all other axes.

    Shapes:
        x (batch, channels, ...) -> (channels,), (channels,)

    Example:
        >>> [m.tolist() for m in moments(Tensor([[1.0, 2.0], [3.0, 2.0]]))]
        [[2.0, 2.0], [1.0, 0.0]]
    """
    others = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    mean = x.mean(others, keepdim=True)
    variance = (x - mean).square().mean(others)
    return mean.flatten(), variance


def layer_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, axis: Axes = -1, epsilon: float = 1e-5
) -> Tensor:
    """Normalise each sample over one axis or several, then scale by gamma and shift by beta.

    Shapes:
        x (batch, ...), gamma and beta the sizes of the axes -> as x

    Raises:
        ShapeError: there is no such axis.

    Source: Ba, Kiros and Hinton 2016, https://arxiv.org/abs/1607.06450

    Example:
        >>> [[round(v, 3) for v in row] for row in layer_norm(Tensor([[1.0, 3.0], [10.0, 30.0]])).tolist()]
        [[-1.0, 1.0], [-1.0, 1.0]]
    """
    axes = _sample_axes(x, axis)
    return _affine(_standard(x, axes, epsilon), gamma, beta, axes)


def group_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, groups: int, epsilon: float = 1e-5,
    channels: str = "first",
) -> Tensor:  # fmt: skip
    """Normalise each sample over groups of channels and all of space, then scale and shift each channel.

    Shapes:
        x (batch, channels, ...), gamma and beta (channels,) -> as x

    Raises:
        ShapeError: the groups do not divide the channels.

    Source: Wu and He 2018, https://arxiv.org/abs/1803.08494

    Example:
        >>> x = Tensor([[1.0, 3.0, 10.0, 30.0]])
        >>> [[round(v, 3) for v in row] for row in group_norm(x, groups=2).tolist()]
        [[-1.0, 1.0, -1.0, 1.0]]
    """
    expect(x, least=2)
    axis = 1 if channels == "first" else x.ndim - 1
    if x.shape[axis] % groups:
        problem = f"groups={groups} must divide the {x.shape[axis]} channels of the input"
        raise ShapeError(problem)
    apart = x.unflatten(axis, (groups, -1))
    others = tuple(i for i in range(1, apart.ndim) if i != axis)
    return _affine(_standard(apart, others, epsilon).reshape(x.shape), gamma, beta, (axis,))


def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, epsilon: float = 1e-5,
    channels: str = "first",
) -> Tensor:  # fmt: skip
    """Normalise each channel of each sample over space, then scale and shift it.

    Shapes:
        x (batch, channels, *spatial), gamma and beta (channels,) -> as x

    Raises:
        ShapeError: there are no spatial axes.

    Source: Ulyanov, Vedaldi and Lempitsky 2016, https://arxiv.org/abs/1607.08022

    Example:
        >>> x = Tensor([[[1.0, 3.0], [10.0, 30.0]]])
        >>> [[round(v, 3) for v in row] for row in instance_norm(x)[0].tolist()]
        [[-1.0, 1.0], [-1.0, 1.0]]
    """
    expect(x, least=3, fix="it normalises over space: use layer_norm() for features")
    axis = 1 if channels == "first" else x.ndim - 1
    spatial = tuple(i for i in range(1, x.ndim) if i != axis)
    return _affine(_standard(x, spatial, epsilon), gamma, beta, (axis,))


def rms_norm(
    x: Tensor, gamma: Tensor | None = None, *, axis: Axes = -1, epsilon: float = 1e-6, shift: float = 0.0,
    upcast: Literal["normalization", "all"] = "normalization",
) -> Tensor:  # fmt: skip
    """Divide each sample by the root of its mean square over one axis or several, then scale by shift + gamma.

    Shapes:
        x (batch, ...), gamma the sizes of the axes -> as x

    Args:
        x: the input.
        gamma: the scale; without it the scale is 1.
        axis: the axes that the mean is taken over.
        epsilon: added to the mean square.
        shift: added to gamma: 1 where gamma is trained around 0.
        upcast: what is computed in float32 where x is shorter: the division, or all of it (the result is float32 then).

    Raises:
        ShapeError: there is no such axis.

    Source: Zhang and Sennrich 2019, https://arxiv.org/abs/1910.07467

    Example:
        >>> [[round(v, 3) for v in row] for row in rms_norm(Tensor([[3.0, 4.0]])).tolist()]
        [[0.849, 1.131]]
    """
    axes = _sample_axes(x, axis)
    wide = x if x.dtype == dtypes.float64 else x.float()
    out = wide * (wide.square().mean(axes, keepdim=True) + epsilon).rsqrt()
    if upcast == "normalization":
        out = out.cast(x.dtype)
    if gamma is None:
        return out
    scale = shift + _along(gamma, out, axes)
    return out * (scale if upcast == "all" else scale.cast(x.dtype))


def _sample_axes(x: Tensor, axis: Axes) -> tuple[int, ...]:
    expect(x, least=2)
    axes = tuple(sorted(some_axes(x, axis)))
    if 0 in axes:
        problem = f"axis={axis} takes in the batch, and samples are normalised one by one"
        raise ShapeError(problem, fix="batch_norm() normalises over the batch")
    return axes


def _standard(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * (centred.square().mean(axes, keepdim=True) + epsilon).rsqrt()


def _affine(x: Tensor, gamma: Tensor | None, beta: Tensor | None, axes: tuple[int, ...]) -> Tensor:
    if gamma is not None:
        x = x * _along(gamma, x, axes)
    return x if beta is None else x + _along(beta, x, axes)


def _along(values: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Bring values for some axes into a shape that is repeated over the others."""
    return values.reshape(tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))
