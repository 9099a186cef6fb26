"""Owns what makes numbers of a model: first weights, the forward pass, and a model compiled with its weights.

Knows nothing about training.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tinygrad import Tensor, dtypes

from axon_nb import hooks
from axon_nb.data import as_inputs, batch_shapes
from axon_nb.engine import RUNTIME, Program, Signature, default_device, download, empty, ready, upload
from axon_nb.engine import random as streams
from axon_nb.errors import AxonError, DataError, GraphError, OptionError, ParamsError, ShapeError, brief
from axon_nb.functional.dropout import box_muller
from axon_nb.functional.initializers import as_initializer
from axon_nb.graph import Model, Node, leaves, map_leaves, verb, where
from axon_nb.lazy import numpy as np
from axon_nb.params import Carried, Leaf, Params, Path, check_fits, dtype_name, realize
from axon_nb.scope import Scope
from axon_nb.shapes import show, whole
from axon_nb.source import here
from axon_nb.trace import ParamSpec, Trace, call, path_of, trace

Mode = Literal["train", "inference"]


@verb
def init(model: Model, /, seed: int = 0, like: Any = None, **shapes: Any) -> Params:
    """Draw first weights. The same seed gives the same weights, on every device.

    Args:
        model: the model.
        seed: any whole number.
        like: weights to keep where name, shape and kind of numbers fit (params, or what ``fit`` returned). What does
            not fit is drawn; a warning says so, and ``params.carried`` of the result has all of it. Only values are
            taken: what is frozen, the model says.
        **shapes: shapes of inputs that were declared without one.

    Raises:
        ShapeError: a layer does not fit, or a weight's shape depends on a size that is not known.
        OptionError: the seed is not a whole number, or an initializer cannot draw.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 3)) | dense(2)).init(seed=1).count
        8
    """
    return draw(model, seed, like, shapes)


def draw(model: Model, seed: int, like: Any, shapes: Mapping[str, Any]) -> Params:
    """Draw first weights, as ``init`` does; inputs may be called anything."""
    _check_seed(seed)
    traced = trace(model, dict(shapes)).check_known()
    specs, kinds = traced.params(), traced.kinds()
    device = ready()
    kept, carried = _keep(like, specs, device) if like is not None else ({}, None)
    with RUNTIME:
        drawn = {
            path: Leaf(kept[path] if path in kept else _draw(seed, path, spec, device), kinds[path])
            for path, spec in specs.items()
        }
        _hook_first(traced, drawn, kept)
        realize([leaf.tensor for leaf in drawn.values()])
    return Params(drawn, carried)


def _hook_first(traced: Trace, drawn: dict[Path, Leaf], kept: Mapping[Path, Tensor]) -> None:
    """Show hooks the weights of their layers, where not all were kept from before."""
    owned: dict[Node, dict[str, Path]] = {}
    for path, (node, spec) in traced.declared().items():
        owned.setdefault(node, {})[spec.name] = path
    for node in traced.model.nodes:
        paths = owned.get(traced.model.owners[node.layer], {})
        if not node.hooks or all(path in kept for path in paths.values()):
            continue
        found = hooks.initialized(traced.model, node, {name: drawn[path].tensor for name, path in paths.items()})
        for name, path in paths.items():
            drawn[path] = replace(drawn[path], tensor=found[name])


def _check_mode(mode: Any) -> None:
    if mode not in ("train", "inference"):
        problem = "mode is 'train' or 'inference'"
        raise OptionError(problem, got=brief(mode))


def _check_seed(seed: Any) -> None:
    if whole(seed) is None:
        problem = "seed must be a whole number"
        raise OptionError(problem, got=brief(seed))


def _draw(seed: int, path: Path, spec: ParamSpec, device: str) -> Tensor:
    place = f"the initializer of {'.'.join(path)}"
    try:
        values = as_initializer(spec.initializer)(spec.shape, streams.generator(seed, *path))
        values = np.asarray(values, dtype=np.float32, order="C")
    except AxonError as error:
        raise error.at(place) from None
    except Exception as error:
        problem = f"failed: {error}"
        fix = "an initializer takes a shape and a NumPy generator, and returns an array"
        raise OptionError(problem, where=place, fix=fix) from error
    if values.shape != spec.shape:
        problem = "gave another shape"
        raise ShapeError(problem, where=place, got=f"{show(values.shape)} for {show(spec.shape)}")
    if spec.dtype == "bfloat16":  # which NumPy does not have
        return Tensor(values, dtype=spec.dtype, device=device).contiguous()
    return upload(values.astype(spec.dtype, copy=False), device)


def _keep(like: Any, specs: Mapping[Path, ParamSpec], device: str) -> tuple[dict[Path, Tensor], Carried]:
    params = getattr(like, "params", like)
    if not isinstance(params, Params):
        problem = "like takes params, or what fit returned"
        raise ParamsError(problem, got=brief(like))
    old = params.leaves
    misfits = {path: _misfit(leaf.tensor, specs.get(path)) for path, leaf in old.items()}
    kept = {path: leaf for path, leaf in old.items() if not misfits[path]}
    carried = Carried(
        kept=tuple(".".join(path) for path in kept),
        dropped={".".join(path): why for path, why in misfits.items() if why},
        drawn={".".join(path): misfits.get(path) or "is new" for path in specs if path not in kept},
    )
    if not carried.is_whole:
        place = here()
        dropped, drawn = carried.dropped, carried.drawn
        words = [f"dropped {', '.join(dropped)}"] * bool(dropped) + [f"drew {', '.join(drawn)}"] * bool(drawn)
        text = f"like: kept {len(kept)} of {len(specs)} parameters; {'; '.join(words)}"
        warnings.warn_explicit(text, UserWarning, place.filename if place else "", place.line if place else 0)
    copied = Params(kept).to(device).copy().leaves
    return {path: leaf.tensor for path, leaf in copied.items()}, carried


def _misfit(tensor: Tensor, spec: ParamSpec | None) -> str:
    """Say why a weight cannot be kept; nothing where it can."""
    if spec is None:
        return "the model has none of that name"
    if tuple(tensor.shape) != spec.shape:
        return f"was {show(tuple(tensor.shape))} and is {show(spec.shape)}"
    have = dtype_name(tensor.dtype)
    alike = have == spec.dtype or ("float" in have and "float" in spec.dtype)
    return "" if alike else f"was {have} and is {spec.dtype}"


class RunScope(Scope):
    """The scope of a layer that is run: parameters come with their values."""

    def __init__(self, values: Values, path: Path, *, training: bool) -> None:
        super().__init__(training=training)
        self._values = values
        self._path = path

    def inside(self, name: str) -> RunScope:
        return RunScope(self._values, (*self._path, *name.split(".")), training=self.training)

    def param(self, name: str, shape: Sequence[int], initializer: Any = None, dtype: str = "float32") -> Any:
        path = (*self._path, *name.split("."))
        if path not in self._values.tensors:
            problem = f"declares {name!r} in one mode only"
            raise ParamsError(problem, fix="declare it in training and without, and use it where you need it")
        return self._values.get(path)

    def state(self, name: str, shape: Sequence[int], initializer: Any = None, dtype: str = "float32") -> Any:
        return self.param(name, shape)

    def update(self, name: str, value: Any) -> None:
        if self.training:
            self._values.updates[*self._path, *name.split(".")] = value

    def random(self, shape: Sequence[int]) -> Any:
        draw = self._values.next_draw(self._path)
        words = streams.words(self._values.seed, *self._path)
        sizes = tuple(int(s) for s in shape)
        drawn = streams.uniform(words, self._values.counter, draw, sizes, device=self._values.device)
        return drawn if self._values.spread is None else self._values.spread(drawn)

    def normal(self, shape: Sequence[int]) -> Any:
        return box_muller(self.random(shape), self.random(shape))


@dataclass
class Values:
    """What one forward pass reads and writes: weights, the states' next values, and where random streams stand."""

    tensors: Mapping[Path, Tensor]
    seed: int = 0
    counter: Tensor | None = None
    device: str | None = None
    updates: dict[Path, Tensor] = field(default_factory=dict)
    draws: dict[Path, int] = field(default_factory=dict)
    spread: Callable[[Tensor], Tensor] | None = None
    """Where several devices share the pass: puts random numbers on them."""

    def get(self, path: Path) -> Tensor:
        """Return a weight; a state that this pass has updated (a layer used twice) comes updated."""
        return self.updates[path] if path in self.updates else self.tensors[path]

    def next_draw(self, path: Path) -> int:
        """Count the draws of a layer's stream in this pass, also over several uses of the layer."""
        self.draws[path] = self.draws.get(path, -1) + 1
        return self.draws[path]


