"""Owns files with weights of other frameworks: safetensors, PyTorch's, Keras's and GGUF become arrays by name.

Nothing in a file is run: of a pickle only what a state dict is made of is understood, all else is refused.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from axon_nb.engine import RUNTIME
from axon_nb.errors import FileError, brief
from axon_nb.interop.optional import InteropError, need
from axon_nb.lazy import numpy as np

_MOST = 2**36
_TAGS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def read_weights(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the tensors of a file, by name, as NumPy arrays; bfloat16 comes as float32.

    The kind of file is told by its first bytes, not by its name.

    Raises:
        InteropError: it is of no kind that is known, or damaged, or holds more than tensors.
    """
    try:
        file = Path(os.fspath(path))
        with file.open("rb") as opened:
            start = opened.read(16)
    except (TypeError, ValueError):
        problem = "weights are read from a path"
        raise InteropError(problem, got=brief(path)) from None
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise InteropError(problem, where=str(path)) from error
    try:
        return _reader(file, start)(file)
    except (InteropError, FileError):
        raise
    except Exception as error:
        problem = "the file is damaged"
        raise InteropError(problem, where=str(path), got=brief(str(error) or type(error).__name__)) from error


def _reader(file: Path, start: bytes) -> Any:
    if start[:4] == b"GGUF":
        return _read_gguf
    if start[:8] == b"\x89HDF\r\n\x1a\n":
        return _read_h5
    if start[:2] == b"PK":
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        return _read_keras if "model.weights.h5" in names else _read_torch
    if start.startswith(_LEGACY):
        return _read_legacy
    if len(start) > 8 and start[8:9] == b"{":
        return _read_safetensors
    problem = "this is no file of weights that is known"
    fixes = ("safetensors, PyTorch's .pt and .pth, Keras's .weights.h5 and .keras, or GGUF",)
    raise InteropError(problem, where=str(file), fix=fixes)


def _array(data: Any, dtype: str, shape: tuple[int, ...], name: str) -> Any:
    kind = "<u2" if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")
    if any(n < 0 for n in shape) or math.prod(shape) * np.dtype(kind).itemsize != len(data):
        problem = f"tensor {name!r} says that it has the shape {shape}, and has {len(data)} bytes"
        raise InteropError(problem)
    array = np.frombuffer(data, kind).reshape(shape)
    return (array.astype("uint32") << 16).view("float32") if dtype == "bfloat16" else array.astype(dtype)


def _read_safetensors(file: Path) -> dict[str, Any]:
    from axon_nb.files import _read

    entries, _ = _read(file)
    return {name: _array(entry.data, entry.dtype, entry.shape, name) for name, entry in entries.items()}


# PyTorch


class _Storage:
    def __init__(self, dtype: str, key: str) -> None:
        self.dtype, self.key = dtype, key


_KINDS = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
    "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16", "CharStorage": "int8",
    "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip


class _Kind:
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _TensorTold:
    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


def _rebuild(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> _TensorTold:
    sizes, strides = tuple(size), tuple(stride)
    good = isinstance(storage, _Storage) and all(type(n) is int and n >= 0 for n in (offset, *sizes, *strides))
    if not good or len(sizes) != len(strides):
        problem = "a tensor is described wrongly"
        raise InteropError(problem)
    return _TensorTold(storage, offset, sizes, strides)


class _StateDict(pickle.Unpickler):
    """Reads what a state dict is made of: dicts, tensors, numbers and text. Every other name is refused."""

    _allowed = {  # noqa: RUF012 - never changed
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch._utils", "_rebuild_tensor"): _rebuild,
        ("torch._utils", "_rebuild_parameter"): lambda data, *rest: data,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._allowed:
            return self._allowed[module, name]
        if module in ("torch", "torch.storage") and name in _KINDS:
            return _Kind(_KINDS[name])
        problem = f"it holds {module}.{name}, and only tensors are read"
        fix = "save the state dict alone: torch.save(model.state_dict(), path)"
        raise InteropError(problem, fix=fix)

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", _Kind() as kind, str(key), _, int()) | (
                "storage",
                _Kind() as kind,
                str(key),
                _,
                int(),
                None,
            ):
                return _Storage(kind.dtype, key)
        problem = "a tensor is described wrongly"
        raise InteropError(problem)


def _read_torch(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        root = next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)
        if root is None or sum(one.file_size for one in archive.infolist()) > _MOST:
            problem = "this archive holds no state dict of PyTorch's"
            raise InteropError(problem, where=str(file))
        if any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist()):
            problem = "this archive is compressed, which PyTorch's are not"
            raise InteropError(problem, where=str(file))
        folder = root.removesuffix("data.pkl")
        told = _unpickled(io.BytesIO(archive.read(root)))
        found = {}
        for name, tensor in _named(told):
            data = archive.read(f"{folder}data/{tensor.storage.key}")
            found[name] = _strided(tensor, data, name)
    return found


