"""Every layer that PyTorch has too gives its values and gradients, for shapes and options that hypothesis draws.

A twin draws a layer's inputs and options, and says what PyTorch makes of the same inputs and parameters. A layer
without a twin stands in a list with a reason, so that none is forgotten.
"""

import functools
import math
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_family_activations import PYTORCHS_NAMES, PYTORCHS_OPTIONS
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb.functional.activations import activations
from axon_nb.layer import LayerType, registry

torch = pytest.importorskip("torch")
F = torch.nn.functional

TOLERANCE = 1e-4
LAYERS = {name: made for name, made in registry.items() if isinstance(made, LayerType)}
NO_TWIN = {
    "conv_lstm": "PyTorch has none; test_family_recurrent.py compares it with one made of its convolutions",
    "sinusoidal_positions": "PyTorch has none; test_family_attention.py works out the paper's formula",
    "rotary_positions": "PyTorch has none; test_family_attention.py works out the paper's, as complex numbers",
    "adaptive_lp_pool": "PyTorch has none; test_family_pooling.py compares it with adaptive_avg_pool",
    "mask": "it tells which numbers are equal to one, and has no gradient",
    "constant": "it has no input and no parameters that are trained",
    "or_else": "it gives one of its inputs as it is",
}
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
        drawn = np.random.default_rng((7, len(self.draws), *shape)).random(size=tuple(shape)).astype(np.float32)
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


EXPLORE = bool(os.environ.get("EXPLORE"))
"""Whether to draw many others than the same few: EXPLORE=1, as for all tests here that draw."""

DRAWING = settings(
    max_examples=25 if EXPLORE else 3,
    derandomize=not EXPLORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],  # each try compiles kernels: making a failing one smaller would take minutes
)


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


def test_every_layer_has_a_twin_or_a_reason():
    ours = {name for name, made in LAYERS.items() if made.declaration.family != "onnx"}
    assert set(TWINS) | set(NO_TWIN) == ours
    assert not set(TWINS) & set(NO_TWIN)


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_pytorchs(name):
    if name not in TWINS:
        assert name in NO_TWIN or LAYERS[name].declaration.family == "onnx"
        return
    DRAWING(given(st.data())(lambda data: compare(name, data)))()


# activations ---------------------------------------------------------------------------------------------------------


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


# linear --------------------------------------------------------------------------------------------------------------


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


