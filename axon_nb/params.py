"""Owns the weights and state of a model: tensors by part, layer and name.

Knows nothing about models or about how weights are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, Literal

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.engine import RUNTIME
from axon_nb.errors import FileError, ParamsError, brief, unknown
from axon_nb.files import Stored, read_file, write_file
from axon_nb.lazy import numpy as np
from axon_nb.shapes import show

Path = tuple[str, ...]
Kind = Literal["trainable", "frozen", "state"]


@dataclass(frozen=True)
class Leaf:
    """One tensor and what it is for."""

    tensor: Tensor
    kind: Kind = "trainable"


class Params(Mapping[str, "Params | Tensor"]):
    """The weights and state of a model: ``params["dense_0"]["kernel"]``, ``params["generator"]["dense_0"]["kernel"]``.

    Example:
        >>> from axon_nb import dense, input
        >>> params = (input((None, 3)) | dense(2)).init()
        >>> params
        <Params: 8 values, 32 bytes: dense_0.kernel (3, 2), dense_0.bias (2,)>
        >>> params["dense_0"]["bias"].tolist()
        [0.0, 0.0]
    """

    def __init__(self, leaves: Mapping[Path, Leaf]) -> None:
        self._leaves = dict(leaves)
        for path in self._leaves:
            if not path:
                problem = "a parameter needs a name"
                raise ParamsError(problem)

    @property
    def leaves(self) -> dict[Path, Leaf]:
        """All tensors by path."""
        return dict(self._leaves)

    @property
    def flat(self) -> dict[str, Tensor]:
        """All tensors by dotted path: ``"dense_0.kernel"``."""
        return {".".join(path): leaf.tensor for path, leaf in self._leaves.items()}

    def __getitem__(self, name: str) -> Params | Tensor:
        path = tuple(name.split(".")) if isinstance(name, str) else ()
        if path in self._leaves:
            return self._leaves[path].tensor
        depth = len(path)
        inner = {rest[depth:]: leaf for rest, leaf in self._leaves.items() if rest[:depth] == path}
        if not path or not inner:
            msg = "parameter or layer"
            raise unknown(msg, name, list(self))
        return Params(inner)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(path[0] for path in self._leaves))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same names, kinds and values."""
        if not isinstance(other, Params):
            return NotImplemented
        mine, others = self._leaves, other._leaves
        if {p: leaf.kind for p, leaf in mine.items()} != {p: leaf.kind for p, leaf in others.items()}:
            return False
        with RUNTIME:
            return all(np.array_equal(leaf.tensor.numpy(), others[p].tensor.numpy()) for p, leaf in mine.items())

    __hash__ = None  # type: ignore[assignment]  # as of all mappings

    def __contains__(self, name: object) -> bool:
        return any(".".join(path[: i + 1]) == name for path in self._leaves for i in range(len(path)))

    @property
    def count(self) -> int:
        """Number of values, state included."""
        return sum(int(leaf.tensor.numel()) for leaf in self._leaves.values())

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return sum(int(leaf.tensor.numel()) * leaf.tensor.dtype.itemsize for leaf in self._leaves.values())

    @property
    def trainable(self) -> Params:
        """Those that training changes by gradients."""
        return self._only("trainable")

    @property
    def frozen(self) -> Params:
        """Those that training leaves alone."""
        return self._only("frozen")

    @property
    def state(self) -> Params:
        """Those that training changes by other rules: running means."""
        return self._only("state")

    def _only(self, kind: Kind) -> Params:
        return Params({path: leaf for path, leaf in self._leaves.items() if leaf.kind == kind})

    def map(self, function: Callable[[Path, Leaf], Tensor]) -> Params:
        """Put other tensors in place of these; each keeps its kind."""
        return Params({path: replace(leaf, tensor=function(path, leaf)) for path, leaf in self._leaves.items()})

    def copy(self) -> Params:
        """Copy every tensor, so that training one does not change the other."""
        with RUNTIME:
            copied = self.map(lambda path, leaf: leaf.tensor.clone())
            realize([leaf.tensor for leaf in copied._leaves.values()])
        return copied

    def to(self, device: str) -> Params:
        """Copy every tensor to a device."""
        with RUNTIME:
            moved = self.map(lambda path, leaf: leaf.tensor.to(device))
            realize([leaf.tensor for leaf in moved._leaves.values()])
        return moved

    def save(self, path: str | os.PathLike[str]) -> FilePath:
        """Write all tensors, with what each is for, into one safetensors file; returns where it stands.

        The file is written whole or not at all. ``trained.save(path)`` keeps the model too.

        Raises:
            FileError: it cannot be written there.

        Example:
            >>> import tempfile
            >>> from axon_nb import Params, dense, input
            >>> params = (input((None, 3)) | dense(2)).init()
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Params.load(params.save(f"{folder}/weights.safetensors")) == params
            True
        """
        tensors, leaves = pack(self)
        return write_file(path, tensors, {"kind": "params", "leaves": leaves})

    @staticmethod
    def load(path: str | os.PathLike[str], *, device: str | None = None) -> Params:
        """Read what ``save`` wrote, or the weights of a saved model; nothing in the file is run.

        Raises:
            FileError: there is no such file, it is damaged, or holds no weights.
        """
        stored = read_file(path)
        return unpack(stored, stored.content.get("leaves"), device)

    def __repr__(self) -> str:
        shown = [f"{'.'.join(path)} {show(tuple(leaf.tensor.shape))}" for path, leaf in self._leaves.items()]
        if not shown:
            return "<Params: none>"
        limit = 8
        if len(shown) > limit:
            shown = [*shown[: limit - 1], f"... {len(shown) - limit + 1} more"]
        return f"<Params: {self.count:,} values, {self.nbytes:,} bytes: {', '.join(shown)}>"


