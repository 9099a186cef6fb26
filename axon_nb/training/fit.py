"""Owns ``fit``: a loop that is ready made.

Knows nothing about how a loop runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from axon_nb.graph import Model, verb
from axon_nb.params import Params
from axon_nb.training.arguments import told
from axon_nb.training.callbacks import Validate
from axon_nb.training.feed import check_batch_size, split, whole_number
from axon_nb.training.loop import Loop, run_all
from axon_nb.training.recipe import Recipe
from axon_nb.training.trained import Trained


@verb
@told
def fit(
    model: Model, data: Any, *, loss: str | Callable[..., Any] | Any, optimizer: Any = "adam", epochs: int = 1,
    batch_size: int = 32, metrics: Any = (), validation: Any = None, callbacks: Iterable[Any] = (),
    class_weights: Iterable[float] | Mapping[int, float] | None = None, loss_weights: Any = None, seed: int = 0,
    device: str | None = None, like: Params | Trained | None = None, steps_per_epoch: int | None = None,
    resume: Any = None, background: bool = False, progress: bool = True, devices: Iterable[str] | None = None,
    loss_scale: Any = None,
) -> Any:  # fmt: skip
    """Train a model.

    Ctrl-C (or the stop button) ends it after the step in progress and returns what was trained so far.

    Args:
        model: with one output, or several.
        data: ``(x, y)`` or ``(x, y, sample_weights)``: x an array, a tuple or a dict of arrays by input, y labels, for
            several outputs a tuple or a dict of them; or an iterable of such batches, a function that makes one (of
            the epoch's number, if it takes one), a PyTorch data set or DataLoader, a ``tf.data.Dataset``.
        loss: a name (``"categorical_cross_entropy"``, ``"mean_squared_error"`` ...) or a function of y_true and y_pred;
            for several outputs one for all, or a tuple or a dict of them.
        optimizer: a name, or one with options: ``optimizers.adam(learning_rate=0.01)``.
        epochs: how often the data is gone through.
        batch_size: samples in a step. A short last batch is trained on too.
        metrics: names, metrics with options (``metrics.precision(threshold=0.8)``) or functions of y_true and y_pred;
            or a dict of them by the name to show, for several outputs by output. They are pooled over the samples of
            an epoch.
        validation: data that is only looked at, or the share of the samples to set aside for that (the last ones).
        callbacks: of ``axon_nb.callbacks``, or functions of the run's state, called at the end of each epoch.
        class_weights: how much each class counts, by class number.
        loss_weights: how much the loss of each output counts: a tuple, or a dict by output.
        seed: of the first weights, the order of the samples and dropout.
        device: where to train: ``"CPU"``, ``"CUDA"`` ...
        devices: several of one kind that share each batch: ``["CUDA:0", "CUDA:1"]``. The numbers are those of one
            device to float tolerance; batch norm uses the statistics of the whole batch.
        like: weights to begin with, where they fit: of an earlier run, or of an earlier form of the model.
        steps_per_epoch: where an epoch ends, for data that has no end.
        resume: a checkpoint, or the folder of them: go on as if never stopped; an empty folder is a new beginning.
        background: train in a thread and return at once a handle: ``pause``, ``resume``, ``stop``, ``set_lr``,
            ``wait``, ``result``.
        progress: whether to show a bar.
        loss_scale: for models that compute in float16, whose small gradients would round to zero: ``"dynamic"``,
            ``"static"``, or one of ``axon_nb.loss_scales``. A step whose gradients overflow is left out.

    Raises:
        DataError: the data or the labels do not fit the model, are empty, or hold NaN.
        OptionError: an option is out of range.
        TrainingError: the loss became NaN or infinite; names the layer where it began.
        FileError: a checkpoint to resume from is damaged, or one cannot be written.

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
    whole_number(epochs, "epochs")
    check_batch_size(batch_size)
    more = {"devices": devices, "loss_scale": loss_scale}
    recipe = Recipe(model, loss, optimizer, (), loss_weights, class_weights, seed, device, **more)
    recipe = recipe.with_metrics(metrics)
    if isinstance(validation, int | float):
        data, validation = split(data, validation, len(model.inputs))
    watches = () if validation is None else (Validate(validation, batch_size=batch_size),)
    loop = Loop(recipe, (*watches, *run_all(callbacks)))
    return loop.run(
        data, epochs=epochs, batch_size=batch_size, steps_per_epoch=steps_per_epoch, like=like, resume=resume,
        background=background, progress=progress,
    )  # fmt: skip
