"""Layers before they have an input: pipes, blocks, arithmetic, names, their text, and where they were written."""

import re
import sys
import types

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import DeclarationError, GraphError
from axon_nb.layer import Branches, Chain, Op, as_layer
from axon_nb.source import Source, here

X = ax.input((None, 4), name="x")


def ops(model):
    return [node.op for node in model.nodes]


def test_a_pipe_of_layers_is_one_flat_block():
    a, b, c = ax.dense(1), ax.dense(2), ax.dense(3)
    for block in (a | b | c, a | (b | c), (a | b) | c):
        assert isinstance(block, Chain)
        assert block.layers == (a, b, c)
        assert list(block.ops) == [a, b, c]
    assert repr(a | b) == "dense(1) | dense(2)"


@pytest.mark.parametrize(("layer", "names"), [
    (ax.relu, ["input", "relu"]),
    (ax.relu(), ["input", "relu"]),
    (ax.dense(4) | ax.relu, ["input", "dense", "relu"]),
    (ax.relu | ax.dense(4), ["input", "relu", "dense"]),
    ((lambda t: t * 2) | ax.relu, ["input", "function", "relu"]),
    (ax.relu | (lambda t: t * 2), ["input", "relu", "function"]),
    (ax.flatten | ax.relu | ax.tanh, ["input", "flatten", "relu", "tanh"]),
    (ax.noop, ["input"]),
    (ax.noop() | ax.noop, ["input"]),
    (ax.relu + ax.tanh, ["input", "relu", "tanh", "add"]),
    (ax.dense(4) - (lambda t: t * 2), ["input", "dense", "function", "subtract"]),
    ((lambda t: t * 2) * ax.dense(4), ["input", "function", "dense", "multiply"]),
    (ax.add(ax.relu, ax.tanh(), lambda t: t), ["input", "relu", "tanh", "function", "add"]),
    (ax.concatenate([ax.relu(), ax.tanh()], axis=1), ["input", "relu", "tanh", "concatenate"]),
    (ax.residual(ax.dense(4), ax.relu), ["input", "dense", "relu", "add"]),
    (ax.residual(ax.dense(3), shortcut=ax.dense(3)), ["input", "dense", "dense", "add"]),
    (ax.block("body", ax.dense(4), ax.relu), ["input", "dense", "relu"]),
])  # fmt: skip
def test_what_stands_for_a_layer_in_a_pipe(layer, names):
    model = X | layer
    assert ops(model) == names
    assert isinstance(model.output_shape, tuple)


def test_a_layer_is_applied_by_call_as_by_pipe():
    layer = ax.dense(3)
    assert ops(layer(X)) == ops(X | layer) == ops(ax.dense(X, 3)) == ["input", "dense"]
    assert ops(ax.relu(X)) == ["input", "relu"]
    assert ops(ax.add(X, X)) == ops((X, X) | ax.add) == ops([X, X] | ax.add()) == ops({"a": X, "b": X} | ax.add())


def test_layers_applied_to_layers_are_branches():
    made = ax.add(ax.dense(3), ax.dense(3))
    assert isinstance(made, Branches)
    assert repr(made) == "(dense(3), dense(3)) | add()"
    assert isinstance((ax.dense(3), ax.dense(3)) | ax.add(), Branches)
    assert isinstance(ax.add()(ax.dense(3), ax.dense(3)), Branches)


def test_several_values_pass_through_a_noop():
    both = (X, ax.input((None, 4))) | (ax.noop() | ax.concatenate())
    assert both.output_shape == (None, 8)
    halves = (X, ax.input((None, 4))) | ax.noop()
    assert halves.output_shape == ((None, 4), (None, 4))


def test_one_layer_object_is_one_set_of_weights():
    layer = ax.dense(4)
    shared = X | layer | layer
    assert list(shared.params) == ["dense_0.kernel", "dense_0.bias"]
    assert list((X | ax.dense(4) | ax.dense(4)).params) == [
        "dense_0.kernel", "dense_0.bias", "dense_1.kernel", "dense_1.bias"
    ]  # fmt: skip
    block = ax.dense(4) | ax.relu()
    assert len((X | block | block).layers) == 2
    assert len((X | ax.block("a", block) | ax.block("b", block)).layers) == 2


