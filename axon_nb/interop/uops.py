"""Owns the way of any function of tensors to ONNX: it is traced, and each of tinygrad's operations becomes an operator.

It is traced once for each run of :class:`Runs`: what is a size differs there, and is written as a look at the input's
shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad import Tensor
from tinygrad.uop.ops import Ops, UOp

from axon_nb.checks import dtype_name
from axon_nb.errors import AxonError
from axon_nb.functional.gradient import values_only
from axon_nb.graph import Node
from axon_nb.hooks import On, passed
from axon_nb.interop.emit import At
from axon_nb.interop.runs import Runs
from axon_nb.interop.writer import Value
from axon_nb.lazy import numpy as np
from axon_nb.trace import TraceScope, call

Shapes = list[tuple[int, ...]]
"""A shape in each run."""


def trace_layer_body(at: At, node: Node, inputs: Sequence[Value | None], runs: Runs) -> Any:
    """Write a layer by tracing its body, without training."""
    shapes = [[known[parent].shape for known in runs.traces] for parent in node.parents]
    scopes: list[TraceScope] = []

    def body(run: int, given: list[Tensor]) -> Any:
        scope = _KeepingScope(training=False)
        scopes.append(scope)
        with values_only():
            return call(node.layer, scope, node.placed(tuple(given)))

    return _Walk(at, [x for x in inputs if x is not None], shapes, body, scopes).write()


def trace_function(at: At, node: Node, function: Callable[[Tensor], Tensor], x: str, runs: Runs) -> str:
    """Write a function of one tensor, whose axes are those of the layer's result, by tracing it."""
    shape = at.shape
    outer = [known[node].shape for known in runs.traces]
    if outer and outer[0] and isinstance(outer[0][0], tuple):
        outer = [one[0] for one in outer]
    if len(outer[0]) != len(shape) and any(not isinstance(d, int) for d in shape[1:]):
        problem = "its activation is a function of one's own, and the sizes it works on are not known"
        raise at.refuse(problem)
    shapes = [tuple(d if isinstance(d, int) else run[i] for i, d in enumerate(shape)) for run in outer]
    return str(_Walk(at, [Value.of(x, shape, at.dtype)], [shapes], lambda run, given: function(given[0]), []).write())


def trace_hooks(at: At, node: Node, on: On, values: Sequence[Value], runs: Runs) -> list[str]:
    """Write the hooks of a layer that are tensor operations, on what it takes or returns."""
    nodes = node.parents if on == "pre_forward" else (node,)
    shapes = [[shape for one in nodes for shape in _each(known[one].shape)] for known in runs.traces]

    def body(run: int, given: list[Tensor]) -> Any:
        value = node.placed(tuple(given)) if on == "pre_forward" else tuple(given)
        several = len(value) > 1
        made = passed(runs.model, node, on, value if several else value[0], training=False, compiled=True)
        return [one for one in made if one is not None] if several else [made]

    return list(_Walk(at, list(values), [list(one) for one in zip(*shapes, strict=True)], body, []).write())


def _each(shape: Any) -> Any:
    """List the shapes of a result, of which there may be several."""
    return shape if shape and isinstance(shape[0], tuple) else (shape,)


