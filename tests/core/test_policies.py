"""Mixed precision: Axon's cases, layers and whole models, training, and what stays in 32 bits."""

import json

import numpy as np
import pytest
from axon_cases.one_layer import model_of
from axon_cases.runner import DATA
from tinygrad import Tensor, dtypes

import axon_nb as ax
from axon_nb import policies
from axon_nb.checks import dtype_name
from axon_nb.errors import GraphError, OptionError, ShapeError, UnknownNameError
from axon_nb.policies import Policy
from axon_nb.trace import trace

NAMES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32", "s64": "int64"}
CASES = [raw for raw in json.loads((DATA / "model.json").read_text()) if raw["model"]["op"] == "apply_policy"]
OWN = json.loads((DATA / "mixed_precision.json").read_text())


def built(node, dtype):
    """Build Axon's model of one layer as ours."""
    if node["op"] == "constant":
        return ax.constant(node["args"][0]["tensor"])
    inputs = [ax.input((None, *one["shape"][1:]), name=f"in{i}", dtype=dtype) for i, one in enumerate(node["inputs"])]
    options = {key: value for key, value in node["kwargs"].items() if key in ("name", "rate")}
    if node["op"] == "activation":
        return inputs[0] | getattr(ax, node["args"][0])(**options)
    if node["op"] in ("dense", "embedding", "dropout", "flatten", "bias"):
        return inputs[0] | getattr(ax, node["op"])(*node["args"], **options)
    if node["op"] in ("bilinear", "add", "subtract", "multiply", "concatenate"):
        return tuple(inputs) | getattr(ax, node["op"])(*node["args"], **options)
    if node["op"] in ("reshape", "transpose"):
        return inputs[0] | (ax.transpose() if node["op"] == "transpose" else ax.reshape((-1,)))
    return model_of(node)


@pytest.mark.parametrize("raw", CASES, ids=lambda raw: raw["id"])
def test_axons_models_under_a_policy(raw):
    node = raw["model"]["inputs"][0]
    policy = Policy(**raw["model"]["args"][0]["map"])
    given = raw["inputs"].get("dtype", "f32") if isinstance(raw["inputs"], dict) else "f32"
    model = built(node, "int32" if given.startswith("s") else "float32").apply_policy(policy)
    if raw.get("kind") == "params":
        found = {name.replace("variance", "var"): tensor for name, tensor in model.init().flat.items()}
        for path, expected in raw["expected"].items():
            assert dtype_name(found[path].dtype) == NAMES[expected["dtype"]], path
    else:
        expected = raw["dtype"] if raw.get("kind") is None else raw["expected"]
        assert trace(model).check().nodes[model.outputs].dtype == NAMES[expected]
    if raw.get("kind") is None:
        assert model.predict(model.init(), {}).tolist() == raw["expected"]


@pytest.mark.parametrize("raw", OWN, ids=lambda raw: raw["id"])
def test_axons_policies(raw):
    if raw["kind"] == "fact":
        policy = Policy(**raw["kwargs"])
        known = {name: NAMES.get(raw["expected"][name]) for name in ("params", "compute", "output")}
        assert {"params": policy.params, "compute": policy.compute, "output": policy.output} == known
        assert policy.short == raw["expected"]["short"]
        return
    made, tensor, kind = raw["args"]
    policy = Policy(**made["call"]["kwargs"])
    given = Tensor(tensor["tensor"], dtype=NAMES[tensor["dtype"]])
    assert dtype_name(policy.cast(given, kind).dtype) == NAMES[raw["expected"]]


X = ax.input((None, 4), name="x")
BATCH = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def test_a_policy_for_parameters_computation_and_output():
    seen = {}

    @ax.layer
    def looking(scope, x):
        kernel = scope.param("kernel", (4, 4))
        seen.update(x=x.dtype, kernel=kernel.dtype, count=scope.state("count", (1,)).dtype)
        return x @ kernel

    model = (X | looking()).apply_policy(Policy(params="bf16", compute="f16", output="f32"))
    params = model.init()
    assert seen == {"x": dtypes.half, "kernel": dtypes.half, "count": dtypes.float}
    assert params["looking_0"]["kernel"].dtype == dtypes.bfloat16
    assert model.predict(params, BATCH).dtype == np.float32


def test_some_layers_only():
    model = X | ax.dense(4) | ax.dense(2)
    half = model.apply_policy(policies.float16, only="dense_1")
    kinds = {name: dtype_name(tensor.dtype) for name, tensor in half.init().flat.items()}
    assert kinds == {"dense_0.kernel": "float32", "dense_0.bias": "float32", "dense_1.kernel": "float16",
                     "dense_1.bias": "float16"}  # fmt: skip
    by_rule = model.apply_policy(policies.float16, only=lambda node: node.op == "dense" and node.options["units"] == 2)
    assert [*by_rule.params] == [*model.params]
    assert dtype_name(by_rule.init()["dense_1"]["kernel"].dtype) == "float16"
    assert half.apply_policy(None).init()["dense_1"]["kernel"].dtype == dtypes.float
    inside = X | (policies.with_policy(ax.residual(ax.dense(4)), policies.bfloat16) | ax.relu())
    assert inside.init()["dense_0"]["kernel"].dtype == dtypes.bfloat16


