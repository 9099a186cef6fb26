"""Owns fixes for layers that were given too many or too few inputs: no model was made, so one is made in each way.

Knows nothing about what else may be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from axon_nb.advice.edits import with_options
from axon_nb.advice.finding import tried
from axon_nb.advice.problem import Candidate, make
from axon_nb.errors import Fix, GraphError
from axon_nb.graph import Model, Node
from axon_nb.layer import Layer, Op
from axon_nb.trace import show_spec, trace


def find(op: Op, inputs: tuple[Node | None, ...], error: GraphError) -> tuple[Fix, ...]:
    """Find ways to apply a layer to these inputs after all, and say what they are."""
    there = tuple(node for node in inputs if node is not None)
    ways = sorted(_candidates(op, there), key=lambda one: one.cost)
    fixes = tried((way, lambda made: trace(made).error is None) for way in ways)
    if fixes and not error.got:
        known = trace(Model(there)).nodes
        error.got = ", ".join(show_spec(known[node]) for node in there)
    return fixes


def _candidates(op: Op, inputs: tuple[Node, ...]) -> Iterator[Candidate]:
    takes = len(op.declaration.inputs)
    if takes == 1 and len(inputs) > 1:
        yield from _picked(op, inputs)
        names = ", ".join("abcdef"[: len(inputs)])
        maps = 0.2 if op.options.get("channels") == "first" else 0.0  # images are joined by their channels
        for cost, join in ((1 + maps, make("concatenate")), (1.1, make("concatenate", axis=1)), (1.5, make("add"))):
            code = f"({names}) | {join!r} | {op!r}"
            yield Candidate(cost, f"join them first: {code}", code, _applying(join | op, inputs))
    if takes > 1 and len(inputs) == 1:
        units = op.options.get("units")
        if units:
            other = make("dense", units)
            yield Candidate(1.0, f"write {other!r} in place of {op!r}", repr(other), _applying(other, inputs))


def _picked(op: Op, inputs: tuple[Node, ...]) -> Iterator[Candidate]:
    """Outputs of one layer, of which only the first was meant to go on."""
    source = inputs[0].parents[0] if inputs[0].is_pick else None
    if source is None or any(not node.is_pick or node.parents[0] is not source for node in inputs):
        return
    if source.options.get("return_state"):
        alone = with_options(source.layer, return_state=False)
        text = f"write {alone!r} in place of {source.layer!r}"
        yield Candidate(0.5, text, repr(alone), _applying(alone | op, source.parents))
    names = ", ".join(["first", *["_"] * (len(inputs) - 1)])
    code = f"{names} = ... | {source.layer!r}\nfirst | {op!r}"
    text = f"take the first of its outputs: {names} = ... | {source.layer!r}, then first | {op!r}"
    yield Candidate(0.8, text, code, _applying(op, inputs[:1]))


def _applying(layer: Layer, inputs: tuple[Node, ...]) -> Callable[[], Model]:
    return lambda: layer(*map(Model, inputs))
