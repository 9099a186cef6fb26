"""The builder: edits of a text by calls, each of which leaves the rest of the text as the user wrote it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_edits import STEPS, do

import axon_nb as ax
from axon_nb.errors import AxonError, CellError, DeclarationError, OptionError, UnknownNameError
from axon_nb.widgets.builder import Builder
from axon_nb.widgets.document import EditError

DIGITS = """%%axon mnist
# digits
input((None, 1, 28, 28), name="image")   # the picture
| conv(32, kernel_size=3, activation="relu") | max_pool(2)
| flatten()
# the head
|> dense(10, activation="softmax")  # ten digits
"""


def body(builder):
    return builder.text.partition("\n")[2]


def edited(text, method, *args, **kwargs):
    builder = Builder(text)
    getattr(builder, method)(*args, **kwargs)
    return body(builder)


def test_from_nothing_to_a_model_that_runs():
    builder = Builder()
    assert builder.model is None
    assert isinstance(builder.error, CellError)
    builder.insert("input", shape=(None, 1, 28, 28), name="image")
    builder.insert("conv", units=8, kernel_size=3, activation="relu")
    builder.insert("flatten")
    builder.insert("dense", units=10)
    assert builder.layers == ["image", "conv_0", "flatten_0", "dense_0"]
    assert builder.model.output_shape == (None, 10)
    assert body(builder) == (
        'input((None, 1, 28, 28), name="image")\n'
        '| conv(8, kernel_size=3, activation="relu")\n| flatten()\n| dense(10)\n'
    )


@pytest.mark.parametrize(
    ("text", "call", "after"),
    [
        # insert: on a line of its own where pipes begin lines, behind the comment of the line before
        ("x\n| relu()  # bend\n| tanh()", ("insert", "dense", {"after": "relu_0", "units": 3}),
         "x\n| relu()  # bend\n| dense(3)\n| tanh()"),
        # in line where the pipe stands in one line
        ("x | relu() | tanh()  # both", ("insert", "dense", {"after": "relu_0", "units": 3}),
         "x | relu() | dense(3) | tanh()  # both"),
        ("x | relu()  # bend", ("insert", "tanh", {}), "x | relu() | tanh()  # bend"),
        ("x\n| relu() | tanh()", ("insert", "dense", {"after": "relu_0", "units": 3}),
         "x\n| relu() | dense(3) | tanh()"),
        ("x\n    |> relu()", ("insert", "tanh", {}), "x\n    |> relu()\n    |> tanh()"),
        ("x\n| relu()", ("insert", "tanh", {"before": "relu_0"}), "x\n| tanh()\n| relu()"),
        ("y = x\ny | relu()", ("insert", "tanh", {"after": "relu_0"}), "y = x\ny | relu() | tanh()"),
        # inside brackets
        ("x | residual(dense(4) | relu())", ("insert", "tanh", {"after": "dense_0"}),
         "x | residual(dense(4) | tanh() | relu())"),
        ("x | residual(dense(4))", ("insert", "tanh", {"before": "dense_0"}), "x | residual(tanh() | dense(4))"),
        # + binds more than |
        ("x + (x | dense(4))", ("insert", "tanh", {"after": "add_0"}), "x + (x | dense(4))\n| tanh()"),
        ("dense(4)(x) + x", ("insert", "tanh", {"after": "dense_0"}), "(dense(4)(x) | tanh()) + x"),
        # delete
        ("x\n| relu()  # bend\n| tanh()", ("delete", "relu_0", {}), "x\n| tanh()"),
        ("x | relu() | tanh()", ("delete", "relu_0", {}), "x | tanh()"),
        ("x\n| relu() | tanh()", ("delete", "relu_0", {}), "x\n| tanh()"),
        ("x |  # first\n relu() | tanh()", ("delete", "relu_0", {}), "x   # first\n  | tanh()"),
        ("x\n# one\n| relu()\n# two\n| tanh()", ("delete", "relu_0", {}), "x\n# one\n# two\n| tanh()"),
        ("x | residual(dense(4))", ("delete", "dense_0", {}), "x | residual(noop())"),
        ("x | add(dense(4), relu(), tanh())", ("delete", "relu_0", {}), "x | add(dense(4), tanh())"),
        ("x + (x | tanh())", ("delete", "add_0", {}), "x"),
        ("x | residual(relu()\n  | tanh())", ("delete", "tanh_0", {}), "x | residual(relu())"),
        # duplicate
        ('x\n| dense(4, name="a")', ("duplicate", "a", {}), 'x\n| dense(4, name="a")\n| dense(4)'),
        ('x\n| dense(name="a", units=4)', ("duplicate", "a", {}), 'x\n| dense(name="a", units=4)\n| dense(units=4)'),
        # move
        ("x\n| relu()  # bend\n| tanh()", ("move", "tanh_0", {"by": -1}), "x\n| tanh()\n| relu()  # bend"),
        ("x | relu() | tanh()  # two", ("move", "relu_0", {"by": 1}), "x | tanh() | relu()  # two"),
        ("x | relu() | residual(dense(4)) | tanh()", ("move", "relu_0", {"after": "dense_0"}),
         "x | residual(dense(4) | relu()) | tanh()"),
        ("x | relu() | sigmoid() | tanh()", ("move", "tanh_0", {"after": "relu_0"}),
         "x | relu() | tanh() | sigmoid()"),
        ("x | residual(relu() | dense(4))", ("move", "relu_0", {"by": 1}), "x | residual(dense(4) | relu())"),
        # set
        ("x | dense(4)", ("set", "dense_0", {"units": 6}), "x | dense(6)"),
        ("x | dense(units=2 + 2)", ("set", "dense_0", {"units": 6}), "x | dense(units=6)"),
        ("x | dense(4,)", ("set", "dense_0", {"use_bias": False}), "x | dense(4, use_bias=False)"),
        ("x | dense(\n    4,  # few\n)", ("set", "dense_0", {"activation": "relu"}),
         "x | dense(\n    4, activation=\"relu\"  # few\n)"),
        ('x | dense(4, activation="relu", use_bias=False)', ("set", "dense_0", {"activation": None}),
         "x | dense(4, use_bias=False)"),
        ("x | softmax", ("set", "softmax_0", {"axis": 1}), "x | softmax(axis=1)"),
        ("x | relu()", ("rename", "relu_0", {"name": 'it"s'}), "x | relu(name='it\"s')"),
        ('x | relu(name="a")', ("rename", "a", {"name": None}), "x | relu()"),
        # wrap and branch
        ("x | dense(4) | relu() | tanh()", ("wrap", "dense_0", {"last": "relu_0"}),
         "x | residual(dense(4) | relu()) | tanh()"),
        ("x | dense(4) | tanh()", ("branch", "dense_0", {"other": "dense", "units": 3}),
         "x | concatenate(dense(4), dense(3)) | tanh()"),
        # join
        ("x | dense(4) | relu()", ("join", "x", {"second": "relu_0"}),
         "h = x\nh | dense(4) | relu()\n(joined, h)\n| add()"),
    ],
)  # fmt: skip
def test_an_edit_changes_what_it_must_and_nothing_else(text, call, after):
    method, layer, kwargs = call
    start = '%%axon m\nx = input((None, 4), name="x")  # four numbers\n'
    builder = Builder(start + text + "\n")
    assert builder.error is None
    if method == "join":
        after = "h = x\njoined = h | dense(4) | relu()\n(joined, h)\n| add()"
        assert layer == "x"
        layer = "dense_0"
        after = "h = x | dense(4)\njoined = h\n| relu()\n(joined, h)\n| add()"
    getattr(builder, method)(layer, **kwargs)
    assert builder.text == start + after + "\n"
    builder.undo()
    assert builder.text == start + text + "\n"


def test_the_text_of_the_digits_keeps_its_comments_and_layout():
    builder = Builder(DIGITS)
    builder.insert("dense", after="flatten_0", units=64, activation="relu")
    builder.set("dense_0", units=128)
    builder.rename("dense_0", "hidden")
    builder.move("hidden", 1)
    lines = builder.text.splitlines()
    assert lines[1] == "# digits"
    assert lines[2].endswith("# the picture")
    assert lines[5:] == [
        '| dense(10, activation="softmax")  # ten digits',
        "# the head",
        '|> dense(128, activation="relu", name="hidden")',
    ]  # fmt: skip


def test_a_header_that_names_the_input():
    builder = Builder("%%axon net(latent: 8)\n| relu()\n")
    builder.insert("dense", before="relu_0", units=3)
    builder.insert("tanh")
    assert builder.text == "%%axon net(latent: 8)\n| dense(3)\n| relu()\n| tanh()\n"
    assert builder.model.output_shape == (None, 3)
    builder.join("dense_0", "tanh_0")
    assert builder.error is None
    assert builder.model.find("add_0")
    with pytest.raises(EditError, match="not written in this text"):
        builder.delete("latent")


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "error", "match"),
    [
        ("insert", ("dens",), {}, UnknownNameError, "did you mean 'dense'"),
        ("insert", ("dense",), {"units": -1}, OptionError, "units must be a whole number of at least 1"),
        ("insert", ("dense",), {"width": 1}, OptionError, "there is no dense option 'width'"),
        ("insert", ("dense",), {"after": "dense_9"}, EditError, "there is no layer 'dense_9'"),
        ("insert", ("dense",), {"after": "image", "before": "conv_0"}, EditError, "not both"),
        ("insert", ("relu",), {"name": "a.b"}, DeclarationError, "a name is text"),
        ("set", ("dense_0",), {"units": "many"}, OptionError, "units must be"),
        ("set", ("dense_0",), {"activation": len}, OptionError, "write functions in the text"),
        ("set", ("image",), {"shape": (0,)}, AxonError, "at least 1"),
        ("move", ("image", 1), {}, EditError, "what begins a pipe"),
        ("move", ("conv_0", -1), {}, EditError, "first already"),
        ("move", ("dense_0", 1), {}, EditError, "last already"),
        ("move", ("dense_0", 3), {}, EditError, "by is 1 or -1"),
        ("wrap", ("image",), {}, EditError, "what begins a pipe"),
        ("join", ("conv_0", "conv_0"), {}, EditError, "two layers are joined"),
        ("join", ("conv_0", "dense_0", "glue"), {}, UnknownNameError, "no way to join 'glue'"),
        ("delete", ('__import__("os")',), {}, EditError, "there is no layer"),
        ("fix", (0,), {}, EditError, "no such fix"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(method, args, kwargs, error, match):
    builder = Builder(DIGITS)
    with pytest.raises(error, match=match):
        getattr(builder, method)(*args, **kwargs)
    assert builder.text == DIGITS
    assert not builder.can_undo


def test_an_invalid_text_is_kept_and_the_last_valid_model_too():
    builder = Builder(DIGITS)
    good = builder.model
    builder.text = DIGITS.replace("flatten()", "flatten(")
    assert isinstance(builder.error, CellError)
    assert builder.model is good
    assert builder.layers == []
    with pytest.raises(EditError, match="cannot be read"):
        builder.delete("conv_0")
    builder.undo()
    assert builder.error is None


def test_a_call_that_fails_leaves_the_rows_up_to_it_and_can_be_set_right():
    builder = Builder(DIGITS.replace("dense(10", "dense(-10"))
    rows = {row.name: row.status for row in builder.report.rows}
    assert rows == {"image": "ok", "conv_0": "ok", "max_pool_0": "ok", "flatten_0": "ok", "dense_0": "failed"}
    assert "units must be" in str(builder.error)
    assert "units=128" in builder.fixes
    builder.set("dense_0", units=10)
    assert builder.text == DIGITS


def test_a_name_that_is_not_there_has_the_nearest_as_a_fix():
    builder = Builder(DIGITS.replace("max_pool", "maxpool"))
    statuses = [row.status for row in builder.report.rows]
    assert statuses == ["ok", "ok", "failed", "pending", "pending"]
    builder.fix(builder.fixes.index("write max_pool"))
    assert builder.text == DIGITS


def test_a_layer_that_does_not_fit_can_be_left_out():
    builder = Builder(DIGITS)
    builder.insert("conv", units=4, kernel_size=3, after="flatten_0")
    assert [row.status for row in builder.report.rows][-2:] == ["failed", "pending"]
    builder.fix(builder.fixes.index("leave conv_1 out"))
    assert builder.text == DIGITS


def test_a_model_without_an_input_shows_what_is_written():
    builder = Builder("%%axon\ndense(3) | relu()\n")
    assert [row.name for row in builder.report.rows] == ["dense_0", "relu_0"]
    assert "no input yet" in str(builder.error)
    builder.insert("input", shape=(None, 4), before="dense_0")
    assert body(builder) == "input((None, 4)) | dense(3) | relu()\n"
    assert builder.model.output_shape == (None, 3)


def test_the_cell_of_a_model_is_opened_with_its_comments():
    model = Builder(DIGITS).model
    assert Builder(model).text == DIGITS


@ax.layer
def scaled(scope, x, start: float = 1.0):
    return x * scope.param("scale", (x.shape[-1],), start)


class Table:
    def __init__(self):
        self.weights = ax.Tensor.ones(4, 3)

    def __call__(self, x):
        return x @ self.weights


def some():
    """Models of every shape: joined, shared, of several outputs, with code of the user's own."""
    a, b = ax.input((None, 4), name="a"), ax.input((None, 4), name="b")
    x = ax.input((None, 6, 8), name="x")
    shared = ax.dense(3)
    generator = ax.input((None, 5), name="latent") | ax.dense(4, "tanh")
    return {
        "composed": ax.compose(generator=generator, judge=a | ax.dense(1)),
        "shared": (a | shared, b | shared) | ax.concatenate(),
        "several outputs": ax.outputs(logits=a | ax.dense(2), box=b | ax.dense(4)),
        "residual": x | ax.residual(ax.dense(8) | ax.relu()) | ax.global_avg_pool(),
        "state": (x | ax.lstm(8, return_state=True))[0] | ax.dense(2),
        "side by side": (a, b) | ax.parallel(ax.dense(2), ax.dense(3)) | ax.concatenate(),
        "sum": (a | ax.dense(4)) + b,
        "function": a | (lambda t: t.clip(0, 6)) | ax.dense(2),
        "own layer": a | scaled(2.0) | scaled(3.0),
        "object": a | Table() | ax.relu(),
        "own initializer": a | ax.dense(2, kernel_initializer=lambda shape, generator: ax.Tensor.ones(*shape)),
    }


