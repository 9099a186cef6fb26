"""How the wait and the step of an LSTM (or GRU, or RNN) grow with the length of the sequence, beside PyTorch.

    python tests/benchmarks/lstm_length.py [--unroll] [--wait] [lstm | gru | rnn ...] [LENGTH ...]

Batch 32, 16 features, 64 units, one number from the last step; training is forward, gradient and plain SGD. "Wait" is
the processor's time for all that comes before the first step: tracing, scheduling, compiling, with no cache on disk.
``--unroll`` compiles each step by itself, as tinygrad does with a Python loop (try it with 5 and 10: it takes minutes
from 50 on). ``--wait`` measures that alone, and takes no time of steps.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import time

os.environ["CACHELEVEL"] = os.environ["AXON_NB_CACHE"] = "0"  # what an earlier run compiled would count as no wait

import numpy as np
from tinygrad import Tensor

from axon_nb import functional
from axon_nb.engine import Program

BATCH, FEATURES, UNITS = 32, 16, 64
LENGTHS = (20, 50, 200)


def numbers(*shape: int, scale: float = 0.1) -> np.ndarray:
    return (np.random.default_rng(shape).normal(size=shape) * scale).astype(np.float32)


GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def weights_of(cell: str) -> dict[str, np.ndarray]:
    """The kernels of a cell, and one that makes a number of its last output."""
    wide = GATES[cell] * UNITS
    return {
        "kernel": numbers(FEATURES, wide),
        "recurrent_kernel": numbers(UNITS, wide),
        "bias": numbers(wide),
        "output": numbers(UNITS, 1),
    }


def best_ms(function, times: int = 20) -> float:
    """The shortest of several runs: others only say what else the machine did."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found) * 1e3


def ours(cell: str, x: np.ndarray, *, unroll: bool, steps: bool) -> dict[str, tuple[float, float]]:
    """Seconds of waiting and milliseconds of a step (if they are asked for), for both kinds of step."""
    weights = {name: Tensor(value).contiguous() for name, value in weights_of(cell).items()}
    Tensor.realize(*weights.values())
    kernel, recurrent, bias, output = weights.values()

    def predict(x: Tensor) -> Tensor:
        sequence, _ = getattr(functional, cell)(x, kernel, recurrent, bias, unroll=unroll)
        return sequence[:, -1] @ output

    def train(x: Tensor) -> Tensor:
        loss = predict(x).square().mean()
        for tensor, gradient in zip(weights.values(), loss.gradient(*weights.values()), strict=True):
            tensor.assign(tensor - 0.01 * gradient)
        return loss

    found = {}
    for name, function in (("forward", predict), ("training", train)):
        program = Program(function, name, state=tuple(weights.values()), training=name == "training")
        tensor = Tensor(x).realize()
        start = time.process_time()
        program.prepare(tensor)
        wait = time.process_time() - start
        step = best_ms(lambda program=program, tensor=tensor: program(tensor).numpy()) if steps else math.nan
        found[name] = wait, step
    return found


def theirs(cell: str, x: np.ndarray) -> dict[str, float]:
    """PyTorch's milliseconds."""
    import torch

    module = getattr(torch.nn, cell.upper())(FEATURES, UNITS, batch_first=True)
    output = torch.nn.Parameter(torch.tensor(weights_of(cell)["output"]))
    optimizer = torch.optim.SGD([*module.parameters(), output], lr=0.01)
    tensor = torch.tensor(x)

    def predict():
        with torch.no_grad():
            return module(tensor)[0][:, -1] @ output

    def train():
        optimizer.zero_grad()
        loss = (module(tensor)[0][:, -1] @ output).square().mean()
        loss.backward()
        optimizer.step()

    return {"forward": best_ms(predict), "training": best_ms(train)}


def main() -> None:
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    flags = {name: f"--{name}" in sys.argv for name in ("unroll", "wait")}
    cells = [a for a in arguments if a in GATES] or ["lstm"]
    lengths = [int(a) for a in arguments if a not in GATES] or LENGTHS
    Tensor.ones(4).contiguous().realize()  # opening the device is nobody's wait
    print(f"{'':15}{'time':>6}{'wait s':>9}{'step ms':>10}{'torch ms':>10}{'ratio':>8}{'ms/100 steps':>14}")
    for cell, length in itertools.product(cells, lengths):
        x = numbers(BATCH, length, FEATURES, scale=1.0)
        mine = ours(cell, x, unroll=flags["unroll"], steps=not flags["wait"])
        other = dict.fromkeys(mine, math.nan) if flags["wait"] else theirs(cell, x)
        for name, (wait, step) in mine.items():
            ratio = step / other[name]
            row = f"{cell:6}{name:9}{length:6}{wait:9.2f}{step:10.2f}{other[name]:10.2f}{ratio:8.2f}"
            print(f"{row}{100 * step / length:14.2f}", flush=True)


if __name__ == "__main__":
    main()
