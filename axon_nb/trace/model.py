"""Owns the shapes of a whole model, node by node, up to the first that does not fit.

Sizes that are not known are run with several probe sizes, and what the results have in common is the answer.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from axon_nb.errors import AxonError, ShapeError
from axon_nb.graph import Model, Node, map_leaves, where
from axon_nb.layer import Op
from axon_nb.probes import Probes, make_probes
from axon_nb.rows import ParamKind
from axon_nb.shapes import Shape, show
from axon_nb.trace.layer import ParamSpec, Spec, Traced, trace_layer
from axon_nb.trace.memo import Memo
from axon_nb.trace.shapes import input_shapes, unify


@dataclass(frozen=True)
class NodeTrace:
    """What is known about one node: its shape and dtype, parameters, cost, or why it does not fit."""

    shape: Shape | tuple[Shape, ...] | None = None
    dtype: str | None = None
    params: tuple[ParamSpec, ...] = ()
    macs: int | None = None
    error: AxonError | None = None
    reached: bool = True
    missing: bool = False
    """Whether it has no value, for an input was left out."""


@dataclass(frozen=True)
class Trace:
    """A model's nodes with their shapes."""

    model: Model
    nodes: dict[Node, NodeTrace]

    @property
    def error(self) -> AxonError | None:
        """Why the first layer that does not fit does not."""
        return next((known.error for known in self.nodes.values() if known.error), None)

    def check(self) -> Trace:
        """Raise what is wrong, if anything is."""
        if self.error is not None:
            raise self.error
        return self

    def check_known(self) -> Trace:
        """Raise what is wrong, or that an input's shape is not known."""
        self.check()
        unknown = [
            self.model.names[node]
            for node in self.model.inputs
            if self.nodes[node].shape is None and not self.nodes[node].missing
        ]
        if unknown:
            problem = f"the shape of {' and '.join(unknown)} is not known"
            given = ", ".join(f"{name}=(1, ...)" for name in unknown)
            raise ShapeError(problem, fix=f"model.init({given}) with the shape, or input(shape)")
        return self

    @property
    def output_shape(self) -> Any:
        """Shapes of the outputs, nested as the outputs are."""
        return map_leaves(self.model.outputs, lambda node: self.nodes[node].shape)

    def params(self) -> dict[tuple[str, ...], ParamSpec]:
        """List the declared parameters by path: part, layer, name."""
        return {path: spec for path, (_, spec) in self.declared().items()}

    def declared(self) -> dict[tuple[str, ...], tuple[Node, ParamSpec]]:
        """List the declared parameters by path, with the first node of the layer that has them."""
        return {
            (*path_of(self.model, node), *spec.name.split(".")): (node, spec)
            for node in self.model.owners.values()
            for spec in self.nodes[node].params
        }

    def kinds(self) -> dict[tuple[str, ...], ParamKind]:
        """Say by path which parameters are trained, frozen, or state."""
        return {path: kind_of(self.model, node, spec) for path, (node, spec) in self.declared().items()}


def path_of(model: Model, node: Node) -> tuple[str, ...]:
    """Say where a layer's parameters stand: its parts, then its name."""
    return tuple(model.names[model.owners[node.layer]].split("."))


def trace(model: Model, shapes: dict[str, Any] | None = None, missing: Collection[Node] = ()) -> Trace:
    """Infer the shapes of every node, up to the first that does not fit.

    Args:
        model: the model.
        shapes: shapes of inputs by name, in place of or besides the declared ones.
        missing: optional inputs that are left out.

    Raises:
        ShapeError: a given shape does not fit the declared one.
    """
    given = input_shapes(model, shapes or {})
    probes = make_probes(shape for shape in given.values() if shape is not None)
    values: dict[Node, list[Any] | None] = {}
    known: dict[Node, NodeTrace] = {}
    entries: dict[object, dict[Any, tuple[int, str]]] = {}
    failed = False
    for node in model.nodes:
        if failed:
            known[node] = NodeTrace(reached=False)
            continue
        if node in missing or node.lacks(lambda one: known[one].missing):
            known[node], values[node] = NodeTrace(missing=True), None
            continue
        known[node], values[node] = _trace_node(model, node, given, probes, values, known)
        if node.is_input and node.parents and known[node].error is None:
            known[node] = _named_once(model, node, known[node], entries.setdefault(node.layer.entry or node, {}))
        error = known[node].error
        if error is not None:
            failed = True
            error.search_with(functools.partial(find_fixes, model, node, known, shapes or {}, error))
    return Trace(model, known)


