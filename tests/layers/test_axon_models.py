"""Axon's cases of whole models: layers that are their functions, parameters by name, blocks, constants, containers."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from axon_cases.runner import DATA, _called, as_array
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import functional, losses


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


NOT_OURS = {
    "model.predict.005": "reshape keeps the batch axis: a constant is written in the shape that it is to have",
}
OPS = ("activation", "dense", "bilinear", "embedding", "flatten", "resize", "block", "bias", "constant", "add",
       "transpose", "reshape")  # fmt: skip
"""The layers of the models here; those of the other families are with these."""


def raw_cases(file, *kinds):
    found = [raw for raw in json.loads((DATA / f"{file}.json").read_text()) if raw.get("kind") in kinds]
    return [raw for raw in found if raw["id"] not in NOT_OURS and raw.get("model", {}).get("op") in OPS]


def as_cases(raws):
    return pytest.mark.parametrize("raw", [pytest.param(raw, id=raw["id"]) for raw in raws])


class Building:
    """Builds one of Axon's models as ours; a block that is used twice is one part, with one set of weights."""

    def __init__(self, inputs=(), dtype="float32", known=None):
        self.given, self.dtype = inputs, dtype
        self.blocks, self.names = {}, (f"block_{n}" for n in itertools.count())
        self.known = {} if known is None else known

    def build(self, node):
        op, args, kwargs = node["op"], node.get("args", []), dict(node.get("kwargs", {}))
        if op == "input":
            return self.known.setdefault(node["name"], ax.input(_shape(node), name=node["name"], dtype=self.dtype))
        if op == "block_input":
            return self.given[args[0]]
        if op == "constant":
            return ax.constant(np.array(args[0]["tensor"], "int32" if args[0]["dtype"] == "s32" else "float32"))
        inputs = [self.build(one) for one in node["inputs"]]
        if op == "block":
            layer = self.block(node["block_id"], node["body"], len(inputs))
        else:
            layer = self.layer(op, args, kwargs)
        return tuple(inputs) | layer if len(inputs) > 1 else inputs[0] | layer

    def layer(self, op, args, kwargs):
        if op == "activation":
            return getattr(ax, args[0])(**kwargs)
        if "kernel_initializer" in kwargs and isinstance(kwargs["kernel_initializer"], dict):
            kwargs["kernel_initializer"] = _called(kwargs["kernel_initializer"], resolve)
        if op == "resize":
            kwargs["channels"] = "last"
        return getattr(ax, op)(*(tuple(arg) if isinstance(arg, list) else arg for arg in args), **kwargs)

    def block(self, number, body, count):
        if number not in self.blocks:
            inputs = [ax.input(name=f"in_{i}") for i in range(count)]
            self.blocks[number] = Building(inputs).build(body).named(next(self.names))
        return self.blocks[number]


def _shape(node):
    return None if node["shape"] is None else (None, *node["shape"][1:])


def resolve(name):
    own = {"nx.add": lambda a, b: a + b, "nx.as_type": lambda x, dtype: x.cast("int32"),
           "layers.resize": lambda x, size: functional.resize(x, tuple(size), channels="last")}  # fmt: skip
    module, _, function = name.rpartition(".")
    if name in own:
        return own[name]
    return getattr(ax.initializers if module == "initializers" else functional, function)


def given(value, params=None):
    """Make a tensor of a case's argument, or call the function whose result it is."""
    if isinstance(value, list):
        return [given(one, params) for one in value]
    if "random" in value:
        drawn = np.random.default_rng(value.get("ref", 0)).uniform(size=value["random"])
        return Tensor(drawn.astype("float32"))
    if "param" in value:
        found = params
        for name in value["param"]:
            found = found[name]
        return found
    if "call" in value:
        return evaluated(value["call"], params)
    return Tensor(np.array(value["tensor"]).astype("int32" if value["dtype"].startswith("s") else "float32"))


def evaluated(call, params):
    args = [given(one, params) if isinstance(one, dict) else one for one in call["args"]]
    return resolve(call["function"])(*args, **call.get("kwargs", {}))


def data_of(raw):
    inputs = raw["inputs"]
    if "map" in inputs:
        return {name: given(one) for name, one in inputs["map"].items()}
    return {} if inputs == [] else given(inputs)


def sizes_of(model, data):
    named = data if isinstance(data, dict) else {model.names[model.inputs[0]]: data}
    return {name: tuple(x.shape) for name, x in named.items()}


def dtype_of(data):
    return "int32" if isinstance(data, Tensor) and not data.is_floating_point() else "float32"


@as_cases(raw_cases("equivalences", "equivalence"))
def test_a_model_gives_what_the_function_gives(raw):
    data = data_of(raw)
    model = Building(dtype=dtype_of(data)).build(raw["model"])
    params = model.init(seed=1, **sizes_of(model, data))
    expected = evaluated(raw["equals"], params)
    tol = max(raw["tol"], 1e-6)  # of single precision: sums are taken in another order
    np.testing.assert_allclose(as_array(model.predict(params, data)), expected.numpy(), rtol=tol, atol=tol)


@as_cases(raw_cases("model", "params"))
def test_parameters_have_their_names_shapes_and_first_values(raw):
    data = data_of(raw)
    model = Building(dtype=dtype_of(data)).build(raw["model"])
    found = model.init(seed=0, **sizes_of(model, data)).flat
    assert set(found) == set(raw["expected"])
    for path, expected in raw["expected"].items():
        if "value" in expected:
            value = found[path].numpy()
            np.testing.assert_array_equal(value, np.broadcast_to(expected["value"], value.shape))
        else:
            assert list(found[path].shape) == expected["shape"]
            assert found[path].numpy().dtype == np.float32


@as_cases(raw_cases("model", None))
def test_a_model_of_constants_gives_its_value(raw):
    model = Building().build(raw["model"])
    value = np.asarray(model.predict(model.init(), {}))
    assert list(value.shape) == raw["expected_shape"]
    assert value.dtype == {"f32": np.float32, "s32": np.int32}[raw["dtype"]]
    np.testing.assert_allclose(value, raw["expected"], rtol=raw["tol"])


GRAPHS = json.loads((DATA / "axon.json").read_text())


@as_cases([raw for raw in GRAPHS if raw["kind"] == "value"])
def test_ops_are_counted(raw):
    def build(node):
        if node["op"] == "input":
            return ax.input(_shape(node))
        return build(node["inputs"][0]) | getattr(ax, node["op"])(*node["args"])

    assert Counter(node.op for node in build(raw["args"][0]).nodes) == raw["expected"]["map"]


@as_cases([raw for raw in GRAPHS if raw["kind"] == "fact"])
def test_a_container_gives_each_value_under_its_name(raw):
    parts = {key: ax.input(_shape(node), name=node["name"]) for key, node in raw["model"]["keys"].items()}
    model = ax.outputs(**parts)
    found = model.predict(model.init(), {name: np.array(x, "float32") for name, x in raw["inputs"].items()})
    assert {name: value.tolist() for name, value in found.items()} == raw["expected"]


CTC = [raw for raw in json.loads((DATA / "equivalences.json").read_text()) if raw["function"].startswith("losses.")]


@as_cases(CTC)
def test_axon_says_these_losses_are_the_same(raw):
    def loss(y_true, y_pred, **options):
        return losses.connectionist_temporal_classification(y_true, y_pred, **{"reduction": "none", **options})

    left, right = (_called(raw[side], lambda name: loss) for side in ("lhs", "rhs"))
    np.testing.assert_allclose(as_array(left), as_array(right), rtol=raw["tol"], atol=raw["tol"])
