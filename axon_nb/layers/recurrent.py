"""Declares recurrent layers, and what turns a sequence around."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.clones import renewed
from axon_nb.errors import OptionError
from axon_nb.functional import window
from axon_nb.functional.initializers import as_initializer
from axon_nb.graph import as_part
from axon_nb.layer import Layer, Op, Wiring, check_name, combinator, layer, need_layer, registry
from axon_nb.lazy import numpy as np
from axon_nb.options import (
    Activation,
    Axis,
    Channels,
    Initializer,
    KernelSize,
    Offset,
    Padding,
    RecurrentInitializer,
    ReturnSequence,
    ReturnState,
    Strides,
    Units,
    Unroll,
    UseBias,
)
from axon_nb.scope import Scope


@dataclass(frozen=True)
class _EachGate:
    """Draws the gates of a kernel one by one: each with the fans of a kernel of its own, as in Axon."""

    initializer: Any
    gates: int

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw values for a shape whose last axis is gate after gate."""
        draw = as_initializer(self.initializer)
        return np.concatenate([draw((*shape[:-1], shape[-1] // self.gates), rng) for _ in range(self.gates)], axis=-1)


def _returned(sequence: Tensor, states: tuple[Tensor, ...], *, all_steps: bool, with_states: bool) -> Any:
    outputs = sequence if all_steps else sequence[:, -1]
    return (outputs, *states) if with_states else outputs


def _both(hidden: Tensor | None, cell: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Return both initial states, with zeros for one that is left out."""
    if hidden is None:
        return None if cell is None else (cell.zeros_like(), cell)
    return hidden, hidden.zeros_like() if cell is None else cell


@layer(family="recurrent", outputs=lambda options: 1 + options["return_state"])
def rnn(
    scope: Scope, x: Tensor, units: Units, activation: Activation = "tanh", *, hidden: Tensor | None = None,
    mask: Tensor | None = None, return_sequence: ReturnSequence = True, return_state: ReturnState = False,
    use_bias: UseBias = True, kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: RecurrentInitializer = None, bias_initializer: Initializer = "zeros",
    unroll: Unroll = False,
) -> Any:  # fmt: skip
    """Go through a sequence with a simple recurrent cell: each output is tanh(x @ kernel + last output @ recurrent).

    Shapes:
        (batch, time, in) -> (batch, time, units), or (batch, units) without ``return_sequence``; with ``return_state``
        also the last hidden state (batch, units). Inputs that may be left out: ``hidden`` (batch, units) to begin
        with, ``mask`` (batch, time)

    Parameters are ``kernel`` (in, units), ``recurrent_kernel`` (units, units) and ``bias`` (units,). Axon has no such
    layer. Time is a loop inside one kernel, see :func:`lstm`.

    Source: Elman 1990, https://doi.org/10.1207/s15516709cog1402_1

    Example:
        >>> from axon_nb import input, rnn
        >>> (input((None, "time", 16)) | rnn(64)).output_shape
        (None, 'time', 64)
    """
    scope.expect(x, rank=3, dtype="float", fix=_RANK_FIX)
    kernel, recurrent = _kernels(scope, x.shape[-1], units, 1, kernel_initializer, recurrent_initializer)
    bias = scope.param("bias", (units,), bias_initializer) if use_bias else None
    sequence, states = functional.rnn(
        x, kernel, recurrent, bias, initial=hidden, activation=activation, mask=mask, unroll=unroll
    )
    return _returned(sequence, states, all_steps=return_sequence, with_states=return_state)


@layer(family="recurrent", outputs=lambda options: 1 + 2 * options["return_state"])
def lstm(
    scope: Scope, x: Tensor, units: Units, activation: Activation = "tanh", gate: Activation = "sigmoid", *,
    hidden: Tensor | None = None, cell: Tensor | None = None, mask: Tensor | None = None,
    return_sequence: ReturnSequence = True, return_state: ReturnState = False, use_bias: UseBias = True,
    forget_bias: Offset = 0.0, kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: RecurrentInitializer = None, bias_initializer: Initializer = "zeros",
    unroll: Unroll = False,
) -> Any:  # fmt: skip
    """Go through a sequence with a long short-term memory.

    Shapes:
        (batch, time, in) -> (batch, time, units), or (batch, units) without ``return_sequence``; with ``return_state``
        also the last hidden state and the last cell state, (batch, units) each. Inputs that may be left out:
        ``hidden`` and ``cell`` (batch, units) to begin with, ``mask`` (batch, time)

    ``lstm(64)(x, mask=mask)``, ``lstm(64)(x, hidden, cell)`` and ``(x, hidden, cell) | lstm(64)`` give it more than a
    sequence. A mask is true (or 1) where a step is real; where it is not, states stay and the last output is repeated.
    Axon's mask is true where a step is padding.

    Parameters are ``kernel`` (in, 4 * units), ``recurrent_kernel`` (units, 4 * units) and ``bias`` (4 * units,), with
    the gates in the order input, forget, cell, output, as PyTorch and Keras have them; Axon has a kernel for each gate.
    Each gate is drawn by itself, as in Axon.

    It returns the sequence alone unless ``return_state``; Axon returns (sequence, (cell, hidden)). States begin at
    zero, as in PyTorch and Keras; Axon draws them at random. ``recurrent_initializer`` is for the recurrent kernel, as
    in Keras, and is ``kernel_initializer`` where it is not given; Axon's is for the states.

    Time is a loop inside one kernel, which compiles as fast for 1000 steps as for 10. With ``unroll`` each step is
    compiled by itself, which takes minutes from 50 steps on: it is for gradients of gradients, and happens by itself
    where an activation is a function of one's own.

    Source: Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735

    Example:
        >>> from axon_nb import input, lstm
        >>> (input((None, "time", 16)) | lstm(64) | lstm(32, return_sequence=False)).output_shape
        (None, 32)
    """
    scope.expect(x, rank=3, dtype="float", fix=_RANK_FIX)
    kernel, recurrent = _kernels(scope, x.shape[-1], units, 4, kernel_initializer, recurrent_initializer)
    bias = scope.param("bias", (4 * units,), bias_initializer) if use_bias else None
    sequence, states = functional.lstm(
        x, kernel, recurrent, bias, initial=_both(hidden, cell), activation=activation, gate=gate,
        forget_bias=forget_bias, mask=mask, unroll=unroll,
    )  # fmt: skip
    return _returned(sequence, states, all_steps=return_sequence, with_states=return_state)


@layer(family="recurrent", outputs=lambda options: 1 + options["return_state"])
def gru(
    scope: Scope, x: Tensor, units: Units, activation: Activation = "tanh", gate: Activation = "sigmoid", *,
    hidden: Tensor | None = None, mask: Tensor | None = None,
    return_sequence: ReturnSequence = True, return_state: ReturnState = False, use_bias: UseBias = True,
    kernel_initializer: Initializer = "glorot_uniform", recurrent_initializer: RecurrentInitializer = None,
    bias_initializer: Initializer = "zeros", unroll: Unroll = False,
) -> Any:  # fmt: skip
    """Go through a sequence with a gated recurrent unit; the reset gate acts after the recurrent product.

    Shapes:
        (batch, time, in) -> (batch, time, units), or (batch, units) without ``return_sequence``; with ``return_state``
        also the last hidden state (batch, units). Inputs that may be left out: ``hidden`` (batch, units) to begin
        with, ``mask`` (batch, time), see :func:`lstm`

    Parameters are ``kernel`` (in, 3 * units), ``recurrent_kernel`` (units, 3 * units), ``bias`` (3 * units,) and
    ``recurrent_bias`` (units,), which is the new gate's (Axon's bhn), with the gates in the order reset, update, new,
    as in PyTorch; Keras has update first, and Axon a kernel for each gate. Each gate is drawn by itself, as in Axon.

    It returns the sequence alone unless ``return_state``; Axon returns (sequence, (hidden,)). States begin at zero, as
    in PyTorch and Keras; Axon draws them at random. Time is a loop inside one kernel, see :func:`lstm`.

    Source: Cho and others 2014, https://arxiv.org/abs/1406.1078

    Example:
        >>> from axon_nb import gru, input
        >>> (input((None, "time", 16)) | gru(64)).output_shape
        (None, 'time', 64)
    """
    scope.expect(x, rank=3, dtype="float", fix=_RANK_FIX)
    kernel, recurrent = _kernels(scope, x.shape[-1], units, 3, kernel_initializer, recurrent_initializer)
    bias = scope.param("bias", (3 * units,), bias_initializer) if use_bias else None
    added = scope.param("recurrent_bias", (units,), bias_initializer) if use_bias else None
    sequence, states = functional.gru(
        x, kernel, recurrent, bias, added, initial=hidden, activation=activation, gate=gate, mask=mask, unroll=unroll
    )
    return _returned(sequence, states, all_steps=return_sequence, with_states=return_state)


@layer(family="recurrent", outputs=lambda options: 1 + 2 * options["return_state"])
def conv_lstm(
    scope: Scope, x: Tensor, units: Units, kernel_size: KernelSize = 1, strides: Strides = 1,
    padding: Padding = "same", *, hidden: Tensor | None = None, cell: Tensor | None = None,
    mask: Tensor | None = None, activation: Activation = "tanh", gate: Activation = "sigmoid",
    return_sequence: ReturnSequence = True, return_state: ReturnState = False, use_bias: UseBias = True,
    forget_bias: Offset = 1.0, channels: Channels = "first", kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: RecurrentInitializer = None, bias_initializer: Initializer = "zeros",
    unroll: Unroll = False,
) -> Any:  # fmt: skip
    """Go through a sequence of maps with an LSTM whose products are convolutions.

    Shapes:
        (batch, time, in, *spatial) -> (batch, time, units, *spatial'), or (batch, units, *spatial') without
        ``return_sequence``; with ``return_state`` also the last hidden state and the last cell state, as one step each;
        with ``channels="last"`` (batch, time, *spatial, in). Inputs that may be left out: ``hidden`` and ``cell``
        (batch, units, *spatial') to begin with, ``mask`` (batch, time), see :func:`lstm`

    Parameters are ``kernel`` (4 * units, in, *kernel_size), ``recurrent_kernel`` (4 * units, units, *kernel_size) and
    ``bias`` (4 * units,), with the gates in the order input, forget, cell, output, as in Keras; Axon's order is input,
    cell, forget, output. ``strides`` and ``padding`` are the input's; the state keeps its size.

    ``forget_bias`` is added to the forget gate, 1 as in Axon; 0 with weights from Keras. It returns the sequence alone
    unless ``return_state``, and states begin at zero, as in Keras and unlike Axon, which ignores a mask here.

    Source: Shi and others 2015, https://arxiv.org/abs/1506.04214

    Example:
        >>> from axon_nb import conv_lstm, input
        >>> (input((None, "time", 3, 8, 8)) | conv_lstm(4, 3)).output_shape
        (None, 'time', 4, 8, 8)
    """
    scope.expect(x, rank=(4, 5, 6), dtype="float", fix="it takes (batch, time, channels, height, width)")
    size = window.per_axis(kernel_size, len(x.shape) - 3, "kernel_size")
    within = x.shape[2 if channels == "first" else -1]
    kernel = scope.param("kernel", (4 * units, within, *size), kernel_initializer)
    draw = kernel_initializer if recurrent_initializer is None else recurrent_initializer
    recurrent = scope.param("recurrent_kernel", (4 * units, units, *size), draw)
    bias = scope.param("bias", (4 * units,), bias_initializer) if use_bias else None
    sequence, states = functional.conv_lstm(
        x, kernel, recurrent, bias, initial=_both(hidden, cell), strides=strides, padding=padding,
        activation=activation, gate=gate, forget_bias=forget_bias, mask=mask, channels=channels, unroll=unroll,
    )  # fmt: skip
    return _returned(sequence, states, all_steps=return_sequence, with_states=return_state)


_RANK_FIX = (
    "it takes (batch, time, features): reshape((-1, 1)) makes a sequence of flat numbers",
    "lstm(..., return_sequence=True) before it gives a sequence",
)


def _kernels(
    scope: Scope, within: int, units: int, gates: int, kernel_initializer: Any, recurrent_initializer: Any
) -> tuple[Tensor, Tensor]:
    kernel = scope.param("kernel", (within, gates * units), _EachGate(kernel_initializer, gates))
    draw = _EachGate(kernel_initializer if recurrent_initializer is None else recurrent_initializer, gates)
    return kernel, scope.param("recurrent_kernel", (units, gates * units), draw)


@layer(family="recurrent")
def reverse(x: Tensor, axis: Axis = 1) -> Tensor:
    """Turn an axis around, time by default: the last step comes first.

    Shapes:
        (batch, time, ...) -> the same

    Source: https://docs.pytorch.org/docs/stable/generated/torch.flip.html

    Example:
        >>> from axon_nb import input, reverse
        >>> (input((None, "time", 8)) | reverse()).output_shape
        (None, 'time', 8)
    """
    return functional.reverse(x, axis=axis)


class _Bidirectional(Layer):
    """A layer and its twin: one goes through the sequence, the other through the sequence turned around."""

    def __init__(self, forward: Layer, merge: Any, name: str | None) -> None:
        self.forward, self.backward = forward, _twin(forward)
        self.merge = merge
        self.name = check_name(name)
        self.join = _join(merge)
        last = list(forward.ops)[-1:]
        self._names = forward.first.declaration.inputs if forward.first else ()
        self._keeps_time = all(op.options.get("return_sequence", True) for op in last)

    def build(self, wiring: Wiring, *inputs: Any) -> Any:
        inner = wiring.inside(self.name) if self.name else wiring
        ahead, backwards = self._by_direction(inputs)
        there = _parts(self.forward.build(inner, *ahead))
        turned = [one if one is None or self._is_state(at) else _turn(inner, one) for at, one in enumerate(backwards)]
        back = list(_parts(self.backward.build(inner, *turned)))
        if self._keeps_time:  # the first part alone: states have no time to be turned around
            back[0] = _turn(inner, back[0])
        joined = tuple(_twin(self.join).build(inner, *pair) for pair in zip(there, back, strict=True))
        return joined if len(joined) > 1 else joined[0]

    def _is_state(self, place: int) -> bool:
        """Whether an input is a state, which has no time to be turned around."""
        return place < len(self._names) and self._names[place].removesuffix(_BACK) in _STATES

    def _own_states(self) -> list[int]:
        """Where the states stand that each direction may have its own of; those of the way back follow all inputs."""
        return [place for place in range(len(self._names)) if self._is_state(place)]

    def _by_direction(self, inputs: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Part the inputs: a state that is given for one direction only is that of both."""
        count, states = len(self._names), self._own_states()
        if not count < len(inputs) <= count + len(states):
            return inputs, inputs
        ahead, backwards = list(inputs[:count]), list(inputs[:count])
        for place, state in zip(states, inputs[count:], strict=False):
            ahead[place] = state if ahead[place] is None else ahead[place]
            backwards[place] = backwards[place] if state is None else state
        return tuple(ahead), tuple(backwards)

    @property
    def first(self) -> Op | None:
        op = self.forward.first
        if op is None:
            return None
        back = [f"{self._names[place]}{_BACK}" for place in self._own_states()]
        known = op.declaration
        return Op(replace(known, inputs=(*known.inputs, *back), optional=known.optional | {*back}), op.options, op.name)

    @property
    def ops(self) -> Iterator[Op]:
        yield from self.forward.ops
        yield from self.backward.ops

    def __repr__(self) -> str:
        merge = "" if self.merge == "concatenate" else f", merge={self.merge!r}"
        return f"bidirectional({self.forward!r}{merge})"


_STATES = ("hidden", "cell")
_BACK = "_back"


def _turn(wiring: Wiring, value: Any) -> Any:
    return Op(reverse.declaration, reverse.declaration.bind((), {})).build(wiring, value)


@combinator
def bidirectional(layer: Any, merge: Any = "concatenate", *, name: str | None = None) -> Layer:
    """Go through a sequence in both directions, and join what both say of each step.

    Each direction has weights of its own; in Axon they share one set. Where the layer returns its states too, those of
    both directions are joined as they are; Axon turns their features around. A mask is turned around with the
    sequence. Initial states are ``hidden`` and ``cell``, and for the way back ``hidden_back`` and ``cell_back``:
    ``bidirectional(gru(32))(x, hidden=h, hidden_back=b)``. One that is given alone is that of both directions.

    Args:
        layer: a recurrent layer, or several joined by ``|``; a twin of it is used for the way back.
        merge: how results are joined: ``"concatenate"`` (features), ``"add"``, ``"multiply"``, ``"subtract"``, or a
            layer or function of two tensors. Maps with channels first take ``concatenate(axis=2)``.
        name: of a block that holds both.

    Raises:
        GraphError: it is no layer.
        OptionError: there is no such way to join.

    Source: Schuster and Paliwal 1997, https://doi.org/10.1109/78.650093

    Example:
        >>> from axon_nb import bidirectional, input, lstm
        >>> (input((None, "time", 16)) | bidirectional(lstm(32))).output_shape
        (None, 'time', 64)
    """
    return _Bidirectional(as_part(layer), merge, name)


_MERGES = ("concatenate", "add", "multiply", "subtract")


def _join(merge: Any) -> Layer:
    if not isinstance(merge, str):
        return need_layer(merge)
    if merge not in _MERGES:
        problem = f"merge must be one of {', '.join(map(repr, _MERGES))}, a layer or a function of two tensors"
        raise OptionError(problem, where="bidirectional", got=repr(merge))
    return need_layer(registry[merge])


def _parts(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)


def _twin(layer: Layer) -> Layer:
    """Make the same layer with weights of its own."""
    made: Layer = renewed(layer, lambda name: f"{name}_back")
    return made
