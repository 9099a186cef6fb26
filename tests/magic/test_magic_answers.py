"""The answers that are folded away in the notebooks: each cell makes a model, and passes its own checks."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ANSWER = re.compile(r"```text\n(%%axon .*?)\n```", re.DOTALL)


def _answers():
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            text = "".join(cell["source"])
            if cell["cell_type"] == "markdown" and "<details>" in text:
                for found in ANSWER.findall(text):
                    yield pytest.param(found, id=f"{path.stem}-{found.split()[1]}")


@pytest.mark.parametrize("answer", list(_answers()))
def test_an_answer_passes_its_checks(real, answer):
    text = real.run(answer)[2][0]["text/plain"]
    assert "--check" in answer.splitlines()[0]
    assert "  pass  " in text
    assert "FAIL" not in text
