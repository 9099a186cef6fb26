"""Owns ``profile``: how long each layer takes, measured on the kernels that a prediction runs.

Knows nothing about how it is drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor

from axon_nb.compiled import Compiled
from axon_nb.data import as_inputs, as_tensor, batch_shapes
from axon_nb.display.diagram import diagram_svg, image_html
from axon_nb.display.kernels import shares_html, shares_text
from axon_nb.display.lines import Column
from axon_nb.display.table import table_html, table_text
from axon_nb.display.words import duration
from axon_nb.engine import RUNTIME
from axon_nb.engine.timing import timed
from axon_nb.errors import OptionError
from axon_nb.forward import Values, forward, map_tensors
from axon_nb.graph import Model, Node, verb
from axon_nb.insight.plan import Work, plan
from axon_nb.params import Params, realize
from axon_nb.rows import Report
from axon_nb.trace import report
from axon_nb.training import Trained

_COLUMNS: tuple[Column, ...] = ("layer", "options", "shape", "macs", "time")


@dataclass(frozen=True)
class Timing:
    """How long one kernel took, and what it works for."""

    layers: tuple[str, ...]
    """Several where tinygrad fused them into one kernel."""
    seconds: float


class Profile:
    """Where the time of a prediction goes. Shows as a table, and in a notebook with a diagram in heat colours."""

    def __init__(self, report: Report, kernels: tuple[Timing, ...], device: str, samples: int) -> None:
        self.kernels = kernels
        """A `Timing` for each kernel, in the order in which they run."""
        self.device = device
        self.samples = samples
        """Samples in the batch."""
        self._report = report

    @property
    def seconds(self) -> float:
        """The time of all kernels together."""
        return sum(kernel.seconds for kernel in self.kernels)

    @property
    def layers(self) -> dict[str, float]:
        """Seconds by layer. The time of a kernel that several layers share is parted evenly among them."""
        found: dict[str, float] = {}
        for kernel in self.kernels:
            for name in kernel.layers:
                found[name] = found.get(name, 0.0) + kernel.seconds / len(kernel.layers)
        return found

    @property
    def fused(self) -> list[tuple[str, ...]]:
        """Layers that became one kernel."""
        return [kernel.layers for kernel in self.kernels if len(kernel.layers) > 1]

    def _timed_report(self) -> Report:
        times = self.layers
        most = max(times.values(), default=0.0) or 1.0
        rows = tuple(
            dataclasses.replace(row, time_s=times[row.name], heat=times[row.name] / most)
            if row.name in times
            else dataclasses.replace(row, heat=0.0)
            for row in self._report.rows
        )
        return dataclasses.replace(self._report, rows=rows)

    @property
    def _headline(self) -> str:
        many = f"{self.samples} sample{'s' * (self.samples != 1)}"
        name = self._report.name or "model"
        return f"{name}: {duration(self.seconds)} for {many} on {self.device}, in {len(self.kernels)} kernels"

    @property
    def _shares(self) -> list[tuple[str, float]]:
        return [(", ".join(kernel.layers), kernel.seconds) for kernel in self.kernels]

    def __repr__(self) -> str:
        table = table_text(self._timed_report(), columns=_COLUMNS, unfold=True)
        return f"{self._headline}\n\n{table}\n\n{shares_text(self._shares)}"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        shown = self._timed_report()
        picture = image_html(diagram_svg(shown, unfold=True), shown)
        return shares_html(self._headline, table_html(shown, columns=_COLUMNS, unfold=True), picture, self._shares)


@verb
def profile(model: Model, params: Params, x: Any, *, device: str | None = None, repeats: int = 10) -> Profile:
    """Measure how long each layer takes when the model predicts.

    The kernels are those of a prediction, each run by itself and waited for; their sum leaves out what happens
    between kernels. Times are medians.

    Args:
        model: the model.
        params: from ``init`` or ``fit``.
        x: an array, a tensor, or a dict of them by input: one batch.
        device: where to run; the one of the params by default.
        repeats: how often each kernel is run.

    Raises:
        DataError: the data does not fit the inputs.
        OptionError: repeats is not a whole number of at least 1.
        ParamsError: the params are another model's.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> model = input((None, 4)) | dense(3, "relu") | dense(2)
        >>> profile = model.profile(model.init(), np.ones((8, 4), "float32"))
        >>> list(profile.layers), profile.seconds > 0
        (['dense_0', 'dense_1'], True)
    """
    if not isinstance(repeats, int) or isinstance(repeats, bool) or repeats < 1:
        problem = "repeats must be a whole number of at least 1"
        raise OptionError(problem, got=repr(repeats))
    compiled = Compiled(model, params, device=device)
    compiled(x)  # whatever is wrong with the data or the params is said here
    arrays = as_inputs(model, x)
    shapes = batch_shapes(model, arrays)
    taken = timed(_outputs(compiled, arrays), repeats)
    steps = plan(model, shapes, Work())
    if len(steps) == len(taken):
        found = tuple(Timing(step.layers, one) for step, one in zip(steps, taken, strict=True))
    else:  # the schedule of this device parts the work otherwise
        found = tuple(Timing((), one) for one in taken)
    return Profile(report(model, dict(shapes)), found, compiled.device, _samples(shapes))


def _outputs(compiled: Compiled, arrays: Mapping[Node, Any]) -> list[Tensor]:
    """Return the outputs of a prediction as tensors that are not computed yet."""
    with RUNTIME:
        inputs = {node: as_tensor(value, node.options["dtype"], compiled.device) for node, value in arrays.items()}
        realize(list(inputs.values()))
        values = Values({path: leaf.tensor for path, leaf in compiled.params.leaves.items()})
        found: list[Tensor] = []
        map_tensors(forward(compiled.model, values, inputs, training=False), found.append)
    return found


def _samples(shapes: Mapping[str, tuple[int, ...]]) -> int:
    return next((shape[0] for shape in shapes.values() if shape), 1)


def _profile_trained(trained: Trained, x: Any, *, device: str | None = None, repeats: int = 10) -> Profile:
    """Measure how long each layer takes when the trained model predicts: see ``Model.profile``."""
    return profile(trained.model, trained.params, x, device=device, repeats=repeats)


_profile_trained.__name__ = "profile"
Trained.profile = _profile_trained  # type: ignore[attr-defined]  # a verb of what fit returns
