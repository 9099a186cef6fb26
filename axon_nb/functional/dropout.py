"""Owns the noise of training: numbers dropped, numbers added; and how normal numbers are made of uniform ones.

Knows nothing about layers or streams: the random numbers, evenly in [0, 1), are given.
"""

from __future__ import annotations

import math

from tinygrad import Tensor

from axon_nb.checks import expect

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_SELU_FLOOR = -_SELU_SCALE * _SELU_ALPHA  # what selu tends to for ever smaller numbers


def dropout(x: Tensor, uniform: Tensor, *, rate: float = 0.5) -> Tensor:
    """Put zeros where the random numbers are below the rate; scale the rest up by 1 / (1 - rate).

    Shapes:
        x any, uniform the same or with sizes of 1 that are repeated -> as x

    Source: Srivastava and others 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> dropout(Tensor([1.0, 2.0, 3.0]), Tensor([0.1, 0.5, 0.9]), rate=0.5).tolist()
        [0.0, 4.0, 6.0]
    """
    return (uniform >= rate).where(x / (1 - rate), 0)


def spatial_dropout(x: Tensor, uniform: Tensor, *, rate: float = 0.5, channels: str = "first") -> Tensor:
    """Drop whole channels: put zeros into all of space where a channel's random number is below the rate.

    Shapes:
        x (batch, channels, *spatial), uniform (batch, channels) -> as x

    Raises:
        ShapeError: there are no spatial axes.

    Source: Tompson and others 2015, https://arxiv.org/abs/1411.4280

    Example:
        >>> spatial_dropout(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), Tensor([[0.1, 0.9]])).tolist()
        [[[0.0, 0.0], [6.0, 8.0]]]
    """
    return dropout(x, _over_space(uniform, x, channels), rate=rate)


def alpha_dropout(x: Tensor, uniform: Tensor, *, rate: float = 0.5) -> Tensor:
    """Put selu's floor (-1.758) where the random numbers are below the rate; keep a mean of 0 and a variance of 1.

    Shapes:
        x any, uniform the same or with sizes of 1 that are repeated -> as x

    The result is a * dropped + b with a = (q + floor^2 * q * (1 - q))^(-1/2), b = -a * (1 - q) * floor, q = 1 - rate.

    Source: Klambauer and others 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> y = alpha_dropout(Tensor([1.0, 1.0]), Tensor([0.1, 0.9]), rate=0.5)
        >>> [round(v, 4) for v in y.tolist()]
        [-0.7792, 1.6656]
    """
    keep = 1 - rate
    a = (keep + _SELU_FLOOR**2 * keep * rate) ** -0.5
    return (uniform >= rate).where(a * x, a * _SELU_FLOOR) - a * rate * _SELU_FLOOR


def feature_alpha_dropout(x: Tensor, uniform: Tensor, *, rate: float = 0.5, channels: str = "first") -> Tensor:
    """Drop whole channels as ``alpha_dropout`` drops numbers.

    Shapes:
        x (batch, channels, *spatial), uniform (batch, channels) -> as x

    Raises:
        ShapeError: there are no spatial axes.

    Source: Klambauer and others 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> y = feature_alpha_dropout(Tensor([[[1.0, 1.0], [1.0, 1.0]]]), Tensor([[0.1, 0.9]]))
        >>> [[round(v, 4) for v in row] for row in y[0].tolist()]
        [[-0.7792, -0.7792], [1.6656, 1.6656]]
    """
    return alpha_dropout(x, _over_space(uniform, x, channels), rate=rate)


def gaussian_noise(x: Tensor, normal: Tensor, *, stddev: float) -> Tensor:
    """Add normal noise of a standard deviation.

    Shapes:
        x any, normal the same -> as x

    Example:
        >>> gaussian_noise(Tensor([1.0, 2.0]), Tensor([0.0, -1.0]), stddev=0.5).tolist()
        [1.0, 1.5]
    """
    return x + normal.cast(x.dtype) * stddev


def gaussian_dropout(x: Tensor, normal: Tensor, *, rate: float = 0.5) -> Tensor:
    """Multiply by normal noise around 1 that has the variance of dropout: rate / (1 - rate).

    Shapes:
        x any, normal the same -> as x

    Source: Srivastava and others 2014, section 10, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> gaussian_dropout(Tensor([1.0, 2.0]), Tensor([0.0, -1.0]), rate=0.5).tolist()
        [1.0, 0.0]
    """
    return x * (1 + normal.cast(x.dtype) * math.sqrt(rate / (1 - rate)))


def box_muller(first: Tensor, second: Tensor) -> Tensor:
    """Make normal numbers (mean 0, variance 1) of two draws of uniform ones in [0, 1).

    Shapes:
        any, the same twice -> the same

    Source: Box and Muller 1958, https://doi.org/10.1214/aoms/1177706645

    Example:
        >>> [round(v, 4) for v in box_muller(Tensor([0.5, 0.5]), Tensor([0.0, 0.5])).tolist()]
        [1.1774, -1.1774]
    """
    return (-2 * (1 - first).log()).sqrt() * (2 * math.pi * second).cos()


def _over_space(values: Tensor, x: Tensor, channels: str) -> Tensor:
    """Bring one value for each channel of each sample into a shape that is repeated over space."""
    expect(x, least=3, fix="it drops whole channels of (batch, channels, ...): use one that drops numbers for features")
    spatial = (1,) * (x.ndim - 2)
    batch, size = values.shape
    return values.reshape((batch, size, *spatial) if channels == "first" else (batch, *spatial, size))
