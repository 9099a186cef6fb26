"""Owns the exception tree: what went wrong, where, what was got and what to do.

Knows nothing about layers, tensors or notebooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from axon_nb.synonyms import nearest


class Fix(str):
    """A change that was tried and makes the model fit: the sentence that says it, and what comes of it.

    It is a piece of text, as the hints beside it in ``error.fixes`` are, so that both can be printed alike.

    Example:
        >>> fix = Fix("put flatten() before it", code="flatten() | dense(10)")
        >>> fix.text, fix.code
        ('put flatten() before it', 'flatten() | dense(10)')
    """

    code: str
    """What to write, as it would stand in a cell."""
    model: Any
    """The whole model with the change made."""

    def __new__(cls, text: str, *, code: str = "", model: Any = None) -> Self:
        """Make the text, with what belongs to it."""
        made = super().__new__(cls, text)
        made.code = code
        made.model = model
        return made

    @property
    def text(self) -> str:
        """The sentence."""
        return str(self)


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
        self.hints: tuple[str, ...] = (fix,) if isinstance(fix, str) else tuple(fix or ())
        """What to do, as whoever raised it wrote it down."""
        self._tried: tuple[str, ...] = ()
        self._search: Callable[[], tuple[str, ...]] | None = None
        self.excerpt: str | None = None
        """The line of code it is about, with carets under the place; put in by who knows the code."""

    @property
    def fixes(self) -> tuple[str, ...]:
        """What to do, best first: each a `Fix`, which was tried and works; hints where there is none."""
        search, self._search = self._search, None
        if search is not None:
            self._tried = search()
        return self._tried or self.hints

    @fixes.setter
    def fixes(self, fixes: Iterable[str]) -> None:
        self._search, self._tried = None, ()
        self.hints = tuple(fixes)

    def search_with(self, search: Callable[[], tuple[str, ...]]) -> Self:
        """Put in what finds fixes, to be called when they are first looked at; hints stay where it finds none."""
        self._search = search
        return self

    def at(self, where: str, got: str | None = None) -> Self:
        """Return this error with its place filled in, where it has none yet."""
        self.where = self.where or where
        self.got = self.got or got
        return self

    def __str__(self) -> str:
        fixes = self.fixes  # first: the search for them may find out what was got
        return message(self.where, self.problem, self.got, fixes, self.excerpt)

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
    """Make the error for a name that does not exist: the nearest ones, then all of them if they are not many.

    Example:
        >>> print(unknown("layer", "dens", ["dense", "conv"]))
        there is no layer 'dens'
          fix: did you mean 'dense'?
          fix: the layers are: conv, dense
    """
    names = sorted(known)
    close = nearest(str(name), names)
    fixes = [f"did you mean {' or '.join(map(repr, close))}?"] if close else []
    if len(names) > _MOST and kind == "layer":
        fixes.append(f"%axon layers lists all {len(names)} layers")
    elif names and (len(names) <= _MOST or not close):
        fixes.append(f"the {_plural(kind)} are: {', '.join(names)}")
    return error(f"there is no {kind} {brief(name)}", fix=fixes)


_MOST = 16
"""How many names are listed though some near ones were found."""


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
