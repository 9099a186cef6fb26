"""Owns the data people give to a model: how it is matched with the inputs, and what is refused.

Knows nothing about running or training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import Signature, upload
from axon_nb.errors import DataError, ShapeError, unknown
from axon_nb.graph import Model, Node
from axon_nb.lazy import numpy as np
from axon_nb.shapes import show


@dataclass(frozen=True)
class Kind:
    """Data of one kind that a model was run on: these inputs, as tensors of these shapes and dtypes."""

    inputs: tuple[str, ...]
    tensors: Signature
    training: bool = False
    """Whether weights were trained with it; else it was for a prediction or an evaluation."""


def as_inputs(model: Model, x: Any) -> dict[Node, Any]:
    """Match data with a model's inputs: an array for the only input, or a dict by name, or a tuple in order.

    Inputs that are containers take dicts and tuples: ``{"image": a, "meta": {"age": b}}``. An optional input is left
    out, or ``None``: it is not in the result.

    Raises:
        DataError: an input is missing, or data is not numbers.
        UnknownNameError: there is no input of that name.

    Example:
        >>> from axon_nb import input
        >>> [v.shape for v in as_inputs(input((None, 2), name="x"), [[1, 2]]).values()]
        [(1, 2)]
    """
    names = {model.names[node]: node for node in model.inputs}
    if isinstance(x, Mapping):
        given = dict(_flat(_inside_container(x, names), names))
        for name in given:
            if name not in names:
                msg = "input"
                raise unknown(msg, name, names)
    elif len(names) == 1:
        given = dict.fromkeys(names, x)
    elif isinstance(x, tuple) and len(x) == len(names):
        given = dict(zip(names, x, strict=True))
    elif isinstance(x, tuple) and len(held := list(_held(x))) == len(names):
        given = dict(zip(names, held, strict=True))
    else:
        given = _to_the_one_needed(names, x)
    left_out = [name for name in names if given.get(name) is None]
    missing = [name for name in left_out if not names[name].options["optional"]]
    if missing:
        problem = f"no data for input {' and '.join(map(repr, missing))}"
        raise DataError(problem, fix=f"the inputs are: {', '.join(names)}")
    return {node: as_numbers(given[name], f"input {name!r}") for name, node in names.items() if name not in left_out}


def _to_the_one_needed(names: Mapping[str, Node], x: Any) -> dict[str, Any]:
    """Give data that is not a dict to the only input that must be fed."""
    needed = [name for name, node in names.items() if not node.options["optional"]]
    if len(needed) == 1 and not isinstance(x, tuple):
        return {needed[0]: x}
    problem = f"the model has {len(names)} inputs{': ' if names else ''}{', '.join(names)}"
    example = ", ".join(f"{name!r}: ..." for name in names)
    raise DataError(problem, got=_describe(x), fix=f"give a dict: {{{example}}}")


def _inside_container(x: Mapping[Any, Any], names: Mapping[str, Node]) -> Mapping[Any, Any]:
    """Give data without the container's name, where all inputs are in one container, under that name."""
    outer = {name.partition(".")[0] for name in names if "." in name}
    is_bare = len(outer) == 1 and all("." in name for name in names) and not outer & set(x)
    return {outer.pop(): x} if is_bare and not set(x) & set(names) else x


