"""Owns putting layers in place of others: ``rewrite``, ``map_nodes``, ``reduce_nodes``, ``replace``, ``pop``.

Knows nothing about shapes or weights. Layers that are not replaced stay the same objects, so weights carry over.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from axon_nb.errors import AxonError, GraphError, brief
from axon_nb.graph import Builder, Model, Node, again, leaves, verb, where
from axon_nb.layer import Layer, Op, need_layer
from axon_nb.surgery.rebuild import Place, Value, moved, place_of, rebuilt, settled
from axon_nb.surgery.select import one, select

T = TypeVar("T")


@verb
def rewrite(model: Model, function: Callable[..., Any]) -> Model:
    """Put what a function returns for each layer in the layer's place; the rest of the model stays.

    The function gets the node, and if it takes more, the models of the node's inputs as they are in the new model. It
    returns ``None`` (or the node's own layer) to leave the node; a layer or block for the same inputs; a dict of
    options to change; or a model made from the inputs it was given. It is not asked about inputs.

    A layer that is used twice stays shared: what the function returned for the first use, if it is a layer, takes
    the place of the others too. All other layers keep their names, so ``new.init(like=params)`` keeps their weights.

    Raises:
        GraphError: the replacement cannot stand there.

    Example:
        >>> from axon_nb import dense, dropout, input
        >>> model = input((None, 8)) | dense(8) | dense(2)
        >>> model.rewrite(lambda node: node.layer | dropout(0.1) if node.op == "dense" else None)
        <Model: input_0 (None, 8) -> dense_0 -> dropout_0 -> dense_1 -> dropout_1 (None, 2)>
        >>> def low_rank(node, x):
        ...     return (x | node.layer) + (x | dense(2) | dense(node.options["units"]))
        >>> list(model.rewrite(low_rank).names.values())
        ['input_0', 'dense_0', 'dense_2', 'dense_3', 'add_0', 'dense_1', 'dense_4', 'dense_5', 'add_1']
    """
    _check_function(function)
    return _Rewriting(model, function).result()


@verb
def map_nodes(model: Model, function: Callable[[Node], Any]) -> Model:
    """Put another layer, or other options, in place of layers, inputs included; how they are joined stays.

    The function returns a layer for a node, a dict of options to change, or ``None`` to leave it.

    Raises:
        GraphError: a result is neither.

    Example:
        >>> from axon_nb import dense, dropout, input
        >>> model = input((None, 8)) | dense(8) | dropout(0.5) | dense(2)
        >>> model.map_nodes(lambda node: {"rate": 0.1} if node.op == "dropout" else None).find("dropout_0")
        <Node dropout(0.1)>
    """
    _check_function(function)

    def checked(node: Node) -> Any:
        made = function(node)
        if made is None or isinstance(made, dict | Op) or made is node:
            return made
        layer = need_layer(made)
        if isinstance(layer, Op):
            return layer
        problem = "map_nodes puts one layer in place of one"
        raise GraphError(problem, where=where(node.layer, model.names[node]), got=brief(made), fix="model.rewrite(...)")

    return _Rewriting(model, checked, inputs=True).result()


@verb
def reduce_nodes(model: Model, function: Callable[[T, Node], T], start: T) -> T:
    """Go over the nodes in the order in which they run, each with what came out so far.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(16) | dense(2)
        >>> model.reduce_nodes(lambda units, node: units + node.options.get("units", 0), 0)
        18
    """
    _check_function(function)
    for node in model.nodes:
        start = function(start, node)
    return start


@verb
def replace(model: Model, what: Any, replacement: Any = None, /, **options: Any) -> Model:
    """Put a layer or a model in place of one layer, or change options of layers.

    A layer keeps the name of the one it replaces, if that was given by hand or both are of a kind. In place of an input
    stands another input, or a whole model. A model in place of a layer takes the layer's inputs, as a part.

    Args:
        model: the model.
        what: which layer: see ``find``.
        replacement: a layer, a block or a model.
        **options: options to change, instead of a replacement; then several layers may be meant.

    Raises:
        UnknownNameError: there is no such layer.
        GraphError: the replacement cannot stand there, or several layers are meant.
        OptionError: an option is not one of the layer's.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(8, "relu") | dense(2, name="head")
        >>> model.replace("head", dense(5)).params["head.kernel"]
        (8, 5)
        >>> model.replace("dense_0", units=3).output_shape
        (None, 2)
    """
    if (replacement is None) == (not options):
        problem = "replace takes what stands in the place, or the options to change"
        raise GraphError(problem, fix='model.replace("dense_0", dense(5)), or model.replace("dense_0", units=5)')
    nodes = select(model, what) if replacement is None else (one(model, what),)
    ops = {node.layer for node in nodes}
    pick = next((node for node in nodes if node.is_pick), None)
    if pick is not None:
        problem = f"{model.names[pick]} is one of the outputs of {model.names[pick.parents[0]]}: name that"
        raise GraphError(problem)
    made = options if replacement is None else replacement
    return _Rewriting(model, lambda node: made if node.layer in ops else None, inputs=True).result()


@verb
def pop(model: Model, what: Any = 1) -> Model:
    """Take layers out: the last ones, or those named; what read them reads what they read.

    Args:
        model: the model.
        what: how many layers to take from the end, or which: see ``find``.

    Raises:
        UnknownNameError: there is no such layer.
        GraphError: a layer has several inputs or outputs, or there are not so many layers.

    Example:
        >>> from axon_nb import dense, input
        >>> model = input((None, 8)) | dense(8, "relu") | dense(2)
        >>> model.pop(), model.pop("dense_0")
        (<Model: input_0 (None, 8) -> dense_0 (None, 8)>, <Model: input_0 (None, 8) -> dense_1 (None, 2)>)
    """
    if isinstance(what, int) and not isinstance(what, bool):
        return _without_last(model, what)
    nodes = select(model, what)
    ops = {node.layer for node in nodes}
    for node in nodes:
        if node.is_pick or len(node.parents) != 1 or any(n.is_pick and n.parents[0] is node for n in model.nodes):
            problem = "only a layer with one input and one output can be taken out"
            fix = f"model.upto({model.names[node]!r}) ends there"
            raise GraphError(problem, where=where(node.layer, model.names[node]), fix=fix)
    return settled(model, rebuilt(model, lambda n, parents: parents[0] if n.layer in ops else moved(n, parents)))


def _without_last(model: Model, count: int) -> Model:
    if not isinstance(model.outputs, Node):
        problem = f"the model has {len(list(leaves(model.outputs)))} outputs"
        raise GraphError(problem, fix="name the layer: model.pop(name); or choose an output first: model[0].pop()")
    if count < 0:
        problem = "pop takes the number of layers to take out"
        raise GraphError(problem, got=str(count))
    node = model.outputs
    for taken in range(count):
        if len(node.parents) != 1:
            problem = f"{count} layers cannot be taken from the end"
            why = "an input" if node.is_input else f"{len(node.parents)} inputs"
            raise GraphError(problem, got=f"after {taken}, {model.names[node]} with {why}", fix="model.upto(name)")
        node = node.parents[0]
        while node.is_input and node.parents:  # the door of a part, with nothing behind it any more
            node = node.parents[0]
    return settled(model, node)


class _Rewriting:
    """One walk over a model that puts replacements in."""

    def __init__(self, model: Model, function: Callable[..., Any], *, inputs: bool = False) -> None:
        self.model, self.function, self.inputs = model, function, inputs
        self.wants_inputs = not inputs and _takes_more(function)
        self.layers: dict[Op, Layer] = {}  # what took the place of a layer, for its other uses
        self.present: set[Node] = set()
        self.wanted: dict[Op, Place] = {}

    def result(self) -> Model:
        return settled(self.model, rebuilt(self.model, self._change), self.wanted)

    def _change(self, node: Node, parents: tuple[Node, ...]) -> Value:
        value = self._value(node, parents)
        self.present.update((value,) if isinstance(value, Node) else value)
        return value

    def _value(self, node: Node, parents: tuple[Node, ...]) -> Value:
        is_open = node.is_input and not node.parents
        if node.is_input and not (self.inputs and is_open):
            return moved(node, parents)
        if node.layer in self.layers:
            return self._built(node, self.layers[node.layer], parents)
        made = self.function(node, *map(Model, parents)) if self.wants_inputs else self.function(node)
        if made is None or made is node or made is node.layer:
            return moved(node, parents)
        try:
            if isinstance(made, Model):
                return self._model(node, made, parents)
            if is_open and not isinstance(made, dict):
                problem = "an input is replaced by a model"
                raise GraphError(problem, got=brief(made), fix="input(...), or a model that ends in what is to be fed")
            layer = _with_options(node.layer, made) if isinstance(made, dict) else need_layer(made)
            self.layers[node.layer] = layer
            return self._built(node, layer, parents)
        except AxonError as error:
            place = f"what takes the place of {where(node.layer, self.model.names[node])}"
            raise error.at(place) from None

    def _built(self, node: Node, layer: Layer, parents: tuple[Node, ...]) -> Value:
        value: Value = layer.build(Builder(node.path), *node.placed(parents))
        if isinstance(layer, Op) and isinstance(value, Node):
            return self._named_as(node, value)
        return self._adopted(value, parents, ())

    def _named_as(self, node: Node, value: Node) -> Node:
        """Let one layer in place of one have its name, and if they are of a kind its rules and hooks."""
        owner = self.model.owners[node.layer]
        alike = node.op == value.op
        if not value.layer.name and (owner.own_name or alike):
            self.wanted.setdefault(value.layer, place_of(self.model, owner))
        return value.altered(frozen=node.frozen, hooks=node.hooks) if alike else value

    def _model(self, node: Node, made: Model, parents: tuple[Node, ...]) -> Value:
        fresh = list(_new_nodes(made, self.present))
        open_ones = [one for one in fresh if one.is_input and not one.parents]
        if not parents:
            if isinstance(made.outputs, Node) and made.outputs.is_input and not made.outputs.layer.name:
                self.wanted.setdefault(made.outputs.layer, place_of(self.model, node))
            return _flat(made)
        if len(fresh) < len(made.nodes):  # made of the inputs it was given
            return self._adopted(_flat(made), parents, node.path)
        if len(open_ones) != len(parents):
            problem = f"{len(parents)} outputs meet {len(open_ones)} inputs"
            raise GraphError(problem, fix="a model in place of a layer takes the inputs that the layer took")
        part = (*node.path, made.name or place_of(self.model, self.model.owners[node.layer])[1])
        entry = object()
        bound = {
            one: one.altered(layer=again(one.layer, entry), own_name=one.own_name, parents=(parent,), path=part)
            for one, parent in zip(open_ones, parents, strict=True)
        }
        return self._adopted(_flat(made), parents, part, bound)

    def _adopted(
        self, value: Value, parents: tuple[Node, ...], path: tuple[str, ...], bound: dict[Node, Node] | None = None
    ) -> Value:
        """Take new nodes into the model: into their part, and with what was known of layers that it had before."""
        new: dict[Node, Node] = dict(bound or {})
        ends = (value,) if isinstance(value, Node) else value
        for node in _new_nodes(Model(ends), self.present | set(parents)):
            if node in new or (node.is_input and not node.parents):
                new.setdefault(node, node)
                continue
            known = self.model.owners.get(node.layer)
            marks = {"frozen": known.frozen, "hooks": known.hooks} if known and not (node.frozen or node.hooks) else {}
            given = tuple(new.get(parent, parent) for parent in node.parents)
            new[node] = node.altered(parents=given, path=path + node.path, **marks)
            self.present.add(new[node])
        made = tuple(new.get(node, node) for node in ends)
        return made[0] if isinstance(value, Node) else made


def _check_function(function: Any) -> None:
    if not callable(function):
        problem = "what is done with each node is a function"
        raise GraphError(problem, got=brief(function), fix="lambda node: ...")


def _takes_more(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [p for p in parameters if p.kind in kinds and p.default is p.empty]
    return len(required) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _with_options(op: Op, options: dict[str, Any]) -> Op:
    made = Op(op.declaration, op.declaration.bind((), {**op.options, **options}), op.name)
    made.source = op.source
    return made


def _flat(model: Model) -> Value:
    return model.outputs if isinstance(model.outputs, Node) else tuple(leaves(model.outputs))


def _new_nodes(model: Model, known: set[Node]) -> Iterator[Node]:
    """Walk the nodes that are not known yet, parents first, not past those that are."""
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(end, False) for end in reversed(list(leaves(model.outputs)))]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            yield node
        elif node not in known and node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(parent, False) for parent in reversed(node.parents)]


__all__ = ["map_nodes", "pop", "reduce_nodes", "replace", "rewrite"]
