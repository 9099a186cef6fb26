"""Owns the finding of matrix products in a graph, and the putting of our kernel in their place.

Knows nothing about layers: dense layers, convolutions, attention and all their gradients are sums of products alike.

A sum over axes of ``a * b`` is a product of matrices when every axis is of one of four kinds: in both factors and
summed (depth), in ``a`` alone (rows), in ``b`` alone (columns), or in both and kept (batch). A convolution's windows
are axes too, so its factor becomes a matrix of all windows, made once for the forward pass and the gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tinygrad import Device, dtypes
from tinygrad.helpers import NUM_CPU_THREADS
from tinygrad.renderer import Estimates
from tinygrad.renderer.llvmir import CPULLVMRenderer
from tinygrad.uop.ops import GroupOp, KernelInfo, Ops, PatternMatcher, ProgramInfo, UOp, UPat, graph_rewrite

from axon_nb.engine.gemm import Product, source
from axon_nb.engine.plan import CORE, DEVICE

FEWEST = 1 << 15
"""Multiply-adds from which on our kernel is worth its call, and the memory of its factors."""
PER_PART = 1 << 18
"""Multiply-adds for which it is worth waking another thread."""


@dataclass(frozen=True)
class _Factor:
    """One factor: the tensor under its views, and for each axis of the product that tensor's axis, or None."""

    tensor: UOp
    axes: tuple[int | None, ...]

    def has(self, axis: int) -> bool:
        return self.axes[axis] is not None


def replace_products(function: UOp) -> UOp:
    """Return a graph in which our kernel computes what is a product of matrices."""
    return graph_rewrite(function, _PATTERNS, name="products of matrices")


def _replace(total: UOp) -> UOp | None:
    if len(total.src) != 1 or not isinstance(total.arg[1], int):  # one inside of a kernel that is written already
        return None
    operation, count = total.arg
    if operation is not Ops.ADD or total.dtype != dtypes.float or total.device != DEVICE:
        return None
    product, order = _peel(total.src[0])
    if product.op is not Ops.MUL or not all(isinstance(size, int) for size in product.shape):
        return None
    left, right = (_factor(part, product.shape) for part in product.src)
    if left is None or right is None:
        return None
    summed = set(order[:count])
    kinds: dict[str, list[int]] = {"batch": [], "rows": [], "columns": [], "depth": []}
    for axis, size in enumerate(product.shape):
        both = left.has(axis) and right.has(axis)
        if size == 1:
            continue
        if axis in summed and not both:
            return None
        if not both and not left.has(axis) and not right.has(axis):
            return None
        kind = ("depth" if axis in summed else "batch") if both else "rows" if left.has(axis) else "columns"
        kinds[kind].append(axis)
    return _product(product.shape, order[count:], left, right, kinds)


def _peel(uop: UOp) -> tuple[UOp, tuple[int, ...]]:
    """Go through permutations; say which axis of the result each axis was."""
    order = tuple(range(len(uop.shape)))
    while uop.op is Ops.PERMUTE:
        order = tuple(uop.arg[axis] for axis in order)
        uop = uop.src[0]
    return uop, order


def _factor(uop: UOp, shape: tuple[int, ...]) -> _Factor | None:
    """Go through the views of a factor that only turn it or repeat it."""
    missing = len(shape) - len(uop.shape)
    if uop.dtype != dtypes.float or missing < 0:
        return None
    axes: list[int | None] = [None for _ in range(missing)]
    axes += [
        axis if uop.shape[axis] == shape[missing + axis] and shape[missing + axis] != 1 else None
        for axis in range(len(uop.shape))
    ]
    while True:
        if uop.op is Ops.PERMUTE:
            axes = [None if axis is None else uop.arg[axis] for axis in axes]
        elif uop.op is Ops.EXPAND:
            new = len(uop.shape) - len(uop.src[0].shape)
            if uop.shape[new:] != uop.src[0].shape:
                break
            axes = [None if axis is None or axis < new else axis - new for axis in axes]
        elif uop.op is Ops.RESHAPE and _long(uop.shape) == _long(uop.src[0].shape):
            old = [i for i, size in enumerate(uop.src[0].shape) if size != 1]
            known = dict(zip((i for i, size in enumerate(uop.shape) if size != 1), old, strict=True))
            axes = [None if axis is None else known[axis] for axis in axes]
        else:
            break
        uop = uop.src[0]
    used = [axis for axis in axes if axis is not None]
    if any(size != 1 and axis not in used for axis, size in enumerate(uop.shape)) or len(set(used)) != len(used):
        return None
    return _Factor(uop, tuple(axes))


