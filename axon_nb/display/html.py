"""Owns the escaping of all text that people wrote, for HTML and for DOT, and how long text is cut.

Knows nothing about models: it takes strings and gives strings.
"""

from __future__ import annotations

import functools
import html
import unicodedata

ELLIPSIS = "…"

_DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Invisible characters that reorder the text around them."""


def clean(text: object) -> str:
    r"""Write a text on one line: characters that would move or hide other text are spelled out.

    Example:
        >>> clean("two" + chr(10) + "lines"), clean("a" + chr(0x202E) + "b")
        ('two lines', 'a\\u202eb')
    """
    value = _string(text)
    if value.isprintable():  # what _visible spells out is not: controls, marks, halves of characters, no characters
        return value
    return "".join(_visible(char) for char in value)


def _string(text: object) -> str:
    try:
        return str(text)
    except Exception as error:  # a user's __str__ may do anything, and a display never breaks a cell
        return f"({type(text).__name__} whose text fails with {type(error).__name__})"


def _visible(char: str) -> str:
    if char in "\n\r\t\u2028\u2029":
        return " "
    if char in _DIRECTION_MARKS or unicodedata.category(char) in {"Cc", "Cs"} or char in "\ufffe\uffff":
        return char.encode("unicode_escape", "backslashreplace").decode("ascii")
    return char


def escape(text: object) -> str:
    """Make a text safe between HTML tags and inside quoted attributes.

    Example:
        >>> escape('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(clean(text), quote=True)


def clean_lines(text: object) -> str:
    r"""Clean a text of several lines, keeping its line ends.

    Example:
        >>> clean_lines("a" + chr(10) + "  b")
        'a\n  b'
    """
    return "\n".join(clean(line) for line in _string(text).split("\n"))


def escape_lines(text: object) -> str:
    r"""Escape a text of several lines, keeping its line ends (for ``<pre>``).

    Example:
        >>> escape_lines("a < b" + chr(10) + "  fix: c")
        'a &lt; b\n  fix: c'
    """
    return html.escape(clean_lines(text), quote=True)


def escape_dot(text: object) -> str:
    r"""Make a text safe inside a double-quoted DOT string, with none of Graphviz's own escapes left in it.

    Example:
        >>> escape_dot('a"; b' + chr(92) + 'n')
        'a\\"; b\\\\n'
        >>> escape_dot("&lt;")
        '&amp;lt;'
    """
    value = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    # Graphviz reads HTML entities in plain labels too.
    return value.replace("&", "&amp;")


def text_width(text: str) -> int:
    """Count the columns that a text takes in a fixed-width font.

    Example:
        >>> text_width("dense"), text_width("層")
        (5, 2)
    """
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


@functools.lru_cache(maxsize=4096)
def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def elide(text: object, width: int) -> str:
    """Cut a text to so many columns, leaving its beginning and its end.

    Example:
        >>> elide("a_very_long_layer_name", 12)
        'a_very_…name'
    """
    value = clean(text)
    if text_width(value) <= width:
        return value
    tail = (width - 1) * 2 // 5
    return _head(value, width - 1 - tail) + ELLIPSIS + _head(value[::-1], tail)[::-1]


def _head(text: str, width: int) -> str:
    taken = 0
    for index, char in enumerate(text):
        taken += _char_width(char)
        if taken > width:
            return text[:index]
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text with spaces up to so many columns.

    Example:
        >>> pad("12", 4, right=True), pad("12", 4)
        ('  12', '12  ')
    """
    space = " " * max(0, width - text_width(text))
    return space + text if right else text + space
