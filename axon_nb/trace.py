"""Owns shape inference: a model and the shapes of its inputs become one row per node.

Knows nothing about weights' values, devices or display. No layer states its shape: its body is run on empty lazy
tensors, which computes nothing. Sizes that are not known are run with several probe sizes, and what the results have
in common is the answer.
"""

from __future__ import annotations

import functools
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinygrad import Tensor, dtypes
from tinygrad.uop.ops import Ops, UOp

from axon_nb.checks import dtype_name
from axon_nb.errors import AxonError, OptionError, ParamsError, ShapeError, unknown
from axon_nb.graph import Model, Node, attribute, leaves, map_leaves, verb, where
from axon_nb.layer import Op
from axon_nb.options import Drawn, initializers
from axon_nb.probes import Probes, make_probes, symbol
from axon_nb.rows import ParamKind, ParamRow, Report, Row
from axon_nb.scope import Scope
from axon_nb.shapes import Shape, as_shape, show
from axon_nb.source import Source

_MEMO_SIZE = 8192


@dataclass(frozen=True)
class Spec:
    """Shape and kind of numbers of one tensor, in one probe: every size is known."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ParamSpec:
    """A parameter or state that a layer declared while it was traced."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    initializer: Any
    is_state: bool

    @property
    def count(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.count * int(getattr(dtypes, self.dtype).itemsize)


@dataclass(frozen=True)
class Traced:
    """What one run of a layer's body on empty tensors told."""

    output: Spec | tuple[Spec, ...]
    params: tuple[ParamSpec, ...]
    macs: int


class TraceScope(Scope):
    """The scope of a layer that is only traced: parameters are written down and come back empty."""

    def __init__(
        self, *, training: bool, within: TraceScope | None = None, name: str = "",
        tried: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:  # fmt: skip
        super().__init__(training=training)
        self._tried = tried
        self.declared: dict[str, ParamSpec] = {} if within is None else within.declared
        self._prefix: str = "" if within is None else f"{within._prefix}{name}."
        self._is_part = within is not None

    def knows(self, axis: int, place: int = 0) -> bool:  # noqa: D102
        return not self._is_part and (place, axis) not in self._tried

    def inside(self, name: str) -> Scope:  # noqa: D102
        return TraceScope(training=self.training, within=self, name=name)

    def param(  # noqa: D102
        self, name: str, shape: Sequence[int], initializer: Any = "glorot_uniform", dtype: str = "float32"
    ) -> Any:
        if "float" not in dtype:
            problem = f"parameter {name!r} is trained, and {dtype} numbers have no gradient"
            raise ParamsError(problem, fix=f"scope.state({name!r}, ...) for numbers that are not trained")
        return self._declare(name, shape, initializer, dtype, is_state=False)

    def state(self, name: str, shape: Sequence[int], initializer: Any = "zeros", dtype: str = "float32") -> Any:  # noqa: D102
        return self._declare(name, shape, initializer, dtype, is_state=True)

    def _declare(self, name: str, shape: Sequence[int], initializer: Any, dtype: str, *, is_state: bool) -> Any:
        sizes = tuple(int(size) for size in shape)
        name = f"{self._prefix}{name}"
        if name in self.declared and not self._is_part:
            problem = f"declares {name!r} twice"
            raise ParamsError(problem)
        if name in self.declared:  # a part that is used again
            if self.declared[name].shape != sizes:
                was = show(self.declared[name].shape)
                problem = f"its {name} is {was}, and must be {show(sizes)} where it is used again"
                raise ShapeError(problem)
            return _lazy(sizes, dtype)
        try:
            initializer = _INITIALIZER.parse(initializer)
        except ValueError as error:
            problem = f"the initializer of {name!r} {error}"
            raise OptionError(problem) from None
        self.declared[name] = ParamSpec(name, sizes, dtype, initializer, is_state)
        return _lazy(sizes, dtype)

    def update(self, name: str, value: Any) -> None:  # noqa: D102
        spec = self.declared.get(f"{self._prefix}{name}")
        if spec is None or not spec.is_state:
            msg = "state"
            raise unknown(msg, name, [s.name for s in self.declared.values() if s.is_state], error=ParamsError)
        if tuple(value.shape) != spec.shape:
            problem = f"the new value of state {name!r} has another shape"
            raise ShapeError(problem, got=f"{tuple(value.shape)} for {spec.shape}")

    def random(self, shape: Sequence[int]) -> Any:  # noqa: D102
        return _lazy(tuple(shape), "float32")

    def normal(self, shape: Sequence[int]) -> Any:  # noqa: D102
        return self.random(shape)


def _lazy(shape: tuple[int, ...], dtype: str) -> Tensor:
    return Tensor.empty(*shape, dtype=dtype, device="CPU")


_INITIALIZER = Drawn(registry=initializers)

_memo: OrderedDict[Any, Traced] = OrderedDict()


def trace_layer(
    op: Op, inputs: tuple[Spec | None, ...], *, training: bool = False, tried: frozenset[tuple[int, int]] = frozenset()
) -> Traced:
    """Run a layer's body on empty tensors; ``None`` stands for an input that is left out.

    The result is remembered by layer, options and inputs, so that an edit traces one layer again.

    Raises:
        AxonError: the body refuses its inputs, or does not return tensors.
    """
    key = (op.fingerprint, inputs, training, tried)
    known = _memo.get(key)
    if known is not None:
        _memo.move_to_end(key)
        return known
    scope = TraceScope(training=training, tried=tried)
    tensors = [spec and _lazy(spec.shape, spec.dtype) for spec in inputs]
    try:
        result = call(op, scope, tensors)
    except AxonError:
        raise
    except Exception as error:
        raise ShapeError(_in_words(error)) from error
    traced = Traced(_spec_of(result, op), tuple(scope.declared.values()), count_macs(result))
    _memo[key] = traced
    if len(_memo) > _MEMO_SIZE:
        _memo.popitem(last=False)
    return traced


def call(op: Op, scope: Scope, tensors: Sequence[Any]) -> Any:
    """Run a layer's function; ``None`` among the tensors stands for an input that is left out."""
    return op.run(scope, tensors)


def _in_words(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else f"its body raised {type(error).__name__}"


def _spec_of(result: Any, op: Op) -> Spec | tuple[Spec, ...]:
    if isinstance(result, Tensor):
        return Spec(tuple(int(size) for size in result.shape), dtype_name(result.dtype))
    if isinstance(result, tuple | list) and result and all(isinstance(part, Tensor) for part in result):
        return tuple(Spec(tuple(int(s) for s in part.shape), dtype_name(part.dtype)) for part in result)
    problem = f"{op.declaration.name} must return a tensor, or a tuple of them"
    raise ShapeError(problem, got=type(result).__name__)


def count_macs(result: Any) -> int:
    """Count multiply-adds: the products that are summed, in the graph of the result.

    A kernel written by hand (a recurrent layer's loop over time) says itself how many operations it takes.
    """
    return _count(part.uop for part in (result if isinstance(result, tuple | list) else [result]))


def _count(roots: Iterable[UOp]) -> int:
    total = 0
    for uop in UOp.sink(*roots).toposort(enter_calls=False):
        if uop.op is Ops.REDUCE:
            total += _macs_of(uop)
        elif uop.op is Ops.FUNCTION:
            total += _count(uop.src[:1])
        elif uop.op is Ops.CALL:
            estimates = getattr(uop.src[0].arg, "estimates", None)
            total += int(estimates.ops) // 2 if estimates is not None else _count(uop.src[:1])
    return total


def _macs_of(reduce: UOp) -> int:
    if reduce.arg[0] is not Ops.ADD:
        return 0
    source = reduce.src[0]
    while source.op in _TRANSPARENT:
        source = source.src[0]
    if source.op is not Ops.MUL or any(part.op is Ops.CONST for part in source.src):
        return 0
    return math.prod(int(size) for size in source.shape)


_TRANSPARENT = frozenset({Ops.CAST, Ops.PERMUTE, Ops.RESHAPE, Ops.CONTIGUOUS})


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
    failed = False
    for node in model.nodes:
        if failed:
            known[node] = NodeTrace(reached=False)
            continue
        if node in missing or node.lacks(lambda one: known[one].missing):
            known[node], values[node] = NodeTrace(missing=True), None
            continue
        known[node], values[node] = _trace_node(model, node, given, probes, values, known)
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
        traced: list[Traced | None] = []
        tried = _tried_axes([one and known[one].shape for one in there])
        for run in range(len(probes.runs)):
            specs = tuple(column[run] for column in inputs)
            traced.append(_trace_run(node.layer, specs, tried, is_round=probes.is_round(run)))
        found = _combine(traced, probes)
        _check_shared(found.params, known[model.owners[node.layer]].params if model.owners[node.layer] in known else ())
        return found, [one and one.output for one in traced]
    except AxonError as error:
        said = _in_known_words(_copy_error(error), specs, [one and known[one].shape for one in there])
        got = ", ".join(show_spec(known[parent]) for parent in parents)
        return NodeTrace(error=said.at(where(node.layer, model.names[node]), got)), None


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
        _unify(declared, parent.shape, node.layer.source if node.layer.joined else None)
    if parent.dtype != node.options["dtype"]:
        problem = f"takes {node.options['dtype']} numbers, and gets {parent.dtype}"
        raise ShapeError(problem)
    return replace(parent, params=(), macs=0)


def _unify(declared: Shape, actual: Any, source: Source | None = None) -> None:
    fits = len(declared) == len(actual) and all(
        not (isinstance(want, int) and isinstance(have, int)) or want == have
        for want, have in zip(declared, actual, strict=True)
    )
    if not fits:
        cell = f" of {source.cell!r}" if source and source.cell else ""
        problem = f"takes {show(declared)}" + (f", as {source}{cell} says" if source else "")
        raise ShapeError(problem, got=show(actual))


def input_shapes(model: Model, shapes: dict[str, Any]) -> dict[Node, Shape | None]:
    """Put the given shapes over the declared ones; a name that is given a size has it everywhere.

    Raises:
        ShapeError: a given shape does not fit the declared one, or one name would have two sizes.
        UnknownNameError: there is no input of a given name.
    """
    names = {model.names[node]: node for node in model.inputs}
    sizes: dict[str, tuple[int, str]] = {}
    result = _with_one_batch({node: node.options["shape"] for node in model.inputs})
    for name, value in shapes.items():
        if name not in names:
            msg = "input"
            raise unknown(msg, name, names)
        node = names[name]
        given = as_shape(value, what=f"shape for input {name!r}")
        declared = result[node]
        if declared is not None:
            try:
                _unify(declared, given)
            except ShapeError as error:
                msg = f"input {name!r}"
                raise error.at(msg, show(given)) from None
            _bind(declared, given, name, sizes)
        result[node] = given if declared is None else tuple(
            have if have is not None else want for want, have in zip(declared, given, strict=True)
        )  # fmt: skip
    return _with_one_batch({node: _substitute(shape, sizes) for node, shape in result.items()})


def _with_one_batch(shapes: dict[Node, Shape | None]) -> dict[Node, Shape | None]:
    """Put what one input says of the batch axis, its name or size, into those that say nothing."""
    said = {shape[0] for shape in shapes.values() if shape} - {None}
    if len(said) != 1:
        return shapes
    batch = said.pop()
    return {node: shape and (batch if shape[0] is None else shape[0], *shape[1:]) for node, shape in shapes.items()}


def _bind(declared: Shape, given: Shape, name: str, sizes: dict[str, tuple[int, str]]) -> None:
    for axis, (want, have) in enumerate(zip(declared, given, strict=True)):
        if isinstance(want, int) or not isinstance(have, int):
            continue
        known, other = sizes.setdefault(symbol(want, axis), (have, name))
        if known != have and (want is not None or axis == 0):
            dim = f"dim {want!r}" if want else "the batch axis"
            problem = f"{dim} is {have} here and {known} in input {other!r}"
            raise ShapeError(problem, where=f"input {name!r}")


def _substitute(shape: Shape | None, sizes: dict[str, tuple[int, str]]) -> Shape | None:
    if shape is None:
        return None
    return tuple(
        sizes[symbol(d, axis)][0] if not isinstance(d, int) and symbol(d, axis) in sizes else d
        for axis, d in enumerate(shape)
    )


def show_spec(known: NodeTrace) -> str:
    """Write a node's shape, with its kind of numbers where that is not the usual one."""
    dtype = f" {known.dtype}" if known.dtype not in (None, "float32") else ""
    if known.shape and isinstance(known.shape[0], tuple):
        return ", ".join(show(one) for one in known.shape if isinstance(one, tuple))
    return show(known.shape) + dtype  # type: ignore[arg-type]


def report(model: Model, shapes: dict[str, Any] | None = None) -> Report:
    """Make the rows of a model, for tables, diagrams and cards. What does not fit is told in the rows, not raised.

    Args:
        model: the model.
        shapes: shapes of inputs by name.
    """
    traced = trace(model, shapes)
    keys = {node: index for index, node in enumerate(model.nodes)}
    ends = _output_names(model)
    rows = tuple(_row(traced, node, keys, ends) for node in model.nodes)
    return Report(model.name, rows, traced.error)


def _output_names(model: Model) -> dict[Node, str]:
    if isinstance(model.outputs, dict):
        return {n: name for name, part in model.outputs.items() for n in leaves(part)}
    if isinstance(model.outputs, tuple):
        return {node: str(index) for index, node in enumerate(leaves(model.outputs))}
    return {model.outputs: ""}


def _row(traced: Trace, node: Node, keys: dict[Node, int], ends: dict[Node, str]) -> Row:
    model, known = traced.model, traced.nodes[node]
    owner = model.owners[node.layer]
    return Row(
        key=keys[node],
        name=model.names[node],
        op=node.op,
        family=node.layer.declaration.family,
        path=node.path,
        parents=tuple(keys[parent] for parent in node.parents),
        shape=known.shape,
        dtype=known.dtype,
        options=_shown_options(node),
        params=tuple(_param_row(spec, kind_of(model, node, spec)) for spec in known.params) if owner is node else (),
        shared_with=None if owner is node else model.names[owner],
        macs=known.macs,
        output=ends.get(node),
        status="failed" if known.error else "ok" if known.reached else "pending",
        source=str(node.layer.source or ""),
    )


def _shown_options(node: Node) -> tuple[tuple[str, Any], ...]:
    """Leave out what stands in the row anyway: the shape of an input, which of several outputs it is."""
    told = "shape" if node.is_input else "index" if node.is_pick else None
    return tuple(option for option in node.layer.declaration.shown(node.options) if option[0] != told)


def kind_of(model: Model, node: Node, spec: ParamSpec) -> ParamKind:
    """Say whether a layer's parameter is trained, frozen, or state."""
    return "state" if spec.is_state else "frozen" if model.is_frozen(node.layer, spec.name) else "trainable"


def _param_row(spec: ParamSpec, kind: ParamKind) -> ParamRow:
    return ParamRow(spec.name, spec.shape, spec.dtype, kind, spec.count, spec.nbytes)


@attribute
def output_shape(model: Model) -> Any:
    """Shape of the output, or a tuple or dict of them; sizes that are not known are ``None`` or named.

    Raises:
        ShapeError: a layer does not fit.
    """
    return trace(model).check().output_shape


@verb
def compute_output_shape(model: Model, /, **shapes: Any) -> Any:
    """Work out the shape of the output for given shapes of the inputs.

    Raises:
        ShapeError: a layer, or a given shape, does not fit.

    Example:
        >>> from axon_nb import conv, input
        >>> (input((None, 1, "height", 28), name="image") | conv(8, 3)).compute_output_shape(image=(2, 1, 40, 28))
        (2, 8, 38, 26)
    """
    return trace(model, shapes).check().output_shape


@attribute
def params(model: Model) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters and states: ``{"dense_0.kernel": (784, 128), ...}``.

    Raises:
        ShapeError: a layer does not fit.
    """
    return {".".join(path): spec.shape for path, spec in trace(model).check_known().params().items()}
