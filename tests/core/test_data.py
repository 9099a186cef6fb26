"""Data given to a model: how it is matched with the inputs, and everything that is refused, in full words."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.data import as_inputs, as_numbers, batch_shapes, check_finite
from axon_nb.errors import DataError, UnknownNameError

ONE = ax.input((None, 4), name="x")
TWO = (ax.input((None, 4), name="a"), ax.input((None, 2), name="b")) | ax.concatenate()
IMAGE = ax.input((None, 1, 28, 28), name="image")
ROWS = np.ones((3, 4), "float32")


def check(model, x):
    return batch_shapes(model, as_inputs(model, x))


@pytest.mark.parametrize(("model", "x", "shapes"), [
    (ONE, ROWS, {"x": (3, 4)}),
    (ONE, ROWS.tolist(), {"x": (3, 4)}),
    (ONE, {"x": ROWS}, {"x": (3, 4)}),
    (ONE, Tensor(ROWS), {"x": (3, 4)}),
    (TWO, (ROWS, ROWS[:, :2]), {"a": (3, 4), "b": (3, 2)}),
    (TWO, {"b": ROWS[:, :2], "a": ROWS}, {"a": (3, 4), "b": (3, 2)}),
])  # fmt: skip
def test_taken(model, x, shapes):
    assert check(model, x) == shapes


REFUSED = [
    (ONE, np.ones((3, 5)), "the data for input 'x' does not fit: it takes (None, 4)\n  got: (3, 5)"),
    (ONE, np.ones((3, 2, 2)), "the data for input 'x' does not fit: it takes (None, 4)\n  got: (3, 2, 2)\n"
                              "  fix: x.reshape(-1, 4)"),
    (ONE, np.ones(4), "the data for input 'x' does not fit: it takes (None, 4)\n  got: (4,)\n"
                      "  fix: it is one sample: add a batch axis with x[None]"),
    (ONE, np.ones((0, 4)), "input 'x' is empty\n  got: (0, 4)\n  fix: give at least one sample"),
    (ONE, [], "input 'x' is empty\n  got: (0,)\n  fix: give at least one sample"),
    (ONE, 3.0, "input 'x' is a single number\n  got: ()\n  fix: a batch of samples has at least one axis"),
    (ONE, [[1.0, 2.0], [3.0]], "input 'x': the rows differ in length\n  got: list\n  fix: pad them to one length"),
    (ONE, [["a"]], "input 'x': these are not numbers\n  got: ndarray (1, 1) <U1\n"
                   "  fix: number the kinds: numpy.unique(values, return_inverse=True)[1]"),
    (ONE, None, "no data for input 'x'\n  fix: the inputs are: x"),
    (ONE, np.ones((3, 4), complex), "input 'x': these are not numbers\n  got: ndarray (3, 4) complex128\n"
                                    "  fix: convert it: array.astype('float32')"),
    (ONE, np.array([[{}]]), "input 'x': these are not numbers\n  got: ndarray (1, 1) object\n"
                            "  fix: convert it: array.astype('float32')"),
    (IMAGE, np.ones((2, 28, 28)), "the data for input 'image' does not fit: it takes (None, 1, 28, 28)\n"
                                  "  got: (2, 28, 28)\n  fix: x.reshape(-1, 1, 28, 28)"),
    (IMAGE, np.ones((2, 784)), "the data for input 'image' does not fit: it takes (None, 1, 28, 28)\n  got: (2, 784)\n"
                               "  fix: x.reshape(-1, 1, 28, 28)"),
    (TWO, ROWS, "the model has 2 inputs: a, b\n  got: ndarray (3, 4) float32\n"
                "  fix: give a dict: {'a': ..., 'b': ...}"),
    (TWO, (ROWS,), "the model has 2 inputs: a, b\n  got: tuple\n  fix: give a dict: {'a': ..., 'b': ...}"),
    (TWO, {"a": ROWS}, "no data for input 'b'\n  fix: the inputs are: a, b"),
    (TWO, {}, "no data for input 'a' and 'b'\n  fix: the inputs are: a, b"),
    (TWO, (ROWS, np.ones((2, 2))), "the inputs have different numbers of samples\n  got: a: 3, b: 2"),
    (ax.input((3, 4), name="x"), np.ones((5, 4)), "the data for input 'x' does not fit: it takes (3, 4)\n"
                                                  "  got: (5, 4)\n  fix: a batch axis of any size: input((None, 4))"),
    (ax.input((None, 2), dtype="int32", name="x"), [[0.5, 1.0]], "input 'x' takes whole numbers (int32)\n"
     '  got: numbers such as 0.5\n  fix: input(..., dtype="float32")'),
    (ax.input((None, 2), dtype="uint8", name="x"), [[1, np.nan]], "input 'x' takes whole numbers (uint8)\n"
     '  got: numbers such as nan\n  fix: input(..., dtype="float32")'),
]  # fmt: skip


@pytest.mark.parametrize(("model", "x", "text"), REFUSED, ids=[text.split("\n")[0] for _, _, text in REFUSED])
def test_refused(model, x, text):
    with pytest.raises(DataError, match=r"input|numbers of samples") as caught:
        check(model, x)
    assert str(caught.value) == text
    with pytest.raises(DataError, match=r"input|numbers of samples"):
        model.predict(model.init(), x)


def test_an_unknown_input_comes_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"^there is no input 'image'\n  fix: the inputs are: a, b$"):
        check(TWO, {"a": ROWS, "image": ROWS})
    with pytest.raises(UnknownNameError, match=r"^there is no input 'imag'\n  fix: did you mean 'image'\?"):
        check(IMAGE, {"imag": ROWS})


def test_names_of_sizes_hold_for_the_data_too():
    a, b = ax.input((None, "time"), name="a"), ax.input((None, "time"), name="b")
    model = (a, b) | ax.add()
    with pytest.raises(ax.AxonError, match=r"^input 'b': dim 'time' is 3 here and 4 in input 'a'$"):
        model.predict(model.init(), (np.ones((2, 4)), np.ones((2, 3))))


@pytest.mark.parametrize(("values", "text"), [
    ([1.0, np.nan, 3.0], "x has 1 NaN value, the first in sample 1"),
    ([[1.0, np.nan], [np.nan, 3.0]], "x has 2 NaN values, the first in sample 0"),
    ([1.0, np.inf], "x has 1 infinite value, the first in sample 1"),
    ([1.0, 2.0, -np.inf, np.nan], "x has 2 NaN values, the first in sample 2"),
    (np.full(2000, np.nan), "x has 2,000 NaN values, the first in sample 0"),
])  # fmt: skip
def test_values_that_are_not_finite(values, text):
    with pytest.raises(DataError, match=r"NaN|infinite") as caught:
        check_finite(np.asarray(values), "x")
    assert str(caught.value) == f"{text}\n  fix: drop or fill them first, for example with numpy.nan_to_num"


@pytest.mark.parametrize("values", [[1.0, 2.0], [1, 2], [True], []])
def test_values_that_are_finite(values):
    assert check_finite(np.asarray(values), "x") is None


def test_a_tensor_stays_one():
    tensor = Tensor([1.0])
    assert as_numbers(tensor, "x") is tensor
