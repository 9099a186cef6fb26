"""Owns when Ctrl-C comes: after a block, or within it but never where Python would drop it.

Knows nothing about tensors, training or notebooks.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_deferring = False  # only the main thread reads or writes it


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back KeyboardInterrupt until the block is over, however often Ctrl-C is pressed in it.

    Blocks may be nested: the interrupt comes at the end of the outermost. In other threads, which Python never
    interrupts, it does nothing.

    Example:
        >>> with uninterrupted():
        ...     weights, moments = "both", "or neither"
    """
    global _deferring
    if _deferring or not _in_main_thread():
        yield
        return
    with _handling(lambda _frame: True):
        _deferring = True
        try:
            yield
        finally:
            _deferring = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Let KeyboardInterrupt through at once, but for within a ``__del__``: then at the end of the block.

    Python prints and forgets what is raised there, and tinygrad spends much of its time in such methods.
    Within `uninterrupted` it does nothing.
    """
    if _deferring or not _in_main_thread():
        yield
        return
    with _handling(_in_finalizer):
        yield


@contextmanager
def _handling(waits: Callable[[FrameType | None], bool]) -> Iterator[None]:
    """Collect the interrupts that have to wait, and raise one for them at the end."""
    previous = signal.getsignal(signal.SIGINT)
    if not callable(previous):  # ignored, deadly, or set from C: none of these raises anything
        yield
        return
    waiting: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if waits(frame):
            waiting.append(number)
        else:
            previous(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if waiting:
            signal.raise_signal(signal.SIGINT)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
