"""Pure functions of tensors: what the layers compute, usable alone.

Know nothing about models, parameters or notebooks.
"""

from axon_nb.functional.combine import add, concatenate, multiply, subtract
from axon_nb.functional.convolution import conv
from axon_nb.functional.linear import dense, embedding
from axon_nb.functional.normalization import batch_norm
from axon_nb.functional.pooling import avg_pool, global_avg_pool, max_pool
from axon_nb.functional.shape import flatten, reshape

__all__ = [
    "add", "avg_pool", "batch_norm", "concatenate", "conv", "dense", "embedding", "flatten", "global_avg_pool",
    "max_pool", "multiply", "reshape", "subtract",
]  # fmt: skip
