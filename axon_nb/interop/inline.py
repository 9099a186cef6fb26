"""Owns what is done away with while an ONNX graph is read: branches that are known, counted loops, and sequences.

Knows nothing about layers; what is put in place becomes layers as the nodes around it do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from axon_nb.interop.build import At, Builder, Tensor
from axon_nb.interop.optional import need
from axon_nb.interop.read import in_order
from axon_nb.lazy import numpy as np

MOST = 2000
"""The most nodes that loops are unrolled to."""


def _placed(builder: Builder, graph: Any, given: Mapping[str, str]) -> list[Any]:
    """Put a graph in place, with other names for its inputs, and return its results."""
    builder.inlined += 1
    own = {one.name for one in (*graph.input, *graph.initializer)} | {n for node in graph.node for n in node.output}
    names = {name: f"{name}@{builder.inlined}" for name in own if name} | dict(given)
    for tensor in graph.initializer:
        builder.hold(tensor, names[tensor.name])
    copy = type(graph)()
    copy.node.extend(graph.node)
    for node in copy.node:
        _rename(node, names)
    copy.output.extend(graph.output)
    for one in copy.output:
        one.name = names.get(one.name, one.name)
    builder.count_readers(copy)
    for node in in_order(copy, set(builder.values)):
        builder.add(node)
    return [builder.values[one.name] for one in copy.output]


def _rename(node: Any, names: Mapping[str, str]) -> None:
    for side in (node.input, node.output):
        for place, name in enumerate(side):
            side[place] = names.get(name, name)
    for one in node.attribute:
        for graph in (one.g, *one.graphs):
            hidden = {i.name for i in (*graph.input, *graph.initializer)} | {n for i in graph.node for n in i.output}
            inner = {key: value for key, value in names.items() if key not in hidden}
            for below in graph.node:
                _rename(below, inner)
            for end in graph.output:
                end.name = inner.get(end.name, end.name)


def _if(at: At) -> Any:
    """Take the branch that is known; where none is, choose between the results of both."""
    known = at.known(0)
    if known is not None:
        return tuple(_placed(at.builder, at.about["then_branch" if bool(np.ravel(known)[0]) else "else_branch"], {}))
    one, other = (_placed(at.builder, at.about[f"{side}_branch"], {}) for side in ("then", "else"))
    found = []
    for yes, no in zip(one, other, strict=True):
        if _shape(yes) is None or _shape(yes) != _shape(no):
            problem = "is not known when the model is read, and its branches give other shapes"
            raise at.refuse(problem)
        found.append(_node(at, "Where", [at.inputs[0], yes, no]))
    return tuple(found)


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return None if value.specs is None else [spec.shape for spec in value.specs]
    return None if not isinstance(value, np.ndarray) else [value.shape] * 3


def _node(at: At, op: str, inputs: Sequence[Any], **about: Any) -> Any:
    """Add a node that is not in the file, which reads values by new names."""
    builder = at.builder
    builder.inlined += 1
    names = [f"{at.node.name}@{builder.inlined}.{i}" for i in range(len(inputs) + 1)]
    builder.values |= dict(zip(names[1:], inputs, strict=True))
    builder.add(need("onnx", "import from ONNX").helper.make_node(op, names[1:], names[:1], **about))
    return builder.values[names[0]]


def _loop(at: At) -> Any:
    """Unroll a loop whose steps are counted, and whose condition is known in each."""
    count, wanted, body = at.known(0), at.known(1), at.about["body"]
    if (at.has(0) and count is None) or (at.has(1) and wanted is None):
        problem = "its number of steps is not known when the model is read"
        raise at.refuse(problem)
    states, results = list(at.inputs[2:]), []
    goes_on = wanted is None or bool(np.ravel(wanted)[0])
    most = MOST if count is None else int(np.ravel(count)[0])
    step = 0
    while step < most and goes_on:
        at.builder.unrolled += len(body.node) + 1
        if at.builder.unrolled > MOST:
            problem = f"would be unrolled to more than {MOST:,} nodes"
            raise at.refuse(problem)
        names = [f"{one.name}@{at.builder.inlined}i" for one in body.input]
        at.builder.values |= dict(zip(names, [np.asarray(step, "int64"), np.asarray(True), *states], strict=True))
        made = _placed(at.builder, body, dict(zip([one.name for one in body.input], names, strict=True)))
        if not isinstance(made[0], np.ndarray):
            problem = "whether it goes on is not known when the model is read"
            raise at.refuse(problem)
        goes_on, states = bool(np.ravel(made[0])[0]), made[1 : len(states) + 1]
        results.append(made[len(states) + 1 :])
        step += 1
    stacked = [_stacked(at, list(column)) for column in zip(*results, strict=True)]
    if len(states) + len(stacked) < at.outputs():
        problem = "takes no step, so that what it would give is not known"
        raise at.refuse(problem)
    return (*states, *stacked)


def _stacked(at: At, column: list[Any], axis: int = 0) -> Any:
    axes = np.asarray([axis], "int64")
    return _node(at, "Concat", [_node(at, "Unsqueeze", [one, axes]) for one in column], axis=axis)


def _construct(at: At) -> Any:
    return ([] if at.op == "SequenceEmpty" else list(at.inputs),)


def _list(at: At) -> list[Any]:
    given = at.inputs[0]
    if not isinstance(given, list):
        problem = "takes a sequence"
        raise at.refuse(problem)
    return given


def _place(at: At, number: int, default: int) -> int:
    if not at.has(number):
        return default
    known = at.known(number)
    if known is None:
        problem = "its place in the sequence is not known when the model is read"
        raise at.refuse(problem)
    return int(np.ravel(known)[0])


def _taken(at: At) -> Any:
    given, place = _list(at), _place(at, 1, -1)
    if not -len(given) <= place < len(given):
        problem = f"there is no place {place} in a sequence of {len(given)}"
        raise at.refuse(problem)
    if at.op == "SequenceAt":
        return given[place]
    return ([one for i, one in enumerate(given) if i != place % len(given)],)


def _inserted(at: At) -> Any:
    made = list(_list(at))
    place = _place(at, 2, len(made))
    if not -len(made) <= place <= len(made):
        problem = f"there is no place {place} in a sequence of {len(made)}"
        raise at.refuse(problem)
    made.insert(place if place >= 0 else len(made) + place, at.inputs[1])
    return (made,)


def _joined(at: At) -> Any:
    given, axis = _list(at), int(at.about.get("axis", 0))
    if not given:
        problem = "joins a sequence of nothing"
        raise at.refuse(problem)
    return _stacked(at, given, axis) if at.about.get("new_axis") else _node(at, "Concat", given, axis=axis)


def _split(at: At) -> Any:
    """Cut a tensor into a sequence: of single cells, of parts of one size, or of sizes that are given."""
    x, axis, sizes = at.inputs[0], int(at.about.get("axis", 0)), at.known(1)
    shape = x.shape
    if shape is None or shape[axis] is None or (at.has(1) and sizes is None):
        problem = "its size on that axis is not known"
        raise at.refuse(problem)
    size = int(shape[axis])
    if sizes is None or sizes.ndim == 0:
        part = 1 if sizes is None else int(sizes)
        cuts = [part] * (size // part) + ([size % part] if size % part else []) if part > 0 else []
    else:
        cuts = [int(n) for n in sizes]
    if sum(cuts) != size or min(cuts, default=0) < 1 or len(cuts) > MOST:
        problem = f"does not cut {size} cells into parts of {brief_of(cuts)}"
        raise at.refuse(problem)
    made, start = [], 0
    for cut in cuts:
        bounds = [np.asarray([n], "int64") for n in (start, start + cut, axis)]
        part = _node(at, "Slice", [x, *bounds])
        flat = sizes is None and not at.about.get("keepdims", 1)
        made.append(_node(at, "Squeeze", [part, np.asarray([axis], "int64")]) if flat else part)
        start += cut
    return (made,)


def brief_of(cuts: Sequence[int]) -> str:
    """Show the first sizes."""
    return ", ".join(map(str, cuts[:6])) + (" ..." if len(cuts) > 6 else "")


INLINED: dict[str, Callable[[At], Any]] = {
    "If": _if, "Loop": _loop, "SequenceConstruct": _construct, "SequenceEmpty": _construct, "SequenceAt": _taken,
    "SequenceErase": _taken, "SequenceInsert": _inserted, "ConcatFromSequence": _joined, "SplitToSequence": _split,
    "SequenceLength": lambda at: np.asarray(len(_list(at)), "int64"),
}  # fmt: skip
"""What is done away with while a model is read."""
