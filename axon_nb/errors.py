"""Owns the exception tree: what went wrong, where, what was got and what to do.

Knows nothing about layers, tensors or notebooks.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from axon_nb.caret import Span, excerpt
from axon_nb.source import Source, here, is_users
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


class Place(str):
    """The name of a layer with its line, ``dense 'dense_1' (cell line 4)``, and where that is."""

    source: Source | None

    def __new__(cls, text: str, source: Source | None) -> Self:
        """Make the text, with the place."""
        made = super().__new__(cls, text)
        made.source = source
        return made


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
        self.source: Source | None = getattr(where, "source", None) or here(is_users)
        """Where it was written what it is about: the layer, else the user's own line that was running."""
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
        if not self.where:
            self.where = where
            self.source = getattr(where, "source", None) or self.source
        self.got = self.got or got
        return self

    def __str__(self) -> str:
        fixes = self.fixes  # first: the search for them may find out what was got
        return message(self.where, self.problem, self.got, fixes, self.excerpt)

    @property
    def shown(self) -> str:
        """The text as people see it: with the line that it is about, and carets under the place.

        Example:
            >>> print(AxonError("no good", where="dense").shown.partition(chr(10))[2])
                print(AxonError("no good", where="dense").shown.partition(chr(10))[2])
                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """
        fixes = self.fixes  # first: the search for them may find out what was got
        lines = "" if self.excerpt or self.source is None else self.source.excerpt
        where = _with_line(self.where, str(self.source)) if lines else self.where
        inner = _raised_in(self.__cause__, lines or self.excerpt or "")
        return message(where, self.problem, self.got, fixes, f"{lines or self.excerpt or ''}{inner}")

    verbose: ClassVar[bool] = os.environ.get("AXON_NB_VERBOSE", "0").strip().lower() not in (
        "",
        "0",
        "false",
        "no",
        "off",
    )
    """Whether errors show the full traceback: ``%axon verbose``, or ``AXON_NB_VERBOSE=1``."""

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """Give IPython the lines to print in place of a traceback; without it, it prints the traceback."""
        if self.verbose:
            raise AttributeError
        return lambda: [f"{type(self).__name__}: {self.shown}"]


class DeclarationError(AxonError):
    """A function cannot be made into a layer."""


class OptionError(AxonError, ValueError):
    """An option of a layer, loss or optimizer is missing, unknown or out of its range."""


class UnknownNameError(AxonError, KeyError):
    """A name (of a layer, loss, metric, device ...) that does not exist. A ``KeyError``, as mappings raise."""


class GraphError(AxonError):
    """Layers were joined in a way that makes no model."""


class NoAttributeError(GraphError, AttributeError):
    """A model or layer was asked for something it does not have."""


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


E = TypeVar("E", bound=AxonError)


def point(error: E, lines: Sequence[str], span: Span) -> E:
    """Add to an error the cell line it is about, unless it names one already, and the carets.

    Example:
        >>> print(point(AxonError("too wide", where="dense 'a'", fix="use 3"), ["", "x | dense(9)"], Span(2, 4, 2, 9)))
        dense 'a' (cell line 2): too wide
            x | dense(9)
                ^^^^^
          fix: use 3
    """
    if error.excerpt:
        return error  # it was pointed at already
    error.where = _with_line(error.where, f"cell line {span.line}")
    error.excerpt = excerpt(lines, span)
    return error


def _raised_in(cause: BaseException | None, excerpt: str) -> str:
    """Name the line of the user's own code in which another error began, unless it is the one that is shown."""
    found: Source | None = None
    while isinstance(cause, AxonError):
        cause = cause.__cause__
    trace = cause.__traceback__ if cause else None
    while trace is not None:
        if is_users(trace.tb_frame.f_code):
            found = Source(trace.tb_frame.f_code, trace.tb_lasti)
        trace = trace.tb_next
    line = found.text.strip() if found else ""
    return f"\n  in: {found}: {brief_line(line)}" if line and line not in excerpt else ""


def _with_line(where: str | None, place: str) -> str:
    if not where:
        return place
    return where if re.search(r"\bline \d", where) else f"{where} ({place})"


def show_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody caught, for scripts and Python's own prompt: the user's lines, and none of ours.

    Other errors, and all with `AxonError.verbose`, are printed as Python prints them.
    """
    if not isinstance(error, AxonError) or error.verbose:
        sys.__excepthook__(kind, error, trace)
        return
    place = error.source and (error.source.filename, error.source.line)
    steps = [
        step
        for (frame, line), step in zip(traceback.walk_tb(trace), traceback.extract_tb(trace), strict=True)
        if is_users(frame.f_code) and (step.filename, line) != place  # the message shows that one
    ]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(steps)] if steps else []
    sys.stderr.write("".join([*lines, f"{kind.__name__}: {error.shown}\n"]))


if sys.excepthook is sys.__excepthook__:
    sys.excepthook = show_uncaught

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


def warn(text: str) -> None:
    """Warn, naming the user's own line that was running."""
    place = here(is_users)
    warnings.warn_explicit(text, UserWarning, place.filename if place else "", place.line if place else 0)


def brief_line(text: str, limit: int = 100) -> str:
    """Cut a line of code that is long.

    Example:
        >>> brief_line("x" * 20, limit=8)
        'xxxx ...'
    """
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."


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
    return brief_line(text, limit)
