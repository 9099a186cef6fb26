"""Owns checkpoints: when they are written, what is in them, and going on from one as if never stopped.

Knows nothing about how files are written whole, nor about what a stepper's tensors are.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinygrad import Tensor

from axon_nb.engine import RUNTIME, uninterrupted
from axon_nb.errors import AxonError, FileError, OptionError, ParamsError, brief
from axon_nb.files import Stored, read_file, write_file
from axon_nb.lazy import numpy as np
from axon_nb.shapes import whole
from axon_nb.training.events import ALWAYS, EVENTS, Filter
from axon_nb.training.watch import Watch

KIND = "checkpoint"
_NAME = re.compile(r"step_(\d+)\.safetensors$")
_PART = re.compile(r"\.(?:step_\d+|best)\.safetensors\.(\d+)\.part$")


class Checkpoint(Watch):
    """Write all that a run depends on, so that it can go on as if never stopped: ``fit(..., resume=folder)``.

    The files ``step_000000120.safetensors`` ... are the last ones; ``best.safetensors``, with ``best=True``, is the one
    with the best value of the metric. Each is written whole or not at all, and checked when it is read.

    Args:
        folder: where they go; made if it is not there.
        every_epochs: write after every so many epochs; 0 for not at all.
        every_steps: write after every so many steps too.
        keep: how many of the last are kept.
        best: whether the best one is kept as well, by ``metric`` and ``mode``.
        metric: for ``best``: ``val_loss`` where there is validation and ``loss`` else.
        mode: ``"min"`` or ``"max"``: what is better.

    Raises:
        FileError: one cannot be written: the disk is full, the folder read-only.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from axon_nb import dense, input
        >>> x = np.linspace(-1, 1, 64, dtype="float32").reshape(-1, 1)
        >>> model = input((None, 1)) | dense(1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     half = model.fit((x, x), loss="mean_squared_error", epochs=2, callbacks=[Checkpoint(folder)])
        ...     whole = model.fit((x, x), loss="mean_squared_error", epochs=4, resume=folder)
        >>> whole.params == model.fit((x, x), loss="mean_squared_error", epochs=4).params
        True
    """

    goes_last = True

    def __init__(
        self, folder: Any, *, every_epochs: int = 1, every_steps: int | None = None, keep: int = 3, best: bool = False,
        metric: str | None = None, mode: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(metric, mode=mode)
        try:
            self.folder = Path(os.fspath(folder))
        except TypeError:
            problem = "checkpoints go into a folder, named by text or a Path"
            raise OptionError(problem, got=brief(folder)) from None
        for name, value, least in (
            ("every_epochs", every_epochs, 0),
            ("every_steps", every_steps, 1),
            ("keep", keep, 1),
        ):
            if value is not None and (whole(value) is None or value < least):
                problem = f"{name} is a whole number of at least {least}"
                raise OptionError(problem, got=brief(value))
        self.every_epochs, self.every_steps, self.keep, self.best = every_epochs, every_steps, keep, best

    def handlers(self) -> list[tuple[str, Callable[[Any], Any], Filter]]:
        """List the events: those at which something may be written."""
        found: list[tuple[str, Callable[[Any], Any], Filter]] = [("started", self.started, ALWAYS)]
        if self.every_steps is not None:
            found.append(("iteration_completed", self._after_step, ALWAYS))
        return [*found, ("epoch_completed", self._after_epoch, ALWAYS)]

    def started(self, state: Any) -> None:
        """Make the folder, and clear away what a killed run left half written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.iterdir():
                part = _PART.match(path.name)
                if part and not _is_running(int(part[1])):
                    path.unlink(missing_ok=True)
        except OSError as error:
            problem = f"the folder for checkpoints cannot be used: {error.strerror or error}"
            raise FileError(problem, where=str(self.folder)) from error

    def _after_step(self, state: Any) -> None:
        if state.steps % (self.every_steps or 1) == 0:
            self._write(state)

    def _after_epoch(self, state: Any) -> None:
        better = self.best and self.improved(state)
        if self.every_epochs and (state.epoch + 1) % self.every_epochs == 0:
            self._write(state)
        if better:
            write_file(self.folder / "best.safetensors", *_content(state))

    def _write(self, state: Any) -> None:
        write_file(self.folder / f"step_{state.steps:09d}.safetensors", *_content(state))
        for path in listed(self.folder)[self.keep :]:
            path.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name == "nt":
        return process == os.getpid()  # there kill(0) would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def listed(folder: Path) -> list[Path]:
    """List the checkpoints of a folder, the last first."""
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def _content(state: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    epoch, iteration = state.position
    content = {
        "kind": KIND,
        "fingerprint": state.recipe.fingerprint,
        "epoch": epoch,
        "iteration": iteration,
        "steps": state.steps,
        "samples": state.samples,
        "history": encoded(state.completed),
        "counts": {name: list(count) for name, count in state.counts.items()},
        "memories": encoded(state.memories),
        "stepper": state.stepper.facts,
    }
    models = state.model if isinstance(state.model, dict) else {"": state.model}
    content["models"] = {name: _as_json(model) for name, model in models.items()}
    tensors = dict(state.stepper.tensors)
    for key, kept in state.keeps.items():
        tensors |= {f"kept/{key}/{name}": tensor for name, tensor in kept.items()}
    return tensors, content


def _as_json(model: Any) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that code of one's own is not in it: resuming has the model
            text: str = model.to_json()
            return text
    except AxonError:
        return None


def restore(path: Any, state: Any) -> None:
    """Put a run where a checkpoint was written. Of a folder, the last one that is whole; an empty one changes nothing.

    Raises:
        FileError: the checkpoint is damaged, or all are.
        ParamsError: it is another training's.
    """
    stored = _stored(path)
    if stored is None:
        return
    content = stored.content
    _check_same(stored, state)
    with uninterrupted():
        state.stepper.put({name: stored.tensor(name, state.stepper.device) for name in state.stepper_names(stored)})
        state.stepper.facts = content["stepper"]
        state.epoch, state.iteration = content["epoch"], content["iteration"]
        state.steps, state.samples = content["steps"], content["samples"]
        state.history = decoded(content["history"])
        state.counts = {name: list(content["counts"].get(name, [0, 0])) for name in EVENTS}
        state.memories = decoded(content["memories"])
        for name in stored.names:
            if name.startswith("kept/"):
                _, key, own = name.split("/", 2)
                state.keeps.setdefault(key, {})[own] = stored.tensor(name, state.stepper.device)


def _stored(path: Any) -> Stored | None:
    try:
        place = Path(os.fspath(path))
    except TypeError:
        problem = "resume takes a checkpoint, or the folder of them"
        raise OptionError(problem, got=brief(path)) from None
    if not place.is_dir():
        if not place.exists() and not place.suffix:
            return None  # the folder will be made by the callback
        return _read(place)
    paths = listed(place)
    damaged: list[FileError] = []
    for one in paths:
        try:
            stored = _read(one)
        except FileError as error:
            damaged.append(error)
            continue
        if damaged:
            told = "; ".join(f"{Path(str(error.where)).name}: {error.problem}" for error in damaged)
            warnings.warn(f"resume: {told}; going on from {one.name}", stacklevel=2)
        return stored
    if damaged:
        raise damaged[0]
    return None


def _read(path: Path) -> Stored:
    with RUNTIME:
        stored = read_file(path)
    if stored.content.get("kind") != KIND:
        problem = "this is no checkpoint"
        raise FileError(problem, where=str(path), got=brief(stored.content.get("kind")), fix="ax.load reads it")
    return stored


def _check_same(stored: Stored, state: Any) -> None:
    theirs, own = stored.content["fingerprint"], state.recipe.fingerprint
    for name, value in own.items():
        if theirs.get(name) != value:
            problem = f"the checkpoint is of another training: its {name} differ"
            fix = "resume with what it began with, or take its weights only: fit(..., like=...)"
            got = f"{brief(theirs.get(name))} in the checkpoint, {brief(value)} here"
            raise ParamsError(problem, where=str(stored.path), got=got, fix=fix)


def encoded(value: Any) -> Any:
    """Turn numbers, arrays, lists and dicts into JSON, exactly.

    Example:
        >>> decoded(encoded({"a": [float("nan"), 1.5]}))
        {'a': [nan, 1.5]}
    """
    if isinstance(value, dict):
        return {str(name): encoded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(part) for part in value]
    if isinstance(value, np.ndarray):
        return {"__array__": encoded(value.tolist()), "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return encoded(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": repr(value)}
    return value


def decoded(value: Any) -> Any:
    """Turn JSON back into what `encoded` was given."""
    if isinstance(value, list):
        return [decoded(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "__float__" in value:
        return float(value["__float__"])
    if "__array__" in value:
        return np.asarray(decoded(value["__array__"]), dtype=value["dtype"])
    return {name: decoded(part) for name, part in value.items()}
