"""Owns the table from ONNX operators to layers: products, convolutions, normalisation, pooling, activations, sums."""

from __future__ import annotations

from typing import Any

from axon_nb.interop.build import At, Tensor, reads
from axon_nb.lazy import numpy as np


def _pairs(pads: list[int]) -> tuple[tuple[int, int], ...]:
    half = len(pads) // 2
    return tuple(zip(pads[:half], pads[half:], strict=True))


def _padding(at: At, axes: int) -> Any:
    """Read the padding of a window as an option; ``None`` where it cannot be one."""
    auto = at.about.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "VALID"):
        return "same" if auto == "SAME_UPPER" else "valid"
    pads = list(at.about.get("pads") or [0] * 2 * axes)
    if auto != "NOTSET" or len(pads) != 2 * axes or min(pads, default=0) < 0:
        return None
    return _pairs(pads) if any(pads) else "valid"


def _window(at: At, axes: int) -> dict[str, Any] | None:
    padding = _padding(at, axes)
    strides, dilation = (tuple(at.about.get(key) or [1] * axes) for key in ("strides", "dilations"))
    if padding is None or not axes or len(strides) != axes or len(dilation) != axes:
        return None
    return {"strides": _one(strides), "padding": padding, "dilation": _one(dilation)}


def _one(sizes: tuple[int, ...]) -> Any:
    return sizes[0] if len(set(sizes)) == 1 else sizes


@reads("Gemm")
def _gemm(at: At) -> Any:
    x, kernel, bias = at.x(0), at.known(1), at.known(2)
    about = at.about
    if x is None or kernel is None or kernel.ndim != 2 or x.rank != 2 or (at.has(2) and bias is None):
        return None
    if (
        about.get("transA", 0)
        or about.get("alpha", 1.0) != 1
        or about.get("beta", 1.0) != 1
        or kernel.dtype != "float32"
    ):
        return None
    kernel = kernel.T if about.get("transB", 0) else kernel
    units = kernel.shape[1]
    if bias is not None and bias.shape not in ((units,), (1, units), (1,), ()):
        return None
    weights = {"kernel": kernel}
    if bias is not None:
        weights["bias"] = np.broadcast_to(bias.ravel(), (units,)).copy()
    return at.layer("dense", x, weights=weights, share=(1, *((2,) if bias is not None else ())), units=units,
                    use_bias=bias is not None)  # fmt: skip


@reads("MatMul")
def _matmul(at: At) -> Any:
    x, kernel = at.x(0), at.known(1)
    if x is None or kernel is None or kernel.ndim != 2 or kernel.dtype != "float32" or (x.rank or 0) < 2:
        return None
    after = at.builder.only_reader(at.node.output[0])
    bias = None
    if after is not None and after.op_type == "Add":
        other = next((name for name in after.input if name != at.node.output[0]), "")
        known = at.builder.values.get(other)
        if isinstance(known, np.ndarray) and known.shape == (kernel.shape[1],):
            bias = known
    weights = {"kernel": kernel} | ({"bias": bias} if bias is not None else {})
    if bias is not None:
        at.builder.skip[after.output[0]] = at.node.output[0]
    options = {"units": kernel.shape[1], "use_bias": bias is not None}
    key = at.builder.pair(at.node, 1, after if bias is not None else None)
    return at.builder.apply(at, "dense", (x,), weights, (), key, options)


@reads("Conv")
def _conv(at: At) -> Any:
    x, kernel, bias = at.x(0), at.known(1), at.known(2)
    if (
        x is None
        or kernel is None
        or (at.has(2) and bias is None)
        or x.rank != kernel.ndim
        or not 3 <= kernel.ndim <= 5
    ):
        return None
    options = _window(at, kernel.ndim - 2)
    if options is None or kernel.dtype != "float32":
        return None
    weights = {"kernel": kernel} | ({"bias": bias} if bias is not None else {})
    return at.layer("conv", x, weights=weights, share=(1, *((2,) if bias is not None else ())), units=kernel.shape[0],
                    kernel_size=_one(kernel.shape[2:]), groups=at.about.get("group", 1), use_bias=bias is not None,
                    **options)  # fmt: skip


