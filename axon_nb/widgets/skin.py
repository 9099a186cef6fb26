"""Owns the page behind all widgets: one ES module, what it is told (only what changed) and what it sends.

Knows nothing about what is shown. Closing a page stops nothing; a page that opens is told everything.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from axon_nb.errors import AxonError
from axon_nb.widgets.deltas import changes

_STATIC = Path(__file__).parent / "static"
_MODULE = (
    "dom", "told", "diagram", "table", "fields", "plots", "builder", "what_if", "live", "trainer", "explorer", "page",
)  # fmt: skip

Handler = Callable[[dict[str, Any]], None]


class Page(anywidget.AnyWidget):
    """What is displayed: ``kind`` says which of the module's pages it is."""

    _esm = "\n".join((_STATIC / f"{part}.js").read_text(encoding="utf-8") for part in _MODULE)
    _css = _STATIC / "axon.css"
    kind = traitlets.Unicode().tag(sync=True)


class Skin:
    """A page, what it shows, and the calls that its messages stand for.

    Args:
        kind: which page.
        actions: functions of a message by its ``do``.
        state: returns everything that the page shows.
    """

    def __init__(self, kind: str, actions: Mapping[str, Handler], state: Callable[[], dict[str, Any]]) -> None:
        self.actions = {"hello": lambda message: self.tell_all(), **actions}
        self.state = state
        self.page = Page(kind=kind)
        self.page.on_msg(lambda widget, content, buffers: self.take(content))
        self._told: dict[str, Any] = {"notice": ""}
        self._lock = threading.Lock()
        self._tickets = itertools.count()
        self._newest = -1

    def take(self, message: Any) -> None:
        """Do what a message asks for. It may be anything: what cannot be done is told on the page, and does nothing."""
        try:
            action = self.actions.get(str(message.get("do"))) if isinstance(message, dict) else None
            if action is None:
                problem = "this message is none that the page sends"
                raise AxonError(problem)
            self._say("")
            action(message)
        except AxonError as error:
            self._say(str(error))
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # of a message with parts of another kind
            self._say(f"this message cannot be read: {type(error).__name__}: {error}")
        self.tell()

    def _say(self, text: str) -> None:
        with self._lock:
            self._send({"notice": text})

    def tell(self) -> None:
        """Tell the page what has changed."""
        ticket = next(self._tickets)
        state = self.state()  # not under the lock: it may wait for what is running
        with self._lock:
            if ticket > self._newest:  # else another thread has told what was found later
                self._newest = ticket
                self._send(state)

    def tell_all(self) -> None:
        """Tell a page that has just been opened everything."""
        with self._lock:
            self._told = {"notice": ""}
        self.tell()

    def _send(self, state: dict[str, Any]) -> None:
        changed = changes(state, self._told)
        if changed:
            self.page.send(changed)
