"""Owns where a layer was written: the user's own file or cell, line and columns.

Knows nothing about layers.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

from axon_nb.caret import excerpt, span_of_bytes

_PACKAGE = str(Path(__file__).parent) + os.sep  # not a user's "axon_nb_homework" beside it
_AXON_CELL = re.compile(r"<axon (\w+) \w+>")
_CELL = re.compile(r"^<axon|[/\\]ipykernel_\d+[/\\]|^<ipython-input")


Position = tuple[int | None, int | None, int | None, int | None]
_read: dict[int, tuple[CodeType, list[Position]]] = {}
_MOST_READ = 64


def _positions(code: CodeType) -> list[Position]:
    """List where each instruction was written; Python can only go through them from the first on."""
    known = _read.get(id(code))
    if known is None or known[0] is not code:
        if len(_read) >= _MOST_READ:
            _read.clear()
        known = _read[id(code)] = (code, list(code.co_positions()))
    return known[1]


@dataclass(frozen=True)
class Source:
    """A place in a user's code, kept as the compiled instruction: lines and columns are worked out when asked for."""

    code: CodeType
    instruction: int

    @property
    def filename(self) -> str:
        """Name of the file, or what IPython calls the cell."""
        return self.code.co_filename

    @property
    def position(self) -> tuple[int, int | None, int | None, int | None]:
        """First line (from 1), last line, first column and end column (from 0)."""
        at = _positions(self.code)[self.instruction // 2]
        return (at[0] or self.code.co_firstlineno, at[1], at[2], at[3])

    @property
    def line(self) -> int:
        """Line in the file or cell, from 1."""
        return self.position[0]

    @property
    def text(self) -> str:
        """The line itself, empty where the source is not at hand."""
        return linecache.getline(self.filename, self.line).rstrip("\n")

    @property
    def segment(self) -> str:
        """What was written there, up to the end of the line: ``residual(dense(8))``. Empty where it is not at hand."""
        line, end_line, start, end = self.position
        text = linecache.getline(self.filename, line).rstrip("\n").encode(errors="replace")
        return text[start or 0 : end if end_line == line else None].decode(errors="replace")

    @property
    def excerpt(self) -> str:
        """The line with carets under what was written there; empty where it is not at hand."""
        line, end_line, start, end = self.position
        text = self.text
        if not text.strip():
            return ""
        last = end if end_line == line and end is not None else len(text.encode(errors="replace"))
        return excerpt([text], span_of_bytes(1, start or 0, 1, last, [text]))

    @property
    def cell(self) -> str | None:
        """Name of the model whose ``%%axon`` cell it stands in, where it stands in one."""
        match = _AXON_CELL.match(self.filename)
        return match and match[1]

    def __str__(self) -> str:
        if _CELL.search(self.filename):
            return f"cell line {self.line}"
        return f"{Path(self.filename).name} line {self.line}"


def is_ours(code: CodeType) -> bool:
    """Whether code stands in a file of this package (and not, say, in a docstring that is run)."""
    return code.co_filename.startswith(_PACKAGE)


_INSTALLED = tuple({path + os.sep for path in map(sysconfig.get_path, ("stdlib", "purelib", "platlib")) if path})


def is_users(code: CodeType) -> bool:
    """Whether code is neither ours, nor Python's own, nor that of an installed package."""
    return not is_ours(code) and not code.co_filename.startswith((*_INSTALLED, "<frozen "))


def here(wanted: Callable[[CodeType], bool] = lambda code: not is_ours(code)) -> Source | None:
    """Find the innermost place on the call stack that is not inside this package, or that is as wanted."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not wanted(frame.f_code):
        frame = frame.f_back
    return None if frame is None else Source(frame.f_code, frame.f_lasti)
