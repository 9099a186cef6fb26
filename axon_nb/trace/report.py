"""Owns the rows of a model, for tables, diagrams and cards, and the shapes that its methods tell.

Knows nothing about how they are shown.
"""

from __future__ import annotations

from typing import Any

from axon_nb.declaration import name_of
from axon_nb.graph import Model, Node, attribute, leaves, verb
from axon_nb.rows import ParamKind, ParamRow, Report, Row
from axon_nb.trace.layer import ParamSpec
from axon_nb.trace.model import Trace, kind_of, trace


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
    """Leave out what stands in the row anyway: the shape of an input, which of several outputs it is.

    A layer's policy and hooks stand there too, as what it does is not what it would do without them.
    """
    told = "shape" if node.is_input else "index" if node.is_pick else None
    shown = tuple(option for option in node.layer.declaration.shown(node.options) if option[0] != told)
    policy = (("policy", node.layer.policy.words),) if node.layer.policy is not None else ()
    hooks = ((f"{one.on} hook", name_of(one.function)) for one in node.hooks)
    return (*shown, *policy, *hooks)


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
