"""Neural networks built, seen, trained and shared without leaving a notebook.

``import axon_nb as ax``, or ``%load_ext axon_nb`` in a notebook for the ``%%axon`` cell magic.
"""

import importlib
from typing import TYPE_CHECKING, Any

from axon_nb.lazy import uncollected, when_loaded

with uncollected():
    from tinygrad import Tensor

    import axon_nb.display.views
    import axon_nb.layers
    import axon_nb.model_function
    import axon_nb.plugs
    import axon_nb.surgery  # noqa: F401 - these add layers and verbs
    from axon_nb import functional, policies
    from axon_nb.compiled import Compiled, build
    from axon_nb.engine.devices import devices
    from axon_nb.errors import AxonError, NoAttributeError
    from axon_nb.functional import activations, initializers, losses, metrics
    from axon_nb.graph import Later, Model, arity_finders, compose, input
    from axon_nb.layer import Layer, layer, registry
    from axon_nb.params import Params
    from axon_nb.scope import Scope
    from axon_nb.synonyms import nearest
    from axon_nb.trace import finders

if TYPE_CHECKING:
    from axon_nb.interop import from_onnx, from_torch, load_weights, weights_for
    from axon_nb.serialize import diff, from_json  # type: ignore[no-redef]
    from axon_nb.training import (  # type: ignore[no-redef]
        Loop,
        Trained,
        callbacks,
        fit,
        loss_scales,
        optimizers,
        schedules,
    )
    from axon_nb.training.saved import load, save
    from axon_nb.widgets.builder import Builder
    from axon_nb.widgets.explorer import Explorer
    from axon_nb.widgets.live import live
    from axon_nb.widgets.trainer import Trainer
    from axon_nb.widgets.what_if import what_if

__version__ = "0.1.0"

__all__ = [
    "AxonError",
    "Builder",
    "Compiled",
    "Explorer",
    "Layer",
    "Loop",
    "Model",
    "Params",
    "Scope",
    "Tensor",
    "Trained",
    "Trainer",
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
    "live",
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
    "what_if",
]

# Every layer and combinator is ax.<name>; the declaration is the only place that names it.
globals().update(registry)
__all__ += [name for name in registry if name not in __all__]


# A cell that builds and shows a model should not wait for what trains, stores, measures or edits it: that is loaded
# when it is first used. Here stands what is where.
_LATER = {
    **dict.fromkeys(("Loop", "Trained", "callbacks", "fit", "loss_scales", "optimizers", "schedules"), "training"),
    **dict.fromkeys(("load", "save"), "training.saved"),
    **dict.fromkeys(("diff", "from_json"), "serialize"),
    **dict.fromkeys(("from_onnx", "from_torch", "load_weights", "weights_for"), "interop"),
    "Builder": "widgets.builder",
    "Explorer": "widgets.explorer",
    "Trainer": "widgets.trainer",
    "live": "widgets.live",
    "what_if": "widgets.what_if",
}
_VERBS = {
    "training": ("fit",),
    "serialize": ("code", "cost", "diff", "equals", "from_json", "to_json"),
    "interop": ("to_onnx",),
    "insight": ("kernels", "profile"),
}
_TRAINED_VERBS = {"interop": ("to_onnx",), "insight": ("profile",)}


def _part(name: str) -> Any:
    """Load a part of the package."""
    with uncollected():
        return importlib.import_module(f"axon_nb.{name}")


def _settle_serialize() -> None:
    """Tell what writes code that more languages stand above it."""
    from axon_nb.serialize.code import targets

    targets.add_source(lambda: _part("interop"))


def _settle_training() -> None:
    """Tell the training what stands above it."""
    from axon_nb.training import Trained, live, progress

    progress.notebook_bar, live.notebook_plot = _notebook_bar, _notebook_plot
    for part, names in _TRAINED_VERBS.items():
        _add_later(Trained, part, names)


def _notebook_bar(total: int | None) -> Any:
    from axon_nb.widgets.progress import NotebookBar  # ipywidgets is only there in a notebook

    return NotebookBar(total)


def _notebook_plot() -> Any:
    from axon_nb.widgets.live_plot import NotebookPlot  # ipywidgets is only there in a notebook

    return NotebookPlot()


def _add_later(owner: type, part: str, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(owner, name, Later(name, lambda: _part(part)))


when_loaded("serialize", _settle_serialize)
when_loaded("training", _settle_training)
for _name in ("onnx_node", "onnx_scan"):
    registry.add_later(_name, lambda: _part("interop"))
for _name, _names in _VERBS.items():
    _add_later(Model, _name, _names)

finders.append(lambda *given: _part("advice").find(*given))
arity_finders.append(lambda *given: _part("advice").find_arity(*given))


def __getattr__(name: str) -> Any:
    if name in _LATER:
        found = getattr(_part(_LATER[name]), name)
        globals()[name] = found
        return found
    if (layer := registry.get(name)) is not None:  # declared after this package was loaded
        return layer
    problem = f"module {__name__!r} has no attribute {name!r}"
    raise NoAttributeError(problem).search_with(lambda: _meant(name))


def _meant(name: str) -> tuple[str, ...]:
    close = nearest(name, __all__)
    return (f"did you mean {' or '.join(map(repr, close))}?",) if close else ()


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """Let ``%load_ext axon_nb`` add the ``%%axon`` and ``%axon`` magics to IPython."""
    with uncollected():
        from axon_nb.magic.commands import command
        from axon_nb.magic.extension import load  # IPython is only there in a notebook

    @command("build [NAME]")
    def build(session: Any, arguments: list[str]) -> object:
        """Build a model by hand: NAME follows, and %axon code NAME writes it into a cell."""
        return _part("widgets.command").build(session, arguments)

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Let ``%unload_ext axon_nb`` take the magics out again."""
    from axon_nb.magic import unload_ipython_extension as unload

    unload(shell)
