# ruff: noqa: N802, N803, N806, ANN001, ANN003, ANN201, ANN202, D103 - functions and arguments are called as in ONNX
"""Owns ONNX operators that tinygrad has no implementation of, or another than ONNX says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad import Tensor
from tinygrad.nn import onnx as implementation

from axon_nb.checks import dtype_name
from axon_nb.functional.activations import activate

OWN: dict[str, Callable[..., Any]] = {}
"""Functions by the operator's name; they take inputs by place and attributes by name."""


OLDER: dict[str, tuple[int, Callable[..., Any]]] = {}
"""What an operator was before a version."""

BEFOREHAND: dict[str, tuple[int, ...]] = {
    **implementation.required_input_python_consts, "CumProd": (1,), "Col2Im": (1, 2), "DFT": (1, 2), "STFT": (1, 3),
}  # fmt: skip
"""Inputs that an operator must know before it is run, by their places."""


def own(function: Callable[..., Any]) -> Callable[..., Any]:
    """Put a function into the table."""
    OWN[function.__name__] = function
    return function


_FUNCTIONS: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "tanh": lambda x, a, b: x.tanh(), "sigmoid": lambda x, a, b: x.sigmoid(), "relu": lambda x, a, b: x.relu(),
    "softsign": lambda x, a, b: activate(x, "softsign"), "softplus": lambda x, a, b: activate(x, "softplus"),
    "hardsigmoid": lambda x, a, b: (a * x + b).clip(0, 1), "affine": lambda x, a, b: a * x + b,
    "elu": lambda x, a, b: x.elu(a), "leakyrelu": lambda x, a, b: x.leaky_relu(a),
    "thresholdedrelu": lambda x, a, b: (x >= a).where(x, 0), "scaledtanh": lambda x, a, b: a * (b * x).tanh(),
}  # fmt: skip
_DEFAULTS = {"hardsigmoid": (0.2, 0.5), "elu": (1.0, 0.0), "leakyrelu": (0.01, 0.0), "thresholdedrelu": (1.0, 0.0)}


def _activations(names: list[str], alpha: list[float] | None, beta: list[float] | None) -> list[Any]:
    made = []
    alphas, betas = list(alpha or ()), list(beta or ())
    for name in names:
        first, second = _DEFAULTS.get(name.lower(), (1.0, 0.0))
        if name.lower() in ("hardsigmoid", "elu", "leakyrelu", "thresholdedrelu", "affine", "scaledtanh"):
            first = alphas.pop(0) if alphas else first
            second = betas.pop(0) if betas and name.lower() in ("hardsigmoid", "affine", "scaledtanh") else second
        function = _FUNCTIONS[name.lower()]
        made.append(lambda x, f=function, a=first, b=second: f(x, a, b))
    return made


Step = Callable[[Tensor, list[Tensor], Tensor, Tensor, Tensor | None, Tensor | None, list[Any]], list[Tensor]]


def _recurrent(
    step: Step, gates: int, states: int, defaults: list[str], X: Tensor, W: Tensor, R: Tensor, B: Tensor | None,
    lengths: Tensor | None, initial: list[Tensor | None], P: Tensor | None, about: dict[str, Any],
) -> tuple[Tensor, ...]:  # fmt: skip
    if about.get("layout", 0):
        X = X.transpose(0, 1)
        initial = [one if one is None else one.transpose(0, 1) for one in initial]
    time, batch, units = X.shape[0], X.shape[1], R.shape[2]
    direction = about.get("direction", "forward")
    names = about.get("activations") or defaults * W.shape[0]
    functions = _activations(names, about.get("activation_alpha"), about.get("activation_beta"))
    each = len(functions) // W.shape[0]
    sequences, ends = [], []
    for d in range(W.shape[0]):
        backward = direction == "reverse" or d == 1
        now = [Tensor.zeros(batch, units, dtype=X.dtype) if one is None else one[d] for one in initial][:states]
        kept: list[Tensor] = [now[0]] * time
        for place in range(time):
            t = time - 1 - place if backward else place
            new = step(
                X[t], now, W[d], R[d], None if B is None else B[d], None if P is None else P[d],
                functions[d * each : (d + 1) * each],
            )  # fmt: skip
            if lengths is not None:
                real = (lengths > t).reshape(batch, 1)
                kept[t] = real.where(new[0], 0)
                now = [real.where(one, old) for one, old in zip(new, now, strict=True)]
            else:
                now, kept[t] = [one.contiguous() for one in new], new[0]
        sequences.append(Tensor.stack(*kept))
        ends.append(now)
    sequence = Tensor.stack(*sequences, dim=1)
    last = [Tensor.stack(*column) for column in zip(*ends, strict=True)]
    if about.get("layout", 0):
        return (sequence.permute(2, 0, 1, 3), *(one.transpose(0, 1) for one in last))
    return (sequence, *last)


def _sum(x: Tensor, h: Tensor, W: Tensor, R: Tensor, B: Tensor | None) -> tuple[Tensor, Tensor]:
    one, other = x @ W.T, h @ R.T
    if B is None:
        return one, other
    own, added = B.chunk(2)
    return one + own, other + added


