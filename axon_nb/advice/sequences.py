"""Owns what is commonly wrong before layers that go through time: a missing axis, maps as they are, heads.

Knows nothing about how candidates are tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from axon_nb.advice.problem import Candidate, Problem, make, rule
from axon_nb.advice.windows import units_above

_RECURRENT = ("rnn", "lstm", "gru")


def takes_time(problem: Problem) -> bool:
    """Whether the layer that does not fit takes (batch, time, features)."""
    return problem.op.declaration.name in (
        *_RECURRENT, "multi_head_attention", "learned_positions", "rotary_positions",
    ) or problem.op.declaration.name.startswith(("lstm", "gru", "rnn"))  # fmt: skip


@rule
def no_time_axis(problem: Problem) -> Iterator[Candidate]:
    """One vector for each sample where a sequence is needed."""
    if not takes_time(problem) or problem.rank != 2:
        return
    for node in problem.above(problem.node.parents[0]):
        if node.op in _RECURRENT and not node.options["return_sequence"]:
            yield problem.change(0.5, node.layer, return_sequence=True)
        if node.op == "flatten" or node.op.startswith("global_"):
            yield problem.remove(0.7, node)
        if node.layer.declaration.family not in ("activation", "normalization", "dropout", "shape", "pooling"):
            break
    if "int" in problem.dtypes[0]:
        units = problem.option("units") if problem.op.declaration.name in _RECURRENT else 64
        yield problem.insert(0.8, make("embedding", 10_000, units or 64))
    features = problem.shapes[0][1]
    yield problem.insert(1.5, make("reshape", (features if isinstance(features, int) else -1, 1)))
    if isinstance(features, int):
        yield problem.insert(1.7, make("reshape", (1, problem.shapes[0][1])))


@rule
def maps(problem: Problem) -> Iterator[Candidate]:
    """Maps of a convolution where a sequence is needed."""
    if not takes_time(problem) or problem.rank != 4:
        return
    _, channels, height, width = problem.shapes[0]
    if isinstance(channels, int) and isinstance(height, int) and isinstance(width, int):
        places = make("reshape", (channels, height * width)) | make("transpose", (2, 1))
        # Attention takes every place for a token; step by step, an image is read row by row.
        step_by_step = problem.op.declaration.name in _RECURRENT
        yield problem.insert(1.2 if step_by_step else 1.0, places)
        rows = make("transpose", (2, 1, 3)) | make("reshape", (height, channels * width))
        yield problem.insert(1.0 if step_by_step else 1.2, rows)
        if channels == 1:
            yield problem.insert(0.8, make("reshape", (height, width)))
    if isinstance(channels, int):
        yield problem.insert(1.4, make("reshape", (channels, -1)) | make("transpose", (2, 1)))


@rule
def heads(problem: Problem) -> Iterator[Candidate]:
    """A number of heads that does not divide the features."""
    if not problem.has("heads") or problem.rank != 3:
        return
    heads, features = problem.option("heads"), problem.shapes[0][-1]
    if not isinstance(features, int):
        return
    even = problem.op.declaration.name == "rotary_positions" or problem.option("rotary")
    fitting = [n for n in range(1, features + 1) if features % n == 0 and not (even and (features // n) % 2)]
    if fitting:
        near = min(fitting, key=lambda n: (abs(n - heads), n))
        if near != heads:
            yield problem.change(0.8, heads=near)
        below = [n for n in fitting if n < heads]
        if below:
            yield problem.change(0.9, heads=below[-1])
    step = heads * 2 if even else heads
    up = -(-features // step) * step
    yield from units_above(problem, 1.0, problem.node.parents[0], up)
    for node in problem.above(problem.node.parents[0]):
        if node.op == "embedding":
            yield problem.change(1.1, node.layer, units=up)
    if problem.has("key_units"):
        yield problem.change(1.5, key_units=-(-features // heads) + (-(-features // heads) % 2 if even else 0))


@rule
def meeting(problem: Problem) -> Iterator[Candidate]:
    """Queries, keys and values that do not go together."""
    if problem.family != "attention" or len(problem.shapes) < 2:
        return
    query, key = problem.shapes[:2]
    if len(query) == len(key) and query[-1] != key[-1] and isinstance(query[-1], int):
        yield from units_above(problem, 1.0, problem.node.parents[1], query[-1])
        yield problem.insert(1.2, make("dense", query[-1]), 1)
        if isinstance(key[-1], int):
            yield problem.insert(1.3, make("dense", key[-1]), 0)
    for place, shape in enumerate(problem.shapes[:3]):
        node = problem.node.parents[place]
        if len(shape) == 2 and node.op in _RECURRENT:
            yield problem.change(0.6, node.layer, return_sequence=True)
        if len(shape) == 2 and isinstance(shape[1], int):
            yield problem.insert(1.5, make("reshape", (1, shape[1])), place)


@rule
def long_sequences(problem: Problem) -> Iterator[Candidate]:
    """More places than there are positions for."""
    if problem.op.declaration.name == "learned_positions" and problem.rank == 3:
        time = problem.shapes[0][1]
        if isinstance(time, int):
            yield problem.change(0.5, max_length=time)
            yield problem.insert(1.5, make("slice", 0, problem.option("max_length"), axis=1))


@rule
def frames(problem: Problem) -> Iterator[Candidate]:
    """Images where films are needed, or the kind of film with its channels last."""
    if problem.op.declaration.name != "conv_lstm":
        return
    if problem.rank == 4 and all(isinstance(size, int) for size in problem.shapes[0][1:]):
        channels, height, width = problem.shapes[0][1:]
        yield problem.insert(1.2, make("reshape", (1, channels, height, width)))
        yield problem.insert(1.0 if channels not in (1, 3) else 1.4, make("reshape", (channels, 1, height, width)))
    if problem.rank == 3:
        yield problem.replace(1.0, make("lstm", problem.option("units")))
    if problem.rank == 5 and problem.option("channels") == "first":
        yield problem.change(0.9, channels="last")