_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What a file of PyTorch's begins with that was written before version 1.6, or in the way of then."""


def _read_legacy(file: Path) -> dict[str, Any]:
    """Read a file that is a row of pickles with the numbers behind them."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        for _ in range(3):  # the magic number, the version of the protocol, and sizes of the machine
            _unpickled(stream)
        told = dict(_named(_unpickled(stream)))
        keys = _unpickled(stream)
        kinds = {one.storage.key: one.storage.dtype for one in told.values()}
        numbers: dict[str, bytes] = {}
        for key in keys if isinstance(keys, list) else ():
            kind = kinds.get(key, "uint8")
            (count,) = struct.unpack("<q", stream.read(8))
            length = count * (2 if kind == "bfloat16" else np.dtype(kind).itemsize)
            if not 0 <= length <= size or key not in kinds:
                problem = "a tensor is described wrongly"
                raise InteropError(problem)
            numbers[key] = stream.read(length)
    return {name: _strided(one, numbers[one.storage.key], name) for name, one in told.items()}


_CODES = frozenset(
    ["PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
     "SETITEM", "SETITEMS", "APPEND", "APPENDS", "BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING",
     "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "GLOBAL", "STACK_GLOBAL",
     "REDUCE", "BUILD", "BINPERSID", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "MEMOIZE"]
)  # fmt: skip
"""What state dicts are written with."""


def _unpickled(stream: Any) -> Any:
    """Read one pickle, after a look at what it is made of: a place far off in its memory would take all of ours."""
    start = stream.tell()
    for count, (code, argument, _) in enumerate(pickletools.genops(stream)):
        if code.name not in _CODES or (code.name in ("BINPUT", "LONG_BINPUT") and (argument or 0) > count):
            problem = "it is pickled in a way that state dicts are not"
            raise InteropError(problem, fix="save the state dict alone: torch.save(model.state_dict(), path)")
    stream.seek(start)
    return _StateDict(stream).load()


def _named(value: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, _TensorTold]]:
    if isinstance(value, _TensorTold):
        yield prefix, value
    elif isinstance(value, dict) and depth < 8:
        for key, one in value.items():
            yield from _named(one, f"{prefix}.{key}" if prefix else str(key), depth + 1)


def _strided(told: _TensorTold, data: bytes, name: str) -> Any:
    kind = told.storage.dtype
    flat = _array(data, kind, (len(data) // (2 if kind == "bfloat16" else np.dtype(kind).itemsize),), name)
    last = told.offset + sum((n - 1) * s for n, s in zip(told.size, told.stride, strict=True))
    if 0 not in told.size and last >= flat.size:
        problem = f"tensor {name!r} reaches beyond its data"
        raise InteropError(problem)
    if math.prod(told.size) > flat.size:  # a view that repeats numbers could be of any size
        problem = f"tensor {name!r} says that it has the shape {told.size}, and has {flat.size} numbers"
        raise InteropError(problem)
    strides = tuple(s * flat.itemsize for s in told.stride)
    return np.lib.stride_tricks.as_strided(flat[told.offset :], told.size, strides).copy()


# Keras


def _read_keras(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:
        if archive.getinfo("model.weights.h5").file_size > _MOST:
            problem = "its weights are too large"
            raise InteropError(problem, where=str(file))
        return _read_h5(io.BytesIO(archive.read("model.weights.h5")))


def _read_h5(file: Any) -> dict[str, Any]:
    h5py = need("h5py", "reading Keras weights")
    found: dict[str, Any] = {}

    def visit(name: str, one: Any) -> None:
        if not isinstance(one, h5py.Dataset) or one.dtype.kind not in "fiub" or name.startswith("optimizer/"):
            return
        if one.external or one.is_virtual or one.nbytes > _MOST:
            problem = f"{name!r} is kept in another file, or too large"
            raise InteropError(problem)
        found[name] = np.asarray(one[()])

    with h5py.File(file, "r") as opened:
        opened.visititems(visit)
    return found


# GGUF


def _read_gguf(file: Path) -> dict[str, Any]:
    from tinygrad.llm.gguf import gguf_load

    size = file.stat().st_size
    with file.open("rb") as opened:
        _, version, tensors, pairs = struct.unpack("<4sIQQ", opened.read(24))
    if version not in (2, 3) or tensors * 24 > size or pairs * 12 > size:
        problem = "the file is damaged: its head tells more than it holds"
        raise InteropError(problem, where=str(file))
    with RUNTIME:
        _, found = gguf_load(file)
        return {name: tensor.float().to("CPU").numpy() for name, tensor in found.items()}
