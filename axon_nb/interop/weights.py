"""Owns putting weights of other frameworks into a model: which tensor belongs where, and the report of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME
from axon_nb.errors import unknown
from axon_nb.graph import Model
from axon_nb.interop.optional import InteropError
from axon_nb.interop.weight_files import read_weights
from axon_nb.interop.weight_groups import Composed, composed
from axon_nb.lazy import numpy as np
from axon_nb.params import Leaf, Params, Path, realize
from axon_nb.shapes import show
from axon_nb.trace import ParamSpec, trace

_SAME = {
    "kernel": ("weight", "kernel", "embeddings", "w"), "bias": ("bias", "b"), "gamma": ("weight", "gamma", "scale"),
    "beta": ("bias", "beta", "offset"), "mean": ("running_mean", "moving_mean", "mean"),
    "variance": ("running_var", "moving_variance", "variance", "var"), "slope": ("weight", "alpha", "slope"),
    "scale": ("weight", "scale", "gamma"), "recurrent_kernel": ("weight_hh_l0", "recurrent_kernel"),
}  # fmt: skip
"""What a parameter is called elsewhere."""


@dataclass(frozen=True)
class Loaded:
    """What ``load_weights`` returns: the params, and what went where."""

    params: Params
    matched: dict[str, str]
    """The tensor of the file that each parameter was made of, and how, where it was turned."""
    missing: tuple[str, ...]
    """Parameters that no tensor fits; they keep their first values."""
    unused: tuple[str, ...]
    """Tensors of the file that no parameter takes."""
    how: str = field(default="")

    def __repr__(self) -> str:
        lines = [f"<Loaded: {len(self.matched)} of {len(self.matched) + len(self.missing)} parameters, {self.how}>"]
        wide = max(map(len, self.matched), default=0)
        lines += [f"  {name:{wide}}  <- {source}" for name, source in self.matched.items()]
        lines += [f"  not in the file: {', '.join(self.missing)}"] * bool(self.missing)
        lines += [f"  not used: {', '.join(self.unused)}"] * bool(self.unused)
        return "\n".join(lines)


def load_weights(
    model: Model, path: str | os.PathLike[str] | Mapping[str, Any],
    mapping: Mapping[str, str] | Callable[[str], str | None] | None = None, *, strict: bool = True, **shapes: Any,
) -> Loaded:  # fmt: skip
    """Take weights from a file of another framework: safetensors, PyTorch's, Keras's, GGUF, or a dict of arrays.

    Tensors are matched by name where the names are the same (``weight`` for ``kernel`` and the like), else by order and
    shape. Kernels that other frameworks keep on their side are turned, gates are put in our order, biases of PyTorch's
    recurrent layers are added: what was done stands in the report.

    Args:
        model: the model.
        path: the file, or arrays by name.
        mapping: the name in the file for a parameter's name: ``{"dense_0.kernel": "fc1.weight"}``, or a function that
            returns it, or ``None``. The others are matched as without it.
        strict: whether all parameters must be found.
        **shapes: shapes of inputs that were declared without one.

    Returns:
        The params and a report: print it.

    Raises:
        InteropError: the file cannot be read, or weights are missing or do not fit; lists them all.
        UnknownNameError: the mapping names what is not there.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input, load_weights
        >>> model = input((None, 3)) | dense(2, name="fc")
        >>> load_weights(model, {"fc.weight": np.ones((2, 3)), "fc.bias": np.zeros(2)})
        <Loaded: 2 of 2 parameters, by name>
          fc.kernel  <- fc.weight, turned to (3, 2)
          fc.bias    <- fc.bias
    """
    arrays = {str(k): np.asarray(v) for k, v in path.items()} if isinstance(path, Mapping) else read_weights(path)
    specs = trace(model, dict(shapes)).check_known().params()
    ops = {tuple(model.names[node].split(".")): node for node in model.nodes}
    pieces = composed(arrays)
    match = _Match(specs, pieces, arrays, {place[:-1]: ops[place[:-1]].op for place in specs if place[:-1] in ops})
    found, how = match.find(_asked(mapping, specs) if callable(mapping) else dict(mapping or {}))
    missing = tuple(".".join(place) for place in specs if place not in found)
    taken = {source for source, _ in found.values()}
    arrays = match.arrays
    unused = tuple(pieces.said.get(name, name) for name in pieces.arrays if name not in taken)
    if strict and missing:
        problem = f"{len(missing)} of {len(specs)} parameters are not in the file: {', '.join(missing[:8])}"
        left = [name for name in pieces.arrays if name not in taken]
        rest = [f"{pieces.said.get(name, name)} {show(tuple(arrays[name].shape))}" for name in left[:12]]
        fixes = ['mapping={"' + missing[0] + '": "name in the file"}', "strict=False keeps first values for them"]
        raise InteropError(problem, got=f"not used: {', '.join(rest)}" if rest else None, fix=fixes)
    first = model.init(**shapes).leaves if missing else {}  # type: ignore[attr-defined]
    kept: dict[Path, Leaf] = {}
    with RUNTIME:
        for place, spec in specs.items():
            kind = "state" if spec.is_state else "trainable"
            if place in found:
                values = match.fitted(*found[place], spec)
                kept[place] = Leaf(Tensor(np.array(values, "float32", order="C"), dtype=spec.dtype), kind)  # type: ignore[arg-type]
            else:
                kept[place] = first[place]
        realize([leaf.tensor for leaf in kept.values()])
    matched = {".".join(place): _said(pieces, *found[place], specs[place]) for place in specs if place in found}
    return Loaded(Params(kept), matched, missing, unused, how)


def _asked(mapping: Callable[[str], str | None], specs: Mapping[Path, ParamSpec]) -> dict[str, str]:
    """Ask a function for the name in the file of each parameter."""
    answers = {name: mapping(name) for name in map(".".join, specs)}
    return {name: source for name, source in answers.items() if source is not None}


def _said(pieces: Composed, source: str, turn: tuple[int, ...] | None, spec: ParamSpec) -> str:
    source = pieces.said.get(source, source)
    return source if turn is None else f"{source}, turned to {show(spec.shape)}"


Found = dict[Path, tuple[str, "tuple[int, ...] | None"]]


class _Match:
    """Finds for each parameter its tensor, and the order of axes in which it fits."""

    def __init__(
        self, specs: Mapping[Path, ParamSpec], pieces: Composed, whole: Mapping[str, Any], ops: Mapping[Path, str]
    ) -> None:
        self.specs, self.ops, self.pieces = specs, ops, pieces
        self.arrays: dict[str, Any] = {**whole, **pieces.arrays}  # a mapping may name what was made into others
        # Keras keeps conv kernels with their window first; PyTorch keeps products on their side. Which of the two a
        # square kernel is, the file's own way of naming tells.
        self.is_keras = any("/" in name for name in whole)

    def fitted(self, source: str, turn: tuple[int, ...] | None, spec: ParamSpec) -> Any:
        """Return a tensor as the parameter has it."""
        array = self.arrays[source]
        array = array if turn is None else array.transpose(turn)
        return array.reshape(spec.shape)

    def turn(self, place: Path, source: str) -> tuple[bool, tuple[int, ...] | None]:
        """Say whether a tensor fits a parameter, and the order of axes that it needs for it."""
        shape, want = tuple(self.arrays[source].shape), self.specs[place].shape
        if self.arrays[source].dtype.kind not in "fiub":
            return False, None
        own = self._own_turn(place, len(shape))
        if source in self.pieces.said:
            return shape == want, None
        if own is not None and self._same(place, tuple(shape[i] for i in own), want):
            return True, own
        return (shape == want and own is None) or (shape == want and len(set(want)) > 1), None

    def _own_turn(self, place: Path, rank: int) -> tuple[int, ...] | None:
        op, name = self.ops.get(place[:-1], ""), place[-1]
        if rank == 2 and "kernel" in name and op not in ("embedding", "learned_positions", "") and not self.is_keras:
            return (1, 0)
        if rank > 2 and "kernel" in name and "conv" in op and self.is_keras:
            axes = tuple(range(rank - 2))
            return (
                (rank - 2, rank - 1, *axes)
                if "depthwise" in op or name == "depthwise_kernel"
                else (rank - 1, rank - 2, *axes)
            )
        return None

    def _same(self, place: Path, shape: tuple[int, ...], want: tuple[int, ...]) -> bool:
        """Compare shapes; Keras keeps what each channel is multiplied to on an axis of its own."""
        deep = "depthwise" in self.ops.get(place[:-1], "") or place[-1] == "depthwise_kernel"
        return shape == want or (deep and want[1] == 1 and (shape[0] * shape[1], 1, *shape[2:]) == want)

    def find(self, mapping: dict[str, str]) -> tuple[Found, str]:
        """Match by the mapping, then by name, then by order and shape."""
        found: Found = {}
        places = {".".join(place): place for place in self.specs}
        for name, source in mapping.items():
            if name not in places:
                msg = "parameter"
                raise unknown(msg, name, places)
            if source not in self.arrays:
                msg = "tensor in the file"
                raise unknown(msg, source, self.arrays)
            fits, turn = self.turn(places[name], source)
            if not fits:
                want, have = show(self.specs[places[name]].shape), show(tuple(self.arrays[source].shape))
                problem = f"{source!r} is {have}, and {name} is {want}"
                raise InteropError(problem)
            found[places[name]] = source, turn
        how = ["by the mapping"] if found else []
        named = self._by_name(found)
        how += ["by name"] if named else []
        found |= named
        ordered = self._by_order(found)
        how += ["by order and shape"] if ordered else []
        return found | ordered, " and ".join(how) or "none matched"

    def _free(self, found: Found) -> list[str]:
        taken = {source for source, _ in found.values()}
        return [name for name in self.pieces.arrays if name not in taken]

    def _by_name(self, found: Found) -> Found:
        made: Found = {}
        known = {_key(name): name for name in self._free(found)}
        for place in self.specs:
            if place in found:
                continue
            layer = ".".join(place[:-1])
            names = [f"{layer}.{one}" for one in (place[-1], *_SAME.get(place[-1], ()))]
            source = next((known[_key(one)] for one in names if _key(one) in known), None)
            if source is not None:
                fits, turn = self.turn(place, source)
                if fits:
                    made[place] = source, turn
        return made

    def _by_layer(self, found: Found) -> Found:
        """Give each layer the next group of tensors that fit in their order: Keras numbers the weights of a layer."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self._free(found), key=_natural):
            groups.setdefault(name.rpartition("/")[0], []).append(name)
        layers: dict[Path, list[Path]] = {}
        for place in self.specs:
            if place not in found:
                layers.setdefault(place[:-1], []).append(place)
        made: Found = {}
        for places in layers.values():
            for group, names in groups.items():
                turns = [self.turn(place, name) for place, name in zip(places, names, strict=False)]
                if len(names) == len(places) and all(fits for fits, _ in turns):
                    made |= {p: (n, turn) for p, n, (_, turn) in zip(places, names, turns, strict=True)}
                    del groups[group]
                    break
        return made

    def _by_order(self, found: Found) -> Found:
        """Give each parameter that is left the next tensor that fits, layer after layer."""
        made: Found = self._by_layer(found) if self.is_keras else {}
        found = found | made
        free = [name for name in self._free(found) if not name.endswith("num_batches_tracked")]
        for place in self.specs:
            if place in found:
                continue
            fits = [(name, turn) for name in free for good, turn in [self.turn(place, name)] if good]
            named = [one for one in fits if _last(one[0]) in _SAME.get(place[-1], (place[-1],))]
            plain = [one for one in fits if not any(_last(one[0]) in known for known in _SAME.values())]
            chosen = next(iter(named or plain), None)
            if chosen is not None:
                made[place] = chosen
                free.remove(chosen[0])
        return made


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", ".", name.lower()).strip(".")


def _last(name: str) -> str:
    return re.split(r"[./]", name)[-1]
