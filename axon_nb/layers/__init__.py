"""Declarations of the built-in layers, a file per family: adding a family is one file and one line here.

Know nothing about how a layer is traced or run.
"""

from axon_nb.layers import (
    activation,
    attention,
    combinators,
    combine,
    convolution,
    dropout,
    linear,
    normalization,
    pooling,
    recurrent,
    shape,
    special,
)

__all__ = [
    "activation", "attention", "combinators", "combine", "convolution", "dropout", "linear", "normalization", "pooling",
    "recurrent", "shape", "special",
]  # fmt: skip
