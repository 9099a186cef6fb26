"""Owns the callbacks that come with the package: validation, stopping, learning rates, logs, means of weights.

Know nothing about how a run goes; each sees its ``State``. For ``fit(callbacks=[...])`` and for ``Loop.add``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME, Program
from axon_nb.errors import OptionError, brief
from axon_nb.params import Leaf, Params
from axon_nb.shapes import whole
from axon_nb.training.callback import Callback, Handler, on
from axon_nb.training.checkpoint import Checkpoint
from axon_nb.training.events import ALWAYS, CONTINUE, HALT_EPOCH, HALT_LOOP, Filter, check_events
from axon_nb.training.live import Plot
from axon_nb.training.watch import Watch

__all__ = [
    "CONTINUE", "EMA", "HALT_EPOCH", "HALT_LOOP", "Callback", "Checkpoint", "EarlyStop", "Filter", "Handler", "Log",
    "Monitor", "Plot", "ReduceLROnPlateau", "Validate", "on",
]  # fmt: skip


class Validate(Callback):
    """Work out loss and metrics on data that is only looked at, after every so many epochs: ``val_loss`` ...

    Example:
        >>> import numpy as np
        >>> Validate((np.zeros((2, 1)), np.zeros((2, 1))), every=5).name
        'Validate'
    """

    def __init__(self, data: Any, *, batch_size: int = 32, every: int = 1) -> None:
        self.data, self.batch_size = data, batch_size
        self.filters = {"epoch_completed": ALWAYS if every == 1 else Filter(every=every)}

    def started(self, state: Any) -> None:
        """Check the data before training begins."""
        state.things[id(self)] = state.recipe.feed(self.data, self.batch_size, shuffle=False)

    def epoch_completed(self, state: Any) -> None:
        """Add the numbers to those of the epoch."""
        feed = state.things[id(self)]
        numbers = state.evaluated(lambda: state.stepper.evaluated(feed.batches(0)))
        state.metrics.update({f"val_{name}": value for name, value in numbers.items()})


class EarlyStop(Watch):
    """Halt when a metric has not improved for longer than ``patience`` epochs.

    Args:
        metric: its name; ``val_loss`` where there is validation and ``loss`` else.
        mode: ``"min"`` or ``"max"``: what is better; known of losses and of the common metrics.
        patience: how many epochs without an improvement are borne.
        min_delta: how much better a value must be to count.
        restore_best: whether the result has the weights of the best epoch, not of the last.

    Example:
        >>> EarlyStop("val_accuracy", patience=5, restore_best=True).patience
        5
    """

    def __init__(self, metric: str | None = None, *, restore_best: bool = False, **options: Any) -> None:
        super().__init__(metric, **options)
        self.restore_best = restore_best

    def started(self, state: Any) -> None:
        """Choose what the run returns."""
        if self.restore_best:
            state.result_params = lambda: _params_of(state, state.kept(self)) if state.kept(self) else state.params

    def epoch_completed(self, state: Any) -> str | None:
        """Compare."""
        stuck = self.stuck(state)
        if self.restore_best and self.memory(state)["waited"] == 0 and not stuck:
            state.kept(self).update(state.params.flat)
        if not stuck:
            return None
        name = self.chosen(state)
        state.reason = f"stopped after epoch {state.epoch + 1} of {state.epochs}: {name} no longer improved"
        return HALT_LOOP


class ReduceLROnPlateau(Watch):
    """Multiply the learning rate by a factor when a metric has not improved for longer than ``patience`` epochs.

    Args:
        metric: its name; ``val_loss`` where there is validation and ``loss`` else.
        factor: what the rate is multiplied by.
        min_lr: the rate that it does not go below.
        mode: ``"min"`` or ``"max"``: what is better.
        patience: how many epochs without an improvement are borne.
        min_delta: how much better a value must be to count.

    Example:
        >>> ReduceLROnPlateau(factor=0.5).factor
        0.5
    """

    def __init__(self, metric: str | None = None, *, factor: float = 0.1, min_lr: float = 0.0, **options: Any) -> None:
        super().__init__(metric, **options)
        if not isinstance(factor, int | float) or not 0 < factor < 1:
            problem = "factor is a number between 0 and 1"
            raise OptionError(problem, got=brief(factor))
        self.factor, self.min_lr = factor, min_lr

    def epoch_completed(self, state: Any) -> None:
        """Compare."""
        if self.stuck(state):
            rate = state.learning_rate
            state.learning_rate = max(rate * self.factor, min(self.min_lr, rate))


class Monitor(Watch):
    """Call a function of the state when a metric has not improved for longer than ``patience`` epochs.

    Example:
        >>> Monitor("loss", lambda state: "halt_epoch").metric
        'loss'
    """

    def __init__(self, metric: str | None, function: Callable[[Any], Any], **options: Any) -> None:
        super().__init__(metric, **options)
        self.function = function

    def epoch_completed(self, state: Any) -> Any:
        """Compare."""
        return self.function(state) if self.stuck(state) else None


class Log(Callback):
    """Print a line from time to time.

    Args:
        message: makes the line from the state; by default epoch, loss and metrics.
        event: when: ``"epoch_completed"``, ``"iteration_completed"`` ...
        every: how many of these lie between two lines.
        write: what takes the line.

    Example:
        >>> lines = []
        >>> log = Log(lambda state: f"epoch {state.epoch}", write=lines.append)
    """

    def __init__(
        self, message: Callable[[Any], str] | None = None, *, event: str = "epoch_completed", every: int = 1,
        write: Callable[[str], Any] | None = None,
    ) -> None:  # fmt: skip
        self.message, self.write = message or _told, write or _print
        self.events, self.every = check_events(event), _at_least_1(every, "every")

    def handlers(self) -> list[tuple[str, Callable[[Any], Any], Filter]]:
        """List the events."""
        return [(event, self._tell, ALWAYS) for event in self.events]

    def _tell(self, state: Any) -> None:
        if state.counts[state.event][0] % self.every == 0:
            self.write(self.message(state))


def _told(state: Any) -> str:
    numbers = [f"{name} {value:.4g}" for name, value in state.metrics.items() if isinstance(value, int | float)]
    return ", ".join([f"epoch {state.epoch + 1}/{state.epochs}, step {state.iteration}", *numbers])


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")


class EMA(Callback):
    """Keep an exponential mean of the weights; validation looks at it, and the result has it.

    Each step, mean = decay * mean + (1 - decay) * weights, with a decay that rises with the steps at first:
    min(decay, (1 + step) / (10 + step)).

    Source: Polyak and Juditsky 1992; the rise as in TensorFlow's ExponentialMovingAverage.

    Example:
        >>> EMA(0.99).decay
        0.99
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not isinstance(decay, int | float) or not 0 < decay < 1:
            problem = "decay is a number between 0 and 1"
            raise OptionError(problem, got=brief(decay))
        self.decay = decay

    def started(self, state: Any) -> None:
        """Begin with the weights as they are."""
        means = state.kept(self)
        with RUNTIME:
            if not means:
                means.update(state.params.flat)
                means["steps"] = Tensor([0.0], device=state.stepper.device).contiguous().realize()
            for tensor in means.values():
                tensor.replace(tensor.contiguous().realize())
        weights = {".".join(path): tensor for path, tensor in state.stepper.weights.items()}

        def update() -> None:
            steps = means["steps"]
            decay = ((1 + steps) / (10 + steps)).minimum(self.decay)
            changed = [
                means[name].assign(_mixed(means[name], tensor.detach(), decay)) for name, tensor in weights.items()
            ]
            Tensor.realize(*changed, steps.assign(steps + 1))

        state.things[id(self)] = Program(update, "mean of weights", state=[*means.values(), *weights.values()])
        state.result_params = state.viewed_params = lambda: _params_of(state, means)

    def iteration_completed(self, state: Any) -> None:
        """Take the mean further."""
        state.things[id(self)]()


def _mixed(mean: Tensor, weight: Tensor, decay: Tensor) -> Tensor:
    if "float" not in str(mean.dtype) and "half" not in str(mean.dtype):
        return weight  # a counter
    return (decay * mean.cast("float32") + (1 - decay) * weight.cast("float32")).cast(mean.dtype)


def _params_of(state: Any, tensors: dict[str, Tensor]) -> Params:
    leaves = state.params.leaves
    return Params({path: Leaf(tensors[".".join(path)], leaf.kind) for path, leaf in leaves.items()}).copy()


def _at_least_1(value: Any, name: str) -> int:
    if whole(value) is None or value < 1:
        problem = f"{name} is a whole number of at least 1"
        raise OptionError(problem, got=brief(value))
    return int(value)
