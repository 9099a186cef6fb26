"""Owns what a layer function is handed to declare parameters, state and randomness, and to ask for the mode.

Knows nothing about models or about how tensors are computed: the tracer and the runner each bring a Scope of theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from axon_nb.checks import expect


class Scope(ABC):
    """The first argument of a layer that has parameters, state, randomness or a mode.

    Example:
        >>> from axon_nb import Tensor, layer
        >>> @layer
        ... def scaled(scope, x: Tensor, start: float = 1.0):
        ...     return x * scope.param("scale", (x.shape[-1],), start)
        >>> scaled(2.0)
        scaled(2.0)
    """

    def __init__(self, *, training: bool) -> None:
        self.training = training
        """Whether the model is being trained: dropout drops, batch norm looks at the batch."""

    @abstractmethod
    def param(
        self, name: str, shape: Sequence[int], initializer: Any = "glorot_uniform", dtype: str = "float32"
    ) -> Any:
        """Declare a trainable parameter and get its tensor."""

    @abstractmethod
    def state(self, name: str, shape: Sequence[int], initializer: Any = "zeros", dtype: str = "float32") -> Any:
        """Declare a value that is not trained but changes while training (a running mean), and get its tensor."""

    @abstractmethod
    def update(self, name: str, value: Any) -> None:
        """Give a state its next value. It takes effect after the step, and only in training."""

    @abstractmethod
    def random(self, shape: Sequence[int]) -> Any:
        """Draw numbers in [0, 1) from this layer's own stream; each call in a step draws others."""

    def expect(
        self, x: Any, *, rank: int | tuple[int, ...] | None = None, least: int | None = None, dtype: str | None = None,
        fix: str | Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Check the rank or dtype of a tensor; the error names this layer. See :func:`axon_nb.checks.expect`."""
        expect(x, rank=rank, least=least, dtype=dtype, fix=fix)
