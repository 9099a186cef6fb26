"""Owns layers that are not applied yet: ``@layer``, what it makes, and how layers are joined before any input exists.

Knows nothing about models: whatever a layer is applied to (it has ``__axon_apply__``) knows how.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from axon_nb.declaration import Declaration, declare, name_of, plain
from axon_nb.errors import DeclarationError, GraphError, brief
from axon_nb.misuse import Guarded, not_a_layer
from axon_nb.registry import Registry
from axon_nb.source import Source, here, is_ours

registry: Registry[Callable[..., Any]] = Registry("layer")
"""Every layer and combinator by name: what is in scope in a ``%%axon`` cell."""


class Wiring(Protocol):
    """Something layers can be applied to: a model being built, a list being written ..."""

    def apply(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        """Apply one layer."""

    def inside(self, name: str) -> Wiring:
        """Return the wiring of a named block in this one."""


class Joinable(Guarded):
    """The operators of what stands for a layer: ``|`` for one after the other, ``+ - *`` for both on one input."""

    _layers = registry

    __array_ufunc__ = None  # array | layer: NumPy leaves the answer to the layer

    def __or__(self, other: object) -> Any:
        return Chain(need_layer(self), need_layer(other))

    def __ror__(self, other: object) -> Any:
        if isinstance(other, tuple | list | dict):
            return _apply(need_layer(self), (other,))
        return Chain(need_layer(other), need_layer(self))

    def __add__(self, other: object) -> Layer:
        return _merge("add", self, other)

    def __radd__(self, other: object) -> Layer:
        return _merge("add", other, self)

    def __sub__(self, other: object) -> Layer:
        return _merge("subtract", self, other)

    def __rsub__(self, other: object) -> Layer:
        return _merge("subtract", other, self)

    def __mul__(self, other: object) -> Layer:
        return _merge("multiply", self, other)

    def __rmul__(self, other: object) -> Layer:
        return _merge("multiply", other, self)


class Layer(Joinable, ABC):
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

    @property
    def first(self) -> Op | None:
        """The single layer that gets the inputs, where there is one: its inputs' names are this one's."""
        return None

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Apply to models, or to layers that have no input yet either; inputs may be given by name: ``mask=mask``."""
        return _apply(self, inputs, named)


class Op(Layer):
    """One declared layer with its options."""

    joined: Source | None = None
    """For the input of a part: where the part was joined to what stands before it."""
    entry: object = None
    """For the input of a part: the same for all inputs of that use of the part."""

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

    @property
    def first(self) -> Op | None:  # noqa: D102
        return self

    policy: Any = None
    """Kinds of numbers that it keeps and computes with: a Policy, which runs it."""

    def run(self, scope: Any, tensors: Sequence[Any]) -> Any:
        """Run its function; ``None`` among the tensors stands for an input that is left out."""
        if self.policy is not None:
            return self.policy.run(self, scope, tensors)
        return self.declaration.call(scope, tensors, self.options)

    @functools.cached_property
    def fingerprint(self) -> tuple[Any, ...]:
        """What two layers share when they compute the same thing from their inputs and weights."""
        # With the types, for 1 == 1.0 == True.
        options = ((name, type(value), value) for name, value in self.options.items())
        return (self.declaration.function, self.policy, *options)

    def __repr__(self) -> str:
        shown = self.declaration.shown(self.options)
        bare = {o.name for o in self.declaration.options if o.positional and o.required}
        if len(shown) == 1:
            bare |= {o.name for o in self.declaration.options[:1] if o.positional}
        parts = [show_value(v) if k in bare else f"{k}={show_value(v)}" for k, v in shown]
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
        made: Any = inputs[0] if len(inputs) == 1 else inputs
        values = inputs
        for layer in self.layers:
            made = layer.build(wiring, *values)
            values = tuple(unnested((made,)))
        return made

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        return (op for layer in self.layers for op in layer.ops)

    @property
    def first(self) -> Op | None:  # noqa: D102
        return self.layers[0].first if self.layers else None

    def named(self, name: str) -> Chain:
        """Return the same layers as a block with a name."""
        return Chain(*self.layers, name=name)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.layers))


def _flattened(layer: Layer) -> tuple[Layer, ...]:
    return layer.layers if isinstance(layer, Chain) and layer.name is None else (layer,)


class Branches(Layer):
    """Several layers on the same input, whose results one more layer joins."""

    def __init__(self, branches: tuple[Layer | None, ...], join: Layer) -> None:
        self.branches = branches  # None for an input of the join that is left out
        self.join = join
        self.source = here()

    def build(self, wiring: Wiring, *inputs: Any) -> Any:  # noqa: D102
        made = tuple(branch.build(wiring, *inputs) if branch else None for branch in self.branches)
        return self.join.build(wiring, *unnested(made))

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        yield from (op for branch in self.branches if branch for op in branch.ops)
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


