"""Owns products with a kernel: dense and embedding.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import ShapeError


def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply the last axis by a kernel and add a bias.

    Shapes:
        x (batch, ..., in), kernel (in, units), bias (units,) -> (batch, ..., units)

    Raises:
        ShapeError: the last axis of ``x`` is not as long as the kernel's first.

    Example:
        >>> x, kernel = Tensor([[1.0, 2.0]]), Tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]])
        >>> dense(x, kernel).tolist()
        [[1.0, 2.0, 6.0]]
    """
    expect(x, least=1)
    if x.shape[-1] != kernel.shape[0]:
        problem = f"the last axis is {x.shape[-1]} and the kernel takes {kernel.shape[0]}"
        raise ShapeError(problem)
    out = x.matmul(kernel)
    return out if bias is None else out + bias


def embedding(x: Tensor, kernel: Tensor) -> Tensor:
    """Look up a row of a kernel for each whole number.

    Shapes:
        x (batch, ...) of whole numbers in [0, vocab), kernel (vocab, units) -> (batch, ..., units).
        A number out of range gives zeros.

    Raises:
        ShapeError: ``x`` does not hold whole numbers.

    Example:
        >>> embedding(Tensor([[1, 0]]), Tensor([[0.0, 1.0], [2.0, 3.0]])).tolist()
        [[[2.0, 3.0], [0.0, 1.0]]]
    """
    expect(x, dtype="int", fix="give the input whole numbers: input(..., dtype='int32')")
    # A product with one-hot rows would count as multiply-adds and lose exactness in half precision: select and sum.
    rows = Tensor.arange(kernel.shape[0], dtype=x.dtype) == x.unsqueeze(-1)
    return rows.unsqueeze(-1).where(kernel, 0).sum(-2)
