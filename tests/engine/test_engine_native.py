"""A step as one native call gives the numbers that tinygrad's own replay gives, from any thread and in any order."""

import threading

import numpy as np
import pytest
from tinygrad import Context, Tensor, nn

from axon_nb.engine import RUNTIME, SETTINGS, Program, native, steps
from axon_nb.engine.plan import Call, Kernel, Place, Plan


def place(space, index, offset=0, size=8):
    return Place(space, index, offset, size)


@pytest.mark.parametrize(
    ("first", "second", "meets"),
    [
        (place("outer", 0), place("outer", 0, 4), True),
        (place("outer", 0), place("outer", 0, 8), False),
        (place("outer", 0), place("outer", 1), False),
        (place("outer", 0), place("inner", 0), False),
    ],
)
def test_places_meet_where_they_share_a_byte(first, second, meets):
    assert first.meets(second) is meets
    assert second.meets(first) is meets


def test_calls_that_do_not_touch_stand_in_one_level():
    a, b, c = (place("outer", n) for n in range(3))
    calls = Call(0, (b, a), (0,)), Call(0, (c, a), (0,)), Call(0, (a, b), (0,)), Call(0, (c, b), (0,))
    plan = Plan((Kernel("k", b"", 1, -1),), calls, ())
    assert plan.levels() == [[calls[0], calls[1]], [calls[2], calls[3]]]
    assert plan.overwritten() == {0, 1, 2}


class Network:
    """Two convolutions, pooling, a running mean and Adam: long and short kernels, in parts and whole."""

    def __init__(self):
        rng = np.random.default_rng(0)
        shapes = (8, 1, 3, 3), (16, 8, 3, 3), (400, 10)
        self.weights = [Tensor(rng.normal(size=s).astype("float32") * 0.1).realize() for s in shapes]
        self.optimizer = nn.optim.Adam(self.weights, lr=0.01)

    @property
    def state(self):
        return [*self.weights, *nn.state.get_parameters(self.optimizer)]

    def train(self, x, y):
        self.optimizer.zero_grad()
        first, second, last = self.weights
        x = x.conv2d(first).relu().contiguous().max_pool2d().conv2d(second).relu().contiguous().max_pool2d()
        loss = (x.flatten(1) @ last).sparse_categorical_crossentropy(y)
        loss.backward()
        return loss.realize(*self.optimizer.schedule_step())


def batch(size, seed=0):
    rng = np.random.default_rng(seed)
    return Tensor(rng.random((size, 1, 28, 28), dtype=np.float32)), Tensor(rng.integers(0, 10, size).astype("int32"))


def program(network):
    return Program(network.train, state=lambda: network.state, training=True)


@pytest.fixture
def slow(monkeypatch):
    def switch(value):
        monkeypatch.setattr(SETTINGS, "fast", not value)

    return switch


