"""Owns how first values of parameters are drawn: with NumPy, the same on every device.

Knows nothing about layers. A kernel is (in, units), or (out, in/groups, *window) with three axes or more.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from axon_nb.errors import OptionError, ShapeError
from axon_nb.options import initializers

Shape = tuple[int, ...]
Draw = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Initializer:
    """A named way to draw, with its options: ``initializers.normal(scale=0.02)``.

    Example:
        >>> initializers["full"](value=3.0)((2,), np.random.default_rng(0))
        array([3., 3.], dtype=float32)
    """

    name: str
    draw: Draw = field(repr=False)
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """Draw values for a shape."""
        values = self.draw(shape, rng, **dict(self.options))
        return np.asarray(values, dtype=np.float32)

    @property
    def __name__(self) -> str:
        """Name with options, as code."""
        return f"initializers.{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options)})"


def initializer(draw: Draw) -> Callable[..., Initializer]:
    """Make a drawing function into a maker of initializers, and put that into the registry.

    The function takes the shape and a NumPy generator, then its options.
    """

    @functools.wraps(draw)
    def make(**options: Any) -> Initializer:
        known = list(inspect.signature(draw).parameters)[2:]
        for name in options:
            if name not in known:
                problem = f"initializer {draw.__name__} has no option {name!r}"
                raise OptionError(problem, fix=f"its options are: {', '.join(known) or 'none'}")
        return Initializer(draw.__name__, draw, tuple(options.items()))

    make.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=p.KEYWORD_ONLY) for p in list(inspect.signature(draw).parameters.values())[2:]]
    )
    initializers.add(draw.__name__, make)
    return make


def as_initializer(value: Any) -> Callable[[Shape, np.random.Generator], np.ndarray]:
    """Return what draws: of a name, a number (all values are it), a maker, or a function of shape and generator."""
    if isinstance(value, str):
        return initializers[value]()
    if isinstance(value, int | float):
        return full(value=value)
    if getattr(value, "__wrapped__", None) is not None and value in initializers.values():
        made: Initializer = value()
        return made
    return value


def fans(shape: Shape) -> tuple[int, int]:
    """Count the numbers that flow into and out of one value of a kernel.

    Example:
        >>> fans((784, 128)), fans((32, 16, 3, 3)), fans((10,))
        ((784, 128), (144, 288), (10, 10))
    """
    if len(shape) < 2:
        n = math.prod(shape)
        return n, n
    if len(shape) == 2:
        return shape[0], shape[1]
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


@initializer
def zeros(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """All zeros."""
    return np.zeros(shape, np.float32)


@initializer
def ones(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """All ones."""
    return np.ones(shape, np.float32)


@initializer
def full(shape: Shape, rng: np.random.Generator, value: float = 0.0) -> np.ndarray:
    """All the same value."""
    return np.full(shape, value, np.float32)


@initializer
def uniform(shape: Shape, rng: np.random.Generator, scale: float = 0.01) -> np.ndarray:
    """Evenly in [-scale, scale)."""
    return rng.uniform(-scale, scale, shape)


@initializer
def normal(shape: Shape, rng: np.random.Generator, mean: float = 0.0, scale: float = 0.01) -> np.ndarray:
    """Normally, with a mean and a standard deviation of ``scale``."""
    return rng.normal(mean, scale, shape)


@initializer
def variance_scaling(
    shape: Shape, rng: np.random.Generator, scale: float = 1.0,
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
    distribution: Literal["normal", "uniform", "truncated_normal"] = "normal",
) -> np.ndarray:  # fmt: skip
    """Draw with variance scale / fan, so that the numbers keep their size from layer to layer."""
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    variance = scale / max(fan, 1)
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return rng.uniform(-limit, limit, shape)
    if distribution == "normal":
        return rng.normal(0, math.sqrt(variance), shape)
    return _truncated(shape, rng) * (math.sqrt(variance) / _TRUNCATED_STD)


_TRUNCATED_STD = 0.87962566103423978  # standard deviation of a normal distribution cut at two


def _truncated(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values = np.where(outside, rng.standard_normal(shape), values)
    return values


def _scaled(name: str, doc: str, scale: float, mode: Any, distribution: Any) -> Callable[..., Initializer]:
    def draw(shape: Shape, rng: np.random.Generator, scale: float = scale) -> np.ndarray:
        made = variance_scaling(scale=scale, mode=mode, distribution=distribution)
        return made(shape, rng)

    draw.__name__, draw.__qualname__, draw.__doc__ = name, name, doc
    return initializer(draw)


glorot_uniform = _scaled(
    "glorot_uniform", "Evenly, variance 2 / (in + out). Glorot and Bengio 2010.", 1.0, "fan_avg", "uniform"
)
glorot_normal = _scaled(
    "glorot_normal", "Normally, cut at two sigma, variance 2 / (in + out).", 1.0, "fan_avg", "truncated_normal"
)
he_uniform = _scaled("he_uniform", "Evenly, variance 2 / in: for relu. He and others 2015.", 2.0, "fan_in", "uniform")
he_normal = _scaled("he_normal", "Normally, cut at two sigma, variance 2 / in.", 2.0, "fan_in", "truncated_normal")
lecun_uniform = _scaled("lecun_uniform", "Evenly, variance 1 / in. LeCun and others 1998.", 1.0, "fan_in", "uniform")
lecun_normal = _scaled(
    "lecun_normal", "Normally, cut at two sigma, variance 1 / in: for selu.", 1.0, "fan_in", "truncated_normal"
)


@initializer
def identity(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Ones on the diagonal of a kernel with two axes."""
    if len(shape) != 2:
        problem = "the identity initializer takes two axes"
        raise ShapeError(problem, got=str(shape))
    return np.eye(*shape, dtype=np.float32)


@initializer
def orthogonal(shape: Shape, rng: np.random.Generator, gain: float = 1.0) -> np.ndarray:
    """Rows or columns at right angles. Saxe and others 2013, https://arxiv.org/abs/1312.6120."""
    if len(shape) < 2:
        problem = "the orthogonal initializer takes two axes or more"
        raise ShapeError(problem, got=str(shape))
    rows, columns = (shape[0], shape[1]) if len(shape) == 2 else (shape[0], math.prod(shape[1:]))
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return gain * (q if rows >= columns else q.T).reshape(shape)
