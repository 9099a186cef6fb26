"""Owns layers that are not applied yet: ``@layer``, what it makes, and how layers are joined before any input exists.

Knows nothing about models: whatever a layer is applied to (it has ``__axon_apply__``) knows how.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Protocol, Self

from axon_nb.declaration import Declaration, declare
from axon_nb.errors import DeclarationError, GraphError
from axon_nb.registry import Registry
from axon_nb.source import Source, here

registry: Registry[Callable[..., Any]] = Registry("layer")
"""Every layer and combinator by name: what is in scope in a ``%%axon`` cell."""


class Wiring(Protocol):
    """Something layers can be applied to: a model being built, a list being written ..."""

    def apply(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        """Apply one layer."""

    def inside(self, name: str) -> Wiring:
        """Return the wiring of a named block in this one."""


class Layer(ABC):
    """One operation with its options, or several joined: the thing a pipe takes.

    Its identity is its weights: one Layer object applied twice has one set of parameters.
    """

    name: str | None = None
    source: Source | None = None

    @abstractmethod
    def build(self, wiring: Wiring, *inputs: Any) -> Any:
        """Apply to inputs by way of a wiring."""

    @property
    @abstractmethod
    def ops(self) -> Iterator[Op]:
        """The single layers in it, in order."""

    def __call__(self, *inputs: Any) -> Any:
        """Apply to models, or to layers that have no input yet either."""
        return _apply(self, inputs)

    def __or__(self, other: object) -> Layer:
        right = as_layer(other)
        return NotImplemented if right is None else Chain(self, right)

    def __ror__(self, other: object) -> Any:
        if isinstance(other, tuple | list | dict):
            return _apply(self, (other,))
        left = as_layer(other)
        return NotImplemented if left is None else Chain(left, self)

    def __add__(self, other: object) -> Layer:
        return _merge("add", self, other)

    def __sub__(self, other: object) -> Layer:
        return _merge("subtract", self, other)

    def __mul__(self, other: object) -> Layer:
        return _merge("multiply", self, other)


class Op(Layer):
    """One declared layer with its options."""

    def __init__(self, declaration: Declaration, options: dict[str, Any], name: str | None = None) -> None:
        self.declaration = declaration
        self.options = options
        self.name = check_name(name)
        self.source = here()

    def build(self, wiring: Wiring, *inputs: Any) -> Any:  # noqa: D102
        return wiring.apply(self, inputs)

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        yield self

    @functools.cached_property
    def fingerprint(self) -> tuple[Any, ...]:
        """What two layers share when they compute the same thing from their inputs and weights."""
        return (self.declaration.function, *self.options.items())

    def __repr__(self) -> str:
        shown = self.declaration.shown(self.options)
        required = {o.name for o in self.declaration.options if o.positional and o.required}
        parts = [show_value(v) if k in required else f"{k}={show_value(v)}" for k, v in shown]
        if len(shown) == 1 and self.declaration.options and shown[0][0] == self.declaration.options[0].name:
            parts = [show_value(shown[0][1])]
        if self.name:
            parts.append(f"name={self.name!r}")
        return f"{self.declaration.name}({', '.join(parts)})"


class Chain(Layer):
    """Layers one after the other: a Block. With a name, its parameters stand under that name."""

    def __init__(self, *layers: Layer, name: str | None = None) -> None:
        flat = [one for layer in layers for one in _flattened(layer)]
        self.layers: tuple[Layer, ...] = tuple(flat)
        self.name = check_name(name)
        self.source = here()

    def build(self, wiring: Wiring, *inputs: Any) -> Any:  # noqa: D102
        if self.name:
            wiring = wiring.inside(self.name)
        first, *rest = self.layers
        value = first.build(wiring, *inputs)
        for layer in rest:
            value = layer.build(wiring, value)
        return value

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        return (op for layer in self.layers for op in layer.ops)

    def named(self, name: str) -> Chain:
        """Return the same layers as a block with a name."""
        return Chain(*self.layers, name=name)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.layers))


def _flattened(layer: Layer) -> tuple[Layer, ...]:
    return layer.layers if isinstance(layer, Chain) and layer.name is None else (layer,)


class Branches(Layer):
    """Several layers on the same input, whose results one more layer joins."""

    def __init__(self, branches: tuple[Layer, ...], join: Layer) -> None:
        self.branches = branches
        self.join = join
        self.source = here()

    def build(self, wiring: Wiring, *inputs: Any) -> Any:  # noqa: D102
        return self.join.build(wiring, *(branch.build(wiring, *inputs) for branch in self.branches))

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        yield from (op for branch in self.branches for op in branch.ops)
        yield from self.join.ops

    def __repr__(self) -> str:
        return f"({', '.join(map(repr, self.branches))}) | {self.join!r}"


class Same(Layer):
    """The layer that does nothing, and leaves no trace in the model: the bare side of a residual."""

    def build(self, wiring: Wiring, *inputs: Any) -> Any:  # noqa: D102
        return inputs[0] if len(inputs) == 1 else inputs

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        return iter(())

    def __repr__(self) -> str:
        return "noop()"


class LayerType:
    """What ``@layer`` makes of a function.

    Call it with options for a Layer, or with a model first to apply it at once.
    """

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.__name__ = self.__qualname__ = declaration.name
        self.__doc__ = declaration.doc
        self.__module__ = declaration.function.__module__
        self.__wrapped__ = declaration.function
        self.__signature__ = _signature(declaration)

    @property
    def function(self) -> Callable[..., Any]:
        """The decorated function."""
        return self.declaration.function

    def __call__(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Return a Layer with these options, or apply it to the models given first."""
        inputs, rest = self._split(args)
        op = Op(self.declaration, self.declaration.bind(rest, kwargs), name)
        if not inputs:
            return op
        if any(map(is_applicable, inputs)):
            return op(*inputs)
        return Branches(tuple(_need_layer(i) for i in _flat(inputs)), op)

    def _split(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        many = self.declaration.variadic or len(self.declaration.inputs) > 1
        end = 0
        while end < len(args) and (is_applicable(args[end]) or (many and _holds_layers(args[end]))):
            end += 1
        return args[:end], args[end:]

    def __or__(self, other: object) -> Any:
        return self() | other

    def __ror__(self, other: object) -> Any:
        return self().__ror__(other)

    def __axon_layer__(self) -> Layer:
        layer: Layer = self()
        return layer

    def __repr__(self) -> str:
        return f"<layer {self.__name__}{self.__signature__}>"


def layer(function: Callable[..., Any] | None = None, *, family: str = "custom", name: str | None = None) -> Any:
    """Make a layer of a function of tensors.

    The function takes a ``scope`` first if it has parameters, state, randomness or a mode, then its tensors (without
    annotation, or annotated as ``Tensor``), then its options (annotated, or with a default).

    Raises:
        DeclarationError: the function takes no tensor, or there is a built-in layer of that name.

    Example:
        >>> from axon_nb import input, layer
        >>> @layer
        ... def scaled(scope, x, start: float = 1.0):
        ...     return x * scope.param("scale", (x.shape[-1],), start)
        >>> (input((None, 3)) | scaled(2.0)).output_shape
        (None, 3)
    """
    if function is None:
        return functools.partial(layer, family=family, name=name)
    made = LayerType(declare(function, name, family))
    if function.__module__.startswith("axon_nb."):
        registry.add(made.__name__, made)
    return made


def combinator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a function that joins layers into the registry, so that ``%%axon`` cells know it."""
    registry.add(function.__name__, function)
    return function


def as_layer(value: object) -> Layer | None:
    """Return what stands for a layer in a pipe as a Layer; ``None`` where it cannot.

    A plain function of tensors becomes a layer without options.
    """
    if isinstance(value, Layer):
        return value
    if hasattr(value, "__axon_layer__"):
        made: Layer = value.__axon_layer__()
        return made
    if is_applicable(value) or not callable(value) or isinstance(value, type):
        return None
    return Op(_function_declaration(value), {})


@functools.lru_cache(maxsize=1024)
def _function_declaration(function: Callable[..., Any]) -> Declaration:
    name = getattr(function, "__name__", type(function).__name__)
    return Declaration("function" if name == "<lambda>" else name, "custom", function, ("x",), False, False, ())


def is_applicable(value: object) -> bool:
    """Whether layers can be applied to a value: a model, or a tuple, list or dict of models."""
    if isinstance(value, tuple | list):
        return bool(value) and all(map(is_applicable, value))
    if isinstance(value, dict):
        return bool(value) and all(map(is_applicable, value.values()))
    return hasattr(value, "__axon_apply__")


def _holds_layers(value: object) -> bool:
    if isinstance(value, tuple | list):
        return bool(value) and all(map(_holds_layers, value))
    return isinstance(value, Layer | LayerType) or is_applicable(value)


def _flat(values: tuple[Any, ...]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _flat(tuple(value))
        elif isinstance(value, dict):
            yield from _flat(tuple(value.values()))
        else:
            yield value


def _apply(layer: Layer, inputs: tuple[Any, ...]) -> Any:
    flat = tuple(_flat(inputs))
    model = next((value for value in flat if is_applicable(value)), None)
    if model is not None:
        return model.__axon_apply__(layer, flat)
    layers = [as_layer(value) for value in flat]
    if layers and all(one is not None for one in layers):
        return Branches(tuple(one for one in layers if one is not None), layer)
    problem = f"{layer!r} is applied to models or layers"
    raise GraphError(problem, got=", ".join(type(v).__name__ for v in flat), fix="begin with input(...)")


def _need_layer(value: object) -> Layer:
    made = as_layer(value)
    if made is None:
        problem = "models and layers that have no input yet cannot be joined"
        raise GraphError(problem, got=repr(value), fix="apply the layer to the model first: model | layer")
    return made


def _merge(op: str, left: Layer, right: object) -> Layer:
    other = as_layer(right)
    if other is None:
        return NotImplemented
    made: Layer = registry[op](left, other)
    return made


def _signature(declaration: Declaration) -> inspect.Signature:
    parameters = inspect.signature(declaration.function).parameters
    kept = [parameters[o.name] for o in declaration.options]
    name = inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None")
    return inspect.Signature([*kept, name])


def check_name(name: Any) -> str | None:
    """Check the name given to a layer, a block or a model.

    Raises:
        DeclarationError: it is empty, not text, or has a dot (dots stand between a part and its layers).
    """
    if name is None:
        return None
    if not isinstance(name, str) or not name.strip() or "." in name:
        problem = "a name is text without dots"
        raise DeclarationError(problem, got=repr(name))
    return name


def show_value(value: object) -> str:
    """Write an option's value as code."""
    if isinstance(value, Layer | LayerType) or not callable(value):
        return getattr(value, "__name__", None) or repr(value)
    return str(getattr(value, "__name__", None) or repr(value))


__all__ = [
    "Branches", "Chain", "Layer", "LayerType", "Op", "Same", "Self", "as_layer", "check_name", "combinator", "layer",
    "registry",
]  # fmt: skip
