"""Declares how layers and models are joined: one after the other, side by side, on each of several inputs."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.clones import renewed
from axon_nb.declaration import Declaration
from axon_nb.errors import GraphError, OptionError, ShapeError, brief
from axon_nb.graph import Builder, Model, Part, Source, as_part, compose, input
from axon_nb.layer import Chain, Layer, Op, Wiring, combinator, is_applicable, mapped, need_layer, unnested
from axon_nb.options import Option, OptionType, Whole
from axon_nb.shapes import whole


class _Fork(Layer):
    """Several layers on the same inputs, whose results are the outputs, nested as the layers are."""

    def __init__(self, structure: Any, called: str) -> None:
        self.structure = mapped(structure, as_part)
        self.called = called

    def build(self, wiring: Wiring, *inputs: Any) -> Any:
        return mapped(self.structure, lambda layer: layer.build(wiring, *inputs))

    @property
    def ops(self) -> Iterator[Op]:
        return (op for layer in unnested((self.structure,)) for op in layer.ops)

    def __repr__(self) -> str:
        if isinstance(self.structure, dict) and all(name.isidentifier() for name in self.structure):
            return f"{self.called}({', '.join(f'{name}={part!r}' for name, part in self.structure.items())})"
        return f"{self.called}({', '.join(map(repr, self.structure))})"


class _Each(Layer):
    """A layer for each input (or the same one for all), whose results are the outputs, or go into a join."""

    def __init__(self, layers: tuple[Layer, ...], called: str, join: Layer | None = None) -> None:
        self.layers, self.called, self.join = layers, called, join

    def build(self, wiring: Wiring, *inputs: Any) -> Any:
        layers = self.layers * len(inputs) if self.called != "parallel" else self.layers
        if len(layers) != len(inputs):
            problem = f"takes an input for each of its {len(layers)} layers, and got {len(inputs)}"
            raise GraphError(problem, where=self.called, fix=f"({', '.join('abcdef'[: len(layers)])}) | {self!r}")
        made = tuple(layer.build(wiring, one) for layer, one in zip(layers, inputs, strict=True))
        return made if self.join is None else self.join.build(wiring, *unnested(made))

    @property
    def ops(self) -> Iterator[Op]:
        yield from (op for layer in self.layers for op in layer.ops)
        yield from self.join.ops if self.join else ()

    def __repr__(self) -> str:
        parts = [*map(repr, self.layers), *([repr(self.join)] if self.join else [])]
        return f"{self.called}({', '.join(parts)})"


@combinator
def chain(*things: Any) -> Any:
    """Join layers, or a model and layers, one after the other: ``a | b | c``.

    Raises:
        GraphError: there are none, or one is no layer.

    Source: https://thinc.ai/docs/api-layers#chain

    Example:
        >>> from axon_nb import chain, dense, input, relu
        >>> chain(input((None, 8)), dense(4), relu()).output_shape
        (None, 4)
        >>> chain(dense(4), relu())
        dense(4) | relu()
    """
    made = _some("chain", things)
    first = made[0] if isinstance(made[0], Model) else need_layer(made[0])
    return functools.reduce(operator.or_, made[1:], first)


@combinator
def clone(thing: Any, n: int = 1) -> Any:
    """Copy a layer, or a model, with weights of its own; several copies stand one after the other.

    ``repeat`` applies one set of weights several times. Names that were given get a number: ``enc_1``, ``enc_2``.

    Args:
        thing: a layer, layers joined, or a model.
        n: how many copies, 1 or more.

    Raises:
        OptionError: n is not a whole number of at least 1.

    Source: https://thinc.ai/docs/api-layers#clone

    Example:
        >>> from axon_nb import clone, dense, input
        >>> (input((None, 4)) | clone(dense(4), 3)).init().count
        60
    """
    count = _count("clone", n)
    kept = thing if isinstance(thing, Model) else need_layer(thing)
    copies = [renewed(kept, f"{{}}_{i}".format) for i in range(1, count + 1)]
    if count == 1:
        return copies[0]
    return compose(*copies) if isinstance(kept, Model) else Chain(*copies)


@combinator
def repeat(thing: Any, n: int) -> Any:
    """Apply the same layer, or model, several times: one set of weights.

    Args:
        thing: a layer, layers joined, or a model; its result has the shape of its input.
        n: how many times, 1 or more.

    Raises:
        OptionError: n is not a whole number of at least 1.

    Source: Lan and others 2019 (ALBERT), https://arxiv.org/abs/1909.11942

    Example:
        >>> from axon_nb import dense, input, repeat
        >>> (input((None, 4)) | repeat(dense(4), 3)).init().count
        20
    """
    count = _count("repeat", n)
    if isinstance(thing, Model):
        return compose(*[thing] * count) if count > 1 else thing
    return Chain(*[need_layer(thing)] * count)


@combinator
def outputs(*things: Any, **named: Any) -> Any:
    """Give several outputs: by name, in order, or nested in tuples and dicts.

    Of models it makes one model with their outputs; of layers, a layer that gives all of them the same input.

    Raises:
        GraphError: there are none, or models and layers are mixed.

    Source: https://hexdocs.pm/axon/Axon.html#container/2

    Example:
        >>> from axon_nb import dense, input, outputs
        >>> x = input((None, 8)) | dense(16)
        >>> outputs(logits=x | dense(10), box=x | dense(4)).output_shape
        {'logits': (None, 10), 'box': (None, 4)}
        >>> (x | outputs(dense(2), dense(3))).output_shape
        ((None, 2), (None, 3))
    """
    return _outputs("outputs", things, named)


def _outputs(called: str, things: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if things and named:
        problem = "outputs have names, or an order, not both"
        raise GraphError(problem, fix=f"{called}(logits=a, box=b) or {called}(a, b)")
    structure: Any = named or things
    if len(things) == 1 and isinstance(things[0], dict | tuple | list):
        structure = things[0]
    parts = list(unnested((structure,)))
    if not parts:
        problem = f"{called} takes at least one model or layer"
        raise GraphError(problem, fix=f"{called}(a, b)")
    if not all(isinstance(one, Model) for one in parts):
        models = [one for one in parts if is_applicable(one) and not isinstance(one, Source)]
        if models:
            problem = "outputs are all models, or all layers"
            raise GraphError(problem, got=brief(models[0]), fix="apply the layers to a model first: model | layer")
        return _Fork(structure, called)
    return Model(mapped(structure, lambda model: model.outputs))


@combinator
def tuplify(*things: Any) -> Any:
    """Give the same input to several layers, and their results as a tuple.

    Raises:
        GraphError: there are none, or models and layers are mixed.

    Source: https://thinc.ai/docs/api-layers#tuplify

    Example:
        >>> from axon_nb import dense, input, tuplify
        >>> (input((None, 8)) | tuplify(dense(2), dense(3))).output_shape
        ((None, 2), (None, 3))
    """
    return _outputs("tuplify", things, {})


@combinator
def parallel(*things: Any) -> Any:
    """Give each of several layers an input of its own.

    Of models it makes one with the inputs and outputs of all.

    Raises:
        GraphError: there are none, or inputs and layers differ in number.

    Example:
        >>> from axon_nb import dense, input, parallel
        >>> ((input((None, 8)), input((None, 4))) | parallel(dense(2), dense(3))).output_shape
        ((None, 2), (None, 3))
    """
    made = _some("parallel", things)
    if all(isinstance(one, Model) for one in made):
        return _outputs("parallel", made, {})
    return _Each(tuple(map(as_part, made)), "parallel")


@combinator
def siamese(layer: Any, join: Any) -> Layer:
    """Apply one layer, or model, with one set of weights, to each of several inputs, and join the results.

    Args:
        layer: what each input goes through.
        join: a layer, or a function of tensors, that takes all results.

    Raises:
        GraphError: one of them is no layer.

    Source: Bromley and others 1993; https://thinc.ai/docs/api-layers#siamese

    Example:
        >>> from axon_nb import dense, input, siamese
        >>> pair = input((None, 8)), input((None, 8))
        >>> (pair | siamese(dense(4), lambda a, b: (a * b).sum(-1, keepdim=True))).output_shape
        (None, 1)
    """
    return _Each((as_part(layer),), "siamese", as_part(join))


@combinator
def map_list(layer: Any) -> Layer:
    """Apply one layer, or model, with one set of weights, to each of several inputs; the results are a tuple.

    Raises:
        GraphError: it is no layer.

    Source: https://thinc.ai/docs/api-layers#map_list

    Example:
        >>> from axon_nb import dense, input, map_list
        >>> ((input((None, 8)), input((None, 8))) | map_list(dense(4))).output_shape
        ((None, 4), (None, 4))
    """
    return _Each((as_part(layer),), "map_list")


def _some(called: str, things: tuple[Any, ...]) -> tuple[Any, ...]:
    if not things:
        problem = f"{called} takes at least one layer"
        raise GraphError(problem, fix=f"{called}(dense(8), relu())")
    return things


def _count(called: str, n: Any) -> int:
    count = whole(n)
    if count is None or count < 1:
        problem = "n must be a whole number of at least 1"
        raise OptionError(problem, where=called, got=brief(n), fix=f"{called}(dense(8), n=2)")
    return count


class _Inner(Part):
    """Layers inside a layer, as a model of so many inputs, by which they are stored and compared."""

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.chain)) or super().__repr__()


def _inner(thing: Any, inputs: int) -> _Inner:
    part = as_part(thing)
    if isinstance(part, Part):
        return _Inner(part.model)
    given = [input().outputs for _ in range(inputs)]
    return _Inner(Model(part.build(Builder(()), *given)))


@dataclass(frozen=True, kw_only=True)
class _InnerOption(OptionType):
    """Layers inside a layer."""

    inputs: int = 1

    def parse(self, value: Any) -> _Inner:
        if isinstance(value, Part) and len(value.model.inputs) == self.inputs:
            return _Inner(value.model)
        problem = f"must be a layer of {self.inputs} input{'s' * (self.inputs > 1)}, got {brief(value)}"
        raise ValueError(problem)


class _StateShape(OptionType):
    """The shape of one sample's state."""

    def parse(self, value: Any) -> tuple[int, ...]:
        sizes = value if isinstance(value, tuple | list) else (value,)
        wholes = tuple(whole(size) or 0 for size in sizes)
        if not all(size > 0 for size in wholes):
            problem = f"must be the shape of one sample's state, got {brief(value)}"
            raise ValueError(problem)
        return wholes


