"""``@layer``: the forms a layer function may take, users' own layers, and what cannot be a layer."""

import functools
from typing import Literal

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import DeclarationError, GraphError, OptionError, ParamsError, ShapeError, UnknownNameError
from axon_nb.options import Rate, Real, Units, Whole

X = np.array([[1.0, 2.0, 3.0]], "float32")


def value_of(layer, *arrays):
    inputs = tuple(ax.input((None, *a.shape[1:])) for a in arrays)
    model = inputs | layer if len(inputs) > 1 else inputs[0] | layer
    return model.predict(model.init(), arrays if len(arrays) > 1 else arrays[0]).tolist()


@ax.layer
def bare(x):
    """Double."""
    return x * 2


@ax.layer()
def called(x: Tensor):
    return x * 2


@ax.layer(family="math", name="twice")
def named(x):
    return x * 2


@ax.layer
def with_options(x: Tensor, factor=2.0, *, shift: float = 0, times: Literal[1, 2] = 1):
    return x * factor * times + shift


@ax.layer
def with_scope(scope, x, start: float = 2.0):
    return x * scope.param("scale", (x.shape[-1],), start)


@ax.layer
def two_inputs(a, b, share: Rate = 0.5):
    return a * share + b * (1 - share)


@ax.layer
def any_inputs(*xs: Tensor, power: int = 1):
    return functools.reduce(lambda a, b: a + b, xs) ** power


class Doubler:
    def __call__(self, x):
        return x * 2


ONE_INPUT = {
    "bare": bare,
    "bare()": bare(),
    "called": called(),
    "named": named(),
    "options by default": with_options(),
    "scope": with_scope,
    "a lambda": lambda x: x * 2,
    "a lambda made a layer": ax.layer(lambda x: x * 2)(),
    "an object": Doubler(),
    "a partial": functools.partial(lambda x, k: x * k, k=2),
    "a tinygrad method": functools.partial(Tensor.mul, x=2),
}


@pytest.mark.parametrize("layer", ONE_INPUT.values(), ids=ONE_INPUT)
def test_every_form_of_a_layer_doubles(layer):
    assert value_of(layer, X) == [[2.0, 4.0, 6.0]]


def test_options_of_a_users_layer_are_checked_and_shown():
    assert value_of(with_options(3, shift=1, times=2), X) == [[7.0, 13.0, 19.0]]
    assert repr(with_options(3, shift=1)) == "with_options(factor=3.0, shift=1.0)"
    with pytest.raises(OptionError, match=r"^with_options: times must be one of 1, 2, got 3"):
        with_options(times=3)
    with pytest.raises(OptionError, match=r"^with_options: factor must be a number, got 'a'"):
        with_options("a")
    with pytest.raises(OptionError, match=r"there is no with_options option 'fator'\n  fix: did you mean 'factor'\?"):
        with_options(fator=1)


def test_kinds_of_options_come_from_annotations_or_else_from_defaults():
    kinds = {o.name: o.type for o in with_options.declaration.options}
    assert (kinds["factor"], kinds["shift"]) == (Real(example=2.0), Real(example=0))


def test_layers_of_several_inputs():
    assert value_of(two_inputs(0.25), X, X * 2) == [[1.75, 3.5, 5.25]]
    assert value_of(any_inputs(power=2), X, X) == [[4.0, 16.0, 36.0]]
    a, b = ax.input((None, 3), name="a"), ax.input((None, 3), name="b")
    for model in (
        two_inputs(a, b),
        two_inputs(a, b, 0.5),
        (a, b) | two_inputs(),
        two_inputs()(a, b),
        two_inputs((a, b)),
    ):
        assert model.output_shape == (None, 3)
        assert [node.op for node in model.nodes] == ["input", "input", "two_inputs"]


def test_a_lambda_of_two_tensors_joins_two_branches():
    model = ax.input((None, 3)) | (ax.add(ax.noop(), ax.noop()) | (lambda x: x))
    assert model.output_shape == (None, 3)
    pair = ax.noop() | (lambda a, b: a - b)
    a, b = ax.input((None, 3)), ax.input((None, 3))
    model = (a, b) | pair
    assert model.predict(model.init(), (X, X)).tolist() == [[0.0, 0.0, 0.0]]


