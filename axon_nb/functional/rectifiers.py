"""Owns the activations that are made of pieces: straight lines, or a line and an exponential.

Knows nothing about layers; ``activations.py`` gives them their place among the others. At a kink the gradient is
PyTorch's. The side that is not taken is kept finite, for 0 * inf in its gradient would be NaN.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.errors import OptionError
from axon_nb.functional.axes import along
from axon_nb.options import Alpha, Offset, PositiveAlpha, Slope


def relu(x: Tensor) -> Tensor:
    """Keep what is above zero: max(x, 0). Its gradient at 0 is 0; NaN and whole numbers stay what they are.

    Shapes:
        any -> the same

    Source: Nair and Hinton 2010, https://www.cs.toronto.edu/~fritz/absps/reluICML.pdf

    Example:
        >>> relu(Tensor([-1.0, 0.0, 2.0])).tolist()
        [0.0, 0.0, 2.0]
    """
    return ((x > 0) | x.isnan()).where(x, 0)


def relu6(x: Tensor) -> Tensor:
    """Keep what is between zero and six: min(max(x, 0), 6).

    Shapes:
        any -> the same

    Source: Krizhevsky 2010, https://www.cs.toronto.edu/~kriz/conv-cifar10-aug2010.pdf

    Example:
        >>> relu6(Tensor([-1.0, 2.0, 9.0])).tolist()
        [0.0, 2.0, 6.0]
    """
    return _clip(x, 0, 6)


def leaky_relu(x: Tensor, alpha: Alpha = 0.01) -> Tensor:
    """Keep what is above zero, and ``alpha`` times what is below: max(x, 0) + alpha * min(x, 0).

    Shapes:
        any -> the same

    Source: Maas and others 2013, https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf

    Example:
        >>> leaky_relu(Tensor([-2.0, 3.0]), alpha=0.5).tolist()
        [-1.0, 3.0]
    """
    return (x > 0).where(x, alpha * x)


def prelu(x: Tensor, slope: Tensor, axis: int = 1) -> Tensor:
    """Keep what is above zero, and a slope times what is below: a leaky relu with a slope for each channel.

    Shapes:
        x (batch, ..., channels, ...) with the channels on ``axis``, slope (channels,) or (1,) -> the same as x

    Raises:
        ShapeError: there is another number of slopes than channels.

    Source: He and others 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> prelu(Tensor([[-2.0, -2.0, 3.0]]), Tensor([0.5, 0.25, 0.5])).tolist()
        [[-1.0, -0.5, 3.0]]
    """
    return (x > 0).where(x, along(slope, x, axis) * x)


def elu(x: Tensor, alpha: Alpha = 1.0) -> Tensor:
    """Keep what is above zero; below, fall smoothly to ``-alpha``: alpha * (exp(x) - 1).

    Shapes:
        any -> the same

    Source: Clevert and others 2015, https://arxiv.org/abs/1511.07289

    Example:
        >>> [round(v, 4) for v in elu(Tensor([-1.0, 0.0, 2.0])).tolist()]
        [-0.6321, 0.0, 2.0]
    """
    return (x > 0).where(x, alpha * _expm1(_below_zero(x)))


def celu(x: Tensor, alpha: PositiveAlpha = 1.0) -> Tensor:
    """Keep what is above zero; below, fall to ``-alpha`` with slope 1 at 0: alpha * (exp(x / alpha) - 1).

    Shapes:
        any -> the same

    Raises:
        OptionError: ``alpha`` is not above 0.

    Source: Barron 2017, https://arxiv.org/abs/1704.07483

    Example:
        >>> [round(v, 4) for v in celu(Tensor([-1.0, 0.0, 2.0]), alpha=0.5).tolist()]
        [-0.4323, 0.0, 2.0]
    """
    if alpha <= 0:
        problem = f"alpha must be a number above 0, got {alpha!r}"
        raise OptionError(problem, where="celu", fix="for example alpha=1.0")
    return (x > 0).where(x, alpha * _expm1(_below_zero(x) / alpha))


def selu(x: Tensor, alpha: Alpha = 1.6732632423543772, gamma: Alpha = 1.0507009873554805) -> Tensor:
    """Scale an elu so that deep stacks of layers keep mean 0 and variance 1: gamma * elu(x, alpha).

    Shapes:
        any -> the same

    Source: Klambauer and others 2017, https://arxiv.org/abs/1706.02515

    Example:
        >>> [round(v, 4) for v in selu(Tensor([-1.0, 0.0, 2.0])).tolist()]
        [-1.1113, 0.0, 2.1014]
    """
    return gamma * elu(x, alpha)


def hard_tanh(x: Tensor) -> Tensor:
    """Keep what is between -1 and 1: a tanh made of straight lines.

    Shapes:
        any -> the same

    Source: Collobert 2004, https://ronan.collobert.com/pub/2004_phdthesis_lip6.pdf

    Example:
        >>> hard_tanh(Tensor([-3.0, 0.5, 2.0])).tolist()
        [-1.0, 0.5, 1.0]
    """
    return _clip(x, -1, 1)


def hard_sigmoid(x: Tensor, alpha: Slope = 1 / 6, beta: Offset = 0.5) -> Tensor:
    """Make a sigmoid of straight lines: alpha * x + beta, kept between 0 and 1.

    Slope and offset are 1/6 and 1/2 as in PyTorch and Keras (Axon's are 0.2 and 0.2).

    Shapes:
        any -> the same

    Source: Courbariaux and others 2015, https://arxiv.org/abs/1511.00363

    Example:
        >>> hard_sigmoid(Tensor([-3.0, 0.0, 1.5, 4.0])).tolist()
        [0.0, 0.5, 0.75, 1.0]
    """
    return _clip(alpha * x + beta, 0, 1)


def hard_silu(x: Tensor, alpha: Slope = 1 / 6, beta: Offset = 0.5) -> Tensor:
    """Weigh each number by its hard sigmoid: x * hard_sigmoid(x), PyTorch's hardswish.

    Slope and offset are 1/6 and 1/2 as in PyTorch and Keras (Axon's are 0.2 and 0.2).

    Shapes:
        any -> the same

    Source: Howard and others 2019, https://arxiv.org/abs/1905.02244

    Example:
        >>> hard_silu(Tensor([-4.0, 0.0, 3.0])).tolist()
        [-0.0, 0.0, 3.0]
    """
    return x * hard_sigmoid(x, alpha, beta)


def _clip(x: Tensor, low: int, high: int) -> Tensor:
    """Keep numbers between two bounds; at a bound the gradient is 0, as in PyTorch."""
    inside = (x > low) & (x < high)
    return inside.where(x, x.clip(low, high).detach())


def _below_zero(x: Tensor) -> Tensor:
    return (x > 0).where(0, x)


def _expm1(x: Tensor) -> Tensor:
    """Exp(x) - 1 for x up to 0, without losing the digits near 0."""
    return (x > -0.01).where(x * (1 + x * (0.5 + x / 6)), x.exp() - 1)
