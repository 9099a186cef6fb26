"""Owns how first values of parameters are drawn: with NumPy, the same on every device.

Knows nothing about layers. A kernel is (in, units), or (out, in/groups, *window) with three axes or more.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from axon_nb.declaration import bind_options
from axon_nb.errors import ShapeError
from axon_nb.lazy import numpy as np
from axon_nb.options import Real, initializers

Shape = tuple[int, ...]
Draw = Callable[..., "np.ndarray"]
Scale = Annotated[float, Real(minimum=0, help="How far the values spread.", example=0.02)]


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
    parameters = list(inspect.signature(draw).parameters.values())[2:]

    @functools.wraps(draw)
    def make(*args: Any, **kwargs: Any) -> Initializer:
        options = bind_options(draw, args, kwargs, skip=2)
        return Initializer(
            draw.__name__, draw, tuple((p.name, options[p.name]) for p in parameters if options[p.name] != p.default)
        )

    make.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
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

    A kernel with two axes is (in, units). One with more is (out, in/groups, *window), wherever the channels of the
    input stand; a value of it is used at every place of the window. (Axon takes the last two axes for in and out, which
    is wrong for kernels that begin with them.)

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
    """Begin with zeros.

    Example:
        >>> zeros()((2,), np.random.default_rng(0))
        array([0., 0.], dtype=float32)
    """
    return np.zeros(shape, np.float32)


@initializer
def ones(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Begin with ones.

    Example:
        >>> ones()((2,), np.random.default_rng(0))
        array([1., 1.], dtype=float32)
    """
    return np.ones(shape, np.float32)


@initializer
def full(shape: Shape, rng: np.random.Generator, value: float = 0.0) -> np.ndarray:
    """Begin with one value everywhere.

    Example:
        >>> full(0.25)((2,), np.random.default_rng(0))
        array([0.25, 0.25], dtype=float32)
    """
    return np.full(shape, value, np.float32)


