"""Twins of activations, linear layers, and dropout with the random numbers given."""

import functools

import numpy as np
from test_family_activations import PYTORCHS_NAMES, PYTORCHS_OPTIONS
from twins import torch, twin

from axon_nb.functional.activations import activations

F = torch.nn.functional

# activations ----------------------------------------------------------------------------------------------------------


def _activation(name, draw):
    along = name in ("softmax", "log_softmax", "log_sumexp", "glu")
    shape = (*draw.shape(1, 3), 2 * draw.int(1, 3))
    theirs = PYTORCHS_NAMES.get(name, name)
    function = getattr(F, theirs, None) or getattr(torch, theirs)
    options, other = {}, dict(PYTORCHS_OPTIONS.get(name, {}))
    if along:
        axis = draw.of(*range(-len(shape), 0)) if name != "glu" else -1
        options, other = {"axis": axis}, {**other, "dim": axis}
    return [draw.numbers(*shape, scale=2)], options, lambda x: function(x, **other)


for _name in activations:
    twin(_name)(functools.partial(_activation, _name))


@twin("activation")
def _named(draw):
    function = draw.of("relu", "tanh", "gelu")
    return [draw.numbers(*draw.shape(1, 4))], {"function": function}, getattr(F, function)


@twin("prelu")
def _prelu(draw):
    shared, last = draw.of(True, False), draw.of(True, False)
    x = draw.numbers(*draw.shape(2, 4))
    move = (lambda t: t.movedim(-1, 1)) if last else (lambda t: t)
    back = (lambda t: t.movedim(1, -1)) if last else (lambda t: t)
    options = {"shared": shared, "channels": "last" if last else "first"}
    return [x], options, lambda x, slope: back(F.prelu(move(x), slope))


# linear ---------------------------------------------------------------------------------------------------------------


@twin("dense")
def _dense(draw):
    name, use_bias = draw.of(None, "tanh"), draw.of(True, False)
    options = {"units": draw.int(1, 6), "activation": name, "use_bias": use_bias}

    def theirs(x, kernel, bias=None):
        y = F.linear(x, kernel.T, bias)
        return torch.tanh(y) if name else y

    return [draw.numbers(*draw.shape(2, 4))], options, theirs


@twin("bilinear")
def _bilinear(draw):
    rows = draw.shape(1, 3, 4)
    inputs = [draw.numbers(*rows, draw.int(1, 4)), draw.numbers(*rows, draw.int(1, 4))]
    options = {"units": draw.int(1, 4), "use_bias": draw.of(True, False)}
    return inputs, options, lambda x1, x2, kernel, bias=None: F.bilinear(x1, x2, kernel, bias)


@twin("embedding")
def _embedding(draw):
    words, units = draw.int(1, 7), draw.int(1, 4)
    x = np.random.default_rng(words).integers(0, words, draw.shape(1, 3)).astype(np.int32)
    return [x], {"vocab_size": words, "units": units}, lambda x, kernel: F.embedding(x, kernel)


def _along_axis(join, draw):
    shape = draw.shape(2, 4)
    axis = draw.int(1, len(shape) - 1)
    ones = (1,) * (len(shape) - axis - 1)

    def theirs(x, **weights):
        (values,) = weights.values()
        return join(x, values.reshape(-1, *ones))

    return [draw.numbers(*shape)], {"axis": draw.of(axis, axis - len(shape))}, theirs


twin("bias")(functools.partial(_along_axis, torch.add))
twin("scale")(functools.partial(_along_axis, torch.mul))


# dropout: what PyTorch's formulas make of the numbers that were drawn -------------------------------------------------


def _dropped(kind, draw):
    rate = draw.of(0.1, 0.5, 0.8)
    whole = kind in ("spatial_dropout", "feature_alpha_dropout")
    x = draw.numbers(*draw.shape(3 if whole else 1, 4))
    floor, keep = -1.7580993408473766, 1 - rate
    scale = (keep + floor**2 * keep * rate) ** -0.5

    def theirs(x, draws):
        stays = draws[0].reshape(*draws[0].shape, *(1 for _ in x.shape[draws[0].ndim :])) >= rate
        if "alpha" in kind:  # as in torch.nn.functional.alpha_dropout
            return scale * torch.where(stays, x, floor) - scale * rate * floor
        return x * stays / keep

    return [x], {"rate": rate}, theirs


for _kind in ("dropout", "spatial_dropout", "alpha_dropout", "feature_alpha_dropout"):
    twin(_kind)(functools.partial(_dropped, _kind))


@twin("gaussian_noise")
def _gaussian_noise(draw):
    return [draw.numbers(*draw.shape(1, 4))], {"stddev": 0.5}, lambda x, draws: x + 0.5 * draws[0]


@twin("gaussian_dropout")
def _gaussian_dropout(draw):
    return [draw.numbers(*draw.shape(1, 4))], {"rate": 0.2}, lambda x, draws: x * (1 + 0.5 * draws[0])
