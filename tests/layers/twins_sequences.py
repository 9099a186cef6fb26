"""Twins of recurrent layers and attention."""

import functools

import numpy as np
from twins import torch, twin

F = torch.nn.functional

# recurrent ------------------------------------------------------------------------------------------------------------


def _recurrent(kind, draw):
    batch, time, within, units = draw.int(1, 3), draw.int(1, 5), draw.int(1, 4), draw.int(1, 4)
    states = 2 if kind == "lstm" else 1
    first = [draw.numbers(batch, units, scale=0.5) for _ in range(states)] if draw.of(True, False) else [None] * states
    module = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](within, units, batch_first=True)
    every, use_bias = draw.of(True, False), draw.of(True, False)

    def theirs(x, *given, kernel, recurrent_kernel, bias=None, recurrent_bias=None):
        zeros = torch.zeros(kernel.shape[1])
        second = zeros if recurrent_bias is None else torch.cat([zeros[: 2 * units], recurrent_bias])
        weights = {
            "weight_ih_l0": kernel.T, "weight_hh_l0": recurrent_kernel.T,
            "bias_ih_l0": zeros if bias is None else bias, "bias_hh_l0": second,
        }  # fmt: skip
        begun = [torch.zeros(1, batch, units) if one is None else one[None] for one in given]
        sequence, last = torch.func.functional_call(module, weights, (x, tuple(begun) if states == 2 else begun[0]))
        ends = [one[0] for one in (last if states == 2 else (last,))]
        return (sequence if every else sequence[:, -1], *ends)

    options = {"units": units, "return_state": True, "return_sequence": every, "use_bias": use_bias}
    return [draw.numbers(batch, time, within), *first], options, theirs


for _kind in ("rnn", "lstm", "gru"):
    twin(_kind)(functools.partial(_recurrent, _kind))


@twin("reverse")
def _reverse(draw):
    x = draw.numbers(*draw.shape(2, 4))
    axis = draw.int(1, x.ndim - 1)
    return [x], {"axis": axis}, lambda x: x.flip(axis)


# attention ------------------------------------------------------------------------------------------------------------


@twin("scaled_dot_product_attention")
def _attention(draw):
    lead, queries, keys, depth, width = draw.shape(1, 2, 3), *(draw.int(1, 4) for _ in range(4))
    kind, shapes = draw.of("none", "seen", "added", "causal"), ((queries, depth), (keys, depth), (keys, width))
    inputs = [draw.numbers(*lead, *shape) for shape in shapes]
    seen = np.random.default_rng(queries).random((queries, keys)) > 0.3
    mask = {"seen": seen, "added": draw.numbers(queries, keys)}.get(kind)

    def theirs(query, key, value, mask):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=kind == "causal")

    return [*inputs, mask], {"causal": kind == "causal"}, theirs


@twin("multi_head_attention")
def _heads(draw):
    heads, depth, batch, queries, keys = draw.int(1, 3), draw.int(1, 3), *(draw.int(1, 4) for _ in range(3))
    units, use_bias = heads * depth, draw.of(True, False)
    memory = draw.numbers(batch, keys, draw.int(1, 5)) if draw.of(True, False) else None
    causal = memory is None and draw.of(True, False)
    other = units + 1  # keys of another size, so that each projection has a kernel of its own
    module = torch.nn.MultiheadAttention(units, heads, batch_first=True, bias=use_bias, kdim=other, vdim=other)

    def theirs(query, memory=None, *, query_kernel, key_kernel, value_kernel, output_kernel, **biases):
        key = query if memory is None else memory
        module.kdim = module.vdim = key.shape[-1]
        weights = {
            "q_proj_weight": query_kernel.T, "k_proj_weight": key_kernel.T, "v_proj_weight": value_kernel.T,
            "out_proj.weight": output_kernel.T,
        }  # fmt: skip
        if biases:
            parts = [biases[f"{name}_bias"] for name in ("query", "key", "value")]
            weights |= {"in_proj_bias": torch.cat(parts), "out_proj.bias": biases["output_bias"]}
        hidden = torch.triu(torch.ones(queries, queries, dtype=torch.bool), 1) if causal else None
        return torch.func.functional_call(
            module, weights, (query, key, key), {"attn_mask": hidden, "need_weights": False}
        )[0]

    inputs = [draw.numbers(batch, queries, units), *([] if memory is None else [memory])]
    return inputs, {"heads": heads, "causal": causal, "use_bias": use_bias}, theirs


@twin("learned_positions")
def _learned_positions(draw):
    x = draw.numbers(draw.int(1, 3), draw.int(1, 5), draw.int(1, 4))
    length = x.shape[1] + draw.int(0, 2)
    return [x], {"max_length": length}, lambda x, kernel: x + F.embedding(torch.arange(x.shape[1]), kernel)


@twin("swiglu")
def _swiglu(draw):
    name, use_bias = draw.of("silu", "sigmoid", "gelu", "relu"), draw.of(True, False)
    options = {"hidden_units": draw.int(1, 4), "units": draw.int(1, 4), "activation": name, "use_bias": use_bias}

    def theirs(x, kernel, gate_kernel, output_kernel, bias=None, gate_bias=None, output_bias=None):
        gate = getattr(F, name)(F.linear(x, gate_kernel.T, gate_bias))
        return F.linear(gate * F.linear(x, kernel.T, bias), output_kernel.T, output_bias)

    return [draw.numbers(*draw.shape(2, 3))], options, theirs
