"""Code for other frameworks runs there with our weights, and gives our numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from frameworks import keras_on_torch
from networks import NETWORKS
from ort import data_for, shaken
from tinygrad import Tensor
from tinygrad import nn as tiny

import axon_nb as ax
from axon_nb.options import activations

MODELS = {name: NETWORKS[name] for name in ("mlp", "lenet", "unet", "lstm", "two_by_two")}
MODELS["last"] = (
    ax.input((None, 8, 8, 3), name="x") | ax.conv(4, 3, 2, "same", channels="last") | ax.batch_norm(channels="last")
    | ax.max_pool(2, channels="last") | ax.transpose((3, 1, 2)) | ax.group_norm(2) | ax.reshape((-1,)) | ax.layer_norm()
    | ax.dense(4, ax.leaky_relu(alpha=0.2)) | ax.gelu(), 8,
)  # fmt: skip
MODELS["gru"] = (ax.input((None, "time", 4), name="x") | ax.gru(5) | ax.rnn(3) | ax.lstm(2, forget_bias=1.0), 6)
_shared, _a, _b = ax.dense(4, name="both"), ax.input((None, 4), name="a"), ax.input((None, 4), name="b")
MODELS["shared"] = ((_a | _shared | ax.linear() | ax.residual(ax.dense(4, "relu"))) + (_b | _shared), 4)
_two = (ax.input((None, "time", 4), name="x") | ax.dense(8)) | ax.split((3, 5))
MODELS["parts"] = ((_two[0] | ax.dense(2, "relu") | ax.dense(2)) + (_two[1] | ax.dense(2)), 4)

pytestmark = pytest.mark.usefixtures("plain_kernels")


def ours(model, params, data):
    found = model.apply(params, data, mode="inference")[0]
    return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


def close(found, wanted):
    found = found if isinstance(found, tuple) else (found,)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*MODELS, "resnet18", "gpt"])
def test_pytorch(name):
    torch = pytest.importorskip("torch")
    model, size = MODELS.get(name) or NETWORKS[name]
    params, data = shaken(model.init()), data_for(model, 2, size)
    names = {}
    exec(str(model.code("net", target="torch")), names)
    module = names["Net"]().eval()
    weights = {key: torch.from_numpy(np.array(one)) for key, one in ax.weights_for(model, params, "torch").items()}
    left = module.load_state_dict(weights, strict=False)
    assert not left.unexpected_keys
    assert all(key.endswith("num_batches_tracked") for key in left.missing_keys)
    found = module(*(torch.from_numpy(one) for one in data.values()))
    found = found if isinstance(found, tuple) else (found,)
    close(tuple(one.detach().numpy() for one in found), ours(model, params, data))


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lstm", "gru")])
def test_tinygrad(name):
    model, size = MODELS[name]
    params, data = shaken(model.init()), data_for(model, 2, size)
    names = {}
    exec(str(model.code("net", target="tinygrad")), names)
    made = names["Net"]()
    weights = {key: Tensor(one) for key, one in ax.weights_for(model, params, "tinygrad").items()}
    tiny.state.load_state_dict(made, weights, strict=False, verbose=False)
    found = made(*(Tensor(one) for one in data.values()))
    found = found if isinstance(found, tuple) else (found,)
    close(tuple(one.numpy() for one in found), ours(model, params, data))


IMAGE, VOLUME, SEQUENCE, FLAT = (None, 4, 9, 8), (None, 2, 5, 6, 7), (None, "time", 6), (None, 6)
KERAS = [
    (IMAGE, ax.conv(6, 3, 2, "same", activation="relu")),
    (IMAGE, ax.conv(6, (3, 1), 1, [(1, 2), (0, 3)])),
    (IMAGE, ax.conv(6, 3, dilation=2, groups=2)),
    (IMAGE, ax.conv(6, 3, 1, "same", use_bias=False)),
    ((None, 4, 12), ax.conv(6, 5, padding=2)),
    (VOLUME, ax.conv(4, 3, padding=1, strides=2)),
    ((None, 4, "h", "w"), ax.conv(6, 3, 2, "same")),
    (IMAGE, ax.conv_transpose(6, 3, 2)),
    (IMAGE, ax.conv_transpose(6, 1, 2, "same")),
    (IMAGE, ax.conv_transpose(6, 4, 2, "same")),
    (IMAGE, ax.conv_transpose(6, 3, 2, "same")),
    (IMAGE, ax.conv_transpose(6, 4, 2, 1)),
    (IMAGE, ax.conv_transpose(6, 3, 2, 1, output_padding=1)),
    (IMAGE, ax.conv_transpose(6, 1, 3)),
    (IMAGE, ax.depthwise_conv(2, 3, 2, "same", use_bias=False)),
    (IMAGE, ax.depthwise_conv(2, 3, activation="tanh")),
    (IMAGE, ax.separable_conv(6, 3, multiplier=2)),
    (FLAT, ax.batch_norm()),
    (IMAGE, ax.batch_norm()),
    (SEQUENCE, ax.batch_norm(channels="last")),
    (IMAGE, ax.layer_norm(axis=(1, 2, 3))),
    (SEQUENCE, ax.rms_norm(shift=1.0)),
    (IMAGE, ax.group_norm(2)),
    (IMAGE, ax.instance_norm()),
    (IMAGE, ax.prelu()),
    (IMAGE, ax.prelu(shared=True)),
    (IMAGE, ax.max_pool(3, 2, "same")),
    (IMAGE, ax.max_pool(2, 1, 1)),
    (IMAGE, ax.avg_pool(3, 2, 1)),
    (IMAGE, ax.avg_pool(3, 2, "same")),
    (IMAGE, ax.global_avg_pool(keep_axes=True)),
    (IMAGE, ax.global_max_pool()),
    (SEQUENCE, ax.lstm(5, return_sequence=False, forget_bias=1.0)),
    (SEQUENCE, ax.lstm(5, "relu", "hard_sigmoid", use_bias=False)),
    (SEQUENCE, ax.gru(5, use_bias=False, return_sequence=False)),
    (SEQUENCE, ax.rnn(5, None)),
    (SEQUENCE, ax.lstm(5, return_state=True)),
    (SEQUENCE, ax.gru(5, return_state=True)),
    (SEQUENCE, ax.bidirectional(ax.gru(4))),
    (SEQUENCE, ax.multi_head_attention(heads=3, causal=True, units=9)),
    (SEQUENCE, ax.multi_head_attention(heads=2, key_units=5, use_bias=False)),
    ((None, 5, 6), ax.learned_positions(9)),
    (IMAGE, ax.reshape((-1, 4))),
    (IMAGE, ax.transpose((3, 1, 2))),
    (IMAGE, ax.transpose()),
    (IMAGE, ax.pad(2)),
    (IMAGE, ax.pad([(1, 0), (2, 3)], 1.5)),
    (IMAGE, ax.upsample(2)),
    (VOLUME, ax.upsample(2)),
    (IMAGE, ax.upsample(3, "bilinear")),
    (IMAGE, ax.slice(1, -1, 2)),
    (IMAGE, ax.split((1, 3), axis=1)),
    (IMAGE, ax.reverse(2)),
    (FLAT, ax.stack(ax.dense(3), ax.dense(3))),
    (FLAT, ax.add(ax.dense(3), ax.dense(1))),
    (FLAT, ax.multiply(ax.dense(3), ax.dense(3, "sigmoid"))),
    (FLAT, ax.subtract(ax.dense(3), ax.dense(3), ax.dense(3))),
    (FLAT, ax.dense(5, ax.gelu(approximate=True))),
    (FLAT, ax.dense(5, ax.leaky_relu(alpha=0.3))),
    (IMAGE, ax.softmax(axis=1)),
    (IMAGE, ax.log_softmax(axis=1)),
    (IMAGE, ax.log_sumexp(axis=(2, 3))),
    (FLAT, ax.dropout(0.1) | ax.alpha_dropout(0.2) | ax.gaussian_noise(0.1) | ax.gaussian_dropout()),
    (IMAGE, ax.spatial_dropout(0.2)),
    *((FLAT, ax.activation(name)) for name in activations),
]


def last(layer):
    """Return the layer with channels last, after what moves them there; ``None`` where it has no such option."""
    if "channels" not in getattr(layer, "options", {}):
        return None
    return ax.transpose((2, 3, 1)) | getattr(ax, layer.declaration.name)(**{**layer.options, "channels": "last"})


KERAS += [(shape, last(layer)) for shape, layer in KERAS if shape == IMAGE and last(layer) is not None]


def in_keras(keras, model, params, data):
    """Run a model's Keras code with its weights there."""
    names = {}
    exec(str(model.code("net", target="keras")), names)
    weights = ax.weights_for(model, params, "keras")
    assert set(weights) == {one.path for one in names["net"].weights}
    for one in names["net"].weights:
        one.assign(weights[one.path])
    given = [keras.ops.convert_to_tensor(one) for one in data.values()]
    found = names["net"](given if len(given) > 1 else given[0])
    return tuple(one.detach().numpy() for one in (found if isinstance(found, list | tuple) else (found,)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras on PyTorch with NumPy 2
@pytest.mark.parametrize("name", [*MODELS, "resnet18", "resnet50", "gpt"])
@pytest.mark.slow
def test_keras(name):
    keras = keras_on_torch()
    model, size = MODELS.get(name) or NETWORKS[name]
    params, data = shaken(model.init()), data_for(model, 2, size)
    close(in_keras(keras, model, params, data), ours(model, params, data))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras on PyTorch with NumPy 2
@pytest.mark.parametrize(("shape", "layer"), KERAS, ids=[repr(one) for _, one in KERAS])
@pytest.mark.slow
def test_layers_in_keras(shape, layer):
    keras = keras_on_torch()
    model = ax.input(shape, name="x") | layer
    model = tuple(model) | ax.noop() if isinstance(model.outputs, tuple) else model
    params, data = shaken(model.init()), data_for(model, 2, 8)
    close(in_keras(keras, model, params, data), ours(model, params, data))


def test_keras_reads_as_a_person_would_write_it():
    image = ax.input((None, 28, 28, 1), name="image")
    x = image | ax.conv(8, 3, activation="relu", channels="last", name="conv") | ax.max_pool(2, channels="last")
    x = x | ax.flatten() | ax.dropout(0.5) | ax.residual(ax.dense(1352, ax.leaky_relu(alpha=0.2)))
    model = x | ax.dense(10, "softmax", name="head")
    assert (
        str(model.code("mnist", target="keras"))
        == """import keras
from keras import layers

image = keras.Input((28, 28, 1), name="image")
x = layers.Conv2D(8, 3, activation="relu", name="conv")(image)
x = layers.MaxPooling2D(2)(x)
x = layers.Flatten()(x)
dropout_0_out = layers.Dropout(0.5)(x)
x = layers.Dense(1352, name="dense_0")(dropout_0_out)
x = layers.LeakyReLU(negative_slope=0.2)(x)
x = layers.Add()([dropout_0_out, x])
x = layers.Dense(10, activation="softmax", name="head")(x)
mnist = keras.Model(image, x, name="mnist")
"""
    )


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (ax.conv(6, 3, 2, dilation=2), "conv_0: has strides and dilation, and Keras's takes one of them"),
        (ax.conv(6, 3, input_dilation=2), "conv_0: dilates its input, which Keras's does not"),
        (ax.conv_transpose(6, 3, groups=2), "conv_transpose_0: has groups, which Keras's has not"),
        (ax.conv_transpose(6, 3, 2, 0, output_padding=1), "conv_transpose_0: adds cells behind the result"),
        (ax.depthwise_conv(1, 3, (1, 2)), "depthwise_conv_0: has strides of its own for each axis"),
        (ax.layer_norm(axis=1), "layer_norm_0: normalises axes that are not the last"),
        (ax.max_pool(2, dilation=2), "max_pool_0: dilates its window, which Keras's does not"),
        (ax.avg_pool(3, 2, 1, count_padding=False), "avg_pool_0: does not count padding, on which Keras's backends do"),
        (ax.pad(1, mode="edge"), "pad_0: cuts off, or pads the channels or in another mode"),
        (ax.upsample(2, "bicubic"), "upsample_0: there is no code for bicubic over 2 axes in Keras"),
        (ax.slice(step=-1), "slice_0: goes backwards, for which there is no code in Keras"),
        (ax.blur_pool(), "blur_pool_0: there is no code for blur_pool in this framework"),
    ],
)
def test_what_keras_has_not_is_an_error_that_names_the_layer(layer, problem):
    model = ax.input((None, 4, 9, 8)) | layer
    with pytest.raises(ax.AxonError, match=f"^{problem}"):
        model.code(target="keras")


