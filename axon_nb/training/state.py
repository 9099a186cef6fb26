"""Owns what handlers see of a run: how far it is, its numbers, its weights; and what they may change.

Knows nothing about how steps are taken.
"""

from __future__ import annotations

from typing import Any

from axon_nb.training.callback import Callback
from axon_nb.training.events import EVENTS

History = dict[str, list[Any]]


class State:
    """A run as its handlers see it.

    * ``epoch``: number of the epoch, from 0; ``epochs``: how many there will be.
    * ``iteration``: steps taken in this epoch; ``steps``: in the whole run; ``event``: the event being handled.
    * ``metrics``: the loss and metrics of this epoch so far, by name; when it is completed, with validation. Reading
      them during an epoch waits for the device.
    * ``history``: a list by name, one value for each completed epoch.
    * ``learning_rate``: of the next step; may be set. ``params``: a copy of the weights.
    * ``event_counts``: how often each event came, in total.
    """

    def __init__(self, stepper: Any, epochs: int) -> None:
        self.stepper = stepper
        self.epochs = epochs
        self.epoch = self.iteration = self.steps = 0
        self.event = "started"
        self.history: History = {}
        self.batch: Any = None
        """The batch of the last step."""
        self.samples = 0
        """Samples seen in steps of the whole run."""
        self.feed: Any = None
        self.seed = 0
        self.status = "running"
        self.reason = ""
        """Why a handler halted the run, if it says so."""
        self.counts = {name: [0, 0] for name in EVENTS}
        self.memories: dict[str, dict[str, Any]] = {}
        self.keys: dict[int, str] = {}
        self.numbers: dict[str, Any] | None = None
        self.result_params: Any = None
        """Makes the weights to return, in place of the last ones."""
        self.viewed_params: Any = None
        """Makes the weights that validation looks at, in place of the last ones."""
        self.recipe: Any = None
        self.things: dict[int, Any] = {}
        """What callbacks hold on to while they run, by their id: programs, open views."""
        self.keeps: dict[str, dict[str, Any]] = {}

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self.stepper.model

    @property
    def metrics(self) -> dict[str, Any]:
        """Loss and metrics of this epoch so far."""
        if self.numbers is None:
            self.numbers = self.stepper.read()
        return self.numbers

    @property
    def params(self) -> Any:
        """A copy of the weights."""
        return self.stepper.params

    @params.setter
    def params(self, value: Any) -> None:
        self.stepper.restore(value)

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.stepper.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.stepper.learning_rate = value

    @property
    def event_counts(self) -> dict[str, int]:
        """How often each event came."""
        return {name: total for name, (total, _) in self.counts.items() if total}

    def memory(self, callback: Callback) -> dict[str, Any]:
        """Return what a callback remembers in this run: a dict of JSON values that is its own."""
        return self.memories.setdefault(self.keys[id(callback)], {})

    def kept(self, callback: Callback) -> dict[str, Any]:
        """Return the tensors of a callback, by name, which checkpoints keep too."""
        return self.keeps.setdefault(self.keys[id(callback)], {})

    def stepper_names(self, stored: Any) -> list[str]:
        """List the tensors of a checkpoint that are the stepper's."""
        return [name for name in stored.names if not name.startswith("kept/")]

    def evaluated(self, look: Any) -> Any:
        """Call a function while the weights are those that validation looks at."""
        if self.viewed_params is None:
            return look()
        own = self.params
        self.params = self.viewed_params()
        try:
            return look()
        finally:
            self.params = own

    @property
    def position(self) -> tuple[int, int]:
        """Where a run would go on that is resumed now: epoch and step."""
        return (self.epoch + 1, 0) if self.event == "epoch_completed" else (self.epoch, self.iteration)

    @property
    def completed(self) -> History:
        """The history with what is known of this epoch."""
        if self.event != "epoch_completed":
            return self.history
        return joined(self.history, self.metrics, self.epoch)


def joined(history: History, numbers: dict[str, Any], epochs: int) -> History:
    """Add an epoch's numbers; where one is missing, now or before, there is NaN.

    Example:
        >>> joined({"loss": [1.0]}, {"loss": 0.5, "val_loss": 0.7}, 1)
        {'loss': [1.0, 0.5], 'val_loss': [nan, 0.7]}
    """
    nan = float("nan")
    names = [*history, *(name for name in numbers if name not in history)]
    return {name: [*history.get(name, [nan] * epochs), numbers.get(name, nan)] for name in names}
