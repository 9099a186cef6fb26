"""Whole models to ONNX, and graphs that nobody would write."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "core"))
from hypothesis import given
from hypothesis import strategies as st
from networks import NETWORKS
from ort import data_for, flat, run, shaken
from test_random_graphs import examples, models

import axon_nb as ax
from axon_nb.errors import ParamsError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.usefixtures("plain_kernels")


def ours(model, params, data):
    result = model.apply(params, data, mode="inference")[0]
    parts = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else (result,)
    return [one.numpy() for one in parts]


def same(mine, others):
    for one, other in zip(mine, others, strict=True):
        assert one.shape == other.shape
        scale = max(1.0, float(np.abs(one).max()))
        np.testing.assert_allclose(other / scale, one / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_networks_are_the_same_in_onnxruntime(name):
    model, size = NETWORKS[name]
    params = model.init(seed=0)
    data = data_for(model, 2, size)
    same(ours(model, params, data), flat(tuple(run(model.to_onnx(params), data))))


@given(model=models(), batch=st.integers(1, 4))
@examples(12)
@pytest.mark.slow
def test_random_graphs_are_the_same_in_onnxruntime(model, batch):
    params = shaken(model.init(seed=0))
    data = data_for(model, batch)
    same(ours(model, params, data), flat(tuple(run(model.to_onnx(params), data))))


def test_a_dense_layer_is_one_gemm_and_training_leaves_no_trace():
    model = ax.input((None, 4), name="x") | ax.dense(3, "relu") | ax.dropout(0.5) | ax.dense(2)
    proto = onnx.load_model_from_string(model.to_onnx(model.init()))
    assert [node.op_type for node in proto.graph.node] == ["Gemm", "Relu", "Gemm", "Identity"]
    assert proto.opset_import[0].version == 23
    names = {constant.name for constant in proto.graph.initializer}
    assert names == {"dense_0.kernel", "dense_0.bias", "dense_1.kernel", "dense_1.bias"}


def test_open_sizes_keep_their_names():
    model = ax.input((None, "time", 4), name="x") | ax.dense(3)
    proto = onnx.load_model_from_string(model.to_onnx(model.init()))
    for value in (*proto.graph.input, *proto.graph.output):
        assert [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim][:2] == ["batch", "time"]


def test_a_shared_layer_and_parts_and_named_outputs():
    shared = ax.dense(4, name="shared")
    a, b = ax.input((None, 4), name="a"), ax.input((None, 4), name="b")
    part = ax.input((None, 4)) | ax.dense(4, "tanh")
    model = ((a | shared) + (b | shared)) | part
    params = shaken(model.init())
    data = data_for(model)
    proto = model.to_onnx(params)
    same(ours(model, params, data), run(proto, data))
    assert sum("shared.kernel" in one.name for one in onnx.load_model_from_string(proto).graph.initializer) == 1


def test_half_precision_inputs_are_widened_where_we_widen_them():
    model = ax.input((None, 4), name="x", dtype="float16") | ax.relu() | ax.dense(3) | ax.softmax()
    params, data = model.init(), {"x": np.ones((2, 4), "float16")}
    same(ours(model, params, data), run(model.to_onnx(params), data))
    model = ax.input((None, 4), name="x", dtype="int32") | ax.dense(3) | ax.rms_norm()
    params, data = model.init(), {"x": np.arange(8, dtype="int32").reshape(2, 4)}
    same(ours(model, params, data), run(model.to_onnx(params), data))


def test_the_file_is_written_in_one_go(tmp_path):
    model = ax.input((None, 4)) | ax.dense(3)
    path = tmp_path / "model.onnx"
    written = model.to_onnx(model.init(), path)
    assert path.read_bytes() == written
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    with pytest.raises(ax.AxonError, match="cannot be written: No such file or directory"):
        model.to_onnx(model.init(), tmp_path / "none" / "model.onnx")
    with pytest.raises(ParamsError, match="these parameters do not belong to this model"):
        model.to_onnx((ax.input((None, 2)) | ax.dense(9)).init())


def test_trained_models_export_themselves(tmp_path):
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    trained = ax.fit(ax.input((None, 4), name="x") | ax.dense(1), (x, x[:, :1]), loss="mean_squared_error")
    np.testing.assert_allclose(run(trained.to_onnx(), {"x": x})[0], trained.predict(x), rtol=1e-4, atol=1e-5)


def test_a_missing_package_is_an_error_with_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    model = ax.input((None, 4)) | ax.dense(3)
    with pytest.raises(ax.AxonError, match=r'needs the package onnx\n  fix: pip install "axon_nb\[onnx\]"'):
        model.to_onnx(model.init())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.slow
def test_networks_come_back_from_onnx_as_layers(name):
    model, size = NETWORKS[name]
    params = model.init(seed=0)
    data = data_for(model, 2, size)
    again, weights = ax.from_onnx(model.to_onnx(params))
    same(ours(model, params, data), ours(again, weights, data))
    known = {node.op for node in again.nodes}
    assert known - {"onnx_node"} >= {node.op for node in model.nodes} - {
        "dropout", "flatten", "multi_head_attention", "learned_positions", "global_avg_pool",
    }  # fmt: skip


@given(model=models(), batch=st.integers(1, 4))
@examples(8)
@pytest.mark.slow
def test_random_graphs_come_back_from_onnx(model, batch):
    params = shaken(model.init(seed=0))
    data = data_for(model, batch)
    again, weights = ax.from_onnx(model.to_onnx(params))
    same(ours(model, params, data), ours(again, weights, data))


def test_an_imported_model_is_shown_frozen_changed_and_trained():
    model = ax.input((None, 4), name="x") | ax.dense(8, "relu", name="hidden") | ax.dense(2, "softmax", name="head")
    again, params = ax.from_onnx(model.to_onnx(model.init(seed=3)))
    assert [node.op for node in again.nodes] == ["input", "dense", "relu", "dense", "softmax"]
    assert "hidden" in str(again.summary())
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    frozen = again.freeze("hidden")
    trained = ax.fit(
        frozen, (x, (x[:, 0] > 0).astype("int32")), loss="categorical_cross_entropy", like=params, epochs=2
    )
    before, after = params["hidden"]["kernel"].numpy(), trained.params["hidden"]["kernel"].numpy()
    assert np.array_equal(before, after)
    assert not np.array_equal(params["head"]["kernel"].numpy(), trained.params["head"]["kernel"].numpy())
