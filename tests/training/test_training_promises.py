"""What fit promises: it learns, repeats itself, loses nothing when it is stopped, and counts every sample once."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

import axon_nb as ax
from axon_nb.errors import TrainingError

CLASSES = "categorical_cross_entropy"
FAST = ax.optimizers.adam(learning_rate=0.01)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images[:600] / 16).astype("float32"), data.target[:600]


def reader():
    return ax.input((None, 8, 8), name="image") | ax.flatten() | ax.dense(24, "relu") | ax.dense(10, "softmax")


def weights(trained):
    return {path: tensor.numpy() for path, tensor in trained.params.flat.items()}


def test_it_learns_and_repeats_itself_under_a_seed(digits):
    options = {"loss": CLASSES, "metrics": ["accuracy"], "optimizer": FAST, "epochs": 6}
    runs = [reader().fit(digits, seed=seed, **options) for seed in (1, 1, 2)]
    assert runs[0].history["accuracy"][-1] > 0.85
    assert runs[0].history == runs[1].history
    assert all((weights(runs[1])[path] == value).all() for path, value in weights(runs[0]).items())
    assert runs[0].history != runs[2].history


def test_the_short_last_batch_counts_as_many_samples_as_it_has(digits):
    x, y = digits[0][:50], digits[1][:50]  # batches of 32 and 18
    model = reader()
    trained = model.fit((x, y), loss=CLASSES, epochs=1, optimizer=ax.optimizers.sgd(learning_rate=1e-9))
    probabilities = model.predict(model.init(seed=0), x)
    assert trained.history["loss"][0] == pytest.approx(-np.log(probabilities[range(50), y]).mean(), rel=1e-5)


def test_params_given_by_like_are_where_training_begins(digits):
    first = reader().fit(digits, loss=CLASSES, optimizer=FAST, epochs=4)
    before = weights(first)
    second = reader().fit(digits, loss=CLASSES, optimizer=FAST, epochs=1, like=first)
    assert second.history["loss"][0] < first.history["loss"][0] / 1.5
    assert all((weights(first)[path] == value).all() for path, value in before.items())


def test_ctrl_c_returns_what_was_trained(digits):
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    started = time.monotonic()

    @ax.callbacks.on("epoch_completed", once=1)
    def press(state):  # from then on there is something to return
        timer.start()

    trained = reader().fit(digits, loss=CLASSES, epochs=100_000, callbacks=[press])
    timer.join()
    assert time.monotonic() - started < 120
    assert trained.note.startswith("stopped in epoch ")
    assert all(np.isfinite(value).all() for value in weights(trained).values())
    assert trained.predict(digits[0][:3]).shape == (3, 10)


def test_a_loss_that_is_no_number_stops_training_and_keeps_the_last_good_weights(digits):
    x, y = digits[0].reshape(-1, 64) * 1e6, digits[1][:, None].astype("float32")
    model = ax.input((None, 64)) | ax.dense(8) | ax.dense(1)
    with pytest.raises(
        TrainingError, match=r"the loss became (nan|inf) in epoch \d+\n  got: .*\n  fix: a smaller"
    ) as caught:
        model.fit((x, y), loss="mean_squared_error", optimizer=ax.optimizers.sgd(learning_rate=10.0), epochs=50)
    assert all(np.isfinite(value).all() for value in weights(caught.value.trained).values())


def test_any_number_of_samples_is_predicted_as_one_by_one(digits):
    trained = reader().fit((digits[0][:64], digits[1][:64]), loss=CLASSES)
    together = trained.predict(digits[0][:37])
    assert together.shape == (37, 10)
    np.testing.assert_allclose(together, trained.model.predict(trained.params, digits[0][:37]), rtol=1e-5)


def test_batches_of_ones_own_train_as_arrays_do(digits):
    x, y = digits[0][:64], digits[1][:64]
    batches = [(x[:32], y[:32]), (x[32:], y[32:])]
    trained = reader().fit(batches, loss=CLASSES, epochs=2)
    assert trained.history["loss"][1] < trained.history["loss"][0]


def test_a_trained_model_shows_its_numbers_and_escapes_its_name(digits):
    model = reader().named("<b>reader</b>")
    trained = model.fit((digits[0][:64], digits[1][:64]), loss=CLASSES, epochs=2)
    html = trained._repr_html_()
    assert "<b>reader" not in html.replace("<b>&lt;", "")
    assert "&lt;b&gt;reader&lt;/b&gt;" in html
    assert repr(trained).startswith("<Trained <b>reader</b>: 2 epochs, loss ")
