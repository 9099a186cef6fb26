"""Owns ``model.code()``: the text that rebuilds a model, in the language asked for.

Knows nothing about notebooks: the text of a cell is text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from axon_nb.graph import Model, Node, Structure, verb
from axon_nb.policies import Policy
from axon_nb.registry import Registry
from axon_nb.serialize.equality import is_wiring
from axon_nb.serialize.plan import WIDTH, Plan, Statement, called
from axon_nb.serialize.spell import Speller, quoted
from axon_nb.surgery.freeze import rules_of

targets: Registry[Callable[..., str]] = Registry("code language")
"""What writes a model in a language: a function of the model and the name to give it. ``interop`` adds others."""


class Code(str):
    """Text of a program, which a notebook shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@verb
def code(model: Model, name: str | None = None, *, target: str = "axon", python: bool = False) -> Code:
    """Write the text that builds an equal model: as a ``%%axon`` cell, or in another language.

    Layers, hooks and functions of your own stand in it by name, and a comment on top says which; initializers with
    options, and policies, are imported. In another framework there are no hooks, and not all policies: what is left
    out stands in a comment on top, and is warned of.

    Args:
        model: any model.
        name: what it is called: the text begins with ``%%axon NAME``. Without, it is the body of a cell.
        target: ``"axon"``, the text of a ``%%axon`` cell; ``"python"``, a plain program with this package; or another:
            ``"torch"``, ``"tinygrad"``, ``"keras"`` (their weights: ``weights_for``), or ``"elixir"``, the Axon that
            this package comes from.
        python: the same as ``target="python"``: a plain program.

    Raises:
        GraphError: two nodes have the same name.
        UnknownNameError: there is no such target.
        InteropError: a layer has no code in the framework; names it.

    Example:
        >>> from axon_nb import dense, input
        >>> mnist = input((None, 784), name="image") | dense(128, "relu") | dense(10, "softmax")
        >>> mnist.code("mnist")
        %%axon mnist
        input((None, 784), name="image")
        | dense(128, "relu")
        | dense(10, "softmax")
    """
    return Code(targets["python" if python else target](model, name))


def needed(model: Model) -> dict[str, Any]:
    """Return what the code of a model asks for by name: layers, functions and values that are the user's own.

    Example:
        >>> from axon_nb import input
        >>> list(needed(input((None, 4)) | (lambda t: t.clip(0, 6))))
        ['function_0']
    """
    return Speller(model).things


def _axon(model: Model, name: str | None) -> str:
    speller = Speller(model)
    speller.taken.discard("model")
    header = f"%%axon {speller.variable(name)}\n" if name else ""
    lines = _body(model, speller, "")
    imports = [f"from axon_nb import {', '.join(sorted(speller.imports))}"] if speller.imports else []
    return header + "\n".join([*_notes(speller), *imports, *lines])


def _python(model: Model, name: str | None) -> str:
    speller = Speller(model, "ax.")
    known = name or model.name
    speller.taken.discard("model")
    variable = speller.variable(known or "model", "model")
    lines = _body(model, speller, variable)
    if known:
        lines.append(f"{variable} = {variable}.named({quoted(known)})")
    return "\n".join([*_notes(speller), "import axon_nb as ax", "", *lines])


targets.add("axon", _axon)
targets.add("python", _python)


def _notes(speller: Speller) -> list[str]:
    if not speller.needs:
        return []
    return ["# needs " + ", ".join(f"{name} ({kind})" for name, kind in speller.needs.items())]


def _body(model: Model, speller: Speller, variable: str) -> list[str]:
    before: list[str] = []

    def write(inner: Model, hint: str) -> str:
        name = speller.variable(hint)
        before.extend(_body(inner, speller.within(inner), name))
        return name

    speller.write = write
    plan = Plan(model, speller)
    last = plan.last or Statement((), _outputs(model.outputs, plan, speller.prefix))
    calls = [*_policies(model, speller), *_frozen(model), *_hooks(model, speller)]
    if calls:
        name = variable or speller.variable("model")
        lines = _lines(plan, Statement((name,), last.head, last.steps), speller)
        return [*before, *lines, *_called(name, calls, assign=bool(variable))]
    return [*before, *_lines(plan, Statement((variable,) if variable else (), last.head, last.steps), speller)]


