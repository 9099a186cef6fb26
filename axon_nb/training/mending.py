"""Owns what goes with errors about labels: ways out that were tried, found when somebody looks at them.

Knows nothing about which mistakes there are: ``advice`` does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
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
        problem = f"{name} takes probabilities, and {place} gives numbers of any size"
        raise DataError(problem, fix="a softmax, or for yes or no a sigmoid, as the last activation")
    if (
        kind == "chances"
        and output[-1:] == (1,)
        and (node.op == "softmax" or node.options.get("activation") == "softmax")
    ):
        problem = f"{place} gives probabilities that are always 1: a softmax over one number"
        raise DataError(problem, fix="a sigmoid for yes or no, or a unit for each class")


@dataclass(frozen=True)
class Mending:
    """What is known of an output where its labels, or what it gives to its loss, are refused."""

    model: Model
    node: Node
    """The output."""
    traced: Trace
    labels: Any
    samples: int
    loss: str
    """Its name."""

    def of_labels(self, error: DataError) -> DataError:
        """Let an error about labels find what would mend it, when somebody looks at its fixes."""
        return error.search_with(lambda: self._search(error, self._find))

    def of_probabilities(self, error: DataError) -> DataError:
        """Let an error about what the loss is given find what would mend it."""
        return error.search_with(lambda: self._search(error, self._find_probabilities))

    def _search(
        self, error: DataError, find: Callable[[DataError, np.ndarray, advice.Fits], tuple[Fix, ...]]
    ) -> tuple[Fix, ...]:
        try:
            array = check_labels(self.labels, self.samples)
        except AxonError:
            return ()
        known = self.traced.nodes
        shapes = {self.model.names[one]: (self.samples, *(known[one].shape or ())[1:]) for one in self.model.inputs}

        def fits(changed: Model, name: str, move: float) -> bool:
            output = trace(changed, shapes).check().output_shape
            last = changed.nodes[-1]
            prepare_labels(array + move if move else array, self.samples, output, name, where(last.layer))
            return True

        return find(error, array, fits)

    def _find(self, error: DataError, array: np.ndarray, fits: advice.Fits) -> tuple[Fix, ...]:
        whole = bool(np.equal(np.mod(array, 1), 0).all())
        kind = advice.Labels(array.shape, whole, float(array.min()), float(array.max()))
        return advice.find(self.model, self.node, self.traced.nodes, kind, self.loss, error, fits)

    def _find_probabilities(self, error: DataError, _: np.ndarray, fits: advice.Fits) -> tuple[Fix, ...]:
        return advice.find_probabilities(self.model, self.node, self.traced.nodes, self.loss, error, fits)
