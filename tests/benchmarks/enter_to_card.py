"""How long it takes from Enter to the card of a model: small and large, right and wrong, first and after an edit.

Side by side with what people use for it elsewhere: torchinfo's summary with torchview's drawing, and Keras's summary
with plot_model. Every peer and model has a process of its own, in turns; what is counted is processor time, with that
of programs that lay out a drawing, so that what else the machine does matters little. "First" is the first model of a
process whose imports are done; of a model that was edited one number differs each time, and given is the median.

    python tests/benchmarks/enter_to_card.py [ROUNDS]

A peer that is not installed is left out, and said so: ``pip install torch torchinfo torchview keras pydot``.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = """%%axon small
input((None, 1, 28, 28)) | conv({n}, 3, activation="relu") | max_pool(2)
| flatten() | dropout(0.5) | dense(10, "softmax")"""
SMALL_WRONG = "%%axon wrong\ninput((None, 28, 28, 1)) | conv({n}, 3) | max_pool(2) | flatten() | dense(10, 'softmax')"
SUM_WRONG = "%%axon wrong\ninput((None, 64)) | dense(64, 'relu') | residual(dense({n}, 'relu')) | dense(10)"
SEQUENCE_WRONG = "%%axon wrong\ninput((None, 20)) | embedding(1000, {n}) | lstm(16) | dense(1)"

RESNET = """%%axon resnet
def unit(width, strides=1, shortcut=None):
    body = (
        conv(width, 1, use_bias=False) | batch_norm() | relu()
        | conv(width, 3, strides=strides, padding="same", use_bias=False) | batch_norm() | relu()
        | conv(4 * width, 1, use_bias=False) | batch_norm()
    )
    return residual(body, shortcut=shortcut) | relu()

def stage(width, count, strides):
    first = unit(width, strides, conv(4 * width, 1, strides=strides, use_bias=False) | batch_norm())
    for _ in range(count - 1):
        first = first | unit(width)
    return first

x = input((None, 3, 224, 224))
y = x | conv(64, 7, strides=2, padding="same", use_bias=False) | batch_norm() | relu()
y = y | max_pool(3, strides=2, padding="same")
y = y | stage(64, 3, 1) | stage(128, 4, 2) | stage(256, 6, 2) | stage(512, 3, 2)
y | global_avg_pool() | dense({n})"""
RESNET_WRONG = RESNET.replace("| global_avg_pool() | dense", "| reshape((7, 7, 512)) | flatten() | dense")

CHAIN = "%%%%axon deep\ny = input((None, 64))\nfor i in range(%d):\n    y = y | dense(%s)\ny | dense({n})"

CELLS = {
    "small CNN": SMALL,
    "ResNet-50": RESNET,
    "1,000 layers": CHAIN % (1000, "64, 'relu'"),
    "1,000 layers, none as the one before": CHAIN % (1000, "8 + i % 97"),
    "250 layers": CHAIN % (250, "64, 'relu'"),
    "500 layers": CHAIN % (500, "64, 'relu'"),
    "2,000 layers": CHAIN % (2000, "64, 'relu'"),
    "small, does not fit (channels)": SMALL_WRONG,
    "small, does not fit (a sum)": SUM_WRONG,
    "small, does not fit (an embedding)": SEQUENCE_WRONG,
    "ResNet-50, does not fit": RESNET_WRONG,
}
COMPARED = ("small CNN", "ResNet-50", "1,000 layers")
NEEDS = {"axon_nb": ("IPython",), "torch": ("torch", "torchinfo", "torchview"), "keras": ("keras", "torch", "pydot")}
NAMES = {"torch": "torchinfo + torchview", "keras": "Keras summary + plot_model"}


def spent_ms() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both) * 1000


def ours(name):
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    import axon_nb

    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.display_pub = CapturingDisplayPublisher()
    axon_nb.load_ipython_extension(shell)

    def card(number):
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(CELLS[name].replace("{n}", str(number)))
        shown = shell.display_pub.outputs
        assert shown, name
        assert "<table" in shown[0]["data"]["text/html"]
        shown.clear()

    return card


def of_torch(name):
    import torch
    from torch import nn
    from torchinfo import summary
    from torchview import draw_graph

    dot = shutil.which("graphviz-pure", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

    class Bottleneck(nn.Module):
        def __init__(self, into, width, strides):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(into, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, width, 3, strides, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width),
            )  # fmt: skip
            changes = strides > 1 or into != 4 * width
            way = (nn.Conv2d(into, 4 * width, 1, strides, bias=False), nn.BatchNorm2d(4 * width))
            self.shortcut = nn.Sequential(*way) if changes else nn.Identity()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.body(x) + self.shortcut(x))

    def resnet(number):
        layers, into = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
        for width, count, strides in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for at in range(count):
                layers.append(Bottleneck(into, width, strides if at == 0 else 1))
                into = 4 * width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, number))

    makers = {
        "small CNN": (
            lambda n: nn.Sequential(
                nn.Conv2d(1, n, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(n * 169, 10),
                nn.Softmax(1),
            ),
            (1, 1, 28, 28),
        ),
        "ResNet-50": (resnet, (1, 3, 224, 224)),
    }  # fmt: skip

    def chain(n):
        count = int(name.replace(",", "").split()[0])
        return nn.Sequential(*(one for _ in range(count) for one in (nn.Linear(64, 64), nn.ReLU())), nn.Linear(64, n))

    make, size = makers.get(name) or (chain, (1, 64))

    def card(number):
        with torch.device("meta"):  # neither weights nor results take memory or time
            model = make(number)
        assert "Total params" in str(summary(model, input_size=size, device="meta", depth=4, verbose=0))
        source = draw_graph(model, input_size=size, device="meta").visual_graph.source
        subprocess.run([dot, "-Kdot", "-Tsvg"], input=source.encode(), capture_output=True, check=True)

    return card


def of_keras(name):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    sys.setrecursionlimit(100_000)  # for 1,000 layers
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    picture = f"{folder}/model.png"

    def chain(number):
        x = y = keras.Input((64,))
        for _ in range(1000):
            y = keras.layers.Dense(64, "relu")(y)
        return keras.Model(x, keras.layers.Dense(number)(y))

    makers = {
        "small CNN": lambda n: keras.Sequential(
            [
                keras.Input((28, 28, 1)), keras.layers.Conv2D(n, 3, activation="relu"), keras.layers.MaxPooling2D(),
                keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(10, "softmax"),
            ]
        ),
        "ResNet-50": lambda n: keras.applications.ResNet50(weights=None, classes=n),
        "1,000 layers": chain,
    }  # fmt: skip

    def card(number):
        model = makers[name](number)
        with contextlib.redirect_stdout(io.StringIO()):
            model.summary()
        keras.utils.plot_model(model, picture, show_shapes=True)

    return card


PEERS = {"axon_nb": ours, "torch": of_torch, "keras": of_keras}


def child(peer, name, rounds):
    """Print what each card took: the first, and those after an edit."""
    if name not in CELLS:  # "125 layers"
        CELLS[name] = CHAIN % (int(name.replace(",", "").split()[0]), "64, 'relu'")
    card = PEERS[peer](name)
    times = []
    for number in range(rounds + 1):
        start = spent_ms()
        card(32 + number)
        times.append(spent_ms() - start)
    sys.stdout.write(f"\n{json.dumps(times)}\n")


def measured(peer, name, rounds):
    """Run a peer in a process of its own; return the first time and the median of the others, or why there is none."""
    missing = [need for need in NEEDS[peer] if importlib.util.find_spec(need) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    command = [sys.executable, __file__, "--child", peer, name, str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:80]
    first, *others = json.loads(done.stdout.strip().splitlines()[-1])
    return first, statistics.median(others)


COLUMNS = ("cell", "axon_nb first", "after an edit", *(f"{name}, after an edit" for name in NAMES.values()))


def rows(rounds=9):
    """Give a line for each cell; in brackets ours as a share of theirs."""
    for name in CELLS:
        first, ours = measured("axon_nb", name, rounds)
        told = []
        for peer, title in NAMES.items():
            found = measured(peer, name, rounds) if name in COMPARED else ""
            if isinstance(found, str):
                told.append("")
                if found:
                    print(f"{name}: {title} is left out: {found}", file=sys.stderr)
            else:
                told.append(f"{found[1]:.1f} ({ours / found[1]:.2f})")
        yield name, f"{first:.1f}", f"{ours:.1f}", *told


def main(rounds):
    print(("{:>38}" + "{:>16}" * 2 + "{:>38}" * 2).format(*COLUMNS))
    for row in rows(rounds):
        print(("{:>38}" + "{:>16}" * 2 + "{:>38}" * 2).format(*row), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
