"""Owns the process that compiles what may be wanted next: at the lowest priority, and one at a time.

Knows nothing about what it compiles: tasks are pickled, and what comes of them is found in the store of compiled steps.

The other process shares nothing with this one but the store: if it fails or is killed, nothing is lost.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import os
import pickle
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from axon_nb.engine.child import Channel, Child, parent
from axon_nb.engine.workers import WORKERS

_MAKING, _MADE = "making ", "made "
_SAY_S = 0.2
"""How often who waits for the other process looks whether it still is there."""
_LOOK_S = 1.0
"""How often who waits looks how the other process gets on."""
_MOST_S = 10.0
"""How long it is waited for at most, where the system does not say how it gets on."""


class Ahead:
    """The process that compiles ahead, if there is one."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._news = threading.Condition()
        self._making: set[str] = set()
        self._parent: Channel | None = None  # in the other process: whom it tells what it makes

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self._child is not None and self._child.lives

    def begin(self, tasks: Sequence[Callable[[], Any]]) -> bool:
        """Let another process do tasks, in place of what it does now; tell whether they can be handed over.

        Args:
            tasks: functions that can be pickled, done in this order. What they print is not seen, and one that fails
                is left out.
        """
        self.cancel()
        try:
            payload = _pickled(tasks)
        except (pickle.PicklingError, AttributeError, TypeError, ValueError, RecursionError):
            return False  # functions of a notebook, open files: only this process has them
        child = self._child = Child.start(__name__, serve.__name__, politely=True)
        if child is None:
            return False
        threading.Thread(target=self._listen, args=(child, payload), name="axon_nb ahead", daemon=True).start()
        return True

    def cancel(self) -> None:
        """Stop it, whatever it does."""
        child, self._child = self._child, None
        with self._news:
            self._making.clear()
        if child is not None:
            child.end()

    def wait(self, name: str) -> bool:
        """Wait for a step that the other process is compiling, and say that it was; else stop that process.

        On a machine that has no time for the other process it is not waited for.
        """
        child = self._child
        with self._news:
            if child is None or name not in self._making:
                self.cancel()
                return False
            speed = _Speed(child.number)
            while self.busy and name in self._making and speed.is_fair():
                self._news.wait(_SAY_S)
            if name in self._making:
                self.cancel()
        return True

    @contextlib.contextmanager
    def making(self, name: str | None) -> Iterator[None]:
        """Say, in the other process, what is compiled within the block, and when that is in the store."""
        if self._parent is None or name is None:
            yield
            return
        self._parent.send((_MAKING + name).encode())
        try:
            yield
        finally:
            self._parent.send((_MADE + name).encode())

    def _listen(self, child: Child, payload: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # it was stopped
            child.send(payload)
            while (line := child.receive()) is not None:
                self._hear(child, line.decode())
        with self._news:
            self._news.notify_all()

    def _hear(self, child: Child, line: str) -> None:
        with self._news:
            if child is not self._child:
                return
            if line.startswith(_MAKING):
                self._making.add(line.removeprefix(_MAKING))
            elif line.startswith(_MADE):
                self._making.discard(line.removeprefix(_MADE))
            self._news.notify_all()


class _Speed:
    """Whether a process gets on: on a busy machine one of the lowest priority may stand still."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._begun = self._looked = time.monotonic()
        self._spent_s = _processor_s(number)

    def is_fair(self) -> bool:
        """Tell whether it had at least a quarter of a core's time since the last look."""
        passed = time.monotonic() - self._looked
        if passed < _LOOK_S:
            return True
        spent = _processor_s(self._number)
        if spent is None or self._spent_s is None:
            return time.monotonic() - self._begun < _MOST_S
        is_fair = spent - self._spent_s >= passed / 4
        self._looked, self._spent_s = time.monotonic(), spent
        return is_fair


def _processor_s(number: int) -> float | None:
    """Return the processor time of a process; None where the system does not say."""
    try:
        words = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


AHEAD = Ahead()
"""The one of this process."""
atexit.register(AHEAD.cancel)


def serve() -> None:
    """Do the tasks that another process hands over, in time that nobody else wants; end when it does."""
    AHEAD._parent = channel = parent()
    payload = channel.receive() or pickle.dumps(())
    threading.Thread(target=lambda: (channel.receive(), os._exit(0)), daemon=True).start()
    WORKERS.wanted = 0
    _step_back()
    for task in pickle.loads(payload):  # written by the process that started this one, to nobody else
        with contextlib.suppress(Exception):
            task()


def _step_back() -> None:
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class _Pickler(pickle.Pickler):
    """Pickles also functions under a decorator that stands in their place."""

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, types.FunctionType):
            place = thing.__module__, thing.__qualname__
            known = getattr(sys.modules.get(place[0]), place[1], None)
            if known is not thing and getattr(known, "__wrapped__", None) is thing:
                return _under, place
        return NotImplemented


def _under(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name).__wrapped__


def _pickled(thing: Any) -> bytes:
    written = io.BytesIO()
    _Pickler(written, pickle.HIGHEST_PROTOCOL).dump(thing)
    return written.getvalue()
