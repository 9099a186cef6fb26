"""Owns the pointing at code: spans of a cell or file, and the line of carets under them.

Knows nothing about errors, layers, IPython or how a cell is run.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_INDENT = "    "
_LONGEST = 100
_WIDE_SPACE = "\N{IDEOGRAPHIC SPACE}"


@dataclass(frozen=True)
class Span:
    """A piece of a cell: lines count from 1 as the user sees them, columns from 0 and in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


def split_lines(text: str) -> tuple[str, ...]:
    r"""Split text where Python's own reader does, and nowhere else.

    Example:
        >>> split_lines("a\r\nb\x0cc")
        ('a', 'b\x0cc')
    """
    return tuple(re.split(r"\r\n|\r|\n", text))


def span_of(node: ast.expr | ast.stmt | ast.arg | ast.keyword, lines: Sequence[str]) -> Span:
    """Return where a node of the tree stands; ``ast`` counts its columns in UTF-8 bytes.

    Example:
        >>> span_of(ast.parse("'ä' | b").body[0].value.right, ["'ä' | b"])
        Span(line=1, column=6, end_line=1, end_column=7)
    """
    end_line = node.end_lineno or node.lineno
    return span_of_bytes(node.lineno, node.col_offset, end_line, node.end_col_offset or node.col_offset, lines)


def span_of_bytes(line: int, column: int, end_line: int, end_column: int, lines: Sequence[str]) -> Span:
    """Make a span from lines and byte columns, as ``ast`` and ``co_positions`` count them."""
    return Span(line, _characters(lines, line, column), end_line, _characters(lines, end_line, end_column))


def _characters(lines: Sequence[str], line: int, column: int) -> int:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return len(text.encode(errors="replace")[:column].decode(errors="replace"))


def caret(text_line: str, column: int, end_column: int) -> str:
    r"""Write a line of code and, under it, carets below its columns.

    Indentation is dropped and tabs become spaces. Wide characters are underpinned by spaces of the same width, so
    that the carets stand right in a notebook too, where such a character is not always two letters wide.

    Example:
        >>> print(caret("\t| dense(10)", 3, 8))
        | dense(10)
          ^^^^^
    """
    text = text_line.rstrip()
    column = min(max(column, 0), len(text))
    end = max(min(end_column, len(text)), column + 1)
    indent = min(len(text) - len(text.lstrip()), column)
    text, column, end = _crop(text[indent:], column - indent, end - indent)
    padding = "".join(_WIDE_SPACE if _width(char) == 2 else " " * _width(char) for char in text[:column])
    carets = "^" * max(1, sum(map(_width, text[column:end])))
    return f"{''.join(map(_shown, text))}\n{padding}{carets}"


def _crop(text: str, column: int, end: int) -> tuple[str, int, int]:
    """Cut a long line around the columns that count."""
    if len(text) <= _LONGEST:
        return text, column, end
    start = max(0, min(column - _LONGEST // 4, len(text) - _LONGEST))
    stop = start + _LONGEST
    before, after = "…" * (start > 0), "…" * (stop < len(text))
    shift = len(before) - start
    return f"{before}{text[start:stop]}{after}", column + shift, min(end, stop) + shift


def _shown(char: str) -> str:
    """Make a character safe to print: an escape code from a cell must not reach the output."""
    if char == "\t":
        return " "
    return char if char.isprintable() else "\N{REPLACEMENT CHARACTER}"


def _width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def excerpt(lines: Sequence[str], span: Span) -> str:
    """Show the first line of a span with carets, indented as it stands in an error.

    Example:
        >>> print(excerpt(["%%axon", "x | dens(3)"], Span(2, 4, 2, 8)))
            x | dens(3)
                ^^^^
    """
    text = lines[span.line - 1] if 0 < span.line <= len(lines) else ""
    end = span.end_column if span.end_line == span.line else len(text.rstrip())
    return "\n".join(_INDENT + line for line in caret(text, span.column, end).split("\n"))
