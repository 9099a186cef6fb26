"""Owns ``fit``: epochs of steps over data, with validation, progress and a history.

Knows nothing about how a step works inside.
"""

from __future__ import annotations

import functools
import inspect
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinygrad import Tensor

from axon_nb.compiled import init
from axon_nb.engine import as_device, default_device
from axon_nb.errors import DataError, OptionError, TrainingError
from axon_nb.functional.losses import losses
from axon_nb.functional.metrics import metrics as known_metrics
from axon_nb.graph import Model, verb, where
from axon_nb.params import Params
from axon_nb.trace import trace
from axon_nb.training.feed import Feed, check_batch_size, make_feed, split
from axon_nb.training.labels import prepare_labels
from axon_nb.training.optimizers import as_optimizer
from axon_nb.training.progress import Progress
from axon_nb.training.step import Goal, PerSample, Trainer
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
        metrics: names or functions of y_true and y_pred.
        validation: data that is only looked at, or the share of the samples to set aside for that (the last ones).
        class_weights: how much each class counts, by class number.
        seed: of the first weights, the order of the samples and dropout.
        device: where to train: ``"CPU"``, ``"CUDA"`` ...
        like: weights to begin with, where they fit: of an earlier run, or of an earlier form of the model.

    Raises:
        DataError: the data or the labels do not fit the model, are empty, or hold NaN.
        OptionError: an option is out of range.
        TrainingError: the loss became NaN or infinite; its ``trained`` holds the weights of the last good epoch.

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
    epochs = _whole(epochs, "epochs")
    batch_size = check_batch_size(batch_size)
    output = _only_output(model)
    goal = _goal(loss, metrics, class_weights)
    rule = as_optimizer(optimizer)
    on = as_device(device) if device else default_device()
    if isinstance(validation, float):
        data, validation = split(data, validation)
    evaluator = _Evaluator(model, goal, _labels_of(model, loss, output, goal), rule, on)
    feed = evaluator.feed(data, batch_size, seed, shuffle=True)
    checked = evaluator.feed(validation, batch_size, seed, shuffle=False) if validation is not None else None
    start = init(model, seed, like.params if isinstance(like, Trained) else like, **feed.shapes)
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
                for name, value in numbers.items():
                    history.setdefault(name, []).append(value)
                good = trainer.params
        except KeyboardInterrupt:
            note = f"stopped in epoch {len(history.get('loss', [])) + 1} of {epochs}"
        except TrainingError as error:
            error.trained = Trained(trainer.model, good, history, evaluator, error.problem)  # type: ignore[attr-defined]
            raise
    return Trained(trainer.model, trainer.params, history, evaluator, note)


def _epoch(trainer: Trainer, feed: Feed, epoch: int, epochs: int, progress: Progress) -> dict[str, float]:
    trainer.clear_sums()
    looked = time.monotonic()
    taken = 0
    for inputs, labels in feed.batches(epoch):
        trainer.train(inputs, labels)
        progress.step()
        taken += 1
        if time.monotonic() - looked > _LOOK_S:
            looked = time.monotonic()
            loss = trainer.read_sums()["loss"]
            _check_loss(loss, epoch)
            progress.tell(f"epoch {epoch + 1}/{epochs}, loss {loss:.4g}")
    if not taken:
        problem = f"there were no batches in epoch {epoch + 1}"
        raise DataError(problem, fix="give an iterable that can be gone through again, such as a list")
    return trainer.read_sums()


def _look(trainer: Trainer, feed: Feed) -> dict[str, float]:
    trainer.clear_sums()
    for inputs, labels in feed.batches(0):
        trainer.evaluate(inputs, labels)
    return trainer.read_sums()


