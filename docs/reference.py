"""Write the reference pages from the docstrings, which are the only place where a thing is explained.

python docs/reference.py             # writes docs/reference/*.md anew
python docs/reference.py FOLDER      # writes them there
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import axon_nb as ax

HERE = Path(__file__).parent / "reference"
_SECTION = re.compile(r"^([A-Z][a-z]+):(.*)$")
_PLACE = re.compile(r" at 0x[0-9a-f]+")

Entry = tuple[str, Any]


def pages() -> dict[str, str]:
    """Return the text of each page by file name."""
    made = {
        "layers.md": _page(
            "Layers",
            "Every layer is `ax.NAME`, and stands in a `%%axon` cell by its name alone. `%axon layers` lists them.",
            layers(),
        ),
        "models.md": _page(
            "Models and parameters",
            "A model is a graph of layers that holds no weights; parameters are a mapping of their own.",
            {
                "Making models": _named("input", "compose", "layer", "build", "from_json"),
                "Model": _members(ax.Model, "Model"),
                "Params": _members(ax.Params, "Params"),
                "Compiled": _members(ax.Compiled, "Compiled"),
                "Layer and Scope": [*_members(ax.Layer, "Layer"), *_members(ax.Scope, "Scope")],
                "Policies": _module(ax.policies, "policies"),
            },
        ),
        "training.md": _page(
            "Training",
            "`fit` is one `Loop` that is ready made. Losses and metrics take `(y_true, y_pred)`.",
            {
                "Fitting": [*_named("fit"), *_members(ax.Trained, "Trained")],
                "Loop": _members(ax.Loop, "Loop"),
                "Callbacks": _module(ax.callbacks, "callbacks"),
                "Optimizers": _table(ax.optimizers.optimizers, "optimizers"),
                "Schedules": _module(ax.schedules, "schedules"),
                "Losses": _table(ax.losses.losses, "losses"),
                "Metrics": _table(ax.metrics.metrics, "metrics"),
                "Loss scales": _module(ax.loss_scales, "loss_scales"),
            },
        ),
        "functions.md": _page(
            "Functions of tensors",
            "What layers compute, usable alone: tensors in, tensors out, no parameters of their own.",
            {
                "Functional": _module(ax.functional, "functional"),
                "Initializers": _table(ax.initializers.initializers, "initializers"),
            },
        ),
        "notebook.md": _page(
            "In the notebook",
            "`%load_ext axon_nb` adds the `%%axon` cell and the `%axon` line; widgets are plain objects.",
            {
                "Widgets": [e for name in ("Builder", "Trainer", "Explorer") for e in _members(getattr(ax, name), name)]
                + _named("what_if", "live"),
                "Files and other frameworks": _named(
                    "save", "load", "from_onnx", "from_torch", "load_weights", "weights_for", "diff"
                ),
                "Devices": _named("devices"),
            },
        ),
    }
    return {"README.md": _index(made), **made}


def layers() -> dict[str, list[Entry]]:
    """Return all layers and combinators by family, in the order in which they were declared."""
    found: dict[str, list[Entry]] = {}
    for name, thing in ax.registry.items():
        family = getattr(getattr(thing, "declaration", None), "family", None) or "combinators and wrappers"
        if name != "input":
            found.setdefault(family.capitalize(), []).append((name, thing))
    return found


def _named(*names: str) -> list[Entry]:
    return [(name, getattr(ax, name)) for name in names]


def _module(module: ModuleType, prefix: str) -> list[Entry]:
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    things = ((name, getattr(module, name)) for name in names)
    return [(f"{prefix}.{name}", thing) for name, thing in things if _is_own(thing, module)]


def _is_own(thing: Any, module: ModuleType) -> bool:
    package = module.__name__.rpartition(".")[0] + "."
    return callable(thing) and str(getattr(thing, "__module__", "")).startswith((module.__name__, package))


def _table(table: Any, prefix: str) -> list[Entry]:
    return [(f"{prefix}.{name}", thing) for name, thing in table.items()]


def _members(owner: type, prefix: str) -> list[Entry]:
    found: list[Entry] = [(prefix, owner)]
    for name in vars(owner):
        if name.startswith("_"):
            continue
        thing = getattr(owner, name) if not isinstance(vars(owner)[name], property) else vars(owner)[name]
        if inspect.getdoc(thing) and (callable(thing) or isinstance(thing, property)):
            found.append((f"{prefix}.{name}", thing))
    return found


def _page(title: str, about: str, sections: dict[str, list[Entry]]) -> str:
    lines = [f"# {title}", "", about, ""]
    for section in sections:
        lines += [f"- [{section}](#{_anchor(section)})"]
    for section, entries in sections.items():
        lines += ["", f"## {section}"]
        for name, thing in entries:
            lines += ["", *_entry(name, thing)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def _index(made: dict[str, str]) -> str:
    lines = [
        "# Reference",
        "",
        "Written from the docstrings by `python docs/reference.py`; a test says when to run it.",
        "",
    ]
    for name, text in made.items():
        title = text.splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}]({name}): {text.splitlines()[2]}")
    return "\n".join(lines) + "\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### `{name}`"
    signature = _signature(name, thing)
    if signature:
        yield from ("", "```python", signature, "```")
    doc = thing.getdoc() if hasattr(thing, "getdoc") else inspect.getdoc(thing)
    yield from ("", *_markdown((doc or "").splitlines()))


def _signature(name: str, thing: Any) -> str:
    if isinstance(thing, property):
        return ""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    kept = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in kept]
    text = str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
    return name.rpartition(".")[2] + _PLACE.sub("", text)


def _markdown(lines: list[str]) -> Iterator[str]:
    """Write a docstring: its sections as bold words, examples as code."""
    at = 0
    while at < len(lines):
        found = _SECTION.match(lines[at])
        body = list(_indented(lines[at + 1 :])) if found else []
        if found and body:
            yield from ("", f"**{found[1]}**{found[2]}")
            text = textwrap.dedent("\n".join(body)).strip("\n")
            yield from ("", "```pycon", text, "```") if ">>>" in text else ("", *_items(text.splitlines()), "")
            at += 1 + len(body)
        else:
            yield from ("", f"**{found[1]}**{found[2]}") if found else (lines[at],)
            at += 1


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line and not line.startswith(" "):
            return
        yield line


def _items(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield f"- {line}" if line and not line.startswith(" ") else line


def main(folder: Path = HERE) -> None:
    """Write all pages."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
