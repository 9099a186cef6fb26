"""Joining layers and models: each combinator on both, sharing by identity, copies with weights of their own."""

import copy
import pickle

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import DeclarationError, FileError, GraphError, OptionError
from axon_nb.layer import Layer

X = ax.input((None, 4), name="x")
Y = ax.input((None, 4), name="y")
ONES = np.ones((1, 4), "float32")


def three(value=1.0):
    return ax.dense(4, kernel_initializer=value, use_bias=False)


def run(model, *values):
    names = [model.names[node] for node in model.inputs]
    x = {name: value * ONES for name, value in zip(names, values, strict=True)}
    return model.predict(model.init(), x)


def test_chain_joins_layers_and_models():
    assert repr(ax.chain(ax.dense(3), ax.relu(), lambda x: x)) == "dense(3) | relu() | function()"
    assert ax.chain(X, ax.dense(3), ax.relu).output_shape == (None, 3)
    assert ax.chain(X | ax.dense(3), Y | ax.dense(4)) is not None
    with pytest.raises(GraphError, match=r"^chain takes at least one layer\n  fix: chain\(dense\(8\), relu\(\)\)"):
        ax.chain()
    with pytest.raises(GraphError, match="an int is not a layer"):
        ax.chain(3)


def test_a_clone_has_weights_of_its_own_and_shares_inside():
    layer = ax.dense(4)
    assert (X | layer | ax.clone(layer)).init().count == 40
    tied = ax.clone(layer | ax.relu() | layer)
    assert (X | tied).init().count == 20
    assert (X | layer | ax.clone(ax.residual(layer))).init().count == 40
    model = X | ax.clone(ax.dense(4, name="a") | ax.block("b", ax.dense(4)), 2)
    assert list(model.init()) == ["a_1", "b_1", "a_2", "b_2"]
    assert (X | ax.clone(ax.bidirectional(lambda x: x), 2)) is not None


def test_a_clone_of_a_model():
    enc = X | ax.dense(4, name="d")
    assert {*(enc + ax.clone(enc)).params} == {"d.kernel", "d.bias", "d_1.kernel", "d_1.bias"}
    assert len(ax.clone(enc, 3).init().leaves) == 6
    assert ax.clone(enc, 3).output_shape == (None, 4)


def test_a_deep_copy_has_weights_of_its_own_and_shares_what_is_copied_with_it():
    model = (X | ax.dense(4) | ax.relu()).freeze("dense_0").apply_policy(ax.policies.float16).hook("x", print)
    made = copy.deepcopy(model)
    assert made.equals(model)
    assert not {*made.layers} & {*model.layers}
    assert copy.copy(model) is model
    twin = ax.dense(4)
    first, second = copy.deepcopy([twin, twin | ax.relu()])
    assert (X | twin | first | second).init().count == 40
    composed = X | ax.dense(4) | (ax.input((None, 4)) | ax.dense(2))
    assert copy.deepcopy(composed).equals(composed)


def test_a_model_is_pickled_as_its_json():
    model = ax.compose(a=X | ax.dense(4), b=Y | ax.dense(2))
    made = pickle.loads(pickle.dumps(model))
    assert made.equals(model)
    with pytest.warns(UserWarning, match="code of your own is not stored"):
        stored = pickle.dumps(X | (lambda x: x * 2))
    with pytest.raises(FileError, match="code of your own, which must be brought: function_0"):
        pickle.loads(stored)


def test_repeat_has_one_set_of_weights():
    assert run(X | ax.repeat(three(0.5), 3), 1).tolist() == [[8.0] * 4]
    assert (X | ax.repeat(three(), 3)).init().count == 16
    again = ax.repeat(X | three(0.5), 3)
    assert run(again, 1).tolist() == [[8.0] * 4]
    assert again.init().count == 16
    assert ax.repeat(again, 1) is again


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", None, True])
def test_counts_that_are_none(count):
    for combinator in (ax.clone, ax.repeat):
        with pytest.raises(OptionError, match=rf"{combinator.__name__}: n must be a whole number of at least 1"):
            combinator(ax.dense(3), count)


