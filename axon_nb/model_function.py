"""Owns ``@model``: a function from models to models becomes a model with named inputs.

Knows nothing about shapes or weights.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from axon_nb.errors import DeclarationError, GraphError, brief, unknown
from axon_nb.graph import Model, Structure, input
from axon_nb.layer import combinator, mapped


class ModelFunction(Model):
    """What ``@model`` makes of a function: a model, which can be built anew with other options."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        names, _ = _parameters(function)
        made = function(*(input(shape, name=name) for name, shape in names.items()), **options)
        super().__init__(_structure(function, made), function.__name__)
        self.function = function
        self.options = options
        self.__name__ = self.__qualname__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__wrapped__ = function

    def __call__(self, *inputs: Any, **named: Any) -> Model:
        """Apply it to models, in order or by name; options given by name make a model of its own, with fresh layers."""
        names, defaults = _parameters(self.function)
        for name in named:
            if name not in names and name not in defaults:
                kind = f"{self.function.__name__} input or option"
                raise unknown(kind, name, [*names, *defaults], error=GraphError)
        options = {name: value for name, value in named.items() if name in defaults}
        given = {**dict(zip(names, inputs, strict=False)), **{n: v for n, v in named.items() if n in names}}
        made = ModelFunction(self.function, {**self.options, **options}) if options else self
        if not given and not inputs:
            return made
        ordered = [given[name] for name in names if name in given]
        return Model.__call__(made, *ordered, *inputs[len(names) :])


@combinator
def model(function: Callable[..., Any]) -> Model:
    """Make a model of a function of models: its arguments are the inputs, by name and without shapes.

    Arguments with a default are options: ``generator(width=128)`` builds the model anew. An argument annotated with a
    shape, ``latent: (None, 128)``, declares it. The function returns a model, or a tuple or dict of them.

    Raises:
        DeclarationError: it is no such function.
        GraphError: it returns no model.

    Example:
        >>> from axon_nb import dense, model
        >>> @model
        ... def generator(latent, width=256):
        ...     return latent | dense(width, "tanh") | dense(784)
        >>> generator
        <Model generator: latent ? -> dense_0 -> dense_1>
        >>> generator(width=32).compute_output_shape(latent=(None, 128))
        (None, 784)
    """
    if not callable(function) or isinstance(function, type) or not hasattr(function, "__name__"):
        problem = "@model makes a model of a function"
        raise DeclarationError(problem, got=brief(function), fix="@model\ndef classifier(image): return image | ...")
    _, defaults = _parameters(function)
    return ModelFunction(function, defaults)


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """List the inputs, with their shapes where they are declared, and the options with their defaults."""
    names: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            problem = f"model {function.__name__!r} takes {parameter}: name its inputs"
            raise DeclarationError(problem)
        if parameter.default is not parameter.empty:
            defaults[parameter.name] = parameter.default
        elif parameter.kind is parameter.KEYWORD_ONLY:
            problem = f"model {function.__name__!r}: the option {parameter.name!r} has no default"
            raise DeclarationError(problem, fix=f"{parameter.name}=...; inputs stand before the *")
        else:
            names[parameter.name] = _shape(function, parameter)
    return names, defaults


def _shape(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    if isinstance(annotation, str):  # from __future__ import annotations
        try:
            annotation = inspect.get_annotations(function, eval_str=True).get(parameter.name)
        except Exception:
            return None
    return annotation if isinstance(annotation, tuple | list | dict) else None


def _structure(function: Callable[..., Any], made: Any) -> Structure:
    def outputs(one: Any) -> Structure:
        if isinstance(one, Model):
            return one.outputs
        problem = "returns a model, or a tuple or dict of them"
        raise GraphError(problem, where=f"model {function.__name__!r}", got=brief(one), fix="return x | dense(10)")

    structure: Structure = mapped(made, outputs)
    return structure
