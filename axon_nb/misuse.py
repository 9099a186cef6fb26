"""Owns the answers to models and layers that are used as something else: a number, a list, a model of Keras.

Knows nothing about how models are built: it says what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from axon_nb.errors import GraphError, NoAttributeError, article, brief
from axon_nb.registry import Registry
from axon_nb.synonyms import nearest

_INSTEAD = {
    "forward": "model.predict(params, x) runs it",
    "call": "model.predict(params, x) runs it",
    "shape": "model.output_shape is the shape of the output",
    "output": "model.output_shape is the shape of the output, model[...] one of several",
    "weights": "model.params lists them; a model holds none, model.init() makes them",
    "parameters": "model.params lists them; a model holds none, model.init() makes them",
    "trainable_variables": "model.params lists them; a model holds none, model.init() makes them",
    "state_dict": "a model holds no weights: params = model.init()",
    "get_weights": "a model holds no weights: params = model.init()",
    "load_weights": "ax.load(path) reads what ax.save(path, trained) wrote",
    "save": "%axon code NAME writes the layers, ax.save(path, trained) what fit returned",
    "count_params": "model.summary() counts them",
    "evaluate": "model.fit(...) returns what has evaluate and predict",
    "train": "model.fit((x, y), loss=...) trains it",
    "eval": "model.predict(params, x) is what it does when it is not trained",
    "to": "model.compile(device='CUDA'), or %axon device CUDA",
    "cuda": "model.compile(device='CUDA'), or %axon device CUDA",
}  # fmt: skip
"""What Keras and PyTorch call things on a model."""

_ADDING = ("add", "append", "insert", "extend", "add_module")


class Guarded:
    """What models and layers answer to attributes and operators that they do not have."""

    _kind = "layer"
    _layers: Registry[Any]
    """All layers, to tell a layer that is written behind a dot."""

    if not TYPE_CHECKING:  # type checkers and editors would take it for "has everything"

        def __getattr__(self, name: str) -> NoReturn:
            """Say what to write in place of an attribute that is not there."""
            problem = f"{article(self._kind)} has no {name!r}"
            error = NoAttributeError(problem)
            if not name.startswith("_"):  # what Python and IPython themselves look for is answered without a search
                error.search_with(lambda: tuple(self._meant(name)))
            raise error

    def _meant(self, name: str) -> list[str]:
        if name in _ADDING:
            return [f"layers are joined by |, and make another {self._kind}: {self._kind} = {self._kind} | dense(10)"]
        if name in _INSTEAD and self._kind == "model":
            return [_INSTEAD[name]]
        layers = [name] if name in self._layers else nearest(name, self._layers)[: name != name.lower()]
        if layers:
            return [f"layers are joined by |: {self._kind} | {layers[0]}(...)"]
        own = [one for one in dir(type(self)) if not one.startswith("_")]
        close = nearest(name, own)
        return [f"did you mean {' or '.join(map(repr, close))}?"] if close else []


def _refusing(sign: str, words: str) -> Callable[[Any, Any], NoReturn]:
    def operator(self: Any, other: object) -> NoReturn:
        problem = f"{sign!r} is nothing that models and layers do"
        raise GraphError(problem, fix=words)

    return operator


for _sign, _name in {">>": "rshift", "<<": "lshift", ">": "gt", "<": "lt", ">=": "ge", "<=": "le"}.items():
    setattr(Guarded, f"__{_name}__", _refusing(_sign, "layers are joined by |: model | dense(10)"))

for _sign, _name in {
    "@": "matmul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "&": "and", "^": "xor",
}.items():  # fmt: skip
    _words = f"write a function of tensors: model | (lambda x: x {_sign} 2), (a, b) | (lambda a, b: a {_sign} b)"
    for _side in ("", "r"):
        setattr(Guarded, f"__{_side}{_name}__", _refusing(_sign, _words))


def not_a_layer(value: object, known: Collection[str], fix: str) -> GraphError:
    """Make the error for something in the place of a layer.

    Example:
        >>> print(not_a_layer("relu", ["relu"], "write a layer"))
        a str is not a layer
          got: 'relu'
          fix: write relu(), without quotes
    """
    if isinstance(value, str):
        meant = [value] if value in known else nearest(value, known)
        fix = f"write {meant[0]}(), without quotes" if meant else fix
    elif isinstance(value, tuple | list | dict) and value:
        fix = "layers in a tuple, list or dict get the same input each: x | (dense(8), relu()) | concatenate()"
    kind = "None" if value is None else article(type(value).__name__)
    return GraphError(f"{kind} is not a layer", got=brief(value), fix=fix)