def forward(
    model: Model, values: Values, inputs: Mapping[Node, Tensor], *, training: bool,
    each: Callable[[Node, Tensor], Tensor] | None = None,
) -> Any:  # fmt: skip
    """Run a model on tensors; returns tensors nested as the outputs are. Computes nothing yet.

    Args:
        model: the model.
        values: its weights.
        inputs: a tensor for each input.
        training: the mode.
        each: what to put in place of each tensor that a layer returns.

    Raises:
        AxonError: a layer refuses its input; names the layer.
    """
    results: dict[Node, Any] = dict.fromkeys(set(model.inputs) - set(inputs))

    def finish(node: Node, value: Any) -> None:
        value = hooks.passed(model, node, "forward", value, training=training)
        results[node] = hooks.with_backward(model, node, value) if training else value

    for node in model.nodes:
        if node in inputs:
            finish(node, inputs[node])
            continue
        if node in results:
            continue
        given: list[Any] = [None if parent is None else results[parent] for parent in node.inputs]
        if node.lacks(lambda one: results[one] is None):
            results[node] = None
            continue
        if node.hooks:
            taken = given[0] if len(given) == 1 else tuple(given)
            taken = hooks.passed(model, node, "pre_forward", taken, training=training)
            given = [taken] if len(given) == 1 else list(taken)
        if node.is_input or node.is_pick:
            finish(node, given[0][node.options["index"]] if node.is_pick else given[0])
            continue
        scope = RunScope(values, path_of(model, node), training=training)
        try:
            result = call(node.layer, scope, given)
            if each is not None:
                result = map_tensors(result, functools.partial(each, node))
        except AxonError as error:
            raise error.at(where(node.layer, model.names[node])) from None
        except Exception as error:
            place = where(node.layer, model.names[node])
            got = ", ".join(str(tuple(one.shape)) for one in given if one is not None)
            raise ShapeError(str(error) or type(error).__name__, where=place, got=got) from error
        finish(node, result)
    _check_there(model, results)
    return map_leaves(model.outputs, results.__getitem__)