def find_fixes(
    model: Model, node: Node, known: dict[Node, NodeTrace], shapes: dict[str, Any], error: AxonError
) -> tuple[str, ...]:
    """Look for changes that make a model fit, in whatever way was put into ``finders``."""
    return tuple(fix for finder in finders for fix in finder(model, node, known, shapes, error))


finders: list[Callable[..., tuple[str, ...]]] = []
"""Called with the model, the node that does not fit, what is known of the nodes before it, the shapes that were given
for inputs and the error. Filled by ``advice``, which stands above."""


def _trace_node(
    model: Model, node: Node, given: dict[Node, Shape | None], probes: Probes,
    values: dict[Node, list[Any] | None], known: dict[Node, NodeTrace],
) -> tuple[NodeTrace, list[Any] | None]:  # fmt: skip
    if node in given:
        shape = given[node]
        if shape is None:
            return NodeTrace(None, node.options["dtype"], macs=None), None
        runs: list[Any] = [Spec(probes.concrete(shape, i), node.options["dtype"]) for i in range(len(probes.runs))]
        return NodeTrace(shape, node.options["dtype"], macs=0), runs
    there = [None if one is None or known[one].missing else one for one in node.inputs]
    columns = [one and values[one] for one in there]
    if any(one is not None and column is None for one, column in zip(there, columns, strict=True)):
        return NodeTrace(), None
    inputs: list[Any] = [column or [_LEFT_OUT] * len(probes.runs) for column in columns]
    parents = [one for one in there if one is not None]
    specs: tuple[Any, ...] = ()
    try:
        if node.is_input:
            return _enter_part(node, known[node.parents[0]]), inputs[0]
        if node.is_pick:
            return _pick(known[node.parents[0]], inputs[0], node.options["index"])
        tried = _tried_axes([one and known[one].shape for one in there])
        key = (node.layer.fingerprint, tuple(map(tuple, inputs)), tried, probes.key)
        remembered = _memo.get(key)
        if remembered is None:
            traced: list[Traced | None] = []
            for run in range(len(probes.runs)):
                specs = tuple(column[run] for column in inputs)
                traced.append(_trace_run(node.layer, specs, tried, is_round=probes.is_round(run)))
            remembered = _memo.keep(key, (_combine(traced, probes), [one and one.output for one in traced]))
        specs = tuple(column[-1] for column in inputs)
        found, outputs = remembered
        _check_shared(found.params, known[model.owners[node.layer]].params if model.owners[node.layer] in known else ())
        return found, outputs
    except AxonError as error:
        said = _in_known_words(_copy_error(error), specs, [one and known[one].shape for one in there])
        got = ", ".join(show_spec(known[parent]) for parent in parents)
        return NodeTrace(error=said.at(where(node.layer, model.names[node]), got)), None


_memo: Memo[tuple[NodeTrace, list[Any]]] = Memo(8192)
"""What is known of a layer, and its results in each run, by the layer, its inputs in each run, and the probes."""

_LEFT_OUT: Any = object()  # where None says that sizes were refused


