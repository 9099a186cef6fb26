"""Owns giving layers, inputs and parts of a model other names.

Knows nothing about weights: ``params.rename`` moves them, and takes the same names.
"""

from __future__ import annotations

from collections.abc import Mapping

from axon_nb.errors import GraphError, brief, unknown
from axon_nb.graph import Model, Node, verb
from axon_nb.layer import Op, check_name
from axon_nb.surgery.rebuild import Place, is_place, places, rebuilt, settled
from axon_nb.surgery.select import parts_of

Path = tuple[str, ...]


@verb
def rename(model: Model, names: Mapping[str, str]) -> Model:
    """Give layers, inputs or parts other names; all others keep theirs.

    ``params.rename`` takes the same names and moves the weights of the model along.

    Args:
        model: the model.
        names: the new name within its part by the full old one: ``{"encoder.dense_0": "first", "encoder": "body"}``.

    Raises:
        UnknownNameError: there is no layer or part of an old name.
        GraphError: two would have one name.
        DeclarationError: a new name is empty or has a dot.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(4) | dense(2)
        >>> renamed = model.rename({"dense_1": "head"})
        >>> renamed
        <Model: input_0 (None, 8) -> dense_0 -> head (None, 2)>
        >>> list(model.init().rename({"dense_1": "head"}))
        ['dense_0', 'head']
    """
    if not isinstance(names, Mapping):
        problem = "rename takes new names by old ones"
        raise GraphError(problem, got=brief(names), fix='model.rename({"dense_1": "head"})')
    nodes = {model.names[node]: node for node in model.owners.values() if is_place(node)}
    parts = parts_of(model)
    for old, new in names.items():
        check_name(new)
        if new is None or (old not in nodes and old not in parts):
            msg = "layer or part"
            raise unknown(msg, old, [*nodes, *parts])
    paths = _new_paths(parts, names)
    wanted: dict[Op, Place] = {}
    for layer, (path, name) in places(model).items():
        full = ".".join((*path, name))
        wanted[layer] = (paths[path], names.get(full, name) if full in nodes else name)

    def change(node: Node, parents: tuple[Node, ...]) -> Node:
        path = paths[node.path]
        same = path == node.path and parents == node.parents
        return node if same else node.altered(parents=parents, path=path)

    # Picks follow their layer, which must move them into its part too.
    made = Model(rebuilt(model, change), model.name, parts=model._parts)
    if made.nodes == model.nodes:
        made = model
    renamed = settled(made, made.outputs, wanted)
    _ = renamed.names  # raises where two are the same
    return renamed


def _new_paths(parts: Mapping[str, Path], names: Mapping[str, str]) -> dict[Path, Path]:
    paths: dict[Path, Path] = {(): ()}
    for full, path in sorted(parts.items(), key=lambda item: len(item[1])):
        paths[path] = (*paths[path[:-1]], names.get(full, path[-1]))
    if len(set(paths.values())) < len(paths):
        problem = "two parts would have one name"
        raise GraphError(problem, got=", ".join(sorted(".".join(path) for path in paths.values() if path)))
    return paths


__all__ = ["rename"]
