"""Owns ``%axon build``: a builder on a model of the notebook, whose variable follows it.

Knows nothing about IPython.
"""

from __future__ import annotations

from axon_nb.errors import CellError
from axon_nb.graph import Model
from axon_nb.magic.commands import Session
from axon_nb.widgets.builder import Builder


def build(session: Session, arguments: list[str]) -> Builder:
    """Build a model by hand: NAME follows, and %axon code NAME writes it into a cell."""
    if len(arguments) > 1 or not all(name.isidentifier() for name in arguments):
        problem = "build takes the name of one model"
        raise CellError(problem, fix="write %axon build NAME")
    name = arguments[0] if arguments else "net"
    if name in session.library.layers:
        problem = f"{name!r} is a layer, which a model of that name would hide"
        raise CellError(problem, fix=f"write for example %axon build {name}_model")
    value = session.variables.get(name)
    value = getattr(value, "model", value)
    variables = {key: one for key, one in session.variables.items() if not key.startswith("_")}
    variables.pop(name, None)
    if value is None:
        builder = Builder(f"%%axon {name}\n", names=variables)
    elif isinstance(value, Model):
        text = next((one.text for one in session.versions.get(name, []) if one.model is value), None)
        builder = Builder(text if text is not None else value.named(name), names=variables)
    else:
        problem = f"{name} is no model"
        raise CellError(problem, fix="write %axon build and a name that is free")

    def follow() -> None:
        model = builder.model
        if model is not None and builder.error is None and session.variables.get(name) is not model:
            session.bind({name: model})
            session.remember(name, model, builder.text, builder.report)

    builder.on_change(follow)
    return builder
