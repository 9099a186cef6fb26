"""Owns what each layer is in Keras 3, and the program that is written: a model in Keras's functional way.

Keras keeps kernels with their window first, and a GRU's update gate before its reset gate; weights are changed to that.
Knows nothing about the backend that Keras runs on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from axon_nb.functional import window
from axon_nb.graph import Model, Node
from axon_nb.interop.code_kinds import in_keras, told
from axon_nb.interop.code_out import At, Framework, Piece, apply, free, known, one, options, write
from axon_nb.lazy import numpy as np

WORDS = {
    "linear": "linear", "relu": "relu", "relu6": "relu6", "tanh": "tanh", "sigmoid": "sigmoid", "softmax": "softmax",
    "log_softmax": "log_softmax", "gelu": "gelu", "silu": "silu", "swish": "silu", "mish": "mish",
    "softplus": "softplus", "softsign": "softsign", "elu": "elu", "celu": "celu", "selu": "selu",
    "hard_tanh": "hard_tanh", "hard_sigmoid": "hard_sigmoid", "hard_silu": "hard_silu", "log_sigmoid": "log_sigmoid",
    "exp": "exponential", "glu": "glu",
}  # fmt: skip
"""Activations that Keras has by name, with our defaults. Its leaky_relu has a slope of 0.2, and ours 0.01."""

ACTIVATIONS = {
    **{name: f'layers.Activation("{word}")({{0}})' for name, word in WORDS.items()},
    "softmax": "layers.Softmax(axis={axis})({0})", "log_softmax": "ops.log_softmax({0}, axis={axis})",
    "leaky_relu": "layers.LeakyReLU(negative_slope={alpha})({0})", "elu": "layers.ELU(alpha={alpha})({0})",
    "celu": "ops.celu({0}, alpha={alpha})", "gelu": "ops.gelu({0}, approximate={approximate})",
    "glu": "ops.glu({0}, axis={axis})", "log_sumexp": "ops.logsumexp({0}, axis={axis}, keepdims=True)",
}  # fmt: skip


def _word(at: At, function: Any) -> str | None:
    """Return what an activation is called in Keras, where the name says all of it."""
    if function is None or not (isinstance(function, str) or hasattr(function, "declaration")):
        return None
    name, _, changed = known(at, function, ACTIVATIONS)
    return WORDS.get(name) if not changed else None


def _activation(function: str) -> Callable[[At], Piece]:
    def write_activation(at: At) -> Piece:
        word = _word(at, at.node.layer if function else at["function"])
        if word is not None:
            return Piece(f'layers.Activation("{word}")({{0}})')
        return Piece(apply(at, "{0}", at.node.layer if function else at["function"], ACTIVATIONS))

    return write_activation


def _made(at: At, call: str, **about: tuple[Any, Any]) -> str:
    """Write what makes a layer: what it must be told, what differs from Keras's defaults, and its activation."""
    word = _word(at, at.node.options.get("activation"))
    shown = {**about, "activation": (f'"{word}"', '"linear"')} if word else about
    if "use_bias" in at.node.options:
        shown["use_bias"] = (at["use_bias"], True)
    more = options(**shown)
    return f"layers.{call[:-1] + more if call.endswith(')') else call + more[2:]})"


def _layer(at: At, call: str, weights: dict[str, Any], before: str = "{0}", **about: Any) -> Piece:
    """Write a layer with weights and perhaps an activation; ``before`` is what it is called with."""
    word = _word(at, at.node.options.get("activation"))
    if at.node.options.get("use_bias", True) is False:
        weights = {there: ours for there, ours in weights.items() if not there.endswith("bias")}
    return Piece("{self}(" + before + ")", _made(at, call, **about), weights, activated=word is not None)


def _layout(at: At) -> dict[str, tuple[Any, Any]]:
    return {"data_format": (f'"channels_{at["channels"]}"', '"channels_last"')}


def _window_first(values: Any) -> Any:
    """Put the window before the channels: (out, in, *window) becomes (*window, in, out)."""
    return values.transpose((*range(2, values.ndim), 1, 0))


def _each_channel(within: int) -> Callable[[Any], Any]:
    """Give each channel its kernels: (in * multiplier, 1, *window) becomes (*window, in, multiplier)."""

    def change(values: Any) -> Any:
        apart = values.reshape(within, -1, *values.shape[2:])
        return apart.transpose((*range(2, apart.ndim), 0, 1))

    return change


