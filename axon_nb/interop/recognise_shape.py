"""Owns the table from ONNX operators to layers: changes of shape, resizing, and recurrent layers."""

from __future__ import annotations

import base64
from typing import Any

from axon_nb.interop.build import SIZES, Asked, At, Tensor, reads
from axon_nb.lazy import numpy as np


@reads("Flatten")
def _flatten(at: At) -> Any:
    x = at.x()
    return at.layer("flatten", x) if x is not None and at.about.get("axis", 1) == 1 and (x.rank or 0) > 1 else None


@reads("Reshape")
def _reshape(at: At) -> Any:
    x = at.x(0)
    if x is None or x.specs is None or at.about.get("allowzero"):
        return None
    targets = _targets(at, x)
    if targets is None:
        return None
    shape: list[int] = []
    for place, sizes in enumerate(zip(*targets, strict=True)):
        own = [one.shape[place] if place < len(one.shape) else -2 for one in x.specs]
        if place == 0:
            if list(sizes) != own:
                return None
        elif len(set(sizes)) == 1:
            shape.append(sizes[0])
        else:
            shape.append(-1)
    if shape.count(-1) > 1 or not shape or min(shape) == 0:
        return None
    return at.layer("reshape", x, shape=tuple(shape))


def _targets(at: At, x: Tensor) -> list[tuple[int, ...]] | None:
    """Work out the new shape in each try."""
    given = at.inputs[1] if len(at.inputs) > 1 else np.asarray(at.about.get("shape", []))
    wanted = at.builder.tries(given) if isinstance(given, Asked) else [given] * len(x.specs or ())
    if wanted is None or not all(isinstance(one, np.ndarray) and one.ndim == 1 for one in wanted):
        return None
    found = []
    for one, spec in zip(wanted, x.specs or (), strict=True):
        sizes = [int(n) if n else (spec.shape[i] if i < len(spec.shape) else 0) for i, n in enumerate(one)]
        rest = int(np.prod([n for n in sizes if n != -1], dtype="int64")) or 1
        total = int(np.prod(spec.shape, dtype="int64"))
        found.append(tuple(total // rest if n == -1 else n for n in sizes))
        if int(np.prod(found[-1], dtype="int64")) != total or any(n < 1 for n in found[-1]):
            return None
    return found if len({len(one) for one in found}) == 1 else None


@reads("Transpose")
def _transpose(at: At) -> Any:
    x = at.x()
    if x is None or x.rank is None:
        return None
    perm = tuple(at.about.get("perm") or range(x.rank)[::-1])
    if sorted(perm) != list(range(x.rank)):
        problem = f"its perm {perm} is no order of {x.rank} axes"
        raise at.refuse(problem)
    return transposed(at, x, perm)


def transposed(at: At, x: Tensor, perm: tuple[int, ...]) -> Tensor:
    """Apply an order of axes; one that undoes the one before takes it away."""
    node: Any = x.model.outputs
    if perm == tuple(range(len(perm))):
        return x
    if node.op == "transpose" and node.options["axes"] is not None and x in at.builder.before:
        before = node.options["axes"]
        if len(before) == len(perm) and tuple(before[i] for i in perm) == tuple(range(len(perm))):
            return at.builder.before[x]
    made: Tensor = at.layer("transpose", x, axes=perm)
    at.builder.before[made] = x
    return made


@reads("Split")
def _split(at: At) -> Any:
    x, sizes = at.x(0), at.ints(1, "split")
    if x is None or x.shape is None or len(at.node.output) < 2 or at.has(1) != (at.known(1) is not None):
        return None
    axis = at.about.get("axis", 0)
    count = x.shape[axis] if -len(x.shape) <= axis < len(x.shape) else None
    if sizes is None and (count is None or count % len(at.node.output)):
        return None
    return at.layer("split", x, sections=len(at.node.output) if sizes is None else tuple(sizes), axis=axis)


@reads("Slice")
def _slice(at: At) -> Any:
    x = at.x(0)
    starts, ends, axes = at.ints(1, "starts"), at.ints(2, "ends"), at.ints(3, "axes")
    steps = at.ints(4)
    asked = any(isinstance(one, Asked) for one in at.inputs)
    if x is None or x.shape is None or starts is None or ends is None or asked or x.dtype is None:
        return None
    axes = axes if axes is not None else list(range(len(starts)))
    steps = steps or [1] * len(starts)
    far = 2**31 - 2
    y = x
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == -1 and (start == -1 or start > far) and end < -far:
            y = at.layer("reverse", y, axis=axis)
            continue
        first = None if (start == 0 and step > 0) or (start > far and step < 0) else start
        last = None if end > far or (end < -far and step < 0) else end
        y = at.layer("slice", y, start=first, stop=last, step=step, axis=axis)
    return y


@reads("Pad")
def _pad(at: At) -> Any:
    x, pads = at.x(0), at.ints(1, "pads")
    value = at.known(2)
    mode = at.about.get("mode", "constant")
    if x is None or x.rank is None or x.rank < 2 or pads is None or (at.has(2) and value is None):
        return None
    axes = at.ints(3) or list(range(x.rank))
    if (at.has(3) and at.known(3) is None) or len(pads) != 2 * len(axes):
        return None
    pairs = [(0, 0)] * x.rank
    for i, axis in enumerate(axes):
        pairs[axis] = (pads[i], pads[i + len(axes)])
    mixed = mode != "constant" and min(pads) < 0
    if (
        pairs[0] != (0, 0)
        or mode not in ("constant", "reflect", "edge", "wrap")
        or mixed
        or "float" not in str(x.dtype)
    ):
        return None
    fill = float(np.ravel(value)[0]) if value is not None else float(at.about.get("value", 0.0))
    return at.layer("pad", x, padding=tuple(pairs[1:]), value=fill, mode=mode) if np.isfinite(fill) else None


_METHODS = {
    ("nearest", "half_pixel", "round_prefer_ceil"): "nearest", ("linear", "half_pixel"): "bilinear",
    ("cubic", "half_pixel"): "bicubic",
}  # fmt: skip


@reads("Resize")
def _resize(at: At) -> Any:
    x, about = at.x(0), at.about
    if x is None or x.shape is None or not 3 <= len(x.shape) <= 5 or at.version < 11 or "axes" in about:
        return None
    scales, sizes = at.known(2), at.inputs[3] if len(at.inputs) > 3 else None
    mode, where = about.get("mode", "nearest"), about.get("coordinate_transformation_mode", "half_pixel")
    rule = about.get("nearest_mode", "round_prefer_floor")
    whole = scales is not None and scales.size == len(x.shape) and all(s >= 1 and s == int(s) for s in scales)
    method = _METHODS.get((mode, where, rule) if mode == "nearest" else (mode, where))
    if mode == "nearest" and whole and where == "asymmetric" and rule == "floor":
        method = "nearest"  # the same for whole factors
    if method == "bicubic" and (about.get("cubic_coeff_a", -0.75) != -0.5 or not about.get("exclude_outside")):
        return None
    if about.get("antialias") and not about.get("exclude_outside"):  # cells outside count as those at the edge
        return None
    if method is None or about.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    if whole and tuple(scales[:2]) == (1, 1):
        return at.layer("upsample", x, scale_factor=tuple(int(s) for s in scales[2:]), method=method)
    targets = at.builder.tries(sizes) if isinstance(sizes, Asked) else [sizes] * len(x.specs or ())
    rows = [[int(n) for n in np.ravel(one)] for one in targets or () if isinstance(one, np.ndarray)]
    if len(rows) != len(SIZES[0]) or any(len(row) != len(x.shape) for row in rows):
        return None
    spatial = {tuple(row[2:]) for row in rows}
    kept = all(tuple(row[:2]) == spec.shape[:2] for row, spec in zip(rows, x.specs or (), strict=True))
    if len(spatial) > 1 or not kept:
        return None
    return at.layer("resize", x, size=spatial.pop(), method=method, antialias=bool(about.get("antialias", 0)))


@reads("DepthToSpace")
def _depth_to_space(at: At) -> Any:
    x = at.x()
    return at.layer("pixel_shuffle", x, upscale_factor=at.about["blocksize"]) if (
        x is not None and x.rank == 4 and at.about.get("mode") == "CRD"
    ) else None  # fmt: skip


_FUNCTIONS = {
    "tanh": ("tanh", 0.0, 0.0), "sigmoid": ("sigmoid", 0.0, 0.0), "relu": ("relu", 0.0, 0.0),
    "softsign": ("softsign", 0.0, 0.0), "softplus": ("softplus", 0.0, 0.0),
    "hardsigmoid": ("hard_sigmoid", 1 / 6, 0.5), "elu": ("elu", 1.0, 0.0), "leakyrelu": ("leaky_relu", 0.01, 0.0),
    "affine": ("linear", 1.0, 0.0),
}  # fmt: skip
_DEFAULTS = {"elu": (1.0, 0.0), "leakyrelu": (0.01, 0.0), "hardsigmoid": (0.2, 0.5)}


def _functions(at: At, defaults: list[str]) -> list[str] | None:
    names = [one.lower() for one in at.about.get("activations") or defaults]
    given = zip(
        names, list(at.about.get("activation_alpha", ())) + [None] * len(names),
        list(at.about.get("activation_beta", ())) + [None] * len(names), strict=False,
    )  # fmt: skip
    found = []
    for name, alpha, beta in given:
        if name not in _FUNCTIONS:
            return None
        ours, first, second = _FUNCTIONS[name]
        default = _DEFAULTS.get(name, (first, second))
        theirs = (default[0] if alpha is None else alpha, default[1] if beta is None else beta)
        if name in ("hardsigmoid", "elu", "leakyrelu", "affine") and not np.allclose(
            theirs, (first, second), atol=1e-6
        ):
            return None
        found.append(ours)
    return found


_ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where our gates stand among ONNX's."""


@reads("LSTM", "GRU", "RNN")
def _recurrent(at: At) -> Any:
    x, kernels = at.x(0), [at.known(i) for i in (1, 2, 3)]
    about, order = at.about, _ORDERS[at.op]
    plain = not (about.get("layout") or about.get("clip") or about.get("input_forget") or at.has(4) or at.has(7))
    functions = _functions(
        at, {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[at.op]
    )
    w, r, b = kernels
    if x is None or w is None or r is None or (at.has(3) and b is None) or not plain or functions is None:
        return None
    if w.shape[0] != 1 or about.get("direction", "forward") == "bidirectional" or w.dtype != "float32" or x.rank != 3:
        return None
    if (at.op == "GRU" and not about.get("linear_before_reset")) or (at.op == "LSTM" and functions[1] != functions[2]):
        return None
    places = [i for i in ((5, 6) if at.op == "LSTM" else (5,)) if at.has(i)]
    places = [] if all(_is_zero(at, i) for i in places) else places
    initial = [at.x(i) for i in places]
    if any(one is None for one in initial) or len(initial) not in (0, 2 if at.op == "LSTM" else 1):
        return None
    return _with_weights(at, x, w, r, b, functions, [one for one in initial if one is not None], order)


def _is_zero(at: At, place: int) -> bool:
    """Whether an input is zero throughout, however many samples there are: the states that PyTorch writes down."""
    value = at.inputs[place]
    tries = at.builder.tries(value) if isinstance(value, Asked) else [value]
    return bool(tries) and all(isinstance(one, np.ndarray) and not one.any() for one in tries or ())


def _with_weights(
    at: At, x: Tensor, w: Any, r: Any, b: Any, functions: list[str], initial: list[Tensor], order: tuple[int, ...]
) -> Any:
    units, gates = r.shape[2], len(order)

    def ours(values: Any) -> Any:
        parts = np.split(values, gates, axis=0)
        return np.concatenate([parts[i] for i in order]).T.copy()

    weights = {"kernel": ours(w[0]), "recurrent_kernel": ours(r[0])}
    if b is not None:
        own, added = (ours(one) for one in np.split(b[0], 2))
        if at.op == "GRU":
            weights |= {
                "bias": own + np.r_[added[: 2 * units], np.zeros(units, "float32")],
                "recurrent_bias": added[2 * units :],
            }
        else:
            weights["bias"] = own + added
    options = {"units": units, "return_state": True, "use_bias": b is not None, "activation": functions[-1]}
    if at.op != "RNN":
        options["gate"] = functions[0]
    back = at.about.get("direction") == "reverse"
    steps = transposed(at, x, (1, 0, 2))
    steps = at.layer("reverse", steps, axis=1) if back else steps
    states = [_node(at, "Squeeze", one, (0,)) for one in initial]
    made = at.layer(at.op.lower(), steps, *states, weights=weights, share=(1, 2), **options)
    sequence = at.layer("reverse", made[0], axis=1) if back else made[0]
    results = [_node(at, "Unsqueeze", transposed(at, sequence, (1, 0, 2)), (1,))]
    return (*results, *(_node(at, "Unsqueeze", one, (0,)) for one in made[1:]))


def _node(at: At, op: str, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    given = (("tensor", 0), ("constant", "int64", (len(axes),), axes))
    inverse = at.builder.inverse.get((x, op, axes))
    if inverse is not None:
        return inverse
    made: Tensor = at.layer("onnx_node", x, op=op, inputs=given)
    at.builder.inverse[made, "Squeeze" if op == "Unsqueeze" else "Unsqueeze", axes] = x
    return made


@reads("Squeeze", "Unsqueeze")
def _squeeze(at: At) -> Any:
    x, axes = at.x(0), at.ints(1, "axes")
    if x is None or not axes or x.rank is None:
        return None
    rank = x.rank + (len(axes) if at.op == "Unsqueeze" else 0)
    return _node(at, at.op, x, tuple(sorted(axis % rank for axis in axes)))


@reads("Scan")
def _scan(at: At) -> Any:
    about, graph = at.about, at.about["body"]
    scanned = about.get("num_scan_inputs", 1)
    if any(any(about.get(f"scan_{side}_directions") or ()) for side in ("input", "output")):
        return None
    inner = {one.name for one in (*graph.input, *graph.initializer)} | {n for node in graph.node for n in node.output}
    read = {n for node in graph.node for n in node.input if n} | {one.name for one in graph.output}
    outer = [name for name in sorted(read - inner) if name in at.builder.values]
    states = len(at.inputs) - scanned
    kept = len(graph.output) - states
    axes = (
        tuple(about.get("scan_input_axes") or [0] * scanned), tuple(about.get("scan_output_axes") or [0] * kept),
    )  # fmt: skip
    body = base64.b64encode(graph.SerializeToString()).decode()
    options = {"body": body, "captured": tuple(outer), "scanned": scanned, "axes": axes, "outputs": at.outputs(),
               "version": at.version}  # fmt: skip
    return at.builder.keep(at, "onnx_scan", [*at.inputs, *(at.builder.values[name] for name in outer)], options)
