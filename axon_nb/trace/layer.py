"""Owns what one layer does to shapes: its body is run on empty lazy tensors, which computes nothing, and remembered.

Knows nothing about models.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor, dtypes

from axon_nb.checks import dtype_name
from axon_nb.errors import AxonError, OptionError, ParamsError, ShapeError, unknown
from axon_nb.layer import Op
from axon_nb.options import Drawn, initializers
from axon_nb.scope import Scope
from axon_nb.shapes import show
from axon_nb.trace.macs import count_macs

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
