"""Reports built by hand, as the tracer would make them, for the display tests."""

from __future__ import annotations

from math import prod

from axon_nb.errors import ShapeError
from axon_nb.rows import ParamRow, Report, Row


def param(name, *shape, kind="trainable"):
    return ParamRow(name, shape, "float32", kind, prod(shape), 4 * prod(shape))


class Rows:
    """Adds rows one after the other; a parent is the name of an earlier row, by default the last one."""

    def __init__(self):
        self.rows = []
        self.counts = {}

    def key(self, name):
        return next(row.key for row in self.rows if row.name == name)

    def add(self, op, family, shape, *params, path=(), parents=None, name=None, **more):
        number = self.counts.get((path, op), 0)
        self.counts[path, op] = number + 1
        name = name or ".".join((*path, f"{op}_{number}"))
        if parents is None:
            parents = [self.rows[-1].name] if self.rows and op != "input" else []
        keys = tuple(self.key(parent) for parent in parents)
        options = tuple(more.pop("options", {}).items())
        more.setdefault("macs", sum(leaf.count for leaf in params if leaf.name == "kernel"))
        row = Row(len(self.rows), name, op, family, path, keys, shape, "float32", options, params, **more)
        self.rows.append(row)
        return name

    def input(self, name, *shape, **more):
        return self.add("input", "input", shape, name=name, **more)

    def dense(self, units, fan_in, activation=None, **more):
        options = {"units": units} | ({"activation": activation} if activation else {})
        params = (param("kernel", fan_in, units), param("bias", units))
        return self.add("dense", "linear", (None, units), *params, options=options, **more)

    def relu(self, *shape, **more):
        return self.add("relu", "activation", shape, **more)

    def conv(self, out, fan_in, size, at, *, strides=1, **more):
        options = {"units": out, "kernel_size": size} | ({"strides": strides} if strides > 1 else {})
        kernel = param("kernel", out, fan_in, size, size)
        return self.add(
            "conv", "convolution", (None, out, at, at), kernel, options=options, macs=kernel.count * at * at, **more
        )

    def norm(self, channels, at, **more):
        leaves = [param("gamma", channels), param("beta", channels)]
        leaves += [param("mean", channels, kind="state"), param("variance", channels, kind="state")]
        return self.add("batch_norm", "normalization", (None, channels, at, at), *leaves, **more)

    def report(self, name, error=None):
        return Report(name, tuple(self.rows), error)


def mnist():
    rows = Rows()
    rows.input("image", None, 784)
    rows.dense(128, 784, "relu")
    rows.dense(10, 128, "softmax", output="")
    return rows.report("mnist")


def gan():
    rows = Rows()
    g, d = ("generator",), ("discriminator",)
    rows.input("latent", None, 128)
    rows.dense(256, 128, "tanh", path=g)
    rows.dense(784, 256, "tanh", path=g)
    rows.add("reshape", "shape", (None, 28, 28), options={"shape": (28, 28)}, path=g)
    rows.add("flatten", "shape", (None, 784), path=d)
    rows.dense(128, 784, "relu", path=d)
    rows.dense(1, 128, "sigmoid", path=d, output="")
    return rows.report("gan")


def cnn():
    rows = Rows()
    rows.input("image", None, 1, 28, 28)
    rows.conv(32, 1, 3, 26)
    rows.add("max_pool", "pooling", (None, 32, 13, 13), options={"kernel_size": 2})
    rows.conv(64, 32, 3, 11)
    rows.add("max_pool", "pooling", (None, 64, 5, 5), options={"kernel_size": 2})
    rows.add("flatten", "shape", (None, 1600))
    rows.add("dropout", "dropout", (None, 1600), options={"rate": 0.5})
    rows.dense(10, 1600, "softmax", output="")
    return rows.report("cnn")


def _bottleneck(rows, width, fan_in, at, strides):
    entry = rows.rows[-1].name
    rows.conv(width, fan_in, 1, at * strides)
    rows.norm(width, at * strides)
    rows.relu(None, width, at * strides, at * strides)
    rows.conv(width, width, 3, at, strides=strides)
    rows.norm(width, at)
    rows.relu(None, width, at, at)
    rows.conv(4 * width, width, 1, at)
    main = rows.norm(4 * width, at)
    if fan_in != 4 * width:
        rows.conv(4 * width, fan_in, 1, at, strides=strides, parents=[entry])
        entry = rows.norm(4 * width, at)
    rows.add("add", "combine", (None, 4 * width, at, at), parents=[main, entry])
    rows.relu(None, 4 * width, at, at)


