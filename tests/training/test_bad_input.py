"""Bad data, labels and options: each says what is wrong and what to do, and nothing is lost."""

import re

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import AxonError, DataError, DeviceError, OptionError, ParamsError, UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.random((40, 8), dtype="float32")
Y = RNG.integers(0, 3, 40)
CLASSES = "categorical_cross_entropy"
MODEL = ax.input((None, 8), name="x") | ax.dense(4, "relu") | ax.dense(3, "softmax", name="last")


def with_value(value):
    changed = X.copy()
    changed[7, 2] = value
    return changed


def fit(data, **options):
    return MODEL.fit(data, **{"loss": CLASSES, **options})


CASES = {
    "NaN": (
        lambda: fit((with_value(np.nan), Y)), DataError,
        "input 'x' has 1 NaN value, the first in sample 7\n"
        "  fix: drop or fill them first, for example with numpy.nan_to_num",
    ),
    "infinite": (
        lambda: fit((with_value(np.inf), Y)), DataError, "input 'x' has 1 infinite value, the first in sample 7"
    ),
    "NaN in validation": (
        lambda: fit((X, Y), validation=(with_value(np.nan), Y)), DataError,
        "input 'x' has 1 NaN value, the first in sample 7",
    ),
    "wrong rank": (
        lambda: fit((X[:, None], Y)), DataError,
        "the data for input 'x' does not fit: it takes (None, 8)\n  got: (40, 1, 8)\n  fix: x.reshape(-1, 8)",
    ),
    "wrong width": (
        lambda: fit((X[:, :7], Y)), DataError,
        "the data for input 'x' does not fit: it takes (None, 8)\n  got: (40, 7)",
    ),
    "one sample": (
        lambda: MODEL.predict(MODEL.init(), X[0]), DataError,
        "it takes (None, 8)\n  got: (8,)\n  fix: it is one sample: add a batch axis with x[None]",
    ),
    "labels from 1": (
        lambda: fit((X, Y + 1)), DataError,
        "has classes 0 to 2\n  fix: subtract 1 from the labels",
    ),
    "negative labels": (
        lambda: fit((X, Y - 1)), DataError, "the labels go from -1 to 1 and the output of dense 'last'"
    ),
    "fewer labels": (
        lambda: fit((X, Y[:10])), DataError,
        "the data and the labels have different numbers of samples\n  got: 40 samples, labels (10,)",
    ),
    "wide one-hot": (
        lambda: fit((X, np.eye(4)[Y])), DataError, "got: labels (40, 4), output (40, 3)"
    ),
    "labels between": (lambda: fit((X, Y + 0.5)), DataError, "class numbers are whole numbers\n  got: labels such as"),
    "labels in words": (lambda: fit((X, np.array(["a"] * 40))), DataError, "these are not numbers"),
    "classes and squares": (
        lambda: fit((X, Y), loss="mean_squared_error"), DataError,
        'got: labels (40,), output (40, 3)\n  fix: loss="categorical_cross_entropy" for class numbers',
    ),
    "empty": (
        lambda: fit((X[:0], Y[:0])), DataError, "input 'x' is empty\n  got: (0, 8)\n  fix: give at least one sample"
    ),
    "no batches": (lambda: fit([]), DataError, "there are no batches\n  fix: give at least one (x, y)"),
    "an iterator": (lambda: fit(iter([(X, Y)])), DataError, "an iterator can be read only once"),
    "a number": (lambda: fit(5), DataError, "training data is (x, y), or an iterable of such batches"),
    "rows that differ": (lambda: fit(([[1, 2], [3]], [0, 1])), DataError, "input 'x': the rows differ in length"),
    "batch of 0": (
        lambda: fit((X, Y), batch_size=0), OptionError, "batch_size must be a whole number of at least 1\n  got: 0"
    ),
    "no epochs": (lambda: fit((X, Y), epochs=0), OptionError, "epochs must be a whole number of at least 1\n  got: 0"),
    "unknown loss": (
        lambda: fit((X, Y), loss="categorical_crossentropy"), UnknownNameError,
        "there is no loss 'categorical_crossentropy'\n  fix: did you mean 'categorical_cross_entropy'",
    ),
    "unknown optimizer": (
        lambda: fit((X, Y), optimizer="adma"), UnknownNameError,
        "there is no optimizer 'adma'\n  fix: did you mean 'adam'",
    ),
    "unknown metric": (
        lambda: fit((X, Y), metrics=["acuracy"]), UnknownNameError,
        "there is no metric 'acuracy'\n  fix: did you mean 'accuracy'",
    ),
    "unknown device": (
        lambda: fit((X, Y), device="CUDAA"), DeviceError, "there is no device 'CUDAA'\n  fix: did you mean 'CUDA'"
    ),
    "too much for validation": (
        lambda: fit((X, Y), validation=1.5), OptionError, "validation=1.5 leaves no sample on one side of 40"
    ),
    "learning rate": (
        lambda: ax.optimizers.adam(learning_rate=-1), OptionError, "adam: learning_rate must be a number above 0"
    ),
    "another model's params": (
        lambda: MODEL.predict((ax.input((None, 8)) | ax.dense(5)).init(), X), ParamsError,
        "these parameters do not belong to this model\n  got: missing: ",
    ),
    "unknown input": (
        lambda: MODEL.predict(MODEL.init(), {"z": X}), UnknownNameError,
        "there is no input 'z'\n  fix: the inputs are: x",
    ),
    "no params": (lambda: MODEL.predict(None, X), ParamsError, "params come from model.init() or fit(...).params"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_says_what_is_wrong(case):
    call, kind, text = CASES[case]
    with pytest.raises(kind, match=re.escape(text)):
        call()


def test_a_batch_bigger_than_the_data_is_the_data():
    assert len(fit((X, Y), batch_size=1000).history["loss"]) == 1


def test_what_was_trained_before_stays_as_it_was():
    trained = fit((X, Y))
    before = {path: tensor.numpy().copy() for path, tensor in trained.params.flat.items()}
    for case in ("NaN", "labels from 1", "empty"):
        with pytest.raises(AxonError, match=re.escape(CASES[case][2])):
            CASES[case][0]()
    with pytest.raises(DataError, match="has 1 NaN value"):
        fit((with_value(np.nan), Y), like=trained)
    assert all((tensor.numpy() == before[path]).all() for path, tensor in trained.params.flat.items())
