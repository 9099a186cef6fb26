"""Diagrams: what is drawn, the same bytes each time, and always something."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from xml.etree import ElementTree

import pytest
import samples

from axon_nb import dense, input
from axon_nb.display import diagram_svg, dot_source, layout
from axon_nb.display.html import escape_dot
from axon_nb.trace import report

SVG = "{http://www.w3.org/2000/svg}"

MNIST = """\
digraph model {
  rankdir=TB; bgcolor="transparent"; nodesep=0.25; ranksep=0.28; pad=0;
  fontname="Helvetica"; fontsize=11; fontcolor="#888888"; color="#888888"; labeljust=l; style=rounded;
  node [shape=box style=filled fontname="Helvetica" fontsize=12 height=0.3 width=0.9 margin="0.14,0.05"
    color="#888888" fontcolor="#1c1c1c"];
  edge [color="#888888" arrowsize=0.7];
  n0 [label="image\\n(None, 784)" fillcolor="#dddddd" style="filled,rounded"];
  n1 [label="dense_0\\n(None, 128)" fillcolor="#77aadd"];
  n2 [label="dense_1\\n(None, 10)" fillcolor="#77aadd" peripheries=2];
  n0 -> n1 [weight=8];
  n1 -> n2 [weight=8];
}
"""


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def edges(source):
    return set(re.findall(r"(\w+) -> (\w+)", source))


@pytest.fixture
def no_engine(monkeypatch):
    def fail(*_):
        raise RuntimeError("no engine")

    monkeypatch.setattr("axon_nb.display.diagram.lay_out", fail)


def test_dot_source_is_exactly_this():
    assert dot_source(samples.mnist()) == MNIST


def test_importing_display_loads_neither_graphviz_nor_ipython():
    names = "graphviz", "IPython", "ipywidgets", "matplotlib"
    code = f"import axon_nb.display, sys; print([n for n in {names} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    "make",
    [samples.mnist, samples.gan, samples.cnn, samples.resnet50, samples.shared, samples.several, samples.failing],
)
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_svg_is_well_formed_and_the_same_twice(make, direction):
    first = diagram_svg(make(), direction=direction)
    layout._lay_out.cache_clear()
    assert diagram_svg(make(), direction=direction) == first
    ElementTree.fromstring(first)
    assert "<!--" not in first
    assert " id=" not in first


def test_repeats_are_one_cluster():
    source = dot_source(samples.blocks(6))
    assert source.count("subgraph") == 1
    assert 'label="x6"' in source
    assert edges(source) == {
        ("n0", "n1"), ("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n5"), ("n1", "n5"), ("n5", "n26"),
    }  # fmt: skip
    assert dot_source(samples.blocks(6), unfold=True).count("label=") == 27


def test_named_repeats_keep_their_name():
    assert 'label="block_0 … block_5  x6"' in dot_source(samples.blocks(6, named=True))


def test_parts_are_clusters():
    source = dot_source(samples.gan())
    assert 'label="generator"' in source
    assert 'label="discriminator"' in source


def test_branches_fold_into_one_box():
    source = dot_source(samples.branches(300))
    assert 'label="x300 in parallel"' in source
    assert edges(source) == {("n0", "n1"), ("n1", "n301")}


def test_steps_after_a_layer_share_its_box_in_large_models():
    lines = texts(diagram_svg(samples.resnet50()))
    assert "relu_0" not in lines
    assert "relu_0" in texts(diagram_svg(samples.resnet50(), unfold=True))
    at = lines.index("conv_0")
    assert lines[at : at + 3] == ["conv_0", "batch_norm, relu", "(None, 64, 112, 112)"]
    assert "relu_0" in texts(diagram_svg(samples.blocks(6)))


def test_inputs_outputs_shared_and_failed_layers_look_different():
    assert re.search(r'n0 \[.*style="filled,rounded"', dot_source(samples.mnist()))
    assert "→ logits" in texts(diagram_svg(samples.several()))
    assert "shared with dense_0" in texts(diagram_svg(samples.shared()))
    failing = diagram_svg(samples.failing())
    assert {"does not fit", "not reached"} <= set(texts(failing))
    assert 'stroke="#d1495b" stroke-width="3"' in failing
    assert 'stroke-dasharray="4 3"' in failing


def test_user_named_layer_says_its_operation():
    assert texts(diagram_svg(samples.several()))[10:14] == ["digit", "dense", "(None, 10)", "→ logits"]


@pytest.mark.parametrize("make", [samples.mnist, samples.several, samples.shared, samples.gan])
def test_without_an_engine_there_is_still_a_drawing(make, no_engine):
    svg = diagram_svg(make())
    found = texts(svg)
    assert all(row.name.split(".")[-1] in found for row in make().rows)
    box = ElementTree.fromstring(svg)
    for rect in box.iter(f"{SVG}rect"):
        assert float(rect.get("x")) >= 0
        assert float(rect.get("x")) + float(rect.get("width")) <= float(box.get("width"))


def test_missing_programs_are_a_clear_error(monkeypatch):
    layout._executable.cache_clear()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match="graphviz-pure is not installed"):
        layout.lay_out("digraph { nobody -> asked }")


def test_other_engine_that_is_not_there_falls_back(monkeypatch):
    layout._executable.cache_clear()
    which = layout.shutil.which
    monkeypatch.setattr("shutil.which", lambda name, **more: None if name == "dot" else which(name, **more))
    assert diagram_svg(samples.mnist(), engine="dot") == diagram_svg(samples.mnist())


def test_installed_graphviz_is_used_when_asked_for(monkeypatch, tmp_path):
    (tmp_path / "dot").symlink_to(layout._executable("graphviz-pure"))
    monkeypatch.setenv("PATH", str(tmp_path))
    layout._executable.cache_clear()
    assert layout._executable("dot") == str(tmp_path / "dot")
    assert layout.lay_out("digraph { a -> b }", "dot") == layout.lay_out("digraph { a -> b }")
    layout._executable.cache_clear()


def test_engine_is_found_beside_python_without_path(monkeypatch):
    layout._executable.cache_clear()
    monkeypatch.setenv("PATH", "")
    assert layout._executable("graphviz-pure").endswith(("graphviz-pure", "graphviz-pure.exe", "graphviz-pure.EXE"))


def test_graphviz_package_still_has_what_is_used_of_it():
    from graphviz.backend import execute

    assert callable(execute.run_check)


def test_a_program_that_fails_says_why():
    with pytest.raises(RuntimeError, match=r"graphviz-pure failed: .*syntax error"):
        layout.lay_out("digraph { a -> }")


def test_a_program_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(layout, "TIMEOUT_S", 0.0)
    with pytest.raises(subprocess.TimeoutExpired):
        layout.lay_out("digraph { too -> long }")


def test_a_thousand_different_layers_are_cut_with_a_note():
    start = time.process_time()
    svg = diagram_svg(samples.chain(1000, alike=False), unfold=True)
    assert time.process_time() - start < 20
    found = texts(svg)
    assert any(re.fullmatch(r"\d+ more layers", text) for text in found)
    assert {"x", "dense_0", "dense_499"} <= set(found)


def test_too_many_arrows_are_left_out_with_a_note():
    rows = samples.Rows()
    rows.input("x", None, 1)
    for index in range(60):
        parents = [row.name for row in rows.rows]
        rows.add("mix", "combine", (None, index + 1), parents=parents, options={"n": index})
    svg = diagram_svg(rows.report("dense"))
    assert "1,770 more arrows are not drawn" in texts(svg)


@pytest.mark.parametrize("name", ['"]; x', "a\\nb", "end\\", "&lt;", "<b>", "\\N", "{a|b}", "层", 'q"uo\\"te'])
def test_labels_come_out_of_graphviz_as_they_were_written(name):
    from graphviz.backend import execute

    source = f'digraph {{ a [label="{escape_dot(name)}"]; }}'
    command = [layout._executable("graphviz-pure"), "-Tsvg"]
    svg = execute.run_check(command, input=source, encoding="utf-8", capture_output=True).stdout
    assert texts(svg) == [name]


@pytest.mark.parametrize("digit", "123456789")
def test_all_digits_take_the_same_place(digit):
    """Layouts are found by label with every digit as 0; that is right for as long as the font has equal digits."""
    source = (
        'digraph {{ node [shape=box fontname="Helvetica" fontsize=12 width=0.1]; a [label="x{0}\\n({0}, {0}{0})"] }}'
    )
    assert layout._lay_out(source.format(digit), "graphviz-pure") == layout._lay_out(source.format(0), "graphviz-pure")


def test_a_diagram_in_which_only_numbers_changed_is_not_laid_out_again():
    layout._lay_out.cache_clear()
    first, second = (diagram_svg(report(input((None, 8)) | dense(units))) for units in (32, 64))
    assert layout._lay_out.cache_info().misses == 1
    assert second == first.replace("(None, 32)", "(None, 64)")
