"""Owns scales for a loss whose gradients are computed in 16 bits, where small ones would round to zero.

Knows nothing about steps: it scales, unscales, and says what the next scale is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tinygrad import Tensor

from axon_nb.errors import OptionError, brief
from axon_nb.registry import Registry
from axon_nb.shapes import whole

State = dict[str, Tensor]
"""``loss_scale``, and for a dynamic one ``counter``: steps since it last changed."""


@dataclass(frozen=True)
class LossScale:
    """What a loss is multiplied by before its gradient is taken, and the gradient divided by after.

    A step whose gradients are not finite is left out, whatever the scale: weights, moments and the optimizer's counters
    stay as they are. (Axon takes such a step.)

    Example:
        >>> scale = dynamic(init_scale=8.0, period=1)
        >>> state = scale.init()
        >>> scale.scale(Tensor([0.5]), state).tolist(), scale.unscale(Tensor([4.0]), state).tolist()
        ([4.0], [0.5])
        >>> [scale.adjust(state, Tensor([fine]))["loss_scale"].tolist() for fine in (True, False)]
        [[16.0], [4.0]]
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def init(self, device: str | None = None) -> State:
        """Make the state it begins with."""
        if self.name == "identity":
            return {}
        state = {"loss_scale": Tensor([float(self.options["init_scale"])], device=device)}
        return {**state, "counter": Tensor([0], dtype="int32", device=device)} if self.name == "dynamic" else state

    def scale(self, x: Tensor, state: State) -> Tensor:
        """Multiply by the scale."""
        return x * state["loss_scale"].cast(x.dtype).reshape([1] * x.ndim) if state else x

    def unscale(self, x: Tensor, state: State) -> Tensor:
        """Divide by the scale, in single precision at least: what was saved from rounding stays."""
        if not state:
            return x
        wide = x if x.dtype == state["loss_scale"].dtype or "double" in str(x.dtype) else x.cast("float32")
        return wide / state["loss_scale"].cast(wide.dtype).reshape([1] * x.ndim)

    def adjust(self, state: State, finite: Tensor) -> State:
        """Return the state after a step whose gradients were finite, or not."""
        if self.name != "dynamic":
            return state
        now, count = state["loss_scale"], state["counter"] + 1
        factor, full = self.options["factor"], count >= self.options["period"]
        more = (now * factor).isfinite().where(now * factor, now)
        less = (now / factor).maximum(self.options["min_loss_scale"])
        return {
            "loss_scale": finite.where(full.where(more, now), less),
            "counter": (finite & full.logical_not()).where(count, 0),
        }

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


loss_scales: Registry[Any] = Registry("loss scale")
"""Makers of scales by name."""


def identity() -> LossScale:
    """Leave the loss as it is.

    Example:
        >>> identity()
        identity()
    """
    return LossScale("identity")


def static(init_scale: float = 2.0**15) -> LossScale:
    """Scale by one number throughout.

    Args:
        init_scale: the number, above 0.

    Source: Micikevicius and others 2017, https://arxiv.org/abs/1710.03740

    Example:
        >>> static(1024)
        static(init_scale=1024)
    """
    return LossScale("static", {"init_scale": _above("init_scale", init_scale)})


def dynamic(
    init_scale: float = 2.0**15, period: int = 2000, factor: float = 2.0, min_loss_scale: float = 1.0
) -> LossScale:
    """Scale by as much as gradients bear: less after a step in which they overflow, more after many that are finite.

    Args:
        init_scale: the first scale, above 0.
        period: finite steps after which it grows.
        factor: what it is multiplied and divided by, above 1.
        min_loss_scale: the least it becomes, above 0.

    Source: Micikevicius and others 2017, https://arxiv.org/abs/1710.03740

    Example:
        >>> dynamic(period=100)
        dynamic(init_scale=32768.0, period=100, factor=2.0, min_loss_scale=1.0)
    """
    steps = whole(period)
    if steps is None or steps < 1:
        problem = "period must be a whole number of at least 1"
        raise OptionError(problem, where="dynamic", got=brief(period))
    return LossScale(
        "dynamic",
        {
            "init_scale": _above("init_scale", init_scale),
            "period": int(steps),
            "factor": _above("factor", factor, 1),
            "min_loss_scale": _above("min_loss_scale", min_loss_scale),
        },
    )


for _make in (identity, static, dynamic):
    loss_scales.add(_make.__name__, _make)


def _above(name: str, value: Any, limit: float = 0) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not limit < value < math.inf:
        problem = f"{name} must be a number above {limit}"
        raise OptionError(problem, where="loss scale", got=brief(value))
    return value


def as_loss_scale(value: Any) -> LossScale:
    """Return the scale that a user gave by name, as a maker or ready made; ``None`` is identity.

    Raises:
        OptionError: it is none of these.
        UnknownNameError: there is no scale of that name.

    Example:
        >>> as_loss_scale("static"), as_loss_scale(None)
        (static(init_scale=32768.0), identity())
    """
    if value is None:
        return identity()
    if isinstance(value, str):
        value = loss_scales[value]
    made = value() if any(value is make for make in loss_scales.values()) else value
    if not isinstance(made, LossScale):
        problem = "a loss scale is a name or one of axon_nb.loss_scales"
        raise OptionError(problem, got=brief(value), fix='loss_scale="dynamic", or loss_scales.static(1024.0)')
    return made


__all__ = ["LossScale", "as_loss_scale", "dynamic", "identity", "loss_scales", "static"]
