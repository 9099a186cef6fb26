"""Owns a plot that grows while training: deltas to a notebook's widget, at most ten in a second.

Knows nothing about how a notebook draws it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from axon_nb.errors import OptionError, brief
from axon_nb.training.callback import Callback
from axon_nb.training.progress import in_notebook

PAUSE_S = 0.1
"""Between two deltas: Jupyter drops messages above a rate."""


class View(Protocol):
    """Something that draws points."""

    def add(self, points: dict[str, list[tuple[float, float]]]) -> None:
        """Draw more points (x, y), by the name of their line."""

    def close(self) -> None:
        """Take it away."""


notebook_plot: Callable[[], View] | None = None
"""Makes the view in a notebook; put in by the package, which knows the widgets."""


class Plot(Callback):
    """Draw the loss and the metrics while training, in a notebook.

    The live view goes away at the end; what stays in a saved notebook is what ``fit`` returns, its table and
    ``plot()``. Elsewhere than in a notebook nothing is drawn.

    Args:
        metrics: names of what is drawn; all by default.
        every_steps: draw the running numbers after every so many steps, too. Reading them waits for the device.
        view: makes what draws, in place of the notebook's.

    Example:
        >>> Plot(["loss"], every_steps=50).every_steps
        50
    """

    def __init__(
        self, metrics: Any = None, *, every_steps: int | None = None, view: Callable[[], View] | None = None
    ) -> None:
        if every_steps is not None and (not isinstance(every_steps, int) or every_steps < 1):
            problem = "every_steps is a whole number of at least 1"
            raise OptionError(problem, got=brief(every_steps))
        self.metrics = (metrics,) if isinstance(metrics, str) else None if metrics is None else tuple(metrics)
        self.every_steps, self.view = every_steps, view

    def started(self, state: Any) -> None:
        """Open the view."""
        make = self.view or (notebook_plot if in_notebook() else None)
        state.things[id(self)] = _Line(make() if make else None)

    def iteration_completed(self, state: Any) -> None:
        """Add the running numbers."""
        line = state.things[id(self)]
        if line.view is not None and self.every_steps and state.steps % self.every_steps == 0 and line.is_due():
            steps = state.feed.steps
            line.add(state.epoch + state.iteration / steps if steps else state.epoch, self._chosen(state))

    def epoch_completed(self, state: Any) -> None:
        """Add the numbers of the epoch."""
        line = state.things[id(self)]
        if line.view is not None:
            line.add(state.epoch + 1, self._chosen(state))

    def finished(self, state: Any) -> None:
        """Take the view away, however the run ended."""
        line = state.things.get(id(self))
        if line is not None and line.view is not None:
            line.send()
            line.view.close()

    def _chosen(self, state: Any) -> dict[str, float]:
        return {
            name: float(value)
            for name, value in state.metrics.items()
            if isinstance(value, int | float) and (self.metrics is None or name in self.metrics)
        }


class _Line:
    """Points that wait to be sent."""

    def __init__(self, view: View | None) -> None:
        self.view = view
        self._sent = 0.0
        self._waiting: dict[str, list[tuple[float, float]]] = {}

    def is_due(self) -> bool:
        return time.monotonic() - self._sent >= PAUSE_S

    def add(self, x: float, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self._waiting.setdefault(name, []).append((x, value))
        if self.is_due():
            self.send()

    def send(self) -> None:
        if self._waiting and self.view is not None:
            self.view.add(self._waiting)
            self._waiting = {}
            self._sent = time.monotonic()
