"""Owns how the facts of a row are put in words: shapes, options, counts, sizes, names.

Knows nothing about tables, HTML or diagrams.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from axon_nb.display.html import ELLIPSIS, clean, elide
from axon_nb.rows import Report, Row
from axon_nb.shapes import Shape, show

TIMES = "x"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_LONGEST_VALUE = 60
_LONGEST_TEXT = 1000


def count(number: int | None) -> str:
    """Write a whole number with separators.

    Example:
        >>> count(101770), count(None)
        ('101,770', '?')
    """
    return "?" if number is None else f"{number:,}"


def size(nbytes: int) -> str:
    """Write a number of bytes in the unit that people would use.

    Example:
        >>> size(407080), size(12), size(102_228_128)
        ('397.5 KiB', '12 bytes', '97.5 MiB')
    """
    amount, unit = float(nbytes), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{nbytes} bytes" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """Write a time in the unit that people would use.

    Example:
        >>> duration(0.0000421), duration(0.0132), duration(2.5)
        ('42.1 µs', '13.2 ms', '2.50 s')
    """
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def shape_words(row: Row) -> str:
    """Write a row's output shape, or why there is none.

    Example:
        >>> shape_words(Row(0, "x", "input", "input", (), (), (None, 4), "float32"))
        '(None, 4)'
    """
    if row.status == "failed":
        return "does not fit"
    if row.status == "pending":
        return "not reached"
    return _shapes_words(row.shape)


@lru_cache(maxsize=1024)
def _shapes_words(shape: Shape | tuple[Shape, ...] | None) -> str:
    return ", ".join(clean(show(one)) for one in _shapes(shape))


def _shapes(shape: Shape | tuple[Shape, ...] | None) -> tuple[Shape | None, ...]:
    return shape if _is_several(shape) else (shape,)  # type: ignore[return-value]  # one shape is left


def _is_several(shape: Shape | tuple[Shape, ...] | None) -> TypeGuard[tuple[Shape, ...]]:
    return bool(shape) and isinstance(shape, tuple) and all(isinstance(item, tuple) for item in shape)


def options_words(row: Row) -> str:
    """Write a row's options as they would be written in a call.

    Example:
        >>> options_words(Row(0, "d", "dense", "linear", (), (), None, None, (("units", 8), ("activation", "relu"))))
        'units=8, activation=relu'
    """
    return ", ".join(f"{clean(name)}={value_words(value)}" for name, value in row.options)


def value_words(value: Any) -> str:
    """Write the value of an option: short, the same in every process, and never failing.

    Example:
        >>> value_words("relu"), value_words(max), value_words((3, 3)), value_words({2, 1})
        ('relu', 'max', '(3, 3)', '{1, 2}')
    """
    if type(value) is int and -_MANY < value < _MANY:
        return str(value)
    try:
        return elide(_ADDRESS.sub("", _value(value)), _LONGEST_VALUE)
    except Exception:  # a user's __repr__ may do anything, and a display never breaks a cell
        return ELLIPSIS


_MANY = 10**9  # a longer number is cut, or cannot be written at all


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(value_words(item) for item in value)) + "}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{value_words(k)}: {value_words(v)}" for k, v in value.items()) + "}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"array{tuple(value.shape)}"
    if callable(value) and hasattr(value, "__name__"):
        return "lambda" if value.__name__ == "<lambda>" else str(value.__name__)
    return repr(value)[:_LONGEST_TEXT]


def local_name(row: Row) -> str:
    """Give a row's name without the parts it stands in, which the display shows around it.

    Example:
        >>> local_name(Row(0, "generator.dense_0", "dense", "linear", ("generator",), (), None, None))
        'dense_0'
    """
    for depth in range(len(row.path), 0, -1):
        prefix = ".".join(row.path[:depth]) + "."
        if row.name.startswith(prefix) and len(row.name) > len(prefix):
            return row.name[len(prefix) :]
    return row.name


def says_op(row: Row) -> bool:
    """Tell whether a row's name alone says what it does: ``dense_0`` does, ``encode`` doesn't.

    Example:
        >>> says_op(Row(0, "dense_0", "dense", "linear", (), (), None, None))
        True
    """
    return re.sub(r"(_\d+)*$", "", local_name(row)) == row.op


def listed(names: Iterable[str], most: int = 4) -> str:
    """Join names, and count those past the first few.

    Example:
        >>> listed("abc"), listed("abcdefg", 3)
        ('a, b, c', 'a, b, c and 4 more')
    """
    items = list(names)
    if len(items) <= most + 1:
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"


def signature(report: Report, arrow: str = "→") -> str:
    """Write what a model takes and gives: its inputs' shapes and its outputs'.

    Example:
        >>> x = Row(0, "x", "input", "input", (), (), (None, 4), "float32")
        >>> y = Row(1, "y", "dense", "linear", (), (0,), (None, 2), "float32", output="")
        >>> signature(Report("m", (x, y)))
        '(None, 4) → (None, 2)'
    """
    inputs = [row for row in report.rows if row.op == "input" and not row.parents]
    outputs = [row for row in report.rows if row.output is not None]
    sides = [_side([(row.name, row) for row in inputs]), _side([(row.output or "", row) for row in outputs])]
    return f" {arrow} ".join(side for side in sides if side)


def _side(rows: list[tuple[str, Row]]) -> str:
    if len(rows) == 1:
        return shape_words(rows[0][1])
    return listed([f"{elide(name, 30)} {shape_words(row)}".strip() for name, row in rows])


def title(report: Report) -> str:
    """Give the name that heads a card.

    Example:
        >>> title(Report(None, ()))
        'model'
    """
    return elide(report.name or "model", 80)


def failure(report: Report) -> str:
    """Say in one line which layer does not fit; nothing where all do.

    Example:
        >>> failure(Report(None, ()))
        ''
    """
    failed = next((row for row in report.rows if row.status == "failed"), None)
    if failed is None:
        return "this model cannot be built" if report.error else ""
    place = f" ({clean(failed.source)})" if failed.source else ""
    return f"{elide(failed.name, 60)}{place} does not fit"


def totals_words(report: Report) -> list[tuple[str, str, str]]:
    """List the totals of a model: what is counted, how many, and what to know about it.

    Example:
        >>> totals_words(Report(None, ()))
        [('Parameters', '0', ''), ('Multiply-adds', '0', 'for one sample')]
    """
    totals = report.totals
    whole = totals.trainable + totals.frozen + totals.state
    kinds = {"trainable": totals.trainable, "frozen": totals.frozen, "state": totals.state}
    split = [f"{count(number)} {kind}" for kind, number in kinds.items() if number]
    if len(split) == 1:
        split = [f"all {split[0].split()[1]}"]
    lines = [("Parameters", count(whole), ", ".join(split))]
    if whole:
        lines.append(("Size", size(totals.nbytes), f"{count(totals.nbytes)} bytes"))
    if totals.macs is not None:
        lines.append(("Multiply-adds", count(totals.macs), "for one sample"))
    return lines
