"""Owns how a decorated function is read: its inputs, options, family and docs.

Knows nothing about applying layers to anything.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.errors import DeclarationError, OptionError, unknown
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

    @property
    def doc(self) -> str:
        """The function's docstring."""
        return inspect.getdoc(self.function) or ""

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
    msg = f"{owner} option"
    raise unknown(msg, name, [o.name for o in options], error=OptionError)


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
        example = ", ".join(f"{o.name}={o.type.example!r}" for o in missing)
        msg = f"{words} must be given"
        raise OptionError(msg, where=owner, fix=f"{owner}({example})")
    return {o.name: o.parse(given[o.name], owner) if o.name in given else o.default for o in options}


def _place(owner: str, options: tuple[Option, ...], args: tuple[Any, ...]) -> dict[str, Any]:
    places = [o for o in options if o.positional]
    if len(args) > len(places):
        names = ", ".join(o.name for o in places)
        expected = f"takes {len(places)} positional options ({names})" if places else "takes no options by position"
        fix = f"name the others: {owner}(..., option=value)" if len(options) > len(places) else ()
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


def declare(function: Callable[..., Any], name: str | None, family: str) -> Declaration:
    """Read a layer function.

    Tensors are the parameters that have no annotation and no default, or are annotated as ``Tensor``; a first parameter
    called ``scope`` is the Scope; all others are options.

    Raises:
        DeclarationError: it takes no tensor, or an argument that cannot be an option.
    """
    parameters = list(inspect.signature(function).parameters.values())
    hints = _hints(function)
    scoped = bool(parameters) and parameters[0].name == "scope"
    tensors: list[str] = []
    options: list[Option] = []
    variadic = False
    for parameter in parameters[scoped:]:
        annotation = hints.get(parameter.name, parameter.annotation)
        if parameter.kind is _KINDS.VAR_POSITIONAL:
            variadic = True
            tensors.append(parameter.name)
        elif parameter.kind is _KINDS.VAR_KEYWORD:
            problem = f"layer {function.__name__!r} takes **{parameter.name}: name its options"
            raise DeclarationError(problem)
        elif _is_tensor(parameter, annotation):
            tensors.append(parameter.name)
        else:
            options.append(_option(parameter, annotation))
    if not tensors:
        problem = f"layer {function.__name__!r} takes no tensor"
        raise DeclarationError(problem, fix=f"def {function.__name__}(x, ...): give it an argument without annotation")
    return Declaration(
        name or function.__name__.strip("<>"), family, function, tuple(tensors), variadic, scoped, tuple(options)
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        problem = f"an annotation of layer {function.__name__!r} names what does not exist: {error}"
        raise DeclarationError(problem) from error


def _is_tensor(parameter: inspect.Parameter, annotation: Any) -> bool:
    if annotation is _KINDS.empty:
        return parameter.default is _KINDS.empty
    return isinstance(annotation, type) and issubclass(annotation, Tensor)


def _option(parameter: inspect.Parameter, annotation: Any) -> Option:
    if parameter.name in ("name", "scope"):
        problem = f"an option cannot be called {parameter.name!r}: every layer has one of that name"
        raise DeclarationError(problem)
    kind, optional = from_annotation(annotation, parameter.default)
    positional = parameter.kind is not _KINDS.KEYWORD_ONLY
    return Option(parameter.name, kind, parameter.default, positional, optional)
