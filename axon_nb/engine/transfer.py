"""Owns the fast way of numpy arrays to a device.

Knows nothing about batches or data sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad import Tensor
from tinygrad.dtype import _from_np_dtype
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
        uop = UOp.new_buffer(name, array.size, _from_np_dtype(array.dtype))
        buffer = uop.buffer.ensure_allocated()
        buffer.allocator._copyin(buffer._buf, data)
        return Tensor(uop.reshape(array.shape))
