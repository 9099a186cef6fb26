"""Owns one training step and one evaluation step as programs: forward, loss, gradient, update, sums.

Knows nothing about epochs, data or progress.
"""

from __future__ import annotations

import math
from typing import Any

from tinygrad import Tensor

from axon_nb.compiled import Values, as_tensor, forward
from axon_nb.engine import RUNTIME, Program, upload
from axon_nb.graph import Model, Node
from axon_nb.hooks import reads_values
from axon_nb.lazy import numpy as np
from axon_nb.params import Leaf, Params, realize
from axon_nb.trace import trace
from axon_nb.training.feed import filled
from axon_nb.training.goal import Goal, PerSample
from axon_nb.training.independence import is_by_sample
from axon_nb.training.pile import Pile, or_one
from axon_nb.training.update import Update


class Trainer:
    """A model's weights, optimizer and running sums, changed in place by each step.

    The params given are copied: they stay as they were.
    """

    def __init__(self, model: Model, params: Params, goal: Goal, optimizer: Any, *, seed: int, device: str) -> None:
        self.model, self.goal, self.seed, self.device = model, goal, seed, device
        self._params = params.to(device).copy()
        self._full: int | None = None  # samples of the first batch: shorter ones are padded to it where that is exact
        self._pads = goal.per_sample and is_by_sample(model, training=True)
        self._trainable = [leaf.tensor for leaf in self._params.leaves.values() if leaf.kind == "trainable"]
        names = [".".join(path) for path, leaf in self._params.leaves.items() if leaf.kind == "trainable"]
        with RUNTIME:
            self.optimizer = optimizer.build(self._trainable, names) if optimizer and self._trainable else None
            self._pile = Pile(self._trainable, device) if self.optimizer and optimizer.accumulate > 1 else None
            self._whole = optimizer.accumulate if self._pile else 1
            self._piled = 0
            self.counter = Tensor(np.zeros(1, np.uint32), device=device)
            own = [*self.optimizer.state.values()] if self.optimizer else []
            own += [*(self._pile.tensors if self._pile else []), self.counter]
            for tensor in own:
                tensor.replace(tensor.contiguous())
            self._state = [*(leaf.tensor for leaf in self._params.leaves.values()), *own]
            self._state = list({id(t): t for t in self._state}.values())
            realize(self._state)
            self.sums = Tensor(np.zeros(3, np.float32), device=device).contiguous()
        self._shapes: list[tuple[int, ...]] | None = None  # of the metrics' sums: the first batch shows them

        def state() -> list[Tensor]:
            return [*self._state, self.sums]

        # Hooks that read numbers cannot be recorded.
        eager = {training: reads_values(model, training=training) for training in (True, False)}
        options: dict[str, Any] = {"state": state, "keep": False}
        self._train = Program(self._train_step, "training step", training=True, eager=eager[True], **options)
        self._change = Program(self._change_step, "change of weights", state=state, training=True, keep=False)
        self._evaluate = Program(self._evaluate_step, "evaluation step", eager=eager[False], **options)

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
        """Take one step; with an optimizer that accumulates, the weights change at every so many of them."""
        self._train(*self._tensors(inputs, labels))
        if self._pile is not None:
            self._piled += 1
            if self._piled == self._whole:
                self.settle()

    def settle(self) -> None:
        """Change the weights by the gradients that were accumulated, also if they are of fewer batches than planned."""
        if self._piled:
            self._change()
            self._piled = 0

    def evaluate(self, inputs: dict[Node, Any], labels: Any) -> None:
        """Add a batch's loss and metrics to the sums; changes nothing else."""
        self._evaluate(*self._tensors(inputs, labels))

    def read_sums(self) -> dict[str, Any]:
        """Return loss and metrics of the samples since the sums were last cleared; NaN where there were none."""
        if self._shapes is None:
            return dict.fromkeys(["loss", *self.goal.metrics], math.nan)
        with RUNTIME:
            flat = self.sums.numpy()
        count, total, weight = (float(v) for v in flat[:3])
        if not count:
            return dict.fromkeys(["loss", *self.goal.metrics], math.nan)
        ends = np.cumsum([math.prod(shape) for shape in self._shapes])[:-1]
        parts = np.split(flat[3:], ends) if self._shapes else []
        sums = [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return {"loss": total / (weight or 1), **self.goal.read(sums)}

    def read_loss(self) -> float:
        """Return the loss of the samples since the sums were last cleared; NaN where there were none."""
        with RUNTIME:
            count, total, weight = (float(v) for v in self.sums.numpy()[:3])
        return total / (weight or 1) if count else math.nan

    def clear_sums(self) -> None:
        """Begin new sums."""
        with RUNTIME:
            self.sums.assign(Tensor.zeros_like(self.sums).contiguous()).realize()

    def _tensors(self, inputs: dict[Node, Any], labels: Any) -> list[Tensor]:
        self._nodes = tuple(inputs)
        count = len(labels)
        self._full = self._full or count
        size = max(self._full, count) if self._pads else count
        with RUNTIME:
            fed = [as_tensor(filled(v, size), node.options["dtype"], self.device) for node, v in inputs.items()]
            true = upload(np.asarray(filled(labels, size)), self.device)
            if self._shapes is None:
                self._make_sums(fed, true)
            counted = np.arange(size) < count
            return [*fed, true, upload(counted.astype(np.float32), self.device)]

    def _make_sums(self, fed: list[Tensor], true: Tensor) -> None:
        given = {self.model.names[node]: tuple(x.shape) for node, x in zip(self._nodes, fed, strict=True)}
        output = Tensor.empty(*trace(self.model, given).check().output_shape, device=self.device)
        self._shapes = [tuple(map(int, one.shape)) for one in self.goal.sums(true, output, None)]
        if self._shapes:
            size = 3 + sum(map(math.prod, self._shapes))
            self.sums = Tensor(np.zeros(size, np.float32), device=self.device).contiguous().realize()

    def _forward(self, tensors: tuple[Tensor, ...], *, training: bool) -> tuple[Tensor, Tensor, Values]:
        """Return the sum of the losses, that of their weights, and what the pass changed; note all sums."""
        leaves = {path: leaf.tensor for path, leaf in self._params.leaves.items()}
        values = Values(leaves, seed=self.seed, counter=self.counter, device=self.device)
        *fed, labels, counted = tensors
        output = forward(self.model, values, dict(zip(self._nodes, fed, strict=True)), training=training)
        weights = counted if self._pads else None
        total, weight = self.goal.weigh(labels, output, weights)
        self._add([counted.sum(), total, weight], self.goal.sums(labels, output, weights))
        return total, weight, values

    def _add(self, row: list[Tensor], sums: list[Tensor]) -> None:
        head = Tensor.stack(*(value.cast("float32").reshape(()) for value in row))
        if self.goal.adds:
            self.sums.assign(self.sums + _joined(head, sums))
            return
        shapes = self._shapes or []
        first, *parts = self.sums.split([3, *map(math.prod, shapes)])
        old = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        new = _joined(first + head, self.goal.merge(old, sums))
        self.sums.assign(new.contiguous())  # apart first: a merge may read what was overwritten already

    def _train_step(self, *tensors: Tensor) -> None:
        total, weight, values = self._forward(tensors, training=True)
        changed = [self.sums, self.counter.assign(self.counter + 1)]
        if self._pile is not None:
            changed += self._pile.add(total.gradient(*self._trainable), weight)
        elif self.optimizer is not None:
            changed += self._move((total / or_one(weight)).gradient(*self._trainable), self.optimizer)
        for path, value in values.updates.items():
            changed.append(self._params.leaves[path].tensor.assign(value))
        realize(changed)

    def _change_step(self) -> None:
        if self._pile is not None and self.optimizer is not None:
            realize([*self._move(self._pile.mean(), self.optimizer), *self._pile.clear()])

    def _move(self, gradients: list[Tensor], optimizer: Update) -> list[Tensor]:
        for tensor, gradient in zip(self._trainable, gradients, strict=True):
            tensor.grad = gradient
        changed = optimizer.schedule_step()
        optimizer.zero_grad()
        return changed

    def _evaluate_step(self, *tensors: Tensor) -> None:
        self._forward(tensors, training=False)
        realize([self.sums])


def _joined(head: Tensor, sums: list[Tensor]) -> Tensor:
    return head.cat(*(one.reshape(-1) for one in sums)).detach()


__all__ = ["Goal", "Leaf", "PerSample", "Trainer"]
