"""Owns which shapes a model's inputs have: those that were declared, and those that are given.

Knows nothing about layers.
"""

from __future__ import annotations

from typing import Any

from axon_nb.errors import ShapeError, unknown
from axon_nb.graph import Model, Node
from axon_nb.probes import symbol
from axon_nb.shapes import Shape, as_shape, show
from axon_nb.source import Source


def unify(declared: Shape, actual: Any, source: Source | None = None) -> None:
    """Check that what is given fits what was declared, as far as sizes are known.

    Raises:
        ShapeError: it does not.
    """
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
                unify(declared, given)
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
