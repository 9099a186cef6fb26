"""Code for other frameworks runs there with our weights, and gives our numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from networks import NETWORKS
from ort import data_for, shaken
from tinygrad import Context, Tensor
from tinygrad import nn as tiny

import axon_nb as ax

MODELS = {name: NETWORKS[name] for name in ("mlp", "lenet", "unet", "lstm", "two_by_two")}
MODELS["last"] = (
    ax.input((None, 8, 8, 3), name="x") | ax.conv(4, 3, 2, "same", channels="last") | ax.batch_norm(channels="last")
    | ax.max_pool(2, channels="last") | ax.transpose((3, 1, 2)) | ax.group_norm(2) | ax.reshape((-1,)) | ax.layer_norm()
    | ax.dense(4, ax.leaky_relu(alpha=0.2)) | ax.gelu(), 8,
)  # fmt: skip
MODELS["gru"] = (ax.input((None, "time", 4), name="x") | ax.gru(5) | ax.rnn(3) | ax.lstm(2, forget_bias=1.0), 6)


@pytest.fixture(autouse=True)
def _plain_kernels():
    with Context(NOOPT=1):
        yield


def ours(model, params, data):
    found = model.apply(params, data, mode="inference")[0]
    return [one.numpy() for one in (found if isinstance(found, tuple) else (found,))]


def close(found, wanted):
    found = found if isinstance(found, tuple) else (found,)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_pytorch(name):
    torch = pytest.importorskip("torch")
    model, size = MODELS[name]
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
