"""Owns the values of options as JSON.

Knows nothing about graphs. Numbers, text, tuples, initializers and layers are data; a function is not: it is told by
name, and whoever loads brings it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.declaration import Declaration, name_of
from axon_nb.engine import from_bytes, to_bytes
from axon_nb.errors import AxonError, FileError, brief
from axon_nb.functional.initializers import Initializer
from axon_nb.graph import DTYPES, Model, Part
from axon_nb.layer import Chain, Layer, LayerType, Op, declared, registry
from axon_nb.options import initializers
from axon_nb.policies import Policy


class Teller(Protocol):
    """Tells what a value by itself cannot."""

    def function(self, place: str, name: str) -> str:
        """Note a function, which is no data; return what it is to be asked for as."""

    def model(self, model: Model, place: str) -> Any:
        """Write a model that stands in an option."""


MARKS = ("float", "bytes", "set", "tensor", "initializer", "layer", "layer_type", "chain", "model", "custom", "mapping")
"""The only keys of a JSON object that stands for a value."""


def is_built_in(declaration: Declaration) -> bool:
    """Whether a layer comes with axon_nb, so that its name is enough to find it."""
    known = declared(declaration.name)
    return known is not None and known.function is declaration.function


def encode(value: Any, place: str, teller: Teller) -> Any:
    """Write the value of an option as JSON.

    Args:
        value: the value.
        place: where it stands: ``"dense_0.activation"``.
        teller: is told of functions, and writes models.

    Example:
        >>> from axon_nb.serialize.writer import Needs
        >>> encode((3, None, 0.5, "relu"), "", Needs())
        [3, None, 0.5, 'relu']
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is tuple:
        return [encode(one, f"{place}[{i}]", teller) for i, one in enumerate(value)]
    if isinstance(value, bytes):
        return {"bytes": _base64(value)}
    if isinstance(value, frozenset):
        return {"set": sorted((encode(one, place, teller) for one in value), key=repr)}
    if isinstance(value, Tensor):
        told = {"dtype": dtype_name(value.dtype), "shape": [int(size) for size in value.shape]}
        return {"tensor": {**told, "base64": _base64(to_bytes(value))}}
    if isinstance(value, Initializer) and is_known(value):
        options = {name: encode(one, f"{place}.{name}", teller) for name, one in value.options}
        return {"initializer": value.name, "options": options}
    return _encode_layer(value, place, teller)


def _encode_layer(value: Any, place: str, teller: Teller) -> Any:
    if isinstance(value, LayerType) and is_built_in(value.declaration):
        return {"layer_type": value.declaration.name}
    if isinstance(value, Op) and is_built_in(value.declaration):
        options = {name: encode(one, f"{place}.{name}", teller) for name, one in value.options.items()}
        return {"layer": value.declaration.name, "options": options, **_named(value)}
    if isinstance(value, Chain):
        layers = [_encode_layer(one, f"{place}[{i}]", teller) for i, one in enumerate(value.layers)]
        return {"chain": layers, **_named(value)}
    if isinstance(value, Part):
        return {"model": teller.model(value.model, place)}
    return {"custom": teller.function(place, name_of(value))}


def _named(layer: Layer) -> dict[str, Any]:
    policy = {"policy": asdict(layer.policy)} if isinstance(layer, Op) and layer.policy is not None else {}
    return ({"name": layer.name} if layer.name else {}) | policy


def is_known(value: Initializer) -> bool:
    """Whether an initializer comes from a maker in the registry."""
    maker = initializers.get(value.name)
    return getattr(maker, "__wrapped__", None) is value.draw


def _base64(data: bytes | memoryview) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Decoder:
    """Reads values that ``encode`` wrote, or that anyone else did; runs nothing.

    ``custom`` finds what was brought for a place or a name, ``model`` reads a model at a place.
    """

    custom: Callable[[str], Any]
    model: Callable[[Mapping[str, Any], str], Model]

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
            case {"model": dict(inner)}:
                return Part(self.model(inner, place))
            case {"layer": str(name), "options": dict(options)}:
                declaration = declared(name) or self._layer_type(name).declaration
                made = Op(declaration, declaration.bind((), self._options(options, place)), told.get("name"))
                made.policy = read_policy(told.get("policy"))
                return made
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


def read_policy(told: Any) -> Policy | None:
    """Read the policy of a layer.

    Raises:
        AxonError: it is none.
    """
    if told is None:
        return None
    if not isinstance(told, dict) or not set(told) <= {"params", "compute", "output"}:
        problem = '"policy" has a kind of numbers for "params", "compute" and "output"'
        raise FileError(problem, got=brief(told))
    return Policy(**told)


def _need_layer(value: Any) -> Layer:
    if not isinstance(value, Layer):
        raise TypeError
    return value


def _unreadable(told: Any, place: str) -> FileError:
    problem = "this is no value of an option"
    return FileError(problem, where=place, got=brief(told))
