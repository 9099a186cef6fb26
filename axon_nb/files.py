"""Owns files: tensors with JSON beside them in one safetensors file, written whole or not at all, read without trust.

Knows nothing about models, parameters or training: what the JSON says is the caller's.

To store a thing with tensors of its own (a checkpoint's moments, its epoch):

    write_file(path, {"adam.m.dense_0.kernel": tensor}, {"kind": "checkpoint", "epoch": 3})
    stored = read_file(path)
    stored.content["epoch"], stored.tensor("adam.m.dense_0.kernel")

Names of tensors are any text, of which each is used once. The content is a dict of JSON values. Any safetensors reader
opens the file; the content stands in its metadata under ``axon_nb``, with a checksum over content and tensors.
The format (https://github.com/huggingface/safetensors#format) is written here and not by the ``safetensors`` package:
that one's NumPy part has no bfloat16, its order of entries is another at each run, and its way for raw bytes changes
between releases.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.engine import RUNTIME, from_bytes, to_bytes
from axon_nb.errors import FileError, brief, unknown

VERSION = 1
_KEY = "axon_nb"
_MOST_HEADER = 100_000_000  # as the safetensors package has it
_DEEPEST = 200
_TAGS = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "fp8e4m3": "F8_E4M3",
    "fp8e5m2": "F8_E5M2", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint64": "U64",
    "uint32": "U32", "uint16": "U16", "uint8": "U8", "bool": "BOOL",
}  # fmt: skip
_DTYPES = {tag: dtype for dtype, tag in _TAGS.items()}
_BYTES = {tag: 1 if tag == "BOOL" or "F8" in tag else int("".join(filter(str.isdigit, tag))) // 8 for tag in _DTYPES}


@dataclass(frozen=True)
class _Entry:
    dtype: str
    shape: tuple[int, ...]
    data: memoryview = field(repr=False)


@dataclass(frozen=True)
class Stored:
    """What was read from a file, checked: its JSON, and its tensors, each made when it is asked for."""

    path: Path
    content: dict[str, Any]
    entries: Mapping[str, _Entry] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors."""
        return tuple(self.entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self._entry(name).shape

    def dtype(self, name: str) -> str:
        """Kind of numbers of a tensor: ``float32``, ``bfloat16`` ..."""
        return self._entry(name).dtype

    def tensor(self, name: str, device: str | None = None) -> Tensor:
        """Put a tensor on a device: the default one, or the one named.

        Raises:
            FileError: the file has no tensor of this name.
        """
        entry = self._entry(name)
        return from_bytes(entry.data, entry.dtype, entry.shape, device)

    def _entry(self, name: str) -> _Entry:
        if name not in self.entries:
            raise unknown("tensor", name, self.entries, error=FileError).at(str(self.path))
        return self.entries[name]


def write_file(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> Path:
    """Write tensors and JSON into one safetensors file: the same bytes for the same things.

    The file appears whole under its name or not at all: what stood there before stays until the new one is complete.

    Args:
        path: where; the folder must exist.
        tensors: by name, of any kind of numbers, on any device.
        content: JSON values by name, kept with the tensors.

    Raises:
        FileError: it cannot be written there, or a value is none of JSON's.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = write_file(f"{folder.name}/a.safetensors", {"weights": Tensor([1.0, 2.0])}, {"epoch": 3})
        >>> stored = read_file(path)
        >>> stored.content, stored.tensor("weights").tolist()
        ({'epoch': 3}, [1.0, 2.0])
        >>> folder.cleanup()
    """
    target = _as_path(path)
    entries = _entries_of(tensors, target)
    header = _header(entries, _as_json(dict(content), target))
    _replace(target, [struct.pack("<Q", len(header)), header, *(entry.data for entry in entries.values())])
    return target


def _entries_of(tensors: Mapping[str, Tensor], target: Path) -> dict[str, _Entry]:
    entries: dict[str, _Entry] = {}
    with RUNTIME:
        for name, tensor in tensors.items():
            dtype = dtype_name(tensor.dtype)
            if dtype not in _TAGS or name == "__metadata__":
                problem = f"tensor {name!r} cannot be stored"
                raise FileError(problem, where=str(target), got=dtype, fix=f"kinds of numbers are {', '.join(_TAGS)}")
            entries[str(name)] = _Entry(dtype, tuple(int(size) for size in tensor.shape), to_bytes(tensor))
    # Larger numbers first, so that each tensor begins at a multiple of its size.
    return dict(sorted(entries.items(), key=lambda item: (-_BYTES[_TAGS[item[1].dtype]], item[0])))


def _as_json(content: Any, target: Path) -> str:
    try:
        return json.dumps(content, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"what is to be stored is no JSON: {error}"
        raise FileError(problem, where=str(target), fix="numbers that are finite, text, lists and dicts") from None


def _header(entries: Mapping[str, _Entry], content: str) -> bytes:
    described: dict[str, Any] = {}
    end = 0
    for name, entry in entries.items():
        start, end = end, end + len(entry.data)
        described[name] = {"dtype": _TAGS[entry.dtype], "shape": entry.shape, "data_offsets": (start, end)}
    ours = f'{{"version":{VERSION},"checksum":"{_checksum(entries, content)}","content":{content}}}'
    text = json.dumps({"__metadata__": {_KEY: ours}, **described}, separators=(",", ":"))
    data = text.encode()
    return data + b" " * (-len(data) % 8)


def _checksum(entries: Mapping[str, _Entry], content: str) -> str:
    total = hashlib.sha256(content.encode())
    for name, entry in sorted(entries.items()):
        total.update(repr((name, entry.dtype, entry.shape)).encode("utf-8", "backslashreplace"))
        total.update(entry.data)
    return total.hexdigest()


def _as_path(path: Any) -> Path:
    try:
        return Path(os.path.realpath(path))  # through a link, so that the file is replaced and not the link
    except (TypeError, ValueError):
        problem = "a file is named by text or a Path"
        raise FileError(problem, got=brief(path)) from None


def _replace(target: Path, parts: Iterable[bytes | memoryview]) -> None:
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            with beside.open("wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        problem = f"cannot be written: {error.strerror or error}"
        fix = f"make the folder {target.parent} first" if not target.parent.is_dir() else ()
        raise FileError(problem, where=str(target), fix=fix) from error


def write_bytes(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file, whole or not at all.

    Raises:
        FileError: it cannot be written there.
    """
    target = _as_path(path)
    _replace(target, [content])
    return target


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file, whole or not at all.

    Raises:
        FileError: it cannot be written there.
    """
    target = _as_path(path)
    _replace(target, [text.encode()])
    return target


def read_file(path: str | os.PathLike[str]) -> Stored:
    """Read a file that ``write_file`` wrote, and check all of it; nothing in it is run.

    Raises:
        FileError: there is no such file, or it is cut off, damaged, of a newer version, or not one of ours.
    """
    target = _as_path(path)
    entries, metadata = _read(target)
    if _KEY not in metadata:
        problem = "this safetensors file was not written by axon_nb"
        raise FileError(problem, where=str(target), fix="read it with the library that wrote it")
    stored = load_json(metadata[_KEY], str(target))
    if not isinstance(stored, dict) or not isinstance(stored.get("content"), dict):
        raise _damaged(target, "its metadata is not as axon_nb writes it")
    if stored.get("version") != VERSION:
        problem = f"the file has version {brief(stored.get('version'))}, and this axon_nb reads version {VERSION}"
        raise FileError(problem, where=str(target), fix="load it with the axon_nb that wrote it, or a newer one")
    if stored.get("checksum") != _checksum(entries, _as_json(stored["content"], target)):
        raise _damaged(target, "its checksum is wrong")
    return Stored(target, stored["content"], entries)


def load_json(text: str | bytes, place: str) -> Any:
    """Read JSON that may be anything, and say so with our own error.

    Raises:
        FileError: it is no JSON, or nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else f"no JSON: {error}"
        problem = f"this is {problem}"
        raise FileError(problem, where=place) from None
    layer: list[Any] = [value]
    for _ in range(_DEEPEST):
        layer = [inner for one in layer if isinstance(one, dict | list) for inner in _inside(one)]
        if not layer:
            return value
    problem = "this is nested too deeply"
    raise FileError(problem, where=place, got=f"more than {_DEEPEST} levels")


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _no_constant(text: str) -> None:
    problem = f"{text} is no number of JSON's"
    raise ValueError(problem)


def _damaged(target: Path, why: str) -> FileError:
    problem = f"the file is damaged: {why}"
    return FileError(problem, where=str(target), fix="copy it again, or save it again")


def _read(target: Path) -> tuple[dict[str, _Entry], dict[str, str]]:
    try:
        data = memoryview(target.read_bytes())
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise FileError(problem, where=str(target)) from error
    size = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    if not 2 <= size <= _MOST_HEADER or data[8:9].tobytes() != b"{":
        problem = "this is no safetensors file"
        raise FileError(problem, where=str(target), fix="ax.load reads what save wrote")
    if 8 + size > len(data):
        raise _damaged(target, "it is cut off")
    try:
        text = str(data[8 : 8 + size], "utf-8")
    except UnicodeDecodeError:
        raise _damaged(target, "its header is no text") from None
    header = load_json(text, str(target))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(target, "its metadata is not text by name")
    return _read_entries(header, data[8 + size :], target), metadata


def _read_entries(header: Mapping[str, Any], data: memoryview, target: Path) -> dict[str, _Entry]:
    entries = {name: _read_entry(name, told, data, target) for name, told in header.items()}
    places = sorted(tuple(told["data_offsets"]) for told in header.values())
    ends = [0, *(end for _, end in places)]
    if any(start != end for (start, _), end in zip(places, ends, strict=False)) or ends[-1] != len(data):
        raise _damaged(target, "it is cut off, or its tensors do not fill it")
    return entries


def _read_entry(name: str, told: Any, data: memoryview, target: Path) -> _Entry:
    match told:
        case {"dtype": str(tag), "shape": list(shape), "data_offsets": [int(start), int(end)]} if (
            tag in _DTYPES
            and all(type(size) is int and size >= 0 for size in shape)
            and 0 <= start <= end <= len(data)
            and end - start == math.prod(shape) * _BYTES[tag]
        ):
            return _Entry(_DTYPES[tag], tuple(shape), data[start:end])
    why = f"tensor {name!r} is described as {brief(told)}"
    if isinstance(told, dict) and isinstance(told.get("dtype"), str) and told["dtype"] not in _DTYPES:
        why = f"tensor {name!r} has numbers of an unknown kind, {told['dtype']!r}"
    raise _damaged(target, f"it is cut off, or {why}")
