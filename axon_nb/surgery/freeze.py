"""Owns which parameters of a model are not trained: ``freeze`` and ``unfreeze``.

Knows nothing about training. The rules stand in the nodes, so they stay when a model is composed or rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from axon_nb.errors import GraphError, UnknownNameError
from axon_nb.graph import Model, Node, Rules, is_frozen, verb
from axon_nb.layer import Op
from axon_nb.surgery.rebuild import moved, rebuilt, settled
from axon_nb.surgery.select import GLOB, select


@verb
def freeze(model: Model, what: Any = None, *, first: int | None = None, last: int | None = None) -> Model:
    """Return the model with parameters that training leaves alone.

    They cost no gradient and no optimizer memory. State (running means) goes on changing in training, as in PyTorch.
    Freezing adds to what is frozen already.

    Args:
        model: the model.
        what: all, if left out; else layers as ``find`` takes them (a name, a glob, a part, a kind, a function of a
            node), or parameters by name or glob (``"dense_0.bias"``, ``"*.bias"``).
        first: the first so many layers that run instead (Axon's ``up``): counted without inputs.
        last: the last so many layers.

    Raises:
        UnknownNameError: there is no layer of that name.
        GraphError: no layer is meant.

    Example:
        >>> from axon_nb import dense, input
        >>> model = (input((None, 8)) | dense(4) | dense(2)).freeze("dense_0")
        >>> model.init().frozen
        <Params: 36 values, 144 bytes: dense_0.kernel (8, 4), dense_0.bias (4,)>
        >>> model.unfreeze("*.bias").init().frozen
        <Params: 32 values, 128 bytes: dense_0.kernel (8, 4)>
    """
    return _ruled(model, _meant(model, what, first, last), frozen=True)


@verb
def unfreeze(model: Model, what: Any = None, *, first: int | None = None, last: int | None = None) -> Model:
    """Return the model with parameters trained again: the inverse of ``freeze``, with the same arguments.

    Raises:
        UnknownNameError: there is no layer of that name.
        GraphError: no layer is meant.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(4) | dense(2)
        >>> model.freeze().unfreeze(last=1).init().trainable
        <Params: 10 values, 40 bytes: dense_1.kernel (4, 2), dense_1.bias (2,)>
    """
    return _ruled(model, _meant(model, what, first, last), frozen=False)


def _meant(model: Model, what: Any, first: int | None, last: int | None) -> dict[Op, str]:
    """Find the layers that are meant, each with a glob for its parameters."""
    if sum(value is not None for value in (what, first, last)) > 1:
        problem = "give one of: what, first, last"
        raise GraphError(problem)
    layers = [layer for layer, node in model.owners.items() if not node.is_input and not node.is_pick]
    if what is None:
        if first is None and last is None:
            return dict.fromkeys(layers, "*")
        count: Any = first if last is None else last
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            problem = "first and last take a number of layers"
            raise GraphError(problem, got=repr(count))
        chosen = layers[:count] if last is None else layers[max(len(layers) - count, 0) :]
        return dict.fromkeys(chosen, "*")
    if isinstance(what, list | tuple | set | frozenset):
        return {layer: glob for one in what for layer, glob in _meant(model, one, None, None).items()}
    if isinstance(what, str):
        return _by_text(model, what, layers)
    found = _layers(select(model, what))
    if not found:
        problem = "no layer with parameters is meant"
        raise GraphError(problem)
    return dict.fromkeys(found, "*")


def _by_text(model: Model, text: str, layers: list[Op]) -> dict[Op, str]:
    """Read a name as a layer's, part's or kind's; else as that of parameters, its layer before the last dot."""
    missing: Exception | None = None
    try:
        found = dict.fromkeys(_layers(select(model, text)), "*")
    except (UnknownNameError, GraphError) as error:
        found, missing = {}, error
    head, dot, tail = text.rpartition(".")
    if dot and (missing or GLOB & set(text)):
        names = {layer: model.names[model.owners[layer]] for layer in layers}
        found |= {layer: tail for layer, name in names.items() if fnmatchcase(name, head) and layer not in found}
    if not found and missing:
        raise missing
    return found


def _layers(nodes: tuple[Node, ...]) -> list[Op]:
    real = (node.parents[0] if node.is_pick else node for node in nodes)
    return list(dict.fromkeys(node.layer for node in real if not node.is_input))


def _ruled(model: Model, globs: Mapping[Op, str], *, frozen: bool) -> Model:
    rules = {layer: _with(model.owners[layer].frozen, glob, frozen) for layer, glob in globs.items()}

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        own = rules.get(node.layer, node.frozen)
        return moved(node, parents) if own == node.frozen else node.altered(parents=parents, frozen=own)

    return settled(model, rebuilt(model, change))


def _with(rules: Rules, glob: str, value: bool) -> Rules:
    """Add a rule; leave out those that it makes void."""
    if glob == "*":
        return (("*", True),) if value else ()
    left = tuple(rule for rule in rules if rule[0] != glob)
    if not GLOB & set(glob) and is_frozen(left, glob) is value:
        return left
    made = (*left, (glob, value))
    return made if any(is_true for _, is_true in made) else ()


__all__ = ["freeze", "unfreeze"]