def _padded(at: At, *, fill: str = "0.0") -> tuple[str, str]:
    """Return Keras's word for the padding, and what the layer is called with where it takes no such padding."""
    if isinstance(at["padding"], str):
        return at["padding"], "{0}"
    pads = at.pads(at["kernel_size"])
    if not any(map(any, pads)):
        return "valid", "{0}"
    return "valid", _wider(at, pads, fill)


def _wider(at: At, pads: Sequence[tuple[int, int]], fill: str = "0.0") -> str:
    if fill == "0.0":
        return f"layers.ZeroPadding{len(pads)}D({_sides(pads)}{options(**_layout(at))})({{0}})"
    around = [(0, 0), (0, 0), *pads] if at["channels"] == "first" else [(0, 0), *pads, (0, 0)]
    return f"ops.pad({{0}}, {around}, constant_values={fill})"


def _sides(pads: Sequence[tuple[int, int]]) -> str:
    """Write how many cells each side gets, as shortly as Keras takes it."""
    flat = {n for pair in pads for n in pair}
    if len(flat) == 1:
        return str(next(iter(flat)))
    return repr(tuple(pads) if len(pads) > 1 else pads[0])


def _check(at: At, *, wrong: bool, problem: str) -> None:
    if wrong:
        raise at.refuse(problem)


def _several(at: At, key: str) -> tuple[int, ...]:
    return window.per_axis(at[key], at.rank - 2, key)


def _dense(at: At) -> Piece:
    return _layer(at, f"Dense({at['units']})", {"kernel": ("kernel", None), "bias": ("bias", None)})


def _embedding(at: At) -> Piece:
    return _layer(at, f"Embedding({at['vocab_size']}, {at['units']})", {"embeddings": ("kernel", None)})


def _sliding(at: At) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """Return what a convolution is called with, and its options; what Keras's have not is refused."""
    axes = at.rank - 2
    _check(
        at,
        wrong=at.node.options.get("input_dilation", 1) not in (1, (1,) * axes),
        problem="dilates its input, which Keras's does not",
    )
    strides, apart = _several(at, "strides"), _several(at, "dilation")
    _check(
        at,
        wrong=max(strides) > 1 and max(apart) > 1,
        problem="has strides and dilation, and Keras's takes one of them",
    )
    word, before = _padded(at)
    about = {
        "strides": (one(strides), "1"), "padding": (f'"{word}"', '"valid"'), "dilation_rate": (one(apart), "1"),
        **_layout(at),
    }  # fmt: skip
    return before, about


def _conv(at: At) -> Piece:
    before, about = _sliding(at)
    weights = {"kernel": ("kernel", _window_first), "bias": ("bias", None)}
    call = f"Conv{at.rank - 2}D({at['units']}, {one(at['kernel_size'])})"
    return _layer(at, call, weights, before, groups=(at["groups"], 1), **about)


def _alike(at: At) -> None:
    """Refuse what Keras's layers for single channels have not."""
    _check(at, wrong=at.rank > 4, problem="has three axes, which Keras's has not")
    _check(
        at,
        wrong=len(set(_several(at, "strides"))) > 1,
        problem="has strides of its own for each axis, which Keras's has not",
    )


def _depthwise(at: At) -> Piece:
    _alike(at)
    before, about = _sliding(at)
    weights = {"kernel": ("kernel", _each_channel(at.within)), "bias": ("bias", None)}
    call = f"DepthwiseConv{at.rank - 2}D({one(at['kernel_size'])})"
    return _layer(at, call, weights, before, depth_multiplier=(at["multiplier"], 1), **about)


def _separable(at: At) -> Piece:
    _alike(at)
    before, about = _sliding(at)
    weights = {
        "depthwise_kernel": ("depthwise_kernel", _each_channel(at.within)),
        "pointwise_kernel": ("pointwise_kernel", _window_first), "bias": ("bias", None),
    }  # fmt: skip
    call = f"SeparableConv{at.rank - 2}D({at['units']}, {one(at['kernel_size'])})"
    return _layer(at, call, weights, before, depth_multiplier=(at["multiplier"], 1), **about)


