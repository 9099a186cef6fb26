"""A small stand-in for models, so that these tests say what the magic does and nothing else, and a shell to run it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from axon_nb.display.card import Look
from axon_nb.errors import AxonError, OptionError, ShapeError
from axon_nb.magic import extension, load_ipython_extension, unload_ipython_extension
from axon_nb.magic.show import Library
from axon_nb.rows import Report, Row
from axon_nb.source import Source


@dataclass(frozen=True)
class Layer:
    name: str
    options: tuple = ()
    source: Source | None = None

    def __or__(self, other):
        return Block((self, other))


@dataclass(frozen=True)
class Block:
    layers: tuple

    def __or__(self, other):
        return Block((*self.layers, other))


@dataclass(frozen=True)
class Model:
    layers: tuple
    name: str | None = None

    def __or__(self, other):
        if not isinstance(other, Layer | Block | Model):
            raise OptionError(f"{other!r} is not a layer", fix="pipe into a layer")
        return replace(self, layers=(*self.layers, *getattr(other, "layers", (other,))))


def _here():
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return Source(frame.f_code, frame.f_lasti)


def _layer(name):
    def make(*args, **options):
        if "rate" in options and not 0 <= options["rate"] < 1:
            raise OptionError(f"rate is from 0 to 1, got {options['rate']}", where=name)
        return Layer(name, (*args, *options.items()), _here())

    make.__name__ = name
    make.__doc__ = f"Do what {name} does.\n\nAnd more."
    make.declaration = SimpleNamespace(family="shape" if name == "reshape" else "linear")
    return make


def make_input(shape=None, *, name="input_0"):
    if isinstance(shape, tuple) and 0 in shape:
        raise ShapeError("a size is at least 1", got=repr(shape))
    return Model((Layer("input", (name, shape), _here()),))


def _report(model):
    """A layer called misfit does not fit, what stands behind it is not tried."""
    names = [layer.name for layer in model.layers]
    bad = names.index("misfit") if "misfit" in names else len(names)
    rows = tuple(
        Row(
            k,
            f"{n}_{k}",
            n,
            "linear",
            (),
            (),
            None,
            None,
            status="ok" if k < bad else "failed" if k == bad else "pending",
        )
        for k, n in enumerate(names)
    )
    error = ShapeError("does not fit", where=f"misfit 'misfit_{bad}'", fix="leave it out") if bad < len(names) else None
    return Report(model.name, rows, error)


def _unusual(look):
    usual = Look()
    return {name: value for name, value in vars(look).items() if value != getattr(usual, name)}


def _card(report, look):
    if report.rows[-1].name.startswith("broken"):
        raise RuntimeError("no picture")
    text = f"{report.name}: {' -> '.join(row.name for row in report.rows)} {_unusual(look) or ''}".strip()
    return {"text/html": f"<b>{text}</b>", "text/plain": text}


LAYERS = {name: _layer(name) for name in ("dense", "flatten", "misfit", "broken", "reshape")}


@pytest.fixture(scope="session")
def library():
    return Library(
        layers={"input": make_input, **LAYERS},
        make_input=lambda name, shape: make_input(shape, name=name),
        is_model=lambda value: isinstance(value, Model),
        unapplied=lambda value: type(value).__name__ if isinstance(value, Layer | Block) else None,
        named=lambda model, name: replace(model, name=name),
        report=_report,
        failed_at=lambda model, report: next(layer.source for layer in model.layers if layer.name == "misfit"),
        card=_card,
        devices=lambda: "CPU works",
        compare=lambda old, new, reports: None,
    )


class Notebook:
    """A real IPython shell, and what it shows."""

    def __init__(self, shell, capsys):
        self.shell = shell
        self.capsys = capsys
        shell.display_pub = CapturingDisplayPublisher()

    @property
    def variables(self):
        return self.shell.user_ns

    def run(self, text):
        """Run a cell; return whether it succeeded, what it printed and what it displayed."""
        self.capsys.readouterr()
        self.shell.display_pub.outputs.clear()
        self.result = self.shell.run_cell(text)
        printed = self.capsys.readouterr()
        return (
            self.result.success,
            printed.out + printed.err,
            [shown["data"] for shown in self.shell.display_pub.outputs],
        )

    def fails(self, text):
        """Run a cell that fails; return what it printed."""
        success, printed, _ = self.run(text)
        assert not success
        return printed.rstrip("\n")


@pytest.fixture
def plain_shell(tmp_path, monkeypatch):
    """A shell without our magics, that leaves this process as it was."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    return InteractiveShell(config=config)


@pytest.fixture
def notebook_with(plain_shell, capsys):
    """Makes a notebook whose magics use what they are given."""

    def make(library):
        extension.load(plain_shell, library)
        return Notebook(plain_shell, capsys)

    yield make
    extension.unload(plain_shell)


@pytest.fixture
def notebook(notebook_with, library):
    return notebook_with(library)


@pytest.fixture
def real(plain_shell, capsys):
    """A shell with axon_nb itself."""
    load_ipython_extension(plain_shell)
    yield Notebook(plain_shell, capsys)
    unload_ipython_extension(plain_shell)


@pytest.fixture(autouse=True)
def _no_tracebacks(monkeypatch):
    """Leave ``%axon verbose`` as it was."""
    monkeypatch.setattr(AxonError, "verbose", False)