def _check_there(model: Model, results: Mapping[Node, Any]) -> None:
    """Check that all outputs have a value, and say which layer was the first to lack one.

    Raises:
        DataError: an output depends on an input that was left out.
    """
    if all(results[node] is not None for node in leaves(model.outputs)):
        return
    names = [repr(model.names[node]) for node in model.inputs if results[node] is None]
    first = next(node for node in model.nodes if results[node] is None and not node.is_input)
    problem = f"needs input {' and '.join(names)}, which was left out"
    fix = "give data for it, or let or_else(value, other) choose another value before this layer"
    raise DataError(problem, where=where(first.layer, model.names[first]), fix=fix)


@verb
def predict(model: Model, params: Params, x: Any, *, device: str | None = None) -> Any:
    """Run the model on data, as after training: dropout drops nothing, batch norm uses its running values.

    Args:
        model: the model.
        params: from ``init`` or ``fit``.
        x: an array, a tensor, or a dict of them by input.
        device: where to run; the one of the params by default.

    Returns:
        A NumPy array, or a tensor where a tensor was given; nested as the outputs are.

    Raises:
        DataError: the data does not fit the inputs.
        ParamsError: the params are another model's.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> model = input((None, 3)) | dense(2, kernel_initializer="ones")
        >>> model.predict(model.init(), np.ones((1, 3), "float32"))
        array([[3., 3.]], dtype=float32)
    """
    return Compiled(model, params, device=device, _cache=_programs(model))(x)


def _programs(model: Model) -> dict[str, Any]:
    programs: dict[str, Any] = model.__dict__.setdefault("_predict_programs", {})
    return programs


