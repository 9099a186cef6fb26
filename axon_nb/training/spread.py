"""Owns data parallelism: a step's samples parted over several devices, its results brought together again.

Weights, moments and sums stand on the first device. A step copies the weights to all, each works on its part of the
batch, and what is summed over the batch (losses, gradients, the statistics of batch norm) is summed over the devices
too. So the numbers are those of one device, to float tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import ready
from axon_nb.errors import DataError, OptionError


@dataclass(frozen=True)
class Spread:
    """The devices that share a step; with one of them, nothing is done."""

    devices: tuple[str, ...]

    @property
    def first(self) -> str:
        """Where the weights are."""
        return self.devices[0]

    @property
    def shares(self) -> bool:
        """Whether there are several."""
        return len(self.devices) > 1

    def size(self, samples: int, *, pads: bool) -> int:
        """Return the batch that is made of so many samples: a multiple of the devices.

        Raises:
            DataError: it cannot be parted evenly, nor be filled up.
        """
        count = len(self.devices)
        if samples % count == 0:
            return samples
        if pads:
            return -(-samples // count) * count
        problem = f"a batch of {samples} cannot be parted evenly over {count} devices"
        fix = (
            f"a batch_size that {count} divides, and data with a multiple of it",
            "batch statistics and losses of a whole batch leave no room for padding",
        )
        raise DataError(problem, fix=fix)

    def part(self, tensor: Tensor) -> Tensor:
        """Part a tensor along its first axis, the samples."""
        return tensor.shard(self.devices, axis=0) if self.shares else tensor

    def copy(self, tensor: Tensor) -> Tensor:
        """Copy a tensor to all devices."""
        return tensor.shard(self.devices) if self.shares else tensor

    def random(self, tensor: Tensor, samples: int) -> Tensor:
        """Part random numbers that there are for each sample; copy others."""
        return self.part(tensor) if tensor.ndim and tensor.shape[0] == samples else self.copy(tensor)

    def join(self, tensor: Tensor) -> Tensor:
        """Bring a result to the first device."""
        return tensor.to(self.first) if self.shares else tensor


def as_spread(device: Any, devices: Any) -> Spread:
    """Return the devices that a user named.

    Raises:
        DeviceError: one of them is none, or does not work here.
        OptionError: they are of different kinds, or named twice.

    Example:
        >>> as_spread(None, ["CPU:0", "CPU:1"])
        Spread(devices=('CPU', 'CPU:1'))
    """
    if devices is None:
        return Spread((ready(device),))
    if device is not None:
        problem = "device names one device and devices several: give one of them"
        raise OptionError(problem, got=f"device={device!r}, devices={devices!r}")
    if isinstance(devices, str) or not isinstance(devices, Sequence) or not devices:
        problem = "devices is a list of names"
        raise OptionError(problem, got=repr(devices), fix='devices=["CUDA:0", "CUDA:1"]')
    names = tuple(ready(name) for name in devices)
    kinds = {name.partition(":")[0] for name in names}
    if len(set(names)) < len(names) or len(kinds) > 1:
        problem = "devices must be different ones of one kind"
        raise OptionError(problem, got=", ".join(names), fix='devices=["CUDA:0", "CUDA:1"]')
    return Spread(names)
