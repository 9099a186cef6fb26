"""Owns the words for cells that Python cannot read: what is wrong, where, and what to write instead.

Knows Python's messages and the habits people bring from Elixir, but nothing about layers or IPython.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from axon_nb.caret import Span, split_lines
from axon_nb.errors import CellError, point
from axon_nb.magic.scan import CLOSER, Token, tokens, unbalanced

UNREADABLE = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""All that Python's parser and compiler may raise on some text."""


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what to do about it (empty where nothing sensible can be said)."""

    problem: str
    span: Span
    fix: str = ""


@dataclass(frozen=True)
class Habit:
    """Something from another language: ``at`` in the pattern is what to point at, ``{1}`` the next group.

    With ``exact`` it is looked for only where Python stopped, else on the lines around too.
    """

    pattern: str
    problem: str
    fix: str
    exact: bool = False


HABITS = (
    Habit(r"(?P<at>%\{)", "'%{{' begins a map in Elixir", "write {{key: value}}, without the %"),
    Habit(r"(?P<at>\b(\w+): *:(\w+))", "options are written with '=' and names in quotes", 'write {1}="{2}"'),
    Habit(r"[(,|\s=](?P<at>:(\w+))", "':{1}' is an atom in Elixir", 'write "{1}"'),
    Habit(r"[(,]\s*(?P<at>([^\W\d]\w*):)(?=\s)", "options are written with '='", "write {1}=...", exact=True),
    Habit(r"(?P<at>=>)", "'=>' is not Python", "write '=' in a call and ':' in a dict"),
    Habit(r"(?P<at>\bfn\b[^\r\n]*?->)", "functions are not written with fn in Python", "write (lambda x: ...)"),
    Habit(r"(?P<at>->)", "'->' joins no layers", "write | in its place", exact=True),
    Habit(r"[)\]](?P<at>[ \t]+)[^\W\d]\w*\(", "nothing stands between the two", "write | to join layers", exact=True),
    Habit(r"(?P<at>\bdo)[ \t]*$", "blocks do not begin with do in Python", "end the line with ':' and indent the next"),
    Habit(r"^[ \t]*(?P<at>end)[ \t]*$", "blocks do not end with end in Python", "take it out"),
    Habit(r"^[ \t]*(?P<at>%\w+|!\w*)", "IPython's commands do not work in a %%axon cell", "put it in its own cell"),
    Habit(
        r"^[ \t]*(?P<at>\?+[\w.]+|[\w.]+\?+)[ \t]*$",
        "help with '?' does not work in a %%axon cell",
        "ask in a cell of its own",
    ),
    Habit(r"(?P<at>[\u201c\u201d\u2018\u2019\u201e])", "Python does not know this kind of quote", "write \" or '"),
)

_PYTHON = (
    (r"invalid syntax\. Perhaps you forgot a comma\?", "a comma is missing", "write a comma between the two"),
    (r"unterminated .*string literal.*", "the quote is never closed", "add the closing quote"),
    (r"unexpected indent", "this line is indented more than the one before", "begin it in the same column"),
    (r"unindent does not match.*", "this line is indented less than its block", "begin it in a column used before"),
    (r"positional argument follows keyword argument.*", "an option with a name stands before one without",
     "write those without a name first"),
    (r"'return' outside function", "return works only in a function", "end the cell with the model itself"),
    (r".*null byte.*", "the cell holds a null character", "delete it"),
    (r".*surrogates not allowed", "the cell holds half of a character", "delete it and type it again"),
    (r"too many nested.*|s_push: parser stack.*|maximum recursion.*|MemoryError|RecursionError",
     "the cell is nested too deeply", "name parts of the model on lines of their own"),
    (r"invalid syntax", "Python cannot read this", ""),
)  # fmt: skip
"""Messages of Python's, ours, and a fix."""


def explain(error: BaseException, source: str, lines: Sequence[str], *, fix: str = "") -> CellError:
    """Make the error for text that Python does not read.

    Args:
        error: what Python raised.
        source: the text given to Python, pipes not joined yet.
        lines: the cell as the user sees it; ``source`` has the same lines and columns.
        fix: what to do if nothing better is found.
    """
    finding = _python(error, lines)
    if "quote" not in finding.problem:
        finding = _unbalanced(source) or _pipe(source) or _habit(source, error) or finding
    return point(CellError(finding.problem, fix=finding.fix or fix or None), lines, finding.span)


