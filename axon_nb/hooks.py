"""Owns hooks: functions that see or replace what goes through a layer, and the verbs ``hook`` and ``unhook``.

Knows nothing about how a model is run: who runs it calls :func:`passed` at each layer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tinygrad import Tensor
from tinygrad import function as as_function
from tinygrad.uop.ops import UOp

from axon_nb.declaration import name_of
from axon_nb.errors import AxonError, HookError, OptionError, brief
from axon_nb.graph import Model, Node, verb, where
from axon_nb.surgery.rebuild import moved, rebuilt, settled
from axon_nb.surgery.select import select

On = Literal["forward", "pre_forward", "backward", "initialize"]
When = Literal["both", "train", "inference"]
_ON = ("forward", "pre_forward", "backward", "initialize")
_WHEN = ("both", "train", "inference")


@dataclass(frozen=True, eq=False)
class Hook:
    """A function called at a layer."""

    function: Callable[..., Any]
    on: On
    mode: When
    compiled: bool
    named: bool
    """Whether the function takes the layer's name too."""

    def fits(self, on: str, *, training: bool) -> bool:
        """Tell whether it is called at this moment."""
        return self.on == on and self.mode in ("both", "train" if training else "inference")

    def __call__(self, value: Any, name: str, place: str) -> Any:
        """Call the function; what it raises names the hook and the layer.

        Raises:
            HookError: the function failed.
        """
        at = f"{self.on} hook {name_of(self.function)!r} on {place}"
        try:
            return self.function(value, name) if self.named else self.function(value)
        except AxonError as error:
            raise HookError(error.problem, where=at, got=error.got, fix=error.fixes) from error
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            raise HookError(problem, where=at, got=_shapes(value)) from error


@verb
def hook(
    model: Model, what: Any, fn: Callable[..., Any], on: On = "forward", mode: When = "both", *, compiled: bool = False
) -> Model:
    """Return the model with a function called whenever something goes through a layer.

    The function takes the tensor, and if it wants, the layer's name. What it returns takes the tensor's place, ``None``
    changes nothing. Several hooks on one layer run in the order in which they were put on.

    A model with hooks runs step by step, not as a recorded program, so that each call sees numbers
    (``tensor.numpy()``); that is slower. With ``compiled=True`` the function is called once, while the program is
    recorded, and its tensor operations become part of it; it cannot read values then.

    Saving and ``code()`` keep that there is a hook, its function stands there by name: who loads brings it.

    Args:
        model: the model.
        what: which layers: see ``find``.
        fn: the function.
        on: ``"forward"``: gets what the layer returns (a tuple of several). ``"pre_forward"``: what it takes.
            ``"backward"``: the gradient of what it returns; not called where nothing before the layer is trained.
            ``"initialize"``: a dict of the layer's weights by name after they were drawn; a dict of arrays or tensors
            that it returns takes the place of these.
        mode: ``"train"``, ``"inference"`` or ``"both"``; for forward and pre_forward.
        compiled: whether it becomes part of the program.

    Raises:
        UnknownNameError: there is no layer of that name.
        GraphError: no layer is meant.
        OptionError: ``on`` or ``mode`` is unknown, or the function is none.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> seen = {}
        >>> model = input((None, 3)) | dense(2, kernel_initializer="ones")
        >>> watched = model.hook("dense_0", lambda y, name: seen.update({name: y.numpy()}))
        >>> _ = watched.predict(model.init(), np.ones((1, 3), "float32"))
        >>> seen["dense_0"].tolist()
        [[3.0, 3.0]]
    """
    made = made_hook(fn, on, mode, compiled=compiled)
    nodes = set(select(model, what))

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        return node.altered(parents=parents, hooks=(*node.hooks, made)) if node in nodes else moved(node, parents)

    return settled(model, rebuilt(model, change, picks=True))


def made_hook(fn: Any, on: Any, mode: Any, *, compiled: bool) -> Hook:
    """Make a hook of a function.

    Raises:
        OptionError: ``on`` or ``mode`` is unknown, or the function is none.
    """
    _check(fn, on, mode)
    return Hook(fn, on, mode, compiled, _takes_name(fn))


@verb
def unhook(model: Model, what: Any = None) -> Model:
    """Return the model without hooks, or without those of some layers.

    Example:
        >>> from axon_nb import dense, input
        >>> model = (input((None, 3)) | dense(2)).hook("dense_0", print)
        >>> [len(node.hooks) for node in model.unhook().nodes]
        [0, 0]
    """
    nodes = set(model.nodes if what is None else select(model, what))

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        found = node in nodes and node.hooks
        return node.altered(parents=parents, hooks=()) if found else moved(node, parents)

    return settled(model, rebuilt(model, change, picks=True))


def reads_values(model: Model, *, training: bool) -> bool:
    """Tell whether a model must be run step by step in a mode, for its hooks to see numbers."""
    moments = ("forward", "pre_forward", "backward") if training else ("forward", "pre_forward")
    return any(
        one.fits(on, training=training) and not one.compiled
        for node in model.nodes
        for one in node.hooks
        for on in moments
    )


