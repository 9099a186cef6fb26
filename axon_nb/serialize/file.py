"""Owns a model with its weights in one file: the graph's JSON beside the tensors.

Knows nothing about training: what it leaves (a history) is kept as it is given.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axon_nb.errors import AxonError, FileError, ParamsError, brief
from axon_nb.files import Stored, read_file, write_file
from axon_nb.graph import Model
from axon_nb.lazy import numpy as np
from axon_nb.params import Params, check_fits, pack, unpack
from axon_nb.serialize.reader import from_data
from axon_nb.serialize.writer import as_data
from axon_nb.trace import trace

FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Saved:
    """What a file of ``write_model`` holds."""

    model: Model
    params: Params
    more: dict[str, Any]


def write_model(path: FilePath, model: Model, params: Params, more: Mapping[str, Any] | None = None) -> Path:
    """Write a model and its weights into one safetensors file, whole or not at all.

    Args:
        path: where.
        model: its graph is written as ``to_json`` does; of a layer of your own a warning says what loading needs.
        params: its weights, state and what is frozen.
        more: further values by name: numbers, text, arrays, lists and dicts of them.

    Raises:
        FileError: it cannot be written there.
        ParamsError: the params are not the model's.
    """
    if not isinstance(model, Model) or not isinstance(params, Params):
        problem = "what is saved is a model with its params"
        got = f"{brief(model)} and {brief(params)}"
        raise ParamsError(problem, got=got, fix="ax.save(path, model, params), or trained.save(path)")
    _check(model, params)
    tensors, leaves = pack(params)
    content = {"kind": "model", "model": as_data(model), "leaves": leaves, "more": _told(dict(more or {}))}
    return write_file(path, tensors, content)


def read_model(path: FilePath, *, custom: Mapping[str, Any] | None = None, device: str | None = None) -> Saved:
    """Read what ``write_model`` wrote; nothing in the file is run.

    Args:
        path: where.
        custom: layers, hooks and functions of your own by the names under which the file needs them; ``None`` for a
            hook leaves it out.
        device: where the weights go.

    Raises:
        FileError: there is no such file, it is damaged, or holds no model.
        AxonError: a layer must be brought, or the weights do not fit the model.
    """
    stored = read_file(path)
    place = str(stored.path)
    if "model" not in stored.content:
        problem = "this file holds no model"
        fix = "Params.load(path) reads weights alone" if "leaves" in stored.content else ()
        raise FileError(problem, where=place, fix=fix)
    model = from_data(stored.content["model"], custom=custom, place=place)
    params = unpack(stored, stored.content.get("leaves"), device)
    try:
        _check(model, params)
    except AxonError as error:
        raise error.at(place) from None
    return Saved(model, params, _more(stored))


def _check(model: Model, params: Params) -> None:
    """Check that weights are the model's, as far as its shapes are known."""
    traced = trace(model).check()
    if any(traced.nodes[node].shape is None for node in model.inputs):
        return
    expected = {path: (spec.shape, spec.dtype) for path, spec in traced.params().items()}
    check_fits(params, expected)
    others = [".".join(path) for path in params.leaves if path not in expected]
    if others:
        problem = "these parameters do not belong to this model"
        raise ParamsError(problem, got=f"not the model's: {', '.join(others[:5])}")


def _told(value: Any) -> Any:
    """Write numbers, arrays, lists and dicts as JSON."""
    if isinstance(value, dict):
        return {"dict": {str(name): _told(one) for name, one in value.items()}}
    if isinstance(value, list | tuple):
        return [_told(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {"array": {"dtype": value.dtype.str, "shape": list(value.shape), "base64": data}}
    if isinstance(value, float) and value - value != 0:  # infinite, or no number
        return {"float": str(value)}
    return value


def _more(stored: Stored) -> dict[str, Any]:
    try:
        found = _value(stored.content.get("more", {"dict": {}}))
    except (TypeError, ValueError, KeyError, AttributeError):
        found = None
    if not isinstance(found, dict):
        problem = "what the file tells beside the model cannot be read"
        raise FileError(problem, where=str(stored.path), got=brief(stored.content["more"]))
    return found


def _value(told: Any) -> Any:
    match told:
        case list():
            return [_value(one) for one in told]
        case {"dict": dict(inner)}:
            return {name: _value(one) for name, one in inner.items()}
        case {"float": str(text)}:
            return float(text)
        case {"array": {"dtype": str(dtype), "shape": list(shape), "base64": str(text)}} if dtype[1:2] in "biuf":
            return np.frombuffer(base64.b64decode(text, validate=True), np.dtype(dtype)).reshape(shape).copy()
        case dict():
            raise ValueError
    return told
