"""Reads Axon's numeric cases and compares results with them.

Knows nothing about which function of ours answers to a case: a test file says so, or lists why none does.

    from axon_cases.runner import check, load, params

    @pytest.mark.parametrize("case", params(load("losses", skip=NOT_OURS)))
    def test_axon_case(case):
        check(case, case.run(FUNCTIONS[case.name]))
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinygrad import Tensor, dtypes

from axon_nb.errors import AxonError

DATA = Path(__file__).parent / "data"

DTYPES = {
    "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64", "s8": "int8", "s16": "int16",
    "s32": "int32", "s64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
}  # fmt: skip
"""tinygrad's name of each of Axon's kinds of numbers."""


@dataclass(frozen=True, eq=False)
class Case:
    """One case: a function's arguments and what it must give."""

    id: str
    function: str
    """With its module: ``activations.relu``."""
    kind: str
    """``call`` (a result), ``grad``, ``error``, ``shape``, ``type``, ``value`` or ``property``."""
    expected: Any
    raw: Mapping[str, Any]
    """All that the file says."""

    @property
    def name(self) -> str:
        """The function's name alone: ``relu``."""
        return self.function.rpartition(".")[2]

    @property
    def dtype(self) -> str | None:
        """Kind of numbers of the result, as tinygrad and NumPy name it."""
        return DTYPES.get(self.raw.get("dtype", ""))

    @property
    def tol(self) -> float:
        """How far a result may be off: ``tol + tol * abs(expected)``."""
        return float(self.raw.get("tol", 0))

    @property
    def factory(self) -> tuple[list[Any], dict[str, Any]]:
        """Arguments of the function that makes the function (initializers, running averages), where there is one."""
        made = self.raw.get("factory", {})
        return [_value(a, _ours) for a in made.get("args", [])], _values(made.get("kwargs", {}), _ours)

    def arguments(self, resolve: Callable[[str], Callable[..., Any]] | None = None) -> tuple[list[Any], dict[str, Any]]:
        """Make the arguments: tinygrad tensors for tensors, a NumPy generator for a key, all else as it is written.

        Args:
            resolve: finds a function that an argument names or is the result of; by default the one in
                ``axon_nb.functional`` of the same module and name.
        """
        resolve = resolve or _ours
        return [_value(a, resolve) for a in self.raw["args"]], _values(self.raw.get("kwargs", {}), resolve)

    def run(self, function: Callable[..., Any], **renamed: str) -> Any:
        """Call a function with the arguments; take the gradient, or pick a part of the result, where the case says so.

        Args:
            function: ours.
            **renamed: our name for an option of Axon's: ``run(f, num_groups="groups")``.
        """
        args, kwargs = self.arguments()
        kwargs = {renamed.get(name, name): value for name, value in kwargs.items()}
        if self.kind == "grad":
            return self._gradient(function, args, kwargs)
        result = function(*args, **kwargs)
        for index in self.raw.get("result_path", []):
            result = result[index]
        return result

    def _gradient(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Tensor:
        result = function(*args, **kwargs)
        scalar = {"sum": lambda y: y.sum(), "mean": lambda y: y.mean(), "sum_sq": lambda y: (y * y).sum()}
        total = scalar.get(self.raw.get("reduce"), lambda y: y)(result)
        return total.gradient(args[self.raw["wrt"][0]])[0]

    def __repr__(self) -> str:
        return self.id


def load(file: str, *, functions: Iterable[str] | None = None, skip: Mapping[str, str] | None = None) -> list[Case]:
    """Read the cases of a file.

    Args:
        file: ``"losses"``, ``"layers"`` ...
        functions: names, to get the cases of these functions only.
        skip: cases that don't apply: id (or name of a function, for all of its cases) -> reason. An entry that names
            no case of the file is an error, so that such a table cannot go stale.
    """
    cases = [_case(raw) for raw in json.loads((DATA / f"{file}.json").read_text())]
    if functions is not None:
        wanted = set(functions)
        missing = wanted - {case.name for case in cases}
        assert not missing, f"{file}.json has no case of {missing}"
        cases = [case for case in cases if case.name in wanted]
    stale = set(skip or {}) - {case.id for case in cases} - {case.name for case in cases}
    assert not stale, f"{file}.json has no case {stale}"
    return [case for case in cases if case.id not in (skip or {}) and case.name not in (skip or {})]


def params(cases: Iterable[Case]) -> list[Any]:
    """Make what ``pytest.mark.parametrize("case", ...)`` takes, with the ids."""
    return [pytest.param(case, id=case.id) for case in cases]


def check(case: Case, result: Any, *, dtype: bool = False) -> None:
    """Compare a result with a case by its tolerance: ``abs(a - b) <= tol + tol * abs(expected)``.

    Args:
        case: what must come out.
        result: a tensor, array or number; for ``shape`` and ``type`` cases the tensor whose shape or dtype is meant.
        dtype: whether the kind of numbers must be the same too.
    """
    if case.kind == "shape":
        assert list(result.shape) == case.expected, f"{case}: shape {tuple(result.shape)}"
    elif case.kind == "type":
        assert _dtype_name(result) == DTYPES[case.expected], f"{case}: {_dtype_name(result)}"
    elif case.kind == "value":
        assert _listed(result) == case.expected, f"{case}: {result}"
    else:
        _check_numbers(case, result, dtype=dtype)


def check_raises(case: Case, function: Callable[..., Any], **renamed: str) -> AxonError:
    """Check that a function refuses an ``error`` case with one of our errors; return it."""
    assert case.kind == "error"
    with pytest.raises(AxonError, match=r".") as caught:
        case.run(function, **renamed)
    return caught.value


def _check_numbers(case: Case, result: Any, *, dtype: bool) -> None:
    if dtype and case.dtype:
        assert _dtype_name(result) == case.dtype, f"{case}: {_dtype_name(result)}"
    got = as_array(result)
    expected = as_array(_value(case.expected, _ours)) if isinstance(case.expected, dict) else _numbers(case.expected)
    if "expected_shape" in case.raw:
        assert list(got.shape) == case.raw["expected_shape"], f"{case}: shape {got.shape}"
    np.testing.assert_allclose(
        got.astype(np.float64), expected, rtol=case.tol, atol=case.tol, equal_nan=True, err_msg=case.id
    )


def as_array(value: Any) -> np.ndarray:
    """Bring a tensor (bfloat16 too), an array or a number into NumPy."""
    if isinstance(value, Tensor):
        return (value.cast("float32") if value.dtype == dtypes.bfloat16 else value).numpy()
    return np.asarray(value)


def _case(raw: dict[str, Any]) -> Case:
    return Case(raw["id"], raw["function"], raw.get("kind", "call"), raw["expected"], raw)


def _values(values: dict[str, Any], resolve: Callable[[str], Any]) -> dict[str, Any]:
    return {name: _value(value, resolve) for name, value in values.items()}


def _value(value: Any, resolve: Callable[[str], Any]) -> Any:
    if isinstance(value, list):
        return [_value(one, resolve) for one in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        array = _numbers(value["tensor"]).astype(_numpy_dtype(value["dtype"])).reshape(value["shape"])
        return Tensor(array).cast(DTYPES[value["dtype"]])
    if "npy" in value:
        array = np.load(DATA / value["npy"])
        return Tensor(array.squeeze() if "squeeze" in value.get("then", ()) else array)
    if "call" in value:
        return _called(value, resolve)
    if "prng_key" in value:
        return np.random.default_rng(value["prng_key"])
    if "fn" in value:
        return resolve(value["fn"])
    for kind, make in (("tuple", tuple), ("list", list)):
        if kind in value:
            return make(_value(one, resolve) for one in value[kind])
    return _values(value.get("map", value), resolve)


def _called(value: dict[str, Any], resolve: Callable[[str], Any]) -> Any:
    call = value["call"]
    args = [_value(a, resolve) for a in call["args"]]
    result = resolve(call["function"])(*args, **_values(call.get("kwargs", {}), resolve))
    for index in value.get("path", []):
        result = result[index]
    return result


def _ours(function: str) -> Any:
    module, _, name = function.rpartition(".")
    return getattr(importlib.import_module(f"axon_nb.functional.{module}"), name)


def _numbers(value: Any) -> np.ndarray:
    """Make an array of numbers, in which NaN and infinities are text; NumPy reads those words."""
    return np.asarray(value, dtype=object).astype(np.float64)


def _numpy_dtype(name: str) -> str:
    return "float32" if name == "bf16" else DTYPES[name]


def _dtype_name(value: Any) -> str:
    if not isinstance(value, Tensor):
        return str(np.asarray(value).dtype)
    names = (name for name in DTYPES.values() if getattr(dtypes, name) == value.dtype)
    return next(names, str(value.dtype))


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple | list) else value
