"""Owns data that stays on a device: uploaded once, its batches are cut there.

Knows nothing about models or steps. On the CPU there is nothing to gain: NumPy cuts in the memory that steps read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME, Program, upload
from axon_nb.lazy import numpy as np

MOST_BYTES = 1 << 30
"""How large data may be to be kept on a device, beside the model."""


@dataclass(frozen=True, eq=False)
class Cut:
    """Which samples of which arrays a batch is made of."""

    arrays: Sequence[Any]
    """The same list for all batches of the data: it is what the data is known by."""
    at: Any
    """The numbers of the samples."""


class Shelf:
    """The data of one training on its device.

    Args:
        device: where to keep it; nothing is kept on the CPU.

    Example:
        >>> shelf = Shelf("PYTHON")
        >>> data = [np.arange(6, dtype="float32").reshape(3, 2), np.array([5, 6, 7])]
        >>> [one.tolist() for one in shelf.take(Cut(data, np.array([2, 0])), [None, None])]
        [[[4.0, 5.0], [0.0, 1.0]], [7, 5]]
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._kept: OrderedDict[int, tuple[Sequence[Any], tuple[Tensor, ...]]] = OrderedDict()
        self._gather = Program(_gathered, "cutting of a batch", keep=False)

    def fits(self, cut: Cut | None) -> bool:
        """Tell whether a batch can be cut on the device."""
        if cut is None or self._device == "CPU":
            return False
        return id(cut.arrays) in self._kept or _size(cut.arrays) <= MOST_BYTES

    def take(self, cut: Cut, dtypes: Sequence[str | None]) -> list[Tensor]:
        """Return the samples of each array, good until the next batch is taken.

        Args:
            cut: which samples.
            dtypes: the kind of number that each array becomes, ``None`` to leave it.
        """
        with RUNTIME:
            if id(cut.arrays) not in self._kept:
                self._keep(cut.arrays, dtypes)
            self._kept.move_to_end(id(cut.arrays))
            _, tensors = self._kept[id(cut.arrays)]
            return list(self._gather(upload(np.asarray(cut.at, np.int32), self._device), *tensors))

    def _keep(self, arrays: Sequence[Any], dtypes: Sequence[str | None]) -> None:
        """Upload data, in the place of what was not used for longest if there is no room for all."""
        room = MOST_BYTES - _size(arrays)
        while self._kept and sum(_size(one) for one, _ in self._kept.values()) > room:
            self._kept.popitem(last=False)
        kinds = zip(arrays, dtypes, strict=True)
        self._kept[id(arrays)] = arrays, tuple(upload(np.asarray(one, kind), self._device) for one, kind in kinds)


def _size(arrays: Sequence[Any]) -> int:
    return sum(array.nbytes for array in arrays)


def _gathered(at: Tensor, *arrays: Tensor) -> tuple[Tensor, ...]:
    return tuple(array[at] for array in arrays)
