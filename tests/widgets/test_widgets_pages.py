"""Pages without a browser: what they are told, which calls their messages stand for, and messages that are forged."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_edits import STEPS, do

import axon_nb as ax
from axon_nb.errors import CellError
from axon_nb.magic.commands import Session
from axon_nb.magic.show import library
from axon_nb.widgets.builder import Builder
from axon_nb.widgets.command import build
from axon_nb.widgets.explorer import Explorer
from axon_nb.widgets.live import Live
from axon_nb.widgets.trainer import Trainer
from axon_nb.widgets.what_if import what_if

DIGITS = (
    "%%axon mnist\ninput((None, 1, 28, 28), name='image')\n| conv(4, kernel_size=3, activation='relu')\n| flatten()\n"
    "| dense(10, activation='softmax')\n"
)
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '__import__("os").system("touch HERE")',
    "'); alert(1); ('",
    "${1}",
    "\u202e",
]


class Heard:
    """What a page would have got."""

    def __init__(self, shown):
        self.skin = shown.skin
        self.messages = []
        self.every = []
        self.skin.page.send = self.take

    def take(self, message):
        self.messages.append(message)
        self.every.append(message)

    def __call__(self, what, **rest):
        self.messages.clear()
        self.skin.take({"do": what, **rest})
        json.dumps(self.messages, allow_nan=False)
        return self.state()

    def state(self):
        found = {}
        for message in self.messages:
            found |= message.get("patch", {})
            found |= {name: dict(told["put"]) for name, told in message.get("parts", {}).items()}
            found |= {name: told["add"] for name, told in message.get("grown", {}).items()}
        return found


def form(told, layer):
    """The fields of a layer's form, by name."""
    one = told["forms"][layer]
    names = [field["name"] for field in told["kinds"][one["kind"]]["fields"]]
    return dict(zip(names, one["values"], strict=True))


def test_a_page_that_opens_is_told_everything_and_then_only_what_changed():
    builder = Builder(DIGITS)
    page = Heard(builder)
    told = page("hello")
    assert {"palette", "text", "rows", "boxes", "places", "forms", "kinds", "fixes", "totals"} <= told.keys()
    assert page("select", layer="dense_0").keys() == {"selected"}
    assert page.messages == [{"patch": {"selected": "dense_0"}}]
    changed = page("set", layer="dense_0", options={"units": 12})
    assert changed.keys() == {"text", "forms", "rows", "boxes", "arrows", "totals", "can_undo"} - {"arrows"}
    assert list(changed["rows"]) == list(changed["boxes"]) == list(changed["forms"]) == ["dense_0"]
    assert builder.model.output_shape == (None, 12)
    assert page("hello").keys() == told.keys()


