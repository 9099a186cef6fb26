"""Twins of what joins, reshapes, resizes and chooses."""

import functools

import numpy as np
from hypothesis import strategies as st
from twins import placed, torch, twin

F = torch.nn.functional

# joining, shapes, choices ---------------------------------------------------------------------------------------------


def _joined(function, draw):
    shape = draw.shape(1, 4)
    inputs = [draw.numbers(*(1 if draw.int(0, 3) == 0 else n for n in shape)) for _ in range(draw.int(1, 3))]
    return inputs, {}, lambda *xs: functools.reduce(function, xs)


for _name, _function in {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul}.items():
    twin(_name)(functools.partial(_joined, _function))


@twin("concatenate")
def _concatenate(draw):
    shape = draw.shape(2, 4)
    axis = draw.int(0, len(shape) - 1)
    inputs = [draw.numbers(*shape[:axis], draw.int(1, 4), *shape[axis + 1 :]) for _ in range(draw.int(1, 3))]
    return inputs, {"axis": axis}, lambda *xs: torch.cat(xs, axis)


@twin("stack")
def _stack(draw):
    shape = draw.shape(1, 3)
    axis = draw.int(-len(shape) - 1, len(shape))
    return [draw.numbers(*shape) for _ in range(draw.int(1, 3))], {"axis": axis}, lambda *xs: torch.stack(xs, axis)


@twin("flatten")
def _flatten(draw):
    return [draw.numbers(*draw.shape(2, 4))], {}, lambda x: torch.flatten(x, 1)


@twin("reshape")
def _reshape(draw):
    shape = draw.shape(2, 4)
    return [draw.numbers(*shape)], {"shape": (-1, shape[1])}, lambda x: x.reshape(shape[0], -1, shape[1])


@twin("transpose")
def _transpose(draw):
    x = draw.numbers(*draw.shape(2, 4))
    order = tuple(draw.data.draw(st.permutations(range(x.ndim))))
    return [x], {"axes": order}, lambda x: x.permute(order)


@twin("pad")
def _pad(draw):
    axes, mode = draw.int(1, 3), draw.of("constant", "reflect", "edge", "wrap")
    pairs = [(draw.int(0, 1), draw.int(0, 1)) for _ in range(axes)]
    name = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    inputs, layout, theirs = placed(
        draw, draw.maps(2, draw.per_axis(axes, 2, 4)),
        lambda x: F.pad(x, [cell for pair in reversed(pairs) for cell in pair], mode=name),
    )  # fmt: skip
    return inputs, {**layout, "padding": pairs, "mode": mode}, theirs


@twin("slice")
def _slice(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.int(1, x.ndim - 1)
    start, step = draw.int(0, x.shape[axis] - 1), draw.int(1, 3)
    cells = range(start, x.shape[axis], step)
    options = {"start": start, "step": step, "axis": axis}
    return [x], options, lambda x: x.index_select(axis, torch.tensor(list(cells)))


@twin("resize")
def _resize(draw):
    method = draw.of("nearest", "bilinear", "bicubic")
    size = draw.per_axis(2, 1, 7)
    smooth = {"antialias": True} if method != "nearest" else {}
    mode = {"nearest": "nearest-exact"}.get(method, method)
    inputs, layout, theirs = placed(
        draw, draw.maps(2, draw.per_axis(2, 2, 6)), lambda x: F.interpolate(x, size, mode=mode, **smooth)
    )  # fmt: skip
    return inputs, {**layout, "size": size, "method": method}, theirs


@twin("upsample")
def _upsample(draw):
    method, factors = draw.of("nearest", "bilinear"), draw.per_axis(2, 1, 3)
    scale = tuple(map(float, factors))
    inputs, layout, theirs = placed(
        draw, draw.maps(2, draw.per_axis(2, 1, 4)), lambda x: F.interpolate(x, scale_factor=scale, mode=method)
    )  # fmt: skip
    return inputs, {**layout, "scale_factor": factors, "method": method}, theirs


@twin("pixel_shuffle")
def _pixel_shuffle(draw):
    factor = draw.int(1, 3)
    x = draw.maps(factor**2 * draw.int(1, 2), draw.per_axis(2, 1, 3))
    inputs, layout, theirs = placed(draw, x, lambda x: F.pixel_shuffle(x, factor))
    return inputs, {**layout, "upscale_factor": factor}, theirs


@twin("pixel_unshuffle")
def _pixel_unshuffle(draw):
    factor = draw.int(1, 3)
    x = draw.maps(2, (factor * draw.int(1, 2), factor * draw.int(1, 2)))
    inputs, layout, theirs = placed(draw, x, lambda x: F.pixel_unshuffle(x, factor))
    return inputs, {**layout, "downscale_factor": factor}, theirs


@twin("split")
def _split(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.int(1, x.ndim - 1)
    first = draw.int(1, x.shape[axis])
    sizes = (first, *((x.shape[axis] - first,) if first < x.shape[axis] else ()))
    return [x], {"sections": sizes, "axis": axis}, lambda x: tuple(x.split(list(sizes), axis))


@twin("where")
def _where(draw):
    shape = draw.shape(1, 3)
    condition = np.random.default_rng(len(shape)).random(shape) > 0.5
    return [condition, draw.numbers(*shape), draw.numbers(*shape)], {}, torch.where


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context, x, scale):
        context.scale = scale
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return -context.scale * gradient, None


@twin("gradient_reversal")
def _gradient_reversal(draw):
    scale = draw.of(0.5, 1.0, 2.0)
    return [draw.numbers(*draw.shape(1, 4))], {"scale": scale}, lambda x: _Reversed.apply(x, scale)


@twin("straight_through")
def _straight_through(draw):
    x = draw.numbers(*draw.shape(1, 4))
    return [x], {"function": "hard_tanh"}, lambda x: x + (F.hardtanh(x) - x).detach()