def _scan(
    scope: Any, x: Tensor, *, step: _Inner, state: tuple[int, ...] | None, initial: Tensor | None = None
) -> Tensor:
    """Run the step once for each place of the axis after the batch."""
    scope.expect(x, least=2, fix="it takes (batch, time, ...)")
    if initial is None and state is None:
        problem = "needs a first state"
        raise ShapeError(problem, fix="scan(step, state=(units,)) for zeros, or (x, initial) | scan(step)")
    now = Tensor.zeros(x.shape[0], *(state or ()), device=x.device) if initial is None else initial
    steps = []
    for time in range(x.shape[1]):
        made = scope.apply(step, x[:, time], now)
        output, now = made if isinstance(made, tuple) else (made, made)
        steps.append(output)
    return Tensor.stack(*steps, dim=1)


def _uniqued(scope: Any, x: Tensor, *, layer: _Inner, size: int) -> Tensor:
    """Run the layer on 0, 1, ... and pick the rows."""
    scope.expect(x, dtype="int", fix="it takes numbers of things: input(..., dtype='int32')")
    made = scope.apply(layer, Tensor.arange(size).reshape(-1, 1).cast(x.dtype))
    if len(made.shape) < 2 or tuple(made.shape[:2]) != (size, 1):
        problem = f"its layer must give something for each number: ({size}, 1, ...)"
        raise ShapeError(problem, got=str(tuple(made.shape)))
    return made[:, 0][x]