def _transposed(at: At) -> Piece:
    """Write a transposed convolution; what Keras's backends cut off in different ways is cut off by a layer."""
    axes = at.rank - 2
    _check(at, wrong=at["groups"] > 1, problem="has groups, which Keras's has not")
    size, strides, apart = (_several(at, key) for key in ("kernel_size", "strides", "dilation"))
    _check(
        at,
        wrong=max(strides) > 1 and max(apart) > 1,
        problem="has strides and dilation, and Keras's takes one of them",
    )
    cut = window.transposed_pads(at["padding"], size, strides, apart)
    extra = _several(at, "output_padding")
    spare = [max(s - (k - 1) * d - 1, 0) for k, s, d in zip(size, strides, apart, strict=True)]
    crop = [(lo, hi - more + room) for (lo, hi), more, room in zip(cut, extra, spare, strict=True)]
    _check(
        at,
        wrong=any(n < 0 for pair in crop for n in pair),
        problem="adds cells behind the result, which Keras's does not",
    )
    even = at["padding"] == "same" and not any(extra) and all(lo == hi for lo, hi in crop)
    about = {
        "strides": (one(strides), "1"), "padding": ('"same"' if even else '"valid"', '"valid"'),
        "dilation_rate": (one(apart), "1"), **_layout(at),
    }  # fmt: skip
    weights = {"kernel": ("kernel", _window_first_transposed), "bias": ("bias", None)}
    call = f"Conv{axes}DTranspose({at['units']}, {one(size)})"
    piece = _layer(at, call, weights, "{0}", **about)
    if not even and any(map(any, crop)):
        piece.then.append(f"layers.Cropping{axes}D({_sides(crop)}{options(**_layout(at))})({{0}})")
    return piece


def _window_first_transposed(values: Any) -> Any:
    """Put the window before the channels: (in, out, *window) becomes (*window, out, in)."""
    return values.transpose((*range(2, values.ndim), 1, 0))


def _batch_norm(at: At) -> Piece:
    axis = 1 if at["channels"] == "first" and at.rank > 2 else -1
    names = {"gamma": "gamma", "beta": "beta", "moving_mean": "mean", "moving_variance": "variance"}
    return _layer(
        at, "BatchNormalization(", {there: (ours, None) for there, ours in names.items()}, axis=(axis, -1),
        momentum=(at["momentum"], 0.99), epsilon=(at["epsilon"], 1e-3),
    )  # fmt: skip


def _gamma_beta() -> dict[str, Any]:
    return {"gamma": ("gamma", None), "beta": ("beta", None)}


def _axes(at: At) -> int | list[int]:
    axes = sorted(axis % at.rank for axis in ((at["axis"],) if isinstance(at["axis"], int) else at["axis"]))
    last = axes == list(range(at.rank - len(axes), at.rank))
    _check(at, wrong=not last, problem="normalises axes that are not the last, which Keras does not on PyTorch")
    return -1 if len(axes) == 1 else axes


def _layer_norm(at: At) -> Piece:
    return _layer(at, "LayerNormalization(", _gamma_beta(), axis=(_axes(at), -1), epsilon=(at["epsilon"], 1e-3))


def _rms_norm(at: At) -> Piece:
    shift = at["shift"]
    weights = {"scale": ("gamma", (lambda values: values + np.float32(shift)) if shift else None)}
    return _layer(at, "RMSNormalization(", weights, axis=(_axes(at), -1), epsilon=(at["epsilon"], 1e-6))


def _group_norm(groups: bool) -> Callable[[At], Piece]:
    def group_norm(at: At) -> Piece:
        axis = 1 if at["channels"] == "first" else -1
        call = f"GroupNormalization({at['groups'] if groups else -1})"
        return _layer(at, call, _gamma_beta(), axis=(axis, -1), epsilon=(at["epsilon"], 1e-3))

    return group_norm


def _prelu(at: At) -> Piece:
    axis = 1 if at["channels"] == "first" or at.rank == 2 else at.rank - 1
    shared = list(range(1, at.rank)) if at["shared"] else [i for i in range(1, at.rank) if i != axis]
    sizes = at.shapes[0]
    shape = [1 if i in shared else int(sizes[i]) for i in range(1, at.rank)]
    return _layer(at, "PReLU(", {"alpha": ("slope", lambda values: values.reshape(shape))}, shared_axes=(shared, []))