def _called(name: str, calls: list[str], *, assign: bool) -> list[str]:
    """Write calls of a model's methods, in one line as long as they fit."""
    target = f"{name} = " if assign else ""
    line = f"{target}{name}{''.join(calls)}"
    if len(line) <= WIDTH:
        return [line]
    lines = [f"{name} = {name}{call}" for call in calls]
    return lines if assign else [*lines[:-1], f"{name}{calls[-1]}"]


def _lines(plan: Plan, last: Statement, speller: Speller) -> list[str]:
    return [_line(one, python=bool(speller.prefix)) for one in [*plan.statements, last]]


def _line(statement: Statement, *, python: bool) -> str:
    names = f"{', '.join(statement.targets)} = " if statement.targets else ""
    line = names + " | ".join([statement.head, *statement.steps])
    short = len(line) <= WIDTH and "\n" not in line and len(statement.steps) < 2
    if short or not statement.steps:
        return line
    steps = "".join(f"\n| {step}" for step in statement.steps)
    if not python:
        return f"{names}{statement.head}{steps}"
    inside = f"{statement.head}{steps}".replace("\n", "\n    ")
    return f"{names}(\n    {inside}\n)"


def _outputs(outputs: Structure, plan: Plan, prefix: str) -> str:
    if isinstance(outputs, Node):
        return plan.written(outputs)
    if isinstance(outputs, dict) and all(name.isidentifier() and name != "things" for name in outputs):
        return called(f"{prefix}outputs", [f"{name}={_output(part, plan)}" for name, part in outputs.items()])
    if isinstance(outputs, tuple) and not (len(outputs) == 1 and not isinstance(outputs[0], Node)):
        return called(f"{prefix}outputs", [_output(part, plan) for part in outputs])
    return called(f"{prefix}outputs", [_output(outputs, plan)])


def _output(outputs: Structure, plan: Plan) -> str:
    if isinstance(outputs, Node):
        return plan.written(outputs)
    if isinstance(outputs, dict):
        return "{" + ", ".join(f"{quoted(name)}: {_output(part, plan)}" for name, part in outputs.items()) + "}"
    return f"({', '.join(_output(part, plan) for part in outputs)}{',' * (len(outputs) == 1)})"


def _policies(model: Model, speller: Speller) -> list[str]:
    """Write policies as calls: ``.apply_policy(policies.mixed_float16, only=["dense_0"])``."""
    owners = {layer: node for layer, node in model.owners.items() if not is_wiring(node)}
    named: dict[Policy, list[str]] = {}
    for layer, node in owners.items():
        if layer.policy is not None:
            named.setdefault(layer.policy, []).append(quoted(model.names[node]))
    calls = []
    for policy, names in named.items():
        only = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        end = "" if len(names) == len(owners) else f", only={only}"
        calls.append(f".apply_policy({speller.policy(policy)}{end})")
    return calls


def _frozen(model: Model) -> list[str]:
    """Write what is frozen as calls: ``.freeze("dense_0")``."""
    calls: list[str] = []
    for layer, rules in rules_of(model).items():
        name = model.names[model.owners[layer]]
        for glob, frozen in rules:
            verb = "freeze" if frozen else "unfreeze"
            calls.append(f".{verb}({quoted(name if glob == '*' else f'{name}.{glob}')})")
    return calls


def _hooks(model: Model, speller: Speller) -> list[str]:
    """Write hooks as calls: ``.hook("dense_0", watch, on="backward")``."""
    return [
        f".hook({quoted(model.names[node])}, {', '.join(speller.hook(hook))})"
        for node in model.nodes
        for hook in node.hooks
    ]
