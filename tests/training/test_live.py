"""What is seen while training: points to a plot at ten times a second at most, the bar's words; the rate finder."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.training import live
from axon_nb.training.finder import LearningRates
from axon_nb.training.progress import Progress
from axon_nb.widgets.live_plot import drawn

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(1)
OPTIONS = {"loss": "mean_squared_error", "batch_size": 8}


class View:
    def __init__(self):
        self.sent, self.closed = [], 0

    def add(self, points):
        self.sent.append({name: list(line) for name, line in points.items()})

    def close(self):
        self.closed += 1


def test_every_epoch_is_drawn_and_the_view_closed():
    view = View()
    trained = MODEL.fit(
        (X, LINE), epochs=5, validation=0.25, callbacks=[ax.callbacks.Plot(view=lambda: view)], **OPTIONS
    )
    for name, values in trained.history.items():
        points = [point for sent in view.sent for point in sent.get(name, [])]
        assert points == list(zip(range(1, 6), values, strict=True))
    assert view.closed == 1


def test_it_is_sent_ten_times_a_second_at_most(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    view = View()

    def tick(state):
        now[0] += 0.03

    plot = ax.callbacks.Plot("loss", every_steps=1, view=lambda: view)
    MODEL.fit((X, LINE), epochs=4, callbacks=[ax.callbacks.on("iteration_completed")(tick), plot], **OPTIONS)
    assert 32 * 0.03 / live.PAUSE_S - 4 < len(view.sent) <= 32 * 0.03 / live.PAUSE_S + 2
    assert all(list(sent) == ["loss"] for sent in view.sent)


def test_the_view_is_closed_after_an_error_too():
    view = View()

    def fail(state):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        MODEL.fit((X, LINE), callbacks=[ax.callbacks.Plot(view=lambda: view), fail], **OPTIONS)
    assert view.closed == 1


def test_outside_of_a_notebook_nothing_is_drawn():
    assert MODEL.fit((X, LINE), callbacks=[ax.callbacks.Plot()], **OPTIONS).epochs == 1


def test_lines_are_drawn_with_their_names_escaped():
    html = drawn({"loss": [(1, 2.0), (2, 1.0)], "val_loss": [(1, 3.0), (2, 1.5)], "<b>": [(1, 0.5)], "none": []})
    assert html.count("<svg") == 2
    assert html.count("<polyline") == 3
    assert 'stroke-dasharray="5 3"' in html
    assert "<b><b>" not in html
    assert "&lt;b&gt;" in html


class Bar:
    def __init__(self):
        self.words = []

    def show(self, done, text):
        self.words.append((done, text))

    def close(self):
        self.words.append("closed")


def test_the_bar_says_loss_speed_and_time_left(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("axon_nb.training.progress.time.monotonic", lambda: now[0])
    bar = Bar()
    with Progress(20, lambda total: bar) as progress:
        progress.tell("epoch 1/2, loss 0.5")
        for _ in range(10):
            now[0] += 0.5
            progress.step(32)
    assert bar.words[-2] == (10, "epoch 1/2, loss 0.5, 64 samples/s, 0:05 left")
    assert bar.words[-1] == "closed"


def test_the_rate_at_which_the_loss_falls_most():
    loop = ax.Loop.trainer(MODEL, "mean_squared_error", "sgd")
    found = loop.find_learning_rate((X, LINE), low=1e-5, high=100.0, steps=60, batch_size=16)
    assert 1e-3 < found.suggestion < 1.0
    assert len(found.rates) < 60  # it stopped where the loss grew
    good = MODEL.fit((X, LINE), epochs=5, optimizer=ax.optimizers.sgd(found.suggestion), **OPTIONS)
    low = MODEL.fit((X, LINE), epochs=5, optimizer=ax.optimizers.sgd(found.suggestion / 1000), **OPTIONS)
    assert good.history["loss"][-1] < low.history["loss"][-1] / 2
    assert found.plot().axes[0].get_title().startswith("loss; suggestion ")


def test_a_search_that_is_refused():
    loop = ax.Loop.trainer(MODEL, "mean_squared_error", "sgd")
    with pytest.raises(ax.AxonError, match=r"^the search goes from a rate above 0 to a larger one\n  got: 1 to 0.1"):
        loop.find_learning_rate((X, LINE), low=1, high=0.1)
    with pytest.raises(ax.AxonError, match=r"^steps is a whole number of at least 2"):
        loop.find_learning_rate((X, LINE), steps=1)


def test_a_search_of_which_the_loss_only_grows_gives_its_first_rate():
    assert LearningRates([0.1, 1.0], [1.0, 5.0]).suggestion == 0.1
