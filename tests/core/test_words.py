"""Small things with exact words: errors, shapes, registries, checks."""

import numpy as np
import pytest
from tinygrad import dtypes

from axon_nb.checks import dtype_name, expect
from axon_nb.errors import (
    AxonError,
    DataError,
    DeclarationError,
    OptionError,
    ShapeError,
    UnknownNameError,
    article,
    brief,
    unknown,
)
from axon_nb.registry import Registry
from axon_nb.shapes import as_shape, show, whole


class Fake:
    def __init__(self, shape, dtype="float"):
        self.shape, self.dtype = shape, dtype


def test_the_parts_of_an_error_stand_on_lines_of_their_own():
    error = AxonError("it does not fit", where="dense 'a'", got="(3,)", fix=["one thing", "another"])
    assert str(error) == "dense 'a': it does not fit\n  got: (3,)\n  fix: one thing\n  fix: another"
    assert error._render_traceback_() == [f"AxonError: {error.shown}"]
    assert str(AxonError("alone")) == "alone"


def test_a_place_is_filled_in_once():
    error = AxonError("it does not fit")
    assert error.at("dense 'a'", "(3,)") is error
    assert error.at("conv 'b'", "(4,)").where == "dense 'a'"
    assert error.got == "(3,)"


@pytest.mark.parametrize(("error", "parent"), [
    (OptionError, ValueError), (ShapeError, ValueError), (DataError, ValueError), (UnknownNameError, KeyError),
])  # fmt: skip
def test_errors_are_what_python_people_catch(error, parent):
    assert issubclass(error, parent)
    assert issubclass(error, AxonError)


@pytest.mark.parametrize(("name", "known", "text"), [
    ("dens", ["dense", "add"],
     "there is no layer 'dens'\n  fix: did you mean 'dense'?\n  fix: the layers are: add, dense"),
    ("zzz", ["dense"], "there is no layer 'zzz'\n  fix: the layers are: dense"),
    ("a", [], "there is no layer 'a'"),
    (3, ["dense"], "there is no layer 3\n  fix: the layers are: dense"),
])  # fmt: skip
def test_unknown(name, known, text):
    assert str(unknown("layer", name, known)) == text


@pytest.mark.parametrize(("value", "text"), [
    (3, "3"), ("a  b", "'a  b'"), (np.zeros((2, 3)), "ndarray of shape (2, 3)"), (np.float32(1), "np.float32(1.0)"),
    ("x" * 200, "'" + "x" * 75 + " ..."),
])  # fmt: skip
def test_brief(value, text):
    assert brief(value) == text


def test_article():
    assert (article("int"), article("Op"), article("tuple")) == ("an int", "an Op", "a tuple")


@pytest.mark.parametrize(("shape", "text"), [
    ((None, 3), "(None, 3)"), ((3,), "(3,)"), ((), "()"), (("time", None), "(time, None)"), (None, "?"),
])  # fmt: skip
def test_show(shape, text):
    assert show(shape) == text


@pytest.mark.parametrize(("value", "number"), [
    (3, 3), (np.int8(3), 3), (np.array(3), 3), (True, None), (np.True_, None), (3.0, None), ("3", None), (None, None),
    (np.array([3, 4]), None),
])  # fmt: skip
def test_whole(value, number):
    assert whole(value) == number


def test_as_shape_names_what_it_is():
    with pytest.raises(ShapeError, match=r"^every size in a shape for input 'x' is at least 1\n  got: \(2, -1\)"):
        as_shape((2, -1), what="shape for input 'x'")


@pytest.mark.parametrize(("tensor", "options", "text"), [
    (Fake((2,)), {"rank": 2}, "needs 2 axes, with the batch first, and got 1"),
    (Fake((2,)), {"rank": (3, 4)}, "needs 3 or 4 axes, with the batch first, and got 1"),
    (Fake((2,)), {"rank": (3, 4, 5)}, "needs 3, 4 or 5 axes, with the batch first, and got 1"),
    (Fake((2,)), {"least": 2}, "needs at least 2 axes, with the batch first, and got 1"),
    (Fake((2,)), {"dtype": "int"}, "needs whole numbers, and got float32"),
    (Fake((2,), dtypes.bool), {"dtype": "int"}, "needs whole numbers, and got bool"),
    (Fake((2,), dtypes.long), {"dtype": "float"}, "needs floating-point numbers, and got int64"),
])  # fmt: skip
def test_expect_refuses(tensor, options, text):
    with pytest.raises(ShapeError, match="needs") as caught:
        expect(tensor, **options, fix="do this")
    assert str(caught.value) == f"{text}\n  fix: do this"


@pytest.mark.parametrize("dtype", [dtypes.long, dtypes.int, dtypes.uchar, dtypes.short, "int64"])
def test_all_whole_numbers_are_whole_numbers(dtype):
    expect(Fake((2,), dtype), dtype="int", rank=1, least=1)


@pytest.mark.parametrize(("dtype", "name"), [
    (dtypes.float, "float32"), (dtypes.half, "float16"), (dtypes.double, "float64"), (dtypes.bfloat16, "bfloat16"),
    (dtypes.uchar, "uint8"), (dtypes.long, "int64"), (dtypes.bool, "bool"),
])  # fmt: skip
def test_dtypes_are_called_as_in_numpy(dtype, name):
    assert dtype_name(dtype) == name


def test_a_registry_loads_more_before_it_says_that_a_name_is_not_there():
    colours = Registry("colour")
    colours.add("red", "#f00")
    colours.add_source(lambda: colours.add("blue", "#00f"))
    assert colours["red"] == "#f00"
    assert list(colours) == ["red"]
    with pytest.raises(UnknownNameError, match="the colours are: blue, red"):
        colours["green"]
    assert colours["blue"] == "#00f"


def test_a_registry_is_a_mapping_with_an_order():
    colours = Registry("colour")
    colours.add("red", 1)
    colours.add("blue", 2)
    assert (list(colours), len(colours), "red" in colours, colours.get("green")) == (["red", "blue"], 2, True, None)
    assert repr(colours) == "<colours: red, blue>"
    with pytest.raises(DeclarationError, match=r"^there is already a colour 'red'$"):
        colours.add("red", 3)
    colours.add("red", 3, replace=True)
    assert colours["red"] == 3
    with pytest.raises(UnknownNameError, match=r"^there is no colour 'rad'\n  fix: did you mean 'red'\?"):
        colours["rad"]
