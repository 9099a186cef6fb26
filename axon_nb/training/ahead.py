"""Owns what is compiled while a person looks at a model: the steps of the training that is likely to come next.

Knows nothing about processes and notebooks. The likely training is the last one, of the model as it is now; before the
first, one of the usual kind. A wrong guess costs time that nobody else wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axon_nb.compiled import Compiled, predicted
from axon_nb.data import Kind
from axon_nb.engine import AHEAD, SETTINGS, default_device
from axon_nb.graph import Model, Node
from axon_nb.initial import draw
from axon_nb.lazy import numpy as np
from axon_nb.serialize.writer import lacking
from axon_nb.training.recipe import Recipe
from axon_nb.training.step import Trainer

_BATCH = 32
_FREE_BYTES = 1 << 30
"""Memory that must be free: the other process takes a few hundred megabytes."""
_LOSSES = {"softmax": "categorical_cross_entropy", "sigmoid": "binary_cross_entropy", None: "mean_squared_error"}


@dataclass(frozen=True)
class Habit:
    """How a person trained last: the recipe, and the kinds of batches that there were."""

    recipe: Recipe
    kinds: tuple[Kind, ...]


_last: list[Habit] = []


def remember(recipe: Any, trainer: Any) -> None:
    """Note how a model was trained; steps of one's own are not guessed at."""
    if isinstance(recipe, Recipe) and isinstance(trainer, Trainer) and (kinds := tuple(trainer.kinds)):
        _last[:] = [Habit(recipe, kinds)]


def begin(model: Model) -> bool:
    """Start compiling for a model in another process, and tell whether that was done."""
    if not (SETTINGS.ahead and SETTINGS.cache and SETTINGS.fast) or default_device() != "CPU" or not _has_room():
        return False
    made = tasks(model)
    return bool(made) and not lacking(model) and AHEAD.begin(made)


def tasks(model: Model) -> list[Callable[[], Any]]:
    """List what is likely to be wanted of a model: its steps first, then what it is to predict."""
    if not _last:
        return [Guess(model, loss, looks) for loss in _losses(model) for looks in (("accuracy",), ())]
    habit = _last[0]
    if habit.recipe.spread.shares or habit.recipe.on != "CPU" or habit.recipe.model is model:
        return []
    steps = Steps(replace(habit.recipe, model=model), habit.kinds)
    return [steps, *(Predictions(model, kind) for kind in predicted(habit.recipe.model))]


@dataclass(frozen=True)
class Steps:
    """Records the steps of a training like another one."""

    recipe: Recipe
    kinds: tuple[Kind, ...]

    def __call__(self) -> None:
        """Do it."""
        first = self.kinds[0]
        shapes = {name: kind[0] for name, kind in zip(first.inputs, first.tensors, strict=False)}
        trainer = self.recipe.stepper(draw(self.recipe.model, self.recipe.seed, None, shapes))
        for kind in sorted(self.kinds, key=lambda kind: not kind.training):
            trainer.prepare_kind(kind)


@dataclass(frozen=True)
class Predictions:
    """Records the model's run on data like that of another one."""

    model: Model
    kind: Kind

    def __call__(self) -> None:
        """Do it."""
        shapes = {name: kind[0] for name, kind in zip(self.kind.inputs, self.kind.tensors, strict=True)}
        Compiled(self.model, draw(self.model, 0, None, shapes)).prepare(self.kind)


@dataclass(frozen=True)
class Guess:
    """Records the steps of the usual training: Adam, batches of 32, labels as numbers."""

    model: Model
    loss: str
    metrics: tuple[str, ...]

    def __call__(self) -> None:
        """Do it."""
        recipe = Recipe(self.model, self.loss, "adam").with_metrics(self.metrics)
        x = {
            self.model.names[node]: np.zeros((2 * _BATCH, *node.options["shape"][1:]), node.options["dtype"])
            for node in self.model.inputs
        }
        feed = recipe.feed((x, self._labels()), _BATCH)
        trainer = recipe.stepper(recipe.start(feed, None))
        tensors = trainer.load(next(iter(feed.batches(0))))
        trainer.prepare(tensors)
        trainer.prepare_evaluation(tensors)

    def _labels(self) -> Any:
        if self.loss == _LOSSES["softmax"]:
            return np.zeros(2 * _BATCH, np.int64)
        shape = self.model.compute_output_shape()  # type: ignore[attr-defined]  # a verb
        return np.zeros((2 * _BATCH, *shape[1:]), np.float32)


def _losses(model: Model) -> tuple[str, ...]:
    """Name the loss that goes with the last activation; none where sizes are unknown, or outputs several."""
    last = model.outputs
    known = all(node.options["shape"] and None not in node.options["shape"][1:] for node in model.inputs)
    if not known or not isinstance(last, Node):
        return ()
    activation = last.op if last.op in _LOSSES else last.options.get("activation")
    return (_LOSSES.get(activation, _LOSSES[None]),) if isinstance(activation, str | None) else ()


def _has_room() -> bool:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")) > _FREE_BYTES
    except (OSError, StopIteration, ValueError, IndexError):
        return True  # a system that does not say


__all__ = ["Guess", "Habit", "Predictions", "Steps", "begin", "remember", "tasks"]
