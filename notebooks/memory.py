"""Measure the memory and processor time of notebooks, each in a kernel of its own that finds nothing compiled yet.

python notebooks/memory.py             # all of them, one after the other
python notebooks/memory.py 01_first_model.ipynb
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from refresh import HERE, client

MOST_MB = 2000
"""What Binder gives a reader. JupyterLab takes some 100 MB of it, beside the kernel."""

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass
class Taken:
    """What a kernel has taken so far."""

    memory_mb: int = 0
    """The most that was resident at any moment, in millions of bytes."""
    processor_s: float = 0.0
    """Of all cores together, and of the programs that the kernel has run."""


def measure(path: Path) -> Taken:
    """Run one notebook in its folder, with empty caches, and forget what it shows.

    Raises:
        FileNotFoundError: the system does not tell what a process takes as Linux does.
    """
    taken = Taken()
    notebook = client(nbformat.read(path, as_version=4), path.parent)

    def look(**_: Any) -> None:
        taken.memory_mb, taken.processor_s = _taken(notebook.km.provisioner.pid)

    notebook.on_cell_executed = look  # not at the end of the notebook: then the kernel is gone
    with tempfile.TemporaryDirectory(prefix="axon_nb_memory_") as empty:
        notebook.execute(env={**_without_caches(), "XDG_CACHE_HOME": empty})
    return taken


def _without_caches() -> dict[str, str]:
    named = {"AXON_NB_CACHE_DIR", "CACHEDB", "MPLCONFIGDIR"}
    return {name: value for name, value in os.environ.items() if name not in named}


def _taken(pid: int) -> tuple[int, float]:
    process = Path("/proc") / str(pid)
    peak = _PEAK.search((process / "status").read_text())
    after_name = (process / "stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(number) for number in after_name[11:15])  # its own, and of its children that ended
    return round(int(peak[1]) * 1024 / 1e6) if peak else 0, ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    chosen = [HERE / name for name in sys.argv[1:]] or sorted(HERE.glob("*.ipynb"))
    for notebook_path in chosen:
        found = measure(notebook_path)
        sys.stdout.write(f"| {notebook_path.name} | {found.memory_mb} MB | {found.processor_s:.0f} s |\n")
        sys.stdout.flush()
