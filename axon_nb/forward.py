"""Owns one forward pass: a model's layers called on tensors, with their weights, states and random streams.

Knows nothing about what is done with the results, nor how often the pass is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinygrad import Tensor

from axon_nb import hooks
from axon_nb.engine import random as streams
from axon_nb.errors import AxonError, DataError, ParamsError, ShapeError
from axon_nb.functional.dropout import box_muller
from axon_nb.graph import Model, Node, leaves, map_leaves, where
from axon_nb.params import Path
from axon_nb.scope import Scope
from axon_nb.trace import call, path_of


class RunScope(Scope):
    """The scope of a layer that is run: parameters come with their values."""

    def __init__(self, values: Values, path: Path, *, training: bool) -> None:
        super().__init__(training=training)
        self._values = values
        self._path = path

    def inside(self, name: str) -> RunScope:
        return RunScope(self._values, (*self._path, *name.split(".")), training=self.training)

    def param(self, name: str, shape: Sequence[int], initializer: Any = None, dtype: str = "float32") -> Any:
        path = (*self._path, *name.split("."))
        if path not in self._values.tensors:
            problem = f"declares {name!r} in one mode only"
            raise ParamsError(problem, fix="declare it in training and without, and use it where you need it")
        return self._values.get(path)

    def state(self, name: str, shape: Sequence[int], initializer: Any = None, dtype: str = "float32") -> Any:
        return self.param(name, shape)

    def update(self, name: str, value: Any) -> None:
        if self.training:
            self._values.updates[*self._path, *name.split(".")] = value

    def random(self, shape: Sequence[int]) -> Any:
        draw = self._values.next_draw(self._path)
        words = streams.words(self._values.seed, *self._path)
        sizes = tuple(int(s) for s in shape)
        drawn = streams.uniform(words, self._values.counter, draw, sizes, device=self._values.device)
        return drawn if self._values.spread is None else self._values.spread(drawn)

    def normal(self, shape: Sequence[int]) -> Any:
        return box_muller(self.random(shape), self.random(shape))


@dataclass
class Values:
    """What one forward pass reads and writes: weights, the states' next values, and where random streams stand."""

    tensors: Mapping[Path, Tensor]
    seed: int = 0
    counter: Tensor | None = None
    device: str | None = None
    updates: dict[Path, Tensor] = field(default_factory=dict)
    draws: dict[Path, int] = field(default_factory=dict)
    spread: Callable[[Tensor], Tensor] | None = None
    """Where several devices share the pass: puts random numbers on them."""

    def get(self, path: Path) -> Tensor:
        """Return a weight; a state that this pass has updated (a layer used twice) comes updated."""
        return self.updates[path] if path in self.updates else self.tensors[path]

    def next_draw(self, path: Path) -> int:
        """Count the draws of a layer's stream in this pass, also over several uses of the layer."""
        self.draws[path] = self.draws.get(path, -1) + 1
        return self.draws[path]


def forward(
    model: Model, values: Values, inputs: Mapping[Node, Tensor], *, training: bool,
    each: Callable[[Node, Tensor], Tensor] | None = None,
) -> Any:  # fmt: skip
    """Run a model on tensors; returns tensors nested as the outputs are. Computes nothing yet.

    Args:
        model: the model.
        values: its weights.
        inputs: a tensor for each input.
        training: the mode.
        each: what to put in place of each tensor that a layer returns.

    Raises:
        AxonError: a layer refuses its input; names the layer.
    """
    results: dict[Node, Any] = dict.fromkeys(set(model.inputs) - set(inputs))

    def finish(node: Node, value: Any) -> None:
        value = hooks.passed(model, node, "forward", value, training=training)
        results[node] = hooks.with_backward(model, node, value) if training else value

    for node in model.nodes:
        if node in inputs:
            finish(node, inputs[node])
            continue
        if node in results:
            continue
        given: list[Any] = [None if parent is None else results[parent] for parent in node.inputs]
        if node.lacks(lambda one: results[one] is None):
            results[node] = None
            continue
        if node.hooks:
            taken = given[0] if len(given) == 1 else tuple(given)
            taken = hooks.passed(model, node, "pre_forward", taken, training=training)
            given = [taken] if len(given) == 1 else list(taken)
        if node.is_input or node.is_pick:
            finish(node, given[0][node.options["index"]] if node.is_pick else given[0])
            continue
        scope = RunScope(values, path_of(model, node), training=training)
        try:
            result = call(node.layer, scope, given)
            if each is not None:
                result = map_tensors(result, functools.partial(each, node))
        except AxonError as error:
            raise error.at(where(node.layer, model.names[node])) from None
        except Exception as error:
            place = where(node.layer, model.names[node])
            got = ", ".join(str(tuple(one.shape)) for one in given if one is not None)
            raise ShapeError(str(error) or type(error).__name__, where=place, got=got) from error
        finish(node, result)
    _check_there(model, results)
    return map_leaves(model.outputs, results.__getitem__)


def _check_there(model: Model, results: Mapping[Node, Any]) -> None:
    """Check that all outputs have a value, and say which layer was the first to lack one.

    Raises:
        DataError: an output depends on an input that was left out.
    """
    if all(results[node] is not None for node in leaves(model.outputs)):
        return
    names = [repr(model.names[node]) for node in model.inputs if results[node] is None]
    first = next(node for node in model.nodes if results[node] is None and not node.is_input)
    problem = f"needs input {' and '.join(names)}, which was left out"
    fix = "give data for it, or let or_else(value, other) choose another value before this layer"
    raise DataError(problem, where=where(first.layer, model.names[first]), fix=fix)


def map_tensors(structure: Any, function: Callable[[Tensor], Any]) -> Any:
    """Put the results of a function in place of the tensors of a nested result."""
    if isinstance(structure, dict):
        return {name: map_tensors(part, function) for name, part in structure.items()}
    if isinstance(structure, tuple | list):
        return tuple(map_tensors(part, function) for part in structure)
    return function(structure)


def tensors_of(structure: Any) -> list[Tensor]:
    """List the tensors of a nested result."""
    found: list[Tensor] = []
    map_tensors(structure, found.append)
    return found


__all__ = ["Values", "forward", "map_tensors", "tensors_of"]
