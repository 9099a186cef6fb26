"""Declares changes of shape."""

from __future__ import annotations

from tinygrad import Tensor

from axon_nb import functional
from axon_nb.layer import layer
from axon_nb.options import SampleShape


@layer(family="shape")
def flatten(x: Tensor) -> Tensor:
    """Make one axis of all axes but the batch.

    Shapes:
        (batch, ...) -> (batch, features)

    Example:
        >>> from axon_nb import flatten, input
        >>> (input((None, 32, 13, 13)) | flatten()).output_shape
        (None, 5408)
    """
    return functional.flatten(x)


@layer(family="shape")
def reshape(x: Tensor, shape: SampleShape) -> Tensor:
    """Give every sample another shape; the batch axis is left out, and one size may be -1.

    Shapes:
        (batch, ...) -> (batch, *shape)

    Example:
        >>> from axon_nb import input, reshape
        >>> (input((None, 784)) | reshape((28, 28))).output_shape
        (None, 28, 28)
    """
    sizes = (shape,) if isinstance(shape, int) else shape
    return functional.reshape(x, sizes)  # type: ignore[arg-type]  # the option type admits whole numbers only