def _unbalanced(source: str) -> Finding | None:
    found = unbalanced(source)
    if found is None:
        return None
    if found.opener is None:
        return Finding(f"{found.token.text!r} closes nothing", span_of(source, found.token), "take it out")
    opener, closer = found.opener.text, CLOSER[found.opener.text]
    opened, span = span_of(source, found.opener), span_of(source, found.token)
    if found.token is found.opener:
        return Finding(f"{opener!r} is never closed", opened, f"add the {closer!r}")
    where = "" if opened.line == span.line else f" of cell line {opened.line}"
    return Finding(f"{found.token.text!r} does not close the {opener!r}{where}", span, f"write {closer!r}")


def span_of(source: str, token: Token) -> Span:
    """Turn an offset into a line and columns."""
    before = split_lines(source[: token.start])
    return Span(len(before), len(before[-1]), len(before), len(before[-1]) + len(split_lines(token.text)[0]))


def _pipe(source: str) -> Finding | None:
    code = [token for token in tokens(source) if token.is_code]
    for before, token in pairwise(code):
        if token.kind == "pipe" and before.kind == "pipe":
            return Finding("two pipes with nothing between", span_of(source, token), "take one out")
        if token.kind == "pipe" and before.text == ";":
            return Finding("the ';' ends the statement before the pipe", span_of(source, before), "take it out")
    if code and code[-1].kind == "pipe":
        return Finding("nothing stands behind the pipe", span_of(source, code[-1]), "take it out, or add a layer")
    return None


def _habit(source: str, error: BaseException) -> Finding | None:
    """Look for what Elixir, JavaScript or a shell would take, near where Python stopped."""
    stopped = _stopped(error, split_lines(source)) or Span(0, 0, 0, 0)
    code = _code_only(source)
    for habit in HABITS:
        for match in re.finditer(habit.pattern, code, re.MULTILINE):
            start, end = match.span("at")
            span = span_of(source, Token("other", source[start:end], start, 0))
            here = span.line == stopped.line and span.column <= stopped.column <= span.end_column
            if here or (not habit.exact and abs(span.line - stopped.line) <= 1):
                groups = match.groups()
                return Finding(habit.problem.format(*groups), span, habit.fix.format(*groups))
    return None


def _code_only(source: str) -> str:
    """Blank out strings and comments, keeping all places."""
    return "".join(
        re.sub(r"[^\r\n]", "\0", token.text) if token.kind in ("string", "comment") else token.text
        for token in tokens(source)
    )


def _python(error: BaseException, lines: Sequence[str]) -> Finding:
    """Take over what Python says, in the words of the project where there are some."""
    said = getattr(error, "msg", None) or str(error) or type(error).__name__
    said, fix = next(((ours, fix) for theirs, ours, fix in _PYTHON if re.fullmatch(theirs, said)), (said, ""))
    return Finding(said, _stopped(error, lines) or Span(1, 0, 1, len(lines[0])), fix)


def _stopped(error: BaseException, lines: Sequence[str]) -> Span | None:
    """Return where Python stopped, if it says so."""
    if not isinstance(error, SyntaxError) or not error.lineno:
        return None
    line = min(error.lineno, len(lines))
    text = lines[line - 1]
    if isinstance(error, IndentationError):
        column = len(text) - len(text.lstrip())
        return Span(line, column, line, column + 1)
    column = _column(error, error.offset, text)
    end_line = error.end_lineno or line
    end = max(_column(error, error.end_offset, text), column + 1) if end_line == line else len(text)
    return Span(line, column, end_line, end)


def _column(error: SyntaxError, offset: int | None, line: str) -> int:
    """Turn an offset into a column.

    CPython (seen in 3.11) turns bytes into characters by the text it quotes, which begins too early if lines were
    joined by a backslash. So the bytes are counted back from there.
    """
    column = max((offset or 1) - 1, 0)
    quoted = error.text or ""
    if "\n" not in quoted.rstrip("\n"):
        return column
    return len(line.encode(errors="replace")[: len(quoted[:column].encode(errors="replace"))].decode(errors="replace"))
