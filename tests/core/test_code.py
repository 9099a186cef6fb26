"""The text of a model builds it again."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from random_graphs import WATCHERS, deep, examples, marked_models, models, watch, wide
from test_serialize_json import MODELS, STEPS, X, double, scaled

import axon_nb as ax
from axon_nb.errors import UnknownNameError
from axon_nb.layer import registry
from axon_nb.magic.cell import run
from axon_nb.magic.show import library
from axon_nb.magic.text import read_cell
from axon_nb.serialize.code import targets


def ran(text, user=None):
    """Run the text as a cell."""
    line, body = "", text
    if text.startswith("%%axon"):
        line, _, body = text.removeprefix("%%axon").partition("\n")
    axon = library()
    return run(read_cell(line.strip(), body), user or {}, axon.layers, axon.make_input, is_model=axon.is_model).value


def ran_as_python(text, user=None):
    names = dict(user or {})
    exec(compile(text, "program", "exec"), names)
    return names[re.findall(r"^(\w+) = ", text, re.MULTILINE)[-1]]


def functions(model):
    """Return what a text needs of the user's own, by the names that it uses."""
    found = {}
    for node in model.nodes:
        if node.op == "function":
            found.setdefault(node.layer.declaration.function, model.names[node].replace(".", "_"))
    return {name: function for function, name in found.items()}


def check(model, user=None):
    user = functions(model) if user is None else user
    for text, made in ((model.code("net"), ran), (model.code(), ran), (model.code(python=True), ran_as_python)):
        assert made(text, user).equals(model), text


@pytest.mark.parametrize("name", MODELS)
def test_it_builds_an_equal_model(name):
    check(MODELS[name]())


@given(model=models())
@examples(60)
def test_random_graphs_come_back(model):
    check(model)


@given(model=marked_models())
@examples(25)
def test_what_models_have_besides_layers_comes_back(model):
    check(model, {**functions(model), **WATCHERS})


@given(model=models(steps=40, custom=False))
@examples(15)
def test_large_random_graphs_come_back(model):
    check(model)


@pytest.mark.parametrize("make", [deep, wide], ids=["1,000 layers", "300 branches"])
def test_large_graphs_come_back(make):
    check(make())


def block_of_many():
    inception = ax.block("mixed", ax.concatenate(ax.dense(2) | ax.relu, ax.noop(), ax.dense(3), axis=1))
    return X | inception | ax.block("res", ax.residual(ax.dense(9) | ax.residual(ax.tanh), shortcut=ax.dense(9)))


def several_ends():
    _, hidden, cell = STEPS | ax.lstm(3, return_state=True, name="memory")
    body = X | ax.dense(4)
    return ax.outputs(
        {"logits": body | ax.dense(2), "states": (hidden, {"cell 2": cell}), "again": body, "one": (body,)}
    )


def long_blocks():
    return X | ax.block("a b", *(ax.dense(12, "relu", use_bias=False, name=f"layer number {i}") for i in range(6)))


def clashing():
    dense = ax.input((None, 4), name="dense")
    for_, relu = ax.input((None, 4), name="for"), ax.input((None, 4), name="relu_0")
    return ax.multiply(dense + for_, for_ - relu, dense, name="+") | ax.relu(name="2nd") | ax.residual(ax.dense(4))


def frozen():
    return (X | ax.dense(4) | ax.block("b", ax.dense(4, name="d"))).freeze("b.d").freeze("*.bias")


def frozen_at_one_use():
    shared = ax.dense(4)
    return ax.outputs(X | shared, (ax.input((None, 4), name="y") | shared).freeze())


def frozen_otherwise_at_each_use():
    shared = ax.dense(4)
    made = [ax.input((None, 4), name=name) | shared for name in "ab"]
    return ax.outputs(made[0].freeze("dense_0.kernel"), made[1].freeze().unfreeze("dense_0.kernel"))


def frozen_before_shapes_are_known():
    return X | (ax.input() | ax.dense(4) | ax.relu() | ax.layer_norm()).freeze("*.gamma")


