"""Owns what answers a question about a tensor or chooses between two: masks, and one value or the other.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.errors import ShapeError


def mask(x: Tensor, eos_token: int) -> Tensor:
    """Say which steps are real: false where the number is the token that sequences are filled up with.

    It is true where a step counts, as recurrent functions and attention take it; Axon's is true where it is padding.

    Shapes:
        any -> the same, of true and false

    Example:
        >>> mask(Tensor([[5, 2, 0, 0]]), 0).tolist()
        [[True, True, False, False]]
    """
    return x != eos_token


def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Take ``x`` where the condition is true (not 0), and ``y`` where it is not.

    The condition may be for the whole batch (), for each sample (batch,), or for each number: its axes are the first of
    the others' axes.

    Shapes:
        condition (), (batch,) ... or the same as x; x and y (batch, ...) -> the same as x and y

    Raises:
        ShapeError: the shapes of x and y differ, or the condition does not fit them.

    Example:
        >>> where(Tensor([True, False]), Tensor([[1, 2], [3, 4]]), Tensor([[0, 0], [0, 0]])).tolist()
        [[1, 2], [0, 0]]
    """
    if x.shape != y.shape:
        problem = "the two to choose from differ in shape"
        raise ShapeError(problem, got=f"{x.shape} and {y.shape}", fix="give both branches the same number of units")
    rank, own = len(x.shape), len(condition.shape)
    if own > rank or any(size not in (1, x.shape[axis]) for axis, size in enumerate(condition.shape)):
        problem = f"a condition of shape {condition.shape} does not fit values of shape {x.shape}"
        raise ShapeError(problem, fix="let it be one for each sample, or one for each value")
    return (condition != 0).reshape(*condition.shape, *[1] * (rank - own)).where(x, y)


def constant(x: Tensor, value: Tensor) -> Tensor:
    """Repeat a value for every sample of ``x``; its axes are the last of the axes of ``x``, as in arithmetic.

    Shapes:
        x (batch, ...), value any -> (batch, 1, ..., *value), of as many axes as x at least

    Example:
        >>> constant(Tensor.zeros(2, 3, 4), Tensor([1.0, 2.0])).shape
        (2, 1, 2)
    """
    ones = max(len(x.shape) - 1 - len(value.shape), 0)
    return value.reshape(1, *[1] * ones, *value.shape).expand(x.shape[0], *[1] * ones, *value.shape)


def or_else(*xs: Tensor | None) -> Tensor:
    """Take the first of several values that is there.

    Shapes:
        any number of the same shape, or ``None`` -> that shape

    Raises:
        ShapeError: none is there, or the shapes differ.

    Example:
        >>> or_else(None, Tensor([1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    there = [x for x in xs if x is not None]
    if not there:
        problem = "none of the values is there"
        raise ShapeError(problem)
    if any(x.shape != there[0].shape for x in there):
        problem = "the values to choose from differ in shape"
        raise ShapeError(problem, got=" and ".join(str(tuple(x.shape)) for x in there))
    return there[0]
