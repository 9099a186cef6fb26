"""Builds Axon's models of one layer as ours, and reads the cases about them: what we call things, what we leave out.

Knows the families whose kernels or channels Axon lays out otherwise: convolution, pooling, normalisation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_cases.runner import DATA
from axon_nb import functional
from axon_nb.forward import Values, forward

OPTIONS = {
    "kernel_dilation": "dilation", "window_dilations": "dilation", "dilations": "dilation", "num_groups": "groups",
}  # fmt: skip
"""Our names for Axon's options."""

LAYERS = {"separable_conv2d": "spatial_separable_conv", "separable_conv3d": "spatial_separable_conv"}
"""Our names for Axon's layers."""


def raw_cases(file: str, names: frozenset[str], listed: Mapping[str, str]) -> list[Any]:
    """Read the cases of these functions (or of models whose layer is one of them) that are not listed as not ours.

    Raises:
        AssertionError: the list names a case that is not there.
    """
    cases = [raw for raw in json.loads((DATA / f"{file}.json").read_text()) if _about(raw) in names]
    stale = set(listed) - {raw["id"] for raw in cases}
    assert not stale, f"{file}.json has no case {stale} of these layers"
    return [pytest.param(raw, id=raw["id"]) for raw in cases if raw["id"] not in listed]


def _about(raw: Mapping[str, Any]) -> str:
    node = raw.get("model")
    while node and node["op"] == "apply_policy":
        node = node["inputs"][0]
    return node["op"] if node else raw["function"].rpartition(".")[2]


def numbers(given: Mapping[str, Any]) -> np.ndarray:
    """Draw what a case says to fill with anything; the same ref gives the same numbers."""
    return np.random.default_rng(given.get("ref", 0)).uniform(size=given["random"]).astype(np.float32)


