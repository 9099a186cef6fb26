"""Owns the seam between the magic and the rest of axon_nb: everything that the magic uses of models stands here.

Knows nothing about IPython.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from axon_nb.display.card import Look, card
from axon_nb.engine.devices import choose, default_device, devices
from axon_nb.graph import Model
from axon_nb.graph import input as make_input
from axon_nb.layer import Chain, Layer, registry
from axon_nb.lazy import uncollected
from axon_nb.rows import Report
from axon_nb.shapes import Shape
from axon_nb.source import Source
from axon_nb.trace import report


@dataclass(frozen=True)
class Library:
    """What the magic uses of axon_nb; tests put something smaller in its place."""

    layers: Mapping[str, Any]
    """Layers, combinators and ``input`` by name."""
    make_input: Callable[[str, Shape | None], Any]
    is_model: Callable[[object], bool]
    unapplied: Callable[[object], str | None]
    """Says what a layer without an input is called; ``None`` for anything else."""
    named: Callable[[Any, str | None], Any]
    """Returns a model under a name."""
    report: Callable[[Any], Report]
    failed_at: Callable[[Any, Report], Source | None]
    """Finds where the layer of a model was written that does not fit."""
    card: Callable[[Report, Look], dict[str, str]]
    """Draws a report, by MIME type."""
    devices: Callable[[], object]
    compare: Callable[[Any, Any, tuple[Report, Report]], Any] = lambda old, new, reports: _serialize().compare(
        old, new, reports
    )
    """Says what changed between two models, of which the rows are given: false where nothing did."""
    code: Callable[[Any, str], str] = lambda model, name: str(model.code(name))
    """Writes the text of a cell that makes a model."""
    default_device: Callable[[], str] = default_device
    choose_device: Callable[[str], str] = choose
    save: Callable[[str, Any], object] = lambda path, value: _files().save(path, value)
    load: Callable[[str], object] = lambda path: _files().load(path)
    ahead: Callable[[Any], object] = lambda model: _ahead().begin(model)
    """Compiles what is likely to be wanted of a model."""


def library() -> Library:
    """Return axon_nb itself."""
    return Library(
        layers=registry,
        make_input=lambda name, shape: make_input(shape, name=name),
        is_model=lambda value: isinstance(value, Model),
        unapplied=_unapplied,
        named=lambda model, name: model.named(name) if name else model,
        report=report,
        failed_at=_failed_at,
        card=card,
        devices=devices,
    )


def _files() -> Any:
    from axon_nb.training import saved  # not before something is saved

    return saved


def _ahead() -> Any:
    from axon_nb.training import ahead  # not before the shell has nothing to do

    return ahead


def _serialize() -> Any:
    with uncollected():
        from axon_nb import serialize  # not before a cell is run again
    return serialize


def _unapplied(value: object) -> str | None:
    if isinstance(value, Chain):
        return "Block"
    return "Layer" if isinstance(value, Layer) or hasattr(value, "__axon_layer__") else None


def _failed_at(model: Model, known: Report) -> Source | None:
    failed = next((row.key for row in known.rows if row.status == "failed"), None)
    layer = None if failed is None else model.nodes[failed].layer
    return None if layer is None else layer.joined or layer.source


def family(layer: object) -> str:
    """Return the family of a layer; functions that join layers are in one of their own.

    Example:
        >>> family(registry["dense"]), family(registry["compose"])
        ('linear', 'combinator')
    """
    declaration = getattr(layer, "declaration", None)
    return getattr(declaration, "family", None) or "combinator"


def summary(layer: object) -> str:
    """Return the first line of a layer's docs.

    Example:
        >>> summary(registry["compose"])
        "Feed each model's output to the next one's input; each keeps its parameters in a part of its own."
    """
    return (inspect.getdoc(layer) or "").partition("\n")[0]
