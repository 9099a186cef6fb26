"""Owns what was not made for this library and stands in a pipe: objects that hold tensors, and plugs.

Knows nothing about shapes or devices. What somebody gives is never changed: its tensors are the first values of a
layer's parameters, and each run works on a copy that holds the parameters in their place.
"""

from __future__ import annotations

import copy
import functools
import inspect
import weakref
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from tinygrad import Context, Tensor, dtypes
from tinygrad.nn.state import get_state_dict

from axon_nb.checks import dtype_name
from axon_nb.declaration import Declaration, name_of, plain
from axon_nb.errors import GraphError, ParamsError, brief
from axon_nb.layer import Layer, Op, adapters, combinator
from axon_nb.lazy import numpy as np


class _StateTensor(Tensor):
    """A state that may be assigned to: the new value is taken up after the run, the old one stays as it was."""

    def assign(self, x: Any) -> Tensor:
        value = x if isinstance(x, Tensor) else Tensor(x, dtype=self.dtype, device=self.device)
        self.uop = value.expand(self.shape).cast(self.dtype).uop
        return self


class _Holding:
    """Tensors inside an object, as parameters and states of a layer."""

    def __init__(self, held: Any) -> None:
        self.held = held
        names: dict[str, Tensor] = {"value": held} if isinstance(held, Tensor) else get_state_dict(held)
        first: dict[int, str] = {}
        for name, tensor in names.items():
            first.setdefault(id(tensor), name)
        self.tensors = {name: names[name] for name in first.values()}

    def filled(self, scope: Any) -> tuple[Any, dict[str, Tensor]]:
        """Copy the object with the layer's tensors in place of its own; also return those of the states."""
        new: dict[int, Any] = {}
        states: dict[str, Tensor] = {}
        for name, tensor in self.tensors.items():
            declare = scope.state if _is_state(tensor) else scope.param
            dtype = dtype_name(tensor.dtype)
            value = declare(name, tuple(map(int, tensor.shape)), functools.partial(_first_values, tensor), dtype)
            if _is_state(tensor):
                value = states[name] = _StateTensor(value.uop)
            new[id(tensor)] = value
        return _exchanged(self.held, new, {}), states

    def update(self, scope: Any, before: Mapping[str, Any], after: Any) -> None:
        """Take up the states' new values."""
        names = {"value": after} if isinstance(after, Tensor) else get_state_dict(after)
        for name, tensor in names.items():
            if name in before and tensor.uop is not before[name]:
                scope.update(name, Tensor(tensor.uop))


def _is_state(tensor: Tensor) -> bool:
    return not dtypes.is_float(tensor.dtype) or tensor.is_param is False


def _first_values(tensor: Tensor, shape: tuple[int, ...], rng: Any) -> np.ndarray:
    return np.array(tensor.float().numpy()).reshape(shape)