@pytest.mark.parametrize("name", some())
def test_a_model_of_any_shape_can_be_opened(name):
    model = some()[name]
    builder = Builder(model)
    assert builder.error is None
    assert list(builder.model.params.values()) == list(model.params.values())
    assert builder.model.output_shape == model.output_shape
    before = builder.text
    if "# needs" not in before:  # and where, which is another place now
        assert builder.model.code("net") == model.code("net")
    assert Builder(builder.model, names=builder.names).text == before
    for layer in builder.layers:
        with contextlib.suppress(AxonError):
            builder.duplicate(layer)
            assert builder.layers != list(model.names.values())
            builder.undo()
    assert builder.text == before


def test_data_gives_an_empty_builder_its_input():
    np = pytest.importorskip("numpy")
    builder = Builder(data=(np.zeros((5, 3, 8, 8), "float32"), np.zeros(5)))
    assert builder.model.output_shape == (None, 3, 8, 8)
    builder = Builder(data={"a": np.zeros((5, 3), "float32"), "b": np.zeros((5, 2), "float32")})
    assert builder.model.output_shape == (None, 5)


def test_the_users_own_layers_can_be_inserted_and_set():
    @ax.layer
    def scaled(x, by: float = 2.0):
        return x * by

    builder = Builder("%%axon\ninput((None, 4), name='x')\n", names={"scaled": scaled})
    builder.insert("scaled", by=3.0)
    builder.set("scaled_0", by=4.0)
    assert body(builder) == "input((None, 4), name='x')\n| scaled(by=4.0)\n"
    assert "scaled" in builder.palette_names()


