"""Owns the fast ways of numbers into tensors: arrays, constants, copies; and that of their bytes to and from files.

Knows nothing about batches, data sets or files.
"""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad import Tensor, dtypes
from tinygrad.device import Buffer
from tinygrad.dtype import DType, _from_np_dtype, _to_np_dtype
from tinygrad.uop.ops import Ops, UOp

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
    return Tensor(_shaped(uop, tuple(shape)))


def _shaped(uop: UOp, shape: tuple[int, ...]) -> UOp:
    """Reshape a buffer, at a tenth of the time of ``reshape``: how a shape is written is worked out once."""
    written = _written(shape)
    return UOp(Ops.RESHAPE, src=(uop, *written)) if written else uop


@functools.lru_cache(maxsize=1024)
def _written(shape: tuple[int, ...]) -> tuple[UOp, ...]:
    """Return what a reshape to a shape has beside its source; nothing where none is needed."""
    return UOp.new_buffer("CPU", math.prod(shape), dtypes.float).reshape(shape).src[1:]


def settle(tensors: Iterable[Tensor]) -> None:
    """Give each tensor realised memory of its own, in place: what optimizers and counters begin with.

    Constants and Python lists are written there; scheduling and compiling a kernel for each takes a second in all.

    Example:
        >>> moments = Tensor.zeros(2, 2)
        >>> settle([moments])
        >>> moments.uop.is_realized, moments.tolist()
        (True, [[0.0, 0.0], [0.0, 0.0]])
    """
    with RUNTIME:
        waiting = []
        for tensor in tensors:
            array = _known(tensor)
            if array is None:
                tensor.replace(tensor.contiguous())
                waiting.append(tensor)
            else:
                tensor.replace(upload(array, str(tensor.device)))
        if waiting:
            Tensor.realize(*waiting)


def _known(tensor: Tensor) -> np.ndarray[Any, Any] | None:
    """Return the values of a tensor that need not be computed."""
    import numpy as np

    kind = _to_np_dtype(tensor.dtype)
    if kind is None or not isinstance(tensor.device, str) or 0 in tensor.shape:
        return None
    base = tensor.uop
    while base.op in (Ops.RESHAPE, Ops.CONTIGUOUS):
        base = base.src[0]
    if base.op is Ops.AFTER and len(base.src) == 2 and base.src[1].op is Ops.STORE:  # what Tensor.zeros makes
        place, base = base.src[0].base, base.src[1].src[1]
        if place.op is not Ops.BUFFER or place.is_realized or place.max_numel() != tensor.numel():
            return None
    if base.base.op is Ops.CONST:
        return np.full(tensor.shape, base.base.arg, kind)
    source = base.src[0].base if base.op is Ops.COPY else None
    if source is None or source.op is not Ops.BUFFER or str(source.device) not in ("PYTHON", "NPY"):
        return None
    if not source.is_realized or source.dtype != tensor.dtype or source.max_numel() != tensor.numel():
        return None
    return np.frombuffer(source.buffer.as_memoryview(), kind).reshape(tensor.shape)


