"""Owns which of a layer's parameters are frozen: globs of their names, of which the last that fits holds.

Knows nothing about models or training.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TypeAlias

GLOB = frozenset("*?[")

Rules: TypeAlias = tuple[tuple[str, bool], ...]
"""Globs of a layer's parameters, and whether these are frozen: ``(("*", True), ("bias", False))``."""


def is_frozen(rules: Rules, name: str) -> bool:
    """Tell whether a layer's rules freeze its parameter of that name: the last rule that fits holds.

    Example:
        >>> rules = (("*", True), ("bias", False))
        >>> is_frozen(rules, "kernel"), is_frozen(rules, "bias")
        (True, False)
    """
    return next((value for glob, value in reversed(rules) if fits(glob, name)), False)


def fits(glob: str, name: str) -> bool:
    """Tell whether a parameter is meant, also one of a layer inside the layer: by its own name, its layer's, or both.

    Example:
        >>> [fits(glob, "forward.kernel") for glob in ("kernel", "forward", "forward.kernel", "backward")]
        [True, True, True, False]
    """
    inner = name.rpartition(".")[2]
    return fnmatchcase(name, glob) or fnmatchcase(name, f"{glob}.*") or ("." not in glob and fnmatchcase(inner, glob))


def with_rule(rules: Rules, glob: str, value: bool) -> Rules:
    """Add a rule; leave out those that it makes void.

    Example:
        >>> with_rule((("bias", True),), "*", True), with_rule((("bias", True),), "bias", False)
        ((('*', True),), ())
    """
    return _settled([*rules, (glob, value)])


def _settled(rules: Iterable[tuple[str, bool]]) -> Rules:
    """Leave out rules that change nothing, so that the rest, added one by one, make the same list again."""
    last: dict[str, bool] = {}
    for glob, value in rules:
        last.pop(glob, None)
        last[glob] = value
    made: Rules = ()
    for glob, value in last.items():
        if glob == "*":
            made = (("*", True),) if value else ()
        elif not _is_void(made, glob, value):
            made = (*made, (glob, value))
    return made


def _is_void(rules: Rules, glob: str, value: bool) -> bool:
    """Whether all parameters that a glob means are frozen, or not, already."""
    is_known = all(before == "*" for before, _ in rules) or ("." in glob and not GLOB & set(glob))
    return is_known and is_frozen(rules, glob) is value


def merged(several: Iterable[Rules]) -> Rules:
    """Make one list of rules of those of a layer's uses: what one of them freezes is frozen.

    Example:
        >>> merged([(), (("kernel", True),), (("bias", True),)])
        (('kernel', True), ('bias', True))
    """
    kinds = dict.fromkeys(rules for rules in several if rules)
    if len(kinds) < 2:
        return next(iter(kinds), ())
    with_exceptions = [rules for rules in kinds if any(not value for _, value in rules)]
    if len(with_exceptions) > 1:
        kept = set(with_exceptions[0]).intersection(*with_exceptions[1:])
        first = tuple(rule for rules in with_exceptions for rule in rules if rule[1])
        with_exceptions = [(*first, *(rule for rule in with_exceptions[0] if not rule[1] and rule in kept))]
    others = [rules for rules in kinds if all(value for _, value in rules)]
    return _settled(rule for rules in [*with_exceptions, *others] for rule in rules)
