"""Networks that everyone knows, small where that changes nothing; the size is what open axes get."""

import axon_nb as ax


def conv_norm(units, size, strides=1, activation=True):
    layers = ax.conv(units, size, strides, "same", use_bias=False) | ax.batch_norm()
    return layers | ax.relu() if activation else layers


def basic(units, strides):
    short = conv_norm(units, 1, strides, activation=False) if strides > 1 else None
    return (
        ax.residual(conv_norm(units, 3, strides), conv_norm(units, 3, 1, activation=False), shortcut=short) | ax.relu()
    )


def bottleneck(units, strides, wide):
    short = conv_norm(units * 4, 1, strides, activation=False) if wide else None
    inner = conv_norm(units, 1) | conv_norm(units, 3, strides) | conv_norm(units * 4, 1, 1, activation=False)
    return ax.residual(inner, shortcut=short) | ax.relu()


def resnet(counts, block, width=8):
    x = ax.input((None, 3, 32, 32), name="image") | conv_norm(width, 7, 2) | ax.max_pool(3, 2, 1)
    for stage, count in enumerate(counts):
        for number in range(count):
            strides = 2 if stage and not number else 1
            units = width * 2**stage
            x = x | (block(units, strides) if block is basic else block(units, strides, not number))
    return x | ax.global_avg_pool() | ax.dense(10)


def unet():
    x = ax.input((None, 1, 32, 32), name="image")
    sides = []
    y = x
    for units in (4, 8):
        y = y | conv_norm(units, 3)
        sides.append(y)
        y = y | ax.max_pool(2)
    y = y | conv_norm(16, 3)
    for units in (8, 4):
        y = y | ax.conv_transpose(units, 2, 2)
        y = (y, sides.pop()) | ax.concatenate(axis=1) | conv_norm(units, 3)
    return y | ax.conv(2, 1, activation="sigmoid")


def gpt():
    x = ax.input((None, "time"), name="tokens", dtype="int32") | ax.embedding(50, 16) | ax.learned_positions(32)
    x = x | ax.residual(ax.layer_norm() | ax.multi_head_attention(heads=4, causal=True))
    x = x | ax.residual(ax.layer_norm() | ax.dense(64, "gelu") | ax.dense(16))
    return x | ax.layer_norm() | ax.dense(50, use_bias=False)


def two_by_two():
    a, b = ax.input((None, 4), name="a"), ax.input((None, 6), name="b")
    joined = (a | ax.dense(8, "relu"), b | ax.dense(8, "tanh")) | ax.concatenate() | ax.dense(8, "silu")
    return (joined | ax.dense(3, "softmax"), joined | ax.dense(1)) | ax.noop()


NETWORKS = {
    "mlp": (ax.input((None, 20), name="x") | ax.dense(16, "relu") | ax.dropout() | ax.dense(10, "softmax"), 20),
    "lenet": (
        ax.input((None, 1, 28, 28), name="image")
        | ax.conv(6, 5, padding="same", activation="tanh") | ax.avg_pool(2) | ax.conv(16, 5, activation="tanh")
        | ax.avg_pool(2) | ax.flatten() | ax.dense(120, "tanh") | ax.dense(84, "tanh") | ax.dense(10), 28,
    ),
    "resnet18": (resnet((2, 2, 2, 2), basic), 32),
    "resnet50": (resnet((3, 4, 6, 3), bottleneck), 32),
    "unet": (unet(), 32),
    "lstm": (
        ax.input((None, "time"), name="words", dtype="int32") | ax.embedding(40, 8) | ax.lstm(12)
        | ax.lstm(6, return_sequence=False) | ax.dense(2, "softmax"), 7,
    ),
    "gpt": (gpt(), 9),
    "two_by_two": (two_by_two(), 4),
}  # fmt: skip