@settings(max_examples=8, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_what_a_page_was_told_is_what_there_is(steps):
    builder = Builder("%%axon m\nx = input((None, 8, 8))\nx\n| dense(8)\n| relu() | residual(dense(8))\n")
    page = Heard(builder)
    page("hello")
    for step in steps:
        do(builder, step)
    builder.undo()
    builder.redo()
    shown: dict = {}
    for message in page.every:
        assert message.keys() <= {"patch", "parts", "grown"}
        shown |= message.get("patch", {})
        for name, told in message.get("parts", {}).items():
            before = shown.get(name, {})
            shown[name] = before | dict(told["put"])
            shown[name] = {one: shown[name][one] for one in told.get("order", before)}
    state = page.skin.state()
    assert {name: shown[name] for name in state} == state


def test_a_card_stands_beside_the_page_and_the_page_is_a_widget_only(monkeypatch):
    """A notebook that is saved and read without a kernel has the card, no stale widget and no address in a text."""
    sent = []
    monkeypatch.setattr("axon_nb.magic.output.publish", lambda data, display_id, update=False: sent.append(data))
    for shown in (Builder(DIGITS), what_if(Builder(DIGITS).model)):
        sent.clear()
        shown._ipython_display_()
        assert [set(data) for data in sent] == [
            {"text/plain", "text/html"},
            {"application/vnd.jupyter.widget-view+json"},
        ]
        assert sent[0]["text/plain"] == repr(shown.card)


def test_every_message_is_a_call():
    builder = Builder()
    page = Heard(builder)
    page("insert", layer="input")
    page("select", layer="input_0")
    page("set", layer="input_0", options={"shape": "None, 1, 28, 28"})
    page("rename", layer="input_0", name="image")
    page("insert", layer="conv", after="image")
    page("set", layer="conv_0", options={"kernel_size": "3, 5", "padding": "same", "use_bias": False})
    page("duplicate", layer="conv_0")
    page("wrap", layer="conv_1", last=None)
    page("undo")
    page("redo")
    page("insert", layer="flatten", after=builder.layers[-1])
    page("insert", layer="dense")
    page("move", layer="flatten_0", by=-1)
    page("undo")
    page("branch", layer="dense_0", other="dense", by="concatenate")
    page("text", text=builder.text + "| softmax()\n")
    assert builder.error is None
    assert builder.layers[-1] == "softmax_0"
    fields = form(page("hello"), "conv_0")
    assert fields["kernel_size"] == "(3, 5)"
    assert fields["padding"] == "same"
    assert fields["use_bias"] is False
    page("select", layer="softmax_0")
    assert page("delete", layer="softmax_0")["selected"] != "softmax_0"


def test_an_error_is_told_with_fixes_that_can_be_taken():
    builder = Builder(DIGITS)
    page = Heard(builder)
    page("hello")
    told = page("insert", layer="conv", after="flatten_0")
    assert "does not fit" in [row["shape"] for row in told["rows"].values()]
    assert "conv 'conv_1'" in told["error"]
    assert told["fixes"]
    told = page("fix", words=told["fixes"][0])
    assert told["error"] == ""
    assert "no such fix" in page("fix", words="rm -rf")["notice"]


@pytest.mark.parametrize(
    "message",
    [
        None, 3, [], "delete", {}, {"do": "__init__"}, {"do": "eval", "text": "1"}, {"do": "delete"},
        {"do": "delete", "layer": 3}, {"do": "delete", "layer": "nothing"}, {"do": "set", "layer": "dense_0"},
        {"do": "set", "layer": "dense_0", "options": {"units": "__import__('os')"}},
        {"do": "set", "layer": "dense_0", "options": {"units": {"__class__": 1}}},
        {"do": "set", "layer": "dense_0", "options": {"activation": "exec"}},
        {"do": "set", "layer": "dense_0", "options": {"kernel_initializer": "lambda s, g: 1"}},
        {"do": "set", "layer": "dense_0", "options": {"__class__": 1}},
        {"do": "set", "layer": "dense_0", "options": {"units": "9" * 100_000}},
        {"do": "insert", "layer": "__import__('os')"}, {"do": "insert", "layer": "dense | exit()"},
        {"do": "insert", "layer": ["dense"]}, {"do": "move", "layer": "dense_0", "by": 7},
        {"do": "move", "layer": "dense_0", "by": True, "after": None},
        {"do": "branch", "layer": "dense_0", "other": "exit", "by": "add"},
        {"do": "branch", "layer": "dense_0", "other": "dense", "by": "__import__('os').abort"},
        {"do": "join", "layer": "dense_0", "other": "flatten_0", "by": "exit"}, {"do": "text", "text": 3},
        {"do": "text", "text": "__import__('os').abort()"},
        {"do": "fix", "words": 0}, {"do": "wrap", "layer": "dense_0", "last": {}},
        {"do": "rename", "layer": "dense_0", "name": {"a": 1}},
    ],
)  # fmt: skip
def test_forged_messages_are_refused_and_change_nothing(message):
    builder = Builder(DIGITS)
    page = Heard(builder)
    page("hello")
    page.messages.clear()
    page.skin.take(message)
    assert builder.text == DIGITS
    assert page.state()["notice"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    builder = Builder(DIGITS)
    page = Heard(builder)
    page("hello")
    told = page("rename", layer="dense_0", name=name)
    if "." not in name:
        assert name in builder.layers
        assert name in told["rows"]
        assert Builder(builder.text).text == builder.text
        assert "<img src=x" not in told["boxes"][name]
        assert "<img src=x" not in builder.card._repr_html_()
    assert "boxes" not in page("insert", layer=name)
    told = page("text", text=DIGITS.replace("image", name.replace("'", "").replace('"', "")))
    assert all("<img src=x" not in box for box in told.get("boxes", {}).values())
    assert not list(tmp_path.iterdir())


def test_what_if_turns_every_number():
    model = (
        ax.input((None, 1, 28, 28), name="image")
        | ax.conv(8, 3, padding=1)
        | ax.flatten()
        | ax.dropout(0.5)
        | ax.dense(10)
    )
    tried = what_if(model)
    assert {"image.shape[2]", "conv_0.units", "conv_0.kernel_size", "dropout_0.rate", "dense_0.units"} <= set(
        tried.values
    )
    page = Heard(tried)
    before = page("hello")["costs"]
    told = page("turn", name="dense_0.units", value=20)
    assert tried.model.output_shape == (None, 20)
    assert told["costs"]["parameters"] == f"{tried.report.totals.trainable:,}" != before["parameters"]
    page("turn", name="image.shape[3]", value=14)
    assert tried.model.output_shape == (None, 20)
    assert tried.report.rows[1].shape == (None, 8, 28, 14)
    page("turn", name="dropout_0.rate", value=0.25)
    assert "below 1" in page("turn", name="dropout_0.rate", value=1)["notice"]
    assert tried.values["dropout_0.rate"] == 0.25
    assert page("turn", name="conv_0.kernel_size", value=31)["error"]
    assert page("reset")["costs"] == before
    assert model.output_shape == (None, 10)
    for forged in ({"name": "x"}, {"name": "dense_0.units", "value": "9"}, {"name": "dense_0.units", "value": 2.5}, {}):
        assert page("turn", **forged)["notice"]
    for number in tried.numbers:
        assert number.low <= number.value <= number.high


def test_live_follows_a_variable():
    names = {}
    view = Live("net", names)
    page = Heard(view)
    assert page("hello")["note"] == "there is no model called net yet"
    names["net"] = ax.input((None, 4)) | ax.dense(2)
    view.look()
    assert len(page.state()["rows"]) == 2
    names["net"] = "text"
    view.look()
    assert page.messages[-1]["parts"]["rows"] == {"put": [], "order": []}


def test_live_follows_a_builder_and_the_variable_of_one_while_no_cell_runs():
    builder = Builder(DIGITS)
    names = {"net": builder}
    view = Live("net", names)
    builder.insert("relu")
    assert len(view.report.rows) == 5
    session = Session(library(), variables=names, bind=names.update)
    names["own"] = ax.input((None, 4)) | ax.dense(2)
    built, other = build(session, ["own"]), Live("own", names)
    page = Heard(other)
    page("hello")
    page.messages.clear()
    built.insert("softmax")
    assert list(page.state()["rows"]) == ["softmax_0"]
    built.select("dense_0")
    built.insert("conv", units=3, kernel_size=3)
    assert "softmax_0" in other.report.rows[-1].name


def blobs(samples=256):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, samples)
    return (rng.normal(size=(samples, 4)) * 0.3 + np.eye(3, 4)[y] * 2).astype("float32"), y


def small():
    return ax.input((None, 4), name="x") | ax.dense(16, "relu") | ax.dense(3, "softmax")


def test_a_trainer_starts_pauses_changes_the_rate_resumes_and_looks_back():
    trainer = Trainer(small(), blobs(), epochs=400, batch_size=16, learning_rate=0.01)
    page = Heard(trainer)
    assert page("hello")["status"] == "ready"
    assert "not begun" in page("pause")["notice"]
    page("start")
    assert "already" in page("start")["notice"]
    assert page("pause")["status"] == "paused"
    steps = trainer.progress["steps"]
    page("rate", value=0.002)
    assert page("rate", value=-1)["notice"]
    assert trainer.progress["steps"] == steps
    page("resume")
    for _ in range(600):
        if len(trainer.checkpoints) >= 3:
            break
        trainer.wait(0.1)
    page("stop")
    trainer.wait(20)
    assert trainer.status == "halted"
    assert trainer.learning_rate == pytest.approx(0.002)
    first, last = min(trainer.checkpoints), max(trainer.checkpoints)
    told = page("hello")
    assert told["epoch"] == last
    assert len(told["samples"]) == 8
    assert {one["name"] for one in told["weights"]} == {
        "dense_0.kernel",
        "dense_0.bias",
        "dense_1.kernel",
        "dense_1.bias",
    }
    assert page("look", epoch=first)["epoch"] == first
    assert "no weights of epoch" in page("look", epoch=10**6)["notice"]
    assert trainer.at(first).predict(trainer.samples).shape == (8, 3)
    assert trainer.trained.epochs == len(trainer.history["loss"])
    assert len(trainer.checkpoints) <= 24


def test_a_trainer_tells_a_page_ten_times_a_second_at_most_and_nothing_twice():
    trainer = Trainer(small(), blobs(64), epochs=300, batch_size=32)
    page = Heard(trainer)
    page("hello")
    page.messages.clear()
    began = time.monotonic()
    page.skin.take({"do": "start"})
    trainer.wait(120)
    took = time.monotonic() - began
    for _ in range(100):  # the last is told when the thread has ended
        if page.state()["status"] == "completed":
            break
        time.sleep(0.05)
    assert page.state()["status"] == "completed"
    assert len(page.messages) <= 10 * took + 4
    grown = [message.get("grown", {}) for message in page.messages]
    losses = [value for told in grown for value in told.get("history.loss", {}).get("add", [])]
    assert losses == [pytest.approx(value, abs=1e-6) for value in trainer.history["loss"]]
    assert len(losses) == 300
    assert sum("pictures" in message.get("patch", {}) for message in page.messages) == 0
    told = page("hello")
    assert [one["said"] for one in told["samples"]]
    assert told["history.loss"] == losses


def test_numbers_that_are_none_and_a_training_that_bursts_are_told():
    x, y = blobs()

    def nothing(y_true, y_pred):
        return y_pred.mean() * float("nan")

    trainer = Trainer(small(), (x, y), epochs=2, metrics=(nothing,))
    page = Heard(trainer)
    page("start")
    trainer.wait(60)
    assert page("hello")["history.nothing"] == [None, None]
    bursting = Trainer(ax.input((None, 4)) | ax.dense(1), (x, y.astype("float32")[:, None]), learning_rate=1e30,
                       optimizer="sgd")  # fmt: skip
    page = Heard(bursting)
    page("start")
    bursting.wait(60)
    assert "the loss became inf in epoch 1" in page("hello")["error"]


def test_a_trainer_tells_why_it_failed_and_can_begin_again():
    x, y = blobs()
    trainer = Trainer(small(), (x, y), epochs=2)
    trainer.start()
    trainer.wait(30)
    assert trainer.status == "completed"
    assert trainer.history["loss"][0] > trainer.history["loss"][-1]
    trainer.start()
    trainer.wait(30)
    assert len(trainer.history["loss"]) == 2
    wrong = Trainer(small(), (x[:, :3], y))
    assert "does not fit" in Heard(wrong)("start")["notice"]
    assert wrong.status == "ready"


def test_an_explorer_runs_to_the_chosen_layer_alone():
    x, _ = blobs(10)
    model = small()
    compiled = model.compile()
    explorer = Explorer(compiled, x)
    page = Heard(explorer)
    told = page("hello")
    assert told["draws"] is False
    told = page("select", layer="dense_0")
    assert told["output"][0]["kind"] == "bars"
    assert [one["name"] for one in told["weights"]] == ["kernel", "bias"]
    np.testing.assert_allclose(explorer.output("dense_1"), compiled(x), rtol=1e-5)
    kernel, bias = explorer.weights("dense_0")["kernel"], explorer.weights("dense_0")["bias"]
    np.testing.assert_allclose(explorer.output("dense_0"), np.maximum(x @ kernel + bias, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(explorer.dead("dense_0"), (x @ kernel + bias <= 0).all(0))
    assert page("show", sample=3)["sample"] == 3
    assert "0 to 9" in page("show", sample=10)["notice"]
    assert "no single picture" in page("draw", pixels=[[0.0]])["notice"]


def test_an_explorer_shows_where_each_head_looks():
    model = (
        ax.input((None, 6, 8), name="x")
        | ax.multi_head_attention(heads=4, causal=True)
        | ax.multi_head_attention(heads=2)
    )
    x = np.random.default_rng(0).normal(size=(5, 6, 8)).astype("float32")
    explorer = Explorer(model.compile(), x)
    page = Heard(explorer)
    page("hello")
    told = page("select", layer="multi_head_attention_0")["attention"]
    assert [len(one["maps"]) for one in told] == [4]
    (heads,) = explorer.attention()
    assert heads.shape == (4, 6, 6)
    np.testing.assert_allclose(heads.sum(-1), 1, rtol=1e-5)
    assert (np.triu(heads, 1) == 0).all()
    weights = explorer.weights()

    def project(role):
        made = x[:1] @ weights[f"{role}_kernel"] + weights[f"{role}_bias"]
        return made.reshape(1, 6, 4, 2).transpose(0, 2, 1, 3)

    scores = (project("query") @ project("key").swapaxes(-1, -2))[0] / np.sqrt(2)
    scores = np.where(np.tril(np.ones((6, 6), bool)), scores, -np.inf)
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    np.testing.assert_allclose(heads, powers / powers.sum(-1, keepdims=True), rtol=1e-4, atol=1e-6)
    assert page("select", layer="x")["attention"] == []
    page("show", sample=3)
    assert not np.allclose(explorer.attention("multi_head_attention_0")[0], heads)


def test_an_explorer_runs_no_layer_behind_the_chosen_one_but_for_the_answer():
    ran = []

    @ax.layer
    def counted(x, number: int):
        ran.append(number)
        return x * 1

    model = ax.input((None, 4), name="x") | counted(1) | counted(2) | counted(3)
    explorer = Explorer(model.compile(), np.ones((2, 4), "float32"))
    ran.clear()
    explorer.output("counted_1")
    assert set(ran) == {1, 2}


def test_gradients_of_an_explorer_are_those_of_the_answer():
    x, _ = blobs(4)
    model = ax.input((None, 4), name="x") | ax.dense(3)
    explorer = Explorer(model.compile(), x)
    explorer.show(2)
    best = int(explorer.predict().argmax())
    wanted = np.zeros((4, 3))
    wanted[:, best] = x[2]
    np.testing.assert_allclose(explorer.gradients("dense_0")["kernel"], wanted, rtol=1e-6)


def test_a_drawing_is_brought_to_the_models_size():
    model = ax.input((None, 1, 8, 8), name="image") | ax.conv(2, 3, activation="relu") | ax.flatten() | ax.dense(3)
    explorer = Explorer(model.compile(), np.random.default_rng(0).uniform(size=(4, 1, 8, 8)).astype("float32"))
    pixels = np.zeros((28, 28))
    pixels[2:10, 2:6] = 1
    page = Heard(explorer)
    page("hello")
    told = page("draw", pixels=pixels.tolist())
    assert told["drawn"] is True
    assert explorer.drawn["image"].shape == (1, 1, 8, 8)
    assert page("select", layer="conv_0")["output"][0]["kind"] == "maps"
    hurried = page("draw", pixels=(pixels.T).tolist(), more=True)
    assert hurried["answer"]["flat"] is True
    assert [one["gradient"] for one in hurried["weights"]] == [None, None]
    assert None not in [one["gradient"] for one in page("draw", pixels=pixels.tolist(), more=False)["weights"]]
    mass = explorer.drawn["image"][0, 0] - explorer.drawn["image"].min()
    middle = (mass.sum(1) * np.arange(8)).sum() / mass.sum()
    assert abs(middle - 3.5) < 0.6
    for forged in (None, "x", [[1, 2]], [["a"]], [[float("nan")]], [[1.0] * 300] * 300, [[[1]]], [[{}]]):
        assert page("draw", pixels=forged)["notice"]
    assert page("show", sample=0)["drawn"] is False


def test_the_command_opens_a_builder_that_a_variable_follows():
    variables = {"net": ax.input((None, 4), name="x") | ax.dense(2)}
    session = Session(library(), variables=variables, bind=variables.update)
    builder = build(session, ["net"])
    builder.insert("softmax")
    assert variables["net"].output_shape == (None, 2)
    assert "softmax_0" in variables["net"].names.values()
    assert session.versions["net"][-1].text == builder.text
    builder.insert("conv", units=3, kernel_size=3)
    assert builder.error is not None
    assert "conv_0" not in variables["net"].names.values()
    empty = build(session, ["fresh"])
    empty.insert("input", shape=(None, 3))
    assert variables["fresh"].output_shape == (None, 3)
    for wrong in (["dense"], ["a", "b"], ["variables"], ["1"]):
        variables["variables"] = 3
        with pytest.raises(CellError):
            build(session, wrong)


@pytest.mark.parametrize("name", ["Builder", "Explorer", "Trainer", "live", "what_if"])
def test_every_widget_is_found_at_the_top(name):
    assert getattr(ax, name).__module__.startswith("axon_nb.widgets")


def test_a_fix_that_an_error_offers_becomes_a_change_of_the_text():
    text = DIGITS.replace("| dense(10", "# the head\n| dense(10").replace(
        "| flatten()\n", "| flatten()  # flat\n| max_pool(2)\n"
    )
    builder = Builder(text)
    assert builder.error is not None
    assert builder.fixes
    for number in range(len(builder.fixes)):
        builder.fix(number)
        assert builder.error is None
        assert "# the head" in builder.text
        builder.undo()
        assert builder.text == text
