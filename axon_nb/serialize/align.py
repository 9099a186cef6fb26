"""Owns which layer of one model stands for which of another: by what they are and where, not by their numbers.

Knows nothing about how differences are told.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Hashable, Sequence

from axon_nb.graph import Model, Node
from axon_nb.serialize.equality import names_of, node_key

_MOST_EDITS = 150


def align(old: Model, new: Model) -> dict[Node, Node]:
    """Pair the nodes of two models, old to new, in one order; what has no pair was removed or added."""
    a, b = [[node for node in model.nodes if not node.is_pick] for model in (old, new)]
    # With where they stand, so that an edit in one part does not pair its layers with another part's.
    found = common([(node_key(n), n.path) for n in a], [(node_key(n), n.path) for n in b])
    pairs = {a[i]: b[j] for i, j in found}
    names = {**names_of(old), **names_of(new)}
    ends = [(-1, -1), *found, (len(a), len(b))]
    for (i, j), (k, m) in itertools.pairwise(ends):
        left, right = a[i + 1 : k], b[j + 1 : m]
        for alike in (lambda n: (n.op, names[n]), lambda n: (n.op, n.path), lambda n: n.op):
            left, right = _pair(left, right, pairs, alike)
    return pairs


def _pair(
    left: list[Node], right: list[Node], pairs: dict[Node, Node], alike: Callable[[Node], Hashable]
) -> tuple[list[Node], list[Node]]:
    """Pair what is alike between two places, first with first; returns what is left."""
    waiting: dict[Hashable, list[Node]] = {}
    for node in reversed(right):
        waiting.setdefault(alike(node), []).append(node)
    rest: list[Node] = []
    for node in left:
        if waiting.get(alike(node)):
            pairs[node] = waiting[alike(node)].pop()
        else:
            rest.append(node)
    unpaired = {node for nodes in waiting.values() for node in nodes}
    return rest, [node for node in right if node in unpaired]


def common(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Find what two sequences have in common in the same order, as places; the time grows with the differences.

    Example:
        >>> common("abcde", "abxde")
        [(0, 0), (1, 1), (3, 3), (4, 4)]

    Source: Myers 1986, https://doi.org/10.1007/BF01840446
    """
    numbers: dict[Hashable, int] = {}
    x, y = ([numbers.setdefault(one, len(numbers)) for one in seq] for seq in (a, b))
    start = 0
    while start < min(len(x), len(y)) and x[start] == y[start]:
        start += 1
    end = 0
    while end < min(len(x), len(y)) - start and x[-1 - end] == y[-1 - end]:
        end += 1
    middle = _middle(x[start : len(x) - end], y[start : len(y) - end])
    return [
        *((i, i) for i in range(start)),
        *((start + i, start + j) for i, j in middle),
        *((len(x) - end + i, len(y) - end + i) for i in range(end)),
    ]


def _middle(x: list[int], y: list[int]) -> list[tuple[int, int]]:
    reach = {1: 0}
    trail: list[dict[int, int]] = []
    for edits in range(min(len(x) + len(y), _MOST_EDITS) + 1):
        trail.append(dict(reach))
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            i = reach[k + 1] if down else reach[k - 1] + 1
            while i < len(x) and i - k < len(y) and x[i] == y[i - k]:
                i += 1
            reach[k] = i
            if i >= len(x) and i - k >= len(y):
                return _back(trail, len(x), len(y))
    return _by_count(x, y)


def _by_count(x: list[int], y: list[int]) -> list[tuple[int, int]]:
    """Pair the first of a kind with the first, the second with the second, as far as they keep their order.

    Not always the most that could be paired, but quick for sequences that have little in common.
    """
    places: dict[int, list[int]] = {}
    for j in reversed(range(len(y))):
        places.setdefault(y[j], []).append(j)
    offered = [(i, places[kind].pop()) for i, kind in enumerate(x) if places.get(kind)]
    ends: list[int] = []  # the least place at which a run of each length ends
    last: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(offered):
        at = bisect.bisect_left(ends, j)
        before.append(last[at - 1] if at else -1)
        ends[at : at + 1], last[at : at + 1] = [j], [n]
    found: list[tuple[int, int]] = []
    n = last[-1] if last else -1
    while n >= 0:
        found.append(offered[n])
        n = before[n]
    return found[::-1]


def _back(trail: list[dict[int, int]], i: int, j: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for edits in range(len(trail) - 1, -1, -1):
        reach, k = trail[edits], i - j
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        before = k + 1 if down else k - 1
        from_i = reach[before] if edits else 0
        from_j = from_i - before if edits else 0
        first = 0 if not edits else from_i + (not down)  # where the diagonal begins, after the edit
        while i > first:
            i, j = i - 1, j - 1
            found.append((i, j))
        i, j = from_i, from_j
    return found[::-1]
