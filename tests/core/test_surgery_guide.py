"""The guide to surgery, run as it stands: its code, and that LoRA and int8 do what they say."""

import re
from pathlib import Path

import numpy as np
import pytest

import axon_nb as ax

GUIDE = Path(__file__).parents[2] / "docs" / "surgery.md"
X = np.random.default_rng(0).normal(size=(24, 16)).astype("float32")
Y = np.random.default_rng(1).normal(size=(24, 4)).astype("float32")


@pytest.fixture(scope="module")
def guide():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, str(GUIDE), "exec"), names)
    return names


def test_the_models_of_the_guide(guide):
    assert list(guide["normed"].names.values())[3:5] == ["layer_norm_0", "dense_1"]
    assert list(guide["tuned"].init().trainable) == ["dense_2"]


def test_lora_begins_as_the_model_and_trains_adapters_only(guide):
    model = guide["model"]
    start = model.init()
    lora = guide["with_lora"](model)
    assert list(lora.names.values()) == list(model.names.values())
    with pytest.warns(UserWarning, match="like: kept 6 of 12 parameters; drew dense_0.down, dense_0.up"):
        params = lora.init(like=start)
    # Not bit by bit: another program sums in another order.
    np.testing.assert_allclose(lora.predict(params, X), model.predict(start, X), rtol=1e-5, atol=1e-6)
    trained = lora.fit((X, Y), loss="mean_squared_error", epochs=3, optimizer=ax.optimizers.adam(0.01), like=params)
    assert {name.split(".")[1] for name in trained.params.trainable.flat} == {"down", "up"}
    for name, tensor in start.flat.items():
        assert np.array_equal(trained.params[name].numpy(), tensor.numpy()), name
    tuned = trained.params
    assert not np.allclose(lora.predict(tuned, X), model.predict(start, X), atol=1e-4)
    whole = guide["merged"](model, tuned)
    np.testing.assert_allclose(model.predict(whole, X), lora.predict(tuned, X), rtol=1e-4, atol=1e-5)


def test_lora_in_a_part_and_on_a_shared_layer(guide):
    shared = ax.dense(8)
    x = ax.input((None, 16))
    model = (x | ax.block("body", shared, ax.relu)) + (x | shared)
    lora = guide["with_lora"](model)
    assert list(lora.params) == [f"body.dense_0.{name}" for name in ("kernel", "bias", "down", "up")]


def test_int8_takes_a_quarter_of_the_memory_and_gives_nearly_the_same(guide):
    model = guide["model"]
    params = model.init()
    small = guide["in_int8"](model)
    rounded = guide["to_int8"](small, params)
    kernels = [name for name in params.flat if name.endswith("kernel")]
    assert params.only(kernels).nbytes == 4 * rounded.only(kernels).nbytes
    assert rounded.nbytes < 0.4 * params.nbytes
    exact, near = model.predict(params, X), small.predict(rounded, X)
    assert 0 < np.abs(exact - near).max() < 0.02 * np.abs(exact).max()
    for name in kernels:
        scale = rounded[name.replace("kernel", "scale")].numpy()
        back = rounded[name].numpy() * scale
        assert (np.abs(back - params[name].numpy()) <= scale / 2 + 1e-7).all()
