"""What goes wrong when a model is trained is told in its words: the layer, and ways out that were tried."""

import warnings

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import AxonError, DataError, Fix, OptionError, TrainingError
from axon_nb.training.memory import check_memory, memory_bytes

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 8)).astype("float32")
NUMBERS = np.arange(64) % 3
HOT = np.eye(3, dtype="float32")[NUMBERS]
YES = NUMBERS > 0
AMOUNTS = rng.normal(size=64)
SERIES = rng.normal(size=(64, 5, 8)).astype("float32")

CCE, BCE, MSE = "categorical_cross_entropy", "binary_cross_entropy", "mean_squared_error"


def x(*shape):
    return ax.input(shape or (None, 8), name="x")


TABLE = [
    # labels that do not fit the output
    ("one-hot rows of another width", x() | ax.dense(4, "softmax"), X, HOT, CCE, "dense(3, activation='softmax')"),
    ("more classes than units", x() | ax.dense(2, "softmax"), X, NUMBERS, CCE, "dense(3, activation='softmax')"),
    ("classes that begin at 1", x() | ax.dense(3, "softmax"), X, NUMBERS + 1, CCE, "subtract 1 from the labels: y - 1"),
    ("one class", x() | ax.dense(1, "softmax"), X, NUMBERS, CCE, "dense(3, activation='softmax')"),
    ("amounts of another width", x() | ax.dense(2), X, AMOUNTS, MSE, "dense(1)"),
    ("several amounts", x() | ax.dense(2), X, rng.normal(size=(64, 5)), MSE, "dense(5)"),
    ("units before an activation", x() | ax.dense(2) | ax.softmax(), X, NUMBERS, CCE, "dense(3) in place of dense(2)"),
    # one answer per sample
    ("an answer for each step", x(None, 5, 8) | ax.lstm(4) | ax.dense(3, "softmax"), SERIES, NUMBERS, CCE,
     "lstm(4, return_sequence=False)"),
    ("an answer for each place", x(None, 5, 8) | ax.dense(3, "softmax"), SERIES, NUMBERS, CCE,
     "put global_avg_pool(channels='last') before it"),
    # one-hot against integers
    ("class numbers for amounts", x() | ax.dense(3, "softmax"), X, NUMBERS, MSE, f'loss="{CCE}" for class numbers'),
    ("one-hot rows for yes or no", x() | ax.dense(1, "sigmoid"), X, HOT, BCE,
     f"dense(3, activation='softmax') in place of dense(1, activation='sigmoid'), and loss=\"{CCE}\""),
    ("class numbers for yes or no", x() | ax.dense(1, "sigmoid"), X, NUMBERS, BCE,
     f"dense(3, activation='softmax') in place of dense(1, activation='sigmoid'), and loss=\"{CCE}\""),
    ("yes or no for classes", x() | ax.dense(1, "sigmoid"), X, YES, CCE,
     f'loss="{BCE}" for yes or no'),
    # a loss that expects logits, or probabilities
    ("classes from raw numbers", x() | ax.dense(3), X, NUMBERS, CCE, "softmax') in place of dense(3)"),
    ("classes from relu", x() | ax.dense(3, "relu"), X, NUMBERS, CCE, "dense(3, activation='softmax')"),
    ("classes from a relu layer", x() | ax.dense(3) | ax.relu(), X, HOT, CCE, "softmax() in place of relu()"),
    ("yes or no from raw numbers", x() | ax.dense(1), X, YES, BCE, "dense(1, activation='sigmoid')"),
    ("yes or no from tanh", x() | ax.dense(1, "tanh"), X, YES, BCE, "dense(1, activation='sigmoid')"),
    ("a softmax over one number", x() | ax.dense(1, "softmax"), X, YES, BCE, "dense(1, activation='sigmoid')"),
]  # fmt: skip


def train(model, data, labels, loss):
    return model.fit((data, labels), loss=loss, batch_size=64, progress=False)


@pytest.mark.parametrize(("model", "data", "labels", "loss", "teacher"), [row[1:] for row in TABLE],
                         ids=[row[0] for row in TABLE])  # fmt: skip
def test_a_mistake_names_the_layer_and_what_mends_it(model, data, labels, loss, teacher):
    with pytest.raises(DataError) as caught:
        train(model, data, labels, loss)
    error = caught.value
    last = model.names[model.nodes[-1]]
    assert f"'{last}'" in str(error) or "labels go from" in str(error)
    assert teacher in error.fixes[0]
    for fix in error.fixes:
        assert isinstance(fix, Fix)
        assert isinstance(fix.model, ax.Model)


