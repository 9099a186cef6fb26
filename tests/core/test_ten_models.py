"""Ten models as people write them, in Python and as cells: one structure, parameters counted by hand, round trips.

All that is trained gets a gradient.
"""

import numpy as np
import pytest
from test_code import ran

import axon_nb as ax

RNG = np.random.default_rng(0)


def u_net():
    def twice(channels):
        one = {"padding": "same", "activation": "relu"}
        return ax.conv(channels, 3, **one) | ax.conv(channels, 3, **one)

    def level(x, channels, *deeper):
        here = x | twice(channels)
        if not deeper:
            return here
        below = level(here | ax.max_pool(2), *deeper) | ax.conv_transpose(channels, 2, strides=2)
        return (here, below) | ax.concatenate(axis=1) | twice(channels)

    return level(ax.input((None, 1, 8, 8), name="image"), 4, 8) | ax.conv(2, 1)


U_NET = """
def twice(channels):
    return conv(channels, 3, padding="same", activation="relu") | conv(channels, 3, padding="same", activation="relu")

image = input((None, 1, 8, 8), name="image")
fine = image | twice(4)
coarse = fine | max_pool(2) | twice(8)
(fine, coarse | conv_transpose(4, 2, strides=2)) | concatenate(axis=1)
| twice(4)
| conv(2, 1)
"""


def siamese():
    encoder = ax.embedding(20, 4) | ax.gru(6, return_sequence=False)
    left = ax.input((None, 5), dtype="int32", name="left")
    right = ax.input((None, 3), dtype="int32", name="right")
    return (left, right) | ax.siamese(encoder, ax.subtract()) | ax.dense(1, "sigmoid")


SIAMESE = """
encoder = embedding(20, 4) | gru(6, return_sequence=False)
left = input((None, 5), dtype="int32", name="left") | encoder
right = input((None, 3), dtype="int32", name="right") | encoder
(left - right) | dense(1, "sigmoid")
"""


@ax.model
def generator(latent: (None, 4)):
    return latent | ax.dense(8, "relu") | ax.dense(16, "tanh") | ax.reshape((1, 4, 4))


@ax.model
def critic(image: (None, 1, 4, 4)):
    return image | ax.conv(4, 3, activation="leaky_relu") | ax.flatten() | ax.dense(1)


def gan():
    return generator | critic


GAN = """
generator = (
    input((None, 4), name="latent") | dense(8, "relu") | dense(16, "tanh") | reshape((1, 4, 4))
).named("generator")
critic = (
    input((None, 1, 4, 4), name="image") | conv(4, 3, activation="leaky_relu") | flatten() | dense(1)
).named("critic")
generator | critic
"""


def transformer():
    def layer():
        attention = ax.layer_norm() | ax.multi_head_attention(heads=2, causal=True)
        return ax.residual(attention) | ax.residual(ax.layer_norm() | ax.dense(16, "gelu") | ax.dense(8))

    words = ax.embedding(11, 8)
    question, answer = (ax.input((None, 4), dtype="int32", name=name) for name in ("question", "answer"))
    both = ax.concatenate(question | words, answer | words, axis=1) | ax.learned_positions(16)
    return both | ax.block("first", layer()) | ax.block("second", layer()) | ax.layer_norm() | ax.dense(11)


TRANSFORMER = """
def layer():
    return (residual(layer_norm(), multi_head_attention(heads=2, causal=True))
            | residual(layer_norm(), dense(16, "gelu"), dense(8)))

words = embedding(11, 8)
question = input((None, 4), dtype="int32", name="question") | words
answer = input((None, 4), dtype="int32", name="answer") | words
(question, answer)
| concatenate(axis=1)
| learned_positions(16)
| block("first", layer()) | block("second", layer())
| layer_norm()
| dense(11)
"""


def several_tasks():
    trunk = ax.input((None, 3, 6, 6), name="image") | ax.conv(4, 3, activation="relu") | ax.global_avg_pool()
    return ax.outputs(kind=trunk | ax.dense(5, "softmax"), box=trunk | ax.dense(4))


SEVERAL_TASKS = """
input((None, 3, 6, 6), name="image")
| conv(4, 3, activation="relu")
| global_avg_pool()
| {"kind": dense(5, "softmax"), "box": dense(4)}
"""


def translator():
    words = ax.input((None, 4), dtype="int32", name="source") | ax.embedding(9, 4)
    _, hidden, cell = words | ax.lstm(6, return_state=True)
    told = ax.input((None, 3), dtype="int32", name="target") | ax.embedding(9, 4)
    return ax.lstm(6)(told, hidden=hidden, cell=cell) | ax.dense(9)


TRANSLATOR = """
_, hidden, cell = input((None, 4), dtype="int32", name="source") | embedding(9, 4) | lstm(6, return_state=True)
told = input((None, 3), dtype="int32", name="target") | embedding(9, 4)
{"x": told, "hidden": hidden, "cell": cell} | lstm(6) | dense(9)
"""


