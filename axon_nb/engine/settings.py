"""Owns the engine's switches: the fast step on the CPU, the cache of programs on disk, compiling ahead.

Knows nothing about what they switch.

``AXON_NB_FAST=0``, ``AXON_NB_CACHE=0`` and ``AXON_NB_AHEAD=0`` turn them off for a process; setting an attribute of
`SETTINGS` does so for what is recorded from then on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def _on(name: str) -> bool:
    return os.environ.get(name, "1").strip().lower() not in ("0", "false", "no", "off")


@dataclass
class Settings:
    """What the engine may do beyond tinygrad's own way.

    Example:
        >>> Settings(fast=False).fast
        False
    """

    fast: bool = field(default_factory=lambda: _on("AXON_NB_FAST"))
    """Whether a step on the CPU is one native call on all cores, with kernels of our own for products of matrices."""
    cache: bool = field(default_factory=lambda: _on("AXON_NB_CACHE"))
    """Whether compiled programs are kept on disk for the next process."""
    ahead: bool = field(default_factory=lambda: _on("AXON_NB_AHEAD"))
    """Whether a notebook compiles what is likely to come next while it waits for its user."""


SETTINGS = Settings()
"""The settings of this process."""