def test_sequences_that_keras_has_not():
    x = ax.input((None, "time", 6))
    for layer, problem in (
        (ax.lstm(4, ax.elu(alpha=0.5)), "lstm_0: its activation has options, and Keras takes it by name here"),
        (ax.lstm(4, use_bias=False, forget_bias=1.0), "lstm_0: has a forget_bias and no bias"),
        (ax.multi_head_attention(heads=3, rotary=True), "multi_head_attention_0: has a mask or turns"),
    ):
        with pytest.raises(ax.AxonError, match=f"^{problem}"):
            (x | layer).code(target="keras")
    masked = ax.lstm(4)(x, mask=ax.input((None, "time"), dtype="int32"))
    with pytest.raises(ax.AxonError, match=r"^lstm_0: leaves out inputs, which code for other frameworks cannot"):
        masked.code(target="keras")
    volume = ax.input((None, 4, 5, 6, 7)) | ax.depthwise_conv(1, 3)
    with pytest.raises(ax.AxonError, match=r"^depthwise_conv_0: has three axes, which Keras's has not"):
        volume.code(target="keras")


def test_it_reads_as_a_person_would_write_it():
    model = ax.input((None, 1, 28, 28), name="image") | ax.conv(8, 3, activation="relu", name="conv") | ax.max_pool(2)
    model = model | ax.flatten() | ax.dropout(0.5) | ax.dense(10, "softmax", name="head")
    assert (
        str(model.code("mnist", target="torch"))
        == """import torch.nn.functional as F
from torch import nn


class Mnist(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.head = nn.Linear(1352, 10)

    def forward(self, image):
        x = F.relu(self.conv(image))
        x = F.max_pool2d(x, 2)
        x = x.flatten(1)
        x = F.dropout(x, 0.5, self.training)
        x = F.softmax(self.head(x), dim=-1)
        return x
"""
    )


