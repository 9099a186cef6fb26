"""Owns ``%%axon`` and ``%axon`` in IPython: what is read from the shell, shown in it and bound in it.

Knows models only through ``show``. IPython is imported here and in ``help``.
"""

from __future__ import annotations

import contextlib
import copy
import linecache
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, kwds, magic_arguments

from axon_nb.caret import Span, span_of_bytes
from axon_nb.display.card import Look
from axon_nb.display.html import escape
from axon_nb.display.lines import COLUMNS, DEFAULT, Column
from axon_nb.errors import AxonError, CellError, point, unknown
from axon_nb.magic.blame import span_at
from axon_nb.magic.cell import run
from axon_nb.magic.checks import Check, check, checks_html, checks_text
from axon_nb.magic.commands import Session, run_command, words_after
from axon_nb.magic.help import Help
from axon_nb.magic.idle import Idle
from axon_nb.magic.show import Library, library
from axon_nb.magic.text import Cell, read_cell
from axon_nb.rows import Report
from axon_nb.source import Source

FLAGS: dict[str, dict[str, Any]] = {
    "--quiet": {"action": "store_true", "help": "Make the model and show nothing."},
    "--no-diagram": {"action": "store_true", "help": "Show the table only."},
    "--unfold": {"action": "store_true", "help": "Show every layer of repeated blocks."},
    "--check": {"metavar": "CHECKS", "help": 'Say whether it is as asked: "params < 50_000, output == (None, 10)"'},
    "--columns": {"metavar": "NAMES", "help": "Columns of the table, with commas between: layer,shape,parameters"},
}
VALUED = tuple(flag for flag, settings in FLAGS.items() if "action" not in settings)


def _flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for flag, settings in reversed(FLAGS.items()):
        function = argument(flag, **settings)(function)
    return function


@magics_class
class AxonMagics(Magics):
    """The magics of one shell."""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self.idle = Idle(shell, session.library.ahead)

    @no_var_expand
    @cell_magic("axon")
    @magic_arguments("%axon")
    @kwds(
        usage="%(prog)s [NAME[(INPUT: SHAPE, ...)]] [--quiet] [--no-diagram] [--unfold] [--check CHECKS] "
        "[--columns NAMES]"
    )
    @_flags
    def axon_cell(self, line: str, body: str) -> None:
        """Make a model of the cell, show it, and bind it to a name.

        %%axon mnist
        input((None, 784), name="image")
        | dense(128, activation="relu")
        | dense(10, activation="softmax")

        The body is Python, in which all layers, input and your own variables are known. A line that begins with | goes
        on with the line before (|> does the same). The last expression is the model.

        The inputs may stand in the first line, with the shape of one sample:

        %%axon generator(latent: 128)
        | dense(256, "tanh")
        | dense(784, "tanh")
        | reshape((28, 28))

        %axon lists more commands, and %axon layers all layers.
        """
        with _pointed_already():
            self._make(line, body)

    @no_var_expand
    @line_magic("axon")
    def axon_line(self, line: str) -> object:
        """Run a command: %axon alone lists them.

        %axon layers pooling
        %axon devices
        %axon verbose on

        %%axon, with two %, makes a model of a cell: see %%axon?
        """
        with _pointed_already():
            shown = run_command(self.session, line)
        if not isinstance(shown, str):
            return shown
        _say(shown)
        return None

    def _make(self, line: str, body: str) -> None:
        known = self.session.library
        cell = read_cell(line, body, valued=VALUED, sizes=self.shell.user_ns)
        read, look = self._look(cell)
        made = run(
            cell, self.shell.user_ns, known.layers, known.make_input, is_model=known.is_model, unapplied=known.unapplied
        )
        model = known.named(made.value, cell.name)
        report = known.report(model)
        made_checks = self._checks(read.check, report, cell)
        if report.error:
            self._publish(report, look)
            raise _located(report.error, cell, known.failed_at(model, report)) from report.error
        self.shell.push({**made.assigned, **({cell.name: model} if cell.name else {})})
        changed = self.session.remember(cell.name, model, "\n".join(cell.lines).rstrip(), report) if cell.name else None
        if not read.quiet:
            self._publish(report, look, changed, made_checks)
        elif made_checks:
            _say(checks_text(made_checks))
        self.idle.soon(model)
        if not cell.name:
            _say("this model has no name: write %%axon NAME to keep it")

    def _checks(self, text: str | None, report: Report, cell: Cell) -> tuple[Check, ...]:
        if text is None or report.error:
            return ()
        try:
            return check(report, text, self.session.library.layers)
        except AxonError as error:
            raise _in_header(error, "--check", cell) from None

    def _look(self, cell: Cell) -> tuple[Any, Look]:
        """Read the flags."""
        for flag in cell.flags:
            if flag.startswith("-") and flag.partition("=")[0] not in FLAGS:
                raise _in_header(unknown("option", flag, FLAGS, error=CellError), flag, cell)
        try:
            read = self.axon_cell.parser.parse_args(list(cell.flags))
        except UsageError as error:
            raise _in_header(CellError(str(error), fix="%%axon? shows all options"), cell.flags[-1], cell) from None
        names = tuple(name.strip() for name in (read.columns or "").split(",") if name.strip())
        for name in names:
            if name not in COLUMNS:
                raise _in_header(unknown("column", name, COLUMNS, error=CellError), name, cell)
        columns = cast("tuple[Column, ...]", names) or DEFAULT
        return read, Look(columns, diagram=not read.no_diagram, unfold=read.unfold)

    def _publish(self, report: Report, look: Look, changed: Any = None, checks: tuple[Check, ...] = ()) -> None:
        """Show a card; a model that cannot be drawn is no less a model."""
        try:
            data = self.session.library.card(report, look)
            if checks:
                data = _with(data, checks_html(checks), checks_text(checks))
            if changed:
                data = _with(data, _folded(changed), f"Changed since the last run: {changed!r}")
        except AxonError:
            raise
        except Exception as error:
            data = {"text/plain": f"the card cannot be drawn ({type(error).__name__}: {error}); the model is fine"}
        self.shell.display_pub.publish(data)


