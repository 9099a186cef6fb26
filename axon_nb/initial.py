"""Owns first weights: how they are drawn, and which of other weights are kept instead.

Knows nothing about how a model is run.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tinygrad import Tensor

from axon_nb import hooks
from axon_nb.engine import RUNTIME, ready, upload
from axon_nb.engine import random as streams
from axon_nb.errors import AxonError, OptionError, ParamsError, ShapeError, brief
from axon_nb.functional.initializers import as_initializer
from axon_nb.graph import Model, Node, verb
from axon_nb.lazy import numpy as np
from axon_nb.params import Carried, Leaf, Params, Path, dtype_name, realize
from axon_nb.shapes import show, whole
from axon_nb.source import here
from axon_nb.trace import ParamSpec, Trace, trace


@verb
def init(model: Model, /, seed: int = 0, like: Any = None, **shapes: Any) -> Params:
    """Draw first weights. The same seed gives the same weights, on every device.

    Args:
        model: the model.
        seed: any whole number.
        like: weights to keep where name, shape and kind of numbers fit (params, or what ``fit`` returned). What does
            not fit is drawn; a warning says so, and ``params.carried`` of the result has all of it. Only values are
            taken: what is frozen, the model says.
        **shapes: shapes of inputs that were declared without one.

    Raises:
        ShapeError: a layer does not fit, or a weight's shape depends on a size that is not known.
        OptionError: the seed is not a whole number, or an initializer cannot draw.

    Example:
        >>> from axon_nb import dense, input
        >>> (input((None, 3)) | dense(2)).init(seed=1).count
        8
    """
    return draw(model, seed, like, shapes)


def draw(model: Model, seed: int, like: Any, shapes: Mapping[str, Any]) -> Params:
    """Draw first weights, as ``init`` does; inputs may be called anything."""
    check_seed(seed)
    traced = trace(model, dict(shapes)).check_known()
    specs, kinds = traced.params(), traced.kinds()
    device = ready()
    kept, carried = _keep(like, specs, device) if like is not None else ({}, None)
    with RUNTIME:
        drawn = {
            path: Leaf(kept[path] if path in kept else _draw(seed, path, spec, device), kinds[path])
            for path, spec in specs.items()
        }
        _hook_first(traced, drawn, kept)
        realize([leaf.tensor for leaf in drawn.values()])
    return Params(drawn, carried)


def _hook_first(traced: Trace, drawn: dict[Path, Leaf], kept: Mapping[Path, Tensor]) -> None:
    """Show hooks the weights of their layers, where not all were kept from before."""
    owned: dict[Node, dict[str, Path]] = {}
    for path, (node, spec) in traced.declared().items():
        owned.setdefault(node, {})[spec.name] = path
    for node in traced.model.nodes:
        paths = owned.get(traced.model.owners[node.layer], {})
        if not node.hooks or all(path in kept for path in paths.values()):
            continue
        found = hooks.initialized(traced.model, node, {name: drawn[path].tensor for name, path in paths.items()})
        for name, path in paths.items():
            drawn[path] = replace(drawn[path], tensor=found[name])


def check_seed(seed: Any) -> None:
    """Refuse a seed that is no whole number.

    Raises:
        OptionError: it is none.
    """
    if whole(seed) is None:
        problem = "seed must be a whole number"
        raise OptionError(problem, got=brief(seed))


def _draw(seed: int, path: Path, spec: ParamSpec, device: str) -> Tensor:
    place = f"the initializer of {'.'.join(path)}"
    try:
        values = as_initializer(spec.initializer)(spec.shape, streams.generator(seed, *path))
        values = np.asarray(values, dtype=np.float32, order="C")
    except AxonError as error:
        raise error.at(place) from None
    except Exception as error:
        problem = f"failed: {error}"
        fix = "an initializer takes a shape and a NumPy generator, and returns an array"
        raise OptionError(problem, where=place, fix=fix) from error
    if values.shape != spec.shape:
        problem = "gave another shape"
        raise ShapeError(problem, where=place, got=f"{show(values.shape)} for {show(spec.shape)}")
    if spec.dtype == "bfloat16":  # which NumPy does not have
        return Tensor(values, dtype=spec.dtype, device=device).contiguous()
    return upload(values.astype(spec.dtype, copy=False), device)


def _keep(like: Any, specs: Mapping[Path, ParamSpec], device: str) -> tuple[dict[Path, Tensor], Carried]:
    params = getattr(like, "params", like)
    if not isinstance(params, Params):
        problem = "like takes params, or what fit returned"
        raise ParamsError(problem, got=brief(like))
    old = params.leaves
    misfits = {path: _misfit(leaf.tensor, specs.get(path)) for path, leaf in old.items()}
    kept = {path: leaf for path, leaf in old.items() if not misfits[path]}
    carried = Carried(
        kept=tuple(".".join(path) for path in kept),
        dropped={".".join(path): why for path, why in misfits.items() if why},
        drawn={".".join(path): misfits.get(path) or "is new" for path in specs if path not in kept},
    )
    if not carried.is_whole:
        place = here()
        dropped, drawn = carried.dropped, carried.drawn
        words = [f"dropped {', '.join(dropped)}"] * bool(dropped) + [f"drew {', '.join(drawn)}"] * bool(drawn)
        text = f"like: kept {len(kept)} of {len(specs)} parameters; {'; '.join(words)}"
        warnings.warn_explicit(text, UserWarning, place.filename if place else "", place.line if place else 0)
    copied = Params(kept).to(device).copy().leaves
    return {path: leaf.tensor for path, leaf in copied.items()}, carried


def _misfit(tensor: Tensor, spec: ParamSpec | None) -> str:
    """Say why a weight cannot be kept; nothing where it can."""
    if spec is None:
        return "the model has none of that name"
    if tuple(tensor.shape) != spec.shape:
        return f"was {show(tuple(tensor.shape))} and is {show(spec.shape)}"
    have = dtype_name(tensor.dtype)
    alike = have == spec.dtype or ("float" in have and "float" in spec.dtype)
    return "" if alike else f"was {have} and is {spec.dtype}"


__all__ = ["check_seed", "draw", "init"]