def _pick(parent: NodeTrace, runs: list[Any], index: int) -> tuple[NodeTrace, list[Any]]:
    """Take one of the several outputs of a layer."""
    if not isinstance(parent.shape, tuple) or not all(isinstance(shape, tuple) for shape in parent.shape):
        problem = "says that it gives several tensors, and gives one"
        raise ShapeError(problem)
    if index >= len(parent.shape):
        problem = f"says that it gives at least {index + 1} tensors, and gives {len(parent.shape)}"
        raise ShapeError(problem)
    dtype = (parent.dtype or "").split(", ")[index]
    return NodeTrace(parent.shape[index], dtype, macs=0), [run and run[index] for run in runs]  # type: ignore[arg-type]


def _tried_axes(shapes: Sequence[Any]) -> frozenset[tuple[int, int]]:
    """List the axes, by input, whose sizes are only tried."""
    return frozenset(
        (place, axis)
        for place, shape in enumerate(shapes)
        for axis, dim in enumerate(shape or ())
        if not isinstance(dim, int)
    )


def _trace_run(
    op: Op, inputs: tuple[Spec | None, ...], tried: frozenset[tuple[int, int]], *, is_round: bool
) -> Traced | None:
    """Trace a layer with the sizes of one run; ``None`` where it, or one before it, refuses uneven sizes."""
    if any(spec is None for spec in inputs):
        return None
    given = tuple(None if spec is _LEFT_OUT else spec for spec in inputs)
    if not all(spec is None or isinstance(spec, Spec) for spec in given):
        problem = "takes tensors, and a layer before it gives several at once"
        raise ShapeError(problem, fix="let that layer return one tensor")
    try:
        return trace_layer(op, given, tried=tried)
    except AxonError:
        if is_round:
            raise
        return None


def _in_known_words(error: AxonError, specs: tuple[Any, ...], shapes: Sequence[Any]) -> AxonError:
    """Put words in place of sizes that were only tried: "the sizes of axis 1 differ: 5 and time", not 224."""
    tried: dict[int, str] = {}
    written: set[int] = set()
    for spec, shape in zip(specs, shapes, strict=False):
        for size, dim in zip(spec.shape if isinstance(spec, Spec) else (), shape or (), strict=False):
            written |= {dim} if isinstance(dim, int) else set()
            if not isinstance(dim, int):
                tried.setdefault(size, str(dim))

    def word(match: re.Match[str]) -> str:
        size = int(match[0])
        return tried[size] if size in tried and size not in written else match[0]

    error.problem = re.sub(r"(?<![\w.])\d+(?![\w.])", word, error.problem)
    error.got = error.got and re.sub(r"(?<![\w.])\d+(?![\w.])", word, error.got)
    left = {int(number) for number in re.findall(r"\d+", error.problem)}
    guessed = [size for size in tried if size not in written and any(n >= size and n % size == 0 for n in left)]
    if guessed:
        names = " and ".join(f"{tried[size]} as {size}" for size in guessed)
        error.fixes = (*error.fixes, f"a size that is not known was tried, {names}: give input(...) that size")
    return error


def _copy_error(error: AxonError) -> AxonError:
    """Copy an error before a place is put into it: a remembered one may be raised again for another layer."""
    copy = type(error)(error.problem, where=error.where, got=error.got, fix=error.hints)
    copy.__cause__ = error.__cause__
    return copy


def _combine(traced: list[Traced | None], probes: Probes) -> NodeTrace:
    round_ones = [one for run, one in enumerate(traced) if one is not None and probes.is_round(run)]
    params = _same_params(round_ones, probes)
    macs = probes.per_sample([one.macs for one in round_ones])
    outputs = [one.output if one is not None else None for one in traced]
    first = outputs[0]
    if isinstance(first, Spec):
        return NodeTrace(_common_shape(outputs, probes), first.dtype, params, macs)
    parts = [[out[i] if isinstance(out, tuple) else None for out in outputs] for i in range(len(first or ()))]
    shapes = tuple(_common_shape(part, probes) for part in parts)
    return NodeTrace(shapes, ", ".join(spec.dtype for spec in first or ()), params, macs)


