"""Models that do not fit, as people bring them from Keras and PyTorch, and what a teacher would say.

``layer`` is the one that an error must name. ``teacher`` is the fix that a teacher would give first, a piece of its
text: written down by hand before any fix was looked at, and gone over by a second teacher, who struck out what would do
but teaches the wrong thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import axon_nb as ax
from axon_nb import (
    add,
    avg_pool,
    batch_norm,
    bilinear,
    block,
    concatenate,
    conv,
    conv_lstm,
    conv_transpose,
    dense,
    depthwise_conv,
    dropout,
    embedding,
    flatten,
    global_avg_pool,
    glu,
    group_norm,
    gru,
    instance_norm,
    layer_norm,
    lstm,
    max_pool,
    multi_head_attention,
    multiply,
    pixel_shuffle,
    pixel_unshuffle,
    relu,
    reshape,
    residual,
    rnn,
    rotary_positions,
    scaled_dot_product_attention,
    separable_conv,
    softmax,
    spatial_dropout,
    split,
    stack,
    subtract,
    transpose,
    upsample,
)  # fmt: skip


@dataclass(frozen=True)
class Broken:
    """A mistake."""

    name: str
    layer: str
    teacher: str
    build: Callable[[], Any]


def x(*shape, **options):
    return ax.input(tuple(shape), **options)


def vgg(*, last=None):
    options = {"channels": last} if last else {}
    return (
        conv(32, 3, activation="relu", **options) | max_pool(2, **options) | conv(64, 3, activation="relu", **options)
        | max_pool(2, **options) | flatten() | dense(10, "softmax")
    )  # fmt: skip


def unet(down, up):
    image = x(None, 1, down, down)
    skip = image | conv(8, 3)
    return (skip, skip | max_pool(2) | conv(16, 3, padding="same") | upsample(up)) | concatenate(axis=1)


def two_widths():
    shared = dense(8)
    image, text = x(None, 16, name="image"), x(None, 32, name="text")
    return ((image | shared), (text | shared)) | concatenate()


def gan(out):
    generator = x(None, 16) | dense(64, "relu") | out
    discriminator = x(None, 28, 28) | flatten() | dense(1, "sigmoid")
    return generator.named("generator") | discriminator.named("discriminator")


def encoder(gap):
    return (x(None, 1, 28, 28) | conv(8, 3) | gap).named("encoder") | (x(None, 5408) | dense(10)).named("head")


def inception():
    image = x(None, 32, 16, 16)
    return (image | conv(8, 1), image | conv(8, 3), image | conv(8, 5)) | concatenate(axis=1)


BROKEN = [
    # The batch axis
    Broken("dense without a batch axis", "dense_0", "input((None, 784))", lambda: x(784) | dense(10)),
    Broken(
        "conv without a batch axis, window in two sizes",
        "conv_0",
        "input((None, 3, 32, 32))",
        lambda: x(3, 32, 32) | conv(8, (3, 3)) | flatten() | dense(10),
    ),
    Broken("lstm without a batch axis", "lstm_0", "input((None, 10, 8))", lambda: x(10, 8) | lstm(16)),
    Broken("one number for each sample", "dense_0", "input((None, 1))", lambda: x(1) | dense(1)),
    Broken("batch norm without a batch axis", "batch_norm_0", "input((None, 64))", lambda: x(64) | batch_norm()),
    # Channels
    Broken("Keras image, one conv", "conv_0", "channels='last'", lambda: x(None, 28, 28, 1) | conv(32, 3)),
    Broken("Keras image, a whole net", "conv_0", "transpose((3, 1, 2))", lambda: x(None, 28, 28, 1) | vgg()),
    Broken(
        "Keras colour image, a large window",
        "conv_0",
        "channels='last'",
        lambda: x(None, 224, 224, 3) | conv(64, 7, strides=2),
    ),
    Broken(
        "Keras colour image, fails at the second conv",
        "conv_1",
        "transpose((3, 1, 2))",
        lambda: x(None, 32, 32, 3) | conv(32, 3) | relu() | conv(64, 3) | flatten() | dense(10),
    ),
    Broken(
        "PyTorch image in a net with channels last",
        "conv_0",
        "channels='first'|conv(32, 3, activation='relu')",
        lambda: x(None, 1, 28, 28) | vgg(last="last"),
    ),
    Broken("pool of a Keras image", "max_pool_0", "channels='last'", lambda: x(None, 28, 28, 1) | max_pool(2)),
    Broken(
        "separable conv of a Keras image",
        "separable_conv_0",
        "channels='last'",
        lambda: x(None, 64, 64, 3) | separable_conv(16, 5),
    ),
    Broken("Keras film", "conv_0", "channels='last'", lambda: x(None, 16, 64, 64, 3) | conv(8, 5)),
    Broken(
        "grey images without a channel axis",
        "conv_0",
        "reshape((1, 28, 28))",
        lambda: x(None, 28, 28) | conv(32, (3, 3)) | flatten() | dense(10),
    ),
    Broken(
        "grey images, pool in two sizes",
        "max_pool_0",
        "reshape((1, 28, 28))",
        lambda: x(None, 28, 28) | max_pool((2, 2)),
    ),
    Broken(
        "flat digits into a conv",
        "conv_0",
        "reshape((1, 28, 28))",
        lambda: x(None, 784) | conv(32, 3) | flatten() | dense(10),
    ),
    Broken(
        "flat colour images into a conv",
        "conv_0",
        "reshape((3, 32, 32))",
        lambda: x(None, 3072) | conv(32, 3) | flatten() | dense(10),
    ),
    Broken(
        "features into a conv of one axis",
        "conv_0",
        "reshape((1, 50))",
        lambda: x(None, 50) | conv(16, (5,)) | flatten() | dense(2),
    ),
    # Flatten
    Broken(
        "flatten before the conv",
        "conv_0",
        "leave out flatten()",
        lambda: x(None, 1, 28, 28) | flatten() | conv(32, 3) | flatten() | dense(10),
    ),
    Broken(
        "flatten between conv and pool",
        "max_pool_0",
        "leave out flatten()",
        lambda: x(None, 1, 28, 28) | conv(8, 3) | flatten() | max_pool(2) | flatten() | dense(10),
    ),
    Broken(
        "flatten before the pool over all",
        "global_avg_pool_0",
        "leave out flatten()|leave out global_avg_pool()",
        lambda: x(None, 3, 32, 32) | conv(8, 3) | flatten() | global_avg_pool() | dense(10),
    ),
    Broken(
        "pool over all twice",
        "global_avg_pool_1",
        "leave out global_avg_pool()",
        lambda: x(None, 3, 32, 32) | conv(8, 3) | global_avg_pool() | global_avg_pool() | dense(10),
    ),
    Broken(
        "flatten before the lstm",
        "lstm_0",
        "leave out flatten()",
        lambda: x(None, 20, 8) | flatten() | lstm(16) | dense(1),
    ),
    Broken(
        "flatten of images of any size",
        "dense_0",
        "global_avg_pool() in place of flatten()",
        lambda: x(None, 3, None, None) | conv(16, 3) | flatten() | dense(10),
    ),
    Broken(
        "flatten of sequences of any length",
        "dense_0",
        "return_sequence=False",
        lambda: x(None, "time", 8) | lstm(16) | flatten() | dense(1),
    ),
    Broken(
        "flatten of words of any number",
        "dense_0",
        "global_avg_pool(channels='last') in place of flatten()",
        lambda: x(None, "words", dtype="int32") | embedding(1000, 16) | flatten() | dense(1),
    ),
    # What is left of the image
    Broken(
        "one pool too many",
        "max_pool_2",
        "leave out max_pool",
        lambda: x(None, 1, 4, 4) | max_pool(2) | max_pool(2) | max_pool(2) | flatten() | dense(10),
    ),
    Broken(
        "conv on what is too small",
        "conv_2",
        "conv(64, 3, padding='same')",
        lambda: x(None, 1, 8, 8) | conv(16, 3) | max_pool(2) | conv(32, 3) | conv(64, 3) | flatten() | dense(10),
    ),
    Broken(
        "VGG on digits",
        "max_pool_2",
        "padding='same'|leave out max_pool",
        lambda: (
            x(None, 1, 12, 12)
            | conv(8, 3)
            | max_pool(2)
            | conv(8, 3)
            | max_pool(2)
            | max_pool(2)
            | flatten()
            | dense(10)
        ),
    ),
    Broken(
        "the last pool is as large as ResNet's",
        "avg_pool_0",
        "kernel_size=4|avg_pool(4|global_avg_pool()",
        lambda: x(None, 3, 32, 32) | conv(64, 3, strides=8, padding="same") | avg_pool(7) | flatten() | dense(10),
    ),
    Broken(
        "window larger than the series",
        "conv_0",
        "padding='same'",
        lambda: x(None, 4, 6) | conv(8, 9) | flatten() | dense(1),
    ),
    Broken(
        "dilation that reaches too far",
        "conv_0",
        "conv(8, 3)|padding='same'",
        lambda: x(None, 1, 12, 12) | conv(8, 3, dilation=8) | flatten() | dense(1),
    ),
    Broken(
        "AlexNet on CIFAR",
        "max_pool_1",
        "strides=1|strides=2) in place of conv|leave out max_pool",
        lambda: (
            x(None, 3, 32, 32)
            | conv(64, 11, strides=4)
            | max_pool(3, strides=2)
            | max_pool(3, strides=2)
            | flatten()
            | dense(10)
        ),
    ),
    Broken(
        "depthwise conv on nothing",
        "depthwise_conv_0",
        "padding='same'",
        lambda: x(None, 8, 2, 2) | depthwise_conv(1, 3) | flatten() | dense(10),
    ),
    # Sizes for another number of axes
    Broken("two sizes for a series", "conv_0", "conv(16, 3)", lambda: x(None, 4, 100) | conv(16, (3, 3))),
    Broken(
        "one size in a tuple for an image", "conv_0", "conv(16, 3)|(3, 3)", lambda: x(None, 3, 32, 32) | conv(16, (3,))
    ),
    Broken(
        "three sizes for an image",
        "max_pool_0",
        "max_pool(kernel_size=2)|max_pool(2)|max_pool()",
        lambda: x(None, 3, 32, 32) | max_pool((2, 2, 2)),
    ),
    Broken(
        "strides for two axes of a series", "conv_0", "strides=2", lambda: x(None, 4, 100) | conv(8, 3, strides=(2, 2))
    ),
    Broken(
        "groups that do not divide the channels",
        "conv_0",
        "groups=3",
        lambda: x(None, 3, 32, 32) | conv(12, 3, groups=4),
    ),
    Broken(
        "groups that do not divide the units",
        "conv_0",
        "conv(8, 3|conv(12, 3",
        lambda: x(None, 8, 32, 32) | conv(10, 3, groups=4),
    ),
    Broken(
        "group norm of 30 channels",
        "group_norm_0",
        "group_norm(6)",
        lambda: x(None, 3, 8, 8) | conv(30, 3) | group_norm(8),
    ),
    Broken(
        "padding that leaves nothing of a turned conv",
        "conv_transpose_0",
        "padding='same'|write conv_transpose(8, 3, strides=2) in place",
        lambda: x(None, 4, 8, 8) | conv_transpose(8, 3, strides=2, padding=[(9, 9), (9, 9)]),
    ),
    Broken(
        "pixel shuffle of ten channels",
        "pixel_shuffle_0",
        "conv(12, 3",
        lambda: x(None, 3, 32, 32) | conv(10, 3, padding="same") | pixel_shuffle(2),
    ),
    Broken(
        "pixel unshuffle of an odd image", "pixel_unshuffle_0", "pad(", lambda: x(None, 1, 27, 27) | pixel_unshuffle(2)
    ),
    # Sequences
    Broken("lstm of features", "lstm_0", "reshape((50, 1))", lambda: x(None, 50) | lstm(8) | dense(1)),
    Broken(
        "two lstms, the first gives its last output",
        "lstm_1",
        "lstm(32)|return_sequence=True",
        lambda: x(None, 20, 8) | lstm(32, return_sequence=False) | lstm(16, return_sequence=False) | dense(1),
    ),
    Broken(
        "two grus with dropout between",
        "gru_1",
        "gru(32)|return_sequence=True",
        lambda: x(None, 20, 8) | gru(32, return_sequence=False) | dropout(0.5) | gru(16) | dense(1),
    ),
    Broken(
        "attention behind an lstm's last output",
        "multi_head_attention_0",
        "lstm(32)|return_sequence=True",
        lambda: x(None, 20, 8) | lstm(32, return_sequence=False) | multi_head_attention(heads=4),
    ),
    Broken(
        "lstm of word numbers", "lstm_0", "embedding(", lambda: x(None, "words", dtype="int32") | lstm(8) | dense(1)
    ),
    Broken(
        "lstm of maps",
        "lstm_0",
        "transpose((2, 1, 3)) | reshape((26, 208))",
        lambda: x(None, 1, 28, 28) | conv(8, 3) | lstm(16) | dense(1),
    ),
    Broken(
        "rnn of a grey image with its channel",
        "rnn_0",
        "reshape((28, 28))",
        lambda: x(None, 1, 28, 28) | rnn(16) | dense(1),
    ),
    Broken(
        "gru behind a pool over all",
        "gru_0",
        "leave out global_avg_pool",
        lambda: x(None, 20, 8) | global_avg_pool(channels="last") | gru(8) | dense(1),
    ),
    Broken("conv lstm without maps", "conv_lstm_0", "lstm(8)", lambda: x(None, 10, 32) | conv_lstm(8)),
    Broken(
        "embedding of fractions", "embedding_0", "dtype='int32'", lambda: x(None, 20) | embedding(1000, 16) | lstm(8)
    ),
    Broken(
        "embedding of scaled numbers",
        "embedding_0",
        "leave out layer_norm()",
        lambda: x(None, 20) | layer_norm() | embedding(1000, 16),
    ),
    Broken(
        "attention of word numbers",
        "multi_head_attention_0",
        "embedding(",
        lambda: x(None, 20, dtype="int32") | multi_head_attention(heads=4),
    ),
    Broken(
        "heads that do not divide",
        "multi_head_attention_0",
        "heads=2|heads=5",
        lambda: x(None, 20, 50) | multi_head_attention(heads=4),
    ),
    Broken(
        "heads that do not divide what dense gives",
        "multi_head_attention_0",
        "heads=10|dense(104)",
        lambda: x(None, 20, 8) | dense(100) | multi_head_attention(heads=8),
    ),
    Broken(
        "attention of maps",
        "multi_head_attention_0",
        "reshape((16, 36)) | transpose((2, 1))",
        lambda: x(None, 3, 8, 8) | conv(16, 3) | multi_head_attention(heads=4),
    ),
    Broken(
        "query and key of other widths",
        "scaled_dot_product_attention_0",
        "dense(32)",
        lambda: (
            (x(None, 5, 16) | dense(32), x(None, 7, 16) | dense(24), x(None, 7, 16)) | scaled_dot_product_attention()
        ),
    ),
    Broken(
        "rotary positions of an odd width",
        "rotary_positions_0",
        "heads=1|rotary_positions(heads=3|rotary_positions()",
        lambda: x(None, 20, 18) | rotary_positions(heads=6),
    ),
    # Where branches meet
    Broken("residual that narrows", "add_0", "dense(64,", lambda: x(None, 64) | residual(dense(32, "relu"))),
    Broken(
        "residual of two layers, the last too narrow",
        "add_0",
        "dense(64)",
        lambda: x(None, 64) | residual(dense(256, "relu") | dense(32)),
    ),
    Broken(
        "ResNet stage without projection",
        "add_0",
        "shortcut=conv(128, 1, strides=2)",
        lambda: x(None, 64, 32, 32) | residual(conv(128, 3, strides=2, padding="same") | batch_norm()),
    ),
    Broken(
        "ResNet stage that widens",
        "add_0",
        "shortcut=conv(128, 1)",
        lambda: x(None, 64, 32, 32) | residual(conv(128, 3, padding="same")),
    ),
    Broken(
        "residual without padding",
        "add_0",
        "conv(16, 3, padding='same')",
        lambda: x(None, 16, 32, 32) | residual(conv(16, 3)),
    ),
    Broken(
        "residual of two convs without padding",
        "add_0",
        "padding='same'",
        lambda: x(None, 16, 32, 32) | residual(conv(16, 3) | relu() | conv(16, 3)),
    ),
    Broken(
        "residual around a pool",
        "add_0",
        "max_pool(kernel_size=3, strides=1, padding='same')",
        lambda: x(None, 16, 32, 32) | residual(max_pool(3, strides=1) | conv(16, 1)),
    ),
    Broken(
        "sum of two towers",
        "add_0",
        "dense(16)|dense(32)",
        lambda: add(x(None, 8, name="a") | dense(32), x(None, 8, name="b") | dense(16)),
    ),
    Broken(
        "product with a gate of another width",
        "multiply_0",
        "dense(32, activation='sigmoid')",
        lambda: multiply(x(None, 8) | dense(32), x(None, 8) | dense(16, "sigmoid")),
    ),
    Broken(
        "difference of sequence and vector",
        "subtract_0",
        "return_sequence=False",
        lambda: subtract(x(None, 20, 8) | lstm(16), x(None, 8) | dense(16)),
    ),
    Broken(
        "sum of sequence and its last output",
        "add_0",
        "return_sequence=False",
        lambda: add(x(None, 20, 8) | lstm(16), x(None, 30, 8) | lstm(16, return_sequence=False)),
    ),
    Broken(
        "image and numbers put together",
        "concatenate_0",
        "flatten()",
        lambda: (x(None, 3, 8, 8) | conv(4, 3), x(None, 5)) | concatenate() | dense(2),
    ),
    Broken(
        "words and numbers put together",
        "concatenate_0",
        "global_avg_pool(channels='last')|flatten()",
        lambda: (x(None, 20, dtype="int32") | embedding(100, 8), x(None, 5)) | concatenate() | dense(2),
    ),
    Broken(
        "lstm and numbers put together",
        "concatenate_0",
        "return_sequence=False",
        lambda: (x(None, 20, 4) | lstm(8), x(None, 5)) | concatenate() | dense(2),
    ),
    Broken(
        "maps put together on the wrong axis",
        "concatenate_0",
        "axis=1",
        lambda: (x(None, 16, 8, 8), x(None, 32, 8, 8)) | concatenate(),
    ),
    Broken(
        "features put together on the batch",
        "concatenate_0",
        "concatenate()|axis=-1|axis=1",
        lambda: (x(None, 16), x(None, 32)) | concatenate(axis=0),
    ),
    Broken(
        "axis that is not there",
        "concatenate_0",
        "concatenate()|axis=1",
        lambda: (x(None, 16), x(None, 32)) | concatenate(axis=2),
    ),
    Broken("U-Net whose skip is larger", "concatenate_0", "resize(|padding='same'", lambda: unet(29, 2)),
    Broken("U-Net without upsampling", "concatenate_0", "upsample(", lambda: unet(30, 1)),
    Broken("Inception without padding", "concatenate_0", "padding='same'", inception),
    Broken(
        "stack of other widths",
        "stack_0",
        "dense(8)|concatenate()",
        lambda: stack(x(None, 4) | dense(8), x(None, 4) | dense(6)),
    ),
    Broken(
        "bilinear of a sequence and a vector",
        "bilinear_0",
        "flatten()",
        lambda: (x(None, 4, 8), x(None, 6)) | bilinear(3),
    ),
    Broken("one layer for two widths", "dense_0#2", "two layers", two_widths),
    Broken("two layers into one", "dense", "concatenate()", lambda: (x(None, 4), x(None, 5)) | dense(3)),
    Broken(
        "pair of images into a conv",
        "conv",
        "concatenate(axis=1)",
        lambda: (x(None, 3, 8, 8), x(None, 3, 8, 8)) | conv(4, 3),
    ),
    Broken(
        "lstm with its state into dense",
        "dense",
        "return_state=False|lstm(8)",
        lambda: x(None, 10, 4) | lstm(8, return_state=True) | dense(2),
    ),
    Broken("bilinear of one", "bilinear", "bilinear(3)|dense(3)", lambda: x(None, 4) | bilinear(3)),
    # Shape
    Broken(
        "reshape to more than there is", "reshape_0", "dense(784)", lambda: x(None, 100) | dense(64) | reshape((28, 28))
    ),
    Broken(
        "reshape with the batch",
        "reshape_0",
        "reshape((784,))|reshape(784)",
        lambda: x(None, 1, 28, 28) | reshape((32, 784)),
    ),
    Broken(
        "view(-1, 784)",
        "reshape_0",
        "reshape((2352,))|flatten()",
        lambda: x(None, 3, 28, 28) | reshape((784,)),
    ),
    Broken(
        "reshape of colour images as if grey",
        "reshape_0",
        "reshape((3, 28, 28))",
        lambda: x(None, 2352) | reshape((28, 28)),
    ),
    Broken(
        "Conv2DTranspose from a vector",
        "reshape_0",
        "dense(12544)",
        lambda: x(None, 100) | dense(6272) | reshape((256, 7, 7)) | conv_transpose(128, 4, strides=2),
    ),
    Broken(
        "conv transpose of a vector",
        "conv_transpose_0",
        "reshape((16, 7, 7))",
        lambda: x(None, 100) | dense(784) | conv_transpose(16, 3, strides=2),
    ),
    Broken(
        "transpose of two axes, as in PyTorch",
        "transpose_0",
        "transpose((2, 1, 3))|transpose((0, 2, 1, 3))",
        lambda: x(None, 3, 8, 8) | transpose((1, 2)),
    ),
    Broken(
        "permute counted without the batch",
        "transpose_0",
        "transpose((3, 1, 2))|transpose((0, 3, 1, 2))",
        lambda: x(None, 8, 8, 3) | transpose((2, 0, 1)),
    ),
    Broken(
        "softmax over an axis that is not there",
        "softmax_0",
        "softmax()|axis=1|axis=-1",
        lambda: x(None, 8) | dense(3) | softmax(axis=2),
    ),
    Broken("layer norm over the batch", "layer_norm_0", "layer_norm()|axis=1", lambda: x(None, 8) | layer_norm(axis=0)),
    Broken(
        "layer norm over axes that are not there",
        "layer_norm_0",
        "layer_norm(axis=(1, 2))|layer_norm(axis=(2, 1))|layer_norm()",
        lambda: x(None, 8, 8) | layer_norm(axis=(1, 2, 3)),
    ),
    Broken(
        "instance norm of features", "instance_norm_0", "layer_norm()", lambda: x(None, 8) | dense(16) | instance_norm()
    ),
    Broken(
        "spatial dropout of features",
        "spatial_dropout_0",
        "dropout(0.5)|dropout()",
        lambda: x(None, 8) | dense(16) | spatial_dropout(0.5),
    ),
    Broken(
        "batch norm of bytes",
        "batch_norm_0",
        "input((None, 3, 32, 32))",
        lambda: x(None, 3, 32, 32, dtype="uint8") | batch_norm() | conv(8, 3),
    ),
    Broken(
        "batch norm of sequences of any length",
        "batch_norm_0",
        "channels='last'",
        lambda: x(None, "time", 16) | batch_norm() | lstm(8),
    ),
    Broken(
        "split into three of 64",
        "split_0",
        "dense(66)|split((22, 21, 21))",
        lambda: x(None, 8) | dense(64) | split(3) | add(),
    ),
    Broken("glu of an odd width", "glu_0", "dense(16)|dense(8)", lambda: x(None, 8) | dense(15) | glu()),
    # Parts
    Broken("flat generator", "discriminator.input_0", "reshape((28, 28))", lambda: gan(dense(784, "tanh"))),
    Broken("generator that is too small", "discriminator.input_0", "dense(784", lambda: gan(dense(600, "tanh"))),
    Broken("encoder whose maps are not flattened", "head.input_0", "flatten()", lambda: encoder(relu())),
    Broken(
        "encoder with another width",
        "head.input_0",
        "input((None, 1352))|(None, 1352)",
        lambda: encoder(max_pool(2) | flatten()),
    ),
    Broken(
        "mistake inside a named block",
        "encoder.conv_0",
        "reshape((1, 28, 28))",
        lambda: x(None, 784) | block("encoder", conv(8, 3) | flatten()) | dense(10),
    ),
]
