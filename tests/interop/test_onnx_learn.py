"""Models of scikit-learn, as its exporters write them, give onnxruntime's numbers."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from ort import run

import axon_nb as ax

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper, FLOAT, INT64 = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4)).astype("float32")

pytestmark = pytest.mark.usefixtures("plain_kernels")


def written(op, outputs, about):
    node = helper.make_node(op, ["x"], list(outputs), domain="ai.onnx.ml", **about)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", FLOAT, ("n", 4))],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items() if name != "_label"],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def compare(op, x=X, outputs=None, **about):
    proto = written(op, outputs or {"y": FLOAT}, about)
    model, params = ax.from_onnx(proto)
    found = model.predict(params, x)
    found = list(found.values()) if isinstance(found, dict) else [found]
    for one, other in zip(found, run(proto, {"x": x}), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


CLASSES = {"label": INT64, "scores": FLOAT}


def test_scaling():
    compare("Scaler", offset=[1.0, 2.0, -1.0, 0.5], scale=[2.0, 0.1, 1.0, 3.0])
    compare("Scaler", offset=[0.5], scale=[2.0])
    x = np.concatenate([np.abs(X), np.zeros((1, 4), "float32")])
    for norm in ("MAX", "L1", "L2"):
        compare("Normalizer", x, norm=norm)


@pytest.mark.parametrize("way", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_linear_models(way):
    rows = RNG.normal(size=(3, 4)).ravel().tolist()
    compare("LinearRegressor", coefficients=rows, intercepts=[0.1, 0.2, 0.3], targets=3, post_transform=way)
    compare("LinearClassifier", outputs=CLASSES, coefficients=rows, intercepts=[0.1, 0.2, 0.3],
            classlabels_ints=[3, 5, 9], post_transform=way)  # fmt: skip


def trees(kind, count, classes, mode="BRANCH_LEQ", one=False, positive=True):
    """Draw trees of three levels, whose nodes are listed in an order of their own."""
    told = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                                "missing_value_tracks_true")}  # fmt: skip
    ends = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(count):
        for node in [0, *(1 + RNG.permutation(6 if tree else 2))]:  # onnxruntime takes the first for the root
            inner = node < (3 if tree else 1)
            values = (
                tree, int(node), int(RNG.integers(4)) if inner else 0, float(RNG.normal()) if inner else 0.0,
                mode if inner else "LEAF", 2 * int(node) + 1 if inner else 0, 2 * int(node) + 2 if inner else 0,
                int(RNG.integers(2)),
            )  # fmt: skip
            for key, value in zip(told, values, strict=True):
                told[key].append(value)
            for place in [] if inner else [0] if one else range(classes):
                weight = float(RNG.uniform(0, 1 / count) if positive else RNG.normal())
                for key, value in zip(ends, (tree, int(node), place, weight), strict=True):
                    ends[key].append(value)
    return {f"nodes_{key}": values for key, values in told.items()} | {
        f"{kind}_{key}": values for key, values in ends.items()
    }


@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
def test_forests_that_regress(mode):
    x = np.where(RNG.uniform(size=X.shape) < 0.1, np.float32("nan"), X)
    compare("TreeEnsembleRegressor", x, **trees("target", 4, 2, mode, positive=False), n_targets=2,
            base_values=[0.5, -1.0])  # fmt: skip


@pytest.mark.parametrize("how", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_forests_over_one_target(how):
    compare("TreeEnsembleRegressor", **trees("target", 3, 1, positive=False), n_targets=1, aggregate_function=how)


@pytest.mark.parametrize(
    ("classes", "one", "positive", "way"),
    [(3, False, True, "NONE"), (3, False, False, "SOFTMAX"), (3, False, False, "LOGISTIC"), (2, False, True, "NONE"),
     (2, True, False, "LOGISTIC"), (2, True, False, "NONE"), (2, True, True, "NONE")],
)  # fmt: skip
def test_forests_that_classify(classes, one, positive, way):
    told = trees("class", 4, classes, one=one, positive=positive)
    outputs = {"label": INT64, "scores": FLOAT}
    if classes == 2 and not one:  # here onnxruntime's label is not that of the largest score
        outputs = {"_label": INT64, "scores": FLOAT}
    # of two classes, onnxruntime gives 0 and 1 whatever they are
    compare("TreeEnsembleClassifier", outputs=outputs, **told, classlabels_int64s=[4, 7, 9] if classes == 3 else [0, 1],
            post_transform=way)  # fmt: skip


def test_a_classifier_is_kept_and_trained_around():
    proto = written("TreeEnsembleRegressor", {"y": FLOAT}, {**trees("target", 2, 1), "n_targets": 1})
    model, params = ax.from_onnx(proto)
    again = ax.from_json(model.to_json())
    np.testing.assert_array_equal(again.predict(params, X), model.predict(params, X))


@pytest.mark.parametrize(
    ("op", "about", "problem"),
    [
        ("LinearClassifier", {"coefficients": [1.0] * 8, "classlabels_strings": ["a", "b"]}, "its classes have names"),
        ("LinearRegressor", {"coefficients": [1.0] * 4, "post_transform": "PROBIT"}, "post_transform='PROBIT' is not"),
        (
            "TreeEnsembleRegressor",
            {**trees("target", 2, 1), "aggregate_function": "MEDIAN"},
            "='MEDIAN' over 1 targets",
        ),
        (
            "TreeEnsembleRegressor",
            {**trees("target", 1, 1), "nodes_truenodeids": [0] * 3, "nodes_falsenodeids": [0] * 3},
            "a tree has no root",
        ),
    ],
)
def test_what_is_refused(op, about, problem):
    with pytest.raises(ax.AxonError, match=problem):
        ax.from_onnx(written(op, {"y": FLOAT}, about))
