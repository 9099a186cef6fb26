"""Owns what recurrent cells do at one step, and running a cell over a sequence: in one kernel, or step by step.

Knows nothing about the options and shapes of the layers; ``recurrent`` has the public functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tinygrad import Tensor

from axon_nb.errors import ShapeError
from axon_nb.functional import window
from axon_nb.functional.activations import activate
from axon_nb.functional.scan import fits, scan
from axon_nb.functional.scan_cell import Cell
from axon_nb.options import activations

Function = str | Callable[..., Any] | None
States = tuple[Tensor, ...]

_OVER_AN_AXIS = ("softmax", "log_softmax", "log_sumexp", "glu")  # what a kernel, number by number, cannot do
_LOWEST = -80.0  # exp(80) is finite; what tinygrad makes of sigmoid's gradient is not, once exp(-x) is infinite


def rnn_step(activation: Function) -> Cell:
    """Make the simple recurrent cell: tanh(x + h)."""
    return Cell(lambda x, h, states: (_apply(activation, x[0] + h[0]),), gates=1, states=1, adds=True)


def lstm_step(activation: Function, gate: Function, forget_bias: float) -> Cell:
    """Make the long short-term memory cell; gates in the order input, forget, cell, output."""

    def step(x: Sequence[Any], h: Sequence[Any], states: Sequence[Any]) -> tuple[Any, Any]:
        enter, keep, new, leave = (one + other for one, other in zip(x, h, strict=True))
        keep = keep + forget_bias if forget_bias else keep
        cell = _apply(gate, keep) * states[1] + _apply(gate, enter) * _apply(activation, new)
        return _apply(gate, leave) * _apply(activation, cell), cell

    return Cell(step, gates=4, states=2, adds=True)


def gru_step(activation: Function, gate: Function) -> Cell:
    """Make the gated recurrent unit; gates in the order reset, update, new."""

    def step(x: Sequence[Any], h: Sequence[Any], states: Sequence[Any]) -> tuple[Any]:
        reset, update = (_apply(gate, x[n] + h[n]) for n in (0, 1))
        new = _apply(activation, x[2] + reset * h[2])
        return ((1 - update) * new + update * states[0],)

    return Cell(step, gates=3, states=1)


def _apply(function: Function, x: Any) -> Any:
    """Apply an activation to tensors, or to a single number in a kernel."""
    if function == "sigmoid":
        return _sigmoid(x)
    return 2 * _sigmoid(2 * x) - 1 if function == "tanh" else activate(x, function)


def _sigmoid(x: Any) -> Any:
    return (x < _LOWEST).where(_LOWEST, x).sigmoid()


def one_by_one(*functions: Function) -> bool:
    """Tell whether activations are known to work on each number by itself, so that a kernel can have them."""
    return all(f is None or (isinstance(f, str) and f in activations and f not in _OVER_AN_AXIS) for f in functions)


def once(cell: Cell, projected: Tensor, product: Tensor, states: Sequence[Tensor], mask: Tensor | None) -> States:
    """Take one step with tensors; features last."""
    new = cell.step(projected.chunk(cell.gates, dim=-1), product.chunk(cell.gates, dim=-1), states)
    if mask is None:
        return tuple(new)
    real = (mask != 0).reshape(mask.shape[0], *(1 for _ in projected.shape[1:]))
    return tuple(real.where(one, other) for one, other in zip(new, states, strict=True))


def run(
    cell: Cell, projected: Tensor, kernel: Tensor, initial: Sequence[Tensor], *, bias: Tensor | None,
    mask: Tensor | None, unroll: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Run a cell over a sequence.

    Shapes:
        projected (batch, time, *spatial, gates * units), kernel (*window, units, gates * units), initial states
        (batch, *spatial, units), mask (batch, time) -> each state (batch, time, *spatial, units)
    """
    marks = None if mask is None else mask != 0
    if unroll or not fits(cell, projected, kernel):
        return _unrolled(cell, projected, kernel, initial, bias, marks)
    states = scan(cell, projected, kernel, initial, bias=bias, mask=marks)[:, :, 1:].cast(projected.dtype)
    return tuple(states[n] for n in range(cell.states))


def _unrolled(
    cell: Cell, projected: Tensor, kernel: Tensor, initial: Sequence[Tensor], bias: Tensor | None, mask: Tensor | None
) -> States:
    states, steps = tuple(initial), []
    for t in range(projected.shape[1]):
        product = multiply(states[0], kernel, bias)
        now = once(cell, projected[:, t], product, states, None if mask is None else mask[:, t])
        states = tuple(state.contiguous() for state in now)  # else each step's kernel computes all steps before it
        steps.append(states)
    return tuple(Tensor.stack(*column, dim=1) for column in zip(*steps, strict=True))


def multiply(hidden: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply a state with the recurrent kernel: a convolution of the same size, if the kernel has a window."""
    *size, _, _ = kernel.shape
    if size:
        cells = window.pads("same", hidden.shape[1:-1], size, [1] * len(size), [1] * len(size))
        moved = window.to_first(hidden, "last")
        swapped = kernel.permute(len(size) + 1, len(size), *range(len(size)))
        product = window.from_first(moved.conv2d(swapped, padding=window.flat(cells)), "last")
    else:
        product = hidden @ kernel
    return product if bias is None else product + bias


def check(what: str, tensor: Tensor | None, shape: Sequence[Any]) -> None:
    """Check the shape of something that belongs to a recurrent layer.

    Raises:
        ShapeError: it has another.
    """
    if tensor is not None and tuple(tensor.shape) != tuple(shape):
        problem = f"{what} must have the shape {tuple(shape)}"
        raise ShapeError(problem, got=str(tuple(tensor.shape)))


def begin(initial: Iterable[Tensor] | None, like: Tensor, count: int, names: Sequence[str]) -> States:
    """Return the initial states: those given, in a tensor's shape, or zeros.

    Raises:
        ShapeError: there are too few or too many, or they have another shape.
    """
    if initial is None:
        return tuple(like.zeros_like() for _ in range(count))
    states = (initial,) if isinstance(initial, Tensor) else tuple(initial)
    if len(states) != count:
        problem = f"takes {count} initial states ({', '.join(names)}) and got {len(states)}"
        raise ShapeError(problem)
    for name, state in zip(names, states, strict=True):
        check(f"the initial {name}", state, like.shape)
    return states