def under_policies():
    twin = ax.dense(4)
    model = (X | twin | ax.dropout(0.5) | ax.residual(twin, ax.relu)).apply_policy(ax.policies.mixed_float16)
    return model.apply_policy(ax.policies.Policy(params="f16"), only="dense_0").freeze("*.bias")


def a_policy_inside():
    half = ax.policies.with_policy(ax.softmax(axis=1), ax.policies.bfloat16)
    return X | ax.dense(4, half) | ax.dense(2, ax.softmax(axis=1))


def unfrozen():
    return (X | ax.dense(4) | ax.dense(4)).freeze().unfreeze("dense_1.bias")


def kept_names():
    return (X | ax.dense(4) | ax.relu() | ax.dense(3)).pop("relu_0")


def left_out():
    sequence, mask = STEPS, ax.input((None, "time"), name="mask", dtype="int32") | ax.mask(0)
    return ax.outputs(ax.lstm(3)(sequence, mask=mask), ax.input((None, 3), optional=True) | ax.relu())


def constants():
    return (X | ax.dense(4)) | ((ax.input() * ax.constant([2.0])) | ax.relu()) | ax.constant(3.0) | ax.dense(2)


@pytest.mark.parametrize(
    "make",
    [
        constants, block_of_many, several_ends, long_blocks, clashing, frozen, unfrozen, kept_names, left_out,
        frozen_at_one_use, frozen_otherwise_at_each_use, frozen_before_shapes_are_known, under_policies,
        a_policy_inside,
    ],
)  # fmt: skip
def test_what_is_hard_to_write_comes_back(make):
    model = make()
    check(model)
    assert ax.from_json(model.to_json()).equals(model)


def text_of(model):
    return str(model.code())