_SCAN = Declaration(
    "scan", "combine", _scan, ("x", "initial"), variadic=False, scoped=True, optional=frozenset({"initial"}),
    options=(
        Option("step", _InnerOption(inputs=2, help="What is done at each place.")),
        Option("state", _StateShape(help="The shape of one sample's first state.", example=(64,)), None, optional=True,
               positional=False),
    ),
)  # fmt: skip
_UNIQUED = Declaration(
    "uniqued", "combine", _uniqued, ("x",), variadic=False, scoped=True,
    options=(
        Option("layer", _InnerOption(help="What is done to each number.")),
        Option("size", Whole(minimum=1, help="How many numbers there are.", example=100)),
    ),
)  # fmt: skip


@combinator
def scan(step: Any, state: Any = None) -> Layer:
    """Go through a sequence with a step of your own, one set of weights for all places.

    The step is a layer (or a model, or a function of tensors) of two inputs, what stands at a place and the state; it
    returns the next state, which is the output too, or ``(output, next state)``. Each place is compiled by itself,
    which takes long for long sequences: ``rnn``, ``lstm`` and ``gru`` run as loops inside one kernel.

    Shapes:
        (batch, time, ...), and a first state (batch, ...) where ``state`` is not given -> (batch, time, ...)

    Args:
        step: what is done at each place.
        state: the shape of one sample's first state, which is zeros then; ``(64,)``.

    Raises:
        GraphError: the step is no layer.
        OptionError: the state is no shape.

    Source: https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html

    Example:
        >>> from axon_nb import concatenate, dense, input, scan
        >>> (input((None, 5, 8)) | scan(concatenate() | dense(16, "tanh"), state=(16,))).output_shape
        (None, 5, 16)
    """
    return Op(_SCAN, _SCAN.bind((), {"step": _inner(step, 2), "state": state}))


scan.makes = _SCAN  # type: ignore[attr-defined]  # so that a stored model finds it


@combinator
def uniqued(layer: Any, size: int) -> Layer:
    """Work on each of some whole numbers once, however often it stands in the input: for features of words.

    The layer (or model) must treat each number by itself. It runs on all numbers from 0 to ``size`` - 1, which is less
    work where the input has more places than that.

    Shapes:
        whole numbers (batch, ...) below size; the layer (size, 1) -> (size, 1, ...) -> (batch, ..., ...)

    Args:
        layer: what is done to each number.
        size: how many numbers there are.

    Raises:
        GraphError: it is no layer.
        OptionError: the size is not a whole number of at least 1.

    Source: https://thinc.ai/docs/api-layers#uniqued

    Example:
        >>> from axon_nb import dense, embedding, input, uniqued
        >>> words = input((None, "time"), dtype="int32")
        >>> (words | uniqued(embedding(100, 16) | dense(8, "relu"), 100)).output_shape
        (None, 'time', 8)
    """
    return Op(_UNIQUED, _UNIQUED.bind((), {"layer": _inner(layer, 1), "size": size}))


uniqued.makes = _UNIQUED  # type: ignore[attr-defined]  # so that a stored model finds it
