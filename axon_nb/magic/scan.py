"""Owns the cutting of cell text into tokens, and the joining of lines that a pipe continues.

Knows brackets, strings and comments, but nothing else of Python's grammar, and nothing about layers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["string", "comment", "join", "newline", "pipe", "open", "close", "space", "word", "other"]
NESTED_QUOTES = sys.version_info >= (3, 12)
"""From Python 3.12 on, ``f"{d["key"]}"`` is one string (PEP 701)."""

_TOKEN = re.compile(
    r"""(?P<string>(?i:[rbuft]{0,2})(?:\"{3}|'{3}|["']))
      | (?P<comment>\#[^\r\n]*)
      | (?P<join>\\(?:\r\n|\r|\n))
      | (?P<newline>\r\n|\r|\n)
      | (?P<pipe>\|>|\|)
      | (?P<open>[(\[{])
      | (?P<close>[)\]}])
      | (?P<space>[\ \t\f]+)
      | (?P<word>\w+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_REST_OF_STRING = {
    quote: re.compile(rf"(?:\\(?:\r\n|.)|[^\\\r\n{quote}])*{quote}?", re.DOTALL) for quote in ("'", '"')
} | {quote * 3: re.compile(rf"(?:\\.|(?!{quote * 3}).)*(?:{quote * 3})?", re.DOTALL) for quote in ("'", '"')}
CLOSER = {"(": ")", "[": "]", "{": "}"}


class Token(NamedTuple):
    """A piece of text and where it begins; ``depth`` counts the brackets that are open around it."""

    kind: Kind
    text: str
    start: int
    depth: int

    @property
    def is_code(self) -> bool:
        """Say whether Python would see it: neither space, comment nor line end."""
        return self.kind not in ("space", "comment", "newline", "join")


@dataclass(frozen=True)
class Unbalanced:
    """A bracket without a partner.

    ``token`` is the one to point at: an opening one that is never closed (then it is ``opener`` too), or a closing one
    that closes nothing (then there is no ``opener``) or an ``opener`` of another kind.
    """

    token: Token
    opener: Token | None


def tokens(text: str) -> list[Token]:
    """Cut text into tokens that, joined, are the text.

    Example:
        >>> [token.text for token in tokens("a |> b('|')")]
        ['a', ' ', '|>', ' ', 'b', '(', "'|'", ')']
    """
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[Token]:
    position = depth = 0
    while match := _TOKEN.match(text, position):
        end = match.end() if match.lastgroup != "string" else _string_end(text, match.group(), match.end())
        kind: Kind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
        if kind == "close":
            depth = max(0, depth - 1)
        yield Token(kind, text[position:end], position, depth)
        if kind == "open":
            depth += 1
        position = end


def _string_end(text: str, opening: str, position: int) -> int:
    """Return where the string ends that is open at a position, or where it would have to be closed at the latest."""
    quote = opening.lstrip("rbuftRBUFT")
    if NESTED_QUOTES and set(opening[: -len(quote)].lower()) & {"f", "t"}:
        return _format_string_end(text, quote, position)
    match = _REST_OF_STRING[quote].match(text, position)
    return match.end() if match else position


def _format_string_end(text: str, quote: str, position: int) -> int:
    """Do the same for an f-string, whose ``{fields}`` may hold its own quote."""
    depth = 0
    while position < len(text):
        if text.startswith(quote, position):
            if not depth:
                return position + len(quote)
            position = _string_end(text, quote, position + len(quote))
        elif text[position] in "\r\n" and len(quote) == 1 and not depth:
            return position
        elif text[position] == "\\" or (text.startswith("{{", position) and not depth):
            position += 2
        else:
            depth = max(0, depth + {"{": 1, "}": -1}.get(text[position], 0))
            position += 1
    return len(text)


def first_code(text: str) -> Token | None:
    r"""Return the first token that Python would see.

    Example:
        >>> first_code("# note\n  | b").start
        9
    """
    return next((token for token in _tokens(text) if token.is_code), None)


def join_pipes(text: str) -> str:
    r"""Make Python read lines that begin (or follow a line that ends) with a pipe as one line with the one before.

    Every character that stays keeps its line and column: a line end between becomes an escaped one, a comment between
    is dropped, and ``|>`` becomes a pipe and a space.

    Example:
        >>> print(join_pipes("a  # first\n\n  |> b\nc"))
        a  \
        \
          |  b
        c
    """
    found = tokens(text)
    written = [token.text for token in found]
    between: list[int] = []
    before: Token | None = None
    for index, token in enumerate(found):
        if not token.is_code:
            between.append(index)
            continue
        if before and not token.depth and "pipe" in (before.kind, token.kind):
            for place in between:
                written[place] = _escaped(found[place])
        if token.kind == "pipe":
            written[index] = token.text.replace("|>", "| ")
        before, between = token, []
    return "".join(written)


def _escaped(token: Token) -> str:
    if token.kind == "newline":
        return "\\" + token.text
    return "" if token.kind == "comment" else token.text


def unbalanced(text: str) -> Unbalanced | None:
    """Find the bracket that has no partner; where several are left open, the innermost.

    Example:
        >>> unbalanced("f(1").token.start, unbalanced("f(1)") is None
        (1, True)
    """
    opened: list[Token] = []
    for token in tokens(text):
        if token.kind == "open":
            opened.append(token)
        elif token.kind == "close":
            opener = opened.pop() if opened else None
            if opener is None or CLOSER[opener.text] != token.text:
                return Unbalanced(token, opener)
    return Unbalanced(opened[-1], opened[-1]) if opened else None


def words(line: str) -> list[Token]:
    """Split one line at its spaces, except for those in brackets and strings; a comment is left out.

    Example:
        >>> [word.text for word in words("gan(image: (1, 28)) --quiet  # both")]
        ['gan(image: (1, 28))', '--quiet']
    """
    found: list[Token] = []
    apart = True
    for token in tokens(line):
        if not token.is_code and (token.depth == 0 or token.kind == "comment"):
            apart = True
        elif apart:
            found.append(Token("word", token.text, token.start, 0))
            apart = False
        else:
            found[-1] = Token("word", found[-1].text + token.text, found[-1].start, 0)
    return found
