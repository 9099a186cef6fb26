"""Owns other Python processes of ours: how one is started, and how it and its parent talk, in messages of bytes.

Knows nothing about what is said.

A child shares nothing with its parent. It ends when its parent does, and what it prints goes nowhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

_START = (
    "import sys, json; from importlib import import_module; sys.path[:] = json.loads(sys.argv[1]); "
    "getattr(import_module(sys.argv[2]), sys.argv[3])()"
)


class Channel:
    """One end of a talk."""

    def __init__(self, hears: BinaryIO, says: BinaryIO) -> None:
        self._hears = hears
        self._says = says

    def send(self, message: bytes) -> None:
        """Say something.

        Raises:
            OSError, ValueError: nobody is there any more.
        """
        self._says.write(len(message).to_bytes(8, "little") + message)
        self._says.flush()

    def receive(self) -> bytes | None:
        """Wait for a message; None when nobody is there any more."""
        head = self._hears.read(8)
        size = int.from_bytes(head, "little")
        message = self._hears.read(size) if len(head) == 8 else b""
        return message if len(head) == 8 and len(message) == size else None

    def close(self) -> None:
        """Say that nothing more is said."""
        for stream in (self._says, self._hears):
            with contextlib.suppress(OSError):
                stream.close()


class Child(Channel):
    """A process, and the parent's end of the talk with it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.stdout, process.stdin)  # type: ignore[arg-type]  # both are pipes
        self._process = process

    @classmethod
    def start(cls, module: str, function: str, *, politely: bool = False) -> Child | None:
        """Start a process that calls a function without arguments; None where the system refuses.

        Args:
            module: where the function is.
            function: its name. It begins with `parent`.
            politely: whether it is to take only time that nobody else wants. Said here on Windows alone: elsewhere a
                process says it of itself.
        """
        path = json.dumps([folder for folder in sys.path if isinstance(folder, str)])
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | (subprocess.IDLE_PRIORITY_CLASS if politely else 0)
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _START, path, module, function],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=flags,
            )
        except OSError:
            return None
        return cls(process)

    @property
    def number(self) -> int:
        """The system's number of the process."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.close()


def parent() -> Channel:
    """Return a child's end of the talk.

    Interrupts are the parent's: a notebook's stop button sends them to all of its processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    says = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return Channel(sys.stdin.buffer, says)