def _recurrent(at: At) -> Piece:
    kind, units = at.node.op, at["units"]
    call, cell, states = {
        "lstm": ("LSTM", "lstm_cell", 2), "gru": ("GRU", "gru_cell", 1), "rnn": ("SimpleRNN", "simple_rnn_cell", 1),
    }[kind]  # fmt: skip
    _check(
        at,
        wrong=len(at.shapes) not in (1, 1 + states),
        problem="has a mask or some of its states, for which there is no code in Keras",
    )
    about: dict[str, tuple[Any, Any]] = {}
    for ours, theirs in (("activation", "activation"), ("gate", "recurrent_activation")):
        function = at.node.options.get(ours, "sigmoid")
        word = "linear" if function is None else _word(at, function)
        if word is None:
            problem = f"its {ours} has options, and Keras takes it by name here"
            raise at.refuse(problem)
        about[theirs] = (f'"{word}"', '"tanh"' if ours == "activation" else '"sigmoid"')
    about |= {
        "return_sequences": (at["return_sequence"], False), "return_state": (at["return_state"], False),
        "use_bias": (at["use_bias"], True),
    }  # fmt: skip
    piece = Piece(
        "{self}({0}" + (", initial_state=[" + ", ".join(f"{{{i + 1}}}" for i in range(states)) + "]"
                        if len(at.shapes) > 1 else "") + ")",
        f"layers.{call}({units}{options(**about)})", activated=True,
    )  # fmt: skip
    turned = _update_first(units) if kind == "gru" else None
    piece.weights = {f"{cell}/kernel": ("kernel", turned), f"{cell}/recurrent_kernel": ("recurrent_kernel", turned)}
    forget = at.node.options.get("forget_bias", 0.0)
    if at["use_bias"]:
        piece.weights[f"{cell}/bias"] = (
            (("bias", "recurrent_bias"), _two_biases(units)) if kind == "gru"
            else ("bias", _with_forget(units, forget) if forget else None)
        )  # fmt: skip
    _check(at, wrong=bool(forget) and not at["use_bias"], problem="has a forget_bias and no bias")
    return piece


def _update_first(units: int) -> Callable[[Any], Any]:
    """Put a GRU's gates into Keras's order: update, reset, new."""

    def change(values: Any) -> Any:
        reset, update, new = (values[..., i * units : (i + 1) * units] for i in range(3))
        return np.concatenate([update, reset, new], axis=-1)

    return change


def _two_biases(units: int) -> Callable[[Any, Any], Any]:
    """Write a GRU's biases as Keras has them, one for each product; the recurrent one's is the new gate's only."""

    def change(bias: Any, recurrent: Any) -> Any:
        added = np.zeros_like(bias)
        added[2 * units :] = recurrent
        return np.stack([_update_first(units)(bias), added])

    return change


def _with_forget(units: int, forget: float) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        made = values.copy()
        made[units : 2 * units] += forget
        return made

    return change


def _attention(at: At) -> Piece:
    width = int(at.shapes[0][-1])
    heads, size = at["heads"], at["key_units"] or width // at["heads"]
    out = at["units"] or width
    _check(
        at, wrong=len(at.shapes) > 3 or at["rotary"], problem="has a mask or turns, for which there is no code in Keras"
    )
    weights: dict[str, Any] = {}
    for role in ("query", "key", "value"):
        weights[f"{role}/kernel"] = (f"{role}_kernel", lambda values: values.reshape(-1, heads, size))
        weights[f"{role}/bias"] = (f"{role}_bias", lambda values: values.reshape(heads, size))
    weights["attention_output/kernel"] = ("output_kernel", lambda values: values.reshape(heads, size, -1))
    weights["attention_output/bias"] = ("output_bias", None)
    # Keras takes the value before the key; with two inputs both are the second
    given = {1: "{0}, {0}", 2: "{0}, {1}", 3: "{0}, {2}, key={1}"}[len(at.shapes)]
    return _layer(
        at, f"MultiHeadAttention({heads}, {size})", weights, given + (", use_causal_mask=True" if at["causal"] else ""),
        dropout=(at["rate"], 0.0), output_shape=(out, width),
    )  # fmt: skip


