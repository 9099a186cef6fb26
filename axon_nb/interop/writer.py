"""Owns an ONNX graph while it is written: nodes, constants, unique names.

Knows nothing about layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from axon_nb.interop.optional import InteropError, need
from axon_nb.lazy import numpy as np

OPSET = 23
"""The version of the ONNX operators that is written: the first with RMSNormalization and Attention."""

_IR_VERSION = 11  # of the same release, onnx 1.18

_KINDS = {
    "float32": "FLOAT", "float16": "FLOAT16", "bfloat16": "BFLOAT16", "float64": "DOUBLE", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32",
    "uint64": "UINT64", "bool": "BOOL",
}  # fmt: skip


def kind_of(dtype: str) -> int:
    """Find ONNX's number of a kind of numbers.

    Raises:
        InteropError: ONNX has no such kind.
    """
    onnx = need("onnx", "ONNX")
    if dtype not in _KINDS:
        problem = f"ONNX has no numbers of the kind {dtype}"
        raise InteropError(problem)
    return int(getattr(onnx.TensorProto, _KINDS[dtype]))


def rounded(array: Any, dtype: str) -> Any:
    """Round an array to a kind of numbers; bfloat16, which NumPy has not, stays float32.

    Example:
        >>> rounded(np.float32([2049.0]), "float16").tolist(), rounded(np.float32([257.0]), "bfloat16").tolist()
        ([2048.0], [256.0])
    """
    if dtype != "bfloat16":
        return np.asarray(array).astype(dtype)
    return (_upper_half(array).astype("uint32") << 16).view("float32")


def _upper_half(array: Any) -> Any:
    """Return the upper half of each float32, rounded to even."""
    array = np.ascontiguousarray(array, "float32").reshape(np.shape(array))
    words = array.view("uint32")
    halves = ((words + 0x7FFF + ((words >> 16) & 1)) >> 16).astype("uint16")
    return np.where(np.isnan(array), np.uint16(0x7FC0), halves)


class Value(str):
    """The name of a tensor in the graph, with what is known of it."""

    __slots__ = ("dtype", "shape")

    shape: tuple[Any, ...]
    dtype: str

    @classmethod
    def of(cls, name: str, shape: Sequence[Any], dtype: str) -> Value:
        """Name a tensor of a shape."""
        made = cls(name)
        made.shape, made.dtype = tuple(shape), dtype
        return made

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


def _read(node: Any) -> Iterator[str]:
    """List what a node reads, and the graphs within it."""
    yield from node.input
    for one in node.attribute:
        for below in one.g.node:
            yield from _read(below)
        yield from (end.name for end in one.g.output)


class Writer:
    """Collects nodes and constants. A loop's body is written by a writer inside of another."""

    def __init__(self, outer: Writer | None = None) -> None:
        self.onnx = need("onnx", "export to ONNX")
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {} if outer is None else outer.constants
        self._taken: set[str] = set() if outer is None else outer._taken
        self._known: dict[Any, str] = {} if outer is None else outer._known

    def name(self, wish: str) -> str:
        """Return a name that is not taken yet."""
        name, count = wish, 1
        while name in self._taken:
            count += 1
            name = f"{wish}_{count}"
        self._taken.add(name)
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        """Write a node; returns the name of its result, or of each where there are several."""
        node = self.name(f"{name}/{kind}" if name else kind)
        results = [self.name(node + (f":{i}" if outputs > 1 else ":y")) for i in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), results, name=node, **attributes))
        return results[0] if outputs == 1 else results

    def constant(self, values: Any, dtype: str, wish: str = "constant") -> str:
        """Return the name of a constant; the same values are written once."""
        array = np.asarray(values)
        array = array.astype("float32" if dtype == "bfloat16" else dtype)
        key = (dtype, array.shape, array.tobytes())
        small = array.size <= 64
        if small and key in self._known:
            return self._known[key]
        name = self.name(wish)
        self.add(name, array, dtype)
        if small:
            self._known[key] = name
        return name

    def weight(self, path: str, tag: str, values: Any, dtype: str) -> str:
        """Return the name of a weight; each is written once for all its uses."""
        key = ("weight", path, tag, dtype)
        if key not in self._known:
            self._known[key] = self.name(path + (f".{tag}" if tag else ""))
            self.add(self._known[key], np.asarray(values), dtype)
        return self._known[key]

    def add(self, name: str, array: Any, dtype: str) -> None:
        """Store the values of a constant."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        if dtype == "bfloat16":  # which NumPy has not
            array = _upper_half(array)
            self.constants[name] = self.onnx.helper.make_tensor(
                name, kind_of(dtype), array.shape, array.tobytes(), raw=True
            )
            return
        self.constants[name] = self.onnx.numpy_helper.from_array(array.astype(dtype), name)

    def ints(self, *values: int) -> str:
        """Return the name of a constant row of whole numbers."""
        return self.constant(values, "int64")

    def graph(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any], *, own: bool = True) -> Any:
        """Make the graph of what was written; of a whole one, without what nothing reads."""
        constants: list[Any] = []
        if own:
            read = {one.name for one in outputs}
            kept = []
            for node in reversed(self.nodes):  # written after what they read
                if read.intersection(node.output):
                    kept.append(node)
                    read.update(_read(node))
            self.nodes = kept[::-1]
            constants = [one for name, one in self.constants.items() if name in read]
        return self.onnx.helper.make_graph(self.nodes, name, list(inputs), list(outputs), constants)

    def model(self, graph: Any, about: dict[str, str]) -> Any:
        """Make the model and check it as ONNX's checker does."""
        made = self.onnx.helper.make_model(
            graph, opset_imports=[self.onnx.helper.make_opsetid("", OPSET)], producer_name="axon_nb",
            ir_version=_IR_VERSION,
        )  # fmt: skip
        self.onnx.helper.set_model_props(made, about)
        if made.ByteSize() < 2**31 - 1:
            self.onnx.checker.check_model(made)
        return made
