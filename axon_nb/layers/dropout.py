"""Declares dropout."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.layer import layer
from axon_nb.options import Rate
from axon_nb.scope import Scope


@layer(family="dropout")
def dropout(scope: Scope, x: Tensor, rate: Rate = 0.5) -> Tensor:
    """In training, put zeros in place of a share of the numbers and scale the rest up by 1 / (1 - rate).

    Shapes:
        any -> the same

    Source: Srivastava and others 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Example:
        >>> from axon_nb import dropout, input
        >>> (input((None, 128)) | dropout(0.2)).output_shape
        (None, 128)
    """
    if not scope.training or rate == 0:
        return x
    return (scope.random(x.shape) >= rate).where(x / (1 - rate), 0)
