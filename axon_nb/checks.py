"""Owns the checks that a layer makes on a tensor it is given, and their wording.

Knows nothing about models: whoever runs the layer adds its name and line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from axon_nb.errors import ShapeError


def expect(
    x: Any, *, rank: int | tuple[int, ...] | None = None, least: int | None = None, dtype: str | None = None,
    fix: str | Iterable[str] = (),
) -> None:  # fmt: skip
    """Check the rank (number of axes, with the batch) or the kind of numbers of a tensor.

    Args:
        x: a tensor, or anything that has ``shape`` and ``dtype``.
        rank: the number of axes it must have, or several that are fine.
        least: the number of axes it must have at least.
        dtype: ``"int"`` or ``"float"``.
        fix: what to do about it.

    Raises:
        ShapeError: it is otherwise.
    """
    have = len(x.shape)
    wanted = (rank,) if isinstance(rank, int) else rank
    if wanted is not None and have not in wanted:
        problem = f"needs {_words(wanted)} axes, with the batch first, and got {have}"
        raise ShapeError(problem, fix=fix)
    if least is not None and have < least:
        problem = f"needs at least {least} axes, with the batch first, and got {have}"
        raise ShapeError(problem, fix=fix)
    if dtype == "int" and "int" not in dtype_name(x.dtype):
        problem = f"needs whole numbers, and got {dtype_name(x.dtype)}"
        raise ShapeError(problem, fix=fix)
    if dtype == "float" and "float" not in dtype_name(x.dtype):
        problem = f"needs floating-point numbers, and got {dtype_name(x.dtype)}"
        raise ShapeError(problem, fix=fix)


def dtype_name(dtype: Any) -> str:
    """Write a tinygrad dtype as NumPy writes it.

    Example:
        >>> from tinygrad import dtypes
        >>> dtype_name(dtypes.float), dtype_name(dtypes.long), dtype_name("int32")
        ('float32', 'int64', 'int32')
    """
    text = str(dtype).removeprefix("dtypes.")
    return _NUMPY_NAMES.get(text, text)


_NUMPY_NAMES = {
    "float": "float32", "half": "float16", "double": "float64", "int": "int32", "long": "int64", "short": "int16",
    "char": "int8", "uchar": "uint8", "ushort": "uint16", "uint": "uint32", "ulong": "uint64",
}  # fmt: skip


def _words(numbers: Iterable[int]) -> str:
    texts = [str(n) for n in numbers]
    return texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + " or " + texts[-1]
