"""Owns what each layer is in PyTorch and in tinygrad, whose modules are alike; and the classes that are written."""

from __future__ import annotations

from typing import Any

from axon_nb.functional import window
from axon_nb.graph import Model
from axon_nb.interop.code_kinds import in_torch, told
from axon_nb.interop.code_out import At, Framework, Piece, Written, class_name, one, options, transposed, write
from axon_nb.lazy import numpy as np

ACTIVATIONS = {
    "linear": "{0}",
    "relu": "F.relu({0})", "relu6": "F.relu6({0})", "tanh": "torch.tanh({0})", "sigmoid": "torch.sigmoid({0})",
    "softmax": "F.softmax({0}, dim={axis})", "log_softmax": "F.log_softmax({0}, dim={axis})", "gelu": "F.gelu({0})",
    "silu": "F.silu({0})", "swish": "F.silu({0})", "mish": "F.mish({0})", "softplus": "F.softplus({0})",
    "softsign": "F.softsign({0})", "elu": "F.elu({0}, {alpha})", "celu": "F.celu({0}, {alpha})", "selu": "F.selu({0})",
    "leaky_relu": "F.leaky_relu({0}, {alpha})", "hard_tanh": "F.hardtanh({0})", "hard_sigmoid": "F.hardsigmoid({0})",
    "hard_silu": "F.hardswish({0})", "log_sigmoid": "F.logsigmoid({0})", "exp": "torch.exp({0})",
    "glu": "F.glu({0}, dim={axis})",
}  # fmt: skip

TINY = {
    "linear": "{0}",
    "relu": "{0}.relu()", "relu6": "{0}.relu6()", "tanh": "{0}.tanh()", "sigmoid": "{0}.sigmoid()",
    "softmax": "{0}.softmax({axis})", "log_softmax": "{0}.log_softmax({axis})",
    "gelu": "{0}.gelu('none')",
    "silu": "{0}.silu()", "swish": "{0}.silu()", "mish": "{0}.mish()", "softplus": "{0}.softplus()",
    "softsign": "{0}.softsign()", "elu": "{0}.elu({alpha})", "celu": "{0}.celu({alpha})", "selu": "{0}.selu()",
    "leaky_relu": "{0}.leaky_relu({alpha})", "hard_tanh": "{0}.hardtanh()", "hard_sigmoid": "{0}.hardsigmoid()",
    "hard_silu": "{0}.hardswish()", "exp": "{0}.exp()",
}  # fmt: skip


def _weights(at: At, kernel: Any = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"weight": ("kernel", kernel)}
    if at["use_bias"]:
        found["bias"] = ("bias", None)
    return {**found, **more}


def dense(at: At) -> Piece:
    """A product: the kernel is on its side there."""
    make = f"nn.Linear({at.within}, {at['units']}{options(bias=(at['use_bias'], True))})"
    return Piece("{self}({0})", make, _weights(at, transposed))


def embedding(at: At) -> Piece:
    """A table."""
    return Piece("{self}({0})", f"nn.Embedding({at['vocab_size']}, {at['units']})", {"weight": ("kernel", None)})


def _around(at: At, call: str, *, tiny: bool) -> str:
    """Move channels to the front and back, where they are last."""
    if at["channels"] == "first":
        return call
    there, back = (0, at.rank - 1, *range(1, at.rank - 1)), (0, *range(2, at.rank), 1)
    names = [", ".join(map(str, order)) for order in (there, back)]
    return call.replace("{0}", f"{{0}}.permute({names[0]})") + f".permute({names[1]})"


def _conv(at: At, groups: int, units: int, *, tiny: bool) -> Piece:
    axes = at.rank - 2
    pads = at.pads(at["kernel_size"])
    even = all(lo == hi for lo, hi in pads)
    padding = one([lo for lo, _ in pads]) if even else "0"
    call = "{self}({0})"
    if not even:
        flat = list(window.flat(pads))
        call = "{self}({0}.pad(" + repr(tuple(flat)) + "))" if tiny else "{self}(F.pad({0}, " + repr(flat) + "))"
    if at["input_dilation"] not in (1, (1,) * axes) or (tiny and axes > 2):
        problem = "dilates its input or has three axes, which this framework's convolution does not"
        raise at.refuse(problem)
    size = at["kernel_size"] if axes > 1 or not isinstance(at["kernel_size"], tuple) else at["kernel_size"][0]
    make = f"nn.Conv{axes}d({at.within}, {units}, {one(size)}" + options(
        stride=(one(at["strides"]), "1"), padding=(padding, "0"), dilation=(one(at["dilation"]), "1"),
        groups=(groups, 1), bias=(at["use_bias"], True),
    ) + ")"  # fmt: skip
    return Piece(_around(at, call, tiny=tiny), make, _weights(at))


