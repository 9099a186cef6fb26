"""Owns the commands of ``%axon``: adding one is one decorated function.

Knows nothing about IPython: a command returns text to print, or an object to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from axon_nb.errors import CellError, unknown
from axon_nb.magic.scan import words
from axon_nb.magic.show import Library, family, summary


@dataclass
class Session:
    """What the magics remember between cells."""

    library: Library
    verbose: bool = False
    """Whether errors show the full traceback."""


Run = Callable[[Session, list[str]], object]


@dataclass(frozen=True)
class Command:
    """One command: what follows ``%axon`` to call it, what it does, in a line, and the function."""

    usage: str
    run: Run

    @property
    def summary(self) -> str:
        """The first line of the function's docs."""
        return (self.run.__doc__ or "").partition("\n")[0]


COMMANDS: dict[str, Command] = {}


def command(usage: str) -> Callable[[Run], Run]:
    """Make a function of the session and the words after its name a command of ``%axon``."""

    def add(function: Run) -> Run:
        COMMANDS[usage.split()[0]] = Command(usage, function)
        return function

    return add


def run_command(session: Session, line: str) -> object:
    """Run the command in the line behind ``%axon``; nothing there is ``help``.

    Raises:
        CellError: there is no such command, or it does not take these words.
    """
    name, *rest = [word.text for word in words(line)] or ["help"]
    if name not in COMMANDS:
        error = unknown("%axon command", name, COMMANDS, error=CellError)
        error.fixes += ("a cell that makes a model begins with two: %%axon NAME",)
        raise error
    return COMMANDS[name].run(session, rest)


def words_after(session: Session, variables: Mapping[str, object]) -> dict[str, list[str]]:
    """List for each command the words that may follow it, for completion."""
    models = [name for name, value in variables.items() if session.library.is_model(value) and not name.startswith("_")]
    families = dict.fromkeys(family(layer) for layer in session.library.layers.values())
    after = {"NAME": models, "A": models, "FAMILY": list(families), "on": ["on", "off"]}
    return {name: after.get(_first_word(entry.usage), []) for name, entry in COMMANDS.items()}


def _first_word(usage: str) -> str:
    return re.sub(r"\W", " ", usage.partition(" ")[2]).strip().partition(" ")[0]


@command("help")
def show_help(session: Session, arguments: list[str]) -> str:
    """List these commands."""
    width = max(len(entry.usage) for entry in COMMANDS.values())
    lines = [f"  %axon {entry.usage:{width}}  {entry.summary}" for entry in COMMANDS.values()]
    return "\n".join(["Commands:", *lines, "", "%%axon? explains the cells that make models."])


@command("layers [FAMILY]")
def show_layers(session: Session, arguments: list[str]) -> str:
    """List all layers, or those of one family."""
    families: dict[str, list[str]] = {}
    width = max(map(len, session.library.layers), default=0)
    for name, layer in session.library.layers.items():
        families.setdefault(family(layer), []).append(f"  {name:{width}}  {summary(layer)}".rstrip())
    for wanted in arguments:
        if wanted not in families:
            raise unknown("family", wanted, families, error=CellError)  # noqa: EM101
    shown = arguments or list(families)
    return "\n\n".join("\n".join([name, *families[name]]) for name in shown)


@command("devices")
def show_devices(session: Session, arguments: list[str]) -> object:
    """Try every device, and say what works here and why the rest does not."""
    return session.library.devices()


@command("verbose [on|off]")
def set_verbose(session: Session, arguments: list[str]) -> str:
    """Show errors with the full traceback, or without it again."""
    words = {(): not session.verbose, ("on",): True, ("off",): False}
    if tuple(arguments) not in words:
        problem = f"verbose is on or off, not {' '.join(arguments)!r}"
        raise CellError(problem, fix="write %axon verbose on, or %axon verbose off")
    session.verbose = words[tuple(arguments)]
    return f"errors {'show the full traceback' if session.verbose else 'show no traceback'}"