class LayerType(Joinable):
    """What ``@layer`` makes of a function.

    Call it with options for a Layer, or with a model first to apply it at once.
    """

    def __init__(self, function: Callable[..., Any], name: str, declare: Callable[[], Declaration]) -> None:
        """Make it; the function is read when something of it is asked for.

        To read all of this package's took a tenth of the time of loading it, and a model has but a few.

        Args:
            function: what is decorated.
            name: what the layer is called.
            declare: reads the function.
        """
        self.function = self.__wrapped__ = function
        self.__name__ = self.__qualname__ = name
        self.__doc__ = inspect.getdoc(function) or ""
        self.__module__ = function.__module__
        self._declare = declare

    @functools.cached_property
    def declaration(self) -> Declaration:
        """All that is known of the layer."""
        return self._declare()

    if not TYPE_CHECKING:  # a property of the class would be taken for the signature of the class

        def __getattr__(self, name: str) -> Any:
            if name != "__signature__":
                return super().__getattr__(name)
            self.__signature__ = _signature(self.declaration)
            return self.__signature__

    def __call__(self, /, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Return a Layer with these options, or apply it to the models given first."""
        inputs, rest = self._split(args)
        known = self.declaration
        options = {option.name for option in known.options}
        named = {key: kwargs.pop(key) for key in known.inputs if key in kwargs and key not in options}
        op = Op(known, known.bind(rest, kwargs), name)
        if not inputs and not named:
            return op
        placed = known.place(tuple(unnested(inputs)), named)
        if any(is_applicable(one) and not hasattr(one, "__axon_layer__") for one in placed):
            return op(*placed)
        if all(map(is_applicable, placed)):
            return op(*placed)
        return Branches(tuple(one if one is None else need_layer(one) for one in placed), op)

    def _split(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        many = self.declaration.variadic or len(self.declaration.inputs) > 1
        end = 0
        while end < len(args) and (is_applicable(args[end]) or (many and self._is_input(args[end]))):
            end += 1
        return args[:end], args[end:]

    def _is_input(self, value: object) -> bool:
        # Where all options are named, a plain function among the inputs is a branch: add(dense(4), lambda x: x * 2).
        return _holds_layers(value) or (self.declaration.variadic and callable(value))

    def getdoc(self) -> str:
        """Write the docs that ``?`` and Shift-Tab show: those of the function, and a line for each option."""
        lines = [f"    {option.words}" for option in self.declaration.options]
        return "\n".join([self.declaration.doc, *(["", "Options:", *lines] if lines else [])])

    def __axon_layer__(self) -> Layer:
        layer: Layer = self()
        return layer

    def __repr__(self) -> str:
        return f"<layer {self.__name__}{inspect.signature(self)}>"


def layer(
    function: Callable[..., Any] | None = None,
    *,
    family: str = "custom",
    name: str | None = None,
    outputs: Callable[[dict[str, Any]], int] | None = None,
) -> Any:
    """Make a layer of a function of tensors.

    The function takes a ``scope`` first if it has parameters, state, randomness or a mode, then its tensors (without
    annotation, or annotated as ``Tensor``; ``Tensor | None = None`` for one that may be left out), then its options
    (annotated, or with a default).

    Args:
        function: the function; its name is the layer's.
        family: what it is listed under.
        name: another name than the function's.
        outputs: says for the options how many tensors it returns, where that is not always one.

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
        return functools.partial(layer, family=family, name=name, outputs=outputs)
    read = functools.partial(declare, function, name, family, outputs)
    if _is_ours(function):
        return registered(LayerType(function, name or name_of(function), read))
    known = read()
    return LayerType(known.function, known.name, lambda: known)


def registered(made: LayerType) -> LayerType:
    """Put a layer that is declared in this package into the registry."""
    if _is_ours(made.function):
        registry.add(made.__name__, made)
    return made


def _is_ours(function: Callable[..., Any]) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and is_ours(code)


def declared(name: str) -> Declaration | None:
    """Find by its name how a layer of this package is declared, also one that a combinator ``makes``."""
    known = registry.get(name)
    made: Declaration | None = getattr(known, "declaration" if isinstance(known, LayerType) else "makes", None)
    return made


def combinator(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a function that joins layers into the registry, so that ``%%axon`` cells know it."""
    registry.add(function.__name__, function)
    return function


adapters: list[Callable[[Any], Layer | None]] = []
"""What may know how to make a layer of an object that can be called: ``plugs`` adds those that hold tensors."""


def as_layer(value: object) -> Layer | None:
    """Return what stands for a layer in a pipe as a Layer; ``None`` where it cannot.

    A plain function of tensors becomes a layer without options.
    """
    if isinstance(value, Layer):
        return value
    if hasattr(value, "__axon_layer__"):
        made: Layer = value.__axon_layer__()
        return made
    if isinstance(value, tuple | list | dict):
        return _fork(value)
    if is_applicable(value) or not callable(value) or isinstance(value, type):
        return None
    name = name_of(value)
    if registry.get(name) is value:
        return _by_itself(name, value)
    adapted = (adapter(value) for adapter in adapters)
    return next((layer for layer in adapted if layer is not None), None) or Op(plain(value), {})


def _fork(branches: Any) -> Layer | None:
    """Return layers in a tuple, list or dict as one that gives all of them the same input: ``x | (a, b)``."""
    each = list(unnested((branches,)))
    if is_applicable(branches) or not each or any(not is_applicable(one) and as_layer(one) is None for one in each):
        return None
    made: Layer = registry["outputs"](branches)
    return made


def _by_itself(name: str, combinator: Callable[..., Any]) -> Layer:
    """Call a combinator that stands in a pipe without parentheses: ``noop`` is a layer so, most are not."""
    made = combinator() if not inspect.signature(combinator).parameters else None
    if isinstance(made, Layer):
        return made
    problem = f"{name} cannot stand in a pipe by itself"
    raise GraphError(problem, fix="begin with input(...)" if name == "input" else f"give it layers: {name}(...)")


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


def unnested(values: Sequence[Any]) -> Iterator[Any]:
    """List what may be nested in tuples, lists and dicts."""
    for value in values:
        if isinstance(value, tuple | list):
            yield from unnested(tuple(value))
        elif isinstance(value, dict):
            yield from unnested(tuple(value.values()))
        else:
            yield value


def mapped(structure: Any, function: Callable[[Any], Any]) -> Any:
    """Put the results of a function in place of what is nested in tuples, lists and dicts."""
    if isinstance(structure, dict):
        return {name: mapped(part, function) for name, part in structure.items()}
    if isinstance(structure, tuple | list):
        return tuple(mapped(part, function) for part in structure)
    return function(structure)


def _apply(layer: Layer, inputs: Sequence[Any], named: Mapping[str, Any] | None = None) -> Any:
    only = next(iter(inputs)) if len(inputs) == 1 and not named else None
    if isinstance(only, dict) and _names_inputs(layer, only):
        inputs, named = (), only
    flat = tuple(unnested(inputs))
    if named:
        flat = _need_first(layer).declaration.place(flat, named)
    model = next((value for value in flat if is_applicable(value)), None)
    if model is not None:
        return model.__axon_apply__(layer, flat)
    layers = [value if value is None else as_layer(value) for value in flat]
    if any(layers) and all(value is None or one is not None for value, one in zip(flat, layers, strict=True)):
        return Branches(tuple(layers), layer)
    problem = f"{layer!r} is applied to models or layers"
    fix = "begin with input(...); numbers go to model.predict(params, x)"
    raise GraphError(problem, got=", ".join(map(brief, flat)) or "nothing", fix=fix)


def _need_first(layer: Layer) -> Op:
    first = layer.first
    if first is None:
        problem = f"{layer!r} has no inputs with names"
        raise GraphError(problem, fix="apply the layer that takes them by itself, then join")
    return first


def _names_inputs(layer: Layer, given: Mapping[Any, Any]) -> bool:
    """Whether a dict in a pipe has the names of the layer's inputs: ``{"x": x, "mask": mask} | lstm(64)``."""
    first = layer.first
    return first is not None and not first.declaration.variadic and set(given) <= set(first.declaration.inputs)


def need_layer(value: object) -> Layer:
    """Return what stands for a layer as a Layer.

    Raises:
        GraphError: it is none.
    """
    made = as_layer(value)
    if made is not None:
        return made
    if is_applicable(value):
        raise mixed(value)
    raise not_a_layer(value, registry, "write a layer, or a function of tensors: lambda x: x * 2")


def mixed(model: object) -> GraphError:
    """Make the error for a model joined with a layer that has no input."""
    problem = "models and layers that have no input yet cannot be joined"
    return GraphError(problem, got=brief(model), fix="apply the layer to the model first: model | layer")


def _merge(op: str, left: object, right: object) -> Layer:
    made: Layer = registry[op](need_layer(left), need_layer(right))
    return made


def _signature(declaration: Declaration) -> inspect.Signature:
    parameters = inspect.signature(declaration.function).parameters
    kept = [parameters[o.name] for o in declaration.options]
    name = inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="str | None")
    return inspect.Signature([*kept, name])


def check_name(name: Any) -> str | None:
    """Check the name given to a layer, a block or a model.

    Raises:
        DeclarationError: it is empty, not text, or has one of the signs that names are joined with.
    """
    if name is None:
        return None
    if not isinstance(name, str) or not name.strip() or "." in name or "#" in name:
        problem = "a name is text without '.' (which stands after a part) and '#' (before a further use)"
        raise DeclarationError(problem, got=brief(name))
    return name


def show_value(value: object) -> str:
    """Write an option's value as code."""
    return str(getattr(value, "__name__", None) or repr(value))


__all__ = [
    "Branches", "Chain", "Layer", "LayerType", "Op", "Same", "adapters", "as_layer", "check_name", "combinator",
    "declared", "layer", "mapped", "mixed", "need_layer", "registered", "registry", "unnested",
]  # fmt: skip
