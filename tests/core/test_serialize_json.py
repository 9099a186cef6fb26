"""Models come back from JSON as they were, and JSON that is no model is told so."""

import contextlib
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import WATCHERS, deep, examples, marked_models, models, watch, wide
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import AxonError, FileError, OptionError

X = ax.input((None, 4), name="x")
IMAGE = ax.input((None, 3, 8, 8))
STEPS = ax.input((None, "time", 6))


def shared():
    twin = ax.dense(4)
    return ax.add(X | twin, X | ax.relu() | twin)


def composed():
    part = ax.input((None, 4), name="latent") | ax.dense(4)
    return (X | ax.dense(4)).named("a") | part.named("b") | (ax.input() | ax.relu())


def stepping():
    """Make a step of two outputs, what it gives and its next state, with a layer under a policy."""
    x, state = ax.input((None, 6), name="x") | ax.dense(4), ax.input((None, 4), name="state")
    now = (x + state) | ax.tanh(name="now")
    return ax.outputs(now | ax.dense(4), now).apply_policy(ax.policies.mixed_bfloat16, only="dense_0")


def picked():
    _, hidden, cell = STEPS | ax.lstm(3, return_state=True)
    return ax.add(hidden, cell)


def part_used_twice():
    part = (ax.input((None, 4), name="latent") | ax.dense(4)).named("part")
    return ax.add(part(X), part(ax.input((None, 4), name="y")))


MODELS = {
    "one layer": lambda: X | ax.dense(3),
    "no layer": lambda: X,
    "names": lambda: ax.input((None, 4), name="a b\"<'\\") | ax.dense(2, name="class"),
    "shared": shared,
    "composed": composed,
    "picked": picked,
    "part used twice": part_used_twice,
    "blocks": lambda: X | ax.block("a", ax.dense(4), ax.block("b", ax.residual(ax.dense(4))), ax.relu),
    "several outputs": lambda: (X | ax.dense(2), X) | ax.noop(),
    "two inputs": lambda: (ax.input(name="b"), ax.input((None, 2), dtype="int32", optional=True)) | ax.concatenate(),
    "initializers": lambda: (
        X
        | ax.dense(3, kernel_initializer=ax.initializers.normal(scale=0.5), bias_initializer=0.25)
        | ax.dense(3, kernel_initializer=ax.initializers.variance_scaling(2.0, mode="fan_out", distribution="uniform"))
    ),
    "activations": lambda: X | ax.dense(3, ax.softmax(axis=1)) | ax.activation(ax.tanh) | ax.dense(3, "relu"),
    "paddings": lambda: IMAGE | ax.conv(4, (3, 1), (2, 1), [(1, 0), (2, 3)]) | ax.max_pool(2, padding="same"),
    "constants": lambda: X | ax.constant(np.array([[1, 2.5], [-1e-300, 3]])),
    "recurrent": lambda: STEPS | ax.bidirectional(ax.lstm(8)) | ax.gru(4, return_sequence=False),
    "scan": lambda: STEPS | ax.scan(ax.concatenate() | ax.dense(3, "tanh"), state=3),
    "scan of a residual": lambda: STEPS | ax.scan(ax.add() | ax.residual(ax.dense(6)) | ax.block("b", ax.relu), 6),
    "scan of a model": lambda: STEPS | ax.scan(stepping(), state=4) | ax.scan(ax.add, 4),
    "scan under a policy": lambda: STEPS | ax.policies.with_policy(ax.scan(stepping(), 4), ax.policies.bfloat16),
    "uniqued": lambda: ax.input((None, "time"), dtype="int32") | ax.uniqued(ax.embedding(9, 4) | ax.dense(4), 9),
    "named model": lambda: (X | ax.relu()).named("net"),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_comes_back_equal(name):
    model = MODELS[name]()
    text = model.to_json()
    back = ax.from_json(text)
    assert back.equals(model)
    assert model.equals(back)
    assert list(back.names.values()) == list(model.names.values())
    assert back.to_json() == text
    assert (back.name, back._parts) == (model.name, model._parts)
    assert ax.Model.from_json(text.encode()).equals(model)


def test_it_can_be_read_by_people():
    model = X | ax.block("part", ax.dense(2, "relu"))
    line = next(line for line in model.to_json().splitlines() if '"part.dense_0"' in line)
    told = json.loads("{" + line.strip().rstrip(",") + "}")["part.dense_0"]
    assert told["layer"] == "dense"
    assert told["inputs"] == ["x"]
    assert told["part"] == ["part"]
    assert told["options"]["units"] == 2
    assert told["options"]["activation"] == "relu"


@given(model=models(custom=False))
@examples(60)
def test_random_graphs_come_back(model):
    assert ax.from_json(model.to_json()).equals(model)


@given(model=marked_models(custom=False))
@examples(25)
def test_what_models_have_besides_layers_comes_back(model):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "code of your own is not stored")
        text = model.to_json()
        back = ax.from_json(text, custom=WATCHERS)
        assert back.to_json() == text
    assert back.equals(model)
    assert not ax.diff(model, back)