@pytest.mark.parametrize(("only", "expected"), [
    ("dense", [0, 2]), ("dense_*", [0, 2]), (ax.dense, [0, 2]), (["dense_1", "relu"], [1, 2]), ("part", [2]), ([], []),
    (lambda node: node.op == "relu", [1]),
])  # fmt: skip
def test_layers_are_meant_as_everywhere(only, expected):
    last = ax.block("part", ax.dense(2)) if only == "part" else ax.dense(2)
    layers = (X | ax.dense(4) | ax.relu() | last).apply_policy(policies.float16, only=only).layers
    assert [place for place, layer in enumerate(layers) if layer.policy is not None] == expected


def test_shared_layers_stay_shared_and_the_model_stays_as_it_was():
    tied = ax.dense(4)
    model = X | tied | ax.relu() | tied
    half = model.apply_policy(policies.mixed_float16)
    assert [*half.params] == [*model.params] == ["dense_0.kernel", "dense_0.bias"]
    assert all(layer.policy is None for layer in model.layers)
    params = model.init()
    np.testing.assert_allclose(half.predict(params, BATCH), model.predict(params, BATCH), atol=2e-2)


@pytest.mark.parametrize("policy", [policies.mixed_float16, policies.mixed_bfloat16])
def test_training_under_a_policy(policy):
    model = (X | ax.dense(8, "relu") | ax.batch_norm() | ax.dense(1)).apply_policy(policy)
    target = BATCH.sum(1, keepdims=True)
    trained = model.fit((BATCH, target), loss="mean_squared_error", epochs=8, optimizer=ax.optimizers.adam(0.05))
    assert trained.history["loss"][-1] < trained.history["loss"][0]
    assert {dtype_name(tensor.dtype) for tensor in trained.params.flat.values()} == {"float32"}
    assert not np.array_equal(trained.params["batch_norm_0"]["mean"].numpy(), np.zeros(8))


def test_a_part_takes_whatever_length_a_policy_gives_its_numbers():
    first, second = X | ax.dense(3), ax.input((None, 3)) | ax.dense(2)
    made = ax.compose(first=first, second=second).apply_policy(policies.bfloat16)
    assert made.output_shape == (None, 2)
    assert made.predict(made.init(), BATCH).shape == (6, 2)
    words = ax.input((None, 3), dtype="int32") | ax.embedding(3, 2)
    with pytest.raises(ShapeError, match="takes int32 numbers, and gets float32"):
        _ = (first | words).output_shape


def test_tables_and_differences_say_which_layers_are_under_one_and_have_hooks():
    def watch(y):
        pass

    model = X | ax.dense(4) | ax.dense(2)
    made = model.apply_policy(policies.mixed_float16, only="dense_0").apply_policy(
        Policy(compute="f16"), only="dense_1"
    )
    made = made.hook("dense_1", watch, on="backward")
    assert "units=4, policy=mixed_float16 " in str(made.table())
    assert "units=2, policy=c=f16, backward hook=watch " in str(made.table())
    assert ax.diff(model, made).changed == {
        "dense_0": ("policy none → mixed_float16",),
        "dense_1": ("dtype float32 → float16", "policy none → c=f16", "with backward hook watch"),
    }  # fmt: skip
    assert ax.diff(made, model).changed["dense_1"][1:] == ("policy c=f16 → none", "without backward hook watch")


def test_json_keeps_a_policy():
    model = (X | ax.dense(2)).apply_policy(policies.mixed_bfloat16)
    assert ax.from_json(model.to_json()).layers[0].policy == policies.mixed_bfloat16


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: Policy(compute="int8"), OptionError, "Policy: compute must be one of 'float16', 'bfloat16'"),
    (lambda: Policy(params=16), OptionError, "Policy: params must be one of"),
    (lambda: X.apply_policy("mixed"), OptionError, "a str is no policy"),
    (lambda: policies.with_policy(ax.dense(2), "f16"), OptionError, "a str is no policy"),
    (lambda: (X | ax.dense(2)).apply_policy(policies.float16, only="dens_0"), UnknownNameError, "there is no node"),
    (lambda: (X | ax.dense(2)).apply_policy(policies.float16, only="conv*"), GraphError, "no layer is meant"),
    (lambda: (X | ax.dense(2)).apply_policy(policies.float16, only=3), GraphError, "nodes are found by a name"),
])  # fmt: skip
def test_what_is_no_policy(make, error, words):
    with pytest.raises(error, match=words):
        make()
