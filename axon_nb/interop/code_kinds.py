"""Owns policies and hooks in code for other frameworks: kinds of numbers as they are written there, and what is told.

What a framework has no way to say stands in a comment on top of the code and in a warning, by layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from axon_nb.declaration import name_of
from axon_nb.errors import warn
from axon_nb.graph import Model, Node
from axon_nb.interop.runs import Runs
from axon_nb.interop.under import kinds_within
from axon_nb.trace import Trace

if TYPE_CHECKING:
    from axon_nb.interop.code_out import Piece


@dataclass(frozen=True)
class Kinds:
    """The kinds of numbers of one layer."""

    given: tuple[str, ...]
    computed: str
    """What it works in."""
    kept: str | None
    """What its weights are kept as, where it has weights."""
    result: str
    whole: bool = True
    """Whether that is all of what a policy says."""


Left = tuple[str, str]
"""What is left out, with a gap for names, and the name of a layer."""

Typed = Callable[["Piece", Kinds], "Piece | None"]
"""Writes a layer in its kinds of numbers; ``None`` where the framework has no way to."""


def kinds_of(node: Node, traced: Trace, runs: Runs) -> Kinds | None:
    """Find the kinds of numbers of a layer; ``None`` where there is nothing to say: whole numbers, or several results.

    A layer with states, which stay as they are under a policy, is of several kinds: it works in 32 bits then.
    """
    policy, result = node.layer.policy, str(traced.nodes[node].dtype)
    declared = traced.nodes[node].params
    weights = [one.dtype for one in declared if not one.is_state]
    stateful = any(one.is_state for one in declared)
    if "float" not in result or "," in result:
        return None
    given = tuple(str(traced.nodes[parent].dtype) for parent in node.parents)
    if policy is not None and stateful:
        return Kinds(given, "float32", None, result, whole=False)
    (within,) = kinds_within(node, runs, [result])
    computed = within if policy is None or policy.compute is None else policy.compute
    return Kinds(given, computed, weights[0] if weights else None, result)


_OPERATOR = re.compile(r"\} [-+*] |\) [-+*] ")
_CALLS = {"float16": ".half()", "bfloat16": ".bfloat16()", "float32": ".float()", "float64": ".double()"}


def in_torch(piece: Piece, kinds: Kinds) -> Piece:
    """Write casts as PyTorch's methods; weights are of the kind that is worked in."""
    call = piece.call
    for place, kind in enumerate(kinds.given):
        if "float" in kind and kind != kinds.computed:
            call = call.replace(f"{{{place}}}", f"{{{place}}}{_CALLS[kinds.computed]}")
    if kinds.result != kinds.computed:
        call = (f"({call})" if _OPERATOR.search(call) else call) + _CALLS[kinds.result]
    whole = piece.make is None or kinds.computed == "float32"
    return replace(piece, call=call, make=piece.make if whole else f"{piece.make}{_CALLS[kinds.computed]}")


_OF_KERAS = {
    ("float16", "float16"): "float16", ("float32", "float16"): "mixed_float16", ("float64", "float64"): "float64",
    ("bfloat16", "bfloat16"): "bfloat16", ("float32", "bfloat16"): "mixed_bfloat16",
}  # fmt: skip
_LAYER = re.compile(r"(layers\.\w+\((?:[^()]|\([^()]*\))*)\)\(")


def in_keras(piece: Piece, kinds: Kinds) -> Piece | None:
    """Write the kinds as Keras's policies of layers, whose results are of the kind that they work in."""
    kept = kinds.kept or kinds.computed
    name = _OF_KERAS.get((kept, kinds.computed))
    if name is None and (kept, kinds.computed) != ("float32", "float32"):
        return None
    call, make, then = piece.call, piece.make, list(piece.then)
    if name is not None:
        then = [_with_dtype(one, name) for one in then]
        if make is not None:
            make = _added(make[:-1], name) + ")"
        elif _LAYER.match(call):
            call = _with_dtype(call, name)
        else:
            for place, kind in enumerate(kinds.given):
                if "float" in kind and kind != kinds.computed:
                    call = call.replace(f"{{{place}}}", f'ops.cast({{{place}}}, "{kinds.computed}")')
    if kinds.result != kinds.computed:
        then.append(f'ops.cast({{0}}, "{kinds.result}")')
    return replace(piece, call=call, make=make, then=then)


def _with_dtype(call: str, name: str) -> str:
    return _LAYER.sub(lambda found: _added(found[1], name) + ")(", call)


def _added(start: str, name: str) -> str:
    return f'{start}{"" if start.endswith("(") else ", "}dtype="{name}"'


def policies_left_out(model: Model) -> list[Left]:
    """List policies, where none is written."""
    return [
        (f"policy {node.layer.policy.words} of {{}}", model.names[node])
        for node in model.nodes
        if node.layer.policy is not None
    ]


def hooks_left_out(model: Model) -> list[Left]:
    """List the hooks of what is run: those that only begin with other weights have done their work."""
    return [
        (f"{one.on} hook {name_of(one.function)!r} on {{}}", model.names[node])
        for node in model.nodes
        for one in node.hooks
        if one.on != "initialize"
    ]


def told(model: Model, target: str, policies: Sequence[Left]) -> list[str]:
    """Warn of what the code has not, and return it as comments."""
    names: dict[str, list[str]] = {}
    for what, name in (*policies, *hooks_left_out(model)):
        names.setdefault(what, []).append(name)
    found = [what.format(", ".join(each)) for what, each in names.items()]
    if found:
        warn(f"code(target={target!r}) leaves out: {'; '.join(found)}")
    return [f"# left out: {one}" for one in found]
