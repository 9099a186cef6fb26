"""Owns the difference of two models: what was added, removed and changed, and what that costs.

Knows nothing about how layers are paired.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from axon_nb.declaration import name_of
from axon_nb.display import style
from axon_nb.display.html import escape
from axon_nb.display.words import count, options_words, shape_words, size, value_words
from axon_nb.errors import GraphError, brief
from axon_nb.graph import Model, Node, verb
from axon_nb.rows import Report, Row
from axon_nb.serialize.align import align
from axon_nb.serialize.equality import hook_key, inputs_of, outputs_of, same
from axon_nb.serialize.tables import html_table, text_table
from axon_nb.surgery.freeze import rules_of
from axon_nb.trace import report

_ARROW = "→"
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"added": "#2e9e6b", "removed": style.WRONG, "changed": "#c9922a"}
_HEADS = ("", "Layer", "What")
_MOST = 200


@dataclass(frozen=True)
class Change:
    """One layer that differs: its name, and what about it, in words: ``("units 128 → 256", ...)``."""

    kind: Literal["added", "removed", "changed"]
    name: str
    what: tuple[str, ...]


@dataclass(frozen=True)
class Diff:
    """The difference of two models. Shown as a table; false where there is none."""

    changes: tuple[Change, ...]
    totals: tuple[tuple[str, str, str], ...]
    """What is counted, before, and after, where they differ."""
    deltas: tuple[str, ...]
    """For each of these how much more it is: ``+48, +253%``; empty where that is not known."""
    kept: int
    """How many layers are the same."""
    outputs: str = ""
    """How the outputs differ."""
    parameters: int = 0
    """How many values the new model's parameters and states have."""

    @property
    def added(self) -> tuple[str, ...]:
        """Names of layers that only the new model has."""
        return self._names("added")

    @property
    def removed(self) -> tuple[str, ...]:
        """Names of layers that only the old model has."""
        return self._names("removed")

    @property
    def changed(self) -> dict[str, tuple[str, ...]]:
        """What changed of each layer that both have, by its name in the new model."""
        return {change.name: change.what for change in self.changes if change.kind == "changed"}

    def _names(self, kind: str) -> tuple[str, ...]:
        return tuple(change.name for change in self.changes if change.kind == kind)

    def __bool__(self) -> bool:
        return bool(self.changes or self.outputs or self.totals)

    @property
    def summary(self) -> str:
        """One line: how many layers were added, removed and changed."""
        if not self:
            return f"nothing changed: {self.kept} layer{'s' * (self.kept != 1)}, {count(self.parameters)} parameters"
        counts = [(kind, sum(change.kind == kind for change in self.changes)) for kind in _SIGNS]
        words = [f"{number} {kind}" for kind, number in counts if number] + [self.outputs] * bool(self.outputs)
        return f"{', '.join(words) or 'only sizes changed'}; {self.kept} the same"

    @property
    def headline(self) -> str:
        """The summary, and by how much parameters and cost differ."""
        return "; ".join([self.summary, *(line[0].lower() + line[1:] for line in self._totals())])

    def _totals(self) -> list[str]:
        return [
            f"{name}: {before} {_ARROW} {after}" + (f" ({delta})" if delta else "")
            for (name, before, after), delta in zip(self.totals, self.deltas, strict=True)
        ]

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(_SIGNS[one.kind], one.name, "; ".join(one.what)) for one in self.changes[:_MOST]]

    def _lines(self) -> list[str]:
        more = len(self.changes) - _MOST
        notes = [f"... and {more} more"] if more > 0 else []
        return notes + self._totals()

    def __repr__(self) -> str:
        table = [text_table(_HEADS, self._rows(), [])] if self.changes else []
        return "\n".join([self.summary, *table, *self._lines()])

    def _repr_html_(self) -> str:
        colours = [_COLOURS[change.kind] for change in self.changes[:_MOST]]
        table = html_table(_HEADS, self._rows(), [], colours) if self.changes else ""
        notes = "<br>".join(map(escape, self._lines()))
        return (
            f'<div style="margin:4px 0;color:inherit"><p style="margin:0 0 6px"><strong>{escape(self.summary)}</strong>'
            f'</p>\n<div style="overflow:auto;max-height:{style.TALLEST_PX}px">\n{table}\n</div>\n'
            f'<p style="margin:6px 0 0;font-size:12px;{style.FAINT}">{notes}</p></div>'
        )