def resnet50():
    rows = Rows()
    rows.input("image", None, 3, 224, 224)
    rows.conv(64, 3, 7, 112, strides=2)
    rows.norm(64, 112)
    rows.relu(None, 64, 112, 112)
    rows.add("max_pool", "pooling", (None, 64, 56, 56), options={"kernel_size": 3, "strides": 2})
    fan_in = 64
    for width, at, blocks in ((64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3)):
        for block in range(blocks):
            _bottleneck(rows, width, fan_in, at, 2 if block == 0 and width > 64 else 1)
            fan_in = 4 * width
    rows.add("global_avg_pool", "pooling", (None, 2048))
    rows.dense(1000, 2048, "softmax", output="")
    return rows.report("resnet50")


def shared():
    """Return two images through one encoder: a siamese model."""
    rows = Rows()
    left, right = rows.input("left", None, 784), rows.input("right", None, 784)
    a = rows.dense(64, 784, "relu", parents=[left])
    b = rows.add(
        "dense", "linear", (None, 64), parents=[right], options={"units": 64, "activation": "relu"}, shared_with=a
    )
    rows.add("subtract", "combine", (None, 64), parents=[a, b])
    rows.dense(1, 64, "sigmoid", output="")
    return rows.report("siamese")


def several():
    """Return a model with two inputs and two named outputs."""
    rows = Rows()
    image, age = rows.input("image", None, 784), rows.input("age", None, 1)
    a = rows.dense(64, 784, "relu", parents=[image])
    b = rows.dense(16, 1, "relu", parents=[age])
    both = rows.add("concatenate", "combine", (None, 80), parents=[a, b])
    rows.dense(10, 80, parents=[both], name="digit", output="logits")
    rows.dense(4, 80, parents=[both], name="place", output="box")
    return rows.report("detector")


def failing():
    rows = Rows()
    rows.input("image", None, 1, 28, 28)
    rows.conv(32, 1, 3, 26, source="cell line 2")
    rows.add("dense", "linear", None, options={"units": "ten"}, macs=None, status="failed", source="cell line 3")
    rows.add("softmax", "activation", None, macs=None, status="pending", output="", source="cell line 4")
    error = ShapeError(
        "the last axis must be known",
        where="dense 'dense_0' (cell line 3)",
        got="(None, 32, 26, None)",
        fix="give input(...) a width",
    )
    return rows.report("broken", error)


def chain(length=1000, *, alike=True):
    """Return dense and relu in turn; with ``alike=False`` no two layers look the same."""
    rows = Rows()
    rows.input("x", None, 64)
    for index in range(length // 2):
        width = 64 if alike else 65 + index
        fan_in = 64 if alike or index == 0 else 64 + index
        rows.dense(width, fan_in, name=f"dense_{index}", parents=[rows.rows[-1].name] if index < 1 else None)
        rows.relu(None, width)
    return rows.report("deep")


def branches(width=300):
    rows = Rows()
    x = rows.input("x", None, 8)
    names = [rows.dense(4, 8, parents=[x]) for _ in range(width)]
    rows.add("concatenate", "combine", (None, 4 * width), parents=names, output="")
    return rows.report("wide")


def blocks(count=6, *, named=False):
    """Return residual blocks in a row, each in a part of its own if ``named``."""
    rows = Rows()
    rows.input("x", None, 64)
    rows.dense(64, 64)
    for index in range(count):
        path = (f"block_{index}",) if named else ()
        entry = rows.rows[-1].name
        rows.dense(64, 64, path=path)
        rows.relu(None, 64, path=path)
        inner = rows.dense(64, 64, path=path)
        rows.add("add", "combine", (None, 64), parents=[inner, entry], path=path)
    rows.dense(1, 64, output="")
    return rows.report("residual")


def hostile(name):
    """Return a small model in which every text that people write is ``name``."""
    rows = Rows()
    rows.input(name, None, 3)
    rows.add("dense", "linear", (name, 2), name=name + "2", options={name: name}, path=(name,), output=name)
    return Report(name, tuple(rows.rows), ShapeError(name))
