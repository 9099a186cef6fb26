"""Owns models: an immutable graph of applied layers, built by pipes and by composing models.

Knows nothing about shapes, weights or running: modules below add those verbs with :func:`verb`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

from axon_nb import shapes
from axon_nb.errors import AxonError, GraphError, article, brief, unknown
from axon_nb.layer import (
    Layer,
    Op,
    as_layer,
    check_name,
    combinator,
    is_applicable,
    mixed,
    need_layer,
    registry,
    unnested,
)
from axon_nb.misuse import Guarded, not_a_layer
from axon_nb.node import (
    DTYPES,
    INPUT,
    PICK,
    Node,
    Structure,
    leaves,
    map_leaves,
    name_nodes,
    output_count,
    pick,
    where,
)  # fmt: skip
from axon_nb.rules import Rules, is_frozen, merged

P = ParamSpec("P")
R = TypeVar("R")


class Model(Guarded):
    """An immutable graph of applied layers with one or more outputs. It holds no weights.

    Example:
        >>> from axon_nb import dense, input
        >>> mnist = input((None, 784), name="image") | dense(128, "relu") | dense(10, "softmax")
        >>> mnist
        <Model: image (None, 784) -> dense_0 -> dense_1 (None, 10)>
    """

    _kind = "model"
    _layers = registry

    def __init__(self, outputs: Structure, name: str | None = None, *, parts: int = 0) -> None:
        self.outputs = outputs
        self.name = check_name(name)
        self._parts = parts  # how many models were composed into this one, so that a | b | c gives three parts, not two

    @functools.cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, parents before children."""
        return tuple(_parents_first(list(leaves(self.outputs))))

    @functools.cached_property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that must be fed."""
        return tuple(node for node in self.nodes if node.is_input and not node.parents)

    @functools.cached_property
    def layers(self) -> tuple[Op, ...]:
        """The layers that are applied, each once, without the inputs."""
        return tuple(dict.fromkeys(node.layer for node in self.nodes if not node.is_input))

    @functools.cached_property
    def names(self) -> dict[Node, str]:
        """The unique name of each node, its part in front: ``generator.dense_0``."""
        return name_nodes(self.nodes)

    @functools.cached_property
    def by_name(self) -> dict[str, Node]:
        """The node of each name."""
        return {name: node for node, name in self.names.items()}

    @functools.cached_property
    def owners(self) -> dict[Op, Node]:
        """The first node of each layer: its name is where the layer's weights stand."""
        first: dict[Op, Node] = {}
        for node in self.nodes:
            first.setdefault(node.layer, node)
        return first

    def is_frozen(self, layer: Op, name: str) -> bool:
        """Tell whether training leaves a layer's parameter alone: one of the layer's nodes says so."""
        return is_frozen(self.rules_of(layer), name)

    def rules_of(self, layer: Op) -> Rules:
        """Say what is frozen of a layer: what any of its uses says."""
        return self._frozen.get(layer, ())

    @functools.cached_property
    def _frozen(self) -> dict[Op, Rules]:
        rules: dict[Op, list[Rules]] = {}
        for node in self.nodes:
            if node.frozen:
                rules.setdefault(node.layer, []).append(node.frozen)
        return {layer: merged(several) for layer, several in rules.items()}

    def named(self, name: str | None) -> Model:
        """Return the same model under a name: what its part is called when it is composed.

        Raises:
            DeclarationError: the name is empty or has a dot.
        """
        return Model(self.outputs, name, parts=self._parts)

    def __copy__(self) -> Model:
        return self  # nothing in it can be changed

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_json, (self.to_json(),)  # type: ignore[attr-defined]  # a verb; layers of one's own it warns of

    def __axon_apply__(self, layer: Layer, models: tuple[Any, ...]) -> Model:
        inputs: list[Node | None] = []
        for model in models:
            inputs += [None] if model is None else leaves(_need_model(model).outputs)
        return Model(layer.build(Builder(()), *inputs))

    def __axon_part__(self) -> Layer:
        return Part(self)

    def __iter__(self) -> Iterator[Model]:
        """Give a model for each output: ``sequence, state = x | lstm(8, return_state=True)``."""
        if isinstance(self.outputs, Node):
            problem = "the model has one output"
            raise GraphError(problem, fix="only a model with several outputs can be unpacked")
        parts = self.outputs.values() if isinstance(self.outputs, dict) else self.outputs
        return iter([Model(part) for part in parts])

    def __getitem__(self, key: int | str) -> Model:
        """Return the model that ends in one of several outputs: by number, or by name."""
        if isinstance(self.outputs, dict) and key in self.outputs:
            return Model(self.outputs[str(key)])
        if isinstance(self.outputs, tuple) and isinstance(key, int) and -len(self.outputs) <= key < len(self.outputs):
            return Model(self.outputs[key])
        if isinstance(self.outputs, Node):
            problem = f"the model has one output, so there is no {brief(key)} of it"
            fix = ("model[...] is one of several outputs; model | slice(...) cuts what it gives",
                   "model.upto(name) ends at another layer")  # fmt: skip
            raise GraphError(problem, fix=fix)
        known = list(self.outputs) if isinstance(self.outputs, dict) else range(len(self.outputs))
        raise unknown("output", key, map(str, known), error=GraphError)  # noqa: EM101 - the kind, not the message

    def __or__(self, other: object) -> Model:
        if isinstance(other, Model) and not isinstance(other, Source):
            return compose(self, other)
        layer = as_layer(other)
        if layer is None:
            raise not_a_layer(other, registry, "pipe into a layer, a model or a function of tensors")
        return self.__axon_apply__(layer, (self,))

    __array_ufunc__ = None  # array | model: NumPy leaves the answer to the model

    def __ror__(self, other: object) -> Model:
        if isinstance(other, tuple | list | dict) and other and is_applicable(other):
            return self(other)
        problem = f"{article(type(other).__name__)} cannot be piped into a model"
        raise GraphError(problem, got=brief(other), fix="begin with input(...), or call model.predict(params, x)")

    def __call__(self, *inputs: Any, **named: Any) -> Model:
        """Apply this model to others, as a layer is applied; inputs may be given by name: ``model(image=x)``."""
        only = inputs[0] if len(inputs) == 1 and not named else None
        if isinstance(only, dict) and set(only) <= {self.names[node] for node in self.inputs}:
            inputs, named = (), only
        given = [_need_model(one) for one in unnested(inputs)]
        return _join([*given, *self._named(named, len(given))], self)

    def _named(self, given: Mapping[str, Any], placed: int) -> list[Model]:
        """Sort models that are given by the names of inputs; so many are placed already."""
        names = [self.names[node] for node in self.inputs]
        for name in given:
            if name not in names:
                msg = "input"
                raise unknown(msg, name, names, error=GraphError)
            if name in names[:placed]:
                problem = f"input {name!r} is given twice"
                raise GraphError(problem)
        missing = [name for name in names[placed:] if name not in given]
        if given and missing:
            problem = f"the model needs {' and '.join(map(repr, missing))} too"
            raise GraphError(problem, got=", ".join(given))
        return [_need_model(given[name]) for name in names[placed:] if name in given]

    def __add__(self, other: object) -> Any:
        return _arithmetic("add", self, other)

    def __radd__(self, other: object) -> Any:
        return _arithmetic("add", self, other)

    def __sub__(self, other: object) -> Any:
        return _arithmetic("subtract", self, other)

    def __rsub__(self, other: object) -> Any:
        return _arithmetic("subtract", self, other)

    def __mul__(self, other: object) -> Any:
        return _arithmetic("multiply", self, other)

    def __rmul__(self, other: object) -> Any:
        return _arithmetic("multiply", self, other)

    def __repr__(self) -> str:
        try:
            names = self.names
        except GraphError:  # two of them are the same: a model that is wrong still has a repr
            names = {node: node.own_name or node.op for node in self.nodes}
        shown = [names[n] + (f" {_declared(n)}" if n.is_input else "") for n in self.nodes]
        limit = 6
        if len(shown) > limit:
            shown = [*shown[:3], f"... {len(shown) - 5} more ...", *shown[-2:]]
        shape = self._output_shape_or_none() if len(self.nodes) > len(self.inputs) else None
        end = f" {shapes.show(shape)}" if isinstance(shape, tuple) else ""
        name = f" {self.name}" if self.name else ""
        return f"<Model{name}: {' -> '.join(shown)}{end}>"

    def _output_shape_or_none(self) -> object:
        try:
            return getattr(self, "output_shape", None)
        except AxonError:
            return None  # a model that does not fit still has a repr