def test_outputs_by_name_in_order_and_nested():
    base = X | three()
    model = ax.outputs(logits=base, box=base | three(2.0))
    found = run(model, 1)
    assert {name: value[0, 0] for name, value in found.items()} == {"logits": 4, "box": 32}
    assert model["box"].output_shape == (None, 4)
    nested = ax.outputs({"a": X, "b": (base, (base, X))})
    assert nested.output_shape == {"a": (None, 4), "b": ((None, 4), ((None, 4), (None, 4)))}
    assert run(nested, 1)["b"][1][0].tolist() == [[4.0] * 4]
    layers = X | ax.dense(3) | ax.outputs(a=ax.dense(2), b=(ax.relu(), ax.noop()))
    assert layers.output_shape == {"a": (None, 2), "b": ((None, 3), (None, 3))}
    assert (X | ax.outputs(ax.dense(2), lambda x: x)).output_shape == ((None, 2), (None, 4))
    assert (layers | ax.concatenate()).output_shape == (None, 8)
    assert repr(ax.outputs(a=ax.dense(2))) == "outputs(a=dense(2))"


@pytest.mark.parametrize(("build", "words"), [
    (lambda: ax.outputs(), "outputs takes at least one model or layer"),
    (lambda: ax.outputs(X, a=X), "outputs have names, or an order, not both"),
    (lambda: ax.outputs(X, ax.dense(3)), "outputs are all models, or all layers"),
    (lambda: ax.outputs(3), "an int is not a layer"),
    (lambda: (X, X, X) | ax.parallel(ax.relu(), ax.relu()), "takes an input for each of its 2 layers, and got 3"),
    (lambda: ax.parallel(), "parallel takes at least one layer"),
    (lambda: ax.siamese(3, ax.add()), "an int is not a layer"),
    (lambda: ax.map_list(3), "an int is not a layer"),
])  # fmt: skip
def test_what_makes_no_outputs(build, words):
    with pytest.raises(GraphError, match=words):
        build()


def test_tuplify_gives_one_input_to_all():
    assert [y.shape for y in run(X | ax.tuplify(ax.dense(2), three()), 1)] == [(1, 2), (1, 4)]
    assert ax.tuplify(X | ax.dense(2), Y).output_shape == ((None, 2), (None, 4))


def test_a_pipe_into_several_layers_gives_them_one_input():
    assert [y.shape for y in run(X | (ax.dense(2), three()), 1)] == [(1, 2), (1, 4)]
    assert (X | [ax.relu, lambda x: x, ax.noop]).output_shape == ((None, 4),) * 3
    assert (X | {"a": ax.dense(2), "b": (ax.relu(),)}).output_shape == {"a": (None, 2), "b": ((None, 4),)}
    block = ax.dense(3) | (ax.dense(2), ax.dense(3) | ax.relu()) | ax.concatenate()
    assert (X | block).output_shape == (None, 5)
    assert (X | ax.block("b", (ax.dense(2), ax.dense(2)), ax.add())).output_shape == (None, 2)
    for wrong, words in ((), "a tuple"), ([3], "a list"), ({"a": None}, "a dict"), ((X, X), "a tuple"):
        with pytest.raises(GraphError, match=f"^{words} is not a layer"):
            X | wrong
    with pytest.raises(GraphError, match=r"\n  fix: layers in a tuple, list or dict get the same input each: x \| \(d"):
        X | (ax.relu(), 3)
    with pytest.raises(GraphError, match="outputs are all models, or all layers"):
        X | (X | ax.dense(2), ax.dense(2))


def test_the_inputs_of_a_model_are_given_by_name():
    both = ax.subtract(X, Y)
    for made, expected in (
        (both(y=Y, x=X), 3), (both({"y": Y, "x": X}), 3), (both(Y, y=X), -3), ({"y": X, "x": Y} | both, -3),
    ):  # fmt: skip
        assert made.predict(made.init(), {"x": 5 * ONES, "y": 2 * ONES}).tolist() == [[expected] * 4]
    with pytest.raises(GraphError, match=r"^there is no input 'z'\n  fix: the inputs are: x, y"):
        both(x=X, z=Y)
    with pytest.raises(GraphError, match=r"^input 'x' is given twice"):
        both(X, x=Y)
    with pytest.raises(GraphError, match=r"^the model needs 'y' too\n  got: x"):
        both(x=X)


def test_cond_takes_models_as_parts():
    high, low = ax.input((None, 4)) | three(2.0), ax.input((None, 4)) | three(1.0)
    model = X | ax.cond(lambda x: x.mean(1) > 2, high, low)
    assert model.init().count == 32
    assert run(model, 1).tolist() == [[4.0] * 4]
    assert run(model, 3).tolist() == [[24.0] * 4]
    with pytest.raises(GraphError, match="cond takes three models, or three layers"):
        ax.cond(X | (lambda x: x.mean(1)), ax.relu(), ax.tanh())


