"""Owns ``fit``: epochs of steps over data, with validation, progress and a history.

Knows nothing about how a step works inside.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from axon_nb.compiled import draw
from axon_nb.engine import as_device, default_device
from axon_nb.errors import DataError, OptionError, TrainingError
from axon_nb.functional.losses import losses
from axon_nb.functional.metric import base_of
from axon_nb.graph import Model, Node, verb, where
from axon_nb.params import Params
from axon_nb.shapes import show
from axon_nb.trace import trace
from axon_nb.training.feed import Feed, Labels, check_batch_size, make_feed, split, whole_number
from axon_nb.training.goal import Goal, make_goal
from axon_nb.training.labels import check_labels, prepare_labels
from axon_nb.training.optimizers import as_optimizer
from axon_nb.training.progress import Progress
from axon_nb.training.step import Trainer
from axon_nb.training.trained import History, Trained

_LOOK_S = 0.5  # how often the running loss is read while training: for the bar, and to stop early when it is NaN


@verb
def fit(
    model: Model, data: Any, *, loss: str | Callable[..., Any], optimizer: Any = "adam", epochs: int = 1,
    batch_size: int = 32, metrics: Iterable[Any] = (), validation: Any = None,
    class_weights: Iterable[float] | Mapping[int, float] | None = None, seed: int = 0, device: str | None = None,
    like: Params | Trained | None = None,
) -> Trained:  # fmt: skip
    """Train a model.

    Ctrl-C (or the stop button) ends it after the step in progress and returns what was trained so far.

    Args:
        model: with one output.
        data: ``(x, y)``: x an array or a dict of arrays by input, y labels; or an iterable of such batches.
        loss: a name (``"categorical_cross_entropy"``, ``"mean_squared_error"`` ...) or a function of y_true and y_pred.
        optimizer: a name, or one with options: ``optimizers.adam(learning_rate=0.01)``.
        epochs: how often the data is gone through.
        batch_size: samples in a step. A short last batch is trained on too.
        metrics: names, metrics with options (``metrics.precision(threshold=0.8)``) or functions of y_true and y_pred;
            or a dict of them by the name to show. They are pooled over the samples of an epoch.
        validation: data that is only looked at, or the share of the samples to set aside for that (the last ones).
        class_weights: how much each class counts, by class number.
        seed: of the first weights, the order of the samples and dropout.
        device: where to train: ``"CPU"``, ``"CUDA"`` ...
        like: weights to begin with, where they fit: of an earlier run, or of an earlier form of the model.

    Raises:
        DataError: the data or the labels do not fit the model, are empty, or hold NaN.
        OptionError: an option is out of range.
        TrainingError: the loss became NaN or infinite.

    An error after training began has ``trained``: the model with the weights of the last epoch that was completed.

    Example:
        >>> import numpy as np
        >>> from axon_nb import dense, input, optimizers
        >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
        >>> line = input((None, 1)) | dense(1)
        >>> rule = optimizers.sgd(learning_rate=0.2)
        >>> trained = line.fit((x, 2 * x + 1), loss="mean_squared_error", optimizer=rule, epochs=20)
        >>> bool(trained.history["loss"][-1] < 0.01)
        True
    """
    epochs = whole_number(epochs, "epochs")
    batch_size = check_batch_size(batch_size)
    output = _only_output(model)
    goal = make_goal(loss, metrics, class_weights)
    rule = as_optimizer(optimizer)
    on = as_device(device) if device else default_device()
    if isinstance(validation, int | float):
        data, validation = split(data, validation)
    evaluator = _Evaluator(model, goal, _labels_of(model, loss, output, goal), on)
    feed = evaluator.feed(data, batch_size, seed, shuffle=True)
    checked = evaluator.feed(validation, batch_size, seed, shuffle=False) if validation is not None else None
    start = draw(model, seed, like, feed.shapes)
    trainer = Trainer(model, start, goal, rule, seed=seed, device=on)
    return _run(trainer, feed, checked, epochs, evaluator)


def _run(trainer: Trainer, feed: Feed, checked: Feed | None, epochs: int, evaluator: _Evaluator) -> Trained:
    history: History = {}
    good = trainer.params
    note = ""
    with Progress(feed.steps * epochs if feed.steps else None) as progress:
        try:
            for epoch in range(epochs):
                numbers = _epoch(trainer, feed, epoch, epochs, progress)
                if checked is not None:
                    numbers |= {f"val_{name}": value for name, value in _look(trainer, checked).items()}
                _check_loss(numbers["loss"], epoch)
                # In one go, so that an interrupt never finds histories of different lengths.
                history = {name: [*history.get(name, []), value] for name, value in numbers.items()}
                good = trainer.params
        except KeyboardInterrupt:
            note = f"stopped in epoch {len(history.get('loss', [])) + 1} of {epochs}"
        except Exception as error:
            problem = getattr(error, "problem", f"{type(error).__name__}: {error}")
            error.trained = Trained(trainer.model, good, history, evaluator, problem)  # type: ignore[attr-defined]
            raise
    return Trained(trainer.model, trainer.params, history, evaluator, note)


def _epoch(trainer: Trainer, feed: Feed, epoch: int, epochs: int, progress: Progress) -> dict[str, Any]:
    trainer.clear_sums()
    looked = time.monotonic()
    taken = 0
    for inputs, labels in feed.batches(epoch):
        trainer.train(inputs, labels)
        progress.step()
        taken += 1
        if time.monotonic() - looked > _LOOK_S:
            looked = time.monotonic()
            loss = trainer.read_loss()
            _check_loss(loss, epoch)
            progress.tell(f"epoch {epoch + 1}/{epochs}, loss {loss:.4g}")
    if not taken:
        problem = f"there were no batches in epoch {epoch + 1}"
        raise DataError(problem, fix="give an iterable that can be gone through again, such as a list")
    trainer.settle()
    return trainer.read_sums()


def _look(trainer: Trainer, feed: Feed) -> dict[str, Any]:
    trainer.clear_sums()
    for inputs, labels in feed.batches(0):
        trainer.evaluate(inputs, labels)
    return trainer.read_sums()


def _check_loss(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        problem = f"the loss became {loss} in epoch {epoch + 1}"
        fix = ("a smaller learning rate: optimizer=optimizers.adam(learning_rate=0.0001)",
               "scale the data: values around 1, not 1000",
               "the weights of the epoch before are in the error's .trained")  # fmt: skip
        raise TrainingError(problem, fix=fix)


class _Evaluator:
    """Works out loss and metrics of weights on data, as training saw them."""

    def __init__(self, model: Model, goal: Goal, labels: Labels, device: str) -> None:
        self.model, self.goal, self.labels, self.device = model, goal, labels, device

    def feed(self, data: Any, batch_size: int, seed: int, *, shuffle: bool) -> Feed:
        return make_feed(self.model, data, batch_size, seed, self.labels, shuffle=shuffle)

    def __call__(self, params: Params, data: Any, batch_size: int) -> dict[str, Any]:
        feed = self.feed(data, batch_size, 0, shuffle=False)
        return _look(Trainer(self.model, params, self.goal, None, seed=0, device=self.device), feed)


def _only_output(model: Model) -> Any:
    if isinstance(model.outputs, tuple | dict):
        problem = "fit trains models with one output"
        raise DataError(
            problem, got=f"{len(model.outputs)} outputs", fix="join them, or train a model that ends in one"
        )
    return model.outputs


def _labels_of(model: Model, loss: Any, node: Node, goal: Goal) -> Labels:
    function = base_of(losses[loss] if isinstance(loss, str) else loss)
    name = next((name for name, known in losses.items() if known is function), None)
    place = where(node.layer, model.names[node])

    def labels(y: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
        samples = next(iter(shapes.values()))[0]
        output = trace(model, dict(shapes)).check().output_shape
        if any(isinstance(size, tuple) for size in output):
            problem = f"fit trains models with one output, and {place} gives {len(output)}"
            raise DataError(problem, got=", ".join(map(show, output)))
        _check_class_weights(goal.class_weights, name, output)
        return check_labels(y, samples) if name is None else prepare_labels(y, samples, output, name, place)

    return labels


def _check_class_weights(weights: Mapping[int, float] | None, loss: str | None, output: tuple[int, ...]) -> None:
    if weights is None:
        return
    kind = getattr(losses[loss], "labels", "numbers") if loss is not None else "classes"
    classes = 2 if kind in ("chances", "signs") and output[-1] == 1 else output[-1]
    if kind != "classes" and classes != 2:
        problem = f"class_weights go with classes, and {loss} has none"
        raise OptionError(problem)
    if max(weights) >= classes:
        problem = f"class_weights has a weight for class {max(weights)}, and the classes are 0 to {classes - 1}"
        raise OptionError(problem)
