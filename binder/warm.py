"""Run notebooks and forget what they show: what they compiled stays in the cache on disk.

python binder/warm.py notebooks/01_first_model.ipynb
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def warm(path: Path) -> None:
    """Run one notebook in its folder; the file stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        warm(Path(name))