@own
def LSTM(X, W, R, B=None, sequence_lens=None, initial_h=None, initial_c=None, P=None, **about):
    most = about.get("clip")

    def step(x, states, W, R, B, P, functions):
        f, g, h = functions
        one, other = _sum(x, states[0], W, R, B)
        enter, leave, keep, new = (one + other).chunk(4, dim=-1)
        peep = P.chunk(3) if P is not None else (0, 0, 0)
        cut = (lambda v: v.clip(-most, most)) if most else (lambda v: v)
        enter, keep = f(cut(enter + peep[0] * states[1])), f(cut(keep + peep[2] * states[1]))
        if about.get("input_forget"):
            keep = 1 - enter
        cell = keep * states[1] + enter * g(cut(new))
        return [f(cut(leave + peep[1] * cell)) * h(cell), cell]

    return _recurrent(
        step, 4, 2, ["Sigmoid", "Tanh", "Tanh"], X, W, R, B, sequence_lens, [initial_h, initial_c], P, about
    )


@own
def GRU(X, W, R, B=None, sequence_lens=None, initial_h=None, **about):
    most = about.get("clip")

    def step(x, states, W, R, B, P, functions):
        f, g = functions
        cut = (lambda v: v.clip(-most, most)) if most else (lambda v: v)
        one, other = _sum(x, states[0], W, R, B)
        (z, r, n), (hz, hr, hn) = one.chunk(3, dim=-1), other.chunk(3, dim=-1)
        update, reset = f(cut(z + hz)), f(cut(r + hr))
        if about.get("linear_before_reset"):
            inner = reset * hn
        else:
            added = B.chunk(2)[1].chunk(3)[2] if B is not None else 0
            inner = (reset * states[0]) @ R.chunk(3)[2].T + added
        new = g(cut(n + inner))
        return [(1 - update) * new + update * states[0]]

    return _recurrent(step, 3, 1, ["Sigmoid", "Tanh"], X, W, R, B, sequence_lens, [initial_h], None, about)


@own
def RNN(X, W, R, B=None, sequence_lens=None, initial_h=None, **about):
    most = about.get("clip")

    def step(x, states, W, R, B, P, functions):
        one, other = _sum(x, states[0], W, R, B)
        total = one + other
        return [functions[0](total.clip(-most, most) if most else total)]

    return _recurrent(step, 1, 1, ["Tanh"], X, W, R, B, sequence_lens, [initial_h], None, about)


@own
def LpPool(X, kernel_shape, p=2, **about):
    from tinygrad.nn.onnx import onnx_ops

    powers = X.abs().pow(p) if p != 1 else X.abs()
    mean = onnx_ops["AveragePool"](powers, kernel_shape, count_include_pad=1, **about)
    total = mean * math.prod(kernel_shape)
    return total.pow(1 / p) if p != 1 else total


@own
def GlobalLpPool(X, p=2):
    return X.abs().pow(p).sum(tuple(range(2, X.ndim)), keepdim=True).pow(1 / p)


@own
def BitShift(X, Y, direction):
    fits = (Y >= 0) & (8 * X.dtype.itemsize > Y)
    count = fits.where(Y, 0).cast(X.dtype)
    if direction == "LEFT":
        return fits.where(X << count, 0).cast(X.dtype)
    return fits.where(X >> count, (X < 0).where(-1, 0)).cast(X.dtype)


def _divisor(B: Tensor) -> tuple[Tensor, Tensor]:
    """Replace divisors by which a processor stops: zero, and minus one, by which the lowest number has no quotient."""
    minus = B == -1
    return ((B == 0) | minus).where(1, B), minus


@own
def Div(A, B):
    if "int" not in dtype_name(A.dtype):
        return implementation.onnx_ops["Div"](A, B)
    safe, minus = _divisor(B)
    return minus.where(-A, implementation.onnx_ops["Div"](A, safe)).cast(A.dtype)


@own
def Mod(A, B, fmod=0):
    if "int" not in dtype_name(A.dtype):
        made = implementation.onnx_ops["Mod"](A, B, fmod=fmod)
        endless = B.isinf() & ~A.isinf() & ~A.isnan()  # A is what is left, or, of another sign, as much as B
        return endless.where(A if fmod else ((A < 0) & (B > 0) | (A > 0) & (B < 0)).where(B, A), made)
    safe, minus = _divisor(B)
    return minus.where(0, implementation.onnx_ops["Mod"](A, safe, fmod=fmod)).cast(A.dtype)


@own
def LessOrEqual(A, B):
    return (A < B) | (A == B)  # tinygrad's <= is no >, which what is no number fulfils


@own
def GreaterOrEqual(A, B):
    return (A > B) | (A == B)


@own
def BitCast(input, to):
    kind = implementation.OnnxDataType(to).to_dtype()
    return input.cast(kind) if "bool" in (input.dtype.name, kind.name) else input.bitcast(kind)


@own
def Det(X):
    size = X.shape[-1]
    if size == 1:
        return X[..., 0, 0]
    parts = [(-1) ** i * X[..., 0, i] * Det(X[..., 1:, :i].cat(X[..., 1:, i + 1 :], dim=-1)) for i in range(size)]
    return sum(parts[1:], parts[0])
