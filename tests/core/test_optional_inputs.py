"""Inputs that may be left out: of layers (a mask, first states), and of models; constants; containers."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import DataError, DeclarationError, GraphError, ShapeError, UnknownNameError

X = ax.input((None, "time", 3), name="x")
TOKENS = ax.input((None, "time"), dtype="int32", name="tokens")
RNG = np.random.default_rng(0)


@ax.layer
def scaled(x, factor: Tensor | None = None, shift: Tensor | None = None, *, times: int = 1):
    x = x if factor is None else x * factor
    return (x if shift is None else x + shift) * times


FLAT = ax.input((None, 2), name="flat")
FACTOR, SHIFT = (ax.input((None, 2), name=name) for name in ("factor", "shift"))


@pytest.mark.parametrize(("build", "inputs", "result"), [
    (lambda: FLAT | scaled(), ["flat"], 1),
    (lambda: (FLAT, FACTOR) | scaled(), ["flat", "factor"], 2),
    (lambda: (FLAT, FACTOR, SHIFT) | scaled(times=2), ["flat", "factor", "shift"], 14),
    (lambda: scaled(FLAT, shift=SHIFT), ["flat", None, "shift"], 6),
    (lambda: scaled(times=3)(FLAT, shift=SHIFT), ["flat", None, "shift"], 18),
    (lambda: scaled()(FLAT, None, SHIFT), ["flat", None, "shift"], 6),
    (lambda: {"shift": SHIFT, "x": FLAT} | scaled(), ["flat", None, "shift"], 6),
    (lambda: scaled(FLAT, factor=FACTOR, times=4), ["flat", "factor"], 8),
    (lambda: {"x": FLAT, "factor": FACTOR} | (scaled() | ax.relu()), ["flat", "factor"], 2),
    (lambda: (scaled() | ax.relu())(FLAT, shift=SHIFT), ["flat", None, "shift"], 6),
    (lambda: FLAT | scaled(ax.noop(), shift=lambda x: x * 5), ["flat", None, "flat"], 6),
])  # fmt: skip
def test_inputs_of_a_layer_by_place_by_name_and_left_out(build, inputs, result):
    model = build()
    node = next(node for node in model.nodes if node.op == "scaled")
    shown = [one and model.names[one] for one in node.inputs]
    assert [("flat" if name == "function_0" else name) for name in shown] == inputs
    assert node.parents == tuple(one for one in node.inputs if one)
    data = {"flat": 1, "factor": 2, "shift": 5}
    x = {model.names[n]: np.full((1, 2), data[model.names[n]], "float32") for n in model.inputs}
    assert model.output_shape == (None, 2)
    assert model.predict(model.init(), x).tolist() == [[result, result]]
    again = ax.compose(model, ax.input((None, 2)) | ax.noop() | (lambda x: x))  # composing copies nodes
    assert again.predict(again.init(), x).tolist() == [[result, result]]


@pytest.mark.parametrize(("build", "error", "words"), [
    (lambda: (FLAT,) * 4 | scaled(), GraphError,
     r"takes 1 to 3 inputs and got 4\n  fix: by name: scaled\(\)\(x, factor=factor, shift=shift\)"),
    (lambda: scaled()(None, FLAT), GraphError, "its input 'x' cannot be left out"),
    (lambda: scaled()(FLAT, FACTOR, factor=SHIFT), GraphError, "^scaled: input 'factor' is given twice"),
    (lambda: scaled()(FLAT, mask=SHIFT), GraphError, "there is no scaled input 'mask'"),
    (lambda: ax.add()(FLAT, mask=SHIFT), GraphError, "there is no add input 'mask'"),
    (lambda: (ax.dense(2) + ax.dense(2))(FLAT, mask=SHIFT), GraphError, "has no inputs with names"),
    (lambda: ax.layer(lambda a, *b: a), DeclarationError, "takes any number of inputs, and others beside them"),
])  # fmt: skip
def test_inputs_that_do_not_fit(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_declarations_that_make_no_sense():
    with pytest.raises(DeclarationError, match="'b' stands after 'a', which may be left out"):

        @ax.layer
        def first(a: Tensor | None = None, *, b: Tensor):
            return b

    with pytest.raises(DeclarationError, match=r"'a' may be left out, and its default is not None\n  fix: a: Tensor"):

        @ax.layer
        def second(x, a: Tensor | None = 3):
            return x

    with pytest.raises(DeclarationError, match=r"an annotation of layer 'third' is not one"):

        @ax.layer
        def third(x, a: "3 | None"):
            return x


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_masks_and_first_states_of_recurrent_layers(name):
    layer = getattr(ax, name)(4, return_state=True, name="rnn")
    states = ("hidden", "cell")[: 1 + (name == "lstm")]
    given = {key: ax.input((None, 4), name=key) for key in states}
    model = layer(X, mask=TOKENS | ax.mask(0), **given)
    sizes = {"x": (2, 5, 3), "tokens": (2, 5), **dict.fromkeys(states, (2, 4))}
    assert model.compute_output_shape(**sizes) == ((2, 5, 4), *[(2, 4)] * len(states))
    data = {key: RNG.normal(size=(2, 4)).astype("float32") for key in states}
    tokens = np.array([[3, 1, 2, 0, 0], [1, 1, 1, 1, 0]], "int32")
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    params = model.init()
    sequence, *last = model.predict(params, {"x": x, "tokens": tokens, **data})
    first = tuple(map(Tensor, data.values()))
    kernels = list(params["rnn"].values())
    expected, ends = getattr(functional, name)(
        Tensor(x), *kernels, initial=first if name == "lstm" else first[0], mask=Tensor(tokens != 0)
    )
    np.testing.assert_allclose(sequence, expected.numpy(), atol=1e-6)
    for one, other in zip(last, ends, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-6)
    np.testing.assert_array_equal(sequence[0, 2], sequence[0, 4])


def test_an_lstm_with_one_of_its_states():
    cell = ax.input((None, 4), name="cell")
    model = ax.lstm(4)(X, cell=cell)
    zeros = ax.lstm(4, name="lstm_0")(X, ax.input((None, 4), name="hidden"), cell)
    x = {"x": np.ones((1, 2, 3), "float32"), "cell": np.ones((1, 4), "float32")}
    expected = zeros.predict(model.init(), {**x, "hidden": np.zeros((1, 4), "float32")})
    np.testing.assert_array_equal(model.predict(model.init(), x), expected)


def test_states_that_are_returned_go_into_the_next_layer():
    memory = ax.input((None, "words", 3), name="memory")
    _, hidden, cell = memory | ax.lstm(4, return_state=True)
    assert ((X, hidden, cell) | ax.lstm(4)).output_shape == (None, "time", 4)
    with pytest.raises(ShapeError, match=r"lstm .*: the initial hidden state must have the shape"):
        _ = ((X, hidden, cell) | ax.lstm(5)).output_shape


def test_conv_lstm_takes_a_mask():
    maps = ax.input((None, 3, 1, 4, 4), name="maps")
    model = ax.conv_lstm(2, 3)(maps, mask=ax.input((None, 3), name="mask"))
    y = model.predict(model.init(), {"maps": np.ones((1, 3, 1, 4, 4), "float32"), "mask": [[1, 0, 0]]})
    np.testing.assert_array_equal(y[:, 0], y[:, 2])


def test_bidirectional_turns_the_sequence_and_the_mask_alone():
    hidden = ax.input((None, 4), name="hidden")
    model = ax.bidirectional(ax.gru(4))(X, hidden=hidden, mask=TOKENS | ax.mask(0))
    params = model.init()
    x, start = RNG.normal(size=(1, 4, 3)).astype("float32"), RNG.normal(size=(1, 4)).astype("float32")
    y = model.predict(params, {"x": x, "tokens": [[5, 6, 0, 0]], "hidden": start})
    short = model.predict(params, {"x": x[:, :2], "tokens": [[5, 6]], "hidden": start})
    np.testing.assert_allclose(y[:, :2], short, atol=1e-6)


def test_attention_takes_a_mask_by_name():
    model = ax.multi_head_attention(heads=1)(ax.input((None, "time", 4), name="x"), mask=TOKENS | ax.mask(0))
    x = RNG.normal(size=(1, 4, 4)).astype("float32")
    long = model.predict(model.init(), {"x": x, "tokens": [[5, 6, 0, 0]]})
    short = model.predict(model.init(), {"x": x[:, :2], "tokens": [[5, 6]]})
    np.testing.assert_allclose(long[:, :2], short, atol=1e-6)


EXTRA = ax.input((None, 2), name="extra", optional=True)


def branched():
    return ax.or_else(EXTRA | ax.dense(2, kernel_initializer="ones"), FLAT) + FLAT


def test_a_missing_value_flows_to_or_else():
    model = branched()
    params = model.init()
    assert params.count == 6
    ones = np.ones((3, 2), "float32")
    assert model.predict(params, {"flat": ones}).tolist() == [[2, 2]] * 3
    assert model.predict(params, {"flat": ones, "extra": None}).tolist() == [[2, 2]] * 3
    assert model.predict(params, (ones, None) if model.inputs[0].layer.name == "flat" else (None, ones)).shape == (3, 2)
    assert model.predict(params, ones).tolist() == [[2, 2]] * 3
    assert model.predict(params, {"flat": ones, "extra": ones}).tolist() == [[3, 3]] * 3
    assert model.apply(params, {"flat": ones})[0].tolist() == [[2, 2]] * 3
    assert "optional" in str(model.table())


def test_a_missing_mask_is_a_mask_left_out():
    mask = ax.input((None, "time"), name="mask", optional=True)
    model = ax.lstm(4)(X, mask=mask)
    x = np.ones((1, 3, 3), "float32")
    params = model.init()
    free = model.predict(params, x)
    np.testing.assert_array_equal(free, model.predict(params, {"x": x, "mask": np.ones((1, 3))}))
    assert not np.array_equal(free, model.predict(params, {"x": x, "mask": [[1, 0, 1]]}))


def test_a_missing_value_that_is_needed_is_an_error_that_names_the_layer():
    model = FLAT + (EXTRA | ax.dense(2) | ax.relu())
    with pytest.raises(
        DataError, match=r"^dense 'dense_0' \(.*\): needs input 'extra', which was left out\n  fix: give"
    ):
        model.predict(model.init(), {"flat": [[1.0, 2.0]]})
    with pytest.raises(DataError, match="no data for input 'flat'"):
        model.predict(model.init(), {"extra": [[1.0, 2.0]]})
    with pytest.raises(UnknownNameError, match="there is no input 'xtra'"):
        model.predict(model.init(), {"flat": [[1.0, 2.0]], "xtra": [[1.0, 2.0]]})


def test_or_else_takes_the_first_that_is_there_and_shapes_must_agree():
    a, b = (ax.input((None, 2), name=name, optional=True) for name in "ab")
    model = ax.or_else(a, b, FLAT)
    x = {name: np.full((1, 2), value, "float32") for name, value in (("a", 1), ("b", 2), ("flat", 3))}
    found = [model.predict(model.init(), {**x, **left}).tolist()[0][0]
             for left in ({}, {"a": None}, {"a": None, "b": None})]  # fmt: skip
    assert found == [1, 2, 3]
    with pytest.raises(ShapeError, match="the values to choose from differ in shape"):
        _ = ax.or_else(a, ax.input((None, 3))).output_shape
    assert (FLAT | ax.or_else(ax.dense(2), ax.noop())).output_shape == (None, 2)


def test_a_model_with_an_input_left_out_trains():
    model = branched()
    x, y = np.ones((8, 2), "float32"), np.zeros((8, 2), "float32")
    trained = model.fit(({"flat": x, "extra": x}, y), loss="mean_squared_error", epochs=2)
    assert trained.history["loss"][1] < trained.history["loss"][0]


def test_constants_begin_models():
    value = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    model = ax.constant(value)
    np.testing.assert_array_equal(model.predict(model.init(), {}), value)
    assert (ax.constant(2.0, name="two") | ax.relu()).output_shape == ()
    sum_ = FLAT + ax.constant([1.0, -1.0])
    assert sum_.output_shape == (None, 2)
    assert sum_.predict(sum_.init(), [[5.0, 5.0]]).tolist() == [[6, 4]]
    assert sum_.init().trainable.count == 0
    assert (FLAT | ax.constant(2.0)).output_shape == (None, 1)
    for block in (ax.noop() + ax.constant(2.0), ax.constant(2.0) + ax.noop(), ax.add(ax.noop(), ax.constant(2.0))):
        assert (FLAT | block).predict((FLAT | block).init(), [[1.0, 2.0]]).tolist() == [[3, 4]]


def test_inputs_that_are_containers():
    pair = ax.input({"left": (None, 2), "right": ((None, 2), (None, 1))}, name="pair")
    model = ax.concatenate(pair["left"] + pair["right"][0], pair["right"][1])
    assert [model.names[n] for n in model.inputs] == ["pair.left", "pair.right.0", "pair.right.1"]
    data = {"left": [[1.0, 2.0]], "right": ([[1.0, 1.0]], [[7.0]])}
    for x in ({"pair": data}, data, {"pair.left": data["left"], "pair": {"right": data["right"]}}):
        assert model.predict(model.init(), x).tolist() == [[2, 3, 7]]
    bare = ax.input(((None, 2), (None, 2))) | ax.add()
    assert bare.predict(bare.init(), ([[1.0, 2.0]], [[1.0, 1.0]])).tolist() == [[2, 3]]
    with pytest.raises(DataError, match=r"no data for input 'pair.right.1'"):
        model.predict(model.init(), {"pair": {"left": [[1.0, 2.0]], "right": ([[1.0, 1.0]],)}})
    assert "pair" in str(model.table())