# convolution ---------------------------------------------------------------------------------------------------------

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def _window(draw, axes):
    """A kernel, strides, dilation and sizes in which it fits, and padding in our words and as pairs."""
    kernel, strides, dilation = (draw.per_axis(axes, 1, most) for most in (3, 3, 2))
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    spatial = tuple(n + draw.int(0, 3) for n in span)
    pairs = [(draw.int(0, 2), draw.int(0, 2)) for _ in range(axes)]
    kind = draw.of("valid", "same", "number", "pairs")
    if kind == "same":
        totals = [max((-(-n // s) - 1) * s + w - n, 0) for n, s, w in zip(spatial, strides, span, strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    elif kind != "pairs":
        pairs = [(int(kind == "number"),) * 2] * axes
    padding = {"number": 1, "pairs": pairs}.get(kind, kind)
    return {"kernel_size": kernel, "strides": strides, "dilation": dilation, "padding": padding}, spatial, pairs


def _padded(x, pairs):
    return F.pad(x, [cell for pair in reversed(pairs) for cell in pair])


def _layout(draw, x, theirs):
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


@twin("conv")
def _conv(draw):
    axes, groups = draw.int(1, 3), draw.int(1, 2)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation, use_bias = options["strides"], options["dilation"], draw.of(True, False)

    def theirs(x, kernel, bias=None):
        return CONV[axes](_padded(x, pairs), kernel, bias, stride=strides, dilation=dilation, groups=groups)

    inputs, layout, theirs = _layout(draw, draw.maps(groups * draw.int(1, 2), spatial), theirs)
    units = groups * draw.int(1, 2)
    return inputs, {**options, **layout, "units": units, "groups": groups, "use_bias": use_bias}, theirs


@twin("conv_transpose")
def _conv_transpose(draw):
    axes, groups = draw.int(1, 3), draw.int(1, 2)
    kernel, strides, dilation = (draw.per_axis(axes, 1, most) for most in (3, 3, 2))
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = draw.int(0, (min(span) - 1) // 2)
    more = tuple(draw.int(0, max(s, d) - 1) for s, d in zip(strides, dilation, strict=True))

    def theirs(x, kernel, bias=None):
        return CONV_TRANSPOSE[axes](
            x, kernel, bias, stride=strides, padding=padding, output_padding=more, dilation=dilation, groups=groups
        )

    inputs, layout, theirs = _layout(draw, draw.maps(groups * draw.int(1, 2), draw.per_axis(axes, 1, 4)), theirs)
    options = {"kernel_size": kernel, "strides": strides, "dilation": dilation, "padding": padding}
    return inputs, {**options, **layout, "output_padding": more, "units": groups * 2, "groups": groups}, theirs


@twin("depthwise_conv")
def _depthwise_conv(draw):
    axes, within = draw.int(1, 3), draw.int(1, 3)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation = options["strides"], options["dilation"]

    def theirs(x, kernel, bias):
        return CONV[axes](_padded(x, pairs), kernel, bias, stride=strides, dilation=dilation, groups=within)

    inputs, layout, theirs = _layout(draw, draw.maps(within, spatial), theirs)
    return inputs, {**options, **layout, "multiplier": draw.int(1, 2)}, theirs


@twin("separable_conv")
def _separable_conv(draw):
    axes, within = draw.int(1, 2), draw.int(1, 3)
    options, spatial, pairs = _window(draw, axes)
    strides, dilation = options["strides"], options["dilation"]

    def theirs(x, depthwise_kernel, pointwise_kernel, bias):
        deep = CONV[axes](_padded(x, pairs), depthwise_kernel, stride=strides, dilation=dilation, groups=within)
        return CONV[axes](deep, pointwise_kernel, bias)

    inputs, layout, theirs = _layout(draw, draw.maps(within, spatial), theirs)
    return inputs, {**options, **layout, "multiplier": draw.int(1, 2), "units": draw.int(1, 3)}, theirs


@twin("spatial_separable_conv")
def _spatial_separable_conv(draw):
    axes, within = draw.int(1, 3), draw.int(1, 2)
    kernel, strides = draw.per_axis(axes, 1, 3), draw.per_axis(axes, 1, 2)

    def theirs(x, **weights):
        for axis in range(axes):
            own = [s if i == axis else 1 for i, s in enumerate(strides)]
            factor, bias = weights[f"kernel_{axis + 1}"], weights[f"bias_{axis + 1}"]
            x = CONV[axes](x, factor, bias, stride=own, groups=x.shape[1])
        return x

    spatial = tuple(k + draw.int(0, 3) for k in kernel)
    inputs, layout, theirs = _layout(draw, draw.maps(within, spatial), theirs)
    return inputs, {**layout, "multiplier": 1, "kernel_size": kernel, "strides": strides, "factors": "own_axis"}, theirs


# pooling -------------------------------------------------------------------------------------------------------------


def _pool(kind, draw):
    axes = draw.int(1, 3)
    size = draw.per_axis(axes, 1, 3)
    strides, dilation = draw.per_axis(axes, 1, 3), draw.per_axis(axes, 1, 2) if kind == "max" else (1,) * axes
    padding = 0 if kind == "lp" else draw.int(0, min(size) // 2)
    spatial = tuple((k - 1) * d + 1 + draw.int(0, 3) for k, d in zip(size, dilation, strict=True))
    options = {"kernel_size": size, "strides": strides}
    if kind == "lp":
        norm = draw.of(1, 2, 3, 2.5)
        pool = getattr(F, f"lp_pool{axes}d")

        def theirs(x):
            return pool(x, norm, size[0], strides[0]) if axes == 1 else pool(x, norm, size, strides)

        x = np.abs(draw.maps(2, spatial)) + 0.1
        options["norm"] = norm
    elif kind == "max":
        pool = getattr(F, f"max_pool{axes}d")

        def theirs(x):
            return pool(x, size, strides, padding, dilation)

        x, options = draw.maps(2, spatial), {**options, "padding": padding, "dilation": dilation}
    else:
        counted = draw.of(True, False)
        pool = getattr(F, f"avg_pool{axes}d")

        def theirs(x):
            return pool(x, size, strides, padding, count_include_pad=counted)

        x, options = draw.maps(2, spatial), {**options, "padding": padding, "count_padding": counted}
    inputs, layout, theirs = _layout(draw, x, theirs)
    return inputs, {**options, **layout}, theirs


for _kind in ("max", "avg", "lp"):
    twin(f"{_kind}_pool")(functools.partial(_pool, _kind))


@twin("blur_pool")
def _blur_pool(draw):
    axes, channels = draw.int(1, 3), draw.int(1, 3)
    strides = draw.per_axis(axes, 1, 2)
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = functools.reduce(lambda a, b: a[..., None] * b, [row] * axes).expand(channels, 1, *[3] * axes)
    inputs, layout, theirs = _layout(
        draw, draw.maps(channels, draw.per_axis(axes, 3, 6)),
        lambda x: CONV[axes](x, kernel, stride=strides, groups=channels),
    )  # fmt: skip
    return inputs, {**layout, "strides": strides}, theirs


def _adaptive(kind, draw):
    axes = draw.int(1, 3)
    size, spatial = draw.per_axis(axes, 1, 4), draw.per_axis(axes, 1, 6)
    pool = getattr(F, f"adaptive_{kind}_pool{axes}d")
    inputs, layout, theirs = _layout(draw, draw.maps(2, spatial), lambda x: pool(x, size))
    return inputs, {**layout, "output_size": size}, theirs


for _kind in ("avg", "max"):
    twin(f"adaptive_{_kind}_pool")(functools.partial(_adaptive, _kind))

GLOBAL = {
    "avg": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "max": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "lp": lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keepdim=keep),
}


def _global(kind, draw):
    spatial, keep, last = draw.shape(1, 3), draw.of(True, False), draw.of(True, False)
    x = draw.numbers(2, *spatial, 3) if last else draw.numbers(2, 3, *spatial)
    axes = tuple(range(1, x.ndim - 1)) if last else tuple(range(2, x.ndim))
    options = {"keep_axes": keep, "channels": "last" if last else "first"}
    return [x], options, lambda x: GLOBAL[kind](x, axes, keep)


for _kind in GLOBAL:
    twin(f"global_{_kind}_pool")(functools.partial(_global, _kind))


# normalisation -------------------------------------------------------------------------------------------------------


@twin("batch_norm")
def _batch_norm(draw):
    x = draw.maps(draw.int(1, 3), draw.shape(0, 3), batch=draw.int(4, 6))
    epsilon = draw.of(1e-5, 1e-3)
    inputs, layout, theirs = _layout(
        draw, x, lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, training=True, eps=epsilon)
    )  # fmt: skip
    return inputs, {**layout, "epsilon": epsilon}, theirs


@twin("layer_norm")
def _layer_norm(draw):
    x = draw.numbers(*draw.shape(1, 2), draw.int(2, 4), draw.int(4, 6))
    axis = draw.of(-1, (-2, -1), (x.ndim - 1, x.ndim - 2))
    axis = axis if x.ndim > 2 else -1
    return [x], {"axis": axis}, lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta)


@twin("group_norm")
def _group_norm(draw):
    groups = draw.int(1, 3)
    x = draw.maps(groups * draw.int(1, 2), (4, *draw.shape(0, 2)))
    inputs, layout, theirs = _layout(draw, x, lambda x, gamma, beta: F.group_norm(x, groups, gamma, beta))
    return inputs, {**layout, "groups": groups}, theirs


@twin("instance_norm")
def _instance_norm(draw):
    x = draw.maps(draw.int(1, 3), (4, *draw.shape(0, 2)))
    return _layout(draw, x, lambda x, gamma, beta: F.instance_norm(x, weight=gamma, bias=beta))


@twin("rms_norm")
def _rms_norm(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.of(-1, (-2, -1)) if x.ndim > 2 else -1
    return [x], {"axis": axis}, lambda x, gamma: F.rms_norm(x, gamma.shape, gamma, eps=1e-6)


# dropout: what PyTorch's formulas make of the numbers that were drawn ------------------------------------------------


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


def _normal(draws):
    return torch.sqrt(-2 * torch.log(1 - draws[0])) * torch.cos(2 * math.pi * draws[1])


@twin("gaussian_noise")
def _gaussian_noise(draw):
    return [draw.numbers(*draw.shape(1, 4))], {"stddev": 0.5}, lambda x, draws: x + 0.5 * _normal(draws)


@twin("gaussian_dropout")
def _gaussian_dropout(draw):
    return [draw.numbers(*draw.shape(1, 4))], {"rate": 0.2}, lambda x, draws: x * (1 + 0.5 * _normal(draws))


# recurrent -----------------------------------------------------------------------------------------------------------


def _recurrent(kind, draw):
    batch, time, within, units = draw.int(1, 3), draw.int(1, 5), draw.int(1, 4), draw.int(1, 4)
    states = 2 if kind == "lstm" else 1
    first = [draw.numbers(batch, units, scale=0.5) for _ in range(states)] if draw.of(True, False) else [None] * states
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](within, units, batch_first=True)
    every, use_bias = draw.of(True, False), draw.of(True, False)

    def theirs(x, *given, kernel, recurrent_kernel, bias=None, recurrent_bias=None):
        zeros = torch.zeros(kernel.shape[1])
        second = zeros if recurrent_bias is None else torch.cat([zeros[: 2 * units], recurrent_bias])
        weights = {
            "weight_ih_l0": kernel.T, "weight_hh_l0": recurrent_kernel.T,
            "bias_ih_l0": zeros if bias is None else bias, "bias_hh_l0": second,
        }  # fmt: skip
        begun = [torch.zeros(1, batch, units) if one is None else one[None] for one in given]
        sequence, last = torch.func.functional_call(module, weights, (x, tuple(begun) if states == 2 else begun[0]))
        ends = [one[0] for one in (last if states == 2 else (last,))]
        return (sequence if every else sequence[:, -1], *ends)

    options = {"units": units, "return_state": True, "return_sequence": every, "use_bias": use_bias}
    return [draw.numbers(batch, time, within), *first], options, theirs


for _kind in ("rnn", "lstm", "gru"):
    twin(_kind)(functools.partial(_recurrent, _kind))


@twin("reverse")
def _reverse(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.int(1, x.ndim - 1)
    return [x], {"axis": axis}, lambda x: x.flip(axis)


# attention -----------------------------------------------------------------------------------------------------------


@twin("scaled_dot_product_attention")
def _attention(draw):
    lead, queries, keys, depth, width = draw.shape(1, 2, 3), *(draw.int(1, 4) for _ in range(4))
    kind, shapes = draw.of("none", "seen", "added", "causal"), ((queries, depth), (keys, depth), (keys, width))
    inputs = [draw.numbers(*lead, *shape) for shape in shapes]
    seen = np.random.default_rng(queries).random((queries, keys)) > 0.3
    mask = {"seen": seen, "added": draw.numbers(queries, keys)}.get(kind)

    def theirs(query, key, value, mask):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=kind == "causal")

    return [*inputs, mask], {"causal": kind == "causal"}, theirs


@twin("multi_head_attention")
def _heads(draw):
    heads, depth, batch, queries, keys = draw.int(1, 3), draw.int(1, 3), *(draw.int(1, 4) for _ in range(3))
    units, use_bias = heads * depth, draw.of(True, False)
    memory = draw.numbers(batch, keys, draw.int(1, 5)) if draw.of(True, False) else None
    causal = memory is None and draw.of(True, False)
    other = units + 1  # keys of another size, so that each projection has a kernel of its own
    module = torch.nn.MultiheadAttention(units, heads, batch_first=True, bias=use_bias, kdim=other, vdim=other)

    def theirs(query, memory=None, *, query_kernel, key_kernel, value_kernel, output_kernel, **biases):
        key = query if memory is None else memory
        module.kdim = module.vdim = key.shape[-1]
        weights = {
            "q_proj_weight": query_kernel.T, "k_proj_weight": key_kernel.T, "v_proj_weight": value_kernel.T,
            "out_proj.weight": output_kernel.T,
        }  # fmt: skip
        if biases:
            parts = [biases[f"{name}_bias"] for name in ("query", "key", "value")]
            weights |= {"in_proj_bias": torch.cat(parts), "out_proj.bias": biases["output_bias"]}
        hidden = torch.triu(torch.ones(queries, queries, dtype=torch.bool), 1) if causal else None
        return torch.func.functional_call(
            module, weights, (query, key, key), {"attn_mask": hidden, "need_weights": False}
        )[0]

    inputs = [draw.numbers(batch, queries, units), *([] if memory is None else [memory])]
    return inputs, {"heads": heads, "causal": causal, "use_bias": use_bias}, theirs


@twin("learned_positions")
def _learned_positions(draw):
    x = draw.numbers(draw.int(1, 3), draw.int(1, 5), draw.int(1, 4))
    length = x.shape[1] + draw.int(0, 2)
    return [x], {"max_length": length}, lambda x, kernel: x + F.embedding(torch.arange(x.shape[1]), kernel)


@twin("swiglu")
def _swiglu(draw):
    name, use_bias = draw.of("silu", "sigmoid", "gelu", "relu"), draw.of(True, False)
    options = {"hidden_units": draw.int(1, 4), "units": draw.int(1, 4), "activation": name, "use_bias": use_bias}

    def theirs(x, kernel, gate_kernel, output_kernel, bias=None, gate_bias=None, output_bias=None):
        gate = getattr(F, name)(F.linear(x, gate_kernel.T, gate_bias))
        return F.linear(gate * F.linear(x, kernel.T, bias), output_kernel.T, output_bias)

    return [draw.numbers(*draw.shape(2, 3))], options, theirs


# joining, shapes, choices --------------------------------------------------------------------------------------------


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
    inputs, layout, theirs = _layout(
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
    inputs, layout, theirs = _layout(
        draw, draw.maps(2, draw.per_axis(2, 2, 6)), lambda x: F.interpolate(x, size, mode=mode, **smooth)
    )  # fmt: skip
    return inputs, {**layout, "size": size, "method": method}, theirs


@twin("upsample")
def _upsample(draw):
    method, factors = draw.of("nearest", "bilinear"), draw.per_axis(2, 1, 3)
    scale = tuple(map(float, factors))
    inputs, layout, theirs = _layout(
        draw, draw.maps(2, draw.per_axis(2, 1, 4)), lambda x: F.interpolate(x, scale_factor=scale, mode=method)
    )  # fmt: skip
    return inputs, {**layout, "scale_factor": factors, "method": method}, theirs


@twin("pixel_shuffle")
def _pixel_shuffle(draw):
    factor = draw.int(1, 3)
    x = draw.maps(factor**2 * draw.int(1, 2), draw.per_axis(2, 1, 3))
    inputs, layout, theirs = _layout(draw, x, lambda x: F.pixel_shuffle(x, factor))
    return inputs, {**layout, "upscale_factor": factor}, theirs


@twin("pixel_unshuffle")
def _pixel_unshuffle(draw):
    factor = draw.int(1, 3)
    x = draw.maps(2, (factor * draw.int(1, 2), factor * draw.int(1, 2)))
    inputs, layout, theirs = _layout(draw, x, lambda x: F.pixel_unshuffle(x, factor))
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