TEXTS = {
    "a chain": (
        lambda: ax.input((None, 784), name="image") | ax.dense(128, "relu") | ax.dropout(0.25) | ax.dense(10),
        'input((None, 784), name="image")\n| dense(128, "relu")\n| dropout(0.25)\n| dense(10)',
    ),
    "a residual": (
        lambda: X | ax.residual(ax.dense(4), ax.relu),
        'input((None, 4), name="x") | residual(dense(4), relu())',
    ),
    "a value used twice": (
        lambda: (h := X | ax.dense(4)) * (h | ax.sigmoid()),
        'dense_0 = input((None, 4), name="x") | dense(4)\ndense_0 * (dense_0 | sigmoid())',
    ),
    "several outputs": (
        lambda: ax.outputs(a=X | ax.dense(2), b=X),
        'x = input((None, 4), name="x")\noutputs(a=x | dense(2), b=x)',
    ),
    "a layer used twice": (
        lambda: (lambda one: X | one | one)(ax.dense(4)),
        'dense_0 = dense(4)\ninput((None, 4), name="x")\n| dense_0\n| dense_0',
    ),
    "layers inside a layer": (
        lambda: ax.input((None, 5, 4)) | ax.scan(ax.concatenate() | ax.dense(3), state=3),
        "input((None, 5, 4)) | scan(concatenate() | dense(3), state=(3,))",
    ),
    "a model inside a layer": (
        lambda: ax.input((None, 5, 4)) | ax.scan(ax.add() | ax.residual(ax.dense(4)), state=4),
        "scan_step = (input() + input()) | residual(dense(4))\ninput((None, 5, 4)) | scan(scan_step, state=(4,))",
    ),
    "options": (
        lambda: ax.input((None, 3, 8, 8)) | ax.conv(8, 3, 2, "same", activation="relu") | ax.softmax(axis=1),
        'input((None, 3, 8, 8))\n| conv(8, 3, strides=2, padding="same", activation="relu")\n| softmax(axis=1)',
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_it_reads_as_a_person_would_write_it(name):
    make, text = TEXTS[name]
    assert text_of(make()) == text


def test_policies_what_is_frozen_and_hooks_are_calls():
    model = (X | ax.dense(4) | ax.dense(2)).apply_policy(ax.policies.mixed_bfloat16).freeze("dense_0")
    model = model.hook("dense_1", watch, "backward", "train")
    assert text_of(model) == (
        "# needs watch (a hook)\nfrom axon_nb import policies\n"
        'model = input((None, 4), name="x")\n| dense(4)\n| dense(2)\n'
        "model = model.apply_policy(policies.mixed_bfloat16)\n"
        'model = model.freeze("dense_0")\n'
        'model.hook("dense_1", watch, on="backward", mode="train")'
    )
    half = (X | ax.dense(4) | ax.dense(2)).apply_policy(ax.policies.Policy(compute="f16"), only=["dense_1"])
    assert text_of(half).endswith('model.apply_policy(policies.Policy(compute="float16"), only="dense_1")')
    assert "ax.policies.mixed_bfloat16)" in str(model.code(python=True))


def test_a_hook_without_a_name_gets_one():
    model = (X | ax.dense(4)).hook("dense_0", lambda y: None)
    assert text_of(model).splitlines()[0] == "# needs dense_0_hook (a hook)"
    check(model, {"dense_0_hook": model.find("dense_0").hooks[0].function})


def test_names_that_were_given_by_order_are_not_written():
    model = (X | ax.dense(4) | ax.relu() | ax.dense(2)).rewrite(lambda node: node.layer)
    assert "name=" not in text_of(model).replace('name="x"', "")
    check(model)


def test_what_is_of_the_users_own_is_named_on_top():
    triple = lambda x: x * 3  # noqa: E731 - what is tested
    model = X | scaled(2.0, name="s") | triple | double | ax.dense(4, triple) | scaled() | double
    text = text_of(model)
    first, *rest = text.splitlines()
    assert re.fullmatch(
        r"# needs scaled \(a layer, test_code.py line \d+\), function_0 \(a function of tensors, .*\), double \(.*",
        first,
    )
    assert rest[:4] == ['input((None, 4), name="x")', '| scaled(2.0, name="s")', "| function_0", "| double"]
    check(model, {"scaled": scaled, "function_0": triple, "double": double})
    with pytest.raises(UnknownNameError, match="no layer or variable 'scaled'"):
        ran(text)


def test_functions_of_ones_own_stand_anywhere():
    def pair(x, y):
        return x + y

    def relu(x):
        return x

    def named(x):
        return x

    model = (X, X) | ax.layer(pair)()
    check(model, {"pair": pair})
    one = ax.layer(named)()
    check(X | one | one | ax.residual(double, double) | ax.block("a", double), {"named": named, "double": double})
    check(X | relu | ax.dense(4, relu), {"relu_2": relu})
    check(X | ax.block("a", ax.add(ax.layer(double) | double, double)), {"double": double})


def test_the_name_of_the_cell_is_one_that_a_cell_may_have():
    model = X | ax.relu()
    assert model.code("my model").splitlines()[0] == "%%axon my_model"
    assert model.code("dense").splitlines()[0] == "%%axon dense_2"
    assert model.code("x", python=True).splitlines()[-1] == 'x = x.named("x")'
    assert ran_as_python(model.named("a b").code(python=True)).name == "a b"


def test_a_notebook_shows_the_text_as_it_is():
    assert repr((X | ax.relu()).code()) == 'input((None, 4), name="x") | relu()'
    with pytest.raises(UnknownNameError, match="no code language 'cobol'"):
        X.code(target="cobol")


def test_other_languages_are_added():
    targets.add("shout", lambda model, name: f"{name}: {len(model.nodes)}")
    try:
        assert X.code("x", target="shout") == "x: 1"
    finally:
        del targets._things["shout"]


def test_text_in_names_and_options_is_data():
    evil = '"); import os; ("'
    model = ax.input((None, 4), name=evil.replace(".", "")) | ax.dense(2, name="'''\\") | ax.block('"', ax.relu)
    check(model)


def test_every_name_in_a_text_is_a_layer():
    assert {"residual", "block", "outputs", "noop", "input"} <= set(registry)


def test_every_language_is_there_whichever_part_is_loaded_first():
    script = (
        "import axon_nb.serialize.code, axon_nb as ax; "
        "print(len((ax.input((None, 4)) | ax.dense(2)).code('net', target='torch')) > 100)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "True", done.stderr
