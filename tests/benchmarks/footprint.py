"""How long an import takes, how much is installed, and how much memory a process needs, side by side.

    python tests/benchmarks/footprint.py

Processor seconds of the import in a fresh process (median of five, the interpreter's own start taken off), megabytes of
the package and of all that it needs as installed here, and the largest resident memory after the import and after
training the small CNN for some steps (batch 64).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
PEERS = {
    "ours": ("axon_nb", "axon_nb", ("axon_nb",)),
    "torch": ("PyTorch", "torch", ("torch",)),
    "keras": ("Keras on PyTorch", "keras", ("keras", "torch")),
    "tinygrad": ("tinygrad", "tinygrad", ("tinygrad",)),
}
COLUMNS = ("", "import s", "installed MB", "memory after import MB", "memory, CNN in training MB")
TIMES = 5
_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
_SPENT = "import time; print(time.process_time())"
_TRAINING = """
import sys; sys.path.insert(0, {here!r})
import peers
start, step = peers.PEERS[{peer!r}]("cnn", 64, "training")
for _ in range(5): step()
"""


def python(code: str) -> float:
    """Run code in a fresh process; return the number that it prints last."""
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    settings = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "torch"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=settings)
    return json.loads(done.stdout.strip().splitlines()[-1])


def installed_mb(names: tuple[str, ...]) -> float:
    """Add up the files of distributions and of all that they need, each once."""
    wanted, seen, total = list(names), set(), 0
    while wanted:
        name = re.sub(r"[-_.]+", "-", wanted.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        files = found.files or ()
        if name == "axon-nb":  # installed in place: the package, without its tests
            files = sorted((HERE.parents[1] / "axon_nb").rglob("*"))
        paths = (Path(found.locate_file(file)) for file in files)
        total += sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")
        for need in found.requires or ():
            if "extra ==" not in need and _applies(need):
                wanted.append(re.match(r"[\w.-]+", need)[0])
    return total / 1e6


def _applies(need: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(need).marker
    return marker is None or marker.evaluate()


def rows() -> Iterator[tuple[str, ...]]:
    bare = statistics.median(python(_SPENT) for _ in range(TIMES))
    for peer, (title, module, names) in PEERS.items():
        try:
            spent = statistics.median(python(f"import {module}; {_SPENT}") for _ in range(TIMES)) - bare
            after = python(f"import {module}; {_PEAK}") / 1024
            training = python(_TRAINING.format(here=str(HERE), peer=peer) + _PEAK) / 1024
        except subprocess.CalledProcessError:
            yield title, *[""] * 4
            continue
        yield title, f"{spent:.2f}", f"{installed_mb(names):.0f}", f"{after:.0f}", f"{training:.0f}"


def main() -> None:
    print(("{:>28}" * len(COLUMNS)).format(*COLUMNS))
    for row in rows():
        print(("{:>28}" * len(row)).format(*row), flush=True)


if __name__ == "__main__":
    main()
