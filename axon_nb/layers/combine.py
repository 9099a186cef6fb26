"""Declares layers that join several inputs, and the combinators made of them."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.errors import GraphError
from axon_nb.graph import Source, as_part
from axon_nb.layer import Branches, Chain, Layer, Same, combinator, layer
from axon_nb.options import Axis


@layer(family="combine")
def add(*xs: Tensor) -> Tensor:
    """Sum inputs number by number.

    Written ``(a, b) | add()``, ``add(a, b)`` or ``a + b``. On layers, all get the same input.

    Shapes:
        any number of the same shape (sizes of 1 are repeated) -> that shape

    Source: https://hexdocs.pm/axon/Axon.html#add/3

    Example:
        >>> from axon_nb import dense, input
        >>> x = input((None, 8))
        >>> (x + (x | dense(8))).output_shape
        (None, 8)
    """
    return functional.add(*xs)


@layer(family="combine")
def subtract(*xs: Tensor) -> Tensor:
    """Subtract the further inputs from the first: ``subtract(a, b)`` or ``a - b``.

    Shapes:
        any number of the same shape (sizes of 1 are repeated) -> that shape

    Source: https://hexdocs.pm/axon/Axon.html#subtract/3

    Example:
        >>> from axon_nb import input, subtract
        >>> subtract(input((None, 8)), input((None, 8))).output_shape
        (None, 8)
    """
    return functional.subtract(*xs)


@layer(family="combine")
def multiply(*xs: Tensor) -> Tensor:
    """Multiply inputs number by number: ``multiply(a, b)`` or ``a * b``.

    Shapes:
        any number of the same shape (sizes of 1 are repeated) -> that shape

    Source: https://hexdocs.pm/axon/Axon.html#multiply/3

    Example:
        >>> from axon_nb import dense, input, multiply
        >>> (input((None, 8)) | multiply(dense(8), dense(8, "sigmoid"))).output_shape
        (None, 8)
    """
    return functional.multiply(*xs)


@layer(family="combine")
def concatenate(*xs: Tensor, axis: Axis = -1) -> Tensor:
    """Put inputs one behind the other along an axis; use ``axis=1`` for the channels of images.

    Shapes:
        any number of shapes that differ on ``axis`` only -> the same with the sizes on ``axis`` added

    Source: https://hexdocs.pm/axon/Axon.html#concatenate/3

    Example:
        >>> from axon_nb import concatenate, input
        >>> ((input((None, 8)), input((None, 4))) | concatenate()).output_shape
        (None, 12)
    """
    return functional.concatenate(*xs, axis=axis)


@layer(family="combine")
def stack(*xs: Tensor, axis: Axis = -1) -> Tensor:
    """Put inputs of the same shape side by side on a new axis; ``axis=1`` for one right after the batch.

    The new axis is last, as in Axon's stack_columns (NumPy and PyTorch put it first, where the batch is).

    Shapes:
        any number of (batch, ...) -> (batch, ..., inputs), or the new axis where it is given

    Source: https://numpy.org/doc/stable/reference/generated/numpy.stack.html

    Example:
        >>> from axon_nb import input, stack
        >>> ((input((None, 8)), input((None, 8))) | stack(axis=1)).output_shape
        (None, 2, 8)
    """
    return functional.stack(*xs, axis=axis)


@combinator
def noop() -> Layer:
    """Do nothing, and leave no trace in the model.

    Example:
        >>> from axon_nb import input
        >>> len((input((None, 8)) | noop()).nodes)
        1
    """
    return Same()


@combinator
def residual(*layers: Any, shortcut: Any = None) -> Layer:
    """Add the input to what the layers make of it: ``x + layers(x)``.

    Args:
        *layers: applied one after the other.
        shortcut: a layer for the input, where its shape differs from the result's.

    Raises:
        GraphError: there are no layers, or one is not a layer.

    Source: He and others 2015, https://arxiv.org/abs/1512.03385

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 8)) | residual(dense(32, "relu") | dense(8))).output_shape
        (None, 8)
    """
    made = [as_part(one) for one in layers]
    if not made:
        problem = "residual takes at least one layer"
        raise GraphError(problem, fix="residual(dense(8) | relu())")
    inner = made[0] if len(made) == 1 else Chain(*made)
    bare = Same() if shortcut is None else as_part(shortcut)
    return Branches((bare, inner), add())


@combinator
def block(name: str, *layers: Any) -> Any:
    """Join layers into one with a name; its parameters stand under that name.

    A model among them is a part: what reaches it is checked against its ``input(...)``. One that begins with a constant
    needs no input.

    Raises:
        GraphError: there are no layers, or one is not a layer.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 8)) | block("encoder", dense(4))).params
        {'encoder.dense_0.kernel': (8, 4), 'encoder.dense_0.bias': (4,)}
    """
    made = [as_part(one) for one in layers]
    if not made:
        problem = "block takes a name and at least one layer"
        raise GraphError(problem, fix='block("encoder", dense(8) | relu())')
    chain = Chain(*made, name=name)
    return Source(chain) if isinstance(layers[0], Source) else chain
