"""Owns the JSON of a model: a node a line, by name, readable and the same for the same model.

Knows nothing about reading it back, or about files.
"""

from __future__ import annotations

import inspect
import json
import warnings
from dataclasses import asdict
from typing import Any

from axon_nb.declaration import name_of
from axon_nb.graph import Model, Node, map_leaves, verb
from axon_nb.hooks import Hook
from axon_nb.serialize.equality import inputs_of, is_wiring
from axon_nb.serialize.values import encode, is_built_in
from axon_nb.source import here

FORMAT = "axon_nb.model"
VERSION = 1


@verb
def to_json(model: Model) -> str:
    """Write the model as JSON: layers by name with all their options, parents, parts and sharing. No weights.

    Layers, hooks and functions of your own cannot be part of it: they stand there by name, a warning says what loading
    will need, and ``from_json(text, custom={"scaled": scaled})`` brings them.

    Raises:
        GraphError: two nodes have the same name.

    Example:
        >>> from axon_nb import input, relu
        >>> print((input((None, 4)) | relu()).to_json())
        {
          "format": "axon_nb.model", "version": 1,
          "nodes": {
            "input_0": {"layer": "input", "options": {"shape": [null, 4], "dtype": "float32", "optional": false}},
            "relu_0": {"layer": "relu", "inputs": ["input_0"]}
          },
          "outputs": "relu_0"
        }
    """
    data = as_data(model)
    nodes = ",\n".join(f"    {_json(name)}: {_json(told)}" for name, told in data.pop("nodes").items())
    outputs = data.pop("outputs")
    needs = data.pop("needs", None)
    head = ", ".join(f"{_json(key)}: {_json(value)}" for key, value in data.items())
    end = f',\n  "needs": {_json(needs)}' if needs else ""
    return f'{{\n  {head},\n  "nodes": {{\n{nodes}\n  }},\n  "outputs": {_json(outputs)}{end}\n}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_data(model: Model) -> dict[str, Any]:
    """Return a model as JSON values; warns of what they cannot hold.

    Raises:
        GraphError: two nodes have the same name.
    """
    needs = Needs()
    told = {"format": FORMAT, "version": VERSION, **_graph(model, needs)}
    needs.warn()
    return {**told, **({"needs": needs.found} if needs.found else {})}


def lacking(model: Model) -> dict[str, str]:
    """Return what JSON cannot hold of a model: what each thing is, by the name that loading asks for.

    Example:
        >>> from axon_nb import input, relu
        >>> lacking(input((None, 4)) | relu()), lacking(input((None, 4)) | (lambda x: x * 2))
        ({}, {'function_0': 'a function of tensors, ...'})
    """
    needs = Needs()
    _graph(model, needs)
    return needs.found


def _graph(model: Model, needs: Needs, place: str = "") -> dict[str, Any]:
    """Return nodes and outputs; ``place`` is where the model stands in an option of another."""
    head: dict[str, Any] = {"name": model.name} if model.name else {}
    if model._parts:
        head["parts"] = model._parts
    nodes = {model.names[node]: _node(model, node, needs, place) for node in model.nodes}
    return {**head, "nodes": nodes, "outputs": _listed(map_leaves(model.outputs, model.names.__getitem__))}


def _listed(outputs: Any) -> Any:
    if isinstance(outputs, dict):
        return {name: _listed(part) for name, part in outputs.items()}
    return [_listed(part) for part in outputs] if isinstance(outputs, tuple) else outputs


class Needs:
    """What loading will need: by the name it is asked for, what it is and where it was written."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._things: dict[str, Any] = {}

    def function(self, place: str, name: str) -> str:
        """Note a function in an option, asked for by its place."""
        self.found[place] = "a function" if name == "function" else f"the function {name}"
        return place

    def model(self, model: Model, place: str) -> dict[str, Any]:
        """Write a model that stands in an option."""
        return _graph(model, self, f"{place}.")

    def layer(self, node: Node, name: str) -> None:
        """Note a layer of the user's own: asked for by its name, a plain function by that of its node."""
        written = f", {node.layer.source}" if node.layer.source else ""
        kind = "a function of tensors" if asked_by_node(node) else "a layer"
        function = node.layer.declaration.function
        self._note(name if asked_by_node(node) else node.op, name, function, kind + written)

    def hook(self, hook: Hook, place: str) -> str:
        """Note a hook's function, asked for by its name, one without by where it is; returns as what."""
        name = name_of(hook.function)
        return self._note(place if name in ("function", "partial") else name, place, hook.function, "a hook")

    def _note(self, name: str, place: str, thing: Any, kind: str) -> str:
        """Ask for a thing by its name, or by its place where another thing is asked for by that name."""
        known = self._things.setdefault(name, thing)
        key = name if known is thing or (inspect.ismethod(thing) and known == thing) else place
        self.found.setdefault(key, kind)
        return key

    def warn(self) -> None:
        """Say what the JSON does not hold."""
        if self.found:
            wanted = "; ".join(f"{name} ({kind})" for name, kind in self.found.items())
            text = f"code of your own is not stored, and loading takes it: custom={{...}} with {wanted}"
            place = here()
            warnings.warn_explicit(text, UserWarning, place.filename if place else "", place.line if place else 0)


def asked_by_node(node: Node) -> bool:
    """Whether a custom layer is asked for by its node's name: a plain function, which may have no name of its own."""
    declaration = node.layer.declaration
    return not declaration.options and declaration.family == "custom" and name_of(declaration.function) == "function"


def _node(model: Model, node: Node, needs: Needs, place: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    name, owner = model.names[node], model.owners[node.layer]
    if node.is_pick:
        told["output"] = node.options["index"]
    elif owner is not node and not is_wiring(node):
        told["shares"] = model.names[owner]
    else:
        told["layer"] = node.op
        if not node.is_input and not is_built_in(node.layer.declaration):
            needs.layer(node, f"{place}{name}")
            told["custom"] = True
    if node.parents:
        told["inputs"] = [parent and model.names[parent] for parent in inputs_of(node)]
    if node.options and "layer" in told:
        told["options"] = {key: encode(v, f"{place}{name}.{key}", needs) for key, v in node.options.items()}
    if node.layer.policy is not None and "layer" in told:
        told["policy"] = asdict(node.layer.policy)
    if node.own_name:
        told["name"] = node.own_name
    if node.path:
        told["part"] = list(node.path)
    if node.frozen:
        told["frozen"] = [list(rule) for rule in node.frozen]
    if node.hooks:
        told["hooks"] = [_hook(one, needs.hook(one, f"{place}{name}.hook_{i}")) for i, one in enumerate(node.hooks)]
    return told


def _hook(hook: Hook, function: str) -> dict[str, Any]:
    return {"custom": function, "on": hook.on, "mode": hook.mode, "compiled": hook.compiled}
