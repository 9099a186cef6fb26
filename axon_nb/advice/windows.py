"""Owns what is commonly wrong before layers that slide windows over space: channels, sizes, a missing axis.

Knows nothing about how candidates are tried.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from axon_nb.advice.problem import SPATIAL, Candidate, Problem, make, rule
from axon_nb.graph import Node
from axon_nb.layer import Op
from axon_nb.shapes import Shape

_COLOURS = (1, 2, 3, 4)


def is_spatial(problem: Problem) -> bool:
    """Whether the layer that does not fit works on (batch, channels, *spatial)."""
    return problem.family in SPATIAL or problem.op.declaration.name in (
        "instance_norm", "group_norm", "resize", "upsample", "pixel_shuffle", "pixel_unshuffle", "spatial_dropout",
        "feature_alpha_dropout",
    )  # fmt: skip


@rule
def flat_images(problem: Problem) -> Iterator[Candidate]:
    """Images that were flattened, or come flat, before a layer that needs height and width."""
    if not is_spatial(problem) or problem.rank != 2:
        return
    parent = problem.node.parents[0]
    if parent.op == "flatten":
        yield problem.remove(1.0, parent)
    size = problem.shapes[0][1]
    if not isinstance(size, int):
        return
    one_d = isinstance(problem.option("kernel_size"), tuple) and len(problem.option("kernel_size")) == 1
    last = problem.option("channels") == "last"
    for colours in (1, 3):
        side = math.isqrt(size // colours)
        if side > 1 and side * side * colours == size and not one_d:
            yield problem.insert(2.0, make("reshape", (side, side, colours) if last else (colours, side, side)))
    yield problem.insert(3.0 - one_d, make("reshape", (size, 1) if last else (1, size)))
    before = parent.options.get("units") if parent.op == "dense" else None
    if before and problem.op.declaration.name == "conv_transpose":  # it makes small maps larger: begin with small ones
        small = next((side for side in (7, 8, 4, 6, 5, 3, 2) if before % (side * side) == 0), 0)
        if small:
            yield problem.insert(1.9, make("reshape", (before // small**2, small, small)))
    if before:
        side = math.isqrt(before) or 1
        most = next((s for s in range(side, 1, -1) if before % (s * s) == 0), 0)
        if most:
            yield problem.insert(2.5, make("reshape", (before // most**2, most, most)))


@rule
def no_channel_axis(problem: Problem) -> Iterator[Candidate]:
    """Grey images without an axis for their one channel."""
    if not is_spatial(problem) or problem.rank != 3:
        return
    _, *sizes = problem.shapes[0]
    if not all(isinstance(size, int) for size in sizes):
        return
    last = problem.option("channels") == "last"
    given = _window_rank(problem.op)
    wants_2d = given == 2 or problem.op.declaration.name.startswith("pixel")
    shape = (*sizes, 1) if last else (1, *sizes)
    square = 0.5 < sizes[0] / sizes[1] < 2  # type: ignore[operator]  # whole numbers, by the check above
    yield problem.insert(1.0 if wants_2d and square else 1.7 if wants_2d else 2.8, make("reshape", shape))


def _window_rank(op: Op) -> int | None:
    """For how many spatial axes the options of a layer are written."""
    for name in ("kernel_size", "strides", "dilation", "padding", "output_size", "size", "scale_factor"):
        value = op.options.get(name)
        if isinstance(value, tuple):
            return len(value)
    return None


@rule
def window_rank(problem: Problem) -> Iterator[Candidate]:
    """A size for each of two axes where there is one, or three."""
    axes = problem.rank - 2
    rank = _window_rank(problem.op)
    if rank is None or axes < 1 or rank == axes:
        return
    options: dict[str, Any] = {}
    for name in ("kernel_size", "strides", "dilation", "padding", "output_size", "size", "scale_factor"):
        value = problem.option(name)
        if isinstance(value, tuple) and len(value) != axes:
            options[name] = value[0] if len(set(value)) == 1 and name != "padding" else (value * axes)[:axes]
    yield problem.changes(1.5, {problem.op: options})


@rule
def channel_order(problem: Problem) -> Iterator[Candidate]:
    """Channels that stand last before layers that take them first, or the other way round."""
    nodes = [problem.node, *problem.before()]
    spatial = {n.layer: n for n in nodes if n.options.get("channels") == "first"}
    lasts = {n.layer: n for n in nodes if n.options.get("channels") == "last"}
    behind = [n for n in problem.model.nodes if n.options.get("channels") == "first"]
    for node in problem.model.inputs:
        shape = problem.shape(node)
        if len(shape) < 4:
            continue
        axes = len(shape) - 1
        if _looks_last(shape) and spatial:
            order = (axes, *range(1, axes))
            clear = shape[-1] in _COLOURS
            cost = 0.8 if clear else 3.5
            some = {n.layer: {"channels": "last"} for n in behind}
            yield problem.changes(cost + 0.5 * (len(some) - 1), some, problem.all_get("channels='last'", some))
            yield problem.append(cost + 0.3, node, make("transpose", order))
        if shape[1] in _COLOURS and lasts:
            all_last = {
                n.layer: {"channels": "first"} for n in problem.model.nodes if n.options.get("channels") == "last"
            }
            yield problem.changes(0.8, all_last, problem.all_get("channels='first'", all_last))
    if problem.option("channels") == "first" and problem.rank >= 3:
        yield problem.change(4.0, channels="last")


def _looks_last(shape: Shape) -> bool:
    first, last = shape[1], shape[-1]
    if last in _COLOURS:
        return not any(size in _COLOURS for size in shape[1:-1])
    return isinstance(first, int) and isinstance(last, int) and first > last


@rule
def too_small(problem: Problem) -> Iterator[Candidate]:
    """A window that is larger than what is left of the image."""
    if problem.family not in SPATIAL or not problem.has("kernel_size") or problem.rank < 3:
        return
    last = problem.option("channels") == "last"
    shape = problem.shapes[0]
    cells = [size for size in (shape[1:-1] if last else shape[2:]) if isinstance(size, int)]
    if "does not fit into" not in problem.error.problem or not cells or _is_turned(problem):
        return
    least = min(cells)
    is_pool = problem.family == "pooling"
    span = problem.option("kernel_size")
    span = max(span) if isinstance(span, tuple) else span
    if not is_pool and problem.option("dilation", 1) != 1:
        yield problem.change(0.9, dilation=1)
    yield problem.change(2.2 if is_pool and least > 1 else 1.4 if not is_pool else 2.4, padding="same")
    if 1 < least < span or (least == 1 and not is_pool):
        yield problem.change(1.2 if is_pool else 1.8, kernel_size=least)
    if is_pool and least == 1:
        yield problem.remove(1.2, problem.node)
    if is_pool and least > 1:
        name = problem.op.declaration.name.replace("_pool", "")
        if name in ("max", "avg"):
            yield problem.replace(1.9, make(f"global_{name}_pool", channels=problem.option("channels")))
    yield from _larger_maps(problem)


def _is_turned(problem: Problem) -> bool:
    """Whether it is plain that the channels stand in the wrong place."""
    shapes = [problem.shape(node) for node in problem.model.inputs]
    turned = any(len(shape) > 3 and shape[-1] in _COLOURS and _looks_last(shape) for shape in shapes)
    return turned and problem.option("channels") == "first"


def _larger_maps(problem: Problem) -> Iterator[Candidate]:
    """Keep more of the image on the way: no strides, padding, one pooling less."""
    above = [n for n in problem.above(problem.node.parents[0]) if n.layer.declaration.family in SPATIAL]
    valid = [n for n in above if n.options.get("padding") == "valid" and n.layer.declaration.family == "convolution"]
    if valid:
        ops = {n.layer: {"padding": "same"} for n in reversed(valid)}
        yield problem.changes(2.6, ops, problem.all_get("padding='same'", ops))
    for node in above[:2]:
        if node.layer.declaration.family == "pooling":
            yield problem.remove(2.7, node)
        elif node.options.get("strides", 1) not in (1, None):
            yield problem.change(2.7, node.layer, strides=1)


@rule
def too_large_padding(problem: Problem) -> Iterator[Candidate]:
    """Padding that a layer does not take."""
    padding = problem.option("padding")
    if problem.has("kernel_size") and padding not in ("valid", "same") and padding is not None:
        yield problem.change(1.6, padding="same")
        yield problem.change(1.7, padding="valid")
    if problem.op.declaration.name == "conv_transpose" and problem.option("output_padding"):
        strides = problem.option("strides")
        least = min(strides) if isinstance(strides, tuple) else strides
        yield problem.change(1.0, output_padding=max(0, least - 1))


@rule
def groups(problem: Problem) -> Iterator[Candidate]:
    """Groups that do not divide the channels."""
    groups = problem.option("groups")
    if not isinstance(groups, int) or groups == 1 or problem.rank < 2:
        return
    within = problem.shapes[0][-1 if problem.option("channels") == "last" else 1]
    units = problem.option("units", 0)
    if not isinstance(within, int):
        return
    common = math.gcd(within, units) if units else within
    divisors = [d for d in range(1, common + 1) if common % d == 0 and d <= groups]
    if within % groups == 0 and units % groups:
        near = max(groups, round(units / groups) * groups)
        yield problem.change(0.9, units=near)
    if divisors:
        yield problem.change(1.0 if divisors[-1] > 1 else 1.4, groups=divisors[-1])
    if within % groups:
        yield from units_above(problem, 1.2, problem.node.parents[0], max(groups, -(-within // groups) * groups))


def units_above(problem: Problem, cost: float, node: Node, units: int) -> Iterator[Candidate]:
    """Give the layer that decides on the width of a node another number of units."""
    for one in problem.above(node):
        if one.options.get("units") and one.op != "embedding":
            if one.options["units"] != units:
                yield problem.change(cost, one.layer, units=units)
            return
        if one.layer.declaration.family not in ("activation", "normalization", "dropout", "pooling"):
            return


@rule
def map_sizes(problem: Problem) -> Iterator[Candidate]:
    """Maps whose channels or sizes are no multiple of what a layer needs."""
    name = problem.op.declaration.name
    if name == "pixel_shuffle" and problem.rank == 4:
        squared = problem.option("upscale_factor") ** 2
        within = problem.shapes[0][1 if problem.option("channels") == "first" else -1]
        if isinstance(within, int):
            up = -(-within // squared) * squared
            yield from units_above(problem, 1.0, problem.node.parents[0], up)
            yield problem.insert(1.8, make("conv", up, 1, channels=problem.option("channels")))
    if name == "pixel_unshuffle" and problem.rank == 4:
        factor = problem.option("downscale_factor")
        first = problem.option("channels") == "first"
        sizes = problem.shapes[0][2:] if first else problem.shapes[0][1:3]
        if all(isinstance(size, int) for size in sizes):
            more = tuple((0, -size % factor) for size in sizes if isinstance(size, int))
            yield problem.insert(1.0, make("pad", more, channels=problem.option("channels")))
            up = tuple(-(-size // factor) * factor for size in sizes if isinstance(size, int))
            yield problem.insert(1.2, make("resize", up, "bilinear", channels=problem.option("channels")))
    if name in ("resize", "upsample") and problem.rank == 2 and isinstance(problem.shapes[0][1], int):
        yield problem.insert(2.9, make("reshape", (1, problem.shapes[0][1])))


@rule
def needless(problem: Problem) -> Iterator[Candidate]:
    """Layers for maps where there are no maps any more."""
    name, rank = problem.op.declaration.name, problem.rank
    if rank != 2:
        return
    if name.startswith("global_") or problem.family == "pooling":
        yield problem.remove(2.05 if problem.node.parents[0].op != "flatten" else 1.3, problem.node)
    others = {
        "instance_norm": make("layer_norm"),
        "spatial_dropout": make("dropout", problem.option("rate", 0.5)),
        "feature_alpha_dropout": make("alpha_dropout", problem.option("rate", 0.5)),
    }
    if name in others:
        yield problem.replace(0.8, others[name])
