"""Owns what a builder begins with: the text that a model was written in, else one that rebuilds it, or data's input.

Knows nothing about editing.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Mapping
from typing import Any

from axon_nb.errors import OptionError, brief
from axon_nb.graph import Model
from axon_nb.serialize.code import needed
from axon_nb.widgets.document import clean
from axon_nb.widgets.rebuild import rebuild
from axon_nb.widgets.values import write

_CELL = re.compile(r"^<axon\b.*>$")


def name_of(model: Model | str | None) -> str:
    """Return the name that a model goes by in its cell."""
    return (model.name if isinstance(model, Model) else None) or "net"


def text_of(model: Model | None, names: Mapping[str, Any]) -> str:
    """Find the text that a model was made of, with its comments; else write one that rebuilds it."""
    if model is None:
        return ""
    if not isinstance(model, Model):
        problem = "a builder opens a model, or the text of one"
        raise OptionError(problem, got=brief(model), fix="Builder(model), or Builder() for a new one")
    return _cell_of(model, names) or str(model.code())  # type: ignore[attr-defined]  # a verb


def _cell_of(model: Model, names: Mapping[str, Any]) -> str | None:
    """Return the text of the one cell that all of a model was written in, if it still makes the same."""
    files = {node.layer.source.filename if node.layer.source else "" for node in model.nodes}
    file = files.pop() if len(files) == 1 else ""
    text = "".join(linecache.cache[file][2])[:-1] if _CELL.match(file) and file in linecache.cache else ""  # type: ignore[misc]
    if not text:
        return None
    again = rebuild(clean(text), names, plain=False)
    same = again.model is not None and _looks(again.model) == _looks(model)
    return clean(text) if same else None


def _looks(model: Model) -> list[Any]:
    names = model.names
    return [
        (names[node], node.op, repr(node.layer), [names[parent] for parent in node.parents]) for node in model.nodes
    ]


def own_layers(model: Any) -> dict[str, Any]:
    """Return what a model uses that is not axon_nb's, by the name that its text has for it."""
    return needed(model) if isinstance(model, Model) else {}


def input_for(data: Any) -> str:
    """Write the inputs that data needs.

    Raises:
        OptionError: it is not data.
    """
    x = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    items = list(x.items()) if isinstance(x, Mapping) else [("x", x)]
    lines = []
    for name, array in items:
        shape = getattr(array, "shape", None)
        if not isinstance(shape, tuple) or not shape:
            problem = "data is an array, or a dict of arrays by input"
            raise OptionError(problem, got=brief(array))
        kind = str(getattr(array, "dtype", "float32"))
        dtype = ', dtype="int32"' if "int" in kind and len(shape) == 2 and "uint8" not in kind else ""
        call = f"input({write((None, *map(int, shape[1:])))}, name={write(str(name))}{dtype})"
        lines.append(call if len(items) == 1 else f"{name} = {call}")
    if len(items) > 1:
        lines.append(f"({', '.join(name for name, _ in items)})\n| concatenate()")
    return "\n".join(lines)
