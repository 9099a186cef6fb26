"""Owns what a layer's policy and hooks mean for a file: kinds of numbers, what is left out.

Knows nothing about how they are written. A hook that reads numbers is Python, and is left out with a warning.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace

from axon_nb.declaration import name_of
from axon_nb.graph import Model, Node
from axon_nb.interop.runs import Runs
from axon_nb.policies import Policy
from axon_nb.trace import Spec, trace_layer


def kinds_within(node: Node, runs: Runs, kinds: list[str]) -> list[str]:
    """Find the kinds of numbers that a layer gives before its policy casts them to what it returns."""
    policy = node.layer.policy
    if policy is None or policy.output is None:
        return kinds
    bare = copy.copy(node.layer)
    bare.__dict__.pop("fingerprint", None)
    bare.policy = replace(policy, output=None)
    known = runs.traces[0]
    given = tuple(Spec(known[one].shape, str(known[one].dtype)) for one in node.parents)
    made = trace_layer(bare, node.placed(given)).output
    return [one.dtype for one in (made if isinstance(made, tuple) else (made,))]


def left_out(model: Model, place: str = "") -> list[str]:
    """List the hooks of inference that read numbers: ``'clip' on dense_0``."""
    return [
        f"{name_of(one.function)!r} on {place}{model.names[node]}"
        for node in model.nodes
        for one in node.hooks
        if not one.compiled and any(one.fits(on, training=False) for on in ("forward", "pre_forward"))
    ]


def of_kind(model: Model, dtype: str, place: str = "") -> list[str]:
    """List the layers whose policy says a kind of numbers."""
    return [f"{place}{model.names[node]}" for node in model.nodes if dtype in _said(node.layer.policy)]


def _said(policy: Policy | None) -> Iterable[str | None]:
    return () if policy is None else (policy.params, policy.compute, policy.output)


__all__ = ["kinds_within", "left_out", "of_kind"]
