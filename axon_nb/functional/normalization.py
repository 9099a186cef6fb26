"""Owns normalisation: shifting and scaling numbers to a mean of zero and a variance of one.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor


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
