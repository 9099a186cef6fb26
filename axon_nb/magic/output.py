"""Owns sending output to the notebook that a cell runs in.

Knows nothing about what is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython


def publish(data: dict[str, Any], display_id: str, *, update: bool = False) -> None:
    """Send output by MIME type; with ``update``, in place of what was sent under the same id."""
    shell = get_ipython()
    if shell is not None:
        shell.display_pub.publish(data, transient={"display_id": display_id}, update=update)


def variables() -> dict[str, Any]:
    """Return the variables of the notebook; none outside of one."""
    shell = get_ipython()
    return {} if shell is None else shell.user_ns


def after_each_cell(function: Callable[[], None]) -> None:
    """Call a function whenever a cell has been run."""
    shell = get_ipython()
    if shell is not None:
        shell.events.register("post_run_cell", lambda result: function())
