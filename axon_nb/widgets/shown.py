"""Owns what all widgets have in common: a page, a static card beside it, and a limit on how often they are told.

Knows nothing about what is shown, and loads nothing of the page until it is displayed.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from axon_nb.errors import AxonError

VIEW = "application/vnd.jupyter.widget-view+json"

_numbers = itertools.count()
followers: weakref.WeakSet[Any] = weakref.WeakSet()
"""What follows a variable: told to ``look()`` again when a model was changed by hand, which runs no cell."""


def look_again() -> None:
    """Let all that follow variables look at them again."""
    for one in list(followers):
        one.look()


_IDLE_S = 1.0


class Throttle:
    """Lets something happen at most so many times a second, the last time included if ``flush`` is called.

    Example:
        >>> seen = []
        >>> throttle = Throttle(lambda: seen.append(1), per_second=0.001)
        >>> throttle(), throttle(), len(seen)
        (None, None, 1)
    """

    def __init__(self, function: Callable[[], None], per_second: float = 10.0) -> None:
        self.function, self.gap = function, 1 / per_second
        self._last = float("-inf")

    def __call__(self) -> None:  # noqa: D102
        if time.monotonic() - self._last >= self.gap:
            self.flush()

    def flush(self) -> None:
        """Let it happen now."""
        self._last = time.monotonic()
        self.function()


class Shown:
    """What is displayed as a page and, for readers without a kernel, as a static card."""

    _skin: Any = None
    _card_id: str | None = None
    _waiting: asyncio.TimerHandle | None = None

    @property
    def skin(self) -> Any:
        """The page, made when it is first needed."""
        if self._skin is None:
            self._skin = self._make_skin()
        return self._skin

    def _make_skin(self) -> Any:
        raise NotImplementedError

    def _static(self) -> dict[str, str]:
        raise NotImplementedError

    def _ipython_display_(self) -> None:
        from axon_nb.magic.output import publish  # IPython is there when something is displayed

        self._card_id = f"axon-{id(self):x}-{next(_numbers)}"
        publish(self._marked(), self._card_id)
        publish(self._view(), f"{self._card_id}-page")

    def _view(self) -> dict[str, Any]:
        # As a widget and nothing else: the card beside it is what there is to read where no widget is shown, and a
        # text with an address in it would be another one in every run.
        made = self.skin.page._repr_mimebundle_()
        return {VIEW: dict(made[0] if isinstance(made, tuple) else made)[VIEW]}

    def _marked(self) -> dict[str, str]:
        card = self._static()
        return {**card, "text/html": f'<div class="axon-static">{card["text/html"]}</div>'}

    def _update_card(self) -> None:
        """Put the card as it is now in place of the one that was displayed, for when the notebook is saved.

        It takes longer to draw than a page: it waits until nothing has changed for a moment.
        """
        if self._card_id is None:
            return
        if self._waiting is not None:
            self._waiting.cancel()
        try:
            self._waiting = asyncio.get_running_loop().call_later(_IDLE_S, self._replace_card)
        except RuntimeError:  # no loop runs here: a script, or another thread
            self._replace_card()

    def _replace_card(self) -> None:
        from axon_nb.magic.output import publish  # IPython is there when something is displayed

        self._waiting = None
        publish(self._marked(), self._card_id or "", update=True)


def text_of(message: Mapping[str, Any], name: str, *, optional: bool = False) -> Any:
    """Take a piece of text out of a message.

    Raises:
        AxonError: it is not there, or is no text.

    Example:
        >>> text_of({"layer": "dense_0"}, "layer")
        'dense_0'
    """
    value = message.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, str):
        problem = f"the message has no {name}"
        raise AxonError(problem)
    return value