def test_listeners_hear_of_every_change():
    heard = []
    builder = Builder(DIGITS)
    builder.on_change(lambda: heard.append(builder.text))
    builder.delete("max_pool_0")
    builder.undo()
    builder.select("conv_0")
    assert len(heard) == 3
    assert heard[-1] == DIGITS


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.lists(STEPS, min_size=100, max_size=100))
def test_after_any_hundred_edits_as_many_undos_give_the_first_model(steps):
    text = "%%axon m\nx = input((None, 8, 8))  # begin\nx\n| dense(8)  # one\n| relu() | residual(dense(8))\n# end\n"
    builder = Builder(text)
    first, texts = builder.model, [text]
    for step in steps:
        do(builder, step)
        if builder.text != texts[-1]:
            texts.append(builder.text)
        assert builder.model is not None
    for before in reversed(texts[:-1]):
        builder.undo()
        assert builder.text == before
    assert not builder.can_undo
    assert builder.error is None
    assert builder.model is first
    for after in texts[1:]:
        builder.redo()
        assert builder.text == after


@settings(max_examples=25, deadline=None)
@given(st.lists(STEPS, max_size=6))
def test_comments_stay_unless_their_line_goes_and_the_text_is_stable(steps):
    text = "%%axon m\n# top\nx = input((None, 8, 8))\n# middle\nx\n| dense(8)\n| relu()\n# end\n"
    builder = Builder(text)
    for step in steps:
        if not do(builder, step):
            continue
        for comment in ("# top", "# middle", "# end"):
            assert builder.text.count(comment) == 1
        again = Builder(builder.text)
        assert again.text == builder.text
        assert again.layers == builder.layers
