"""Owns when two models are the same: the same layers with the same options, joined, named and shared alike.

Knows nothing about weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.engine import to_bytes
from axon_nb.errors import GraphError
from axon_nb.functional.initializers import Initializer
from axon_nb.graph import Model, Node, Part, Structure, map_leaves, verb
from axon_nb.layer import Chain, LayerType, Op
from axon_nb.surgery.freeze import rules_of


@verb
def equals(model: Model, other: object) -> bool:
    """Whether another model has the same structure: layers, options, wiring, names, parts, sharing, what is frozen.

    Policies and hooks count too, a hook as the same function called at the same moments.

    ``==`` stays what it is for objects, identity: models are keys of dicts, and two that look alike have weights of
    their own, as their layers do. The name of the model itself, and where layers were written, don't count.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 4)) | dense(2)).equals(input((None, 4)) | dense(2))
        True
        >>> (input((None, 4)) | dense(2)).equals(input((None, 4)) | dense(3))
        False
    """
    return isinstance(other, Model) and (model is other or structure(model) == structure(other))


def structure(model: Model) -> tuple[Any, ...]:
    """Return all that makes a model's structure, as values that can be compared."""
    places = {node: index for index, node in enumerate(model.nodes)}
    names = names_of(model)
    owners = {node.layer: index for node, index in reversed(places.items())}
    frozen = rules_of(model)
    nodes = tuple(
        (
            node_key(node),
            tuple(parent and places[parent] for parent in inputs_of(node)),
            node.path,
            names[node],
            None if is_wiring(node) else owners[node.layer],
            frozen.get(node.layer, ()),
            tuple(map(hook_key, node.hooks)),
        )
        for node in model.nodes
    )
    return nodes, outputs_of(model)


def outputs_of(model: Model) -> Any:
    """Return which nodes are outputs, by their places, nested as the outputs are."""
    places = {node: index for index, node in enumerate(model.nodes)}
    return frozen_structure(model.outputs, places.__getitem__)


def node_key(node: Node) -> tuple[Any, ...]:
    """Return what two layers share that compute the same thing: function and options, to the last type."""
    options = tuple((name, same(value)) for name, value in node.options.items())
    return node.layer.declaration.function, node.layer.policy, options


def hook_key(hook: Any) -> tuple[Any, ...]:
    """Return what two hooks share that do the same."""
    return hook.function, hook.on, hook.mode, hook.compiled


def is_wiring(node: Node) -> bool:
    """Whether a node has no layer with weights to share: an input, or one of several outputs."""
    return node.is_input or node.is_pick


def inputs_of(node: Node) -> tuple[Node | None, ...]:
    """What a node reads, by the order of its layer's inputs; ``None`` for one that is left out."""
    return getattr(node, "inputs", node.parents)


def names_of(model: Model) -> dict[Node, str]:
    """Name the nodes; of a model whose names clash, each by its own name or its layer's."""
    try:
        return model.names
    except GraphError:
        return {node: node.own_name or node.op for node in model.nodes}


def frozen_structure(outputs: Structure, of: Callable[[Node], Any]) -> Any:
    """Write nested outputs as tuples, with the names of dicts, so that they can be compared and hashed."""
    if isinstance(outputs, dict):
        return "dict", tuple((name, frozen_structure(part, of)) for name, part in outputs.items())
    if isinstance(outputs, tuple):
        return "tuple", tuple(frozen_structure(part, of) for part in outputs)
    return map_leaves(outputs, of)


def same(value: Any) -> Any:
    """Return what is equal for two values exactly if they are the same: also inside, and 1, 1.0 and True are not.

    Example:
        >>> same((1, 2.0)) == same((1, 2.0)), same((1, 2.0)) == same((1, 2)), same(float("nan")) == same(float("nan"))
        (True, False, True)
    """
    if type(value) in _PLAIN:  # most are, and each question below takes as long as all of this
        return type(value), value
    if isinstance(value, tuple):
        return tuple(map(same, value))
    if isinstance(value, frozenset):
        return frozenset(map(same, value))
    if isinstance(value, float):
        return "float", repr(value)
    if isinstance(value, Tensor):
        return "tensor", dtype_name(value.dtype), tuple(value.shape), bytes(to_bytes(value))
    if isinstance(value, Op):
        options = tuple((name, same(one)) for name, one in value.options.items())
        return value.declaration.function, options, value.name, value.policy
    if isinstance(value, Part):
        return "model", structure(value.model)
    if isinstance(value, Chain):
        return "chain", tuple(map(same, value.layers)), value.name
    if isinstance(value, LayerType):
        return "layer type", value.declaration.function
    if isinstance(value, Initializer):
        return "initializer", value.name, value.draw, tuple((name, same(one)) for name, one in value.options)
    return type(value), value


_PLAIN = frozenset({int, bool, str, type(None)})