@pytest.mark.parametrize("make", [deep, wide], ids=["1,000 layers", "300 branches"])
def test_large_graphs_come_back(make):
    model = make()
    assert ax.from_json(model.to_json()).equals(model)


@ax.layer
def scaled(scope, x, start: float = 1.0):
    return x * scope.param("scale", (x.shape[-1],), start)


other_scaled = scaled


def double(x):
    return x * 2


def test_layers_of_ones_own_are_named_and_brought():
    triple = lambda x: x * 3  # noqa: E731 - what is tested
    model = X | scaled(2.0, name="s") | triple | double | ax.dense(4, triple) | scaled()
    with pytest.warns(UserWarning, match=r"loading takes it: custom=\{...\} with scaled \(a layer, test_") as told:
        text = model.to_json()
    assert told[0].filename == __file__
    needs = json.loads(text)["needs"]
    assert list(needs) == ["scaled", "function_0", "double", "dense_0.activation"]
    with pytest.raises(FileError, match=r"must be brought: scaled .*; function_0 \(a function of tensors, test_"):
        ax.from_json(text)
    with pytest.raises(FileError, match=r"brought: double .*\n  fix: custom=\{'double': \.\.\."):
        ax.from_json(text, custom={"scaled": scaled, "function_0": triple, "dense_0.activation": triple})
    brought = {"scaled": scaled, "function_0": triple, "double": double, "dense_0.activation": triple}
    back = ax.from_json(text, custom=brought)
    assert back.equals(model)
    assert back.find("s").options == {"start": 2.0}


def test_hooks_are_named_and_brought():
    seen = []
    model = (X | ax.dense(4)).hook("dense_0", watch).hook("x", lambda x: x * 2, "pre_forward", "train", compiled=True)
    model = model.hook("dense_0", seen.append, "backward")
    with pytest.warns(UserWarning, match=r"x\.hook_0 \(a hook\); watch \(a hook\); append \(a hook\)$"):
        text = model.to_json()
    with pytest.raises(FileError, match=r"brought: x\.hook_0 \(a hook\); watch .*\n.*\n  fix: 'x\.hook_0': None"):
        ax.from_json(text)
    brought = {"watch": watch, "x.hook_0": model.find("x").hooks[0].function, "append": seen.append}
    back = ax.from_json(text, custom=brought)
    assert back.equals(model)
    assert not back.equals(model.unhook())
    assert not back.equals(model.unhook("x"))
    without = ax.from_json(text, custom={**brought, "append": None, "watch": None})
    assert without.equals(model.unhook("dense_0"))


def test_two_things_of_one_name_are_told_apart():
    def hooked(by):
        def watch(y):
            return y * by

        return watch

    @ax.layer
    def scaled(x, start: float = 3.0):
        return x * start

    model = X | other_scaled(2.0) | scaled() | ax.dense(4) | ax.dense(4)
    model = model.hook("dense_0", hooked(2)).hook("dense_1", hooked(3))
    with pytest.warns(UserWarning, match="code of your own"):
        needs = json.loads(text := model.to_json())["needs"]
    assert list(needs) == ["scaled", "scaled_1", "watch", "dense_1.hook_0"]
    first, second = (model.find(name).hooks[0].function for name in ("dense_0", "dense_1"))
    brought = {"scaled": other_scaled, "scaled_1": scaled, "watch": first, "dense_1.hook_0": second}
    assert ax.from_json(text, custom=brought).equals(model)


def test_what_is_brought_must_be_a_layer_with_these_options():
    with pytest.warns(UserWarning, match="scaled"):
        text = (X | scaled(2.0)).to_json()
    with pytest.raises(FileError, match=r"'scaled_0'.*takes layers made by @layer"):
        ax.from_json(text, custom={"scaled": 3})
    with pytest.raises(OptionError, match="there is no double option 'start'"):
        ax.from_json(text, custom={"scaled": double})


