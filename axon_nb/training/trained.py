"""Owns what training returns: the model with its weights and history.

Knows nothing about how it was trained.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axon_nb.compiled import Compiled
from axon_nb.data import as_inputs, batch_shapes
from axon_nb.display.figures import new_figure
from axon_nb.display.html import escape
from axon_nb.forward import map_tensors
from axon_nb.graph import Model
from axon_nb.lazy import numpy as np
from axon_nb.params import Params
from axon_nb.serialize.file import write_model
from axon_nb.training.feed import check_batch_size, filled
from axon_nb.training.independence import is_by_sample
from axon_nb.training.sources import host

History = dict[str, list[Any]]
_BATCH = 512


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, the weights it was trained to, and how that went.

    ``history`` has a list with one number per epoch for the loss and each metric, ``val_`` in front for validation. A
    metric that is no number (a confusion matrix) has an array per epoch; tables and plots leave it out.
    """

    model: Model
    params: Params
    history: History
    evaluator: Any = field(repr=False, compare=False)
    note: str = ""
    """Why training ended early, if it did."""

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.history.get("loss", []))

    def predict(self, x: Any, *, batch_size: int = _BATCH) -> Any:
        """Run the model on data, in batches.

        Raises:
            DataError: the data does not fit the inputs.
        """
        names = self.model.names
        arrays = {names[node]: host(value) for node, value in as_inputs(self.model, x).items()}
        samples = next(iter(batch_shapes(self.model, as_inputs(self.model, arrays)).values()))[0]
        size = check_batch_size(batch_size)
        size = min(size, _power_of_two(samples) if self._fills else samples)
        found = []
        for start in range(0, samples, size):
            part = {name: array[start : start + size] for name, array in arrays.items()}
            if self._fills:  # a short last batch would need a program of its own
                part = {name: filled(array, size) for name, array in part.items()}
            found.append(self._compiled(part))
        joined = found[0] if len(found) == 1 else _join(found)
        return map_tensors(joined, lambda array: array[:samples])

    @functools.cached_property
    def _compiled(self) -> Compiled:
        return Compiled(self.model, self.params)

    @functools.cached_property
    def _fills(self) -> bool:
        """Whether a batch may be filled up: no sample has a part in what others give."""
        return is_by_sample(self.model, training=False)

    @property
    def _numbers(self) -> dict[str, list[float]]:
        """The history as far as it is numbers."""
        return {name: values for name, values in self.history.items() if all(np.ndim(v) == 0 for v in values)}

    def evaluate(self, data: Any, *, batch_size: int = _BATCH) -> dict[str, Any]:
        """Work out the loss and the metrics on data ``(x, y)``.

        Raises:
            DataError: the data does not fit the model.
        """
        result: dict[str, Any] = self.evaluator(self.params, data, batch_size)
        return result

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model, its weights and the history into one safetensors file, which ``ax.load`` reads.

        Raises:
            FileError: it cannot be written there.
        """
        more = {"history": self.history, "note": self.note}
        return write_model(path, self.model, self.params, more)

    def plot(self) -> Any:
        """Draw the loss and the metrics over the epochs; returns a matplotlib figure."""
        groups = _plot_groups(self._numbers)
        figure = new_figure(figsize=(4.2 * max(len(groups), 1), 3), layout="constrained")
        axes: Any = np.ravel(figure.subplots(1, len(groups), squeeze=False)) if groups else []
        for axis, (name, series) in zip(axes, groups.items(), strict=True):
            for label, values in series.items():
                axis.plot(range(1, len(values) + 1), values, label=label, marker="o" if len(values) == 1 else None)
            axis.set(xlabel="epoch", title=name)
            axis.legend(frameon=False)
            axis.spines[["top", "right"]].set_visible(False)
        return figure

    def __repr__(self) -> str:
        last = "".join(f", {name} {values[-1]:.4g}" for name, values in self._numbers.items() if values)
        note = f"; {self.note}" if self.note else ""
        return f"<Trained {self.model.name or 'model'}: {self.epochs} epoch{'s' * (self.epochs != 1)}{last}{note}>"

    def _repr_html_(self) -> str:
        title = escape(f"{self.model.name or 'model'}, {self.epochs} epoch{'s' * (self.epochs != 1)}")
        cell = 'style="text-align:right;padding:2px 10px;font-variant-numeric:tabular-nums"'
        head = "".join(f'<th scope="col" {cell}>{escape(name)}</th>' for name in ["epoch", *self._numbers])
        shown = _some_epochs(self.epochs)
        rows = "".join(
            f"<tr><td {cell}>{i + 1}</td>"
            + "".join(f"<td {cell}>{_shown(v[i])}</td>" for v in self._numbers.values())
            + "</tr>"
            for i in shown
        )
        note = f'<p style="opacity:.7">{escape(self.note)}</p>' if self.note else ""
        return f"<p><b>{title}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _some_epochs(count: int) -> list[int]:
    """Choose the epochs worth a row: all of a few, else ten spread over the run with the first and last."""
    limit = 10
    return (
        list(range(count)) if count <= limit else sorted({round(i * (count - 1) / (limit - 1)) for i in range(limit)})
    )


def _plot_groups(history: Mapping[str, list[float]]) -> dict[str, dict[str, list[float]]]:
    groups: dict[str, dict[str, list[float]]] = {}
    for name, values in history.items():
        base = name.removeprefix("val_")
        groups.setdefault(base, {})["validation" if name != base else "training"] = values
    return groups


def _power_of_two(number: int) -> int:
    """Round up, so that odd numbers of samples do not each need a program of their own."""
    return 1 << (number - 1).bit_length()


def _join(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, dict):
        return {name: _join([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(_join([part[i] for part in parts]) for i in range(len(first)))
    return np.concatenate(parts)
