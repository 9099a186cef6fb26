"""Owns what a program keeps of a recording: how it is run, and where its numbers lie on the CPU.

Knows nothing about when to record, nor when to use what is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from axon_nb.engine.capture import Body, Tensors
from axon_nb.engine.transfer import Memory, download

if TYPE_CHECKING:
    import numpy as np

Signature = tuple[Any, ...]
Arrays = tuple["np.ndarray[Any, Any]", ...]
MOST_BYTES = 1 << 20
"""How much memory is kept to write arrays to: a larger array takes longer to copy than a tensor to make."""


@dataclass
class Recording:
    """What was recorded for inputs of one kind."""

    signature: Signature
    run: Callable[..., Tensors]
    body: Body
    was_replayed: bool = False
    """Whether it was run before, and ran kernels alone."""

    @property
    def replays(self) -> bool:
        """Whether only kernels are run. Else the function is, which may keep its inputs, or return other tensors."""
        return self.run is not self.body


class Fed:
    """A recording with the memory of its first inputs, which arrays are written to, and of its results.

    Args:
        recording: one that only runs kernels.
        inputs: tensors of their own, that nobody else has.
        results: what the recording writes to.
    """

    def __init__(self, recording: Recording, inputs: Sequence[Memory], results: Tensors) -> None:
        self.signature = recording.signature
        self._run = recording.run
        self._inputs = inputs
        self._tensors = tuple(memory.tensor for memory in inputs)
        self._results = [(result, Memory.of(result)) for result in results]

    def __call__(self, arrays: Sequence[np.ndarray[Any, Any]], tensors: Tensors) -> Arrays:
        """Run on arrays, and on tensors for the other inputs."""
        for memory, array in zip(self._inputs, arrays, strict=True):
            memory.write(array)  # settled: the results of the last run were read
        self._run(*self._tensors, *tensors)
        return tuple(download(result) if memory is None else memory.read() for result, memory in self._results)


def fed(
    recording: Recording, arrays: Sequence[np.ndarray[Any, Any]], inputs: Tensors, results: Tensors
) -> Fed | None:  # fmt: skip
    """Return a recording that is fed through its first inputs; None where they are large, or not the CPU's memory."""
    if sum(array.nbytes for array in arrays) > MOST_BYTES:
        return None
    memories = [memory for one in inputs[: len(arrays)] if (memory := Memory.of(one)) is not None]
    return Fed(recording, memories, results) if len(memories) == len(arrays) else None
