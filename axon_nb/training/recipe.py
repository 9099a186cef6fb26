"""Owns what training a model needs before it runs: the goals of its outputs, its data, its steps, its result.

Knows nothing about epochs or events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from axon_nb.errors import DataError, OptionError
from axon_nb.functional.loss import class_axis
from axon_nb.functional.losses import losses
from axon_nb.functional.metric import base_of
from axon_nb.graph import Model, Node, leaves, where
from axon_nb.initial import draw
from axon_nb.params import Params
from axon_nb.shapes import show
from axon_nb.trace import Trace, trace
from axon_nb.training.feed import Feed, make_feed
from axon_nb.training.goal import Goal, Goals, make_goals, named_metrics
from axon_nb.training.labels import check_labels, prepare_labels
from axon_nb.training.loss_scale import as_loss_scale
from axon_nb.training.memory import check_memory
from axon_nb.training.mending import Mending, check_probabilities
from axon_nb.training.optimizers import as_optimizer
from axon_nb.training.spread import Spread, as_spread
from axon_nb.training.step import Trainer, flat_shapes
from axon_nb.training.trained import History, Trained


@dataclass(frozen=True, eq=False)
class Recipe:
    """A model, what it is trained for, and how; or, where it does not train, what it is measured by."""

    model: Model
    loss: Any
    optimizer: Any
    metrics: tuple[tuple[str | None, Any], ...] = ()
    loss_weights: Any = None
    class_weights: Any = None
    seed: int = 0
    device: str | None = None
    trains: bool = True
    devices: Any = None
    loss_scale: Any = None

    def __post_init__(self) -> None:
        self.goals  # noqa: B018 - refuses now what it would refuse when it runs
        if self.trains:
            object.__setattr__(self, "optimizer", as_optimizer(self.optimizer))
        object.__setattr__(self, "loss_scale", as_loss_scale(self.loss_scale))

    def with_metrics(self, given: Any) -> Recipe:
        """Add metrics: as ``fit`` takes them."""
        if isinstance(given, Mapping):
            pairs: list[tuple[str | None, Any]] = [(str(name), one) for name, one in given.items()]
        else:
            pairs = [(None, one) for one in ([given] if isinstance(given, str) or callable(given) else given)]
        return replace(self, metrics=(*self.metrics, *pairs))

    @property
    def outputs(self) -> list[str]:
        """Names of the model's outputs; [""] of one."""
        return output_names(self.model)

    @property
    def goals(self) -> Goals:
        """The goals of the outputs."""
        return make_goals(self.outputs, self.loss, self._looks(), self.class_weights, self.loss_weights)

    def _looks(self) -> Any:
        names = self.outputs
        by_output = {name: one for name, one in self.metrics if name is not None}
        if len(names) > 1 and set(by_output) & set(names):
            return by_output
        listed = [one for name, one in self.metrics if name is None]
        return {**named_metrics(listed), **by_output} if by_output else listed

    @property
    def on(self) -> str:
        """The device, the first of several."""
        return self.spread.first

    @property
    def spread(self) -> Spread:
        """The devices."""
        return as_spread(self.device, self.devices)

    def feed(self, data: Any, batch_size: int, *, shuffle: bool = True, steps: int | None = None) -> Feed:
        """Make batches of data."""
        return make_feed(self.model, data, batch_size, self.seed, self.labels, shuffle=shuffle, steps=steps)

    def stepper(self, params: Params) -> Trainer:
        """Make what takes the steps."""
        return Trainer(
            self.model, params, self.goals, self.optimizer, seed=self.seed, device=self.on, spread=self.spread,
            loss_scale=self.loss_scale,
        )  # fmt: skip

    def start(self, feed: Feed, like: Any) -> Params:
        """Draw first weights, or keep those that fit."""
        if self.on.startswith("CPU"):
            check_memory(self.model, feed.shapes)
        return draw(self.model, self.seed, like, feed.shapes)

    def result(self, params: Params, history: History, note: str) -> Trained:
        """Make what training returns."""
        return Trained(self.model, params, history, Evaluator(self), note)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint is for: JSON that is the same for the same training."""
        return {
            "nodes": [[name, node.op] for node, name in self.model.names.items()],
            "optimizer": repr(self.optimizer),
            "seed": self.seed,
            **({"loss_scale": repr(self.loss_scale)} if self.loss_scale.name != "identity" else {}),
        }

    def labels(self, y: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Any, ...]:
        """Check labels against the outputs for inputs of these shapes; return them by output."""
        samples = next(iter(shapes.values()))[0]
        absent = {node for node in self.model.inputs if self.model.names[node] not in shapes}
        traced = trace(self.model, dict(shapes), absent).check()
        found = flat_shapes(traced.output_shape)
        nodes = list(leaves(self.model.outputs))
        if len(found) != len(nodes):
            place = where(nodes[0].layer, self.model.names[nodes[0]])
            problem = f"fit trains models with one output, and {place} gives {len(found)}"
            raise DataError(problem, got=", ".join(map(show, found)), fix="unpack them, and join what is trained")
        goals = self.goals
        given = _by_output(y, self.outputs)
        parts = zip(given, nodes, found, goals.parts.values(), strict=True)
        return tuple(self._labels(one, samples, node, shape, goal, traced) for one, node, shape, goal in parts)

    def _labels(self, y: Any, samples: int, node: Node, shape: tuple[int, ...], goal: Goal, traced: Trace) -> Any:
        function = base_of(goal.loss)
        name = next((name for name, known in losses.items() if known is function), None)
        axis = goal.axis
        if name is None:
            array = check_labels(y, samples)
        else:
            place = where(node.layer, self.model.names[node])
            mending = Mending(self.model, node, traced, y, samples, name)
            try:
                array = prepare_labels(y, samples, shape, name, place, axis)
            except DataError as error:
                raise mending.of_labels(error) from error.__cause__
            try:
                if self.trains:
                    check_probabilities(goal.loss, name, node, shape, place)
            except DataError as error:
                raise mending.of_probabilities(error) from error.__cause__
        _check_class_weights(goal.class_weights, name, shape[class_axis(array.shape, shape, axis)] if shape else 1)
        return array


def output_names(model: Model) -> list[str]:
    """Name a model's outputs: by key, or "output_0" ...; [""] where there is one.

    Example:
        >>> from axon_nb import dense, input
        >>> output_names(input((None, 3)) | dense(1))
        ['']
    """
    if isinstance(model.outputs, Node):
        return [""]
    if isinstance(model.outputs, dict) and all(isinstance(one, Node) for one in model.outputs.values()):
        return list(model.outputs)
    return [f"output_{at}" for at, _ in enumerate(leaves(model.outputs))]


def _by_output(y: Any, outputs: list[str]) -> tuple[Any, ...]:
    if len(outputs) == 1:
        return (y[0] if isinstance(y, tuple) and len(y) == 1 else y,)
    if isinstance(y, Mapping) and set(map(str, y)) == set(outputs):
        return tuple(y[name] for name in outputs)
    if isinstance(y, tuple | list) and len(y) == len(outputs):
        return tuple(y)
    problem = f"the labels are for {len(outputs)} outputs: {', '.join(outputs)}"
    example = ", ".join(f"{name!r}: ..." for name in outputs)
    got = ", ".join(map(str, y)) if isinstance(y, Mapping) else type(y).__name__
    raise DataError(problem, got=got, fix=f"fit((x, {{{example}}}), ...), or a tuple in this order")


class Evaluator:
    """Works out loss and metrics of weights on data, as training saw them."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def __call__(self, params: Params, data: Any, batch_size: int) -> dict[str, Any]:
        """Return loss and metrics by name."""
        recipe = replace(self.recipe, optimizer=None, trains=False)
        feed = recipe.feed(data, batch_size, shuffle=False)
        return recipe.stepper(params).evaluated(feed.batches(0))


def _check_class_weights(weights: Mapping[int, float] | None, loss: str | None, outputs: int) -> None:
    if weights is None:
        return
    kind = getattr(losses[loss], "labels", "numbers") if loss is not None else "classes"
    classes = 2 if kind in ("chances", "signs") and outputs == 1 else outputs
    if kind != "classes" and classes != 2:
        problem = f"class_weights go with classes, and {loss} has none"
        raise OptionError(problem)
    if max(weights) >= classes:
        problem = f"class_weights has a weight for class {max(weights)}, and the classes are 0 to {classes - 1}"
        raise OptionError(problem)


__all__ = ["Evaluator", "Recipe", "output_names"]
