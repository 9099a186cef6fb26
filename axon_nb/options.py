"""Owns the kinds of option that a layer can have: bounds, help, example, and how a value is checked.

Knows nothing about layers; validation and widget controls are both made from what stands here.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, SupportsFloat

from axon_nb.errors import AxonError, OptionError, UnknownNameError, brief, unknown
from axon_nb.registry import Registry
from axon_nb.shapes import Shape, whole
from axon_nb.synonyms import nearest

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
        try:
            hash(value)
        except TypeError:
            _refuse("a plain value (a list as a tuple), for layers are told apart by their options", value)
        return value

    @property
    def choices(self) -> tuple[str, ...]:
        """The values to offer, where there is a list of them."""
        return ()


def _refuse(expected: str, value: Any, meant: str = "") -> typing.NoReturn:
    msg = f"must be {expected}, got {brief(value)}{meant}"
    raise ValueError(msg)


def _wholes(values: Any, minimum: float = -math.inf) -> tuple[int, ...] | None:
    """Return the whole numbers in a tuple or list, and ``None`` where it is or holds anything else."""
    if not isinstance(values, tuple | list):
        return None
    numbers = [number for value in values if (number := whole(value)) is not None and number >= minimum]
    return tuple(numbers) if len(numbers) == len(values) else None


@dataclass(frozen=True, kw_only=True)
class Whole(OptionType):
    """A whole number."""

    minimum: int | None = None
    maximum: int | None = None
    control: ClassVar[str] = "int"

    def parse(self, value: Any) -> int:  # noqa: D102
        number = whole(value)
        if number is None or not self._inside(number):
            _refuse(self._expected(), value)
        return number

    def _inside(self, number: int) -> bool:
        return (self.minimum is None or number >= self.minimum) and (self.maximum is None or number <= self.maximum)

    def _expected(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"a whole number from {self.minimum} to {self.maximum}"
        if self.maximum is not None:
            return f"a whole number of at most {self.maximum}"
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
        number = _real(value)
        inside = number is not None and (
            math.isfinite(number)
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
            and (self.below is None or number < self.below)
            and (self.above is None or number > self.above)
        )
        if number is None or not inside:
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


def _real(value: Any) -> float | None:
    if isinstance(value, bool | str) or not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):  # an array of several numbers
        return None


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
        for word in self.words:
            if isinstance(value, type(word)) and value == word:
                return word
        close = nearest(str(value), self.words, most=1) if isinstance(value, str) else []
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        _refuse("one of " + ", ".join(map(repr, self.words)), value, meant)


@dataclass(frozen=True, kw_only=True)
class Size(OptionType):
    """A whole number for all spatial axes, or a tuple with one for each."""

    minimum: int = 1
    control: ClassVar[str] = "size"

    def parse(self, value: Any) -> int | tuple[int, ...]:  # noqa: D102
        size = whole(value)
        if size is not None and size >= self.minimum:
            return size
        return _wholes(value, self.minimum) or _refuse(
            f"a whole number of at least {self.minimum}, or a tuple with one for each axis", value
        )


@dataclass(frozen=True, kw_only=True)
class Paddings(OptionType):
    """``"valid"``, ``"same"``, a number of cells, or ``[(before, after), ...]`` for each spatial axis."""

    control: ClassVar[str] = "padding"

    @property
    def choices(self) -> tuple[str, ...]:  # noqa: D102
        return ("valid", "same")

    def parse(self, value: Any) -> str | int | tuple[tuple[int, int], ...]:  # noqa: D102
        if isinstance(value, str) and value in self.choices:
            return str(value)
        cells = whole(value)
        if cells is not None and cells >= 0:
            return cells
        pairs = [_wholes(pair, 0) or () for pair in value] if isinstance(value, tuple | list) else []
        if pairs and all(len(pair) == 2 for pair in pairs):
            return tuple((pair[0], pair[1]) for pair in pairs)
        close = nearest(value, self.choices, most=1) if isinstance(value, str) else []
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        _refuse("'valid', 'same', a whole number of at least 0, or [(before, after), ...] for each axis", value, meant)


@dataclass(frozen=True, kw_only=True)
class Sizes(OptionType):
    """The shape of one sample: whole numbers, one of which may be -1 (worked out from the rest)."""

    control: ClassVar[str] = "shape"

    def parse(self, value: Any) -> tuple[int, ...]:  # noqa: D102
        sizes = _wholes((value,) if whole(value) is not None else value, -1)
        if sizes is None or 0 in sizes:
            _refuse("a tuple of sizes (one may be -1)", value)
        if sizes.count(-1) > 1:
            _refuse("a tuple with at most one -1", value)
        return sizes


@dataclass(frozen=True, kw_only=True)
class Axes(OptionType):
    """An axis number, or a tuple of them; negative ones count from the end."""

    several: bool = False
    control: ClassVar[str] = "int"

    def parse(self, value: Any) -> int | tuple[int, ...]:  # noqa: D102
        axis = whole(value)
        if axis is not None:
            return axis
        axes = _wholes(value) if self.several else None
        return axes or _refuse("an axis number" + (" or a tuple of them" if self.several else ""), value)


@dataclass(frozen=True, kw_only=True)
class Margins(OptionType):
    """A number of cells for all sides, or ``[(before, after), ...]`` for each axis; negative ones are cut off."""

    control: ClassVar[str] = "padding"

    def parse(self, value: Any) -> int | tuple[tuple[int, int], ...]:  # noqa: D102
        cells = whole(value)
        if cells is not None:
            return cells
        pairs = [_wholes(pair) or () for pair in value] if isinstance(value, tuple | list) else []
        if pairs and all(len(pair) == 2 for pair in pairs):
            return tuple((pair[0], pair[1]) for pair in pairs)
        _refuse("a whole number, or [(before, after), ...] for each axis", value)


@dataclass(frozen=True, kw_only=True)
class Numbers(OptionType):
    """A number, or numbers in tuples or lists of the same length (or an array), which make a small tensor."""

    def parse(self, value: Any) -> Any:  # noqa: D102
        try:
            return _nested(value.tolist() if hasattr(value, "tolist") else value)
        except (TypeError, ValueError):
            _refuse("a finite number, or numbers in tuples or lists of the same length", value)


def _nested(value: Any) -> Any:
    """Write nested lists of numbers as tuples."""
    if not isinstance(value, tuple | list):
        number = whole(value)
        real = _real(value) if number is None else number
        if real is None or not math.isfinite(real):
            raise ValueError
        return real
    parts = tuple(_nested(part) for part in value)
    if not parts or len({_nested_shape(part) for part in parts}) > 1:
        raise ValueError
    return parts


def _nested_shape(value: Any) -> tuple[int, ...]:
    return (len(value), *_nested_shape(value[0])) if isinstance(value, tuple) else ()


@dataclass(frozen=True, kw_only=True)
class Named(OptionType):
    """A name out of a registry, or a function of one's own.

    A layer (``relu``, ``relu()`` or ``softmax(axis=1)``) is taken as the function of the same name.
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
        declaration = getattr(value, "declaration", None)
        if declaration is None:
            function, name = value, getattr(value, "__name__", None)
        else:  # a layer, or what @layer made; one with other options than the defaults stays as it is
            plain = not declaration.shown(value.options) if hasattr(value, "options") else True
            function, name = (declaration.function, declaration.name) if plain else (value, None)
        if isinstance(name, str) and self.registry.get(name) is function:
            return name
        if callable(value) and not self._is_misplaced(value):
            return value
        _refuse(self._expected(), value)

    def _expected(self) -> str:
        return f"the name of an {self.registry.kind} or a function"

    def _is_misplaced(self, value: Any) -> bool:
        """Whether it is callable, but not with a tensor: a model, layers joined, a layer with weights or options."""
        declaration = getattr(value, "declaration", None)
        if declaration is None:
            return hasattr(value, "__axon_apply__") or hasattr(value, "build")
        missing = any(option.required for option in declaration.options) and not hasattr(value, "options")
        return declaration.scoped or declaration.variadic or len(declaration.inputs) != 1 or missing