def resnet():
    def unit(channels, strides=1):
        body = ax.conv(channels, 3, strides, "same", use_bias=False) | ax.batch_norm() | ax.relu
        body = body | ax.conv(channels, 3, padding="same", use_bias=False) | ax.batch_norm()
        shortcut = ax.conv(channels, 1, strides, use_bias=False) | ax.batch_norm() if strides > 1 else None
        return ax.residual(body, shortcut=shortcut) | ax.relu

    x = ax.input((None, 3, 8, 8)) | ax.block("low", unit(3), unit(3)) | ax.block("high", unit(6, 2), unit(6))
    return x | ax.global_avg_pool | ax.dense(10)


RESNET = """
def unit(channels, strides=1):
    body = (conv(channels, 3, strides=strides, padding="same", use_bias=False) | batch_norm() | relu()
            | conv(channels, 3, padding="same", use_bias=False) | batch_norm())
    shortcut = conv(channels, 1, strides=strides, use_bias=False) | batch_norm() if strides > 1 else None
    return residual(body, shortcut=shortcut) | relu()

input((None, 3, 8, 8))
| block("low", unit(3), unit(3))
| block("high", unit(6, 2), unit(6))
| global_avg_pool() | dense(10)
"""


def mixture():
    gate = ax.dense(1, "sigmoid") | ax.reshape(()) | ax.activation("relu")
    soft = ax.multiply(ax.dense(3, "softmax"), ax.dense(3))
    return ax.input((None, 4), name="x") | ax.cond(gate, soft, ax.block("other", ax.dense(3, "relu"))) | ax.dense(2)


MIXTURE = """
gate = dense(1, "sigmoid") | reshape(()) | activation("relu")
input((None, 4), name="x")
| cond(gate, dense(3, "softmax") * dense(3), block("other", dense(3, "relu")))
| dense(2)
"""


def autoencoder():
    x = ax.input((None, 12), name="image")
    return x | ax.dense(6, "relu") | ax.dense(2, name="code") | ax.dense(6, "relu") | ax.dense(12)


AUTOENCODER = """
input((None, 12), name="image")
| dense(6, "relu") | dense(2, name="code")
| dense(6, "relu") | dense(12)
"""


def tied():
    layer = ax.dense(4, name="tied")
    return ax.input((None, 4), name="x") | layer | ax.tanh() | ax.residual(layer) | ax.repeat(layer, 2)


TIED = """
layer = dense(4, name="tied")
input((None, 4), name="x") | layer | tanh() | residual(layer) | layer | layer
"""

TEN = {
    "U-Net": (u_net, U_NET, 1650), "siamese": (siamese, SIAMESE, 291), "GAN": (gan, GAN, 241),
    "transformer": (transformer, TRANSFORMER, 1531), "several tasks": (several_tasks, SEVERAL_TASKS, 157),
    "translator": (translator, TRANSLATOR, 663), "ResNet": (resnet, RESNET, 1714), "mixture": (mixture, MIXTURE, 58),
    "autoencoder": (autoencoder, AUTOENCODER, 194), "tied": (tied, TIED, 20),
}  # fmt: skip


def data_for(model, samples=4):
    def draw(node):
        shape = (samples, *node.options["shape"][1:])
        if node.options["dtype"] == "int32":
            return RNG.integers(0, 9, shape).astype("int32")
        return RNG.normal(size=shape).astype("float32")

    return {model.names[node]: draw(node) for node in model.inputs}


@pytest.mark.parametrize("name", TEN)
def test_python_and_cell_make_one_model_which_comes_back(name):
    make, text, count = TEN[name]
    model = make()
    assert model.init().count == count
    assert ran(f"%%axon net\n{text}").equals(model)
    assert ran(model.code("net")).equals(model)
    assert ax.from_json(model.to_json()).equals(model)
    assert not ax.diff(model, make())
    assert model.cost().training >= model.cost().inference > 0
    assert "Parameters" in str(model.table())


@pytest.mark.parametrize("name", ["GAN", "several tasks", "tied", "autoencoder"])
def test_all_that_is_trained_has_a_gradient(name):
    model = TEN[name][0]()
    params = model.init()
    y, _ = model.apply(params, {key: ax.Tensor(value) for key, value in data_for(model).items()})
    several = y.values() if isinstance(y, dict) else [y]
    loss = sum(((one - 0.3) ** 2).mean() for one in several)
    leaves = [leaf.tensor for leaf in params.trainable.leaves.values()]
    gradients = loss.gradient(*leaves)
    ax.Tensor.realize(*gradients)
    for path, gradient in zip(params.trainable.leaves, gradients, strict=True):
        assert np.isfinite(gradient.numpy()).all(), path
        assert (gradient.numpy() != 0).any(), path


def test_a_critic_that_is_frozen_costs_no_gradient():
    assert list((generator | critic.freeze()).init().trainable) == ["generator"]
    both = ax.outputs(real=critic, fake=critic(generator))
    assert both.init().count == gan().init().count
    assert both.predict(both.init(), data_for(both))["fake"].shape == (4, 1)


def test_halves_of_an_autoencoder_make_the_whole():
    model = autoencoder()
    params, x = model.init(), data_for(model)
    encoder, decoder = model.upto("code"), model.after("code")
    whole = decoder.predict(params, encoder.predict(params, x))
    np.testing.assert_allclose(whole, model.predict(params, x), rtol=1e-5, atol=1e-6)
    joined = ax.compose(encoder=encoder, decoder=decoder)
    assert joined.output_shape == (None, 12)
    assert {*encoder.layers} | {*decoder.layers} == {*model.layers}
