"""Owns how a diagram is written in Graphviz's language: plain labels, every text escaped.

Knows nothing about models: it writes nodes, clusters and edges that have their looks already.
"""

from __future__ import annotations

from collections.abc import Iterable

from axon_nb.display.html import escape_dot, text_width
from axon_nb.display.svg import BOLD, GREY, INK, Frame, Look

Edge = tuple[str, str]

_WIDTH, _BESIDE = 0.9, 8


def node(name: str, look: Look) -> str:
    r"""Write a node.

    Example:
        >>> node("n0", Look(("x", "(None, 4)"), "#dddddd"))
        'n0 [label="x\\n(None, 4)" fillcolor="#dddddd"];'
    """
    label = "\\n".join(escape_dot(line) for line in look.lines)
    fill = "transparent" if look.fill == "none" else look.fill
    marks = [f'label="{label}"', f'fillcolor="{fill}"']
    wide = (BOLD * text_width(look.lines[0]) + _BESIDE) / 72  # Graphviz measures plain text, and the name is bold
    if wide > _WIDTH:
        marks.append(f"width={wide:.2f}")
    if look.edge != GREY:
        marks.append(f'color="{look.edge}"')
    if look.ink != INK:
        marks.append(f'fontcolor="{look.ink}"')
    if look.thick:
        marks.append("penwidth=3")
    if look.ring:
        marks.append("peripheries=2")
    styles = ["filled", *(["rounded"] if look.pill else []), *(["dashed"] if look.dashed else [])]
    if len(styles) > 1:
        marks.append(f'style="{",".join(styles)}"')
    return f"{name} [{' '.join(marks)}];"


def cluster(name: str, frame: Frame, content: Iterable[str]) -> str:
    """Write a cluster around what stands in it.

    Example:
        >>> print(cluster("cluster_0", Frame("x6", dashed=True), ["n0;"]))
        subgraph cluster_0 {
          label="x6"; style="rounded,dashed"; margin=10;
          n0;
        }
    """
    look = f'label="{escape_dot(frame.label)}"; style="rounded{",dashed" if frame.dashed else ""}"; margin=10;'
    lines = "\n".join([look, *content]).split("\n")
    return "\n".join([f"subgraph {name} {{", *(f"  {line}" for line in lines), "}"])


def document(direction: str, content: Iterable[str], edges: Iterable[Edge], straight: set[Edge]) -> str:
    """Write the whole source; edges in ``straight`` are kept as straight as can be.

    Example:
        >>> document("TB", ["a;", "b;"], [("a", "b")], set()).splitlines()[-2:]
        ['  a -> b;', '}']
    """
    lines = [
        f'rankdir={direction}; bgcolor="transparent"; nodesep=0.25; ranksep=0.28; pad=0;',
        f'fontname="Helvetica"; fontsize=11; fontcolor="{GREY}"; color="{GREY}"; labeljust=l; style=rounded;',
        f'node [shape=box style=filled fontname="Helvetica" fontsize=12 height=0.3 width={_WIDTH} margin="0.14,0.05"',
        f'  color="{GREY}" fontcolor="{INK}"];',
        f'edge [color="{GREY}" arrowsize=0.7];',
        *"\n".join(content).split("\n"),
        *(f"{tail} -> {head}{' [weight=8]' if (tail, head) in straight else ''};" for tail, head in edges),
    ]
    return "digraph model {\n" + "\n".join(f"  {line}" for line in lines) + "\n}\n"
