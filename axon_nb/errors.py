"""Owns the exception tree: what went wrong, where, what was got and what to do.

Knows nothing about layers, tensors or notebooks.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Self


class AxonError(Exception):
    """The root of every error raised on purpose by axon_nb.

    The message is made of parts, so that a caller who knows more (the layer, the cell line) can add it:
    ``problem`` is one sentence, ``where`` names the layer and its line, ``got`` is what was seen, ``fix`` what to do.

    Example:
        >>> print(AxonError("the last axis must be known", where="dense 'dense_1'", fix="give input(...) a width"))
        dense 'dense_1': the last axis must be known
          fix: give input(...) a width
    """

    def __init__(
        self, problem: str, *, where: str | None = None, got: str | None = None, fix: str | Iterable[str] | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.got = got
        self.fixes: tuple[str, ...] = (fix,) if isinstance(fix, str) else tuple(fix or ())
        self.excerpt: str | None = None
        """The line of code it is about, with carets under the place; put in by who knows the code."""

    def at(self, where: str, got: str | None = None) -> Self:
        """Return this error with its place filled in, where it has none yet."""
        self.where = self.where or where
        self.got = self.got or got
        return self

    def __str__(self) -> str:
        return message(self.where, self.problem, self.got, self.fixes, self.excerpt)

    def _render_traceback_(self) -> list[str]:
        """Give IPython the lines to print in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class DeclarationError(AxonError):
    """A function cannot be made into a layer."""


class OptionError(AxonError, ValueError):
    """An option of a layer, loss or optimizer is missing, unknown or out of its range."""


class UnknownNameError(AxonError, KeyError):
    """A name (of a layer, loss, metric, device ...) that does not exist. A ``KeyError``, as mappings raise."""


class GraphError(AxonError):
    """Layers were joined in a way that makes no model."""


class ShapeError(AxonError, ValueError):
    """Shapes that do not fit; names the layer, what it got and what it needs."""


class ParamsError(AxonError):
    """Parameters that do not belong to the model they are used with."""


class DataError(AxonError, ValueError):
    """Data given to predict or fit that the model cannot take."""


class HookError(AxonError):
    """A hook failed, or returned what cannot take a tensor's place."""


class TrainingError(AxonError):
    """Training cannot go on: the loss is not finite, a callback failed ..."""

    trained: Any = None
    """What was trained before it happened."""


class DeviceError(AxonError, RuntimeError):
    """A device that is not there or does not work."""


class FileError(AxonError):
    """A file or text that cannot be read or written, is damaged, or is not one of ours."""


class CellError(AxonError):
    """A ``%%axon`` cell that cannot be read."""


def message(where: str | None, problem: str, got: str | None, fixes: Iterable[str], excerpt: str | None = None) -> str:
    """Join the parts of an error into its text, one line for each part.

    Example:
        >>> print(message("flatten 'flatten_0'", "needs a batch axis", "()", ["add one"]))
        flatten 'flatten_0': needs a batch axis
          got: ()
          fix: add one
    """
    lines = [f"{where}: {problem}" if where else problem, *([excerpt] if excerpt else [])]
    if got:
        lines.append(f"  got: {got}")
    lines += [f"  fix: {fix}" for fix in fixes]
    return "\n".join(lines)


def unknown(kind: str, name: object, known: Iterable[str], *, error: type[AxonError] = UnknownNameError) -> AxonError:
    """Make the error for a name that does not exist: the nearest ones, then all of them.

    Example:
        >>> print(unknown("layer", "dens", ["dense", "conv"]))
        there is no layer 'dens'
          fix: did you mean 'dense'?
          fix: the layers are: conv, dense
    """
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=2, cutoff=0.6)
    fixes = [f"did you mean {' or '.join(map(repr, close))}?"] if close else []
    if names:
        fixes.append(f"the {_plural(kind)} are: {', '.join(names)}")
    return error(f"there is no {kind} {name!r}", fix=fixes)


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("ss") else f"{kind}s"


def article(noun: str) -> str:
    """Put "a" or "an" before a word.

    Example:
        >>> article("int"), article("str")
        ('an int', 'a str')
    """
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"


def brief(value: object, limit: int = 80) -> str:
    """Write a value that someone gave, in one line: a table of numbers is told by its kind and shape.

    Example:
        >>> brief(3.5), brief("a" * 200, limit=12)
        ('3.5', "'aaaaaaa ...")
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {shape}"
    text = repr(value)
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."
