"""Owns how another thread pauses, stops and changes a run: wishes that the run looks at between steps.

Knows nothing about what runs.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_YIELD_S = 0.0002  # how long the lock is left free after a step: Python's locks are not fair


class Control:
    """Wishes for a run in another thread."""

    def __init__(self) -> None:
        self.stopping = False
        self._going = threading.Event()
        self._going.set()
        self.resting = threading.Event()
        """Set while the run waits."""
        self._rate: float | None = None

    @property
    def paused(self) -> bool:
        """Whether it is to wait."""
        return not self._going.is_set()

    def pause(self) -> None:
        """Wait after the step in progress."""
        self._going.clear()

    def resume(self) -> None:
        """Go on."""
        self._going.set()

    def stop(self) -> None:
        """End after the step in progress."""
        self.stopping = True
        self._going.set()

    def set_rate(self, value: float) -> None:
        """Change the learning rate before the next step."""
        self._rate = value

    def wait(self, state: Any) -> None:
        """Do what is wished: called by the run between steps."""
        rate, self._rate = self._rate, None
        if rate is not None:
            state.learning_rate = rate
        if not self._going.is_set():
            self.resting.set()
            self._going.wait()
            self.resting.clear()
            self.wait(state)  # the rate may have been changed meanwhile
            return
        time.sleep(_YIELD_S)
