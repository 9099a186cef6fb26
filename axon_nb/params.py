"""Owns the weights and state of a model: tensors by part, layer and name.

Knows nothing about models or about how weights are drawn.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from tinygrad import Tensor

from axon_nb.checks import dtype_name
from axon_nb.display.weights import BINS, MOST, Weight, total_words, weights_html, weights_text
from axon_nb.engine import RUNTIME, copied, ready
from axon_nb.errors import FileError, ParamsError, brief, unknown
from axon_nb.files import Stored, read_file, write_file
from axon_nb.lazy import numpy as np
from axon_nb.rows import ParamKind
from axon_nb.shapes import show

Path = tuple[str, ...]
Kind = ParamKind


@dataclass(frozen=True)
class Leaf:
    """One tensor and what it is for."""

    tensor: Tensor
    kind: Kind = "trainable"


@dataclass(frozen=True)
class Carried:
    """What ``init(like=...)`` did with the weights it was given: names, for what was not kept with the reason."""

    kept: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Weights that were given and are not used."""
    drawn: Mapping[str, str] = field(default_factory=dict)
    """Weights of the new model that were drawn anew."""

    @property
    def is_whole(self) -> bool:
        """Whether everything was kept and nothing drawn."""
        return not self.dropped and not self.drawn

    def __str__(self) -> str:
        lines = [f"kept {len(self.kept)} of {len(self.kept) + len(self.drawn)} parameters"]
        for word, names in (("drawn anew", self.drawn), ("dropped", self.dropped)):
            lines += [f"  {word}: {name}: {why}" for name, why in list(names.items())[:_LISTED]]
            lines += [f"  {word}: and {len(names) - _LISTED} more"] * (len(names) > _LISTED)
        return "\n".join(lines)

    __repr__ = __str__


_LISTED = 12


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

    def __init__(self, leaves: Mapping[Path, Leaf], carried: Carried | None = None) -> None:
        self._leaves = dict(leaves)
        self.carried = carried
        """What became of the weights given to ``init(like=...)``; ``None`` where none were given."""
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

    def rename(self, names: Mapping[str, str]) -> Params:
        """Move weights to other names, as ``model.rename`` names its layers and parts: new by old.

        Args:
            names: the new name within its part by the full old one: ``{"encoder.dense_0": "first"}``.

        Raises:
            UnknownNameError: there is no layer, part or parameter of an old name.
            ParamsError: two would have one name.

        Example:
            >>> from axon_nb import dense, input
            >>> (input((None, 3)) | dense(2)).init().rename({"dense_0": "head"})
            <Params: 8 values, 32 bytes: head.kernel (3, 2), head.bias (2,)>
        """
        for old in names:
            if old not in self:
                msg = "parameter or layer"
                raise unknown(msg, old, [*self.flat, *self])
        moved: dict[Path, Leaf] = {}
        for path, leaf in self._leaves.items():
            new = tuple(names.get(".".join(path[: depth + 1]), part) for depth, part in enumerate(path))
            if new in moved:
                problem = f"two parameters would be named {'.'.join(new)!r}"
                raise ParamsError(problem)
            moved[new] = leaf
        return Params(moved)

    def only(self, names: Iterable[str]) -> Params:
        """Keep the named layers, parts and parameters, in the order in which they are here.

        Raises:
            UnknownNameError: there is none of a name.

        Example:
            >>> from axon_nb import dense, input
            >>> (input((None, 3)) | dense(2) | dense(1)).init().only(["dense_0.bias", "dense_1"])
            <Params: 5 values, 20 bytes: dense_0.bias (2,), dense_1.kernel (2, 1), dense_1.bias (1,)>
        """
        wanted = {names} if isinstance(names, str) else set(names)
        for name in wanted:
            if name not in self:
                msg = "parameter or layer"
                raise unknown(msg, name, [*self.flat, *self])
        return Params(
            {
                path: leaf
                for path, leaf in self._leaves.items()
                if any(".".join(path[: depth + 1]) in wanted for depth in range(len(path)))
            }
        )

    def numpy(self) -> dict[str, Any]:
        """Copy all values to NumPy arrays, nested as the names are.

        Example:
            >>> from axon_nb import dense, input
            >>> (input((None, 3)) | dense(2)).init().numpy()["dense_0"]["bias"]
            array([0., 0.], dtype=float32)
        """
        with RUNTIME:
            return {name: one.numpy() for name, one in self.items()}

    def copy(self) -> Params:
        """Copy every tensor, so that training one does not change the other."""
        with RUNTIME:
            realize([leaf.tensor for leaf in self._leaves.values()])
            return self.map(lambda path, leaf: copied(leaf.tensor))

    def to(self, device: str) -> Params:
        """Copy every tensor to a device.

        Raises:
            DeviceError: there is no such device, or it does not work here.
        """
        there = ready(device)
        with RUNTIME:
            moved = self.map(lambda path, leaf: leaf.tensor.to(there))
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

    def show(self) -> str:
        """Write a table of all tensors: shape, kind, mean, deviation, least, greatest and a histogram."""
        return weights_text(self._weights(), self._total)

    def _repr_html_(self) -> str:
        return weights_html(self._weights(), self._total)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        weights, total = self._weights(), self._total
        return {"text/plain": weights_text(weights, total), "text/html": weights_html(weights, total)}

    def _weights(self) -> list[Weight]:
        """Sum up the tensors; those that will not be shown are not read."""
        hidden = range(MOST // 2, len(self._leaves) - MOST // 2) if len(self._leaves) > MOST else range(0)
        return [_weight(*item, read=i not in hidden) for i, item in enumerate(self._leaves.items())]

    @property
    def _total(self) -> str:
        kinds = {"trainable": self.trainable.count, "frozen": self.frozen.count, "state": self.state.count}
        return total_words(self.count, self.nbytes, kinds)

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


def _weight(path: Path, leaf: Leaf, *, read: bool) -> Weight:
    """Sum up a tensor for display."""
    tensor = leaf.tensor
    with RUNTIME:
        values = tensor.cast("float32").numpy().ravel().astype(float) if read else np.zeros(0)
    finite = values[np.isfinite(values)]
    facts: tuple[float, float, float, float] | None = None
    bins: tuple[int, ...] = ()
    if finite.size:
        least, greatest = float(finite.min()), float(finite.max())
        facts = (float(finite.mean()), float(finite.std()), least, greatest)
        if finite.size > 1:
            span = (least, greatest) if greatest > least else (least - 0.5, greatest + 0.5)
            bins = tuple(map(int, np.histogram(finite, BINS, span)[0]))
    shape, dtype = tuple(map(int, tensor.shape)), dtype_name(tensor.dtype)
    nbytes = int(tensor.numel()) * tensor.dtype.itemsize
    return Weight(".".join(path), shape, dtype, leaf.kind, nbytes, facts, bins, int(values.size - finite.size))


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
