"""Owns training steps that somebody wrote: models, optimizers and random numbers at hand, as one program.

Knows nothing about epochs or events.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Context, Tensor

from axon_nb.data import as_inputs, as_numbers, check_finite
from axon_nb.engine import RUNTIME, Program, ready, uninterrupted, upload
from axon_nb.engine import random as streams
from axon_nb.errors import DataError, OptionError, ParamsError, TrainingError, brief, unknown
from axon_nb.forward import Values, forward
from axon_nb.functional.dropout import box_muller
from axon_nb.graph import Model
from axon_nb.initial import draw
from axon_nb.lazy import numpy as np
from axon_nb.params import Params, realize
from axon_nb.shapes import show
from axon_nb.training.feed import Feed, cuts, order_of
from axon_nb.training.optimizers import Optimizer, as_optimizer
from axon_nb.training.sources import as_source, host
from axon_nb.training.trained import History, Trained
from axon_nb.training.update import Update

_LIMIT = "custom step"
_ROOM = 31  # numbers that a step may return


class Scene:
    """What a custom step works with: its models by name, ``minimize``, random numbers.

    ``scene.generator(x)`` runs the model ``generator`` in training mode, with the weights as they are at that point of
    the step: after ``minimize("generator", ...)`` the changed ones. ``scene.learning_rate`` is not here but on the
    state that callbacks see.
    """

    def __init__(self, stepper: CustomStepper) -> None:
        self._stepper = stepper
        self._draws = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._stepper.models:
            kind = "model"
            raise unknown(kind, name, self._stepper.models)
        return lambda *inputs, training=True: self.run(name, *inputs, training=training)

    def run(self, name: str, *inputs: Any, training: bool = True) -> Any:
        """Run a model on tensors: one for each input, or a dict."""
        model = self._stepper.models[name]
        x = inputs[0] if len(inputs) == 1 else inputs
        fed = as_inputs(model, x)
        stepper = self._stepper
        values = Values(
            stepper.weights_of(name), seed=streams.words(stepper.seed, name)[0], counter=stepper.counter,
            device=stepper.device, draws=stepper.draws[name],
        )  # fmt: skip
        result = forward(model, values, fed, training=training)
        for path, value in values.updates.items():
            tensor = values.tensors[path]
            tensor.assign(value.cast(tensor.dtype))
        return result

    def minimize(self, name: str, loss: Tensor) -> None:
        """Move a model's weights by its optimizer so that a loss falls.

        Raises:
            OptionError: there is no such model, or it has no optimizer.
            TrainingError: the loss is no single number, or does not depend on the model's weights as they are now.
        """
        stepper = self._stepper
        if name not in stepper.optimizers:
            kind = "optimizer for a model"
            raise unknown(kind, name, stepper.optimizers, error=OptionError)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            problem = "minimize takes a loss that is one number"
            got = brief(loss) if not isinstance(loss, Tensor) else f"a tensor {show(tuple(loss.shape))}"
            raise TrainingError(problem, got=got, fix="loss.mean()")
        if name in stepper.moved:
            problem = f"the weights of {name} were already moved in this step"
            raise TrainingError(problem, fix="add the losses, and minimize their sum")
        tensors, update = stepper.trainable[name], stepper.optimizers[name]
        try:
            gradients = loss.reshape(()).cast("float32").gradient(*tensors)
        except RuntimeError as error:
            problem = f"the loss given to minimize({name!r}, ...) does not depend on all its weights"
            raise TrainingError(problem, got=str(error)) from error
        stepper.moved.add(name)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = gradient
        update.schedule_step(loss.detach().reshape(()).isfinite())
        update.zero_grad()

    def random(self, shape: Any) -> Tensor:
        """Draw numbers in [0, 1), others at each step."""
        self._draws += 1
        stepper = self._stepper
        words = streams.words(stepper.seed, _LIMIT)
        return streams.uniform(words, stepper.counter, self._draws - 1, tuple(shape), device=stepper.device)

    def normal(self, shape: Any) -> Tensor:
        """Draw numbers from the normal distribution, others at each step."""
        return box_muller(self.random(shape), self.random(shape))


class CustomStepper:
    """Models, their optimizers and running sums, changed in place by a step that somebody wrote."""

    def __init__(self, recipe: CustomRecipe, params: Mapping[str, Params]) -> None:
        self.recipe, self.models, self.seed = recipe, recipe.models, recipe.seed
        self.device = recipe.on
        self.all_params = {name: one.to(self.device).copy() for name, one in params.items()}
        self.trainable: dict[str, list[Tensor]] = {}
        self.optimizers: dict[str, Update] = {}
        self.draws: dict[str, dict[Any, int]] = {}
        self.moved: set[str] = set()
        self.names: list[str] = []
        """Names of the numbers that the step returns."""
        with RUNTIME:
            for name, rule in recipe.optimizers.items():
                leaves = self.all_params[name].leaves
                chosen = {".".join(path): leaf.tensor for path, leaf in leaves.items() if leaf.kind == "trainable"}
                if chosen:
                    self.trainable[name] = list(chosen.values())
                    self.optimizers[name] = rule.build(self.trainable[name], list(chosen))
            self.counter = Tensor(np.zeros(1, np.uint32), device=self.device)
            self.sums = Tensor(np.zeros(1 + _ROOM, np.float32), device=self.device)
            for tensor in self.tensors.values():
                tensor.replace(tensor.contiguous())
            realize(list(self.tensors.values()))
        self._nesting: Any = None
        self._program = Program(
            self._step, _LIMIT, state=lambda: list(self.tensors.values()), training=True, keep=False
        )

    @property
    def model(self) -> Any:
        """The models by name; the only one, where there is one."""
        return next(iter(self.models.values())) if len(self.models) == 1 else self.models

    def weights_of(self, name: str) -> dict[Any, Tensor]:
        """Return a model's weights themselves."""
        return {path: leaf.tensor for path, leaf in self.all_params[name].leaves.items()}

    @property
    def weights(self) -> dict[Any, Tensor]:
        """All weights, with the model's name in front of the path."""
        return {
            (name, *path): leaf.tensor for name, one in self.all_params.items() for path, leaf in one.leaves.items()
        }

    @property
    def params(self) -> Params:
        """A copy of all weights, with the model's name in front of the path."""
        return Params(
            {(name, *path): leaf for name, one in self.all_params.items() for path, leaf in one.leaves.items()}
        ).copy()

    def restore(self, params: Params) -> None:
        """Put weights back."""
        with RUNTIME, uninterrupted():
            own = self.weights
            for path, leaf in params.leaves.items():
                own[path].assign(leaf.tensor.to(self.device).contiguous())
            realize(list(own.values()))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that a later step depends on, by name."""
        found = {f"params/{'/'.join(path)}": tensor for path, tensor in self.weights.items()}
        for name, update in self.optimizers.items():
            found |= {f"optimizer/{name}/{key}": tensor for key, tensor in update.state.items()}
        return {**found, "counter": self.counter, "sums": self.sums}

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put all of `tensors` back.

        Raises:
            ParamsError: they are another training's.
        """
        own = self.tensors
        if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in tensors.items()}:
            problem = "the checkpoint is of another training"
            raise ParamsError(problem, got=f"not the same: {', '.join(sorted(set(own) ^ set(tensors))[:5])}")
        with RUNTIME, uninterrupted():
            for name, tensor in own.items():
                tensor.assign(tensors[name].cast(tensor.dtype).contiguous())
            realize(list(own.values()))

    @property
    def facts(self) -> dict[str, Any]:
        """What a later step depends on and is no tensor."""
        return {"names": self.names}

    @facts.setter
    def facts(self, value: Mapping[str, Any]) -> None:
        self.names = list(value["names"])

    @property
    def learning_rate(self) -> float:
        """The rate of the first optimizer's next step."""
        return self._first.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        """Change all rates by the factor by which the first changes."""
        share = value / self._first.learning_rate
        for update in self.optimizers.values():
            update.learning_rate = update.learning_rate * share

    @property
    def _first(self) -> Update:
        if not self.optimizers:
            problem = "there is no learning rate: the loop has no optimizer"
            raise OptionError(problem)
        return next(iter(self.optimizers.values()))

    def load(self, batch: Any) -> tuple[Tensor, ...]:
        """Put a batch on the device."""
        found: list[Any] = []
        map_arrays(batch.arrays, found.append)
        self._nesting = batch.arrays
        return tuple(upload(np.asarray(one), self.device) for one in found)

    def prepare(self, tensors: tuple[Tensor, ...]) -> None:
        """Record the step."""
        if self.recipe.record:
            self._program.prepare(*tensors)

    def train(self, tensors: tuple[Tensor, ...]) -> None:
        """Take a step."""
        if self.recipe.record:
            self._program(*tensors)
            return
        with RUNTIME, Context(TRAINING=1):
            self._step(*tensors)
            realize(list(self.tensors.values()))

    def settle(self) -> None:
        """Nothing waits."""

    def clear(self) -> None:
        """Begin new sums."""
        with RUNTIME, uninterrupted():
            self.sums.assign(Tensor.zeros_like(self.sums).contiguous()).realize()

    def read(self) -> dict[str, Any]:
        """Return the numbers that the step returned, as means over samples."""
        with RUNTIME:
            count, *sums = (float(value) for value in self.sums.numpy())
        return {name: total / count if count else float("nan") for name, total in zip(self.names, sums, strict=False)}

    def look(self) -> tuple[float | None, float]:
        """Return the loss since `clear`, or ``None`` where the step returns none of this name."""
        return self.read().get("loss"), 0.0

    def _step(self, *tensors: Tensor) -> None:
        self.moved, self.draws = set(), {name: {} for name in self.models}
        rest = iter(tensors)
        batch = map_arrays(self._nesting, lambda _: next(rest))
        samples = int(tensors[0].shape[0]) if tensors and tensors[0].ndim else 1
        returned = self.recipe.step(Scene(self), batch)
        numbers = _numbers(returned)
        self.names = list(numbers)
        row = [Tensor(float(samples), device=self.device)]
        row += [value * samples for value in numbers.values()]
        row += [Tensor(0.0, device=self.device)] * (1 + _ROOM - len(row))
        joined = Tensor.stack(*(one.cast("float32").reshape(()) for one in row))
        self.sums.assign(self.sums + joined.detach())
        self.counter.assign(self.counter + 1)


