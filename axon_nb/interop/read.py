"""Owns reading of ONNX files that may be anything: what is loaded, from where, and what is refused.

Nothing in a file is run. Data beside the file is read only from its own folder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axon_nb.errors import brief
from axon_nb.interop.optional import InteropError, need
from axon_nb.lazy import numpy as np

_MOST_BYTES = 2**34
_FIELDS = {
    1: ("float_data", 4), 2: ("int32_data", 4), 3: ("int32_data", 4), 4: ("int32_data", 4), 5: ("int32_data", 4),
    6: ("int32_data", 4), 7: ("int64_data", 8), 9: ("int32_data", 4), 10: ("int32_data", 4), 11: ("double_data", 8),
    12: ("uint64_data", 8), 13: ("uint64_data", 8), 16: ("int32_data", 4),
}  # fmt: skip
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip

_NARROW = {
    17: "float32", 18: "float32", 19: "float32", 20: "float32", 21: "uint8", 22: "int8", 23: "float32",
    24: "float32", 25: "uint8", 26: "int8",
}  # fmt: skip
"""Kinds of 8 bits with a point, and of less than 8 bits, as what they come: each number is there in more bits."""


def is_narrow(kind: int) -> bool:
    """Whether numbers of a kind come in more bits, so that they are only read: nothing is rounded to that kind."""
    return kind in _NARROW


def dtype_of(kind: int, where: str) -> str:
    """Name a kind of numbers, or that in which numbers of few bits come.

    Raises:
        InteropError: it is none that tinygrad has.
    """
    if kind not in _DTYPES and kind not in _NARROW:
        problem = "numbers of a kind that is not supported"
        raise InteropError(problem, where=where, got=f"ONNX data type {kind}")
    return _DTYPES.get(kind) or _NARROW[kind]


def read_model(source: Any) -> tuple[Any, Path | None]:
    """Read a model from a path or from bytes, with local functions put in place.

    Raises:
        InteropError: it cannot be read, or is not ONNX.
    """
    onnx = need("onnx", "import from ONNX")
    folder = None
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    else:
        try:
            path = Path(os.fspath(source))
            data = path.read_bytes()
        except (TypeError, ValueError):
            problem = "from_onnx takes a path or bytes"
            raise InteropError(problem, got=brief(source)) from None
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}"
            raise InteropError(problem, where=str(source)) from error
        folder = path.parent
    try:
        proto = onnx.load_model_from_string(data)
        if len(proto.functions):
            proto = onnx.inliner.inline_local_functions(proto)
    except Exception as error:
        problem = "this is no ONNX file, or a damaged one"
        raise InteropError(problem, got=brief(str(error))) from error
    if not proto.graph.node and not proto.graph.output:
        problem = "this is no ONNX file, or a damaged one: it has no graph"
        raise InteropError(problem)
    _check_words(proto.graph)
    return proto, folder


def _check_words(graph: Any) -> None:
    """Check that names are text: protobuf gives those that are none as bytes.

    Raises:
        InteropError: one is none.
    """
    ends = (*graph.input, *graph.output)
    words = [graph.name, *(one.name for one in (*ends, *graph.initializer))]
    words += [dim.dim_param for one in ends for dim in one.type.tensor_type.shape.dim]
    for node in graph.node:
        words += [node.name, node.op_type, node.domain, *node.input, *node.output]
        for one in node.attribute:
            words.append(one.name)
            for below in (one.g, *one.graphs):
                _check_words(below)
    damaged = next((word for word in words if not isinstance(word, str)), None)
    if damaged is not None:
        problem = "this is no ONNX file, or a damaged one: a name is no text"
        raise InteropError(problem, got=brief(damaged))


def version_of(proto: Any, domain: str = "") -> int:
    """Say which version of a set of operators a model is written in."""
    known = {one.domain or "": int(one.version) for one in proto.opset_import}
    known.setdefault("", known.get("ai.onnx", 1))
    return known.get("" if domain == "ai.onnx" else domain, 1)


def array_of(tensor: Any, folder: Path | None) -> Any:
    """Read the numbers of a tensor; bfloat16 and numbers of few bits with a point come as float32.

    Raises:
        InteropError: they are not as many as its shape says, of an unknown kind, or in a file that may not be read.
    """
    name = f"tensor {tensor.name!r}"
    dtype = dtype_of(int(tensor.data_type), name)
    shape = tuple(int(size) for size in tensor.dims)
    size = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
    if any(n < 0 for n in shape) or math.prod(shape) * size > _MOST_BYTES:
        problem = "has an impossible shape"
        raise InteropError(problem, where=name, got=brief(shape))
    if is_narrow(int(tensor.data_type)):
        return _narrow(tensor, folder, name).astype(dtype).reshape(shape)
    if tensor.data_location == 1:
        data = _external(tensor, folder, name)
        return _from_bytes(data, dtype, shape, name)
    if tensor.HasField("raw_data"):
        return _from_bytes(tensor.raw_data, dtype, shape, name)
    field, _ = _FIELDS[int(tensor.data_type)]
    numbers = np.asarray(getattr(tensor, field))
    if numbers.size != math.prod(shape):
        raise _wrong_count(name, shape, numbers.size)
    if dtype in ("float16", "bfloat16"):
        return _from_bytes(numbers.astype("uint16").tobytes(), dtype, shape, name)
    return numbers.astype(dtype).reshape(shape)


def _narrow(tensor: Any, folder: Path | None, name: str) -> Any:
    """Read numbers of few bits, of which there may be several in a byte."""
    onnx = need("onnx", "import from ONNX")
    copy = onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims)
    if tensor.data_location == 1:
        copy.raw_data = _external(tensor, folder, name)
    elif tensor.HasField("raw_data"):
        copy.raw_data = tensor.raw_data
    else:
        copy.int32_data.extend(tensor.int32_data)
    try:
        return onnx.numpy_helper.to_array(copy)
    except Exception as error:
        problem = f"its numbers are not those of the shape {tuple(tensor.dims)}"
        raise InteropError(problem, where=name) from error


def _from_bytes(data: bytes, dtype: str, shape: tuple[int, ...], name: str) -> Any:
    kind = "<u2" if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")
    if len(data) != math.prod(shape) * np.dtype(kind).itemsize:
        raise _wrong_count(name, shape, len(data) // np.dtype(kind).itemsize)
    array = np.frombuffer(data, kind).reshape(shape)
    if dtype == "bfloat16":
        return (array.astype("uint32") << 16).view("float32")
    return array.astype(dtype)


def _wrong_count(name: str, shape: tuple[int, ...], count: int) -> InteropError:
    problem = f"says that it has the shape {shape}, and has {count} numbers"
    return InteropError(problem, where=name)


def _external(tensor: Any, folder: Path | None, name: str) -> bytes:
    """Read numbers that are kept in a file of their own, which must be in the model's folder."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    if folder is None:
        problem = "its numbers are in a file of their own, and the model was given as bytes"
        raise InteropError(problem, where=name, fix="give from_onnx the path of the model")
    home = Path(os.path.realpath(folder))
    try:
        path = Path(os.path.realpath(home / location))
        offset, length = int(told.get("offset", "0")), int(told.get("length", "-1"))
    except ValueError:
        problem = "says wrongly where its numbers are"
        raise InteropError(problem, where=name, got=brief(told)) from None
    if not location or home not in path.parents:
        problem = "its numbers would be read from outside of the model's folder"
        raise InteropError(problem, where=name, got=brief(location), fix="copy the file into the folder of the model")
    try:
        size = path.stat().st_size
        length = size - offset if length < 0 else length
        if offset < 0 or offset + length > size or length > _MOST_BYTES:
            problem = f"the file {location!r} is too short for it"
            raise InteropError(problem, where=name)
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        problem = f"the file {location!r} with its numbers cannot be read: {error.strerror or error}"
        raise InteropError(problem, where=name) from error


