"""Owns tables from a name to a thing (layers, activations, losses ...) and the error for a name that is not there.

Knows nothing about what the things are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from axon_nb.errors import DeclarationError, unknown

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Things by name, in the order in which they were added.

    Example:
        >>> colours = Registry("colour")
        >>> colours.add("red", "#f00")
        >>> colours["red"]
        '#f00'
        >>> colours["rad"]
        Traceback (most recent call last):
        axon_nb.errors.UnknownNameError: there is no colour 'rad'
          fix: did you mean 'red'?
          fix: the colours are: red
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._things: dict[str, T] = {}
        self._later: dict[str, Callable[[], object]] = {}
        self._sources: list[Callable[[], object]] = []

    def add(self, name: str, thing: T, *, replace: bool = False) -> None:
        """Put a thing under a name.

        Raises:
            DeclarationError: the name is taken and ``replace`` is false.
        """
        if name in self._things and not replace:
            problem = f"there is already a {self.kind} {name!r}"
            raise DeclarationError(problem)
        self._things[name] = thing

    def add_later(self, name: str, load: Callable[[], object]) -> None:
        """Name a thing that is added by loading something, which is done when somebody asks for it."""
        self._later[name] = load

    def add_source(self, load: Callable[[], object]) -> None:
        """Name what adds more things when it is loaded: done once somebody asks for a name that is not there yet."""
        self._sources.append(load)

    def __getitem__(self, name: str) -> T:
        if not self._has(name):
            raise unknown(self.kind, name, self._things)
        return self._things[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return what has a name, without looking for others that are like it."""
        return self._things[name] if self._has(name) else default

    def _has(self, name: str) -> bool:
        if name not in self._things and name in self._later:
            self._later.pop(name)()
        while name not in self._things and self._sources:
            self._sources.pop()()
        return name in self._things

    def __contains__(self, name: object) -> bool:
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def __repr__(self) -> str:
        return f"<{self.kind}s: {', '.join(self)}>"
