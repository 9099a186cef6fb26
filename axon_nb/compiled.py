"""Owns running a model: `predict`, `apply` and `build`, and a model compiled with its weights.

Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tinygrad import Tensor

from axon_nb import hooks
from axon_nb.data import Kind, as_declared, as_inputs, as_tensor, batch_shapes, check_whole
from axon_nb.engine import RUNTIME, Program, default_device, download, empty, marks, ready, upload
from axon_nb.errors import GraphError, OptionError, ParamsError, brief
from axon_nb.forward import Values, forward, map_tensors, tensors_of
from axon_nb.graph import Model, Node, verb
from axon_nb.initial import check_seed, draw
from axon_nb.params import Leaf, Params, Path, check_fits, realize
from axon_nb.trace import trace

Mode = Literal["train", "inference"]


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
    return Compiled(model, params, device=device, _runs=_runs(model))(x)


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
    check_seed(seed)
    _check_params(params)
    with RUNTIME:
        arrays = as_inputs(model, x)
        _check_fit(model, params, arrays)
        traced_on = _has_tensor(arrays)
        inputs = {node: as_tensor(value, node.options["dtype"], _device_of(params)) for node, value in arrays.items()}
        tensors = _tensors(params)
        values = Values(tensors, seed=seed, device=_device_of(params))
        result = forward(model, values, inputs, training=mode == "train")
        after = Params({p: Leaf(values.updates.get(p, leaf.tensor), leaf.kind) for p, leaf in params.leaves.items()})
        if not traced_on:
            realize([*tensors_of(result), *values.updates.values()])
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
        for (nodes, _), run in _runs(model).by_names.items()
        for kind in run.program.kinds
    ]


@dataclass
class _Run:
    """The program of a model's run on certain inputs, and how its results are nested: known once it was run."""

    program: Program
    nesting: list[Any]


class _Runs:
    """What all runs of a model share, whatever the weights: its programs, and what was found to fit."""

    def __init__(self) -> None:
        self.by_names: dict[tuple[tuple[Node, ...], tuple[Path, ...]], _Run] = {}
        """By the inputs that are given and the names of the weights."""
        self._fitting: set[Any] = set()

    def of(self, model: Model, nodes: tuple[Node, ...], paths: tuple[Path, ...]) -> _Run:
        """Return the run on certain inputs with weights of certain names."""
        key = nodes, paths
        if key not in self.by_names:
            self.by_names[key] = _make_run(model, nodes, paths)
        return self.by_names[key]

    def check(self, model: Model, params: Params, arrays: Mapping[Node, Any]) -> None:
        """Check that data and weights fit the model; what was found to fit, and is still the same, not again."""
        tensors = _tensors(params)
        shapes = tuple((node, tuple(value.shape)) for node, value in arrays.items())
        key = shapes, tuple(tensors), marks([tensor.uop for tensor in tensors.values()])
        if key in self._fitting:
            for node, value in arrays.items():
                check_whole(model.names[node], node.options["dtype"], value)
            return
        _check_fit(model, params, arrays)
        if len(self._fitting) >= _MOST_FITTING:
            self._fitting.clear()
        self._fitting.add(key)


_MOST_FITTING = 64


def _runs(model: Model) -> _Runs:
    if "_runs" not in model.__dict__:
        model.__dict__["_runs"] = _Runs()
    found: _Runs = model.__dict__["_runs"]
    return found


def _make_run(model: Model, nodes: tuple[Node, ...], paths: tuple[Path, ...]) -> _Run:
    nesting: list[Any] = []

    def run(*tensors: Tensor) -> tuple[Tensor, ...]:
        values = Values(dict(zip(paths, tensors[len(nodes) :], strict=True)))
        fed = dict(zip(nodes, tensors[: len(nodes)], strict=True))
        result = forward(model, values, fed, training=False)
        nesting[:] = [map_tensors(result, lambda _: None)]
        return tuple(tensors_of(result))

    eager = hooks.reads_values(model, training=False)
    return _Run(Program(run, f"predict {model.name or ''}".strip(), eager=eager), nesting)


class Compiled:
    """A model with its weights on a device; call it with data."""

    def __init__(self, model: Model, params: Params, *, device: str | None = None, _runs: _Runs | None = None) -> None:
        _check_params(params)
        own = _device_of(params)
        self.model = model
        self.device = own if device is None else ready(device)
        self.params = params if self.device == own else params.to(self.device)
        self._runs = _Runs() if _runs is None else _runs

    def __call__(self, x: Any) -> Any:
        """Run on data: arrays give arrays, tensors give tensors."""
        with RUNTIME:
            arrays = as_inputs(self.model, x)
            self._runs.check(self.model, self.params, arrays)
            tensors = _tensors(self.params)
            run = self._runs.of(self.model, tuple(arrays), tuple(tensors))
            given = [as_declared(value, node.options["dtype"], self.device) for node, value in arrays.items()]
            if any(isinstance(one, Tensor) for one in given):
                ready_ones = (one if isinstance(one, Tensor) else upload(one, self.device) for one in given)
                results = iter(run.program(*ready_ones, *tensors.values()))
            else:
                results = iter(run.program.feed(given, *tensors.values(), device=self.device))
            found = map_tensors(run.nesting[0], lambda _: next(results))
            return found if _has_tensor(arrays) else map_tensors(found, _as_array)

    def prepare(self, kind: Kind) -> None:
        """Record for inputs of a kind, without running."""
        with RUNTIME:
            tensors = _tensors(self.params)
            run = self._runs.of(self.model, tuple(self.model.by_name[name] for name in kind.inputs), tuple(tensors))
            run.program.prepare(*empty(kind.tensors), *tensors.values())

    def __repr__(self) -> str:
        return f"<Compiled on {self.device}: {self.model!r}>"


def _check_fit(model: Model, params: Params, arrays: Mapping[Node, Any]) -> None:
    shapes = batch_shapes(model, arrays)
    traced = trace(model, shapes, set(model.inputs) - set(arrays)).check()
    check_fits(params, {path: (spec.shape, spec.dtype) for path, spec in traced.params().items()})


def _has_tensor(arrays: Mapping[Node, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in arrays.values())


def _tensors(params: Params) -> dict[Path, Tensor]:
    return {path: leaf.tensor for path, leaf in params.leaves.items()}


def _as_array(result: Any) -> Any:
    return download(result) if isinstance(result, Tensor) else result


def _check_mode(mode: Any) -> None:
    if mode not in ("train", "inference"):
        problem = "mode is 'train' or 'inference'"
        raise OptionError(problem, got=brief(mode))


def _check_params(params: Any) -> None:
    if not isinstance(params, Params):
        problem = "params come from model.init() or fit(...).params"
        raise ParamsError(problem, got=brief(params))


def _device_of(params: Params) -> str:
    for leaf in params.leaves.values():
        device = leaf.tensor.device
        return device if isinstance(device, str) else default_device()
    return default_device()


__all__ = ["Compiled", "apply", "build", "compile", "predict", "predicted"]