@dataclass(frozen=True, kw_only=True)
class Drawn(Named):
    """An initializer: a name, one with options, a function of shape and generator, or a number for all values."""

    def parse(self, value: Any) -> Any:  # noqa: D102
        number = None if callable(value) else _real(value)
        if number is not None and math.isfinite(number):
            return number
        return super().parse(value)

    def _expected(self) -> str:
        return "the name of an initializer, a finite number or a function of shape and generator"


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

    @property
    def words(self) -> str:
        """What help says of it: ``rate = 0.5: Share of values that are dropped. For example 0.2.``."""
        default = "" if self.required else f" = {getattr(self.default, '__name__', None) or repr(self.default)}"
        some = [repr(choice) for choice in self.type.choices]
        several = f" One of {', '.join(some[:8])}{' ...' if len(some) > 8 else ''}." if some else ""
        example = "" if some or self.type.example in (None, self.default) else f" For example {self.type.example!r}."
        return f"{self.name}{default}: {self.type.help}{several}{example}".rstrip(": ")

    def written(self) -> str:
        """Write it with an example, as in a call: ``units=128``."""
        return f"{self.name}={'...' if self.type.example is None else repr(self.type.example)}"

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
        except AxonError as error:
            raise error.at(owner) from None
        except ValueError as error:
            msg = f"{self.name} {error}"
            meant = self._meant(value)
            fix = f"write {self.name}={meant!r}" if meant is not None else f"for example {self.written()}"
            raise OptionError(msg, where=owner, fix=fix) from None

    def _meant(self, value: Any) -> Any:
        """Find the number that is meant by one in quotes or with a point: "128", 128.0."""
        for kind in (int, float):
            try:
                meant = kind(value)
                if meant == (value if isinstance(value, int | float) else float(value)):
                    return self.type.parse(meant)
            except (TypeError, ValueError, OverflowError):
                continue
        return None


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
    kind = kinds.get(annotation) if isinstance(annotation, type) else None
    if example is None and default is MISSING:
        example = {int: 1, float: 0.5, bool: True, str: "..."}.get(annotation) if isinstance(annotation, type) else None
    return (kind or OptionType)(example=example)


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
Multiplier = Annotated[int, Whole(minimum=1, help="Channels made of each channel of the input.", example=2)]
InputDilation = Annotated[
    int | tuple[int, ...],
    Size(help="Distance to which the input's cells are moved apart, with zeros between.", unit="cells", example=2),
]
OutputPadding = Annotated[
    int | tuple[int, ...], Size(minimum=0, help="Cells added after the end of the result.", unit="cells", example=1)
]
OutputSize = Annotated[int | tuple[int, ...], Size(help="Cells that the result has.", unit="cells", example=7)]
Norm = Annotated[float, Real(minimum=1, help="Order p of the norm: sum(x**p) ** (1/p).", example=2)]
CountPadding = Annotated[bool, Flag(help="Whether padded cells count as zeros.", example=False)]
KeepAxes = Annotated[bool, Flag(help="Whether axes that were reduced stay, with a size of 1.", example=True)]
Factors = Annotated[
    Literal["alike", "own_axis"],
    Choice(
        words=("alike", "own_axis"),
        help="Whether each kernel strides, pads and dilates on all axes, or on its own axis only.",
        example="own_axis",
    ),
]
Shift = Annotated[float, Real(help="Added to gamma: 1 where gamma is trained around 0.", example=1.0)]
Upcast = Annotated[
    Literal["normalization", "all"],
    Choice(
        words=("normalization", "all"),
        help="What is computed in float32 for shorter inputs: the division, or all (and the result is float32).",
        example="all",
    ),
]
Deviation = Annotated[float, Real(minimum=0, help="Standard deviation of the noise.", example=0.1)]
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
PositiveAlpha = Annotated[float, Real(above=0, help="Scale on the negative side.", example=0.5)]
Slope = Annotated[float, Real(help="Slope of the straight part.", example=0.2)]
Offset = Annotated[float, Real(help="Value at 0.", example=0.5)]
Shared = Annotated[bool, Flag(help="Whether all channels have one in common.", example=True)]
Approximate = Annotated[bool, Flag(help="Whether a cheaper formula is used that is nearly the same.", example=True)]
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
Margin = Annotated[
    int | tuple[tuple[int, int], ...],
    Margins(help="Cells added before and after each axis; negative ones are cut off.", unit="cells", example=1),
]
PadMode = Annotated[
    Literal["constant", "reflect", "edge", "wrap"],
    Choice(
        words=("constant", "reflect", "edge", "wrap"),
        help="What the cells that are added hold: one value, or the cells mirrored, repeated or from the other end.",
        example="reflect",
    ),
]
PadValue = Annotated[float, Real(help="Value of the cells that are added.", example=1.0)]
TargetSize = Annotated[
    int | tuple[int, ...], Size(help="Cells of each spatial axis afterwards.", unit="cells", example=224)
]
ScaleFactor = Annotated[int | tuple[int, ...], Size(help="How many times as many cells.", example=2)]
Factor = Annotated[int, Whole(minimum=1, help="Side of the square of cells that channels become.", example=2)]
ResizeMethod = Annotated[
    Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"],
    Choice(
        words=("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"),
        help="How values between the cells are found.",
        example="bilinear",
    ),
]
Antialias = Annotated[bool, Flag(help="Whether all cells count when an axis shrinks.", example=False)]
Cell = Annotated[int, Whole(help="Number of a cell on the axis; negative ones count from the end.", example=1)]
Step = Annotated[int, Whole(help="Every how many cells one is taken; negative ones go backwards.", example=2)]
Sections = Annotated[int | tuple[int, ...], Size(help="Number of equal parts, or the size of each.", example=2)]
Token = Annotated[int, Whole(help="The number that is looked for.", example=0)]
Value = Annotated[Any, Numbers(help="A number, or a small tensor of them.", example=(0.0, 1.0))]
ReturnSequence = Annotated[bool, Flag(help="Whether all outputs are returned, not the last alone.", example=False)]
ReturnState = Annotated[bool, Flag(help="Whether the last states are returned too.", example=True)]
Unroll = Annotated[bool, Flag(help="Whether each step is compiled by itself, not time as a loop.", example=True)]
Heads = Annotated[int, Whole(minimum=1, help="Parts that attend by themselves.", example=8)]
KeyValueHeads = Annotated[int, Whole(minimum=1, help="Parts of the keys and values, shared by heads.", example=2)]
Causal = Annotated[bool, Flag(help="Whether a place sees only itself and those before it.", example=True)]
Base = Annotated[float, Real(above=1, help="Grows the wave lengths from feature to feature.", example=10000)]
Rotary = Annotated[bool, Flag(help="Whether queries and keys are turned by their place.", example=True)]
PairOrder = Annotated[
    Literal["halves", "neighbours"],
    Choice(words=("halves", "neighbours"), help="Which features are turned together.", example="neighbours"),
]
RecurrentInitializer = Annotated[
    str | float | Callable[..., Any] | None,
    Drawn(
        registry=initializers,
        help="How the first recurrent kernel is drawn; as the kernel if not given.",
        example="orthogonal",
    ),
]
