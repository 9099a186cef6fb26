"""Owns the progress bar: in a terminal and in a notebook, gone when training is over.

Knows nothing about models, nor about how a notebook shows a bar.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, Self

from axon_nb.engine import compiled_kernels

_DELAY_S = 1.0  # a training that is over sooner needs no bar
_COMPILING_S = 0.5  # a step that is compiled sooner needs no word
_PAUSE_S = 0.2  # between two looks of the bar


class Bar(Protocol):
    """Something that shows how far it is."""

    def show(self, done: int, text: str) -> None:
        """Say how many steps are done, and more."""

    def close(self) -> None:
        """Take it away."""


notebook_bar: Callable[[int | None], Bar] | None = None
"""Makes the bar for a notebook; put in by the package, which knows the widgets."""


class TerminalBar:
    """tqdm's bar."""

    def __init__(self, total: int | None) -> None:
        from tqdm import tqdm  # only for who looks

        self._bar: Any = tqdm(
            total=total, leave=False, bar_format="{desc} |{bar}| {n_fmt}/{total_fmt}" if total else None
        )

    def show(self, done: int, text: str) -> None:
        """Say how many steps are done, and more."""
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take it away."""
        self._bar.close()


class Progress:
    """Counts steps, and shows a bar for them once it takes longer than a second and somebody can see it."""

    def __init__(
        self, steps: int | None, make: Callable[[int | None], Bar] | None = None, *, done: int = 0, shows: bool = True
    ) -> None:
        self._steps = steps
        self._make = (make or _maker()) if shows else None
        self._bar: Bar | None = None
        self._done = self._first = done
        self._samples = 0
        self._text = ""
        self._started = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    @property
    def visible(self) -> bool:
        """Whether anybody sees it."""
        return self._make is not None

    def step(self, samples: int = 0) -> None:
        """Count one step, of so many samples."""
        self._done += 1
        self._samples += samples
        now = time.monotonic()
        if self._make is None or now - self._started < _DELAY_S or now - self._shown < _PAUSE_S:
            return
        self._shown = now
        self._bar = self._bar or self._make(self._steps)
        self._bar.show(self._done, f"{self._text}{self._speed(now)}{self._rest(now)}")

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Say in the bar that a step is being compiled, and how far it is, once that takes half a second."""
        if self._make is None:
            yield
            return
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over, self._make), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def _watch(self, over: threading.Event, make: Callable[[int | None], Bar]) -> None:
        started, known = time.monotonic(), compiled_kernels()
        wait = _COMPILING_S
        while not over.wait(wait):
            wait = _PAUSE_S
            self._bar = self._bar or make(self._steps)
            took = time.monotonic() - started
            self._bar.show(self._done, f"compiling a step: {compiled_kernels() - known} kernels, {took:.0f} s")

    def tell(self, text: str) -> None:
        """Say how it goes: ``epoch 3/10, loss 0.21``."""
        self._text = text

    def _speed(self, now: float) -> str:
        return f", {self._samples / (now - self._started):,.0f} samples/s" if self._samples else ""

    def _rest(self, now: float) -> str:
        if not self._steps:
            return ""
        left_s = (now - self._started) / (self._done - self._first) * (self._steps - self._done)
        return f", {int(left_s // 60)}:{int(left_s % 60):02d} left"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def in_notebook() -> bool:
    """Whether this is a notebook's kernel."""
    return "ipykernel" in sys.modules


def _maker() -> Callable[[int | None], Bar] | None:
    if in_notebook():
        return notebook_bar
    return TerminalBar if sys.stderr is not None and sys.stderr.isatty() else None