def ours(op: str, kwargs: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Find our function for one of Axon's, and write its options as we do: with Axon's defaults, channels last.

    Args:
        op: Axon's name.
        kwargs: Axon's options.
        shape: of the input.
    """
    made = {OPTIONS.get(name, name): _plain(value) for name, value in kwargs.items()}
    if op == "layer_norm":
        made["axis"] = made.pop("channel_index", -1)
    elif "norm" in op:
        at = made.pop("channel_index", -1)
        made["channels"] = "first" if at == 1 and len(shape) > 2 else "last"
    else:
        made.setdefault("channels", "last")
    spatial = shape[1:-1] if made.get("channels") == "last" else shape[2:]
    if op.startswith("adaptive"):
        made.setdefault("output_size", spatial)
    if op == "conv_transpose" and isinstance(made.get("padding"), tuple):
        made["padding"] = transposed_padding(made["padding"], made["kernel_size"], made.get("dilation", 1))
    return getattr(functional, LAYERS.get(op, op)), made


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def transposed_padding(padding: Any, kernel_size: Any, dilation: Any) -> tuple[tuple[int, int], ...]:
    """Write Axon's padding of a transposed convolution as PyTorch's: it counts from the other end of the window."""
    spans = [(k - 1) * d for k, d in zip(per_axis(kernel_size, padding), per_axis(dilation, padding), strict=True)]
    return tuple((span - low, span - high) for span, (low, high) in zip(spans, padding, strict=True))


def per_axis(value: Any, like: Any) -> tuple[int, ...]:
    """Write a number for each axis."""
    return (value,) * len(like) if isinstance(value, int) else tuple(value)


def model_of(node: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> Any:
    """Build an Axon model of one layer as ours, for an input shape in place of the declared one."""
    op, shape = node["op"], shape or tuple(node["inputs"][0]["shape"])
    kwargs = dict(node["kwargs"])
    if ("conv" in op or op in ("max_pool", "avg_pool", "lp_pool")) and "kernel_size" not in kwargs:
        kwargs["kernel_size"] = 1
    _, options = ours(op, {k: v for k, v in kwargs.items() if k != "name"}, shape)
    layer = getattr(ax, LAYERS.get(op, op))(*node["args"], **options, name=kwargs.get("name"))
    return ax.input((None, *shape[1:]), name="x") | layer


def weights(params: Any, args: list[Any], op: str) -> list[Any]:
    """Pick the weights that a case names, as our function takes them."""
    tensors = [params[layer][{"var": "variance"}.get(name, name)] for layer, name in (a["param"] for a in args)]
    if op.startswith("separable"):
        kernels = [t for t in tensors if t.ndim > 1]
        return [kernels, [t for t in tensors if t.ndim == 1] or None]
    if op == "batch_norm":
        return [*tensors[2:], *tensors[:2]]  # ours takes mean and variance first
    return tensors


def check_model(raw: Mapping[str, Any]) -> None:
    """Check that a model gives what the function gives that it must equal.

    Both are built on the same tensors: where tinygrad's graphs are the same object, no number has to be computed.
    """
    x = Tensor(numbers(raw["inputs"]))
    op = raw["model"]["op"]
    model = model_of(raw["model"])
    params = model.init(seed=1)
    values = Values({path: leaf.tensor for path, leaf in params.leaves.items()})
    left = forward(model, values, {model.inputs[0]: x}, training=False)
    kwargs = raw["equals"]["kwargs"]
    if op == "conv_transpose":
        kwargs = {"kernel_size": raw["model"]["kwargs"].get("kernel_size", 1), **kwargs}
    args = [arg for arg in raw["equals"]["args"][1:] if isinstance(arg, dict) and "param" in arg]
    function, options = ours(op, kwargs, x.shape)
    if op == "conv_transpose":
        options.pop("kernel_size")
    if op == "batch_norm":
        options["axis"] = 1 if options.pop("channels") == "first" else -1
    right = function(x, *weights(params, args, op), **options)
    if left.uop is not right.uop:
        np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=raw["tol"], atol=raw["tol"])


def check_layouts(raw: Mapping[str, Any]) -> None:
    """Check that channels last give the same numbers as channels first, with the kernel as it is."""
    call = raw["lhs"]["call"]
    op = call["function"].rpartition(".")[2]
    x, *rest = (numbers(arg) if "random" in arg else None for arg in call["args"])
    tensors = [Tensor(one) for one in rest if one is not None]
    if op == "conv_transpose":
        tensors = [tensors[0].transpose(0, 1)]
    function, options = ours(op, {**call["kwargs"], "channels": "first"}, x.shape)
    given = [tensors] if op.startswith("separable") else tensors
    first = function(Tensor(x), *given, **options).numpy()
    last = function(Tensor(np.moveaxis(x, 1, -1)), *given, **{**options, "channels": "last"}).numpy()
    last = np.moveaxis(last, -1, 1) if last.ndim > 2 else last
    np.testing.assert_allclose(first, last, rtol=raw["tol"], atol=raw["tol"])


def check_equivalence(raw: Mapping[str, Any]) -> None:
    """Check an ``equivalence`` case: of a model and a function, or of the two places of the channels."""
    check_model(raw) if "model" in raw else check_layouts(raw)


def check_params(raw: Mapping[str, Any]) -> None:
    """Check names, shapes and values of a model's first parameters, kernels in our layout."""
    model = model_of(raw["model"], tuple(raw["inputs"]["random"]))
    params = model.init(seed=0)
    found = {name.replace("variance", "var"): shape for name, shape in model.params.items()}
    assert set(found) == set(raw["expected"])
    transposed = raw["model"]["op"] == "conv_transpose"
    for path, expected in raw["expected"].items():
        layer, name = path.split(".")
        value = params[layer][{"var": "variance"}.get(name, name)].numpy()
        if "value" in expected:
            np.testing.assert_array_equal(value, kernel_of(np.array(expected["value"]), transposed=transposed))
        else:
            assert value.shape == kernel_of(np.empty(expected["shape"]), transposed=transposed).shape
            assert value.dtype == np.float32


def kernel_of(kernel: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """Lay out Axon's kernel for channels last (*window, in, out) as ours: (out, in, *window)."""
    if kernel.ndim < 3:
        return kernel
    ends = (-2, -1) if transposed else (-1, -2)
    return np.moveaxis(kernel, ends, (0, 1))