def pack(params: Params, prefix: str = "") -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return params as a file has them: tensors by name, and JSON that says where each belongs and what it is for.

    Args:
        params: what is to be stored.
        prefix: put before the tensors' names, so that one file may hold several sets.
    """
    tensors: dict[str, Tensor] = {}
    leaves: list[dict[str, Any]] = []
    for path, leaf in params.leaves.items():
        name = prefix + ".".join(path)
        while name in tensors:  # a name with a dot in it
            name += "'"
        tensors[name] = leaf.tensor
        leaves.append({"path": list(path), "kind": leaf.kind, "tensor": name})
    return tensors, leaves


def unpack(stored: Stored, leaves: Any, device: str | None = None) -> Params:
    """Make params of what ``pack`` returned, read from a file.

    Raises:
        FileError: the file says what cannot be, or lacks a tensor.
    """
    place = str(stored.path)
    if not isinstance(leaves, list):
        problem = "this file holds no weights"
        raise FileError(problem, where=place, fix="params.save(path) writes them")
    found: dict[Path, Leaf] = {}
    for told in leaves:
        match told:
            case {
                "path": [str(), *_] as path,
                "kind": "trainable" | "frozen" | "state" as kind,
                "tensor": str(name),
            } if all(isinstance(part, str) for part in path) and tuple(path) not in found:
                found[tuple(path)] = Leaf(stored.tensor(name, device), kind)
            case _:
                problem = "the file tells of a weight in a way that cannot be read"
                raise FileError(problem, where=place, got=brief(told))
    return Params(found)


def realize(tensors: list[Tensor]) -> None:
    """Compute tensors, all in one go."""
    with RUNTIME:
        if tensors:
            tensors[0].realize(*tensors[1:])


def check_fits(params: Params, expected: Mapping[Path, tuple[tuple[int, ...], str]]) -> None:
    """Check that params are those of a model: all that is expected is there, with its shape.

    Raises:
        ParamsError: lists everything that is missing or has another shape.
    """
    have = params.leaves
    missing = [".".join(path) for path in expected if path not in have]
    wrong = [
        f"{'.'.join(path)} is {show(tuple(have[path].tensor.shape))} and must be {show(shape)}"
        for path, (shape, _) in expected.items()
        if path in have and tuple(have[path].tensor.shape) != shape
    ]
    if missing or wrong:
        parts = ([f"missing: {', '.join(missing)}"] if missing else []) + wrong
        problem = "these parameters do not belong to this model"
        raise ParamsError(problem, got="; ".join(parts), fix="make them with model.init(), or init(like=params)")


__all__ = ["Kind", "Leaf", "Params", "Path", "check_fits", "dtype_name", "pack", "realize", "unpack"]
