"""The README's table of tutorials, and the command that measures what it says of them."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
ROW = re.compile(r"^\| \[(\d\d) [^\]]*\]\(notebooks/([^)]+)\) \| .+ \| ([\d,]+) MB \| (\d+) s \|$", re.MULTILINE)
MEMORY = ROOT / "notebooks" / "memory.py"
MOST_MB = int(re.search(r"^MOST_MB = (\d+)$", MEMORY.read_text(encoding="utf-8"), re.MULTILINE)[1])

on_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process took")


@pytest.fixture(scope="module")
def section():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("## Tutorials\n")[1].split("\n## ")[0]


def test_the_table_lists_every_tutorial_in_order(section):
    assert len(NOTEBOOKS) == 17
    assert [(number, name) for number, name, _, _ in ROW.findall(section)] == [(name[:2], name) for name in NOTEBOOKS]


def test_every_tutorial_fits_where_binder_runs_it(section):
    taken = {name: int(memory.replace(",", "")) for _, name, memory, _ in ROW.findall(section)}
    assert set(taken) == set(NOTEBOOKS)
    assert all(100 < memory < MOST_MB for memory in taken.values())


def test_every_tutorial_takes_less_than_a_minute(section):
    assert all(0 < int(seconds) < 60 for _, _, _, seconds in ROW.findall(section))


def test_the_table_says_when_and_how_it_was_measured_and_what_binder_gives(section):
    assert re.search(r"\b\d{1,2} \w+ 20\d\d\b", section)
    assert "`python notebooks/memory.py`" in section
    assert f"{MOST_MB / 1000:.0f} GB" in section


def measured(folder, source):
    path = folder / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="one")]), path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, MEMORY, path], capture_output=True, text=True, timeout=120)
    assert path.read_bytes() == before
    return done


@on_linux
@pytest.mark.slow
def test_the_most_memory_is_measured_and_the_processor_time(tmp_path):
    source = "import time\nblock = b'x' * 300_000_000\ndel block\nwhile time.process_time() < 3: pass"
    found = re.fullmatch(r"\| one.ipynb \| (\d+) MB \| (\d+) s \|\n", measured(tmp_path, source).stdout)
    assert 300 < int(found[1]) < 500
    assert 3 <= int(found[2]) < 20


@on_linux
@pytest.mark.slow
def test_caches_are_empty_and_a_cell_that_fails_ends_it(tmp_path):
    source = "import os\nassert os.listdir(os.environ['XDG_CACHE_HOME']), 'empty'"
    done = measured(tmp_path, source)
    assert done.returncode == 1
    assert "AssertionError: empty" in re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    assert done.stdout == ""


def cells_of(name):
    return nbformat.read(ROOT / "notebooks" / name, as_version=4).cells


def figures(cell):
    return [out.data["image/png"] for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_picture_of_the_result_stands_at_the_top(name):
    first, *rest = cells_of(name)
    tagged = [cell for cell in rest if "result" in cell.metadata.get("tags", ())]
    for cell in tagged:  # refresh.py attaches what they show
        assert figures(cell) == [first.attachments["result.png"]["image/png"]]
    if "attachments" in first:
        assert re.search(r"!\[.{20,}\]\(attachment:result\.png\)", first.source), (
            "a picture, with what it shows in words"
        )
    else:
        shown = [out.data for cell in rest[:3] for out in cell.get("outputs", ()) if "data" in out]
        assert any("image/svg+xml" in data.get("text/html", "") or "<details" in data["text/html"] for data in shown)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_cell_shows_no_objects_by_accident(name):
    """A call that draws should not be the last line of a cell, which is shown."""
    for cell in cells_of(name):
        for out in cell.get("outputs", ()):
            assert not re.match(
                r"(Text\(|\[<matplotlib|<matplotlib|\[Text\(|<Axes)", out.get("data", {}).get("text/plain", "")
            )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_questions_come_before_answers_and_an_exercise_ends_it(name):
    sources = [cell.source for cell in cells_of(name) if cell.cell_type == "markdown"]
    text = "\n\n".join(sources)
    assert len(re.findall(r"^> \*\*(?:Guess|Look) first:\*\*", text, re.MULTILINE)) >= 2
    assert "<details><summary>" in text
    assert sources[-1].find("## What you have seen") >= 0
