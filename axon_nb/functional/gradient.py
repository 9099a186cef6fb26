"""Owns functions whose gradient is somebody's own: straight-through, reversed, or any other.

Knows nothing about layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tinygrad import Tensor
from tinygrad import function as as_function
from tinygrad.uop.ops import UOp

from axon_nb.errors import ShapeError
from axon_nb.functional.activations import activate

__all__ = ["custom_gradient", "gradient_reversal", "straight_through"]


_values_only = ContextVar("values_only", default=False)


@contextmanager
def values_only() -> Iterator[None]:
    """Leave gradients of one's own out: for looking at what functions compute, as an export does."""
    token = _values_only.set(True)
    try:
        yield
    finally:
        _values_only.reset(token)


def custom_gradient(forward: Callable[..., Tensor], backward: Callable[..., Any]) -> Callable[..., Tensor]:
    """Make a function with a gradient of your own.

    Args:
        forward: from tensors to a tensor.
        backward: from the gradient of the result, and the inputs, to the gradient of each input: a tensor, or a tuple
            with one for each, ``None`` where there is none.

    Raises:
        ShapeError: when the gradient is taken: ``backward`` returns another number of them, or other shapes.

    Source: https://docs.jax.dev/en/latest/notebooks/Custom_derivative_rules_for_Python_code.html

    Example:
        >>> clipped = custom_gradient(lambda x: x * 3, lambda gradient, x: (gradient * 3).clip(-1, 1))
        >>> x = Tensor([2.0])
        >>> y = clipped(x)
        >>> y.item(), y.sum().gradient(x)[0].item()
        (6.0, 1.0)
    """

    def run(*xs: Tensor) -> Tensor:
        if _values_only.get():
            return forward(*xs)
        own = [x.uop for x in xs]
        known = list(dict.fromkeys(uop for uop in own if uop.device is not None))

        def gradient_of(gradient: UOp, call: UOp) -> tuple[UOp | None, ...]:
            inputs = [Tensor(call.src[1 + known.index(u)]) if u in known else x for u, x in zip(own, xs, strict=True)]
            found = backward(Tensor(gradient), *inputs)
            parts = found if isinstance(found, tuple | list) else (found,)
            _check(parts, inputs)
            total: dict[int, Tensor] = {}
            for uop, part in zip(own, parts, strict=True):
                if part is not None and uop in known:
                    at = known.index(uop)
                    total[at] = total[at] + part if at in total else part
            return tuple(total[at].uop if at in total else None for at in range(len(call.src) - 1))

        made: Tensor = as_function(lambda *ts: forward(*ts) * 1, grad_fxn=gradient_of, allow_implicit=True)(*xs)
        return made

    return run


def _check(parts: Any, inputs: list[Tensor]) -> None:
    shapes = [None if part is None else tuple(part.shape) for part in parts]
    wanted = [tuple(x.shape) for x in inputs]
    fits = len(shapes) == len(wanted) and all(a in (None, b) for a, b in zip(shapes, wanted, strict=True))
    if not fits:
        problem = f"backward must return a gradient for each of the {len(wanted)} inputs, of the input's shape"
        raise ShapeError(problem, got=f"{shapes} for {wanted}")


def gradient_reversal(x: Tensor, *, scale: float = 1.0) -> Tensor:
    """Leave numbers as they are, and turn their gradient around.

    Shapes:
        any -> the same

    Source: Ganin and Lempitsky 2014, https://arxiv.org/abs/1409.7495

    Example:
        >>> x = Tensor([2.0])
        >>> gradient_reversal(x, scale=0.5).sum().gradient(x)[0].item()
        -0.5
    """
    return custom_gradient(lambda x: x, lambda gradient, x: gradient * -scale)(x)


def straight_through(x: Tensor, function: str | Callable[..., Tensor] | None) -> Tensor:
    """Apply a function, and take the gradient as if it were not there: for rounding and other steps.

    Shapes:
        any -> the same

    Source: Bengio and others 2013, https://arxiv.org/abs/1308.3432

    Example:
        >>> x = Tensor([0.7])
        >>> y = straight_through(x, lambda x: x.round())
        >>> y.item(), y.sum().gradient(x)[0].item()
        (1.0, 1.0)
    """
    return custom_gradient(lambda x: activate(x, function), lambda gradient, x: gradient)(x)
