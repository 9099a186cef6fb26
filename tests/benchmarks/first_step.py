"""The wait from the end of the import to the end of the first training step, in a fresh process.

    python tests/benchmarks/first_step.py [MODEL ...]

Cold: no cache of any kind on disk. Warm: the same program was run before, by another process. Plain tinygrad's wait is
that of its two first calls, as TinyJit compiles in both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator

from children import Child

MODELS = ("mlp", "cnn")
COLUMNS = ("model", "axon_nb cold s", "axon_nb warm s", "tinygrad cold s", "tinygrad warm s", "torch s")
TIMES = 3
BATCH = 64


def wait_s(peer: str, model: str, folder: str) -> float:
    child = Child(peer, model, BATCH, "training", XDG_CACHE_HOME=folder, CACHEDB=f"{folder}/tinygrad.db")
    child.close()
    return child.wait_s


def rows(models: tuple[str, ...] = MODELS) -> Iterator[tuple[str, ...]]:
    for model in models:
        cold: dict[str, list[float]] = {"ours": [], "tinygrad": [], "torch": []}
        warm: dict[str, list[float]] = {"ours": [], "tinygrad": []}
        for _ in range(TIMES):
            for peer, found in cold.items():
                with tempfile.TemporaryDirectory() as folder:
                    found.append(wait_s(peer, model, folder))
                    if peer in warm:
                        warm[peer].append(wait_s(peer, model, folder))
        values = [cold["ours"], warm["ours"], cold["tinygrad"], warm["tinygrad"], cold["torch"]]
        yield (model, *(f"{statistics.median(v):.2f}" for v in values))


def main() -> None:
    print(("{:>17}" * len(COLUMNS)).format(*COLUMNS))
    for row in rows(tuple(sys.argv[1:]) or MODELS):
        print(("{:>17}" * len(row)).format(*row), flush=True)


if __name__ == "__main__":
    main()
