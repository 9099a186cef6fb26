"""Owns optimizers: a name with options, made into tinygrad's optimizer when training begins.

Knows nothing about models or the loop.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from tinygrad import Tensor, nn

from axon_nb.declaration import bind_options
from axon_nb.errors import OptionError
from axon_nb.options import Epsilon, Flag, Real
from axon_nb.registry import Registry

LearningRate = Annotated[float, Real(above=0, help="How far each step goes.", example=0.001)]
Share = Annotated[float, Real(minimum=0, below=1, help="Share of the old running value that is kept.", example=0.9)]
Decay = Annotated[float, Real(minimum=0, help="How strongly weights are pulled to zero.", example=0.01)]
Nesterov = Annotated[bool, Flag(help="Whether momentum looks ahead.", example=True)]


@dataclass(frozen=True)
class Optimizer:
    """A way of changing weights by their gradients, with its options: ``optimizers.adam(learning_rate=0.01)``."""

    name: str
    options: dict[str, Any]
    make: Callable[..., Any] = field(repr=False)

    def build(self, tensors: list[Tensor]) -> Any:
        """Make tinygrad's optimizer for these tensors."""
        return self.make(tensors, **self.options)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


optimizers: Registry[Callable[..., Optimizer]] = Registry("optimizer")
"""Makers of optimizers by name."""


def optimizer(make: Callable[..., Any]) -> Callable[..., Optimizer]:
    """Make a function that builds a tinygrad optimizer into a maker with checked options, and register it.

    The function takes the tensors, then its options.
    """
    name = make.__name__

    @functools.wraps(make)
    def configure(*args: Any, **kwargs: Any) -> Optimizer:
        return Optimizer(name, bind_options(make, args, kwargs, skip=1), make)

    optimizers.add(name, configure)
    return configure


def as_optimizer(value: Any) -> Optimizer:
    """Return the optimizer that a user gave by name, as a maker or ready made.

    Raises:
        OptionError: it is none of these.
        UnknownNameError: there is no optimizer of that name.

    Example:
        >>> as_optimizer("adam").options["learning_rate"]
        0.001
    """
    if isinstance(value, str):
        return optimizers[value]()
    if isinstance(value, Optimizer):
        return value
    if value in optimizers.values():
        made: Optimizer = value()
        return made
    problem = "an optimizer is a name or one of axon_nb.optimizers"
    raise OptionError(problem, got=repr(value), fix='optimizer="adam", or optimizers.adam(learning_rate=0.01)')


@optimizer
def adam(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-8,
) -> Any:  # fmt: skip
    """Move each weight by its running mean gradient over its running size. Kingma and Ba 2014, arXiv 1412.6980."""
    return nn.optim.Adam(tensors, lr=learning_rate, b1=beta1, b2=beta2, eps=epsilon, fused=False)


@optimizer
def adamw(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-3, beta1: Share = 0.9, beta2: Share = 0.999,
    epsilon: Epsilon = 1e-8, weight_decay: Decay = 0.01,
) -> Any:  # fmt: skip
    """Adam with weights pulled to zero apart from the gradient. Loshchilov and Hutter 2017, arXiv 1711.05101."""
    return nn.optim.AdamW(
        tensors, lr=learning_rate, b1=beta1, b2=beta2, eps=epsilon, weight_decay=weight_decay, fused=False
    )


@optimizer
def sgd(
    tensors: list[Tensor], learning_rate: LearningRate = 1e-2, momentum: Share = 0.0, nesterov: Nesterov = False,
    weight_decay: Decay = 0.0,
) -> Any:  # fmt: skip
    """Move each weight against its gradient, with a running mean of it where there is momentum."""
    return nn.optim.SGD(
        tensors, lr=learning_rate, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=False
    )
