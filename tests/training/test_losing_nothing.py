"""What is left when training is cut short: by Ctrl-C, by a loss that is no number, by data that fails half-way."""

import os
import signal
import threading

import numpy as np
import pytest

import axon_nb as ax
from axon_nb import optimizers
from axon_nb.errors import DataError, TrainingError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32")).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(1)


class OneBatch:
    """One batch per epoch, which does something when an epoch begins."""

    def __init__(self, at, what):
        self.at, self.what, self.epoch = at, what, -1  # fit looks at the first batch before it begins

    def __iter__(self):
        self.epoch += 1
        if self.epoch == self.at:
            self.what()
        yield X, LINE


def fit(data, **options):
    return MODEL.fit(data, **{"loss": "mean_squared_error", "optimizer": "adam", **options})


def is_whole(trained):
    """Whether weights are those after a whole number of steps, one per epoch: the completed ones, or one more."""
    for epochs in (trained.epochs, trained.epochs + 1):
        again = fit([(X, LINE)], epochs=max(epochs, 1))
        if (trained.params == again.params) if epochs else (trained.params == MODEL.init()):
            return again.history["loss"][: trained.epochs] == trained.history.get("loss", [])
    return False


def test_ctrl_c_between_or_within_steps_returns_whole_steps():
    def press():
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()

    handler = signal.getsignal(signal.SIGINT)
    trained = fit(OneBatch(5, press), epochs=1_000_000)
    assert signal.getsignal(signal.SIGINT) is handler
    assert trained.epochs >= 4
    assert trained.note == f"stopped in epoch {trained.epochs + 1} of 1000000"
    assert is_whole(trained)
    assert repr(trained).endswith(f"; {trained.note}>")
    assert trained.predict(X).shape == (8, 1)


@pytest.mark.parametrize("at", [1, 4])
def test_ctrl_c_while_data_is_read_returns_what_there_is(at):
    def interrupt():
        raise KeyboardInterrupt

    trained = fit(OneBatch(at, interrupt), epochs=10)
    assert trained.epochs == at - 1
    assert trained.note == f"stopped in epoch {at} of 10"
    assert is_whole(trained)


def test_nothing_trained_yet_is_shown_too():
    def interrupt():
        raise KeyboardInterrupt

    trained = fit(OneBatch(1, interrupt), epochs=3, metrics=["mean_absolute_error"])
    assert trained.history == {}
    assert repr(trained) == "<Trained model: 0 epochs; stopped in epoch 1 of 3>"
    assert "stopped in epoch 1 of 3" in trained._repr_html_()
    assert trained.plot().axes == []


def test_a_loss_that_is_no_number_leaves_the_epochs_before():
    still = optimizers.sgd(learning_rate=5.0)
    with pytest.raises(
        TrainingError, match=r"^the loss became (inf|nan) in epoch \d+\n  got: .*\n  fix: a smaller learning rate"
    ) as caught:
        fit([(X, LINE)], optimizer=still, epochs=500)
    trained = caught.value.trained
    assert trained.note == caught.value.problem
    assert trained.epochs > 5
    assert caught.value.problem.endswith(f"in epoch {trained.epochs + 1}")
    assert np.isfinite(trained.history["loss"]).all()
    assert all(np.isfinite(tensor.numpy()).all() for tensor in trained.params.flat.values())
    assert trained.params == fit([(X, LINE)], optimizer=still, epochs=trained.epochs).params


def fail():
    raise OSError("the disk is gone")


def test_an_error_of_the_users_data_comes_as_it_is_with_what_was_trained():
    with pytest.raises(OSError, match="the disk is gone") as caught:
        fit(OneBatch(4, fail), epochs=10)
    assert caught.value.trained.epochs == 3
    assert caught.value.trained.note == "OSError: the disk is gone"
    assert caught.value.trained.params == fit([(X, LINE)], epochs=3).params