@verb
def apply(model: Model, params: Params, x: Any, mode: Mode = "train", seed: int = 0) -> tuple[Any, Params]:
    """Run the model as a pure function: same arguments, same result; nothing is changed.

    Where a tinygrad tensor is given, the results are not computed yet, and gradients go through them to it and to the
    params: ``loss(y).gradient(x, *params.flat.values())``, for training loops of one's own.

    Returns:
        The output as tensors, and the params with the states' next values (in training mode).

    Raises:
        DataError: the data does not fit the inputs.
        OptionError: the mode is not one.

    Example:
        >>> import numpy as np
        >>> from axon_nb import batch_norm, input
        >>> model = input((None, 1)) | batch_norm(momentum=0.5)
        >>> y, after = model.apply(model.init(), np.array([[1.0], [3.0]], "float32"))
        >>> after["batch_norm_0"]["mean"].tolist()
        [1.0]
    """
    _check_mode(mode)
    _check_seed(seed)
    _check_params(params)
    with RUNTIME:
        inputs, traced_on = _prepare(model, params, x, _device_of(params))
        tensors = {path: leaf.tensor for path, leaf in params.leaves.items()}
        values = Values(tensors, seed=seed, device=_device_of(params))
        result = forward(model, values, inputs, training=mode == "train")
        after = Params({p: Leaf(values.updates.get(p, leaf.tensor), leaf.kind) for p, leaf in params.leaves.items()})
        if not traced_on:
            realize([*_tensors(result), *values.updates.values()])
    return result, after


def build(model: Model, mode: Mode = "inference") -> tuple[Callable[..., Params], Callable[..., Any]]:
    """Return a model as two pure functions: ``init_fn(seed, **shapes)`` and ``predict_fn(params, x)``.

    In train mode ``predict_fn(params, x, seed)`` returns the output and the next params, as ``apply`` does.

    Raises:
        GraphError: it is no model.
        OptionError: the mode is not ``"train"`` or ``"inference"``.

    Example:
        >>> import numpy as np
        >>> from axon_nb import build, dense, input
        >>> init_fn, predict_fn = build(input((None, 3)) | dense(2))
        >>> predict_fn(init_fn(0), np.ones((1, 3), "float32")).shape
        (1, 2)
    """
    if not isinstance(model, Model):
        problem = "build takes a model"
        raise GraphError(problem, got=brief(model), fix="begin with input(...): input((None, 3)) | layer")
    _check_mode(mode)
    if mode == "inference":
        return model.init, model.predict  # type: ignore[attr-defined]  # verbs, added above
    return model.init, lambda params, x, seed=0: apply(model, params, x, mode, seed)  # type: ignore[attr-defined]


@verb
def compile(
    model: Model, /, device: str | None = None, seed: int = 0, params: Params | None = None, **shapes: Any
) -> Compiled:
    """Put a model on a device with weights of its own.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> double = (input((None, 1)) | dense(1, kernel_initializer=2.0)).compile()
        >>> double(np.array([[21.0]], "float32"))
        array([[42.]], dtype=float32)
    """
    return Compiled(model, params if params is not None else draw(model, seed, None, shapes), device=device)


@dataclass(frozen=True)
class Kind:
    """Data of one kind that a model was run on: these inputs, as tensors of these shapes and dtypes."""

    inputs: tuple[str, ...]
    tensors: Signature
    training: bool = False
    """Whether weights were trained with it; else it was for a prediction or an evaluation."""


def predicted(model: Model) -> list[Kind]:
    """List the kinds of data that a model has been run on.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> model = input((None, 3), name="x") | dense(2)
        >>> _ = model.predict(model.init(), np.ones((5, 3), "float32"))
        >>> [(kind.inputs, kind.tensors[0][0]) for kind in predicted(model)]
        [(('x',), (5, 3))]
    """
    return [
        Kind(tuple(model.names[node] for node in nodes), kind[: len(nodes)])
        for program, _, nodes in _programs(model).values()
        for kind in program.kinds
    ]