def diff(old: Model, new: Model) -> Diff:
    """Compare two models, old and new: layers added, removed and changed, and what the change costs.

    Layers are paired by what they are and the order in which they stand, so one put in between does not change the
    others, though their numbers go up.

    Raises:
        GraphError: one of them is no model.

    Example:
        >>> from axon_nb import dense, diff, input, relu
        >>> x = input((None, 4), name="x")
        >>> diff(x | dense(2) | dense(3), x | dense(8) | relu() | dense(3))
        1 added, 2 changed; 1 the same
           Layer    What
        ────────────────────────────────────────────────────────────────────────
        ~  dense_0  units 2 → 8; shape (None, 2) → (None, 8); parameters 10 → 40
        +  relu_0   relu()
        ~  dense_1  parameters 9 → 27
        Parameters: 19 → 67 (+48, +253%)
        Size: 76 bytes → 268 bytes (+253%)
        Multiply-adds: 14 → 56 (+42, +300%)
    """
    for model in (old, new):
        if not isinstance(model, Model):
            problem = "diff compares two models"
            raise GraphError(problem, got=brief(model))
    return compare(old, new, (report(old), report(new)))


def compare(old: Model, new: Model, reports: tuple[Report, Report]) -> Diff:
    """Compare two models whose rows are known."""
    return _Comparison(old, new, reports).diff()


@verb
def _diff(model: Model, other: Model) -> Diff:
    """Compare with another model, which is taken for the newer one: see :func:`diff`."""
    return diff(model, other)


Model.diff = _diff  # type: ignore[attr-defined]


class _Comparison:
    def __init__(self, old: Model, new: Model, reports: tuple[Report, Report]) -> None:
        self.old, self.new = old, new
        self.reports = reports
        self.rows: dict[Node, Row] = {}
        for model, told in zip((old, new), self.reports, strict=True):
            self.rows.update(zip(model.nodes, told.rows, strict=True))
        self.rules = (rules_of(old), rules_of(new))
        self.pairs = align(old, new)
        self.back = {b: a for a, b in self.pairs.items()}

    def diff(self) -> Diff:
        changes: list[Change] = []
        kept = 0
        gone = [node for node in self.old.nodes if not node.is_pick and node not in self.pairs]
        places = {node: index for index, node in enumerate(self.old.nodes)}
        at = 0
        for node in self.new.nodes:
            if node.is_pick:
                continue
            before = self.back.get(node)
            if before is None:
                changes.append(Change("added", self.rows[node].name, (self._words(node),)))
                continue
            while at < len(gone) and places[gone[at]] < places[before]:
                changes.append(self._removed(gone[at]))
                at += 1
            what = self._compare(before, node)
            kept += not what
            if what:
                changes.append(Change("changed", self.rows[node].name, what))
        changes += map(self._removed, gone[at:])
        totals = self.reports[1].totals
        whole = totals.trainable + totals.frozen + totals.state
        counted, deltas = self._totals()
        return Diff(tuple(changes), counted, deltas, kept, self._outputs(bool(changes)), whole)

    def _removed(self, node: Node) -> Change:
        return Change("removed", self.rows[node].name, (self._words(node),))

    def _words(self, node: Node) -> str:
        row = self.rows[node]
        number = sum(leaf.count for leaf in row.params)
        return f"{row.op}({options_words(row)})" + (f"; {count(number)} parameters" if number else "")

    def _compare(self, a: Node, b: Node) -> tuple[str, ...]:
        old, new = self.rows[a], self.rows[b]
        what = [
            f"{name} {value_words(x)} {_ARROW} {value_words(y)}"
            for name in dict.fromkeys([*a.options, *b.options])
            if (x := a.options.get(name)) is not (y := b.options.get(name)) and same(x) != same(y)
        ]
        if not what and a.layer.declaration.function is not b.layer.declaration.function:
            what.append("another function")
        if old.name != new.name and _unnumbered(old.name) != _unnumbered(new.name):
            what.append(f"name {old.name} {_ARROW} {new.name}")
        if not a.is_input and shape_words(old) != shape_words(new):
            what.append(f"shape {shape_words(old)} {_ARROW} {shape_words(new)}")
        if old.dtype != new.dtype and old.dtype and new.dtype and "dtype" not in a.options:
            what.append(f"dtype {old.dtype} {_ARROW} {new.dtype}")
        counts = [sum(leaf.count for leaf in row.params) for row in (old, new)]
        if counts[0] != counts[1]:
            what.append(f"parameters {count(counts[0])} {_ARROW} {count(counts[1])}")
        if a.layer.policy != b.layer.policy:
            what.append(f"policy {_policy(a)} {_ARROW} {_policy(b)}")
        frozen, now = self.rules[0].get(a.layer), self.rules[1].get(b.layer)
        if frozen != now:
            what.append("frozen otherwise" if frozen and now else "frozen" if now else "trained again")
        what += _hook_words(a, b)
        if self._owner(self.old, a) is not self._owner(self.new, b, self.back):
            what.append(f"shares with {new.shared_with}" if new.shared_with else "weights of its own")
        if self._rewired(a, b):
            inputs = ", ".join(self.rows[one].name if one else "none" for one in inputs_of(b))
            what.append(f"reads {inputs}")
        return tuple(what)

    def _owner(self, model: Model, node: Node, back: Mapping[Node, Node] | None = None) -> Node | None:
        owner = model.owners[node.layer]
        if owner is node:
            return None
        return owner if back is None else back.get(owner, owner)

    def _rewired(self, a: Node, b: Node) -> bool:
        """Whether two nodes read what does not correspond, past what only one of the models has."""
        old, new = self._sources(a, self.pairs), self._sources(b, self.back)
        return len(old) != len(new) or any(
            one is not None and other is not None and (self.pairs[one], index) != (other, of)
            for (one, index), (other, of) in zip(old, new, strict=True)
        )

    def _sources(self, node: Node, known: Mapping[Node, Node]) -> list[tuple[Node | None, int | None]]:
        found: list[tuple[Node | None, int | None]] = []
        for parent in inputs_of(node):
            index: int | None = None
            while parent is not None and parent not in known:
                index = parent.options["index"] if parent.is_pick else index
                parent = parent.parents[0] if len(parent.parents) == 1 else None
            found.append((parent, index))
        return found

    def _totals(self) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
        old, new = (_totals(told) for told in self.reports)
        told = [name for name in old if old[name] != new[name]]
        totals = tuple((name, old[name][0], new[name][0]) for name in told)
        return totals, tuple(_delta(old[name][1], new[name][1], is_size=name == "Size") for name in told)

    def _outputs(self, changed: bool) -> str:
        if outputs_of(self.old) == outputs_of(self.new) or (changed and _like(self.old) == _like(self.new)):
            return ""
        return "other outputs"


