"""Owns finding where a loss that is not finite began: the step, and the first layer whose numbers are not.

Knows nothing about the loop but its state. Nothing here may fail: it is asked while an error is being told.
"""

from __future__ import annotations

import itertools
from typing import Any

from tinygrad import Context, Tensor

from axon_nb.data import as_tensor
from axon_nb.engine import RUNTIME
from axon_nb.forward import Values, forward
from axon_nb.graph import where
from axon_nb.lazy import numpy as np


def first_bad(state: Any) -> str | None:
    """Say where numbers stopped being finite: ``"step 17: dense 'dense_1' (cell line 4) gives NaN"``.

    The weights are those before the step whose loss was not finite: training keeps them from then on.
    """
    if not hasattr(state.stepper, "sums"):
        return None
    try:
        with RUNTIME:
            weights = _bad_weights(state)
            return weights or _bad_output(state)
    except Exception:
        return None  # the data cannot be read again, or the model not be run: the error itself stays


def _bad_weights(state: Any) -> str | None:
    """Name the last layer whose weights are not finite: gradients go from the loss backwards."""
    model = state.model
    bad = {path: tensor for path, tensor in state.stepper.weights.items() if not _is_finite(tensor)}
    for node in reversed(model.nodes):
        own = (*node.path, model.names[node].rsplit(".", 1)[-1].split("#")[0])
        found = next(((p, t) for p, t in bad.items() if p[:-1] == own), None)
        if found:
            path, tensor = found
            place = where(node.layer, model.names[node])
            return f"{place}: after a step its {path[-1]} is {_kind(tensor)}: the gradient was too large"
    return None


def _bad_output(state: Any) -> str | None:
    stepper, model = state.stepper, state.model
    _, counted = stepper.look()
    step, batch = _batch_of(state, counted)
    start = int(stepper.counter.numpy()[0]) - state.iteration
    counter = Tensor(np.array([start + step], np.uint32), device=stepper.device).realize()
    values = Values(stepper.weights, seed=stepper.seed, counter=counter, device=stepper.device)
    fed = {node: as_tensor(v, node.options["dtype"], stepper.device) for node, v in batch.inputs.items()}
    results: list[tuple[Any, Tensor]] = []

    def note(node: Any, result: Tensor) -> Tensor:
        results.append((node, result))
        return result

    with Context(TRAINING=1):
        forward(model, values, fed, training=True, each=note)
    for node, result in results:
        if not _is_finite(result):
            place = where(node.layer, model.names[node])
            return f"step {step + 1} of the epoch: {place} gives {_kind(result)}"
    return f"step {step + 1} of the epoch: all layers give finite numbers, and the loss does not"


def _batch_of(state: Any, counted: float) -> tuple[int, Any]:
    """Return the batch before which so many samples of this epoch were counted."""
    seen = 0
    for step, batch in enumerate(itertools.islice(state.feed.batches(state.epoch), state.iteration)):
        seen += len(batch)
        if seen > counted:
            return step, batch
    msg = "no such batch"
    raise LookupError(msg)


def _is_finite(tensor: Tensor) -> bool:
    return bool(tensor.cast("float32").isfinite().all().item()) if "float" in str(tensor.dtype) else True


def _kind(tensor: Tensor) -> str:
    return "NaN" if tensor.cast("float32").isnan().any().item() else "infinite"
