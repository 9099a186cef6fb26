"""Owns the ONNX operators of convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from axon_nb.functional import window
from axon_nb.interop.emit import At, Value, emits, np


def pads(at: At, padding: Any, sizes: Sequence[Any], kernel: Sequence[int], strides: Sequence[int],
         dilation: Sequence[int]) -> dict[str, Any]:  # fmt: skip
    """Write padding as ONNX's attributes: in cells where they are known, else by name."""
    axes = len(kernel)
    if padding == "same" and not all(isinstance(n, int) or s == 1 for n, s in zip(sizes, strides, strict=True)):
        if any(one != 1 for one in dilation):
            problem = "pads to the same size with strides and dilation, and the size of the input is not known"
            raise at.refuse(problem, "give input(...) the sizes of its spatial axes")
        return {"auto_pad": "SAME_UPPER"}
    known = [n if isinstance(n, int) else 10**6 for n in sizes]  # with strides of 1 the size makes no difference
    cells = window.pads(padding, known, kernel, strides, dilation) if isinstance(padding, str) else window.pairs(
        padding, axes
    )  # fmt: skip
    return {"pads": [lo for lo, _ in cells] + [hi for _, hi in cells]} if any(map(any, cells)) else {}


def _conv(
    at: At, x: str, sizes: Sequence[Any], kernel: str, bias: str | None, *, groups: int, padding: Any,
    strides: Sequence[int], dilation: Sequence[int],
) -> str:  # fmt: skip
    """Write a convolution with channels first."""
    size = list(at.params[kernel].shape[2:])
    inputs = [x, at.weight(kernel), *([at.weight(bias)] if bias and bias in at.params else [])]
    cells = pads(at, padding, sizes, size, strides, dilation)
    return str(
        at.op(
            "Conv", *inputs, kernel_shape=size, strides=list(strides), dilations=list(dilation), group=groups, **cells
        )
    )


def _spread(at: At, x: str, channels: int, sizes: Sequence[Any], steps: Sequence[int]) -> tuple[str, list[Any]]:
    """Move cells apart: a transposed convolution of each channel with a kernel of one 1."""
    if all(step == 1 for step in steps):
        return x, list(sizes)
    ones = at.writer.constant(np.ones((channels, 1, *[1] * len(steps))), at.dtype, f"{at.name}/ones")
    x = at.op("ConvTranspose", x, ones, strides=list(steps), group=channels)
    return x, [(n - 1) * s + 1 if isinstance(n, int) else None for n, s in zip(sizes, steps, strict=True)]


def _whole(at: At, x: Value, groups: int) -> str:
    axes = x.rank - 2
    within = x.shape[-1 if at.last else 1]
    apart = at.per_axis("input_dilation", axes)
    y, sizes = _spread(at, at.first(x, x.rank), within, at.spatial(x), apart)
    y = _conv(
        at, y, sizes, "kernel", "bias", groups=groups, padding=at["padding"], strides=at.per_axis("strides", axes),
        dilation=at.per_axis("dilation", axes),
    )  # fmt: skip
    return at.activate(at.back(y, x.rank))


@emits("conv")
def _conv_layer(at: At, x: Value) -> str:
    return _whole(at, x, at["groups"])


@emits("depthwise_conv")
def _depthwise(at: At, x: Value) -> str:
    return _whole(at, x, x.shape[-1 if at.last else 1])


@emits("separable_conv")
def _separable(at: At, x: Value) -> str:
    axes = x.rank - 2
    within = x.shape[-1 if at.last else 1]
    y = _conv(
        at, at.first(x, x.rank), at.spatial(x), "depthwise_kernel", None, groups=within, padding=at["padding"],
        strides=at.per_axis("strides", axes), dilation=at.per_axis("dilation", axes),
    )  # fmt: skip
    ones = [1] * axes
    y = _conv(at, y, ones, "pointwise_kernel", "bias", groups=1, padding="valid", strides=ones, dilation=ones)
    return at.activate(at.back(y, x.rank))


@emits("spatial_separable_conv")
def _spatial_separable(at: At, x: Value) -> str:
    axes, sizes = x.rank - 2, list(at.spatial(x))
    y, within = at.first(x, x.rank), x.shape[-1 if at.last else 1]
    deep = within * at["multiplier"]
    padding = at["padding"] if isinstance(at["padding"], str) else window.pairs(at["padding"], axes)
    for axis in range(axes):
        own = axis if at["factors"] == "own_axis" else None

        def only(values: Sequence[Any], neutral: Any, own: int | None = own) -> list[Any]:
            return [value if own in (None, i) else neutral for i, value in enumerate(values)]

        kernel = f"kernel_{axis + 1}"
        steps, dilation = only(at.per_axis("strides", axes), 1), at.per_axis("dilation", axes)
        groups = within if axis == 0 else deep
        y, sizes = _spread(at, y, groups, sizes, only(at.per_axis("input_dilation", axes), 1))
        cells = padding if isinstance(padding, str) else only(padding, (0, 0))
        y = _conv(
            at, y, sizes, kernel, f"bias_{axis + 1}", groups=groups, padding=cells, strides=steps, dilation=dilation
        )
        size = at.params[kernel].shape[2:]
        known = [n if isinstance(n, int) else 1 for n in sizes]
        margins = window.pads(cells, known, size, steps, dilation) if isinstance(cells, str) else cells
        sizes = [
            (n + sum(m) - (k - 1) * d - 1) // s + 1 if isinstance(n, int) else None
            for n, m, k, d, s in zip(sizes, margins, size, dilation, steps, strict=True)
        ]
    return at.activate(at.back(y, x.rank))


@emits("conv_transpose")
def _transposed(at: At, x: Value) -> str:
    axes = x.rank - 2
    size = list(at.params["kernel"].shape[2:])
    strides, dilation = at.per_axis("strides", axes), at.per_axis("dilation", axes)
    cut = window.transposed_pads(at["padding"], size, strides, dilation)
    more = at.per_axis("output_padding", axes)
    ends = [after - extra for (_, after), extra in zip(cut, more, strict=True)]
    inputs = [at.first(x, x.rank), at.weight("kernel"), *([at.weight("bias")] if "bias" in at.params else [])]
    y = at.op(
        "ConvTranspose", *inputs, kernel_shape=size, strides=strides, dilations=dilation, group=at["groups"],
        pads=[before for before, _ in cut] + [max(end, 0) for end in ends],
        output_padding=[max(-end, 0) for end in ends],
    )  # fmt: skip
    return at.activate(at.back(y, x.rank))
