"""Owns activations: their register, and the smooth ones (those made of pieces are in ``rectifiers.py``).

Knows nothing about layers; ``layers/activation.py`` makes a layer of each one here. What is finite comes out finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional.axes import one_axis, some_axes
from axon_nb.functional.logits import remember_logits
from axon_nb.functional.rectifiers import (
    celu,
    elu,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    prelu,
    relu,
    relu6,
    selu,
)
from axon_nb.options import Approximate, Axis, SomeAxes, activations

F = TypeVar("F", bound=Callable[..., Tensor])


def activation(function: F) -> F:
    """Put a function of a tensor into the registry of activations: options and layers take it by name from then on."""
    activations.add(function.__name__, function)
    return function


def activate(x: Tensor, function: str | Callable[..., Any] | None) -> Tensor:
    """Apply an activation, if there is one: a name or a function.

    Example:
        >>> activate(Tensor([-1.0, 2.0]), "relu").tolist()
        [0.0, 2.0]
    """
    if function is None:
        return x
    called = activations[function] if isinstance(function, str) else function
    op = getattr(called, "declaration", None)
    result: Tensor = op.function(x, **getattr(called, "options", {})) if op is not None else called(x)
    return result


for _made_of_pieces in (relu, relu6, leaky_relu, elu, celu, selu, hard_tanh, hard_sigmoid, hard_silu):
    activation(_made_of_pieces)


@activation
def linear(x: Tensor) -> Tensor:
    """Leave all numbers as they are.

    Shapes:
        any -> the same

    Source: https://hexdocs.pm/axon/Axon.Activations.html#linear/1

    Example:
        >>> linear(Tensor([-1.0, 2.0])).tolist()
        [-1.0, 2.0]
    """
    return x


@activation
def tanh(x: Tensor) -> Tensor:
    """Squash into (-1, 1).

    Shapes:
        any -> the same

    Source: https://en.wikipedia.org/wiki/Hyperbolic_functions

    Example:
        >>> [round(v, 4) for v in tanh(Tensor([0.0, 1.0])).tolist()]
        [0.0, 0.7616]
    """
    return x.tanh()


@activation
def sigmoid(x: Tensor) -> Tensor:
    """Squash into (0, 1): 1 / (1 + exp(-x)).

    Shapes:
        any -> the same

    Source: https://en.wikipedia.org/wiki/Sigmoid_function

    Example:
        >>> [round(v, 4) for v in sigmoid(Tensor([0.0, 2.0])).tolist()]
        [0.5, 0.8808]
    """
    return remember_logits(_sigmoid(x), x, "sigmoid")


@activation
def log_sigmoid(x: Tensor) -> Tensor:
    """Take the logarithm of the sigmoid: -log(1 + exp(-x)).

    Shapes:
        any -> the same

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html

    Example:
        >>> [round(v, 4) for v in log_sigmoid(Tensor([-1000.0, 0.0, 2.0])).tolist()]
        [-1000.0, -0.6931, -0.1269]
    """
    return -softplus(-x)


@activation
def softmax(x: Tensor, axis: SomeAxes = -1) -> Tensor:
    """Make probabilities that sum to one along an axis, or over several: exp(x) / sum(exp(x)).

    Shapes:
        any -> the same

    Raises:
        ShapeError: there is no such axis.

    Source: Bridle 1990, https://doi.org/10.1007/978-3-642-76153-9_28

    Example:
        >>> [round(v, 4) for v in softmax(Tensor([0.0, 1.0, 1.0])).tolist()]
        [0.1554, 0.4223, 0.4223]
    """
    axes = some_axes(x, axis)
    result = x.softmax(axes)
    return remember_logits(result, x, "softmax", axes[0]) if len(axes) == 1 else result


@activation
def log_softmax(x: Tensor, axis: SomeAxes = -1) -> Tensor:
    """Take the logarithm of the softmax: x - log(sum(exp(x))).

    Shapes:
        any -> the same

    Raises:
        ShapeError: there is no such axis.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html

    Example:
        >>> [round(v, 4) for v in log_softmax(Tensor([0.0, 1000.0])).tolist()]
        [-1000.0, 0.0]
    """
    return x.log_softmax(some_axes(x, axis))


@activation
def log_sumexp(x: Tensor, axis: SomeAxes = -1) -> Tensor:
    """Sum in the space of logarithms: log(sum(exp(x))). The axis stays, with a size of 1, as in Axon.

    Shapes:
        (batch, ..., features) -> (batch, ..., 1), or 1 on the axes that are given

    Raises:
        ShapeError: there is no such axis.

    Source: https://en.wikipedia.org/wiki/LogSumExp

    Example:
        >>> [round(v, 2) for v in log_sumexp(Tensor([1000.0, 1000.0])).tolist()]
        [1000.69]
    """
    axes = some_axes(x, axis)
    largest = x.max(axes, keepdim=True).detach()
    shift = largest.isinf().where(0, largest)  # inf - inf would be NaN
    return (x - shift).exp().sum(axes, keepdim=True).log() + shift


@activation
def softplus(x: Tensor) -> Tensor:
    """Smooth a relu: log(1 + exp(x)).

    Shapes:
        any -> the same

    Source: Dugas and others 2001, https://proceedings.neurips.cc/paper/1920-incorporating-second-order-functional-knowledge-for-better-option-pricing

    Example:
        >>> [round(v, 4) for v in softplus(Tensor([-1.0, 0.0, 1000.0])).tolist()]
        [0.3133, 0.6931, 1000.0]
    """
    positive = x > 0
    return positive.where(x, 0) + _log1p(positive.where(-x, x).exp())


@activation
def softsign(x: Tensor) -> Tensor:
    """Squash into (-1, 1), more slowly than tanh: x / (1 + abs(x)).

    Shapes:
        any -> the same

    Source: Turian and others 2009, https://aclanthology.org/N09-2062

    Example:
        >>> softsign(Tensor([-1.0, 0.0, 3.0])).tolist()
        [-0.5, 0.0, 0.75]
    """
    return x / (1 + x.abs())


@activation
def silu(x: Tensor) -> Tensor:
    """Weigh each number by its sigmoid: x * sigmoid(x). Also called swish.

    Shapes:
        any -> the same

    Source: Elfwing and others 2017, https://arxiv.org/abs/1702.03118

    Example:
        >>> [round(v, 4) for v in silu(Tensor([-1.0, 0.0, 2.0])).tolist()]
        [-0.2689, 0.0, 1.7616]
    """
    return x * _sigmoid(x)


swish = silu
activations.add("swish", silu)


@activation
def gelu(x: Tensor, approximate: Approximate = False) -> Tensor:
    """Weigh each number by the normal distribution's share below it: x * Phi(x).

    The form is the exact one (with erf), or the one with tanh where ``approximate`` is true.

    Shapes:
        any -> the same

    Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415

    Example:
        >>> [round(v, 4) for v in gelu(Tensor([-1.0, 1.0])).tolist()]
        [-0.1587, 0.8413]
    """
    if approximate:
        return 0.5 * x * (1 + (0.7978845608028654 * (x + 0.044715 * x * x * x)).tanh())
    return 0.5 * x * (1 + (x * 0.7071067811865476).erf())


@activation
def mish(x: Tensor) -> Tensor:
    """Weigh each number by the tanh of its softplus: x * tanh(log(1 + exp(x))).

    Shapes:
        any -> the same

    Source: Misra 2019, https://arxiv.org/abs/1908.08681

    Example:
        >>> [round(v, 4) for v in mish(Tensor([-1.0, 0.0, 2.0])).tolist()]
        [-0.3034, 0.0, 1.944]
    """
    # tanh(log(1 + e)) written out: the tanh of a number near 0 loses its digits where x is far below 0.
    e = (-x.abs()).exp()
    share = (x < 0).where(e * (e + 2), 1 + 2 * e)
    return x * share / (share + (x < 0).where(2, 2 * e * e))


@activation
def exp(x: Tensor) -> Tensor:
    """Raise e to each number.

    Shapes:
        any -> the same

    Source: https://en.wikipedia.org/wiki/Exponential_function

    Example:
        >>> [round(v, 4) for v in exp(Tensor([0.0, 1.0])).tolist()]
        [1.0, 2.7183]
    """
    return x.exp()


@activation
def glu(x: Tensor, axis: Axis = -1) -> Tensor:
    """Let one half of the features decide how much of the other half goes on: a * sigmoid(b).

    Shapes:
        (batch, ..., 2 * features) -> (batch, ..., features), or so on the axis that is given

    Raises:
        ShapeError: there is no such axis, or its size is odd.

    Source: Dauphin and others 2016, https://arxiv.org/abs/1612.08083

    Example:
        >>> glu(Tensor([[2.0, 3.0, 0.0, 0.0]])).tolist()
        [[1.0, 1.5]]
    """
    at = one_axis(x, axis)
    if x.shape[at] % 2:
        problem = f"glu halves axis {axis}, and its size {x.shape[at]} is odd"
        raise ShapeError(problem, fix="give the layer before it twice as many units as glu is to return")
    values, gates = x.chunk(2, dim=at)
    return values * _sigmoid(gates)


def _sigmoid(x: Tensor) -> Tensor:
    """Take no exponential of what is above 0: tinygrad 0.14 keeps exp(-x) for the gradient, and inf * 0 is NaN."""
    negative = x < 0
    small = negative.where(x, -x).exp()
    return negative.where(small, 1) / (1 + small)


def _log1p(x: Tensor) -> Tensor:
    """Log(1 + x) for x from 0 to 1, without losing the digits near 0."""
    return (x < 0.001).where(x * (1 - 0.5 * x), (1 + x).log())


__all__ = ["activate", "activation", "prelu", *activations]
