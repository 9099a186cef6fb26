"""Owns gradients that are added up over several batches before the weights change.

Knows nothing about losses or optimizers.
"""

from __future__ import annotations

from tinygrad import Tensor


class Pile:
    """Gradients of several batches, added up until the weights change."""

    def __init__(self, weights: list[Tensor], device: str) -> None:
        self.gradients = [Tensor.zeros(w.shape, dtype=w.dtype, device=device) for w in weights]
        self.weight = Tensor.zeros(1, device=device)

    @property
    def tensors(self) -> list[Tensor]:
        """All of it, as tensors that a recording changes."""
        return [*self.gradients, self.weight]

    def add(self, gradients: list[Tensor], weight: Tensor) -> list[Tensor]:
        """Add the gradients of a sum of losses, and the weight of that sum."""
        pairs = zip(self.tensors, [*gradients, weight.reshape(1)], strict=True)
        return [old.assign(old + new.detach()) for old, new in pairs]

    def mean(self) -> list[Tensor]:
        """Return the gradients of the mean loss: those of one batch as large as all that were added."""
        return [gradient / or_one(self.weight).cast(gradient.dtype) for gradient in self.gradients]

    def clear(self) -> list[Tensor]:
        """Begin anew."""
        return [tensor.assign(Tensor.zeros_like(tensor)) for tensor in self.tensors]


def or_one(weight: Tensor) -> Tensor:
    """Replace a weight of 0 by 1: the mean of nothing is 0.

    Example:
        >>> or_one(Tensor([0.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    return (weight == 0).where(1, weight)
