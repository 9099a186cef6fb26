"""Owns building a model anew from changed nodes, so that what is not changed keeps its layers, names and places.

Knows nothing about which changes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from axon_nb.errors import GraphError
from axon_nb.graph import Model, Node, Structure, map_leaves, output_count, where
from axon_nb.layer import Op

Value: TypeAlias = "Node | tuple[Node, ...]"
"""What stands for a node: a node, or several for a layer with several outputs."""
Place: TypeAlias = tuple[tuple[str, ...], str]
"""The part that a layer's weights stand in, and its name there."""


def rebuilt(model: Model, change: Callable[[Node, tuple[Node, ...]], Value], *, picks: bool = False) -> Structure:
    """Put what a function makes of each node and its new parents in its place.

    The function is not asked about picks, which follow their layer, unless ``picks`` says so. Where it returns the node
    itself, and nothing before it changed, the node stays the same object.
    """
    new: dict[Node, Value] = {}
    for node in model.nodes:
        if node.is_pick and not picks:
            new[node] = _picked(model, node, new[node.parents[0]])
            continue
        new[node] = change(node, tuple(_single(model, parent, node, new[parent]) for parent in node.parents))
    structure: Structure = map_leaves(model.outputs, new.__getitem__)
    return structure


def moved(node: Node, parents: tuple[Node, ...]) -> Node:
    """Return the node on new parents: itself where they are the old ones."""
    same = len(parents) == len(node.parents) and all(a is b for a, b in zip(parents, node.parents, strict=True))
    return node if same else node.altered(parents=parents)


def _picked(model: Model, pick: Node, value: Value) -> Node:
    index = pick.options["index"]
    if isinstance(value, tuple) and index < len(value):
        return value[index]
    if isinstance(value, Node) and output_count(value.layer) > index:
        return moved(pick, (value,)) if output_count(value.layer) > 1 else value
    problem = f"output {index} is read, and what took its place gives {len(value) if isinstance(value, tuple) else 1}"
    raise GraphError(problem, where=where(pick.parents[0].layer, model.names[pick.parents[0]]))


def _single(model: Model, parent: Node, child: Node, value: Value) -> Node:
    if isinstance(value, Node):
        return value
    problem = f"what took its place gives {len(value)} outputs, and {model.names[child]} takes one"
    raise GraphError(problem, where=where(parent.layer, model.names[parent]), fix="let it return one tensor")


def place_of(model: Model, node: Node) -> Place:
    """Say where a layer's weights stand, for the first node of it."""
    return node.path, model.names[node].removeprefix("".join(f"{part}." for part in node.path))


def places(model: Model) -> dict[Op, Place]:
    """List where the weights of each layer stand."""
    return {layer: place_of(model, node) for layer, node in model.owners.items() if is_place(node)}


def is_place(node: Node) -> bool:
    """Tell whether a node has a name of its own to keep: not one of several outputs, nor the input of a part."""
    return not node.is_pick and not (node.is_input and node.parents)


def settled(model: Model, outputs: Structure, wanted: Mapping[Op, Place] | None = None) -> Model:
    """Make the model that ends in new outputs, each layer of the old one named as it was.

    Args:
        model: the model before.
        outputs: what the new one ends in.
        wanted: where further layers are to stand, or others than before.

    Raises:
        GraphError: two layers would have one name.
    """
    made = Model(outputs, model.name, parts=model._parts)
    if made.nodes == model.nodes and not wanted:
        return model if _same(outputs, model.outputs) else made
    want = {**places(model), **(wanted or {})}
    owned = [layer for layer in made.owners if layer in want]
    first = _pinned(made, want, [layer for layer in owned if _stands(made, layer) != want[layer]])
    if first is made and made.nodes == model.nodes and _same(outputs, model.outputs):
        return model
    if all(_stands(first, layer) == want[layer] for layer in owned):
        return first
    return _pinned(first, want, owned)


def _same(a: Structure, b: Structure) -> bool:
    if isinstance(a, Node) or isinstance(b, Node):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(_same(part, b[name]) for name, part in a.items())
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return False


def _stands(model: Model, layer: Op) -> Place:
    return place_of(model, model.owners[layer])


def _pinned(model: Model, want: Mapping[Op, Place], layers: Iterable[Op]) -> Model:
    """Give layers their names and places, by nodes that carry them."""
    pins = set(layers)
    if not pins:
        return model

    def pin(node: Node, parents: tuple[Node, ...]) -> Node:
        if node.layer not in pins or model.owners[node.layer] is not node:
            return moved(node, parents)
        path, name = want[node.layer]
        return node.altered(parents=parents, path=path, own_name=name)

    return Model(rebuilt(model, pin), model.name, parts=model._parts)


__all__ = ["Place", "Value", "is_place", "moved", "place_of", "places", "rebuilt", "settled"]
