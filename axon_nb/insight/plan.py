"""Owns the work of a model as a schedule of kernels, and which layers each kernel works for. Computes nothing.

tinygrad's scheduler forgets where an operation came from. So the work is scheduled twice: once as it is, and once with
each layer's output multiplied by a number of its own, which stays visible among the arguments of every kernel that
works on this output, forward or backward. The kernels of both are then matched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Context, Tensor, dtypes
from tinygrad.uop.ops import UOp

from axon_nb.engine.languages import Call, align, schedule
from axon_nb.errors import OptionError, ShapeError
from axon_nb.forward import Values, forward
from axon_nb.functional.losses import losses
from axon_nb.graph import Model, Node, leaves, map_leaves
from axon_nb.params import Path
from axon_nb.shapes import show
from axon_nb.trace import Trace, trace
from axon_nb.training.optimizer import as_optimizer
from axon_nb.training.update import Update

LOSS = "loss"
"""Stands for the loss among the names of layers."""


@dataclass(frozen=True)
class Step:
    """One kernel of the work."""

    call: Call
    layers: tuple[str, ...]
    """Names of the nodes that it works for, in the model's order, then "loss"; empty for the count of steps."""
    writes: str
    """What its result is: ``output of dense_1``, ``gradient of dense_0.kernel``; empty for an intermediate result."""


_STEP = "step"

Result = tuple[str, str, Tensor]
"""What is computed: its label, the layer that it belongs to, the tensor."""


@dataclass(frozen=True)
class Work:
    """What is to be computed: the forward pass, and with training its gradients and, with an optimizer, the update."""

    training: bool = False
    loss: Any = "mean_squared_error"
    optimizer: Any = None


def plan(model: Model, shapes: Mapping[str, Any], work: Work) -> list[Step]:
    """Schedule the work of a model for inputs of these shapes.

    Raises:
        ShapeError: the model does not fit the shapes, or a size is not known.
        OptionError: the loss or the optimizer is none.
    """
    traced = trace(model, dict(shapes)).check_known()
    _check_sizes(model, traced)
    build = _Build(model, traced, work)
    plain = build.results(mark=None)
    calls = schedule(tensor for *_, tensor in plain)
    written = build.overwrites | {_buffer(tensor): label for label, _, tensor in plain if label}
    build.owners |= {_buffer(tensor): owner for _, owner, tensor in plain if owner}

    marks: dict[UOp, str] = {}
    outputs: set[UOp] = set()

    def mark(node: Node, value: Tensor) -> Tensor:
        if not dtypes.is_float(value.dtype) or value.uop.base in outputs:
            return value  # the layer does no work of its own: dropout when it drops nothing, another shape
        number = Tensor.empty(*(1 for _ in value.shape), dtype=value.dtype, device="CPU")
        marks[_buffer(number)] = model.names[node]
        made = value * number
        outputs.add(made.uop.base)
        return made

    marked = schedule(tensor for *_, tensor in build.results(mark=mark))
    found = _layers(calls, marked, marks, build)
    order = {name: place for place, name in enumerate(model.names.values())}
    return [
        Step(call, tuple(sorted(names, key=lambda name: order.get(name, len(order)))), written.get(call.buffers[0], ""))
        for call, names in zip(calls, found, strict=True)
    ]


def _layers(calls: list[Call], marked: list[Call], marks: Mapping[UOp, str], build: _Build) -> list[set[str]]:
    """Find the layers of each kernel: by the marks of its double, its weights, and at last by who uses its result."""
    partners = align(calls, marked, build.known)
    double = {partner: place for place, partner in enumerate(partners) if partner is not None}
    seen = [{marks[b] for b in call.buffers if b in marks} for call in marked]
    for place in range(len(marked)):
        if place not in double:  # the marks kept it apart: it is part of the kernels that use it
            for user in _users(marked, place):
                seen[user] |= seen[place]
    found: list[set[str]] = []
    for call, partner in zip(calls, partners, strict=True):
        names = {build.owners[b] for b in call.buffers if b in build.owners}
        found.append(names | (seen[partner] if partner is not None else set()))
    for place in reversed(range(len(calls))):
        if not found[place]:
            used = set(next((found[user] for user in _users(calls, place) if found[user]), set()))
            only_draws = {build.known.get(b) for b in calls[place].buffers[1:]} == {_STEP}
            found[place] = (used & build.random) or used if only_draws else used
    return found


def _users(calls: list[Call], place: int) -> list[int]:
    result = calls[place].buffers[0]
    return [i for i in range(place + 1, len(calls)) if result in calls[i].buffers[1:]]