@pytest.mark.parametrize(("batch", "words"), [
    ((np.full((8, 3), np.nan, "float32"), LINE), "input 'input_0' has 24 NaN values, the first in sample 0"),
    ((X[:, :2], LINE), r"the data for input 'input_0' does not fit: it takes \(None, 3\)\n  got: \(8, 2\)"),
    ((X, LINE[:5]), r"the data and the labels have different numbers of samples\n  got: 8 samples, labels \(5, 1\)"),
    (X, r"a batch is a pair \(x, y\)\n  got: ndarray of shape \(8, 3\)\n  fix: for arrays write a tuple: fit"),
])  # fmt: skip
def test_a_bad_batch_after_good_ones(batch, words):
    class Batches:
        def __iter__(self):
            yield X, LINE
            yield batch

    with pytest.raises(DataError, match=f"^{words}") as caught:
        fit(Batches(), epochs=2)
    assert caught.value.trained.epochs == 0
    assert caught.value.trained.params == MODEL.init()


def test_data_that_is_used_up():
    class Once:
        def __init__(self):
            self.left = iter([(X, LINE)] * 3)

        def __iter__(self):
            return self.left

    with pytest.raises(
        DataError, match=r"^there were no batches in epoch 2\n  fix: give an iterable that can be gone through"
    ):
        fit(Once(), epochs=3)


@pytest.mark.parametrize(("options", "error", "words"), [
    ({"data": [X, LINE]}, DataError, r"a batch is a pair \(x, y\)"),
    ({"data": (X, LINE, X)}, DataError, r"the sample weights are one number for each sample\n  got: 8 "),
    ({"data": (X, LINE, -X[:, 0])}, DataError, "a sample weight is below 0"),
    ({"data": X}, DataError, r"training data is \(x, y\), or an iterable of such batches\n  got: ndarray of"),
    ({"data": {"x": X}}, DataError, r"training data is \(x, y\)"),
    ({"data": ((x, x) for x in [X])}, DataError, "an iterator can be read only once, and training reads the "),
    ({"data": (X, None)}, DataError, "the labels: these are not numbers"),
    ({"loss": 3}, ax.AxonError, r"a loss is a name or a function of y_true and y_pred\n  got: 3\n  fix: by name "),
    ({"loss": lambda y_true, y_pred: 3.0}, TrainingError, r"the loss must return a tensor\n  got: 3.0"),
    ({"metrics": [lambda y_true, y_pred: None]}, TrainingError, r"a metric must return a tensor\n  got: None"),
    ({"optimizer": 3}, ax.AxonError, r"an optimizer is a name or one of axon_nb.optimizers\n  got: 3"),
    ({"seed": "a"}, ax.AxonError, r"seed must be a whole number\n  got: 'a'"),
    ({"epochs": 1.5}, ax.AxonError, r"epochs must be a whole number of at least 1\n  got: 1.5"),
    ({"batch_size": True}, ax.AxonError, r"batch_size must be a whole number of at least 1\n  got: True"),
    ({"like": 3}, ax.AxonError, r"like takes params, or what fit returned\n  got: 3"),
    ({"validation": (X, LINE[:3])}, DataError, "the data and the labels have different numbers of samples"),
    ({"loss": "binary_cross_entropy"}, DataError, r"the labels go from -\d.* to \d.* and binary_cross_entropy takes "),
    ({"loss": "categorical_cross_entropy"}, DataError, r"dense 'dense_0' \(.*\) has one output, and categorical_"),
])  # fmt: skip
def test_what_is_refused_changes_nothing(options, error, words):
    start = MODEL.init(seed=3)
    before = start.copy()
    given = {"data": (X, LINE), "like": start, **options}
    with pytest.raises(error, match=f"^{words}"):
        fit(**given)
    assert start == before


def test_a_layer_of_several_outputs_at_the_end_is_refused():
    x = ax.input((None, 3))
    pair = ax.layer(lambda x: (x, x), name="pair")
    with pytest.raises(DataError, match=r"^fit trains models with one output, and pair 'pair_0' \(.*\) gives 2\n"):
        (x | pair()).fit((X, LINE), loss="mean_squared_error")


def test_a_model_that_does_not_fit_is_refused_at_its_layer():
    with pytest.raises(ax.AxonError, match=r"^conv 'conv_0' \(test_losing_nothing.py line \d+\): needs 3, 4 or 5 axes"):
        (MODEL | ax.conv(3, 3)).fit((X, LINE), loss="mean_squared_error")
