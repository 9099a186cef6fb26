"""The wait from the end of the import to the end of the first training step, in a fresh process.

    python tests/benchmarks/first_step.py [MODEL ...]

Seconds, medians. Cold: no cache of any kind on disk. Warm: the same program was run before, by another process. Plain
tinygrad's wait is that of its two first calls, as TinyJit compiles in both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence

from children import Child, LeftOutError

MODELS = ("mlp", "cnn")
PEERS = {"ours": "axon_nb", "tinygrad": "tinygrad", "torch": "PyTorch", "compiled": "torch.compile", "keras": "Keras"}
CACHED = ("ours", "tinygrad")
"""Peers that keep what they compile on disk by themselves."""
COLUMNS = (
    "model",
    *(f"{name} {how}" for key, name in PEERS.items() for how in ("cold", "warm")[: 1 + (key in CACHED)]),
)
TIMES = 3
ONCE = ("compiled", "keras")
"""Peers that take so long that once says enough."""
BATCH = 64


def wait_s(peer: str, model: str, folder: str) -> float:
    places = {
        "XDG_CACHE_HOME": folder,
        "CACHEDB": f"{folder}/tinygrad.db",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
    }
    child = Child(peer, model, BATCH, "training", **places)
    child.close()
    return child.wait_s


def rows(models: Sequence[str] = MODELS) -> Iterator[tuple[str, ...]]:
    for model in models:
        found: dict[tuple[str, str], list[float]] = {}
        left = dict.fromkeys(PEERS)
        for time in range(TIMES):
            for peer in list(left):
                if time and peer in ONCE:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        found.setdefault((peer, "cold"), []).append(wait_s(peer, model, folder))
                    except LeftOutError:
                        del left[peer]
                        continue
                    if peer in CACHED:
                        found.setdefault((peer, "warm"), []).append(wait_s(peer, model, folder))
        ways = [(peer, how) for peer in PEERS for how in ("cold", "warm")[: 1 + (peer in CACHED)]]
        yield model, *(f"{statistics.median(found[way]):.2f}" if found.get(way) else "" for way in ways)


def main() -> None:
    print(("{:>15}" * len(COLUMNS)).format(*COLUMNS))
    for row in rows(tuple(sys.argv[1:]) or MODELS):
        print(("{:>15}" * len(row)).format(*row), flush=True)


if __name__ == "__main__":
    main()
