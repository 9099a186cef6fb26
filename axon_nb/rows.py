"""Owns what is known about each node of a model once its shapes are: one row per node, and the totals.

Plain data between the tracer, which makes rows, and the displays, which draw them. Knows about neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from axon_nb.shapes import Shape

ParamKind = Literal["trainable", "frozen", "state"]
"""``state`` changes while training, by other rules than gradients: a running mean."""

Status = Literal["ok", "failed", "pending"]
"""``failed``: the layer that does not fit. ``pending``: it comes after the failed one and was not tried."""


@dataclass(frozen=True)
class ParamRow:
    """One parameter or state of a layer: ``kernel (784, 128) float32``."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: ParamKind
    count: int
    nbytes: int


@dataclass(frozen=True)
class Row:
    """What is known about one node of a model.

    Rows come in an order in which parents stand before children. ``key`` is unique among the rows of one model.
    """

    key: int
    name: str
    """Unique in the model, with its part in front: ``dense_0``, ``generator.dense_0``. Any text: escape it."""
    op: str
    """The layer's function: ``dense``; ``input`` for an input."""
    family: str
    """``input``, ``linear``, ``convolution``, ``pooling``, ``normalization``, ``dropout``, ``shape``, ``activation``,
    ``combine``, ``custom`` ..."""
    path: tuple[str, ...]
    """The parts and named blocks that it stands in, outermost first; ``()`` at the top."""
    parents: tuple[int, ...]
    """Keys of the rows it reads."""
    shape: Shape | tuple[Shape, ...] | None
    """Output shape; several for a layer with several outputs; ``None`` where not known."""
    dtype: str | None
    options: tuple[tuple[str, Any], ...] = ()
    """Those that differ from the defaults, and the positional ones: ``(("units", 128), ("activation", "relu"))``.

    Behind them the policy and the hooks of the layer.
    """
    params: tuple[ParamRow, ...] = ()
    """Empty for a further use of a shared layer: it is counted once, at its first use."""
    shared_with: str | None = None
    """Name of the node that holds the weights, where this one is a further use of the same layer."""
    macs: int | None = None
    """Multiply-adds for one sample (one element of the batch axis); ``None`` where a size is not known."""
    time_s: float | None = None
    """How long it takes, where that was measured."""
    heat: float | None = None
    """Its share of the longest time of all rows, from 0 to 1, where times were measured."""
    output: str | None = None
    """The output's name where it is a (named) output of the model: ``""`` for the only one."""
    status: Status = "ok"
    source: str = ""
    """Where the layer was written: ``cell line 4``, ``models.py line 12``."""


@dataclass(frozen=True)
class Totals:
    """Sums over the rows of a model: numbers of values, bytes, and multiply-adds for one sample."""

    trainable: int
    frozen: int
    state: int
    nbytes: int
    macs: int | None


@dataclass(frozen=True)
class Report:
    """Everything a table, a diagram or a card needs of a model."""

    name: str | None
    rows: tuple[Row, ...]
    error: Exception | None = field(default=None, compare=False)
    """Why the row with status ``failed`` does not fit."""

    @property
    def totals(self) -> Totals:
        """Sum the rows."""
        leaves = [param for row in self.rows for param in row.params]

        def count(kind: str) -> int:
            return sum(leaf.count for leaf in leaves if leaf.kind == kind)

        macs = [row.macs for row in self.rows]
        return Totals(
            trainable=count("trainable"),
            frozen=count("frozen"),
            state=count("state"),
            nbytes=sum(leaf.nbytes for leaf in leaves),
            macs=None if None in macs else sum(m for m in macs if m is not None),
        )
