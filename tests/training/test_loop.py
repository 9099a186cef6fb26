"""The loop: its events and their order, filters, what handlers may answer, and the callbacks that come with it."""

import json
from pathlib import Path

import numpy as np
import pytest

import axon_nb as ax
from axon_nb import Loop, callbacks
from axon_nb.errors import AxonError, OptionError
from axon_nb.training.events import Filter

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
LINE = (X @ np.array([[1.0], [-2.0], [0.5]], "float32") + 1).astype("float32")
MODEL = ax.input((None, 3)) | ax.dense(1)
SGD = ax.optimizers.sgd(learning_rate=0.1)
BOTH = "mean_squared_error"


def trainer(**options):
    return Loop.trainer(MODEL, BOTH, SGD, **options)


def counting(epochs=5, iterations=10):
    """A loop whose step only counts, with data for so many iterations in an epoch."""
    loop = Loop.custom(lambda scene, batch: {"count": 1.0}, record=False)
    return loop, {"data": [np.zeros((1, 1), "float32")] * iterations, "epochs": epochs}


# The cases of Axon's own tests, by hand; those for files and state dictionaries have tests of their own.
CASES = [
    case
    for case in json.loads((Path(__file__).parents[1] / "axon_cases" / "data" / "loop.json").read_text())
    if case["function"] in ("loop.events", "loop.filters")
]
FILTERS = {"always": {}, "first": {"first": True}, "fn: total count == 5": {
    "when": lambda state: state.event_counts[state.event] == 5
}}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_axons_cases(case):
    loop, run = counting(case["epochs"], case["iterations"])
    heard = []
    chosen = case.get("filter", {})
    filters = chosen if isinstance(chosen, dict) else FILTERS[chosen]
    if "order" in case["expected"]:
        loop.on("all", lambda state: heard.append(state.event)).run(run["data"], epochs=run["epochs"])
        assert heard == [*case["expected"]["order"], "completed"]
        return
    if "handler" in case:
        loop = loop.on("iteration_completed", lambda state: "halt_epoch")
    loop.on(case["event"], lambda state: heard.append(state.event), **filters).run(run["data"], epochs=run["epochs"])
    assert len(heard) == case["expected"]["times_fired"]


def test_handlers_are_called_in_the_order_in_which_they_came():
    loop, run = counting(1, 1)
    heard = []
    for name in "abc":
        loop = loop.on("iteration_completed", lambda state, name=name: heard.append(name))
    loop.run(run["data"])
    assert heard == ["a", "b", "c"]


def test_every_method_gives_another_loop():
    loop = trainer()
    loop.metric("mean_absolute_error").on("started", lambda state: 1 / 0).early_stop().log()
    assert loop.callbacks == ()
    assert list(loop.run((X, LINE)).history) == ["loss"]


def test_counts_within_the_epoch_begin_anew():
    loop, run = counting(2, 5)
    heard = []
    loop = loop.on("iteration_completed", lambda state: heard.append(state.iteration), every=2, per="epoch")
    loop.run(run["data"], epochs=2)
    assert heard == [1, 3, 5] * 2


@pytest.mark.parametrize(("event", "steps", "heard"), [
    ("started", 0, ["started", "halted"]),
    ("epoch_started", 0, ["started", "epoch_started", "halted"]),
    ("iteration_started", 0, ["started", "epoch_started", "iteration_started", "halted"]),
    ("iteration_completed", 1, ["started", "epoch_started", "iteration_started", "iteration_completed", "halted"]),
    ("epoch_completed", 2, ["started", "epoch_started", "iteration_started", "iteration_completed", "iteration_started",
                            "iteration_completed", "epoch_completed", "halted"]),
])  # fmt: skip
def test_halting_the_loop_at_any_event(event, steps, heard):
    loop, run = counting(3, 2)
    found, states = [], []
    loop = loop.on("all", lambda state: (found.append(state.event), states.append(state))[0])
    result = loop.on(event, lambda state: "halt_loop").run(run["data"], epochs=3)
    assert found == heard
    assert states[0].steps == steps
    assert states[0].status == "halted"
    assert result.epochs == (event == "epoch_completed")


def test_a_halted_epoch_is_an_epoch_of_what_was_seen():
    seen = []
    loop = trainer().on("iteration_completed", lambda state: "halt_epoch", once=2)
    loop = loop.on("epoch_halted", lambda state: seen.append(state.epoch)).validate((X[:5], LINE[:5]))
    trained = loop.run((X, LINE), epochs=2, batch_size=10)
    assert seen == [0]
    assert [len(values) for values in trained.history.values()] == [2, 2]
    assert np.isnan(trained.history["val_loss"][0])
    assert np.isfinite(trained.history["val_loss"][1])