def _from_json(text: str) -> Model:
    made: Model = Model.from_json(text)  # type: ignore[attr-defined]  # a verb
    return made


class Source(Model):
    """A model of one layer that needs no input: a constant. Among layers without input it is that layer."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.build(Builder(())))
        self.layer = layer

    def __axon_layer__(self) -> Layer:
        return self.layer


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function whose first argument is a model a method of Model.

    So each method stands in the module that can do it (shapes in ``trace``, weights in ``compiled``) and the graph
    needs to know none of them.
    """
    setattr(Model, function.__name__, function)
    return function


class Later:
    """A verb whose module is loaded when it is first used: `verb` there puts the function in this place.

    So a cell that only builds and shows a model does not wait for what trains, exports or measures it.
    """

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self._name, self._load = name, load

    def __get__(self, instance: Any, owner: type) -> Any:
        if vars(owner).get(self._name) is self:
            self._load()
        if vars(owner).get(self._name) is self:
            raise AttributeError(self._name)
        return getattr(owner if instance is None else instance, self._name)


def attribute(function: Callable[[Model], R]) -> Callable[[Model], R]:
    """Make a function of a model a property of Model."""
    setattr(Model, function.__name__, property(function))
    return function


class Builder:
    """Makes nodes: the wiring by which layers become part of a model."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path

    def apply(self, op: Op, inputs: tuple[Node | None, ...]) -> Node | tuple[Node, ...]:
        _check_count(op, inputs)
        node = Node(op, tuple(inputs), self.path)
        count = output_count(op)
        return node if count == 1 else tuple(Node(pick(op, i), (node,), self.path) for i in range(count))

    def inside(self, name: str) -> Builder:
        return Builder((*self.path, name))


def _check_count(op: Op, inputs: tuple[Node | None, ...]) -> None:
    known = op.declaration
    takes, least = len(known.inputs), known.least
    if not known.variadic and not least <= len(inputs) <= takes:
        word = "one input" if takes == 1 else f"{takes} inputs" if least == takes else f"{least} to {takes} inputs"
        written = f"(lambda {', '.join(known.inputs)}: ...)" if known.name == "function" else repr(op)
        pipe = f"({', '.join('abcdef'[:takes])}) | {written}"
        named = f"by name: {op!r}({', '.join((*known.inputs[:least], *(f'{n}={n}' for n in known.inputs[least:])))})"
        fix = "join them first: (a, b) | concatenate()" if takes == 1 else pipe if least == takes else named
        problem = f"takes {word} and got {len(inputs)}"
        error = GraphError(problem, where=where(op), fix=fix)
        raise error.search_with(lambda: tuple(f for find in arity_finders for f in find(op, inputs, error)))
    for place, node in enumerate(inputs):
        if node is None and known.needs(place):
            name = known.inputs[0 if known.variadic else place]
            problem = f"its input {name!r} cannot be left out"
            raise GraphError(problem, where=where(op))


arity_finders: list[Callable[[Op, tuple[Node | None, ...], GraphError], tuple[str, ...]]] = []
"""What looks for fixes where a layer is given too many or too few inputs. Filled by ``advice``, which stands above."""


def _need_model(value: object) -> Model:
    if isinstance(value, Model):
        return value
    problem = "a model is applied to models"
    raise GraphError(problem, got=brief(value), fix="begin with input(...), or call model.predict(params, x)")


def _arithmetic(op: str, left: Model, right: object) -> Any:
    if isinstance(right, Model):
        made: Model = registry[op](left, right)
        return made
    if as_layer(right) is not None and isinstance(left, Source):
        return registry[op](left.layer, right)
    if as_layer(right) is not None:
        raise mixed(left)
    problem = f"{op} joins models, and {article(type(right).__name__)} is none"
    raise GraphError(problem, got=brief(right), fix="for a number write a function: model | (lambda x: x * 2)")


def _parents_first(roots: list[Node]) -> Iterator[Node]:
    """Walk depth first without recursion: a model may be thousands of layers deep."""
    seen: set[Node] = set()
    stack: list[tuple[Node, Iterator[Node]]] = []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack.append((root, iter(root.parents)))
        while stack:
            node, parents = stack[-1]
            parent = next((p for p in parents if p not in seen), None)
            if parent is None:
                stack.pop()
                yield node
            else:
                seen.add(parent)
                stack.append((parent, iter(parent.parents)))


def _declared(node: Node) -> str:
    return shapes.show(node.options["shape"])


@combinator
def input(shape: Any = None, *, name: str | None = None, dtype: str = "float32", optional: bool = False) -> Model:
    """Begin a model.

    Args:
        shape: with the batch axis first; ``None`` for a size that is not known, a name (``"time"``) for one that is the
            same wherever the name stands. Without a shape, the model's shapes are known when it is given data. A dict
            or tuple of shapes makes a container: a model with an output for each, ``x["left"]``.
        name: what the input is called in ``fit`` and ``predict``, and in the table.
        dtype: kind of numbers it takes, ``"int32"`` for class or word numbers.
        optional: whether it may be left out when the model is fed. A layer that needs it then has no value either, nor
            has what needs that layer, up to ``or_else`` or to an input of a layer that may be left out (a mask).

    Raises:
        ShapeError: the shape is not one.

    Example:
        >>> input((None, 1, 28, 28), name="image")
        <Model: image (None, 1, 28, 28)>
        >>> pair = input({"left": (None, 3), "right": (None, 3)}, name="pair")
        >>> pair["left"] + pair["right"]
        <Model: pair.left (None, 3) -> pair.right (None, 3) -> add_0 (None, 3)>
    """

    def begin(shape: Any, name: str | None, path: tuple[str, ...]) -> Structure:
        if _is_container(shape):
            path = (*path, name) if name else path
            pairs = shape.items() if isinstance(shape, dict) else enumerate(shape)
            parts = {str(key): begin(one, _part_name(shape, key, path), path) for key, one in pairs}
            return parts if isinstance(shape, dict) else tuple(parts.values())
        options = INPUT.bind((), {"shape": shape, "dtype": dtype, "optional": optional})
        return Node(Op(INPUT, options, name), (), path)

    return Model(begin(shape, check_name(name), ()))


def _is_container(shape: object) -> bool:
    if isinstance(shape, dict):
        return bool(shape)
    return isinstance(shape, tuple | list) and bool(shape) and all(isinstance(s, tuple | list | dict) for s in shape)


def _part_name(container: Any, key: Any, path: tuple[str, ...]) -> str | None:
    """Name a part of a container: by its key, or its number where the container has a name."""
    if isinstance(container, dict):
        return check_name(key)
    return str(key) if path else None


@combinator
def compose(*models: Model, **named: Model) -> Model:
    """Feed each model's output to the next one's input; each keeps its parameters in a part of its own.

    A part is called as the model (``%%axon generator``), as the keyword, or ``part_0``, ``part_1`` ...

    Raises:
        GraphError: there are fewer than two models, or outputs and inputs differ in number.

    Example:
        >>> from axon_nb import dense
        >>> encoder, decoder = input((None, 8)) | dense(2), input((None, 2)) | dense(8)
        >>> [name for name in compose(encoder=encoder, decoder=decoder).names.values()]
        ['input_0', 'encoder.dense_0', 'decoder.input_0', 'decoder.dense_0']
    """
    parts = [_need_model(m) for m in models] + [_need_model(m).named(name) for name, m in named.items()]
    if len(parts) < 2:
        problem = "compose takes two models or more"
        raise GraphError(problem)
    return functools.reduce(lambda left, right: _join([left], right), parts)


def _join(lefts: list[Model], right: Model) -> Model:
    """Put ``right`` behind other models, each as a part under its name."""
    new: dict[Node, Node] = {}
    count = 0
    outputs: list[Node] = []
    for left in lefts:
        # What a | b made is parts already, unless it was given a name of its own.
        is_part = (left.name or not left._parts) and not all(node.is_input for node in left.nodes)
        structure = _copy(left, (left.name or f"part_{count}",), new) if is_part else left.outputs
        outputs += leaves(structure)
        count += bool(is_part) or left._parts
    if len(outputs) != len(right.inputs):
        problem = f"{len(outputs)} outputs meet {len(right.inputs)} inputs"
        names = ", ".join(right.names[node] for node in right.inputs)
        raise GraphError(problem, got=f"inputs: {names}", fix="pipe one model for each input: (a, b) | model")
    path = (right.name or f"part_{count}",)
    entry = object()
    bound = {
        node: node.altered(
            layer=again(node.layer, entry), own_name=node.own_name, inputs=(value,), path=path + node.path
        )
        for node, value in zip(right.inputs, outputs, strict=True)
    }
    return Model(_copy(right, path, bound), parts=count + 1)


class Part(Layer):
    """A model where a layer is expected: what reaches it is checked against its inputs' shapes, its layers are shared.

    ``block("encoder", encoder)`` puts it under a name.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    def build(self, wiring: Any, *inputs: Any) -> Any:  # noqa: D102
        if not isinstance(wiring, Builder):
            return self._run(wiring, inputs)
        expected = self.model.inputs
        if len(inputs) != len(expected):
            problem = f"{len(inputs)} outputs meet {len(expected)} inputs"
            names = ", ".join(self.model.names[node] for node in expected)
            raise GraphError(problem, got=f"inputs: {names}", fix="pipe one model for each input: (a, b) | model")
        path = wiring.path or ((self.model.name,) if self.model.name else ())
        entry = object()
        bound = {
            node: node.altered(
                layer=again(node.layer, entry, named=bool(path)), own_name=node.own_name if path else None,
                inputs=(value,), path=path + node.path,
            )
            for node, value in zip(expected, inputs, strict=True)
        }  # fmt: skip
        made = tuple(leaves(_copy(self.model, path, bound)))
        return made if len(made) > 1 else made[0]

    def _run(self, wiring: Any, inputs: tuple[Any, ...]) -> Any:
        """Apply the layers one by one, where they make something else than a model."""
        made: dict[Node, Any] = dict(zip(self.model.inputs, inputs, strict=True))
        for node in self.model.nodes:
            if node in made:
                continue
            if node.is_input or node.is_pick:
                value = made[node.parents[0]]
                made[node] = value[node.options["index"]] if node.is_pick else value
                continue
            inner = functools.reduce(lambda outer, name: outer.inside(name), node.path, wiring)
            made[node] = inner.apply(node.layer, tuple(one and made[one] for one in node.inputs))
        return map_leaves(self.model.outputs, made.__getitem__)

    @property
    def ops(self) -> Iterator[Op]:  # noqa: D102
        return (node.layer for node in self.model.nodes if not node.is_input and not node.is_pick)

    @property
    def chain(self) -> tuple[Op, ...]:
        """Its layers, where it is no more than layers in a row behind bare inputs; else none."""
        given = tuple(self.model.inputs)
        bare = all(node.options == INPUT.bind((), {}) and not node.own_name for node in given)
        rest = self.model.nodes[len(given) :]
        before = given
        for node in rest:
            if node.inputs != before or node.is_input or node.is_pick or node.path or node.own_name != node.layer.name:
                return ()
            before = (node,)
        ops = tuple(node.layer for node in rest)
        alone = len(set(ops)) == len(ops) and before == (self.model.outputs,)
        return ops if bare and alone and self.model.nodes[: len(given)] == given else ()

    def __repr__(self) -> str:
        return repr(self.model)


