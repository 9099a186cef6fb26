"""Owns saying which nodes of a model are meant: by name, glob, part, op, layer or a function of the node.

Knows nothing about what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from axon_nb.errors import GraphError, article, brief, unknown
from axon_nb.graph import Model, Node, verb
from axon_nb.layer import Layer, LayerType
from axon_nb.rules import GLOB


@verb
def find(model: Model, what: Any) -> Any:
    """Find nodes: one by its name, else a tuple of all that fit, in the order in which they run.

    Args:
        model: the model.
        what: a node's name (``"dense_0"``), which gives that node; or a glob of names (``"encoder.*"``), the name of a
            part (``"encoder"``) or of a kind of layer (``"dense"``), a kind itself (``ax.dense``), a layer object, or
            a function that tells for a node whether it is meant.

    Raises:
        UnknownNameError: there is no node, part or kind of layer of that name. A glob or a function may find none.
        GraphError: ``what`` is none of these.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 4)) | dense(8, "relu") | dense(2)
        >>> model.find("dense_1"), len(model.find("dense")), len(model.find(lambda node: node.is_input))
        (<Node dense(2)>, 2, 1)
    """
    if isinstance(what, str):
        exact = model.by_name.get(what)
        return exact if exact is not None else _by_text(model, what)
    return tuple(node for node in model.nodes if _fits(node, what))


def select(model: Model, what: Any) -> tuple[Node, ...]:
    """List the nodes that are meant, as ``find`` does; also of several descriptions, and never none.

    Raises:
        UnknownNameError: there is nothing of that name.
        GraphError: no node is meant.
    """
    if isinstance(what, tuple | list | set | frozenset):
        chosen = {node for one in what for node in select(model, one)}
        found: Any = tuple(node for node in model.nodes if node in chosen)
    else:
        found = find(model, what)
    nodes = (found,) if isinstance(found, Node) else found
    if not nodes:
        problem = "no node is meant"
        raise GraphError(problem, got=brief(what), fix=f"the nodes are: {', '.join(model.names.values())}")
    return tuple(nodes)


def one(model: Model, what: Any) -> Node:
    """Return the one node that is meant.

    Raises:
        UnknownNameError: there is none of that name.
        GraphError: several are meant.
    """
    nodes = select(model, what)
    if len({node.layer for node in nodes}) > 1:
        problem = "one layer must be meant"
        raise GraphError(problem, got=f"{brief(what)} means {', '.join(model.names[node] for node in nodes)}")
    return nodes[0]


def parts_of(model: Model) -> dict[str, tuple[str, ...]]:
    """List parts and named blocks by their dotted name."""
    paths = (node.path[: depth + 1] for node in model.nodes for depth in range(len(node.path)))
    return {".".join(path): path for path in paths}


def _by_text(model: Model, what: str) -> tuple[Node, ...]:
    part = parts_of(model).get(what)
    if part is not None:
        return tuple(node for node in model.nodes if node.path[: len(part)] == part)
    kind = tuple(node for node in model.nodes if node.op == what)
    if kind:
        return kind
    if GLOB & set(what):
        return tuple(node for node, name in model.names.items() if fnmatchcase(name, what))
    msg = "node"
    raise unknown(msg, what, [*model.names.values(), *parts_of(model)])


def _fits(node: Node, what: Any) -> bool:
    if isinstance(what, Node):
        return node is what
    if isinstance(what, LayerType):
        return node.layer.declaration is what.declaration
    if isinstance(what, Layer):
        return any(node.layer is op for op in what.ops)
    if not isinstance(what, Callable):  # type: ignore[arg-type]  # an abstract class serves here
        problem = "nodes are found by a name, a layer or a function of a node"
        raise GraphError(problem, got=f"{article(type(what).__name__)}: {brief(what)}", fix='model.find("dense_*")')
    return bool(what(node))


__all__ = ["find", "one", "parts_of", "select"]
