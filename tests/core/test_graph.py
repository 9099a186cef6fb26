"""Models: nodes, names, parts, sharing, composition, and graphs that are deep or wide."""

import time

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import GraphError, ShapeError, UnknownNameError

X = ax.input((None, 4), name="x")


def names(model):
    return list(model.names.values())


def test_what_a_model_knows():
    first, last = ax.dense(8, "relu"), ax.dense(2)
    model = X | first | last
    assert [node.op for node in model.nodes] == ["input", "dense", "dense"]
    assert [node.op for node in model.inputs] == ["input"]
    assert model.layers == (first, last)
    assert names(model) == ["x", "dense_0", "dense_1"]
    assert model.find("dense_1") is model.nodes[-1]
    assert model.find("dense_0").options["units"] == 8
    assert repr(model.find("dense_1")) == "<Node dense(2)>"
    assert model.name is None
    assert model.named("mnist").name == "mnist"


def test_find_says_what_there_is():
    with pytest.raises(
        UnknownNameError, match=r"^there is no node 'dense_9'\n  fix: did you mean .*\n  fix: the nodes are: "
    ):
        (X | ax.dense(3)).find("dense_9")


def test_a_model_is_not_changed_by_going_on_from_it():
    model = X | ax.dense(3)
    before = (model.outputs, names(model), repr(model))
    branches = [model | ax.relu() | ax.dense(1), model | ax.dense(3), model + model]
    assert (model.outputs, names(model), repr(model)) == before
    assert all(model.nodes[-1] in branch.nodes for branch in branches)


@pytest.mark.parametrize(("model", "text"), [
    (X, "<Model: x (None, 4)>"),
    (ax.input(), "<Model: input_0 ?>"),
    (ax.input() | ax.dense(3), "<Model: input_0 ? -> dense_0>"),
    (X | ax.dense(3), "<Model: x (None, 4) -> dense_0 (None, 3)>"),
    ((X | ax.dense(3)).named("head"), "<Model head: x (None, 4) -> dense_0 (None, 3)>"),
    (X | ax.relu() | ax.relu() | ax.relu() | ax.relu() | ax.relu() | ax.relu(),
     "<Model: x (None, 4) -> relu_0 -> relu_1 -> ... 2 more ... -> relu_4 -> relu_5 (None, 4)>"),
    (X | ax.conv(3, 3), "<Model: x (None, 4) -> conv_0>"),
    (X | ax.dense(4, name="a") | ax.dense(4, name="a"), "<Model: x (None, 4) -> a -> a>"),
    ((X, X) | ax.noop(), "<Model: x (None, 4)>"),
])  # fmt: skip
def test_every_model_has_a_text(model, text):
    assert repr(model) == text


def test_names_count_by_op_and_order_and_go_around_names_given():
    model = X | ax.dense(4) | ax.relu() | ax.dense(4, name="dense_1") | ax.dense(4) | ax.relu()
    assert names(model) == ["x", "dense_0", "relu_0", "dense_1", "dense_2", "relu_1"]


def test_uses_of_a_shared_layer_are_numbered():
    layer = ax.dense(4)
    assert names(X | layer | layer | ax.dense(4) | layer) == ["x", "dense_0", "dense_0#2", "dense_1", "dense_0#3"]
    model = X | layer | ax.relu() | layer
    assert model.owners[layer] is model.nodes[1]
    named = ax.dense(4, name="tied")
    assert names(X | named | named) == ["x", "tied", "tied#2"]


@pytest.mark.parametrize(("model", "words"), [
    (X | ax.dense(4, name="a") | ax.dense(4, name="a"), "there are two layers named 'a'"),
    ((X, ax.input((None, 4), name="x")) | ax.add(), "there are two layers named 'x'"),
    (X | ax.block("enc", ax.dense(4)) | ax.dense(4, name="enc"), "there are a layer and a part named 'enc'"),
])  # fmt: skip
def test_one_name_twice_is_an_error(model, words):
    with pytest.raises(GraphError, match=words + r"\n  fix: give one of them another name=\.\.\."):
        _ = model.names
    with pytest.raises(GraphError, match=words):
        model.init()


def test_a_part_and_a_layer_that_is_named_by_order_stay_apart():
    model = X | ax.block("dense_0", ax.relu(), ax.dense(4)) | ax.dense(4)
    assert names(model) == ["x", "dense_0.relu_0", "dense_0.dense_0", "dense_1"]


