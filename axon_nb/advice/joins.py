"""Owns what is commonly wrong where branches meet: widths, sizes of maps, axes, numbers of axes.

Knows nothing about how candidates are tried.
"""

from __future__ import annotations

from collections.abc import Iterator

from axon_nb.advice.problem import Candidate, Problem, make, rule
from axon_nb.advice.windows import units_above
from axon_nb.graph import Node
from axon_nb.shapes import Shape

_SUMS = ("add", "subtract", "multiply", "stack", "where")


@rule
def widths(problem: Problem) -> Iterator[Candidate]:
    """Branches of another width: a residual whose layers change it."""
    if problem.op.declaration.name not in _SUMS or len(problem.shapes) < 2:
        return
    shapes = problem.shapes
    if len({len(shape) for shape in shapes}) > 1 or len(shapes) != len(problem.node.parents):
        return  # of other ranks, or from a layer that gives several tensors at once
    for place, node in enumerate(problem.node.parents):
        other = shapes[1 - place if place < 2 else 0]
        own = shapes[place]
        differ = [axis for axis in range(1, len(own)) if own[axis] != other[axis]]
        width = other[_width_axis(problem, node, len(own))]
        if isinstance(width, int) and differ == [_width_axis(problem, node, len(own))]:
            # The branch that was made is changed before the one that it is added to.
            yield from units_above(problem, 1.0 if _is_longer(problem, place) else 1.1, node, width)
    yield from _projections(problem)


def _is_longer(problem: Problem, place: int) -> bool:
    depths = [sum(1 for _ in problem.above(node)) for node in problem.node.parents]
    return depths[place] == max(depths) and max(depths) not in depths[place + 1 :]


def _width_axis(problem: Problem, node: Node, rank: int) -> int:
    for one in problem.above(node):
        if one.op in ("dense", "lstm", "gru", "rnn", "embedding"):
            return rank - 1
        if one.options.get("channels"):
            return 1 if one.options["channels"] == "first" else rank - 1
    return rank - 1 if rank < 4 else 1