@reads("ConvTranspose")
def _transposed(at: At) -> Any:
    x, kernel, bias = at.x(0), at.known(1), at.known(2)
    if (
        x is None
        or kernel is None
        or (at.has(2) and bias is None)
        or x.rank != kernel.ndim
        or not 3 <= kernel.ndim <= 5
    ):
        return None
    axes, about = kernel.ndim - 2, at.about
    auto = about.get("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID") or about.get("output_shape") or kernel.dtype != "float32":
        return None
    pads = list(about.get("pads") or [0] * 2 * axes)
    more = tuple(about.get("output_padding") or [0] * axes)
    groups = about.get("group", 1)
    weights = {"kernel": kernel} | ({"bias": bias} if bias is not None else {})
    options = {
        key: _one(tuple(about.get(name) or [1] * axes))
        for key, name in (("strides", "strides"), ("dilation", "dilations"))
    }
    return at.layer("conv_transpose", x, weights=weights, share=(1, *((2,) if bias is not None else ())),
                    units=kernel.shape[1] * groups, kernel_size=_one(kernel.shape[2:]), padding=_pairs(pads),
                    groups=groups, output_padding=_one(more), use_bias=bias is not None, **options)  # fmt: skip


def _weights(at: At, *names: str) -> dict[str, Any] | None:
    found = {name: at.known(place) for place, name in enumerate(names, start=1)}
    return None if any(one is None or one.dtype != "float32" for one in found.values()) else found


@reads("BatchNormalization")
def _batch_norm(at: At) -> Any:
    x, weights = at.x(0), _weights(at, "gamma", "beta", "mean", "variance")
    if x is None or weights is None or at.about.get("training_mode") or at.outputs() > 1 or (x.rank or 0) < 2:
        return None
    return at.layer("batch_norm", x, weights=weights, states=("mean", "variance"), share=(1, 2, 3, 4),
                    epsilon=at.about.get("epsilon", 1e-5), momentum=at.about.get("momentum", 0.9))  # fmt: skip


@reads("LayerNormalization", "RMSNormalization")
def _last_axes(at: At) -> Any:
    x, gamma, beta = at.x(0), at.known(1), at.known(2)
    if x is None or x.shape is None or gamma is None or at.outputs() > 1 or (at.has(2) and beta is None):
        return None
    axis = at.about.get("axis", -1) % len(x.shape)
    if axis < 1 or gamma.shape != x.shape[axis:] or gamma.dtype != "float32":
        return None
    axes = tuple(range(axis - len(x.shape), 0))
    options = {"axis": axes[0] if len(axes) == 1 else axes, "epsilon": at.about.get("epsilon", 1e-5)}
    if at.op == "RMSNormalization":
        return at.layer("rms_norm", x, weights={"gamma": gamma}, share=(1,), **options)
    weights = {"gamma": gamma, "beta": np.zeros_like(gamma) if beta is None else beta}
    return at.layer("layer_norm", x, weights=weights, share=(1, 2) if beta is not None else (1,), **options)


@reads("GroupNormalization", "InstanceNormalization")
def _groups(at: At) -> Any:
    x, weights = at.x(0), _weights(at, "gamma", "beta")
    if x is None or weights is None or x.shape is None:
        return None
    epsilon = at.about.get("epsilon", 1e-5)
    if at.op == "InstanceNormalization":
        return (
            at.layer("instance_norm", x, weights=weights, share=(1, 2), epsilon=epsilon) if len(x.shape) > 2 else None
        )
    if weights["gamma"].shape != (x.shape[1],):  # before opset 21 there was one for each group
        return None
    return at.layer("group_norm", x, weights=weights, share=(1, 2), groups=at.about["num_groups"], epsilon=epsilon)


