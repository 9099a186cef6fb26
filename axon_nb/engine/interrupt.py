"""Owns when Ctrl-C comes: after a block, or within it but never where Python would drop it.

Knows nothing about tensors, training or notebooks.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # what signal stands on; that looks each handler up as an enum: 7 us
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Only the main thread reads or writes these.
_deferring = False
_waiting: list[int] = []  # interrupts that came where none can be raised


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
    """Let KeyboardInterrupt through at once, but for where Python prints and forgets it: then at the end of the block.

    That is within a ``__del__``, where tinygrad spends much of its time, and in the functions that weak references
    call. A block that takes long asks `interrupt_if_due` in between. Within `uninterrupted` it does nothing.
    """
    if _deferring or not _in_main_thread():
        yield
        return
    with _handling(_in_finalizer), _noticing():
        yield


def interrupt_if_due() -> None:
    """Raise the KeyboardInterrupt that came within `interruptible` where it could not be raised.

    Example:
        >>> with interruptible():
        ...     for _ in range(3):
        ...         interrupt_if_due()
    """
    if _waiting and _in_main_thread() and not _deferring:
        _waiting.clear()
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _handling(waits: Callable[[FrameType | None], bool]) -> Iterator[None]:
    """Collect the interrupts that have to wait, and raise one for them at the end."""
    previous = _signal.getsignal(signal.SIGINT)
    if not callable(previous):  # ignored, deadly, or set from C: none of these raises anything
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if waits(frame):
            _waiting.append(number)
        else:
            previous(number, frame)

    _signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        _signal.signal(signal.SIGINT, previous)
        if _waiting:
            _waiting.clear()
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _noticing() -> Iterator[None]:
    """Collect the interrupts that Python could not raise. It says so to a hook, which prints them otherwise."""
    previous = sys.unraisablehook

    def notice(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            _waiting.append(signal.SIGINT)
        else:
            previous(unraisable)

    sys.unraisablehook = notice
    try:
        yield
    finally:
        sys.unraisablehook = previous


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _in_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
