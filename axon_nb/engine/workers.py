"""Owns the processes that compile kernels beside this one: lowering is Python, and takes one core for seconds.

Knows nothing about models or steps: a kernel goes out as tinygrad's graph of it, and comes back as a program.

Workers start with the first large recording, in the time that its scheduling takes, and end when they had nothing to
do for a while. This process compiles as well, and whatever they do not: if one fails or is killed, nothing is lost.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from tinygrad.codegen import do_to_program, to_program_cache, to_program_context, to_program_key
from tinygrad.engine.realize import _get_call_to_compile
from tinygrad.helpers import BEAM, DEBUG, NUM_CPU_THREADS, PARALLEL, Context
from tinygrad.uop.ops import UOp

from axon_nb.engine.child import Child, parent

FEWEST_CORES = 4
"""From how many cores on tinygrad's own workers, which take a second each to start, are worth it for its searches."""
MOST = 4
"""Processes that compile, this one included: each holds some 80 MB."""
FEWEST_NODES = 200
"""Nodes of a recording's graph from which on the start of a worker (0.4 s, on another core) is worth it."""
IDLE_S = 10.0
"""How long a worker waits for work."""


def settle_workers() -> None:
    """Let tinygrad start no workers of its own where there are few cores, and keep them alive where there are many.

    What the user's PARALLEL and BEAM_MAX_TASKS_PER_CHILD say stays.
    """
    # tinygrad ends a worker after 16 kernels: the next one imports everything again.
    os.environ.setdefault("BEAM_MAX_TASKS_PER_CHILD", "1000")
    if "PARALLEL" not in os.environ and NUM_CPU_THREADS.value < FEWEST_CORES:
        PARALLEL.value = 0


def _wanted() -> int:
    """Return how many processes are to compile beside this one."""
    if "PARALLEL" in os.environ:
        processes = PARALLEL.value
    else:
        processes = NUM_CPU_THREADS.value // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(0, min(MOST, processes) - 1)


def _work(worker: Child, take: Callable[[], tuple[Any, bytes] | None], give: Callable[[Any, bytes], None]) -> None:
    """Let a worker do tasks until there are none, or the worker is lost."""
    with contextlib.suppress(OSError, ValueError):
        while (task := take()) is not None:
            worker.send(task[1])
            reply = worker.receive()
            if reply is None:
                return
            give(task[0], reply)


class Workers:
    """The workers of this process."""

    def __init__(self) -> None:
        self.wanted = _wanted()
        """How many there are to be."""
        self._workers: list[Child] = []

    def begin(self, nodes: int) -> None:
        """Start what is missing, if a recording of so many nodes is to be compiled. It takes no time here."""
        for worker in [one for one in self._workers if not one.lives]:
            worker.end()
            self._workers.remove(worker)
        if nodes < FEWEST_NODES or BEAM or DEBUG >= 2:
            return
        for _ in range(self.wanted - len(self._workers)):
            started = Child.start(__name__, serve.__name__)
            if started is not None:
                self._workers.append(started)

    def end(self) -> None:
        """End all, whatever they do."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()

    def compile(self, linear: UOp) -> None:
        """Compile the kernels of calls, here and in the workers, into tinygrad's cache of programs."""
        todo = {
            to_program_key(*kernel): kernel for call in linear.src if (kernel := _get_call_to_compile(call)) is not None
        }
        todo = {key: kernel for key, kernel in todo.items() if key not in to_program_cache}
        if len(todo) < 2 or not self._workers:
            return
        try:
            _Round(todo, self._workers).run()
        except BaseException:
            self.end()  # they compile what nobody waits for
            raise


class _Round:
    """Kernels that are compiled together: each process takes the next when it is done with one, the largest first."""

    def __init__(self, todo: dict[Any, tuple[UOp, Any]], workers: list[Child]) -> None:
        self._todo = todo
        self._workers = workers
        self._keys = deque(sorted(todo, key=lambda key: len(todo[key][0].toposort()), reverse=True))
        settings = {variable.key: variable.value for variable in to_program_context}
        self._tasks = {key: _pickled((*kernel, settings)) for key, kernel in todo.items()}
        self._replies: queue.SimpleQueue[tuple[Any, bytes]] = queue.SimpleQueue()

    def run(self) -> None:
        waiting = [
            threading.Thread(target=_work, args=(worker, self._take, self._give), name="axon_nb compile", daemon=True)
            for worker in self._workers
        ]
        for thread in waiting:
            thread.start()
        try:
            while (key := self._next()) is not None:
                to_program_cache[key] = do_to_program(*self._todo[key])
                self._read()
        finally:
            self._keys.clear()
        for thread in waiting:
            while thread.is_alive():
                thread.join(_LOOK_S)
                self._read()
        self._read()

    def _next(self) -> Any:
        try:
            return self._keys.popleft()
        except IndexError:
            return None

    def _take(self) -> tuple[Any, bytes] | None:
        while (key := self._next()) is not None and not self._tasks[key]:
            self._give(key, b"")
        return None if key is None else (key, self._tasks[key])

    def _give(self, key: Any, reply: bytes) -> None:
        self._replies.put((key, reply))

    def _read(self) -> None:
        """Take what the workers made. Not in their threads: two threads at a time must not make nodes of graphs."""
        while not self._replies.empty():
            key, reply = self._replies.get()
            if reply:
                to_program_cache[key] = pickle.loads(reply)  # from a process that this one started


_LOOK_S = 0.1
"""How often who waits for workers counts what they made."""


def _pickled(thing: Any) -> bytes:
    try:
        return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError):
        return b""  # compiled here


WORKERS = Workers()
"""Those of this process."""


def serve() -> None:
    """Compile, in a worker, what comes; end when nothing has for a while."""
    channel = parent()
    watch = _Watch()
    while (task := channel.receive()) is not None:
        with watch:
            channel.send(_made(task))


def _made(task: bytes) -> bytes:
    """Return a compiled program; nothing where that failed: the other process will find out why."""
    try:
        graph, renderer, settings = pickle.loads(task)  # from the process that started this one
        with Context(**settings):
            return pickle.dumps(do_to_program(graph, renderer), pickle.HIGHEST_PROTOCOL)
    except Exception:
        return b""


class _Watch:
    """Ends this process when it has had nothing to do for a while."""

    def __init__(self) -> None:
        self._rest_until = time.monotonic() + IDLE_S
        self._lock = threading.Lock()
        threading.Thread(target=self._look, daemon=True).start()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._rest_until = time.monotonic() + IDLE_S
        self._lock.release()

    def _look(self) -> None:
        while (left := self._rest_until - time.monotonic()) > 0:
            time.sleep(left)
            with self._lock:
                pass  # it is at work
        os._exit(0)
