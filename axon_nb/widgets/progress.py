"""Owns the progress bar in a notebook.

Knows nothing about training: it is told how far it is and what to say.
"""

from __future__ import annotations

import html
import uuid

from ipywidgets import HTML

from axon_nb.magic.output import publish
from axon_nb.widgets.shown import VIEW


class NotebookBar:
    """A bar that leaves nothing behind when it is closed.

    It is sent as a widget and nothing else: a saved notebook has no stale bar, and nbval, which skips widgets, compares
    the same outputs however long a training took.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._html = HTML()
        self._id = uuid.uuid4().hex
        model = self._html.model_id
        publish({VIEW: {"version_major": 2, "version_minor": 0, "model_id": model}}, self._id)

    def show(self, done: int, text: str) -> None:
        """Say how many steps are done, and more."""
        share = f' value="{done / self._total:.4f}"' if self._total else ""
        words = html.escape(text)
        self._html.value = (
            f'<progress{share} style="width:240px;vertical-align:middle"></progress>'
            f'<span style="margin-left:12px;font-variant-numeric:tabular-nums">{words}</span>'
        )

    def close(self) -> None:
        """Take it away."""
        publish({"text/plain": ""}, self._id, update=True)
        self._html.close()
