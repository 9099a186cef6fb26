"""Owns ``what_if``: every number of a model as something to turn, and what comes of it: shapes, parameters, cost.

Knows nothing about pages but which of its calls their messages stand for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from axon_nb.display.views import View, card
from axon_nb.display.words import size
from axon_nb.errors import OptionError, brief, unknown
from axon_nb.graph import Model, Node
from axon_nb.options import Option
from axon_nb.rows import Report
from axon_nb.trace import report
from axon_nb.widgets.shown import Shown

_MOST_TIMES = 4
_BYTES = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "int16": 2, "int8": 1, "uint8": 1, "bool": 1}


@dataclass(frozen=True)
class Number:
    """A number of a model: where it stands, its bounds and the steps in which it is turned."""

    name: str
    """``"dense_0.units"``, ``"conv_0.kernel_size[1]"``, ``"image.shape[2]"``."""
    layer: str
    option: Option
    place: int | None
    """Which of several it is."""
    value: float
    low: float
    high: float
    step: float


class WhatIf(Shown):
    """A model whose numbers can be turned; nothing is trained, and the model itself stays as it was.

    Example:
        >>> from axon_nb import dense, input
        >>> from axon_nb.widgets.what_if import what_if
        >>> tried = what_if(input((None, 784), name="image") | dense(128, "relu") | dense(10))
        >>> [number.name for number in tried.numbers]
        ['image.shape[1]', 'dense_0.units', 'dense_1.units']
        >>> tried.set("dense_0.units", 64)
        >>> tried.report.totals.trainable
        50890
    """

    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            problem = "what_if takes a model"
            raise OptionError(problem, got=brief(model))
        self._start = model
        self.model = model
        """The model with the numbers as they are now."""
        self._given: dict[tuple[Any, str], Any] = {}
        self.report: Report = report(model)
        self.numbers: list[Number] = list(_numbers(model))

    @property
    def error(self) -> str:
        """Why the model does not fit with these numbers; empty where it does."""
        return str(self.report.error) if self.report.error else ""

    @property
    def values(self) -> dict[str, float]:
        """The numbers by name."""
        return {number.name: self._value(number) for number in self.numbers}

    def set(self, name: str, value: float) -> None:
        """Turn a number.

        Raises:
            UnknownNameError: there is no such number.
            OptionError: the value is out of the option's range.
        """
        number = next((one for one in self.numbers if one.name == name), None)
        if number is None:
            msg = "number"
            raise unknown(msg, name, [one.name for one in self.numbers])
        node = self._start.by_name[number.layer]
        whole = self._option(node, number.option.name)
        new = value if number.place is None else (*whole[: number.place], value, *whole[number.place + 1 :])
        parsed = number.option.parse(new, number.layer)
        given = {**self._given, (node.layer, number.option.name): parsed}
        changed = {layer for layer, _ in given}

        def options(one: Node) -> dict[str, Any] | None:
            if one.layer not in changed:
                return None
            return {option: value for (layer, option), value in given.items() if layer is one.layer}

        self.model = self._start.map_nodes(options)  # type: ignore[attr-defined]  # a verb
        self._given = given
        self.report = report(self.model)
        if self._skin is not None:
            self._update_card()

    def reset(self) -> None:
        """Put all numbers back."""
        self.model, self._given = self._start, {}
        self.report = report(self.model)

    def _option(self, node: Node, name: str) -> Any:
        return self._given.get((node.layer, name), node.options[name])

    def _value(self, number: Number) -> float:
        value = self._option(self._start.by_name[number.layer], number.option.name)
        return float(value if number.place is None else value[number.place])

    @property
    def costs(self) -> dict[str, str]:
        """What the model costs: parameters, memory of weights and of one sample's results, multiply-adds."""
        totals = self.report.totals
        whole = totals.trainable + totals.frozen + totals.state
        held = _held(self.report)
        return {
            "parameters": f"{whole:,}",
            "weights": size(totals.nbytes),
            "results of one sample": "?" if held is None else size(held),
            "multiply-adds": "?" if totals.macs is None else f"{totals.macs:,}",
        }

    @property
    def card(self) -> View:
        """The card of the model as it is now."""
        return card(self.report)

    def _static(self) -> dict[str, str]:
        shown = self.card
        return {"text/plain": repr(shown), "text/html": shown._repr_html_()}

    def _make_skin(self) -> Any:
        from axon_nb.widgets.small_pages import what_if_skin  # anywidget is only needed to show it

        return what_if_skin(self)

    def __repr__(self) -> str:
        return f"<WhatIf: {', '.join(f'{name} {value:g}' for name, value in self.values.items())}>"


def what_if(model: Model) -> WhatIf:
    """Show sliders for every number in a model, with shapes, parameters, memory and cost as they would be.

    Raises:
        OptionError: it is not a model.
    """
    return WhatIf(model)


def _numbers(model: Model) -> Iterator[Number]:
    seen = set()
    for node, name in model.names.items():
        if node.is_pick or node.layer in seen or (node.is_input and node.parents):
            continue
        seen.add(node.layer)
        for option in node.layer.declaration.options:
            value = node.options[option.name]
            if option.type.control in ("int", "float", "size", "shape", "padding"):
                yield from _of_option(name, option, value, has_batch=node.is_input)


def _of_option(layer: str, option: Option, value: Any, *, has_batch: bool) -> Iterator[Number]:
    if isinstance(value, tuple):
        for place, part in enumerate(value):
            if _is_number(part) and part > 0 and not (has_batch and place == 0):
                low, high, step = _range(option, part)
                yield Number(f"{layer}.{option.name}[{place}]", layer, option, place, part, low, high, step)
    elif _is_number(value) and not (option.default == value and option.type.control != "float" and value < 0):
        low, high, step = _range(option, value)
        yield Number(f"{layer}.{option.name}", layer, option, None, value, low, high, step)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _range(option: Option, value: float) -> tuple[float, float, float]:
    """Choose how far a number can be turned: within its bounds, up to a few times what it is.

    Example:
        >>> from axon_nb import dense, dropout
        >>> _range(dense.declaration.option("units"), 128), _range(dropout.declaration.option("rate"), 0.5)
        ((1, 512, 1), (0.0, 0.99, 0.01))
    """
    kind: Any = option.type
    low, high = getattr(kind, "minimum", None), getattr(kind, "maximum", None)
    if isinstance(value, int) and kind.control != "float":
        most = max(8, _MOST_TIMES * abs(value)) if high is None else high
        fallback = 1 if kind.control in ("size", "shape") else 0 if value >= 0 else -most
        return (fallback if low is None else low), most, 1
    above, below = getattr(kind, "above", None), getattr(kind, "below", None)
    most = next((bound for bound in (high, below) if bound is not None), _MOST_TIMES * max(abs(value), 0.25))
    least = next((bound for bound in (low, above) if bound is not None), 0 if value >= 0 else -most)
    step = 10 ** (math.floor(math.log10(max(most - least, 1e-9))) - 2) if most > least else 0.01
    return least + step * (low is None and above is not None), most - step * (high is None and below is not None), step


def _held(known: Report) -> int | None:
    """Count the bytes of what the layers give for one sample."""
    whole = 0
    for row in known.rows:
        shapes = row.shape if row.shape and isinstance(row.shape[0], tuple) else (row.shape,)
        for shape in shapes:
            if not isinstance(shape, tuple) or not all(isinstance(dim, int) for dim in shape[1:]):
                return None
            whole += math.prod(dim for dim in shape[1:] if isinstance(dim, int)) * _BYTES.get(row.dtype or "", 4)
    return whole


__all__ = ["Number", "WhatIf", "what_if"]