def in_order(graph: Any, given: set[str]) -> Iterator[Any]:
    """List nodes so that each comes after what it reads.

    Raises:
        InteropError: two nodes make one name, or a node waits for what nothing makes, or for itself.
    """
    waiting: dict[str, list[int]] = {}
    missing: list[int] = []
    made: set[str] = set(given)
    for number, node in enumerate(graph.node):
        for name in node.output:
            if name and name in made:
                problem = f"the name {name!r} is given twice"
                raise InteropError(problem, where=label(node))
            made.add(name)
        needs = reads_of(node) - given
        missing.append(len(needs))
        for name in needs:
            waiting.setdefault(name, []).append(number)
    ready = [number for number, count in enumerate(missing) if not count][::-1]
    done = 0
    while ready:
        node = graph.node[ready.pop()]
        done += 1
        yield node
        free = []
        for name in dict.fromkeys(node.output):
            for number in waiting.pop(name, ()):
                missing[number] -= 1
                if not missing[number]:
                    free.append(number)
        ready += sorted(free, reverse=True)
    if done < len(graph.node):
        node = next(node for node, count in zip(graph.node, missing, strict=True) if count)
        unknown = sorted(reads_of(node) - made)
        problem = f"reads {unknown[0]!r}, which nothing makes" if unknown else "waits for its own result: a cycle"
        raise InteropError(problem, where=label(node))


def reads_of(node: Any) -> set[str]:
    """Name what a node reads: its inputs, and what graphs within it read from outside of them."""
    found = {name for name in node.input if name}
    for one in node.attribute:
        for graph in (one.g, *one.graphs):
            own = {i.name for i in (*graph.input, *graph.initializer)} | {n for i in graph.node for n in i.output}
            found |= {name for below in graph.node for name in reads_of(below)} - own
            found |= {end.name for end in graph.output} - own
    return found


def label(node: Any) -> str:
    """Name a node for messages."""
    return f"ONNX node {node.name!r} ({node.op_type})" if node.name else f"ONNX node {node.op_type}"
