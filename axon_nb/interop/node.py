"""Declares ``onnx_node``: any ONNX operator as a layer, computed by tinygrad's own implementation of it.

Knows nothing about files; what stands in a model's place in a file is read by ``from_onnx``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from tinygrad import Tensor
from tinygrad.nn import onnx as implementation

from axon_nb.errors import OptionError, ShapeError, brief
from axon_nb.interop import (  # noqa: F401 - the modules fill the table
    operators_image,
    operators_quantised,
    operators_resize,
    operators_sequence,
    operators_signal,
    shape_code,
)
from axon_nb.interop.operators import BEFOREHAND, OLDER, OWN
from axon_nb.interop.operators_learn import LEARN
from axon_nb.interop.optional import InteropError
from axon_nb.layer import layer
from axon_nb.lazy import numpy as np
from axon_nb.options import Count, OptionType, Text
from axon_nb.scope import Scope

_LARGEST = 2**34


@dataclass(frozen=True, kw_only=True)
class Plain(OptionType):
    """Plain values: numbers, text and tuples of them; a dict is taken as a tuple of pairs."""

    control: ClassVar[str] = "text"

    def parse(self, value: Any) -> Any:  # noqa: D102
        return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((str(key), _plain(one)) for key, one in value.items())
    if isinstance(value, tuple | list):
        return tuple(map(_plain, value))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    msg = f"must be numbers, text and tuples of them, got {brief(value)}"
    raise ValueError(msg)


Operator = Text(help="The name of the ONNX operator.", example="Relu")
Attributes = Plain(help="The operator's attributes: pairs of name and value.", example=(("axis", 1),))
Inputs = Plain(
    help="What stands at each of the operator's inputs: ('tensor', number), ('weight', name, shape, dtype), "
    "('constant', dtype, shape, numbers), ('shapes', program) or ().",
    example=(("tensor", 0),),
)
Domain = Text(help="The set of operators it is of, empty for ONNX's own.", example="com.microsoft")


@layer(family="onnx", outputs=lambda options: options["outputs"])
def onnx_node(
    scope: Scope, *xs: Tensor, op: Annotated[str, Operator], attributes: Annotated[Any, Attributes] = (),
    inputs: Annotated[Any, Inputs] = (), outputs: Count = 1, version: Count = 23,
    domain: Annotated[str, Domain] = "",
) -> Any:  # fmt: skip
    """Apply an ONNX operator that no layer stands for; ``from_onnx`` makes it.

    Shapes:
        as ONNX says of the operator

    Weights are parameters under the names that ``inputs`` gives them; whole numbers are states.

    Raises:
        InteropError: tinygrad has no such operator.

    Source: https://onnx.ai/onnx/operators/

    Example:
        >>> from axon_nb import input, onnx_node
        >>> (input((None, 8)) | onnx_node(op="Erf")).output_shape
        (None, 8)
    """
    given = inputs or tuple(("tensor", i) for i in range(len(xs)))
    values = [given_value(scope, xs, one, place, op) for place, one in enumerate(given)]
    made = _run(op, domain, version, values, dict(attributes), outputs)
    return made[0] if outputs == 1 else tuple(made)


def given_value(scope: Scope, xs: tuple[Tensor, ...], given: tuple[Any, ...], place: int, op: str) -> Any:
    """Find what stands at one input of an operator."""
    match given:
        case ():
            return None
        case ("tensor", int(number)) if 0 <= number < len(xs):
            if place in BEFOREHAND.get(op, ()):
                problem = f"input {place} of {op} must be known when the model is read"
                raise InteropError(problem, fix="from_onnx(..., constants={name: value}) sets an input to a value")
            return xs[number]
        case ("weight", str(name), tuple(shape), str(dtype)):
            declare = scope.param if "float" in dtype else scope.state
            return declare(name, shape, "zeros", dtype)
        case ("constant", str(dtype), tuple(shape), tuple(numbers)):
            return _known(np.asarray(numbers, dtype).reshape(shape), place, op)
        case ("shapes", str(program)):
            shapes = {str(i): tuple(int(n) for n in x.shape) for i, x in enumerate(xs)}
            return _known(np.asarray(shape_code.run(program, shapes)), place, op)
    problem = f"inputs[{place}] is none of what an input can be"
    raise OptionError(problem, where="onnx_node", got=brief(given))


def _known(values: Any, place: int, op: str) -> Any:
    """Hand over numbers that are known: as Python's own where the operator needs them so."""
    if op == "Scan":
        return values
    wanted = place in BEFOREHAND.get(op, ())
    if wanted or (op == "Gather" and place == 1):
        return values.tobytes() if values.dtype == np.uint8 and wanted else values.tolist()
    return Tensor(np.ascontiguousarray(values).reshape(values.shape))


def _run(op: str, domain: str, version: int, values: list[Any], attributes: dict[str, Any], outputs: int) -> list[Any]:
    function = find(op, domain, version)
    options = {key: _attribute(value) for key, value in attributes.items()}
    if op == "Split" and "num_outputs" not in options:
        options["num_outputs"] = outputs
    while values and values[-1] is None:
        values.pop()
    try:
        made = function(*values, **options)
    except (InteropError, ShapeError):
        raise
    except Exception as error:
        text = str(error).strip().splitlines()
        problem = f"{op} does not take what it gets: {text[0] if text else type(error).__name__}"
        raise ShapeError(problem) from error
    results = [
        one if isinstance(one, Tensor) else Tensor(one)
        for one in (made if isinstance(made, tuple) else (made,))[:outputs]
    ]
    if len(results) < outputs:
        problem = f"{op} gives {len(results)} results, and {outputs} are asked for"
        raise ShapeError(problem)
    if any(math.prod(one.shape) > _LARGEST for one in results):
        problem = f"{op} would make a tensor of {results[0].shape}"
        raise ShapeError(problem)
    return results


def _attribute(value: Any) -> Any:
    match value:
        case ("numbers", str(dtype), tuple(shape), tuple(numbers)):
            return Tensor(np.asarray(numbers, dtype).reshape(shape))
    return list(value) if isinstance(value, tuple) else value


def find(op: str, domain: str, version: int) -> Any:
    """Find tinygrad's implementation of an operator.

    Raises:
        InteropError: there is none.
    """
    before, older = OLDER.get(op, (0, None))
    if older is not None and version < before and domain in ("", "ai.onnx"):
        return older
    if op in OWN and domain in ("", "ai.onnx"):
        return OWN[op]
    if op in LEARN and domain == "ai.onnx.ml":
        return LEARN[op]
    found = implementation.onnx_ops.get(op)
    if isinstance(found, dict):
        kind = {one.value: one for one in implementation.Domain}.get(domain or "ai.onnx")
        fits = {key.version: made for key, made in found.items() if key.domain == kind and key.version <= version}
        found = fits[max(fits)] if fits else None
    if found is None or op in _REFUSED:
        problem = f"the operator {op} is not supported" + (f" (of {domain})" if domain else "")
        raise InteropError(problem)
    return found


_REFUSED = {"If", "Gradient", "Adam", "Adagrad", "Momentum", "ImageDecoder", "Optional"}
"""What tinygrad's runner knows, and a layer cannot be: control flow, training, reading of images."""
