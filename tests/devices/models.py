"""Twelve small models of different kinds, with data, to run on every device."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import axon_nb as ax


@dataclass(frozen=True)
class Case:
    """A model, data for it, and the loss that it is trained with."""

    model: Callable[[], Any]
    x: Any
    y: Any
    loss: str = "mean_squared_error"
    options: dict = field(default_factory=dict)


_numbers = np.random.default_rng(7)


def _normal(*shape: int) -> np.ndarray:
    return _numbers.normal(size=shape).astype("float32")


def _mlp():
    return ax.input((None, 12)) | ax.dense(16, "relu") | ax.dropout(0.2) | ax.dense(3, "softmax")


def _cnn():
    return (
        ax.input((None, 1, 10, 10)) | ax.conv(4, 3, activation="relu") | ax.max_pool(2) | ax.flatten()
        | ax.dense(3, "softmax")
    )  # fmt: skip


def _resnet_block():
    first, second = (ax.conv(4, 3, padding="same") | ax.batch_norm() for _ in range(2))
    inner = first | ax.relu() | second
    return ax.input((None, 4, 6, 6)) | ax.residual(inner) | ax.relu() | ax.global_avg_pool() | ax.dense(2)


def _lstm():
    return ax.input((None, 6, 3)) | ax.lstm(5) | ax.flatten() | ax.dense(1)


def _gru():
    return ax.input((None, 6, 3)) | ax.gru(5) | ax.flatten() | ax.dense(1)


def _attention():
    return (
        ax.input((None, 5, 8)) | ax.multi_head_attention(heads=2) | ax.layer_norm() | ax.flatten() | ax.dense(2)
    )  # fmt: skip


def _text():
    return ax.input((None, 6), dtype="int32") | ax.embedding(11, 8) | ax.global_avg_pool(channels="last") | ax.dense(2)


def _autoencoder():
    return (
        ax.input((None, 1, 8, 8)) | ax.conv(3, 3, strides=2, padding="same", activation="relu")
        | ax.conv_transpose(1, 2, strides=2)
    )  # fmt: skip


def _gan():
    generator = ax.input((None, 4)) | ax.dense(8, "tanh") | ax.dense(6, "tanh")
    discriminator = ax.input((None, 6)) | ax.dense(8, "leaky_relu") | ax.dense(1, "sigmoid")
    return ax.compose(generator=generator, discriminator=discriminator)


def _siamese():
    tower = ax.dense(6, "relu") | ax.dense(3)
    left, right = ax.input((None, 5), name="left"), ax.input((None, 5), name="right")
    return (tower(left) - tower(right)) | ax.dense(1)


def _separable():
    return (
        ax.input((None, 3, 8, 8)) | ax.separable_conv(4, 3) | ax.group_norm(2) | ax.gelu() | ax.avg_pool(2)
        | ax.flatten() | ax.dense(2)
    )  # fmt: skip


def _sequence():
    body = ax.conv(4, 3, channels="last") | ax.silu() | ax.rms_norm()
    return ax.input((None, 12, 2)) | body | ax.flatten() | ax.dense(1)


def _classes(count: int, samples: int) -> np.ndarray:
    return np.arange(samples) % count


CASES = {
    "mlp": Case(_mlp, _normal(8, 12), _classes(3, 8), "categorical_cross_entropy"),
    "cnn": Case(_cnn, _normal(8, 1, 10, 10), _classes(3, 8), "categorical_cross_entropy"),
    "resnet block": Case(_resnet_block, _normal(8, 4, 6, 6), _normal(8, 2)),
    "lstm": Case(_lstm, _normal(8, 6, 3), _normal(8, 1)),
    "gru": Case(_gru, _normal(8, 6, 3), _normal(8, 1)),
    "attention": Case(_attention, _normal(8, 5, 8), _normal(8, 2)),
    "text": Case(_text, _numbers.integers(0, 11, (8, 6)).astype("int32"), _normal(8, 2)),
    "autoencoder": Case(_autoencoder, _normal(4, 1, 8, 8), _normal(4, 1, 8, 8)),
    "gan": Case(_gan, _normal(8, 4), _classes(2, 8)[:, None].astype("float32"), "binary_cross_entropy"),
    "siamese": Case(_siamese, {"left": _normal(8, 5), "right": _normal(8, 5)}, _normal(8, 1)),
    "separable": Case(_separable, _normal(4, 3, 8, 8), _normal(4, 2)),
    "sequence": Case(_sequence, _normal(8, 12, 2), _normal(8, 1)),
}
