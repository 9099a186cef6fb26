"""Owns what is commonly wrong between a model's output, its labels and the loss; each way out is tried.

Knows nothing about how a model is trained: whoever asks says whether a model, a loss and labels go together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from axon_nb.advice.finding import tried
from axon_nb.advice.problem import Candidate, Problem, make
from axon_nb.errors import AxonError, DataError, Fix
from axon_nb.graph import Model, Node
from axon_nb.trace import NodeTrace

CLASSES, CHANCES, AMOUNTS = "categorical_cross_entropy", "binary_cross_entropy", "mean_squared_error"
_RECURRENT = ("lstm", "gru", "rnn", "conv_lstm")


@dataclass(frozen=True)
class Labels:
    """What is known of labels: their shape, whether all are whole numbers, the least and the largest."""

    shape: tuple[int, ...]
    whole: bool
    low: float
    high: float

    @property
    def one_hot(self) -> bool:
        """Whether they look like rows with a one in each."""
        return len(self.shape) > 1 and self.shape[-1] > 1 and 0 <= self.low <= self.high <= 1


Fits = Callable[[Model, str, float], bool]
"""Says whether a model can be trained with a loss, by name, on the labels moved by a number."""


@dataclass(frozen=True)
class _Way:
    """A model to be trained with a loss on labels that are moved by a number."""

    change: Candidate
    loss: str
    move: float = 0

    def fitting(self, fits: Fits) -> Callable[[Model], bool]:
        """Return what says whether the model that is made can be trained so."""
        return lambda made: fits(made, self.loss, self.move)


def find(
    model: Model, node: Node, known: dict[Node, NodeTrace], labels: Labels, loss: str, error: AxonError, fits: Fits
) -> tuple[Fix, ...]:
    """Find changes of the model, the loss or the labels after which they go together, the least first."""
    ways = sorted(_ways(Problem(model, node, known, error), labels, loss), key=lambda way: way.change.cost)
    return tried(((way.change, way.fitting(fits)) for way in ways), worse=math.inf)


def _ways(problem: Problem, labels: Labels, loss: str) -> Iterator[_Way]:
    output = problem.shape(problem.node)
    classes = int(labels.high) + 1 if labels.whole and labels.low >= 0 else 0
    numbers = not labels.one_hot and labels.whole
    other = loss not in (CLASSES, CHANCES)
    if numbers and other and classes > 1:  # one-hot against integers
        yield _Way(_with_loss(problem, 0.5, CLASSES), CLASSES)
    if labels.one_hot and loss == CHANCES:
        yield _Way(_units(problem, 0.6, labels.shape[-1], "softmax", CLASSES), CLASSES)
    if loss == CHANCES and numbers and classes > 2:
        yield _Way(_units(problem, 0.6, classes, "softmax", CLASSES), CLASSES)
    if loss == CLASSES and numbers and classes == 2 and output[-1:] == (1,):
        yield _Way(_units(problem, 0.4, 1, "sigmoid", CHANCES), CHANCES)
    if loss == CLASSES and numbers and labels.low == 1 and classes - 1 in (*output[-1:], *output[1:2]):
        yield _Way(Candidate(0.3, "subtract 1 from the labels: y - 1", "y - 1", lambda: problem.model), loss, -1)
    yield from _shapes(problem, labels, loss, classes, numbers=numbers)
    if loss == CLASSES and not labels.whole and not labels.one_hot:
        yield _Way(_units(problem, 1.5, 1, "linear", AMOUNTS), AMOUNTS)
    if other and not labels.whole and labels.shape == output[:1]:
        yield _Way(_units(problem, 0.8, 1, None, loss), loss)


def _shapes(problem: Problem, labels: Labels, loss: str, classes: int, *, numbers: bool) -> Iterator[_Way]:
    """Another number of units, or one answer for each sample where there is one for each place."""
    output = problem.shape(problem.node)
    if numbers and loss == CLASSES and classes > 1:
        yield _Way(_units(problem, 0.7, classes, None, loss), loss)
    if not numbers and len(labels.shape) == len(output) > 1:
        yield _Way(_units(problem, 0.7, labels.shape[-1], None, loss), loss)
    if len(labels.shape) >= len(output) or len(output) < 3:
        if numbers and len(labels.shape) == 1 and loss != CLASSES:
            yield _Way(_units(problem, 0.9, 1, None, loss), loss)
        return
    for node in problem.above(problem.node):
        if node.op in _RECURRENT and node.options.get("return_sequence"):
            yield _Way(problem.change(0.4, node.layer, return_sequence=False), loss)
    last = len(output) == 3
    pooled = make("global_avg_pool", **({"channels": "last"} if last else {}))
    yield _Way(problem.insert(0.9 if last else 1.1, pooled), loss)
    yield _Way(problem.insert(1.0, make("flatten")), loss)


def _last(problem: Problem) -> Node | None:
    """Find the layer that decides how many numbers the output has."""
    for node in problem.above(problem.node):
        if node.options.get("units"):
            return node
        if node.layer.declaration.family not in ("activation", "dropout", "normalization", "shape"):
            return None
    return None


def _units(problem: Problem, cost: float, units: int, activation: str | None, loss: str) -> Candidate:
    """Give the last layer other units, and an activation if that is to change too."""
    node = _last(problem)
    if node is None:
        nothing = "the layer that makes the output is not known"
        return Candidate(cost, nothing, "", lambda: _give_up(nothing))
    has = node is problem.node and "activation" in node.options
    options: dict[str, Any] = {"units": units} | ({"activation": activation} if activation and has else {})
    if activation is None and units == 1 and node.options.get("activation") == "softmax":
        options["activation"] = None  # over one number it would always be 1
    if all(node.options[name] == value for name, value in options.items()):
        return _with_loss(problem, cost, loss)
    change = problem.change(cost, node.layer, **options)
    if activation is None:
        return change
    return Candidate(cost, f'{change.text}, and loss="{loss}"', f'{change.code}\nloss="{loss}"', change.make)


def _with_loss(problem: Problem, cost: float, loss: str) -> Candidate:
    words = f'loss="{loss}" for {"yes or no" if loss == CHANCES else "class numbers" if loss == CLASSES else "amounts"}'
    return Candidate(cost, words, f'loss="{loss}"', lambda: problem.model)


def _give_up(problem: str) -> Model:
    raise DataError(problem)


_RAW = (None, "linear", "relu", "leaky_relu", "tanh", "elu", "gelu", "silu", "softplus")
"""Activations whose results are no probabilities."""
_PASSING = ("linear", "noop", "dropout")
"""Layers that give what they are given, when the model is used."""


def makes_logits(node: Node) -> bool:
    """Whether the numbers that a layer gives are known to be no probabilities: a dense layer without activation."""
    if node.op in _PASSING and node.parents:
        return makes_logits(node.parents[0])
    if node.layer.declaration.family == "activation":
        return node.op in _RAW
    return "activation" in node.options and node.op not in _RECURRENT and node.options["activation"] in _RAW


def find_probabilities(
    model: Model, node: Node, known: dict[Node, NodeTrace], loss: str, error: AxonError, fits: Fits
) -> tuple[Fix, ...]:
    """Find ways to give a loss the probabilities that it takes, or to tell it that there are none."""
    problem = Problem(model, node, known, error)
    one = problem.shape(node)[-1:] == (1,)
    wanted = "softmax" if loss.startswith("categorical") and not one else "sigmoid"
    change = (
        problem.change(0.5, node.layer, activation=wanted)
        if "activation" in node.options
        else problem.replace(0.5, make(wanted))
    )
    found = tried([(change, _Way(change, loss).fitting(fits))])
    code = f"loss=losses.{loss}(from_logits=True)"
    raw = Fix(f"{code}, if the raw numbers are meant", code=code, model=model)
    return (*found, raw) if makes_logits(node) else found