@initializer
def identity(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Begin with ones on the diagonal of a kernel with two axes, so that a layer passes its input on.

    Raises:
        ShapeError: there are more or fewer axes than two.

    Example:
        >>> identity()((2, 3), np.random.default_rng(0)).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if len(shape) != 2:
        problem = "the identity initializer takes two axes"
        raise ShapeError(problem, got=str(shape), fix="choose another initializer: orthogonal takes two axes or more")
    return np.eye(*shape, dtype=np.float32)


@initializer
def uniform(shape: Shape, rng: np.random.Generator, scale: Scale = 0.01) -> np.ndarray:
    """Draw evenly from [-scale, scale).

    Example:
        >>> float(np.abs(uniform(scale=0.5)((100, 100), np.random.default_rng(0))).max()) <= 0.5
        True
    """
    return rng.uniform(-scale, scale, shape)


@initializer
def normal(shape: Shape, rng: np.random.Generator, mean: float = 0.0, scale: Scale = 0.01) -> np.ndarray:
    """Draw normally, with a mean and a standard deviation of ``scale``.

    Example:
        >>> round(float(normal(scale=0.5)((100, 100), np.random.default_rng(0)).std()), 2)
        0.5
    """
    return rng.normal(mean, scale, shape)


@initializer
def truncated_normal(shape: Shape, rng: np.random.Generator, mean: float = 0.0, scale: Scale = 0.01) -> np.ndarray:
    """Draw normally, and again what is farther from the mean than twice ``scale``.

    As in Keras and PyTorch ``scale`` is the standard deviation before the cut; what is left has 0.88 of it. Axon has
    it only inside of variance_scaling.

    Example:
        >>> values = truncated_normal(scale=0.5)((100, 100), np.random.default_rng(0))
        >>> round(float(values.std()), 2), float(np.abs(values).max()) <= 1.0
        (0.44, True)
    """
    return mean + scale * _cut_at_two(shape, rng)


@initializer
def variance_scaling(
    shape: Shape, rng: np.random.Generator, scale: Scale = 1.0,
    mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
    distribution: Literal["normal", "uniform", "truncated_normal"] = "normal",
) -> np.ndarray:  # fmt: skip
    """Draw with variance scale / fan, so that the numbers keep their size from layer to layer.

    Source: He and others 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> round(float(variance_scaling(scale=4.0)((100, 100), np.random.default_rng(0)).std()), 2)
        0.2
    """
    return _scaled(shape, rng, scale, mode, distribution)


@initializer
def lecun_uniform(shape: Shape, rng: np.random.Generator, scale: Scale = 1.0) -> np.ndarray:
    """Draw evenly, with variance scale / in.

    Source: LeCun and others 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf

    Example:
        >>> round(float(lecun_uniform()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_in", "uniform")


@initializer
def lecun_normal(shape: Shape, rng: np.random.Generator, scale: Scale = 1.0) -> np.ndarray:
    """Draw normally, cut at two sigma, with variance scale / in: for selu.

    Source: LeCun and others 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf

    Example:
        >>> round(float(lecun_normal()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_in", "truncated_normal")


@initializer
def glorot_uniform(shape: Shape, rng: np.random.Generator, scale: Scale = 1.0) -> np.ndarray:
    """Draw evenly, with variance 2 * scale / (in + out): for tanh and sigmoid.

    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> round(float(glorot_uniform()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_avg", "uniform")


@initializer
def glorot_normal(shape: Shape, rng: np.random.Generator, scale: Scale = 1.0) -> np.ndarray:
    """Draw normally, cut at two sigma, with variance 2 * scale / (in + out): for tanh and sigmoid.

    Source: Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Example:
        >>> round(float(glorot_normal()((100, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_avg", "truncated_normal")


@initializer
def he_uniform(shape: Shape, rng: np.random.Generator, scale: Scale = 2.0) -> np.ndarray:
    """Draw evenly, with variance scale / in: for relu.

    Source: He and others 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> round(float(he_uniform()((200, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_in", "uniform")


@initializer
def he_normal(shape: Shape, rng: np.random.Generator, scale: Scale = 2.0) -> np.ndarray:
    """Draw normally, cut at two sigma, with variance scale / in: for relu.

    Source: He and others 2015, https://arxiv.org/abs/1502.01852

    Example:
        >>> round(float(he_normal()((200, 100), np.random.default_rng(0)).std()), 2)
        0.1
    """
    return _scaled(shape, rng, scale, "fan_in", "truncated_normal")


@initializer
def orthogonal(shape: Shape, rng: np.random.Generator, gain: float = 1.0) -> np.ndarray:
    """Draw rows or columns, whichever are fewer, that are at right angles and ``gain`` long.

    A kernel with more than two axes is taken as (out, all others), as in PyTorch (Axon: (all others, last)). The signs
    are chosen so that every such kernel is equally likely, as in PyTorch and Keras (not in Axon).

    Raises:
        ShapeError: there are fewer than two axes.

    Source: Saxe and others 2013, https://arxiv.org/abs/1312.6120

    Example:
        >>> q = orthogonal()((2, 3), np.random.default_rng(0))
        >>> bool(np.allclose(q @ q.T, np.eye(2), atol=1e-6))
        True
    """
    if len(shape) < 2:
        problem = "the orthogonal initializer takes two axes or more"
        raise ShapeError(problem, got=str(shape), fix="choose another initializer: normal, zeros")
    rows, columns = (shape[0], shape[1]) if len(shape) == 2 else (shape[0], math.prod(shape[1:]))
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return gain * (q if rows >= columns else q.T).reshape(shape)


_CUT_STD = 0.87962566103423978  # standard deviation of a normal distribution cut at two


def _scaled(shape: Shape, rng: np.random.Generator, scale: float, mode: str, distribution: str) -> np.ndarray:
    fan_in, fan_out = fans(shape)
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    deviation = math.sqrt(scale / max(fan, 1))
    if distribution == "uniform":
        limit = math.sqrt(3) * deviation
        return rng.uniform(-limit, limit, shape)
    if distribution == "normal":
        return rng.normal(0, deviation, shape)
    return _cut_at_two(shape, rng) * (deviation / _CUT_STD)


def _cut_at_two(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values = np.where(outside, rng.standard_normal(shape), values)
    return values