def test_a_function_that_returns_layers_makes_fresh_ones():
    def body():
        return ax.dense(4) | ax.relu()

    assert len((X | body() | body()).layers) == 4


@pytest.mark.parametrize("join", [
    lambda: ax.dense(3) | 5, lambda: 5 | ax.dense(3), lambda: ax.relu | 5, lambda: 5 | ax.relu, lambda: ax.dense(3) + 5,
    lambda: 5 + ax.dense(3), lambda: ax.dense(3) - 1.5, lambda: 2 * ax.dense(3), lambda: ax.relu * 2,
    lambda: ax.relu | int,
    lambda: ax.dense(3) | None, lambda: "relu" | ax.dense(3), lambda: ax.residual("relu"), lambda: ax.block("a", 3),
    lambda: np.zeros(3) | ax.dense(3), lambda: ax.dense(3) | np.zeros(3), lambda: ax.residual(ax.relu, shortcut=3),
    lambda: np.zeros(3) + ax.dense(3),
])  # fmt: skip
def test_what_is_not_a_layer(join):
    with pytest.raises(
        GraphError,
        match=r"^(an? \w+|None) is not a layer\n  got: .+\n  fix: write (a layer, or a function of |relu\(\), )",
    ):
        join()


@pytest.mark.parametrize("join", [
    lambda: ax.dense(3) + X, lambda: X + ax.dense(3), lambda: X * ax.relu, lambda: ax.relu - X,
    lambda: ax.dense(3) | X, lambda: ax.relu | X, lambda: ax.relu | {"a": X},
    lambda: X + (lambda x: x),
])  # fmt: skip
def test_models_and_layers_without_input_do_not_mix(join):
    with pytest.raises(
        GraphError, match=r"^models and layers that have no input yet cannot be joined\n  got: .*<Model: x "
    ):
        join()


@pytest.mark.parametrize(("join", "words"), [
    (lambda: X | ax.residual, r"residual cannot stand in a pipe by itself\n  fix: give it layers: residual\(\.\.\.\)"),
    (lambda: X | ax.input, r"input cannot stand in a pipe by itself\n  fix: begin with input\(\.\.\.\)"),
    (lambda: ax.relu | ax.compose, "compose cannot stand in a pipe by itself"),
    (lambda: ax.residual(), "residual takes at least one layer"),
    (lambda: ax.block("a"), "block takes a name and at least one layer"),
    (lambda: ax.dense(3)(), r"dense\(3\) is applied to models or layers\n  got: nothing"),
    (lambda: ax.dense(3)(np.zeros((2, 3))), r"dense\(3\) is applied to models or layers\n  got: ndarray of shape \(2"),
    (lambda: () | ax.add(), r"add\(\) is applied to models or layers\n  got: nothing"),
    (lambda: (X, 3) | ax.add(), "a model is applied to models\n  got: 3"),
    (lambda: ax.add(X, ax.dense(4)), r"a model is applied to models\n  got: dense\(4\)"),
])  # fmt: skip
def test_joins_that_make_no_sense(join, words):
    with pytest.raises(GraphError, match=f"^{words}"):
        join()


