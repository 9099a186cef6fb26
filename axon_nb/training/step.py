"""Owns one training step and one evaluation step as programs: forward, loss, gradient, update, sums.

Knows nothing about epochs, data or progress.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tinygrad import Tensor, nn

from axon_nb.compiled import Values, as_tensor, forward
from axon_nb.engine import RUNTIME, Program
from axon_nb.errors import OptionError
from axon_nb.graph import Model, Node
from axon_nb.params import Leaf, Params, realize
from axon_nb.trace import trace

PerSample = Callable[[Tensor, Tensor], Tensor]
"""From labels and predictions to one number per sample, or one number for all."""


@dataclass(frozen=True)
class Goal:
    """What a step works out beside the output: the loss and the metrics, by name."""

    loss: PerSample
    metrics: Mapping[str, PerSample]
    class_weights: tuple[float, ...] | None = None
    per_sample: bool = True
    """Whether loss and metrics give one number per sample, so that padded samples can be left out."""

    def measure(self, y_true: Tensor, y_pred: Tensor, counted: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Return the loss to be minimised, and the mean of each metric.

        Args:
            y_true: labels.
            y_pred: the output.
            counted: 1 for each sample that counts and 0 for padding; ``None`` where all count.
        """
        each = self.loss(y_true, y_pred)
        weights = counted if self.class_weights is None else self._class_weights(each, y_true, y_pred, counted)
        values = [metric(y_true, y_pred).cast("float32") for metric in self.metrics.values()]
        return _mean(each, weights), [_mean(value, counted) for value in values]

    def _class_weights(self, each: Tensor, y_true: Tensor, y_pred: Tensor, counted: Tensor | None) -> Tensor:
        if each.shape != y_pred.shape[:-1]:
            problem = "class_weights need a loss that gives one number per sample"
            raise OptionError(problem)
        weights = Tensor(np.asarray(self.class_weights, np.float32), device=y_pred.device)
        classes = y_true if y_true.shape == each.shape else y_true.argmax(-1)
        rows = Tensor.arange(len(weights), dtype=classes.dtype) == classes.unsqueeze(-1)
        picked = rows.where(weights, 0).sum(-1)
        return picked if counted is None else picked * counted.reshape(-1, *(1 for _ in picked.shape[1:]))


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Take the mean over samples (and whatever else a sample has), weighted."""
    if weights is None or not values.shape:
        return values.mean()
    spread = weights.reshape(*weights.shape, *(1 for _ in values.shape[len(weights.shape) :])).expand(values.shape)
    return (values * spread).sum() / spread.sum()


class Trainer:
    """A model's weights, optimizer and running sums, changed in place by each step.

    The params given are copied: they stay as they were.
    """

    def __init__(self, model: Model, params: Params, goal: Goal, optimizer: Any, *, seed: int, device: str) -> None:
        self.model, self.goal, self.seed, self.device = model, goal, seed, device
        self._params = params.to(device).copy()
        self._full: int | None = None  # samples of the first batch: shorter ones are padded to it where that is exact
        self._pads = goal.per_sample and _works_by_sample(model)
        self._trainable = [leaf.tensor for leaf in self._params.leaves.values() if leaf.kind == "trainable"]
        with RUNTIME:
            self.optimizer = optimizer.build(self._trainable) if self._trainable else None
            self.counter = Tensor(np.zeros(1, np.uint32), device=device)
            self.sums = Tensor(np.zeros(2 + len(goal.metrics), np.float32), device=device)
            moments = nn.state.get_parameters(self.optimizer) if self.optimizer else []
            self._state = [*(leaf.tensor for leaf in self._params.leaves.values()), *moments, self.counter, self.sums]
            self._state = list({id(t): t for t in self._state}.values())
            for tensor in (*moments, self.counter, self.sums):
                tensor.replace(tensor.contiguous())
            realize(self._state)
        self._train = Program(self._train_step, "training step", state=self._state, training=True, keep=False)
        self._evaluate = Program(self._evaluate_step, "evaluation step", state=self._state, keep=False)

    @property
    def params(self) -> Params:
        """A copy of the weights as they are now."""
        return self._params.copy()

    def restore(self, params: Params) -> None:
        """Put weights back."""
        with RUNTIME:
            for path, leaf in params.leaves.items():
                self._params.leaves[path].tensor.assign(leaf.tensor.contiguous())
            realize([leaf.tensor for leaf in self._params.leaves.values()])

    def train(self, inputs: dict[Node, Any], labels: Any) -> None:
        """Take one step."""
        self._train(*self._tensors(inputs, labels))

    def evaluate(self, inputs: dict[Node, Any], labels: Any) -> None:
        """Add a batch's loss and metrics to the sums; changes nothing else."""
        self._evaluate(*self._tensors(inputs, labels))

    def read_sums(self) -> dict[str, float]:
        """Return the means since the sums were last cleared, over samples."""
        with RUNTIME:
            count, *totals = (float(v) for v in self.sums.numpy())
        names = ["loss", *self.goal.metrics]
        return {name: total / count if count else float("nan") for name, total in zip(names, totals, strict=True)}

    def clear_sums(self) -> None:
        """Begin new means."""
        with RUNTIME:
            self.sums.assign(Tensor.zeros_like(self.sums).contiguous()).realize()

    def _tensors(self, inputs: dict[Node, Any], labels: Any) -> list[Tensor]:
        self._nodes = tuple(inputs)
        count = len(labels)
        self._full = self._full or count
        size = max(self._full, count) if self._pads else count
        with RUNTIME:
            fed = [as_tensor(_pad(v, size), node.options["dtype"], self.device) for node, v in inputs.items()]
            counted = np.arange(size) < count
            return [
                *fed,
                Tensor(np.ascontiguousarray(_pad(labels, size)), device=self.device),
                Tensor(counted.astype(np.float32), device=self.device),
            ]

    def _forward(self, tensors: tuple[Tensor, ...], *, training: bool) -> tuple[Tensor, list[Tensor], Values]:
        leaves = {path: leaf.tensor for path, leaf in self._params.leaves.items()}
        values = Values(leaves, seed=self.seed, counter=self.counter, device=self.device)
        *fed, labels, counted = tensors
        output = forward(self.model, values, dict(zip(self._nodes, fed, strict=True)), training=training)
        loss, metrics = self.goal.measure(labels, output, counted if self._pads else None)
        return loss, metrics, values

    def _add(self, count: Tensor, loss: Tensor, metrics: list[Tensor]) -> None:
        row = [count, *(value * count for value in (loss, *metrics))]
        self.sums.assign(self.sums + Tensor.stack(*(value.cast("float32").reshape(()) for value in row)).detach())

    def _train_step(self, *tensors: Tensor) -> None:
        loss, metrics, values = self._forward(tensors, training=True)
        self._add(tensors[-1].sum(), loss, metrics)
        changed = [self.sums, self.counter.assign(self.counter + 1)]
        if self.optimizer is not None:
            for tensor, gradient in zip(self._trainable, loss.gradient(*self._trainable), strict=True):
                tensor.grad = gradient
            changed += self.optimizer.schedule_step()
            self.optimizer.zero_grad()
        for path, value in values.updates.items():
            changed.append(self._params.leaves[path].tensor.assign(value))
        realize(changed)

    def _evaluate_step(self, *tensors: Tensor) -> None:
        loss, metrics, _ = self._forward(tensors, training=False)
        self._add(tensors[-1].sum(), loss, metrics)
        realize([self.sums])


def _works_by_sample(model: Model) -> bool:
    """Whether no layer lets one sample act on another (batch norm does; of a custom layer nobody knows)."""
    traced = trace(model)
    return not any(spec.is_state for spec in traced.params().values()) and not any(
        node.layer.declaration.family == "custom" for node in model.nodes
    )


def _pad(array: Any, size: int) -> Any:
    """Repeat the last sample up to a size."""
    missing = size - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


__all__ = ["Goal", "Leaf", "PerSample", "Trainer"]
