"""Owns sending output to the notebook that a cell runs in.

Knows nothing about what is sent.
"""

from __future__ import annotations

from typing import Any

from IPython.core.getipython import get_ipython


def publish(data: dict[str, Any], display_id: str, *, update: bool = False) -> None:
    """Send output by MIME type; with ``update``, in place of what was sent under the same id."""
    shell = get_ipython()
    if shell is not None:
        shell.display_pub.publish(data, transient={"display_id": display_id}, update=update)
