"""Owns reading a model from JSON that may come from anywhere: nothing in it is run, and whatever is wrong is told.

Knows nothing about files or weights.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping
from typing import Any

from axon_nb.declaration import Declaration
from axon_nb.errors import AxonError, FileError, brief, unknown
from axon_nb.files import load_json
from axon_nb.graph import INPUT, Builder, Model, Node, Structure, output_count, pick
from axon_nb.hooks import Hook, made_hook
from axon_nb.layer import LayerType, Op, as_layer, check_name, declared, registry
from axon_nb.serialize.equality import is_wiring
from axon_nb.serialize.values import Decoder, read_policy
from axon_nb.serialize.writer import FORMAT, VERSION

_PLACE = "this JSON"


def from_json(text: str | bytes, *, custom: Mapping[str, Any] | None = None) -> Model:
    """Read a model that ``to_json`` wrote. Nothing in the text is run.

    Args:
        text: the JSON.
        custom: layers, hooks and functions of your own by the names under which the JSON needs them; ``None`` for a
            hook leaves it out.

    Raises:
        FileError: it is no JSON, of a newer version, or tells of no model; names the node.
        AxonError: a layer or an option does not exist, or layers cannot be joined as it says.

    Example:
        >>> from axon_nb import dense, from_json, input
        >>> from_json((input((None, 4)) | dense(2)).to_json())
        <Model: input_0 (None, 4) -> dense_0 (None, 2)>
    """
    if not isinstance(text, str | bytes):
        problem = "JSON is text"
        raise FileError(problem, got=brief(text), fix="ax.load(path) reads files")
    return from_data(load_json(text, _PLACE), custom=custom)


Model.from_json = staticmethod(from_json)  # type: ignore[attr-defined]


def from_data(data: Any, *, custom: Mapping[str, Any] | None = None, place: str = _PLACE) -> Model:
    """Read a model from JSON values.

    Raises:
        AxonError: they tell of no model.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        problem = "this is no model"
        raise FileError(problem, where=place, got=brief(data), fix="model.to_json() writes one")
    if data.get("version") != VERSION:
        problem = f"it has version {brief(data.get('version'))}, and this axon_nb reads version {VERSION}"
        raise FileError(problem, where=place, fix="read it with the axon_nb that wrote it, or a newer one")
    return _read(data, _needed(data.get("needs")), custom or {}, place)


def _read(data: Mapping[str, Any], needs: dict[str, str], custom: Mapping[str, Any], place: str, at: str = "") -> Model:
    """Read nodes and outputs; ``at`` is where the model stands in an option of another."""
    nodes = data.get("nodes")
    if not isinstance(nodes, dict) or not nodes or not all(isinstance(told, dict) for told in nodes.values()):
        problem = '"nodes" must tell of each node by its name'
        raise FileError(problem, where=place, got=brief(nodes))
    return _Reader(nodes, needs, custom, place, at).model(data)


def _needed(told: Any) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in told.items()} if isinstance(told, dict) else {}


