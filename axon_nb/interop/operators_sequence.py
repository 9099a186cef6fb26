# ruff: noqa: N802, N803, N806, ANN001, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns ONNX operators over sequences that tinygrad has not, or has otherwise: attention, running products, turns."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor, dtypes

from axon_nb.interop.operators import own

_PRECISIONS = {1: dtypes.float32, 10: dtypes.float16, 11: dtypes.float64, 16: dtypes.bfloat16}


@own
def Attention(
    Q, K, V, attn_mask=None, past_key=None, past_value=None, nonpad_kv_seqlen=None, is_causal=0, q_num_heads=None,
    kv_num_heads=None, scale=None, softcap=0.0, softmax_precision=None, qk_matmul_output_mode=0, left_window_size=-1,
    right_window_size=-1,
):  # fmt: skip
    flat = Q.ndim == 3
    if flat:
        Q, K, V = (_heads(x, n) for x, n in ((Q, q_num_heads), (K, kv_num_heads), (V, kv_num_heads)))
    before = 0 if past_key is None else past_key.shape[2]
    present_key = K if past_key is None else past_key.cat(K, dim=2)
    present_value = V if past_value is None else past_value.cat(V, dim=2)
    times = Q.shape[1] // present_key.shape[1]
    K, V = (x.repeat_interleave(times, 1) if times > 1 else x for x in (present_key, present_value))
    half = (Q.shape[-1] ** -0.5 if scale is None else scale) ** 0.5
    seen = (Q * half) @ (K * half).transpose(-1, -2)
    seen = (seen / softcap).tanh() * softcap if softcap else seen
    place = before if nonpad_kv_seqlen is None else nonpad_kv_seqlen.reshape(-1, 1, 1, 1) - Q.shape[2]
    bias = _bias(seen, attn_mask, place, nonpad_kv_seqlen, is_causal, left_window_size, right_window_size)
    none = bias.max(-1, keepdim=True) == -float("inf")
    masked = seen + bias
    safe = none.where(0, masked)
    safe = safe.cast(_PRECISIONS[softmax_precision]) if softmax_precision else safe
    weights = none.where(0, safe.softmax(-1)).cast(Q.dtype)
    shown = {2: masked, 3: weights}.get(qk_matmul_output_mode, seen)
    found = weights @ V
    if flat:
        found = found.transpose(1, 2).flatten(2)
    return found.cast(Q.dtype), present_key, present_value, shown.cast(Q.dtype)


def _heads(x: Tensor, count: int) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], count, -1).transpose(1, 2)


def _bias(
    seen: Tensor, mask: Tensor | None, place: Any, lengths: Tensor | None, causal: int, left: int, right: int
) -> Tensor:
    """Add up what a query may not see: the mask, later keys, keys out of its window, and padding."""
    queries, keys = seen.shape[-2:]
    i, j = Tensor.arange(queries).reshape(-1, 1) + place, Tensor.arange(keys).reshape(1, -1)
    allowed = Tensor.ones(1, 1, queries, keys, dtype=dtypes.bool)
    if causal:
        allowed = allowed & (j <= i)
    if left >= 0:
        allowed = allowed & (i - j <= left)
    if right >= 0:
        allowed = allowed & (j - i <= right)
    if lengths is not None:
        allowed = allowed & (j < lengths.reshape(-1, 1, 1, 1))
    bias = allowed.where(0, -float("inf")).cast(seen.dtype)
    if mask is None:
        return bias
    mask = mask.where(0, -float("inf")).cast(seen.dtype) if mask.dtype == dtypes.bool else mask
    missing = keys - mask.shape[-1]
    return bias + (mask.pad((*(None,) * (mask.ndim - 1), (0, missing)), value=-float("inf")) if missing else mask)


@own
def CumProd(x, axis, exclusive=0, reverse=0):
    axis = int(axis[0] if isinstance(axis, list) else axis) % x.ndim
    x = x.flip(axis) if reverse else x
    if exclusive:
        ones = x.shrink(tuple((0, 1) if i == axis else None for i in range(x.ndim))).ones_like()
        x = ones.cat(x.shrink(tuple((0, n - 1) if i == axis else None for i, n in enumerate(x.shape))), dim=axis)
    made = x.cumprod(axis).cast(x.dtype)
    return made.flip(axis) if reverse else made


@own
def ReverseSequence(input, sequence_lens, batch_axis=1, time_axis=0):
    x = input if time_axis == 0 else input.transpose(0, 1)
    t = Tensor.arange(x.shape[0]).reshape(-1, 1)
    lengths = sequence_lens.cast("int32").reshape(1, -1)
    turned = (t < lengths).where(lengths - 1 - t, t)
    made = x.gather(0, turned.reshape(*turned.shape, *(1,) * (x.ndim - 2)).expand(x.shape))
    return made if time_axis == 0 else made.transpose(0, 1)


@own
def SwiGLU(A, B, alpha=1.0):
    return A * (alpha * A).sigmoid() * B


@own
def CausalConvWithState(input, weight, bias=None, past_state=None, activation="none"):
    width = weight.shape[2] - 1
    before = Tensor.zeros(*input.shape[:2], width, dtype=input.dtype) if past_state is None else past_state
    padded = before.cat(input, dim=2) if width else input
    made = padded.conv2d(weight, bias, groups=input.shape[1]).cast(input.dtype)
    made = made.float().silu().cast(input.dtype) if activation in ("silu", "swish") else made
    return made, padded[:, :, padded.shape[2] - width :]


@own
def LinearAttention(
    query, key, value, past_state=None, decay=None, beta=None, q_num_heads=1, kv_num_heads=1, scale=0.0,
    update_rule="gated_delta", chunk_size=64,
):  # fmt: skip
    kind, state_kind = query.dtype, query.dtype if past_state is None else past_state.dtype
    time, width = query.shape[1], query.shape[2] // q_num_heads
    q, k, v = (_heads(x, n).float() for x, n in ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads)))
    keeps = _heads(decay, kv_num_heads).float().exp() if decay is not None else None
    rates = beta.transpose(1, 2).unsqueeze(-1).float() if beta is not None else None
    state = past_state.float() if past_state is not None else Tensor.zeros(*k.shape[:2], width, v.shape[-1])
    results = []
    for t in range(time):
        k_t, v_t = k[:, :, t].unsqueeze(-1), v[:, :, t].unsqueeze(-2)
        state = state * keeps[:, :, t].unsqueeze(-1) if keeps is not None else state
        if rates is not None:
            v_t = rates[:, :, t].unsqueeze(-1) * (v_t - (state * k_t).sum(-2, keepdim=True))
        state = (state + k_t * v_t).contiguous()
        results.append(q[:, :, t].unsqueeze(-2) @ state.repeat_interleave(q_num_heads // kv_num_heads, 1))
    found = results[0].cat(*results[1:], dim=2) if time > 1 else results[0]
    found = found * (scale or width**-0.5)
    return found.transpose(1, 2).flatten(2).cast(kind), state.cast(state_kind)
