"""Code for other frameworks has a model's policies, or says in a comment and a warning what it leaves out."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from frameworks import keras_on_torch
from ort import shaken

import axon_nb as ax
from axon_nb import policies

X = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype("float32")
MODEL = (
    ax.input((None, 1, 8, 8), name="image") | ax.conv(4, 3, padding=1, activation="relu") | ax.max_pool(2)
    | ax.flatten() | ax.batch_norm() | ax.residual(ax.dense(64, "gelu")) | ax.layer_norm() | ax.dense(3, "softmax")
)  # fmt: skip
POLICIES = [
    policies.mixed_float16, policies.float16, policies.mixed_bfloat16, policies.Policy(output="float16"),
    policies.Policy(compute="float16"), policies.Policy(compute="float64"),
]  # fmt: skip


def quiet(function, *args, **about):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*args, **about)


def torch_result(torch, model, params):
    names = {}
    exec(str(quiet(model.code, "net", target="torch")), names)
    module = names["Net"]().eval()
    weights = {key: torch.from_numpy(np.array(one)) for key, one in ax.weights_for(model, params, "torch").items()}
    assert not module.load_state_dict(weights, strict=False).unexpected_keys
    return module(torch.from_numpy(X)).detach()


def keras_result(keras, model, params):
    names = {}
    exec(str(quiet(model.code, "net", target="keras")), names)
    made = names["net"]
    weights = ax.weights_for(model, params, "keras")
    for one in made.weights:
        one.assign(weights[one.path])
    return keras.ops.convert_to_tensor(made(X)).detach()


@pytest.mark.parametrize(
    ("framework", "policy"),
    [*(("torch", one) for one in POLICIES), *(("keras", one) for one in POLICIES if one.compute != "float64")],
    ids=lambda one: getattr(one, "short", one),
)
def test_the_numbers_are_those_of_the_policy(framework, policy):
    torch = pytest.importorskip("torch")
    plain = shaken(MODEL.init())
    model = MODEL.apply_policy(policy)
    params = model.init(like=plain)
    found = torch_result(torch, model, params) if framework == "torch" else keras_result(
        keras_on_torch(), model, params
    )  # fmt: skip
    wanted = MODEL.predict(plain, X)  # in 32 bits: rounding is what is tolerated
    kinds = {None: "float32" if policy.compute != "float64" else "float64"}
    kind = policy.output or policy.compute or kinds[None]
    assert str(found.dtype) == f"torch.{kind}"
    bits = {"float16": 11, "bfloat16": 8}.get(policy.compute or policy.output, 20)
    np.testing.assert_allclose(found.double().numpy(), wanted, rtol=2.0 ** (3 - bits), atol=2.0 ** (2 - bits))


def test_numbers_are_rounded_in_pytorch():
    torch = pytest.importorskip("torch")
    model = ax.input((None, 2), name="x") | ax.dense(1, kernel_initializer="ones")
    for made, wanted in ((model, 2049.0), (model.apply_policy(policies.mixed_float16), 2048.0)):
        names = {}
        exec(str(quiet(made.code, "net", target="torch")), names)
        module = names["Net"]()
        weights = {k: torch.from_numpy(v) for k, v in ax.weights_for(made, made.init(), "torch").items()}
        module.load_state_dict(weights)
        assert module(torch.tensor([[2049.0, 0.0]])).item() == wanted


def test_it_reads_as_a_person_would_write_it():
    model = ax.input((None, 4), name="x") | ax.dense(8, "relu", name="hidden") | ax.dense(2, name="head")
    half = model.apply_policy(policies.float16)
    assert (
        str(half.code("net", target="torch"))
        == """import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(4, 8).half()
        self.head = nn.Linear(8, 2).half()

    def forward(self, x_2):
        x = F.relu(self.hidden(x_2.half()))
        x = self.head(x)
        return x
"""
    )
    mixed = model.apply_policy(policies.mixed_float16, only="hidden")
    assert (
        str(mixed.code("net", target="keras"))
        == """import keras
from keras import layers, ops

x_2 = keras.Input((4,), name="x_2")
x = layers.Dense(8, activation="relu", dtype="mixed_float16", name="hidden")(x_2)
x = ops.cast(x, "float32")
x = layers.Dense(2, name="head")(x)
net = keras.Model(x_2, x, name="net")
"""
    )


def watch(x):
    return x


MIXED = MODEL.apply_policy(policies.mixed_float16, only=["conv_0", "batch_norm_0", "max_pool_0"])


@pytest.mark.parametrize(
    ("target", "model", "left"),
    [
        ("torch", MIXED, ["weights of conv_0 in float32: they are kept in float16",
                          "policy mixed_float16 of batch_norm_0"]),
        ("keras", MIXED, ["policy mixed_float16 of batch_norm_0"]),
        ("keras", MODEL.apply_policy(policies.Policy(compute="float64"), only="dense_*"),
         ["policy c=f64 of dense_0, dense_1"]),
        ("tinygrad", MIXED, ["policy mixed_float16 of conv_0, max_pool_0, batch_norm_0"]),
        ("elixir", (ax.input((None, 3)) | ax.dense(2)).apply_policy(policies.bfloat16), ["policy bfloat16 of dense_0"]),
        ("torch", MODEL.hook("dense_*", watch).hook("conv_0", watch, mode="train").hook("conv_0", watch, "backward"),
         ["forward hook 'watch' on conv_0, dense_0, dense_1", "backward hook 'watch' on conv_0"]),
        ("keras", MODEL.hook("flatten_0", watch, "pre_forward", compiled=True),
         ["pre_forward hook 'watch' on flatten_0"]),
        ("elixir", (ax.input((None, 3)) | ax.dense(2)).hook("dense_0", watch), ["forward hook 'watch' on dense_0"]),
    ],
)  # fmt: skip
def test_what_is_left_out_is_told(target, model, left):
    with pytest.warns(UserWarning, match="leaves out") as told:
        code = str(model.code(target=target))
    assert [str(one.message) for one in told] == [f"code(target={target!r}) leaves out: {'; '.join(left)}"]
    assert code.splitlines()[: len(left)] == [f"# left out: {one}" for one in left]


def test_nothing_is_told_where_nothing_is_left_out():
    model = MODEL.hook("dense_0", lambda weights: None, "initialize")
    for target in ("torch", "keras", "tinygrad"):
        assert str(model.code(target=target)) == str(MODEL.code(target=target))
    half = ax.input((None, 4)) | ax.dense(8, "relu")
    half.apply_policy(policies.float16).code(target="torch")
    half.apply_policy(policies.mixed_bfloat16).code(target="keras")
