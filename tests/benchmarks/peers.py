"""The models that are measured, written for axon_nb, PyTorch, Keras and plain tinygrad; run as a child of `step.py`.

    python tests/benchmarks/peers.py PEER MODEL BATCH MODE

Reads a number of steps from each line of standard input, takes them, and answers with the seconds of each as JSON. The
first line it writes is the wait: seconds from the import's end to the end of the first step. PEER is ``ours``,
``torch`` (eager), ``compiled`` (torch.compile), ``keras`` (on PyTorch, or on what KERAS_BACKEND names) or ``tinygrad``
(TinyJit written by hand, compiled by the same LLVM), MODE ``training`` or ``inference``.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

CLASSES = 10
SHAPES = {
    "mlp": (784,),
    "chain": (64,),
    "cnn": (1, 28, 28),
    "resnet18": (3, 32, 32),
    "lstm": (50, 16),
    "gpt": (64, 128),
}
HEADS = 4


def sized(model: str) -> tuple[str, int]:
    """Part a name from the number behind it, the length of a sequence or a number of layers: lstm200, chain8."""
    name = model.rstrip("0123456789")
    return (model, 0) if name == "resnet" else (name, int(model[len(name) :] or 0))


def shape_of(model: str) -> tuple[int, ...]:
    name, number = sized(model)
    return (number, *SHAPES[name][1:]) if name == "lstm" and number else SHAPES[name]


def data(model: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.random((batch, *shape_of(model)), dtype=np.float32)
    return x, rng.integers(0, CLASSES, batch)


# ---- axon_nb


def ours(model: str, batch: int, mode: str):
    import axon_nb as ax
    from axon_nb.training.feed import Batch
    from axon_nb.training.goal import make_goal
    from axon_nb.training.optimizers import as_optimizer
    from axon_nb.training.step import Trainer

    start = time.perf_counter()
    made = ours_model(ax, model)
    x, y = data(model, batch)
    params = made.init()
    if mode == "inference":
        return start, lambda: made.predict(params, x)
    goal = make_goal("categorical_cross_entropy", (), None)
    trainer = Trainer(made, params, goal, as_optimizer("adam"), seed=0, device=params_device(params))
    node = made.inputs[0] if not isinstance(made.inputs, dict) else next(iter(made.inputs.values()))
    labels = np.eye(CLASSES, dtype=np.float32)[y]

    def step():
        trainer.train(trainer.load(Batch({node: x}, (labels,))))
        return trainer.look()[0]  # waits for the device

    return start, step


def params_device(params) -> str:
    return next(iter(params.leaves.values())).tensor.device


def ours_model(ax, model: str):
    x = ax.input((None, *shape_of(model)))
    model, number = sized(model)
    if model == "chain":
        for at in range(number):
            x = x | ax.dense(64 + 8 * at, "relu")  # none as the one before
        return x | ax.dense(CLASSES, "softmax")
    if model == "mlp":
        return x | ax.dense(128, "relu") | ax.dense(CLASSES, "softmax")
    if model == "cnn":
        x = x | ax.conv(32, kernel_size=3, activation="relu") | ax.max_pool(2)
        x = x | ax.conv(64, kernel_size=3, activation="relu") | ax.max_pool(2)
        return x | ax.flatten() | ax.dense(CLASSES, "softmax")
    if model == "resnet18":
        return ours_resnet18(ax, x)
    if model == "lstm":
        return x | ax.lstm(64, return_sequence=False) | ax.dense(CLASSES, "softmax")
    return ours_gpt(ax, x)


def ours_resnet18(ax, x):
    def norm(units, size, stride, relu=True):
        block = ax.conv(units, kernel_size=size, strides=stride, padding=size // 2, use_bias=False) | ax.batch_norm()
        return block | ax.relu() if relu else block

    x = x | norm(64, 3, 1)
    within = 64
    for units, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        short = norm(units, 1, stride, relu=False) if stride > 1 or within != units else None
        x = x | ax.residual(norm(units, 3, stride) | norm(units, 3, 1, relu=False), shortcut=short) | ax.relu()
        within = units
    return x | ax.global_avg_pool() | ax.dense(CLASSES, "softmax")


def ours_gpt(ax, x):
    width = SHAPES["gpt"][1]
    x = x | ax.residual(ax.layer_norm() | ax.multi_head_attention(heads=HEADS, causal=True))
    x = x | ax.residual(ax.layer_norm() | ax.dense(4 * width, "gelu") | ax.dense(width))
    return x | ax.layer_norm() | ax.slice(-1, None, axis=1) | ax.flatten() | ax.dense(CLASSES, "softmax")


# ---- PyTorch


def torch(model: str, batch: int, mode: str, *, compiled: bool = False):
    import torch

    start = time.perf_counter()
    torch.manual_seed(0)
    made = torch_model(torch, model)
    x, y = data(model, batch)
    optimizer = torch.optim.Adam(made.parameters())

    def train():
        xs, ys = torch.from_numpy(x), torch.from_numpy(y)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(made(xs), ys)
        loss.backward()
        optimizer.step()
        return loss.item()

    def predict():
        with torch.no_grad():
            return made(torch.from_numpy(x)).softmax(1).numpy()

    made.train(mode == "training")
    if compiled:
        made = torch.compile(made)
    return start, train if mode == "training" else predict


def torch_model(torch, model: str):
    nn = torch.nn
    model, _ = sized(model)
    if model == "mlp":
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, CLASSES))
    if model == "cnn":
        first = (nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2))
        return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(1600, CLASSES))
    if model == "lstm":
        return TorchLast(torch, nn.LSTM(SHAPES["lstm"][1], 64, batch_first=True), nn.Linear(64, CLASSES))
    if model == "gpt":
        return TorchGpt(torch)
    return TorchResnet(torch)


def TorchLast(torch, cell, output):  # noqa: N802  # makes a module: torch is not imported when this file is
    class Last(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.output = cell, output

        def forward(self, x):
            return self.output(self.cell(x)[1][0][0])

    return Last()


def TorchGpt(torch):  # noqa: N802
    nn, (length, width) = torch.nn, SHAPES["gpt"]

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
            self.queries, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down, self.head = (
                nn.Linear(width, 4 * width),
                nn.Linear(4 * width, width),
                nn.Linear(width, CLASSES),
            )

        def forward(self, x):
            parts = self.queries(self.norms[0](x)).reshape(len(x), length, 3, HEADS, width // HEADS)
            q, k, v = parts.permute(2, 0, 3, 1, 4)
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(seen.transpose(1, 2).reshape(len(x), length, width))
            x = x + self.down(nn.functional.gelu(self.up(self.norms[1](x)), approximate="tanh"))
            return self.head(self.norms[2](x)[:, -1])

    return Gpt()


def TorchResnet(torch):  # noqa: N802
    nn = torch.nn

    def norm(within, units, size, stride):
        return nn.Conv2d(within, units, size, stride, size // 2, bias=False), nn.BatchNorm2d(units)

    class Block(nn.Module):
        def __init__(self, within, units, stride):
            super().__init__()
            self.body = nn.Sequential(*norm(within, units, 3, stride), nn.ReLU(), *norm(units, units, 3, 1))
            self.short = (
                nn.Sequential(*norm(within, units, 1, stride)) if stride > 1 or within != units else nn.Identity()
            )

        def forward(self, x):
            return nn.functional.relu(self.body(x) + self.short(x))

    layers = [*norm(3, 64, 3, 1), nn.ReLU()]
    within = 64
    for units, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers.append(Block(within, units, stride))
        within = units
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


def torch_compiled(model: str, batch: int, mode: str):
    return torch(model, batch, mode, compiled=True)


# ---- Keras


def keras(model: str, batch: int, mode: str):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    made = keras_model(keras, model)
    x, y = data(model, batch)
    if len(shape_of(model)) == 3:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    if mode == "inference":
        return start, lambda: made.predict_on_batch(x)
    made.compile("adam", "sparse_categorical_crossentropy")
    return start, lambda: float(np.asarray(made.train_on_batch(x, y)).reshape(-1)[0])


def keras_model(keras, model: str):
    layers = keras.layers
    shape = shape_of(model)
    model, _ = sized(model)
    x = y = keras.Input((*shape[1:], shape[0]) if len(shape) == 3 else shape)
    if model == "mlp":
        y = layers.Dense(128, "relu")(y)
    elif model == "cnn":
        for units in (32, 64):
            y = layers.MaxPooling2D()(layers.Conv2D(units, 3, activation="relu")(y))
        y = layers.Flatten()(y)
    elif model == "resnet18":
        y = keras_resnet18(layers, y)
    elif model == "lstm":
        y = layers.LSTM(64)(y)
    else:
        width = shape[1]
        z = layers.LayerNormalization()(y)
        y = y + layers.MultiHeadAttention(HEADS, width // HEADS)(z, z, use_causal_mask=True)
        z = layers.Dense(4 * width, "gelu")(layers.LayerNormalization()(y))
        y = y + layers.Dense(width)(z)
        y = layers.LayerNormalization()(y)[:, -1]
    return keras.Model(x, layers.Dense(CLASSES, "softmax")(y))


def keras_resnet18(layers, y):
    def norm(y, units, size, stride):
        return layers.BatchNormalization()(layers.Conv2D(units, size, stride, "same", use_bias=False)(y))

    y = layers.ReLU()(norm(y, 64, 3, 1))
    for units, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        z = norm(layers.ReLU()(norm(y, units, 3, stride)), units, 3, 1)
        y = layers.ReLU()(z + (norm(y, units, 1, stride) if stride > 1 else y))
    return layers.GlobalAveragePooling2D()(y)


# ---- tinygrad as its own examples write it


def tinygrad(model: str, batch: int, mode: str):
    from axon_nb.engine import llvm  # only for a compiler: none of our programs or kernels is used

    llvm.install()
    from tinygrad import Context, Tensor, TinyJit, nn

    start = time.perf_counter()
    if model == "mlp":
        first, second = nn.Linear(784, 128), nn.Linear(128, CLASSES)
        layers = [first, Tensor.relu, second]
    else:
        convs = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        layers = [convs[0], Tensor.relu, Tensor.max_pool2d, convs[1], Tensor.relu, Tensor.max_pool2d]
        layers += [lambda t: t.flatten(1), nn.Linear(1600, CLASSES)]
    optimizer = nn.optim.Adam(
        nn.state.get_parameters([one for one in layers if not callable(one) or hasattr(one, "weight")])
    )
    x, y = data(model, batch)

    @TinyJit
    def train(xs, ys):
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = xs.sequential(layers).sparse_categorical_crossentropy(ys).backward()
            return loss.realize(*optimizer.schedule_step())

    @TinyJit
    def predict(xs):
        return xs.sequential(layers).softmax().realize()

    def step():
        xs = Tensor(x).realize()
        if mode == "inference":
            return predict(xs).numpy()
        return train(xs, Tensor(y.astype(np.int32)).realize()).item()

    return start, step


PEERS = {"ours": ours, "torch": torch, "compiled": torch_compiled, "keras": keras, "tinygrad": tinygrad}


def main() -> None:
    peer, model, batch, mode = sys.argv[1:]
    start, step = PEERS[peer](model, int(batch), mode)
    step()
    if peer == "tinygrad":
        step()  # TinyJit compiles twice: its first call is not recorded
    print(json.dumps(time.perf_counter() - start), flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            step()
            times.append(time.perf_counter() - begin)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
