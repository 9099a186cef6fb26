"""Owns what a model costs: parameters, bytes, multiply-adds, and the memory of its activations by liveness.

Knows nothing about how long anything takes on a device.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad import dtypes

from axon_nb.display import style
from axon_nb.display.html import escape
from axon_nb.display.words import count, shape_words, size
from axon_nb.graph import Model, Node, leaves, verb
from axon_nb.rows import Row
from axon_nb.serialize.tables import html_table, text_table
from axon_nb.shapes import Shape
from axon_nb.trace import report

_HEADS = ("Layer", "Output shape", "Parameters", "Size", "Multiply-adds", "Activations")
_NUMBERS = (2, 3, 4, 5)


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs."""

    name: str
    op: str
    shape: str
    parameters: int
    nbytes: int
    """Bytes of its parameters and states."""
    macs: int | None
    """Multiply-adds for one sample."""
    activations: int | None
    """Bytes of its output; 0 where it is its input by another name."""


@dataclass(frozen=True)
class Cost:
    """What a model costs, layer by layer and in total; sizes that are not known make ``None``.

    Activations are the outputs of layers, as if each was written to memory; what a layer needs inside, and what the
    compiler saves by joining layers, is left out.
    """

    layers: tuple[LayerCost, ...]
    inference: int | None
    """Most bytes of activations that are needed at one time to predict: each until the last layer that reads it."""
    training: int | None
    """The same for a step: each until its own gradient is passed on, and gradients while they are needed."""
    samples: int
    """How many samples the activations are of."""

    @property
    def parameters(self) -> int:
        """Number of values of all parameters and states."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def nbytes(self) -> int:
        """Bytes of all parameters and states."""
        return sum(layer.nbytes for layer in self.layers)

    @property
    def macs(self) -> int | None:
        """Multiply-adds for one sample."""
        return _sum([layer.macs for layer in self.layers])

    @property
    def activations(self) -> int | None:
        """Bytes of all outputs."""
        return _sum([layer.activations for layer in self.layers])

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [
            (one.name, one.shape, count(one.parameters) if one.parameters else "", _size(one.nbytes or None, ""),
             count(one.macs) if one.macs != 0 else "", _size(one.activations) if one.activations != 0 else "")
            for one in self.layers
        ]  # fmt: skip
        total = ("Total", "", count(self.parameters), _size(self.nbytes), count(self.macs), _size(self.activations))
        return [*rows, total]

    def _notes(self) -> list[str]:
        of = "one sample" if self.samples == 1 else f"{count(self.samples)} samples"
        memory = f"Memory of activations for {of}: {_size(self.inference)} to predict, {_size(self.training)} to train"
        return [memory, "Multiply-adds are for one sample"]

    def __repr__(self) -> str:
        return "\n".join([text_table(_HEADS, self._rows(), _NUMBERS), *self._notes()])

    def _repr_html_(self) -> str:
        notes = "<br>".join(map(escape, self._notes()))
        table = html_table(_HEADS, self._rows(), _NUMBERS)
        scrolled = f'<div style="overflow:auto;max-height:{style.TALLEST_PX}px">\n{table}\n</div>'
        under = f'<p style="margin:6px 0 0;font-size:12px;{style.FAINT}">{notes}</p>'
        return f'<div style="margin:4px 0;color:inherit">\n{scrolled}\n{under}</div>'


def _size(nbytes: int | None, unknown: str = "?") -> str:
    return unknown if nbytes is None else size(nbytes)


def _sum(numbers: list[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


@verb
def cost(model: Model, /, **shapes: Any) -> Cost:
    """Work out what a model costs: parameters, bytes, multiply-adds, and the memory of its activations.

    Args:
        model: the model.
        **shapes: shapes of inputs by name: with a batch size, the activations are of so many samples, else of one.

    Raises:
        ShapeError: a layer does not fit.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 784), name="image") | dense(128, "relu") | dense(10)).cost(image=(32, 784))
        Layer    Output shape  Parameters       Size  Multiply-adds  Activations
        ────────────────────────────────────────────────────────────────────────
        image    (32, 784)                                              98.0 KiB
        dense_0  (32, 128)        100,480  392.5 KiB        100,352     16.0 KiB
        dense_1  (32, 10)           1,290    5.0 KiB          1,280      1.2 KiB
        Total                     101,770  397.5 KiB        101,632    115.2 KiB
        Memory of activations for 32 samples: 114.0 KiB to predict, 132.5 KiB to train
        Multiply-adds are for one sample
    """
    told = report(model, shapes)
    if told.error is not None:
        raise told.error
    rows = dict(zip(model.nodes, told.rows, strict=True))
    sizes = {node: 0 if _is_alias(node) else _nbytes(row) for node, row in rows.items()}
    costs = tuple(_layer(rows[node], sizes[node]) for node in model.nodes if not node.is_pick)
    batch = [row.shape[0] for row in told.rows if row.op == "input" and row.shape and not row.parents]
    samples = next((one for one in batch if isinstance(one, int)), 1)
    known = {node: value for node, value in sizes.items() if value is not None}
    complete = len(known) == len(sizes)
    inference = inference_peak(model, known) if complete else None
    return Cost(costs, inference, training_peak(model, known) if complete else None, samples)


def _layer(row: Row, activations: int | None) -> LayerCost:
    parameters = sum(leaf.count for leaf in row.params)
    nbytes = sum(leaf.nbytes for leaf in row.params)
    return LayerCost(row.name, row.op, shape_words(row), parameters, nbytes, row.macs, activations)


def _is_alias(node: Node) -> bool:
    """Whether a node's value is its parent's, by another name."""
    return node.is_pick or (node.is_input and bool(node.parents))


def _nbytes(row: Row) -> int | None:
    if row.shape is None or row.dtype is None:
        return None
    several = bool(row.shape) and isinstance(row.shape[0], tuple)
    shapes: Any = row.shape if several else (row.shape,)
    parts = [_tensor_nbytes(shape, dtype) for shape, dtype in zip(shapes, row.dtype.split(", "), strict=True)]
    return _sum(parts)


def _tensor_nbytes(shape: Shape, dtype: str) -> int | None:
    sizes = [1 if not place and not isinstance(dim, int) else dim for place, dim in enumerate(shape)]
    if not all(isinstance(dim, int) for dim in sizes):
        return None
    return math.prod(dim for dim in sizes if isinstance(dim, int)) * int(getattr(dtypes, dtype).itemsize)


def _holder(node: Node) -> Node:
    """Find the node whose output a value is part of."""
    while _is_alias(node):
        node = node.parents[0]
    return node


def _readers(model: Model) -> tuple[list[Node], dict[Node, int], dict[Node, int]]:
    """Return the nodes that make values, when each is made, and when it is last read; outputs are read at the end."""
    nodes = [node for node in model.nodes if not _is_alias(node)]
    made = {node: step for step, node in enumerate(nodes)}
    last = dict(made)
    for node in nodes:
        for parent in node.parents:
            last[_holder(parent)] = made[node]
    for node in leaves(model.outputs):
        last[_holder(node)] = len(nodes) - 1
    return nodes, made, last


def inference_peak(model: Model, sizes: dict[Node, int]) -> int:
    """Return the most bytes alive at one time when each value is kept until it was last read."""
    nodes, made, last = _readers(model)
    return _peak(len(nodes), nodes, lambda node: [(made[node], last[node], sizes[node])])


def training_peak(model: Model, sizes: dict[Node, int]) -> int:
    """Return the most bytes alive in a step forward and back through the same layers in reverse.

    A value is kept until its own layer has passed its gradient on; a gradient from the first layer that gives a part
    of it until then. Values from which no gradient is asked (inputs) have none.
    """
    nodes, made, last = _readers(model)
    end = 2 * len(nodes) - 1

    def spans(node: Node) -> list[tuple[int, int, int]]:
        value = (made[node], end - made[node], sizes[node])
        return [value] if node.is_input else [value, (end - last[node], end - made[node], sizes[node])]

    return _peak(end + 1, nodes, spans)


def _peak(steps: int, nodes: list[Node], spans: Callable[[Node], list[tuple[int, int, int]]]) -> int:
    changes = [0] * (steps + 1)
    for node in nodes:
        for start, end, nbytes in spans(node):
            changes[start] += nbytes
            changes[end + 1] -= nbytes
    return max(itertools.accumulate(changes))
