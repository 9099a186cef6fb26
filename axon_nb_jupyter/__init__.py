"""Owns one thing in the Jupyter server: that what a kernel answers is sent to the page at once.

Knows nothing about axon_nb, so that the server need not import it.

A kernel answers with several small messages: busy, the answer, idle. The server's sockets hold the second back until
the page has acknowledged the first (Nagle's algorithm), which it does 40 ms later or with what it sends by then.
Without that a click in a widget is redrawn 40 ms sooner. ``jupyter server extension disable axon_nb_jupyter`` turns it
off.
"""

from __future__ import annotations

from typing import Any

_SETTING = "kernel_websocket_connection_class"


def prompt(connection: type[Any]) -> type[Any]:
    """Return a class of connections from a page to a kernel that wait with nothing, and are like another one else."""

    def connect(self: Any) -> Any:
        self.websocket_handler.set_nodelay(True)
        return connection.connect(self)

    return type(f"Prompt{connection.__name__}", (connection,), {"connect": connect, "__doc__": connection.__doc__})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "axon_nb_jupyter"}]


def _load_jupyter_server_extension(app: Any) -> None:
    known = app.web_app.settings.get(_SETTING)
    if known is not None:
        app.web_app.settings[_SETTING] = prompt(known)


__all__ = ["prompt"]