def _check_shared(params: tuple[ParamSpec, ...], first: tuple[ParamSpec, ...]) -> None:
    """Check that a layer used again has the parameters of its first use."""
    for spec, other in zip(params, first, strict=False):
        if spec.shape != other.shape:
            problem = (
                f"shares its {spec.name} {show(other.shape)} with an earlier use, and needs {show(spec.shape)} here"
            )
            raise ShapeError(problem, fix="write a layer of its own for each place: one object is one set of weights")


def _common_shape(specs: Sequence[Any], probes: Probes) -> Shape:
    ranks = {len(spec.shape) for spec in specs if spec is not None}
    if len(ranks) > 1:
        problem = "the number of axes of its result depends on a size that is not known"
        raise ShapeError(problem)
    sizes = ([spec and spec.shape[axis] for spec in specs] for axis in range(ranks.pop()))
    return tuple(map(probes.common, sizes))


def _same_params(traced: list[Traced], probes: Probes) -> tuple[ParamSpec, ...]:
    if len({tuple(spec.name for spec in one.params) for one in traced}) > 1:
        problem = "which parameters it has depends on a size that is not known"
        raise ShapeError(problem, fix="give input(...) that size")
    for specs in zip(*(one.params for one in traced), strict=True):
        shapes = [spec.shape for spec in specs]
        if len(set(shapes)) > 1:
            guilty = [name for i, name in enumerate(probes.runs[0], 1) if shapes[i] != shapes[0]]
            names = " and ".join(f"axis {g[1:]}" if "@" in g else f"{g!r}" for g in guilty)
            problem = f"the shape of its {specs[0].name} depends on a size that is not known: {names} of the input"
            pool = ", or put global_avg_pool() before it" if probes.maps else ""
            raise ShapeError(problem, fix=f"give input(...) that size{pool}")
    return traced[0].params


def _enter_part(node: Node, parent: NodeTrace) -> NodeTrace:
    """Check what reaches the input of a part against the shape that the part declares."""
    declared = node.options["shape"]
    if declared is not None and isinstance(parent.shape, tuple):
        unify(declared, parent.shape, node.layer.source if node.layer.joined else None)
    # What a policy makes of float32, the usual kind, are numbers of another length.
    is_float = node.options["dtype"] == "float32" and "float" in (parent.dtype or "")
    if parent.dtype != node.options["dtype"] and not is_float:
        problem = f"takes {node.options['dtype']} numbers, and gets {parent.dtype}"
        raise ShapeError(problem)
    return replace(parent, params=(), macs=0)


def _named_once(model: Model, node: Node, found: NodeTrace, sizes: dict[Any, tuple[int, str]]) -> NodeTrace:
    """Check that a name means one size in all that one use of a part is given."""
    declared: Any = node.options["shape"]
    shape: Any = found.shape
    if declared is None or shape is None:
        return found
    named = [(want, have) for want, have in zip(declared, shape, strict=True) if isinstance(want, str)]
    for want, have in named:
        if not isinstance(have, int):
            continue
        size, place = sizes.setdefault(want, (have, model.names[node]))
        if size != have:
            problem = f"dim {want!r} is {have} here and {size} in input {place!r}"
            error = ShapeError(problem, where=where(node.layer, model.names[node]), got=show(shape))
            return NodeTrace(error=error)
    return found


def show_spec(known: NodeTrace) -> str:
    """Write a node's shape, with its kind of numbers where that is not the usual one."""
    dtype = f" {known.dtype}" if known.dtype not in (None, "float32") else ""
    if known.shape and isinstance(known.shape[0], tuple):
        return ", ".join(show(one) for one in known.shape if isinstance(one, tuple))
    return show(known.shape) + dtype  # type: ignore[arg-type]


def kind_of(model: Model, node: Node, spec: ParamSpec) -> ParamKind:
    """Say whether a layer's parameter is trained, frozen, or state."""
    return "state" if spec.is_state else "frozen" if model.is_frozen(node.layer, spec.name) else "trainable"
