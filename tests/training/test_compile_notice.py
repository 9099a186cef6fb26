"""Who waits for a step to be compiled is told so, from half a second on."""

import time

from axon_nb.training import progress
from axon_nb.training.progress import Progress


class Bar:
    def __init__(self):
        self.shown, self.closed = [], False

    def show(self, done, text):
        self.shown.append((done, text))

    def close(self):
        self.closed = True


def test_a_long_wait_is_told(monkeypatch):
    monkeypatch.setattr(progress, "_COMPILING_S", 0.01)
    monkeypatch.setattr(progress, "_PAUSE_S", 0.01)
    bar = Bar()
    with Progress(10, lambda _: bar, done=3) as shown, shown.compiling():
        deadline = time.monotonic() + 5
        while len(bar.shown) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert bar.shown[0] == (3, "compiling a step: 0 kernels, 0 s")
    assert bar.closed
    told = len(bar.shown)
    time.sleep(0.05)
    assert len(bar.shown) == told


def test_a_short_wait_is_not():
    bar = Bar()
    with Progress(10, lambda _: bar) as shown, shown.compiling():
        pass
    assert bar.shown == []


def test_who_sees_no_bar_is_told_nothing():
    with Progress(10, shows=False) as shown, shown.compiling():
        assert not shown.visible
