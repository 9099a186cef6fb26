"""Owns running a model: `predict`, `apply` and `build`, and a model compiled with its weights.

Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from tinygrad import Tensor, dtypes

from axon_nb import hooks
from axon_nb.data import Kind, as_inputs, as_tensor, batch_shapes
from axon_nb.engine import RUNTIME, Program, default_device, download, empty, ready
from axon_nb.errors import GraphError, OptionError, ParamsError, brief
from axon_nb.forward import Values, forward, map_tensors, tensors_of
from axon_nb.graph import Model, Node, verb
from axon_nb.initial import check_seed, draw
from axon_nb.lazy import numpy as np
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
    check_seed(seed)
    _check_params(params)
    with RUNTIME:
        inputs, traced_on = _prepare(model, params, x, _device_of(params))
        tensors = {path: leaf.tensor for path, leaf in params.leaves.items()}
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
                return tuple(tensors_of(result))

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


def as_array(tensor: Tensor) -> np.ndarray:
    """Read a tensor; NumPy has no bfloat16, which comes as float32."""
    wide = tensor.float() if tensor.dtype == dtypes.bfloat16 else tensor
    return download(wide)


def _prepare(model: Model, params: Params, x: Any, device: str) -> tuple[dict[Node, Tensor], bool]:
    arrays = as_inputs(model, x)
    shapes = batch_shapes(model, arrays)
    traced = trace(model, shapes, set(model.inputs) - set(arrays)).check()
    check_fits(params, {path: (spec.shape, spec.dtype) for path, spec in traced.params().items()})
    wants_tensor = any(isinstance(value, Tensor) for value in arrays.values())
    tensors = {node: as_tensor(value, node.options["dtype"], device) for node, value in arrays.items()}
    return tensors, wants_tensor


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
