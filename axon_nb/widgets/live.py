"""Owns ``live``: a card that follows a variable, for a view at the side of a notebook.

Knows nothing about how a notebook runs cells, but that it can be told when one was run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axon_nb.display.views import card
from axon_nb.errors import OptionError, brief
from axon_nb.graph import Model
from axon_nb.rows import Report
from axon_nb.trace import report
from axon_nb.widgets.shown import Shown, followers

_NOTHING = Report(None, ())


class Live(Shown):
    """A view of whatever model a variable holds.

    Args:
        name: the variable: it may hold a model, what ``fit`` returned, or a builder, or nothing yet.
        variables: where to look; the notebook's variables by default.

    Example:
        >>> from axon_nb import dense, input
        >>> from axon_nb.widgets.live import Live
        >>> names = {}
        >>> view = Live("net", names)
        >>> view.note
        'there is no model called net yet'
        >>> names["net"] = input((None, 4)) | dense(2)
        >>> view.look()
        >>> view.report.totals.trainable
        10
    """

    def __init__(self, name: str, variables: Mapping[str, Any] | None = None) -> None:
        if not isinstance(name, str) or not name.isidentifier():
            problem = "live takes the name of a variable, as text"
            raise OptionError(problem, got=brief(name), fix='live("mnist")')
        self.name = name
        self._variables = variables
        self._value: Any = None
        self.report = _NOTHING
        self._is_told = False
        self.look()
        followers.add(self)

    @property
    def note(self) -> str:
        """What there is to say where there is no model."""
        return "" if self.report.rows else f"there is no model called {self.name} yet"

    def look(self) -> None:
        """Look at the variable again."""
        variables = self._variables
        if variables is None:
            from axon_nb.magic.output import variables as of_notebook  # IPython is there in a notebook

            variables = of_notebook()
        value = variables.get(self.name)
        model = value if isinstance(value, Model) else getattr(value, "model", None)
        if model is self._value:
            return
        self._value = model
        self.report = report(model) if isinstance(model, Model) else _NOTHING
        if self._skin is not None:
            self._skin.tell()
            self._update_card()

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        from axon_nb.magic.output import after_each_cell  # IPython is there when something is displayed

        if not self._is_told:
            self._is_told = True
            after_each_cell(self.look)

    def _static(self) -> dict[str, str]:
        if self.note:
            return {"text/plain": self.note, "text/html": f"<p>{self.note}</p>"}
        shown = card(self.report)
        return {"text/plain": repr(shown), "text/html": shown._repr_html_()}

    def _make_skin(self) -> Any:
        from axon_nb.widgets.small_pages import live_skin  # anywidget is only needed to show it

        return live_skin(self)

    def __repr__(self) -> str:
        return f"<Live {self.name}: {self.note or f'{len(self.report.rows)} layers'}>"


def live(name: str) -> Live:
    """Show a card that follows a variable: it changes whenever a cell puts another model there.

    Raises:
        OptionError: it is not the name of a variable.
    """
    return Live(name)
