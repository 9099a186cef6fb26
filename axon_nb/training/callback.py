"""Owns what a callback is: an object whose methods are named as events, or a function with its events and filter.

Knows nothing about single callbacks; ``callbacks.py`` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from axon_nb.declaration import name_of
from axon_nb.errors import OptionError, brief
from axon_nb.training.events import ALWAYS, EVENTS, Filter, check_events


class Callback:
    """Something that takes part in a run: its methods named as events are called with the run's state.

    Each returns ``None`` (or ``"continue"``), ``"halt_epoch"`` or ``"halt_loop"``. What has to be remembered from one
    call to the next goes into ``state.memory(self)``, a dict of JSON values that checkpoints keep: so the same object
    serves many runs.

    Example:
        >>> class Count(Callback):
        ...     def iteration_completed(self, state):
        ...         memory = state.memory(self)
        ...         memory["steps"] = memory.get("steps", 0) + 1
        >>> Count().handlers()[0][0]
        'iteration_completed'
    """

    filters: dict[str, Filter] = {}  # noqa: RUF012 - a class's own, read only
    """For which occurrences of an event the method is called; all where none is named."""
    goes_last = False
    """Whether it is called after all others: what writes down what these did."""

    def handlers(self) -> list[tuple[str, Callable[[Any], Any], Filter]]:
        """List what is called, by event."""
        return [
            (event, getattr(self, event), self.filters.get(event, ALWAYS)) for event in EVENTS if hasattr(self, event)
        ]

    def finished(self, state: Any) -> None:
        """Put things away: called once at the end, however the run ended."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return type(self).__name__


@dataclass(frozen=True, eq=False)
class Handler(Callback):
    """A function of the state with the events it is for."""

    events: tuple[str, ...]
    function: Callable[[Any], Any]
    filter: Filter = field(default=ALWAYS)

    def handlers(self) -> list[tuple[str, Callable[[Any], Any], Filter]]:
        """List the function under each of its events."""
        return [(event, self.function, self.filter) for event in self.events]

    @property
    def name(self) -> str:
        """The function's name."""
        return name_of(self.function)


def on(events: Any, **filters: Any) -> Callable[[Callable[[Any], Any]], Handler]:
    """Make a function of the state a callback: ``fit(..., callbacks=[function])``.

    Args:
        events: name of an event, several, or ``"all"``.
        **filters: ``every``, ``first``, ``before``, ``after``, ``once``, ``when``, ``per``: see `Filter`.

    Raises:
        OptionError: there is no such event, or a filter is out of range.

    Example:
        >>> @on("epoch_completed", every=10)
        ... def tell(state):
        ...     print(state.epoch, state.metrics["loss"])
        >>> tell.name
        'tell'
    """
    names = check_events(events)
    chosen = Filter(**filters)

    def make(function: Callable[[Any], Any]) -> Handler:
        if not callable(function):
            problem = "a handler is a function of the state"
            raise OptionError(problem, got=brief(function))
        return Handler(names, function, chosen)

    return make


def as_callback(value: Any) -> Callback:
    """Return a callback; a plain function becomes one that is called at the end of each epoch.

    Raises:
        OptionError: it is neither.

    Example:
        >>> as_callback(lambda state: None).handlers()[0][0]
        'epoch_completed'
    """
    if isinstance(value, Callback):
        return value
    if isinstance(value, type) and issubclass(value, Callback):
        problem = f"this is the class {value.__name__}, not a callback"
        raise OptionError(problem, fix=f"callbacks=[{value.__name__}(...)]")
    if callable(value):
        return Handler(("epoch_completed",), value)
    problem = "a callback is an object of axon_nb.callbacks, or a function of the state"
    raise OptionError(problem, got=brief(value), fix='@callbacks.on("epoch_completed") before the function')