def _check_loss(loss: float, epoch: int) -> None:
    if not math.isfinite(loss):
        problem = f"the loss became {loss} in epoch {epoch + 1}"
        fix = ("a smaller learning rate: optimizer=optimizers.adam(learning_rate=0.0001)",
               "scale the data: values around 1, not 1000",
               "the weights of the epoch before are in error.trained")  # fmt: skip
        raise TrainingError(problem, fix=fix)


class _Evaluator:
    """Works out loss and metrics of weights on data, as training saw them."""

    def __init__(
        self, model: Model, goal: Goal, labels: Callable[[Any, int], Any], optimizer: Any, device: str
    ) -> None:
        self.model, self.goal, self.labels, self.optimizer, self.device = model, goal, labels, optimizer, device

    def feed(self, data: Any, batch_size: int, seed: int, *, shuffle: bool) -> Feed:
        return make_feed(self.model, data, batch_size, seed, self.labels, shuffle=shuffle)

    def __call__(self, params: Params, data: Any, batch_size: int) -> dict[str, float]:
        feed = self.feed(data, batch_size, 0, shuffle=False)
        return _look(Trainer(self.model, params, self.goal, self.optimizer, seed=0, device=self.device), feed)


def _only_output(model: Model) -> Any:
    if isinstance(model.outputs, tuple | dict):
        problem = "fit trains models with one output"
        raise DataError(
            problem, got=f"{len(model.outputs)} outputs", fix="join them, or train a model that ends in one"
        )
    return model.outputs


def _labels_of(model: Model, loss: str | Callable[..., Any], node: Any, goal: Goal) -> Callable[[Any, int], Any]:
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", "loss")
    place = where(node.layer, model.names[node])

    def labels(y: Any, samples: int) -> Any:
        batch = {model.names[one]: (samples, *(one.options["shape"] or ())[1:]) for one in model.inputs}
        declared = {n: s for n, s in batch.items() if all(isinstance(d, int) for d in s) and len(s) > 1}
        shape = trace(model, declared).check().output_shape
        if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
            return y
        if name in losses:
            prepared = prepare_labels(y, samples, shape, name, place)
            _check_weights(goal, shape)
            return prepared
        return y

    return labels


def _check_weights(goal: Goal, output: tuple[int, ...]) -> None:
    if goal.class_weights is not None and len(goal.class_weights) != output[-1]:
        problem = f"class_weights has {len(goal.class_weights)} weights and the output {output[-1]} classes"
        raise OptionError(problem)


def _goal(loss: Any, metrics: Iterable[Any], class_weights: Any) -> Goal:
    if isinstance(metrics, str):
        metrics = (metrics,)
    named: dict[str, PerSample] = {}
    chosen = [known_metrics[one] if isinstance(one, str) else one for one in metrics]
    for one in chosen:
        named[getattr(one, "__name__", "metric")] = _each(one)
    function = losses[loss] if isinstance(loss, str) else loss
    if not callable(function):
        problem = "a loss is a name or a function of y_true and y_pred"
        raise OptionError(problem, got=repr(loss), fix=f"the losses are: {', '.join(losses)}")
    return Goal(_each(function), named, _weights(class_weights), all(map(_knows_samples, (function, *chosen))))


def _weights(given: Any) -> tuple[float, ...] | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        given = [given.get(i, 1.0) for i in range(max(given) + 1)]
    weights = tuple(float(w) for w in given)
    if not weights or min(weights) < 0 or max(weights) == 0:
        problem = "class_weights are numbers of at least 0, and not all 0"
        raise OptionError(problem, got=str(weights))
    return weights


def _knows_samples(function: Callable[..., Tensor]) -> bool:
    return function in losses.values() or function in known_metrics.values()


def _each(function: Callable[..., Tensor]) -> PerSample:
    """Ask a loss for one number per sample, where it knows how to."""
    if "reduction" in inspect.signature(function).parameters:
        return functools.partial(function, reduction="none")
    return function


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        problem = f"{name} must be a whole number of at least 1"
        raise OptionError(problem, got=repr(value))
    return int(value)
