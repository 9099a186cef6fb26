"""Owns a run: epochs of steps, events and who hears of them, what is kept when it is cut short.

Knows nothing about what a step does, nor about single callbacks. There is no other way through training than this.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from axon_nb.engine import failed, interrupt_if_due, uninterrupted
from axon_nb.errors import AxonError, DataError, DeviceError, TrainingError
from axon_nb.params import Params
from axon_nb.training import ahead
from axon_nb.training.callback import Callback
from axon_nb.training.control import Control
from axon_nb.training.events import ALWAYS, ANSWERS, CONTINUE, EVENTS, HALT_EPOCH, HALT_LOOP, Filter, check_answer
from axon_nb.training.progress import Progress
from axon_nb.training.state import State, joined

_LOOK_S = 0.5  # how often the running loss is read while training: for the bar, and to stop early when it is NaN

Finish = Callable[[Any, dict[str, list[Any]], str], Any]


class Runner:
    """Takes a stepper through epochs of a feed.

    Args:
        state: of the run; it has the stepper and the feed.
        callbacks: who takes part, in the order in which they are called.
        finish: makes the result of weights, history and a note.
        control: pauses and stops it, from another thread.
        shows: whether there is a progress bar.
    """

    def __init__(
        self, state: State, callbacks: tuple[Callback, ...], finish: Finish, control: Control | None = None, *,
        shows: bool = True,
    ) -> None:  # fmt: skip
        self.state, self.finish, self.control, self.shows = state, finish, control, shows
        self.stepper = state.stepper
        self._seen: set[Any] = set()
        self._most: int | None = None  # batches in the longest epoch so far
        self.callbacks = callbacks
        ordered = sorted(callbacks, key=lambda one: one.goes_last)
        self._table: dict[str, list[tuple[str, Callable[[State], Any], Filter]]] = {event: [] for event in EVENTS}
        for at, callback in enumerate(ordered):
            state.keys[id(callback)] = f"{at}:{callback.name}"
            for event, function, chosen in callback.handlers():
                self._table[event].append((callback.name, function, chosen))

    def run(self) -> Any:
        """Run until the end, a halt, or Ctrl-C; return the result.

        Raises:
            Exception: what the data, a callback or the loss raised, with ``trained``: the last good weights.
        """
        state = self.state
        self._good = self._kept()
        note = ""
        try:
            with Progress(self._total(), done=state.steps, shows=self.shows) as self._progress:
                self._epochs()
                interrupt_if_due()
        except KeyboardInterrupt:
            if state.epoch < state.epochs:
                state.status, note = "interrupted", f"stopped in epoch {state.epoch + 1} of {state.epochs}"
        except Exception as caught:
            state.status = "failed"
            error = self._in_our_words(caught)
            problem = getattr(error, "problem", f"{type(error).__name__}: {error}")
            error.trained = self.finish(self._good, state.history, problem)  # type: ignore[attr-defined]
            if error is caught:
                raise
            raise error from caught
        finally:
            with uninterrupted():
                ahead.remember(state.recipe, self.stepper)
                for callback in self.callbacks:
                    callback.finished(state)
        with uninterrupted():
            params = state.result_params() if state.result_params is not None else self.stepper.params
            return self.finish(params, state.history, note or state.reason)

    def _kept(self) -> Any:
        """Copy the weights to where they stay readable if the device is lost."""
        params = self.stepper.params
        on = getattr(self.stepper, "device", "CPU").partition(":")[0]
        return params if on == "CPU" or not isinstance(params, Params) else params.to("CPU")

    def _in_our_words(self, error: Exception) -> Exception:
        if isinstance(error, AxonError | MemoryError) or not failed(error):
            return error
        problem = f"the device {self.stepper.device} failed in epoch {self.state.epoch + 1}"
        fix = ("the weights of the last completed epoch are in the error's .trained",
               'go on from there: fit(..., like=error.trained, device="CPU")')  # fmt: skip
        return DeviceError(problem, got=f"{type(error).__name__}: {error}".split("\n", 1)[0], fix=fix)

    def _total(self) -> int | None:
        steps = self.state.feed.steps
        return steps * self.state.epochs if steps else None

    def _epochs(self) -> None:
        state = self.state
        answer = self._fire("started")
        while answer != HALT_LOOP and state.epoch < state.epochs:
            answer = self._epoch()
        state.status = "halted" if answer == HALT_LOOP else "completed"
        if answer == HALT_LOOP and not state.reason:
            state.reason = f"stopped after epoch {state.epoch} of {state.epochs}"
        self._fire(state.status)

    def _epoch(self) -> str:
        state = self.state
        answer = self._begin() if not state.iteration else CONTINUE
        if answer == CONTINUE:
            answer = self._steps()
        if answer == HALT_LOOP:
            return answer
        self.stepper.settle()
        numbers = self.stepper.read()
        self._check(numbers.get("loss", 0.0))
        state.numbers = numbers
        event = "epoch_halted" if answer == HALT_EPOCH else "epoch_completed"
        answer = self._fire(event)
        with uninterrupted():  # a history and a number of epochs that belong together
            state.history = joined(state.history, state.metrics, state.epoch)
            state.epoch += 1
            state.iteration = 0
            state.numbers = None
            self._good = self._kept()
        return answer

    def _begin(self) -> str:
        for count in self.state.counts.values():
            count[1] = 0
        self.state.numbers = None
        self.stepper.clear()
        return self._fire("epoch_started")

    def _steps(self) -> str:
        state, stepper = self.state, self.stepper
        looked = time.monotonic()
        answer = CONTINUE
        for batch in state.feed.batches(state.epoch, state.iteration):
            if self.control is not None:
                self.control.wait(state)
                if self.control.stopping:
                    state.reason = f"stopped in epoch {state.epoch + 1} of {state.epochs}"
                    return HALT_LOOP
            answer = self._fire("iteration_started")
            if answer != CONTINUE:
                return answer
            tensors = stepper.load(batch)
            shapes = (tuple(getattr(batch, "inputs", ())), *(tensor.shape for tensor in tensors))
            if shapes not in self._seen:
                with self._progress.compiling():
                    stepper.prepare(tensors)
                self._seen.add(shapes)
            with uninterrupted():  # weights and counters belong together
                stepper.train(tensors)
                state.iteration += 1
                state.steps += 1
                state.samples += len(batch)
                state.numbers = None
            state.batch = batch
            answer = self._fire("iteration_completed")
            self._progress.step(len(batch))
            if time.monotonic() - looked > _LOOK_S:
                looked = time.monotonic()
                loss, _ = stepper.look()
                if loss is not None:
                    self._check(loss)
                    self._progress.tell(f"epoch {state.epoch + 1}/{state.epochs}, {self._words(loss)}")
            if answer != CONTINUE:
                return answer
        self._check_count()
        return answer

    def _words(self, loss: float) -> str:
        if not self._progress.visible:
            return f"loss {loss:.4g}"
        numbers = {name: value for name, value in self.state.metrics.items() if isinstance(value, int | float)}
        return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())

    def _check_count(self) -> None:
        """Refuse an epoch that has fewer batches than the first: data that is used up, or a file that ended."""
        state, taken = self.state, self.state.iteration
        if not taken:
            problem = f"there were no batches in epoch {state.epoch + 1}"
            raise DataError(problem, fix="give an iterable that can be gone through again, such as a list")
        if self._most is not None and taken < self._most:
            problem = f"the data shrank: {taken} batches in epoch {state.epoch + 1}, and {self._most} before"
            fix = ("look why the data ended early", f"steps_per_epoch={taken} makes all epochs as long")
            raise DataError(problem, fix=fix)
        self._most = taken

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            from axon_nb.training.diagnosis import first_bad  # only for who needs it

            problem = f"the loss became {loss} in epoch {self.state.epoch + 1}"
            fix = ("a smaller learning rate: optimizer=optimizers.adam(learning_rate=0.0001)",
                   "scale the data: values around 1, not 1000",
                   "the weights of the epoch before are in the error's .trained")  # fmt: skip
            raise TrainingError(problem, got=first_bad(self.state), fix=fix)

    def _fire(self, event: str) -> str:
        interrupt_if_due()
        state = self.state
        count = state.counts[event]
        count[0] += 1
        count[1] += 1
        handlers = self._table[event]
        if not handlers:
            return CONTINUE
        state.event = event
        answers = [CONTINUE]
        for who, function, chosen in handlers:
            if chosen is ALWAYS or chosen.passes(count[0], count[1], state):
                try:
                    answers.append(check_answer(function(state), who))
                except Exception as error:
                    error.add_note(f"raised by the callback {who} at {event}, epoch {state.epoch + 1}")
                    raise
        return max(answers, key=ANSWERS.index)
