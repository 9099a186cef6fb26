"""Owns the question whether the samples of a batch act on one another: where not, a short batch may be filled up.

Knows nothing about training.
"""

from __future__ import annotations

from axon_nb.graph import Model
from axon_nb.layer import Op
from axon_nb.options import Drawn, Named
from axon_nb.trace import trace


def is_by_sample(model: Model, *, training: bool) -> bool:
    """Whether no layer lets one sample act on another.

    In training, layers with a state do (batch norm). Of a function that somebody wrote nobody knows, so it may.

    Example:
        >>> from axon_nb import batch_norm, dense, input
        >>> model = input((None, 3)) | dense(2) | batch_norm()
        >>> is_by_sample(model, training=False), is_by_sample(model, training=True)
        (True, False)
    """
    known = trace(model).nodes
    return not any(
        node.hooks  # which would see the filling too
        or (training and any(spec.is_state for spec in known[node].params))
        or not _keeps_apart(node.layer, known[node].shape)
        for node in model.nodes
    )


def _keeps_apart(op: Op, shape: object) -> bool:
    if op.declaration.family == "custom":
        return False
    rank = len(shape) if isinstance(shape, tuple) else None
    axis = op.options.get("axis")
    if axis == 0 or (isinstance(axis, int) and axis < -1 and (rank is None or axis == -rank)):
        return False  # it works along the batch
    functions = (
        op.options[option.name]
        for option in op.declaration.options
        if isinstance(option.type, Named) and not isinstance(option.type, Drawn) and callable(op.options[option.name])
    )
    return all(isinstance(function, Op) and _keeps_apart(function, shape) for function in functions)
