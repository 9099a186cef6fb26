"""Owns one change of all weights: gradients clipped, the rate of the step, tinygrad's optimizers for groups of weights.

Knows nothing about models, data or where gradients come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tinygrad import Tensor, nn

from axon_nb.engine import RUNTIME
from axon_nb.errors import OptionError, ParamsError
from axon_nb.lazy import numpy as np
from axon_nb.training.schedules import rate_at

_SAFE = 1e-6  # added to a norm that is divided by, as in PyTorch


class Update:
    """tinygrad's optimizers with what they lack; used as they are: set ``.grad`` of the weights, then ``step()``.

    Args:
        optimizers: one for each group of weights.
        rate: the learning rate of all: a number, or a schedule.
        clip_value: the largest size of a number in a gradient.
        clip_norm: the largest norm of all gradients together.
        device: where they are.
    """

    def __init__(
        self, optimizers: list[Any], rate: Any, *, clip_value: float | None, clip_norm: float | None, device: str
    ) -> None:
        self.optimizers = list(_single(optimizers))
        self.rate, self.clip_value, self.clip_norm = rate, clip_value, clip_norm
        self.params: list[Tensor] = [t for one in self.optimizers for t in one.params]
        self.scale = Tensor([1.0], device=device).is_param_(False)
        """What the learning rate is multiplied by: for changing it while training."""
        self.taken = Tensor([0], device=device).is_param_(False)
        """How many steps were taken."""

    def schedule_step(self, fine: Tensor | None = None) -> list[Tensor]:
        """Change the weights by their gradients; return the tensors to be realised.

        Args:
            fine: a tensor of one truth: where it is false, the weights stay as they are.
        """
        rate = self.scale * rate_at(self.rate, self.taken)
        if fine is not None:
            rate = fine.where(rate, 0)
            for tensor in self.params:
                tensor.grad = fine.where(_grad(tensor), 0).cast(tensor.dtype)
        self._clip()
        changed: list[Tensor] = []
        for optimizer in self.optimizers:
            own, optimizer.lr = optimizer.lr, rate
            try:
                changed += optimizer.schedule_step()
            finally:
                optimizer.lr = own
        return [*changed, self.taken.assign(self.taken + 1)]

    def step(self) -> None:
        """Change the weights by their gradients."""
        Tensor.realize(*self.schedule_step())

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for tensor in self.params:
            tensor.grad = None

    def _clip(self) -> None:
        """Clip by value, then by norm."""
        if self.clip_value is not None:
            for tensor in self.params:
                tensor.grad = _grad(tensor).clip(-self.clip_value, self.clip_value)
        if self.clip_norm is not None:
            squares = [_grad(tensor).cast("float32").square().sum() for tensor in self.params]
            norm = Tensor.stack(*squares).sum().sqrt()
            share = (self.clip_norm / (norm + _SAFE)).minimum(1)
            for tensor in self.params:
                tensor.grad = _grad(tensor) * share.cast(tensor.dtype)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step. Setting it changes all rates to come by the same factor."""
        with RUNTIME:
            return float((self.scale * rate_at(self.rate, self.taken)).item())

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        with RUNTIME:
            planned = float(rate_at(self.rate, self.taken).item())
            if planned == 0 or not value >= 0:
                problem = "the learning rate cannot be changed to this"
                raise OptionError(problem, got=f"{value!r}, where the schedule has {planned:g}")
            self.scale.assign(Tensor([value / planned], device=self.scale.device)).realize()

    @property
    def state(self) -> dict[str, Tensor]:
        """All tensors beside the weights, by name: saved and loaded again, training goes on where it was."""
        weights = {id(tensor) for tensor in self.params}
        found = nn.state.get_state_dict(self).items()
        return {name: tensor for name, tensor in found if id(tensor) not in weights}

    def load(self, state: Mapping[str, Any]) -> None:
        """Put a state back: tensors or arrays by name.

        Raises:
            ParamsError: it is another optimizer's.
        """
        own = self.state
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        if shapes != {name: tuple(tensor.shape) for name, tensor in own.items()}:
            wrong = sorted(set(shapes) ^ set(own)) or [n for n in own if shapes[n] != tuple(own[n].shape)]
            problem = "the state is another optimizer's"
            raise ParamsError(problem, got=f"not the same: {', '.join(wrong[:5])}")
        with RUNTIME:
            for name, tensor in own.items():
                value = state[name]
                array = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
                tensor.assign(Tensor(np.ascontiguousarray(array), dtype=tensor.dtype, device=tensor.device)).realize()


def _single(optimizers: list[Any]) -> Iterator[Any]:
    for one in optimizers:
        yield from one.optimizers if isinstance(one, nn.optim.OptimizerGroup) else (one,)


def _grad(tensor: Tensor) -> Tensor:
    if tensor.grad is None:
        problem = "a weight has no gradient"
        raise OptionError(problem, got=str(tuple(tensor.shape)), fix="call loss.backward() before the step")
    return tensor.grad
