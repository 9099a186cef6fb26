"""Training in a thread: the same numbers as alone, while everything else can be used; pause, resume, stop, set_lr."""

import os
import threading
import time

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import OptionError, TrainingError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(4, "tanh") | ax.dropout(0.2) | ax.dense(1)
OPTIONS = {"loss": "mean_squared_error", "batch_size": 16, "progress": False}
ENDLESS = 10_000_000


def fit(epochs, **options):
    return MODEL.fit((X, LINE), epochs=epochs, **{**OPTIONS, **options})


def test_it_is_what_it_is_alone():
    run = fit(5, background=True, validation=0.25)
    assert run.result() is run.result()
    alone = fit(5, validation=0.25)
    assert run.result().params == alone.params
    assert run.result().history == run.history == alone.history
    assert (run.status, run.done, run.wait(0)) == ("completed", True, True)
    assert repr(run).startswith("<Training completed: epoch 5 of 5, step 15, loss ")


def test_pause_resume_and_stop():
    run = fit(ENDLESS, background=True)
    while not run.history:
        time.sleep(0.01)
    run.pause()
    at = run.progress["steps"]
    time.sleep(0.1)
    assert run.progress["steps"] == at
    assert run.status == "paused"
    assert not run.wait(0.01)
    with pytest.raises(TrainingError, match=r"^the training is not over after 0.01 seconds"):
        run.result(0.01)
    run.resume()
    while run.progress["steps"] == at:
        time.sleep(0.01)
    trained = run.stop()
    assert trained.note == f"stopped in epoch {trained.epochs + 1} of {ENDLESS}"
    assert trained.history["loss"][:1] == fit(1).history["loss"]
    assert run.status == "halted"


def test_a_paused_run_can_be_stopped():
    run = fit(ENDLESS, background=True).pause()
    assert run.stop().history == {}


def test_the_learning_rate_can_be_changed():
    seen = []
    rule = ax.optimizers.sgd(learning_rate=0.01)
    watch = ax.callbacks.on("iteration_completed", first=True)(lambda state: seen.append(state.learning_rate))
    run = fit(ENDLESS, background=True, optimizer=rule, callbacks=[watch])
    while not run.history:
        time.sleep(0.01)
    run.pause().set_lr(0.0).resume()
    at = run.progress["steps"]
    while run.progress["steps"] < at + 5:
        time.sleep(0.01)
    run.pause()
    state = run._runner.state
    before, steps = state.params, run.progress["steps"]
    run.resume()
    while run.progress["steps"] < steps + 5:
        time.sleep(0.01)
    assert run.stop().params == before
    assert seen == pytest.approx([0.01])
    with pytest.raises(OptionError, match=r"^a learning rate is a number of at least 0\n  got: -1"):
        run.set_lr(-1)


def test_what_ends_it_is_raised_with_the_result():
    def fail(state):
        if state.epoch == 1:
            raise ZeroDivisionError("mine")

    run = fit(5, background=True, callbacks=[fail])
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        run.result()
    assert run.status == "failed"
    assert caught.value.trained.params == fit(1).params


def test_what_cannot_begin_is_said_at_once():
    with pytest.raises(ax.AxonError, match="different numbers of samples"):
        MODEL.fit((X, LINE[:3]), background=True, **OPTIONS)


CONCURRENT_S = float(os.environ.get("AXON_NB_THREAD_TEST_S", "15"))
"""How long it takes; 60 by hand."""


@pytest.mark.slow
def test_building_tracing_predicting_and_training_meanwhile_change_nothing():
    other = (ax.input((None, 3)) | ax.dense(2, "relu") | ax.dense(1)).named("other")
    expected_other = other.fit((X, LINE), epochs=2, **OPTIONS)
    predicted = expected_other.predict(X)
    run = fit(ENDLESS, background=True, validation=0.25)
    end = time.monotonic() + CONCURRENT_S
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
        built = ax.input((None, 3)) | ax.dense(rounds % 7 + 1, "relu") | ax.batch_norm() | ax.dense(1)
        assert built.output_shape == (None, 1)
        assert built.init().count == (rounds % 7 + 1) * 9 + 1
        np.testing.assert_array_equal(expected_other.predict(X), predicted)
        again = other.fit((X, LINE), epochs=2, **OPTIONS)
        assert again.params == expected_other.params
        assert again.history == expected_other.history
        assert not run.done, run.result()
    trained = run.stop()
    assert rounds >= 3
    epochs = min(trained.epochs, 200)
    assert epochs >= 3
    alone = fit(epochs, validation=0.25)
    assert {name: values[:epochs] for name, values in trained.history.items()} == alone.history
    assert threading.active_count() < 20
