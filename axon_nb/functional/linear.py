"""Owns products with a kernel (dense, bilinear), look-ups in one (embedding), and a bias or scale alone.

Knows nothing about layers.
"""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb.checks import expect
from axon_nb.errors import ShapeError
from axon_nb.functional.axes import along
from axon_nb.functional.window import apart


def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply the last axis by a kernel and add a bias.

    Shapes:
        x (batch, ..., in), kernel (in, units), bias (units,) -> (batch, ..., units)

    Raises:
        ShapeError: the last axis of ``x`` is not as long as the kernel's first, or the kernel has more or fewer axes.

    Example:
        >>> x, kernel = Tensor([[1.0, 2.0]]), Tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 2.0]])
        >>> dense(x, kernel).tolist()
        [[1.0, 2.0, 6.0]]
    """
    expect(x, least=2)
    _expect_kernel(kernel, "(in, units)")
    if x.shape[-1] != kernel.shape[0]:
        problem = f"the last axis is {x.shape[-1]} and the kernel takes {kernel.shape[0]}"
        raise ShapeError(problem)
    out = x.matmul(kernel)
    # The gradient goes three ways: to the kernel, the bias and x. Not apart, an activation's would be computed thrice.
    return apart(out if bias is None else out + bias)


def bilinear(x1: Tensor, x2: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply two inputs by a kernel, one from either side: for each unit x1 * kernel * x2, then add a bias.

    Shapes:
        x1 (batch, ..., in1), x2 (batch, ..., in2), kernel (units, in1, in2), bias (units,) -> (batch, ..., units)

    Raises:
        ShapeError: the inputs differ in more than the last axis, or the kernel does not fit them.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Bilinear.html

    Example:
        >>> x1, x2, kernel = Tensor([[1.0, 2.0]]), Tensor([[3.0]]), Tensor([[[1.0], [1.0]]])
        >>> bilinear(x1, x2, kernel).tolist()
        [[9.0]]
    """
    expect(x1, least=2)
    expect(x2, least=2)
    if x1.shape[:-1] != x2.shape[:-1]:
        problem = "the inputs may differ on the last axis only"
        raise ShapeError(problem, got=f"{x1.shape} and {x2.shape}", fix="flatten() both first")
    _expect_kernel(kernel, "(units, in1, in2)")
    units, in1, in2 = kernel.shape
    if (x1.shape[-1], x2.shape[-1]) != (in1, in2):
        problem = f"the last axes are {x1.shape[-1]} and {x2.shape[-1]}, and the kernel takes {in1} and {in2}"
        raise ShapeError(problem)
    from_left = x1.matmul(kernel.permute(1, 0, 2).reshape(in1, units * in2))
    out = (from_left.reshape(*x1.shape[:-1], units, in2) * x2.unsqueeze(-2)).sum(-1)
    return out if bias is None else out + bias


def bias(x: Tensor, bias: Tensor, axis: int = -1) -> Tensor:
    """Add a bias to every cell of an axis.

    Shapes:
        x (batch, ..., features), bias (features,) -> the same as x

    Raises:
        ShapeError: the bias is not as long as the axis.

    Example:
        >>> bias(Tensor([[1.0, 2.0]]), Tensor([10.0, 20.0])).tolist()
        [[11.0, 22.0]]
    """
    return x + along(bias, x, axis)


def scale(x: Tensor, scale: Tensor, axis: int = -1) -> Tensor:
    """Multiply every cell of an axis by a scale.

    Shapes:
        x (batch, ..., features), scale (features,) -> the same as x

    Raises:
        ShapeError: the scale is not as long as the axis.

    Example:
        >>> scale(Tensor([[1.0, 2.0]]), Tensor([10.0, 20.0])).tolist()
        [[10.0, 40.0]]
    """
    return x * along(scale, x, axis)


def embedding(x: Tensor, kernel: Tensor) -> Tensor:
    """Look up a row of a kernel for each whole number.

    Shapes:
        x (batch, ...) of whole numbers in [0, vocab), kernel (vocab, units) -> (batch, ..., units).
        A number out of range gives zeros.

    Raises:
        ShapeError: ``x`` does not hold whole numbers, or the kernel has more or fewer axes.

    Example:
        >>> embedding(Tensor([[1, 0]]), Tensor([[0.0, 1.0], [2.0, 3.0]])).tolist()
        [[[2.0, 3.0], [0.0, 1.0]]]
    """
    expect(x, dtype="int", fix="give the input whole numbers: input(..., dtype='int32')")
    _expect_kernel(kernel, "(vocab, units)")
    # A product with one-hot rows would count as multiply-adds and lose exactness in half precision: select and sum.
    rows = Tensor.arange(kernel.shape[0], dtype=x.dtype) == x.unsqueeze(-1)
    return rows.unsqueeze(-1).where(kernel, 0).sum(-2)


def _expect_kernel(kernel: Tensor, axes: str) -> None:
    if len(kernel.shape) != len(axes.split(",")):
        problem = f"the kernel must be {axes}, and has the shape {kernel.shape}"
        raise ShapeError(problem)
