"""Ctrl-C at any moment: the weights stay usable, and the next training is as if nothing had been."""

import random
import signal
import threading
import time
import weakref

import numpy as np
import pytest

import axon_nb as ax

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
OPTIONS = {"loss": "mean_squared_error", "batch_size": 16, "validation": (X[:20], LINE[:20]), "progress": False}


def fit(epochs, units=4, **options):
    model = ax.input((None, 3)) | ax.dense(units, "tanh") | ax.dropout(0.2) | ax.dense(1)
    return model.fit((X, LINE), epochs=epochs, **{**OPTIONS, **options})


def press_after(seconds):
    # To the main thread, where Python handles it, whatever other threads there are.
    timer = threading.Timer(seconds, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads there")
def test_thirty_interrupts_at_random_moments():
    chance = random.Random(0)
    fit(1)
    started = time.perf_counter()
    expected = fit(3)
    recording_s = time.perf_counter() - started
    early, late = 0, 0
    for number in range(30):
        # Up to there it draws, traces and records; after it, steps and validation alternate.
        timer = press_after(chance.uniform(0.0, recording_s * (1.0 if number % 2 else 2.0)))
        trained = None
        try:
            trained = fit(10_000)
            timer.join()
        except KeyboardInterrupt:  # before there were weights
            early += 1
        else:
            late += 1
            assert trained.note == f"stopped in epoch {trained.epochs + 1} of 10000"
            assert all(np.isfinite(tensor.numpy()).all() for tensor in trained.params.flat.values())
            assert all(len(values) == trained.epochs for values in trained.history.values())
            assert trained.predict(X).shape == (48, 1)
            shared = min(trained.epochs, 3)
            assert {k: v[:shared] for k, v in trained.history.items()} == {
                k: v[:shared] for k, v in expected.history.items() if shared
            }
        if number % 6 == 5:
            again = fit(3)
            assert again.params == expected.params
            assert again.history == expected.history
    assert late >= 10
    assert early + late == 30


@pytest.mark.parametrize("event", ["started", "epoch_started", "iteration_started", "iteration_completed",
                                   "epoch_completed"])  # fmt: skip
def test_an_interrupt_at_each_event(event):
    def press(state):
        if state.epoch == 1 or event == "started":
            signal.raise_signal(signal.SIGINT)

    trained = fit(3, callbacks=[ax.callbacks.on(event)(press)])
    whole = 0 if event == "started" else 1
    assert trained.note == f"stopped in epoch {whole + 1} of 3"
    assert trained.epochs == whole
    straight = fit(2)
    assert trained.history == {name: values[:whole] for name, values in straight.history.items() if whole}
    if event == "epoch_completed":
        assert trained.params == straight.params  # its steps were all taken


class Watched:
    """Something to refer to weakly."""

    def __init__(self, when_gone):
        self.when_gone = when_gone

    def __del__(self):
        if self.when_gone == "finalizer":
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("where", ["finalizer", "weak reference"])
def test_an_interrupt_where_python_would_forget_it_stops_the_training(where):
    references = []

    def press(state):
        if state.epoch == 1:
            thing = Watched(where)
            if where == "weak reference":
                references.append(weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT)))
            del thing

    trained = fit(3, callbacks=[ax.callbacks.on("epoch_started")(press)])
    assert trained.note == "stopped in epoch 2 of 3"
    assert trained.epochs == 1


def test_an_interrupt_when_all_epochs_are_done_changes_nothing():
    trained = fit(2, callbacks=[ax.callbacks.on("completed")(lambda state: signal.raise_signal(signal.SIGINT))])
    assert (trained.note, trained.epochs) == ("", 2)