def test_parameters_and_state_of_a_users_layer():
    @ax.layer
    def counted(scope, x, units: Units = 2):
        kernel = scope.param("kernel", (x.shape[-1], units), lambda shape, rng: np.full(shape, 0.5))
        calls = scope.state("calls", (1,))
        scope.update("calls", calls + 1)
        return x @ kernel + (calls if scope.training else 0)

    model = ax.input((None, 3)) | counted()
    params = model.init()
    assert model.params == {"counted_0.kernel": (3, 2), "counted_0.calls": (1,)}
    assert list(params.state.flat) == ["counted_0.calls"]
    y, after = model.apply(params, X, mode="train")
    assert y.tolist() == [[3.0, 3.0]]
    assert after["counted_0"]["calls"].tolist() == [1.0]
    y, after = model.apply(after, X, mode="train")
    assert y.tolist() == [[4.0, 4.0]]
    assert model.apply(after, X, mode="inference")[1]["counted_0"]["calls"].tolist() == [2.0]


def test_a_users_layer_may_have_the_name_of_a_built_in_one():
    @ax.layer
    def dense(x):
        return x + 1

    assert value_of(dense(), X) == [[2.0, 3.0, 4.0]]
    assert ax.registry["dense"] is not dense


def test_docs_and_signature_are_the_functions():
    assert bare.__doc__ == "Double."
    assert list(two_inputs.__signature__.parameters) == ["share", "name"]
    assert bare.function(Tensor([3.0])).tolist() == [6.0]
    assert repr(bare) == "<layer bare(*, name: 'str | None' = None)>"


REFUSED = {
    "no tensor": (lambda: ax.layer(_no_tensor), r"^layer '_no_tensor' takes no tensor\n  fix: def _no_tensor\(x"),
    "scope only": (lambda: ax.layer(lambda scope: scope), "layer 'function' takes no tensor"),
    "**kwargs": (lambda: ax.layer(lambda x, **rest: x), r"layer 'function' takes \*\*rest: name its options"),
    "an option called name": (lambda: ax.layer(lambda x, name=None: x), "an option cannot be called 'name'"),
    "not a function": (lambda: ax.layer(3), "^layer 'int' is not made from a Python function\n  got: 3"),
    "written in C": (lambda: ax.layer(max), "^layer 'max' is not made from a Python function"),
    "a name with a dot": (lambda: ax.layer(lambda x: x, name="my.layer"), "^a layer is called like a variable"),
    "a default out of bounds": (
        lambda: ax.layer(_bad_default),
        r"^layer '_bad_default': the default of an option does not fit its annotation: rate must be a number at least "
        r"0 and below 1, got 2.0",
    ),
    "an unknown annotation": (lambda: ax.layer(_unknown_annotation), "names what does not exist: name 'Missing'"),
}  # fmt: skip


def _no_tensor(units: int):
    return units


def _bad_default(x, rate: Rate = 2.0):
    return x


def _unknown_annotation(x, rate: "Missing" = 2.0):  # noqa: F821
    return x


