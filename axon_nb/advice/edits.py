"""Owns small changes of a model: a layer put in, left out, or given other options.

Knows nothing about shapes, nor whether a change is any good. Models are immutable: each change makes another one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from axon_nb.graph import Model, Node, leaves, map_leaves
from axon_nb.layer import Layer, Op

Parents = tuple[Node, ...]


def with_options(op: Op, **options: Any) -> Op:
    """Return a layer with some of its options changed, and no weights in common with it.

    Example:
        >>> from axon_nb import conv
        >>> with_options(conv(8, 3, name="first"), padding="same")
        conv(8, 3, padding='same', name='first')
    """
    made = Op(op.declaration, {**op.options, **options}, op.name)
    made.source = op.source
    return made


def rebuilt(model: Model, change: Callable[[Node, Parents], Node]) -> Model:
    """Walk through a model and make it anew.

    Args:
        model: the model.
        change: returns what stands for a node, given the new nodes that it reads: ``kept(node, parents)`` where
            nothing else is wanted.
    """
    new: dict[Node, Node] = {}
    for node in model.nodes:
        new[node] = change(node, tuple(new[parent] for parent in node.parents))
    return Model(map_leaves(model.outputs, new.__getitem__), model.name, parts=model._parts)


def kept(node: Node, parents: Parents, op: Op | None = None) -> Node:
    """Return a node as it was, reading these nodes, or one with another layer."""
    if op is None and parents == node.parents:
        return node
    return node.altered(parents=parents, **({} if op is None else {"layer": op, "own_name": node.own_name}))


def changed(model: Model, ops: dict[Op, Op]) -> Model:
    """Return a model with other layers in place of some of its own, wherever they are used.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 4)) | dense(8) | dense(2)
        >>> first = model.layers[0]
        >>> changed(model, {first: with_options(first, units=16)}).params["dense_0.kernel"]
        (4, 16)
    """
    return rebuilt(model, lambda node, parents: kept(node, parents, ops.get(node.layer)))


def inserted(model: Model, before: Node, layer: Layer, places: Collection[int] | None = None) -> Model:
    """Return a model with a layer put before a node, on all of its inputs or on those at some places.

    Example:
        >>> from axon_nb import dense, flatten, input
        >>> model = input((None, 4, 4)) | dense(2)
        >>> inserted(model, model.nodes[-1], flatten()).output_shape
        (None, 2)
    """

    def change(node: Node, parents: Parents) -> Node:
        if node is before:
            parents = tuple(
                _applied(layer, parent, node.path) if places is None or place in places else parent
                for place, parent in enumerate(parents)
            )
        return kept(node, parents)

    return rebuilt(model, change)


def appended(model: Model, after: Node, layer: Layer) -> Model:
    """Return a model with a layer put behind a node, before everything that reads it."""
    return rebuilt(
        model,
        lambda node, parents: _applied(layer, kept(node, parents), node.path) if node is after else kept(node, parents),
    )


def without(model: Model, *gone: Node) -> Model:
    """Return a model without some of its nodes; what read them reads what they read."""
    return rebuilt(model, lambda node, parents: parents[0] if node in gone else kept(node, parents))


def replaced(model: Model, old: Node, layer: Layer) -> Model:
    """Return a model with another layer in place of one node."""
    return rebuilt(
        model,
        lambda node, parents: _build(layer, parents, node.path) if node is old else kept(node, parents),
    )


def _applied(layer: Layer, parent: Node, path: tuple[str, ...]) -> Node:
    return _build(layer, (parent,), path)


def _build(layer: Layer, parents: Parents, path: tuple[str, ...]) -> Node:
    """Apply a layer inside a part: what is applied to a model stands outside of all parts."""
    made = Model(parents if len(parents) > 1 else parents[0]).__axon_apply__(layer, tuple(map(Model, parents)))
    before = set(Model(parents).nodes)
    new = {node: node for node in before}
    for node in made.nodes:
        if node not in before:
            new[node] = node.altered(parents=tuple(new[parent] for parent in node.parents), path=path)
    return new[next(leaves(made.outputs))]