class Compiled:
    """A model with its weights on a device; call it with data."""

    def __init__(
        self, model: Model, params: Params, *, device: str | None = None, _cache: dict[str, Any] | None = None
    ) -> None:
        _check_params(params)
        self.model = model
        self.device = ready(device) if device is not None else _device_of(params)
        self.params = params if self.device == _device_of(params) else params.to(self.device)
        self._programs = {} if _cache is None else _cache

    def __call__(self, x: Any) -> Any:
        """Run on data: arrays give arrays, tensors give tensors."""
        with RUNTIME:
            inputs, wants_tensor = _prepare(self.model, self.params, x, self.device)
            tensors = {path: leaf.tensor for path, leaf in self.params.leaves.items()}
            nodes = tuple(inputs)
            program, nesting, _ = self._program(nodes, tuple(tensors))
            results = iter(program(*inputs.values(), *tensors.values()))
            found = map_tensors(nesting[0], lambda _: next(results))
            return found if wants_tensor else map_tensors(found, as_array)

    def _program(self, nodes: tuple[Node, ...], paths: tuple[Path, ...]) -> tuple[Program, list[Any], tuple[Node, ...]]:
        key = repr((tuple(node.key for node in nodes), paths))
        if key not in self._programs:
            nesting: list[Any] = []  # how the results are nested; known once the model has run

            def run(*tensors: Tensor) -> tuple[Tensor, ...]:
                values = Values(dict(zip(paths, tensors[len(nodes) :], strict=True)))
                fed = dict(zip(nodes, tensors[: len(nodes)], strict=True))
                result = forward(self.model, values, fed, training=False)
                nesting[:] = [map_tensors(result, lambda _: None)]
                return tuple(_tensors(result))

            eager = hooks.reads_values(self.model, training=False)
            self._programs[key] = Program(run, f"predict {self.model.name or ''}".strip(), eager=eager), nesting, nodes
        made: tuple[Program, list[Any], tuple[Node, ...]] = self._programs[key]
        return made

    def prepare(self, kind: Kind) -> None:
        """Record for inputs of a kind, without running."""
        with RUNTIME:
            tensors = {path: leaf.tensor for path, leaf in self.params.leaves.items()}
            program, _, _ = self._program(tuple(self.model.by_name[name] for name in kind.inputs), tuple(tensors))
            program.prepare(*empty(kind.tensors), *tensors.values())

    def __repr__(self) -> str:
        return f"<Compiled on {self.device}: {self.model!r}>"


def map_tensors(structure: Any, function: Callable[[Tensor], Any]) -> Any:
    """Put the results of a function in place of the tensors of a nested result."""
    if isinstance(structure, dict):
        return {name: map_tensors(part, function) for name, part in structure.items()}
    if isinstance(structure, tuple | list):
        return tuple(map_tensors(part, function) for part in structure)
    return function(structure)


def as_array(tensor: Tensor) -> np.ndarray:
    """Read a tensor; NumPy has no bfloat16, which comes as float32."""
    wide = tensor.float() if tensor.dtype == dtypes.bfloat16 else tensor
    return download(wide)


def _tensors(structure: Any) -> list[Tensor]:
    found: list[Tensor] = []
    map_tensors(structure, found.append)
    return found


def _prepare(model: Model, params: Params, x: Any, device: str) -> tuple[dict[Node, Tensor], bool]:
    arrays = as_inputs(model, x)
    shapes = batch_shapes(model, arrays)
    traced = trace(model, shapes, set(model.inputs) - set(arrays)).check()
    check_fits(params, {path: (spec.shape, spec.dtype) for path, spec in traced.params().items()})
    wants_tensor = any(isinstance(value, Tensor) for value in arrays.values())
    tensors = {node: as_tensor(value, node.options["dtype"], device) for node, value in arrays.items()}
    return tensors, wants_tensor


def _check_params(params: Any) -> None:
    if not isinstance(params, Params):
        problem = "params come from model.init() or fit(...).params"
        raise ParamsError(problem, got=brief(params))


def as_tensor(value: Any, dtype: str, device: str, put: Callable[[Any], Tensor] | None = None) -> Tensor:
    """Put an array or a tensor on a device, with the dtype that an input declares; ``put`` uploads in its own way."""
    if isinstance(value, Tensor):
        return value.cast(dtype).to(device)
    if dtype == "bfloat16":  # which NumPy does not have
        return Tensor(np.ascontiguousarray(value), dtype=dtype, device=device)
    array = np.asarray(value, dtype)
    return upload(array, device) if put is None else put(array)


def _device_of(params: Params) -> str:
    for leaf in params.leaves.values():
        device = leaf.tensor.device
        return device if isinstance(device, str) else default_device()
    return default_device()


__all__ = [
    "Compiled",
    "Kind",
    "Values",
    "apply",
    "as_tensor",
    "build",
    "compile",
    "draw",
    "forward",
    "init",
    "leaves",
    "map_tensors",
    "predict",
    "predicted",
]
