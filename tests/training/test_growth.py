"""Training for long takes no more memory than training for short, in a process of its own."""

import subprocess
import sys

import pytest

CODE = """
import gc, os, sys
import numpy as np
import axon_nb as ax

def used():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

rng = np.random.default_rng(0)
x, y = rng.random((256, 64), dtype=np.float32), rng.integers(0, 10, 256)
model = ax.input((None, 64)) | ax.dense(64, "relu") | ax.dropout(0.1) | ax.dense(10, "softmax")
seen = {}

@ax.callbacks.on("epoch_completed")
def look(state):
    if state.epoch + 1 in (3, 50):
        seen[state.epoch + 1] = used()

model.fit((x, y), loss="categorical_cross_entropy", metrics=["accuracy"], validation=0.2, epochs=50,
          callbacks=[ax.callbacks.EMA(0.9), look], progress=False)
print(seen[3], seen[50])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of a process is read from /proc")
def test_memory_after_epoch_50_is_that_after_epoch_3():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    early, late = map(int, done.stdout.split())
    assert late < early * 1.05, f"{early / 2**20:.0f} MB after epoch 3, {late / 2**20:.0f} MB after epoch 50"