@pytest.mark.parametrize(("layer", "text"), [
    (ax.dense(3), "dense(3)"),
    (ax.dense(3, "relu"), "dense(3, activation='relu')"),
    (ax.dense(3, activation=ax.relu, use_bias=False), "dense(3, activation='relu', use_bias=False)"),
    (ax.dense(3, ax.softmax(axis=1)), "dense(3, activation=softmax(1))"),
    (ax.dense(3, name="head"), "dense(3, name='head')"),
    (ax.dense(3, kernel_initializer=0.5), "dense(3, kernel_initializer=0.5)"),
    (ax.conv(8, [3, 5], padding="same"), "conv(8, (3, 5), padding='same')"),
    (ax.max_pool(), "max_pool()"),
    (ax.max_pool(3), "max_pool(3)"),
    (ax.max_pool(3, 2), "max_pool(kernel_size=3, strides=2)"),
    (ax.max_pool(strides=3), "max_pool(strides=3)"),
    (ax.global_avg_pool(keep_axes=True), "global_avg_pool(keep_axes=True)"),
    (ax.reshape((2, 2)), "reshape((2, 2))"),
    (ax.concatenate(axis=1), "concatenate(axis=1)"),
    (ax.noop(), "noop()"),
    (as_layer(lambda x: x), "function()"),
    (ax.residual(ax.dense(4)), "(noop(), dense(4)) | add()"),
    (ax.relu, "<layer relu(*, name: 'str | None' = None)>"),
])  # fmt: skip
def test_the_text_of_a_layer_is_its_code(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize("name", ["", "  ", "a.b", "dense_0#2", 3, ("a",)])
def test_a_name_is_text_without_the_signs_that_names_are_joined_with(name):
    words = r"^a name is text without '\.' \(which stands after a part\) and '#' \(before a further use\)\n  got: "
    for make in (lambda: ax.dense(3, name=name), lambda: X.named(name), lambda: ax.input((None, 3), name=name),
                 lambda: ax.block(name, ax.relu)):  # fmt: skip
        with pytest.raises(DeclarationError, match=words + re.escape(repr(name))):
            make()


def test_a_block_with_a_name_holds_its_parameters():
    model = X | ax.block("encoder", ax.dense(3), ax.block("inner", ax.dense(2))) | ax.dense(1)
    assert list(model.names.values()) == ["x", "encoder.dense_0", "encoder.inner.dense_0", "dense_0"]
    assert model.init()["encoder"]["inner"]["dense_0"]["bias"].shape == (2,)


def test_a_layer_knows_the_line_that_made_it():
    layer = ax.dense(3)
    line = sys._getframe().f_lineno - 1
    assert layer.source.line == line
    assert layer.source.text.strip().startswith("layer = ax.dense(3)")
    assert str(layer.source) == f"test_layer.py line {line}"
    (start, end), text = layer.source.position[2:], layer.source.text
    assert text[start:end] == "ax.dense(3)"


def test_the_line_is_the_users_also_through_helpers_of_the_package():
    made = (X | ax.residual(ax.dense(4))).nodes[-1].layer
    assert made.source.filename == __file__
    assert (X | (lambda t: t)).nodes[-1].layer.source.filename == __file__


def run_as(filename, code):
    namespace = {"ax": ax, "here": here}
    exec(compile(code, filename, "exec"), namespace)
    return namespace


@pytest.mark.parametrize(("filename", "words"), [
    ("<axon mnist>", "cell line 2"),
    ("/tmp/ipykernel_3/123.py", "cell line 2"),
    ("<ipython-input-3-abc>", "cell line 2"),
    ("/somewhere/models.py", "models.py line 2"),
    (ax.__file__.replace("__init__.py", "") .rstrip("/") + "_homework/mine.py", "mine.py line 2"),
])  # fmt: skip
def test_places_in_cells_and_files(filename, words):
    assert str(run_as(filename, "\nlayer = ax.dense(3)")["layer"].source) == words


def test_a_place_without_its_text():
    source = run_as("<nowhere>", "\n\nplace = here()")["place"]
    assert isinstance(source, Source)
    assert (source.line, source.text) == (3, "")


def test_registry_functions_are_layers_or_make_them():
    for name, thing in ax.registry.items():
        assert isinstance(thing, types.FunctionType) or callable(thing), name
        assert getattr(ax, name) is thing


def test_fingerprints_are_equal_for_what_computes_the_same():
    assert ax.dense(3).fingerprint == ax.dense(units=3).fingerprint
    assert ax.dense(3).fingerprint != ax.dense(4).fingerprint
    assert ax.dense(3, name="a").fingerprint == ax.dense(3, name="b").fingerprint
    assert isinstance(ax.dense(3), Op)
