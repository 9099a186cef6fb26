"""Owns what is commonly wrong with layers for plain features: axes, parts, reshaping, sharing.

Knows nothing about how candidates are tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from axon_nb.advice.edits import with_options
from axon_nb.advice.problem import Candidate, Problem, make, rule
from axon_nb.advice.windows import units_above


@rule
def axis_not_there(problem: Problem) -> Iterator[Candidate]:
    """An axis that the input does not have, or one that cannot be worked on."""
    axis = problem.option("axis")
    if problem.rank < 1 or axis is None:
        return
    if isinstance(axis, tuple):
        inside = tuple(a for a in axis if -problem.rank <= a < problem.rank and a % problem.rank)
        if inside and inside != axis:
            yield problem.change(0.6, axis=inside if len(inside) > 1 else inside[0])
    elif axis >= problem.rank and axis - 1 < problem.rank:
        yield problem.change(0.7, axis=axis - 1)
    yield problem.change(0.6, axis=-1)
    yield problem.change(0.9, axis=1)


@rule
def sample_shape(problem: Problem) -> Iterator[Candidate]:
    """A reshape to another number of values."""
    if problem.op.declaration.name != "reshape" or problem.rank < 1:
        return
    wanted = problem.option("shape")
    sizes = problem.shapes[0][1:]
    rest = math.prod(size for size in wanted if size != -1)
    parent = problem.node.parents[0]
    if -1 not in wanted:
        yield from units_above(problem, 1.0, parent, rest)
    if not all(isinstance(size, int) for size in sizes):
        if len(wanted) > 1:
            for place in range(len(wanted)):
                if -1 not in wanted:
                    yield problem.change(1.1, shape=(*wanted[:place], -1, *wanted[place + 1 :]))
            if -1 not in wanted:
                yield problem.change(1.5, shape=(-1, *wanted))
        return
    have = math.prod(size for size in sizes if isinstance(size, int))
    if len(wanted) > 1 and math.prod(s for s in wanted[1:] if s != -1) in (have, *_divisors_of(have, wanted[1:])):
        yield problem.change(0.6, shape=wanted[1:])  # the batch axis was written too
    if -1 in wanted:
        yield from units_above(problem, 1.3, parent, -(-have // rest) * rest)
    elif have % rest == 0:
        yield problem.change(0.8, shape=(have // rest, *wanted))
        yield problem.change(1.2, shape=(*wanted, have // rest))
    for place in range(len(wanted)):
        others = math.prod(wanted[:place] + wanted[place + 1 :])
        if -1 not in wanted and have % others == 0:
            yield problem.change(1.1 + 0.01 * place, shape=(*wanted[:place], have // others, *wanted[place + 1 :]))
    if len(wanted) == 1 and wanted != (-1,):
        yield problem.change(0.7, shape=(have,))  # one axis was meant
    side = math.isqrt(have)
    if side * side == have and len(wanted) == 2:
        yield problem.change(1.3, shape=(side, side))
    if len(sizes) > 1:
        yield problem.replace(2.5, make("flatten"))


def _divisors_of(have: int, rest: tuple[int, ...]) -> tuple[int, ...]:
    """Allow for a -1 in what is left of a shape."""
    known = math.prod(size for size in rest if size != -1)
    return (known,) if -1 in rest and have % known == 0 else ()


@rule
def order_of_axes(problem: Problem) -> Iterator[Candidate]:
    """An order that names too few axes, as PyTorch's transpose of two, or too many."""
    if problem.op.declaration.name != "transpose" or problem.option("axes") is None:
        return
    axes, rank = problem.option("axes"), problem.rank
    axes = (axes,) if isinstance(axes, int) else axes
    if len(axes) == 2 and all(-rank <= axis < rank for axis in axes):
        order = list(range(rank))
        first, second = (axis % rank for axis in axes)
        order[first], order[second] = order[second], order[first]
        yield problem.change(0.6, axes=tuple(order[1:]) if order[0] == 0 else tuple(order))
    inside = [axis for axis in dict.fromkeys(axes) if -rank <= axis < rank]
    missing = [axis for axis in range(1, rank) if axis not in [a % rank for a in inside]]
    if len(set(axes)) == len(axes) == rank - 1 and set(axes) == set(range(rank - 1)):
        yield problem.change(0.7, axes=tuple(axis + 1 for axis in axes))  # counted without the batch
    yield problem.change(1.0, axes=(*inside, *missing))


@rule
def parts(problem: Problem) -> Iterator[Candidate]:
    """An axis that cannot be cut into so many parts, or halved."""
    name = problem.op.declaration.name
    if name not in ("split", "glu") or not problem.shapes or not problem.shapes[0]:
        return
    shape, axis = problem.shapes[0], problem.option("axis", -1)
    if not -len(shape) <= axis < len(shape) or not isinstance(shape[axis], int):
        return
    cells = int(shape[axis])
    sections = problem.option("sections", 2)
    if isinstance(sections, int):
        up = -(-cells // sections) * sections
        yield from units_above(problem, 0.9, problem.node.parents[0], up)
        if name == "glu":
            yield problem.insert(1.2, make("dense", up))
            return
        even = [cells // sections + (i < cells % sections) for i in range(sections)]
        if min(even) > 0:
            yield problem.change(1.0, sections=tuple(even))
    else:
        rest = cells - sum(sections[:-1])
        if rest > 0:
            yield problem.change(0.8, sections=(*sections[:-1], rest))
        yield from units_above(problem, 1.0, problem.node.parents[0], sum(sections))


@rule
def nothing_left(problem: Problem) -> Iterator[Candidate]:
    """A slice that begins behind the end."""
    if problem.op.declaration.name == "slice":
        start, stop = problem.option("start"), problem.option("stop")
        if start is not None and stop is not None and start > stop >= 0:
            yield problem.change(0.5, start=stop, stop=start)
        if problem.rank > 2:
            yield problem.change(0.8, axis=1)
        yield problem.change(0.9, start=None)
        yield problem.change(1.2, stop=None)


@rule
def shared(problem: Problem) -> Iterator[Candidate]:
    """One layer, and so one set of weights, for inputs of another width."""
    if "with an earlier use" not in problem.error.problem:
        return
    fresh = with_options(problem.op)
    fresh.name = None
    candidate = problem.replace(0.5, fresh)
    text = f"write {fresh!r} a second time: two layers, each with weights of its own"
    yield Candidate(0.5, text, repr(fresh), candidate.make)
    first = problem.model.owners[problem.op].parents[0]
    width = problem.shape(first)[-1:]
    if width and isinstance(width[0], int):
        yield from units_above(problem, 1.0, problem.node.parents[0], width[0])


@rule
def two_inputs(problem: Problem) -> Iterator[Candidate]:
    """Inputs of one layer that differ in their number of axes."""
    if problem.op.declaration.name != "bilinear" or len(problem.shapes) != 2:
        return
    for place, shape in enumerate(problem.shapes):
        if len(shape) > 2:
            yield problem.insert(0.9, make("flatten"), place)
    yield problem.insert(1.0, make("flatten"))


@rule
def axes_too_few(problem: Problem) -> Iterator[Candidate]:
    """Features without the axis that a layer works on."""
    if problem.rank > 2 and problem.op.declaration.name in ("dense", "bilinear"):
        yield problem.insert(2.2, make("flatten"))
