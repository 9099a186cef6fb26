"""A small training for the tests that kill it: run in a process by multiprocessing's fork server."""

import time

import numpy as np

import axon_nb as ax
from axon_nb import callbacks, optimizers, schedules

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = np.sin(X.sum(1, keepdims=True)).astype("float32")
EPOCHS = 40
STEPS = 3 * EPOCHS


def train(folder=None, *others):
    """Train with everything that has to be remembered: moments, schedule, plateau, dropout, mean of weights."""
    model = ax.input((None, 4)) | ax.dense(6, "tanh") | ax.dropout(0.2) | ax.dense(1)
    saves = [callbacks.Checkpoint(folder, every_steps=2, keep=2)] if folder else []
    return model.fit(
        (X, Y), loss="mean_squared_error", optimizer=optimizers.adam(schedules.cosine(0.02, STEPS)), epochs=EPOCHS,
        validation=0.2, batch_size=16, seed=3, resume=folder, progress=False,
        callbacks=[callbacks.ReduceLROnPlateau(patience=1, factor=0.7), callbacks.EMA(0.9), *saves, *others],
    )  # fmt: skip


def result_of(trained):
    return {name: tensor.numpy().tobytes() for name, tensor in trained.params.flat.items()}, trained.history


def run(folder, pipe, pause_s):
    """Train on; say when the first step of this process is taken; at the end send the result."""
    told = []

    @callbacks.on("iteration_completed")
    def tell(state):
        if not told:
            told.append(pipe.send("begun"))
        time.sleep(pause_s)  # so that kills meet all moments of a training that is over in a wink

    pipe.send(result_of(train(folder, tell)))