@pytest.mark.parametrize(("make", "words"), [
    (lambda: trainer().on("epoch_ended", print), r"^there is no event 'epoch_ended'\n  fix: did you mean 'epoch_"),
    (lambda: trainer().on("started", 3), "^a handler is a function of the state\n  got: 3"),
    (lambda: trainer().on("started", print, every=0), "^every counts an event: a whole number of at least 1\n  got: 0"),
    (lambda: trainer().on("started", print, after=-1), "^after counts an event: a whole number of at least 0"),
    (lambda: trainer().on("started", print, per="day"), '^per is "total" or "epoch"\n  got: \'day\''),
    (lambda: trainer().on("started", print, when=3), "^when is a function of the state\n  got: 3"),
    (lambda: trainer().add(3), "^a callback is an object of axon_nb.callbacks, or a function of the state\n  got: 3"),
    (lambda: trainer().add(callbacks.EMA), "^this is the class EMA, not a callback"),
    (lambda: callbacks.EarlyStop(mode="least"), '^mode is "min" or "max"\n  got: \'least\''),
    (lambda: callbacks.EarlyStop(patience=-1), "^patience is a whole number of at least 0\n  got: -1"),
    (lambda: callbacks.EarlyStop(min_delta="a"), "^min_delta is a number of at least 0"),
    (lambda: callbacks.ReduceLROnPlateau(factor=2), "^factor is a number between 0 and 1\n  got: 2"),
    (lambda: callbacks.EMA(1.0), "^decay is a number between 0 and 1\n  got: 1.0"),
    (lambda: callbacks.Log(every=0), "^every is a whole number of at least 1\n  got: 0"),
    (lambda: callbacks.Plot(every_steps=0), "^every_steps is a whole number of at least 1\n  got: 0"),
    (lambda: callbacks.Checkpoint(3), "^checkpoints go into a folder, named by text or a Path\n  got: 3"),
    (lambda: callbacks.Checkpoint("a", keep=0), "^keep is a whole number of at least 1\n  got: 0"),
    (lambda: Loop.trainer(MODEL, "squared"), "^there is no loss 'squared'"),
    (lambda: trainer().run((X, LINE), epochs=-1), "^epochs must be a whole number of at least 0\n  got: -1"),
    (lambda: Loop.evaluator(MODEL).run((X, LINE)), "^an evaluator needs the weights to look at"),
    (lambda: trainer().on("started", lambda s: "stop").run((X, LINE)), "^function returned what is no answer\n  got: "),
    (lambda: trainer().early_stop("val_loss").run((X, LINE)), "^EarlyStop: there is no metric 'val_loss'"),
    (lambda: trainer().metric(lambda t, p: p, "odd").early_stop("odd").run((X, LINE), epochs=3),
     "^EarlyStop: it is not known whether more or less of 'odd' is better"),
])  # fmt: skip
def test_what_is_refused(make, words):
    with pytest.raises(AxonError, match=words):
        make()


def test_no_epochs_change_nothing():
    heard = []
    trained = trainer().on("all", lambda state: heard.append(state.event)).run((X, LINE), epochs=0)
    assert trained.history == {}
    assert trained.params == MODEL.init()
    assert heard == ["started", "completed"]


def test_a_loop_is_what_fit_is():
    options = {"epochs": 3, "batch_size": 16}
    fitted = MODEL.fit(
        (X, LINE), loss=BOTH, optimizer=SGD, metrics=["mean_absolute_error"], validation=(X[:9], LINE[:9]), **options
    )
    loop = trainer().metric("mean_absolute_error").validate((X[:9], LINE[:9]), batch_size=16)
    looped = loop.run((X, LINE), **options)
    assert looped.params == fitted.params
    assert looped.history == fitted.history


