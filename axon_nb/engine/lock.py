"""Owns the one lock around tinygrad's runtime, and its cache connection that any thread may use.

Knows nothing about models, devices or what is run under the lock.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from tinygrad import helpers

P = ParamSpec("P")
R = TypeVar("R")

RUNTIME = threading.RLock()
"""Held around everything that schedules, compiles, runs or reads a tensor.

tinygrad keeps its settings (`Context`), its capture list and its caches in globals: of two threads without a lock one
records what the other runs, and TRAINING stays on for ever. Building on lazy tensors alone needs the lock as well.
"""


def exclusive(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function hold `RUNTIME` while it runs. In the middle of a function write ``with RUNTIME:``.

    Example:
        >>> @exclusive
        ... def double(number):
        ...     return 2 * number
        >>> double(4)
        8
    """

    @functools.wraps(function)
    def locked(*args: P.args, **kwargs: P.kwargs) -> R:
        with RUNTIME:
            return function(*args, **kwargs)

    return locked


def share_cache() -> None:
    """Let every thread use tinygrad's compile cache, whichever thread opened it."""
    with RUNTIME:
        if helpers.db_connection is _connection:
            return
        if helpers._db_connection is not None:
            # A connection of another thread refuses to be closed from here; it then goes with its last reference.
            with contextlib.suppress(sqlite3.ProgrammingError):
                helpers._db_connection.close()
            helpers._db_connection = None
        helpers.db_connection = _connection


def settle_cache() -> None:
    """End the transaction that an interrupt may have left open: it would lock other processes out of the cache."""
    if helpers._db_connection is not None:
        helpers._db_connection.commit()


def _connection() -> sqlite3.Connection:
    """Stand in for `tinygrad.helpers.db_connection`, which opens a connection for the calling thread alone."""
    if helpers._db_connection is None:
        helpers._db_connection = _open(helpers.CACHEDB)
    return helpers._db_connection


def _open(path: str) -> sqlite3.Connection:
    # The same settings as tinygrad's own, but for check_same_thread: RUNTIME sees to one thread at a time.
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=60, isolation_level="IMMEDIATE", check_same_thread=False)
    except (OSError, sqlite3.OperationalError):
        # A read-only or missing home (containers, class-room servers) must not stop anybody from training.
        return sqlite3.connect(":memory:", isolation_level="IMMEDIATE", check_same_thread=False)
    with contextlib.suppress(sqlite3.OperationalError):  # another process is just setting it
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection
