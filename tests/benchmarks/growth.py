"""How times grow with layers, batch and length of the sequence: four plots in one picture.

    python tests/benchmarks/growth.py [FILE]

Cards: processor milliseconds from Enter to the card of a chain of layers, first and after an edit, beside torchinfo +
torchview. Steps: wall milliseconds of a training step over the batch (MLP and CNN) and over the length of a sequence
(LSTM), beside PyTorch. The wait: seconds to the first trained step of a chain of dense layers, with an empty cache and
with a full one. The picture goes to docs/growth.svg, unless another file is named.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from children import Child, LeftOutError, compare

HERE = Path(__file__).parent
FILE = HERE.parents[1] / "docs" / "growth.svg"
LAYERS, BATCHES, LENGTHS, DEPTHS = (125, 250, 500, 1000, 2000), (1, 8, 64, 512), (20, 50, 200, 1000), (2, 4, 8, 16)
COLOURS = {"ours": "#0072b2", "torch": "#d55e00"}


def cards(peer: str, layers: int) -> tuple[float, float] | None:
    """Return the first card's and a later one's processor milliseconds."""
    command = [sys.executable, str(HERE / "enter_to_card.py"), "--child", peer, f"{layers:,} layers", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    first, *others = json.loads(done.stdout.strip().splitlines()[-1])
    return first, statistics.median(others)


def wait_s(layers: int) -> tuple[float, float]:
    """Return the seconds to the first step, with an empty cache and with a full one."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            child = Child("ours", f"chain{layers}", 64, "training", XDG_CACHE_HOME=folder, CACHEDB=f"{folder}/t.db")
            child.close()
            found.append(child.wait_s)
    return found[0], found[1]


def main(file: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    matplotlib.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "path", "font.size": 9})
    figure, ((card, batch), (length, wait)) = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained")

    def line(axes, xs, ys, label, peer, style="-"):
        known = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
        if known:
            axes.plot(*zip(*known, strict=True), style, marker="o", markersize=3, color=COLOURS[peer], label=label)

    found = [cards("axon_nb", n) for n in LAYERS]
    line(card, LAYERS, [f and f[0] for f in found], "axon_nb, first", "ours", "--")
    line(card, LAYERS, [f and f[1] for f in found], "axon_nb, after an edit", "ours")
    line(card, LAYERS, [(f := cards("torch", n)) and f[1] for n in LAYERS], "torchinfo + torchview", "torch")
    card.set(title="card", xlabel="layers", ylabel="processor ms", xscale="log", yscale="log")

    for model, style in (("mlp", "-"), ("cnn", "--")):
        times = [compare(["ours", "torch"], model, n, "training") for n in BATCHES]
        for peer, name in (("ours", "axon_nb"), ("torch", "PyTorch")):
            ys = [t[peer][0] if peer in t else None for t in times]
            line(batch, BATCHES, ys, f"{name}, {model.upper()}", peer, style)
    batch.set(title="training step", xlabel="batch", ylabel="ms", xscale="log", yscale="log")

    times = [compare(["ours", "torch"], f"lstm{n}", 32, "training") for n in LENGTHS]
    for peer, name in (("ours", "axon_nb"), ("torch", "PyTorch")):
        line(length, LENGTHS, [t[peer][0] if peer in t else None for t in times], f"{name}, LSTM", peer)
    length.set(title="training step", xlabel="length of the sequence", ylabel="ms", xscale="log", yscale="log")

    waits = [wait_s(n) for n in DEPTHS]
    line(wait, DEPTHS, [w[0] for w in waits], "nothing on disk", "ours", "--")
    line(wait, DEPTHS, [w[1] for w in waits], "compiled before", "ours")
    wait.set(title="wait to the first trained step", xlabel="dense layers", ylabel="s", ylim=(0, None))

    for axes, values in ((card, LAYERS), (batch, BATCHES), (length, LENGTHS), (wait, DEPTHS)):
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.set_xticks([], minor=True)
        axes.legend(frameon=False, fontsize=8)
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
    except LeftOutError as error:
        raise SystemExit(str(error)) from error