def as_part(value: Any) -> Layer:
    """Return what stands for a layer as one; a model too, which is applied to as many inputs as it has.

    Raises:
        GraphError: it is none.
    """
    return Part(value) if isinstance(value, Model) and not isinstance(value, Source) else need_layer(value)


def again(op: Op, entry: object, *, named: bool = True) -> Op:
    """Make an input's layer anew: it has no weights to share, and would be named as a further use of the open input.

    Args:
        op: the layer of an open input.
        entry: the same for all inputs of a part, where it is put in: a name of a size means one size among them.
        named: whether it keeps its name.
    """
    made = Op(op.declaration, op.options, op.name if named else None)
    made.joined, made.source, made.entry = made.source, op.source, entry
    return made


def _copy(model: Model, path: tuple[str, ...], new: dict[Node, Node]) -> Structure:
    """Copy nodes into a part. Layers stay the same objects, so weights are shared with what they were copied from.

    Args:
        model: what is copied.
        path: the part.
        new: what stands for nodes already copied; filled in. Unbound inputs stay as they are, outside of any part.
    """
    for node in model.nodes:
        if node not in new:
            is_open = node.is_input and not node.parents
            new[node] = node if is_open else node.over(new.__getitem__, path=path + node.path)
    structure: Structure = map_leaves(model.outputs, new.__getitem__)
    return structure


__all__ = [
    "DTYPES", "INPUT", "PICK", "Model", "Node", "Part", "Source", "Structure", "as_part", "attribute", "compose",
    "input", "leaves", "map_leaves", "name_nodes", "output_count", "pick", "verb", "where",
]  # fmt: skip