def _transposed(at: At, *, tiny: bool) -> Piece:
    axes = at.rank - 2
    size = window.per_axis(at["kernel_size"], axes, "kernel_size")
    strides, apart = (window.per_axis(at[key], axes, key) for key in ("strides", "dilation"))
    cut = window.transposed_pads(at["padding"], size, strides, apart)
    more = window.per_axis(at["output_padding"], axes, "output_padding")
    extra = [lo - hi + n for (lo, hi), n in zip(cut, more, strict=True)]
    if any(n < 0 for n in extra) or any(lo < 0 for lo, _ in cut):
        problem = "cuts more off its end than off its beginning, which this framework's does not"
        raise at.refuse(problem)
    make = f"nn.ConvTranspose{axes}d({at.within}, {at['units']}, {one(size)}" + options(
        stride=(one(strides), "1"), padding=(one([lo for lo, _ in cut]), "0"), output_padding=(one(extra), "0"),
        groups=(at["groups"], 1), bias=(at["use_bias"], True), dilation=(one(apart), "1"),
    ) + ")"  # fmt: skip
    return Piece(_around(at, "{self}({0})", tiny=tiny), make, _weights(at))


def _batch_norm(at: At, *, tiny: bool) -> Piece:
    axes = max(at.rank - 2, 1)
    kind = "BatchNorm" if tiny else f"BatchNorm{axes}d"
    momentum = round(1 - at["momentum"], 12)
    make = f"nn.{kind}({at.within}{options(eps=(at['epsilon'], 1e-5), momentum=(momentum, 0.1))})"
    weights = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
    call = _around(at, "{self}({0})", tiny=tiny) if at.rank > 2 else "{self}({0})"
    return Piece(call, make, {there: (ours, None) for there, ours in weights.items()})


def _layer_norm(at: At) -> Piece:
    axes = [axis % at.rank for axis in ((at["axis"],) if isinstance(at["axis"], int) else at["axis"])]
    if sorted(axes) != list(range(at.rank - len(axes), at.rank)):
        problem = "normalises axes that are not the last"
        raise at.refuse(problem)
    sizes = at.shapes[0][min(axes) :]
    make = f"nn.LayerNorm({one(sizes) if len(sizes) == 1 else repr(tuple(sizes))}{options(eps=(at['epsilon'], 1e-5))})"
    return Piece("{self}({0})", make, {"weight": ("gamma", None), "bias": ("beta", None)})


def _group_norm(at: At, *, tiny: bool) -> Piece:
    make = f"nn.GroupNorm({at['groups']}, {at.within}{options(eps=(at['epsilon'], 1e-5))})"
    call = _around(at, "{self}({0})", tiny=tiny)
    return Piece(call, make, {"weight": ("gamma", None), "bias": ("beta", None)})


def _recurrent(at: At) -> Piece:
    kind = at.node.op
    plain = at["activation"] == "tanh" and at.node.options.get("gate", "sigmoid") == "sigmoid" and len(at.shapes) == 1
    if not plain or at["return_state"]:
        problem = "has other activations, states or a mask, for which there is no such layer in PyTorch"
        raise at.refuse(problem)
    units, forget = at["units"], at.node.options.get("forget_bias", 0.0)
    weights: dict[str, Any] = {"weight_ih_l0": ("kernel", transposed), "weight_hh_l0": ("recurrent_kernel", transposed)}

    def with_forget(values: Any) -> Any:
        made = values.copy()
        made[units : 2 * units] += forget
        return made

    def padded(values: Any) -> Any:
        made = values.repeat(3) * 0
        made[2 * units :] = values
        return made

    if at["use_bias"]:
        weights["bias_ih_l0"] = ("bias", with_forget if forget else None)
        weights["bias_hh_l0"] = ("recurrent_bias", padded) if kind == "gru" else ("bias", lambda values: values * 0)
    elif forget:
        problem = "has a forget_bias and no bias"
        raise at.refuse(problem)
    make = f"nn.{kind.upper()}({at.within}, {units}, batch_first=True{options(bias=(at['use_bias'], True))})"
    call = "{self}({0})[0]" + ("" if at["return_sequence"] else "[:, -1]")
    return Piece(call, make, weights, activated=True)


