"""Declares masks, constants, and choosing between two branches."""

from __future__ import annotations

import functools
from typing import Any

from tinygrad import Tensor

from axon_nb.declaration import declare, plain
from axon_nb.errors import GraphError, brief
from axon_nb.functional import gradient as functional_gradient
from axon_nb.functional import special as functional
from axon_nb.graph import Source, as_part
from axon_nb.layer import Branches, Layer, LayerType, Op, combinator, is_applicable, layer, registered
from axon_nb.lazy import numpy as np
from axon_nb.options import Function, Slope, Token, Value
from axon_nb.scope import Scope


@layer(family="special")
def mask(x: Tensor, eos_token: Token) -> Tensor:
    """Say which steps are real: false where the number is the token that sequences are filled up with.

    It is true where a step counts, as recurrent layers and attention take it; Axon's is true where a step is padding.

    Shapes:
        (batch, time) -> the same, of true and false

    Source: https://hexdocs.pm/axon/Axon.html#mask/3

    Example:
        >>> from axon_nb import embedding, input, lstm, mask
        >>> tokens = input((None, "time"), dtype="int32")
        >>> lstm(8)(tokens | embedding(100, 16), mask=tokens | mask(0)).output_shape
        (None, 'time', 8)
    """
    return functional.mask(x, eos_token)


@layer(family="special")
def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Take ``x`` where the condition is true (not 0), and ``y`` where it is not.

    Shapes:
        a condition for the whole batch (), for each sample (batch,) or for each number, and two of (batch, ...) -> the
        same as these two

    Source: https://numpy.org/doc/stable/reference/generated/numpy.where.html

    Example:
        >>> from axon_nb import dense, input, where
        >>> x = input((None, 8))
        >>> where(x | (lambda x: x > 0), x, x | dense(8)).output_shape
        (None, 8)
    """
    return functional.where(condition, x, y)


def constant(scope: Scope, value: Value, *, x: Tensor | None = None) -> Tensor:
    """Begin a model with the same value for every sample, as in Axon.

    Written ``x + constant(2.0)``. In a pipe, ``x | constant(2.0)``, it has the number of samples of what stands before
    it, and as many axes.

    Shapes:
        nothing -> the shape of the value, without a batch axis; or (batch, ...) -> (batch, 1, ..., *shape of the value)

    Its state is ``value``, which is not trained; whole numbers stay whole, as in Axon.

    Source: https://hexdocs.pm/axon/Axon.html#constant/2

    Example:
        >>> from axon_nb import constant, input
        >>> x = input((None, 3, 8))
        >>> (x + constant(2.0)).output_shape, (x | constant(2.0)).output_shape
        ((None, 3, 8), (None, 1, 1))
        >>> constant([[1.0, 2.0]]).predict(constant([[1.0, 2.0]]).init(), {})
        array([[1., 2.]], dtype=float32)
    """
    given = np.asarray(value)
    values = given.astype(np.float32 if given.dtype.kind == "f" else np.int32)
    state = scope.state("value", values.shape, lambda shape, rng: values, dtype=str(values.dtype))
    if x is None:
        return state
    scope.expect(x, least=1)
    return functional.constant(x, state)


class _ConstantType(LayerType):
    """Makes a model where it is given a value alone."""

    def __call__(self, /, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        made = super().__call__(*args, name=name, **kwargs)
        return Source(made) if isinstance(made, Op) else made


constant = registered(_ConstantType(constant, "constant", functools.partial(declare, constant, None, "special")))


@layer(family="special")
def or_else(*xs: Tensor | None) -> Tensor:
    """Take the first of several values that is there: ``or_else(a, b)`` is b where an input that a needs is left out.

    Shapes:
        any number of the same shape -> that shape

    Raises:
        ShapeError: the shapes differ.

    Source: https://hexdocs.pm/axon/Axon.html (optional inputs)

    Example:
        >>> from axon_nb import constant, dense, input, or_else
        >>> x, extra = input((None, 8), name="x"), input((None, 8), name="extra", optional=True)
        >>> model = x + or_else(extra | dense(8), x)
        >>> model.predict(model.init(), {"x": [[1.0] * 8]}).tolist()
        [[2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]]
    """
    return functional.or_else(*xs)


@layer(family="special")
def gradient_reversal(x: Tensor, scale: Slope = 1.0) -> Tensor:
    """Leave numbers as they are, and turn their gradient around: what stands before it learns the opposite.

    Shapes:
        any -> the same

    Axon has no such layer.

    Source: Ganin and Lempitsky 2014, https://arxiv.org/abs/1409.7495

    Example:
        >>> from axon_nb import dense, gradient_reversal, input
        >>> (input((None, 8)) | gradient_reversal() | dense(2)).output_shape
        (None, 2)
    """
    return functional_gradient.gradient_reversal(x, scale=scale)


@layer(family="special")
def straight_through(x: Tensor, function: Function) -> Tensor:
    """Apply a function, and train as if it were not there: for rounding, signs and other steps.

    Shapes:
        any -> the same

    Axon has no such layer.

    Source: Bengio and others 2013, https://arxiv.org/abs/1308.3432

    Example:
        >>> from axon_nb import input, straight_through
        >>> (input((None, 8)) | straight_through("hard_tanh")).output_shape
        (None, 8)
    """
    return functional_gradient.straight_through(x, function)


@combinator
def custom_gradient(forward: Any, backward: Any) -> Layer:
    """Make a layer of a function with a gradient of your own.

    Args:
        forward: from tensors to a tensor.
        backward: from the gradient of the result, and the inputs, to the gradient of each input.

    Raises:
        GraphError: one of them is no function.

    Example:
        >>> from axon_nb import custom_gradient, input
        >>> halved = custom_gradient(lambda x: x.round(), lambda gradient, x: gradient / 2)
        >>> (input((None, 8)) | halved).output_shape
        (None, 8)
    """
    if not callable(forward) or not callable(backward):
        problem = "custom_gradient takes two functions of tensors"
        raise GraphError(problem, got=f"{brief(forward)} and {brief(backward)}")
    run = functools.wraps(forward)(functional_gradient.custom_gradient(forward, backward))
    return Op(plain(run), {})


@combinator
def cond(predicate: Any, if_true: Any, if_false: Any) -> Any:
    """Go on with one of two branches, by the value of a predicate.

    All three are models, or all three are layers (or functions of tensors) that get the same input; behind a predicate
    that is a layer, a model is a part, which gets that input. The predicate gives true or false (or a number: 0 is
    false) for the whole batch (), as in Axon, for each sample (batch,), or for each number of the result. Both branches
    are computed, both have their parameters, and the state of both moves in training. Axon's ``cond(x, f, a, b)`` is
    ``cond(x | f, a, b)``.

    Raises:
        GraphError: the predicate is a model, and a branch is none.

    Source: https://hexdocs.pm/axon/Axon.html#cond/5

    Example:
        >>> from axon_nb import cond, dense, input, noop
        >>> (input((None, 8)) | cond(lambda x: x.mean(1) > 0, dense(8), noop())).output_shape
        (None, 8)
    """
    three = (predicate, if_true, if_false)
    if all(map(is_applicable, three)):
        return where(*three)
    if is_applicable(predicate) and not isinstance(predicate, Source):
        problem = "cond takes three models, or three layers"
        raise GraphError(problem, fix="cond(x | predicate, x | layer, x | other), or x | cond(predicate, layer, other)")
    return Branches(tuple(as_part(one) for one in three), where())
