"""Owns what goes with errors about labels: ways out that were tried, found when somebody looks at them.

Knows nothing about which mistakes there are: ``advice`` does.
"""

from __future__ import annotations

import inspect
from typing import Any

from axon_nb.advice import labels as advice
from axon_nb.errors import AxonError, DataError, Fix
from axon_nb.functional.losses import losses
from axon_nb.functional.metric import base_of, option_of
from axon_nb.graph import Model, Node, where
from axon_nb.lazy import numpy as np
from axon_nb.trace import Trace, trace
from axon_nb.training.labels import check_labels, prepare_labels


def check_probabilities(loss: Any, name: str, node: Node, output: tuple[int, ...], place: str) -> None:
    """Refuse a loss that takes probabilities where the layer is known to give none.

    Raises:
        DataError: numbers of any size would be cut to 0 and 1, or a softmax over one number is always 1.
    """
    kind = getattr(base_of(loss), "labels", "")
    takes = kind in ("classes", "chances") and "from_logits" in inspect.signature(losses[name]).parameters
    if not takes or option_of(loss, "from_logits") is not None:  # who says which they are, is believed
        return
    if advice.makes_logits(node):
        problem = f"{name} takes {_PROBABILITIES}, and {place} gives numbers of any size"
        raise DataError(problem, fix="a softmax, or for yes or no a sigmoid, as the last activation")
    if (
        kind == "chances"
        and output[-1:] == (1,)
        and (node.op == "softmax" or node.options.get("activation") == "softmax")
    ):
        problem = f"{place} gives {_PROBABILITIES} that are always 1: a softmax over one number"
        raise DataError(problem, fix="a sigmoid for yes or no, or a unit for each class")


_PROBABILITIES = "probabilities"


def mending(error: DataError, model: Model, node: Node, traced: Trace, y: Any, samples: int, loss: str) -> DataError:
    """Let an error about labels find what would mend it, when somebody looks at its fixes."""
    return error.search_with(lambda: _search(error, model, node, traced, y, samples, loss))


def _search(
    error: DataError, model: Model, node: Node, traced: Trace, y: Any, samples: int, loss: str
) -> tuple[Fix, ...]:
    try:
        array = check_labels(y, samples)
    except AxonError:
        return ()
    shapes = {model.names[one]: (samples, *(traced.nodes[one].shape or ())[1:]) for one in model.inputs}
    kind = advice.Labels(array.shape, bool(np.equal(np.mod(array, 1), 0).all()), float(array.min()), float(array.max()))

    def fits(changed: Model, name: str, move: float) -> bool:
        output = trace(changed, shapes).check().output_shape
        last = changed.nodes[-1]
        prepare_labels(array + move if move else array, samples, output, name, where(last.layer))
        return True

    if _PROBABILITIES in error.problem:
        return advice.find_probabilities(model, node, traced.nodes, loss, error, fits)
    return advice.find(model, node, traced.nodes, kind, loss, error, fits)