def _like(model: Model) -> Any:
    def shape(outputs: Any) -> Any:
        if isinstance(outputs, dict):
            return {name: shape(part) for name, part in outputs.items()}
        return tuple(map(shape, outputs)) if isinstance(outputs, tuple) else None

    return shape(model.outputs)


def _totals(told: Report) -> dict[str, tuple[str, int | None]]:
    totals = told.totals
    whole = totals.trainable + totals.frozen + totals.state
    return {
        "Parameters": (count(whole), whole),
        "Size": (size(totals.nbytes), totals.nbytes),
        "Multiply-adds": (count(totals.macs), totals.macs),
    }


def _delta(old: int | None, new: int | None, *, is_size: bool) -> str:
    """Say how much more it is, in numbers and as a share; of a size, which is rounded, only as a share."""
    if old is None or new is None:
        return ""
    number = [] if is_size else [f"{new - old:+,}"]
    return ", ".join(number + ([f"{(new - old) / old:+.0%}"] if old else []))


def _policy(node: Node) -> str:
    return node.layer.policy.words if node.layer.policy is not None else "none"


def _hook_words(a: Node, b: Node) -> list[str]:
    """Say which hooks only one of two nodes has."""
    if not a.hooks and not b.hooks:
        return []
    before, after = (Counter(map(hook_key, node.hooks)) for node in (a, b))
    gone, new = before - after, after - before
    return [
        f"{word} {on} hook {name_of(function)}"
        for word, keys in (("without", gone), ("with", new))
        for function, on, *_ in keys.elements()
    ]


def _unnumbered(name: str) -> str:
    """Leave out the numbers that names get by their order."""
    return re.sub(r"(_\d+)?(#\d+)?(?=\.|$)", "", name)