def _flat(x: Any, names: Mapping[str, Node], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """List data by the names of inputs: what is in a container has the container's name in front."""
    pairs = x.items() if isinstance(x, Mapping) else enumerate(x)
    for key, value in pairs:
        name = f"{prefix}{key}"
        inner = any(known.startswith(f"{name}.") for known in names) and name not in names
        if inner and isinstance(value, Mapping | tuple | list):
            yield from _flat(value, names, f"{name}.")
        else:
            yield name, value


def _held(x: Any) -> Iterator[Any]:
    for part in x.values() if isinstance(x, Mapping) else x:
        if isinstance(part, Mapping | tuple):
            yield from _held(part)
        else:
            yield part


def as_numbers(value: Any, what: str) -> Any:
    """Return data as an array (a tensor stays one).

    Raises:
        DataError: it is not numbers, or the rows differ in length.
    """
    if isinstance(value, Tensor):
        return value
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a PyTorch tensor
        value = value.detach().cpu()
    try:
        array = np.asarray(value)
    except ValueError as error:
        problem = f"{what}: the rows differ in length"
        raise DataError(problem, got=_describe(value), fix="pad them to one length") from error
    if array.dtype.kind not in "fiub":
        problem = f"{what}: these are not numbers"
        numbers = "number the kinds: numpy.unique(values, return_inverse=True)[1]"
        fix = numbers if array.dtype.kind in "US" else "convert it: array.astype('float32')"
        raise DataError(problem, got=_describe(array), fix=fix)
    return array


def batch_shapes(model: Model, arrays: Mapping[Node, Any]) -> dict[str, tuple[int, ...]]:
    """Check the shapes of the data against the declared ones, and return them by input.

    Raises:
        DataError: a shape does not fit, the data is empty, or inputs have different numbers of samples.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for node, value in arrays.items():
        name = model.names[node]
        shape = tuple(int(size) for size in value.shape)
        if not shape or 0 in shape:
            problem = f"input {name!r} is empty" if 0 in shape else f"input {name!r} is a single number"
            fix = "give at least one sample" if 0 in shape else "a batch of samples has at least one axis"
            raise DataError(problem, got=show(shape), fix=fix)
        _check_declared(name, node.options["shape"], shape)
        check_whole(name, node.options["dtype"], value)
        shapes[name] = shape
    sizes = {name: shape[0] for name, shape in shapes.items()}
    if len(set(sizes.values())) > 1:
        problem = "the inputs have different numbers of samples"
        raise DataError(problem, got=", ".join(f"{name}: {size}" for name, size in sizes.items()))
    return shapes


def _check_declared(name: str, declared: Any, shape: tuple[int, ...]) -> None:
    if declared is None:
        return
    fits = len(declared) == len(shape) and all(
        not isinstance(want, int) or want == have for want, have in zip(declared, shape, strict=True)
    )
    if fits:
        return
    problem = f"the data for input {name!r} does not fit: it takes {show(declared)}"
    raise DataError(problem, got=show(shape), fix=_fixes(declared, shape))


def check_whole(name: str, dtype: str, value: Any) -> None:
    """Refuse fractions for an input of whole numbers: they would be cut off in silence.

    Raises:
        DataError: there are some.
    """
    if "float" in dtype or isinstance(value, Tensor) or value.dtype.kind != "f":
        return
    bad = value[np.mod(value, 1) != 0]
    if bad.size:
        problem = f"input {name!r} takes whole numbers ({dtype})"
        raise DataError(problem, got=f"numbers such as {bad[0]:g}", fix='input(..., dtype="float32")')


def _fixes(declared: Any, shape: tuple[int, ...]) -> list[str]:
    if len(declared) == len(shape) and isinstance(declared[0], int) and declared[1:] == shape[1:]:
        return [f"a batch axis of any size: input({show((None, *declared[1:]))})"]
    known = [size for size in declared[1:] if isinstance(size, int)]
    if len(known) != len(declared) - 1:
        return []
    wanted, have = int(np.prod(known)), int(np.prod(shape[1:]))
    if shape == tuple(known):
        return ["it is one sample: add a batch axis with x[None]"]
    if wanted == have and len(shape) == len(declared) > 2:  # the same axes in another order
        if (*shape[2:], shape[1]) == tuple(known):
            return [f"x.transpose(0, {', '.join(map(str, range(2, len(shape))))}, 1): its channels stand first"]
        if (shape[-1], *shape[1:-1]) == tuple(known):
            order = ", ".join(map(str, (len(shape) - 1, *range(1, len(shape) - 1))))
            return [f"x.transpose(0, {order}): its channels stand last"]
    return [f"x.reshape(-1, {', '.join(map(str, known))})"] if wanted == have else []


def as_tensor(value: Any, dtype: str, device: str, put: Callable[[Any], Tensor] | None = None) -> Tensor:
    """Put an array or a tensor on a device, with the dtype that an input declares; ``put`` uploads in its own way."""
    found = as_declared(value, dtype, device)
    if isinstance(found, Tensor):
        return found
    return upload(found, device) if put is None else put(found)


def as_declared(value: Any, dtype: str, device: str) -> Any:
    """Give data the dtype that an input declares; tensors, and what NumPy has not, are put on a device."""
    if isinstance(value, Tensor):
        return value.cast(dtype).to(device)
    if dtype == "bfloat16":
        return Tensor(np.ascontiguousarray(value), dtype=dtype, device=device)
    return np.asarray(value, dtype)


def check_finite(value: Any, what: str) -> None:
    """Refuse data with NaN or infinite values, and say where the first is.

    Raises:
        DataError: there are some.

    Example:
        >>> check_finite(np.array([1.0, np.nan]), "x")
        Traceback (most recent call last):
        axon_nb.errors.DataError: x has 1 NaN value, the first in sample 1
          fix: drop or fill them first, for example with numpy.nan_to_num
    """
    if isinstance(value, Tensor) or value.dtype.kind != "f":
        return
    bad = ~np.isfinite(value)
    if not bad.any():
        return
    first = np.argwhere(bad)[0]
    kind = "NaN" if np.isnan(value[bad]).any() else "infinite"
    count = int(bad.sum())
    problem = (
        f"{what} has {count:,} {kind} value{'s' * (count > 1)}, the first in sample {first[0] if len(first) else 0}"
    )
    raise DataError(problem, fix="drop or fill them first, for example with numpy.nan_to_num")


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {show(tuple(shape))} {value.dtype}"
    return type(value).__name__


__all__ = [
    "Kind",
    "ShapeError",
    "as_declared",
    "as_inputs",
    "as_numbers",
    "as_tensor",
    "batch_shapes",
    "check_finite",
    "check_whole",
]
