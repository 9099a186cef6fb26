"""Owns weights on their way to ONNX, and models that are a part of a layer: their inputs, and where their weights are.

Knows nothing about operators.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from axon_nb.checks import dtype_name
from axon_nb.graph import Model, Node
from axon_nb.interop.writer import Value, rounded
from axon_nb.layer import Op
from axon_nb.lazy import numpy as np
from axon_nb.params import Leaf, Path
from axon_nb.policies import Policy
from axon_nb.scope import _Running
from axon_nb.surgery.rebuild import moved, rebuilt


class Weights:
    """Weights as arrays, by layer; each is read once."""

    def __init__(
        self, leaves: Mapping[Path, Leaf], known: dict[Path, Any] | None = None, to: str | None = None
    ) -> None:
        self._leaves, self._known, self._to = leaves, {} if known is None else known, to

    def under(self, policy: Policy | None) -> Weights:
        """Return the weights as a policy computes with them: rounded so; states stay."""
        to = None if policy is None else policy.compute
        return self if to is None else Weights(self._leaves, self._known, to)

    def of(self, path: Path) -> dict[str, tuple[Any, str]]:
        """Return a layer's weights by name, with their kinds of numbers."""
        depth = len(path)
        return {one[depth]: self._one(one) for one in self._leaves if one[:depth] == path and len(one) == depth + 1}

    def _one(self, path: Path) -> tuple[Any, str]:
        leaf = self._leaves[path]
        if path not in self._known:
            kind = dtype_name(leaf.tensor.dtype)
            values = (leaf.tensor.float() if kind == "bfloat16" else leaf.tensor).numpy()
            self._known[path] = np.asarray(values), kind
        array, kind = self._known[path]
        stays = self._to is None or leaf.kind == "state" or "float" not in kind
        return (array, kind) if stays or self._to is None else (rounded(array, self._to), self._to)


def fitted(part: Model, given: Sequence[Value]) -> tuple[Model, list[Node]]:
    """Return a model that is a part of a layer with inputs of these shapes and kinds of numbers, and the inputs.

    Hooks are not called there, and it has none.
    """
    inputs = {
        node: Node(Op(node.layer.declaration, {**node.options, "shape": one.shape, "dtype": one.dtype}), (),
                   own_name=part.names[node])
        for node, one in zip(part.inputs, given, strict=True)
    }  # fmt: skip

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        if node in inputs:
            return inputs[node]
        made = moved(node, parents)
        return made.altered(hooks=()) if made.hooks else made

    return Model(rebuilt(part, change, picks=True)), list(inputs.values())


class _Place:
    """Stands for a scope where only names are asked for."""

    def __init__(self, path: Path = ()) -> None:
        self.path = path

    def inside(self, name: str) -> _Place:
        """Return the place of a part."""
        return _Place((*self.path, *name.split(".")))


def paths_within(model: Model) -> dict[Node, Path]:
    """Say where the weights of each layer are, as ``scope.apply`` names them when it runs the model."""
    running: Any = _Running(_Place())  # type: ignore[arg-type]
    found: dict[Node, Path] = {}
    for node in model.nodes:
        inner = functools.reduce(lambda outer, name: outer.inside(name), node.path, running)
        found[node] = () if node.is_input or node.is_pick else inner.scope_of(node.layer).path
    return found
