"""Owns what an optimizer is before training begins: a name with checked options, and which weights they are for.

Knows nothing about single optimizers; ``optimizers.py`` has them.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from tinygrad import Tensor

from axon_nb.declaration import bind_options
from axon_nb.errors import OptionError, brief
from axon_nb.options import OptionType, Real, Whole
from axon_nb.registry import Registry
from axon_nb.training.update import Update

ClipValue = Annotated[float | None, Real(above=0, help="Largest size of a number in a gradient.", example=1.0)]
ClipNorm = Annotated[float | None, Real(above=0, help="Largest norm of all gradients together.", example=1.0)]


@dataclass(frozen=True, kw_only=True)
class DecayedOption(OptionType):
    """Which weights are decayed: ``"kernels"``, or a function of a weight's name."""

    def parse(self, value: Any) -> Any:  # noqa: D102
        if value == "kernels" or (callable(value) and not isinstance(value, type)):
            return value
        msg = f"must be 'kernels' or a function of a weight's name, got {brief(value)}"
        raise ValueError(msg)

    @property
    def choices(self) -> tuple[str, ...]:  # noqa: D102
        return ("kernels",)


Decayed = Annotated[
    str | Callable[[str], bool] | None,
    DecayedOption(
        help="Weights that decay: those with two axes or more, or those a function picks.", example="kernels"
    ),
]
Accumulate = Annotated[int, Whole(minimum=1, help="Batches that make one step.", example=4)]


def _common(
    *, clip_value: ClipValue = None, clip_norm: ClipNorm = None, decayed: Decayed = None, accumulate: Accumulate = 1
) -> None:
    """Hold the options that every optimizer has."""


@dataclass(frozen=True)
class Optimizer:
    """A way of changing weights by their gradients, with its options: ``optimizers.adam(learning_rate=0.01)``.

    Every optimizer also takes, by name: ``clip_value`` and ``clip_norm`` (the largest size of a number in a gradient,
    the largest norm of all gradients; by value first), ``decayed`` (which weights ``weight_decay`` is for:
    ``"kernels"``, which leaves out biases and the weights of norms, or a function of a name such as
    ``"dense_0.kernel"``), and ``accumulate`` (how many batches make one step: as one batch that many times as large).

    Example:
        >>> from axon_nb.training.optimizers import adam
        >>> adam(learning_rate=0.1, clip_norm=1.0, accumulate=4).options["clip_norm"]
        1.0
    """

    name: str
    options: dict[str, Any]
    make: Callable[..., Any] = field(repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.name, self.options)  # its maker stands in the registry

    @property
    def accumulate(self) -> int:
        """How many batches make one step."""
        return int(self.options["accumulate"])

    def build(self, tensors: list[Tensor], names: Sequence[str] | None = None) -> Update:
        """Make what changes these tensors.

        Args:
            tensors: the weights.
            names: their names, which ``decayed`` goes by.

        Raises:
            OptionError: weights are to be decayed by an optimizer without decay.
        """
        options = dict(self.options)
        rate, decayed, _ = (options.pop(name) for name in ("learning_rate", "decayed", "accumulate"))
        clips = {name: options.pop(name) for name in ("clip_value", "clip_norm")}
        groups = self._groups(tensors, names or [""] * len(tensors), decayed)
        start = 1.0 if callable(rate) else rate  # the step's own rate takes its place
        made = [self.make(group, learning_rate=start, **{**options, **other}) for group, other in groups]
        return Update(made, rate, device=str(tensors[0].device), **clips)

    def _groups(
        self, tensors: list[Tensor], names: Sequence[str], decayed: Any
    ) -> Iterator[tuple[list[Tensor], dict[str, float]]]:
        """Part the weights that decay from the others."""
        if decayed is None:
            yield tensors, {}
            return
        if not self.options.get("weight_decay"):
            problem = f"{self.name}: decayed picks weights for weight_decay, and there is none"
            name = "adamw" if self.name == "adam" else self.name
            raise OptionError(problem, fix=f"optimizers.{name}(weight_decay=0.01, decayed=...)")
        picks = [
            t.ndim >= 2 if decayed == "kernels" else bool(decayed(name)) for t, name in zip(tensors, names, strict=True)
        ]
        for is_decayed, options in ((True, {}), (False, {"weight_decay": 0.0})):
            group = [t for t, picked in zip(tensors, picks, strict=True) if picked is is_decayed]
            if group:
                yield group, options

    def __repr__(self) -> str:
        plain = {name: one.default for name, one in inspect.signature(_common).parameters.items()}
        shown = [f"{k}={v!r}" for k, v in self.options.items() if k not in plain or v != plain[k]]
        return f"{self.name}({', '.join(shown)})"


def _made(name: str, options: dict[str, Any]) -> Optimizer:
    return optimizers[name](**options)


optimizers: Registry[Callable[..., Optimizer]] = Registry("optimizer")
"""Makers of optimizers by name."""


def optimizer(make: Callable[..., Any]) -> Callable[..., Optimizer]:
    """Make a function that builds a tinygrad optimizer into a maker with checked options, and register it.

    The function takes the tensors, then its options, ``learning_rate`` among them.
    """
    name = make.__name__
    own = list(inspect.signature(make).parameters.values())[1:]
    common = list(inspect.signature(_common).parameters.values())

    @functools.wraps(make)
    def configure(*args: Any, **kwargs: Any) -> Optimizer:
        return Optimizer(name, bind_options(configure, args, kwargs, skip=0), make)

    configure.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
    hints = typing.get_type_hints(make, include_extras=True) | typing.get_type_hints(_common, include_extras=True)
    configure.__annotations__ = {one.name: hints[one.name] for one in (*own, *common) if one.name in hints}
    optimizers.add(name, configure)
    return configure


def as_optimizer(value: Any) -> Optimizer:
    """Return the optimizer that a user gave by name, as a maker or ready made.

    Raises:
        OptionError: it is none of these.
        UnknownNameError: there is no optimizer of that name.

    Example:
        >>> import axon_nb
        >>> as_optimizer("adam").options["learning_rate"]
        0.001
    """
    if isinstance(value, str):
        return optimizers[value]()
    if isinstance(value, Optimizer):
        return value
    if value in optimizers.values():
        made: Optimizer = value()
        return made
    problem = "an optimizer is a name or one of axon_nb.optimizers"
    raise OptionError(problem, got=repr(value), fix='optimizer="adam", or optimizers.adam(learning_rate=0.01)')