def download(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor's numbers as an array of its own; from a buffer on the CPU without a copy being scheduled.

    NumPy has no bfloat16, which comes as float32.

    Example:
        >>> download(Tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """
    import numpy as np

    with RUNTIME:
        memory = Memory.of(tensor)
        return np.asarray(tensor.numpy()) if memory is None else memory.read()


class Memory:
    """A tensor's memory on the CPU as NumPy sees it: to write arrays into it, and read it, again and again.

    Example:
        >>> import numpy as np
        >>> memory = Memory.of(Tensor([[1.0, 2.0]]).realize())
        >>> memory.write(np.array([[3, 4]]))
        >>> memory.tensor.tolist(), memory.read().tolist()
        ([[3.0, 4.0]], [[3.0, 4.0]])
    """

    def __init__(self, tensor: Tensor, buffer: Buffer, kind: type) -> None:
        import numpy as np

        self.tensor = tensor  # kept: the memory goes with it
        self._device = buffer.allocator.dev
        memory = buffer.allocator._as_buffer(buffer._buf)
        self._array = np.frombuffer(memory, kind, int(tensor.numel())).reshape(tensor.shape)

    @classmethod
    def of(cls, tensor: Tensor) -> Memory | None:
        """Return a tensor's memory, if its numbers lie in that of the CPU in their order, and NumPy has their kind."""
        kind, uop = _to_np_dtype(tensor.dtype), tensor.uop
        source = uop.src[0] if uop.op is Ops.RESHAPE else uop
        if source.op is not Ops.BUFFER or tensor.device != "CPU" or 0 in tensor.shape:
            return None
        if kind is None or kind().itemsize != tensor.dtype.itemsize:  # NumPy has another in place of bfloat16
            return None
        buffer = source.buffer
        if not isinstance(buffer, Buffer) or not buffer.is_initialized() or source.max_numel() != tensor.numel():
            return None
        return cls(tensor, buffer, kind)

    def settle(self) -> None:
        """Wait until nothing is under way that reads it or writes to it."""
        self._device.synchronize()

    def write(self, array: np.ndarray[Any, Any]) -> None:
        """Put an array of this shape there, once it is settled."""
        self._array[...] = array

    def read(self) -> np.ndarray[Any, Any]:
        """Return a copy of what is there once it is settled."""
        self.settle()
        return self._array.copy()


def overwrite(tensor: Tensor, array: np.ndarray[Any, Any]) -> None:
    """Put other numbers in a realised tensor's place in memory.

    Example:
        >>> import numpy as np
        >>> total = upload(np.ones(2, "float32"))
        >>> overwrite(total, np.zeros(2, "float32"))
        >>> total.tolist()
        [0.0, 0.0]
    """
    import numpy as np

    with RUNTIME:
        array = np.ascontiguousarray(array, dtype=_to_np_dtype(tensor.dtype)).reshape(tensor.shape)
        buffer = tensor.uop.buffer.ensure_allocated()
        buffer.allocator._copyin(buffer._buf, array.reshape(-1).view("uint8").data)


class Slots:
    """Places in the CPU's memory that arrays are written into again and again: each is read before the next comes.

    A new tensor takes ten times as long as the copying of a small batch. Elsewhere each array gets memory of its own,
    as a device may still be reading.

    Example:
        >>> import numpy as np
        >>> slots = Slots("CPU")
        >>> first = slots.upload("x", np.ones(2, "float32"))
        >>> slots.upload("x", np.zeros(2, "float32")) is first, first.tolist()
        (True, [0.0, 0.0])
    """

    def __init__(self, device: str | None = None) -> None:
        self._device = as_device(device)
        self._kept: OrderedDict[Hashable, tuple[Tensor, Memory | None]] = OrderedDict()

    def upload(self, name: Hashable, array: np.ndarray[Any, Any]) -> Tensor:
        """Return a tensor with an array's numbers, good until the next array of that name, shape and kind."""
        if self._device != "CPU" or not array.size:
            return upload(array, self._device)
        key = name, array.shape, array.dtype
        tensor, memory = self._kept.pop(key, None) or (None, None)
        if tensor is None:
            tensor = upload(array, self._device)
            memory = Memory.of(tensor)
        elif memory is None:
            overwrite(tensor, array)
        else:
            memory.settle()
            memory.write(array)
        self._kept[key] = tensor, memory
        if len(self._kept) > _MOST_SLOTS:
            self._kept.popitem(last=False)
        return tensor


_MOST_SLOTS = 32


def duplicate(uop: UOp) -> UOp | None:
    """Return a new buffer on the CPU with a copy of one, or None where that cannot be done by copying memory."""
    old = uop.buffer
    if not isinstance(old, Buffer) or old.device != "CPU" or not old.is_initialized():
        return None
    new = UOp.new_buffer(uop.device, uop.max_numel(), uop.dtype)
    room = new.buffer.ensure_allocated()
    room.allocator._copyin(room._buf, old.allocator._as_buffer(old._buf))
    return new
