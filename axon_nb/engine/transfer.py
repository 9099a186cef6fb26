"""Owns the fast way of numpy arrays to a device, and the way of a tensor's bytes to and from files.

Knows nothing about batches, data sets or files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad import Tensor, dtypes
from tinygrad.dtype import DType, _from_np_dtype
from tinygrad.uop.ops import UOp

from axon_nb.engine.devices import as_device
from axon_nb.engine.lock import RUNTIME

if TYPE_CHECKING:
    import numpy as np


def upload(array: np.ndarray[Any, Any], device: str | None = None) -> Tensor:
    """Return a realised tensor with a copy of an array.

    ``Tensor(array).realize()`` schedules a copy, which takes longer than a training step of a small network: 4.5 ms
    where this takes 0.3 ms.

    Example:
        >>> import numpy as np
        >>> upload(np.array([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """
    name = as_device(device)
    with RUNTIME:
        # A copy of our own: some drivers read it later, when the caller may have written into the array.
        # In the machine's byte order: tinygrad 0.14 takes others for it.
        array = array.astype(array.dtype.newbyteorder("="), order="C", copy=True)
        if not array.size:
            return Tensor(array, device=name).realize()
        data = array.reshape(-1).view("uint8").data
        return _filled(data, _from_np_dtype(array.dtype), array.shape, name)


def to_bytes(tensor: Tensor) -> memoryview:
    """Return a copy of a tensor's values as they stand in memory, row by row; kinds NumPy has not are fine too.

    Example:
        >>> to_bytes(Tensor([1.0, -2.0], dtype="bfloat16")).hex()
        '803f00c0'
    """
    if 0 in tensor.shape:
        return memoryview(b"")
    with RUNTIME:
        return memoryview(bytearray(tensor._data()))


def from_bytes(data: bytes | memoryview, dtype: str, shape: Sequence[int], device: str | None = None) -> Tensor:
    """Return a realised tensor with values as they stand in memory.

    Raises:
        ValueError: there are more or fewer bytes than the shape and the kind of numbers take.

    Example:
        >>> from_bytes(bytes.fromhex("803f00c0"), "bfloat16", (2,)).tolist()
        [1.0, -2.0]
    """
    kind = getattr(dtypes, dtype)
    size = math.prod(shape)
    if len(data) != size * kind.itemsize:
        problem = f"{size} {dtype} numbers take {size * kind.itemsize} bytes, not {len(data)}"
        raise ValueError(problem)
    name = as_device(device)
    with RUNTIME:
        if not size:
            return Tensor.empty(*shape, dtype=kind, device=name).contiguous().realize()
        return _filled(memoryview(bytearray(data)), kind, shape, name)  # a copy, as above


def _filled(data: memoryview, kind: DType, shape: Sequence[int], device: str) -> Tensor:
    uop = UOp.new_buffer(device, math.prod(shape), kind)
    buffer = uop.buffer.ensure_allocated()
    buffer.allocator._copyin(buffer._buf, data)
    return Tensor(uop.reshape(tuple(shape)))
