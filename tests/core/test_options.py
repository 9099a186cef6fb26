"""Kinds of options: what each takes, what it refuses, and in which words."""

from typing import Annotated, Literal

import numpy as np
import pytest

import axon_nb as ax
from axon_nb import options
from axon_nb.errors import OptionError
from axon_nb.options import (
    Axes,
    Choice,
    Drawn,
    Flag,
    Named,
    Option,
    OptionType,
    Paddings,
    Real,
    Size,
    Sizes,
    Text,
    Whole,
    activations,
    from_annotation,
    initializers,
)

ACTIVATION = Named(registry=activations)
INITIALIZER = Drawn(registry=initializers)


def double(x):
    return x * 2


TAKEN = [
    (Whole(minimum=1), 3, 3),
    (Whole(minimum=1), np.int64(3), 3),
    (Whole(minimum=1), np.array(3), 3),
    (Whole(), -5, -5),
    (Real(minimum=0, below=1), 0, 0.0),
    (Real(minimum=0, below=1), np.float32(0.5), 0.5),
    (Real(above=0), 1e-9, 1e-9),
    (Flag(), True, True),
    (Flag(), np.True_, True),
    (Text(), "any", "any"),
    (Choice(words=("first", "last")), "last", "last"),
    (Choice(words=("first", "last")), np.str_("last"), "last"),
    (Size(), 3, 3),
    (Size(), [3, 5], (3, 5)),
    (Size(), (np.int32(2), 2), (2, 2)),
    (Size(minimum=0), 0, 0),
    (Paddings(), "same", "same"),
    (Paddings(), 0, 0),
    (Paddings(), [(0, 1), [2, np.int64(3)]], ((0, 1), (2, 3))),
    (Sizes(), 12, (12,)),
    (Sizes(), [3, -1], (3, -1)),
    (Sizes(), (), ()),
    (Axes(), -1, -1),
    (Axes(several=True), [0, -1], (0, -1)),
    (ACTIVATION, "relu", "relu"),
    (ACTIVATION, ax.relu, "relu"),
    (ACTIVATION, ax.relu(), "relu"),
    (ACTIVATION, ax.relu(name="mine"), "relu"),
    (ACTIVATION, ax.activations.relu, "relu"),
    (ACTIVATION, double, double),
    (INITIALIZER, "he_normal", "he_normal"),
    (INITIALIZER, ax.initializers.he_normal, "he_normal"),
    (INITIALIZER, 2, 2.0),
    (INITIALIZER, np.float32(0.5), 0.5),
    (OptionType(), ("any", 3), ("any", 3)),
]


@pytest.mark.parametrize(("kind", "value", "parsed"), TAKEN, ids=lambda v: type(v).__name__)
def test_taken(kind, value, parsed):
    result = kind.parse(value)
    assert result == parsed
    assert type(result) is type(parsed)
    assert hash(result) == hash(parsed)


def test_an_activation_with_options_of_its_own_stays_a_layer():
    softmax = ax.softmax(axis=1)
    assert ACTIVATION.parse(softmax) is softmax


A_PADDING = "must be 'valid', 'same', a whole number of at least 0, or [(before, after), ...] for each axis, got "
AN_ACTIVATION = "must be the name of an activation or a function, got "
AN_INITIALIZER = "must be the name of an initializer, a finite number or a function of shape and generator, got "
A_PLAIN_VALUE = "must be a plain value (a list as a tuple), for layers are told apart by their options, got "