def test_what_has_no_code_is_an_error_that_names_the_layer():
    model = ax.input((None, 3, 8, 8)) | ax.blur_pool()
    with pytest.raises(ax.AxonError, match=r"^blur_pool_0: there is no code for blur_pool in this framework"):
        model.code(target="torch")
    model = ax.input((None, 3)) | ax.dense(2, lambda x: x * 2)
    with pytest.raises(ax.AxonError, match=r"^dense_0: its activation is a function of your own"):
        model.code(target="torch")
    approximate = ax.input((None, 3)) | ax.dense(2, ax.gelu(approximate=True))
    with pytest.raises(ax.AxonError, match="gelu with another approximate has no code in this framework"):
        approximate.code(target="torch")
    with pytest.raises(ax.AxonError, match="there is no target 'jax'"):
        ax.weights_for(model, model.init(), "jax")


def test_axon_in_elixir():
    x = ax.input((None, 1, 28, 28), name="image") | ax.conv(8, 3, padding="same", activation="relu") | ax.flatten()
    model = x | ax.residual(ax.dense(6272, "tanh", name="same")) | ax.dropout(0.2) | ax.dense(10, "softmax")
    assert (
        str(model.code("mnist", target="elixir"))
        == """flatten_0 =
  Axon.input("image", shape: {nil, 1, 28, 28})
  |> Axon.conv(8, kernel_size: 3, activation: :relu, padding: :same, channels: :first)
  |> Axon.flatten()

mnist =
  Axon.add([flatten_0, flatten_0
  |> Axon.dense(6272, activation: :tanh, name: "same")])
  |> Axon.dropout(rate: 0.2)
  |> Axon.dense(10, activation: :softmax)
"""
    )
    with pytest.raises(ax.AxonError, match="there is no code for swiglu with these options in Axon"):
        (ax.input((None, 3)) | ax.swiglu(4)).code(target="elixir")
