"""Owns what one layer does to shapes: its body is run on empty lazy tensors, which computes nothing, and remembered.

Knows nothing about models.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Context, Tensor, dtypes
from tinygrad.uop.ops import UOp

from axon_nb.checks import dtype_name
from axon_nb.errors import AxonError, OptionError, ParamsError, ShapeError, brief, unknown
from axon_nb.layer import Op
from axon_nb.options import Drawn, initializers
from axon_nb.scope import Scope
from axon_nb.shapes import show
from axon_nb.trace.macs import count_macs
from axon_nb.trace.memo import Memo


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
        tried: frozenset[tuple[int, int]] = frozenset(), empties: Empties | None = None,
    ) -> None:  # fmt: skip
        super().__init__(training=training)
        self._tried = tried
        self._empty: Callable[[tuple[int, ...], str], Tensor] = empties or (within._empty if within else _lazy)
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
        sizes = _sizes(name, shape)
        name = f"{self._prefix}{name}"
        if name in self.declared and not self._is_part:
            problem = f"declares {name!r} twice"
            raise ParamsError(problem)
        if name in self.declared:  # a part that is used again
            if self.declared[name].shape != sizes:
                was = show(self.declared[name].shape)
                problem = f"its {name} is {was}, and must be {show(sizes)} where it is used again"
                raise ShapeError(problem)
            return self._empty(sizes, dtype)
        try:
            initializer = _INITIALIZER.parse(initializer)
        except ValueError as error:
            problem = f"the initializer of {name!r} {error}"
            raise OptionError(problem) from None
        self.declared[name] = ParamSpec(name, sizes, dtype, initializer, is_state)
        return self._empty(sizes, dtype)

    def update(self, name: str, value: Any) -> None:  # noqa: D102
        spec = self.declared.get(f"{self._prefix}{name}")
        if spec is None or not spec.is_state:
            msg = "state"
            raise unknown(msg, name, [s.name for s in self.declared.values() if s.is_state], error=ParamsError)
        if tuple(value.shape) != spec.shape:
            problem = f"the new value of state {name!r} has another shape"
            raise ShapeError(problem, got=f"{tuple(value.shape)} for {spec.shape}")

    def random(self, shape: Sequence[int]) -> Any:  # noqa: D102
        return self._empty(tuple(shape), "float32")

    def normal(self, shape: Sequence[int]) -> Any:  # noqa: D102
        return self.random(shape)


def _sizes(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Check the shape of a parameter."""
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        problem = f"the shape of {name!r} is a tuple of whole numbers"
        fix = f"write ({shape},)" if isinstance(shape, int) else "take them from the input: (x.shape[-1], units)"
        raise ParamsError(problem, got=brief(shape), fix=fix) from None
    if any(size < 0 for size in sizes):
        problem = f"the shape of {name!r} has a size below 0"
        raise ParamsError(problem, got=brief(sizes))
    return sizes


def _lazy(shape: tuple[int, ...], dtype: str) -> Tensor:
    # Not Tensor.empty, which looks for sizes that are formulas and takes twice as long.
    return Tensor(UOp.new_buffer("CPU", math.prod(shape), getattr(dtypes, dtype)).reshape(shape))


class Empties:
    """Hands out empty tensors to one layer that is traced, each another one; the next layer is handed the same again.

    Making them anew for every layer took a quarter of the time of a trace.
    """

    def __init__(self) -> None:
        self._given: Counter[tuple[tuple[int, ...], str]] = Counter()

    def __call__(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """Return an empty tensor of a shape."""
        key = (shape, dtype)
        self._given[key] += 1
        return Tensor(_empty_uop(*key, self._given[key]))

    def forget_realized(self) -> None:
        """Give back the memory of tensors that a layer has computed with, against all advice."""
        if any(_empty_uop(*key, n + 1).is_realized for key, count in self._given.items() for n in range(count)):
            _empty_uop.cache_clear()


@functools.lru_cache(maxsize=2048)
def _empty_uop(shape: tuple[int, ...], dtype: str, number: int) -> UOp:
    return _lazy(shape, dtype).uop


_INITIALIZER = Drawn(registry=initializers)

_memo: Memo[Traced] = Memo(8192)


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
        return known
    empties = Empties()
    scope = TraceScope(training=training, tried=tried, empties=empties)
    try:
        with Context(TRACEMETA=0):  # names for kernels, which are of no use here
            result = call(op, scope, [spec and empties(spec.shape, spec.dtype) for spec in inputs])
    except AxonError:
        raise
    except Exception as error:
        raise ShapeError(_in_words(error)) from error
    finally:
        empties.forget_realized()
    return _memo.keep(key, Traced(_spec_of(result, op), tuple(scope.declared.values()), count_macs(result)))


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
