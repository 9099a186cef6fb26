"""Axon's cases of the training loop that are not events or filters: losses, metrics, states, going on."""

import json

import numpy as np
import pytest
from axon_cases.runner import DATA
from test_loop import Scripted

import axon_nb as ax
from axon_nb import Loop, callbacks, losses, metrics
from axon_nb.functional.losses import losses as by_name

RAW = {raw["id"]: raw for raw in json.loads((DATA / "loop.json").read_text())}
FILES = "files are named epoch_0001 and so on, and hold the whole run; test_checkpoints.py has their tests"
POOLED = "metrics are pooled over the epoch from sums, not averaged over the numbers of batches"
NOT_OURS = {
    "loop.event_counts.fact.001": "counts are of the whole run, and state.iteration is that of the epoch: test_loop.py",
    **{f"loop.checkpoint.fact.00{n}": FILES for n in (1, 2, 3, 4)},
    "loop.checkpoint.fact.005": "recorded as surprising: Axon saves what has stopped improving; ours keeps the best",
    "loop.train_step.fact.002": "instance_norm keeps no running values, as in PyTorch (by default) and Keras",
    "loop.metric.fact.001": POOLED,
    "loop.metric.fact.002": POOLED,
}


def only(function):
    return [pytest.param(raw, id=raw["id"]) for raw in RAW.values() if raw["function"] == function
            and raw["id"] not in NOT_OURS]  # fmt: skip


X = np.eye(2, dtype="float32")
LINE = ax.input((None, 2)) | ax.dense(2)


def scripted(raw, rate=0.01):
    """A loop with a metric that only gets worse, as in Axon's test."""
    sign = 1 if raw["kwargs"]["mode"] == "min" else -1
    rule = ax.optimizers.sgd(learning_rate=rate)
    return Loop.trainer(LINE, "mean_squared_error", rule).add(Scripted(*(sign * n for n in range(raw["epochs"]))))


@pytest.mark.parametrize("raw", only("loop.early_stop"))
def test_early_stop(raw):
    trained = scripted(raw).early_stop("script", **raw["kwargs"]).run((X, X), epochs=raw["epochs"])
    assert trained.epochs - 1 == raw["expected"]["stopped_with_epoch"]  # the number of the epoch it halted in


@pytest.mark.parametrize("raw", only("loop.reduce_lr_on_plateau"))
def test_the_learning_rate_falls_on_a_plateau(raw):
    rates = []
    loop = scripted(raw, raw["initial_lr"]).reduce_lr_on_plateau("script", **raw["kwargs"])
    loop.on("completed", lambda state: rates.append(state.learning_rate)).run((X * 0, X * 0), epochs=raw["epochs"])
    assert rates == [-raw["expected"]["optimizer_state_scale"]]


@pytest.mark.parametrize("raw", only("loop.train_step"))
def test_a_step_moves_the_running_values(raw):
    model = ax.input((None, 8)) | ax.batch_norm(momentum=0.1, name="norm")
    y = np.zeros((1, 8), "float32")
    trained = model.fit((np.ones((1, 8), "float32"), y), loss=raw["loss"], optimizer=raw["optimizer"])
    found = trained.params["norm"]
    np.testing.assert_allclose(found["mean"].numpy(), raw["expected"]["mean"], atol=raw["tol"])
    np.testing.assert_allclose(found["variance"].numpy(), raw["expected"]["var"], atol=raw["tol"])


@pytest.mark.parametrize("raw", only("loop.trainer"))
def test_losses_of_several_outputs_are_added_by_their_weights(raw):
    (a, weight_a), (b, weight_b) = raw["loss"]
    x = {name: np.array(value, "float32") for name, value in zip("ab", raw["y_pred"], strict=True)}
    y = {name: np.array(value, "float32") for name, value in zip("ab", raw["y_true"], strict=True)}
    model = ax.outputs(**{name: ax.input((None, 1), name=name) for name in "ab"})
    found = model.fit((x, y), loss={"a": a, "b": b}, loss_weights={"a": weight_a, "b": weight_b})
    assert found.history["loss"] == [raw["expected"]["loss"]]


@pytest.mark.parametrize("raw", only("loop.metric"))
def test_a_metric_stands_under_its_name(raw):
    model = ax.input((None, 2)) | ax.dense(2, "softmax")
    data = np.eye(2, dtype="float32"), np.array([0, 1])
    trained = model.fit(data, loss="categorical_cross_entropy", metrics=[getattr(metrics, raw["metric"])])
    assert list(trained.history) == ["loss", raw["expected"]["stored_under"]]


@pytest.mark.parametrize("raw", only("loop.run"))
def test_no_epochs_change_nothing(raw):
    trained = Loop.trainer(LINE, "mean_squared_error").run((X, X), epochs=raw["epochs"], like=LINE.init(seed=3))
    assert trained.history == raw["expected"]["metrics"]
    assert trained.params == LINE.init(seed=3)


@pytest.mark.parametrize("raw", only("loop.from_state"))
def test_training_goes_on_with_the_next_epoch(raw, tmp_path):
    """Axon's epochs are further ones; ours, as in Keras, are those of the whole run: the next epoch is the same."""
    seen = []
    first, second = raw["first_run"]["epochs"], raw["second_run"]["epochs"]
    LINE.fit((X, X), loss="mean_squared_error", epochs=first, callbacks=[callbacks.Checkpoint(tmp_path)])
    loop = Loop.trainer(LINE, "mean_squared_error").on("epoch_started", lambda state: seen.append(state.epoch))
    loop.run((X, X), epochs=first + second, resume=tmp_path)
    assert seen[0] == raw["expected"]["second_run_first_epoch"]
    assert len(seen) == second


@pytest.mark.parametrize("raw", only("loop.validate"))
def test_validation_adds_what_was_asked_for_of_the_training(raw):
    model = ax.input((None, 2)) | ax.dense(2, "softmax")
    data = np.eye(2, dtype="float32"), np.array([0, 1])
    trained = model.fit(data, loss="categorical_cross_entropy", metrics=["accuracy"], validation=data)
    added = {name.replace("val_", "validation_") for name in trained.history if name.startswith("val_")}
    assert added == set(raw["expected"]["metric_keys_added"])


@pytest.mark.parametrize("raw", only("loop.losses"))
def test_losses_have_axons_names(raw):
    for name in raw["expected"]["names_accepted_as_atoms"]:
        assert by_name[name] is getattr(losses, name)
