"""Scans of one's own go to ONNX as Scan, give its numbers in onnxruntime, and come back."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ort import run, shaken

import axon_nb as ax
from axon_nb import policies

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.usefixtures("plain_kernels")

X = ax.input((None, "time", 6), name="x")
CELL = ax.concatenate() | ax.dense(4, "tanh", name="cell")
_a, _b = ax.input((None, 6), name="now"), ax.input((None, 4), name="before")
_new = (_a, _b) | ax.concatenate() | ax.dense(4, lambda x: x.sin()) | ax.dropout(0.5)
STEP = ax.outputs(_new | ax.residual(ax.dense(4, "relu")) | ax.batch_norm(), _new + _b)

MODELS = {
    "layers": X | ax.scan(CELL, state=4),
    "function": X | ax.scan(lambda x, h: (x * h, h + x), state=6),
    "state is broadcast": X | ax.scan(lambda x, h: h * 0.5 + x.sum(-1, keepdim=True), state=1),
    "a model": X | ax.scan(STEP, state=4),
    "a named model": X | ax.scan(STEP.named("step"), state=4),
    "a layer used twice": X | ax.scan(ax.concatenate() | ax.dense(4) | ax.repeat(ax.dense(4, "tanh"), 2), state=4),
    "maps": ax.input((None, 3, 2, 5, 5), name="x")
    | ax.scan(ax.concatenate(axis=1) | ax.conv(3, 3, padding="same", activation="tanh"), state=(3, 5, 5)),
    "numbers of words": ax.input((None, "time"), name="x", dtype="int32")
    | ax.scan(lambda x, h: h * 0.5 + x.unsqueeze(-1), state=2),
    "known length": ax.input((None, 4, 6), name="x") | ax.scan(CELL, state=4) | ax.dense(2),
    "two with one step": X | ax.scan(CELL, state=4) | ax.dense(6) | ax.scan(CELL, state=4),
    "open features": ax.input((None, "time", "width"), name="x") | ax.scan(lambda x, h: h + x.sum(-1, keepdim=True), 1),
    "a recurrent layer inside": ax.input((None, 3, 5, 6), name="x") | ax.scan(lambda x, h: h + x.mean(1), state=6),
}


def numbers(model, batch, time):
    (node,) = model.inputs
    shape = [batch, *(size if isinstance(size, int) else time for size in node.options["shape"][1:])]
    drawn = np.random.default_rng(0).normal(size=shape)
    return {"x": np.asarray(drawn * 3, node.options["dtype"])}


def compare(model, *feeds, back=True):
    params = shaken(model.init())
    proto = model.to_onnx(params)
    onnx.checker.check_model(proto, full_check=True)
    again, weights = ax.from_onnx(proto) if back else (None, None)
    for data in feeds:
        wanted = model.predict(params, data)
        np.testing.assert_allclose(run(proto, data)[0], wanted, rtol=1e-4, atol=1e-4)
        if again is not None:
            np.testing.assert_allclose(again.predict(weights, data), wanted, rtol=1e-4, atol=1e-4)
    return onnx.load_model_from_string(proto).graph


@pytest.mark.parametrize("name", MODELS)
def test_scans_of_ones_own(name):
    model = MODELS[name]
    sizes = ((3, 4), (2, 5)) if name == "layers" else ((3, 4),)
    graph = compare(model, *(numbers(model, *size) for size in sizes))
    assert "Scan" in {node.op_type for node in graph.node}


def test_a_first_state_of_ones_own():
    model = (X, ax.input((None, 4), name="start")) | ax.scan(CELL)
    rng = np.random.default_rng(1)
    compare(model, {"x": rng.normal(size=(3, 5, 6)).astype("float32"), "start": np.ones((3, 4), "float32")})


def test_a_scan_within_a_scan():
    inner = ax.scan(lambda x, h: h * 0.5 + x, state=6) | (lambda x: x.sum(1))
    x, before = ax.input(name="now"), ax.input(name="before")
    model = ax.input((None, 3, 4, 6), name="x") | ax.scan(ax.add(x | inner, before), state=6)
    compare(model, numbers(model, 2, 0), back=False)


def test_a_scan_under_a_policy():
    model = MODELS["layers"].apply_policy(policies.mixed_float16)
    params = shaken(model.init())
    proto = model.to_onnx(params)
    data = numbers(model, 3, 5)
    np.testing.assert_allclose(run(proto, data)[0], model.predict(params, data), rtol=2**-8, atol=2**-8)
    weights = {
        one.name: onnx.numpy_helper.to_array(one) for one in onnx.load_model_from_string(proto).graph.initializer
    }
    kernel = params["scan_0"]["cell"]["kernel"].numpy()
    assert np.array_equal(weights["scan_0.cell.kernel"], kernel.astype("float16"))
    assert not np.array_equal(kernel, kernel.astype("float16"))


def test_weights_are_written_once_under_their_names():
    model = MODELS["a named model"]
    params = model.init()
    graph = onnx.load_model_from_string(model.to_onnx(params)).graph
    names = {one.name for one in graph.initializer}
    assert {".".join(path) for path in params.leaves} <= names
    (scan,) = [node for node in graph.node if node.op_type == "Scan"]
    (body,) = [one.g for one in scan.attribute if one.name == "body"]
    assert not body.initializer
    assert "scan_0.dense_0/Gemm" in {node.name for node in body.node}


def test_what_no_scan_can_be_is_an_error_that_names_it():
    grows = X | ax.scan(lambda x, h: (x, h.cat(h, dim=1)), state=1)
    with pytest.raises(ax.AxonError, match=r"^scan_0: the state that its step returns has another shape or kind of"):
        grows.to_onnx(grows.init())
    whole = (X, ax.input((None, 6), name="h", dtype="int32")) | ax.scan(lambda x, h: h + x)
    with pytest.raises(ax.AxonError, match=r"^scan_0: the state that its step returns has another shape or kind of"):
        whole.to_onnx(whole.init())
    bits = X | ax.scan(lambda x, h: h + x.bitcast("int32"), state=6)
    with pytest.raises(ax.AxonError, match=r"^scan_0\.function_0: its function uses .* no ONNX operator: BITCAST"):
        bits.to_onnx(bits.init())
