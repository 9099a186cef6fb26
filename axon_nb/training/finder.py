"""Owns the search for a learning rate: a short run whose rate rises step by step, and what it tells.

Knows nothing about how steps are taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from axon_nb.display.figures import new_figure
from axon_nb.errors import OptionError, brief
from axon_nb.lazy import numpy as np
from axon_nb.training.events import HALT_LOOP

_WORSE = 4.0  # times the best loss: from there it only gets worse
_KEPT = 0.9  # of the running loss


@dataclass(frozen=True)
class LearningRates:
    """Losses by learning rate, from `Loop.find_learning_rate`.

    ``suggestion`` is the rate at which the smoothed loss fell the most.
    """

    rates: list[float]
    losses: list[float] = field(repr=False)

    @property
    def smooth(self) -> list[float]:
        """The losses as a running mean without its bias to zero."""
        mean, found = 0.0, []
        for step, loss in enumerate(self.losses, 1):
            mean = _KEPT * mean + (1 - _KEPT) * loss
            found.append(mean / (1 - _KEPT**step))
        return found

    @property
    def suggestion(self) -> float:
        """The rate at which the smoothed loss fell the most, before it was least."""
        smooth = self.smooth
        least = int(np.argmin(smooth))
        if least < 2:
            return self.rates[0]
        slopes = np.gradient(np.asarray(smooth[: least + 1]), np.log(self.rates[: least + 1]))
        return self.rates[int(np.argmin(slopes))]

    def plot(self) -> Any:
        """Draw the smoothed loss over the rate; returns a matplotlib figure."""
        figure = new_figure(figsize=(4.2, 3), layout="constrained")
        axis: Any = figure.subplots()
        axis.plot(self.rates, self.smooth)
        axis.axvline(self.suggestion, color="gray", linestyle=":")
        axis.set(xscale="log", xlabel="learning rate", title=f"loss; suggestion {self.suggestion:.2g}")
        axis.spines[["top", "right"]].set_visible(False)
        return figure


def find(loop: Any, data: Any, low: float, high: float, steps: int, batch_size: int) -> LearningRates:
    """Run a loop with a rising rate; neither loop nor data are changed.

    Raises:
        OptionError: the rates are not two rising numbers above 0.
    """
    if not (isinstance(low, int | float) and isinstance(high, int | float) and 0 < low < high < math.inf):
        problem = "the search goes from a rate above 0 to a larger one"
        raise OptionError(problem, got=f"{brief(low)} to {brief(high)}")
    rates = [low * (high / low) ** (at / max(steps - 1, 1)) for at in range(steps)]
    losses: list[float] = []

    def set_rate(state: Any) -> None:
        state.stepper.clear()
        state.learning_rate = rates[len(losses)]

    def note(state: Any) -> str | None:
        loss, _ = state.stepper.look()
        if loss is None or not math.isfinite(loss):
            return HALT_LOOP
        losses.append(loss)
        return HALT_LOOP if len(losses) == steps or loss > _WORSE * min(losses) + 1e-12 else None

    search = loop.on("iteration_started", set_rate).on("iteration_completed", note)
    search.run(data, epochs=steps, batch_size=batch_size, progress=False)
    return LearningRates(rates[: len(losses)], losses)