@pytest.mark.parametrize(("join", "words"), [
    (lambda: (X, X) | ax.dense(3),
     r"^dense \(test_graph.py line \d+\): takes one input and got 2\n  got: \(None, 4\), \(None, 4\)\n  fix: join "),
    (lambda: (X, X) | ax.dense(3, name="head"), r"^dense 'head' \(.*\): takes one input and got 2"),
    (lambda: ax.dense(X, X, 3), "takes one input and got 2"),
    (lambda: X | ax.layer(lambda a, b: a)(),
     r"takes 2 inputs and got 1\n  fix: \(a, b\) \| \(lambda "),
    (lambda: X | ax.layer(lambda a, b, c: a, name="mix")(),
     r"takes 3 inputs and got 1\n  fix: \(a, b, c\) \| mix\(\)"),
    (lambda: X | 3, r"^an int is not a layer\n  got: 3\n  fix: pipe into a layer, a model or a function of tensors"),
    (lambda: X | None, "^None is not a layer"),
    (lambda: X | int, r"^a type is not a layer\n  got: <class 'int'>"),
    (lambda: 3 | X, r"^an int cannot be piped into a model\n  got: 3\n  fix: begin with input\(\.\.\.\), or call"),
    (lambda: np.zeros((2, 4)) | X, r"^a ndarray cannot be piped into a model\n  got: ndarray of shape \(2, 4\)"),
    (lambda: () | X, "^a tuple cannot be piped into a model"),
    (lambda: X(np.zeros((2, 4))), r"^a model is applied to models\n  got: ndarray of shape \(2, 4\)"),
    (lambda: X(), r"^0 outputs meet 1 inputs\n  got: inputs: x"),
    (lambda: X + 3, r"^add joins models, and an int is none\n  got: 3\n  fix: for a number write a function: "),
    (lambda: 3 - X, "^subtract joins models, and an int is none"),
    (lambda: np.ones(3) * X, r"^multiply joins models, and a ndarray is none\n  got: ndarray of shape \(3,\)"),
    (lambda: ax.compose(X), "^compose takes two models or more"),
    (lambda: ax.compose(X | ax.relu(), ax.relu()), r"^a model is applied to models\n  got: relu\(\)"),
    (lambda: X | ((X, ax.input((None, 4))) | ax.add()), r"^1 outputs meet 2 inputs\n  got: inputs: x, input_0\n"),
])  # fmt: skip
def test_bad_wiring(join, words):
    with pytest.raises(GraphError, match=words):
        join()


def test_a_model_of_one_output_has_no_others():
    for key in (0, "logits"):
        with pytest.raises(GraphError, match=r"^the model has one output, so there is no .* of it\n  fix: model"):
            (X | ax.dense(3))[key]


def test_arithmetic_on_models():
    y = X | ax.dense(4)
    assert [node.op for node in ((y + X) * y - X).nodes] == ["input", "dense", "add", "multiply", "subtract"]


def test_composed_models_are_parts():
    generator = ax.input((None, 8), name="latent") | ax.dense(4)
    judge = ax.input((None, 4), name="image") | ax.dense(1)
    gan = generator | judge
    assert names(gan) == ["latent", "part_0.dense_0", "part_1.image", "part_1.dense_0"]
    gan = generator.named("generator") | judge.named("judge")
    assert names(gan) == ["latent", "generator.dense_0", "judge.image", "judge.dense_0"]
    assert names(ax.compose(g=generator, j=judge)) == ["latent", "g.dense_0", "j.image", "j.dense_0"]
    assert list(gan.init()) == ["generator", "judge"]
    assert gan.output_shape == (None, 1)


def test_a_composed_model_shares_the_layers_of_its_parts():
    generator, judge = X | ax.dense(4), X | ax.dense(1)
    assert set((generator | judge).layers) == {*generator.layers, *judge.layers}


def test_three_composed_models_are_three_parts_in_any_way_of_writing():
    a, b, c = (ax.input((None, 4)) | ax.dense(4) for _ in range(3))
    expected = ["input_0", "part_0.dense_0", "part_1.input_0", "part_1.dense_0", "part_2.input_0", "part_2.dense_0"]
    assert names(a | b | c) == names(ax.compose(a, b, c)) == expected
    assert names((a | b).named("ab") | c)[:2] == ["input_0", "ab.part_0.dense_0"]
    assert names(ax.compose(ab=a | b, head=c))[-1] == "head.dense_0"


def test_a_model_composed_with_itself():
    layer = ax.dense(4)
    model = X | layer
    assert names(model | model) == ["x", "part_0.dense_0", "part_1.x", "part_0.dense_0#2"]
    assert len((model | model).layers) == 1


