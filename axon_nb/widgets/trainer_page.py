"""Owns the page of a trainer: what it shows of it, and which call each of its messages stands for.

Knows nothing about training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from axon_nb.engine import RUNTIME
from axon_nb.errors import AxonError
from axon_nb.lazy import numpy as np
from axon_nb.widgets.deltas import Grown
from axon_nb.widgets.pictures import finite, histogram, of_sample
from axon_nb.widgets.shown import Throttle
from axon_nb.widgets.skin import Skin
from axon_nb.widgets.small_pages import number_of

if TYPE_CHECKING:
    from axon_nb.widgets.trainer import Trainer

_MOST_WEIGHTS = 12
_PROGRESS = ("epoch", "epochs", "steps")


def make_skin(trainer: Trainer) -> Skin:
    """Make the page of a trainer."""

    def look(message: dict[str, Any]) -> None:
        epoch = message.get("epoch")
        trainer.look(None if epoch is None else int(number_of(message, "epoch")))

    actions = {
        "start": lambda m: trainer.start(),
        "pause": lambda m: trainer.pause(),
        "resume": lambda m: trainer.resume(),
        "stop": lambda m: trainer.stop(),
        "rate": lambda m: trainer.set_lr(number_of(m, "value")),
        "look": look,
    }
    skin = Skin("trainer", actions, _State(trainer))
    tell = Throttle(skin.tell)

    def changed(kind: str) -> None:
        if kind == "step":
            tell()
        else:
            tell.flush()
        if kind == "end":
            _when_over(trainer, tell)

    trainer.on_change(changed)
    return skin


def _when_over(trainer: Trainer, tell: Throttle) -> None:
    """Tell the page once more when the thread has ended, which is after its last report."""
    import threading

    def wait() -> None:
        trainer.wait(30)
        tell.flush()
        trainer._update_card()

    threading.Thread(target=wait, name="axon_nb trainer page", daemon=True).start()


class _State:
    """What a page shows of a trainer."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.pictures = _pictures(trainer.samples)
        self.weights_of: tuple[int, list[dict[str, Any]]] | None = None

    def __call__(self) -> dict[str, Any]:
        trainer = self.trainer
        epochs = sorted(trainer.checkpoints)
        epoch = trainer.looking_at if trainer.looking_at in trainer.checkpoints else (epochs[-1] if epochs else None)
        history = {
            f"history.{name}": Grown(finite(value) for value in values)
            for name, values in list(trainer.history.items())
            if all(np.ndim(value) == 0 for value in values)
        }
        rate = trainer.learning_rate
        return {
            "status": trainer.status,
            "progress": {name: trainer.progress[name] for name in _PROGRESS if name in trainer.progress},
            "speed": round(trainer.samples_per_second),
            "left": trainer.time_left_s if trainer.time_left_s is None else round(trainer.time_left_s, 1),
            "rate": rate,
            "curve": Grown((step, finite(loss)) for step, loss in trainer.curve),
            "metrics": list(history),
            **history,
            "steps": _steps(trainer),
            "epochs": epochs,
            "epoch": epoch,
            "follows": trainer.looking_at is None,
            "pictures": self.pictures,
            "samples": self.samples(epoch),
            "weights": self.weights(epoch),
            "error": trainer.error,
        }

    def samples(self, epoch: int | None) -> list[dict[str, Any]]:
        if epoch is None:
            return [{"said": "", "true": ""} for _ in self.pictures]
        try:
            said = self.trainer.predictions(epoch)
        except AxonError:
            return []
        if isinstance(said, tuple | dict) or said is None:
            return []
        found = []
        for number, values in enumerate(np.asarray(said)):
            true = self.trainer.labels[number] if self.trainer.labels is not None else None
            words, truth, right = _words(values, true)
            found.append({"said": words, "true": truth, "right": right})
        return found

    def weights(self, epoch: int | None) -> list[dict[str, Any]]:
        if epoch is None:
            return []
        if self.weights_of is None or self.weights_of[0] != epoch:
            tensors = list(self.trainer.checkpoints[epoch].flat.items())[:_MOST_WEIGHTS]
            with RUNTIME:
                arrays = [(name, tensor.numpy()) for name, tensor in tensors]
            self.weights_of = (epoch, [{"name": name, **histogram(array)} for name, array in arrays])
        return self.weights_of[1]


def _steps(trainer: Trainer) -> int:
    epochs = len(next(iter(trainer.history.values()), []))
    steps = trainer.progress.get("steps", 0)
    return int(steps / max(1, epochs)) if epochs else 0


def _pictures(samples: Any) -> list[dict[str, Any] | None]:
    if samples is None or isinstance(samples, Mapping):
        return []
    return [of_sample(sample) for sample in samples]


def _words(values: Any, true: Any) -> tuple[str, str, bool | None]:
    """Write a prediction and the truth: of several values the greatest is a class.

    Example:
        >>> _words(np.array([0.1, 0.9]), 1), _words(np.array([0.51]), 0.5)
        (('1 (90%)', '1', True), ('0.51', '0.5', None))
    """
    flat = np.asarray(values).reshape(-1)
    label = None if true is None else np.asarray(true).reshape(-1)
    if flat.size == 1:
        return f"{float(flat[0]):.3g}", "" if label is None else f"{float(label[0]):.3g}", None
    best = int(flat.argmax())
    sure = f" ({float(flat[best]):.0%})" if flat.min() >= 0 and abs(float(flat.sum()) - 1) < 0.01 else ""
    if label is None or label.size not in (1, flat.size):
        return f"{best}{sure}", "", None
    truth = int(label[0]) if label.size == 1 else int(label.argmax())
    return f"{best}{sure}", str(truth), best == truth
