"""Owns the notebook's side of axon_nb: ``%load_ext axon_nb``, ``%%axon`` and ``%axon``.

Loads IPython only when the extension is loaded.
"""

from __future__ import annotations

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Give a shell ``%%axon`` and ``%axon``: what ``%load_ext axon_nb`` calls."""
    from axon_nb.magic import extension

    extension.load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take them away again: what ``%unload_ext axon_nb`` calls."""
    from axon_nb.magic import extension

    extension.unload(shell)
