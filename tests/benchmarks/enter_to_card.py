"""How long a ``%%axon`` cell takes from Enter to its card, in a real IPython shell: small and large, right and wrong.

Each round runs every cell once; given are the medians over the rounds. Of a cell that was edited one number differs
from round to round, so that something has to be traced anew; one that is run again as it was has nothing new.

    python tests/benchmarks/enter_to_card.py [ROUNDS]
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import time

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import axon_nb

SMALL = "%%axon small\ninput((None, 784)) | dense({n}, 'relu') | dropout(0.5) | dense(10, 'softmax')"
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

CELLS = {
    "small, edited": (SMALL, 30),
    "small, does not fit (channels)": (SMALL_WRONG, 30),
    "small, does not fit (a sum)": (SUM_WRONG, 30),
    "small, does not fit (an embedding)": (SEQUENCE_WRONG, 30),
    "ResNet-50, edited": (RESNET, 100),
    "ResNet-50, does not fit": (RESNET_WRONG, 100),
}


def main(rounds):
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    shell.display_pub = CapturingDisplayPublisher()
    axon_nb.load_ipython_extension(shell)
    times = {name: [] for name in CELLS}
    for number in range(rounds + 1):
        for name, (cell, _) in CELLS.items():
            with contextlib.redirect_stdout(io.StringIO()):
                start = time.perf_counter()
                shell.run_cell(cell.replace("{n}", str(32 + number)))
                spent = time.perf_counter() - start
            assert shell.display_pub.outputs, name
            shell.display_pub.outputs.clear()
            if number:  # the first round is cold
                times[name].append(spent * 1000)
    print(f"{'median ms':>10} {'target':>8}")
    for name, (_, target) in CELLS.items():
        print(f"{statistics.median(times[name]):10.1f} {target:8} {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