def test_parallel_gives_each_an_input():
    first, second = run((X, Y) | ax.parallel(three(1.0), three(2.0)), 1, 10)
    assert (first[0, 0], second[0, 0]) == (4, 80)
    models = ax.parallel(X | three(1.0), Y | three(2.0))
    assert [y[0, 0] for y in run(models, 1, 10)] == [4, 80]


def test_siamese_and_map_list_share_their_weights():
    encoder = X | ax.dense(2)
    for one in (ax.dense(2), encoder, encoder.named("encoder")):
        pair = (X, Y) | ax.siamese(one, lambda a, b: (a - b).abs())
        assert pair.init().count == 10
        assert run(pair, 3, 3).tolist() == [[0, 0]]
        assert ((X, Y, X) | ax.map_list(one)).init().count == 10
        assert len(run((X, Y) | ax.map_list(one), 1, 2)) == 2


def test_residual_split_cond_and_bidirectional_take_models_too():
    part = ax.input((None, 4)) | three()
    assert run(X | ax.residual(part), 1).tolist() == [[5.0] * 4]
    time = ax.input((None, "time", 3))
    words = ax.input((None, "steps", 3), name="words")
    assert (words | ax.bidirectional(time | ax.gru(4))).output_shape == (None, "steps", 8)
    a, b = X | ax.split(2)
    assert run(ax.cond(X | (lambda x: x.sum(1) > 0), a, b), 1).tolist() == [[1, 1]]


def test_every_combinator_gives_a_layer_for_layers_and_a_model_for_models():
    two = (ax.relu(), ax.relu())
    for name in ("chain", "add", "subtract", "multiply", "concatenate", "stack", "tuplify", "outputs", "residual"):
        assert isinstance(getattr(ax, name)(*two), Layer), name
        if name not in ("residual", "chain"):
            assert isinstance(getattr(ax, name)(X, X), ax.Model), name
    for name in ("chain", "clone", "repeat"):
        args = (X | ax.relu(), *((2,) if name == "repeat" else ()))
        assert isinstance(getattr(ax, name)(*args), ax.Model), name


@ax.model
def classifier(image, width=8, *, classes=3):
    """Tell images apart."""
    return image | ax.dense(width, "relu") | ax.dense(classes, "softmax")


def test_a_model_function_is_a_model_with_named_inputs():
    assert isinstance(classifier, ax.Model)
    assert classifier.name == classifier.__name__ == "classifier"
    assert classifier.__doc__ == "Tell images apart."
    assert [node.layer.name for node in classifier.inputs] == ["image"]
    assert classifier.compute_output_shape(image=(None, 4)) == (None, 3)
    assert classifier.predict(classifier.init(image=(None, 4)), ONES).shape == (1, 3)


def test_a_model_function_in_pipes_shares_and_with_options_is_new():
    assert (X | classifier).output_shape == (None, 3)
    assert "classifier.dense_0.kernel" in (X | classifier).params
    assert classifier(X, classes=5).output_shape == (None, 5)
    assert classifier(image=X).output_shape == (None, 3)
    assert classifier(width=2)(X).init().count == 4 * 2 + 2 + 2 * 3 + 3
    first, second = X | classifier, Y | classifier
    assert {*first.layers} & {*second.layers} == {*classifier.layers}
    assert not {*classifier(width=2).layers} & {*classifier(width=2).layers}


def test_a_model_function_with_several_inputs_outputs_and_shapes():
    @ax.model
    def both(a: (None, 4), b):
        total = a + b
        return {"sum": total, "rest": (total | ax.dense(2), b)}

    assert both.compute_output_shape(b=(None, 4)) == {"sum": (None, 4), "rest": ((None, 2), (None, 4))}
    assert both(X, b=Y).output_shape["sum"] == (None, 4)


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: ax.model(3), DeclarationError, "@model makes a model of a function"),
    (lambda: ax.model(lambda *xs: xs[0]), DeclarationError, r"takes \*xs: name its inputs"),
    (lambda: ax.model(lambda x, *, k: x), DeclarationError, "the option 'k' has no default"),
    (lambda: ax.model(lambda x: 3), GraphError, "returns a model, or a tuple or dict of them\n  got: 3"),
    (lambda: ax.model(lambda x: ax.dense(3)), GraphError, "returns a model"),
    (lambda: classifier(X, depth=3), GraphError, "there is no classifier input or option 'depth'"),
    (lambda: classifier(X, Y), GraphError, "2 outputs meet 1 inputs"),
    (lambda: classifier(3), GraphError, "a model is applied to models"),
])  # fmt: skip
def test_model_functions_that_are_none(make, error, words):
    with pytest.raises(error, match=words):
        make()