def told(**changes):
    """Return the JSON values of a model with two nodes, changed."""
    data = json.loads((X | ax.dense(2)).to_json())
    data["nodes"]["dense_0"] |= changes
    return data


def without(data, key):
    return {name: value for name, value in data.items() if name != key}


BAD = {
    "no JSON": ("{", "no JSON"),
    "a number": ("3", "this is no model"),
    "other": ({"format": "x"}, "this is no model"),
    "no version": (without(told(), "version"), "has version None, and this axon_nb reads version 1"),
    "newer": (told() | {"version": 2}, "has version 2, .*\n  fix: .*newer"),
    "no nodes": (told() | {"nodes": {}}, '"nodes" must tell'),
    "nodes a list": (told() | {"nodes": [1]}, '"nodes" must tell'),
    "node a number": (told() | {"nodes": {"a": 1}}, '"nodes" must tell'),
    "no outputs": (without(told(), "outputs"), '"outputs" names a node'),
    "empty outputs": (told() | {"outputs": [[]]}, '"outputs" names a node'),
    "unknown output": (told() | {"outputs": "dens_0"}, r"no node 'dens_0'\n.*did you mean 'dense_0'"),
    "idle": (told() | {"outputs": "x"}, "no output needs 'dense_0'"),
    "parts": (told() | {"parts": -1}, '"parts" is how many'),
    "name": (told() | {"name": "a.b"}, "a name is text"),
    "unknown layer": (told(layer="dens"), "node 'dense_0': there is no layer 'dens'\n.*'dense'.*\n.*custom="),
    "combinator": (told(layer="residual"), "there is no layer 'residual'"),
    "layer a list": (told(layer=[]), "is the name of a layer"),
    "no layer": (told(layer=None), "is the name of a layer"),
    "output": (told(layer="output"), "there is no layer 'output'"),
    "unknown input": (told(inputs=["y"]), "node 'dense_0': there is no node 'y'"),
    "inputs": (told(inputs="x"), '"inputs" is a list'),
    "inputs of numbers": (told(inputs=[0]), '"inputs" is a list'),
    "two inputs": (told(inputs=["x", "x"]), "takes one input and got 2"),
    "none": (told(inputs=[]), "takes one input and got 0"),
    "itself": (told(inputs=["dense_0"]), "feed themselves: 'dense_0'"),
    "shares itself": (told(shares="dense_0"), "feed themselves"),
    "shares an input": (told(shares="x"), '"shares" is the name'),
    "shares a number": (told(shares=3), '"shares" is the name'),
    "options": (told(options=[]), '"options" has a value'),
    "unknown option": (told(options={"unit": 3}), "there is no dense option 'unit'"),
    "missing option": (told(options={}), "units must be given"),
    "out of range": (told(options={"units": 0}), "units must be a whole number of at least 1"),
    "no value": (
        told(options={"units": {"a": 1}}),
        "'dense_0.units': this is no value|dense_0.units: this is no value",
    ),
    "eval": (told(options={"units": 3, "activation": "__import__('os')"}), "there is no activation"),
    "custom": (told(options={"units": 3, "activation": {"custom": "f"}}), "it needs 'f', a function of your own"),
    "initializer": (
        told(options={"units": 3, "kernel_initializer": {"initializer": "x", "options": {}}}),
        "no initializer",
    ),
    "initializer option": (
        told(options={"units": 3, "kernel_initializer": {"initializer": "normal", "options": {"x": 1}}}),
        "no normal option 'x'",
    ),
    "base64": (told(options={"units": {"bytes": "?"}}), "no value of an option"),
    "tensor": (told(options={"units": {"tensor": {"dtype": "int32", "shape": [9], "base64": ""}}}), "no value"),
    "tensor kind": (told(options={"units": {"tensor": {"dtype": "os", "shape": [0], "base64": ""}}}), "no value"),
    "layer in it": (
        told(options={"units": 3, "activation": {"layer": "dense", "options": {"units": 3}}}),
        "activation",
    ),
    "path": (told(part="a"), '"part" is a list'),
    "path of numbers": (told(part=[1]), '"part" is a list'),
    "dotted path": (told(part=["a.b"]), "a name is text"),
    "hooks": (told(hooks=3), '"hooks" is a list of functions by name'),
    "hooks of numbers": (told(hooks=[3]), '"hooks" is a list of functions by name'),
    "a hook's moment": (told(hooks=[{"custom": "f", "on": "x", "mode": "both", "compiled": False}]), "needs 'f'"),
    "a hook's compiled": (told(hooks=[{"custom": "f", "on": "forward", "mode": "both", "compiled": 1}]), '"hooks" is'),
    "policy": (told(policy=[]), '"policy" has a kind of numbers'),
    "policy of numbers": (told(policy={"params": 3}), "params must be one of"),
    "a policy inside": (
        told(options={"units": 2, "activation": {"layer": "relu", "options": {}, "policy": {"x": 1}}}),
        '"policy" has a kind of numbers',
    ),
    "own name": (told(name=3), "a name is text"),
    "frozen": (told(frozen=[["*"]]), '"frozen" is a list'),
    "pick": (
        without(told(), "x") | {"nodes": told()["nodes"] | {"dense_0": {"output": 0, "inputs": ["x"]}}},
        '"output" is',
    ),
    "part of two": (
        told() | {"nodes": told()["nodes"] | {"dense_0": {"layer": "input", "inputs": ["x", "x"]}}},
        "the input of a part takes one",
    ),
    "deep": ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    "deep option": (told(options={"units": json.loads("[" * 500 + "]" * 500)}), "nested too deeply"),
    "infinite": ('{"format": Infinity}', "no number of JSON's"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_model_is_told(name):
    data, message = BAD[name]
    with pytest.raises(AxonError, match=message):
        ax.from_json(data if isinstance(data, str) else json.dumps(data))


def test_cycles_are_told():
    data = told(inputs=["relu_0"])
    data["nodes"]["relu_0"] = {"layer": "relu", "inputs": ["dense_0"]}
    with pytest.raises(FileError, match=r"feed themselves: '(dense_0|relu_0)' -> "):
        ax.from_json(json.dumps(data))


def test_a_path_is_not_text():
    with pytest.raises(FileError, match=r"JSON is text\n  got: 3\n  fix: ax.load"):
        ax.from_json(3)


scalars = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | st.sampled_from(["x", "dense", "dense_0"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(data=st.data())
@settings(max_examples=100, deadline=None, database=None, derandomize=True)
def test_json_with_anything_anywhere_raises_our_errors_only(data):
    changed = json.loads(MODELS[data.draw(st.sampled_from(["blocks", "scan of a model"]))]().to_json())
    for _ in range(data.draw(st.integers(1, 3))):
        at = changed
        while True:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            key = data.draw(st.sampled_from(list(keys)))
            inner = at[key]
            if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
                break
            at = inner
        at[key] = data.draw(values)
    with contextlib.suppress(AxonError):
        ax.from_json(json.dumps(changed))


def test_tensors_bytes_and_sets_in_options_come_back():
    @ax.layer
    def keeps(x, value: object = None):
        return x

    for value in (
        Tensor([[1.5, -2]], dtype="bfloat16"),
        b"\x00\xff",
        frozenset({1, "a"}),
        (1.0, (True, None)),
        float("inf"),
    ):
        model = X | keeps(value)
        with pytest.warns(UserWarning, match="keeps"):
            text = model.to_json()
        assert ax.from_json(text, custom={"keeps": keeps}).equals(model)
    assert not (X | keeps(1)).equals(X | keeps(True))
    assert not (X | keeps((1,))).equals(X | keeps((1.0,)))


def test_what_makes_models_differ():
    base = X | ax.dense(4) | ax.dense(4)
    twin = ax.dense(4)
    others = [
        X | ax.dense(4) | ax.dense(5),
        X | twin | twin,
        X | ax.dense(4, name="a") | ax.dense(4),
        X | ax.block("a", ax.dense(4), ax.dense(4)),
        ax.input((None, 4)) | ax.dense(4) | ax.dense(4),
        ax.input((None, 5), name="x") | ax.dense(4) | ax.dense(4),
        X | ax.dense(4),
        (base, base) | ax.noop(),
        base.freeze("dense_0"),
        base.apply_policy(ax.policies.float16),
        base.hook("dense_0", watch),
        base.hook("dense_0", watch, compiled=True),
        None,
        3,
    ]
    assert base.equals(X | ax.dense(4) | ax.dense(4))
    assert base.equals(base.named("other"))
    for other in others:
        assert not base.equals(other)
    assert base != (X | ax.dense(4) | ax.dense(4))
    assert len({base, base.named("a")}) == 2
