"""Owns how a layer, its options and names are written as code, as a person would.

Knows nothing about how a graph is cut into lines.
"""

from __future__ import annotations

import copy
import keyword
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from axon_nb.declaration import Declaration, name_of
from axon_nb.functional.initializers import Initializer
from axon_nb.graph import Model, Node, Part, name_nodes
from axon_nb.hooks import Hook
from axon_nb.layer import Chain, Layer, LayerType, Op, registry
from axon_nb.options import Axes
from axon_nb.policies import NAMES, Policy
from axon_nb.serialize.equality import is_wiring, same
from axon_nb.serialize.values import is_built_in, is_known

_BARE = 2  # so many options at most stand without their names


class Speller:
    """Writes layers and values, and gives out names that nothing else has."""

    def __init__(self, model: Model, prefix: str = "") -> None:
        self.prefix = prefix
        self.taken = {
            *registry,
            *keyword.kwlist,
            *keyword.softkwlist,
            "ax",
            "initializers",
            "layer",
            "model",
            "policies",
        }
        self.imports: set[str] = set()
        self.needs: dict[str, str] = {}
        self.things: dict[str, Any] = {}
        """What ``needs`` asks for."""
        self._customs: dict[int, str] = {}
        self._written: dict[Part, str] = {}
        self.write: Callable[[Model, str], str] = _unwritten
        self._be_for(model)
        for node in model.nodes:
            self._meet(node, model.names[node])

    def _be_for(self, model: Model) -> None:
        self.own_names = _own_names(model)
        self.owners = model.owners

    def within(self, model: Model) -> Speller:
        """Return what writes a model that stands in an option: it gives out names from the same stock."""
        made = copy.copy(self)
        made._be_for(model)
        return made

    def _meet(self, node: Node, place: str) -> None:
        """Name what is of the user's own before any variable takes that name."""
        if not is_wiring(node) and not is_built_in(node.layer.declaration):
            declaration = node.layer.declaration
            kind = "a function of tensors" if is_plain(declaration) else "a layer"
            written = f", {node.layer.source}" if node.layer.source else ""
            hint = declaration.name if declaration.name != "function" else place
            name = self._custom(declaration.function, hint, kind + written)
            self.things[name] = LayerType(declaration.function, declaration.name, lambda: declaration)
        for name, value in node.options.items():
            if isinstance(value, Part):
                for inner in value.model.nodes:
                    self._meet(inner, f"{place}_{name}_{value.model.names[inner]}")
            else:
                self.value(value, f"{place}_{name}")
        for hook in node.hooks:
            self.hook(hook, f"{place}_hook")

    def _custom(self, thing: Any, hint: str, kind: str) -> str:
        if id(thing) not in self._customs:
            self._customs[id(thing)] = name = self.variable(hint)
            self.needs[name] = kind
            self.things[name] = thing
        return self._customs[id(thing)]

    def variable(self, hint: str, *others: str) -> str:
        """Give out a name: the hint if it can be one and is free, else one like it."""
        tried = [valid(one) for one in (hint, *others)]
        name = next((one for one in tried if one not in self.taken), None)
        number = 2
        while name is None:
            one = f"{tried[0]}_{number}"
            name, number = (None if one in self.taken else one), number + 1
        self.taken.add(name)
        return name

    def layer(self, node: Node) -> str:
        """Write the layer of a node: ``dense(128, "relu")``."""
        return self.call(node.layer, self.own_names.get(self.owners[node.layer] if not node.is_input else node))

    def is_bare(self, node: Node) -> bool:
        """Whether the layer is written as a plain function, which joins others only behind a layer."""
        return is_plain(node.layer.declaration) and not is_wiring(node)

    def call(self, op: Op, name: str | None = None, inputs: Iterable[str] = ()) -> str:
        """Write a layer with its options, those left out that have their default."""
        declaration = op.declaration
        named = [f"name={quoted(name)}"] if name else []
        if not is_built_in(declaration) and declaration.name != "input":
            known = self._custom(declaration.function, declaration.name, "a layer")
            if is_plain(declaration):
                return f"{self.wrapped(known)}({named[0]})" if named else known
        else:
            known = f"{self.prefix}{declaration.name}"
        return f"{known}({', '.join([*inputs, *self._arguments(op), *named])})"

    def wrapped(self, function: str) -> str:
        """Write a plain function as what makes layers."""
        if not self.prefix:
            self.imports.add("layer")
        return f"{self.prefix}layer({function})"

    def _arguments(self, op: Op) -> list[str]:
        written: list[str] = []
        bare = True
        for option in op.declaration.options:
            value = op.options[option.name]
            if not option.required and same(value) == same(option.default):
                bare = False
                continue
            text = self.value(value, f"{op.declaration.name}_{option.name}")
            plain = not callable(value) or isinstance(value, Part)
            says_more = isinstance(option.type, Axes)  # softmax(axis=1)
            bare = bare and option.positional and len(written) < _BARE and plain and not says_more
            written.append(text if bare else f"{option.name}={text}")
        return written

    def value(self, value: Any, place: str = "value") -> str:
        """Write the value of an option; what is no data gets a name that the reader must give it."""
        if isinstance(value, str):
            return quoted(value)
        if value is None or type(value) in (bool, int, bytes):
            return repr(value)
        if type(value) is float:
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        if type(value) is tuple:
            parts = [self.value(one, place) for one in value]
            return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        if isinstance(value, frozenset):
            return f"frozenset(({''.join(f'{part}, ' for part in sorted(self.value(one, place) for one in value))}))"
        if isinstance(value, Initializer) and is_known(value):
            if not self.prefix:
                self.imports.add("initializers")
            options = ", ".join(f"{name}={self.value(one, place)}" for name, one in value.options)
            return f"{self.prefix}initializers.{value.name}({options})"
        return self._layer_value(value, place)

    def policy(self, policy: Policy) -> str:
        """Write a policy: by its name where it has one."""
        if not self.prefix:
            self.imports.add("policies")
        name = NAMES.get(policy)
        kinds = ", ".join(f"{key}={quoted(value)}" for key, value in asdict(policy).items() if value)
        return f"{self.prefix}policies.{name or f'Policy({kinds})'}"

    def hook(self, hook: Hook, place: str = "hook") -> list[str]:
        """Write the arguments of ``hook`` behind the layer's name."""
        function = name_of(hook.function)
        name = self._custom(hook.function, place if function in ("function", "partial") else function, "a hook")
        on = [] if hook.on == "forward" else [f"on={quoted(hook.on)}"]
        mode = [] if hook.mode == "both" else [f"mode={quoted(hook.mode)}"]
        return [name, *on, *mode, *["compiled=True"] * hook.compiled]

    def _layer_value(self, value: Any, place: str) -> str:
        if isinstance(value, LayerType) and is_built_in(value.declaration):
            return f"{self.prefix}{value.declaration.name}"
        if isinstance(value, Op) and is_built_in(value.declaration):
            text = self.call(value, value.name)
            under = f", {self.policy(value.policy)}" if value.policy else ""
            return f"{self.prefix}policies.with_policy({text}{under})" if under else text
        if isinstance(value, Chain) and not value.name:
            return f"({' | '.join(self.value(one, place) for one in value.layers)})"
        if isinstance(value, Part):
            return self._part(value, place)
        name = name_of(value)
        kind = f"a {type(value).__name__}" if isinstance(value, Layer) or not callable(value) else "a function"
        return self._custom(value, name if callable(value) and name not in ("function", "partial") else place, kind)

    def _part(self, part: Part, place: str) -> str:
        """Write layers in a row as such, and any other model as a variable."""
        if part.chain and all(op.policy is None for op in part.chain):
            texts = [self.call(op, op.name) for op in part.chain]
            if len(texts) > 1 and is_plain(part.chain[0].declaration) and "(" not in texts[0]:
                texts[0] = f"{self.wrapped(texts[0])}()"
            return " | ".join(texts)
        if part not in self._written:
            self._written[part] = self.write(part.model, place)
        return self._written[part]


