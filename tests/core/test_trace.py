"""Shape inference: sizes known and unknown, formulas, errors and their text, cost, and what is remembered."""

import time

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import ShapeError, UnknownNameError
from axon_nb.probes import make_probes
from axon_nb.trace import layer as tracing
from axon_nb.trace import model as models
from axon_nb.trace import report, trace


def shape_of(shape, layer, **options):
    return (ax.input(shape, **options) | layer).output_shape


def double(x):
    return x.cat(x, dim=1)


SHAPES = [
    ((None, 784), ax.dense(10), (None, 10)),
    ((32, 784), ax.dense(10), (32, 10)),
    (("batch", 784), ax.dense(10), ("batch", 10)),
    ((None, None, 16), ax.dense(10), (None, None, 10)),
    ((None, "time", 16), ax.dense(10), (None, "time", 10)),
    ((None, "time", 16), ax.relu(), (None, "time", 16)),
    ((None, "time"), ax.layer(double)(), (None, "2*time")),
    ((None, 3, "time"), ax.conv(4, 3), (None, 4, "time-2")),
    ((None, 3, "time"), ax.conv(4, 3, padding=2), (None, 4, "time+2")),
    ((None, 3, "time"), ax.conv(4, 3, padding="same"), (None, 4, "time")),
    ((None, 3, "time"), ax.conv(4, 2, strides=2), (None, 4, "time//2")),
    ((None, 3, "time"), ax.conv(4, 3, strides=2), (None, 4, "(time-1)//2")),
    ((None, 3, "time"), ax.conv(4, 3, strides=2, padding="same"), (None, 4, "(time+1)//2")),
    ((None, 3, "time"), ax.conv(4, 5, strides=3), (None, 4, "(time-2)//3")),
    ((None, 3, "time"), ax.conv(4, 5, strides=2) | ax.conv(4, 5, strides=2), (None, 4, "(time-9)//4")),
    ((None, 3, "time"), ax.max_pool(2) | ax.max_pool(2), (None, 3, "time//4")),
    ((None, 3, "height", "width"), ax.conv(4, 3), (None, 4, "height-2", "width-2")),
    ((None, 3, "height", "width"), ax.max_pool(2, padding="same"), (None, 3, "(height+1)//2", "(width+1)//2")),
    ((None, 3, "height", "width"), ax.flatten(), (None, None)),
    ((None, 3, "height", "width"), ax.global_avg_pool(), (None, 3)),
    ((None, 3, None, None), ax.conv(4, 3, padding="same"), (None, 4, None, None)),
    ((None, 3, None, None), ax.conv(4, 3), (None, 4, None, None)),
    ((None, 3, 28, None), ax.conv(4, 3), (None, 4, 26, None)),
    ((None, "size", "size"), ax.flatten(), (None, None)),
    ((None, "time", 16), lambda x: x.reshape(x.shape[0], -1, 8), (None, "2*time", 8)),
    ((None, "time"), lambda x: x.reshape(x.shape[0], x.shape[1] // 2, 2).sum(-1), (None, "time//2")),
    ((None, 4), lambda x: x.sum(0), (4,)),
    ((None, 4), lambda x: x.sum(), ()),
    ((None, 4), lambda x: x.reshape(-1), ("4*batch",)),
    ((None, "a", "b"), lambda x: x.transpose(1, 2), (None, "b", "a")),
    ((None, "a", "b"), lambda x: x.reshape(x.shape[0], -1), (None, None)),
]


def spelled(value):
    """Name a case the same in every process: a function's repr holds its address."""
    return getattr(value, "__name__", None) or str(value)[:40]


@pytest.mark.parametrize(("shape", "layer", "expected"), SHAPES, ids=spelled)
def test_shapes(shape, layer, expected):
    if expected == ("4*batch",):  # an unnamed size makes no formula
        expected = (None,)
    assert shape_of(shape, layer) == expected


@pytest.mark.parametrize("size", [29, 30, 31, 32, 33, 35])
@pytest.mark.parametrize("layer", [
    ax.conv(4, 3, strides=2, padding="same"), ax.conv(4, 5, strides=3), ax.conv(4, 2, strides=4), ax.avg_pool(3),
    ax.conv(4, 5, strides=2) | ax.conv(4, 5, strides=2), ax.max_pool(2, padding="same") | ax.max_pool(2),
], ids=repr)  # fmt: skip
def test_a_formula_holds_for_every_size(layer, size):
    formula = shape_of((None, 3, "time"), layer)[2]
    assert eval(formula, {"time": size}) == shape_of((None, 3, size), layer)[2]


def test_a_size_that_follows_no_simple_rule_is_unknown_and_not_wrong():
    down_and_up = ax.max_pool(2) | (lambda x: x.cat(x, dim=2))
    assert shape_of((None, 3, "time"), down_and_up) == (None, 3, None)  # time only if it is even
    assert shape_of((None, 3, 29), down_and_up) == (None, 3, 28)
    deep = ax.max_pool(2) | ax.max_pool(2) | ax.max_pool(2)
    assert shape_of((None, 3, "time"), deep) in ((None, 3, "time//8"), (None, 3, None))


def test_a_model_that_takes_round_sizes_only_keeps_its_formula():
    pairs = ax.layer(lambda x: x.reshape(x.shape[0], x.shape[1] // 2, 2))
    assert shape_of((None, "time"), pairs()) == (None, "time//2", 2)
    fours = ax.layer(lambda x: x.reshape(x.shape[0], 4, x.shape[1] // 4))
    assert shape_of((None, "time"), fours()) == (None, 4, "time//4")


def test_one_name_is_one_size_across_inputs():
    a, b = ax.input((None, "time", 8), name="a"), ax.input((None, "time", 8), name="b")
    model = (a, b) | ax.add()
    assert model.output_shape == (None, "time", 8)
    assert model.compute_output_shape(a=(2, 5, 8)) == (2, 5, 8)
    with pytest.raises(ShapeError, match=r"^input 'b': dim 'time' is 6 here and 5 in input 'a'$"):
        model.compute_output_shape(a=(2, 5, 8), b=(2, 6, 8))
    with pytest.raises(ShapeError, match=r"^input 'b': the batch axis is 3 here and 2 in input 'a'$"):
        model.compute_output_shape(a=(2, 5, 8), b=(3, 5, 8))
    assert shape_of((None, "n", "n"), lambda x: x @ x) == (None, "n", "n")


def test_names_that_differ_do_not_fit():
    with pytest.raises(
        ShapeError, match=r"add 'add_0' .*: the sizes of axis 1 differ: time and words\n  got: \(None, time, 8\), "
    ):
        _ = ((ax.input((None, "time", 8)), ax.input((None, "words", 8))) | ax.add()).output_shape


@pytest.mark.parametrize(("first", "second", "expected"), [
    ((None, 4), ("batch", 4), ("batch", 4)),
    ((None, 4), (8, 4), (8, 4)),
    ((None, 4), (None, 4), (None, 4)),
    (("batch", 4), ("batch", 4), ("batch", 4)),
])  # fmt: skip
def test_all_inputs_have_one_batch_axis(first, second, expected):
    assert ((ax.input(first), ax.input(second)) | ax.add()).output_shape == expected


def test_a_model_without_shapes_is_known_when_they_are_given():
    model = ax.input(name="x") | ax.dense(3)
    assert model.output_shape is None
    assert model.compute_output_shape(x=(None, 4)) == (None, 3)
    assert model.compute_output_shape(x=("batch", "time", 4)) == ("batch", "time", 3)
    words = r"^the shape of x is not known\n  fix: model.init\(x=\(1, \.\.\.\)\) with the shape, or input\(shape\)$"
    with pytest.raises(ShapeError, match=words):
        model.init()
    with pytest.raises(ShapeError, match=words):
        _ = model.params
    assert model.init(x=(1, 4))["dense_0"]["kernel"].shape == (4, 3)


@pytest.mark.parametrize(("shapes", "error", "words"), [
    ({"x": (2, 5)}, ShapeError, r"^input 'x': takes \(None, 4\)\n  got: \(2, 5\)$"),
    ({"x": (2, 4, 1)}, ShapeError, r"^input 'x': takes \(None, 4\)\n  got: \(2, 4, 1\)$"),
    ({"y": (2, 4)}, UnknownNameError, r"^there is no input 'y'\n  fix: the inputs are: x$"),
    ({"x": 4}, ShapeError, r"^a shape for input 'x' is a tuple\n  got: 4\n  fix: write \(None, 4\) for samples"),
    ({"x": (2, "no name")}, ShapeError, r"^a shape for input 'x' holds whole numbers, names and None\n  got: \(2, 'no"),
])  # fmt: skip
def test_given_shapes_that_do_not_fit(shapes, error, words):
    with pytest.raises(error, match=words):
        (ax.input((None, 4), name="x") | ax.dense(3)).compute_output_shape(**shapes)


@pytest.mark.parametrize(("value", "words"), [
    (784, r"^input: a shape is a tuple\n  got: 784\n  fix: write \(None, 784\) for samples of 784 numbers each$"),
    ({None, 784}, r"^input: a shape needs an order, and a set has none\n  got: .*\n  fix: write it with round"),
    ("784", r"^input: a shape is a tuple of sizes, names and None\n  got: '784'"),
    ((), r"^input: a shape begins with the batch axis\n  got: \(\)\n  fix: write for example \(None, 784\)$"),
    ((None, 0), r"^input: every size in a shape is at least 1\n  got: \(None, 0\)\n  fix: write None for a size"),
    ((None, 2.5), r"^input: a shape holds whole numbers, names and None\n  got: \(None, 2.5\)"),
    ((None, True), r"^input: a shape holds whole numbers, names and None"),
    ((None, np.True_), r"^input: a shape holds whole numbers, names and None"),
    ((None, "a b"), r"^input: a shape holds whole numbers, names and None"),
    (np.zeros(3), r"^input: a shape is a tuple of sizes, names and None\n  got: ndarray of shape \(3,\)"),
])  # fmt: skip
def test_shapes_that_are_none(value, words):
    with pytest.raises(ShapeError, match=words):
        ax.input(value)


def test_shapes_as_people_write_them():
    assert ax.input([None, np.int64(3)]).output_shape == (None, 3)
    assert ax.input((None, "time")).output_shape == (None, "time")


def hinted(error):
    """Leave an error its own hints: the fixes that are tried for it have tests of their own."""
    error.fixes = error.hints
    return error


DEPENDS = [
    ((None, None), ax.dense(3), "dense 'dense_0' ({at}): the shape of its kernel depends on a size that "
     "is not known: axis 1 of the input\n  got: (None, None)\n  fix: give input(...) that size"),
    ((None, "width"), ax.dense(3), "dense 'dense_0' ({at}): the shape of its kernel depends on a size "
     "that is not known: 'width' of the input\n  got: (None, width)\n  fix: give input(...) that size"),
    ((None, 3, None, None), ax.flatten() | ax.dense(3), "dense 'dense_0' ({at}): the shape of its kernel "
     "depends on a size that is not known: axis 2 and axis 3 of the input\n  got: (None, None)\n"
     "  fix: give input(...) that size, or put global_avg_pool() before it"),
    ((None, None, 28, 28), ax.conv(3, 3), "conv 'conv_0' ({at}): the shape of its kernel depends on a "
     "size that is not known: axis 1 of the input\n  got: (None, None, 28, 28)\n"
     "  fix: give input(...) that size, or put global_avg_pool() before it"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "layer", "text"), DEPENDS, ids=[str(d[0]) for d in DEPENDS])
def test_a_parameter_whose_shape_is_not_known(shape, layer, text):
    with pytest.raises(ShapeError, match="depends on a size that is not known") as caught:
        _ = shape_of(shape, layer)
    assert str(hinted(caught.value)) == text.format(at=list(layer.ops)[-1].source)


def test_parameters_that_come_and_go_with_a_size():
    @ax.layer
    def odd(scope, x):
        return x * scope.param("w", (1,)) if x.shape[1] > 300 else x

    with pytest.raises(ShapeError, match=r"which parameters it has depends on a size that is not known\n"):
        _ = shape_of((None, None), odd())


def test_a_rank_that_comes_and_goes_with_a_size():
    layer = ax.layer(lambda x: x.reshape(x.shape[0], -1) if x.shape[1] > 300 else x, name="odd")
    with pytest.raises(ShapeError, match="the number of axes of its result depends on a size that is not known"):
        _ = shape_of((None, None, 4), layer())


FITTING = [
    (lambda x: x | ax.conv(8, 3), (None, 784),
     "conv 'conv_0' ({at}): needs 3, 4 or 5 axes, with the batch first, and got 2\n  got: (None, 784)\n"
     "  fix: put reshape((1, height, width)) before it\n  fix: or use dense(...) for flat features"),
    (lambda x: x | ax.conv(8, 9), (None, 1, 5, 5),
     "conv 'conv_0' ({at}): a window of 9 does not fit into 5 cells\n  got: (None, 1, 5, 5)\n"
     '  fix: a smaller kernel_size\n  fix: padding="same"'),
    (lambda x: x | ax.conv(8, (3, 3)), (None, 1, 5),
     "conv 'conv_0' ({at}): kernel_size has 2 sizes and the input 1 spatial axes\n  got: (None, 1, 5)\n"
     "  fix: give one number, or 1"),
    (lambda x: x | ax.conv(9, 3, groups=2), (None, 4, 5),
     "conv 'conv_0' ({at}): groups=2 must divide the 4 channels of the input and the 9 units\n"
     "  got: (None, 4, 5)"),
    (lambda x: x | ax.reshape((28, 28)), (None, 100),
     "reshape 'reshape_0' ({at}): each sample has 100 values and (28, 28) takes 784\n  got: (None, 100)\n"
     "  fix: reshape leaves the batch axis out: reshape((28, 28)) makes (batch, 28, 28)"),
    (lambda x: x | ax.embedding(5, 3), (None, 4),
     "embedding 'embedding_0' ({at}): needs whole numbers, and got float32\n  got: (None, 4)\n"
     "  fix: give the input whole numbers: input(..., dtype='int32')"),
    (lambda x: x | ax.add(ax.dense(3), ax.dense(4)), (None, 4),
     "add 'add_0' ({at}): the sizes of axis 1 differ: 3 and 4\n  got: (None, 3), (None, 4)\n"
     "  fix: give the branches the same number of units"),
    (lambda x: x | ax.concatenate(ax.noop(), ax.reshape((2, 2))), (None, 4),
     "concatenate 'concatenate_0' ({at}): all sizes but those of axis -1 must be the same\n"
     "  got: (None, 4), (None, 2, 2)\n  fix: flatten() both first"),
    (lambda x: x | ax.concatenate(ax.conv(2, 1), ax.noop()), (None, 4, 5),
     "concatenate 'concatenate_0' ({at}): all sizes but those of axis -1 must be the same\n"
     "  got: (None, 2, 5), (None, 4, 5)\n  fix: concatenate(axis=1)"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "shape", "text"), FITTING, ids=[text.split(" ")[0] for _, _, text in FITTING])
def test_the_whole_text_of_errors(build, shape, text):
    model = build(ax.input(shape))
    with pytest.raises(ShapeError, match=r"test_trace\.py line") as caught:
        _ = model.output_shape
    assert str(hinted(caught.value)) == text.format(at=model.nodes[-1].layer.source)


def test_messages_speak_of_unknown_sizes_and_not_of_those_tried():
    with pytest.raises(ShapeError, match=r"the sizes of axis 1 differ: 5 and None\n") as caught:
        _ = ((ax.input((None, None, 4)), ax.input((None, 5, 4))) | ax.add()).output_shape
    assert "tried" not in str(caught.value)
    with pytest.raises(ShapeError, match=r"a window of 999 does not fit into time cells\n"):
        _ = shape_of((None, 3, "time"), ax.conv(4, 999))
    with pytest.raises(
        ShapeError,
        match=r"each sample has 896 values and \(28, 28\) takes 784\n(?s:.*)"
        r"  fix: a size that is not known was tried, time as 224: give input\(\.\.\.\) that size$",
    ):
        _ = shape_of((None, "time", 4), ax.reshape((28, 28)))


def test_tried_sizes_are_none_that_somebody_wrote():
    assert make_probes([(None, 224, None)]).runs[0]["@2"] == 288
    with pytest.raises(ShapeError, match=r"the sizes of axis 1 differ: 224 and None"):
        _ = ((ax.input((None, None)), ax.input((None, 224))) | ax.add()).output_shape


def test_an_error_stays_the_same_when_it_is_raised_again_and_for_another_layer():
    x = ax.input((None, 784))
    first, second = x | ax.conv(8, 3, name="one"), x | ax.conv(8, 3, name="two")
    texts = []
    for model in (first, first, second):
        with pytest.raises(ShapeError, match="needs 3, 4 or 5 axes") as caught:
            _ = model.output_shape
        texts.append(str(caught.value).split(" ")[1])
    assert texts == ["'one'", "'one'", "'two'"]


def test_rows_up_to_the_layer_that_fails():
    model = ax.input((None, 4), name="x") | ax.dense(3) | ax.conv(2, 2) | ax.dense(1)
    rows = report(model).rows
    assert [(row.name, row.status, row.shape) for row in rows] == [
        ("x", "ok", (None, 4)), ("dense_0", "ok", (None, 3)), ("conv_0", "failed", None), ("dense_1", "pending", None),
    ]  # fmt: skip
    assert str(report(model).error).startswith("conv 'conv_0' ")


MACS = [
    ((None, 784), ax.dense(128), 784 * 128),
    ((None, 10, 16), ax.dense(32), 10 * 16 * 32),
    ((32, 784), ax.dense(128), 784 * 128),
    ((None, 3, 8, 8), ax.conv(4, 3), 6 * 6 * 4 * 3 * 9),
    ((None, 3, 8, 8), ax.conv(4, 3, padding="same", strides=2), 4 * 4 * 4 * 3 * 9),
    ((None, 4, 8, 8), ax.conv(6, 3, groups=2), 6 * 6 * 6 * 2 * 9),
    ((None, 4, 8), ax.conv(6, 3, channels="last"), 2 * 6 * 8 * 3),
    ((None, 4), ax.relu(), 0),
    ((None, 4), ax.softmax(), 0),
    ((None, 3, 8, 8), ax.max_pool(2), 0),
    ((None, 3, 8, 8), ax.avg_pool(2), 0),
    ((None, 3, 8, 8), ax.global_avg_pool(), 0),
    ((None, 3, 8, 8), ax.batch_norm(), 0),
    ((None, 16, 8), lambda q: q @ q.transpose(1, 2), 16 * 16 * 8),
    ((None, 16, 8), lambda q: (q @ q.transpose(1, 2)).softmax() @ q, 2 * 16 * 16 * 8),
    ((None, "time", 16), ax.dense(32), None),
]


@pytest.mark.parametrize(("shape", "layer", "macs"), MACS, ids=spelled)
def test_multiply_adds_of_one_sample(shape, layer, macs):
    assert report(ax.input(shape) | layer).rows[-1].macs == macs


def test_an_embedding_costs_no_products():
    assert report(ax.input((None, 5), dtype="int32") | ax.embedding(100, 8)).rows[-1].macs == 0


def test_totals():
    model = ax.input((None, 4)) | ax.dense(3) | ax.batch_norm() | ax.dense(2)
    totals = report(model).totals
    assert (totals.trainable, totals.frozen, totals.state, totals.nbytes) == (15 + 6 + 8, 0, 6, 35 * 4)
    assert totals.macs == 4 * 3 + 3 * 2


def test_a_shared_layer_is_counted_once():
    layer = ax.dense(4)
    rows = report(ax.input((None, 4)) | layer | layer).rows
    assert [len(row.params) for row in rows] == [0, 2, 0]
    assert [row.shared_with for row in rows] == [None, None, "dense_0"]


def test_a_shared_layer_on_inputs_of_other_widths_is_an_error():
    layer = ax.dense(3)
    words = (
        r"^dense 'dense_0#2' \(test_trace.py line \d+\): shares its kernel \(4, 3\) with an earlier use, and needs "
        r"\(3, 3\) here\n  got: \(None, 3\)\n  fix: write dense\(3\) a second time: two layers, each with weights of "
    )
    with pytest.raises(ShapeError, match=words):
        _ = (ax.input((None, 4)) | layer | layer).output_shape


def test_an_edit_traces_one_layer_again(monkeypatch):
    calls = []
    real = tracing.call
    monkeypatch.setattr(tracing, "call", lambda op, *rest: calls.append(op.declaration.name) or real(op, *rest))
    x = ax.input((None, 1234))
    trace(x | ax.dense(77) | ax.dense(78) | ax.dense(79))
    assert calls == ["dense"] * 6  # two sizes of the batch
    calls.clear()
    trace(x | ax.dense(77) | ax.tanh() | ax.dense(78) | ax.dense(79))
    assert calls == ["tanh"] * 2


def test_the_memory_of_traced_layers_is_bounded(monkeypatch):
    layers, nodes = (type(module._memo)(3) for module in (tracing, models))
    monkeypatch.setattr(tracing, "_memo", layers)
    monkeypatch.setattr(models, "_memo", nodes)
    for units in range(1, 9):
        _ = shape_of((None, 4), ax.dense(units))
    assert len(layers) == len(nodes) == 3


def test_what_is_remembered_of_a_layer_depends_on_the_sizes_tried():
    layer = ax.layer(double)()
    shapes = [(None, 784), ("batch", 784), (88, 784), (None, "time"), (None, None), ("batch", "time"), (None, 224)]
    planned = [(None, 1568), ("batch", 1568), (88, 1568), (None, "2*time"), (None, None), ("batch", "2*time")]
    for _ in range(2):
        assert [shape_of(shape, layer) for shape in shapes] == [*planned, (None, 448)]


def test_an_error_about_shared_weights_is_the_same_whether_or_not_the_layer_is_remembered():
    def told():
        shared, x = ax.dense(5), ax.input((None, "time", 4))
        with pytest.raises(ShapeError, match="shares its kernel") as caught:
            trace(x | shared | shared).check()
        return str(caught.value).partition(" line ")[0]

    assert told() == told()


def test_tracing_computes_nothing_and_is_fast():
    blocks = ax.conv(64, 3, padding="same") | ax.batch_norm() | ax.relu()
    model = ax.input((None, 3, 224, 224)) | ax.conv(64, 7, strides=2, padding="same")
    for _ in range(16):
        model = model | ax.residual(ax.conv(64, 3, padding="same") | ax.batch_norm() | blocks)
    start = time.process_time()
    assert model.output_shape == (None, 64, 112, 112)
    assert time.process_time() - start < 20


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_multiply_adds_of_a_loop_over_time_are_counted(name, gates):
    model = ax.input((None, 10, 4)) | getattr(ax, name)(8)
    macs = report(model).totals.macs
    products = 10 * (4 * 8 * gates + 8 * 8 * gates)
    assert products <= macs <= products * 1.5


PART = ax.concatenate(ax.input((None, "n", 4), name="a"), ax.input((None, "n", "m"), name="b"))


def test_a_name_is_one_size_among_the_inputs_of_a_part():
    five, six = ax.input((None, 5, 4), name="five"), ax.input((None, 6, 4), name="six")
    assert PART.named("part")(five, five).output_shape == (None, 5, 8)
    with pytest.raises(ShapeError, match=r"^input 'part.b' \(.*\): dim 'n' is 6 here and 5 in input 'part.a'"):
        _ = PART.named("part")(five, six).output_shape
    square = ax.input((None, "n", "n")) | ax.relu()
    with pytest.raises(ShapeError, match=r"dim 'n' is 4 here and 5 in input 'part_0\.input_0'"):
        _ = (five | square).output_shape


def test_each_use_of_a_part_may_have_other_sizes():
    part = (ax.input((None, "n", 4), name="a") | ax.dense(2)).named("part")
    five, six = ax.input((None, 5, 4), name="five"), ax.input((None, 6, 4), name="six")
    assert ax.outputs(part(five), part(six)).output_shape == ((None, 5, 2), (None, 6, 2))
    assert ((five, six) | ax.map_list(part)).output_shape == ((None, 5, 2), (None, 6, 2))
    assert ((five, six) | ax.block("b", ax.map_list(part))).output_shape == ((None, 5, 2), (None, 6, 2))


def test_each_empty_tensor_of_one_layer_stands_for_itself():
    """Two weights of one shape are two tensors: what is done with each is counted."""

    @ax.layer
    def twice(scope, x):
        one, two = (scope.param(name, (4, 4), "zeros") for name in ("one", "two"))
        assert one.uop is not two.uop
        assert x.uop is not one.uop
        return x @ one + x @ two

    model = ax.input((4, 4), name="x") | twice()
    assert report(model).totals.macs == 2 * 4 * 4


def test_a_layer_that_computes_with_empty_tensors_leaves_no_memory_behind():
    def reads(x):
        return x + float(x.sum().item() > -1e30)

    assert (ax.input((2, 3), name="x") | reads).output_shape == (2, 3)
    assert tracing._empty_uop.cache_info().currsize == 0
