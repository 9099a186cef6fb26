"""Owns the page of an explorer: what it shows of a layer, and which call each of its messages stands for.

Knows nothing about how a model is run.
"""

from __future__ import annotations

import contextlib
from typing import Any

from axon_nb.display.words import says_op, shape_words
from axon_nb.errors import AxonError, DataError
from axon_nb.lazy import numpy as np
from axon_nb.widgets.explorer import Explorer, leaf
from axon_nb.widgets.forms import drawn
from axon_nb.widgets.pictures import finite, histogram, of_sample, picture
from axon_nb.widgets.shown import text_of
from axon_nb.widgets.skin import Skin
from axon_nb.widgets.small_pages import number_of

_MOST_MAPS, _MOST_BARS, _MOST_SIDE, _LARGEST_KERNEL, _MOST_NAMED = 32, 128, 256, 15, 8


def make_skin(explorer: Explorer) -> Skin:
    """Make the page of an explorer."""

    def draw(message: dict[str, Any]) -> None:
        pixels = message.get("pixels")
        rows = pixels if isinstance(pixels, list) else []
        if not 0 < len(rows) <= _MOST_SIDE or not all(isinstance(row, list) and len(row) == len(rows) for row in rows):
            problem = "a drawing is a square table of numbers"
            raise DataError(problem)
        explorer.draw(rows)
        state.hurried = message.get("more") is True

    state = _State(explorer)
    actions = {
        "select": lambda m: explorer.select(text_of(m, "layer")),
        "show": lambda m: explorer.show(int(number_of(m, "sample"))),
        "draw": draw,
    }
    return _Skin("explorer", actions, state)


class _Skin(Skin):
    """Tells first what is known at once, then the gradients, which take longer."""

    def tell(self) -> None:
        state: Any = self.state
        hurried, state.hurried = state.hurried, False
        for waits in (False,) if hurried else (False, True):
            state.waits = waits
            super().tell()


class _State:
    """What a page shows of an explorer; the diagram is drawn once."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.waits = True
        self.hurried = False
        """Whether more of a drawing is to come: then there is no time for gradients."""
        self.gradients: tuple[Any, dict[str, Any]] = (None, {})
        self.attended: tuple[Any, list[dict[str, Any]]] = (None, [])
        self.drawn = drawn(explorer.report)
        try:
            explorer.canvas()
            self.draws = True
        except DataError:
            self.draws = False

    def __call__(self) -> dict[str, Any]:
        explorer = self.explorer
        row = next(row for row in explorer.report.rows if row.name == explorer.selected)
        return {
            **self.drawn,
            "selected": explorer.selected,
            "title": row.name,
            "op": "" if says_op(row) else row.op,
            "shape": shape_words(row),
            "count": explorer.count,
            "sample": explorer.sample,
            "input": _input(explorer),
            "answer": _answer(explorer.predict()),
            "output": views(explorer.shown()),
            "attention": self.attention(),
            "weights": self.weights(),
            "dead": _dead(explorer),
            "draws": self.draws,
            "drawn": explorer.drawn is not None,
        }

    def of(self) -> tuple[Any, ...]:
        """Say what is looked at."""
        explorer = self.explorer
        return explorer.selected, explorer.sample, None if explorer.drawn is None else id(explorer.drawn)

    def attention(self) -> list[dict[str, Any]]:
        """Describe where the layer attends: a map for each head."""
        if self.attended[0] != self.of():
            self.attended = (self.of(), [_attended(heads) for heads in self.explorer.attention()])
        return self.attended[1]

    def weights(self) -> list[dict[str, Any]]:
        """Describe the weights, with their gradients if they are known or there is time."""
        explorer, of = self.explorer, self.of()
        if self.waits and self.gradients[0] != of:
            found: dict[str, Any] = {}
            with contextlib.suppress(AxonError):  # of an answer that has none
                found = explorer.gradients()
            self.gradients = (of, found)
        return _described(explorer.weights(), self.gradients[1] if self.gradients[0] == of else {})


def _answer(value: Any) -> dict[str, Any]:
    """Describe what the model says; only of one vector the greatest value is the answer."""
    return {**bars(value), "flat": np.ndim(leaf(value)) <= 1}


def _input(explorer: Explorer) -> dict[str, Any] | None:
    _, values = next(iter((explorer.drawn or explorer.samples).items()))
    return of_sample(values[0 if explorer.drawn else explorer.sample])


def views(value: Any) -> list[dict[str, Any]]:
    """Choose how to show what a layer gives for one sample: maps, a table or bars.

    Example:
        >>> [one["kind"] for one in (views(np.zeros((8, 5, 5)))[0], views(np.zeros((7, 6)))[0], views(np.zeros(3))[0])]
        ['maps', 'table', 'bars']
    """
    if isinstance(value, dict):
        return [view for part in value.values() for view in views(part)]
    if isinstance(value, tuple):
        return [view for part in value for view in views(part)]
    array = np.asarray(value, np.float32)
    stats = {
        "mean": finite(array.mean()),
        "std": finite(array.std()),
        "low": finite(array.min()),
        "high": finite(array.max()),
    }
    if array.ndim >= 3:
        maps = array.reshape(-1, *array.shape[-2:]) if array.shape[0] <= array.shape[-1] * 64 else array
        shown = [picture(one) for one in maps[:_MOST_MAPS]]
        return [{"kind": "maps", "maps": shown, "more": max(0, len(maps) - _MOST_MAPS), **stats}]
    if array.ndim == 2:
        return [{"kind": "table", "map": picture(array), **stats}]
    return [{**bars(array), **stats}]


def _attended(heads: Any) -> dict[str, Any]:
    shown = [picture(one, low=0.0) for one in heads[:_MOST_MAPS]]
    return {"maps": shown, "more": max(0, len(heads) - _MOST_MAPS), "queries": heads.shape[1], "keys": heads.shape[2]}


def bars(value: Any) -> dict[str, Any]:
    """Describe a vector as bars; what is longer than a page is wide is cut.

    Example:
        >>> bars(np.array([1.0, 2.0]))["values"]
        [1.0, 2.0]
    """
    flat = np.asarray(leaf(value), np.float32).reshape(-1)
    values = [finite(one) for one in flat[:_MOST_BARS]]
    return {"kind": "bars", "values": values, "more": max(0, flat.size - _MOST_BARS), "best": int(flat.argmax())}


def _described(weights: dict[str, Any], gradients: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, values in weights.items():
        gradient = gradients.get(name)
        found.append({
            "name": name, "shape": " x ".join(map(str, values.shape)) or "1", "values": histogram(values),
            "gradient": None if gradient is None else histogram(gradient),
            "maps": _kernels(values),
        })  # fmt: skip
    return found


def _kernels(values: Any) -> list[dict[str, Any]]:
    """Make pictures of a kernel: of a convolution what each unit looks for in the first channel, else the table.

    Example:
        >>> len(_kernels(np.zeros((8, 3, 5, 5)))), len(_kernels(np.zeros((8, 3)))), len(_kernels(np.zeros(8)))
        (8, 1, 0)
    """
    if values.ndim == 4 and 1 < max(values.shape[-2:]) <= _LARGEST_KERNEL:
        return [picture(one[0]) for one in values[:_MOST_MAPS]]
    return [picture(values)] if values.ndim == 2 and min(values.shape) > 1 else []


def _dead(explorer: Explorer) -> dict[str, Any]:
    dead = explorer.dead()
    which = [int(unit) for unit in np.flatnonzero(dead)[:_MOST_NAMED]]
    return {"units": int(dead.size), "dead": int(dead.sum()), "which": which, "samples": explorer.count}
