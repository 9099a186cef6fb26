"""Owns cutting a model: ``upto`` a node, ``after`` a node, ``between`` two.

Knows nothing about weights: parts keep layers and names, so the whole model's params fit them.
"""

from __future__ import annotations

from typing import Any

from axon_nb.errors import GraphError
from axon_nb.graph import INPUT, Model, Node, Structure, leaves, output_count, pick, verb
from axon_nb.layer import Op
from axon_nb.surgery.rebuild import Value, moved, rebuilt, settled
from axon_nb.surgery.select import one
from axon_nb.trace import trace


@verb
def upto(model: Model, *ends: Any) -> Model:
    """Return the part of a model that ends in a node; of several, one with several outputs.

    Layers keep their names: weights of the whole model work with the part.

    Args:
        model: the model.
        *ends: nodes, by name or as ``find`` takes them.

    Raises:
        UnknownNameError: there is no such node.
        GraphError: no end is given, or one means several layers.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> mnist = input((None, 4), name="image") | dense(3, "relu") | dense(2)
        >>> mnist.upto("dense_0").predict(mnist.init(), np.ones((1, 4), "float32")).shape
        (1, 3)
    """
    if not ends:
        problem = "upto takes the node to end in"
        raise GraphError(problem, fix=f"the nodes are: {', '.join(model.names.values())}")
    values = [_outputs(model, one(model, end)) for end in ends]
    outputs: Structure = values[0] if len(values) == 1 else tuple(values)
    return settled(model, outputs)


@verb
def after(model: Model, start: Any) -> Model:
    """Return the part of a model that comes after a node, which becomes its input: the decoder of an autoencoder.

    The input is called as the node. What goes round the node still begins at the model's own inputs. Outputs that do
    not come after the node are left out. Layers keep their names: weights of the whole model work with the part.

    Raises:
        UnknownNameError: there is no such node.
        GraphError: nothing comes after the node.

    Example:
        >>> from axon_nb import dense, input
        >>> autoencoder = input((None, 8)) | dense(2, name="code") | dense(8)
        >>> autoencoder.upto("code"), autoencoder.after("code")
        (<Model: input_0 (None, 8) -> code (None, 2)>, <Model: code (None, 2) -> dense_0 (None, 8)>)
    """
    node = one(model, start)
    cut = _inputs_for(model, node)
    reached = set(cut)
    for other in model.nodes:
        if any(parent in reached for parent in other.parents):
            reached.add(other)
    kept = _only(model.outputs, reached - set(cut))
    if kept is None:
        problem = f"nothing comes after {model.names[node]}"
        raise GraphError(problem, fix=f"model.upto({model.names[node]!r}) ends there")

    def change(other: Node, parents: tuple[Node, ...]) -> Value:
        return cut[other] if other in cut else moved(other, parents)

    if node in cut:
        return settled(model, rebuilt(Model(kept), change))
    made = rebuilt(Model(kept), lambda other, parents: tuple(cut.values()) if other is node else moved(other, parents))
    return settled(model, made)


@verb
def between(model: Model, start: Any, end: Any) -> Model:
    """Return the part of a model from after one node up to another.

    Raises:
        UnknownNameError: there is no such node.
        GraphError: ``end`` does not come after ``start``.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(4) | dense(3) | dense(2)
        >>> model.between("dense_0", "dense_1")
        <Model: dense_0 (None, 4) -> dense_1 (None, 3)>
    """
    first, last = one(model, start), one(model, end)
    whole = Model(_outputs(model, last), model.name)
    if first is last or first not in whole.nodes:
        problem = f"{model.names[last]} does not come after {model.names[first]}"
        raise GraphError(problem, fix=f"between({model.names[last]!r}, {model.names[first]!r})")
    return after(upto(model, last), first if first in upto(model, last).nodes else model.names[first])


def _outputs(model: Model, node: Node) -> Structure:
    count = output_count(node.layer)
    if count == 1 or node.is_pick:
        return node
    return tuple(_picks(model, node, count))


def _picks(model: Model, node: Node, count: int) -> list[Node]:
    known = {n.options["index"]: n for n in model.nodes if n.is_pick and n.parents[0] is node}
    return [known.get(i) or Node(pick(node.layer, i), (node,), node.path) for i in range(count)]


def _inputs_for(model: Model, node: Node) -> dict[Node, Node]:
    """Make an input for a node's value; for a layer with several outputs, one for each."""
    count = output_count(node.layer)
    if count > 1 and not node.is_pick:
        return {one: _input_for(model, one, node, i) for i, one in enumerate(_picks(model, node, count))}
    return {node: _input_for(model, node, node, None)}


def _input_for(model: Model, cut: Node, layer: Node, index: int | None) -> Node:
    known = trace(model).nodes[layer]
    shape: Any = known.shape if index is None or not known.shape else known.shape[index]
    dtypes = (known.dtype or "float32").split(", ")
    name = model.names[layer].replace(".", "_").replace("#", "_").replace("[", "_").replace("]", "")
    name += "" if index is None else f"_{index}"
    taken = {node.own_name for node in model.nodes if node is not layer} | {n.path[0] for n in model.nodes if n.path}
    while name in taken:
        name += "_in"
    options = INPUT.bind((), {"shape": shape, "dtype": dtypes[index or 0]})
    return Node(Op(INPUT, options, name), ())


def _only(structure: Structure, kept: set[Node]) -> Structure | None:
    """Leave out outputs that are not among these; a tuple of one becomes that one."""
    if isinstance(structure, Node):
        return structure if structure in kept else None
    if isinstance(structure, dict):
        named = {name: part for name, one in structure.items() if (part := _only(one, kept)) is not None}
        return named or None
    parts = tuple(part for one in structure if (part := _only(one, kept)) is not None)
    return parts if len(parts) > 1 else parts[0] if parts else None


__all__ = ["after", "between", "leaves", "upto"]
