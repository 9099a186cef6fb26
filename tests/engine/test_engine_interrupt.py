"""Ctrl-C waits for the end of the block, and comes then."""

import signal
import sys
import threading
import weakref

import pytest

from axon_nb.engine import uninterrupted
from axon_nb.engine.interrupt import interrupt_if_due, interruptible


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_interrupt_comes_after_the_block():
    done = []

    def step():
        with uninterrupted():
            press()
            done.append(1)
            press()
            done.append(2)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_happens():
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nested_blocks_wait_for_the_outermost():
    done = []

    def step():
        with uninterrupted():
            with uninterrupted():
                press()
            with interruptible():
                press()
            done.append("after the inner ones")

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ["after the inner ones"]


def test_an_exception_passes_and_the_handler_is_back():
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_goes_before_an_exception():
    def step():
        with uninterrupted():
            press()
            raise ZeroDivisionError

    with pytest.raises(KeyboardInterrupt) as caught:
        step()
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_the_users_own_handler_is_called():
    calls = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        with uninterrupted():
            press()
            assert not calls
        assert calls == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, previous)


def test_ignored_interrupts_stay_ignored():
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            press()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)


def test_in_other_threads_it_does_nothing():
    seen = []

    def work():
        with uninterrupted():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_in_an_interruptible_block_it_comes_at_once():
    done = []

    def step():
        with interruptible():
            press()
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert not done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Finalized:
    def __del__(self):
        press()
        self.done = True


def test_an_interrupt_in_a_finalizer_is_not_lost():
    done = []

    def step():
        with interruptible():
            thing = Finalized()
            del thing  # without the block: "Exception ignored in", and no KeyboardInterrupt
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == [1]


class Watched:
    """Something to refer to weakly."""


@pytest.mark.parametrize("asks", [False, True], ids=["at the end", "when asked"])
def test_an_interrupt_in_what_a_weak_reference_calls_is_not_lost(asks):
    done = []

    def step():
        hook = sys.unraisablehook
        with interruptible():
            thing = Watched()
            _reference = weakref.ref(thing, lambda _: press())
            del thing  # Python prints and forgets what is raised there
            done.append(1)
            if asks:
                interrupt_if_due()
            done.append(2)
        assert sys.unraisablehook is hook

    with pytest.raises(KeyboardInterrupt):
        step()
    assert done == ([1] if asks else [1, 2])
    interrupt_if_due()  # it came once


def test_other_errors_that_python_forgets_are_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: told.append(unraisable.exc_type))
    with interruptible():
        thing = Watched()
        _reference = weakref.ref(thing, lambda _: 1 / 0)
        del thing
    assert told == [ZeroDivisionError]
