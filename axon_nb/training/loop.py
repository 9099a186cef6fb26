"""Owns the loop: what is run and who takes part in it, put together step by step; each step gives a new loop.

Knows nothing about how a run goes; ``runner.py`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from axon_nb.engine import interruptible
from axon_nb.errors import OptionError, brief
from axon_nb.graph import Model
from axon_nb.shapes import whole
from axon_nb.training import callbacks as known
from axon_nb.training.background import Background
from axon_nb.training.callback import Callback, as_callback, on
from axon_nb.training.checkpoint import Checkpoint, restore
from axon_nb.training.control import Control
from axon_nb.training.custom import CustomRecipe
from axon_nb.training.feed import check_batch_size, whole_number
from axon_nb.training.finder import LearningRates, find
from axon_nb.training.recipe import Evaluator, Recipe
from axon_nb.training.runner import Runner
from axon_nb.training.state import State


@dataclass(frozen=True, eq=False)
class Loop:
    """Training or evaluation, put together piece by piece and run on data; ``fit`` is one that is ready made.

    It is immutable: each method returns another loop.

    Example:
        >>> import numpy as np
        >>> from axon_nb import Loop, dense, input
        >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
        >>> loop = Loop.trainer(input((None, 1)) | dense(1), "mean_squared_error", "adam")
        >>> loop = loop.metric("mean_absolute_error").early_stop("loss", patience=2)
        >>> trained = loop.run((x, 2 * x), epochs=3)
        >>> list(trained.history)
        ['loss', 'mean_absolute_error']
    """

    recipe: Any
    callbacks: tuple[Callback, ...] = ()

    @staticmethod
    def trainer(
        model: Model, loss: Any, optimizer: Any = "adam", *, loss_weights: Any = None, class_weights: Any = None,
        seed: int = 0, device: str | None = None, devices: Any = None, loss_scale: Any = None,
    ) -> Loop:  # fmt: skip
        """Train a model: each step changes its weights so that the loss falls.

        Args:
            model: with one output, or several.
            loss: a name or a function of y_true and y_pred; for several outputs a tuple or a dict of them by output.
            optimizer: a name, or one with options.
            loss_weights: how much the loss of each output counts: a tuple, or a dict by output.
            class_weights: how much each class counts, by class number.
            seed: of the first weights, the order of the samples and dropout.
            device: where to train.
            devices: several of one kind that share each batch.
            loss_scale: for gradients in 16 bits: ``"dynamic"``, ``"static"``, or one of ``axon_nb.loss_scales``.

        Raises:
            OptionError: an option is out of range.
            UnknownNameError: there is no loss or optimizer of this name.
        """
        weights = loss_weights, class_weights
        more = {"devices": devices, "loss_scale": loss_scale}
        return Loop(Recipe(model, loss, optimizer, (), *weights, seed, device, **more))

    @staticmethod
    def evaluator(model: Model, loss: Any = "mean_squared_error", *, device: str | None = None) -> Loop:
        """Work out the loss and metrics of weights on data: ``loop.metric("accuracy").run(data, params=...)``.

        Example:
            >>> import numpy as np
            >>> from axon_nb import Loop, dense, input
            >>> model = input((None, 1)) | dense(1, kernel_initializer="ones")
            >>> x = np.ones((4, 1), "float32")
            >>> Loop.evaluator(model).metric("mean_absolute_error").run((x, x), params=model.init())
            {'loss': 0.0, 'mean_absolute_error': 0.0}
        """
        return Loop(Recipe(model, loss, None, device=device, trains=False))

    @staticmethod
    def custom(
        step: Callable[..., Any], models: Any = None, optimizers: Any = None, *, seed: int = 0,
        device: str | None = None, record: bool = True,
    ) -> Loop:  # fmt: skip
        """Run a step of one's own: for adversarial networks, autoencoders, metric learning.

        Args:
            step: takes the step's `Scene` and a batch as tensors, nested as the data is; returns numbers to report, by
                name. ``scene.name(x)`` runs the model of that name, ``scene.minimize(name, loss)`` moves its weights,
                ``scene.random(shape)`` draws numbers in [0, 1), ``scene.normal(shape)`` from the normal distribution.
            models: by name.
            optimizers: by the name of the model whose weights they move, or one for all.
            seed: of the first weights, the order of samples and all random numbers.
            device: where to train.
            record: whether the step is recorded when it first runs and replayed after that, as all steps of a model
                are. Without, it runs as Python each time, and may read values.

        Example:
            >>> import numpy as np
            >>> from axon_nb import Loop, dense, input, optimizers
            >>> def step(scene, x):
            ...     loss = (scene.coder(x) - x).square().mean()
            ...     scene.minimize("coder", loss)
            ...     return {"loss": loss}
            >>> models = {"coder": input((None, 4)) | dense(2) | dense(4)}
            >>> loop = Loop.custom(step, models, optimizers.adam(learning_rate=0.01))
            >>> run = loop.run(np.ones((8, 4), "float32"), epochs=2)
            >>> run["coder"].params["dense_0"]["kernel"].shape, len(run.history["loss"])
            ((4, 2), 2)
        """
        return Loop(CustomRecipe.of(step, models, optimizers, seed=seed, device=device, record=record))

    def add(self, *callbacks: Any) -> Loop:
        """Let callbacks take part, after those that do already."""
        return replace(self, callbacks=(*self.callbacks, *map(as_callback, callbacks)))

    def on(self, events: Any, handler: Callable[[State], Any], **filters: Any) -> Loop:
        """Call a function of the state at events: by name, several, or ``"all"``.

        Args:
            events: ``"started"``, ``"epoch_started"``, ``"iteration_started"``, ``"iteration_completed"``,
                ``"epoch_completed"``, ``"epoch_halted"``, ``"halted"``, ``"completed"``.
            handler: returns ``None``, ``"continue"``, ``"halt_epoch"`` or ``"halt_loop"``.
            **filters: ``every``, ``first``, ``before``, ``after``, ``once``, ``when``, ``per``: see `Filter`.

        Raises:
            OptionError: there is no such event, or a filter is out of range.
        """
        return self.add(on(events, **filters)(handler))

    def metric(self, metric: Any, name: str | None = None) -> Loop:
        """Report a metric, pooled over the samples of an epoch: a name, a metric or a function."""
        if isinstance(self.recipe, CustomRecipe):
            problem = "the metrics of a custom step are what it returns"
            raise OptionError(problem, got=brief(metric))
        return replace(self, recipe=self.recipe.with_metrics({name: metric} if name else [metric]))

    def validate(self, data: Any, *, batch_size: int = 32, every: int = 1) -> Loop:
        """Work out loss and metrics on other data after every so many epochs: ``val_loss`` ..."""
        return self.add(known.Validate(data, batch_size=batch_size, every=every))

    def early_stop(self, metric: str | None = None, **options: Any) -> Loop:
        """Halt when a metric no longer improves: see `callbacks.EarlyStop`."""
        return self.add(known.EarlyStop(metric, **options))

    def reduce_lr_on_plateau(self, metric: str | None = None, **options: Any) -> Loop:
        """Lower the learning rate when a metric no longer improves: see `callbacks.ReduceLROnPlateau`."""
        return self.add(known.ReduceLROnPlateau(metric, **options))

    def checkpoint(self, folder: Any, **options: Any) -> Loop:
        """Write checkpoints to go on from: see `callbacks.Checkpoint`."""
        return self.add(Checkpoint(folder, **options))

    def log(self, message: Callable[[State], str] | None = None, **options: Any) -> Loop:
        """Print a line from time to time: see `callbacks.Log`."""
        return self.add(known.Log(message, **options))

    def plot(self, metrics: Any = None, **options: Any) -> Loop:
        """Draw the loss and the metrics while training, in a notebook: see `callbacks.Plot`."""
        return self.add(known.Plot(metrics, **options))

    def monitor(self, metric: str, function: Callable[[State], Any], **options: Any) -> Loop:
        """Call a function when a metric no longer improves: see `callbacks.Monitor`."""
        return self.add(known.Monitor(metric, function, **options))

    def ema(self, decay: float = 0.999) -> Loop:
        """Keep a running mean of the weights, and return that: see `callbacks.EMA`."""
        return self.add(known.EMA(decay))

    def find_learning_rate(
        self, data: Any, *, low: float = 1e-6, high: float = 1.0, steps: int = 100, batch_size: int = 32
    ) -> LearningRates:
        """Look for a learning rate: take steps with one that rises, and see where the loss falls the most.

        The optimizer's rate must be a number, not a schedule. Weights are drawn anew for it and forgotten.

        Args:
            data: as for `run`.
            low: the rate of the first step.
            high: that of the last, unless the loss grows before.
            steps: how many.
            batch_size: samples in a step, for arrays.

        Source: Smith 2015, https://arxiv.org/abs/1506.01186

        Example:
            >>> import numpy as np
            >>> from axon_nb import Loop, dense, input
            >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
            >>> loop = Loop.trainer(input((None, 1)) | dense(1), "mean_squared_error", "sgd")
            >>> found = loop.find_learning_rate((x, 2 * x), high=10.0, steps=20)
            >>> 1e-6 < found.suggestion < 10.0
            True
        """
        if whole(steps) is None or steps < 2:
            problem = "steps is a whole number of at least 2"
            raise OptionError(problem, got=brief(steps))
        plain = Loop(self.recipe)  # its callbacks would see a run that is none
        return find(plain, data, low, high, int(steps), batch_size)

    def run(
        self, data: Any, *, epochs: int = 1, batch_size: int = 32, steps_per_epoch: int | None = None,
        like: Any = None, params: Any = None, resume: Any = None, background: bool = False, progress: bool = True,
    ) -> Any:  # fmt: skip
        """Run on data: arrays ``(x, y)`` or ``(x, y, weights)``, or anything that gives such batches.

        Args:
            data: see ``fit``.
            epochs: how often the data is gone through, with those before a checkpoint.
            batch_size: samples in a step, for arrays.
            steps_per_epoch: where an epoch ends, for data that has no end.
            like: weights to begin with, where they fit.
            params: the weights that an evaluator looks at.
            resume: a checkpoint, or a folder of them: go on as if never stopped. An empty folder is a new beginning.
            background: run in a thread; returns a handle with ``pause``, ``resume``, ``stop`` and ``result`` at once.
            progress: whether to show a bar.

        Returns:
            ``Trained``; for an evaluator its numbers by name; for a custom step a ``Trained`` for each model by name.
        """
        size = check_batch_size(batch_size)
        steps = None if steps_per_epoch is None else whole_number(steps_per_epoch, "steps_per_epoch")
        if isinstance(self.recipe, Recipe) and not self.recipe.trains:
            if params is None:
                problem = "an evaluator needs the weights to look at"
                raise OptionError(problem, fix="loop.run(data, params=trained.params)")
            return Evaluator(self.recipe)(getattr(params, "params", params), data, size)
        if whole(epochs) is None or epochs < 0:
            problem = "epochs must be a whole number of at least 0"
            raise OptionError(problem, got=brief(epochs))
        control = Control() if background else None
        with interruptible():
            runner = self._runner(data, int(epochs), size, steps, like, resume, control, shows=progress)
            return Background(runner, control).begin() if control else runner.run()

    def _runner(
        self, data: Any, epochs: int, size: int, steps: int | None, like: Any, resume: Any, control: Control | None, *,
        shows: bool,
    ) -> Runner:  # fmt: skip
        feed = self.recipe.feed(data, size, steps=steps)
        state = State(self.recipe.stepper(self.recipe.start(feed, like)), epochs)
        state.feed, state.seed, state.recipe = feed, self.recipe.seed, self.recipe
        runner = Runner(state, self.callbacks, self.recipe.result, control, shows=shows)
        if resume is not None:
            restore(resume, state)
        return runner


def run_all(callbacks: Iterable[Any]) -> tuple[Callback, ...]:
    """Return callbacks as a tuple; a single one may be given as it is.

    Example:
        >>> len(run_all(lambda state: None))
        1
    """
    if callable(callbacks) or isinstance(callbacks, Callback):
        callbacks = [callbacks]
    return tuple(map(as_callback, callbacks))
