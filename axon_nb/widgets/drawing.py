"""Owns how a picture that was drawn by hand becomes a sample: its size, its place and the shape that a model takes.

Knows nothing about models or pages.
"""

from __future__ import annotations

import math
from typing import Any

from axon_nb.lazy import numpy as np


def sides(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Find height and width of a picture in a sample's shape.

    Example:
        >>> sides((1, 28, 28)), sides((32, 32, 3)), sides((784,)), sides((10,))
        ((28, 28), (32, 32), (28, 28), None)
    """
    if len(shape) == 3:
        return shape[:2] if shape[-1] in (1, 3) and shape[0] not in (1, 3) else shape[1:]
    if len(shape) == 2 and shape[0] == shape[1] > 3:  # others are sequences more often than pictures
        return shape
    if len(shape) == 1 and shape[0] >= 16 and math.isqrt(shape[0]) ** 2 == shape[0]:
        return math.isqrt(shape[0]), math.isqrt(shape[0])
    return None


def into(picture: Any, shape: tuple[int, ...]) -> Any:
    """Give a picture the shape of a sample.

    Example:
        >>> into(np.zeros((4, 4)), (1, 4, 4)).shape, into(np.zeros((4, 4)), (16,)).shape
        ((1, 4, 4), (16,))
    """
    if len(shape) == 3:
        return picture[..., None] if shape[-1] in (1, 3) and shape[0] not in (1, 3) else picture[None]
    return picture.reshape(shape)


def resized(table: Any, sides: tuple[int, int] | None) -> Any:
    """Bring a picture to a size by the mean of the cells that each new cell covers.

    Example:
        >>> resized(np.eye(4, dtype="float32"), (2, 2)).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    if sides is None or table.shape == sides:
        return table
    for axis, size in enumerate(sides):
        edges = np.linspace(0, table.shape[axis], size + 1)
        whole = np.concatenate([np.zeros_like(table.take([0], axis)), np.cumsum(table, axis)], axis)
        at = np.arange(table.shape[axis] + 1)
        lines = np.moveaxis(whole, axis, -1).reshape(-1, len(at))
        sums = np.stack([np.interp(edges, at, line) for line in lines])
        other = [length for place, length in enumerate(whole.shape) if place != axis]
        sums = np.moveaxis(sums.reshape(*other, len(edges)), -1, axis)
        table = np.diff(sums, axis=axis) / (edges[1] - edges[0])
    return table.astype(np.float32)


def centred(picture: Any) -> Any:
    """Put what was drawn in the middle by its weight, as the digits of MNIST are.

    Example:
        >>> centred(np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0]])).tolist()
        [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    """
    whole = picture.sum()
    if not whole:
        return picture
    shifts = [
        round((length - 1) / 2 - float((picture.sum(1 - axis) * np.arange(length)).sum() / whole))
        for axis, length in enumerate(picture.shape)
    ]
    return np.roll(picture, shifts, (0, 1))
