"""Owns the search for fixes: candidates are tried, the least change first, and those that make the model fit are kept.

Knows nothing about which mistakes there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from axon_nb.advice.problem import RULES, Candidate, Problem
from axon_nb.errors import AxonError, Fix
from axon_nb.graph import Model, Node
from axon_nb.trace import NodeTrace, trace

MOST = 3
"""How many fixes are offered."""
_WORSE = 0.7
"""How much more than the best fix another may change and still be offered."""
_TRIES = 40
"""How many candidates are tried at the most: an error must not take long to appear."""


def find(
    model: Model, node: Node, known: dict[Node, NodeTrace], shapes: dict[str, Any], error: AxonError
) -> tuple[Fix, ...]:
    """Find changes after which the whole model fits, the least change first."""
    problem = Problem(model, node, known, error)
    return tried((one, lambda changed: trace(changed, shapes).error is None) for one in candidates(problem))


def candidates(problem: Problem) -> list[Candidate]:
    """Ask all rules, and sort what they say: the least change first, each once."""
    found: dict[str, Candidate] = {}
    for rule in RULES:
        try:
            said = list(rule(problem))
        except Exception:  # a graph that the rule did not think of: the error itself must come all the same
            continue
        for candidate in said:
            old = found.get(candidate.text)
            if old is None or candidate.cost < old.cost:
                found[candidate.text] = candidate
    return sorted(found.values(), key=lambda candidate: candidate.cost)


def tried(chosen: Iterable[tuple[Candidate, Callable[[Model], bool]]], worse: float = _WORSE) -> tuple[Fix, ...]:
    """Try candidates in order, and return the first few that help.

    Args:
        chosen: each with what says whether the model it makes will do.
        worse: how much more than the first that helps another may change and still be offered.
    """
    fixes: dict[str, Fix] = {}
    most = math.inf
    for index, (candidate, fits) in enumerate(chosen):
        if len(fixes) == MOST or index == _TRIES or candidate.cost > most:
            break
        try:
            made = candidate.make()
            if candidate.text not in fixes and fits(made):
                most = min(most, candidate.cost + worse)
                fixes[candidate.text] = Fix(candidate.text, code=candidate.code, model=made)
        except AxonError:
            continue
    return tuple(fixes.values())
