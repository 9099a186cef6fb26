"""Owns ``Trainer``: training by hand, started, paused and looked into while it runs in a thread.

Knows nothing about how a step is taken: it holds on to the handle that ``fit(background=True)`` returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from axon_nb.errors import AxonError, OptionError, TrainingError, brief
from axon_nb.graph import Model
from axon_nb.lazy import numpy as np
from axon_nb.params import Params
from axon_nb.training.callback import Callback
from axon_nb.training.trained import Trained
from axon_nb.widgets.shown import Shown

_LOOKS_PER_S = 4.0
_MOST_KEPT = 24
_SAMPLES = 8
_LONGEST_CURVE = 2000


class Trainer(Shown):
    """Train a model by hand: in a notebook with buttons and curves, elsewhere by the same calls.

    Args:
        model: the model.
        data: as ``fit`` takes it.
        loss: as ``fit`` takes it; what goes with the model's last activation if not given.
        learning_rate: of the first step; that of the optimizer if not given.
        **settings: all else that ``fit`` takes: ``optimizer``, ``epochs``, ``batch_size``, ``metrics``,
            ``validation``, ``seed``, ``device`` ...

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> from axon_nb.widgets.trainer import Trainer
        >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
        >>> trainer = Trainer(input((None, 1)) | dense(1), (x, x), epochs=3)
        >>> trainer.start()
        >>> trainer.wait()
        >>> trainer.status, len(trainer.history["loss"]), len(trainer.checkpoints)
        ('completed', 3, 3)
    """

    def __init__(
        self, model: Model, data: Any, *, loss: Any = None, learning_rate: float | None = None, **settings: Any
    ) -> None:
        if not isinstance(model, Model):
            problem = "a trainer takes a model and data"
            raise OptionError(problem, got=brief(model))
        self.model, self.data = model, data
        name, metrics = _goal(model)
        self.settings: dict[str, Any] = {"epochs": 10, "metrics": metrics if loss is None else (), **settings}
        self.settings["loss"] = name if loss is None else loss
        self._first_rate = learning_rate
        self._run: Any = None
        self._listeners: list[Callable[[str], None]] = []
        self._forget()
        self.samples, self.labels = _some(model, data)

    def _forget(self) -> None:
        self.curve: list[tuple[int, float]] = []
        """Steps and the loss of the epoch so far, a few points a second."""
        self.checkpoints: dict[int, Params] = {}
        """Weights by epoch, counted from 1; of a long run, some of them."""
        self._predictions: dict[int, Any] = {}
        self.looking_at: int | None = None
        """The epoch that the page shows; ``None``: the last."""
        self.samples_per_second = 0.0
        self._rate = self._first_rate
        self._looked_at = (0.0, 0)
        self._total: int | None = None

    # What there is.

    @property
    def status(self) -> str:
        """``"ready"``, ``"running"``, ``"paused"``, ``"completed"``, ``"halted"`` (stopped) or ``"failed"``."""
        return "ready" if self._run is None else str(self._run.status)

    @property
    def history(self) -> dict[str, list[Any]]:
        """The numbers of the completed epochs."""
        return {} if self._run is None else self._run.history

    @property
    def progress(self) -> dict[str, Any]:
        """How far it is."""
        return {} if self._run is None else self._run.progress

    @property
    def learning_rate(self) -> float | None:
        """The rate of the next step; ``None`` before the first, if none was given."""
        return self._rate

    @property
    def time_left_s(self) -> float | None:
        """Seconds that it will take on at this pace; ``None`` where that is not known."""
        if self.status not in ("running", "paused") or not self.samples_per_second or not self._total:
            return None
        return max(0.0, (self._total - self._looked_at[1]) / self.samples_per_second)

    @property
    def error(self) -> str:
        """Why training failed; empty if it did not."""
        if self.status != "failed":
            return ""
        try:
            self._run.result()
        except AxonError as error:
            return str(error)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    @property
    def trained(self) -> Trained:
        """What was trained, once it is over.

        Raises:
            TrainingError: it is not over.
        """
        if self._run is None or not self._run.done:
            problem = "the training is not over"
            raise TrainingError(problem, fix="trainer.stop(), or trainer.wait()")
        made: Trained = self._run.result()
        return made

    def at(self, epoch: int) -> Trained:
        """Return the model as it was after an epoch.

        Raises:
            OptionError: its weights were not kept.
        """
        params = self._kept(epoch)
        history = {name: values[:epoch] for name, values in self.history.items()}
        return Trained(self.model, params, history, None, f"epoch {epoch}")

    def predictions(self, epoch: int | None = None) -> Any:
        """Return what the model says about a few samples, after an epoch or after the last; ``None`` before one."""
        if not self.checkpoints or self.samples is None:
            return None
        epoch = max(self.checkpoints) if epoch is None else epoch
        if epoch not in self._predictions:
            self._predictions[epoch] = self.model.predict(self._kept(epoch), self.samples)  # type: ignore[attr-defined]
        return self._predictions[epoch]

    def _kept(self, epoch: int) -> Params:
        if epoch not in self.checkpoints:
            problem = f"there are no weights of epoch {epoch}"
            raise OptionError(
                problem, fix=f"those that were kept: {', '.join(map(str, self.checkpoints)) or 'none yet'}"
            )
        return self.checkpoints[epoch]

    # What can be done.

    def start(self) -> None:
        """Begin to train, from the first weights; returns at once.

        Raises:
            TrainingError: it is running already.
            AxonError: the data does not fit the model.
        """
        if self._run is not None and not self._run.done:
            problem = "it is training already"
            raise TrainingError(problem, fix="trainer.stop() first")
        self._forget()
        callbacks = (*self.settings.get("callbacks", ()), _Watch(self))
        settings = {**self.settings, "callbacks": callbacks, "background": True, "progress": False}
        self._run = None
        self._run = self.model.fit(self.data, **settings)  # type: ignore[attr-defined]  # a verb
        if self._first_rate is not None:
            self._run.set_lr(self._first_rate)
        self._tell("")

    def pause(self) -> None:
        """Wait after the step in progress."""
        self._need().pause()
        self._tell("")

    def resume(self) -> None:
        """Go on after a pause."""
        self._looked_at = (0.0, 0)
        self._need().resume()
        self._tell("")

    def stop(self) -> None:
        """End after the step in progress; ``trained`` has what was trained so far."""
        self._need().stop()
        self._tell("")

    def set_lr(self, value: float) -> None:
        """Change the learning rate from the next step on; before the start, that of the first.

        Raises:
            OptionError: it is no number of at least 0.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            problem = "a learning rate is a number of at least 0"
            raise OptionError(problem, got=brief(value))
        if self._run is not None and not self._run.done:
            self._run.set_lr(value)
        else:
            self._first_rate = float(value)
        self._rate = float(value)
        self._tell("")

    def wait(self, timeout: float | None = None) -> None:
        """Wait until it is over, or so many seconds."""
        self._need().wait(timeout)

    def look(self, epoch: int | None) -> None:
        """Show the predictions and weights of an earlier epoch; ``None``: of the last.

        Raises:
            OptionError: its weights were not kept.
        """
        if epoch is not None:
            self._kept(epoch)
        self.looking_at = epoch
        self._tell("")

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call a function after every change, with ``"step"`` for one of many, ``"end"`` for the last, else ``""``.

        It is called from the thread that trains too.
        """
        self._listeners.append(listener)

    def _need(self) -> Any:
        if self._run is None:
            problem = "it has not begun"
            raise TrainingError(problem, fix="trainer.start()")
        return self._run

    def _tell(self, kind: str) -> None:
        for listener in self._listeners:
            listener(kind)

    # What the thread that trains reports.

    def _step(self, state: Any) -> None:
        now = time.monotonic()
        since, before = self._looked_at
        if now - since < 1 / _LOOKS_PER_S:
            return
        if since:
            fresh = (state.samples - before) / (now - since)
            self.samples_per_second = (
                fresh if not self.samples_per_second else 0.7 * self.samples_per_second + 0.3 * fresh
            )
        self._looked_at = (now, state.samples)
        self._rate = state.learning_rate
        if state.feed.samples:
            self._total = state.feed.samples * state.epochs
        loss, _ = state.stepper.look()
        if loss is not None:
            self._point(state.steps, float(loss))
        self._tell("step")

    def _point(self, step: int, loss: float) -> None:
        self.curve.append((step, loss))
        if len(self.curve) > _LONGEST_CURVE:
            self.curve = self.curve[::2]

    def _epoch(self, state: Any) -> None:
        epoch = state.epoch + 1
        self._rate = state.learning_rate
        self.checkpoints[epoch] = state.params
        if len(self.checkpoints) > _MOST_KEPT:
            gone = sorted(self.checkpoints)[1:-1:2][0]
            self.checkpoints = {number: one for number, one in self.checkpoints.items() if number != gone}
            self._predictions.pop(gone, None)
        self._point(state.steps, float(state.metrics["loss"]))
        self._tell("step")

    def _ended(self) -> None:
        self._tell("end")

    def _static(self) -> dict[str, str]:
        if self._run is not None and self._run.done and self.status != "failed":
            return {"text/plain": repr(self.trained), "text/html": self.trained._repr_html_()}
        shown: Any = self.model.summary()  # type: ignore[attr-defined]  # a verb
        return {"text/plain": repr(shown), "text/html": shown._repr_html_()}

    def _make_skin(self) -> Any:
        from axon_nb.widgets.trainer_page import make_skin  # anywidget is only needed to show it

        return make_skin(self)

    def __repr__(self) -> str:
        told = self.progress
        far = f", epoch {told['epoch']} of {told['epochs']}" if told else ""
        return f"<Trainer: {self.status}{far}>"


class _Watch(Callback):
    """Reports a run to a trainer."""

    goes_last = True

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def iteration_completed(self, state: Any) -> None:
        self.trainer._step(state)

    def epoch_completed(self, state: Any) -> None:
        self.trainer._epoch(state)

    def finished(self, state: Any) -> None:
        self.trainer._ended()


def _goal(model: Model) -> tuple[str, tuple[str, ...]]:
    """Choose the loss that goes with the last activation of a model.

    Example:
        >>> from axon_nb import dense, input
        >>> _goal(input((None, 4)) | dense(3, "softmax")), _goal(input((None, 4)) | dense(1))
        (('categorical_cross_entropy', ('accuracy',)), ('mean_squared_error', ()))
    """
    node = model.nodes[-1]
    last = node.options.get("activation", node.op)
    return {
        "softmax": ("categorical_cross_entropy", ("accuracy",)),
        "log_softmax": ("categorical_cross_entropy", ("accuracy",)),
        "sigmoid": ("binary_cross_entropy", ("accuracy",)),
    }.get(last if isinstance(last, str) else "", ("mean_squared_error", ()))


def _some(model: Model, data: Any) -> tuple[Any, Any]:
    """Take a few samples to look at; none of data that is not arrays."""
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        return None, None
    x, y = data[0], data[1]
    try:
        if isinstance(x, Mapping):
            return {name: np.asarray(value)[:_SAMPLES] for name, value in x.items()}, np.asarray(y)[:_SAMPLES]
        return np.asarray(x)[:_SAMPLES], np.asarray(y)[:_SAMPLES]
    except (TypeError, ValueError):
        return None, None