class _Build:
    """Builds the work's tensors, as often as they are wanted, on the same empty weights and inputs."""

    def __init__(self, model: Model, traced: Trace, work: Work) -> None:
        self.model, self.work = model, work
        self.known: dict[UOp, str] = {}
        """Memory that is there before: weights, inputs, labels."""
        self.owners: dict[UOp, str] = {}
        """The layer of each weight, and LOSS for the labels."""
        self.overwrites: dict[UOp, str] = {}
        """What a kernel writes that writes into this memory."""
        specs = traced.params()
        self.weights: dict[Path, Tensor] = {}
        self.trained: dict[Path, Tensor] = {}
        for path, spec in specs.items():
            self.weights[path] = self._place(".".join(path), spec.shape, spec.dtype)
            self.owners[_buffer(self.weights[path])] = ".".join(path[:-1])
            self.overwrites[_buffer(self.weights[path])] = f"new {'.'.join(path)}"
            if not spec.is_state:
                self.trained[path] = self.weights[path]
        self.inputs = {
            node: self._place(model.names[node], traced.nodes[node].shape, node.options["dtype"])
            for node in model.inputs
        }
        outputs = list(leaves(model.outputs))
        self.labels = [
            self._place(f"labels {place}", traced.nodes[node].shape, "float32") for place, node in enumerate(outputs)
        ]
        self.owners |= {_buffer(labels): LOSS for labels in self.labels}
        self.random: set[str] = set()
        """Layers that draw random numbers."""
        self.counter = self._place(_STEP, (1,), "uint32")
        self.rule = None
        if work.training and work.optimizer is not None and self.trained:
            rule = as_optimizer(work.optimizer)
            self.rule = rule.build(list(self.trained.values()), [".".join(path) for path in self.trained])
            for name, tensor in self.rule.state.items():
                tensor.replace(self._place(f"optimizer {name}", tuple(tensor.shape), tensor.dtype))

    def _place(self, name: str, shape: Any, dtype: Any) -> Tensor:
        made = Tensor.empty(*shape, dtype=dtype, device="CPU")
        self.known[_buffer(made)] = name
        return made

    def results(self, mark: Callable[[Node, Tensor], Tensor] | None) -> list[Result]:
        """Return what is computed."""
        with Context(TRAINING=int(self.work.training)):
            return self._results(mark)

    def _results(self, mark: Callable[[Node, Tensor], Tensor] | None) -> list[Result]:
        values = Values(self.weights, counter=self.counter, device="CPU")
        training = self.work.training
        output = forward(self.model, values, dict(self.inputs), training=training, each=mark)
        names = self.model.names
        self.random |= {".".join(path) for path in values.draws}
        flat: list[tuple[str, Tensor]] = []
        map_leaves(self.model.outputs, lambda node: flat.append((names[node], _picked(output, len(flat)))))
        if not training:
            return [(f"output of {name}", name, tensor) for name, tensor in flat]
        total = self._loss([tensor for _, tensor in flat])
        found: list[Result] = [(LOSS, LOSS, total)]
        gradients = total.gradient(*self.trained.values()) if self.trained else []
        rule = self.rule
        if rule is None:
            named = zip(self.trained, gradients, strict=True)
            found += [(f"gradient of {'.'.join(path)}", ".".join(path[:-1]), gradient) for path, gradient in named]
        else:
            found += [("", "", tensor) for tensor in self._update(rule, gradients)]
        return found + [(f"new {'.'.join(path)}", ".".join(path[:-1]), value) for path, value in values.updates.items()]

    def _loss(self, outputs: list[Tensor]) -> Tensor:
        loss = losses[self.work.loss] if isinstance(self.work.loss, str) else self.work.loss
        if not callable(loss):
            problem = "a loss is a name or a function of y_true and y_pred"
            raise OptionError(problem, got=repr(loss))
        parts = [loss(true, given).mean() for true, given in zip(self.labels, outputs, strict=True)]
        return sum(parts[1:], parts[0])

    def _update(self, rule: Update, gradients: list[Tensor]) -> list[Tensor]:
        tensors = [*self.trained.values(), *rule.state.values()]
        before = [tensor.uop for tensor in tensors]
        for tensor, gradient in zip(self.trained.values(), gradients, strict=True):
            tensor.grad = gradient
        changed = rule.schedule_step()
        rule.zero_grad()
        found = [Tensor(tensor.uop) for tensor in {id(t): t for t in changed}.values()]
        for tensor, uop in zip(tensors, before, strict=True):  # as they were, for the next time
            tensor.uop = uop
        return found


def _picked(output: Any, index: int) -> Tensor:
    flat: list[Tensor] = []

    def collect(part: Any) -> None:
        if isinstance(part, Tensor):
            flat.append(part)
        else:
            for inner in part.values() if isinstance(part, dict) else part:
                collect(inner)

    collect(output)
    return flat[index]


def _buffer(tensor: Tensor) -> UOp:
    return tensor.uop.base


def _check_sizes(model: Model, traced: Trace) -> None:
    for node in model.inputs:
        shape = traced.nodes[node].shape
        if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
            name = model.names[node]
            problem = f"kernels are written for known sizes, and {name} is {show(shape)}"  # type: ignore[arg-type]
            sizes = ", ".join(str(size) if isinstance(size, int) else "32" for size in shape or ())
            raise ShapeError(problem, fix=f"give the sizes: kernels({name}=({sizes}))")
