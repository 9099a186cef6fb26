"""Owns the kinds of option that a layer can have: bounds, help, example, and how a value is checked.

Knows nothing about layers; validation and widget controls are both made from what stands here.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from axon_nb.errors import OptionError, UnknownNameError, unknown
from axon_nb.registry import Registry
from axon_nb.shapes import Shape

MISSING: Any = inspect.Parameter.empty

activations: Registry[Callable[..., Any]] = Registry("activation")
"""Pure functions of a tensor by name. Filled by ``functional/activations.py``."""

initializers: Registry[Callable[..., Any]] = Registry("initializer")
"""Makers of initializers by name. Filled by ``functional/initializers.py``."""


@dataclass(frozen=True, kw_only=True)
class OptionType:
    """One kind of option value; subclasses say what is accepted.

    ``parse`` returns the value in the form in which layers get it (hashable), or raises ``ValueError`` whose text
    completes the sentence "units ...".
    """

    help: str = ""
    unit: str = ""
    example: Any = None
    control: ClassVar[str] = "text"

    def parse(self, value: Any) -> Any:
        """Check and normalise a value."""
        if not isinstance(value, Hashable):
            msg = f"must be a plain value, got {value!r}"
            raise ValueError(msg)
        return value

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to offer, where there is a list of them."""
        return ()


def _refuse(expected: str, value: Any) -> typing.NoReturn:
    msg = f"must be {expected}, got {value!r}"
    raise ValueError(msg)


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Whole(OptionType):
    """A whole number."""

    minimum: int | None = None
    maximum: int | None = None
    control: ClassVar[str] = "int"

    def parse(self, value: Any) -> int:  # noqa: D102
        if not _is_whole(value):
            _refuse(self._expected(), value)
        number = int(value.__index__())
        if (self.minimum is not None and number < self.minimum) or (self.maximum is not None and number > self.maximum):
            _refuse(self._expected(), value)
        return number

    def _expected(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"a whole number from {self.minimum} to {self.maximum}"
        return "a whole number" + (f" of at least {self.minimum}" if self.minimum is not None else "")


@dataclass(frozen=True, kw_only=True)
class Real(OptionType):
    """A finite number."""

    minimum: float | None = None
    maximum: float | None = None
    below: float | None = None
    above: float | None = None
    control: ClassVar[str] = "float"

    def parse(self, value: Any) -> float:  # noqa: D102
        if isinstance(value, bool) or not hasattr(value, "__float__"):
            _refuse(self._expected(), value)
        number = float(value)
        inside = (
            math.isfinite(number)
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.below is None or number < self.below)
            and (self.above is None or number > self.above)
        )
        if not inside:
            _refuse(self._expected(), value)
        return number

    def _expected(self) -> str:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (
                ("at least", self.minimum),
                ("above", self.above),
                ("at most", self.maximum),
                ("below", self.below),
            )
            if bound is not None
        ]
        return "a number" + (f" {' and '.join(bounds)}" if bounds else "")


@dataclass(frozen=True, kw_only=True)
class Flag(OptionType):
    """True or False."""

    control: ClassVar[str] = "bool"

    def parse(self, value: Any) -> bool:  # noqa: D102
        if type(value).__name__ not in ("bool", "bool_"):
            _refuse("True or False", value)
        return bool(value)


@dataclass(frozen=True, kw_only=True)
class Text(OptionType):
    """Free text."""

    def parse(self, value: Any) -> str:  # noqa: D102
        if not isinstance(value, str):
            _refuse("text in quotes", value)
        return value


@dataclass(frozen=True, kw_only=True)
class Choice(OptionType):
    """One of a list of words."""

    words: tuple[str, ...]
    control: ClassVar[str] = "choice"

    @property
    def choices(self) -> tuple[str, ...]:  # noqa: D102
        return self.words

    def parse(self, value: Any) -> Any:  # noqa: D102
        if value not in self.words:
            _refuse("one of " + ", ".join(map(repr, self.words)), value)
        return value


