"""Owns copies of layers and models that have weights of their own.

Knows nothing about shapes or about how weights are drawn.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from axon_nb.graph import Model, Node, map_leaves
from axon_nb.layer import Layer, Op

Rename = Callable[[str], str]


def renewed(thing: Any, rename: Rename = str, known: dict[Any, Any] | None = None) -> Any:
    """Copy a layer, layers joined, or a model, so that it shares no weights with the original.

    What shares weights inside the original shares them inside the copy.

    Args:
        thing: a layer, a model, or a tuple, list or dict of them; all else is returned as it is.
        rename: from the names given to layers and blocks to those of the copies.
        known: copies made before, by what they are copied from.

    Example:
        >>> from axon_nb import dense
        >>> tied = dense(4, name="tied")
        >>> made = renewed(tied | tied, lambda name: f"{name}_2")
        >>> made, len(set(made.ops))
        (dense(4, name='tied_2') | dense(4, name='tied_2'), 1)
    """
    known = {} if known is None else known
    if isinstance(thing, Op | Model):
        if thing not in known:
            known[thing] = _op(thing, rename) if isinstance(thing, Op) else _model(thing, rename, known)
        return known[thing]
    if isinstance(thing, Layer):
        made = copy.copy(thing)
        for name, value in vars(thing).items():
            setattr(made, name, renewed(value, rename, known))
        made.name = made.name and rename(made.name)
        return made
    if isinstance(thing, dict):
        return {name: renewed(part, rename, known) for name, part in thing.items()}
    if isinstance(thing, tuple | list):
        return type(thing)(renewed(part, rename, known) for part in thing)
    return thing


def _op(op: Op, rename: Rename) -> Op:
    made = copy.copy(op)
    made.__dict__.pop("fingerprint", None)
    made.name = op.name and rename(op.name)
    made.options = {name: renewed(value, rename) for name, value in op.options.items()}
    return made


def _model(model: Model, rename: Rename, known: dict[Any, Any]) -> Model:
    new: dict[Node, Node] = {}
    for node in model.nodes:
        kept = node.is_input or node.is_pick
        new[node] = node if node.is_input and not node.parents else node.over(
            new.__getitem__, layer=node.layer if kept else renewed(node.layer, rename, known)
        )  # fmt: skip
    return Model(map_leaves(model.outputs, new.__getitem__), model.name and rename(model.name))


def _copied(thing: Any, memo: dict[int, Any]) -> Any:
    """Copy for ``copy.deepcopy``: with weights of its own, as there; what is copied with it shares what it shared."""
    return renewed(thing, known=memo.setdefault(id(renewed), {}))


for _kind in (Layer, Model):
    setattr(_kind, "__deepcopy__", _copied)  # noqa: B010 - mypy takes an assignment for a method of the class
