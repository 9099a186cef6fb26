"""Owns telling whether a metric still improves.

Knows nothing about what is done about it.
"""

from __future__ import annotations

import math
from typing import Any

from axon_nb.errors import OptionError, brief, unknown
from axon_nb.shapes import whole
from axon_nb.training.callback import Callback

_MORE_IS_BETTER = (
    "accuracy", "precision", "recall", "f1", "auc", "r2", "sensitivity", "specificity", "iou", "true_positives",
    "true_negatives", "cosine_similarity",
)  # fmt: skip


class Watch(Callback):
    """What callbacks share that act when a metric has not improved for some time.

    Args:
        metric: its name; ``val_loss`` where there is validation and ``loss`` else.
        mode: ``"min"`` or ``"max"``: what is better; known of losses and of the common metrics.
        patience: how many events without an improvement pass before one that acts.
        min_delta: how much better a value must be to count.
    """

    def __init__(
        self, metric: str | None = None, *, mode: str | None = None, patience: int = 3, min_delta: float = 0.0
    ) -> None:
        if mode not in (None, "min", "max"):
            problem = 'mode is "min" or "max"'
            raise OptionError(problem, got=brief(mode))
        if whole(patience) is None or patience < 0:
            problem = "patience is a whole number of at least 0"
            raise OptionError(problem, got=brief(patience))
        if not isinstance(min_delta, int | float) or not 0 <= min_delta < math.inf:
            problem = "min_delta is a number of at least 0"
            raise OptionError(problem, got=brief(min_delta))
        self.metric, self.mode, self.patience, self.min_delta = metric, mode, patience, min_delta

    def value(self, state: Any) -> float:
        """Return the metric now.

        Raises:
            OptionError: there is no such metric.
        """
        name = self.chosen(state)
        if name not in state.metrics:
            kind = "metric"
            raise unknown(kind, name, state.metrics, error=OptionError).at(self.name)
        value = state.metrics[name]
        if not isinstance(value, int | float):
            problem = f"{name} is no number"
            raise OptionError(problem, where=self.name, got=brief(value))
        return float(value)

    def chosen(self, state: Any) -> str:
        """Return the name of the metric."""
        return self.metric or ("val_loss" if "val_loss" in state.metrics else "loss")

    def improved(self, state: Any) -> bool:
        """Compare with the best so far, and remember the better one."""
        value, memory = self.value(state), self.memory(state)
        best = memory.get("best")
        sign = 1 if self._mode(state) == "min" else -1
        better = best is None or (math.isfinite(value) and sign * value < sign * best - self.min_delta)
        if better and math.isfinite(value):
            memory["best"] = value
        memory["waited"] = 0 if better else memory.get("waited", 0) + 1
        return better

    def stuck(self, state: Any) -> bool:
        """Whether there was no improvement for longer than the patience."""
        if self.improved(state) or self.memory(state)["waited"] <= self.patience:
            return False
        self.memory(state)["waited"] = 0
        return True

    def memory(self, state: Any) -> dict[str, Any]:
        """Return what is remembered in this run."""
        found: dict[str, Any] = state.memory(self)
        return found

    def _mode(self, state: Any) -> str:
        if self.mode is not None:
            return self.mode
        name = self.chosen(state)
        if any(word in name for word in _MORE_IS_BETTER):
            return "max"
        if any(word in name for word in ("loss", "error", "entropy", "false_", "divergence", "hinge")):
            return "min"
        problem = f"it is not known whether more or less of {name!r} is better"
        raise OptionError(problem, where=self.name, fix='mode="min" or mode="max"')