@dataclass(frozen=True, kw_only=True)
class Size(OptionType):
    """A whole number for all spatial axes, or a tuple with one for each."""

    minimum: int = 1
    control: ClassVar[str] = "size"

    def parse(self, value: Any) -> int | tuple[int, ...]:  # noqa: D102
        one = Whole(minimum=self.minimum)
        if _is_whole(value):
            return one.parse(value)
        if isinstance(value, tuple | list) and value and all(_is_whole(v) and v >= self.minimum for v in value):
            return tuple(one.parse(v) for v in value)
        _refuse(f"a whole number of at least {self.minimum}, or a tuple with one for each axis", value)


@dataclass(frozen=True, kw_only=True)
class Paddings(OptionType):
    """``"valid"``, ``"same"``, a number of cells, or ``[(before, after), ...]`` for each spatial axis."""

    control: ClassVar[str] = "padding"

    @property
    def choices(self) -> tuple[str, ...]:  # noqa: D102
        return ("valid", "same")

    def parse(self, value: Any) -> str | int | tuple[tuple[int, int], ...]:  # noqa: D102
        if value in ("valid", "same"):
            return str(value)
        if _is_whole(value) and value >= 0:
            return int(value.__index__())
        if isinstance(value, tuple | list) and value and all(_is_pair(pair) for pair in value):
            return tuple((int(lo), int(hi)) for lo, hi in value)
        _refuse("'valid', 'same', a whole number of at least 0, or [(before, after), ...] for each axis", value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(_is_whole(v) and v >= 0 for v in value)


@dataclass(frozen=True, kw_only=True)
class Sizes(OptionType):
    """The shape of one sample: whole numbers, one of which may be -1 (worked out from the rest)."""

    control: ClassVar[str] = "shape"

    def parse(self, value: Any) -> tuple[int, ...]:  # noqa: D102
        if _is_whole(value):
            value = (value,)
        if not isinstance(value, tuple | list) or not all(_is_whole(v) and (v >= 1 or v == -1) for v in value):
            _refuse("a tuple of sizes (one may be -1)", value)
        if list(value).count(-1) > 1:
            _refuse("a tuple with at most one -1", value)
        return tuple(int(v) for v in value)


@dataclass(frozen=True, kw_only=True)
class Axes(OptionType):
    """An axis number, or a tuple of them; negative ones count from the end."""

    several: bool = False
    control: ClassVar[str] = "int"

    def parse(self, value: Any) -> int | tuple[int, ...]:  # noqa: D102
        if _is_whole(value):
            return int(value.__index__())
        if self.several and isinstance(value, tuple | list) and value and all(_is_whole(v) for v in value):
            return tuple(int(v) for v in value)
        _refuse("an axis number" + (" or a tuple of them" if self.several else ""), value)


@dataclass(frozen=True, kw_only=True)
class Named(OptionType):
    """A name out of a registry, or a function of one's own.

    A layer (``relu`` or ``leaky_relu(alpha=0.2)``) is taken as the function of the same name.
    """

    registry: Registry[Callable[..., Any]]
    control: ClassVar[str] = "choice"

    @property
    def choices(self) -> tuple[str, ...]:  # noqa: D102
        return tuple(self.registry)

    def parse(self, value: Any) -> Any:  # noqa: D102
        if isinstance(value, str):
            if value not in self.registry:
                raise unknown(self.registry.kind, value, self.registry)
            return value
        name = getattr(value, "__name__", None)
        known = self.registry.get(name) if isinstance(name, str) and name in self.registry else None
        if known is not None and (known is value or getattr(value, "function", None) is known):
            return name
        if callable(value):
            return value
        _refuse(f"the name of an {self.registry.kind} or a function", value)


@dataclass(frozen=True, kw_only=True)
class Drawn(Named):
    """An initializer: a name, one with options, a function of shape and generator, or a number for all values."""

    def parse(self, value: Any) -> Any:  # noqa: D102
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return super().parse(value)


@dataclass(frozen=True)
class Option:
    """One option of a layer: its name, its kind and its default."""

    name: str
    type: OptionType
    default: Any = MISSING
    positional: bool = True
    optional: bool = field(default=False)
    """Whether ``None`` is a value of it."""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is MISSING

    def parse(self, value: Any, owner: str) -> Any:
        """Check a value given for this option of ``owner`` and bring it into its normal form.

        Raises:
            OptionError: it is out of range or of another kind.
        """
        if value is None and self.optional:
            return None
        try:
            return self.type.parse(value)
        except UnknownNameError as error:
            msg = f"{self.name}: {error.problem}"
            raise OptionError(msg, where=owner, fix=error.fixes) from None
        except ValueError as error:
            example = f"{self.name}={self.type.example!r}"
            msg = f"{self.name} {error}"
            raise OptionError(msg, where=owner, fix=f"for example {example}") from None


def from_annotation(annotation: Any, default: Any, doc: str = "") -> tuple[OptionType, bool]:
    """Find the option type that an annotation stands for, and whether ``None`` is allowed.

    Plain types (``int``, ``float``, ``Literal[...]``) of a user's own layer are understood too.

    Example:
        >>> from_annotation(int, 3)[0]
        Whole(help='', unit='', example=3, minimum=None, maximum=None)
    """
    if typing.get_origin(annotation) is Annotated:
        kind = next((m for m in annotation.__metadata__ if isinstance(m, OptionType)), None)
        if kind is not None:
            return kind, default is None or _allows_none(annotation.__origin__)
        annotation = annotation.__origin__
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        members = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
        kind = from_annotation(members[0], default, doc)[0] if len(members) == 1 else OptionType(example=default)
        return kind, default is None or type(None) in typing.get_args(annotation)
    if annotation is MISSING and default is not MISSING:
        annotation = type(default)
    return _plain(annotation, default), default is None


def _allows_none(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _plain(annotation: Any, default: Any) -> OptionType:
    example = None if default is MISSING else default
    if typing.get_origin(annotation) is Literal:
        return Choice(words=typing.get_args(annotation), example=typing.get_args(annotation)[0])
    kinds: dict[Any, type[OptionType]] = {int: Whole, float: Real, bool: Flag, str: Text}
    return kinds.get(annotation, OptionType)(example=example)


Units = Annotated[int, Whole(minimum=1, help="Number of output features.", example=128)]
Count = Annotated[int, Whole(minimum=1, help="How many.", example=4)]
Rate = Annotated[
    float, Real(minimum=0, below=1, help="Share of values that are dropped.", unit="share of 1", example=0.5)
]
KernelSize = Annotated[int | tuple[int, ...], Size(help="Cells that the window spans.", unit="cells", example=3)]
Strides = Annotated[
    int | tuple[int, ...], Size(help="Cells that the window moves at each step.", unit="cells", example=2)
]
Dilation = Annotated[int | tuple[int, ...], Size(help="Distance between the window's cells.", unit="cells", example=2)]
Padding = Annotated[
    str | int | tuple[tuple[int, int], ...],
    Paddings(help="Cells added around the input: none, enough to keep the size, or as given.", example="same"),
]
Groups = Annotated[int, Whole(minimum=1, help="Groups of channels that are kept apart.", example=2)]
Channels = Annotated[
    Literal["first", "last"],
    Choice(words=("first", "last"), help="Where the channels axis stands: after the batch, or last.", example="last"),
]
Axis = Annotated[int, Axes(help="Axis that is worked on; negative ones count from the end.", example=-1)]
SomeAxes = Annotated[
    int | tuple[int, ...], Axes(several=True, help="Axis or axes that are worked on.", example=(-2, -1))
]
Epsilon = Annotated[float, Real(above=0, help="Added to keep a division finite.", example=1e-5)]
Momentum = Annotated[
    float,
    Real(minimum=0, maximum=1, help="Share of the old running value that is kept.", unit="share of 1", example=0.9),
]
Alpha = Annotated[float, Real(help="Slope or scale on the negative side.", example=0.1)]
UseBias = Annotated[bool, Flag(help="Whether a bias is added.", example=False)]
Activation = Annotated[
    str | Callable[..., Any] | None,
    Named(registry=activations, help="Function applied to the result: a name or a function.", example="relu"),
]
Function = Annotated[
    str | Callable[..., Any],
    Named(registry=activations, help="The activation: a name or a function of a tensor.", example="relu"),
]
Initializer = Annotated[
    str | float | Callable[..., Any],
    Drawn(registry=initializers, help="How the first values are drawn.", example="he_normal"),
]
SampleShape = Annotated[Shape | int, Sizes(help="Shape of one sample, without the batch axis.", example=(28, 28))]
