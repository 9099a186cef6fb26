"""Owns how arrays become small pictures and rows of bars for a page: bytes with their width and height.

Knows nothing about models.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from axon_nb.lazy import numpy as np

_MOST_CELLS = 256


def picture(array: Any, *, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    r"""Make a grey picture of a table of numbers, the least black and the greatest white.

    Example:
        >>> made = picture(np.array([[0.0, 1.0]]))
        >>> made["width"], made["height"], base64.b64decode(made["data"])
        (2, 1, b'\x00\xff')
    """
    table = np.asarray(array, np.float32)
    table = table.reshape(1, -1) if table.ndim < 2 else table
    table = table[tuple(slice(None, None, -(-length // _MOST_CELLS)) for length in table.shape)]
    finite = table[np.isfinite(table)]
    least = float(finite.min()) if low is None and finite.size else low or 0.0
    most = float(finite.max()) if high is None and finite.size else high or 1.0
    scaled = (np.nan_to_num(table, nan=least, posinf=most, neginf=least) - least) / ((most - least) or 1.0)
    data = np.clip(np.round(scaled * 255), 0, 255).astype(np.uint8)
    return {
        "width": int(data.shape[1]),
        "height": int(data.shape[0]),
        "data": base64.b64encode(data.tobytes()).decode(),
        "low": least,
        "high": most,
    }


def of_sample(sample: Any) -> dict[str, Any] | None:
    """Make a picture of one sample, if it is one: one channel or three, or a square's worth of numbers.

    Example:
        >>> of_sample(np.zeros((1, 28, 28)))["width"], of_sample(np.zeros(784))["width"], of_sample(np.zeros(3))
        (28, 28, None)
    """
    array = np.asarray(sample, np.float32)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array.mean(0)
    elif array.ndim == 3 and array.shape[-1] in (1, 3):
        array = array.mean(-1)
    elif array.ndim == 1 and array.size >= 16 and math.isqrt(array.size) ** 2 == array.size:
        array = array.reshape(math.isqrt(array.size), -1)
    return picture(array) if array.ndim == 2 and min(array.shape) > 1 else None


def finite(value: float, digits: int = 6) -> float | None:
    """Round a number for a page; what JSON cannot hold is nothing: a loss that has grown past all bounds.

    Example:
        >>> finite(1 / 3), finite(float("nan"))
        (0.333333, None)
    """
    return round(float(value), digits) if math.isfinite(value) else None


def histogram(values: Any, bins: int = 30) -> dict[str, Any]:
    """Count values in bins of the same width.

    Example:
        >>> histogram(np.array([0.0, 0.0, 1.0]), bins=2)["counts"]
        [2, 1]
    """
    flat = np.asarray(values, np.float32).reshape(-1)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return {"counts": [], "low": 0.0, "high": 0.0, "mean": 0.0, "std": 0.0}
    counts, edges = np.histogram(flat, bins=bins)
    return {
        "counts": [int(count) for count in counts],
        "low": float(edges[0]),
        "high": float(edges[-1]),
        "mean": float(flat.mean()),
        "std": float(flat.std()),
    }