def test_an_evaluator_gives_numbers():
    params = MODEL.init()
    found = Loop.evaluator(MODEL).metric("mean_absolute_error").run((X, LINE), params=params)
    error = MODEL.predict(params, X) - LINE
    assert found["loss"] == pytest.approx((error**2).mean(), rel=1e-5)
    assert found["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-5)


class Scripted(callbacks.Callback):
    """Puts a metric of given values in place."""

    def __init__(self, *values):
        self.values = values

    def epoch_completed(self, state):
        state.metrics["script"] = float(self.values[state.epoch])


@pytest.mark.parametrize(("values", "mode"), [(range(5), "min"), (range(0, -5, -1), "max")])
def test_early_stop_as_axon_has_it(values, mode):
    loop = trainer().add(Scripted(*values)).early_stop("script", mode=mode, patience=2)
    trained = loop.run((X, LINE), epochs=5)
    assert trained.epochs == 4  # halted in the epoch with the number 3
    assert trained.note == "stopped after epoch 4 of 5: script no longer improved"


def test_early_stop_gives_the_best_weights_back():
    kept = []
    loop = trainer().add(Scripted(3, 1, 2, 4, 5)).on("epoch_completed", lambda state: kept.append(state.params))
    loop = loop.early_stop("script", mode="min", patience=1, restore_best=True)
    trained = loop.run((X, LINE), epochs=5)
    assert trained.params == kept[1]
    assert trained.params != kept[-1]


def test_an_improvement_must_be_as_large_as_said():
    loop = trainer().add(Scripted(5, 4.9, 4.8, 4.7, 4.6))
    loop = loop.early_stop("script", mode="min", patience=1, min_delta=0.5)
    assert loop.run((X, LINE), epochs=5).epochs == 3


@pytest.mark.parametrize(("values", "mode"), [(range(7), "min"), (range(0, -7, -1), "max")])
def test_the_learning_rate_falls_on_a_plateau_as_axon_has_it(values, mode):
    rates = []
    loop = Loop.trainer(MODEL, BOTH, ax.optimizers.sgd(learning_rate=1e-3)).add(Scripted(*values))
    loop = loop.reduce_lr_on_plateau("script", mode=mode, patience=2, factor=0.5)
    loop.on("completed", lambda state: rates.append(state.learning_rate)).run((X, LINE), epochs=7)
    assert rates == pytest.approx([1e-3 / 4])


def test_a_plateau_has_a_floor():
    rates = []
    loop = trainer().add(Scripted(*range(5))).reduce_lr_on_plateau("script", mode="min", patience=0, min_lr=0.05)
    loop.on("epoch_completed", lambda state: rates.append(state.learning_rate)).run((X, LINE), epochs=5)
    assert rates == pytest.approx([0.1, 0.05, 0.05, 0.05, 0.05])


def test_a_monitor_calls():
    calls = []
    loop = (
        trainer()
        .add(Scripted(1, 2, 3, 4, 5))
        .monitor("script", lambda s: calls.append(s.epoch), mode="min", patience=1)
    )
    loop.run((X, LINE), epochs=5)
    assert calls == [2, 4]


def test_a_log_line_for_some_epochs(capsys):
    trainer().log(every=2).run((X, LINE), epochs=4)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:22] for line in lines] == ["epoch 2/4, step 2, los", "epoch 4/4, step 2, los"]
    lines = []
    trainer().log(lambda s: f"{s.steps}", event="iteration_completed", write=lines.append).run((X, LINE), batch_size=10)
    assert lines == ["1", "2", "3", "4"]


def test_the_learning_rate_can_be_set_by_a_handler():
    def lower(state):
        state.learning_rate = 0.0

    moved = trainer().run((X, LINE), epochs=1)
    still = trainer().on("epoch_completed", lower, first=True).run((X, LINE), epochs=3)
    assert still.params == moved.params


def test_the_mean_of_weights_is_what_numpy_makes_of_them():
    seen, looked = [], []
    loop = trainer().on("iteration_completed", lambda state: seen.append(state.params)).ema(0.5)
    loop = loop.validate((X, LINE)).on("epoch_completed", lambda state: looked.append(state.metrics["val_loss"]))
    trained = loop.run((X, LINE), epochs=2, batch_size=10)
    mean = {name: tensor.numpy() for name, tensor in MODEL.init().flat.items()}
    for step, params in enumerate(seen):
        decay = min((1 + step) / (10 + step), 0.5)
        mean = {name: decay * mean[name] + (1 - decay) * tensor.numpy() for name, tensor in params.flat.items()}
    for name, value in mean.items():
        np.testing.assert_allclose(trained.params[name].numpy(), value, rtol=1e-5, atol=1e-6)
    assert looked[-1] == pytest.approx(trained.evaluate((X, LINE))["loss"], rel=1e-5)
    plain = trainer().run((X, LINE), epochs=2, batch_size=10)
    assert seen[-1] == plain.params  # looking at the mean changed nothing of the training


def test_a_callback_keeps_what_it_remembers_per_run():
    class Count(callbacks.Callback):
        def iteration_completed(self, state):
            memory = state.memory(self)
            memory["n"] = memory.get("n", 0) + 1
            self.last = memory["n"]

    count = Count()
    for _ in range(2):
        trainer().add(count).run((X, LINE), batch_size=10)
        assert count.last == 4


def test_fit_takes_callbacks_in_all_forms():
    heard = []

    @callbacks.on("iteration_completed", every=2)
    def each_second(state):
        heard.append(state.steps)

    MODEL.fit((X, LINE), loss=BOTH, batch_size=10, epochs=2, callbacks=[each_second, lambda s: heard.append("end")])
    assert heard == [1, 3, "end", 5, 7, "end"]
    MODEL.fit((X, LINE), loss=BOTH, callbacks=lambda state: heard.append("alone"))
    assert heard[-1] == "alone"


def test_a_callback_that_raises_leaves_the_epochs_before():
    def fail(state):
        if state.epoch == 2:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        MODEL.fit((X, LINE), loss=BOTH, optimizer=SGD, epochs=5, callbacks=[fail])
    assert caught.value.__notes__ == ["raised by the callback fail at epoch_completed, epoch 3"]
    assert caught.value.trained.epochs == 2
    assert caught.value.trained.note == "ZeroDivisionError: mine"
    assert caught.value.trained.params == MODEL.fit((X, LINE), loss=BOTH, optimizer=SGD, epochs=2).params


def test_a_filter_is_a_value():
    assert Filter(every=2) == Filter(every=2)
    with pytest.raises(OptionError, match="once counts an event"):
        Filter(once=1.5)
