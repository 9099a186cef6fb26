"""What is compiled ahead is what the training then needs; and nothing is lost where it is not."""

import os
import signal
import time

import numpy as np
import pytest

import axon_nb as ax
from axon_nb import engine
from axon_nb.engine import AHEAD, SETTINGS, compiled_kernels
from axon_nb.training import ahead

X = np.zeros((80, 6), "float32")
Y = np.arange(80) % 3
UNITS = iter(range(11, 100))
START = engine.child._START


@pytest.fixture(autouse=True)
def on(monkeypatch, tmp_path):
    monkeypatch.setenv("AXON_NB_CACHE_DIR", str(tmp_path / "steps"))
    monkeypatch.setattr(SETTINGS, "ahead", True)
    monkeypatch.setattr(ahead, "_last", [])
    hurried = "import_module('axon_nb.engine.ahead')._step_back = lambda: None; getattr("  # tests leave no time over
    monkeypatch.setattr(engine.child, "_START", START.replace("getattr(", hurried))
    yield
    AHEAD.cancel()


def classifier(units=None):
    return ax.input((None, 6)) | ax.dense(units or next(UNITS), "tanh") | ax.dense(3, "softmax")


def fit(model, **options):
    settings = {"loss": "categorical_cross_entropy", "metrics": ["accuracy"], "progress": False, **options}
    return model.fit((X, Y), **settings)


def finished(seconds=120):
    deadline = time.monotonic() + seconds
    while AHEAD.busy:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def new_kernels(action):
    """How many kernels an action makes this process compile."""
    before = compiled_kernels()
    action()
    return compiled_kernels() - before


@pytest.mark.slow
def test_the_usual_training_is_compiled_before_it_is_asked_for():
    model = classifier()
    assert ahead.begin(model)
    finished()
    assert new_kernels(lambda: fit(model, validation=(X[:32], Y[:32]))) == 0
    other = classifier()
    assert new_kernels(lambda: fit(other)) > 0  # the same measure sees what was not compiled


@pytest.mark.slow
def test_after_an_edit_it_is_the_training_of_before():
    options = {
        "optimizer": ax.optimizers.sgd(learning_rate=0.1, momentum=0.9), "batch_size": 25,
        "loss": ax.losses.categorical_cross_entropy, "validation": (X[:30], Y[:30]),
    }  # fmt: skip
    first = fit(classifier(), **options)
    first.model.predict(first.params, X[:7])
    edited = classifier()
    assert [type(task).__name__ for task in ahead.tasks(edited)] == ["Steps", "Predictions"]
    assert ahead.begin(edited)
    finished()
    trained = []
    assert new_kernels(lambda: trained.append(fit(edited, **options))) == 0
    assert new_kernels(lambda: edited.predict(trained[0].params, X[:7])) == 0
    SETTINGS.cache = False
    try:
        again = fit(edited.named("copy"), **options)
    finally:
        SETTINGS.cache = True
    assert again.history == trained[0].history  # compiled here, it gives the same numbers


def compiling(model):
    """Begin, and return when the first step is being compiled."""
    assert ahead.begin(model)
    deadline = time.monotonic() + 120
    while not AHEAD._making:
        assert AHEAD.busy
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_who_comes_while_it_is_compiled_waits_for_it(monkeypatch):
    monkeypatch.setattr(engine.ahead._Speed, "is_fair", lambda self: True)  # whatever else this machine does
    model = classifier()
    compiling(model)
    assert new_kernels(lambda: fit(model)) == 0


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be halted there")
def test_it_is_not_waited_for_where_it_stands_still(monkeypatch):
    monkeypatch.setattr(engine.ahead, "_LOOK_S", 0.1)
    model = classifier()
    compiling(model)
    os.kill(AHEAD._child.number, signal.SIGSTOP)
    assert new_kernels(lambda: fit(model)) > 0
    assert not AHEAD.busy


def test_other_work_stops_it():
    assert ahead.begin(classifier())
    child = AHEAD._child
    fit(classifier(), optimizer="sgd", batch_size=7)
    assert not child.lives
    assert not AHEAD.busy


def test_nothing_is_compiled_that_was_just_trained():
    trained = fit(classifier())
    assert ahead.tasks(trained.model) == []
    assert not ahead.begin(trained.model)


def test_what_only_this_process_has_is_left_to_it():
    model = ax.input((None, 6)) | (lambda x: x * 2) | ax.dense(3, "softmax")
    assert ahead.tasks(model)
    assert not ahead.begin(model)
    assert not AHEAD.busy


@pytest.mark.parametrize(
    "model",
    [
        ax.input((None, None, 4)) | ax.lstm(3) | ax.dense(1),
        ax.outputs(a=ax.input((None, 2)) | ax.dense(1), b=ax.input((None, 3)) | ax.dense(1)),
    ],
    ids=["a size is not known", "several outputs"],
)
def test_no_guess_where_there_is_nothing_to_go_by(model):
    assert ahead.tasks(model) == []


def test_switches(monkeypatch):
    for name in ("ahead", "cache", "fast"):
        with monkeypatch.context() as patch:
            patch.setattr(SETTINGS, name, False)
            assert not ahead.begin(classifier())
    monkeypatch.setattr(ahead, "_FREE_BYTES", 2**60)
    assert not ahead.begin(classifier())


@pytest.mark.slow
def test_a_process_that_dies_costs_nothing():
    model = classifier()
    ahead.begin(model)
    AHEAD._child.end()
    trained = fit(model)
    assert np.isfinite(trained.history["loss"][0])


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="no such priority there")
def test_it_takes_only_time_that_nobody_else_wants(monkeypatch):
    monkeypatch.setattr(engine.child, "_START", START)
    assert ahead.begin(classifier())
    deadline = time.monotonic() + 120
    while AHEAD.busy and os.sched_getscheduler(AHEAD._child.number) != os.SCHED_IDLE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert os.getpriority(os.PRIO_PROCESS, AHEAD._child.number) == 19


def test_the_other_process_ends_with_this_one():
    ahead.begin(classifier())
    process = AHEAD._child._process
    process.stdin.close()
    assert process.wait(timeout=60) == 0
