"""The reference pages say what the docstrings say, of all that is public."""

import subprocess
import sys
from pathlib import Path

import pytest

import axon_nb as ax

DOCS = Path(__file__).parents[2] / "docs"


def read(folder):
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages as a new process writes them: tests declare layers in this one."""
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, str(DOCS / "reference.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return read(folder)


def test_the_pages_are_those_of_today(pages):
    stored = read(DOCS / "reference")
    stale = [name for name in pages.keys() | stored if pages.get(name) != stored.get(name)]
    assert not stale, "run: python docs/reference.py"


def test_all_that_is_public_has_an_entry(pages):
    text = "\n".join(pages.values())
    modules = {"activations", "callbacks", "functional", "initializers", "losses", "metrics", "optimizers", "schedules",
               "loss_scales", "policies"}  # fmt: skip
    elsewhere = {"AxonError", "Tensor", "Loop", "Layer", "Model", "Params", "Scope", "Trained", "Compiled"}
    missing = [name for name in ax.__all__ if name not in modules | elsewhere and f"### `{name}`" not in text]
    assert not missing
    assert all(f"### `{name}`" in text for name in ("Loop", "Model.init", "Params.count", "Trained.evaluate"))
    assert all(f"### `losses.{name}`" in text for name in ax.losses.losses)


def test_entries_have_their_signature_and_example(pages):
    entry = pages["layers.md"].split("### `dense`")[1].split("\n### ")[0]
    assert "dense(units, activation=None, *, use_bias=True" in entry
    assert "(batch, ..., in) -> (batch, ..., units)" in entry
    assert ">>> (input((None, 784)) | dense(128, " in entry
    assert " at 0x" not in "\n".join(pages.values())