def _long(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _product(
    shape: tuple[int, ...], kept: tuple[int, ...], left: _Factor, right: _Factor, kinds: dict[str, list[int]]
) -> UOp | None:  # fmt: skip
    size = {kind: math.prod(shape[axis] for axis in axes) for kind, axes in kinds.items()}
    work = math.prod(size.values())
    if work < FEWEST or size["rows"] < 4 or size["columns"] < 4 or size["depth"] < 4:
        return None
    wanted = [axis for axis in kept if shape[axis] != 1]
    # Not for a gradient of weights, which sums over the first axis: tinygrad turns that afterwards.
    lies = wanted == [*kinds["batch"], *kinds["columns"], *kinds["rows"]] and min(kinds["depth"]) > wanted[0]
    if (size["rows"] < size["columns"] and size["rows"] < 8) or (lies and size["columns"] >= 8):
        # a narrow result stands better upright, any other as it is wanted: what reads it goes along its rows
        left, right = right, left
        kinds = {**kinds, "rows": kinds["columns"], "columns": kinds["rows"]}
        size["rows"], size["columns"] = size["columns"], size["rows"]
    a, a_turned = _matrix(left, kinds["batch"], kinds["rows"], kinds["depth"])
    b, b_turned = _matrix(right, kinds["batch"], kinds["depth"], kinds["columns"])
    parts = max(1, min(NUM_CPU_THREADS.value, work // PER_PART))
    wide = getattr(Device[DEVICE].compiler, "wide", False)
    made = Product(size["batch"], size["rows"], size["columns"], size["depth"], a_turned, b_turned, parts, wide)
    c = UOp.new_buffer(DEVICE, made.batch * made.rows * made.columns, dtypes.float)
    c = c.after(_program(made).call(c, a, b))
    axes = [*kinds["batch"], *kinds["rows"], *kinds["columns"]]
    c = c.reshape(tuple(shape[axis] for axis in axes))
    return c.permute(tuple(axes.index(axis) for axis in wanted)).reshape(tuple(shape[axis] for axis in kept))


def _matrix(factor: _Factor, batch: list[int], first: list[int], second: list[int]) -> tuple[UOp, bool]:
    """Return a factor as one row of numbers, (batch, first, second) or turned (batch, second, first): as it lies."""
    places = factor.axes
    straight, turned = [*batch, *first, *second], [*batch, *second, *first]
    in_order = sorted(straight, key=lambda axis: places[axis] or 0)  # as the tensor has them
    by_product = sorted(straight)  # the same for every product that windows of a convolution are in
    is_turned = in_order == turned or (in_order != straight and by_product == turned)
    order = [places[axis] for axis in (turned if is_turned else straight)]
    tensor = factor.tensor.reshape(tuple(_long(factor.tensor.shape)) or (1,))
    known = {axis: n for n, axis in enumerate(i for i, size in enumerate(factor.tensor.shape) if size != 1)}
    wanted = tuple(known[axis] for axis in order if axis is not None)
    if wanted != tuple(range(len(wanted))):
        tensor = tensor.permute(wanted)
    stands = _laid_out(tensor)
    if not _is_written(stands):
        stands = stands.contiguous()
    return stands.reshape((math.prod(tensor.shape),)), is_turned


def _is_written(tensor: UOp) -> bool:
    """Tell whether a tensor is what a kernel of ours wrote, as it lies: a copy would be the same once more."""
    while tensor.op is Ops.RESHAPE:
        tensor = tensor.src[0]
    return tensor.op is Ops.AFTER


def _laid_out(tensor: UOp) -> UOp:
    """Let windows be cut from a tensor in memory whose numbers lie side by side as theirs will."""
    views, source, axis = [], tensor, len(tensor.shape) - 1
    while source.op in GroupOp.Movement:
        below = _below(source, axis)
        if below is None:
            return tensor
        views.append(source)
        source, axis = source.src[0], below
    if math.prod(source.shape) >= math.prod(tensor.shape):
        return tensor
    order = (*(i for i in range(len(source.shape)) if i != axis), axis)
    moved = source.permute(order).contiguous().permute(tuple(order.index(i) for i in range(len(order))))
    for view in reversed(views):
        moved = view.replace(src=(moved, *view.src[1:]))
    return moved


def _below(view: UOp, axis: int) -> int | None:
    """Return the axis under a view along which numbers are those along an axis of it, or of its innermost part."""
    shape, under = view.shape, view.src[0].shape
    if view.op is Ops.PERMUTE:
        return int(view.arg[axis])
    if view.op is Ops.RESHAPE:
        after = math.prod(shape[axis + 1 :])
        fits = [i for i, size in enumerate(under) if size != 1 and math.prod(under[i + 1 :]) == after]
        return fits[0] if fits else None
    axis += len(under) - len(shape)  # an expansion may bring axes of its own
    return axis if axis >= 0 and under[axis] == shape[axis + len(shape) - len(under)] else None


def _program(product: Product) -> UOp:
    """Return the kernel as tinygrad takes those that are written already."""
    sizes = (
        product.batch * product.rows * product.columns,
        product.batch * product.rows * product.depth,
        product.batch * product.depth * product.columns,
    )
    work = math.prod((product.batch, product.rows, product.columns, product.depth))
    estimates = Estimates(ops=2 * work, lds=4 * sum(sizes), mem=4 * sum(sizes))
    arguments = tuple(UOp.param(slot, dtypes.float, (size,), DEVICE) for slot, size in enumerate(sizes))
    core = (UOp.variable(CORE, 0, product.parts - 1, dtypes.int, param=True),) if product.parts > 1 else ()
    target = Device[DEVICE].renderer.target
    info = ProgramInfo(product.name, (product.parts, 1, 1), None, core, (0, 1, 2), (0,), (1, 2), target)
    sink = UOp.sink(arg=KernelInfo(product.name, estimates=estimates))
    text = source(product, f"{CPULLVMRenderer.abi} " if CPULLVMRenderer.abi else "")
    code = UOp(Ops.SOURCE, arg=text)
    return UOp(Ops.PROGRAM, src=(sink, UOp(Ops.LINEAR, src=arguments), code), arg=info)


_PATTERNS = PatternMatcher([(UPat(Ops.REDUCE, name="total"), lambda total: _replace(total))])
