"""Owns recurrent cells and their runs over a sequence: simple, LSTM and GRU.

Knows nothing about layers. All gates are in one kernel, in the order of PyTorch and Keras: a kernel is (in, gates *
units), its columns gate after gate. The transpose of PyTorch's ``weight_ih`` and Keras's ``kernel`` fit as they are.

A mask is 1 (or true) where a step is real; where it is 0 the states stay and the last output is repeated. Axon's mask
is true where a step is padding. Initial states are zeros, as in PyTorch and Keras; Axon draws them at random.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import ShapeError
from axon_nb.functional.axes import one_axis
from axon_nb.functional.scan_cell import Cell
from axon_nb.functional.steps import (
    Function,
    States,
    begin,
    check,
    gru_step,
    lstm_step,
    multiply,
    once,
    one_by_one,
    rnn_step,
    run,
)

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "reverse", "rnn", "rnn_cell"]


def rnn_cell(
    x: Tensor, hidden: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    activation: Function = "tanh", mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Take one step of a simple recurrent network: tanh(x @ kernel + hidden @ recurrent_kernel + bias).

    Shapes:
        x (batch, in), hidden (batch, units), kernel (in, units), recurrent_kernel (units, units), bias (units,),
        mask (batch,) -> the next hidden state (batch, units)

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1

    Example:
        >>> ones = Tensor.ones(1, 1)
        >>> round(rnn_cell(ones, ones, ones, ones * 2).item(), 4)
        0.9951
    """
    product = multiply(hidden, recurrent_kernel, bias)
    return once(rnn_step(activation), x @ kernel, product, [hidden], mask)[0]


