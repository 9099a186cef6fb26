"""Kernels are compiled by several processes where there are cores for them, and nothing is lost where one fails."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tinygrad import Tensor
from tinygrad.codegen import to_program_cache

from axon_nb.engine import Program, workers
from axon_nb.engine.child import Child
from axon_nb.engine.settings import SETTINGS
from axon_nb.engine.workers import WORKERS

SETTLED = """
import json, os
from axon_nb.engine.workers import WORKERS
import axon_nb.engine
from tinygrad.helpers import PARALLEL
print(json.dumps([WORKERS.wanted, PARALLEL.value, os.environ["BEAM_MAX_TASKS_PER_CHILD"]]))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NUM_CPU_THREADS": "1"}, [0, 0, "1000"]),
        ({"NUM_CPU_THREADS": "2"}, [1, 0, "1000"]),
        ({"NUM_CPU_THREADS": "8"}, [3, 8, "1000"]),
        ({"NUM_CPU_THREADS": "2", "PYTEST_XDIST_WORKER_COUNT": "2"}, [0, 0, "1000"]),
        ({"NUM_CPU_THREADS": "2", "PARALLEL": "2"}, [1, 2, "1000"]),
        ({"NUM_CPU_THREADS": "8", "PARALLEL": "0", "BEAM_MAX_TASKS_PER_CHILD": "5"}, [0, 0, "5"]),
    ],
    ids=str,
)
def test_how_many_there_are(environment, expected):
    dropped = ("PARALLEL", "BEAM_MAX_TASKS_PER_CHILD", "PYTEST_XDIST_WORKER_COUNT")
    env = {name: value for name, value in os.environ.items() if name not in dropped} | environment
    done = subprocess.run([sys.executable, "-c", SETTLED], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected


@pytest.fixture
def two(monkeypatch):
    """Two workers, whatever the machine and the size of the recording."""
    monkeypatch.setattr(WORKERS, "wanted", 2)
    monkeypatch.setattr(workers, "FEWEST_NODES", 0)
    monkeypatch.setattr(SETTINGS, "cache", False)
    WORKERS.end()
    yield WORKERS
    WORKERS.end()


@pytest.fixture
def made_here(monkeypatch):
    """The kernels that this process compiles, which it takes its time for."""
    made = []
    do = workers.do_to_program

    def noting(graph, renderer):
        made.append(graph)
        time.sleep(0.2)
        return do(graph, renderer)

    monkeypatch.setattr(workers, "do_to_program", noting)
    return made


SIZES = iter(range(101, 400, 3))


def chain(length=12):
    """A function of many kernels that no test before it compiled, and what it gives for ones."""
    size = next(SIZES)

    def function(x):
        for number in range(length):
            x = (x.reshape(size, -1).sum(1, keepdim=True).expand(size, 3) * (1 / 3) + number + size).contiguous()
        return x

    return function, Tensor.ones(size, 3).contiguous().realize(), 1 + sum(range(length)) + length * size


@pytest.mark.slow
def test_workers_compile_what_this_process_then_runs(two, made_here):
    function, given, expected = chain(30)
    before = len(to_program_cache)
    assert Program(function)(given).numpy() == pytest.approx(expected, rel=1e-6)
    made = len(to_program_cache) - before
    assert made >= 30
    assert len(made_here) < made - 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_killed_worker_loses_nothing(two):
    two.begin(1)
    numbers = [worker.number for worker in two._workers]
    os.kill(numbers[0], signal.SIGSTOP)  # it takes a kernel, and never gives it back
    threading.Timer(2, os.kill, (numbers[0], signal.SIGKILL)).start()
    function, given, expected = chain()
    assert Program(function)(given).numpy() == pytest.approx(expected, rel=1e-6)
    assert not two._workers[0].lives
    two.begin(1)
    assert all(worker.lives for worker in two._workers)
    assert numbers[0] not in [worker.number for worker in two._workers]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by a signal")
def test_an_interrupt_while_workers_compile_ends_them_and_the_next_call_works(two):
    two.begin(1)
    stopped = list(two._workers)
    for worker in stopped:
        os.kill(worker.number, signal.SIGSTOP)
    threading.Timer(3, signal.raise_signal, (signal.SIGINT,)).start()
    function, given, expected = chain()
    program = Program(function)
    with pytest.raises(KeyboardInterrupt):
        program(given)
    assert not any(worker.lives for worker in stopped)
    assert program(given).numpy() == pytest.approx(expected, rel=1e-6)


def test_what_cannot_be_handed_over_is_compiled_here(two, made_here, monkeypatch):
    monkeypatch.setattr(workers, "_pickled", lambda _: b"")
    function, given, expected = chain(4)
    assert Program(function)(given).numpy() == pytest.approx(expected, rel=1e-6)
    assert two._workers


def test_a_task_that_is_none_says_nothing_and_the_worker_lives(two):
    two.begin(1)
    worker = two._workers[0]
    worker.send(b"no pickle")
    assert worker.receive() == b""
    assert worker.lives


def test_small_recordings_start_none(two, monkeypatch):
    monkeypatch.setattr(workers, "FEWEST_NODES", 200)
    two.begin(199)
    assert not two._workers


def test_a_system_that_starts_no_process_compiles_here(two, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: (_ for _ in ()).throw(OSError("no more processes")))
    function, given, expected = chain(4)
    assert Program(function)(given).numpy() == pytest.approx(expected, rel=1e-6)


def gone(child, seconds):
    deadline = time.monotonic() + seconds
    while child.lives and time.monotonic() < deadline:
        time.sleep(0.05)
    return not child.lives


def start():
    return Child.start("axon_nb.engine.workers", "serve")


def test_a_worker_ends_with_the_process_that_started_it():
    child = start()
    child.close()
    assert gone(child, 30)


@pytest.mark.slow
def test_a_worker_ends_when_it_has_nothing_to_do():
    child = start()
    assert gone(child, workers.IDLE_S + 30)
    child.end()
