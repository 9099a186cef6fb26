"""Every registered layer goes to ONNX, and onnxruntime gives its numbers. A new layer is tested by being declared."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "layers"))
from ort import data_for, flat, run, shaken
from test_contract import LAYERS, concrete, example_of
from tinygrad import Tensor

import axon_nb as ax

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.usefixtures("plain_kernels")

NEEDS_SIZES = {"adaptive_avg_pool", "adaptive_max_pool", "adaptive_lp_pool"}
"""Layers that ONNX has no operator for where the size of the map is open: exported with the sizes given."""


def ours(model, params, data):
    return flat_numpy(model.apply(params, data, mode="inference")[0])


def flat_numpy(result):
    if isinstance(result, dict):
        result = tuple(result.values())
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


def compare(model, data, shapes=None, seed=1, back=True):
    params = shaken(model.init(seed=0, **(shapes or {})), seed)
    proto = model.to_onnx(params, None, **(shapes or {}))
    onnx.checker.check_model(proto, full_check=False)
    theirs = flat(tuple(run(proto, data)))
    for mine, other in zip(ours(model, params, data), theirs, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(other, mine, rtol=1e-4, atol=1e-4)
    if back:
        round_trip(proto, data, ours(model, params, data))
    return proto


def round_trip(proto, data, results):
    again, weights = ax.from_onnx(proto)
    for mine, other in zip(results, ours(again, weights, data), strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(other, mine, rtol=1e-4, atol=1e-4)
    return again


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_the_same_in_onnxruntime(name):
    model = example_of(name)
    shapes = {key: (None, *shape[1:]) for key, shape in concrete(model, 3).items()} if name in NEEDS_SIZES else {}
    proto = compare(model, data_for(model), shapes)
    assert {i.type.tensor_type.shape.dim[0].dim_param for i in onnx.load_model_from_string(proto).graph.input} == {
        "batch"
    }


LAST = [name for name, thing in LAYERS.items() if any(o.name == "channels" for o in thing.declaration.options)]


@pytest.mark.parametrize("name", LAST)
def test_channels_last_too(name):
    layer = LAYERS[name]
    given = {o.name: o.type.example for o in layer.declaration.options if o.required}
    given |= {
        key: {"upscale_factor": 2, "padding": 1, "multiplier": 2, "groups": 2}.get(key, value)
        for key, value in given.items()
    }
    shape = (None, 5, 8, 8, 4) if name == "conv_lstm" else (None, 8, 8, 4)
    model = ax.input(shape, name="x") | layer(**given, channels="last")
    compare(model, data_for(model))


IMAGE, SEQUENCE, FLAT = (None, 4, 9, 8), (None, "time", 6), (None, 6)
VARIANTS = [
    (FLAT, ax.dense(5, use_bias=False)),
    (SEQUENCE, ax.dense(5, "gelu")),
    (FLAT, ax.dense(5, ax.gelu(approximate=True))),
    (FLAT, ax.dense(6, ax.glu)),
    (FLAT, ax.dense(5, lambda x: x.square().relu())),
    (FLAT, ax.bias(axis=1)),
    (IMAGE, ax.bias(axis=1)),
    (IMAGE, ax.scale(axis=2)),
    (IMAGE, ax.prelu(shared=True)),
    (IMAGE, ax.conv(6, 3, 2, "same", activation="relu")),
    (IMAGE, ax.conv(6, (3, 1), 1, [(1, 2), (0, 3)])),
    (IMAGE, ax.conv(6, 3, dilation=2, groups=2)),
    (IMAGE, ax.conv(6, 2, input_dilation=2, padding="same")),
    ((None, 4, "h", "w"), ax.conv(6, 3, 2, "same")),
    ((None, 4, "h", "w"), ax.conv(6, 3, 1, "same", dilation=2)),
    ((None, 4, 12), ax.conv(6, 5, use_bias=False)),
    ((None, 2, 5, 6, 7), ax.conv(4, 3, padding=1)),
    (IMAGE, ax.conv_transpose(6, 3, 2)),
    (IMAGE, ax.conv_transpose(6, 1, 2, "same")),
    (IMAGE, ax.conv_transpose(6, 4, 2, 1, output_padding=1)),
    (IMAGE, ax.conv_transpose(6, 2, 3, dilation=2, groups=2)),
    (IMAGE, ax.depthwise_conv(2, 3, 2, "same", use_bias=False)),
    (IMAGE, ax.separable_conv(6, 3, multiplier=2)),
    (IMAGE, ax.spatial_separable_conv(2, 3, 2, "same")),
    (IMAGE, ax.spatial_separable_conv(2, 3, 2, 1, factors="own_axis", dilation=2)),
    (IMAGE, ax.spatial_separable_conv(1, 2, input_dilation=(2, 1))),
    (FLAT, ax.batch_norm()),
    (SEQUENCE, ax.batch_norm(channels="last")),
    (IMAGE, ax.layer_norm(axis=(1, 2, 3))),
    (IMAGE, ax.layer_norm(axis=1)),
    (IMAGE, ax.rms_norm(axis=(1, 3), shift=1.0)),
    (IMAGE, ax.group_norm(2)),
    (FLAT, ax.group_norm(3)),
    (IMAGE, ax.max_pool(3, 2, "same")),
    (IMAGE, ax.max_pool(2, 1, 2)),
    (IMAGE, ax.max_pool(3, dilation=2)),
    (IMAGE, ax.avg_pool(3, 2, 1)),
    (IMAGE, ax.avg_pool(3, 2, 1, count_padding=False)),
    (IMAGE, ax.avg_pool(2, 2, "same", dilation=2)),
    (IMAGE, ax.avg_pool(1, padding=1)),
    ((None, 4, "h", "w"), ax.avg_pool(2, 2, "same")),
    (IMAGE, ax.lp_pool(2, norm=3)),
    (IMAGE, ax.lp_pool(2, norm=1)),
    (IMAGE, ax.lp_pool(3, 2, "same", norm=4)),
    (IMAGE, ax.blur_pool(2, "same")),
    (IMAGE, ax.adaptive_avg_pool((3, 4))),
    (IMAGE, ax.adaptive_max_pool((4, 3))),
    (IMAGE, ax.adaptive_lp_pool((4, 3), norm=1)),
    ((None, 4, "h", "w"), ax.adaptive_avg_pool(1)),
    (IMAGE, ax.global_avg_pool(keep_axes=True)),
    (IMAGE, ax.global_max_pool(keep_axes=True)),
    (IMAGE, ax.global_lp_pool(norm=4)),
    (SEQUENCE, ax.rnn(5, "relu", return_sequence=False)),
    (SEQUENCE, ax.rnn(5, None, return_state=True)),
    (SEQUENCE, ax.lstm(5, return_state=True, forget_bias=1.0)),
    (SEQUENCE, ax.lstm(5, use_bias=False, return_sequence=False)),
    (SEQUENCE, ax.lstm(5, "softsign", "hard_sigmoid")),
    (SEQUENCE, ax.lstm(5, "gelu", return_state=True)),
    (SEQUENCE, ax.lstm(5, use_bias=False, forget_bias=2.0)),
    (SEQUENCE, ax.gru(5, return_state=True, return_sequence=False)),
    (SEQUENCE, ax.gru(5, "elu", "hard_sigmoid")),
    (SEQUENCE, ax.gru(5, "silu")),
    (SEQUENCE, ax.rnn(5, "mish")),
    (SEQUENCE, ax.bidirectional(ax.lstm(4))),
    ((None, 5, 3, 6, 7), ax.conv_lstm(4, 3, 2, return_state=True)),
    ((None, "time", 3, 6), ax.conv_lstm(4, 2, activation="relu", return_sequence=False)),
    (IMAGE, ax.reshape((-1, 4))),
    (IMAGE, ax.reshape(-1)),
    (IMAGE, ax.transpose((3, 1, 2))),
    (IMAGE, ax.transpose()),
    (IMAGE, ax.reverse(2)),
    (IMAGE, ax.slice(1, -1, 2)),
    (IMAGE, ax.slice(step=-2, axis=2)),
    (IMAGE, ax.slice(-3, 0, -1)),
    (IMAGE, ax.pad(2)),
    (IMAGE, ax.pad([(1, -2), (2, 0)], 3.0)),
    (IMAGE, ax.pad([(2, -1), (0, 1)], mode="reflect")),
    (IMAGE, ax.pad([(1, 1), (0, 3), (-1, 2)], mode="edge")),
    (IMAGE, ax.pad(2, mode="wrap")),
    (IMAGE, ax.pad(0)),
    (IMAGE, ax.resize((5, 13))),
    (IMAGE, ax.resize((5, 13), "bilinear")),
    (IMAGE, ax.resize(12, "bicubic")),
    (IMAGE, ax.resize((4, 13), "bicubic", antialias=False)),
    (IMAGE, ax.resize((4, 13), "lanczos3")),
    ((None, 4, "h", "w"), ax.resize((12, 14), "bilinear", antialias=False)),
    ((None, 3, 9), ax.resize(5, "bicubic")),
    ((None, 4, "h", "w"), ax.resize((4, 9), "bilinear")),
    (IMAGE, ax.upsample(3, "bilinear")),
    ((None, 4, "h", "w"), ax.upsample((2, 3), "bicubic")),
    ((None, 4, "h", "w"), ax.upsample(2)),
    ((None, 4, "h", "w"), ax.upsample(2, "bilinear")),
    (IMAGE, ax.pixel_shuffle(2)),
    ((None, 3, 6, 4), ax.pixel_unshuffle(2)),
    (IMAGE, ax.split((1, 3), axis=1)),
    (SEQUENCE, ax.multi_head_attention(heads=2)),
    (SEQUENCE, ax.multi_head_attention(heads=3, causal=True, rotary=True)),
    (SEQUENCE, ax.multi_head_attention(heads=6, kv_heads=2)),
    (SEQUENCE, ax.multi_head_attention(heads=3, kv_heads=1, key_units=4, causal=True, rotary=True)),
    (SEQUENCE, ax.multi_head_attention(heads=2, key_units=5, units=7, use_bias=False, causal=True)),
    ((None, 3, 5, 7), ax.sinusoidal_positions(base=100.0)),
    (SEQUENCE, ax.rotary_positions(heads=3)),
    ((None, "time", 8), ax.rotary_positions(heads=2, pairs="neighbours", base=500)),
    (SEQUENCE, ax.learned_positions(9)),
    (SEQUENCE, ax.swiglu(7, 5, activation="gelu", use_bias=True)),
    (IMAGE, ax.softmax(axis=(1, 2))),
    (IMAGE, ax.log_softmax(axis=(1, -1))),
    (IMAGE, ax.log_sumexp(axis=(2, 3))),
    (IMAGE, ax.glu(axis=1)),
    (FLAT, ax.hard_silu(alpha=0.2, beta=0.4)),
    (FLAT, ax.selu(alpha=1.0, gamma=2.0)),
    (FLAT, ax.celu(alpha=0.5)),
    (IMAGE, ax.constant([[1.0, 2.0], [3.0, 4.0]])),
    (FLAT, ax.stack(ax.dense(3), ax.dense(3), axis=1)),
    (FLAT, ax.add(ax.dense(3), ax.dense(3), ax.dense(3))),
    (SEQUENCE, ax.cond(lambda x: x.mean((1, 2)) > 0, ax.relu, ax.tanh)),
]


@pytest.mark.parametrize(("shape", "layer"), VARIANTS, ids=[repr(one) for _, one in VARIANTS])
def test_options_of_layers(shape, layer):
    model = ax.input(shape, name="x") | layer
    model = tuple(model) | ax.noop() if isinstance(model.outputs, tuple) else model
    compare(model, data_for(model, size=8))


@pytest.mark.parametrize("kind", ["bool", "float32", "int32"])
def test_attention_masks(kind):
    query, memory = ax.input((None, "q", 8), name="query"), ax.input((None, "k", 6), name="memory")
    mask = ax.input((None, "q", "k"), name="mask", dtype=kind)
    model = (query, memory, memory, mask) | ax.multi_head_attention(heads=2, causal=True)
    data = data_for(model)
    seen = np.random.default_rng(0).random((3, 6, 6)) > 0.4
    seen[1, 2] = False  # a query that sees nothing
    data["mask"] = np.where(seen, 0.5, -np.inf).astype("float32") if kind == "float32" else seen.astype(kind)
    compare(model, data)
    alike = ax.input((None, "k", 8), name="alike")
    bare = (query, alike, alike, mask) | ax.scaled_dot_product_attention()
    compare(bare, {"query": data["query"], "alike": data["query"] * 2, "mask": data["mask"]})


@ax.layer
def scaled(scope, x, start: float = 2.0):
    """Scale.

    Shapes:
        any
    """
    return x * scope.param("scale", (x.shape[-1],), start)


OWN = [
    lambda x: x * 2 + 1,
    lambda x: x.clip(0, 6),
    lambda x: x - x.mean(1, keepdim=True),
    lambda x: x.sum((0, 1)).expand(x.shape),
    lambda x: x.softmax(-1),
    lambda x: x.flatten(1),
    lambda x: x.reshape(x.shape[0], -1, 2),
    lambda x: x[:, ::-1, 1:3],
    lambda x: x.transpose(1, 2) @ x,
    lambda x: x.cumsum(1),
    lambda x: x.max(1),
    lambda x: x.argmax(-1).float(),
    lambda x: x.pad(((0, 0), (1, 2), (0, 1))),
    lambda x: x + x.shape[1],
    lambda x: (x > 0).where(x.exp(), x.sin()),
    lambda x: x.var(1),
    lambda x: x.int() // 2 % 3,
    lambda x: x.cat(x * 2, dim=1),
    lambda x: x[:, 1:],
    lambda x: x.std(-1).log2(),
    lambda x: x.round().abs().sqrt().erf(),
    lambda x: x.repeat(1, 2, 1),
    lambda x: (x < 0) & (x > -1),
    lambda x: x.sigmoid().pow(3),
    lambda x: x + Tensor.ones(x.shape[1], 1),
    lambda x: x.cat(Tensor.zeros(x.shape[0], 2, 6), dim=1),
    lambda x: x * Tensor.arange(6),
    scaled(0.5),
    lambda scope, x: x + scope.param("w", (x.shape[-1],), "normal") * scope.param("v", (), 2.0),
]


@pytest.mark.parametrize("number", range(len(OWN)))
@pytest.mark.parametrize("shape", [(None, "time", 6), (None, 4, 6)])
def test_functions_of_ones_own_are_written_as_their_operations(number, shape):
    model = ax.input(shape, name="x") | OWN[number]
    for batch, size in ((3, 7), (2, 4)):
        compare(model, data_for(model, batch, size))


def test_a_function_that_cannot_be_written_is_an_error_that_names_it():
    x = ax.input((None, "time"), name="x")

    def grows(x):
        return x.reshape(-1, 2) if x.shape[1] == 96 else x.reshape(-1, 1, 2).squeeze(1).relu()

    model = x | (lambda x: x.bitcast("int32")) | grows
    with pytest.raises(ax.AxonError, match=r"^function_0: its function uses .* no ONNX operator: BITCAST"):
        model.to_onnx(model.init())
    model = x | (lambda x: x * 0.5) | grows
    with pytest.raises(ax.AxonError, match=r"^grows_0: its function does other things for other sizes"):
        model.to_onnx(model.init())
    open_map = ax.input((None, 3, "h", "w")) | ax.adaptive_avg_pool(7)
    with pytest.raises(ax.AxonError, match=r"^adaptive_avg_pool_0: cuts an axis into 7 windows, and the size"):
        open_map.to_onnx(open_map.init())


@pytest.mark.parametrize("layer", [ax.lstm, ax.gru, ax.rnn, ax.conv_lstm])
def test_recurrent_layers_with_states_and_a_mask(layer):
    maps = layer is ax.conv_lstm
    x = ax.input((None, "time", 6, 5) if maps else (None, "time", 6), name="x")
    states = {"hidden": ax.input((None, 4, 5) if maps else (None, 4), name="hidden")}
    if layer in (ax.lstm, ax.conv_lstm):
        states["cell"] = ax.input((None, 4, 5) if maps else (None, 4), name="cell")
    mask = ax.input((None, "time"), name="mask", dtype="int32")
    for given in (states, {"mask": mask}, {**states, "mask": mask}):
        model = layer(4)(x, **given)
        data = data_for(model)
        if "mask" in given:
            data["mask"] = (data["mask"] > 1).astype("int32")
        compare(model, data)
