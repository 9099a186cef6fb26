"""``%%axon`` cells in JupyterLab: cards, errors, completion, docs and what changed, light and dark.

A folder named in ``AXON_NB_SHOTS`` gets pictures, to be looked at.
"""

import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELL = """%%axon mnist
input((None, 784), name="image")
| dense(128, activation="relu")
| dense(10, activation="softmax")"""

BROKEN = """%%axon mnist
input((None, 28, 28, 1))
| conv(32, 3) | max_pool(2)
| flatten() | dense(10)"""


@pytest.fixture(scope="module", params=["Light", "Dark"])
def opened(lab, request):
    """A notebook in one theme, the extension loaded, with a cell to write in."""
    page = lab.open("%load_ext axon_nb", "", theme=request.param, width=1280)
    page.wait_for_selector(
        f"body[data-jp-theme-light='{str(request.param == 'Light').lower()}']", state="attached", timeout=180_000
    )
    lab.theme = request.param.lower()
    lab.run(0)
    return lab


def shot(lab, name):
    if folder := os.environ.get("AXON_NB_SHOTS"):
        lab.page.screenshot(path=str(Path(folder) / f"{name}_{lab.theme}.png"))


def run(lab, text):
    """Run a text in the cell; return its output."""
    lab.write(1, text)
    cell = lab.run(1)
    return cell.locator(".jp-Cell-outputWrapper")


def test_a_correct_cell_shows_its_card(opened):
    output = run(opened, CELL)
    output.locator("table").first.wait_for()
    assert "101,770" in output.inner_text()
    picture = output.locator("img").first
    picture.wait_for()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    shot(opened, "card")


def test_a_broken_cell_shows_shapes_up_to_there_and_fixes(opened):
    output = run(opened, BROKEN)
    output.locator("table").first.wait_for()
    output.locator("pre", has_text="ShapeError").wait_for()
    text = output.inner_text()
    assert "conv_0 (cell line 3) does not fit" in text
    assert "not reached" in text
    assert "a window of 3 does not fit into 1 cells" in text
    assert "put transpose((3, 1, 2)) behind 'input_0'" in text
    assert "| conv(32, 3) | max_pool(2)\n      ^^^^^^^^^^^" in text
    assert "Traceback" not in text
    assert "tinygrad" not in text
    shot(opened, "broken")


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("input((None, 8)) | flat", "flatten"),
        ("input((None, 8)) | dense(8, activation='re", "relu6"),
        ("input((None, 8)) | conv(8, ker", "kernel_size="),
    ],
)
def test_tab_completes_layers_options_and_values(opened, text, offered):
    page = opened.page
    opened.write(1, f"%%axon m\n{text}")
    places = "[...document.querySelectorAll('.jp-Completer-item, .cm-line')]"
    is_there = f"word => {places}.some(one => one.textContent.includes(word))"
    for _ in range(8):  # JupyterLab waits a second for a kernel's answer, which a busy machine may not give at first
        page.keyboard.press("Tab")
        page.wait_for_timeout(2500)
        if page.evaluate(is_there, offered):
            break
        opened.write(1, f"%%axon m\n{text}")
    assert page.evaluate(is_there, offered)
    shot(opened, f"completion_{offered.strip('=')}")
    page.keyboard.press("Escape")


@pytest.mark.parametrize(
    ("name", "said"), [("dense", "Multiply the last axis by a kernel"), ("input", "Begin a model")]
)
def test_shift_tab_explains_a_layer_before_any_import(opened, name, said):
    page = opened.page
    opened.write(1, f"%%axon m\n{name}(")
    page.keyboard.press("Shift+Tab")
    tooltip = page.locator(".jp-Tooltip", has_text=said)
    tooltip.wait_for(timeout=180_000)
    assert "Options:" in tooltip.inner_text() or name == "input"
    shot(opened, f"docs_{name}")
    page.keyboard.press("Escape")


def test_what_changed_is_shown_when_a_cell_is_run_again(opened):
    run(opened, CELL)
    output = run(opened, CELL.replace("128", "64").replace("\n| dense(10", "\n| dropout(0.5)\n| dense(10"))
    details = output.locator("details")
    details.wait_for()
    assert "Changed since the last run: 1 added" in details.inner_text()
    assert not details.evaluate("details => details.open")
    details.locator("summary").click()
    details.locator("table").wait_for()
    assert "dropout_0" in details.inner_text()
    shot(opened, "diff")
    assert opened.errors == []
