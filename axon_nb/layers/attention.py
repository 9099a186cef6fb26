"""Declares attention, positions and the gated feed-forward network: what transformers are made of."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.errors import ShapeError
from axon_nb.layer import layer
from axon_nb.options import (
    Base,
    Causal,
    Count,
    Function,
    Heads,
    Initializer,
    KeyValueHeads,
    PairOrder,
    Rate,
    Rotary,
    Units,
    UseBias,
)
from axon_nb.scope import Scope


@layer(family="attention")
def scaled_dot_product_attention(
    scope: Scope, query: Tensor, *, key: Tensor | None = None, value: Tensor | None = None, mask: Tensor | None = None,
    causal: Causal = False, rate: Rate = 0.0,
) -> Tensor:  # fmt: skip
    """Take means of values, weighted by how well queries and keys match. It has no parameters.

    Written ``(query, key, value) | scaled_dot_product_attention()``; the value is the key where it is left out, and the
    key the query. A mask is a fourth input, or ``mask=``: true where a query may see a key, or numbers that are added
    to the products.

    Shapes:
        (batch, ..., queries, depth), (batch, ..., keys, depth), (batch, ..., keys, width) and perhaps a mask that is
        repeated to (batch, ..., queries, keys) -> (batch, ..., queries, width)

    A query that may see no key gets zeros. In training a share of the weights is dropped. Axon has no attention.

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762

    Example:
        >>> from axon_nb import input, scaled_dot_product_attention
        >>> q, kv = input((None, 5, 8)), input((None, "time", 8))
        >>> ((q, kv, kv) | scaled_dot_product_attention()).output_shape
        (None, 5, 8)
    """
    key = query if key is None else key
    value = key if value is None else value
    return functional.scaled_dot_product_attention(
        query, key, value, mask, causal=causal, rate=rate if scope.training else 0.0, draw=scope.random
    )


@layer(family="attention")
def multi_head_attention(
    scope: Scope, query: Tensor, *, key: Tensor | None = None, value: Tensor | None = None,
    mask: Tensor | None = None, heads: Heads, kv_heads: KeyValueHeads | None = None,
    key_units: Count | None = None, units: Units | None = None, causal: Causal = False, rotary: Rotary = False,
    rate: Rate = 0.0, use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Let several heads attend, each with its own projections, and join what they find.

    With one input a sequence attends to itself; with two, ``(x, memory)``, to another; with three they are query, key
    and value. A fourth, or ``mask=``, is a mask, true where a query may see a key: (batch, keys), (batch, queries,
    keys) or (batch, heads, queries, keys); in floating-point numbers it is added to the products.

    Shapes:
        (batch, queries, in) and (batch, keys, ...) -> (batch, queries, units)

    ``key_units`` is the size of each head, in / heads if not given; ``units`` is in. With fewer ``kv_heads`` than
    heads, several heads of queries share one of keys and values: grouped-query attention, and with one multi-query
    attention. Parameters are ``query_kernel`` (in, heads * key_units), ``key_kernel`` and ``value_kernel`` (in,
    kv_heads * key_units), ``output_kernel`` (heads * key_units, units) and a bias for each. PyTorch's
    ``in_proj_weight`` is the transposes of the first three, one under the other. With ``rotary`` queries and keys are
    turned as by :func:`rotary_positions`. Axon has no attention.

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762; Ainslie and others 2023 (kv_heads),
        https://arxiv.org/abs/2305.13245

    Example:
        >>> from axon_nb import input, multi_head_attention
        >>> (input((None, "time", 64)) | multi_head_attention(heads=8, causal=True)).output_shape
        (None, 'time', 64)
    """
    key = query if key is None else key
    value = key if value is None else value
    for one in (query, key, value):
        scope.expect(one, rank=3, dtype="float", fix="it takes (batch, time, features)")
    within = query.shape[-1]
    if key_units is None and within % heads:
        problem = f"heads={heads} does not divide the {within} features"
        raise ShapeError(problem, fix=f"key_units={-(-within // heads)}")
    shared = heads if kv_heads is None else kv_heads
    if heads % shared:
        problem = f"kv_heads={shared} does not divide heads={heads}"
        raise ShapeError(problem, fix=f"kv_heads={next(n for n in range(shared, 0, -1) if heads % n == 0)}")
    depth = key_units or within // heads
    inner, outer = heads * depth, shared * depth

    def project(role: str, x: Tensor, out: int) -> Tensor:
        kernel = scope.param(f"{role}_kernel", (x.shape[-1], out), kernel_initializer)
        bias = scope.param(f"{role}_bias", (out,), bias_initializer) if use_bias else None
        return functional.dense(x, kernel, bias)

    query, key, value = project("query", query, inner), project("key", key, outer), project("value", value, outer)
    found = functional.multi_head_attention(
        query, key, value, mask, heads=heads, kv_heads=shared, causal=causal, rate=rate if scope.training else 0.0,
        draw=scope.random, turn=functional.rotary_positions if rotary else None,
    )  # fmt: skip
    return project("output", found, units or within)


