"""Owns code for other frameworks: a model as a person would write it there, and its weights under the names there.

What each layer is in a framework stands in the tables of ``code_torch``, ``code_tinygrad`` and ``code_keras``.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from axon_nb.engine import RUNTIME
from axon_nb.functional import window
from axon_nb.graph import Model, Node, leaves
from axon_nb.interop.optional import InteropError
from axon_nb.lazy import numpy as np
from axon_nb.params import Params
from axon_nb.trace import Trace, path_of, trace

Change = Callable[[Any], Any]


@dataclass
class Piece:
    """A layer in a framework: what makes it, where it is an object there, how it is called, and its weights."""

    call: str
    """The call: ``{self}`` is the object, ``{0}``, ``{1}`` ... the inputs."""
    make: str | None = None
    weights: dict[str, tuple[str, Change | None]] = field(default_factory=dict)
    """The name there: our parameter, and how it is changed."""


@dataclass
class At:
    """One layer, as the entries of a table see it."""

    node: Node
    name: str
    shapes: list[Any]
    shape: Any

    def __getitem__(self, option: str) -> Any:
        return self.node.options[option]

    @property
    def rank(self) -> int:
        """Axes of the first input."""
        return len(self.shapes[0])

    @property
    def within(self) -> int:
        """Channels or features of the first input."""
        return int(self.shapes[0][1 if self.node.options.get("channels") == "first" else -1])

    def refuse(self, why: str) -> InteropError:
        """Make the error that names the layer."""
        return InteropError(why, where=self.name)

    def pads(self, kernel: Any) -> list[tuple[int, int]]:
        """Work out padding in cells; it must be known."""
        axes = self.rank - 2
        sizes = self.shapes[0][2:] if self["channels"] == "first" else self.shapes[0][1:-1]
        strides = kernel if self["strides"] is None else self["strides"]
        per = [window.per_axis(one, axes, "size") for one in (kernel, strides, self.node.options.get("dilation", 1))]
        if self["padding"] == "same" and not all(
            isinstance(n, int) or s == 1 for n, s in zip(sizes, per[1], strict=True)
        ):
            problem = "pads to the same size, and the size of its input is not known"
            raise self.refuse(problem)
        known = [n if isinstance(n, int) else 10**6 for n in sizes]
        return window.pads(self["padding"], known, *per)


Table = Mapping[str, Callable[[At], Piece]]


def apply(at: At, expression: str, function: Any, table: Mapping[str, str]) -> str:
    """Put an activation around an expression."""
    if function is None or function == "linear":
        return expression
    declaration = getattr(function, "declaration", None)
    name = function if isinstance(function, str) else declaration.name if declaration is not None else ""
    if name not in table:
        problem = f"its activation {name or 'is a function of your own and'} has no code in this framework"
        raise at.refuse(problem)
    from axon_nb.layer import registry

    defaults = {o.name: o.default for o in registry[name].declaration.options}  # type: ignore[attr-defined]
    given = {**defaults, **getattr(function, "options", {})}
    lost = [key for key, value in given.items() if value != defaults[key] and f"{{{key}}}" not in table[name]]
    if lost:
        problem = f"{name} with another {' and '.join(lost)} has no code in this framework"
        raise at.refuse(problem)
    return table[name].format(expression, **given)


@dataclass
class Written:
    """A model in a framework: lines that make objects, lines that call them, and where weights go."""

    makes: dict[str, str]
    calls: list[str]
    inputs: list[str]
    result: str
    weights: dict[str, tuple[tuple[str, ...], Change | None]]


def write(model: Model, table: Table, activations: Mapping[str, str], prefix: str = "self.") -> Written:
    """Write a model with a table.

    Raises:
        InteropError: a layer has no code in this framework; names it.
    """
    traced: Trace = trace(model).check_known()
    uses = Counter(parent for node in model.nodes for parent in node.parents)
    uses.update(leaves(model.outputs))
    order = list(model.nodes)
    values: dict[Node, str] = {}
    taken: set[str] = {"x", "self", "nn", "F", "torch", "keras", "Tensor"}
    made = Written({}, [], [], "", {})
    names: dict[Any, str] = {}
    for place, node in enumerate(order):
        if node in model.inputs:
            values[node] = _free(model.names[node], taken)
            made.inputs.append(values[node])
            continue
        given = [values[parent] for parent in node.parents]
        if node.is_input or node.is_pick:
            values[node] = f"{given[0]}[{node.options['index']}]" if node.is_pick else given[0]
            continue
        shapes = [traced.nodes[parent].shape for parent in node.parents]
        at = At(node, model.names[node], shapes, traced.nodes[node].shape)
        piece = _piece(at, node, table, activations)
        if piece.make is not None and node.layer not in names:
            names[node.layer] = own = _free(model.names[node], taken)
            made.makes[own] = piece.make
            path = path_of(model, node)
            made.weights |= {
                f"{own}.{there}": ((*path, ours), change) for there, (ours, change) in piece.weights.items()
            }
        expression = piece.call.format(*given, self=prefix + names.get(node.layer, ""))
        if expression in given:
            values[node] = expression
            continue
        chained = uses[node] == 1 and place + 1 < len(order) and node in order[place + 1].parents
        last = place + 1 == len(order)
        values[node] = "x" if chained or last else _free(model.names[node] + "_out", taken)
        made.calls.append(f"{values[node]} = {expression}")
    made.result = ", ".join(values[node] for node in leaves(model.outputs))
    return made


def _piece(at: At, node: Node, table: Table, activations: Mapping[str, str]) -> Piece:
    if len(node.inputs) != len(node.parents):
        problem = "leaves out inputs, which code for other frameworks cannot"
        raise at.refuse(problem)
    if node.op in activations:
        return Piece(apply(at, "{0}", node.layer, activations))
    if node.op == "activation":
        return Piece(apply(at, "{0}", node.options["function"], activations))
    if node.op not in table:
        problem = f"there is no code for {node.op} in this framework"
        raise at.refuse(problem)
    piece = table[node.op](at)
    if node.options.get("activation") is not None and node.op not in ("lstm", "gru", "rnn"):
        piece.call = apply(at, piece.call, node.options["activation"], activations)
    return piece


def _free(name: str, taken: set[str]) -> str:
    plain = re.sub(r"\W+", "_", name).strip("_") or "layer"
    plain = f"layer_{plain}" if plain[0].isdigit() or keyword.iskeyword(plain) else plain
    unique, count = plain, 1
    while unique in taken:
        count += 1
        unique = f"{plain}_{count}"
    taken.add(unique)
    return unique


def class_name(model: Model, name: str | None) -> str:
    """Name the class of a model: ``Mnist``."""
    words = re.findall(r"[0-9A-Za-z]+", name or model.name or "model")
    made = "".join(word[:1].upper() + word[1:] for word in words) or "Model"
    return made if made.isidentifier() and not keyword.iskeyword(made) else f"Model{made}"


def arrays(written: Written, params: Params) -> dict[str, Any]:
    """Return the weights under their names in the other framework, changed to be as they are there."""
    found = {}
    with RUNTIME:
        for name, (path, change) in written.weights.items():
            values = np.asarray(params.leaves[path].tensor.numpy())
            found[name] = np.ascontiguousarray(values if change is None else change(values))
    return found


def one(sizes: Any) -> str:
    """Write a size: one number where all are the same."""
    if isinstance(sizes, int):
        return str(sizes)
    return str(sizes[0]) if len(set(sizes)) == 1 else repr(tuple(sizes))


def transposed(values: Any) -> Any:
    """Turn a kernel on its side."""
    return values.T


def options(**given: tuple[Any, Any]) -> str:
    """Write the options that differ from their defaults: ``name=(value, default)``; text is code already."""
    return "".join(f", {name}={value}" for name, (value, default) in given.items() if value != default)
