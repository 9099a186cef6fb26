"""Owns the process that compiles what may be wanted next: at the lowest priority, and one at a time.

Knows nothing about what it compiles: tasks are pickled, and what comes of them is found in the store of compiled steps.

The other process shares nothing with this one but the store: if it fails or is killed, nothing is lost.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from axon_nb.engine.ahead import serve; serve()"
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
        self._process: subprocess.Popen[bytes] | None = None
        self._news = threading.Condition()
        self._making: set[str] = set()
        self._says: Any = None  # in the other process: where it says what it makes

    @property
    def busy(self) -> bool:
        """Whether it is at work."""
        return self._process is not None and self._process.poll() is None

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
        command = [sys.executable, "-c", _START, json.dumps([path for path in sys.path if isinstance(path, str)])]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **_lowest_priority()
            )
        except OSError:
            return False
        self._process = process
        threading.Thread(target=self._listen, args=(process, payload), name="axon_nb ahead", daemon=True).start()
        return True

    def cancel(self) -> None:
        """Stop it, whatever it does."""
        process, self._process = self._process, None
        with self._news:
            self._making.clear()
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]

    def wait(self, name: str) -> bool:
        """Wait for a step that the other process is compiling, and say that it was; else stop that process.

        On a machine that has no time for the other process it is not waited for.
        """
        process = self._process
        with self._news:
            if process is None or name not in self._making:
                self.cancel()
                return False
            speed = _Speed(process.pid)
            while self.busy and name in self._making and speed.is_fair():
                self._news.wait(_SAY_S)
            if name in self._making:
                self.cancel()
        return True

    @contextlib.contextmanager
    def making(self, name: str | None) -> Iterator[None]:
        """Say, in the other process, what is compiled within the block, and when that is in the store."""
        if self._says is None or name is None:
            yield
            return
        self._say(_MAKING + name)
        try:
            yield
        finally:
            self._say(_MADE + name)

    def _say(self, line: str) -> None:
        self._says.write(line + "\n")
        self._says.flush()

    def _listen(self, process: subprocess.Popen[bytes], payload: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # it was stopped
            process.stdin.write(len(payload).to_bytes(8, "little") + payload)  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]  # and left open: when it closes, the other process ends
            for line in process.stdout or ():
                self._hear(process, line.decode().rstrip())
        with self._news:
            self._news.notify_all()

    def _hear(self, process: subprocess.Popen[bytes], line: str) -> None:
        with self._news:
            if process is not self._process:
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


def serve(*, politely: bool = True) -> None:
    """Do the tasks that another process hands over; end when it does.

    Args:
        politely: whether to take only time that nobody else wants.
    """
    given = sys.stdin.buffer
    payload = given.read(int.from_bytes(given.read(8), "little"))
    threading.Thread(target=lambda: (given.read(1), os._exit(0)), daemon=True).start()
    AHEAD._says = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    if politely:
        _step_back()
    for task in pickle.loads(payload):  # written by the process that started this one, to nobody else
        with contextlib.suppress(Exception):
            task()


def _lowest_priority() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.IDLE_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW}
    return {}


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
