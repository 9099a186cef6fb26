"""Owns a run in a thread, and the handle by which it is paused, resumed, stopped and changed.

Knows nothing about what is trained.
"""

from __future__ import annotations

import threading
from typing import Any, Self

from axon_nb.errors import OptionError, TrainingError, brief
from axon_nb.training.control import Control


class Background:
    """A training that goes on in a thread while the notebook stays usable: ``fit(..., background=True)``.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
        >>> run = (input((None, 1)) | dense(1)).fit((x, x), loss="mean_squared_error", epochs=3, background=True)
        >>> run.result().epochs
        3
    """

    def __init__(self, runner: Any, control: Control) -> None:
        self._runner, self._control = runner, control
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="axon_nb training", daemon=True)

    def begin(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._result = self._runner.run()
        except BaseException as error:
            self._error = error

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return not self._thread.is_alive()

    @property
    def status(self) -> str:
        """``"running"``, ``"paused"``, ``"completed"``, ``"halted"`` or ``"failed"``."""
        if self.done:
            return "failed" if self._error is not None else str(self._runner.state.status)
        return "paused" if self._control.paused else "running"

    def pause(self, timeout: float | None = 10.0) -> Self:
        """Wait after the step in progress; returns when it does (or after ``timeout`` seconds)."""
        self._control.pause()
        if not self.done and threading.current_thread() is not self._thread:
            self._control.resting.wait(timeout)
        return self

    def resume(self) -> Self:
        """Go on."""
        self._control.resume()
        return self

    def stop(self, timeout: float | None = None) -> Any:
        """End after the step in progress, and return what was trained so far."""
        self._control.stop()
        return self.result(timeout)

    def set_lr(self, value: float) -> Self:
        """Change the learning rate from the next step on.

        Raises:
            OptionError: it is no number of at least 0.
        """
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
            problem = "a learning rate is a number of at least 0"
            raise OptionError(problem, got=brief(value))
        self._control.set_rate(float(value))
        return self

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, or so many seconds; Ctrl-C ends the waiting only. Returns whether it is over."""
        self._thread.join(timeout)
        return self.done

    @property
    def history(self) -> dict[str, list[Any]]:
        """The numbers of the completed epochs."""
        return dict(self._runner.state.history)

    @property
    def progress(self) -> dict[str, Any]:
        """How far it is: epoch and step, counted from 1 and 0, and the numbers of the last completed epoch."""
        state = self._runner.state
        last = {name: values[-1] for name, values in state.history.items() if values}
        epoch = min(state.epoch + 1, state.epochs)
        return {"epoch": epoch, "epochs": state.epochs, "step": state.iteration, "steps": state.steps, **last}

    def result(self, timeout: float | None = None) -> Any:
        """Wait until it is over and return what ``fit`` returns.

        Raises:
            Exception: what ended the training.
            TrainingError: it is not over after ``timeout`` seconds.
        """
        if not self.wait(timeout):
            problem = f"the training is not over after {timeout:g} seconds"
            raise TrainingError(problem, fix="wait longer, or stop()")
        if self._error is not None:
            raise self._error
        return self._result

    def __repr__(self) -> str:
        told = self.progress
        numbers = "".join(f", {k} {v:.4g}" for k, v in told.items() if isinstance(v, float))
        return f"<Training {self.status}: epoch {told['epoch']} of {told['epochs']}, step {told['steps']}{numbers}>"
