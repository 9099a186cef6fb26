"""Owns how places in a sequence are told to attention: waves that are added, rotations, rows of a table.

Knows nothing about layers.
"""

from __future__ import annotations

import math

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import ShapeError

__all__ = ["learned_positions", "rotary_positions", "sinusoidal_positions"]


def sinusoidal_positions(x: Tensor, *, base: float = 10000.0) -> Tensor:
    """Add waves: feature 2i gets sin(place / base**(2i / units)), feature 2i + 1 the cosine of the same.

    Shapes:
        x (..., time, units) -> the same

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762

    Example:
        >>> [[round(v, 4) for v in row] for row in sinusoidal_positions(Tensor.zeros(2, 2)).tolist()]
        [[0.0, 1.0], [0.8415, 0.5403]]
    """
    expect(x, least=2, dtype="float")
    time, units = x.shape[-2:]
    angles = _angles(time, -(-units // 2), base, units)
    waves = Tensor.stack(angles.sin(), angles.cos(), dim=-1).reshape(time, -1)
    return x + waves[:, :units].cast(x.dtype)


def rotary_positions(x: Tensor, *, heads: int = 1, base: float = 10000.0, pairs: str = "halves") -> Tensor:
    """Turn pairs of features by angles that grow with the place, so that products see distances between places.

    Pair i is turned by place / base**(2i / units). With ``pairs="halves"`` it is features i and i + units / 2, as in
    Llama's weights for Hugging Face, GPT-NeoX and Keras; with ``"neighbours"`` features 2i and 2i + 1, as in the paper
    and Meta's Llama. Both are the same up to the order of features.

    Shapes:
        x (..., time, heads * units), units even -> the same

    Raises:
        ShapeError: a head has no even number of features.

    Source: Su and others 2021, https://arxiv.org/abs/2104.09864

    Example:
        >>> [[round(v, 4) for v in row] for row in rotary_positions(Tensor([[1.0, 0.0], [1.0, 0.0]])).tolist()]
        [[1.0, 0.0], [0.5403, 0.8415]]
    """
    expect(x, least=2, dtype="float")
    if x.shape[-1] % (2 * heads):
        problem = f"needs an even number of features for each of {heads} heads, and got {x.shape[-1]} in all"
        raise ShapeError(problem)
    parts = x.unflatten(-1, (heads, -1))
    time, units = parts.shape[-3], parts.shape[-1]
    angles = _angles(time, units // 2, base, units).unsqueeze(1)
    sin, cos = (wave.cast(x.dtype) for wave in (angles.sin(), angles.cos()))
    if pairs == "halves":
        first, second = parts[..., : units // 2], parts[..., units // 2 :]
        return (first * cos - second * sin).cat(second * cos + first * sin, dim=-1).flatten(-2)
    first, second = parts[..., 0::2], parts[..., 1::2]
    return Tensor.stack(first * cos - second * sin, second * cos + first * sin, dim=-1).flatten(-3)


def learned_positions(x: Tensor, table: Tensor) -> Tensor:
    """Add a row of a table to each place.

    Shapes:
        x (..., time, units), table (places, units) with at least as many places as x has -> as x

    Raises:
        ShapeError: the table is too short, or has other features.

    Source: Gehring and others 2017, https://arxiv.org/abs/1705.03122

    Example:
        >>> learned_positions(Tensor([[0.0], [1.0]]), Tensor([[5.0], [6.0], [7.0]])).tolist()
        [[5.0], [7.0]]
    """
    expect(x, least=2, dtype="float")
    time, units = x.shape[-2:]
    if table.shape[-1] != units:
        problem = f"the input has {units} features and the table {table.shape[-1]}"
        raise ShapeError(problem)
    if time > table.shape[0]:
        problem = f"the input has {time} places and the table {table.shape[0]}"
        raise ShapeError(problem)
    return x + table[:time]


def _angles(time: int, count: int, base: float, units: int) -> Tensor:
    places = Tensor.arange(time, dtype="float32").reshape(time, 1)
    speeds = (Tensor.arange(count, dtype="float32") * (-2 * math.log(base) / units)).exp()
    return places * speeds
