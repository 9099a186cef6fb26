"""A training and an inference step of small models, beside PyTorch, Keras and TinyJit written by hand.

    python tests/benchmarks/step.py [MODEL ...] [--batch N ...] [--peers PEER ...]

Milliseconds, medians of interleaved rounds, one process each; in brackets ours as a share of theirs: below 1, axon_nb
is faster. torch.compile and Keras, which take minutes to begin, are measured at one batch size, in training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from children import compare

BATCHES = {"mlp": (1, 64, 512), "cnn": (1, 64, 512), "resnet18": (16,), "lstm": (1, 64, 512), "gpt": (1, 64)}
PEERS = {"torch": "PyTorch", "compiled": "torch.compile", "keras": "Keras", "tinygrad": "TinyJit by hand"}
BY_HAND = ("mlp", "cnn")
"""The models that are also written in plain tinygrad."""
SLOW_TO_BEGIN = ("compiled", "keras")
COLUMNS = ("model", "batch", "step", "axon_nb", *PEERS.values())


def rows(
    models: Sequence[str], batches: Sequence[int] | None = None, peers: Sequence[str] = tuple(PEERS)
) -> Iterator[tuple[str, ...]]:
    for model in models:
        for batch in batches or BATCHES[model]:
            fair = [peer for peer in peers if peer != "tinygrad" or model in BY_HAND]
            for mode in ("training", "inference"):
                often = mode == "training" and batch in (16, 64)
                found = compare(["ours", *(p for p in fair if often or p not in SLOW_TO_BEGIN)], model, batch, mode)
                ours, _ = found["ours"]
                told = [f"{found[p][0]:.2f} ({ours / found[p][0]:.2f})" if p in found else "" for p in PEERS]
                yield model, str(batch), mode, f"{ours:.2f}", *told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=[])
    parser.add_argument("--batch", type=int, nargs="*")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    given = parser.parse_args()
    print(("{:>18}" * len(COLUMNS)).format(*COLUMNS))
    for row in rows(given.models or list(BATCHES), given.batch, given.peers):
        print(("{:>18}" * len(row)).format(*row), flush=True)


if __name__ == "__main__":
    main()