def _exchanged(value: Any, new: Mapping[int, Any], known: dict[int, Any]) -> Any:
    """Copy what holds tensors, with other tensors in their place."""
    if id(value) in known:
        return known[id(value)]
    if isinstance(value, Tensor):
        return new.get(id(value), value)
    if isinstance(value, dict):
        return {name: _exchanged(part, new, known) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_exchanged(part, new, known) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(_exchanged(part, new, known) for part in value)
    if not _holds_tensors(value):
        return value
    made = known[id(value)] = copy.copy(value)
    for name, part in list(vars(value).items()):
        vars(made)[name] = _exchanged(part, new, known)
    return made


def _holds_tensors(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, type | ModuleType) and bool(get_state_dict(value))


class _Call:
    """The function of a layer that is an object with tensors: what is called is a copy of it."""

    def __init__(self, owner: Any, method: str | None) -> None:
        self.holding = _Holding(owner)
        self.method = method

    def __call__(self, scope: Any, *tensors: Tensor) -> Any:
        """Run the object, or one of its methods, with the layer's parameters in place of its tensors."""
        owner, states = self.holding.filled(scope)
        before = {name: tensor.uop for name, tensor in states.items()}
        with Context(TRAINING=int(scope.training)):
            result = getattr(owner, self.method)(*tensors) if self.method else owner(*tensors)
        self.holding.update(scope, before, owner)
        return result


_known: weakref.WeakValueDictionary[tuple[int, str | None], Op] = weakref.WeakValueDictionary()


def _held_layer(value: Any) -> Layer | None:
    """Return the layer of an object that holds tensors, or of a method of it; the same object is the same layer."""
    is_method = inspect.ismethod(value) and not isinstance(value.__self__, type)
    owner, method = (value.__self__, value.__name__) if is_method else (value, None)
    if inspect.isroutine(owner) or isinstance(owner, functools.partial) or not _holds_tensors(owner):
        return None
    op = _known.get((id(owner), method))
    if op is None:
        op = _known[id(owner), method] = Op(_declaration(_Call(owner, method), value), {})
    return op


def _declaration(run: Callable[..., Any], written: Any, *, leave: int = 0, name: str | None = None) -> Declaration:
    """Declare a layer that runs a function in place of what was written, whose last arguments may be no inputs."""
    known = plain(written)
    inputs = known.inputs[: len(known.inputs) - leave] if leave else known.inputs
    if not inputs:
        problem = f"{name or known.name} takes no tensor"
        raise GraphError(problem, got=brief(written), fix="def call(self, x, state): ...")
    return Declaration(name or known.name, "custom", run, inputs, known.variadic, scoped=True, options=())


adapters.append(_held_layer)


@combinator
def plug(thing: Any, *options: Any, name: str | None = None, **named: Any) -> Layer:
    """Make a layer of a plug: a class, an object or a module with ``init(options)`` and ``call(x, state)``.

    ``init`` gets the options once, when the layer is made; what it returns is handed to each ``call``. Tensors in it
    are the layer's parameters; those that are whole numbers, or ``.is_param_(False)``, are its state, which ``call``
    changes by returning ``(result, state)``. A function is a plug without ``init``: ``plug(scale, 2.0)`` calls
    ``scale(x, 2.0)``.

    Raises:
        GraphError: it is no plug.

    Example:
        >>> from axon_nb import input, plug
        >>> class Leaky:
        ...     def init(self, slope):
        ...         return slope
        ...     def call(self, x, slope):
        ...         return x.relu() - slope * (-x).relu()
        >>> (input((None, 8)) | plug(Leaky, 0.05)).output_shape
        (None, 8)
    """
    if not (hasattr(thing, "init") and hasattr(thing, "call")):
        if callable(thing) and not isinstance(thing, type):
            run = functools.wraps(thing)(functools.partial(_with_options, thing, options, named))
            known = plain(thing)
            inputs = known.inputs[: max(len(known.inputs) - len(options), 1)]
            return Op(
                Declaration(known.name, "custom", run, inputs, known.variadic, scoped=False, options=()), {}, name
            )
        problem = "a plug is a function, or has init(options) and call(x, state)"
        raise GraphError(
            problem, got=brief(thing), fix="class Scaled: def init(self, by): ...; def call(self, x, by): ..."
        )
    made = thing() if isinstance(thing, type) and not _is_static(thing) else thing
    state = made.init(*options, **named)
    takes = len(plain(made.call).inputs)
    called = "plug" if name_of(thing) == "module" else name_of(thing)
    called_with = _Plug(made, state, takes_state=takes > 1)
    return Op(_declaration(called_with, made.call, leave=int(takes > 1), name=called.rpartition(".")[2]), {}, name)


def _with_options(function: Callable[..., Any], options: tuple[Any, ...], named: dict[str, Any], *xs: Any) -> Any:
    return function(*xs, *options, **named)


def _is_static(thing: type) -> bool:
    return all(isinstance(inspect.getattr_static(thing, n), staticmethod | classmethod) for n in ("init", "call"))


class _Plug:
    """The function of a layer that is a plug."""

    def __init__(self, target: Any, state: Any, *, takes_state: bool) -> None:
        self.target = target
        self.takes_state = takes_state
        self.holding = _Holding(state) if isinstance(state, Tensor) or get_state_dict(state) else None
        self.state = state

    def __call__(self, scope: Any, *tensors: Tensor) -> Any:
        """Call it with the state that the layer holds."""
        if not self.takes_state:
            return self.target.call(*tensors)
        if self.holding is None:
            return self.target.call(*tensors, self.state)
        state, states = self.holding.filled(scope)
        before = {name: tensor.uop for name, tensor in states.items()}
        with Context(TRAINING=int(scope.training)):
            result = self.target.call(*tensors, state)
        if isinstance(result, tuple) and len(result) == 2 and self._is_state(result[1]):
            result, state = result
        self._check_kept(state)
        self.holding.update(scope, before, state)
        return result

    def _is_state(self, value: Any) -> bool:
        names = {"value"} if isinstance(value, Tensor) else set(get_state_dict(value))
        return names == set(self.holding.tensors if self.holding else ())

    def _check_kept(self, state: Any) -> None:
        names = {"value": state} if isinstance(state, Tensor) else get_state_dict(state)
        lost = [name for name in (self.holding.tensors if self.holding else ()) if name not in names]
        if lost:
            problem = f"the state that call returns lacks {', '.join(lost)}"
            raise ParamsError(problem, fix="return (result, state) with all that init returned")


__all__ = ["plug"]
