"""Owns code for other frameworks: a model as a person would write it there, and its weights under the names there.

What each layer is in a framework stands in the tables of ``code_torch`` (PyTorch and tinygrad) and ``code_keras``.
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
from axon_nb.interop.code_kinds import Kinds, Left, Typed, kinds_of
from axon_nb.interop.optional import InteropError
from axon_nb.interop.runs import Runs
from axon_nb.lazy import numpy as np
from axon_nb.params import Params
from axon_nb.trace import Trace, path_of, trace

Change = Callable[..., Any]


@dataclass
class Piece:
    """A layer in a framework: what makes it, where it is an object there, how it is called, and its weights."""

    call: str
    """The call: ``{self}`` is the object, ``{0}``, ``{1}`` ... the inputs."""
    make: str | None = None
    weights: dict[str, tuple[str | tuple[str, ...], Change | None]] = field(default_factory=dict)
    """The name there: our parameter, or several, and how they are changed."""
    activated: bool = False
    """Whether its activation is in it already."""
    then: list[str] = field(default_factory=list)
    """Calls that follow, each on a line of its own."""


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


@dataclass(frozen=True)
class Framework:
    """What a framework is, for writing code: its layers and activations, and how it names weights."""

    table: Mapping[str, Callable[[At], Piece]]
    activations: Mapping[str, str]
    owner: str = "self."
    """What stands before the name of a layer's object."""
    between: str = "."
    """What stands between the names of a layer and of a weight."""
    inline: bool = False
    """Whether layers are made where they are called, with their name as an argument."""
    typed: Typed | None = None
    """Writes a layer in other kinds of numbers than it would be."""
    keeps: bool = False
    """Whether weights can be kept as another kind than is worked in."""


def apply(at: At, expression: str, function: Any, table: Mapping[str, str]) -> str:
    """Put an activation around an expression."""
    if function is None or function == "linear":
        return expression
    name, given, changed = known(at, function, table)
    lost = [key for key in changed if f"{{{key}}}" not in table[name]]
    if lost:
        problem = f"{name} with another {' and '.join(lost)} has no code in this framework"
        raise at.refuse(problem)
    return table[name].format(expression, **given)


def known(at: At, function: Any, table: Mapping[str, str]) -> tuple[str, dict[str, Any], list[str]]:
    """Return an activation's name, its options, and which of them are not as they are by default.

    Raises:
        InteropError: the table has none of that name.
    """
    declaration = getattr(function, "declaration", None)
    name = function if isinstance(function, str) else declaration.name if declaration is not None else ""
    if name not in table:
        problem = f"its activation {name or 'is a function of your own and'} has no code in this framework"
        raise at.refuse(problem)
    from axon_nb.layer import registry

    defaults = {o.name: o.default for o in registry[name].declaration.options}  # type: ignore[attr-defined]
    given = {**defaults, **getattr(function, "options", {})}
    return name, given, [key for key, value in given.items() if value != defaults[key]]


@dataclass
class Written:
    """A model in a framework: lines that make objects, lines that call them, and where weights go."""

    makes: dict[str, str]
    calls: list[str]
    inputs: dict[str, Node]
    result: str
    weights: dict[str, tuple[tuple[tuple[str, ...], ...], Change | None]]
    traced: Trace
    taken: set[str]
    """All names that are used."""
    left_out: list[Left] = field(default_factory=list)
    """Policies that have no code, or not all of them."""


_RESERVED = ("x", "self", "nn", "F", "torch", "keras", "layers", "ops", "Tensor")


