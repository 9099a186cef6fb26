"""Owns mixed precision: which kinds of numbers a layer's parameters are, it computes with, and it returns.

Knows nothing about shapes or training. A policy acts on floating-point numbers only, and leaves states as they are:
running means lose too much in 16 bits.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Tensor, dtypes

from axon_nb.checks import dtype_name
from axon_nb.errors import GraphError, OptionError, article, brief
from axon_nb.graph import Model, Node, map_leaves, verb
from axon_nb.layer import Layer, Op, mapped, need_layer
from axon_nb.scope import Scope

_SHORT = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}
_LONG = {short: long for long, short in _SHORT.items()}


@dataclass(frozen=True)
class Policy:
    """Kinds of numbers; ``None`` leaves them as they are.

    Example:
        >>> Policy(compute="bf16")
        Policy(params=None, compute='bfloat16', output=None)
        >>> mixed_float16.short
        'p=f32 c=f16 o=f32'
    """

    params: str | None = None
    """What parameters are kept as."""
    compute: str | None = None
    """What inputs and parameters are cast to before the layer runs."""
    output: str | None = None
    """What its result is cast to."""

    def __post_init__(self) -> None:
        for name in ("params", "compute", "output"):
            value = getattr(self, name)
            known = _LONG.get(value, value) if isinstance(value, str) else value
            if known is not None and known not in _SHORT:
                problem = f"{name} must be one of {', '.join(map(repr, _SHORT))}, or None"
                raise OptionError(problem, where="Policy", got=brief(value), fix='Policy(compute="bfloat16")')
            object.__setattr__(self, name, known)

    @property
    def short(self) -> str:
        """The policy in few letters, as Axon writes it."""
        pairs = (("p", self.params), ("c", self.compute), ("o", self.output))
        return " ".join(f"{letter}={_SHORT[dtype]}" for letter, dtype in pairs if dtype)

    @property
    def words(self) -> str:
        """The policy by its name among ``policies``, where it has one; else in few letters.

        Example:
            >>> Policy("float16", "float16", "float16").words, Policy(compute="f16").words
            ('float16', 'c=f16')
        """
        return NAMES.get(self, self.short)

    def cast(self, x: Tensor, to: str) -> Tensor:
        """Cast a tensor as its parameters, for its computation or as its output; whole numbers stay.

        Example:
            >>> Policy(output="float16").cast(Tensor([1.0]), "output").dtype
            dtypes.half
        """
        return as_float(x, getattr(self, to))

    def run(self, op: Op, scope: Scope, tensors: Sequence[Any]) -> Any:
        """Run a layer under the policy."""
        given = [x if x is None else self.cast(x, "compute") for x in tensors]
        made = op.declaration.call(_PolicyScope(scope, self), given, op.options)
        return mapped(made, lambda x: self.cast(x, "output") if isinstance(x, Tensor) else x)


mixed_float16 = Policy(params="float32", compute="float16", output="float32")
"""Computes in 16 bits, keeps the rest in 32: for GPUs. Small gradients need ``fit(loss_scale="dynamic")``."""

mixed_bfloat16 = Policy(params="float32", compute="bfloat16", output="float32")
"""Computes in bfloat16, whose range is that of float32."""

float16 = Policy("float16", "float16", "float16")
bfloat16 = Policy("bfloat16", "bfloat16", "bfloat16")

NAMES = {value: name for name, value in list(globals().items()) if isinstance(value, Policy)}
"""What the policies above are called."""


def as_float(x: Tensor, dtype: str | None) -> Tensor:
    """Cast floating-point numbers; leave whole ones, and ``None``, as they are."""
    return x if dtype is None or not dtypes.is_float(x.dtype) or dtype_name(x.dtype) == dtype else x.cast(dtype)


class _PolicyScope(Scope):
    """A scope whose parameters are kept and handed out as a policy says."""

    def __init__(self, scope: Scope, policy: Policy) -> None:
        super().__init__(training=scope.training)
        self._scope, self._policy = scope, policy
        self._kept: dict[str, Any] = {}

    def param(
        self, name: str, shape: Sequence[int], initializer: Any = "glorot_uniform", dtype: str = "float32"
    ) -> Any:
        kept = self._policy.params if self._policy.params and "float" in dtype else dtype
        return self._policy.cast(self._scope.param(name, shape, initializer, kept), "compute")

    def state(self, name: str, shape: Sequence[int], initializer: Any = "zeros", dtype: str = "float32") -> Any:
        self._kept[name] = dtype
        return self._scope.state(name, shape, initializer, dtype)

    def update(self, name: str, value: Any) -> None:
        self._scope.update(name, value.cast(self._kept[name]) if name in self._kept else value)

    def inside(self, name: str) -> Scope:
        return _PolicyScope(self._scope.inside(name), self._policy)

    def knows(self, axis: int, place: int = 0) -> bool:
        return self._scope.knows(axis, place)

    def random(self, shape: Sequence[int]) -> Any:
        return self._scope.random(shape)

    def normal(self, shape: Sequence[int]) -> Any:
        return self._scope.normal(shape)


def _under(op: Op, policy: Policy | None, known: dict[Op, Op]) -> Op:
    if op not in known:
        made = known[op] = copy.copy(op)
        made.__dict__.pop("fingerprint", None)
        made.policy = policy
    return known[op]


def with_policy(layer: Any, policy: Policy | None) -> Layer:
    """Return a layer, or layers joined, under a policy; it has weights of its own.

    Raises:
        OptionError: it is no policy.

    Example:
        >>> from axon_nb import dense, input, policies
        >>> half = policies.with_policy(dense(4), policies.float16)
        >>> (input((None, 3)) | half).init()["dense_0"]["kernel"].dtype
        dtypes.half
    """
    known: dict[Op, Op] = {}
    _check(policy)

    def change(thing: Any) -> Any:
        if isinstance(thing, Op):
            return _under(thing, policy, known)
        if isinstance(thing, Layer):
            made = copy.copy(thing)
            for name, value in vars(thing).items():
                setattr(made, name, change(value))
            return made
        if isinstance(thing, tuple | list):
            return type(thing)(map(change, thing))
        if isinstance(thing, dict):
            return {name: change(part) for name, part in thing.items()}
        return _model_under(thing, policy, known) if isinstance(thing, Model) else thing

    made: Layer = change(need_layer(layer))
    return made


def _check(policy: Any) -> None:
    if policy is not None and not isinstance(policy, Policy):
        problem = f"{article(type(policy).__name__)} is no policy"
        raise OptionError(problem, got=brief(policy), fix="policies.mixed_float16, or policies.Policy(compute=...)")


@verb
def apply_policy(model: Model, policy: Policy | None, *, only: Any = None) -> Model:
    """Return the model with all its layers, or some, under a policy; names of parameters stay.

    Args:
        model: the model.
        policy: kinds of numbers for parameters, computation and output; ``None`` takes a policy away.
        only: for which layers, as ``find`` takes them (a name, a glob, a part, a kind, a function of a node), or a
            list of such; all by default.

    Raises:
        OptionError: it is no policy.
        UnknownNameError: there is no node of a name.
        GraphError: no layer is meant.

    Source: Micikevicius and others 2017, https://arxiv.org/abs/1710.03740

    Example:
        >>> from axon_nb import dense, input, policies
        >>> model = input((None, 3)) | dense(4) | dense(2, "softmax")
        >>> half = model.apply_policy(policies.mixed_float16, only=["dense_0"])
        >>> half.predict(model.init(), [[1.0, 2.0, 3.0]]).dtype
        dtype('float32')
    """
    _check(policy)
    return _model_under(model, policy, {}, _chosen(model, only))


def _chosen(model: Model, only: Any) -> set[Op] | None:
    if only is None:
        return None
    chosen: set[Op] = set()
    for what in only if isinstance(only, list | tuple | set | frozenset) else [only]:
        found = model.find(what)  # type: ignore[attr-defined]  # a verb
        nodes = (found,) if isinstance(found, Node) else found
        if not nodes:
            problem = "no layer is meant"
            raise GraphError(problem, got=brief(what), fix=f"the nodes are: {', '.join(model.names.values())}")
        chosen |= {node.layer for node in nodes}
    return chosen


def _model_under(model: Model, policy: Policy | None, known: dict[Op, Op], only: set[Op] | None = None) -> Model:
    new: dict[Node, Node] = {}
    for node in model.nodes:
        if node.is_input or node.is_pick or (only is not None and node.layer not in only):
            new[node] = node.over(new.__getitem__) if node.inputs else node
        else:
            layer = _under(node.layer, policy, known)
            new[node] = node.over(new.__getitem__, layer=layer, own_name=node.own_name)
    return Model(map_leaves(model.outputs, new.__getitem__), model.name, parts=model._parts)


__all__ = ["Policy", "apply_policy", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16", "with_policy"]