@contextlib.contextmanager
def _pointed_already() -> Iterator[None]:
    """Let errors point at nothing but what was found in the cell: its own line reads get_ipython().run_... ."""
    try:
        yield
    except AxonError as error:
        error.source = None
        raise


def _with(data: dict[str, str], html: str, text: str) -> dict[str, str]:
    """Put something under a card."""
    more = {"text/html": html, "text/plain": f"\n{text}"}
    return {kind: f"{known}\n{more[kind]}" if kind in more else known for kind, known in data.items()}


def _folded(changed: Any) -> str:
    """Show what changed as one line that opens."""
    return (
        f'<details style="margin:6px 0;font-size:13px"><summary>Changed since the last run: {escape(changed.headline)}'
        f"</summary>\n{changed._repr_html_()}</details>"
    )


def _located(error: Exception, cell: Cell, source: Source | None) -> AxonError:
    """Point at the layer that does not fit: in this cell, or where else it was written."""
    ours = copy.copy(error) if isinstance(error, AxonError) else CellError(f"{type(error).__name__}: {error}")
    if source is None:
        return ours
    line, end_line, column, end_column = source.position
    if source.filename == cell.filename:
        return point(ours, cell.lines, span_at(cell, (line, end_line, column, end_column)))
    lines = [text.rstrip("\r\n") for text in linecache.getlines(source.filename)]
    place = f"{source} of {source.cell!r}" if source.cell else str(source)
    where = (ours.where or "").replace(str(source), place)
    ours.where = where if place in where else f"{where} ({place})".lstrip()
    if line > len(lines) or column is None or end_column is None:
        return ours
    return point(ours, lines, span_of_bytes(line, column, end_line or line, end_column, lines))


def _in_header(error: AxonError, word: str, cell: Cell) -> AxonError:
    start = cell.lines[0].find(word)
    return point(error, cell.lines, Span(1, start, 1, start + len(word)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def load(shell: Any, known: Library | None = None) -> None:
    """Register the magics in a shell.

    Args:
        shell: IPython's.
        known: what to use in place of axon_nb itself.
    """
    unload(shell)
    session = Session(
        known or library(), variables=shell.user_ns, bind=shell.push,
        next_cell=lambda text: shell.set_next_input(text, replace=False),
    )  # fmt: skip
    made = AxonMagics(shell, session)
    shell.register_magics(made)
    made.idle.load()
    shell._axon_help = Help(shell, session.library.layers, FLAGS, lambda: words_after(session, shell.user_ns))
    shell._axon_help.load()


def unload(shell: Any) -> None:
    """Take the magics out of a shell."""
    known = vars(shell).pop("_axon_help", None)
    if known is not None:
        known.unload()
    manager = shell.magics_manager
    made = manager.registry.pop(AxonMagics.__name__, None)
    if made is not None:
        made.idle.unload()
    for magics in manager.magics.values():
        magics.pop("axon", None)
