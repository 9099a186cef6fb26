# ruff: noqa: N802, N803, ANN001, ANN003, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns ONNX operators over numbers of few bits, for any number of axes and kinds, and some that tinygrad has otherwise.

Numbers of 2 and 4 bits come as 8, and those of 4 and 8 bits with a point as 32: see ``read``.
"""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor, dtypes
from tinygrad.nn import onnx as implementation

from axon_nb.interop.operators import own


def _along(x: Tensor, one: Any, axis: int, block: int) -> Tensor:
    """Give a scale or a zero point the axes of what it is for: one for all, one for each row, or one for each block."""
    one = one if isinstance(one, Tensor) else Tensor(one)
    if one.numel() == 1:
        return one.reshape(())
    axis %= x.ndim
    if block:
        return one.repeat_interleave(block, axis).shrink(tuple((0, n) for n in x.shape))
    return one.reshape(tuple(-1 if i == axis else 1 for i in range(x.ndim)))


def _over(x: Tensor, scale: Tensor) -> Tensor:
    """Divide and round to whole numbers. A processor divides by multiplying, which is wrong between two of them."""
    if str(x.device).startswith("CPU"):  # other devices may have no numbers of 64 bits
        x = (x.cast(dtypes.float64) / scale.cast(dtypes.float64)).cast(scale.dtype)
        return x.round()
    return (x / scale).round()


def _saturated(x: Tensor, kind: Any) -> Tensor:
    return x.clip(kind.min, kind.max).cast(kind)


@own
def QuantizeLinear(
    x, y_scale, y_zero_point=None, axis=1, block_size=0, output_dtype=0, saturate=1, precision=0
):  # fmt: skip
    kind = dtypes.uint8 if y_zero_point is None else y_zero_point.dtype
    if output_dtype:
        kind = implementation.OnnxDataType(output_dtype).to_dtype()
    scale = _along(x, y_scale, axis, block_size)
    zero = 0 if y_zero_point is None else _along(x, y_zero_point, axis, block_size).cast(dtypes.int32)
    return _saturated(_over(x, scale).cast(dtypes.float32) + zero, kind)


@own
def DequantizeLinear(x, x_scale, x_zero_point=None, axis=1, block_size=0, output_dtype=0):
    scale = _along(x, x_scale, axis, block_size)
    wide = x if dtypes.is_float(x.dtype) else x.cast(dtypes.int32)
    if x_zero_point is not None:
        wide = wide - _along(x, x_zero_point, axis, block_size).cast(wide.dtype)
    kind = implementation.OnnxDataType(output_dtype).to_dtype() if output_dtype else scale.dtype
    return (wide * scale).cast(kind)


@own
def DynamicQuantizeLinear(x):
    low, high = x.min().minimum(0), x.max().maximum(0)
    scale = (high - low) / 255
    safe = (scale == 0).where(1, scale)
    zero = _saturated(_over(-low, safe), dtypes.uint8)
    return _saturated(_over(x, safe) + zero.cast(dtypes.float32), dtypes.uint8), scale, zero


def _integers(x: Tensor, zero: Any, axis: int) -> Tensor:
    wide = x.cast(dtypes.int32)
    return wide if zero is None else wide - _along(x, zero, axis, 0).cast(dtypes.int32)


@own
def ConvInteger(x, w, x_zero_point=None, w_zero_point=None, **about):
    return implementation.onnx_ops["Conv"](_integers(x, x_zero_point, 1), _integers(w, w_zero_point, 0), **about)


@own
def QLinearConv(x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B=None, **about):
    made = ConvInteger(x, w, x_zero_point, w_zero_point, B=B, **about)
    scale = x_scale.reshape(()) * _along(made, w_scale, 1, 0)
    return QuantizeLinear(made.cast(dtypes.float32) * scale, y_scale, y_zero_point)


@own
def LpNormalization(x, axis=-1, p=2):
    norm = x.abs().sum(axis, keepdim=True) if p == 1 else x.square().sum(axis, keepdim=True).sqrt()
    return (norm == 0).where(0, x / norm)


@own
def MaxUnpool(X, I, output_shape=None, kernel_shape=None, pads=None, strides=None):  # noqa: E741 - ONNX's name
    axes = X.ndim - 2
    steps, cut = strides or [1] * axes, pads or [0] * 2 * axes
    sizes = [
        (n - 1) * s - cut[i] - cut[axes + i] + k
        for i, (n, s, k) in enumerate(zip(X.shape[2:], steps, kernel_shape, strict=True))
    ]
    cells = 1
    for size in sizes:
        cells *= size
    flat = (X.shape[0], X.shape[1], -1)
    start = (Tensor.arange(X.shape[0] * X.shape[1]) * cells).reshape(*X.shape[:2], *[1] * axes)
    place = (I - start).reshape(flat)  # counted through the whole tensor
    made = Tensor.zeros(*X.shape[:2], cells, dtype=X.dtype).scatter(2, place.cast(dtypes.int32), X.reshape(flat))
    made = made.reshape(*X.shape[:2], *sizes)
    if output_shape:
        made = made.pad((None, None, *((0, n - have) for n, have in zip(output_shape[2:], sizes, strict=True))))
    return made
