"""Owns weights that other frameworks keep in other pieces: several of their tensors make ours, or one makes several.

PyTorch has two biases for each product of a recurrent layer, and one kernel for query, key and value. Keras has a GRU's
update gate before its reset gate, and its biases in one array.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from axon_nb.lazy import numpy as np


@dataclass
class Composed:
    """Tensors by name, those of groups made into ours; what they were made of; and what is no weight."""

    arrays: dict[str, Any]
    said: dict[str, str] = field(default_factory=dict)
    """What the report says of tensors that were made of others."""

    def make(self, name: str, values: Any, source: str) -> None:
        """Add a tensor that was made of others."""
        self.arrays[name], self.said[name] = values, source


def composed(arrays: Mapping[str, Any]) -> Composed:
    """Make our tensors of groups that PyTorch and Keras keep in other pieces; all others stay as they are."""
    made = Composed({name: one for name, one in arrays.items() if "/seed_generator/" not in name})
    for name in arrays:
        if name.endswith("in_proj_weight"):
            _torch_attention(made, name.removesuffix("in_proj_weight"))
        match = re.fullmatch(r"(.*?)weight_ih(_l(\d+)(_reverse)?)?", name)
        if match:
            _torch_recurrent(made, match[1], match[2] or "")
        if re.search(r"/cell/vars/0$", name):
            _keras_recurrent(made, name.removesuffix("/0"))
        if name.endswith("/query_dense/vars/0"):
            _keras_attention(made, name.removesuffix("/query_dense/vars/0"))
    return made


def _torch_recurrent(made: Composed, prefix: str, ending: str) -> None:
    names = [f"{prefix}{part}{ending}" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    given = [made.arrays.get(name) for name in names]
    kernel, recurrent, bias, added = given
    if (
        kernel is None
        or recurrent is None
        or kernel.ndim != 2
        or recurrent.ndim != 2
        or (bias is None) != (added is None)
    ):
        return
    units = recurrent.shape[1]
    gates = kernel.shape[0] // max(units, 1)
    if recurrent.shape[0] != gates * units or kernel.shape[0] != gates * units or gates not in (1, 3, 4):
        return
    own = prefix if ending in ("", "_l0") else f"{prefix.rstrip('.')}{ending}."
    for name, one in zip(names, given, strict=True):
        if one is not None:
            del made.arrays[name]
    made.make(f"{own}kernel", kernel.T, f"{names[0]}, turned")
    made.make(f"{own}recurrent_kernel", recurrent.T, f"{names[1]}, turned")
    if bias is None or added is None:
        return
    if gates == 3:
        made.make(
            f"{own}bias", bias + np.r_[added[: 2 * units], np.zeros(units, added.dtype)], f"{names[2]} + {names[3]}"
        )
        made.make(f"{own}recurrent_bias", added[2 * units :], f"the last third of {names[3]}")
    else:
        made.make(f"{own}bias", bias + added, f"{names[2]} + {names[3]}")


_ROLES = ("query", "key", "value")


def _torch_attention(made: Composed, prefix: str) -> None:
    kernel, bias = made.arrays.get(f"{prefix}in_proj_weight"), made.arrays.get(f"{prefix}in_proj_bias")
    if kernel is None or kernel.ndim != 2 or kernel.shape[0] % 3:
        return
    for values, kind, name in ((kernel, "kernel", "in_proj_weight"), (bias, "bias", "in_proj_bias")):
        if values is None:
            continue
        del made.arrays[f"{prefix}{name}"]
        for role, part in zip(_ROLES, np.split(values, 3), strict=True):
            made.make(f"{prefix}{role}_{kind}", part.T, f"a third of {prefix}{name}")
    for theirs, ours in (("out_proj.weight", "output_kernel"), ("out_proj.bias", "output_bias")):
        if f"{prefix}{theirs}" in made.arrays:
            made.make(f"{prefix}{ours}", made.arrays.pop(f"{prefix}{theirs}").T, f"{prefix}{theirs}")


def _keras_recurrent(made: Composed, group: str) -> None:
    """Put a GRU's gates into our order; the cells of other layers are as ours."""
    names = [f"{group}/{i}" for i in range(3)]
    kernel, recurrent, bias = (made.arrays.get(name) for name in names)
    if kernel is None or recurrent is None or recurrent.ndim != 2 or recurrent.shape[1] != 3 * recurrent.shape[0]:
        return
    units = recurrent.shape[0]

    def ours(values: Any) -> Any:
        update, reset, new = (values[..., i * units : (i + 1) * units] for i in range(3))
        return np.concatenate([reset, update, new], axis=-1)

    if bias is not None and bias.shape != (2, 3 * units):
        return  # its reset gate acts before the product, and ours after it
    made.make(names[0], ours(kernel), f"{names[0]}, reset gate first")
    made.make(names[1], ours(recurrent), f"{names[1]}, reset gate first")
    if bias is not None:
        own, added = ours(bias)
        made.make(
            names[2], own + np.r_[added[: 2 * units], np.zeros(units, added.dtype)], f"{names[2]}, its rows added"
        )
        made.make(f"{group}/3", added[2 * units :], f"{names[2]}, the last third of its second row")


def _keras_attention(made: Composed, prefix: str) -> None:
    """Join a layer's four products into one group, in our order: kernels and biases in turn."""
    count = 0
    for role in (*_ROLES, "output"):
        for number in (0, 1):
            name = f"{prefix}/{role}_dense/vars/{number}"
            if name in made.arrays:
                values = made.arrays.pop(name)
                inner = values.reshape(-1) if number else values.reshape(
                    (values.shape[0], -1) if role != "output" else (-1, values.shape[-1])
                )  # fmt: skip
                made.make(f"{prefix}/vars/{count}", inner, name)
                count += 1
