"""Owns when handlers are called: the events of a loop, filters over their counts, what a handler may answer.

Knows nothing about what is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from axon_nb.errors import OptionError, brief, unknown
from axon_nb.shapes import whole

EVENTS = (
    "started", "epoch_started", "iteration_started", "iteration_completed", "epoch_completed", "epoch_halted", "halted",
    "completed",
)  # fmt: skip
"""Events of a run, in the order in which they come."""

CONTINUE, HALT_EPOCH, HALT_LOOP = "continue", "halt_epoch", "halt_loop"
ANSWERS = (CONTINUE, HALT_EPOCH, HALT_LOOP)
"""What a handler may return; ``None`` is ``"continue"``."""


@dataclass(frozen=True)
class Filter:
    """Which of an event's occurrences, counted from 1, a handler is called for. All that is given must hold.

    Args:
        every: the first, and each so many after it: 1, n + 1, 2 n + 1 ... (as in Axon).
        first: the first only.
        before: those with a smaller number.
        after: those with a larger number.
        once: the one with this number.
        when: a function of the state that says whether.
        per: count within the ``"epoch"`` or over the whole (``"total"``) run.

    Example:
        >>> odd = Filter(every=2, after=10, before=40)
        >>> [n for n in range(1, 51) if odd.passes(n, n, None)][:3]
        [11, 13, 15]
    """

    every: int | None = None
    first: bool = False
    before: int | None = None
    after: int | None = None
    once: int | None = None
    when: Callable[[Any], Any] | None = None
    per: str = "total"

    def __post_init__(self) -> None:
        for name in ("every", "before", "after", "once"):
            value = getattr(self, name)
            if value is not None and (whole(value) is None or value < (0 if name == "after" else 1)):
                problem = f"{name} counts an event: a whole number of at least {int(name != 'after')}"
                raise OptionError(problem, got=brief(value))
        if self.when is not None and not callable(self.when):
            problem = "when is a function of the state"
            raise OptionError(problem, got=brief(self.when))
        if self.per not in ("total", "epoch"):
            problem = 'per is "total" or "epoch"'
            raise OptionError(problem, got=brief(self.per))

    def passes(self, total: int, in_epoch: int, state: Any) -> bool:
        """Tell whether a handler is called for this occurrence."""
        count = total if self.per == "total" else in_epoch
        return (
            (self.every is None or (count - 1) % self.every == 0)
            and (not self.first or count == 1)
            and (self.before is None or count < self.before)
            and (self.after is None or count > self.after)
            and (self.once is None or count == self.once)
            and (self.when is None or bool(self.when(state)))
        )


ALWAYS = Filter()


def check_events(events: Any) -> tuple[str, ...]:
    """Return names of events: of one, of several, or of all for ``"all"``.

    Raises:
        OptionError: there is no such event.

    Example:
        >>> check_events("started"), len(check_events("all"))
        (('started',), 8)
    """
    if events == "all":
        return EVENTS
    names = (events,) if isinstance(events, str) else tuple(events)
    for name in names:
        if name not in EVENTS:
            kind = "event"
            raise unknown(kind, name, EVENTS, error=OptionError)
    return names


def check_answer(answer: Any, who: str) -> str:
    """Return what a handler answered.

    Raises:
        OptionError: it is none of the answers.

    Example:
        >>> check_answer(None, "a handler")
        'continue'
    """
    if answer is None:
        return CONTINUE
    if isinstance(answer, str) and answer in ANSWERS:
        return answer
    problem = f"{who} returned what is no answer"
    raise OptionError(problem, got=brief(answer), fix=f"return None, {', '.join(map(repr, ANSWERS))}")
