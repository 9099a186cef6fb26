# ruff: noqa: N802, N803, ANN001, ANN003, ANN201, D103 - functions and arguments are called as in ONNX
# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
"""Owns what models of scikit-learn are in ONNX (ai.onnx.ml): scaling, linear models, and trees, for classes of numbers.

Trees are walked together, a level at a time; which node a sample is at is a row of zeros and a one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad import Tensor, dtypes

from axon_nb.interop.optional import InteropError
from axon_nb.lazy import numpy as np

LEARN: dict[str, Callable[..., Any]] = {}
"""Functions by the operator's name."""


def _learn(function: Callable[..., Any]) -> Callable[..., Any]:
    LEARN[function.__name__] = function
    return function


@_learn
def Scaler(X, offset=(0.0,), scale=(1.0,)):
    return (X.cast(dtypes.float32) - Tensor(list(offset))) * Tensor(list(scale))


@_learn
def Normalizer(X, norm="MAX"):
    x = X.cast(dtypes.float32)
    if norm == "MAX":
        most = x.max(-1, keepdim=True)
    else:
        most = x.abs().sum(-1, keepdim=True) if norm == "L1" else x.square().sum(-1, keepdim=True).sqrt()
    return (most == 0).where(x, x / most)


def _transformed(scores: Tensor, way: str) -> Tensor:
    if way not in ("NONE", "LOGISTIC", "SOFTMAX"):
        problem = f"post_transform={way!r} is not supported"
        raise InteropError(problem)
    return scores.sigmoid() if way == "LOGISTIC" else scores.softmax(-1) if way == "SOFTMAX" else scores


def _linear(X: Tensor, coefficients: Sequence[float], intercepts: Sequence[float] | None, rows: int) -> Tensor:
    kernel = Tensor(np.asarray(coefficients, "float32").reshape(rows, -1))
    made = X.cast(dtypes.float32) @ kernel.T
    return made if not intercepts else made + Tensor(np.asarray(intercepts, "float32"))


@_learn
def LinearRegressor(X, coefficients, intercepts=None, targets=1, post_transform="NONE"):
    return _transformed(_linear(X, coefficients, intercepts, targets), post_transform)


def _labels(numbers: Sequence[int] | None, words: Sequence[str] | None) -> Tensor:
    if words or not numbers:
        problem = "its classes have names, and models give numbers: write it with whole numbers for classes"
        raise InteropError(problem)
    return Tensor(np.asarray(numbers, "int64"))


def _label(place: Tensor, labels: Tensor) -> Tensor:
    return (place.unsqueeze(-1) == Tensor.arange(labels.shape[0])).where(labels, 0).sum(-1).cast(dtypes.int64)


def _either(second: Tensor, numbers: Sequence[int]) -> Tensor:
    return second.where(numbers[1], numbers[0]).cast(dtypes.int64)


@_learn
def LinearClassifier(
    X, coefficients, classlabels_ints=None, classlabels_strings=None, intercepts=None, multi_class=0,
    post_transform="NONE",
):  # fmt: skip
    labels = _labels(classlabels_ints, classlabels_strings)
    count = len(intercepts or classlabels_ints)
    if count != labels.shape[0]:
        problem = f"has {count} rows for {labels.shape[0]} classes"
        raise InteropError(problem)
    scores = _linear(X, coefficients, intercepts, count)
    return _label(scores.argmax(-1), labels), _transformed(scores, post_transform)


_MODES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    # tinygrad's <= is no >, which what is no number fulfils
    "BRANCH_LEQ": lambda x, split: (x < split) | (x == split), "BRANCH_LT": lambda x, split: x < split,
    "BRANCH_GTE": lambda x, split: (x > split) | (x == split), "BRANCH_GT": lambda x, split: x > split,
    "BRANCH_EQ": lambda x, split: x == split, "BRANCH_NEQ": lambda x, split: x != split,
}  # fmt: skip


