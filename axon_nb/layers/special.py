"""Declares masks, constants, and choosing between two branches."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor

from axon_nb.errors import GraphError
from axon_nb.functional import special as functional
from axon_nb.layer import Branches, combinator, is_applicable, layer, need_layer
from axon_nb.lazy import numpy as np
from axon_nb.options import Token, Value
from axon_nb.scope import Scope


@layer(family="special")
def mask(x: Tensor, eos_token: Token) -> Tensor:
    """Say which numbers are a token: true stands where a recurrent layer is to keep its state, as in Axon.

    Shapes:
        (batch, time) -> the same, of true and false

    Source: https://hexdocs.pm/axon/Axon.html#mask/3

    Example:
        >>> from axon_nb import input, mask
        >>> (input((None, "time"), dtype="int32") | mask(0)).output_shape
        (None, 'time')
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


@layer(family="special")
def constant(scope: Scope, x: Tensor, value: Value) -> Tensor:
    """Give the same value for every sample; of the input it takes the number of samples only.

    Axon's constant has no input and no batch axis. This one has as many axes as its input, so that
    ``x + (x | constant(2.0))`` works for any ``x``.

    Shapes:
        (batch, ...) -> (batch, 1, ..., *shape of the value); a number has the shape (1,)

    Its state is ``value``, which is not trained.

    Source: https://hexdocs.pm/axon/Axon.html#constant/2

    Example:
        >>> from axon_nb import constant, input
        >>> x = input((None, 3, 8))
        >>> (x + (x | constant(2.0))).output_shape
        (None, 3, 8)
    """
    scope.expect(x, least=1)
    values = np.atleast_1d(np.asarray(value, np.float32))
    return functional.constant(x, scope.state("value", values.shape, lambda shape, rng: values))


@combinator
def cond(predicate: Any, if_true: Any, if_false: Any) -> Any:
    """Go on with one of two branches, by the value of a predicate.

    All three are models, or all three are layers (or functions of tensors) that get the same input. The predicate gives
    true or false (or a number: 0 is false) for the whole batch (), as in Axon, for each sample (batch,), or for each
    number of the result. Both branches are computed, and both have their parameters. Axon's ``cond(x, f, a, b)`` is
    ``cond(x | f, a, b)``.

    Raises:
        GraphError: models and layers are mixed.

    Source: https://hexdocs.pm/axon/Axon.html#cond/5

    Example:
        >>> from axon_nb import cond, dense, input, noop
        >>> (input((None, 8)) | cond(lambda x: x.mean(1) > 0, dense(8), noop())).output_shape
        (None, 8)
    """
    three = (predicate, if_true, if_false)
    models = [is_applicable(one) for one in three]
    if all(models):
        return where(*three)
    if any(models):
        problem = "cond takes three models, or three layers"
        raise GraphError(problem, fix="cond(x | predicate, x | layer, x | other), or x | cond(predicate, layer, other)")
    return Branches(tuple(need_layer(one) for one in three), where())