def _positions(at: At) -> Piece:
    """Write an embedding of places, which are counted: a Keras model knows no layers of what follows from no input."""
    places = 'ops.cumsum(ops.ones_like({0}[..., 0], dtype="int32"), axis=1) - 1'
    weights: dict[str, Any] = {"embeddings": ("kernel", None)}
    make = f"layers.Embedding({at['max_length']}, {at.shapes[0][-1]})"
    return Piece("{0} + {self}(" + places + ")", make, weights)


def _pool(kind: str) -> Callable[[At], Piece]:
    def pool(at: At) -> Piece:
        axes = at.rank - 2
        _check(at, wrong=at["dilation"] not in (1, (1,) * axes), problem="dilates its window, which Keras's does not")
        word, before = _padded(at, fill='float("-inf")' if kind == "Max" else "0.0")
        counted = at.node.options.get("count_padding", False)
        if kind == "Average" and (word == "same" or before != "{0}"):
            _check(at, wrong=not counted, problem="does not count padding, on which Keras's backends do not agree")
            pads = at.pads(at["kernel_size"])
            word, before = "valid", _wider(at, pads) if any(map(any, pads)) else "{0}"
        strides = at["kernel_size"] if at["strides"] is None else at["strides"]
        size = one(at["kernel_size"])
        about = options(strides=(one(strides), size), padding=(f'"{word}"', '"valid"'), **_layout(at))
        return Piece(f"layers.{kind}Pooling{axes}D({size}{about})({before})")

    return pool


def _global(kind: str) -> Callable[[At], Piece]:
    def pool(at: At) -> Piece:
        about = options(keepdims=(at["keep_axes"], False), **_layout(at))[2:]
        return Piece(f"layers.Global{kind}Pooling{at.rank - 2}D({about})({{0}})")

    return pool


def _dropout(call: str, key: str = "rate") -> Callable[[At], Piece]:
    return lambda at: Piece(f"layers.{call}({at[key]})({{0}})")


def _spatial_dropout(at: At) -> Piece:
    return Piece(f"layers.SpatialDropout{at.rank - 2}D({at['rate']}{options(**_layout(at))})({{0}})")


def _reshape(at: At) -> Piece:
    shape = (at["shape"],) if isinstance(at["shape"], int) else at["shape"]
    return Piece(f"layers.Reshape({tuple(shape)!r})({{0}})")


def _transpose(at: At) -> Piece:
    axes = (at["axes"],) if isinstance(at["axes"], int) else at["axes"]
    order = tuple(range(at.rank))[::-1] if axes is None else tuple(axis % at.rank for axis in axes)
    order = order if 0 in order else (0, *order)
    if order[0] == 0:
        return Piece(f"layers.Permute({order[1:]!r})({{0}})")
    return Piece(f"ops.transpose({{0}}, {order!r})")


def _pad(at: At) -> Piece:
    axes = at.rank - 2
    given = at["padding"]
    pads = [(given, given)] * axes if isinstance(given, int) else [tuple(pair) for pair in given]
    plain = at["mode"] == "constant" and len(pads) == axes and 1 <= axes <= 3 and min(map(min, pads)) >= 0
    _check(
        at,
        wrong=not plain,
        problem="cuts off, or pads the channels or in another mode, for which there is no code in Keras",
    )
    return Piece(_wider(at, pads, repr(float(at["value"]))))


def _upsample(at: At) -> Piece:
    factor, axes = at["scale_factor"], at.rank - 2
    plain = axes in (2, 3) and (at["method"] == "nearest" or (axes == 2 and at["method"] == "bilinear"))
    _check(at, wrong=not plain, problem=f"there is no code for {at['method']} over {axes} axes in Keras")
    size = one(window.per_axis(factor, axes, "scale_factor"))
    size = size if size.startswith("(") or axes == 2 else repr((int(size),) * axes)
    about = options(interpolation=(f'"{at["method"]}"', '"nearest"'), **_layout(at))
    return Piece(f"layers.UpSampling{axes}D({size}{about})({{0}})")


def _slice(at: At) -> Piece:
    axis = at["axis"] % at.rank
    _check(at, wrong=at["step"] < 0, problem="goes backwards, for which there is no code in Keras")
    step = "" if at["step"] == 1 else f":{at['step']}"
    cells = f"{'' if at['start'] is None else at['start']}:{'' if at['stop'] is None else at['stop']}{step}"
    return Piece(f"{{0}}[{', '.join([':'] * axis + [cells])}]")