class _Trees:
    """Trees as tables of one row for each, filled up to the largest."""

    def __init__(self, about: dict[str, Any]) -> None:
        trees, nodes = about["nodes_treeids"], about["nodes_nodeids"]
        self.rows = {tree: row for row, tree in enumerate(dict.fromkeys(trees))}
        places: dict[tuple[int, int], int] = {}
        counts = [0] * len(self.rows)
        for tree, node in zip(trees, nodes, strict=True):
            places[tree, node] = counts[self.rows[tree]]
            counts[self.rows[tree]] += 1
        self.places, self.shape = places, (len(self.rows), max(counts))
        self.feature, self.yes, self.no = (np.zeros(self.shape, "int32") for _ in range(3))
        self.split, self.tracks = np.zeros(self.shape, "float32"), np.zeros(self.shape, bool)
        self.modes: dict[str, Any] = {}
        values = about.get("nodes_values")
        values = about["nodes_values_as_tensor"].tolist() if values is None else values
        tracks = about.get("nodes_missing_value_tracks_true") or [0] * len(nodes)
        children: set[tuple[int, int]] = set()
        each = zip(
            trees, nodes, about["nodes_modes"], about["nodes_featureids"], values, about["nodes_truenodeids"],
            about["nodes_falsenodeids"], tracks, strict=True,
        )  # fmt: skip
        for tree, node, mode, feature, value, yes, no, track in each:
            at = self.rows[tree], places[tree, node]
            self.yes[at] = self.no[at] = at[1]  # who is at a leaf stays there
            if mode == "LEAF":
                continue
            if mode not in _MODES:
                problem = f"the mode {mode!r} is not supported"
                raise InteropError(problem)
            self.modes.setdefault(mode, np.zeros(self.shape, bool))[at] = True
            self.feature[at], self.split[at], self.tracks[at] = feature, value, bool(track)
            self.yes[at], self.no[at] = places[tree, yes], places[tree, no]
            children |= {(at[0], self.yes[at]), (at[0], self.no[at])}
        inner = [[place for place in range(count) if (row, place) not in children] for row, count in enumerate(counts)]
        if any(len(roots) != 1 for roots in inner):
            problem = "a tree has no root, or several"
            raise InteropError(problem)
        self.root = np.asarray([roots[0] for roots in inner], "int32")

    @property
    def depth(self) -> int:
        """The most steps from a root to a leaf."""
        now, steps = {(row, int(root)) for row, root in enumerate(self.root)}, 0
        while True:
            now = {(row, int(t[row, at])) for row, at in now for t in (self.yes, self.no) if t[row, at] != at}
            if not now:
                return steps
            steps += 1
            if steps > self.shape[1]:
                problem = "a tree leads back to itself"
                raise InteropError(problem)

    def leaves(self, x: Tensor) -> Tensor:
        """Find the leaf of each sample in each tree: (batch, trees, nodes) of zeros and ones."""
        cells = Tensor.arange(self.shape[1])
        at = (Tensor(self.root).reshape(1, -1, 1) == cells).expand(x.shape[0], *self.shape)
        for _ in range(self.depth):
            told = [at.where(Tensor(table), 0).sum(-1) for table in (self.feature, self.split, self.yes, self.no)]
            feature, split, yes, no = told
            value = x.gather(1, feature.cast(dtypes.int32))
            goes: Any = (at & Tensor(self.tracks)).any(-1) & value.isnan()
            for mode, table in self.modes.items():
                goes = goes | ((at & Tensor(table)).any(-1) & _MODES[mode](value, split))
            at = (goes.where(yes, no).unsqueeze(-1) == cells).contiguous()
        return at

    def weights(self, trees: Any, nodes: Any, ids: Any, values: Any, count: int) -> Any:
        """Put the weights of leaves into a table: (trees, nodes, count)."""
        made = np.zeros((*self.shape, count), "float32")
        for tree, node, one, value in zip(trees, nodes, ids, values, strict=True):
            made[self.rows[tree], self.places[tree, node], one] += value
        return made


def _given(about: dict[str, Any], name: str) -> list[float]:
    values = about.get(name)
    tensor = about.get(f"{name}_as_tensor")
    return list(values or ()) if tensor is None else list(tensor.tolist())


@_learn
def TreeEnsembleRegressor(X, n_targets=1, aggregate_function="SUM", post_transform="NONE", **about):
    trees = _Trees(about)
    weights = trees.weights(
        about["target_treeids"], about["target_nodeids"], about["target_ids"], _given(about, "target_weights"),
        n_targets,
    )  # fmt: skip
    x = X.cast(dtypes.float32)
    at = trees.leaves(x)
    if aggregate_function in ("MIN", "MAX") and n_targets == 1:
        each = at.where(Tensor(weights[..., 0]), 0).sum(-1)
        made = each.max(-1, keepdim=True) if aggregate_function == "MAX" else each.min(-1, keepdim=True)
    elif aggregate_function in ("SUM", "AVERAGE"):
        made = at.flatten(1).cast(dtypes.float32) @ Tensor(weights.reshape(-1, n_targets))
        made = made / trees.shape[0] if aggregate_function == "AVERAGE" else made
    else:
        problem = f"aggregate_function={aggregate_function!r} over {n_targets} targets is not supported"
        raise InteropError(problem)
    base = _given(about, "base_values")
    return _transformed(made + Tensor(base) if base else made, post_transform)


@_learn
def TreeEnsembleClassifier(X, classlabels_int64s=None, classlabels_strings=None, post_transform="NONE", **about):
    labels, numbers = _labels(classlabels_int64s, classlabels_strings), classlabels_int64s
    trees, values = _Trees(about), _given(about, "class_weights")
    count = labels.shape[0]
    weights = trees.weights(about["class_treeids"], about["class_nodeids"], about["class_ids"], values, count)
    scores = trees.leaves(X.cast(dtypes.float32)).flatten(1).cast(dtypes.float32) @ Tensor(weights.reshape(-1, count))
    base = _given(about, "base_values")
    used = sorted(set(about["class_ids"]))
    if count == 2 and used == [1]:
        problem = "gives the second of two classes a score and the first none, which runtimes take in different ways"
        raise InteropError(problem)
    if count == 2 and used == [0]:  # one score for both classes: that of the second
        one = scores[:, 0] + (sum(base) if base else 0)
        if all(value >= 0 for value in values):
            return _either(one > 0.5, numbers), Tensor.stack(1 - one, one, dim=-1)
        pair = Tensor.stack(-one, one, dim=-1)
        return _either(one > 0, numbers), pair.sigmoid() if post_transform == "LOGISTIC" else pair
    scores = scores + Tensor(base) if base else scores
    return _label(scores.argmax(-1), labels), _transformed(scores, post_transform)
