"""Owns what is commonly wrong with a model's inputs: the batch axis, the kind of numbers, sizes that are not known.

Knows nothing about how candidates are tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tinygrad import Tensor

from axon_nb.advice import edits
from axon_nb.advice.problem import Candidate, Problem, make, rule
from axon_nb.graph import Model, Node
from axon_nb.layer import need_layer


@rule
def no_batch_axis(problem: Problem) -> Iterator[Candidate]:
    """An input declared with the shape of one sample."""
    for node in problem.model.inputs:
        shape = problem.shape(node)
        if shape and isinstance(shape[0], int):
            yield problem.input(0.5 if len(shape) == 1 or shape[0] != 1 else 1.1, node, shape=(None, *shape))


@rule
def kinds_of_numbers(problem: Problem) -> Iterator[Candidate]:
    """Whole numbers where fractions are needed, or the other way round."""
    if "whole numbers" in problem.error.problem:
        yield from _inputs_above(problem, 1.0, "int32")
        yield from _straight_from_input(problem)
        yield _cast(problem, 2.0, "int32")
    elif "floating-point" in problem.error.problem:
        tokens = problem.family in ("recurrent", "attention") and problem.rank == 2
        if tokens or problem.family in ("recurrent", "attention", "normalization"):
            units = problem.option("units") or 64
            yield problem.insert(0.9 if problem.rank == 2 else 1.8, make("embedding", 10_000, units))
        yield from _inputs_above(problem, 1.0 if not tokens else 1.4, "float32")
        yield _cast(problem, 2.0, "float32")
    elif "numbers, and gets" in problem.error.problem and problem.node.is_input:
        yield problem.change(1.0, dtype=problem.dtypes[0])


def _inputs_above(problem: Problem, cost: float, dtype: str) -> Iterator[Candidate]:
    for place in range(len(problem.node.parents)):
        for node in problem.above(problem.node.parents[place]):
            if node.is_input and not node.parents:
                yield problem.input(cost, node, dtype=dtype)
            elif node.op not in ("flatten", "reshape", "transpose", "slice"):
                break


def _straight_from_input(problem: Problem) -> Iterator[Candidate]:
    """Word numbers that were scaled on the way: what stands between is left out."""
    *between, first = problem.above(problem.node.parents[0])
    quiet = ("normalization", "activation", "dropout")
    if not between or not first.is_input or any(n.layer.declaration.family not in quiet for n in between):
        return
    new = edits.with_options(first.layer, dtype="int32")
    told, declared = problem.remove(1.0, *between), problem.input(1.0, first, dtype="int32")

    def made() -> Model:
        return edits.changed(edits.without(problem.model, *between), {first.layer: new})

    yield Candidate(1.0, f"{told.text} and {declared.text}", declared.code, made)


def _cast(problem: Problem, cost: float, dtype: str) -> Candidate:
    """Cast the numbers by a plain function, as a user would write it."""

    def cast(x: Tensor) -> Tensor:
        return x.cast(dtype)

    return problem.insert(cost, need_layer(cast), written=f"(lambda x: x.cast({dtype!r}))")


@rule
def sizes_not_known(problem: Problem) -> Iterator[Candidate]:
    """A kernel whose shape would depend on a size that is not known."""
    if "not known" not in problem.error.problem:
        return
    for node in problem.above(problem.node.parents[0]):
        if node.op == "flatten":
            yield from _instead_of_flatten(problem, node)
        if node.op in ("lstm", "gru", "rnn") and node.options["return_sequence"]:
            yield problem.change(1.2, node.layer, return_sequence=False)
    if problem.rank >= 3:
        if problem.has("channels") and problem.option("channels") == "first":
            yield problem.change(1.0, channels="last")
        if problem.op.declaration.name == "dense":
            yield problem.insert(2.0, make("global_avg_pool"))


def _instead_of_flatten(problem: Problem, node: Node) -> Iterator[Candidate]:
    maps = problem.shape(node.parents[0])
    if len(maps) < 3:
        return
    last = (len(maps) == 3 and isinstance(maps[2], int)) or (isinstance(maps[-1], int) and not isinstance(maps[1], int))
    yield problem.replace(
        1.0 if not last else 1.3, make("global_avg_pool", **({"channels": "last"} if last else {})), node
    )
    yield problem.replace(1.5, make("global_max_pool", **({"channels": "last"} if last else {})), node)
    before = node.parents[0]
    if before.op in ("lstm", "gru", "rnn") and before.options["return_sequence"]:
        yield problem.change(1.0, before.layer, return_sequence=False)


@rule
def parts_that_do_not_meet(problem: Problem) -> Iterator[Candidate]:
    """What reaches the input of a part, and what the part declares."""
    if not problem.node.is_input or not problem.shapes:
        return
    declared, got = problem.option("shape"), problem.shapes[0]
    if declared is None or not got:
        return
    sizes = tuple(declared[1:])
    if sizes and all(isinstance(size, int) for size in sizes):
        yield problem.insert(1.0, make("flatten") if len(sizes) == 1 and len(got) > 2 else make("reshape", sizes))
        parent = problem.node.parents[0]
        if parent.options.get("units") and len(sizes) == 1:
            yield problem.change(1.2, parent.layer, units=sizes[0])
        elif parent.options.get("units") and len(got) == 2:
            values = math.prod(int(size) for size in sizes)
            if values != parent.options["units"]:
                yield problem.insert_and_change(1.1, make("reshape", sizes), parent.layer, units=values)
    rest = range(1, len(got))
    if len(declared) == len(got) > 2:
        order = (len(got) - 1, *rest[:-1])
        yield problem.insert(0.9, make("transpose", order))
        yield problem.insert(0.95, make("transpose", (*rest[1:], 1)))
    yield problem.input(1.6, problem.node, shape=(None, *got[1:]))