@layer(family="attention")
def sinusoidal_positions(x: Tensor, *, base: Base = 10000.0) -> Tensor:
    """Add waves that tell places apart: feature 2i gets sin(place / base**(2i / units)), feature 2i + 1 the cosine.

    Shapes:
        (batch, ..., time, units) -> the same

    Axon has no positions.

    Source: Vaswani and others 2017, https://arxiv.org/abs/1706.03762

    Example:
        >>> from axon_nb import embedding, input, sinusoidal_positions
        >>> (input((None, "time"), dtype="int32") | embedding(1000, 64) | sinusoidal_positions()).output_shape
        (None, 'time', 64)
    """
    return functional.sinusoidal_positions(x, base=base)


@layer(family="attention")
def rotary_positions(
    scope: Scope, x: Tensor, *, heads: Heads = 1, base: Base = 10000.0, pairs: PairOrder = "halves"
) -> Tensor:
    """Turn pairs of features by angles that grow with the place, so that attention sees distances between places.

    It is for queries and keys; ``multi_head_attention(..., rotary=True)`` does it by itself.

    Shapes:
        (batch, time, heads * units) -> the same

    Pairs are features i and i + units / 2 of a head (``"halves"``, as in Hugging Face's Llama, GPT-NeoX and Keras) or
    its neighbours 2i and 2i + 1 (``"neighbours"``, as in the paper). Axon has no positions.

    Source: Su and others 2021, https://arxiv.org/abs/2104.09864

    Example:
        >>> from axon_nb import input, rotary_positions
        >>> (input((None, "time", 64)) | rotary_positions(heads=8)).output_shape
        (None, 'time', 64)
    """
    scope.expect(x, rank=3, dtype="float", fix="it takes (batch, time, features)")
    return functional.rotary_positions(x, heads=heads, base=base, pairs=pairs)


@layer(family="attention")
def learned_positions(scope: Scope, x: Tensor, max_length: Count, *, initializer: Initializer = "normal") -> Tensor:
    """Add a trained vector for each place, up to a longest sequence.

    Shapes:
        (batch, time, units), time up to ``max_length`` -> the same

    Its parameter is ``kernel`` (max_length, units). Axon has no positions.

    Raises:
        ShapeError: a sequence is longer.

    Source: Gehring and others 2017, https://arxiv.org/abs/1705.03122

    Example:
        >>> from axon_nb import input, learned_positions
        >>> (input((None, "time", 64)) | learned_positions(512)).output_shape
        (None, 'time', 64)
    """
    scope.expect(x, rank=3, dtype="float", fix="it takes (batch, time, features)")
    table = scope.param("kernel", (max_length, x.shape[-1]), initializer)
    if not scope.knows(1) and x.shape[1] > max_length:
        return x  # a size that is only tried because it is not known; a real one is refused when it comes
    return functional.learned_positions(x, table)


@layer(family="attention")
def swiglu(
    scope: Scope, x: Tensor, hidden_units: Units, units: Units | None = None, *, activation: Function = "silu",
    use_bias: UseBias = False, kernel_initializer: Initializer = "glorot_uniform",
    bias_initializer: Initializer = "zeros",
) -> Tensor:  # fmt: skip
    """Work on each place by itself: a gated product to ``hidden_units``, and one back.

    Shapes:
        (batch, ..., in) -> (batch, ..., units), units being in where it is not given

    It is ``(silu(x @ gate_kernel) * (x @ kernel)) @ output_kernel``. With ``activation="sigmoid"`` it is the paper's
    GLU, with ``"gelu"`` GEGLU, with ``"relu"`` ReGLU. Parameters are ``kernel`` and ``gate_kernel`` (in, hidden_units),
    ``output_kernel`` (hidden_units, units) and with ``use_bias`` a bias for each. Axon has no such layer.

    Source: Shazeer 2020, https://arxiv.org/abs/2002.05202

    Example:
        >>> from axon_nb import input, swiglu
        >>> (input((None, "time", 64)) | swiglu(256)).output_shape
        (None, 'time', 64)
    """
    scope.expect(x, least=2, dtype="float")
    within = x.shape[-1]
    units = units or within
    kernel = scope.param("kernel", (within, hidden_units), kernel_initializer)
    gate_kernel = scope.param("gate_kernel", (within, hidden_units), kernel_initializer)
    output_kernel = scope.param("output_kernel", (hidden_units, units), kernel_initializer)
    sizes = {"bias": hidden_units, "gate_bias": hidden_units, "output_bias": units} if use_bias else {}
    biases = {name: scope.param(name, (size,), bias_initializer) for name, size in sizes.items()}
    return functional.swiglu(x, kernel, gate_kernel, output_kernel, **biases, activation=activation)
