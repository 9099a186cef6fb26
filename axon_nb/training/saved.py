"""Owns saving and loading of what was trained.

Knows nothing about the file's form.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from axon_nb.errors import FileError, TrainingError
from axon_nb.graph import Model
from axon_nb.params import Params
from axon_nb.serialize.file import read_model, write_model
from axon_nb.training.trained import Trained


def save(path: str | os.PathLike[str], model: Model | Trained, params: Params | None = None) -> Path:
    """Write a model with its weights into one safetensors file; returns where it stands.

    The graph, the weights with what is frozen, the state, and the history of a ``Trained`` are kept. The file is
    written whole or not at all, and what stood there stays until then. Code of your own is not kept: a warning says
    what loading will need.

    Args:
        path: where; ``.safetensors`` is the usual end of the name.
        model: a model, or what ``fit`` returned.
        params: the weights, where a model is given.

    Raises:
        FileError: it cannot be written there.
        ParamsError: there are no params, or they are another model's.

    Example:
        >>> import tempfile
        >>> import axon_nb as ax
        >>> model = ax.input((None, 3)) | ax.dense(2)
        >>> params = model.init()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     loaded = ax.load(ax.save(f"{folder}/mine.safetensors", model, params))
        >>> loaded.model.equals(model), loaded.params == params
        (True, True)
    """
    if isinstance(model, Trained):
        return model.save(path)
    return write_model(path, model, params)  # type: ignore[arg-type]  # checked there


def load(
    path: str | os.PathLike[str], *, custom: Mapping[str, Any] | None = None, device: str | None = None
) -> Trained:
    """Read what ``save`` wrote: a model with its weights and history. Nothing in the file is run.

    Args:
        path: the file.
        custom: layers, hooks and functions of your own, by the names under which the file needs them; ``None`` for a
            hook leaves it out.
        device: where the weights go.

    Raises:
        FileError: there is no such file, it is damaged, of a newer version, or holds no model.
        AxonError: code of your own must be brought, or the weights do not fit the model.
    """
    saved = read_model(path, custom=custom, device=device)
    history = saved.more.get("history", {})
    if not isinstance(history, dict) or not all(isinstance(series, list) for series in history.values()):
        problem = "the history in the file cannot be read"
        raise FileError(problem, where=str(path))
    return Trained(saved.model, saved.params, history, _no_goal, str(saved.more.get("note", "")))


def _no_goal(params: Params, data: Any, batch_size: int) -> Any:
    problem = "a file does not keep the loss and the metrics"
    fix = "compare predict(x) with y by a function of ax.losses or ax.metrics, or fit again with like=..."
    raise TrainingError(problem, fix=fix)
