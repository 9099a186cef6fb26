"""Owns the values of options as JSON, and what two values must have in common to be the same.

Knows nothing about graphs. Numbers, text, tuples, initializers and layers are data; a function is not: it is told by
name, and whoever loads brings it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.declaration import Declaration, name_of
from axon_nb.engine import from_bytes, to_bytes
from axon_nb.errors import AxonError, FileError, brief
from axon_nb.functional.initializers import Initializer
from axon_nb.graph import DTYPES
from axon_nb.layer import Chain, Layer, LayerType, Op, registry
from axon_nb.options import initializers

Custom = Callable[[str, str], str]
"""Is told of a function that is no data, with its place and its name; returns what it is to be asked for as."""

MARKS = ("float", "bytes", "set", "tensor", "initializer", "layer", "layer_type", "chain", "custom", "mapping")
"""The only keys of a JSON object that stands for a value."""


def is_built_in(declaration: Declaration) -> bool:
    """Whether a layer comes with axon_nb, so that its name is enough to find it."""
    known = registry.get(declaration.name)
    return isinstance(known, LayerType) and known.declaration.function is declaration.function


def encode(value: Any, place: str, custom: Custom) -> Any:
    """Write the value of an option as JSON.

    Args:
        value: the value.
        place: where it stands: ``"dense_0.activation"``.
        custom: is told of functions.

    Example:
        >>> encode((3, None, 0.5, "relu"), "", str)
        [3, None, 0.5, 'relu']
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is tuple:
        return [encode(one, f"{place}[{i}]", custom) for i, one in enumerate(value)]
    if isinstance(value, bytes):
        return {"bytes": _base64(value)}
    if isinstance(value, frozenset):
        return {"set": sorted((encode(one, place, custom) for one in value), key=repr)}
    if isinstance(value, Tensor):
        told = {"dtype": dtype_name(value.dtype), "shape": [int(size) for size in value.shape]}
        return {"tensor": {**told, "base64": _base64(to_bytes(value))}}
    if isinstance(value, Initializer) and is_known(value):
        options = {name: encode(one, f"{place}.{name}", custom) for name, one in value.options}
        return {"initializer": value.name, "options": options}
    return _encode_layer(value, place, custom)


def _encode_layer(value: Any, place: str, custom: Custom) -> Any:
    if isinstance(value, LayerType) and is_built_in(value.declaration):
        return {"layer_type": value.declaration.name}
    if isinstance(value, Op) and is_built_in(value.declaration):
        options = {name: encode(one, f"{place}.{name}", custom) for name, one in value.options.items()}
        return {"layer": value.declaration.name, "options": options, **_named(value)}
    if isinstance(value, Chain):
        layers = [_encode_layer(one, f"{place}[{i}]", custom) for i, one in enumerate(value.layers)]
        return {"chain": layers, **_named(value)}
    return {"custom": custom(place, name_of(value))}


def _named(layer: Layer) -> dict[str, Any]:
    return {"name": layer.name} if layer.name else {}


def is_known(value: Initializer) -> bool:
    """Whether an initializer comes from a maker in the registry."""
    maker = initializers.get(value.name)
    return getattr(maker, "__wrapped__", None) is value.draw


def _base64(data: bytes | memoryview) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Decoder:
    """Reads values that ``encode`` wrote, or that anyone else did; runs nothing.

    ``custom`` finds what was brought for a place or a name.
    """

    custom: Callable[[str], Any]

    def read(self, told: Any, place: str) -> Any:
        """Make the value that JSON tells.

        Raises:
            AxonError: it tells of none, or of a layer that does not exist.
        """
        if isinstance(told, list):
            return tuple(self.read(one, f"{place}[{i}]") for i, one in enumerate(told))
        if not isinstance(told, dict):
            return told
        try:
            return self._read_marked(told, place)
        except AxonError as error:
            raise error.at(place) from None
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, MemoryError):
            raise _unreadable(told, place) from None

    def _read_marked(self, told: Mapping[str, Any], place: str) -> Any:
        match told:
            case {"float": "inf" | "-inf" | "nan" as text}:
                return float(text)
            case {"bytes": str(text)}:
                return base64.b64decode(text, validate=True)
            case {"set": list(parts)}:
                return frozenset(self.read(one, place) for one in parts)
            case {"tensor": {"dtype": str(dtype), "shape": list(shape), "base64": str(text)}} if (
                dtype in DTYPES and all(type(size) is int and size >= 0 for size in shape)
            ):
                return from_bytes(base64.b64decode(text, validate=True), dtype, tuple(shape))
            case {"initializer": str(name), "options": dict(options)}:
                return initializers[name](**self._options(options, place))
            case {"layer_type": str(name)}:
                return self._layer_type(name)
            case {"layer": str(name), "options": dict(options)}:
                declaration = self._layer_type(name).declaration
                return Op(declaration, declaration.bind((), self._options(options, place)), told.get("name"))
            case {"chain": list(parts)}:
                return Chain(*(_need_layer(self.read(one, place)) for one in parts), name=told.get("name"))
            case {"custom": str(name)}:
                return self.custom(name)
        raise _unreadable(told, place)

    def _options(self, told: Mapping[str, Any], place: str) -> dict[str, Any]:
        return {name: self.read(one, f"{place}.{name}") for name, one in told.items()}

    def _layer_type(self, name: str) -> LayerType:
        found = registry[name]
        if not isinstance(found, LayerType):
            problem = f"{name} joins layers and is none"
            raise FileError(problem)
        return found


def _need_layer(value: Any) -> Layer:
    if not isinstance(value, Layer):
        raise TypeError
    return value


def _unreadable(told: Any, place: str) -> FileError:
    problem = "this is no value of an option"
    return FileError(problem, where=place, got=brief(told))


def same(value: Any) -> Any:
    """Return what is equal for two values exactly if they are the same: also inside, and 1, 1.0 and True are not.

    Example:
        >>> same((1, 2.0)) == same((1, 2.0)), same((1, 2.0)) == same((1, 2)), same(float("nan")) == same(float("nan"))
        (True, False, True)
    """
    if isinstance(value, tuple):
        return tuple(map(same, value))
    if isinstance(value, frozenset):
        return frozenset(map(same, value))
    if isinstance(value, float):
        return "float", repr(value)
    if isinstance(value, Tensor):
        return "tensor", dtype_name(value.dtype), tuple(value.shape), bytes(to_bytes(value))
    if isinstance(value, Op):
        options = tuple((name, same(one)) for name, one in value.options.items())
        return value.declaration.function, options, value.name
    if isinstance(value, Chain):
        return "chain", tuple(map(same, value.layers)), value.name
    if isinstance(value, LayerType):
        return "layer type", value.declaration.function
    if isinstance(value, Initializer):
        return "initializer", value.name, value.draw, tuple((name, same(one)) for name, one in value.options)
    return type(value), value
