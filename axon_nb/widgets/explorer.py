"""Owns ``Explorer``: what one layer of a trained model does on a sample, its weights, gradients and dead units.

Knows nothing about pages. Only the layer that is chosen is run to: the model is cut there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from axon_nb.data import as_inputs, as_tensor
from axon_nb.engine import RUNTIME, default_device
from axon_nb.errors import DataError, OptionError, brief, unknown
from axon_nb.forward import Values, forward
from axon_nb.functional.attention import watched
from axon_nb.graph import Model, Node
from axon_nb.lazy import numpy as np
from axon_nb.params import Params
from axon_nb.shapes import show
from axon_nb.trace import report
from axon_nb.widgets.drawing import centred, into, resized, sides
from axon_nb.widgets.shown import Shown

_MOST_SAMPLES = 64
_MAY_ATTEND = ("attention", "custom")


class Explorer(Shown):
    """Look into a trained model: choose a layer, and see what it does.

    Args:
        trained: what ``fit`` returned, or anything else with ``model`` and ``params`` (``model.compile()``).
        x: samples, as ``predict`` takes them; up to 64 are looked at, the first in detail.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> from axon_nb.widgets.explorer import Explorer
        >>> model = input((None, 4), name="x") | dense(3, "relu") | dense(2)
        >>> explorer = Explorer(model.compile(), np.eye(4, dtype="float32"))
        >>> explorer.select("dense_0")
        >>> explorer.output().shape, sorted(explorer.weights()), sorted(explorer.gradients())
        ((4, 3), ['bias', 'kernel'], ['bias', 'kernel'])
        >>> explorer.dead().shape
        (3,)
    """

    def __init__(self, trained: Any, x: Any) -> None:
        model, params = getattr(trained, "model", None), getattr(trained, "params", None)
        if not isinstance(model, Model) or not isinstance(params, Params):
            problem = "an explorer takes what fit returned, and samples"
            raise OptionError(problem, got=brief(trained), fix="Explorer(trained, x), or Explorer(model.compile(), x)")
        self.model, self.params = model, params
        self.samples = _first(model, x)
        self.report = report(model)
        self.selected: str = self.report.rows[-1].name
        self.sample = 0
        """Which of the samples is shown."""
        self.drawn: Any = None
        """What was drawn by hand, as the model gets it; ``None`` while a sample is shown."""
        self._outputs: dict[str, Any] = {}
        self._of_drawn: dict[str, Any] = {}

    @property
    def count(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.samples.values())))

    def select(self, layer: str) -> None:
        """Choose a layer.

        Raises:
            UnknownNameError: there is none of that name.
        """
        self._known(layer)
        self.selected = layer

    def show(self, sample: int) -> None:
        """Choose a sample, counted from 0.

        Raises:
            OptionError: there is no such sample.
        """
        if isinstance(sample, bool) or not isinstance(sample, int) or not 0 <= sample < self.count:
            problem = f"the samples are 0 to {self.count - 1}"
            raise OptionError(problem, got=brief(sample))
        self.sample, self.drawn = sample, None
        self._of_drawn = {}

    def output(self, layer: str | None = None) -> Any:
        """Return what a layer gives for all samples: an array, or a tuple of them."""
        name = self._known(layer)
        if name not in self._outputs:
            end = self._end()  # of all layers one is kept, beside the answer
            self._outputs = {key: one for key, one in self._outputs.items() if key == end}
            self._outputs[name] = self._run(name, self.samples)
        return self._outputs[name]

    def shown(self, layer: str | None = None) -> Any:
        """Return what a layer gives for the sample that is shown, or for what was drawn."""
        if self.drawn is None:
            return _map(self.output(layer), lambda one: one[self.sample])
        name = self._known(layer)
        if name not in self._of_drawn:
            self._of_drawn[name] = _map(self._run(name, self.drawn), lambda one: one[0])
        return self._of_drawn[name]

    def attention(self, layer: str | None = None) -> list[Any]:
        """Return where a layer attends, for what is shown: an array (heads, queries, keys) of each attention in it.

        Each row sums to 1: the shares that the keys have in what a query gets. Empty where a layer has no attention.

        Example:
            >>> import numpy as np
            >>> from axon_nb import input, multi_head_attention
            >>> from axon_nb.widgets.explorer import Explorer
            >>> model = input((None, 5, 8), name="x") | multi_head_attention(heads=2)
            >>> explorer = Explorer(model.compile(), np.ones((3, 5, 8), "float32"))
            >>> explorer.attention()[0].shape
            (2, 5, 5)
        """
        name = self._known(layer)
        if self.model.by_name[name].layer.declaration.family not in _MAY_ATTEND:
            return []
        part = self.model.upto(name)  # type: ignore[attr-defined]  # a verb
        last = part.by_name[name]
        with RUNTIME, watched() as seen:

            def each(node: Node, tensor: Any) -> Any:
                if node is not last:
                    seen.clear()
                return tensor

            self._forward(part, self._tensors(), each)
            return [one.numpy()[0].reshape(-1, *one.shape[-2:]) for one in seen if one.ndim > 2]

    def _tensors(self) -> dict[tuple[str, ...], Any]:
        device = default_device()
        return {path: one.tensor.detach().clone().to(device) for path, one in self.params.leaves.items()}

    def _forward(self, model: Model, weights: dict[tuple[str, ...], Any], each: Any = None) -> Any:
        """Run a model on what is shown, layer by layer; nothing is computed before it is asked for."""
        device = default_device()
        samples = self.drawn or {name: value[self.sample : self.sample + 1] for name, value in self.samples.items()}
        wanted = {name: value for name, value in samples.items() if name in {model.names[one] for one in model.inputs}}
        inputs = as_inputs(model, wanted)
        tensors = {one: as_tensor(value, one.options["dtype"], device) for one, value in inputs.items()}
        return forward(model, Values(weights, device=device), tensors, training=False, each=each)

    def _run(self, name: str, samples: Mapping[str, Any]) -> Any:
        node = self.model.by_name[name]
        if node.is_input and not node.parents:
            return samples[name]
        part = self.model.upto(name)  # type: ignore[attr-defined]  # a verb
        wanted = [part.names[one] for one in part.inputs]
        specs = {path: leaf for path, leaf in self.params.leaves.items() if ".".join(path) in part.params}
        return part.predict(Params(specs), {key: samples[key] for key in wanted})

    def weights(self, layer: str | None = None) -> dict[str, Any]:
        """Return a layer's weights and state, as arrays by name."""
        node = self.model.by_name[self._known(layer)]
        path = tuple(self.model.names[self.model.owners[node.layer]].split("."))
        with RUNTIME:
            return {
                place[-1]: leaf.tensor.numpy()
                for place, leaf in self.params.leaves.items()
                if place[:-1] == path
            }  # fmt: skip

    def gradients(self, layer: str | None = None) -> dict[str, Any]:
        """Return how the model's answer (its greatest output for what is shown) changes with a layer's weights."""
        node = self.model.by_name[self._known(layer)]
        path = tuple(self.model.names[self.model.owners[node.layer]].split("."))
        leaves = self.params.leaves
        wanted = {p: one.tensor for p, one in leaves.items() if p[:-1] == path and one.kind == "trainable"}
        if not wanted:
            return {}
        with RUNTIME:
            fresh = self._tensors()
            answer = leaf(self._forward(self.model, fresh)).float().max()
            found = answer.gradient(*(fresh[p] for p in wanted))
            return {p[-1]: one.numpy() for p, one in zip(wanted, found, strict=True)}

    def dead(self, layer: str | None = None) -> Any:
        """Tell for each unit (feature or channel) of a layer whether it gives 0 or less for all samples.

        Behind a rectifier such a unit passes on nothing, and learns nothing.
        """
        output = _first_of(self.output(layer))
        if output.ndim < 2:
            return np.zeros(0, bool)
        axis = 1 if output.ndim > 2 and self._channels_first(layer) else output.ndim - 1
        others = tuple(a for a in range(output.ndim) if a != axis)
        return output.max(axis=others) <= 0

    def _channels_first(self, layer: str | None) -> bool:
        node = self.model.by_name[self._known(layer)]
        return node.options.get("channels", "first") == "first" and len(_first_of(self.output(layer)).shape) > 3

    def predict(self) -> Any:
        """Return what the model says to the sample that is shown, or to what was drawn."""
        return self.shown(self._end())

    def _end(self) -> str:
        return next(row.name for row in reversed(self.report.rows) if row.output is not None)

    def draw(self, pixels: Any) -> Any:
        """Show the model a picture drawn by hand, and return what it says.

        Args:
            pixels: a square table of numbers, 0 (nothing) to 1; it is brought to the size that the model takes.

        Raises:
            DataError: the model takes no picture, or these are no pixels.
        """
        try:
            table = np.asarray(pixels, np.float32)
        except (TypeError, ValueError):
            table = np.zeros(0, np.float32)
        if table.ndim != 2 or not table.size or table.size > 1_000_000 or not np.isfinite(table).all():
            problem = "a drawing is a table of numbers"
            raise DataError(problem, got=brief(pixels))
        name, shape = self.canvas()
        side = sides(shape)
        picture = centred(resized(np.clip(table, 0, 1), side))
        low, high = float(self.samples[name].min()), float(self.samples[name].max())
        scaled = low + picture * (high - low)
        self._of_drawn = {}
        self.drawn = {name: np.broadcast_to(into(scaled, shape), (1, *shape)).astype(np.float32)}
        return self.predict()

    def canvas(self) -> tuple[str, tuple[int, ...]]:
        """Return the input that can be drawn on, and the shape of one sample.

        Raises:
            DataError: the model takes no one picture.
        """
        shapes = {name: tuple(value.shape[1:]) for name, value in self.samples.items()}
        if len(shapes) == 1:
            name, shape = next(iter(shapes.items()))
            if sides(shape):
                return name, shape
        problem = "the model takes no single picture to draw on"
        raise DataError(problem, got=", ".join(f"{name} {show(shape)}" for name, shape in shapes.items()))

    def _known(self, layer: str | None) -> str:
        name = self.selected if layer is None else layer
        names = [row.name for row in self.report.rows]
        if name not in names:
            msg = "layer"
            raise unknown(msg, name, names)
        return name

    def _static(self) -> dict[str, str]:
        shown: Any = self.model.summary()  # type: ignore[attr-defined]  # a verb
        return {"text/plain": repr(shown), "text/html": shown._repr_html_()}

    def _make_skin(self) -> Any:
        from axon_nb.widgets.explorer_page import make_skin  # anywidget is only needed to show it

        return make_skin(self)

    def __repr__(self) -> str:
        return f"<Explorer: {self.selected} of {self.model.name or 'model'}, {self.count} samples>"


def _first(model: Model, x: Any) -> dict[str, Any]:
    arrays = as_inputs(model, x)
    names = model.names
    found = {
        names[node]: np.asarray(value.numpy() if hasattr(value, "numpy") else value)[:_MOST_SAMPLES]
        for node, value in arrays.items()
    }
    if not found or not len(next(iter(found.values()))):
        problem = "there are no samples"
        raise DataError(problem, fix="Explorer(trained, x) with at least one sample in x")
    return found


def _map(value: Any, function: Any) -> Any:
    if isinstance(value, dict):
        return {name: _map(part, function) for name, part in value.items()}
    return tuple(_map(part, function) for part in value) if isinstance(value, tuple) else function(value)


def leaf(value: Any) -> Any:
    """Take the first of several results.

    Example:
        >>> leaf({"a": (1, 2)})
        1
    """
    while isinstance(value, tuple | dict):
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]
    return value


def _first_of(value: Any) -> Any:
    return np.asarray(leaf(value))
