"""Run the notebooks and store their outputs, so that a reader sees them without running anything.

python notebooks/refresh.py             # all of them
python notebooks/refresh.py 01_first_model.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
_WIDGET = "application/vnd.jupyter.widget-view+json"
_RESULT = "result"
"""The tag of a cell whose figure stands at the top of its notebook, too."""


def client(notebook: nbformat.NotebookNode, folder: Path) -> NotebookClient:
    """Prepare to run a notebook in a folder, by a kernel of its own."""
    return NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})


def refresh(path: Path) -> None:
    """Run one notebook in its folder and write it back, without what differs from run to run."""
    notebook = nbformat.read(path, as_version=4)
    client(notebook, path.parent).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # A progress bar leaves an empty output where it was, a widget one that is of no use without its kernel.
            cell.outputs = [out for out in cell.outputs if not _is_gone(out)]
            _join_streams(cell)
    _renew_result(notebook)
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)


def _is_gone(out: nbformat.NotebookNode) -> bool:
    """Whether there is nothing left of an output for a reader without a kernel: its card stands beside a widget."""
    data = out.get("data")
    return data is not None and (data == {"text/plain": ""} or not set(data) - {_WIDGET})


def _renew_result(notebook: nbformat.NotebookNode) -> None:
    """Attach the figure that readers will have made at the end to the first cell, which shows it."""
    for cell in notebook.cells:
        if _RESULT in cell.metadata.get("tags", ()):
            [picture] = [out.data["image/png"] for out in cell.outputs if "image/png" in out.get("data", {})]
            notebook.cells[0].attachments = {"result.png": {"image/png": picture}}


def _join_streams(cell: nbformat.NotebookNode) -> None:
    """Make one output of prints that arrived in pieces."""
    joined: list[nbformat.NotebookNode] = []
    for out in cell.outputs:
        last = joined[-1] if joined else None
        if last is not None and out.output_type == last.output_type == "stream" and out.name == last.name:
            last.text += out.text
        else:
            joined.append(out)
    cell.outputs = joined


if __name__ == "__main__":
    chosen = [HERE / name for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb"))
    for notebook_path in chosen:
        refresh(notebook_path)
        sys.stdout.write(f"{notebook_path.name}\n")