def _numbers(returned: Any) -> dict[str, Tensor]:
    if isinstance(returned, Tensor):
        returned = {"loss": returned}
    if returned is None:
        returned = {}
    if not isinstance(returned, Mapping) or len(returned) > _ROOM:
        problem = f"a step returns a dict of up to {_ROOM} numbers by name, or its loss"
        raise TrainingError(problem, got=brief(returned))
    found: dict[str, Tensor] = {}
    for name, value in returned.items():
        tensor = value if isinstance(value, Tensor) else Tensor(float(value))
        if tensor.numel() != 1:
            problem = f"a step returns numbers, and {name!r} is none"
            raise TrainingError(problem, got=f"a tensor {show(tuple(tensor.shape))}", fix=f"{name}.mean()")
        found[str(name)] = tensor
    return found


@dataclass(frozen=True, eq=False)
class Arrays:
    """A batch for a custom step: arrays nested as the data is."""

    arrays: Any

    def __len__(self) -> int:
        found: list[Any] = []
        map_arrays(self.arrays, found.append)
        return len(found[0]) if found and np.ndim(found[0]) else 1


def map_arrays(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Put the results of a function in place of the arrays of nested dicts and tuples."""
    if isinstance(structure, Mapping):
        return {name: map_arrays(part, function) for name, part in structure.items()}
    if isinstance(structure, tuple | list):
        return tuple(map_arrays(part, function) for part in structure)
    return function(structure)


@dataclass(frozen=True, eq=False)
class CustomRecipe:
    """A step, and the models and optimizers that it works with."""

    step: Callable[..., Any]
    models: dict[str, Model]
    optimizers: dict[str, Optimizer]
    seed: int = 0
    device: str | None = None
    record: bool = True

    @staticmethod
    def of(step: Any, models: Any, optimizers: Any, *, seed: int, device: str | None, record: bool) -> CustomRecipe:
        """Check what a user gave.

        Raises:
            OptionError: it is something else.
        """
        if not callable(step):
            problem = "a step is a function of the scene and a batch"
            raise OptionError(problem, got=brief(step), fix="def step(scene, batch): ...")
        known = dict(models or {})
        for name, model in known.items():
            if not isinstance(model, Model) or not isinstance(name, str) or not name.isidentifier():
                problem = "models are given by name"
                raise OptionError(problem, got=f"{brief(name)}: {brief(model)}", fix='{"generator": ...}')
            if hasattr(Scene, name):
                problem = f"a model cannot be called {name!r}: the scene has that name"
                raise OptionError(problem)
        if optimizers is not None and not isinstance(optimizers, Mapping):
            optimizers = dict.fromkeys(known, optimizers)
        rules: dict[str, Optimizer] = {}
        for name, rule in (optimizers or {}).items():
            if name not in known:
                kind = "model"
                raise unknown(kind, name, known, error=OptionError)
            rules[name] = as_optimizer(rule)
            if rules[name].accumulate > 1:
                problem = "a custom step moves weights when it says so: accumulate goes with Loop.trainer"
                raise OptionError(problem, got=repr(rules[name]))
        return CustomRecipe(step, known, rules, seed, device, record)

    @property
    def on(self) -> str:
        """The device."""
        return ready(self.device)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint is for."""
        return {
            "nodes": {name: [[n, node.op] for node, n in model.names.items()] for name, model in self.models.items()},
            "optimizer": {name: repr(rule) for name, rule in self.optimizers.items()},
            "seed": self.seed,
        }

    def start(self, feed: Feed, like: Any) -> dict[str, Params]:
        """Draw first weights, or take those given by model."""
        given = like if isinstance(like, Mapping) else {}
        if like is not None and not isinstance(like, Mapping):
            problem = "like takes weights by the name of the model"
            raise ParamsError(problem, got=brief(like))
        seeds = {name: streams.words(self.seed, name)[0] for name in self.models}
        return {name: draw(model, seeds[name], given.get(name), {}) for name, model in self.models.items()}

    def stepper(self, params: Mapping[str, Params]) -> CustomStepper:
        """Make what takes the steps."""
        return CustomStepper(self, params)

    def feed(self, data: Any, batch_size: int, *, shuffle: bool = True, steps: int | None = None) -> Feed:
        """Make batches: of arrays (one, or nested in a tuple or dict), or of what gives batches."""
        arrays = _as_arrays(data)
        if arrays is None:
            return self._stream(data, batch_size, shuffle=shuffle, steps=steps)
        found: list[Any] = []
        map_arrays(arrays, found.append)
        samples = len(found[0]) if found[0].ndim else 0
        if not samples or any(len(one) != samples for one in found):
            problem = "the arrays have different numbers of samples" if samples else "the data is empty"
            raise DataError(problem, got=", ".join(show(one.shape) for one in found))
        size = min(batch_size, samples)

        def batches(epoch: int, start: int = 0) -> Iterator[Arrays]:
            order = order_of(samples, self.seed, epoch, shuffle=shuffle)
            for begin, end in cuts(samples, size, start, steps):
                at = order[begin:end]
                yield Arrays(map_arrays(arrays, operator.itemgetter(at)))

        count = -(-samples // size)
        return Feed(batches, samples, count if steps is None else min(steps, count), {})

    def _stream(self, data: Any, batch_size: int, *, shuffle: bool, steps: int | None) -> Feed:
        source = as_source(data, batch_size, self.seed, shuffle=shuffle)

        def batches(epoch: int, start: int = 0) -> Iterator[Arrays]:
            for number, item in enumerate(source.batches(epoch)):
                if number >= start:
                    yield Arrays(map_arrays(item, lambda one: _checked(host(one))))
                if steps is not None and number + 1 >= steps:
                    return

        return Feed(batches, None, steps or source.steps, {})

    def result(self, params: Params, history: History, note: str) -> Run:
        """Make what a run returns."""
        parts = {
            name: Params({path[1:]: leaf for path, leaf in params.leaves.items() if path[0] == name})
            for name in self.models
        }
        return Run({n: Trained(m, parts[n], history, None, note) for n, m in self.models.items()}, history, note)


def _as_arrays(data: Any) -> Any:
    """Return data as nested arrays, where it is that and not a list of batches."""
    if isinstance(data, Mapping | tuple) and data:
        parts = list(data.values() if isinstance(data, Mapping) else data)
        if any(_as_arrays(part) is None for part in parts):
            return None
        names = list(data) if isinstance(data, Mapping) else None
        made = [_as_arrays(part) for part in parts]
        return dict(zip(names, made, strict=True)) if names is not None else tuple(made)
    if getattr(data, "shape", None):
        return _checked(host(data))
    return None


def _checked(value: Any) -> Any:
    array = np.asarray(as_numbers(value, "the data"))
    check_finite(array, "the data")
    return array.astype(np.float32) if array.dtype == np.float64 else array


class Run(Mapping[str, Trained]):
    """What a custom loop returns: a ``Trained`` for each model by name, and one history."""

    def __init__(self, parts: Mapping[str, Trained], history: History, note: str = "") -> None:
        self._parts, self.history, self.note = dict(parts), history, note

    def __getitem__(self, name: str) -> Trained:
        if name not in self._parts:
            kind = "model"
            raise unknown(kind, name, self._parts)
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(next(iter(self.history.values()), []))

    @property
    def params(self) -> dict[str, Params]:
        """The weights by model: what ``like=`` takes."""
        return {name: one.params for name, one in self._parts.items()}

    def __repr__(self) -> str:
        last = "".join(f", {name} {values[-1]:.4g}" for name, values in self.history.items() if values)
        return f"<Run of {', '.join(self._parts) or 'a step'}: {self.epochs} epochs{last}>"
