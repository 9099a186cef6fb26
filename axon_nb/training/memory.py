"""Owns the refusal of models that are larger than this machine's memory, before the machine comes to a stop.

Knows nothing about devices but the CPU: others say themselves when they have no memory left.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from axon_nb.display.words import size
from axon_nb.errors import AxonError, Fix, TrainingError
from axon_nb.graph import Model, Node, where
from axon_nb.trace import Trace, trace

_COPIES = 2
"""A weight and its gradient: what every optimizer needs, some three times as much."""


def memory_bytes() -> int:
    """Return how much memory this machine has; a very large number where it does not say.

    Example:
        >>> memory_bytes() > 2**28
        True
    """
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return 2**62


def needed_bytes(traced: Trace) -> int:
    """Add up the weights and their gradients."""
    return _COPIES * sum(spec.nbytes for spec in traced.params().values())


def check_memory(model: Model, shapes: Mapping[str, Any], have: int | None = None) -> None:
    """Refuse a model whose weights and gradients do not fit into memory.

    Raises:
        TrainingError: names the largest layer, and how many units would do.
    """
    have = memory_bytes() if have is None else have
    traced = trace(model, dict(shapes)).check()
    need = needed_bytes(traced)
    if need <= have:
        return
    node, own = _largest(traced)
    place = where(node.layer, model.names[node])
    problem = f"training takes at least {size(need)} for weights and gradients, and this machine has {size(have)}"
    error = TrainingError(problem, got=f"{place} has {size(own)} of weights", fix=f"make {place} smaller")
    raise error.search_with(lambda: _smaller(model, node, shapes, have))


def _largest(traced: Trace) -> tuple[Node, int]:
    sizes: dict[Node, int] = {}
    for node, spec in traced.declared().values():
        sizes[node] = sizes.get(node, 0) + spec.nbytes
    return max(sizes.items(), key=lambda pair: pair[1])


def _smaller(model: Model, node: Node, shapes: Mapping[str, Any], have: int) -> tuple[Fix, ...]:
    """Halve the units of the largest layers until the model fits."""
    from axon_nb.advice.edits import changed, with_options  # advice is loaded when something does not fit

    for one in (node, *node.parents):
        units = one.options.get("units")
        while units and units > 1:
            units //= 2
            new = with_options(one.layer, units=units)
            try:
                made = changed(model, {one.layer: new})
                if needed_bytes(trace(made, dict(shapes)).check()) <= have:
                    text = f"write {new!r} in place of {one.layer!r} ({model.names[one]!r})"
                    return (Fix(text, code=repr(new), model=made),)
            except AxonError:
                break
    return ()
