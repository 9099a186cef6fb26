"""Owns the answers to wrong arguments of ``fit``: labels by themselves, names from elsewhere, no loss.

Knows nothing about what the arguments mean.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from axon_nb.errors import OptionError, unknown
from axon_nb.functional.losses import losses

F = TypeVar("F", bound=Callable[..., Any])


def told(function: F) -> F:
    """Let a function that is called with wrong arguments say which are right, in place of Python's words."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        try:
            signature.bind(*args, **given)
        except TypeError:
            raise _wrong(function.__name__, signature, args, given) from None
        return function(*args, **given)

    return cast("F", call)


def _wrong(name: str, signature: inspect.Signature, args: tuple[Any, ...], given: dict[str, Any]) -> OptionError:
    kinds = signature.parameters.values()
    places = [one.name for one in kinds if one.kind is one.POSITIONAL_OR_KEYWORD]
    if len(args) > len(places):
        problem = f"{name} takes the data and its labels as one argument, and options by name"
        return OptionError(problem, fix=f"model.{name}((x, y), loss=...)")
    for option in given:
        if option in ("x", "y"):
            problem = f"{name} takes the data and its labels as one argument"
            return OptionError(problem, fix=f"model.{name}((x, y), loss=...)")
        if option not in signature.parameters:
            kind = f"{name} option"
            return cast("OptionError", unknown(kind, option, [one.name for one in kinds][1:], error=OptionError))
    bound = {*places[: len(args)], *given}
    missing = [one.name for one in kinds if one.default is one.empty and one.name not in bound]
    twice = [one for one in places[: len(args)] if one in given]
    if twice:
        return OptionError(f"{twice[0]} is given twice")
    fix = f"loss={losses_shown()}" if "loss" in missing else f"model.{name}((x, y), loss=...)"
    return OptionError(f"{name} needs {' and '.join(missing)}", fix=fix)


def losses_shown() -> str:
    """Name the losses that people look for first."""
    usual = ("categorical_cross_entropy", "binary_cross_entropy", "mean_squared_error")
    return " or ".join(f'"{one}"' for one in usual if one in losses)