def passed(model: Model, node: Node, on: On, value: Any, *, training: bool, compiled: bool = False) -> Any:
    """Let the hooks of a node see a value; return it, or what they put in its place.

    With ``compiled`` only those are called that are part of a program.

    Raises:
        HookError: a hook fails, or returns what cannot take the value's place.
    """
    hooks = [one for one in node.hooks if one.fits(on, training=training) and (one.compiled or not compiled)]
    if not hooks:
        return value
    name, place = model.names[node], where(node.layer, model.names[node])
    for one in hooks:
        seen = value if one.compiled else _map(value, _apart)
        before = [tensor.uop for tensor in _list(seen)]
        result = one(seen, name, place)
        if result is None:
            continue
        at = f"{on} hook {name_of(one.function)!r} on {place}"
        _check_result(result, value, at)
        if training and [tensor.uop for tensor in _list(seen)] != before:
            problem = "it reads numbers and returns a tensor: the gradient would stop there"
            raise HookError(problem, where=at, fix="read a copy: x.detach().clone().numpy()")
        value = result
    return value


def with_backward(model: Model, node: Node, value: Any) -> Any:
    """Let the backward hooks of a node see the gradient of what it returns."""
    hooks = [one for one in node.hooks if one.fits("backward", training=True)]
    if not hooks:
        return value
    name, place = model.names[node], where(node.layer, model.names[node])

    def gradient_of(gradient: UOp, _: UOp) -> tuple[UOp]:
        found = Tensor(gradient)
        for one in hooks:
            result = one(found if one.compiled else _apart(found), name, place)
            if result is not None:
                _check_result(result, found, f"backward hook {name_of(one.function)!r} on {place}")
                found = result
        return (found.uop,)

    return _map(value, as_function(lambda x: x * 1, grad_fxn=gradient_of))


def initialized(model: Model, node: Node, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Let the hooks of a layer see its first weights; return them, or what they put in their place.

    Raises:
        HookError: a hook fails, or returns what is no weight of the layer.
    """
    found = dict(weights)
    name, place = model.names[node], where(node.layer, model.names[node])
    for one in (one for one in node.hooks if one.on == "initialize"):
        result = one(dict(found), name, place)
        if result is None:
            continue
        at = f"initialize hook {name_of(one.function)!r} on {place}"
        if not isinstance(result, Mapping) or not set(result) <= set(found):
            problem = "returns a dict of the layer's weights, or nothing"
            raise HookError(problem, where=at, got=brief(result), fix=f"its weights are: {', '.join(found)}")
        for key, value in result.items():
            old = found[key]
            try:
                new = (value if isinstance(value, Tensor) else Tensor(value)).cast(old.dtype).to(old.device)
            except Exception as error:
                problem = f"{key} is no array: {error}"
                raise HookError(problem, where=at, got=brief(value)) from error
            _check_result(new, old, f"{at}, {key}")
            found[key] = new
    return found


def _check(fn: Any, on: Any, mode: Any) -> None:
    for word, value, known in (("on", on, _ON), ("mode", mode, _WHEN)):
        if value not in known:
            problem = f"{word} is one of {', '.join(map(repr, known))}"
            raise OptionError(problem, got=brief(value))
    if not callable(fn):
        problem = "a hook is a function"
        raise OptionError(problem, got=brief(fn), fix="lambda tensor: print(tensor.shape)")
    if on == "backward" and mode == "inference":
        problem = "there is no gradient in inference"
        raise OptionError(problem, fix='leave mode out, or on="forward"')


def _check_result(result: Any, value: Any, at: str) -> None:
    want, have = [t.shape for t in _list(value)], [getattr(t, "shape", None) for t in _list(result)]
    if want != have or not all(isinstance(t, Tensor) for t in _list(result)):
        problem = "returns a tensor of the same shape, or nothing"
        raise HookError(problem, where=at, got=f"{_shapes(result)} for {_shapes(value)}")


def _takes_name(fn: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return len([p for p in parameters if p.kind in kinds and p.default is p.empty]) > 1


def _apart(tensor: Tensor | None) -> Tensor | None:
    """Make a tensor that may be computed by itself without cutting the graph that gradients go through."""
    return None if tensor is None else tensor.contiguous()  # None: an input that is left out


def _list(value: Any) -> list[Any]:
    return [one for one in (value if isinstance(value, tuple | list) else (value,)) if one is not None]


def _map(value: Any, function: Callable[[Any], Any]) -> Any:
    return tuple(map(function, value)) if isinstance(value, tuple | list) else function(value)


def _shapes(value: Any) -> str:
    return ", ".join(str(tuple(t.shape)) if isinstance(t, Tensor) else brief(t) for t in _list(value))


__all__ = ["Hook", "hook", "initialized", "made_hook", "passed", "reads_values", "unhook", "with_backward"]