class _KeepingScope(TraceScope):
    """Remembers which tensor stands for which weight."""

    def __init__(self, *, training: bool) -> None:
        super().__init__(training=training)
        self.tensors: dict[str, Any] = {}

    def _declare(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.tensors[name] = super()._declare(name, *args, **kwargs)
        return self.tensors[name]

    def update(self, name: str, value: Any) -> None:
        """Take nothing: it is only for training."""


class _Walk:
    """One function on its way to ONNX: its graphs in all runs, walked in step."""

    def __init__(
        self, at: At, names: list[Value], shapes: list[Shapes], body: Callable[[int, list[Tensor]], Any],
        scopes: list[Any],
    ) -> None:  # fmt: skip
        self.at, self.names, self.shapes = at, names, shapes
        self.known: dict[UOp, tuple[str, str]] = {}  # of the first run: name and dtype
        self.mates: dict[UOp, tuple[UOp, ...]] = {}
        self.results: list[Any] = []
        for run in range(len(shapes[0])):
            given = [
                Tensor.empty(*shape[run], dtype=name.dtype, device="CPU")
                for name, shape in zip(names, shapes, strict=True)
            ]
            self.results.append(self._call(body, run, given))
            if run == 0:
                self.known |= {t.uop: (str(n), n.dtype) for t, n in zip(given, names, strict=True)}
        for name, tensor in (scopes[0].tensors if scopes else {}).items():
            values, dtype = at.params[name], dtype_name(tensor.dtype)
            self.known[tensor.uop] = at.writer.weight(f"{at.owner}.{name}", "", values, dtype), dtype
        self.inputs = set(self.known)

    def _call(self, body: Callable[[int, list[Tensor]], Any], run: int, given: list[Tensor]) -> Any:
        try:
            return body(run, given)
        except AxonError:
            raise
        except Exception as error:
            problem = f"its function cannot be traced: {error}"
            raise self.at.refuse(problem) from error

    def write(self) -> Any:
        """Write all nodes, parents first."""
        outputs = [one if isinstance(one, tuple | list) else (one,) for one in self.results]
        made = tuple(self._result([out[i].uop for out in outputs]) for i in range(len(outputs[0])))
        return made if isinstance(self.results[0], tuple | list) else made[0]

    def _result(self, roots: list[UOp]) -> str:
        self._pair(roots)
        depends = self._dependent(roots[0])
        for uop in self._order(roots[0]):
            if uop not in self.known:
                self.known[uop] = self._one(uop, depends)
        name, dtype = self.known[roots[0]]
        if roots[0].op is Ops.CONST or roots[0] in self.inputs:
            name = self.at.op("Identity", name)
        return name if dtype == dtype_name(roots[0].dtype) else self.at.cast(name, dtype_name(roots[0].dtype))

    def _pair(self, roots: list[UOp]) -> None:
        """Find the node of each run that stands where a node of the first stands."""
        stack = [tuple(roots)]
        while stack:
            mates = stack.pop()
            if mates[0] in self.mates or mates[0] in self.inputs:
                continue
            if len({one.op for one in mates}) > 1 or len({len(one.src) for one in mates}) > 1:
                problem = "its function does other things for other sizes of its input"
                raise self.at.refuse(problem, "give input(...) its sizes")
            self.mates[mates[0]] = mates
            stack += list(zip(*map(_sources, mates), strict=True))

    def _order(self, root: UOp) -> list[UOp]:
        """List nodes, data before what is made of it; not what only says a shape."""
        order: list[UOp] = []
        seen: set[UOp] = set()
        stack = [(root, False)]
        while stack:
            uop, done = stack.pop()
            if done:
                order.append(uop)
            elif uop not in seen:
                seen.add(uop)
                if uop in self.known:
                    continue
                stack.append((uop, True))
                stack += [(source, False) for source in _data(uop)]
        return order

    def _dependent(self, root: UOp) -> set[UOp]:
        """Find the nodes that are not the same numbers always: made of inputs, or of another size in another run."""
        found = set(self.inputs)
        for uop in self._order(root):
            mates = self.mates[uop]
            differs = len({tuple(one.shape) for one in mates}) > 1 or len({repr(one.arg) for one in mates}) > 1
            if uop.op is Ops.BUFFER:
                differs = False
            if differs or any(source in found for source in _data(uop)):
                found.add(uop)
        return found

    def _one(self, uop: UOp, depends: set[UOp]) -> tuple[str, str]:
        dtype = dtype_name(uop.dtype)
        if uop not in depends and uop.op is not Ops.CONST:
            return self._folded(uop, dtype)
        if uop.op is Ops.CONST:
            return self._number(uop, dtype)
        if uop.op in _THROUGH:
            return self.known[uop.src[0]]
        filled = _filled(uop)
        if filled is not None:
            return self.operand(filled, dtype), dtype
        write = _WRITERS.get(uop.op)
        if write is None:
            problem = f"its function uses an operation that has no ONNX operator: {uop.op.name}"
            raise self.at.refuse(problem)
        return write(self, uop)

    def _folded(self, uop: UOp, dtype: str) -> tuple[str, str]:
        kind = {"weakint": "int32", "weakfloat": "float32"}.get(dtype, dtype)
        values = Tensor(uop).cast(kind).numpy() if kind != "bfloat16" else Tensor(uop).float().numpy()
        return self.at.writer.constant(values, kind, f"{self.at.name}/constant"), kind

    def _number(self, uop: UOp, dtype: str) -> tuple[str, str]:
        """Write a number; one that differs between runs is made of a size."""
        numbers = [one.arg for one in self.mates[uop]]
        kind = {"weakint": "int32", "weakfloat": "float32"}.get(dtype, dtype)
        if len(set(numbers)) == 1:
            return self.at.numbers(numbers[0], kind), kind
        whole = tuple(round(n) for n in numbers)
        turned = tuple(round(1 / n) if n else 0 for n in numbers)
        if all(abs(n - w) < 1e-9 * max(abs(n), 1) for n, w in zip(numbers, whole, strict=True)):
            return self.at.cast(self._scalar(whole), kind), kind
        if all(t and abs(n * t - 1) < 1e-6 for n, t in zip(numbers, turned, strict=True)):
            return self.at.op("Reciprocal", self.at.cast(self._scalar(turned), kind)), kind
        problem = "its function uses a number that depends on the size of its input"
        raise self.at.refuse(problem, "give input(...) its sizes")

    def _scalar(self, values: tuple[int, ...]) -> str:
        return str(self.at.op("Squeeze", self.dim(values), self.at.ints(0)))

    # sizes

    def dim(self, values: tuple[int, ...]) -> str:
        """Write a size that may differ between runs, as a row of one number."""
        if len(set(values)) == 1:
            return self.at.ints(values[0])
        opened = [
            (name, axis, tuple(shape[axis] for shape in shapes))
            for name, shapes in zip(self.names, self.shapes, strict=True)
            for axis in range(len(shapes[0]))
            if len({shape[axis] for shape in shapes}) > 1
        ]
        for one in opened:
            found = _affine(one[2], values)
            if found is not None:
                return self._line(self.at.size(one[0], one[1]), *found)
        for plus in (0, 1, -1, 2, -2):  # a product of sizes, and a little
            rest = [value - plus for value in values]
            for name, axis, sizes in opened:
                if any(n % size for n, size in zip(rest, sizes, strict=True)):
                    continue
                quotient = tuple(n // size for n, size in zip(rest, sizes, strict=True))
                for other, place, found in ((o, p, _affine(sizes_, quotient)) for o, p, sizes_ in opened):
                    if found is not None:
                        factor = self._line(self.at.size(other, place), *found)
                        return self._line(self.at.op("Mul", self.at.size(name, axis), factor), 1, 1, plus)
        problem = "its function makes a size of its input's sizes in a way that is not understood"
        raise self.at.refuse(problem, "give input(...) its sizes")

    def _line(self, size: str, times: int, over: int, plus: int) -> str:
        """Write size * times // over + plus."""
        for kind, number, neutral in (("Mul", times, 1), ("Div", over, 1), ("Add", plus, 0)):
            size = size if number == neutral else self.at.op(kind, size, self.at.ints(number))
        return size

    def row(self, columns: Sequence[tuple[int, ...]]) -> str:
        """Write several sizes as one row."""
        if all(len(set(values)) == 1 for values in columns):
            return self.at.ints(*(values[0] for values in columns))
        return str(self.at.op("Concat", *map(self.dim, columns), axis=0))

    def columns(self, uop: UOp) -> list[tuple[int, ...]]:
        """List the sizes of a node's axes, each in all runs."""
        return [tuple(int(n) for n in sizes) for sizes in zip(*(one.shape for one in self.mates[uop]), strict=True)]

    # operands

    def operand(self, uop: UOp, kind: str) -> str:
        """Return the name of an operand, in a kind of numbers."""
        name, dtype = self.known[uop]
        if dtype == kind:
            return name
        if uop.op is Ops.CONST and len({one.arg for one in self.mates[uop]}) == 1:
            return self.at.numbers(uop.arg, kind)
        return self.at.cast(name, kind)

    def kind(self, sources: Sequence[UOp]) -> str:
        """Find the kind of numbers in which operands meet."""
        strong = [dtype_name(one.dtype) for one in sources if "weak" not in dtype_name(one.dtype)]
        if strong:
            return strong[0]
        return "float32" if any(dtype_name(one.dtype) == "weakfloat" for one in sources) else "int32"


def _affine(base: tuple[int, ...], values: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Find whole numbers so that values = base * times // over + plus in every run."""
    first, second = base[0], next((b for b in base if b != base[0]), None)
    if second is None:
        return None
    rise = values[base.index(second)] - values[0]
    run = second - first
    divisor = int(np.gcd(rise, run)) or 1
    times, over = rise // divisor, run // divisor
    if over < 0:
        times, over = -times, -over
    if times <= 0:
        return None
    plus = values[0] - first * times // over
    fits = all(b * times % over == 0 and b * times // over + plus == v for b, v in zip(base, values, strict=True))
    return (times, over, plus) if fits else None


_THROUGH = {Ops.CONTIGUOUS, Ops.DETACH, Ops.CONTIGUOUS_BACKWARD, Ops.NOOP}
_MOVES = {Ops.RESHAPE, Ops.EXPAND, Ops.PERMUTE, Ops.PAD, Ops.SHRINK, Ops.FLIP}


def _filled(uop: UOp) -> UOp | None:
    """Return what a tensor was filled with where it was made: ``Tensor.zeros``."""
    is_filled = uop.op is Ops.AFTER and len(uop.src) == 2 and uop.src[1].op is Ops.STORE
    return uop.src[1].src[1] if is_filled and uop.src[0].base.op is Ops.BUFFER else None


def _sources(uop: UOp) -> tuple[UOp, ...]:
    filled = _filled(uop)
    return tuple(uop.src) if filled is None else (filled,)


def _data(uop: UOp) -> tuple[UOp, ...]:
    """List what a node is made of, without what only says a shape."""
    if uop.op in _MOVES or uop.op in (Ops.REDUCE, Ops.CAST) or uop.op in _THROUGH:
        return tuple(uop.src[:1])
    return () if uop.op in (Ops.CONST, Ops.BUFFER, Ops.COPY) else _sources(uop)


Writer = Callable[[_Walk, UOp], tuple[str, str]]
_WRITERS: dict[Ops, Writer] = {}


def _writes(*ops: Ops) -> Callable[[Writer], Writer]:
    def put(function: Writer) -> Writer:
        for op in ops:
            _WRITERS[op] = function
        return function

    return put


@_writes(Ops.RESHAPE)
def _reshape(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    return walk.at.op("Reshape", name, walk.row(walk.columns(uop))), dtype


@_writes(Ops.EXPAND)
def _expand(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    return walk.at.op("Expand", name, walk.row(walk.columns(uop))), dtype


@_writes(Ops.PERMUTE)
def _permute(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    return walk.at.transpose(name, uop.arg), dtype


@_writes(Ops.FLIP)
def _flip(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    axes = [axis for axis, turned in enumerate(uop.arg) if turned]
    count, least = len(axes), int(np.iinfo("int64").min)
    ints = walk.at.ints
    return walk.at.op(
        "Slice", name, ints(*[-1] * count), ints(*[least] * count), ints(*axes), ints(*[-1] * count)
    ), dtype


def _starts(walk: _Walk, uop: UOp) -> list[tuple[int, ...]]:
    """Read where each axis begins, in all runs."""
    rows = []
    for one in walk.mates[uop]:
        says = one.src[1]
        rows.append([int(part.arg) for part in (says.src if says.op is Ops.STACK else (says,))])
    return [tuple(column) for column in zip(*rows, strict=True)]


@_writes(Ops.PAD)
def _pad(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    starts, sizes = _starts(walk, uop), walk.columns(uop)
    inner = walk.columns(uop.src[0]) if uop.src[0] in walk.mates else _given(walk, uop.src[0])
    ends = [
        tuple(size - start - n for size, start, n in zip(*axis, strict=True))
        for axis in zip(sizes, starts, inner, strict=True)
    ]
    kind = "int32" if dtype == "bool" else dtype
    given = walk.at.cast(name, kind) if kind != dtype else name
    padded = walk.at.op("Pad", given, walk.row([*starts, *ends]), walk.at.numbers(0, kind))
    return (walk.at.cast(padded, dtype) if kind != dtype else padded), dtype


def _given(walk: _Walk, uop: UOp) -> list[tuple[int, ...]]:
    """List the sizes of an input or a weight, each in all runs."""
    name = walk.known[uop][0]
    runs = len(walk.shapes[0])
    for value, shapes in zip(walk.names, walk.shapes, strict=True):
        if value == name:
            return [tuple(shape[axis] for shape in shapes) for axis in range(len(shapes[0]))]
    return [(int(size),) * runs for size in uop.shape]


@_writes(Ops.SHRINK)
def _shrink(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    starts, sizes = _starts(walk, uop), walk.columns(uop)
    ends = [tuple(map(int.__add__, start, size)) for start, size in zip(starts, sizes, strict=True)]
    return walk.at.op("Slice", name, walk.row(starts), walk.row(ends)), dtype


@_writes(Ops.REDUCE)
def _reduce(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    op, count = uop.arg[0], uop.arg[1]
    axes = tuple(range(count)) if isinstance(count, int) else tuple(count)
    kind = {Ops.ADD: "ReduceSum", Ops.MAX: "ReduceMax", Ops.MUL: "ReduceProd"}[op]
    if dtype == "bool":
        result = walk.at.op(kind, walk.at.cast(name, "int32"), walk.at.ints(*axes), keepdims=0)
        return walk.at.cast(result, "bool"), dtype
    return walk.at.op(kind, name, walk.at.ints(*axes), keepdims=0), dtype


@_writes(Ops.CAST)
def _cast(walk: _Walk, uop: UOp) -> tuple[str, str]:
    name, dtype = walk.known[uop.src[0]]
    wanted = dtype_name(uop.dtype)
    return (name if wanted == dtype else walk.at.cast(name, wanted)), wanted


@_writes(Ops.WHERE)
def _where(walk: _Walk, uop: UOp) -> tuple[str, str]:
    kind = walk.kind([*uop.src[1:], uop])
    parts = (walk.operand(one, kind) for one in uop.src[1:])
    return walk.at.op("Where", walk.operand(uop.src[0], "bool"), *parts), kind


_UNARY = {Ops.SIN: "Sin", Ops.SQRT: "Sqrt", Ops.RECIPROCAL: "Reciprocal", Ops.NEG: "Neg"}


@_writes(*_UNARY, Ops.EXP2, Ops.LOG2, Ops.TRUNC)
def _unary(walk: _Walk, uop: UOp) -> tuple[str, str]:
    at, kind = walk.at, walk.kind([uop])
    x = walk.operand(uop.src[0], kind)
    if uop.op is Ops.EXP2:
        return at.op("Exp", at.op("Mul", x, at.numbers(np.log(2), kind))), kind
    if uop.op is Ops.LOG2:
        return at.op("Mul", at.op("Log", x), at.numbers(1 / np.log(2), kind)), kind
    if uop.op is Ops.TRUNC:
        return at.op("Mul", at.op("Sign", x), at.op("Floor", at.op("Abs", x))), kind
    return at.op(_UNARY[uop.op], x), kind


_BINARY = {
    Ops.ADD: "Add", Ops.MUL: "Mul", Ops.SUB: "Sub", Ops.MAX: "Max", Ops.FDIV: "Div", Ops.POW: "Pow", Ops.CDIV: "Div",
    Ops.FLOORMOD: "Mod", Ops.CMOD: "Mod",
}  # fmt: skip
_OF_BOOLS = {
    Ops.ADD: "Or", Ops.MAX: "Or", Ops.OR: "Or", Ops.MUL: "And", Ops.AND: "And", Ops.XOR: "Xor", Ops.CMPNE: "Xor",
    Ops.CMPEQ: "Equal",
}  # fmt: skip
_BITS = {Ops.AND: "BitwiseAnd", Ops.OR: "BitwiseOr", Ops.XOR: "BitwiseXor"}


@_writes(*_BINARY, *_BITS, Ops.FLOORDIV, Ops.CMPLT, Ops.CMPNE, Ops.CMPEQ)
def _binary(walk: _Walk, uop: UOp) -> tuple[str, str]:
    at, kind = walk.at, walk.kind(uop.src)
    x, y = (walk.operand(one, kind) for one in uop.src)
    compares = uop.op in (Ops.CMPLT, Ops.CMPNE, Ops.CMPEQ)
    if kind == "bool":
        if uop.op is Ops.CMPLT:
            return at.op("And", at.op("Not", x), y), "bool"
        return at.op(_OF_BOOLS[uop.op], x, y), "bool"
    if compares:
        found = at.op("Less" if uop.op is Ops.CMPLT else "Equal", x, y)
        return (at.op("Not", found) if uop.op is Ops.CMPNE else found), "bool"
    if uop.op in _BITS:
        return at.op(_BITS[uop.op], x, y), kind
    if uop.op is Ops.FLOORDIV:
        return at.op("Div", at.op("Sub", x, at.op("Mod", x, y)), y), kind
    return at.op(_BINARY[uop.op], x, y, **({"fmod": 1} if uop.op is Ops.CMOD else {})), kind


@_writes(Ops.STACK)
def _stack(walk: _Walk, uop: UOp) -> tuple[str, str]:
    at, kind = walk.at, walk.kind([*uop.src, uop])
    return at.op("Concat", *(at.op("Unsqueeze", walk.operand(one, kind), at.ints(0)) for one in uop.src), axis=0), kind
