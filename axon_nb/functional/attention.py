"""Owns attention: each place of one sequence takes a mean of the places of another, weighted by how they match.

Knows nothing about layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tinygrad import Tensor, dtypes

from axon_nb.checks import expect
from axon_nb.errors import ShapeError
from axon_nb.functional.activations import activate
from axon_nb.functional.dropout import dropout
from axon_nb.functional.linear import dense

__all__ = ["gated_dense", "multi_head_attention", "scaled_dot_product_attention", "swiglu"]

_watching: ContextVar[list[Tensor] | None] = ContextVar("axon_nb attention that is watched", default=None)

Draw = Callable[[tuple[int, ...]], Tensor]
"""Gives random numbers in [0, 1) of a shape."""


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, causal: bool = False,
    scale: float | None = None, rate: float = 0.0, draw: Draw | None = None,
) -> Tensor:  # fmt: skip
    """Take means of values, weighted by softmax(query @ key * scale).

    A query that no key is left for by the masks gets zeros, as in PyTorch 2.5 and later.

    Shapes:
        query (..., queries, depth), key (..., keys, depth), value (..., keys, width), mask anything that is repeated to
        (..., queries, keys) -> (..., queries, width)

    Args:
        query: what is looked for.
        key: what is found.
        value: what is taken from there.
        mask: true where a query may see a key; or, in floating-point numbers, what is added to the products.
        causal: whether query i sees keys 0 to i only.
        scale: 1 / sqrt(depth) where it is not given.
        rate: share of weights that are dropped.
        draw: gives the random numbers for that.

    Raises:
        ShapeError: depths or numbers of keys differ.

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762

    Example:
        >>> query, value = Tensor([[1.0], [0.0]]), Tensor([[2.0], [4.0]])
        >>> scaled_dot_product_attention(query * 0, query, value).tolist()
        [[3.0], [3.0]]
        >>> scaled_dot_product_attention(query * 0, query, value, causal=True).tolist()
        [[2.0], [3.0]]
    """
    _check(query, key, value)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)
    weights = _weights(*_masked(scores.cast(_wide(query)), mask, causal=causal)).cast(value.dtype)
    watching = _watching.get()
    if watching is not None:
        watching.append(weights)
    if rate and draw is not None:
        weights = dropout(weights, draw(weights.shape), rate=rate)
    return weights @ value


@contextmanager
def watched() -> Iterator[list[Tensor]]:
    """List the weights of each attention that is computed inside, (..., queries, keys): for those who want to see them.

    Example:
        >>> x = Tensor([[1.0], [0.0]])
        >>> with watched() as seen:
        ...     _ = scaled_dot_product_attention(x * 0, x, x)
        >>> seen[0].tolist()
        [[0.5, 0.5], [0.5, 0.5]]
    """
    seen: list[Tensor] = []
    token = _watching.set(seen)
    try:
        yield seen
    finally:
        _watching.reset(token)


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    for one in (query, key, value):
        expect(one, least=2, dtype="float", fix="it takes (batch, time, features)")
    if query.shape[-1] != key.shape[-1]:
        problem = f"queries have {query.shape[-1]} features and keys {key.shape[-1]}"
        raise ShapeError(problem)
    if key.shape[-2] != value.shape[-2]:
        problem = f"there are {key.shape[-2]} keys and {value.shape[-2]} values"
        raise ShapeError(problem)


def _wide(x: Tensor) -> str:
    return "float64" if x.dtype == dtypes.double else "float32"


def _masked(scores: Tensor, mask: Tensor | None, *, causal: bool) -> tuple[Tensor, Tensor | None]:
    """Return scores, with what is added to them, and where they count (``None``: everywhere)."""
    seen: Tensor | None = None
    if mask is not None and dtypes.is_float(mask.dtype):
        scores = scores + mask.cast(scores.dtype)
        seen = scores != -math.inf
    elif mask is not None:
        seen = (mask != 0).expand(scores.shape)
    if causal:
        queries, keys = scores.shape[-2:]
        before = Tensor.arange(queries).reshape(queries, 1) >= Tensor.arange(keys)
        seen = before.expand(scores.shape) if seen is None else seen & before
    return scores, seen


def _weights(scores: Tensor, seen: Tensor | None) -> Tensor:
    """Take the softmax of the scores that count. Written so that no infinity reaches a gradient."""
    if seen is None:
        return scores.softmax(-1)
    top = seen.where(scores, -math.inf).max(-1, keepdim=True).detach()
    above = seen.where(scores, 0) - (top == -math.inf).where(0, top)
    powers = seen.where(seen.where(above, 0).exp(), 0)
    total = powers.sum(-1, keepdim=True)
    return powers / (total == 0).where(1, total)


def multi_head_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, heads: int, kv_heads: int | None = None,
    causal: bool = False, rate: float = 0.0, draw: Draw | None = None, turn: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """Split features into heads, let each attend by itself, and join the results.

    Shapes:
        query (batch, queries, heads * depth), key (batch, keys, kv_heads * depth), value (batch, keys, kv_heads *
        width), mask (batch, keys), (batch, queries, keys) or (batch, heads, queries, keys), true where a query may see
        a key -> (batch, queries, heads * width)

    Args:
        query: what is looked for.
        key: what is found.
        value: what is taken from there.
        mask: as in :func:`scaled_dot_product_attention`.
        heads: parts of the features.
        kv_heads: parts of the keys and values, each for heads / kv_heads heads of queries in a row; ``heads`` where it
            is not given.
        causal: whether query i sees keys 0 to i only.
        rate: share of weights that are dropped.
        draw: gives the random numbers for that.
        turn: applied to each head's queries and keys: ``rotary_positions``.

    Raises:
        ShapeError: heads do not divide the features, kv_heads do not divide the heads, or shapes do not fit.

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762; Ainslie and others 2023 (kv_heads),
        https://arxiv.org/abs/2305.13245

    Example:
        >>> x = Tensor.ones(2, 5, 8)
        >>> multi_head_attention(x, x, x, heads=4).shape
        (2, 5, 8)
    """
    kv_heads = heads if kv_heads is None else kv_heads
    if heads % kv_heads:
        problem = f"{kv_heads} heads of keys and values do not divide {heads} heads of queries"
        raise ShapeError(problem)
    query, key, value = (_split(one, n) for one, n in ((query, heads), (key, kv_heads), (value, kv_heads)))
    if turn is not None:
        query, key = turn(query), turn(key)
    key, value = (_repeated(one, heads // kv_heads) for one in (key, value))
    spread = None if mask is None else _over_heads(mask, query.shape[-2], key.shape[-2])
    found = scaled_dot_product_attention(query, key, value, spread, causal=causal, rate=rate, draw=draw)
    return found.transpose(1, 2).flatten(2)


def _split(x: Tensor, heads: int) -> Tensor:
    expect(x, rank=3, dtype="float", fix="it takes (batch, time, features)")
    if x.shape[-1] % heads:
        problem = f"{heads} heads do not divide {x.shape[-1]} features"
        raise ShapeError(problem)
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def _repeated(x: Tensor, times: int) -> Tensor:
    """Repeat each head for as many heads of queries as share it."""
    return x if times == 1 else x.repeat_interleave(times, 1)


def _over_heads(mask: Tensor, queries: int, keys: int) -> Tensor:
    shapes = {2: (keys,), 3: (queries, keys), 4: (queries, keys)}
    expect(mask, rank=(2, 3, 4), fix="a mask is (batch, keys), (batch, queries, keys) or (batch, heads, queries, keys)")
    wanted = shapes[mask.ndim]
    if any(have not in (1, want) for have, want in zip(mask.shape[-len(wanted) :], wanted, strict=True)):
        problem = f"the mask is {tuple(mask.shape)}, for {queries} queries and {keys} keys"
        raise ShapeError(problem, fix="a mask is (batch, keys) or (batch, queries, keys)")
    if mask.ndim == 2:
        return mask.reshape(mask.shape[0], 1, 1, keys)
    return mask.unsqueeze(1) if mask.ndim == 3 else mask


def gated_dense(
    x: Tensor, kernel: Tensor, gate_kernel: Tensor, bias: Tensor | None = None, gate_bias: Tensor | None = None, *,
    activation: str | Callable[..., Tensor] | None = "silu",
) -> Tensor:  # fmt: skip
    """Multiply a product with another that went through an activation: silu makes SwiGLU of it, sigmoid GLU.

    Shapes:
        x (..., in), both kernels (in, units), both biases (units,) -> (..., units)

    Source: Shazeer 2020, https://arxiv.org/abs/2002.05202

    Example:
        >>> one = Tensor([[1.0]])
        >>> gated_dense(one, one * 3, one, activation="relu").tolist()
        [[3.0]]
    """
    product, gate = x @ kernel, x @ gate_kernel
    product = product if bias is None else product + bias
    return product * activate(gate if gate_bias is None else gate + gate_bias, activation)


def swiglu(
    x: Tensor, kernel: Tensor, gate_kernel: Tensor, output_kernel: Tensor, bias: Tensor | None = None,
    gate_bias: Tensor | None = None, output_bias: Tensor | None = None, *,
    activation: str | Callable[..., Tensor] | None = "silu",
) -> Tensor:  # fmt: skip
    """Multiply two products, one of which went through an activation, and take a product back from there.

    Shapes:
        x (batch, ..., in), kernel and gate_kernel (in, hidden), output_kernel (hidden, units), biases of their last
        axes -> (batch, ..., units)

    Source: Shazeer 2020, https://arxiv.org/abs/2002.05202

    Example:
        >>> one = Tensor([[1.0]])
        >>> swiglu(one, one * 3, one, one * 2, activation="relu").tolist()
        [[6.0]]
    """
    return dense(
        gated_dense(x, kernel, gate_kernel, bias, gate_bias, activation=activation), output_kernel, output_bias
    )