def test_the_switch_changes_no_numbers(slow, monkeypatch):
    used = []
    monkeypatch.setattr(
        native.Step, "run", lambda self, inputs, run=native.Step.run: used.append(1) or run(self, inputs)
    )
    seen = []
    for off in (True, False):
        slow(off)
        network = Network()
        step = program(network)
        losses = [step(*batch(32, seed)).item() for seed in range(4)]
        seen.append((losses, [t.numpy() for t in network.weights]))
    assert len(used) == 4
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=1e-5)
    for one, other in zip(seen[0][1], seen[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_result_given_back_as_an_input_is_not_overwritten_before_it_is_read():
    step = Program(lambda x: (x + 1, x * 2), keep=False)
    x = Tensor([1.0, 2.0, 3.0]).realize()
    for turn in range(4):
        x, doubled = step(x)
        assert doubled.tolist() == [2 * (v + turn) for v in (1.0, 2.0, 3.0)]


def test_a_debugging_person_gets_tinygrads_own_replay(capsys):
    with Context(DEBUG=2):
        assert Program(lambda x: x * 3)(Tensor([1.0]).realize()).tolist() == [3.0]
    assert "***" in capsys.readouterr().out


def test_what_is_not_for_the_cpu_alone_is_left_to_tinygrad():
    two = Program(lambda x: x + Tensor([1.0, 2.0]))  # copies a Python list at each replay
    assert two(Tensor([1.0, 2.0]).realize()).tolist() == [2.0, 4.0]
    assert two(Tensor([2.0, 2.0]).realize()).tolist() == [3.0, 4.0]


def timed(helped, alone):
    """Return whether others help at last with a step that takes so many microseconds, and how each run was made."""
    trial, made = native.Trial(), []
    for _ in range(4 * trial.RUNS):
        made.append(trial.is_helped)
        trial.note(1000 * (helped if trial.is_helped else alone))
    return trial.is_helped, made


@pytest.mark.parametrize(
    ("helped", "alone", "is_helped"),
    [(100, 90, False), (100, 110, False), (100, 200, True), (999, 5000, True), (999, 500, False)],
)
def test_brief_steps_are_tried_both_ways(helped, alone, is_helped):
    found, made = timed(helped, alone)
    runs = native.Trial.RUNS
    assert found is is_helped
    assert made == [True] * runs + [False] * runs + [is_helped] * (2 * runs)


def test_with_long_steps_others_help_from_the_first():
    assert timed(1000, 1) == (True, [True] * (4 * native.Trial.RUNS))


def test_a_slow_run_among_quick_ones_does_not_count():
    trial = native.Trial()
    for turn in range(2 * trial.RUNS):
        trial.note(9_000_000 if turn % trial.RUNS == 0 else 50_000 if trial.is_helped else 200_000)
    assert trial.is_helped


def test_a_step_gives_the_same_alone_and_with_help(monkeypatch):
    calls = []
    real = native._crew()

    class Crew:
        def call(self, enter, step):
            calls.append(step)
            real.call(enter, step)

        def rest(self):
            real.rest()

    monkeypatch.setattr(native, "_crew", Crew)
    monkeypatch.setattr(native.Trial, "BRIEF", 1 << 62)
    monkeypatch.setattr(native.Trial, "WORTH", 0.0)
    x = Tensor(np.random.default_rng(0).random((64, 784), dtype=np.float32)).realize()
    weight = Tensor(np.random.default_rng(1).random((784, 128), dtype=np.float32)).realize()
    multiply = Program(lambda x: (x @ weight, x.sum()), state=[weight])
    with Context(NUM_CPU_THREADS=2):  # also where there is one
        seen = [[one.numpy() for one in multiply(x)] for _ in range(3 * native.Trial.RUNS)]
    assert len(calls) == native.Trial.RUNS
    for results in seen:
        assert all(np.array_equal(one, first) for one, first in zip(results, seen[0], strict=True))


def test_a_child_process_makes_threads_of_its_own():
    native._crew()
    before = native._crew()
    native._crew.cache_clear()  # what a fork does
    assert native._crew() is not before
    assert program(Network())(*batch(8)).item() > 0


def test_late_helpers_find_a_step_done():
    network = Network()
    step = program(network)
    step(*batch(16))
    done = native._crew()
    for _ in range(50):
        done.call(lambda *_: None, native.Step.__new__(native.Step))
    done.rest()
    assert step(*batch(16)).item() > 0


@pytest.mark.slow
def test_a_thousand_steps_of_two_models_with_changing_batches():
    """As from two cells: sizes change, threads take turns, and the numbers are those of each model alone."""
    sizes = [np.random.default_rng(1).integers(1, 4) for _ in range(500)]

    def run(network, losses):
        step = program(network)
        for turn, size in enumerate(sizes):
            losses.append(step(*batch(int(size), turn % 3)).item())

    alone: list[float] = []
    run(Network(), alone)
    both: list[list[float]] = [[], []]
    threads = [threading.Thread(target=run, args=(Network(), losses)) for losses in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for losses in both:
        np.testing.assert_allclose(losses, alone, rtol=1e-5)


def test_the_lock_is_free_afterwards():
    program(Network())(*batch(4))
    assert RUNTIME.acquire(blocking=False)
    RUNTIME.release()
    assert steps.make is not None