def lstm_cell(
    x: Tensor, states: tuple[Tensor, Tensor], kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    activation: Function = "tanh", gate: Function = "sigmoid", forget_bias: float = 0.0, mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Take one step of a long short-term memory. Its states are (hidden, cell), as in PyTorch; in Axon (cell, hidden).

    Shapes:
        x (batch, in), states of (batch, units), kernel (in, 4 * units), recurrent_kernel (units, 4 * units),
        bias (4 * units,), mask (batch,) -> the next states; gates in the order input, forget, cell, output

    Source: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735

    Example:
        >>> x, zeros = Tensor.ones(1, 1), Tensor.zeros(1, 1)
        >>> hidden, cell = lstm_cell(x, (zeros, zeros), Tensor.ones(1, 4), Tensor.ones(1, 4))
        >>> round(hidden.item(), 4), round(cell.item(), 4)
        (0.3696, 0.5568)
    """
    hidden, cell = once(
        lstm_step(activation, gate, forget_bias), x @ kernel, multiply(states[0], recurrent_kernel, bias), states, mask
    )
    return hidden, cell


def gru_cell(
    x: Tensor, hidden: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None,
    recurrent_bias: Tensor | None = None, *, activation: Function = "tanh", gate: Function = "sigmoid",
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Take one step of a gated recurrent unit; the reset gate acts after the recurrent product, as in PyTorch.

    Shapes:
        x (batch, in), hidden (batch, units), kernel (in, 3 * units), recurrent_kernel (units, 3 * units),
        bias (3 * units,), recurrent_bias (units,) of the new gate's recurrent product, mask (batch,) -> the next hidden
        state (batch, units); gates in the order reset, update, new

    Source: Cho and others 2014, https://arxiv.org/abs/1406.1078

    Example:
        >>> ones = Tensor.ones(1, 3)
        >>> round(gru_cell(Tensor.ones(1, 1), Tensor.zeros(1, 1), ones, ones).item(), 4)
        0.2048
    """
    product = multiply(hidden, recurrent_kernel, _new_gate_only(recurrent_bias, hidden.shape[-1]))
    projected = x @ kernel if bias is None else x @ kernel + bias
    return once(gru_step(activation, gate), projected, product, [hidden], mask)[0]


def rnn(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    initial: Tensor | None = None, activation: Function = "tanh", mask: Tensor | None = None, unroll: bool = False,
) -> tuple[Tensor, States]:  # fmt: skip
    """Run a simple recurrent network over a sequence.

    Shapes:
        x (batch, time, in), initial (batch, units), mask (batch, time), the rest as in :func:`rnn_cell`
        -> all outputs (batch, time, units), and the last states: (hidden (batch, units),)

    Raises:
        ShapeError: shapes don't fit.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1

    Example:
        >>> ones = Tensor.ones(1, 1)
        >>> sequence, (hidden,) = rnn(Tensor.ones(1, 3, 1), ones, ones, activation="linear")
        >>> sequence.flatten().tolist(), hidden.item()
        ([1.0, 2.0, 3.0], 3.0)
    """
    cell = rnn_step(activation)
    _check(x, kernel, recurrent_kernel, bias, cell, mask)
    return _dense(cell, x @ kernel, recurrent_kernel, initial, bias, mask, unroll or not one_by_one(activation))


def lstm(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None, *,
    initial: tuple[Tensor, Tensor] | None = None, activation: Function = "tanh", gate: Function = "sigmoid",
    forget_bias: float = 0.0, mask: Tensor | None = None, unroll: bool = False,
) -> tuple[Tensor, States]:  # fmt: skip
    """Run a long short-term memory over a sequence.

    Time is a loop inside one kernel, which takes as long to compile for any length. With ``unroll`` each step has
    kernels of its own: that takes minutes for 50 steps, and is for gradients of gradients, and for activations that are
    functions of one's own (which get it by themselves).

    Shapes:
        x (batch, time, in), initial (hidden, cell) of (batch, units), mask (batch, time), the rest as in
        :func:`lstm_cell` -> all outputs (batch, time, units), and the last states (hidden, cell)

    Raises:
        ShapeError: shapes don't fit.

    Source: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735

    Example:
        >>> sequence, (hidden, cell) = lstm(Tensor.ones(2, 3, 5), Tensor.ones(5, 16), Tensor.ones(4, 16))
        >>> sequence.shape, hidden.shape, cell.shape
        ((2, 3, 4), (2, 4), (2, 4))
    """
    step = lstm_step(activation, gate, forget_bias)
    _check(x, kernel, recurrent_kernel, bias, step, mask)
    return _dense(step, x @ kernel, recurrent_kernel, initial, bias, mask, unroll or not one_by_one(activation, gate))


def gru(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None = None,
    recurrent_bias: Tensor | None = None, *, initial: Tensor | None = None, activation: Function = "tanh",
    gate: Function = "sigmoid", mask: Tensor | None = None, unroll: bool = False,
) -> tuple[Tensor, States]:  # fmt: skip
    """Run a gated recurrent unit over a sequence.

    Shapes:
        x (batch, time, in), initial (batch, units), mask (batch, time), the rest as in :func:`gru_cell`
        -> all outputs (batch, time, units), and the last states: (hidden (batch, units),)

    Raises:
        ShapeError: shapes don't fit.

    Source: Cho and others 2014, https://arxiv.org/abs/1406.1078

    Example:
        >>> sequence, (hidden,) = gru(Tensor.ones(2, 3, 5), Tensor.ones(5, 12), Tensor.ones(4, 12))
        >>> sequence.shape, hidden.shape
        ((2, 3, 4), (2, 4))
    """
    step, units = gru_step(activation, gate), recurrent_kernel.shape[0]
    _check(x, kernel, recurrent_kernel, bias, step, mask)
    check("recurrent_bias", recurrent_bias, (units,))
    projected = x @ kernel if bias is None else x @ kernel + bias
    added = _new_gate_only(recurrent_bias, units)
    return _dense(step, projected, recurrent_kernel, initial, added, mask, unroll or not one_by_one(activation, gate))


def reverse(x: Tensor, *, axis: int = 1) -> Tensor:
    """Turn an axis around.

    Shapes:
        (batch, time, ...) -> the same

    Raises:
        ShapeError: there is no such axis.

    Example:
        >>> reverse(Tensor([[1.0, 2.0, 4.0]])).tolist()
        [[4.0, 2.0, 1.0]]
    """
    return x.flip(one_axis(x, axis))


def _new_gate_only(bias: Tensor | None, units: int) -> Tensor | None:
    return None if bias is None else bias.pad(((2 * units, 0),))


def _dense(
    cell: Cell, projected: Tensor, recurrent_kernel: Tensor, initial: Tensor | States | None, bias: Tensor | None,
    mask: Tensor | None, unroll: bool,
) -> tuple[Tensor, States]:  # fmt: skip
    units = recurrent_kernel.shape[0]
    names = ("hidden state", "cell state")[: cell.states]
    first = begin(initial, projected[:, 0, :units], cell.states, names)
    states = run(cell, projected, recurrent_kernel, first, bias=bias, mask=mask, unroll=unroll)
    return states[0], tuple(state[:, -1] for state in states)


def _check(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, cell: Cell, mask: Tensor | None
) -> None:
    expect(x, rank=3, fix="it takes (batch, time, features): put reshape((-1, 1)) before it for single numbers")
    units = recurrent_kernel.shape[0]
    check("kernel", kernel, (x.shape[-1], cell.gates * units))
    check("recurrent_kernel", recurrent_kernel, (units, cell.gates * units))
    check("bias", bias, (cell.gates * units,))
    check("the mask", mask, x.shape[:2])
    if x.shape[1] == 0:
        problem = "needs at least one step"
        raise ShapeError(problem)
