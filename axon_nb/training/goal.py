"""Owns what training aims at and looks at: the loss, the weights of classes, and the metrics, as sums over batches.

Knows nothing about models, steps or data.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.declaration import name_of
from axon_nb.errors import OptionError, brief
from axon_nb.functional.loss import class_axis
from axon_nb.functional.losses import losses
from axon_nb.functional.metric import Metric, as_metric, as_tensor, base_of, for_each, knows_samples, option_of
from axon_nb.functional.metrics import metrics as known_metrics
from axon_nb.lazy import numpy as np

PerSample = Callable[[Tensor, Tensor], Tensor]
"""From labels and predictions to one number per sample, or one number for all."""


@dataclass(frozen=True)
class Goal:
    """What a step works out beside the output: the loss and the metrics, by name."""

    loss: PerSample
    metrics: Mapping[str, Any]
    """A `Metric`, or a function of labels and predictions, whose mean is reported."""
    class_weights: Mapping[int, float] | None = None
    """How much the samples of a class count; 1 for a class that is not named."""
    per_sample: bool = True
    """Whether loss and metrics give one number per sample, so that padded samples can be left out."""

    @property
    def axis(self) -> int | None:
        """Where the output has the classes, if the loss was given that."""
        return option_of(self.loss, "axis") if getattr(base_of(self.loss), "labels", "") == "classes" else None

    @property
    def pooled(self) -> dict[str, Metric]:
        """The metrics as such."""
        return {name: as_metric(metric, name) for name, metric in self.metrics.items()}

    def weigh(self, y_true: Tensor, y_pred: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses, each by its weight, and the sum of the weights: their quotient is minimised.

        Args:
            y_true: labels.
            y_pred: the output.
            counted: 1 for each sample that counts and 0 for padding; ``None`` where all count.
        """
        each = as_tensor(self.loss(y_true, y_pred), "the loss").cast("float32")
        weights = counted if self.class_weights is None else self._weights(each, y_true, y_pred, counted)
        if not each.shape:
            samples = int(y_pred.shape[0])
            return each * samples, each.const_like(samples)
        if weights is None:
            return each.sum(), each.const_like(1).sum()
        spread = weights.reshape(*weights.shape, *(1 for _ in each.shape[weights.ndim :])).expand(each.shape)
        return (each * spread).sum(), spread.sum()

    def each_sample(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return one loss for each sample: (batch,)."""
        each = as_tensor(self.loss(y_true, y_pred), "the loss").cast("float32")
        if not each.shape:
            return each.expand(y_pred.shape[0])
        return each.reshape(each.shape[0], -1).mean(1)

    def _weights(self, each: Tensor, y_true: Tensor, y_pred: Tensor, counted: Tensor | None) -> Tensor:
        axis = class_axis(y_true.shape, y_pred.shape, self.axis)
        if each.shape != (*y_pred.shape[:axis], *y_pred.shape[axis + 1 :]):
            problem = "class_weights need a loss that gives one number per sample"
            raise OptionError(problem, got=f"loss {each.shape} for an output {y_pred.shape}")
        if y_true.shape == each.shape:
            classes = y_true
        else:
            classes = y_true.argmax(axis) if y_true.shape[axis] > 1 else y_true.squeeze(axis)
        picked = Tensor.ones_like(each)
        for number, weight in (self.class_weights or {}).items():
            picked = (classes == number).where(weight, picked)
        return picked if counted is None else picked * counted.reshape(-1, *(1 for _ in picked.shape[1:]))


@dataclass(frozen=True)
class Goals:
    """A goal for each output of a model; what is minimised is the sum of their losses, each by its weight."""

    parts: Mapping[str, Goal]
    """By name of the output; of the only output by ""."""
    loss_weights: tuple[float, ...] = (1.0,)

    @property
    def per_sample(self) -> bool:
        """Whether padded samples can be left out of everything."""
        return all(goal.per_sample for goal in self.parts.values())

    @functools.cached_property
    def pooled(self) -> dict[str, tuple[int, Metric]]:
        """All metrics by name, each with the number of the output it is for; with several outputs, their losses."""
        if len(self.parts) == 1:
            (goal,) = self.parts.values()
            return {name: (0, metric) for name, metric in goal.pooled.items()}
        found: dict[str, tuple[int, Metric]] = {}
        for at, (output, goal) in enumerate(self.parts.items()):
            own = {"loss": as_metric(goal.loss, "loss"), **goal.pooled}
            found |= {f"{output}_{name}": (at, metric) for name, metric in own.items()}
        return found

    @property
    def names(self) -> list[str]:
        """Names of the metrics."""
        return list(self.pooled)

    @functools.cached_property
    def adds(self) -> bool:
        """Whether the sums of all metrics just add up."""
        return all(metric.merge is operator.add for _, metric in self.pooled.values())

    def weigh(self, true: list[Tensor], pred: list[Tensor], weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses, each by its weight, and the sum of the weights: their quotient is minimised."""
        goals = list(self.parts.values())
        if len(goals) == 1:
            total, weight = goals[0].weigh(true[0], pred[0], weights)
            return total * self.loss_weights[0], weight
        pairs = zip(goals, true, pred, self.loss_weights, strict=True)
        each = [goal.each_sample(y, p) * share for goal, y, p, share in pairs]
        losses_ = functools.reduce(operator.add, each)
        counted = losses_.const_like(1) if weights is None else weights
        return (losses_ * counted).sum(), counted.sum()

    def sums(self, true: list[Tensor], pred: list[Tensor], counted: Tensor | None) -> list[Tensor]:
        """Return the sums of a batch that each metric is made of."""
        return [metric.measure(true[at], pred[at], counted) for at, metric in self.pooled.values()]

    def merge(self, old: list[Tensor], new: list[Tensor]) -> list[Tensor]:
        """Join the metrics' sums of earlier batches with those of another."""
        return [one.merge(a, b) for (_, one), a, b in zip(self.pooled.values(), old, new, strict=True)]

    def read(self, sums: Iterable[np.ndarray]) -> dict[str, Any]:
        """Make the metrics' values of their sums."""
        return {name: metric.value(one) for (name, (_, metric)), one in zip(self.pooled.items(), sums, strict=True)}


def make_goals(outputs: list[str], loss: Any, metrics: Any, class_weights: Any, loss_weights: Any = None) -> Goals:
    """Make the goals of a model's outputs from what a user gave.

    Args:
        outputs: names of the outputs: of a dict its keys, of a tuple "output_0" ...; of one output [""].
        loss: one for all outputs; or a tuple or dict with one for each.
        metrics: as for one output; or a dict of them by output.
        class_weights: as for one output.
        loss_weights: how much each loss counts: a tuple, or a dict by output.

    Raises:
        OptionError: one of them is something else, or names no output.
    """
    if len(outputs) == 1:
        weights = _shares(loss_weights, outputs)
        loss = loss[0] if isinstance(loss, tuple | list) and len(loss) == 1 else loss
        return Goals({"": make_goal(loss, metrics, class_weights)}, weights)
    if class_weights is not None:
        problem = "class_weights are for a model with one output"
        raise OptionError(problem, got=f"outputs {', '.join(outputs)}", fix="sample weights: fit((x, y, weights), ...)")
    each = _by_output(loss, outputs, "loss")
    shared = not (isinstance(metrics, Mapping) and set(map(str, metrics)) <= set(outputs))
    looks = dict.fromkeys(outputs, metrics) if shared else {name: metrics.get(name, ()) for name in outputs}
    return Goals({n: make_goal(each[n], looks[n], None) for n in outputs}, _shares(loss_weights, outputs))


def _by_output(given: Any, outputs: list[str], what: str) -> dict[str, Any]:
    """Part what is given for several outputs."""
    if isinstance(given, Mapping):
        if set(map(str, given)) == set(outputs):
            return {name: given[name] for name in outputs}
    elif not isinstance(given, tuple | list):
        return dict.fromkeys(outputs, given)
    elif len(given) == len(outputs):
        return dict(zip(outputs, given, strict=True))
    problem = f"the model has {len(outputs)} outputs: {', '.join(outputs)}"
    example = ", ".join(f"{name!r}: ..." for name in outputs)
    raise OptionError(problem, got=f"{what} {brief(given)}", fix=f"a dict: {what}={{{example}}}")


def _shares(given: Any, outputs: list[str]) -> tuple[float, ...]:
    if given is None:
        return (1.0,) * len(outputs)
    many = _by_output(given, outputs, "loss_weights")
    if not all(isinstance(w, int | float) and 0 <= w < math.inf for w in many.values()) or not any(many.values()):
        problem = "loss_weights are numbers of at least 0, and not all 0"
        raise OptionError(problem, got=brief(given))
    return tuple(float(w) for w in many.values())


def make_goal(loss: Any, metrics: Any, class_weights: Any) -> Goal:
    """Make a goal of what a user gave.

    Args:
        loss: a name, a loss with options, or a function of y_true and y_pred.
        metrics: names, metrics, or functions of y_true and y_pred; or a dict of them by the name to show.
        class_weights: how much each class counts: a list, or a dict by class number.

    Raises:
        OptionError: one of them is something else.
        UnknownNameError: there is no loss or metric of that name.

    Example:
        >>> list(make_goal("mean_squared_error", ["accuracy", "r2"], None).metrics)
        ['accuracy', 'r2']
    """
    function = losses[loss] if isinstance(loss, str) else loss
    _check_callable(function, "loss", losses)
    named = named_metrics(metrics)
    known = knows_samples(function) and all(one.by_sample for one in named.values())
    return Goal(for_each(function), named, _class_weights(class_weights), known)


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Name metrics: names, metrics or functions; or a dict of them by the name to show.

    Example:
        >>> list(named_metrics(["accuracy", "accuracy"]))
        ['accuracy', 'accuracy_2']
    """
    if isinstance(metrics, Mapping):
        pairs = list(metrics.items())
    else:
        chosen = [metrics] if isinstance(metrics, str) or callable(metrics) else list(metrics)
        pairs = [(None, one) for one in chosen]
    named: dict[str, Metric] = {}
    for name, one in pairs:
        found = known_metrics[one] if isinstance(one, str) else one
        _check_callable(found, "metric", known_metrics)
        key = str(name) if name is not None else _unused_name(found, named)
        if key == "loss":
            problem = "a metric cannot be called 'loss'"
            raise OptionError(problem)
        named[key] = as_metric(found, key)
    return named


def _check_callable(value: Any, kind: str, known: Iterable[str]) -> None:
    if not callable(value):
        problem = f"a {kind} is a name or a function of y_true and y_pred"
        raise OptionError(problem, got=brief(value), fix=f"by name there are: {', '.join(known)}")


def _unused_name(metric: Any, taken: Iterable[str]) -> str:
    name = metric.name if isinstance(metric, Metric) else name_of(base_of(metric))
    numbered = (name if n == 1 else f"{name}_{n}" for n in itertools.count(1))
    return next(one for one in numbered if one != "loss" and one not in taken)


def _class_weights(given: Any) -> dict[int, float] | None:
    if given is None:
        return None
    try:
        pairs = given.items() if isinstance(given, Mapping) else enumerate(given)
        weights = {operator.index(number): float(weight) for number, weight in pairs}
    except (TypeError, ValueError):
        weights = {}
    fine = weights and min(weights) >= 0 and all(0 <= w < math.inf for w in weights.values())
    if not fine or not (isinstance(given, Mapping) or any(weights.values())):
        problem = "class_weights are numbers of at least 0 by class number, and not all 0"
        fix = "class_weights={0: 1.0, 1: 5.0}, or a list with one for each class"
        raise OptionError(problem, got=brief(given), fix=fix)
    return weights