@reads("MaxPool", "AveragePool", "LpPool")
def _pool(at: At) -> Any:
    x, size = at.x(0), tuple(at.about.get("kernel_shape", ()))
    if (
        x is None
        or x.rank != len(size) + 2
        or at.about.get("ceil_mode")
        or at.outputs() > 1
        or "float" not in str(x.dtype)
    ):
        return None
    options = _window(at, len(size))
    if options is None:
        return None
    options["kernel_size"] = _one(size)
    if at.op == "MaxPool":
        return at.layer("max_pool", x, **options)
    if at.op == "AveragePool":
        return at.layer("avg_pool", x, count_padding=bool(at.about.get("count_include_pad", 0)), **options)
    norm = at.about.get("p", 2)
    return at.layer("lp_pool", x, norm=norm, **options) if norm % 2 == 0 else None


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global(at: At) -> Any:
    x = at.x()
    kind = "global_avg_pool" if at.op == "GlobalAveragePool" else "global_max_pool"
    return at.layer(kind, x, keep_axes=True) if x is not None and (x.rank or 0) > 2 else None


@reads("ReduceMean", "ReduceMax")
def _reduce(at: At) -> Any:
    x, axes = at.x(), at.ints(1, "axes")
    if x is None or x.rank is None or x.rank < 3 or not axes or "float" not in str(x.dtype):
        return None
    if sorted(axis % x.rank for axis in axes) != list(range(2, x.rank)):
        return None
    kind = "global_avg_pool" if at.op == "ReduceMean" else "global_max_pool"
    return at.layer(kind, x, keep_axes=bool(at.about.get("keepdims", 1)))


_ACTIVATIONS = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softplus": "softplus", "Softsign": "softsign",
    "Mish": "mish", "Exp": "exp", "HardSwish": "hard_silu",
}  # fmt: skip


@reads(*_ACTIVATIONS)
def _activation(at: At) -> Any:
    x = at.x()
    return at.layer(_ACTIVATIONS[at.op], x) if x is not None and "float" in str(x.dtype) else None


_WITH_OPTIONS: dict[str, tuple[str, dict[str, float]]] = {
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}), "Elu": ("elu", {"alpha": 1.0}), "Celu": ("celu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
}  # fmt: skip


@reads(*_WITH_OPTIONS)
def _with_options(at: At) -> Any:
    x, (kind, defaults) = at.x(), _WITH_OPTIONS[at.op]
    options = {key: at.about.get(key, value) for key, value in defaults.items()}
    return at.layer(kind, x, **options) if x is not None and all(map(np.isfinite, options.values())) else None


@reads("Gelu")
def _gelu(at: At) -> Any:
    x = at.x()
    return None if x is None else at.layer("gelu", x, approximate=at.about.get("approximate") == "tanh")


@reads("Softmax", "LogSoftmax")
def _softmax(at: At) -> Any:
    x = at.x()
    if x is None or x.rank is None or (at.version < 13 and at.about.get("axis", 1) % x.rank != x.rank - 1):
        return None
    axis = at.about.get("axis", -1 if at.version >= 13 else 1)
    return (
        at.layer("softmax" if at.op == "Softmax" else "log_softmax", x, axis=axis) if -x.rank <= axis < x.rank else None
    )


@reads("PRelu")
def _prelu(at: At) -> Any:
    x, slope = at.x(0), at.known(1)
    if x is None or slope is None or x.rank is None or x.rank < 2 or slope.dtype != "float32":
        return None
    shape = (1,) * (x.rank - slope.ndim) + slope.shape
    if at.version < 7 and slope.ndim == 1:
        shape = (1, *slope.shape, *(1,) * (x.rank - 2))  # then there was one for each channel, or one for all
    places = [axis for axis, size in enumerate(shape) if size != 1]
    if slope.ndim > x.rank or len(places) > 1 or (places and places[0] not in (1, x.rank - 1)):
        return None
    last = bool(places) and places[0] == x.rank - 1 and x.rank > 2
    return at.layer("prelu", x, weights={"slope": slope.ravel()}, share=(1,), shared=not places and slope.size == 1,
                    channels="last" if last else "first")  # fmt: skip


