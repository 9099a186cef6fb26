"""Owns what can be written at a place in a ``%%axon`` cell, or behind ``%axon``: layers, options, values, flags.

Knows nothing about IPython: it takes text and a place in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from axon_nb.magic.scan import Token, tokens

MAGIC = "%%axon"
_WORD = re.compile(r"\w*$")
_FLAG = re.compile(r"[-\w]*$")


@dataclass(frozen=True)
class Offer:
    """What may stand at the place: ``fragment`` is what is written of it already.

    With ``alone`` nothing else can stand there, such as the user's variables.
    """

    fragment: str
    words: tuple[tuple[str, str], ...]
    """Each word, and what kind of thing it is."""
    alone: bool = False

    def fitting(self) -> Offer:
        """Leave out the words that do not begin as what is written."""
        start = self.fragment.lower()
        return Offer(self.fragment, tuple(one for one in self.words if one[0].lower().startswith(start)), self.alone)


@dataclass
class _Call:
    """A call whose bracket is open at the place."""

    name: str
    place: int = 0
    """Number of arguments before this one."""
    given: list[str] = field(default_factory=list)
    option: str = ""
    """The option whose value is being written."""
    fresh: bool = True
    """Whether nothing of the argument is written yet."""


def offer_in_cell(before: str, layers: Mapping[str, Any], flags: Mapping[str, Any]) -> Offer | None:
    r"""Find what can be written in a ``%%axon`` cell.

    Args:
        before: the cell up to the cursor, with its first line.
        layers: layers and combinators by name.
        flags: the flags of the first line.

    Example:
        >>> from axon_nb import layer
        >>> from axon_nb.layer import registry
        >>> offer_in_cell('%%axon m\nx | dense(8, activation="re', registry, {}).fitting().words[:2]
        (('relu', 'value'), ('relu6', 'value'))
    """
    first, line_end, body = before.partition("\n")
    if not first.lstrip().startswith(MAGIC):
        return None
    if not line_end:
        return _flags(first, flags)
    return _in_body(body, layers)


def _flags(first: str, flags: Mapping[str, Any]) -> Offer | None:
    fragment = _match(_FLAG, first)
    is_flag = fragment.startswith("-") and first[: len(first) - len(fragment)].endswith(" ")
    return Offer(fragment, tuple((flag, "flag") for flag in flags), alone=True) if is_flag else None


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found.group() if found else ""


def _in_body(body: str, layers: Mapping[str, Any]) -> Offer | None:
    found = tokens(body)
    last = found[-1] if found else None
    if last is not None and last.kind == "comment":
        return None
    quote = _open_quote(last)
    written = found[:-1] if quote else found
    fragment = last.text.lstrip("rbuftRBUFT").lstrip(quote) if quote and last else _match(_WORD, body)
    if fragment and not quote:
        written = written[:-1]
    calls = _open_calls(written)
    before = next((token for token in reversed(written) if token.is_code), None)
    if before is not None and before.text == ".":
        return None  # an attribute of something: not ours
    call = calls[-1] if calls else None
    declaration = getattr(layers.get(call.name), "declaration", None) if call else None
    if quote:
        return Offer(fragment, tuple(_values(call, declaration, quoted=True)), alone=True) if declaration else None
    words = ((name, "function") for name in layers)
    if call is None or declaration is None:
        return Offer(fragment, tuple(words))
    if call.option:
        values = tuple(_values(call, declaration, quoted=False))
        return Offer(fragment, values or tuple(words))
    if not call.fresh:
        return None
    options = [(f"{one.name}=", "option") for one in declaration.options if one.name not in call.given]
    options.append(("name=", "option"))
    return Offer(
        fragment, (*options, *_values(call, declaration, quoted=False), *(words if _joins(declaration) else ()))
    )


def _joins(declaration: Any) -> bool:
    """Whether a layer takes others before its options: ``add(dense(4), dense(4))``."""
    return bool(declaration.variadic) or len(declaration.inputs) > 1


def _open_quote(last: Token | None) -> str:
    """Return the quote of a string that is not closed yet."""
    if last is None or last.kind != "string":
        return ""
    text = last.text.lstrip("rbuftRBUFT")
    quote = text[:3] if text[:3] in ('"""', "'''") else text[:1]
    is_closed = len(text) >= 2 * len(quote) and text.endswith(quote) and not text.endswith("\\" + quote)
    return "" if is_closed else quote


def _open_calls(written: Iterable[Token]) -> list[_Call]:
    """Find the calls that are open at the end, the innermost last."""
    calls: list[_Call] = []
    before: Token | None = None
    for token in written:
        if not token.is_code:
            continue
        if token.kind == "open":
            name = before.text if token.text == "(" and before is not None and before.kind == "word" else ""
            if calls:
                calls[-1].fresh = False
            calls.append(_Call(name))
        elif token.kind == "close":
            del calls[-1:]
        elif calls:
            _read_on(calls[-1], token, before)
        before = token
    return calls


def _read_on(call: _Call, token: Token, before: Token | None) -> None:
    if token.text == ",":
        call.place, call.option, call.fresh = call.place + 1, "", True
    elif token.text == "=" and before is not None and before.kind == "word":
        call.option = before.text
        call.given.append(before.text)
    else:
        call.fresh = False


def _values(call: _Call | None, declaration: Any, *, quoted: bool) -> Iterator[tuple[str, str]]:
    """List the values of the option that is being written."""
    option = _option(call, declaration)
    if option is None:
        return
    for choice in option.type.choices:
        yield (choice if quoted else f'"{choice}"', "value")
    if quoted:
        return
    if option.type.control == "bool":
        yield from (("True", "value"), ("False", "value"))
    elif not option.type.choices and option.type.example is not None and call is not None and call.option:
        yield (repr(option.type.example), "value")
    if option.optional and call is not None and call.option:
        yield ("None", "value")


def _option(call: _Call | None, declaration: Any) -> Any:
    if call is None:
        return None
    if call.option:
        return next((one for one in declaration.options if one.name == call.option), None)
    positional = [one for one in declaration.options if one.positional]
    return positional[call.place] if call.place < len(positional) else None


def offer_on_line(before: str, commands: Mapping[str, Iterable[str]]) -> Offer | None:
    """Find what can be written behind ``%axon``.

    Args:
        before: the line up to the cursor.
        commands: for each command the words that may follow it.

    Example:
        >>> offer_on_line("%axon layers po", {"layers": ["pooling", "shape"]}).fitting().words
        (('pooling', 'word'),)
    """
    found = re.match(r"\s*%axon\s+(.*)$", before)
    if found is None:
        return None
    *earlier, fragment = re.split(r"\s+", found[1])
    words = commands.get(earlier[0], ()) if earlier else commands
    return Offer(fragment, tuple((word, "word") for word in words), alone=True)
