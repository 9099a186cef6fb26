"""Owns help while a cell is written: completion, and what ``?`` and Shift-Tab say of a layer, before any import.

Knows IPython, and what can be written only through ``complete``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.oinspect import OInfo

from axon_nb.magic.complete import MAGIC, Offer, offer_in_cell, offer_on_line

_NOTHING = SimpleMatcherResult(completions=[])


class Help:
    """What a shell is given, and is taken from it again."""

    def __init__(
        self, shell: Any, layers: Mapping[str, Any], flags: Mapping[str, Any], words: Callable[[], Any]
    ) -> None:
        """Make the help of one shell.

        Args:
            shell: IPython's.
            layers: layers and combinators by name.
            flags: flags of the first line of a cell.
            words: gives for each command of ``%axon`` the words that may follow it.
        """
        self.shell, self.layers = shell, layers
        self._find = shell._ofind

        @context_matcher()
        def axon_matcher(context: CompletionContext) -> SimpleMatcherResult:
            lines = context.full_text.split("\n")
            line = lines[context.cursor_line][: context.cursor_position]
            before = "\n".join([*lines[: context.cursor_line], line])
            offer = offer_in_cell(before, layers, flags) or offer_on_line(line, words())
            return _NOTHING if offer is None else _result(offer.fitting())

        self.matcher = axon_matcher

    def load(self) -> None:
        """Let the shell complete and explain layers."""
        self.shell.Completer.custom_matchers.append(self.matcher)
        self.shell._ofind = self._explain

    def unload(self) -> None:
        """Take it away again."""
        if self.matcher in self.shell.Completer.custom_matchers:
            self.shell.Completer.custom_matchers.remove(self.matcher)
        if vars(self.shell).get("_ofind") == self._explain:
            del self.shell._ofind

    def _explain(self, name: str, namespaces: Any = None) -> Any:
        """Find a layer by its name: first in a ``%%axon`` cell, where a user's own variables win; else last."""
        asked = name.strip()
        known = self.layers.get(asked)
        if known is not None and asked not in self.shell.user_ns and self._is_axon_cell():
            return _info(known)
        found = self._find(name, namespaces)
        return _info(known) if known is not None and not found.found else found

    def _is_axon_cell(self) -> bool:
        """Whether what is asked about stands in a ``%%axon`` cell: a kernel is told the text of the cell."""
        kernel = getattr(self.shell, "kernel", None)
        try:
            asked = kernel.get_parent("shell") if kernel is not None else {}
        except (AttributeError, TypeError, LookupError):
            return False
        return str((asked or {}).get("content", {}).get("code", "")).lstrip().startswith(MAGIC)


def _info(known: Any) -> OInfo:
    return OInfo(ismagic=False, isalias=False, found=True, obj=_as_function(known), namespace="axon_nb", parent=None)


def _as_function(known: Any) -> Any:
    """Show a layer as the function that it reads like: IPython says less beside the docs of a function."""
    if not hasattr(known, "getdoc"):
        return known

    @functools.wraps(known.function)
    def shown() -> None:
        """Stand for the layer."""

    shown.__doc__ = known.getdoc()
    shown.__signature__ = inspect.signature(known)  # type: ignore[attr-defined]
    return shown


def _result(offer: Offer) -> SimpleMatcherResult:
    made = [SimpleCompletion(text=word, type=kind) for word, kind in offer.words]
    return SimpleMatcherResult(
        completions=made, matched_fragment=offer.fragment, ordered=True, suppress=offer.alone and bool(made)
    )