def _pool(at: At, kind: str, *, tiny: bool) -> Piece:
    axes = at.rank - 2
    pads = at.pads(at["kernel_size"])
    even = all(lo == hi for lo, hi in pads)
    counts = at.node.options.get("count_padding", True)
    strides = at["kernel_size"] if at["strides"] is None else at["strides"]
    if not even or (tiny and kind == "avg" and any(map(any, pads)) and not counts):
        problem = "pads one side more than the other, or does not count padding"
        raise at.refuse(problem)
    extra = options(
        stride=(one(strides), one(at["kernel_size"])), padding=(one([lo for lo, _ in pads]), "0"),
        dilation=(one(at["dilation"]), "1"),
    )  # fmt: skip
    if kind == "avg" and at["dilation"] not in (1, (1,) * axes) and not tiny:
        problem = "dilates its window, which PyTorch's avg_pool does not"
        raise at.refuse(problem)
    extra += options(count_include_pad=(counts, True)) if kind == "avg" and not tiny else ""
    size = repr(window.per_axis(at["kernel_size"], axes, "kernel_size")) if tiny else one(at["kernel_size"])
    call = f"{{0}}.{kind}_pool2d({size}{extra})" if tiny else f"F.{kind}_pool{axes}d({{0}}, {size}{extra})"
    return Piece(_around(at, call, tiny=tiny))


def _global(at: At, kind: str, *, tiny: bool) -> Piece:
    axes = tuple(range(2, at.rank)) if at["channels"] == "first" else tuple(range(1, at.rank - 1))
    shown = repr(axes[0] if len(axes) == 1 else axes)
    keep = options(keepdim=(at["keep_axes"], False))
    name = {"avg": "mean", "max": "max" if tiny else "amax"}[kind]
    return Piece(f"{{0}}.{name}({shown}{keep})")


def _order(at: At) -> Piece:
    axes = at["axes"]
    order = (
        tuple(range(at.rank))[::-1]
        if axes is None
        else tuple(a % at.rank for a in ((axes,) if isinstance(axes, int) else axes))
    )
    order = order if 0 in order else (0, *order)
    return Piece(f"{{0}}.permute({', '.join(map(str, order))})")


def _reshape(at: At) -> Piece:
    shape = (at["shape"],) if isinstance(at["shape"], int) else at["shape"]
    return Piece(f"{{0}}.reshape({{0}}.shape[0], {', '.join(map(str, shape))})")


def _join(sign: str) -> Any:
    return lambda at: Piece(f" {sign} ".join(f"{{{i}}}" for i in range(len(at.shapes))))


def _concat(at: At, *, tiny: bool) -> Piece:
    names = [f"{{{i}}}" for i in range(len(at.shapes))]
    if tiny:
        return Piece(f"{names[0]}.cat({', '.join(names[1:])}, dim={at['axis']})")
    return Piece(f"torch.cat([{', '.join(names)}], dim={at['axis']})")


def _split(at: At) -> Piece:
    sections = at["sections"]
    call = f"chunk({sections}" if isinstance(sections, int) else f"split({list(sections)}"
    return Piece(f"{{0}}.{call}, dim={at['axis']})")


def _attention(at: At) -> Piece:
    width = int(at.shapes[0][-1])
    same = all(int(shape[-1]) == width for shape in at.shapes) and at["units"] in (None, width)
    if not same or len(at.shapes) > 3 or at["rotary"] or (at["key_units"] or 0) * at["heads"] not in (0, width):
        problem = "has a mask, turns or sizes of its own, for which there is no such layer in PyTorch"
        raise at.refuse(problem)
    make = f"nn.MultiheadAttention({width}, {at['heads']}, batch_first=True" + options(
        dropout=(at["rate"], 0.0), bias=(at["use_bias"], True)
    )
    roles = ("query", "key", "value")
    weights: dict[str, Any] = {
        "in_proj_weight": (tuple(f"{role}_kernel" for role in roles), lambda *each: np.concatenate(each, -1).T),
        "out_proj.weight": ("output_kernel", transposed),
    }
    if at["use_bias"]:
        weights["in_proj_bias"] = tuple(f"{role}_bias" for role in roles), lambda *each: np.concatenate(each)
        weights["out_proj.bias"] = ("output_bias", None)
    given = {1: "{0}, {0}, {0}", 2: "{0}, {1}, {1}", 3: "{0}, {1}, {2}"}[len(at.shapes)]
    if at["causal"]:
        sizes = "{0}.shape[1], " + ("{1}" if len(at.shapes) > 1 else "{0}") + ".shape[1]"
        given += ", attn_mask=torch.ones(" + sizes + ", dtype=torch.bool).triu(1)"
    return Piece("{self}(" + given + ", need_weights=False)[0]", make + ")", weights)