@pytest.mark.parametrize(("model", "data", "labels", "loss", "teacher"), [row[1:] for row in TABLE[::4]],
                         ids=[row[0] for row in TABLE[::4]])  # fmt: skip
def test_what_is_offered_first_trains(model, data, labels, loss, teacher):
    with pytest.raises(DataError) as caught:
        train(model, data, labels, loss)
    fix = caught.value.fixes[0]
    loss = next((one for one in (CCE, BCE) if f'loss="{one}"' in fix.code), loss)
    trained = train(fix.model, data, labels - 1 if fix.code == "y - 1" else labels, loss)
    assert np.isfinite(trained.history["loss"]).all()


def test_a_loss_from_logits_takes_raw_numbers():
    with pytest.raises(DataError) as caught:
        train(x() | ax.dense(3), X, NUMBERS, CCE)
    assert caught.value.fixes[1].code == f"loss=losses.{CCE}(from_logits=True)"
    train(x() | ax.dense(3), X, NUMBERS, ax.losses.categorical_cross_entropy(from_logits=True))


def test_a_softmax_before_a_loss_from_logits_warns_at_the_users_line():
    loss = ax.losses.categorical_cross_entropy(from_logits=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(x() | ax.dense(3, "softmax"), X, NUMBERS, loss)
    told = next(one for one in caught if "went through a softmax already" in str(one.message))
    assert told.filename == __file__


def test_channels_that_stand_elsewhere_in_the_data():
    images = np.zeros((4, 6, 5, 3), "float32")
    first = ax.input((None, 3, 6, 5)) | ax.flatten() | ax.dense(1)
    with pytest.raises(DataError, match=r"fix: x.transpose\(0, 3, 1, 2\): its channels stand last"):
        first.predict(first.init(), images)
    last = ax.input((None, 6, 5, 3)) | ax.flatten() | ax.dense(1)
    with pytest.raises(DataError, match=r"fix: x.transpose\(0, 2, 3, 1\): its channels stand first"):
        last.predict(last.init(), np.zeros((4, 3, 6, 5), "float32"))
    assert np.zeros((4, 3, 6, 5)).transpose(0, 2, 3, 1).shape == images.shape


def test_a_model_that_is_larger_than_the_memory_is_refused_before_it_takes_it():
    units = memory_bytes() // (4 * 4)
    model = ax.input((None, 8), name="x") | ax.dense(units, name="wide") | ax.dense(1)
    with pytest.raises(TrainingError, match=r"training takes at least .* for weights") as caught:
        train(model, X, AMOUNTS, MSE)
    error = caught.value
    assert error.got.startswith("dense 'wide' (test_training_errors.py line ")
    (fix,) = error.fixes
    assert "in place of dense(" in fix.text
    check_memory(fix.model, {"x": (64, 8)})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.fit(X, NUMBERS), r"fit takes the data and its labels as one.*\n  fix: model.fit\(\(x, y\)"),
        (lambda m: m.fit(x=X, y=NUMBERS, loss=CCE), r"fit takes the data and its labels as one argument"),
        (lambda m: m.fit((X, NUMBERS)), 'fit needs loss\n  fix: loss="categorical_cross_entropy" or '),
        (lambda m: m.fit(loss=CCE), r"fit needs data\n  fix: model.fit\(\(x, y\), loss=...\)"),
        (lambda m: m.fit((X, NUMBERS), data=X, loss=CCE), "data is given twice"),
        (lambda m: m.fit((X, NUMBERS), loss=CCE, epoch=3), "no fit option 'epoch'\n  fix: did you mean 'epochs'"),
        (lambda m: m.fit((X, NUMBERS), loss=CCE, validation_data=X), "did you mean 'validation'"),
    ],
)  # fmt: skip
def test_arguments_of_fit(call, words):
    with pytest.raises(OptionError, match=words):
        call(x() | ax.dense(3, "softmax"))


def test_nan_names_the_first_layer():
    model = x() | ax.dense(4) | (lambda t: t.log()) | ax.dense(3, "softmax")
    with pytest.raises(TrainingError, match="the loss became nan") as caught:
        train(model, X, NUMBERS, CCE)
    assert "function 'function_0' (test_training_errors.py line" in caught.value.got
    assert "gives NaN" in caught.value.got
    assert any("learning rate" in fix for fix in caught.value.fixes)
    assert issubclass(TrainingError, AxonError)
