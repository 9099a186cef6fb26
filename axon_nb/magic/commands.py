"""Owns the commands of ``%axon``: adding one is one decorated function.

Knows nothing about IPython: a command returns text to print, or an object to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from axon_nb.errors import AxonError, CellError, unknown
from axon_nb.magic.scan import words
from axon_nb.magic.show import Library, family, summary
from axon_nb.rows import Report


@dataclass(frozen=True)
class Version:
    """A model that a cell made, and the cell's text."""

    model: Any
    text: str
    report: Report


@dataclass
class Session:
    """What the magics remember between cells, and what they may do to the notebook."""

    library: Library
    versions: dict[str, list[Version]] = field(default_factory=dict)
    """The models of each name, the last one last."""
    variables: Mapping[str, object] = field(default_factory=dict)
    """The user's variables."""
    bind: Callable[[dict[str, object]], None] = lambda values: None
    """Puts values among the user's variables."""
    next_cell: Callable[[str], None] = lambda text: None
    """Puts a text into the next cell."""

    def remember(self, name: str, model: object, text: str, report: Report) -> Any:
        """Keep a version, and return what changed since the one before it, if there is one and anything did.

        A cell that is run again as it was makes no new version.
        """
        earlier = self.versions.setdefault(name, [])
        made = Version(model, text, report)
        changed = self.changes(earlier[-1], made) if earlier else None
        if earlier and earlier[-1].text == text and not changed:
            earlier.pop()
        earlier.append(made)
        del earlier[:-_MOST_VERSIONS]
        return changed or None

    def changes(self, old: Version, new: Version) -> Any:
        """Say what changed between two versions."""
        return self.library.compare(old.model, new.model, (old.report, new.report))


_MOST_VERSIONS = 20


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


@command("device [NAME]")
def choose_device(session: Session, arguments: list[str]) -> str:
    """Say where models run that name no device; with a name, run them there from now on."""
    if not arguments:
        return f"the default device is {session.library.default_device()}"
    if len(arguments) > 1:
        problem = f"a device is one name, not {' '.join(arguments)!r}"
        raise CellError(problem, fix="write %axon device CUDA; %axon devices shows which work here")
    return f"models that name no device run on {session.library.choose_device(arguments[0])} from now on"


@command("verbose [on|off]")
def set_verbose(session: Session, arguments: list[str]) -> str:
    """Show errors with the full traceback, or without it again."""
    words = {(): not AxonError.verbose, ("on",): True, ("off",): False}
    if tuple(arguments) not in words:
        problem = f"verbose is on or off, not {' '.join(arguments)!r}"
        raise CellError(problem, fix="write %axon verbose on, or %axon verbose off")
    AxonError.verbose = words[tuple(arguments)]
    return f"errors {'show the full traceback' if AxonError.verbose else 'show no traceback'}"


@command("code NAME")
def put_code(session: Session, arguments: list[str]) -> str:
    """Put the %%axon text of a model into the next cell."""
    name = _one_name(arguments, "code")
    model = _model(session, name)
    text = next((one.text for one in session.versions.get(name, []) if one.model is model), None)
    session.next_cell(text if text is not None else session.library.code(model, name))
    return f"the next cell makes {name}"


@command("diff [A [B]]")
def show_diff(session: Session, arguments: list[str]) -> object:
    """Say what changed between two models, or since a model's last version."""
    if len(arguments) > 2:
        problem = "diff takes two models at most"
        raise CellError(problem, fix="write %axon diff A B")
    if len(arguments) == 2:
        old, new = (_model(session, name) for name in arguments)
        return session.library.compare(old, new, (session.library.report(old), session.library.report(new)))
    name = arguments[0] if arguments else next(reversed(session.versions), None)
    if name is None:
        problem = "no cell has made a model yet"
        raise CellError(problem, fix="write %axon diff A B to compare two models")
    made = session.versions.get(name, [])
    if not made:
        _model(session, name)
    if len(made) < 2:
        return f"{name} has one version only"
    return session.changes(made[-2], made[-1])


@command("undo NAME")
def undo(session: Session, arguments: list[str]) -> object:
    """Go back to the version of a model before this one, and show it."""
    name = _one_name(arguments, "undo")
    made = session.versions.get(name, [])
    if not made:
        _model(session, name)
    if len(made) < 2:
        problem = f"there is no earlier version of {name}"
        raise CellError(problem)
    made.pop()
    session.bind({name: made[-1].model})
    return made[-1].model


@command("save NAME FILE")
def save_file(session: Session, arguments: list[str]) -> str:
    """Write what fit returned to a file: model, weights, history."""
    if len(arguments) != 2:
        problem = "save takes a name and a file"
        raise CellError(problem, fix="write %axon save trained digits.safetensors")
    value = session.variables.get(arguments[0])
    if value is None:
        raise unknown("variable", arguments[0], _visible(session), error=CellError)  # noqa: EM101
    if session.library.is_model(value):
        name, file = arguments
        problem = f"{name} is a model, which holds no weights"
        fix = (
            f"trained = {name}.fit(...), then %axon save trained {file}",
            f"ax.save({_unquoted(file)!r}, {name}, params), with params = {name}.init() or those that you have",
            f"%axon code {name} writes the layers alone, as text",
        )
        raise CellError(problem, fix=fix)
    return f"saved {session.library.save(_unquoted(arguments[1]), value)}"


@command("load FILE NAME")
def load_file(session: Session, arguments: list[str]) -> object:
    """Read such a file, and bind what it holds to a name."""
    if len(arguments) != 2 or not arguments[1].isidentifier():
        problem = "load takes a file and a name"
        raise CellError(problem, fix="write %axon load digits.safetensors trained")
    value = session.library.load(_unquoted(arguments[0]))
    session.bind({arguments[1]: value})
    return value


def _one_name(arguments: list[str], command: str) -> str:
    if len(arguments) != 1:
        problem = f"{command} takes the name of one model"
        raise CellError(problem, fix=f"write %axon {command} NAME")
    return arguments[0]


def _model(session: Session, name: str) -> Any:
    value = session.variables.get(name)
    value = getattr(value, "model", value)  # what fit returned has one
    if session.library.is_model(value):
        return value
    models = [known for known, one in session.variables.items() if session.library.is_model(one)]
    raise unknown("model", name, [one for one in models if not one.startswith("_")], error=CellError)  # noqa: EM101


def _visible(session: Session) -> list[str]:
    return [name for name in session.variables if not name.startswith("_")]


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
