"""What the loop adds to a step: `fit`'s loop beside a hand-written one over tinygrad's TinyJit, on one machine at once.

    python tests/benchmarks/loop_overhead.py [--models mlp cnn] [--rounds 15] [--steps 40]

Three loops over the same shuffled NumPy batches, none reading a loss between steps:

* hand: tinygrad's layers and Adam in a TinyJit, as tinygrad's own examples write it.
* step: our recorded step called in a bare Python loop; what is above it is the loop's own cost.
* loop: `fit`'s.

Rounds alternate, so that what else the machine does falls on all; the medians of a step are compared.
"""

import argparse
import statistics
import time

import numpy as np
from tinygrad import Context, Tensor, TinyJit, nn

import axon_nb as ax
from axon_nb.engine import RUNTIME
from axon_nb.training.recipe import Recipe
from axon_nb.training.runner import Runner
from axon_nb.training.state import State

BATCH = 64
SHAPES = {"mlp": (784,), "cnn": (1, 28, 28)}
LOSS = ax.losses.categorical_cross_entropy(from_logits=True)


def model_of(name):
    x = ax.input((None, *SHAPES[name]))
    if name == "cnn":
        x = x | ax.conv(32, kernel_size=3, activation="relu") | ax.max_pool(2)
        x = x | ax.conv(64, kernel_size=3, activation="relu") | ax.max_pool(2) | ax.flatten()
    else:
        x = x | ax.dense(128, "relu")
    return x | ax.dense(10)


class ByHand:
    def __init__(self, name, x, y, params):
        self.name, self.x, self.y, self.rng = name, x, y, np.random.default_rng(0)
        self.weights = [tensor.clone().realize() for tensor in params.flat.values()]
        for tensor in self.weights:
            tensor.is_param_(True)
        self.optimizer = nn.optim.Adam(self.weights, lr=0.001)
        Tensor.realize(*nn.state.get_parameters(self.optimizer))
        self.step = TinyJit(self._step)

    def _step(self, x, y):
        w = self.weights
        if self.name == "mlp":
            logits = x.linear(w[0], w[1]).relu().linear(w[2], w[3])
        else:
            hidden = x.conv2d(w[0], w[1]).relu().max_pool2d()
            logits = hidden.conv2d(w[2], w[3]).relu().max_pool2d().flatten(1).linear(w[4], w[5])
        self.optimizer.zero_grad()
        loss = logits.sparse_categorical_crossentropy(y)
        loss.backward()
        return loss.realize(*self.optimizer.schedule_step())

    def run(self, steps):
        order = self.rng.permutation(len(self.x))
        with Context(TRAINING=1):
            for number in range(steps):
                at = order[number * BATCH : (number + 1) * BATCH]
                loss = self.step(Tensor(self.x[at]).realize(), Tensor(self.y[at]).realize())
        loss.numpy()


class Ours:
    """The step in a bare loop, or (`runs`) the loop of `fit`, on the same stepper."""

    def __init__(self, stepper, recipe, feed, *, runs):
        self.stepper, self.recipe, self.feed, self.runs = stepper, recipe, feed, runs
        self.epoch = 0

    def run(self, steps):
        self.epoch += 1
        if not self.runs:
            for batch in self.feed.batches(self.epoch):
                self.stepper.train(self.stepper.load(batch))
            self.stepper.look()
            return
        state = State(self.stepper, self.epoch + 1)
        state.feed, state.recipe, state.epoch = self.feed, self.recipe, self.epoch
        Runner(state, (), self.recipe.result, shows=False).run()


def compare(name, rounds, steps):
    rng = np.random.default_rng(0)
    x = rng.random((BATCH * steps, *SHAPES[name]), dtype=np.float32)
    y = rng.integers(0, 10, BATCH * steps).astype(np.int32)
    recipe = Recipe(model_of(name), LOSS, "adam")
    feed = recipe.feed((x, y), BATCH)
    params = recipe.start(feed, None)
    stepper = recipe.stepper(params)
    contenders = {
        "hand": ByHand(name, x, y, params),
        "step": Ours(stepper, recipe, feed, runs=False),
        "loop": Ours(stepper, recipe, feed, runs=True),
    }
    times = {kind: [] for kind in contenders}
    with RUNTIME:
        for one in contenders.values():
            one.run(steps)  # records
        for _ in range(rounds):
            for kind, one in contenders.items():
                start = time.perf_counter()
                one.run(steps)
                times[kind].append((time.perf_counter() - start) / steps * 1000)
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    told = ", ".join(f"{kind} {value:.2f} ms" for kind, value in medians.items())
    by_hand, by_step = (medians["loop"] / medians[kind] for kind in ("hand", "step"))
    print(f"{name}: {told}; loop/hand {by_hand:.3f}, loop/step {by_step:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    for each in given.models:
        compare(each, given.rounds, given.steps)