@reads("Clip")
def _clip(at: At) -> Any:
    x = at.x(0)
    low, high = (at.known(i) if at.known(i) is not None else at.about.get(key) for i, key in ((1, "min"), (2, "max")))
    if x is None or low is None or high is None or "float" not in str(x.dtype):
        return None
    kind = {(0.0, 6.0): "relu6", (-1.0, 1.0): "hard_tanh"}.get((float(low), float(high)))
    return None if kind is None else at.layer(kind, x)


@reads("Identity")
def _identity(at: At) -> Any:
    return at.x()


@reads("Dropout")
def _dropout(at: At) -> Any:
    x, rate, training = at.x(0), at.known(1), at.known(2)
    rate = float(rate) if rate is not None else at.about.get("ratio", 0.5)
    off = not at.has(2) or (training is not None and not bool(training))
    if (
        x is None
        or not off
        or at.outputs() > 1
        or not 0 <= rate < 1
        or "float" not in str(x.dtype)
        or not at.version >= 7
    ):
        return None
    return at.layer("dropout", x, rate=rate)


_JOINS = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Sum": "add"}


@reads(*_JOINS)
def _join(at: At) -> Any:
    xs = [at.x(i) for i in range(len(at.inputs))]
    if all(x is not None for x in xs) and len({x.dtype for x in xs if x}) == 1 and at.version >= 7:
        return at.layer(_JOINS[at.op], *xs) if len(xs) > 1 else xs[0]  # type: ignore[arg-type]
    if at.op not in ("Add", "Mul") or len(xs) != 2:
        return None
    x, place = (xs[0], 1) if xs[0] is not None else (xs[1], 0)
    values = at.known(place)
    if x is None or x.shape is None or values is None or values.dtype != "float32" or x.dtype != "float32":
        return None
    if len(x.shape) < 2 or values.ndim > len(x.shape) or values.size == 1:
        return None
    shape = (1,) * (len(x.shape) - values.ndim) + values.shape
    places = [axis for axis, size in enumerate(shape) if size != 1]
    if len(places) != 1 or places[0] == 0 or shape[places[0]] != x.shape[places[0]]:
        return None
    kind = "bias" if at.op == "Add" else "scale"
    return at.layer(kind, x, weights={kind: values.ravel()}, share=(place,), axis=places[0] - len(x.shape))


@reads("Concat")
def _concat(at: At) -> Any:
    xs = [at.x(i) for i in range(len(at.inputs))]
    if any(x is None for x in xs) or len({x.dtype for x in xs if x}) > 1 or at.about.get("axis") is None:
        return None
    return at.layer("concatenate", *xs, axis=at.about["axis"])  # type: ignore[arg-type]


@reads("Gather")
def _gather(at: At) -> Any:
    x, kernel = at.x(1), at.known(0)
    if x is None or kernel is None or kernel.ndim != 2 or kernel.dtype != "float32" or at.about.get("axis", 0):
        return None
    return at.layer("embedding", x, weights={"kernel": kernel}, share=(0,), vocab_size=kernel.shape[0],
                    units=kernel.shape[1]) if "int" in str(x.dtype) else None  # fmt: skip


@reads("Attention")
def _attention(at: At) -> Any:
    xs = [at.x(i) for i in range(3)]
    if len(at.inputs) > 3 or at.outputs() > 1 or any(x is None or x.rank != 4 for x in xs):
        return None
    if set(at.about) - {"is_causal"}:
        return None
    return at.layer("scaled_dot_product_attention", *xs, causal=bool(at.about.get("is_causal", 0)))  # type: ignore[arg-type]


__all__ = ["Tensor"]