class _Reader:
    def __init__(
        self, told: dict[str, Any], needs: dict[str, str], custom: Mapping[str, Any], place: str, at: str
    ) -> None:
        self.told = told
        self.needs = needs
        self.custom = custom
        self.place = place
        self.nodes: dict[str, Node] = {}
        self.at = at
        self.decoder = Decoder(self._custom, self._inner)

    def model(self, data: Mapping[str, Any]) -> Model:
        self._check_custom()
        for name in self._parents_first():
            try:
                self.nodes[name] = self._node(self.told[name], name)
            except AxonError as error:
                msg = f"node {name!r}"
                raise error.at(msg) from None
        parts = data.get("parts", 0)
        if type(parts) is not int or parts < 0:
            problem = '"parts" is how many models were composed'
            raise FileError(problem, where=self.place, got=brief(parts))
        model = Model(self._outputs(data.get("outputs")), check_name(data.get("name")), parts=parts)
        used = set(model.nodes)
        idle = [name for name, node in self.nodes.items() if node not in used]
        if idle:
            problem = f"no output needs {', '.join(map(repr, idle[:5]))}"
            raise FileError(problem, where=self.place, fix="take what is not used out, or add it to the outputs")
        return model

    def _check_custom(self) -> None:
        """Tell all that must be brought at once, not the first alone."""
        missing = {name: kind for name, kind in self.needs.items() if name not in self.custom}
        if missing:
            problem = "this model has code of your own, which must be brought: " + "; ".join(
                f"{name} ({kind})" for name, kind in missing.items()
            )
            given = ", ".join(f"{name!r}: ..." for name in missing)
            hook = next((name for name, kind in missing.items() if kind == "a hook"), None)
            fixes = [f"custom={{{given}}}", *([f"{hook!r}: None leaves a hook out"] if hook else [])]
            raise FileError(problem, where=self.place, fix=fixes)

    def _custom(self, name: str) -> Any:
        if name not in self.custom:
            problem = f"it needs {name!r}, a function of your own"
            raise FileError(problem, fix=f"custom={{{name!r}: ...}}")
        return self.custom[name]

    def _inner(self, told: Mapping[str, Any], at: str) -> Model:
        return _read(told, {}, self.custom, self.place, f"{at}.")

    def _parents_first(self) -> list[str]:
        graph: dict[str, list[str]] = {}
        for name, told in self.told.items():
            inputs = told.get("inputs", [])
            if not isinstance(inputs, list) or not all(one is None or isinstance(one, str) for one in inputs):
                problem = '"inputs" is a list of names'
                raise FileError(problem, where=f"node {name!r}", got=brief(inputs))
            shares = told.get("shares")
            before = [one for one in inputs if one is not None] + ([shares] if isinstance(shares, str) else [])
            for one in before:
                if one not in self.told:
                    msg = f"node {name!r}"
                    raise unknown("node", one, self.told, error=FileError).at(msg)
            graph[name] = before
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            problem = "nodes feed themselves: " + " -> ".join(map(repr, error.args[1][:6]))
            raise FileError(problem, where=self.place) from None

    def _node(self, told: Mapping[str, Any], name: str) -> Node:
        inputs = tuple(one and self.nodes[one] for one in told.get("inputs", []))
        path = self._path(told.get("part", []))
        own = check_name(told.get("name"))
        if "output" in told:
            node = self._pick(told["output"], inputs, told)
        elif told.get("layer") == "input" and not told.get("custom"):
            node = self._input(told, name, inputs, path)
        else:
            node = self._apply(self._op(told, name, own), inputs, path)
        hooks = tuple(self._hooks(told.get("hooks", [])))
        return node.altered(path=path, own_name=own, frozen=self._rules(told.get("frozen", [])), hooks=hooks)

    def _path(self, told: Any) -> tuple[str, ...]:
        if not isinstance(told, list) or not all(isinstance(part, str) for part in told):
            problem = '"part" is a list of names, outermost first'
            raise FileError(problem, got=brief(told))
        return tuple(str(check_name(part)) for part in told)

    def _rules(self, told: Any) -> tuple[tuple[str, bool], ...]:
        match told:
            case [*rules] if all(isinstance(r, list) and len(r) == 2 and type(r[1]) is bool for r in rules):
                return tuple((str(pattern), value) for pattern, value in rules)
        problem = '"frozen" is a list of patterns, each with true or false'
        raise FileError(problem, got=brief(told))

    def _hooks(self, told: Any) -> Iterator[Hook]:
        for one in told if isinstance(told, list) else [told]:
            match one:
                case {"custom": str(name), "on": str(on), "mode": str(mode), "compiled": bool(compiled)}:
                    function = self._custom(name)
                    if function is not None:
                        yield made_hook(function, on, mode, compiled=compiled)
                case _:
                    problem = '"hooks" is a list of functions by name, each with "on", "mode" and "compiled"'
                    raise FileError(problem, got=brief(told))

    def _pick(self, index: Any, inputs: tuple[Any, ...], told: Mapping[str, Any]) -> Node:
        parent = inputs[0] if len(inputs) == 1 else None
        count = output_count(parent.layer) if parent and not is_wiring(parent) else 1
        if parent is None or count == 1 or type(index) is not int or not 0 <= index < count:
            problem = '"output" is which of the outputs of a layer with several'
            raise FileError(problem, got=brief(told))
        return Node(pick(parent.layer, index), (parent,))

    def _input(self, told: Mapping[str, Any], name: str, inputs: tuple[Any, ...], path: tuple[str, ...]) -> Node:
        if len(inputs) > 1 or None in inputs:
            problem = "the input of a part takes one input"
            raise FileError(problem, got=brief(told.get("inputs")))
        return Node(self._bind(INPUT, told, name, None), inputs, path)

    def _apply(self, op: Op, inputs: tuple[Any, ...], path: tuple[str, ...]) -> Node:
        made = Builder(path).apply(op, inputs)
        return made if isinstance(made, Node) else made[0].parents[0]

    def _op(self, told: Mapping[str, Any], name: str, own: str | None) -> Op:
        if "shares" in told:
            other = self.nodes.get(told["shares"]) if isinstance(told["shares"], str) else None
            if other is None or other.is_input or other.is_pick or "shares" in self.told[told["shares"]]:
                problem = '"shares" is the name of the node whose layer it is'
                raise FileError(problem, got=brief(told["shares"]))
            return other.layer
        made = self._bind(self._declaration(told, name), told, name, own)
        made.policy = read_policy(told.get("policy"))
        return made

    def _bind(self, declaration: Declaration, told: Mapping[str, Any], name: str, own: str | None) -> Op:
        options = told.get("options", {})
        if not isinstance(options, dict):
            problem = '"options" has a value for each option'
            raise FileError(problem, got=brief(options))
        given = {key: self.decoder.read(value, f"{self.at}{name}.{key}") for key, value in options.items()}
        made = Op(declaration, declaration.bind((), given), own)
        made.source = None
        return made

    def _declaration(self, told: Mapping[str, Any], name: str) -> Declaration:
        layer = told.get("layer")
        if not isinstance(layer, str):
            problem = '"layer" is the name of a layer'
            raise FileError(problem, got=brief(layer))
        if not told.get("custom"):
            found = declared(layer)
            if found is not None:
                return found
            if layer not in self.custom:
                known = [one for one, thing in registry.items() if isinstance(thing, LayerType)]
                error: AxonError = unknown("layer", layer, known, error=FileError)
                error.fixes = (*error.fixes[:-1], f"custom={{{layer!r}: ...}} brings a layer of your own")
                raise error
        full = f"{self.at}{name}"
        return _declaration_of(self._custom(full if full in self.custom else layer))

    def _outputs(self, told: Any) -> Structure:
        if isinstance(told, str):
            if told not in self.nodes:
                msg = '"outputs"'
                raise unknown("node", told, self.nodes, error=FileError).at(msg)
            return self.nodes[told]
        if isinstance(told, list) and told:
            return tuple(self._outputs(part) for part in told)
        if isinstance(told, dict) and told:
            return {name: self._outputs(part) for name, part in told.items()}
        problem = '"outputs" names a node, or several in a list or by name'
        raise FileError(problem, where=self.place, got=brief(told))


def _declaration_of(value: Any) -> Declaration:
    if isinstance(value, LayerType):
        return value.declaration
    layer = as_layer(value)
    if not isinstance(layer, Op):
        problem = "custom takes layers made by @layer, and functions of tensors"
        raise FileError(problem, got=brief(value))
    return layer.declaration
