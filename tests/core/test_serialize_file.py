"""A trained model goes into one file and comes back as it was."""

import json
import struct

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import AxonError, FileError, ParamsError, TrainingError
from axon_nb.files import read_file, write_file
from axon_nb.params import Leaf, Params
from axon_nb.serialize.file import read_model, write_model

X = ax.input((None, 4), name="x")
MODEL = (X | ax.block("body", ax.dense(3, "relu"), ax.batch_norm()) | ax.dense(1)).named("net")


def mixed():
    """Return params of every kind, one of them in bfloat16."""
    leaves = MODEL.init().leaves
    leaves["body", "dense_0", "bias"] = Leaf(leaves["body", "dense_0", "bias"].tensor, "frozen")
    half = leaves["dense_0", "kernel"].tensor.cast("bfloat16").contiguous().realize()
    return Params({**leaves, ("dense_0", "kernel"): Leaf(half)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_a_trained_model_comes_back(path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype("float32")
    trained = MODEL.fit(
        (x, x.sum(1, keepdims=True)), loss="mean_squared_error", epochs=2, metrics=["mean_absolute_error"]
    )
    back = ax.load(trained.save(path))
    assert back.model.equals(MODEL)
    assert back.model.name == "net"
    assert back.params == trained.params
    assert back.history == trained.history
    assert back.epochs == 2
    np.testing.assert_array_equal(back.predict(x), trained.predict(x))
    assert ax.load(ax.save(path, back)).history == trained.history
    with pytest.raises(TrainingError, match="does not keep the loss"):
        back.evaluate((x, x))
    again = back.model.fit((x, x.sum(1, keepdims=True)), loss="mean_squared_error", like=back)
    assert again.epochs == 1


def test_kinds_and_dtypes_come_back(path):
    params = mixed()
    back = ax.load(ax.save(path, MODEL, params)).params
    assert [(p, leaf.kind, leaf.tensor.dtype) for p, leaf in back.leaves.items()] == [
        (p, leaf.kind, leaf.tensor.dtype) for p, leaf in params.leaves.items()
    ]
    assert Params.load(path) == back


def test_histories_with_arrays_and_odd_numbers_come_back(path):
    history = {"loss": [1.5, float("inf")], "n": [np.float32(0.25), 3], "confusion": [np.array([[1, 2], [3, 4]])]}
    back = ax.load(ax.Trained(MODEL, MODEL.init(), history, None, "stopped").save(path))
    assert back.note == "stopped"
    assert back.history["loss"] == [1.5, float("inf")]
    assert back.history["n"] == [0.25, 3]
    np.testing.assert_array_equal(back.history["confusion"][0], [[1, 2], [3, 4]])
    assert back.history["confusion"][0].dtype == np.int64


def test_a_layer_of_ones_own_is_brought(path):
    @ax.layer
    def scaled(scope, x, start: float = 1.0):
        return x * scope.param("scale", (x.shape[-1],), start)

    model = X | scaled(2.0)
    with pytest.warns(UserWarning, match="custom=.*scaled"):
        ax.save(path, model, model.init())
    with pytest.raises(FileError, match=r"net.safetensors: this model has code of your own.*scaled"):
        ax.load(path)
    back = ax.load(path, custom={"scaled": scaled})
    assert back.model.equals(model)
    assert back.predict(np.ones((1, 4), "float32")).tolist() == [[2, 2, 2, 2]]


def test_a_model_without_shapes_is_kept_too(path):
    model = ax.input() | ax.dense(2)
    params = model.init(input_0=(1, 3))
    assert ax.load(ax.save(path, model, params)).params == params


def altered(path, change):
    """Write the file anew, its content changed, with a checksum that is right."""
    stored = read_file(path)
    content = json.loads(json.dumps(stored.content))
    tensors = {name: stored.tensor(name) for name in stored.names}
    change(content, tensors)
    write_file(path, tensors, content)


WRONG = {
    "missing tensor": (lambda c, t: t.pop("dense_0.bias"), "there is no tensor 'dense_0.bias'"),
    "missing weight": (lambda c, t: c["leaves"].pop(), "missing: "),
    "shape": (
        lambda c, t: t.update({"dense_0.bias": Tensor([1.0, 2.0])}),
        r"dense_0.bias is \(2,\) and must be \(1,\)",
    ),
    "one more": (
        lambda c, t: c["leaves"].append({"path": ["y", "z"], "kind": "state", "tensor": "dense_0.bias"}),
        "not the model's: y.z",
    ),
    "no model": (lambda c, t: c.pop("model"), r"holds no model\n  fix: Params.load"),
    "bad model": (lambda c, t: c["model"].update(nodes={}), '"nodes" must tell'),
    "bad history": (lambda c, t: c.update(more={"dict": {"history": 3}}), "history in the file"),
    "bad values": (lambda c, t: c.update(more={"dict": {"history": {"a": 3}}}), "beside the model cannot be read"),
    "bad array": (
        lambda c, t: c.update(more={"array": {"dtype": "O8", "shape": [1], "base64": ""}}),
        "beside the model cannot be read",
    ),
    "no weights": (lambda c, t: c.pop("leaves"), "holds no weights"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_lies_is_told(path, name):
    change, message = WRONG[name]
    ax.save(path, MODEL, MODEL.init())
    altered(path, change)
    with pytest.raises(AxonError, match=message) as caught:
        ax.load(path)
    assert "net.safetensors" in str(caught.value)


def test_a_file_that_is_cut_or_flipped_is_told(path):
    good = ax.save(path, MODEL, MODEL.init()).read_bytes()
    size = struct.unpack("<Q", good[:8])[0]
    for bad in (good[:-1], good[:size], good[: size + 20], bytes([*good[:-3], good[-3] ^ 16, *good[-2:]])):
        path.write_bytes(bad)
        with pytest.raises(FileError, match="the file is damaged"):
            ax.load(path)


def test_params_of_another_model_are_not_saved(path):
    with pytest.raises(ParamsError, match=r"missing: body.dense_0.kernel"):
        ax.save(path, MODEL, (X | ax.dense(1)).init())
    with pytest.raises(ParamsError, match=r"not the model's: body"):
        ax.save(path, X | ax.dense(1), Params({**MODEL.init().leaves, ("dense_0", "kernel"): Leaf(Tensor.zeros(4, 1))}))
    with pytest.raises(ParamsError, match=r"a model with its params\n  got: .* and None"):
        ax.save(path, MODEL)
    assert not path.exists()


def test_further_values_are_kept(path):
    more = {"epoch": 3, "rates": [0.1, float("nan")], "text": "a", "deep": {"x": [None, True]}}
    back = read_model(write_model(path, MODEL, MODEL.init(), more)).more
    assert str(back) == str(more)


def _chain():
    model = ax.input((None, 2), name="x")
    for _ in range(1000):
        model = model | ax.scale()
    return model


def _branches():
    x = ax.input((None, 2), name="x")
    return ax.concatenate(*[x | ax.dense(1) for _ in range(300)])


@pytest.mark.parametrize("make", [_chain, _branches])
def test_deep_and_wide_models_are_saved_and_loaded(tmp_path, make):
    model = make()
    params = model.init()
    ax.save(tmp_path / "model.safetensors", model, params)
    again = ax.load(tmp_path / "model.safetensors")
    assert again.model.equals(model)
    assert again.params == params
