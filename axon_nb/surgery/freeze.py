"""Owns which parameters of a model are not trained: ``freeze`` and ``unfreeze``.

Knows nothing about training. The rules stand in the nodes, so they stay when a model is composed or rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from axon_nb.errors import GraphError, UnknownNameError, unknown
from axon_nb.graph import Model, Node, verb
from axon_nb.layer import Op
from axon_nb.rules import GLOB, Rules, fits, merged, with_rule
from axon_nb.surgery.rebuild import moved, rebuilt, settled
from axon_nb.surgery.select import select
from axon_nb.trace import trace


@verb
def freeze(model: Model, what: Any = None, *, first: int | None = None, last: int | None = None) -> Model:
    """Return the model with parameters that training leaves alone.

    They cost no gradient and no optimizer memory. Freezing adds to what is frozen already.

    State is not frozen: in training a frozen ``batch_norm`` normalises by the batch, and its running mean and variance
    follow, as in Axon and in PyTorch with ``requires_grad = False``. (In Keras ``trainable = False`` makes it run as in
    inference.)

    Args:
        model: the model.
        what: all, if left out; else layers as ``find`` takes them (a name, a glob, a part, a kind, a function of a
            node), or parameters by name or glob (``"dense_0.bias"``, ``"*.bias"``), those of layers inside a layer too
            (``"bidirectional_0.forward"``, ``"bidirectional_0.bias"``).
        first: the first so many layers that run instead (Axon's ``up``): counted without inputs.
        last: the last so many layers.

    Raises:
        UnknownNameError: there is no layer or parameter of that name.
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


def _meant(model: Model, what: Any, first: int | None, last: int | None) -> list[tuple[Op, str]]:
    """Find the layers that are meant, each with a glob for its parameters; a layer may be meant several times."""
    if sum(value is not None for value in (what, first, last)) > 1:
        problem = "give one of: what, first, last"
        raise GraphError(problem)
    layers = [layer for layer, node in model.owners.items() if not node.is_input and not node.is_pick]
    if what is None:
        if first is None and last is None:
            return [(layer, "*") for layer in layers]
        count: Any = first if last is None else last
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            problem = "first and last take a number of layers"
            raise GraphError(problem, got=repr(count))
        chosen = layers[:count] if last is None else layers[max(len(layers) - count, 0) :]
        return [(layer, "*") for layer in chosen]
    if isinstance(what, list | tuple | set | frozenset):
        return [pair for one in what for pair in _meant(model, one, None, None)]
    if isinstance(what, str):
        return list(_by_text(model, what, layers).items())
    found = _layers(select(model, what))
    if not found:
        problem = "no layer with parameters is meant"
        raise GraphError(problem)
    return [(layer, "*") for layer in found]


def _by_text(model: Model, text: str, layers: list[Op]) -> dict[Op, str]:
    """Read a name as a layer's, part's or kind's; else as that of parameters, behind the name of their layer."""
    missing: Exception | None = None
    try:
        found = dict.fromkeys(_layers(select(model, text)), "*")
    except (UnknownNameError, GraphError) as error:
        found, missing = {}, error
    if missing or GLOB & set(text):
        named = _by_parameter(model, text, layers)
        found = {**named, **found}
        if missing and named:
            _check_meant(model, text, named)
    if not found and missing:
        raise missing
    return found


def _by_parameter(model: Model, text: str, layers: list[Op]) -> dict[Op, str]:
    """Take what stands behind a layer's name and a dot as the glob of its parameters, also of layers inside it."""
    names = {layer: model.names[model.owners[layer]] for layer in layers}
    exact = {layer: text[len(name) + 1 :] for layer, name in names.items() if text.startswith(f"{name}.")}
    found = {layer: glob for layer, glob in exact.items() if glob}
    if found or not GLOB & set(text):
        return found
    dots = [place for place, char in enumerate(text) if char == "."]
    for place in reversed(dots):
        for layer, name in names.items():
            if layer not in found and fnmatchcase(name, text[:place]):
                found[layer] = text[place + 1 :]
    known = parameters_of(model)
    return {layer: glob for layer, glob in found.items() if _has(known, layer, glob)}


def _check_meant(model: Model, text: str, named: Mapping[Op, str]) -> None:
    """Refuse the name of a parameter that no layer has."""
    known = parameters_of(model, states=True)  # which may be named, and are not trained anyway
    if not any(_has(known, layer, glob) for layer, glob in named.items()):
        names = {layer: model.names[model.owners[layer]] for layer in known}
        msg = "parameter"
        raise unknown(msg, text, [f"{names[layer]}.{name}" for layer in named for name in known[layer]])


def _has(known: Mapping[Op, tuple[str, ...]], layer: Op, glob: str) -> bool:
    return layer not in known or any(fits(glob, name) for name in known[layer])


def parameters_of(model: Model, *, states: bool = False) -> dict[Op, tuple[str, ...]]:
    """List the names of each layer's parameters that can be trained, for layers whose shapes are known; or of all."""
    traced = trace(model)
    return {
        layer: tuple(spec.name for spec in traced.nodes[node].params if states or not spec.is_state)
        for layer, node in model.owners.items()
        if traced.nodes[node].shape is not None and not node.is_input and not node.is_pick
    }


def rules_of(model: Model) -> dict[Op, Rules]:
    """Return what is frozen of each layer, without rules that mean none of its parameters."""
    ruled = {layer: rules for layer in model.owners if (rules := model.rules_of(layer))}
    if all(rules == (("*", True),) for rules in ruled.values()):
        return ruled
    known = parameters_of(model)
    kept = {
        layer: merged([tuple(rule for rule in rules if rule[0] == "*" or _has(known, layer, rule[0]))])
        for layer, rules in ruled.items()
    }
    return {layer: rules for layer, rules in kept.items() if rules}


def _layers(nodes: tuple[Node, ...]) -> list[Op]:
    real = (node.parents[0] if node.is_pick else node for node in nodes)
    return list(dict.fromkeys(node.layer for node in real if not node.is_input))


def _ruled(model: Model, meant: Iterable[tuple[Op, str]], *, frozen: bool) -> Model:
    rules: dict[Op, Rules] = {}
    for layer, glob in meant:
        rules[layer] = with_rule(rules.get(layer, model.rules_of(layer)), glob, frozen)

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        own = rules.get(node.layer, node.frozen)
        return moved(node, parents) if own == node.frozen else node.altered(parents=parents, frozen=own)

    return settled(model, rebuilt(model, change))


__all__ = ["freeze", "parameters_of", "rules_of", "unfreeze"]
