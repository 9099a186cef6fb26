"""Owns sums over the batches of an epoch, on the device: of samples, losses, weights, and what metrics are made of.

Knows nothing about models or steps.
"""

from __future__ import annotations

import math
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME, download, overwrite, uninterrupted, upload
from axon_nb.lazy import numpy as np

_HEAD = 3  # samples, losses, weights


class Sums:
    """Sums that batches add to. Once a loss is not finite, no more samples are counted: so the step is known."""

    def __init__(self, goals: Any, device: str) -> None:
        self.goals, self.device = goals, device
        self.shapes: list[tuple[int, ...]] | None = None
        """Of the metrics' sums: the first batch shows them."""
        self.tensor = upload(np.zeros(_HEAD, np.float32), device)

    def shape(self, true: list[Tensor], outputs: list[Tensor]) -> None:
        """Make room for the metrics' sums, from labels and outputs of the first batch."""
        self.shapes = [tuple(map(int, one.shape)) for one in self.goals.sums(true, outputs, None)]
        size = _HEAD + sum(map(math.prod, self.shapes))
        if self.shapes and self.tensor.shape != (size,):
            self.tensor = upload(np.zeros(size, np.float32), self.device)

    def add(self, samples: Tensor, total: Tensor, weight: Tensor, sums: list[Tensor]) -> Tensor:
        """Add a batch; return whether all losses were finite so far."""
        fine = (self.tensor[1] + total.cast("float32").reshape(())).isfinite()
        head = Tensor.stack(
            *(one.cast("float32").reshape(()) for one in (fine.where(samples.reshape(()), 0), total, weight))
        )
        if self.goals.adds:
            self.tensor.assign(self.tensor + _joined(head, sums))
        else:
            shapes = self.shapes or []
            first, *parts = self.tensor.split([_HEAD, *map(math.prod, shapes)])
            old = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
            new = _joined(first + head, self.goals.merge(old, sums))
            self.tensor.assign(new.contiguous())  # apart first: a merge may read what was overwritten already
        return self.tensor[1].isfinite()

    def read(self) -> dict[str, Any]:
        """Return the loss and the metrics since the sums were last cleared; NaN where there were no samples."""
        if self.shapes is None:
            return dict.fromkeys(["loss", *self.goals.names], math.nan)
        with RUNTIME:
            flat = download(self.tensor)
        count, total, weight = (float(v) for v in flat[:_HEAD])
        if not count and math.isfinite(total):
            return dict.fromkeys(["loss", *self.goals.names], math.nan)
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = np.split(flat[_HEAD:], ends) if self.shapes else []
        sums = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return {"loss": total / (weight or 1), **self.goals.read(sums)}

    def look(self) -> tuple[float | None, float]:
        """Return the loss so far (``None`` without samples), and how many were counted before it was not finite."""
        with RUNTIME:
            count, total, weight = (float(v) for v in download(self.tensor)[:_HEAD])
        return (total / (weight or 1) if count or not math.isfinite(total) else None), count

    def clear(self) -> None:
        """Begin anew."""
        with RUNTIME, uninterrupted():
            overwrite(self.tensor, np.zeros(self.tensor.shape, np.float32))


def _joined(head: Tensor, sums: list[Tensor]) -> Tensor:
    return head.cat(*(one.reshape(-1) for one in sums)).detach()
