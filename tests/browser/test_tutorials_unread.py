"""Tutorials as they are found: opened by who has run nothing and trusts nothing, they show every card and figure."""

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
DRAWN = "data:image/svg+xml"


def stored(path):
    """Count what a notebook holds: diagrams, and figures."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    data = [out.get("data", {}) for cell in cells for out in cell.get("outputs", ())]
    diagrams = sum("".join(one.get("text/html", "")).count(f'src="{DRAWN}') for one in data)
    return diagrams, sum("image/png" in one for one in data)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_is_shown(path, lab):
    try:
        page = lab.read(path)
        assert not lab.is_trusted(path.name)
        diagrams, figures = stored(path)
        cards = page.locator(f'.jp-OutputArea img[src^="{DRAWN}"]')
        plots = page.locator('.jp-OutputArea img[src^="data:image/png"]')
        page.wait_for_function(
            "([drawn, wanted]) => document.querySelectorAll(`.jp-OutputArea img[src^='${drawn}']`).length >= wanted",
            arg=[DRAWN, diagrams], timeout=180_000,
        )  # fmt: skip
        assert cards.count() == diagrams
        assert plots.count() >= figures
        for picture in (*cards.all(), *plots.all()):
            assert picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
        shown = page.locator(".jp-Notebook").inner_text()
        assert "model not found" not in shown.lower()
        assert "0x7f" not in shown
    finally:
        lab.stop_kernels()
