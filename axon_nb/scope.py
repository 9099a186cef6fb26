"""Owns what a layer function is handed to declare parameters, state and randomness, and to ask for the mode.

Knows nothing about models or about how tensors are computed: the tracer and the runner each bring a Scope of theirs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
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
        self._running: _Running | None = None

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

    def knows(self, axis: int, place: int = 0) -> bool:
        """Whether the size of an axis of an input is the data's, and not one tried because it is not known yet."""
        return True

    @abstractmethod
    def inside(self, name: str) -> Scope:
        """Return a scope for a part of the layer: its parameters stand under that name."""

    def apply(self, layer: Any, *inputs: Any) -> Any:
        """Run another layer, layers joined, or a model, as a part of this one; its parameters stand under its name.

        The same layer object, applied again, has the same parameters.

        Example:
            >>> from axon_nb import dense, input, layer
            >>> @layer
            ... def gated(scope, x, units: int):
            ...     return scope.apply(dense(units), x) * scope.apply(dense(units, "sigmoid"), x)
            >>> list((input((None, 3)) | gated(4)).params)
            ['gated_0.dense_0.kernel', 'gated_0.dense_0.bias', 'gated_0.dense_1.kernel', 'gated_0.dense_1.bias']
        """
        for attribute in ("__axon_layer__", "__axon_part__"):
            if hasattr(layer, attribute):
                layer = getattr(layer, attribute)()
                break
        if self._running is None:
            self._running = _Running(self)
        return layer.build(self._running, *inputs) if hasattr(layer, "build") else layer(*inputs)

    @abstractmethod
    def random(self, shape: Sequence[int]) -> Any:
        """Draw numbers in [0, 1) from this layer's own stream; each call in a step draws others."""

    @abstractmethod
    def normal(self, shape: Sequence[int]) -> Any:
        """Draw numbers from the normal distribution (mean 0, variance 1), of the same stream."""

    def expect(
        self, x: Any, *, rank: int | tuple[int, ...] | None = None, least: int | None = None, dtype: str | None = None,
        fix: str | Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Check the rank or dtype of a tensor; the error names this layer. See :func:`axon_nb.checks.expect`."""
        expect(x, rank=rank, least=least, dtype=dtype, fix=fix)


class _Running:
    """The wiring by which layers are run at once, inside another layer."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.scopes: dict[Any, Scope] = {}
        self.blocks: dict[str, _Running] = {}
        self.counts: Counter[str] = Counter()

    def apply(self, op: Any, inputs: tuple[Any, ...]) -> Any:
        """Run one layer."""
        return op.run(self.scope_of(op), inputs)

    def scope_of(self, op: Any) -> Any:
        """Return the scope of one layer, which is named when it is first met."""
        known = op.declaration
        if op not in self.scopes:
            name = op.name or f"{known.name}_{self.counts[known.name]}"
            self.counts[known.name] += not op.name
            self.scopes[op] = self.scope.inside(name)
        return self.scopes[op]

    def inside(self, name: str) -> _Running:
        """Return the wiring of a block with a name."""
        if name not in self.blocks:
            self.blocks[name] = _Running(self.scope.inside(name))
        return self.blocks[name]
