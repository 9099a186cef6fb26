"""A training and an inference step of small models, beside PyTorch (eager) and TinyJit written by hand.

    python tests/benchmarks/step.py [MODEL ...] [--batch N ...]

Medians of interleaved rounds, one process each. A ratio below 1 says that axon_nb is faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from children import compare

BATCHES = {"mlp": (1, 64, 512), "cnn": (1, 64), "resnet18": (16,), "lstm": (32,), "gpt": (16,)}
BY_HAND = ("mlp", "cnn")
"""The models that are also written in plain tinygrad."""
COLUMNS = (
    "model", "batch", "step", "axon_nb ms", "torch ms", "ratio", "of bests", "tinygrad ms", "ratio", "of bests",
)  # fmt: skip


def rows(models: list[str], batches: list[int] | None = None) -> Iterator[tuple[str, ...]]:
    for model in models:
        for batch in batches or BATCHES[model]:
            for mode in ("training", "inference"):
                peers = ["ours", "torch", *(["tinygrad"] if model in BY_HAND else [])]
                found = compare(peers, model, batch, mode)
                median, best = found["ours"]
                row = [model, str(batch), mode, f"{median:.2f}"]
                for peer in ("torch", "tinygrad"):
                    if peer in found:
                        other, its_best = found[peer]
                        row += [f"{other:.2f}", f"{median / other:.2f}", f"{best / its_best:.2f}"]
                    else:
                        row += ["", "", ""]
                yield tuple(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[])
    parser.add_argument("--batch", type=int, nargs="*")
    given = parser.parse_args()
    print(("{:>12}" * len(COLUMNS)).format(*COLUMNS))
    for row in rows(given.models or list(BATCHES), given.batch):
        print(("{:>12}" * len(row)).format(*row), flush=True)


if __name__ == "__main__":
    main()
