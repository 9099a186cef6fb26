"""Owns activations: functions of each number (softmax: of one axis).

Knows nothing about layers; ``layers/activation.py`` makes a layer of each one here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tinygrad import Tensor

from axon_nb.options import Axis, activations

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


@activation
def relu(x: Tensor) -> Tensor:
    """Keep what is above zero: max(x, 0). Its gradient at 0 is 0.

    Shapes:
        any -> the same

    Example:
        >>> relu(Tensor([-1.0, 0.0, 2.0])).tolist()
        [0.0, 0.0, 2.0]
    """
    return x.relu()


@activation
def tanh(x: Tensor) -> Tensor:
    """Squash into (-1, 1).

    Shapes:
        any -> the same

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

    Example:
        >>> [round(v, 4) for v in sigmoid(Tensor([0.0, 2.0])).tolist()]
        [0.5, 0.8808]
    """
    return x.sigmoid()


@activation
def softmax(x: Tensor, axis: Axis = -1) -> Tensor:
    """Make probabilities that sum to one along an axis: exp(x) / sum(exp(x)).

    Shapes:
        any -> the same

    Example:
        >>> [round(v, 4) for v in softmax(Tensor([0.0, 1.0, 1.0])).tolist()]
        [0.1554, 0.4223, 0.4223]
    """
    return x.softmax(axis)


@activation
def gelu(x: Tensor) -> Tensor:
    """Weigh each number by the normal distribution's share below it: x * Phi(x), exact (erf) form.

    Shapes:
        any -> the same

    Source: Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415

    Example:
        >>> [round(v, 4) for v in gelu(Tensor([-1.0, 1.0])).tolist()]
        [-0.1587, 0.8413]
    """
    return 0.5 * x * (1 + (x * 0.7071067811865476).erf())
