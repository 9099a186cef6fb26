"""Owns what is done while the shell waits for its user, and put off when a cell is run.

Knows IPython's events, and nothing about the work.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

WAIT_S = 0.7
"""How long the shell must have had nothing to do: with "run all" the next cell comes at once."""


class Idle:
    """Work on the last thing that was handed over, once the shell has been idle for a moment.

    Args:
        shell: IPython's.
        work: done in a thread of its own; what it raises is dropped.
    """

    def __init__(self, shell: Any, work: Callable[[Any], object]) -> None:
        self._shell, self._work = shell, work
        self._pending: list[Any] = []
        self._timer: threading.Timer | None = None

    def load(self) -> None:
        """Listen to the shell."""
        self._shell.events.register("pre_run_cell", self._busy)
        self._shell.events.register("post_run_cell", self._free)

    def unload(self) -> None:
        """Stop, and forget what is to be done."""
        self._pending.clear()
        self._busy()
        for event, function in (("pre_run_cell", self._busy), ("post_run_cell", self._free)):
            with contextlib.suppress(ValueError):  # the shell has forgotten it already
                self._shell.events.unregister(event, function)

    def soon(self, thing: Any) -> None:
        """Work on this when there is time, in place of what was to be done."""
        self._pending[:] = [thing]

    def _busy(self, *_: Any) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _free(self, *_: Any) -> None:
        self._busy()
        if self._pending:
            self._timer = threading.Timer(WAIT_S, self._start)
            self._timer.daemon = True
            self._timer.start()

    def _start(self) -> None:
        with contextlib.suppress(Exception):
            self._work(self._pending.pop())


__all__ = ["WAIT_S", "Idle"]