def _positions(at: At) -> Piece:
    make = f"nn.Embedding({at['max_length']}, {at.shapes[0][-1]})"
    return Piece("{0} + {self}(torch.arange({0}.shape[1]))", make, {"weight": ("kernel", None)})


def _table(*, tiny: bool) -> dict[str, Any]:
    table = {
        "dense": dense, "embedding": embedding, "flatten": lambda at: Piece("{0}.flatten(1)"), "reshape": _reshape,
        "transpose": _order, "add": _join("+"), "subtract": _join("-"), "multiply": _join("*"),
        "split": _split,
        "conv": lambda at: _conv(at, at["groups"], at["units"], tiny=tiny),
        "depthwise_conv": lambda at: _conv(at, at.within, at.within * at["multiplier"], tiny=tiny),
        "conv_transpose": lambda at: _transposed(at, tiny=tiny), "batch_norm": lambda at: _batch_norm(at, tiny=tiny),
        "layer_norm": _layer_norm, "group_norm": lambda at: _group_norm(at, tiny=tiny),
        "max_pool": lambda at: _pool(at, "max", tiny=tiny), "avg_pool": lambda at: _pool(at, "avg", tiny=tiny),
        "global_avg_pool": lambda at: _global(at, "avg", tiny=tiny),
        "global_max_pool": lambda at: _global(at, "max", tiny=tiny),
        "concatenate": lambda at: _concat(at, tiny=tiny),
        "dropout": lambda at: Piece(
            f"{{0}}.dropout({at['rate']})" if tiny else f"F.dropout({{0}}, {at['rate']}, self.training)"
        ),
    }  # fmt: skip
    ours = {"lstm": _recurrent, "gru": _recurrent, "rnn": _recurrent, "multi_head_attention": _attention}
    return table if tiny else {**table, **ours, "learned_positions": _positions}


TORCH = Framework(_table(tiny=False), ACTIVATIONS, typed=in_torch)
TINYGRAD = Framework(_table(tiny=True), TINY)


def _class(made: Written, name: str, *, tiny: bool) -> str:
    makes = [f"        self.{own} = {make}" for own, make in made.makes.items()]
    body = "\n".join(f"        {line}" for line in made.calls)
    inputs = ", ".join(f"{one}: Tensor" if tiny else one for one in made.inputs)
    if tiny:
        head = ["from tinygrad import Tensor, nn", "", "", f"class {name}:"]
        call = f"    def __call__(self, {inputs}):"
    else:
        head = [
            "import torch",
            "import torch.nn.functional as F",
            "from torch import nn",
            "",
            "",
            f"class {name}(nn.Module):",
        ]
        call = f"    def forward(self, {inputs}):"
    init = ["    def __init__(self):", *([] if tiny else ["        super().__init__()"]), *makes]
    init = init if len(init) > 1 else [*init, "        pass"]
    lines = [*head, *init, "", call, *([body] if body else []), f"        return {made.result}", ""]
    used = "\n".join(lines)
    unneeded = (
        []
        if tiny
        else [
            one
            for one, sign in (("import torch", "torch."), ("import torch.nn.functional as F", "F."))
            if sign not in body
        ]
    )
    return "\n".join(line for line in used.split("\n") if line not in unneeded)


def torch_code(model: Model, name: str | None) -> str:
    """Write a PyTorch module."""
    return _code(model, name, TORCH, tiny=False)


def tinygrad_code(model: Model, name: str | None) -> str:
    """Write a tinygrad class."""
    return _code(model, name, TINYGRAD, tiny=True)


def _code(model: Model, name: str | None, framework: Framework, *, tiny: bool) -> str:
    made = write(model, framework)
    notes = told(model, "tinygrad" if tiny else "torch", made.left_out)
    return "\n".join([*notes, _class(made, class_name(model, name), tiny=tiny)])
