"""Owns keyed random streams: numbers that depend on a seed, names and a step, and on nothing else.

Knows nothing about layers; never touches tinygrad's own global generator, whose numbers depend on the order of use.
"""

from __future__ import annotations

import hashlib
import json
import operator
from typing import TYPE_CHECKING

from tinygrad import Tensor, dtypes

if TYPE_CHECKING:
    import numpy as np

Words = tuple[int, int]
"""The key of a stream: two numbers of 32 bits."""


def words(seed: int, *names: str) -> Words:
    """Return the key of the stream that belongs to a seed and a path of names.

    Example:
        >>> words(0, "dropout_0")
        (1833207877, 3125777983)
        >>> words(0, "dropout_0") == words(0, "dropout_1")
        False
    """
    digest = _digest(seed, names, size_bytes=8)
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return numpy's generator for the stream, the same on every platform: what initial weights are drawn from.

    Example:
        >>> float(generator(0, "dense_0", "kernel").random()) == float(generator(0, "dense_0", "kernel").random())
        True
    """
    import numpy as np  # 100 ms, which only drawing weights needs

    # Philox is counted, not fed: the key is the whole state, so streams of different keys never meet.
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(seed, names, size_bytes=16), "little")))


def uniform(
    words: Words,
    counter: Tensor | None,
    draw: int,
    shape: tuple[int, ...],
    dtype: str = "float32",
    device: str | None = None,
) -> Tensor:
    """Return a lazy tensor of random numbers in [0, 1).

    It is the same for the same four of key, step, draw and shape, on every device. Under a `Program` it differs at each
    step, provided that ``counter`` is a tensor that the step advances.

    Args:
        words: the key, from `words`.
        counter: the step, of shape (1,) and dtype uint32, or None for step 0.
        draw: which draw of the stream this is within one step, from 0.
        shape: of the result.
        dtype: any floating type.
        device: of the result; the counter's, or the default one.
    """
    if counter is None:
        # A real buffer: tinygrad 0.14 folds threefry of nothing but constants to other numbers than it computes.
        counter = Tensor.zeros(1, dtype=dtypes.uint32, device=device).contiguous()
    elif device is not None:
        counter = counter.to(device)
    # Constants in the kernel: a key made from a Python list would be copied to the device at every replay.
    key = Tensor.stack(*(Tensor(word, dtype=dtypes.uint32) for word in words))
    place = counter.reshape(1).cat(Tensor(draw, dtype=dtypes.uint32).reshape(1))
    # A kernel of its own: fused into each reader, forward and backward, its rounds took 12 s to compile, so 1.4 s.
    return Tensor._rand(key, place, tuple(shape), getattr(dtypes, dtype))


def _digest(seed: int, names: tuple[str, ...], *, size_bytes: int) -> bytes:
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    text = json.dumps([operator.index(seed), *names])
    return hashlib.blake2b(text.encode(), digest_size=size_bytes).digest()
