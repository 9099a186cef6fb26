"""Owns learning rates that change with the step: functions of its number, which work within a recorded step.

Know nothing about optimizers. An optimizer takes one as its rate: ``adam(learning_rate=schedules.cosine(0.01, 1000))``.
The first step has the number 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from tinygrad import Tensor, dtypes

from axon_nb.declaration import bind_options
from axon_nb.errors import OptionError
from axon_nb.lazy import numpy as np
from axon_nb.options import Flag, Real, Whole
from axon_nb.registry import Registry

Formula = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Schedule:
    """A learning rate by the number of the step.

    Called with a number, or an array of them, it tells the rate; with a tensor it gives a tensor.

    Example:
        >>> from axon_nb.training.schedules import linear
        >>> linear(0.1, steps=10)(5)
        0.05
    """

    name: str
    options: dict[str, Any]
    formula: Formula = field(repr=False)

    def __call__(self, step: Any) -> Any:
        """Give the learning rate of a step, or of several."""
        if isinstance(step, Tensor):
            return self.formula(step.cast(dtypes.float32))
        steps = np.asarray(step, np.float32)
        rates = self.formula(Tensor(steps.reshape(-1))).numpy().reshape(steps.shape)
        return rates if rates.ndim else float(f"{rates:.7g}")

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


@dataclass(frozen=True, kw_only=True)
class RateOption(Real):
    """A learning rate: a number, or a schedule."""

    def parse(self, value: Any) -> Any:  # noqa: D102
        if value in schedules.values():
            msg = f"needs the numbers of the schedule, such as {value.__name__}(0.01, ...)"
            raise ValueError(msg)
        return value if callable(value) else super().parse(value)

    def _expected(self) -> str:
        return f"{super()._expected()}, or a schedule"


Rate = Annotated[float, Real(above=0, help="How far a step goes.", example=0.001)]
LearningRate = Annotated[
    Any, RateOption(above=0, help="How far each step goes: a number, or a schedule.", example=0.001)
]
LastRate = Annotated[float, Real(minimum=0, help="The rate that it ends at.", example=0.0001)]
Steps = Annotated[int, Whole(minimum=1, help="How many steps it takes.", unit="steps", example=1000)]
Share = Annotated[float, Real(above=0, below=1, help="Share of all steps.", unit="share of 1", example=0.3)]
Factor = Annotated[float, Real(above=0, maximum=1, help="What the rate is multiplied by.", example=0.95)]
Power = Annotated[float, Real(above=0, help="1 is a straight line; the higher, the faster at first.", example=2.0)]
Staircase = Annotated[bool, Flag(help="Whether it changes in jumps only.", example=True)]
Divisor = Annotated[float, Real(minimum=1, help="The largest rate is so many times the other.", example=25.0)]

schedules: Registry[Callable[..., Schedule]] = Registry("schedule")
"""Makers of schedules by name."""


def schedule(function: Callable[..., Tensor]) -> Callable[..., Schedule]:
    """Make a function of a step (a tensor of floats) and options into a maker with checked options, and register it."""
    name = function.__name__

    @functools.wraps(function)
    def configure(*args: Any, **kwargs: Any) -> Schedule:
        options = bind_options(function, args, kwargs, skip=1)
        return Schedule(name, options, functools.partial(function, **options))

    schedules.add(name, configure)
    return configure


def _done(step: Tensor, steps: float) -> Tensor:
    """Give the share of steps that are done, 1 at the end and after it."""
    return (step / steps).clip(0, 1)


@schedule
def constant(step: Tensor, learning_rate: Rate) -> Tensor:
    """Keep one rate.

    Source: https://keras.io/api/optimizers/learning_rate_schedules/

    Example:
        >>> constant(0.1)(1000)
        0.1
    """
    return step.const_like(learning_rate)


@schedule
def linear(step: Tensor, learning_rate: Rate, steps: Steps, end: LastRate = 0.0) -> Tensor:
    """Go from one rate to another in a straight line, and stay there.

    From Axon it departs in that the number of steps must be given, and that a rise before it is ``warm_up``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html

    Example:
        >>> [linear(0.1, steps=10, end=0.05)(step) for step in (0, 5, 20)]
        [0.1, 0.075, 0.05]
    """
    return learning_rate + (end - learning_rate) * _done(step, steps)


@schedule
def exponential(
    step: Tensor, learning_rate: Rate, decay: Factor = 0.95, every: Steps = 10, staircase: Staircase = False
) -> Tensor:
    """Multiply the rate by a factor every so many steps, smoothly or in jumps.

    From Axon it departs in that there is no ``begin``: ``warm_up(exponential(0.1), steps=100, start=0.1)`` waits.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html

    Example:
        >>> exponential(0.1, decay=0.5, every=10)(20)
        0.025
    """
    times = step / every
    return learning_rate * ((times.floor() if staircase else times) * math.log(decay)).exp()


@schedule
def cosine(step: Tensor, learning_rate: Rate, steps: Steps, end: LastRate = 0.0) -> Tensor:
    """Go from one rate to another along half a wave, and stay there.

    From Axon it departs in that the number of steps must be given, and that the end is a rate (there a share of it).

    Source: Loshchilov and Hutter 2016, https://arxiv.org/abs/1608.03983

    Example:
        >>> [cosine(0.1, steps=10)(step) for step in (0, 5, 20)]
        [0.1, 0.05, 0.0]
    """
    return _wave(learning_rate, end, _done(step, steps))


def _wave(start: float, end: float, done: Tensor) -> Tensor:
    return end + (start - end) / 2 * (1 + (done * math.pi).cos())


@schedule
def polynomial(step: Tensor, learning_rate: Rate, steps: Steps, end: LastRate = 0.0, power: Power = 2.0) -> Tensor:
    """Go from one rate to another by a power of the steps that are left, and stay there.

    From Axon it departs in that the number of steps must be given, that it ends at 0 by default (there at 0.001), and
    that there is no ``begin``: ``warm_up(polynomial(0.1, steps=9), steps=100, start=0.1)`` waits.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.PolynomialLR.html

    Example:
        >>> [polynomial(0.1, steps=10)(step) for step in (0, 5, 20)]
        [0.1, 0.025, 0.0]
    """
    left = 1 - _done(step, steps)
    return end + (learning_rate - end) * (left**power)


@schedule
def warm_up(step: Tensor, after: LearningRate, steps: Steps, start: LastRate = 0.0) -> Tensor:
    """Rise to a rate, or to the first rate of a schedule, in a straight line; then go on with it.

    Axon has it as an option of linear_decay only.

    Source: Goyal and others 2017, https://arxiv.org/abs/1706.02677

    Example:
        >>> rate = warm_up(linear(0.1, steps=10), steps=4)
        >>> [rate(step) for step in (0, 2, 4, 9)]
        [0.0, 0.05, 0.1, 0.05]
    """
    then = rate_at(after, (step - steps).maximum(0))
    first = rate_at(after, step.const_like(0))
    return (step < steps).where(start + (first - start) * _done(step, steps), then)


@schedule
def one_cycle(
    step: Tensor, learning_rate: Rate, steps: Steps, rise: Share = 0.3, start_divisor: Divisor = 25.0,
    end_divisor: Divisor = 1e4,
) -> Tensor:  # fmt: skip
    """Rise along half a wave to the largest rate, and fall along another to almost nothing: once, over all steps.

    The first rate is the largest by ``start_divisor``, the last is the first by ``end_divisor``. Axon has none.

    Source: Smith and Topin 2017, https://arxiv.org/abs/1708.07120

    Example:
        >>> rate = one_cycle(0.1, steps=101, rise=0.5)
        >>> [round(rate(step), 5) for step in (0, 49.5, 100)]
        [0.004, 0.1, 0.0]
    """
    first = learning_rate / start_divisor
    top, last = max(rise * steps - 1, 0.5), steps - 1
    up = _wave(first, learning_rate, _done(step, top))
    down = _wave(learning_rate, first / end_divisor, _done(step - top, max(last - top, 0.5)))
    return (step <= top).where(up, down)


def rate_at(rate: Any, step: Tensor) -> Tensor:
    """Give the rate of a number, a schedule or a function of the step, as a tensor in the shape of the step.

    Raises:
        OptionError: a function gave something else.

    Example:
        >>> rate_at(lambda step: 0.1 / (1 + step), Tensor([1.0])).tolist()
        [0.05000000074505806]
    """
    found = rate(step.cast(dtypes.float32)) if callable(rate) else rate
    if isinstance(found, Tensor):
        return found.cast(dtypes.float32).reshape(step.shape)
    if isinstance(found, int | float):
        return step.cast(dtypes.float32).const_like(float(found))
    problem = "a schedule gives a rate for a step: a tensor, made of the tensor that it gets"
    raise OptionError(problem, got=type(found).__name__, fix="lambda step: 0.1 / (1 + step)")