def _projections(problem: Problem) -> Iterator[Candidate]:
    """A layer on the bare side, that brings it to the width and the size of the other."""
    depths = [sum(1 for _ in problem.above(node)) for node in problem.node.parents]
    if len(depths) != 2:
        return
    bare = 0 if depths[0] <= depths[1] else 1
    own, other = problem.shapes[bare], problem.shapes[1 - bare]
    axis = _width_axis(problem, problem.node.parents[1 - bare], len(other))
    units = other[axis]
    if not isinstance(units, int):
        return
    if len(own) >= 3 and any(one.options.get("channels") for one in problem.above(problem.node.parents[1 - bare])):
        channels = "first" if axis == 1 else "last"
        spatial = range(2, len(own)) if axis == 1 else range(1, len(own) - 1)
        steps = []
        for at in spatial:
            small, large = other[at], own[at]
            both = isinstance(small, int) and isinstance(large, int)
            steps.append(-(-large // small) if both and large > small else 1)  # type: ignore[operator]
        strides = steps[0] if len(set(steps)) == 1 else tuple(steps)
        options = {"strides": strides} if strides != 1 else {}
        more = {"channels": channels} if channels == "last" else {}
        width = own[axis]
        widens = isinstance(width, int) and units > width and units % width == 0  # on purpose, as ResNet's stages
        cost = 0.9 if strides != 1 or widens else 1.2
        yield problem.insert(cost, make("conv", units, 1, **options, **more), bare)
        yield problem.insert(cost + 0.3, make("conv", units, 1, padding="same", **options, **more), bare)
        strided = [
            n for n in problem.above(problem.node.parents[1 - bare]) if n.options.get("strides", 1) not in (1, None)
        ]
        for node in strided[:1]:
            yield problem.change(1.6, node.layer, strides=1)
    else:
        yield problem.insert(1.2, make("dense", units), bare)


@rule
def map_sizes(problem: Problem) -> Iterator[Candidate]:
    """Branches whose maps differ by a cell or two, since one of them does not pad."""
    if problem.op.declaration.name not in (*_SUMS, "concatenate") or problem.rank < 3:
        return
    windows = []
    for node in problem.node.parents:
        for one in problem.above(node):
            if one.options.get("padding") == "valid" and _keeps_size(one):
                windows.append(one)
    if windows:
        order = problem.model.nodes.index
        unpadded = dict.fromkeys(one.layer for one in sorted(set(windows), key=order))
        yield problem.changes(
            0.8, {op: {"padding": "same"} for op in unpadded}, problem.all_get("padding='same'", unpadded)
        )
        for op in unpadded:
            yield problem.change(0.7, op, padding="same")
    yield from _resized(problem)


def _keeps_size(node: Node) -> bool:
    """Whether a window would leave maps as large as they are, did it pad."""
    size = node.options.get("kernel_size")
    strides = node.options.get("strides") or (size if node.layer.declaration.family == "pooling" else 1)
    larger = size not in (1, None) and any(n > 1 for n in (size if isinstance(size, tuple) else (size,)))
    is_window = node.layer.declaration.family in ("convolution", "pooling")
    return is_window and larger and (strides == 1 or node.layer.declaration.family == "convolution")


def _resized(problem: Problem) -> Iterator[Candidate]:
    """Bring one branch's maps to the size of the other's: by pooling, upsampling, resizing."""
    shapes = problem.shapes
    if len(shapes) != 2 or len(shapes[0]) != len(shapes[1]) or problem.rank < 4:
        return
    for place in (0, 1):
        own, other = shapes[place], shapes[1 - place]
        axis = _width_axis(problem, problem.node.parents[place], len(own))
        at = range(2, len(own)) if axis == 1 else range(1, len(own) - 1)
        if not all(isinstance(own[i], int) and isinstance(other[i], int) for i in at):
            continue
        last = {"channels": "last"} if axis != 1 else {}
        here, there = [int(own[i]) for i in at], [int(other[i]) for i in at]  # type: ignore[arg-type]
        factors = {b // a for a, b in zip(here, there, strict=True) if b % a == 0}
        smaller = all(a < b for a, b in zip(here, there, strict=True))
        if smaller and len(factors) == 1:
            yield problem.insert(1.3, make("upsample", factors.pop(), **last), place)
        if here != there:
            target = there[0] if len(set(there)) == 1 else tuple(there)
            yield problem.insert(1.5 if smaller else 1.6, make("resize", target, "bilinear", **last), place)


@rule
def axes(problem: Problem) -> Iterator[Candidate]:
    """Put together along another axis, or not added but put together."""
    name = problem.op.declaration.name
    shapes = problem.shapes
    if name not in (*_SUMS, "concatenate") or len(shapes) < 2:
        return
    ranks = {len(shape) for shape in shapes}
    if len(ranks) > 1:
        yield from _ranks(problem)
        return
    rank = ranks.pop()
    differ = [axis for axis in range(1, rank) if len({shape[axis] for shape in shapes}) > 1]
    if name == "concatenate":
        for axis in differ[:1] if len(differ) == 1 else []:
            yield problem.change(0.5, axis=axis)
        if not -rank <= problem.option("axis") < rank:
            yield problem.change(0.5, axis=-1)
            yield problem.change(0.6, axis=1)
        yield from _same_as_first(problem, shapes, differ)
    elif name == "add" and len(differ) == 1:
        axis = differ[0]
        joined = make("concatenate", **({} if axis == rank - 1 else {"axis": axis}))
        yield problem.replace(2.0, joined)
    elif name == "stack" and len(differ) == 1:
        yield problem.replace(1.4, make("concatenate", **({} if differ[0] == rank - 1 else {"axis": differ[0]})))
    elif name == "stack":
        yield problem.change(0.6, axis=-1)
        yield problem.change(0.7, axis=1)


def _same_as_first(problem: Problem, shapes: tuple[Shape, ...], differ: list[int]) -> Iterator[Candidate]:
    if len(differ) > 1:
        for place, shape in enumerate(shapes):
            if len(shape) > 2:
                yield problem.insert(2.4, make("flatten"), place)
        yield problem.insert(2.2, make("flatten"))


def _ranks(problem: Problem) -> Iterator[Candidate]:
    """Branches with another number of axes."""
    shapes = problem.shapes
    least = min(map(len, shapes))
    for place, shape in enumerate(shapes):
        node = problem.node.parents[place]
        if len(shape) <= least:
            continue
        flat = make("flatten")
        if node.op in ("lstm", "gru", "rnn") and node.options["return_sequence"]:
            yield problem.change(0.8, node.layer, return_sequence=False)
        if least == 2:
            pooled = make("global_avg_pool", **({"channels": "last"} if len(shape) == 3 else {}))
            sizes = [s for s in shape[1:] if isinstance(s, int)]
            yield problem.insert(1.0 if len(sizes) == len(shape) - 1 else 1.6, flat, place)
            yield problem.insert(1.2, pooled, place)
            width = next((s[-1] for s in shapes if len(s) == 2), None)
            if isinstance(width, int) and problem.op.declaration.name in _SUMS:
                made = make("flatten") | make("dense", width)
                yield problem.insert(2.0, made, place)
    many = [place for place, shape in enumerate(shapes) if len(shape) > 2]
    if least == 2 and len(many) > 1:
        yield problem.insert(1.1, make("flatten"))
    for place, shape in enumerate(shapes):
        node = problem.node.parents[place]
        if len(shape) == least and node.op in ("lstm", "gru", "rnn") and not node.options["return_sequence"]:
            yield problem.change(1.4, node.layer, return_sequence=True)
        if len(shape) == least == 2 and isinstance(shape[1], int):
            yield problem.insert(1.8, make("reshape", (1, shape[1])), place)
