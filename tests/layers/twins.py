"""Owns what a layer's twin in PyTorch is: drawn inputs and options, and what PyTorch makes of them.

Knows nothing about single layers; the other ``twins_*`` files have them.
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.layer import LayerType, registry

torch = pytest.importorskip("torch")

TOLERANCE = 1e-4
LAYERS = {name: made for name, made in registry.items() if isinstance(made, LayerType)}
TWINS = {}


class Draw:
    """What hypothesis draws, in the words of layers; numbers are those of a seed."""

    def __init__(self, data):
        self.data, self.numbers_drawn = data, 0

    def int(self, least, most):
        return self.data.draw(st.integers(least, most))

    def of(self, *choices):
        return self.data.draw(st.sampled_from(choices))

    def shape(self, least, most, size=5):
        return tuple(self.int(1, size) for _ in range(self.int(least, most)))

    def per_axis(self, axes, least, most):
        return tuple(self.int(least, most) for _ in range(axes))

    def numbers(self, *shape, scale=1.0):
        self.numbers_drawn += 1
        drawn = np.random.default_rng((self.numbers_drawn, *shape)).normal(size=shape) * scale
        return drawn.astype(np.float32)

    def maps(self, channels, spatial, batch=None):
        return self.numbers(self.int(1, 3) if batch is None else batch, channels, *spatial)


def twin(*names):
    def add(function):
        TWINS.update(dict.fromkeys(names, function))
        return function

    return add


class Drawn(ax.Scope):
    """A scope in training whose parameters and random numbers are drawn here, and can be looked at."""

    def __init__(self):
        super().__init__(training=True)
        self.arrays, self.tensors, self.draws, self.updates = {}, {}, [], {}

    def param(self, name, shape, initializer="glorot_uniform", dtype="float32"):
        seed = np.random.default_rng((len(self.arrays), *shape))
        self.arrays[name] = (seed.normal(size=shape) * 0.5).astype(np.float32)
        self.tensors[name] = Tensor(self.arrays[name])
        return self.tensors[name]

    def state(self, name, shape, initializer="zeros", dtype="float32"):
        return Tensor(np.full(shape, float(initializer == "ones"), np.float32))

    def update(self, name, value):
        self.updates[name] = value

    def random(self, shape):
        return self._drawn("random", shape)

    def normal(self, shape):
        return self._drawn("standard_normal", shape)

    def _drawn(self, how, shape):
        generator = np.random.default_rng((7, len(self.draws), *shape))
        drawn = getattr(generator, how)(size=tuple(shape)).astype(np.float32)
        self.draws.append(torch.tensor(drawn))
        return Tensor(drawn)

    def inside(self, name):
        raise NotImplementedError


def compare(name, data):
    inputs, options, theirs = TWINS[name](Draw(data))
    scope = Drawn()
    mine = [one if one is None else Tensor(one) for one in inputs]
    ours = LAYERS[name](**options).run(scope, mine)
    there = [one if one is None else _leaf(one) for one in inputs]
    weights = {key: _leaf(value) for key, value in scope.arrays.items()}
    extra = {"draws": scope.draws} if scope.draws else {}
    pairs = list(zip(_parts(ours), _parts(theirs(*there, **weights, **extra)), strict=True))
    towards = [(x, t) for x, t in zip(mine, there, strict=True) if t is not None and t.requires_grad]
    towards += [(scope.tensors[key], t) for key, t in weights.items()]
    total, other = 0, 0
    for place, (y, z) in enumerate(pairs):
        waves = np.cos(np.arange(z.numel(), dtype=np.float32) + place).reshape(z.shape)
        total, other = total + (y * Tensor(waves)).sum(), other + (z * torch.tensor(waves)).sum()
    gradients = total.gradient(*(x for x, _ in towards)) if towards else []
    if towards:
        other.backward()
    Tensor.realize(*(y for y, _ in pairs), *gradients)
    for y, z in pairs:
        assert y.shape == tuple(z.shape)
        np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
    for gradient, (_, t) in zip(gradients, towards, strict=True):
        expected = np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        np.testing.assert_allclose(gradient.numpy(), expected, rtol=TOLERANCE, atol=TOLERANCE)


def _leaf(array):
    return torch.tensor(array, requires_grad=array.dtype == np.float32)


def _parts(made):
    return made if isinstance(made, tuple) else (made,)


def placed(draw, x, theirs):
    """Let the channels stand first or last."""
    if draw.of("first", "last") == "first":
        return [x], {}, theirs
    moved = np.ascontiguousarray(np.moveaxis(x, 1, -1))

    def of_moved(x, **weights):
        """Give PyTorch 2.13 rows in order: of views of one sample its instance_norm has a wrong gradient."""
        y = theirs(x.movedim(-1, 1).contiguous(), **weights)
        y.register_hook(torch.Tensor.contiguous)
        return y.movedim(1, -1)

    return [moved], {"channels": "last"}, of_moved