def write(model: Model, framework: Framework) -> Written:
    """Write a model for a framework.

    Raises:
        InteropError: a layer has no code in this framework; names it.
    """
    traced: Trace = trace(model).check_known()
    uses = Counter(parent for node in model.nodes for parent in node.parents)
    uses.update(leaves(model.outputs))
    shared = Counter(node.layer for node in model.nodes)
    order = list(model.nodes)
    values: dict[Node, str] = {}
    made = Written({}, [], {}, "", {}, traced, set(_RESERVED))
    objects: dict[Any, str] = {}
    runs = Runs(model, traced)
    for place, node in enumerate(order):
        if node in model.inputs:
            values[node] = free(model.names[node], made.taken)
            made.inputs[values[node]] = node
            continue
        chained = uses[node] == 1 and place + 1 < len(order) and node in order[place + 1].parents
        target = "x" if chained or place + 1 == len(order) else None
        given = [values[parent] for parent in node.parents]
        then: list[str] = []
        if node.is_input or node.is_pick:
            expression = f"{given[0]}[{node.options['index']}]" if node.is_pick else given[0]
        else:
            shapes = [traced.nodes[parent].shape for parent in node.parents]
            at = At(node, model.names[node], shapes, traced.nodes[node].shape)
            piece = _in_kinds(_piece(at, node, framework), at, framework, kinds_of(node, traced, runs), made.left_out)
            if piece.make is not None and node.layer not in objects:
                once = framework.inline and shared[node.layer] == 1
                objects[node.layer] = _object(made, piece, framework, path_of(model, node), at.name, once=once)
            expression, then = piece.call.format(*given, self=objects.get(node.layer, "")), piece.then
        is_plain = expression in given or node.is_pick
        if is_plain and not then and (target or not re.match(r"x\b", expression)):
            values[node] = expression
            continue
        values[node] = target or free(model.names[node] + "_out", made.taken)
        made.calls.append(f"{values[node]} = {expression}")
        made.calls += [f"{values[node]} = {one.format(values[node])}" for one in then]
    made.result = ", ".join(values[node] for node in leaves(model.outputs))
    return made


def _object(made: Written, piece: Piece, framework: Framework, path: tuple[str, ...], name: str, *, once: bool) -> str:
    """Note what makes a layer's object and its weights; return what the object is called by."""
    own = free(name, made.taken)
    make = str(piece.make)
    if framework.inline:
        make = f'{make[:-1]}{"" if make.endswith("()") else ", "}name="{own}")'
    for there, (ours, change) in piece.weights.items():
        names = (ours,) if isinstance(ours, str) else ours
        made.weights[f"{own}{framework.between}{there}"] = tuple((*path, one) for one in names), change
    if once:
        return make
    made.makes[own] = make
    return framework.owner + own


def _in_kinds(piece: Piece, at: At, framework: Framework, kinds: Kinds | None, left_out: list[Left]) -> Piece:
    """Write a layer in its kinds of numbers, and note what of its policy has no code."""
    policy = at.node.layer.policy
    told = "" if policy is None else f"policy {policy.words} of {{}}"
    typed = None if framework.typed is None or kinds is None else framework.typed(piece, kinds)
    if typed is None or kinds is None or not kinds.whole:
        left_out += [(told, at.name)] * bool(told)
    elif told and kinds.kept not in (None, kinds.computed) and not framework.keeps:
        left_out.append((f"weights of {{}} in {kinds.kept}: they are kept in {kinds.computed}", at.name))
    return piece if typed is None else typed


def _piece(at: At, node: Node, framework: Framework) -> Piece:
    table, activations = framework.table, framework.activations
    if None in node.inputs:
        problem = "leaves out inputs, which code for other frameworks cannot"
        raise at.refuse(problem)
    if node.op in table:
        piece = table[node.op](at)
    elif node.op in activations:
        return Piece(apply(at, "{0}", node.layer, activations))
    elif node.op == "activation":
        return Piece(apply(at, "{0}", node.options["function"], activations))
    else:
        problem = f"there is no code for {node.op} in this framework"
        raise at.refuse(problem)
    function = node.options.get("activation")
    if function is None or piece.activated:
        return piece
    if framework.inline:
        piece.then.append(apply(at, "{0}", function, activations))
    else:
        piece.call = apply(at, piece.call, function, activations)
    return piece


def free(name: str, taken: set[str]) -> str:
    """Make a variable's name that is not taken."""
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
        for name, (paths, change) in written.weights.items():
            values = [np.asarray(params.leaves[path].tensor.numpy()) for path in paths]
            found[name] = np.ascontiguousarray(values[0] if change is None else change(*values))
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
