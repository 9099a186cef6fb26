# ruff: noqa: N802, ANN001, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns ONNX operators of signals: Fourier transforms, as products with the matrices that they are."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor

from axon_nb.interop.operators import own
from axon_nb.lazy import numpy as np


@own
def DFT(input, dft_length=None, axis=None, inverse=0, onesided=0):
    axis = (int(_one(axis)) if axis is not None else -2) % input.ndim
    length = int(_one(dft_length)) if dft_length is not None else None
    x = input.transpose(axis, input.ndim - 2)
    if length is None:
        length = 2 * (x.shape[-2] - 1) if inverse and onesided else x.shape[-2]
    return _transformed(x, length, inverse=bool(inverse), onesided=bool(onesided)).transpose(axis, input.ndim - 2)


@own
def STFT(signal, frame_step, window=None, frame_length=None, onesided=1):
    step = int(_one(frame_step))
    length = int(_one(frame_length)) if frame_length is not None else window.shape[0]
    x = signal if signal.ndim == 3 else signal.unsqueeze(-1)
    starts = range(0, x.shape[1] - length + 1, step)
    frames = Tensor.stack(*(x[:, start : start + length] for start in starts), dim=1)
    frames = frames if window is None else frames * window.reshape(1, 1, -1, 1)
    return _transformed(frames, length, inverse=False, onesided=bool(onesided))


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _transformed(x: Tensor, length: int, *, inverse: bool, onesided: bool) -> Tensor:
    """Transform the axis before the last, which holds the real part, and perhaps the imaginary one."""
    rows = np.eye(x.shape[-2])
    real = inverse and onesided
    function: Any = np.fft.irfft if real else np.fft.ifft if inverse else np.fft.fft
    results = [function(unit * rows, n=length, axis=-1) for unit in (1, 1j)[: x.shape[-1]]]
    if onesided and not inverse:
        results = [one[:, : length // 2 + 1] for one in results]
    parts = (np.real,) if real else (np.real, np.imag)

    def product(part: Any) -> Tensor:
        products = [
            x[..., i].unsqueeze(-2) @ Tensor(np.ascontiguousarray(part(one)).astype("float64")).cast(x.dtype)
            for i, one in enumerate(results)
        ]
        return sum(products[1:], products[0]).squeeze(-2)

    return Tensor.stack(*(product(part) for part in parts), dim=-1)