REFUSED = [
    (Whole(minimum=1), 0, "must be a whole number of at least 1, got 0"),
    (Whole(minimum=1), 1.0, "must be a whole number of at least 1, got 1.0"),
    (Whole(minimum=1), True, "must be a whole number of at least 1, got True"),
    (Whole(minimum=1), np.True_, "must be a whole number of at least 1, got np.True_"),
    (Whole(minimum=1), "3", "must be a whole number of at least 1, got '3'"),
    (Whole(minimum=1), None, "must be a whole number of at least 1, got None"),
    (Whole(minimum=1), np.zeros((2, 3)), "must be a whole number of at least 1, got ndarray of shape (2, 3)"),
    (Whole(minimum=1, maximum=3), 4, "must be a whole number from 1 to 3, got 4"),
    (Whole(maximum=3), 4, "must be a whole number of at most 3, got 4"),
    (Real(), "1", "must be a number, got '1'"),
    (Real(), float("nan"), "must be a number, got nan"),
    (Real(), np.zeros(2), "must be a number, got ndarray of shape (2,)"),
    (Real(minimum=0, below=1), 1, "must be a number at least 0 and below 1, got 1"),
    (Real(above=0), 0, "must be a number above 0, got 0"),
    (Real(minimum=0, maximum=1), 1.5, "must be a number at least 0 and at most 1, got 1.5"),
    (Flag(), 1, "must be True or False, got 1"),
    (Text(), 1, "must be text in quotes, got 1"),
    (Choice(words=("first", "last")), "middle", "must be one of 'first', 'last', got 'middle'"),
    (Choice(words=("first", "last")), np.array(["first"]), "must be one of 'first', 'last', got ndarray of shape (1,)"),
    (Size(), 0, "must be a whole number of at least 1, or a tuple with one for each axis, got 0"),
    (Size(), (), "must be a whole number of at least 1, or a tuple with one for each axis, got ()"),
    (Size(), (3, 0), "must be a whole number of at least 1, or a tuple with one for each axis, got (3, 0)"),
    (Paddings(), "full", A_PADDING + "'full'"),
    (Paddings(), (1, 2), A_PADDING + "(1, 2)"),
    (Paddings(), np.array([1, 2]), A_PADDING + "ndarray of shape (2,)"),
    (Sizes(), (2, 0), "must be a tuple of sizes (one may be -1), got (2, 0)"),
    (Sizes(), (-1, -1), "must be a tuple with at most one -1, got (-1, -1)"),
    (Axes(), (1, 2), "must be an axis number, got (1, 2)"),
    (Axes(several=True), (), "must be an axis number or a tuple of them, got ()"),
    (ACTIVATION, 3, AN_ACTIVATION + "3"),
    (ACTIVATION, ax.dense(3), AN_ACTIVATION + "dense(3)"),
    (ACTIVATION, ax.dense, AN_ACTIVATION + "<layer dense"),
    (ACTIVATION, ax.relu() | ax.tanh(), AN_ACTIVATION + "relu() | tanh()"),
    (ACTIVATION, ax.add, AN_ACTIVATION + "<layer add"),
    (ACTIVATION, ax.reshape, AN_ACTIVATION + "<layer reshape"),
    (ACTIVATION, ax.input((None, 3)), AN_ACTIVATION + "<Model: input_0 (None, 3)>"),
    (INITIALIZER, True, AN_INITIALIZER + "True"),
    (INITIALIZER, float("inf"), AN_INITIALIZER + "inf"),
    (OptionType(), [1], A_PLAIN_VALUE + "[1]"),
    (OptionType(), ([1],), A_PLAIN_VALUE + "([1],)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "words"), REFUSED, ids=lambda v: type(v).__name__)
def test_refused(kind, value, words):
    with pytest.raises(ValueError, match="must be") as caught:
        kind.parse(value)
    assert str(caught.value).startswith(words)


def test_the_message_names_layer_and_option_and_gives_an_example():
    with pytest.raises(OptionError, match="rate") as caught:
        ax.dropout(1.5)
    assert (
        str(caught.value)
        == "dropout: rate must be a number at least 0 and below 1, got 1.5\n  fix: for example rate=0.5"
    )


def test_an_unknown_activation_comes_with_the_nearest_or_the_list():
    with pytest.raises(OptionError, match="reluu") as caught:
        ax.dense(3, "reluu")
    text = str(caught.value)
    assert text.startswith("dense: activation: there is no activation 'reluu'\n  fix: did you mean 'relu'")
    with pytest.raises(OptionError, match="\n  fix: the activations are: "):
        ax.dense(3, "xyzzy")


def test_several_mistakes_with_options():
    with pytest.raises(OptionError, match=r"^dense: units must be given\n  fix: dense\(units=128\)$"):
        ax.dense()
    with pytest.raises(
        OptionError, match=r"^conv: units and kernel_size must be given\n  fix: conv\(units=128, kernel_size=3\)$"
    ):
        ax.conv()
    with pytest.raises(OptionError, match=r"^dense: units is given twice$"):
        ax.dense(3, units=4)
    with pytest.raises(
        OptionError,
        match=r"^dense: takes 2 positional options \(units, activation\)\n  got: 3, 'relu', False\n"
        r"  fix: name the others: dense\(\.\.\., use_bias=False\)$",
    ):
        ax.dense(3, "relu", False)
    with pytest.raises(OptionError, match=r"^flatten: takes no options by position\n  got: 3$"):
        ax.flatten(3)
    with pytest.raises(OptionError, match=r"^there is no flatten option 'axis'$"):
        ax.flatten(axis=1)


def test_none_is_taken_where_the_annotation_or_the_default_says_so():
    assert ax.max_pool(2, strides=None).options["strides"] is None
    with pytest.raises(OptionError, match="units must be a whole number of at least 1, got None"):
        ax.dense(None)


ANNOTATIONS = [
    (int, 3, Whole(example=3), False),
    (float, 0.5, Real(example=0.5), False),
    (bool, True, Flag(example=True), False),
    (str, "a", Text(example="a"), False),
    (int | None, None, Whole(example=None), True),
    (int | str, 3, OptionType(example=3), False),
    (Literal["a", "b"], "b", Choice(words=("a", "b"), example="a"), False),
    (Annotated[int, "a note"], 3, Whole(example=3), False),
    (options.Units, options.MISSING, Whole(minimum=1, help="Number of output features.", example=128), False),
    (options.Strides | None, None, options.Strides.__metadata__[0], True),
    (options.MISSING, 3, Whole(example=3), False),
    (options.MISSING, None, OptionType(example=None), True),
    (tuple, (1, 2), OptionType(example=(1, 2)), False),
    ([1, 2], 3, OptionType(example=3), False),
]


@pytest.mark.parametrize(("annotation", "default", "kind", "optional"), ANNOTATIONS, ids=lambda v: str(v)[:30])
def test_an_annotation_stands_for_a_kind(annotation, default, kind, optional):
    assert from_annotation(annotation, default) == (kind, optional)


def test_an_option_knows_whether_it_is_required():
    assert Option("units", Whole()).required
    assert not Option("units", Whole(), 3).required


def test_choices_are_what_can_be_offered():
    assert Choice(words=("a", "b")).choices == ("a", "b")
    assert Paddings().choices == ("valid", "same")
    assert "relu" in ACTIVATION.choices
    assert Whole().choices == ()


@pytest.mark.parametrize(("make", "text"), [
    (lambda: ax.initializers.normal(sd=1), r"^there is no normal option 'sd'\n  fix: the normal options are: mean, "),
    (lambda: ax.initializers.normal(scale=-1), r"^normal: scale must be a number at least 0, got -1"),
    (lambda: ax.initializers.variance_scaling(mode="fan"), r"^variance_scaling: mode must be one of 'fan_in', "),
    (lambda: ax.dense(3, kernel_initializer="he"), r"^dense: kernel_initializer: there is no initializer 'he'\n"),
])  # fmt: skip
def test_initializers_check_their_options_too(make, text):
    with pytest.raises(OptionError, match=text):
        make()


def test_an_initializer_with_options_shows_as_the_code_that_makes_it():
    made = ax.dense(3, kernel_initializer=ax.initializers.normal(scale=0.02))
    assert repr(made) == "dense(3, kernel_initializer=initializers.normal(scale=0.02))"
    assert ax.initializers.normal(0.0, 0.02) == ax.initializers.normal(scale=0.02)
