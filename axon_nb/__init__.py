"""Neural networks built, seen, trained and shared without leaving a notebook.

``import axon_nb as ax``, or ``%load_ext axon_nb`` in a notebook for the ``%%axon`` cell magic.
"""

import importlib
from typing import Any

from tinygrad import Tensor

import axon_nb.advice
import axon_nb.display.views
import axon_nb.insight
import axon_nb.interop
import axon_nb.layers
import axon_nb.model_function
import axon_nb.plugs
import axon_nb.surgery  # noqa: F401 - these add layers and verbs
from axon_nb import functional, policies
from axon_nb.compiled import Compiled, build
from axon_nb.engine.devices import devices
from axon_nb.errors import AxonError
from axon_nb.functional import activations, initializers, losses, metrics
from axon_nb.graph import Model, compose, input
from axon_nb.interop import from_onnx, from_torch, load_weights, weights_for
from axon_nb.layer import Layer, layer, registry
from axon_nb.params import Params
from axon_nb.scope import Scope
from axon_nb.serialize import diff, from_json
from axon_nb.synonyms import nearest
from axon_nb.training import Loop, Trained, callbacks, fit, loss_scales, optimizers, progress, schedules
from axon_nb.training import live as _live
from axon_nb.training.saved import load, save

__version__ = "0.1.0"

__all__ = [
    "AxonError",
    "Compiled",
    "Layer",
    "Loop",
    "Model",
    "Params",
    "Scope",
    "Tensor",
    "Trained",
    "activations",
    "build",
    "callbacks",
    "compose",
    "devices",
    "diff",
    "fit",
    "from_json",
    "from_onnx",
    "from_torch",
    "functional",
    "initializers",
    "input",
    "layer",
    "load",
    "load_weights",
    "loss_scales",
    "losses",
    "metrics",
    "optimizers",
    "policies",
    "save",
    "schedules",
    "weights_for",
]

# Every layer and combinator is ax.<name>; the declaration is the only place that names it.
globals().update(registry)
__all__ += [name for name in registry if name not in __all__]


_WIDGETS = {
    "Builder": "builder", "Explorer": "explorer", "Trainer": "trainer", "live": "live", "what_if": "what_if",
}  # fmt: skip
"""What stands in which module of ``widgets``: loaded when it is first used."""


def __getattr__(name: str) -> Any:
    if name in _WIDGETS:
        return getattr(importlib.import_module(f"axon_nb.widgets.{_WIDGETS[name]}"), name)
    close = nearest(name, __all__)
    meant = f". Did you mean {' or '.join(map(repr, close))}?" if close else ""
    msg = f"module {__name__!r} has no attribute {name!r}{meant}"
    raise AttributeError(msg)


def _notebook_bar(total: int | None) -> progress.Bar:
    from axon_nb.widgets.progress import NotebookBar  # ipywidgets is only there in a notebook

    return NotebookBar(total)


progress.notebook_bar = _notebook_bar


def _notebook_plot() -> _live.View:
    from axon_nb.widgets.live_plot import NotebookPlot  # ipywidgets is only there in a notebook

    return NotebookPlot()


_live.notebook_plot = _notebook_plot


def load_ipython_extension(shell: Any) -> None:
    """Let ``%load_ext axon_nb`` add the ``%%axon`` and ``%axon`` magics to IPython."""
    import axon_nb.widgets.command  # noqa: F401 - adds %axon build
    from axon_nb.magic import load_ipython_extension as load  # IPython is only there in a notebook

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Let ``%unload_ext axon_nb`` take the magics out again."""
    from axon_nb.magic import unload_ipython_extension as unload

    unload(shell)
