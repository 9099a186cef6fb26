"""Owns how a decorated function is read: its inputs, options, family and docs.

Knows nothing about applying layers to anything.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad import Tensor

from axon_nb.errors import AxonError, DeclarationError, GraphError, OptionError, brief, unknown
from axon_nb.options import Option, from_annotation

_KINDS = inspect.Parameter


@dataclass(frozen=True)
class Declaration:
    """All that is known of a layer from its function: the one place where it is written."""

    name: str
    family: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    variadic: bool
    """Takes any number of inputs: ``add(a, b, c)``."""
    scoped: bool
    """Its function takes a scope first."""
    options: tuple[Option, ...]
    outputs: Callable[[dict[str, Any]], int] | None = None
    """Says for given options how many tensors it returns, where that is not always one."""
    optional: frozenset[str] = frozenset()
    """The inputs that may be left out: its function gets ``None`` for them."""

    def call(self, scope: Any, tensors: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Run the function; ``None`` among the tensors stands for an input that is left out."""
        count = len(tensors) if self.variadic else self.least
        named = dict(zip(self.inputs[count:], tensors[count:], strict=False))
        given = (scope, *tensors[:count]) if self.scoped else tensors[:count]
        return self.function(*given, **named, **options)

    @property
    def doc(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

    def needs(self, place: int) -> bool:
        """Whether the input at a place must be there."""
        return self.inputs[0 if self.variadic else place] not in self.optional

    @property
    def least(self) -> int:
        """How many inputs it needs."""
        return sum(name not in self.optional for name in self.inputs)

    def place(self, inputs: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        """Put inputs, some of them given by name, at their places; ``None`` for those left out between them.

        Raises:
            GraphError: there is no input of a name, or it is given twice.
        """
        if not named:
            return tuple(inputs)
        placed = dict(enumerate(inputs))
        for name, value in named.items():
            if name not in self.inputs or self.variadic:
                kind = f"{self.name} input"
                raise unknown(kind, name, () if self.variadic else self.inputs, error=GraphError)
            at = self.inputs.index(name)
            if at in placed:
                problem = f"input {name!r} is given twice"
                raise GraphError(problem, where=self.name)
            placed[at] = value
        return tuple(placed.get(at) for at in range(max(placed) + 1))

    def option(self, name: str) -> Option:
        """Find an option by name.

        Raises:
            OptionError: there is none of that name.
        """
        return _find(self.name, self.options, name)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Sort arguments into options, checked and in their normal form; defaults are filled in.

        Raises:
            OptionError: one is missing, unknown, given twice or out of range.
        """
        return _bind(self.name, self.options, args, kwargs)

    def shown(self, options: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        """Pick the options worth showing: those without a default and those that differ from it."""
        return tuple((o.name, options[o.name]) for o in self.options if o.required or options[o.name] != o.default)


def _find(owner: str, options: tuple[Option, ...], name: str) -> Option:
    for option in options:
        if option.name == name:
            return option
    if name in _SIZES_OF_INPUTS:
        problem = f"there is no {owner} option {name!r}: layers find out by themselves what they get"
        raise OptionError(problem, fix="leave it out; input((None, 784)) at the beginning says the shape")
    msg = f"{owner} option"
    raise unknown(msg, name, [o.name for o in options], error=OptionError)


_SIZES_OF_INPUTS = ("input_shape", "batch_input_shape", "input_dim", "in_features", "in_channels", "input_size")
"""What Keras and PyTorch want to know."""


def _bind(owner: str, options: tuple[Option, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    given = _place(owner, options, args)
    for name, value in kwargs.items():
        option = _find(owner, options, name)
        if option.name in given:
            msg = f"{name} is given twice"
            raise OptionError(msg, where=owner)
        given[option.name] = value
    missing = [o for o in options if o.required and o.name not in given]
    if missing:
        words = " and ".join(o.name for o in missing)
        example = ", ".join(o.written() for o in missing)
        msg = f"{words} must be given"
        raise OptionError(msg, where=owner, fix=f"{owner}({example})")
    return {o.name: _parsed(o, given, owner, options) if o.name in given else o.default for o in options}


def _parsed(option: Option, given: dict[str, Any], owner: str, options: tuple[Option, ...]) -> Any:
    """Check the value of an option; where it would do for another one, say so: ``dense("relu")``."""
    value = given[option.name]
    try:
        return option.parse(value, owner)
    except OptionError as error:
        others = [o for o in options if o.name not in given and isinstance(value, str) and value in o.type.choices]
        if others:
            before = ", ".join(o.written() for o in options if o.required and o is not others[0])
            error.fixes = (f"did you mean {others[0].name}={value!r}? {owner}({before}, {others[0].name}={value!r})",)
        raise


def _place(owner: str, options: tuple[Option, ...], args: tuple[Any, ...]) -> dict[str, Any]:
    places = [o for o in options if o.positional]
    if len(args) > len(places):
        names = ", ".join(o.name for o in places)
        several = "option" if len(places) == 1 else "options"
        expected = f"takes {len(places)} positional {several} ({names})" if places else "takes no options by position"
        rest = [o.name for o in options if not o.positional]
        fix = f"name the others: {owner}({'..., ' if places else ''}{rest[0]}={args[len(places)]!r})" if rest else ()
        raise OptionError(expected, where=owner, got=", ".join(map(repr, args)), fix=fix)
    return {option.name: value for option, value in zip(places, args, strict=False)}


def bind_options(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], skip: int
) -> dict[str, Any]:
    """Check arguments against the annotated options of any function, leaving out its first ``skip`` parameters.

    Raises:
        OptionError: one is missing, unknown, given twice or out of range.
    """
    hints = _hints(function)
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    options = tuple(_option(p, hints.get(p.name, p.annotation)) for p in parameters)
    return _bind(function.__name__, options, args, kwargs)


def declare(
    function: Callable[..., Any],
    name: str | None,
    family: str,
    outputs: Callable[[dict[str, Any]], int] | None = None,
) -> Declaration:
    """Read a layer function.

    Tensors are the parameters that have no annotation and no default, or are annotated as ``Tensor``; one annotated
    ``Tensor | None = None`` is an input that may be left out. A first parameter called ``scope`` is the Scope; all
    others are options.

    Raises:
        DeclarationError: it takes no tensor, or an argument that cannot be an option.
    """
    name = name or name_of(function)
    if not name.isidentifier():
        problem = f"a layer is called like a variable, and {name!r} cannot be one"
        raise DeclarationError(problem, fix='layer(function, name="scaled")')
    parameters = _parameters(function, name)
    hints = _hints(function)
    scoped = bool(parameters) and parameters[0].name == "scope"
    tensors: list[str] = []
    optional: set[str] = set()
    options: list[Option] = []
    variadic = False
    for parameter in parameters[scoped:]:
        annotation = hints.get(parameter.name, parameter.annotation)
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            _check_alone(tensors, name)
            variadic = True
            tensors.append(parameter.name)
            optional |= {parameter.name} if _is_optional_tensor(annotation) else set()
        elif parameter.kind is _KINDS.VAR_KEYWORD:
            problem = f"layer {name!r} takes **{parameter.name}: name its options"
            raise DeclarationError(problem)
        elif _is_optional_tensor(annotation):
            _check_default(parameter, name)
            _check_alone(tensors * variadic, name)
            tensors.append(parameter.name)
            optional.add(parameter.name)
        elif _is_tensor(parameter, annotation):
            tensors.append(parameter.name)
            _check_order(parameter, tensors, optional, name)
        else:
            options.append(_with_checked_default(_option(parameter, annotation), name))
    if not tensors:
        problem = f"layer {name!r} takes no tensor"
        raise DeclarationError(problem, fix=f"def {name}(x, ...): give it an argument without annotation")
    return Declaration(
        name, family, _with_hash(function), tuple(tensors), variadic, scoped, tuple(options), outputs,
        frozenset(optional),
    )  # fmt: skip


def _check_default(parameter: inspect.Parameter, layer: str) -> None:
    if parameter.default is not None:
        problem = f"layer {layer!r}: the input {parameter.name!r} may be left out, and its default is not None"
        raise DeclarationError(problem, fix=f"{parameter.name}: Tensor | None = None")


def _check_alone(others: list[str], layer: str) -> None:
    if others:
        problem = f"layer {layer!r} takes any number of inputs, and others beside them"
        raise DeclarationError(problem, fix="write *xs alone, or name all inputs")


def _check_order(parameter: inspect.Parameter, tensors: list[str], optional: set[str], layer: str) -> None:
    before = [name for name in tensors if name in optional]
    if before:
        problem = f"layer {layer!r}: the input {parameter.name!r} stands after {before[0]!r}, which may be left out"
        raise DeclarationError(problem, fix="write the inputs that may be left out last")


def plain(function: Callable[..., Any]) -> Declaration:
    """Read a function that was not made for layers: its arguments without default are tensors, it has no options."""
    try:
        parameters = _parameters(function, "function")
    except DeclarationError:
        parameters = [inspect.Parameter("x", _KINDS.POSITIONAL_ONLY)]  # written in C
    hints = _hints(function)
    optional = frozenset(p.name for p in parameters if p.default is None and _is_optional_tensor(hints.get(p.name)))
    names = [p.name for p in parameters if p.kind in _POSITIONAL and p.default is _KINDS.empty]
    names += [p.name for p in parameters if p.name in optional]
    variadic = any(p.kind is _KINDS.VAR_POSITIONAL for p in parameters)
    scoped = names[:1] == ["scope"]
    inputs = tuple(names[scoped:]) or ("x",)
    if not parameters:
        problem = f"{name_of(function)} takes no tensor, so it cannot stand in a pipe"
        raise DeclarationError(problem, fix="write a function of a tensor: lambda x: ...")
    return Declaration(name_of(function), "custom", _with_hash(function), inputs, variadic, scoped, (), None, optional)


_POSITIONAL = (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD)


def _with_hash(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a callable object that compares by its contents and so has no hash: layers are told apart by functions."""
    return function if isinstance(function, Hashable) else functools.partial(function)


def name_of(function: Any) -> str:
    """Find out what a function is called: "function" for a lambda, the name of its class for an object.

    Example:
        >>> name_of(len), name_of(lambda x: x)
        ('len', 'function')
    """
    name = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else str(name)


def _parameters(function: Callable[..., Any], name: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        problem = f"layer {name!r} is not made from a Python function"
        raise DeclarationError(problem, got=brief(function), fix="wrap it: def scaled(x): return ...") from error


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    function = _written(function)
    if not inspect.isroutine(function):
        return {}  # written in C, without annotations
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        problem = f"an annotation of layer {name_of(function)!r} names what does not exist: {error}"
        raise DeclarationError(problem) from error
    except (TypeError, SyntaxError) as error:
        problem = f"an annotation of layer {name_of(function)!r} is not one: {error}"
        raise DeclarationError(problem) from error


def _written(function: Any) -> Any:
    """Find the function that somebody wrote, where the annotations stand, of a partial or an object with a call."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return getattr(type(function), "__call__", function)  # noqa: B004 - not whether it can be called


def _with_checked_default(option: Option, layer: str) -> Option:
    if option.required:
        return option
    try:
        return replace(option, default=option.parse(option.default, layer))
    except AxonError as error:
        problem = f"the default of an option does not fit its annotation: {error.problem}"
        raise DeclarationError(problem, where=f"layer {layer!r}") from None


def _is_tensor(parameter: inspect.Parameter, annotation: Any) -> bool:
    if annotation is _KINDS.empty:
        return parameter.default is _KINDS.empty
    return isinstance(annotation, type) and issubclass(annotation, Tensor)


def _is_optional_tensor(annotation: Any) -> bool:
    """Whether an annotation is ``Tensor | None``."""
    members = typing.get_args(annotation) if _is_union(annotation) else ()
    rest = [member for member in members if member is not type(None)]
    return len(rest) == 1 < len(members) and isinstance(rest[0], type) and issubclass(rest[0], Tensor)


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union


def _option(parameter: inspect.Parameter, annotation: Any) -> Option:
    if parameter.name in ("name", "scope"):
        problem = f"an option cannot be called {parameter.name!r}: every layer has one of that name"
        raise DeclarationError(problem)
    kind, optional = from_annotation(annotation, parameter.default)
    positional = parameter.kind is not _KINDS.KEYWORD_ONLY
    return Option(parameter.name, kind, parameter.default, positional, optional)
