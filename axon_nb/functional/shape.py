"""Owns changes of shape that leave the numbers alone.

Knows nothing about layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import ShapeError


def flatten(x: Tensor) -> Tensor:
    """Make one axis of all axes but the batch.

    Shapes:
        x (batch, ...) -> (batch, features)

    Example:
        >>> flatten(Tensor.zeros(2, 3, 4)).shape
        (2, 12)
    """
    expect(x, least=1)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Give every sample another shape; one size may be -1, it follows from the rest.

    Shapes:
        x (batch, ...) -> (batch, *shape)

    Raises:
        ShapeError: the numbers of values differ.

    Example:
        >>> reshape(Tensor.zeros(2, 12), (3, -1)).shape
        (2, 3, 4)
    """
    expect(x, least=1)
    have = math.prod(x.shape[1:])
    rest = math.prod(size for size in shape if size != -1)
    if (-1 in shape and have % rest) or (-1 not in shape and have != rest):
        problem = f"each sample has {have} values and {tuple(shape)} takes {'a multiple of ' * (-1 in shape)}{rest}"
        raise ShapeError(problem, fix="reshape leaves the batch axis out: reshape((28, 28)) makes (batch, 28, 28)")
    return x.reshape(x.shape[0], *(have // rest if size == -1 else size for size in shape))
