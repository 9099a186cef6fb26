"""Owns the table from layers to ONNX: what each layer is called with, and the helpers its entry is written with.

A layer's entry stands in the ``emit_*`` module of its family; a layer without one goes through ``uops``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from axon_nb.interop.optional import InteropError
from axon_nb.interop.writer import Value, Writer, kind_of
from axon_nb.lazy import numpy as np

Emit = Callable[..., Any]

TABLE: dict[str, Emit] = {}
"""The entry of each layer, by the layer's name."""

RAW: set[str] = set()
"""Layers whose entries take their inputs in whatever kind of numbers they come."""


def emits(*names: str, raw: bool = False) -> Callable[[Emit], Emit]:
    """Put a function into the table. It takes an :class:`At` and the inputs, and returns the name of the result."""

    def put(function: Emit) -> Emit:
        for name in names:
            TABLE[name] = function
            if raw:
                RAW.add(name)
        return function

    return put


@dataclass
class At:
    """Where an entry writes: the layer's name, options and weights, and the graph."""

    writer: Writer
    name: str
    options: dict[str, Any]
    params: dict[str, Any]
    """Weights as arrays, by their name in the layer."""
    shape: Any
    """The shape of the result, or of each where there are several."""
    dtype: str
    """The kind of numbers that is worked in."""
    owner: str
    """The name that the weights stand under: another use of the same layer shares them."""
    function: Callable[..., Any] | None = None
    """Writes any function of tensors: set by ``export``."""
    within: Callable[..., Any] | None = None
    """Writes a model that is a part of the layer: set by ``export``."""
    extra: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Write a node."""
        return self.writer.op(kind, *inputs, outputs=outputs, name=self.name, **attributes)

    def weight(self, name: str, tag: str = "", change: Callable[[Any], Any] | None = None) -> str:
        """Return the name of a weight, changed first where ONNX wants it otherwise (``tag`` says how)."""
        values = self.params[name] if change is None else change(self.params[name])
        return self.writer.weight(f"{self.owner}.{name}", tag, values, self.dtype)

    def made(self, name: str, values: Any) -> str:
        """Return the name of a weight that is made of several: written once for all uses of the layer."""
        return self.writer.weight(f"{self.owner}.{name}", "", values, self.dtype)

    def numbers(self, values: Any, dtype: str | None = None) -> str:
        """Return the name of a constant."""
        return self.writer.constant(values, dtype or self.dtype, f"{self.name}/constant")

    def ints(self, *values: int) -> str:
        """Return the name of a constant row of whole numbers."""
        return self.writer.ints(*values)

    def cast(self, x: str, dtype: str) -> str:
        """Write a change of the kind of numbers."""
        return str(self.op("Cast", x, to=kind_of(dtype)))

    def meet(self, x: Value) -> Value:
        """Bring an input to the kind of numbers that is worked in."""
        return x if x.dtype == self.dtype else Value.of(self.cast(x, self.dtype), x.shape, self.dtype)

    def transpose(self, x: str, order: Sequence[int]) -> str:
        """Write another order of axes, if it is another."""
        return x if list(order) == sorted(order) else str(self.op("Transpose", x, perm=list(order)))

    def first(self, x: str, rank: int) -> str:
        """Move the channels right after the batch, where they are last."""
        return self.transpose(x, (0, rank - 1, *range(1, rank - 1))) if self.last else x

    def back(self, x: str, rank: int) -> str:
        """Move the channels back to where they were."""
        return self.transpose(x, (0, *range(2, rank), 1)) if self.last else x

    @property
    def last(self) -> bool:
        """Whether channels are last."""
        return self.options.get("channels") == "last"

    def spatial(self, x: Value) -> tuple[Any, ...]:
        """List the sizes of the spatial axes."""
        return x.shape[1:-1] if self.last else x.shape[2:]

    def size(self, x: str, axis: int) -> str:
        """Write a look at the size of an axis: a row of one number."""
        return str(self.op("Shape", x, start=axis, end=axis + 1))

    def per_axis(self, option: str, count: int) -> list[int]:
        """Write an option for each spatial axis."""
        value = self.options[option]
        return [value] * count if isinstance(value, int) else list(value)

    def activate(self, x: str, option: str = "activation", shape: Any = None) -> str:
        """Write the activation that an option names."""
        return self.apply(x, self.options.get(option), shape)

    def apply(self, x: str, function: Any, shape: Any = None) -> str:
        """Write an activation: a name, a layer without weights, or any function."""
        if function is None or function == "linear":
            return x
        name, options = (function, {}) if isinstance(function, str) else _as_layer(function)
        if name in TABLE:
            defaults = _defaults(name)
            value = Value.of(x, self.shape if shape is None else shape, self.dtype)
            return str(TABLE[name](replace(self, options={**defaults, **options}), value))
        if self.function is None:
            problem = "its activation is a function that is only known to Python"
            raise self.refuse(problem)
        return str(self.function(function, x))

    def refuse(self, why: str, fix: Any = ()) -> InteropError:
        """Make the error that names the layer."""
        return InteropError(why, where=self.name, fix=fix)


def _as_layer(function: Any) -> tuple[str, dict[str, Any]]:
    declaration = getattr(function, "declaration", None)
    if declaration is None:
        return "", {}
    return declaration.name, dict(getattr(function, "options", {}))


def _defaults(name: str) -> dict[str, Any]:
    from axon_nb.layer import registry

    return {option.name: option.default for option in registry[name].declaration.options}  # type: ignore[attr-defined]


__all__ = ["RAW", "TABLE", "At", "Value", "emits", "np"]
