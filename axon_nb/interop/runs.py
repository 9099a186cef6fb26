"""Owns concrete sizes for a model whose sizes are not all known: a base run, one for each, one with all changed.

What differs between runs depends on that size; so a trace of a function tells which of its numbers are sizes.
"""

from __future__ import annotations

from typing import Any

from axon_nb.graph import Model, Node
from axon_nb.trace import Trace, trace

_SIZES = ((6, 4, 10), (96, 64, 160), (224, 32, 192), (128, 256, 288), (320, 352, 416))
"""For each open size one for the base run, one for its own and one for the last; even, for halves are common."""


class Runs:
    """The shapes of every node, in each run."""

    def __init__(self, model: Model, traced: Trace) -> None:
        self.model = model
        self.traced = traced
        self._found: list[dict[Node, Any]] | None = None

    @property
    def traces(self) -> list[dict[Node, Any]]:
        """What is known of each node, in the base run and in one for each open size."""
        if self._found is None:
            self._found = self._trace_all()
        return self._found

    def _trace_all(self) -> list[dict[Node, Any]]:
        names, opened = self.model.names, self._open()
        base, own, last = ({k: _SIZES[i % len(_SIZES)][n] for i, k in enumerate(opened)} for n in range(3))
        runs = [base, *({**base, key: own[key]} for key in opened), last]
        found = []
        for sizes in runs:
            shapes = {
                names[node]: tuple(sizes.get(_key(d, axis, names[node]), d) for axis, d in enumerate(shape))
                for node, shape in self._inputs()
            }
            found.append(dict(trace(self.model, shapes).check().nodes))
        return found

    def _inputs(self) -> list[tuple[Node, Any]]:
        return [(node, self.traced.nodes[node].shape) for node in self.model.inputs]

    def _open(self) -> list[Any]:
        keys: dict[Any, None] = {}
        for node, shape in self._inputs():
            for axis, dim in enumerate(shape):
                if not isinstance(dim, int):
                    keys.setdefault(_key(dim, axis, self.model.names[node]))
        return list(keys)


def _key(dim: Any, axis: int, name: str) -> Any:
    """Tell open sizes apart: by name, the batch as one, others by where they stand."""
    return dim if dim is not None else "@batch" if axis == 0 else (name, axis)