def test_several_models_into_one():
    both = (ax.input((None, 2), name="a"), ax.input((None, 3), name="b")) | ax.concatenate() | ax.dense(1)
    left, right = ax.input((None, 5)) | ax.dense(2), ax.input((None, 6)) | ax.dense(3)
    model = (left, right) | both
    assert names(model) == [
        "input_0", "part_0.dense_0", "part_2.a", "input_1", "part_1.dense_0", "part_2.b", "part_2.concatenate_0",
        "part_2.dense_0",
    ]  # fmt: skip
    assert model.output_shape == (None, 1)
    assert names(both(left, right)) == names(both((left, right))) == names(model)


def test_an_input_piped_into_a_model_is_no_part():
    model = ax.input((None, 4), name="outer") | (X | ax.dense(2)).named("inner")
    assert names(model) == ["outer", "inner.x", "inner.dense_0"]


def test_what_reaches_a_part_is_checked_against_its_input():
    part = ax.input((None, 5), name="image") | ax.dense(1)
    with pytest.raises(
        ax.AxonError,
        match=r"^input 'part_1.image' \(test_graph.py line \d+\): takes \(None, 5\), as test_graph.py line "
        r"\d+ says\n  got: \(None, 4\)\n  fix: write dense\(5\) in place of dense\(4\) ",
    ):
        _ = (X | ax.dense(4) | part).output_shape
    words = ax.input((None, 4), dtype="int32") | ax.embedding(3, 2)
    with pytest.raises(
        ax.AxonError, match=r"input 'part_1.input_0' .*: takes int32 numbers, and gets float32\n  got: \(None, 4\)$"
    ):
        _ = (X | ax.dense(4) | words).output_shape


def test_a_thousand_layers():
    start = time.process_time()
    model = X
    for _ in range(1000):
        model = model | ax.dense(4, "relu")
    assert len(model.nodes) == 1001
    assert model.output_shape == (None, 4)
    assert len(model.params) == 2000
    assert names(model)[-1] == "dense_999"
    assert "996 more" in repr(model)
    assert time.process_time() - start < 30


def test_a_thousand_layers_in_one_block():
    block = ax.relu() | ax.relu()
    for _ in range(998):
        block = block | ax.relu()
    assert len(list(block.ops)) == 1000
    assert len((X | block).nodes) == 1001


def test_three_hundred_branches():
    start = time.process_time()
    wide = X | ax.concatenate(*(ax.dense(1) for _ in range(300)))
    assert wide.output_shape == (None, 300)
    assert len(wide.nodes) == 302
    models = [X | ax.dense(4) for _ in range(300)]
    assert (tuple(models) | ax.add()).output_shape == (None, 4)
    total = models[0]
    for model in models[1:]:
        total = total + model
    assert len(total.nodes) == 1 + 300 + 299
    assert time.process_time() - start < 30


def test_a_deep_chain_of_shared_branches_is_visited_once_per_node():
    model = X
    for _ in range(200):  # 2 ** 200 paths
        model = model + model
    assert len(model.nodes) == 201
    assert model.output_shape == (None, 4)


def test_a_part_with_a_named_input_may_be_applied_twice():
    part = (ax.input((None, 4), name="latent") | ax.dense(3)).named("g")
    a, b = ax.input((None, 4)), ax.input((None, 4))
    names = list((part(a) + part(b)).names.values())
    assert names == ["input_0", "g.latent", "g.dense_0", "input_1", "g.latent#2", "g.dense_0#2", "add_0"]


def test_outputs_of_a_layer_used_twice_are_named_by_their_use():
    lstm = ax.lstm(3, return_state=True)
    x = ax.input((None, 5, 4))
    (_, h, _), (_, g, _) = x | lstm, x | lstm
    assert [*(h + g).names.values()] == ["input_0", "lstm_0", "lstm_0[1]", "lstm_0#2", "lstm_0#2[1]", "add_0"]


def test_a_block_takes_models_as_parts():
    encoder = ax.input((None, 8), name="wide") | ax.dense(2)
    model = ax.input((None, 8)) | ax.relu() | ax.block("encoder", encoder, ax.tanh)
    assert list(model.names.values()) == ["input_0", "relu_0", "encoder.wide", "encoder.dense_0", "encoder.tanh_0"]
    assert next(node.layer for node in model.nodes if node.op == "dense") is encoder.nodes[-1].layer
    with pytest.raises(ShapeError, match=r"takes \(None, 8\)"):
        _ = (ax.input((None, 9)) | ax.block("encoder", encoder)).output_shape
    with pytest.raises(GraphError, match="2 outputs meet 1 inputs"):
        (ax.input((None, 8)), ax.input((None, 8))) | ax.block("encoder", encoder)
