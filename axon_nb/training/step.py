"""Owns one training step and one evaluation step as programs: forward, loss, gradient, update, sums.

Knows nothing about epochs, data or progress.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any

from tinygrad import Tensor

from axon_nb.data import Kind, as_tensor
from axon_nb.engine import RUNTIME, Program, Slots, empty, settle, uninterrupted, upload
from axon_nb.errors import OptionError, ParamsError
from axon_nb.forward import Values, forward, map_tensors
from axon_nb.graph import Model, Node
from axon_nb.hooks import reads_values
from axon_nb.lazy import numpy as np
from axon_nb.params import Params, Path, realize
from axon_nb.trace import trace
from axon_nb.training.feed import Batch, filled
from axon_nb.training.goal import Goal, Goals
from axon_nb.training.independence import is_by_sample
from axon_nb.training.loss_scale import LossScale, identity
from axon_nb.training.pile import Pile, or_one
from axon_nb.training.shelf import Cut, Shelf
from axon_nb.training.spread import Spread
from axon_nb.training.sums import Sums
from axon_nb.training.update import Update


class Trainer:
    """A model's weights, optimizer and running sums, changed in place by each step.

    The params given are copied: they stay as they were. Once a loss is not finite, the weights no longer change.
    """

    def __init__(
        self, model: Model, params: Params, goals: Goals | Goal, optimizer: Any, *, seed: int, device: str,
        spread: Spread | None = None, loss_scale: LossScale | None = None,
    ) -> None:  # fmt: skip
        goals = goals if isinstance(goals, Goals) else Goals({"": goals})
        self.model, self.goals, self.seed, self.device = model, goals, seed, device
        self._spread = spread or Spread((device,))
        self._params = params.to(device).copy()
        self._full: int | None = None  # samples of the first batch: shorter ones are padded to it where that is exact
        self._pads = goals.per_sample and is_by_sample(model, training=True)
        self._all_count: dict[int, Tensor] = {}
        self._slots = Slots(device)
        self._shelf = Shelf(device)
        trainable = {path: leaf.tensor for path, leaf in self._params.leaves.items() if leaf.kind == "trainable"}
        self._trainable = list(trainable.values())
        names = [".".join(path) for path in trainable]
        with RUNTIME:
            self.optimizer = optimizer.build(self._trainable, names) if optimizer and self._trainable else None
            self._scaling = loss_scale if loss_scale and self.optimizer else identity()
            self.scales = self._scaling.init(device)
            """The scale of the loss, and what it goes by; empty where there is none."""
            self._finite = Tensor([1.0], device=device)  # whether the gradients that wait are
            waits = self.optimizer and (optimizer.accumulate > 1 or self.scales)
            self._pile = Pile(self._trainable, device) if waits else None
            self._whole = optimizer.accumulate if self._pile else 1
            self.piled = 0
            """Batches whose gradients wait for a change of the weights."""
            self.counter = Tensor(np.zeros(1, np.uint32), device=device)
            own = [*self.optimizer.state.values()] if self.optimizer else []
            own += [*(self._pile.tensors if self._pile else []), *self.scales.values(), self.counter]
            own += [self._finite] if self.scales else []
            settle(own)
            self._state = [*(leaf.tensor for leaf in self._params.leaves.values()), *own]
            self._state = list({id(t): t for t in self._state}.values())
            realize(self._state)
        self.sums, self._looks = Sums(goals, device), Sums(goals, device)

        def state(sums: Sums) -> list[Tensor]:
            return [*self._state, sums.tensor]

        # Hooks that read numbers cannot be recorded.
        self._eager = {training: reads_values(model, training=training) for training in (True, False)}
        training: dict[str, Any] = {"state": lambda: state(self.sums), "training": True, "keep": False}
        self._change = Program(self._change_step, "change of weights", **training)
        self._check = Program(self._check_step, "check of gradients", **training)
        self._skip = Program(self._skip_step, "step left out", **training)

        look: dict[str, Any] = {"state": lambda: state(self._looks), "keep": False}
        self._kinds_of_step = {
            True: (self._train_step, "training step", training), False: (self._evaluate_step, "evaluation step", look)
        }  # fmt: skip
        self._programs: dict[tuple[bool, tuple[Node, ...]], Program] = {}

    def _program(self, *, training: bool) -> Program:
        # Optional inputs: a batch that leaves out others is other work, though its shapes may be the same.
        key = training, self._nodes
        if key not in self._programs:
            function, name, options = self._kinds_of_step[training]
            self._programs[key] = Program(function, name, eager=self._eager[training], **options)
        return self._programs[key]

    @property
    def kinds(self) -> list[Kind]:
        """What its steps were recorded for."""
        names = self.model.names
        return [
            Kind(tuple(names[node] for node in nodes), kind, training)
            for (training, nodes), program in self._programs.items()
            for kind in program.kinds
        ]

    def prepare_kind(self, kind: Kind) -> None:
        """Record a step for batches of a kind, which another trainer has met."""
        self._nodes = tuple(self.model.by_name[name] for name in kind.inputs)
        tensors = empty(kind.tensors)
        if self.sums.shapes is None:
            inputs, labels = len(self._nodes), len(self._nodes) + len(self.goals.parts)
            self._shape_sums(list(tensors[:inputs]), list(tensors[inputs:labels]))
        if kind.training:
            self.prepare(tensors)
        else:
            self.prepare_evaluation(tensors)

    @property
    def params(self) -> Params:
        """A copy of the weights as they are now."""
        return self._params.copy()

    def restore(self, params: Params) -> None:
        """Put weights back."""
        with RUNTIME, uninterrupted():
            for path, leaf in params.leaves.items():
                self._params.leaves[path].tensor.assign(leaf.tensor.to(self.device).contiguous())
            realize([leaf.tensor for leaf in self._params.leaves.values()])

    @property
    def weights(self) -> dict[Path, Tensor]:
        """The weights themselves, which steps change."""
        return {path: leaf.tensor for path, leaf in self._params.leaves.items()}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that a later step depends on, by name: what a checkpoint keeps."""
        found = {f"params/{'/'.join(path)}": tensor for path, tensor in self.weights.items()}
        if self.optimizer:
            found |= {f"optimizer/{name}": tensor for name, tensor in self.optimizer.state.items()}
        if self._pile:
            found |= {f"gradients/{at}": tensor for at, tensor in enumerate(self._pile.tensors)}
        if self.scales:
            found |= {f"loss_scale/{name}": tensor for name, tensor in (*self.scales.items(), ("finite", self._finite))}
        return {**found, "counter": self.counter, "sums": self.sums.tensor}

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put all of `tensors` back, from a checkpoint.

        Raises:
            ParamsError: they are another training's.
        """
        own = self.tensors
        wrong = set(own) ^ set(tensors) or {
            name for name in own if name != "sums" and tensors[name].shape != own[name].shape
        }
        if wrong:
            problem = "the checkpoint is of another training"
            raise ParamsError(problem, got=f"not the same: {', '.join(sorted(wrong)[:5])}")
        with RUNTIME, uninterrupted():
            for name, tensor in own.items():
                if name != "sums":
                    tensor.assign(tensors[name].cast(tensor.dtype).contiguous())
            realize([tensor for name, tensor in own.items() if name != "sums"])
            self.sums.tensor = tensors["sums"].contiguous().realize()

    @property
    def facts(self) -> dict[str, Any]:
        """What a later step depends on and is no tensor, as JSON."""
        return {"piled": self.piled, "full": self._full}

    @facts.setter
    def facts(self, value: Mapping[str, Any]) -> None:
        self.piled, self._full = value["piled"], value["full"]

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return self._needed.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._needed.learning_rate = value

    @property
    def _needed(self) -> Update:
        if self.optimizer is None:
            problem = "there is no learning rate: no weights are trained"
            raise OptionError(problem)
        return self.optimizer

    def load(self, batch: Batch) -> tuple[Tensor, ...]:
        """Put a batch on the device, as `prepare`, `train` and `evaluate` take it."""
        self._nodes = tuple(batch.inputs)
        count = len(batch)
        self._full = self._full or count
        size = self._spread.size(max(self._full, count) if self._pads else count, pads=self._pads)
        with RUNTIME:
            if (cut := self._shelved(batch)) is not None:
                return self._taken(batch, cut, size)
            fed = [
                as_tensor(
                    filled(value, size), node.options["dtype"], self.device, functools.partial(self._slots.upload, node)
                )
                for node, value in batch.inputs.items()
            ]
            true = [self._slots.upload(at, np.asarray(filled(y, size))) for at, y in enumerate(batch.labels)]
            if self.sums.shapes is None:
                self._shape_sums(fed, true)
            weights = [] if batch.weights is None else [self._slots.upload("weights", filled(batch.weights, size))]
            return *fed, *true, self._counted(count, size), *weights

    def _shelved(self, batch: Batch) -> Cut | None:
        """Return what a batch is cut from, where the device holds that, or can."""
        plain = all(node.options["dtype"] != "bfloat16" for node in batch.inputs)  # which NumPy does not have
        return batch.cut if plain and not self._spread.shares and self._shelf.fits(batch.cut) else None

    def _taken(self, batch: Batch, cut: Cut, size: int) -> tuple[Tensor, ...]:
        inputs, labels = len(batch.inputs), len(batch.inputs) + len(batch.labels)
        kinds = [*(node.options["dtype"] for node in batch.inputs), *[None] * (len(cut.arrays) - inputs)]
        taken = self._shelf.take(Cut(cut.arrays, filled(cut.at, size)), kinds)
        if self.sums.shapes is None:
            self._shape_sums(taken[:inputs], taken[inputs:labels])
        return *taken[:labels], self._counted(len(batch), size), *taken[labels:]

    def _counted(self, count: int, size: int) -> Tensor:
        if count == size and count in self._all_count:
            return self._all_count[count]
        counted = upload((np.arange(size) < count).astype(np.float32), self.device)
        if count == size and len(self._all_count) < 8:
            self._all_count[count] = counted
        return counted

    def prepare(self, tensors: tuple[Tensor, ...]) -> None:
        """Record the step for batches like this one. Ctrl-C stops that at once, and nothing has changed."""
        if not self._eager[True]:
            self._program(training=True).prepare(*tensors)
        if self._pile is not None:
            self._change.prepare()
        if self.scales:
            self._check.prepare()
            self._skip.prepare()

    def prepare_evaluation(self, tensors: tuple[Tensor, ...]) -> None:
        """Record the evaluation of batches like this one."""
        if not self._eager[False]:
            self._program(training=False).prepare(*tensors)

    def train(self, tensors: tuple[Tensor, ...]) -> None:
        """Take one step; with an optimizer that accumulates, the weights change at every so many of them."""
        self._program(training=True)(*tensors)
        if self._pile is not None:
            self.piled += 1
            if self.piled == self._whole:
                self.settle()

    def settle(self) -> None:
        """Change the weights by the gradients that were accumulated, also if they are of fewer batches than planned.

        With a scaled loss, gradients that are not finite are dropped: nothing changes but the scale.
        """
        if self.piled:
            (self._change if not self.scales or self._is_finite() else self._skip)()
            self.piled = 0

    def _is_finite(self) -> bool:
        self._check()
        with RUNTIME:
            return bool(self._finite.numpy()[0])

    def evaluate(self, tensors: tuple[Tensor, ...]) -> None:
        """Add a batch's loss and metrics to the sums of evaluation; changes nothing else."""
        self._program(training=False)(*tensors)

    def read(self) -> dict[str, Any]:
        """Return loss and metrics of the samples trained on since `clear`; NaN where there were none."""
        return self.sums.read()

    def look(self) -> tuple[float | None, float]:
        """Return the loss since `clear` (``None`` without samples), and the samples before it was not finite."""
        return self.sums.look()

    def clear(self) -> None:
        """Begin new sums."""
        self.sums.clear()

    def evaluated(self, batches: Any) -> dict[str, Any]:
        """Return loss and metrics of batches; changes no weights."""
        self._looks.clear()
        for batch in batches:
            self.evaluate(self.load(batch))
        return self._looks.read()

    def _shape_sums(self, fed: list[Tensor], true: list[Tensor]) -> None:
        given = {self.model.names[node]: tuple(x.shape) for node, x in zip(self._nodes, fed, strict=True)}
        shapes = flat_shapes(trace(self.model, given, set(self.model.inputs) - set(self._nodes)).check().output_shape)
        outputs = [Tensor.empty(*shape, device=self.device) for shape in shapes]
        for sums in (self.sums, self._looks):
            sums.shape(true, outputs)

    def _forward(
        self, tensors: tuple[Tensor, ...], sums: Sums, *, training: bool
    ) -> tuple[Tensor, Tensor, Tensor, Values]:
        """Return the sum of the losses, that of their weights, whether all is finite, and what the pass changed."""
        spread, samples = self._spread, int(tensors[0].shape[0])
        values = Values(self.weights, seed=self.seed, counter=self.counter, device=self.device)
        if spread.shares:
            tensors = tuple(map(spread.part, tensors))
            values.tensors = {path: spread.copy(tensor) for path, tensor in values.tensors.items()}
            values.spread = lambda drawn: spread.random(drawn, samples)
        fed, rest = tensors[: len(self._nodes)], tensors[len(self._nodes) :]
        true, (counted, *weights) = list(rest[: len(self.goals.parts)]), rest[len(self.goals.parts) :]
        result = forward(self.model, values, dict(zip(self._nodes, fed, strict=True)), training=training)
        outputs: list[Tensor] = []
        map_tensors(result, outputs.append)
        known = counted if self._pads else None
        count_more = weights[0] * counted if weights else known
        total, weight = self.goals.weigh(true, outputs, count_more)
        total, weight = spread.join(total), spread.join(weight)
        parts = [spread.join(one) for one in self.goals.sums(true, outputs, known)]
        fine = sums.add(spread.join(counted.sum()), total, weight, parts)
        values.updates = {path: spread.join(value) for path, value in values.updates.items()}
        return total, weight, fine, values

    def _train_step(self, *tensors: Tensor) -> None:
        total, weight, fine, values = self._forward(tensors, self.sums, training=True)
        changed = [self.sums.tensor, self.counter.assign(self.counter + 1)]
        if self._pile is not None:
            changed += self._piled(self._pile, total, weight)
        elif self.optimizer is not None:
            changed += self._move((total / or_one(weight)).gradient(*self._trainable), self.optimizer, fine)
        for path, value in values.updates.items():
            tensor = self._params.leaves[path].tensor
            changed.append(tensor.assign(fine.where(value, tensor).cast(tensor.dtype)))
        realize(changed)

    def _piled(self, pile: Pile, total: Tensor, weight: Tensor) -> list[Tensor]:
        """Let gradients wait: of the loss, or of the scaled loss."""
        if not self.scales:
            return pile.add(total.gradient(*self._trainable), weight)
        if self._whole == 1:  # of the mean: a sum would overflow sooner
            total, weight = total / or_one(weight), weight.const_like(1)
        scaled = self._scaling.scale(total, self.scales)
        return pile.add(scaled.gradient(*self._trainable), weight)

    def _check_step(self) -> None:
        if self._pile is not None:
            each = (gradient.isfinite().all().cast("float32") for gradient in self._pile.gradients)
            realize([self._finite.assign(functools.reduce(operator.mul, each).reshape(1))])

    def _change_step(self) -> None:
        if self._pile is not None and self.optimizer is not None:
            fine = self.sums.tensor[1].isfinite()
            gradients = [self._scaling.unscale(gradient, self.scales) for gradient in self._pile.mean()]
            realize([*self._move(gradients, self.optimizer, fine), *self._pile.clear(), *self._rescaled()])

    def _skip_step(self) -> None:
        if self._pile is not None:
            realize([*self._pile.clear(), *self._rescaled()])

    def _rescaled(self) -> list[Tensor]:
        new = self._scaling.adjust(self.scales, self._finite > 0)
        changed = [(self.scales[name], value) for name, value in new.items() if value is not self.scales[name]]
        return [old.assign(value.cast(old.dtype)) for old, value in changed]

    def _move(self, gradients: list[Tensor], optimizer: Update, fine: Tensor) -> list[Tensor]:
        for tensor, gradient in zip(self._trainable, gradients, strict=True):
            tensor.grad = gradient
        changed = optimizer.schedule_step(fine)
        optimizer.zero_grad()
        return changed

    def _evaluate_step(self, *tensors: Tensor) -> None:
        self._forward(tensors, self._looks, training=False)
        realize([self._looks.tensor])


def flat_shapes(shape: Any) -> list[tuple[int, ...]]:
    """List the shapes of outputs that may be nested.

    Example:
        >>> flat_shapes(((2, 3), {"a": (4,)}))
        [(2, 3), (4,)]
    """
    if isinstance(shape, Mapping):
        return [one for part in shape.values() for one in flat_shapes(part)]
    if all(isinstance(size, int) for size in shape):
        return [tuple(shape)]
    return [one for part in shape for one in flat_shapes(part)]
