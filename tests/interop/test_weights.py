"""Weights of other frameworks give their numbers: PyTorch's, Keras's, GGUF's; and a report says what went where."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from frameworks import keras_on_torch

import axon_nb as ax
from axon_nb.errors import UnknownNameError

pytestmark = pytest.mark.usefixtures("plain_kernels")


def network():
    return (
        ax.input((None, 3, 8, 8), name="x")
        | ax.conv(4, 3, padding="same", name="conv1") | ax.batch_norm(name="bn1") | ax.relu() | ax.max_pool(2)
        | ax.flatten() | ax.dense(64, "relu", name="fc1") | ax.dense(5, name="fc2")
    )  # fmt: skip


def in_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    layers = {
        "conv1": nn.Conv2d(3, 4, 3, padding=1), "bn1": nn.BatchNorm2d(4), "relu": nn.ReLU(), "pool": nn.MaxPool2d(2),
        "flatten": nn.Flatten(), "fc1": nn.Linear(64, 64), "relu2": nn.ReLU(), "fc2": nn.Linear(64, 5),
    }  # fmt: skip
    made = nn.Sequential()
    for name, layer in layers.items():
        made.add_module(name, layer)
    made.bn1.running_mean.uniform_(-1, 1)
    made.bn1.running_var.uniform_(0.5, 2)
    return torch, made.eval()


X = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype("float32")


@pytest.mark.parametrize("kind", ["pt", "safetensors", "bf16"])
def test_a_state_dict_of_pytorch_by_name(tmp_path, kind):
    torch, module = in_torch()
    path = tmp_path / f"weights.{kind}"
    if kind == "bf16":
        module = module.to(torch.bfloat16).to(torch.float32)
        torch.save(
            {
                name: one.to(torch.bfloat16) if one.is_floating_point() else one
                for name, one in module.state_dict().items()
            },
            path,
        )
    elif kind == "pt":
        torch.save(module.state_dict(), path)
    else:
        pytest.importorskip("safetensors.torch").save_file(module.state_dict(), path)
    model = network()
    loaded = ax.load_weights(model, path)
    assert loaded.how == "by name"
    assert loaded.missing == ()
    assert loaded.unused == ("bn1.num_batches_tracked",)
    assert "fc1.kernel    <- fc1.weight, turned to (64, 64)" in repr(loaded)
    wanted = module(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(model.predict(loaded.params, X), wanted, rtol=1e-4, atol=1e-4)


def test_by_order_and_shape_where_names_differ(tmp_path):
    torch, module = in_torch()
    plain = torch.nn.Sequential(*module)  # names are 0, 1, 5 ...
    path = tmp_path / "weights.pt"
    torch.save(plain.state_dict(), path)
    model = network()
    loaded = ax.load_weights(model, path)
    assert loaded.how == "by order and shape"
    np.testing.assert_allclose(
        model.predict(loaded.params, X), plain(torch.from_numpy(X)).detach().numpy(), rtol=1e-4, atol=1e-4
    )


def test_by_a_mapping():
    model = ax.input((None, 2)) | ax.dense(2, name="a") | ax.dense(2, name="b")
    arrays = {"one": np.eye(2), "two": 2 * np.array([[1, 2], [3, 4]]), "p": np.zeros(2), "q": np.ones(2)}
    mapping = {"a.kernel": "two", "b.kernel": "one", "a.bias": "q", "b.bias": "p"}
    loaded = ax.load_weights(model, arrays, mapping)
    assert loaded.how == "by the mapping"
    assert loaded.params["a"]["kernel"].tolist() == [[2, 6], [4, 8]]
    with pytest.raises(UnknownNameError, match="there is no tensor in the file 'none'"):
        ax.load_weights(model, arrays, {"a.kernel": "none"})
    with pytest.raises(UnknownNameError, match=r"there is no parameter 'a\.kernl'\n  fix: did you mean 'a\.kernel'"):
        ax.load_weights(model, arrays, {"a.kernl": "one"})
    with pytest.raises(ax.AxonError, match=r"'p' is \(2,\), and a\.kernel is \(2, 2\)"):
        ax.load_weights(model, arrays, {"a.kernel": "p"})


def test_what_is_missing_is_an_error_or_keeps_its_first_values():
    model = ax.input((None, 2)) | ax.dense(3, name="a")
    with pytest.raises(
        ax.AxonError, match=r"1 of 2 parameters are not in the file: a\.bias\n  got: not used: c \(9,\)"
    ):
        ax.load_weights(model, {"a.weight": np.ones((3, 2)), "c": np.ones(9)})
    loaded = ax.load_weights(model, {"a.weight": np.ones((3, 2)), "c": np.ones(9)}, strict=False)
    assert loaded.missing == ("a.bias",)
    assert loaded.unused == ("c",)
    assert "not in the file: a.bias" in repr(loaded)


def in_keras(keras):
    """Return models of Keras, ours, and the size of a sample."""
    made = keras.layers
    attended = keras.Input((7, 6))
    return {
        "conv": (
            keras.Sequential([
                keras.Input((8, 8, 3)), made.Conv2D(4, 3, padding="same"), made.BatchNormalization(),
                made.DepthwiseConv2D(3, depth_multiplier=2), made.SeparableConv2D(5, 2, depth_multiplier=2),
                made.Conv2DTranspose(3, 2, strides=2), made.LayerNormalization(), made.Flatten(),
                made.Dense(6, activation="relu"), made.Dense(6),
            ]),
            ax.input((None, 8, 8, 3)) | ax.conv(4, 3, padding="same", channels="last")
            | ax.batch_norm(channels="last", epsilon=1e-3) | ax.depthwise_conv(2, 3, channels="last")
            | ax.separable_conv(5, 2, multiplier=2, channels="last") | ax.conv_transpose(3, 2, 2, channels="last")
            | ax.layer_norm(epsilon=1e-3) | ax.flatten() | ax.dense(6, "relu") | ax.dense(6),
            (8, 8, 3),
        ),
        "lstm": (
            keras.Sequential([
                keras.Input((7,)), made.Embedding(9, 4), made.LSTM(5, return_sequences=True), made.LSTM(5),
                made.Dense(2),
            ]),
            ax.input((None, 7), dtype="int32") | ax.embedding(9, 4) | ax.lstm(5) | ax.lstm(5, return_sequence=False)
            | ax.dense(2),
            (7,),
        ),
        "gru": (
            keras.Sequential([
                keras.Input((7, 3)), made.GRU(5, return_sequences=True), made.Dropout(0.1), made.GRU(5), made.Dense(2),
            ]),
            ax.input((None, 7, 3)) | ax.gru(5) | ax.dropout() | ax.gru(5, return_sequence=False) | ax.dense(2),
            (7, 3),
        ),
        "rnn": (
            keras.Sequential([keras.Input((7, 3)), made.SimpleRNN(5)]),
            ax.input((None, 7, 3)) | ax.rnn(5, return_sequence=False), (7, 3),
        ),
        "attention": (
            keras.Model(attended, made.MultiHeadAttention(2, 3)(attended, attended)),
            ax.input((None, 7, 6)) | ax.multi_head_attention(heads=2), (7, 6),
        ),
    }  # fmt: skip


def drawn(weight, rng):
    """Draw a weight away from zero and one; variances stay positive."""
    return np.asarray(rng.normal(size=weight.shape) * 0.3 + (1 if "variance" in weight.path else 0), "float32")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("name", ["conv", "lstm", "gru", "rnn", "attention"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras on PyTorch with NumPy 2
@pytest.mark.slow
def test_weights_of_keras(tmp_path, name, ending):
    pytest.importorskip("h5py")
    theirs, model, size = in_keras(keras_on_torch())[name]
    rng = np.random.default_rng(0)
    for one in theirs.weights:
        one.assign(drawn(one, rng))
    path = tmp_path / f"model{ending}"
    theirs.save(path) if ending == ".keras" else theirs.save_weights(path)
    loaded = ax.load_weights(model, path)
    assert loaded.missing == ()
    x = rng.integers(0, 9, (2, *size)).astype("int32") if name == "lstm" else rng.normal(size=(2, *size))
    x = x if name == "lstm" else x.astype("float32")
    wanted = np.asarray(theirs.predict(x, verbose=0))
    np.testing.assert_allclose(model.predict(loaded.params, x), wanted, rtol=1e-4, atol=1e-4)
    if name == "gru":
        assert "layers/gru/cell/vars/2, its rows added" in repr(loaded)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras on PyTorch with NumPy 2
@pytest.mark.slow
def test_a_gru_of_keras_that_resets_before_the_product_does_not_fit(tmp_path):
    pytest.importorskip("h5py")
    keras = keras_on_torch()
    theirs = keras.Sequential([keras.Input((7, 3)), keras.layers.GRU(5, reset_after=False)])
    theirs.save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ax.AxonError, match=r"gru_0\.recurrent_bias"):
        ax.load_weights(ax.input((None, 7, 3)) | ax.gru(5), tmp_path / "model.weights.h5")


def recurrent_in_torch(torch):
    """Return modules of PyTorch whose weights are in other pieces than ours, our models, and what is asked of them."""
    nn = torch.nn
    torch.manual_seed(0)

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.att, self.fc = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)
            nn.init.normal_(self.att.in_proj_bias)
            nn.init.normal_(self.att.out_proj.bias)

        def forward(self, x):
            return self.fc(self.att(x, x, x)[0]), None

    x = ax.input((None, 7, 4))
    return {
        "lstm": (nn.LSTM(4, 5, batch_first=True), x | ax.lstm(5)),
        "two lstm": (nn.LSTM(4, 5, 2, batch_first=True), x | ax.lstm(5) | ax.lstm(5)),
        "gru": (nn.GRU(4, 5, batch_first=True), x | ax.gru(5)),
        "rnn": (nn.RNN(4, 4, batch_first=True), x | ax.rnn(4)),
        "no bias": (nn.GRU(4, 5, bias=False, batch_first=True), x | ax.gru(5, use_bias=False)),
        "attention": (Attention(), x | ax.multi_head_attention(heads=2, name="att") | ax.dense(4, name="fc")),
        "attention by order": (Attention(), x | ax.multi_head_attention(heads=2) | ax.dense(4)),
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", ["lstm", "two lstm", "gru", "rnn", "no bias", "attention", "attention by order"])
def test_layers_that_pytorch_keeps_in_other_pieces(tmp_path, name, legacy):
    torch = pytest.importorskip("torch")
    module, model = recurrent_in_torch(torch)[name]
    torch.save(module.state_dict(), tmp_path / "weights.pt", _use_new_zipfile_serialization=not legacy)
    loaded = ax.load_weights(model, tmp_path / "weights.pt")
    assert loaded.missing == loaded.unused == ()
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype("float32")
    wanted = module.eval()(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(model.predict(loaded.params, x), wanted, rtol=1e-4, atol=1e-4)
    if name == "gru":
        assert "bias_ih_l0 + bias_hh_l0" in repr(loaded)


def test_by_a_function():
    model = ax.input((None, 2)) | ax.dense(2, name="a") | ax.dense(2, name="b")
    arrays = {"net.b.w": np.eye(2), "net.a.w": 2 * np.eye(2), "a.bias": np.zeros(2), "b.bias": np.ones(2)}
    loaded = ax.load_weights(model, arrays, lambda name: f"net.{name[0]}.w" if name.endswith("kernel") else None)
    assert loaded.how == "by the mapping and by name"
    assert loaded.params["a"]["kernel"].tolist() == [[2, 0], [0, 2]]


def test_gguf(tmp_path):
    values = np.arange(6, dtype="<f4")
    name = b"fc.weight"
    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, 0)
    info = struct.pack("<Q", len(name)) + name + struct.pack("<IQQIQ", 2, 3, 2, 0, 0)
    data = head + info
    data += b"\0" * (-len(data) % 32) + values.tobytes()
    path = tmp_path / "w.gguf"
    path.write_bytes(data)
    model = ax.input((None, 3)) | ax.dense(2, use_bias=False, name="fc")
    loaded = ax.load_weights(model, path)
    assert loaded.params["fc"]["kernel"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_files_of_no_kind(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("hello")
    with pytest.raises(ax.AxonError, match="this is no file of weights that is known"):
        ax.load_weights(ax.input((None, 3)) | ax.dense(2), path)
    with pytest.raises(ax.AxonError, match="cannot be read"):
        ax.load_weights(ax.input((None, 3)) | ax.dense(2), tmp_path / "none")