def _unwritten(model: Model, hint: str) -> str:
    raise NotImplementedError  # whoever writes statements says how


def is_plain(declaration: Declaration) -> bool:
    """Whether a layer is a plain function in a pipe, which takes no options."""
    return not is_built_in(declaration) and declaration.family == "custom" and not declaration.options


def quoted(text: str) -> str:
    """Write text in double quotes, as people do.

    Example:
        >>> print(quoted("relu"), quoted("it's"), quoted('a "b"'))
        "relu" "it's" 'a "b"'
    """
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in text else plain


def valid(hint: str) -> str:
    """Make the nearest name that a variable may have.

    Example:
        >>> valid("encoder.dense_0#2"), valid("2nd"), valid("class"), valid("!")
        ('encoder_dense_0_2', '_2nd', 'class', 'value')
    """
    text = re.sub(r"\W+", "_", hint).strip("_") or "value"
    return text if text.isidentifier() else f"_{text}" if f"_{text}".isidentifier() else "value"


def _own_names(model: Model) -> dict[Node, str]:
    """Find the names that must be written: those that the nodes would not have anyway.

    Surgery keeps names by writing down those that were given by order.
    """
    usual = {node for node in model.nodes if node.own_name and re.fullmatch(rf"{node.op}_\d+", node.own_name)}
    own = {node: node.own_name for node in model.nodes if node.own_name}
    if not usual:
        return own
    stand_ins: dict[Node, Node] = {}
    for node in model.nodes:
        stand_ins[node] = made = node.altered(parents=tuple(stand_ins[parent] for parent in node.parents))
        made.own_name = None if node in usual else node.own_name
    names = name_nodes(tuple(stand_ins.values()))
    free = all(names[stand_ins[node]] == model.names[node] for node in model.nodes)
    return {node: name for node, name in own.items() if not free or node not in usual}
