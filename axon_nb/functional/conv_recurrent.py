"""Owns the convolutional LSTM: its cell, and its run over a sequence.

Knows nothing about layers. Kernels are (4 * units, in, *window) for both places of the channels, as in convolutions,
with the gates in the order of ``recurrent``; masks and initial states are as there.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.functional import convolution, window
from axon_nb.functional.steps import Function, States, begin, check, lstm_step, multiply, once, one_by_one, run

__all__ = ["conv_lstm", "conv_lstm_cell"]


def conv_lstm_cell(
    x: Tensor, states: tuple[Tensor, Tensor], kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    strides: window.Size = 1, padding: window.PaddingValue = "same", activation: Function = "tanh",
    gate: Function = "sigmoid", forget_bias: float = 1.0, mask: Tensor | None = None, channels: str = "first",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Take one step of a convolutional LSTM: products are convolutions, that of the state keeps its size.

    Shapes:
        x (batch, in, *spatial), states (hidden, cell) of (batch, units, *spatial'), kernel (4 * units, in, *window),
        recurrent_kernel (4 * units, units, *window), bias (4 * units,), mask (batch,) -> the next states; gates in the
        order input, forget, cell, output (in Axon input, cell, forget, output); ``channels="last"`` as in convolutions

    ``forget_bias`` is added to the forget gate, as in Axon; 0 with weights from Keras.

    Source: Shi and others 2015, https://arxiv.org/abs/1506.04214

    Example:
        >>> x, zeros = Tensor.ones(1, 1, 2, 2), Tensor.zeros(1, 1, 2, 2)
        >>> ones = Tensor.ones(4, 1, 1, 1)
        >>> hidden, cell = conv_lstm_cell(x, (zeros, zeros), ones, ones)
        >>> round(hidden[0, 0, 0, 0].item(), 4)
        0.3696
    """
    projected = convolution.conv(x, kernel, strides=strides, padding=padding, channels=channels)
    last, *before = (_to_last(one, channels) for one in (projected, *states))
    step = lstm_step(activation, gate, forget_bias)
    hidden, cell = once(step, last, multiply(before[0], _as_taps(recurrent_kernel), bias), before, mask)
    return _from_last(hidden, channels), _from_last(cell, channels)


def conv_lstm(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    initial: tuple[Tensor, Tensor] | None = None, strides: window.Size = 1, padding: window.PaddingValue = "same",
    activation: Function = "tanh", gate: Function = "sigmoid", forget_bias: float = 1.0, mask: Tensor | None = None,
    channels: str = "first", unroll: bool = False,
) -> tuple[Tensor, States]:  # fmt: skip
    """Run a convolutional LSTM over a sequence of maps; time is a loop inside one kernel, as in :func:`lstm`.

    Shapes:
        x (batch, time, in, *spatial), initial (hidden, cell) of (batch, units, *spatial'), mask (batch, time), the rest
        as in :func:`conv_lstm_cell` -> all outputs (batch, time, units, *spatial'), and the last states (hidden, cell)

    Raises:
        ShapeError: shapes don't fit.

    Source: Shi and others 2015, https://arxiv.org/abs/1506.04214

    Example:
        >>> x, kernel, recurrent_kernel = Tensor.ones(1, 2, 3, 6, 6), Tensor.ones(16, 3, 3, 3), Tensor.ones(16, 4, 3, 3)
        >>> sequence, (hidden, cell) = conv_lstm(x, kernel, recurrent_kernel)
        >>> sequence.shape, hidden.shape
        ((1, 2, 4, 6, 6), (1, 4, 6, 6))
    """
    expect(x, rank=(4, 5, 6), fix="it takes (batch, time, channels, height, width), or one spatial axis or three")
    units = recurrent_kernel.shape[1]
    check("recurrent_kernel", recurrent_kernel, (4 * units, units, *kernel.shape[2:]))
    check("bias", bias, (4 * units,))
    check("the mask", mask, x.shape[:2])
    maps = convolution.conv(x.flatten(0, 1), kernel, strides=strides, padding=padding, channels=channels)
    projected = _to_last(maps, channels).unflatten(0, tuple(x.shape[:2]))
    names = ("hidden state", "cell state")
    like = _from_last(projected[:, 0, ..., :units], channels)
    first = tuple(_to_last(state, channels) for state in begin(initial, like, 2, names))
    step = lstm_step(activation, gate, forget_bias)
    states = run(
        step, projected, _as_taps(recurrent_kernel), first, bias=bias, mask=mask,
        unroll=unroll or not one_by_one(activation, gate),
    )  # fmt: skip
    sequence = _from_last(states[0].flatten(0, 1), channels).unflatten(0, tuple(x.shape[:2]))
    return sequence, tuple(_from_last(state[:, -1], channels) for state in states)


def _to_last(x: Tensor, channels: str) -> Tensor:
    return window.from_first(x, "last") if channels == "first" else x


def _from_last(x: Tensor, channels: str) -> Tensor:
    return window.to_first(x, "last") if channels == "first" else x


def _as_taps(kernel: Tensor) -> Tensor:
    """Turn a kernel (out, in, *window) into (*window, in, out)."""
    return kernel.permute(*range(2, kernel.ndim), 1, 0)