@pytest.mark.parametrize(("declare", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_layer(declare, words):
    with pytest.raises(DeclarationError, match=words):
        declare()


def _update_an_unknown_state(scope, x):
    scope.update("mean", x)
    return x


def _update_with_another_shape(scope, x):
    scope.state("n", (1,))
    scope.update("n", x)
    return x


FAILING_BODIES = {
    "tinygrad refuses": (lambda x: x.reshape(7), ShapeError, "size mismatch"),
    "a typo": (lambda x: x.no_such_method(), ShapeError, "no attribute 'no_such_method'\n  got: (None, 3)"),
    "an error of Python": (lambda x: 1 / 0, ShapeError, "division by zero\n  got: (None, 3)"),
    "a bare assertion": (lambda x: (_ for _ in ()).throw(AssertionError), ShapeError, "its body raised AssertionError"),
    "nothing returned": (lambda x: None, ShapeError, "mine must return a tensor, or a tuple of them\n  got: NoneType"),
    "a number returned": (lambda x: 3.0, ShapeError, "mine must return a tensor, or a tuple of them\n  got: float"),
    "no tensors returned": (lambda x: (), ShapeError, "mine must return a tensor, or a tuple of them\n  got: tuple"),
    "a name twice": (
        lambda scope, x: scope.param("w", (3,)) + scope.param("w", (3,)),
        ParamsError, "declares 'w' twice\n  got: (None, 3)",
    ),
    "an unknown state": (_update_an_unknown_state, ParamsError, "there is no state 'mean'\n  got: (None, 3)"),
    "a state of another shape": (
        _update_with_another_shape, ShapeError, "the new value of state 'n' has another shape\n  got: ",
    ),
    "an unknown initializer": (
        lambda scope, x: x * scope.param("w", (3,), "nothing"), UnknownNameError, "there is no initializer 'nothing'",
    ),
    "an array to begin with": (
        lambda scope, x: x * scope.param("w", (3,), np.ones(3)),
        OptionError, "the initializer of 'w' must be the name of an initializer, a finite number or a function",
    ),
    "whole numbers to train": (
        lambda scope, x: x * scope.param("w", (3,), dtype="int32"),
        ParamsError, "'w' is trained, and int32 numbers have no gradient\n  got: (None, 3)\n  fix: scope.state(",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "error", "words"), FAILING_BODIES.values(), ids=FAILING_BODIES)
def test_a_body_that_fails_is_an_error_at_the_layer(body, error, words):
    model = ax.input((None, 3)) | ax.layer(body, name="mine")()
    with pytest.raises(error, match=r"^mine 'mine_0' \(test_declaration.py line \d+\): ") as caught:
        _ = model.output_shape
    assert words in str(caught.value)


def test_a_parameter_declared_in_training_only_is_an_error_that_says_so():
    layer = ax.layer(lambda scope, x: x * scope.param("w", (3,), 1.0) if scope.training else x, name="mine")
    model = ax.input((None, 3)) | layer()
    with pytest.raises(ParamsError, match=r"^mine 'mine_0' \(.*\): declares 'w' in one mode only\n"):
        model.apply(model.init(), X)


def test_an_initializer_that_fails_is_an_error_that_names_the_parameter():
    def model(initializer):
        return ax.input((None, 3)) | ax.dense(2, kernel_initializer=initializer)

    with pytest.raises(
        ShapeError, match=r"^the initializer of dense_0.kernel: gave another shape\n  got: \(2,\) for \(3, 2\)$"
    ):
        model(lambda shape, rng: np.ones(2)).init()
    with pytest.raises(OptionError, match=r"^the initializer of dense_0.kernel: failed: .*takes 1 positional"):
        model(lambda shape: np.ones(shape)).init()
    with pytest.raises(
        ShapeError, match=r"^the initializer of dense_0.bias: the orthogonal initializer takes two axes"
    ):
        (ax.input((None, 3)) | ax.dense(2, bias_initializer="orthogonal")).init()
    assert model(lambda shape, rng: [[0.0, 1.0]] * 3).init()["dense_0"]["kernel"].tolist() == [[0.0, 1.0]] * 3


def test_two_tensors_from_one_layer():
    split = ax.layer(lambda x: (x[:, :1], x[:, 1:]), name="split_at")
    model = ax.input((None, 3)) | split()
    assert model.output_shape == ((None, 1), (None, 2))
    first, rest = model.predict(model.init(), X)
    assert (first.tolist(), rest.tolist()) == ([[1.0]], [[2.0, 3.0]])
    with pytest.raises(
        ShapeError, match=r"takes tensors, and a layer before it gives several at once\n  got: \(None, 1\), "
    ):
        _ = (model | ax.dense(2)).output_shape


def test_an_unhashable_callable_is_a_layer():
    class Loose:
        def __eq__(self, other):
            return True

        def __call__(self, x):
            return x * 2

    assert value_of(Loose(), X) == [[2.0, 4.0, 6.0]]


def test_options_of_equal_value_and_other_type_are_told_apart():
    @ax.layer
    def scaled(x, by: object = 1):
        return x * by

    x = ax.input((None, 3), dtype="int32")
    rows = [(x | scaled(by)).predict((x | scaled(by)).init(), np.ones((1, 3), "int32")).dtype for by in (1, 1.0)]
    assert rows == ["int32", "float32"]


def test_a_layer_as_an_option_that_is_misplaced():
    with pytest.raises(
        GraphError, match=r"dense\(3\) is applied to models or layers\n  got: 3\n  fix: begin with input"
    ):
        ax.dense(3)(3)


def test_whole_number_options_take_any_whole_number():
    assert Whole().parse(np.uint8(3)) == 3
    assert ax.dense(np.int64(3)).options["units"] == 3