def _split(at: At) -> Piece:
    sections = at["sections"]
    where = sections if isinstance(sections, int) else [sum(sections[: i + 1]) for i in range(len(sections) - 1)]
    return Piece(f"ops.split({{0}}, {where}, axis={at['axis']})")


def _places(at: At) -> str:
    return ", ".join(f"{{{i}}}" for i in range(len(at.shapes)))


def _join(layer: str, sign: str) -> Callable[[At], Piece]:
    """Write a sum or product: as Keras's layer where all shapes are the same."""

    def join(at: At) -> Piece:
        alike = all(shape == at.shapes[0] for shape in at.shapes) and (layer != "Subtract" or len(at.shapes) == 2)
        if alike and len(at.shapes) > 1:
            return Piece(f"layers.{layer}()([{_places(at)}])")
        return Piece(f" {sign} ".join(f"{{{i}}}" for i in range(len(at.shapes))))

    return join


TABLE: dict[str, Callable[[At], Piece]] = {
    **{name: _activation(name) for name in ACTIVATIONS}, "activation": _activation(""),
    "dense": _dense, "embedding": _embedding, "conv": _conv, "depthwise_conv": _depthwise,
    "separable_conv": _separable, "conv_transpose": _transposed, "batch_norm": _batch_norm, "layer_norm": _layer_norm,
    "rms_norm": _rms_norm, "group_norm": _group_norm(groups=True), "instance_norm": _group_norm(groups=False),
    "prelu": _prelu, "lstm": _recurrent, "gru": _recurrent, "rnn": _recurrent, "multi_head_attention": _attention,
    "learned_positions": _positions,
    "max_pool": _pool("Max"), "avg_pool": _pool("Average"), "global_avg_pool": _global("Average"),
    "global_max_pool": _global("Max"), "dropout": _dropout("Dropout"), "spatial_dropout": _spatial_dropout,
    "alpha_dropout": _dropout("AlphaDropout"), "gaussian_dropout": _dropout("GaussianDropout"),
    "gaussian_noise": _dropout("GaussianNoise", "stddev"), "flatten": lambda at: Piece("layers.Flatten()({0})"),
    "reshape": _reshape, "transpose": _transpose, "pad": _pad, "upsample": _upsample, "slice": _slice, "split": _split,
    "reverse": lambda at: Piece(f"ops.flip({{0}}, axis={at['axis']})"),
    "add": _join("Add", "+"), "subtract": _join("Subtract", "-"), "multiply": _join("Multiply", "*"),
    "concatenate": lambda at: Piece(f"layers.Concatenate(axis={at['axis']})([{_places(at)}])"),
    "stack": lambda at: Piece(f"ops.stack([{_places(at)}], axis={at['axis']})"),
}  # fmt: skip

KERAS = Framework(TABLE, ACTIVATIONS, owner="", between="/", inline=True, typed=in_keras, keeps=True)


def _input(name: str, node: Node, shape: Any) -> str:
    sizes = tuple(size if isinstance(size, int) else None for size in shape)
    whole = f"batch_shape={sizes!r}" if isinstance(sizes[0], int) else repr(sizes[1:])
    dtype = options(dtype=(f'"{node.options["dtype"]}"', '"float32"'))
    return f'{name} = keras.Input({whole}{dtype}, name="{name}")'


def keras_code(model: Model, name: str | None) -> str:
    """Write a Keras model in the functional way; channels stand where they stand in the model."""
    made = write(model, KERAS)
    notes = told(model, "keras", made.left_out)
    lines = [_input(own, node, made.traced.nodes[node].shape) for own, node in made.inputs.items()]
    lines += [f"{own} = {make}" for own, make in made.makes.items()]
    lines += made.calls
    variable = free(name or model.name or "model", made.taken)
    given, results = list(made.inputs), made.result
    several = f"[{', '.join(given)}]" if len(given) > 1 else given[0]
    results = f"[{results}]" if ", " in results else results
    lines.append(f'{variable} = keras.Model({several}, {results}, name="{variable}")')
    body = "\n".join(lines)
    used = ", ".join(one for one in ("layers", "ops") if f"{one}." in body)
    return "\n".join([*notes, "import keras", *([f"from keras import {used}"] if used else []), "", body, ""])
