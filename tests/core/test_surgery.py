"""Surgery: models made from models; what is not touched keeps its layers, names and weights."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import DeclarationError, GraphError, OptionError, UnknownNameError


def rows(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture
def mnist():
    return ax.input((None, 6), name="image") | ax.dense(5, "relu") | ax.dropout(0.5) | ax.dense(4) | ax.dense(3)


def names(model):
    return list(model.names.values())


class TestFind:
    def test_one_by_name_and_many_by_all_else(self, mnist):
        assert mnist.find("dense_1") is mnist.nodes[3]
        assert [mnist.names[n] for n in mnist.find("dense_*")] == ["dense_0", "dense_1", "dense_2"]
        assert mnist.find("dense") == mnist.find(ax.dense) == mnist.find("dense_*")
        assert mnist.find(lambda node: node.options.get("units") == 4) == (mnist.find("dense_1"),)
        assert mnist.find(mnist.layers[0]) == (mnist.find("dense_0"),)
        assert mnist.find("conv*") == mnist.find(ax.conv) == ()

    def test_a_part_is_found_whole(self):
        model = ax.input((None, 4)) | ax.block("a", ax.dense(3), ax.block("b", ax.dense(2))) | ax.dense(1)
        assert [model.names[n] for n in model.find("a")] == ["a.dense_0", "a.b.dense_0"]
        assert [model.names[n] for n in model.find("a.b")] == ["a.b.dense_0"]

    def test_what_is_not_there(self, mnist):
        with pytest.raises(UnknownNameError, match=r"^there is no node 'dense_9'\n  fix: did you mean 'dense_"):
            mnist.find("dense_9")
        with pytest.raises(
            GraphError, match=r"^nodes are found by a name, a layer or a function of a node\n  got: an int"
        ):
            mnist.find(3)


class TestRewrite:
    def test_by_nothing_is_the_same_model(self, mnist):
        assert mnist.rewrite(lambda node: None) is mnist
        assert mnist.rewrite(lambda node: node) is mnist
        assert mnist.rewrite(lambda node, x: node.layer) is mnist
        assert mnist.map_nodes(lambda node: None) is mnist
        assert mnist.rename({}) is mnist
        assert mnist.rename({"dense_0": "dense_0"}) is mnist
        assert mnist.pop(0) is mnist

    def test_names_and_weights_of_the_others_stay(self, mnist):
        params = mnist.init()
        made = mnist.rewrite(lambda node: ax.dense(7, "relu") | node.layer if node.op == "dropout" else None)
        assert names(made) == ["image", "dense_0", "dense_3", "dropout_0", "dense_1", "dense_2"]
        assert [made.find(n).layer is mnist.find(n).layer for n in ("dense_0", "dropout_0", "dense_1")] == [True] * 3
        with pytest.warns(
            UserWarning,
            match="like: kept 5 of 8 parameters; dropped dense_1.kernel; drew dense_3.kernel, dense_3.bias, dense",
        ):
            after = made.init(like=params)
        assert np.array_equal(after["dense_2"]["kernel"].numpy(), params["dense_2"]["kernel"].numpy())
        assert dict(after.carried.drawn) == {
            "dense_3.kernel": "is new", "dense_3.bias": "is new", "dense_1.kernel": "was (5, 4) and is (7, 4)",
        }  # fmt: skip
        assert names(mnist) == ["image", "dense_0", "dropout_0", "dense_1", "dense_2"]

    def test_a_shared_layer_stays_shared(self):
        shared = ax.dense(4)
        x = ax.input((None, 4))
        model = (x | shared | ax.relu | shared) + (x | shared)
        made = model.rewrite(lambda node: ax.dense(4, "tanh") if node.op == "dense" else None)
        assert list(made.params) == ["dense_0.kernel", "dense_0.bias"]
        assert len({node.layer for node in made.find("dense")}) == 1
        wrapped = model.rewrite(lambda node: node.layer | ax.dense(4) if node.op == "dense" else None)
        assert list(wrapped.params) == ["dense_0.kernel", "dense_0.bias", "dense_1.kernel", "dense_1.bias"]

    def test_a_model_of_the_inputs(self, mnist):
        def doubled(node, x):
            return (x | node.layer) + (x | node.layer) if node.op == "dense" else None

        made = mnist.rewrite(doubled)
        params = mnist.init()
        assert list(made.params) == list(mnist.params)
        x = rows(2, 6)
        hidden = np.maximum(x @ params["dense_0"]["kernel"].numpy(), 0) * 2
        np.testing.assert_allclose(made.upto("add_0").predict(params, x), hidden, rtol=1e-5, atol=1e-6)

    def test_inside_a_part_new_layers_stand_in_the_part(self):
        model = ax.input((None, 4)) | ax.block("body", ax.dense(4), ax.relu) | ax.dense(2)
        made = model.rewrite(lambda node, x: x | node.layer | ax.dense(4) if node.op == "relu" else None)
        assert names(made) == ["input_0", "body.dense_0", "body.relu_0", "body.dense_1", "dense_0"]
        assert names(model.rewrite(lambda n: n.layer | ax.dense(4) if n.op == "relu" else None)) == names(made)

    def test_several_outputs_follow_their_layer(self):
        sequence, (hidden, _) = _lstm(ax.input((None, 5, 3)))
        model = (sequence | ax.flatten() | ax.dense(2)) + (hidden | ax.dense(2))
        assert model.rewrite(lambda node: None) is model
        bigger = model.rewrite(lambda node: {"units": 6} if node.op == "lstm" else None)
        assert bigger.find("lstm_0").options["units"] == 6
        assert bigger.output_shape == (None, 2)
        with pytest.raises(GraphError, match=r"what took its place gives 1"):
            model.rewrite(lambda node: ax.relu() if node.op == "lstm" else None)

    @pytest.mark.parametrize(("made", "words"), [
        (3, "an int is not a layer"),
        (ax.add(ax.input((None, 5)), ax.input((None, 5))), r"1 outputs meet 2 inputs"),
        ({"units": 0}, "units"),
        ({"unitz": 3}, "unitz"),
    ])  # fmt: skip
    def test_what_cannot_stand_there(self, mnist, made, words):
        with pytest.raises((GraphError, OptionError), match=words):
            mnist.rewrite(lambda node: made if node is mnist.find("dense_1") else None)


def _lstm(model):
    sequence, *state = model | ax.lstm(4, return_state=True)
    return sequence, (state if len(state) == 2 else tuple(state[0]))


class TestReplace:
    def test_a_layer_of_the_same_kind_has_its_name(self, mnist):
        made = mnist.replace("dense_1", ax.dense(9))
        assert names(made) == names(mnist)
        assert made.params["dense_2.kernel"] == (9, 3)
        assert names(mnist.replace("dense_1", ax.relu())) == ["image", "dense_0", "dropout_0", "relu_0", "dense_2"]

    def test_options(self, mnist):
        made = mnist.replace("dropout", rate=0.1)
        assert made.find("dropout_0").options["rate"] == 0.1
        assert mnist.find("dropout_0").options["rate"] == 0.5
        assert mnist.replace("dense_*", use_bias=False).params.keys() == {f"dense_{i}.kernel" for i in range(3)}
        assert mnist.replace("image", shape=(None, 8)).params["dense_0.kernel"] == (8, 5)

    def test_an_input(self, mnist):
        assert mnist.replace("image", ax.input((None, 9))).params["dense_0.kernel"] == (9, 5)
        assert names(mnist.replace("image", ax.input((None, 9))))[0] == "image"
        longer = mnist.replace("image", ax.input((None, 2, 3), name="picture") | ax.flatten())
        assert names(longer)[:2] == ["picture", "flatten_0"]
        with pytest.raises(GraphError, match="an input is replaced by a model"):
            mnist.replace("image", ax.relu())

    def test_a_model_stands_as_a_part(self, mnist):
        inner = (ax.input((None, 5)) | ax.dense(8) | ax.dense(4)).named("body")
        made = mnist.replace("dense_1", inner)
        assert names(made) == [
            "image", "dense_0", "dropout_0", "body.input_0", "body.dense_0", "body.dense_1", "dense_2",
        ]  # fmt: skip
        assert made.output_shape == (None, 3)

    def test_bad_uses(self, mnist):
        with pytest.raises(
            GraphError, match=r"^one layer must be meant\n  got: 'dense' means dense_0, dense_1, dense_2"
        ):
            mnist.replace("dense", ax.dense(3))
        with pytest.raises(GraphError, match=r"^replace takes what stands in the place, or the options to change"):
            mnist.replace("dense_0")
        with pytest.raises(UnknownNameError, match="there is no node 'nothing'"):
            mnist.replace("nothing", ax.relu())
        with pytest.raises(GraphError, match="there are two layers named 'dense_2'"):
            mnist.replace("dense_1", ax.relu(name="dense_2"))


class TestPopAndRename:
    def test_pop(self, mnist):
        assert names(mnist.pop()) == ["image", "dense_0", "dropout_0", "dense_1"]
        assert names(mnist.pop(3)) == ["image", "dense_0"]
        assert names(mnist.pop("dropout")) == ["image", "dense_0", "dense_1", "dense_2"]
        assert names(mnist.pop("dense_0")) == ["image", "dropout_0", "dense_1", "dense_2"]
        with pytest.raises(GraphError, match="5 layers cannot be taken from the end"):
            mnist.pop(5)
        with pytest.raises(GraphError, match="the number of layers"):
            mnist.pop(-1)
        with pytest.raises(GraphError, match="only a layer with one input and one output"):
            (mnist + mnist).pop("add_0")
        with pytest.raises(GraphError, match="the model has 2 outputs"):
            mnist.upto("dense_0", "dense_1").pop()

    def test_pop_from_a_composed_model(self):
        first, second = ax.input((None, 4)) | ax.dense(3), ax.input((None, 3)) | ax.dense(2)
        assert names(ax.compose(a=first, b=second).pop()) == ["input_0", "a.dense_0"]

    def test_rename_moves_nothing_else(self, mnist):
        params = mnist.init()
        made = mnist.rename({"dense_0": "first", "dense_2": "head", "image": "x"})
        assert names(made) == ["x", "first", "dropout_0", "dense_1", "head"]
        assert made.layers == mnist.layers
        x = rows(2, 6)
        moved = params.rename({"dense_0": "first", "dense_2": "head"})
        assert made.init(like=moved).carried.is_whole
        assert np.array_equal(made.predict(moved, x), mnist.predict(params, x))

    def test_names_can_be_swapped(self, mnist):
        swap = {"dense_0": "dense_1", "dense_1": "dense_0"}
        made = mnist.rename(swap)
        assert names(made) == ["image", "dense_1", "dropout_0", "dense_0", "dense_2"]
        assert names(made.rename(swap)) == names(mnist)
        assert mnist.init().rename(swap).rename(swap) == mnist.init()

    def test_a_part_is_renamed_with_all_in_it(self):
        shared = ax.dense(4)
        x = ax.input((None, 4))
        model = (x | ax.block("a", shared, ax.block("b", ax.dense(4)))) + (x | ax.block("c", shared))
        made = model.rename({"a": "body", "a.b": "inner", "c": "other", "a.dense_0": "one"})
        assert names(made) == ["input_0", "body.one", "body.inner.dense_0", "body.one#2", "add_0"]
        assert made.find("body.one#2").path == ("other",)
        params = model.init().rename({"a": "body", "a.b": "inner", "a.dense_0": "one"})
        assert list(params.flat) == list(made.params)

    def test_bad_names(self, mnist):
        with pytest.raises(UnknownNameError, match="there is no layer or part 'dense_7'"):
            mnist.rename({"dense_7": "x"})
        with pytest.raises(GraphError, match="there are two layers named 'dense_1'"):
            mnist.rename({"dense_0": "dense_1"})
        with pytest.raises(DeclarationError, match=r"without '\.'"):
            mnist.rename({"dense_0": "a.b"})
        with pytest.raises(GraphError, match="rename takes new names by old ones"):
            mnist.rename("x")
        parts = ax.input((None, 4)) | ax.block("a", ax.dense(2)) | ax.block("b", ax.dense(2))
        with pytest.raises(GraphError, match="two parts would have one name"):
            parts.rename({"a": "b"})
        with pytest.raises(UnknownNameError, match="there is no parameter or layer 'nothing'"):
            mnist.init().rename({"nothing": "x"})
        with pytest.raises(ax.AxonError, match=r"two parameters would be named 'dense_1.kernel'"):
            mnist.init().rename({"dense_0": "dense_1"})


class TestCut:
    def test_up_to_a_layer_with_the_weights_of_the_whole(self, mnist):
        params = mnist.init()
        x = rows(2, 6)
        part = mnist.upto("dense_0")
        assert part.output_shape == (None, 5)
        expected = np.maximum(x @ params["dense_0"]["kernel"].numpy(), 0)
        np.testing.assert_allclose(part.predict(params, x), expected, rtol=1e-5, atol=1e-6)
        first, second = mnist.upto("dense_0", "dense_1").predict(params, x)
        assert (first.shape, second.shape) == ((2, 5), (2, 4))

    def test_an_autoencoder_is_split(self):
        whole = (
            ax.input((None, 8), name="x") | ax.dense(6, "tanh") | ax.dense(2, name="code") | ax.dense(6) | ax.dense(8)
        )
        params, x = whole.init(), rows(3, 8)
        encoder, decoder = whole.upto("code"), whole.after("code")
        assert names(decoder) == ["code", "dense_1", "dense_2"]
        code = encoder.predict(params, x)
        assert code.shape == (3, 2)
        np.testing.assert_allclose(decoder.predict(params, code), whole.predict(params, x), rtol=1e-5, atol=1e-6)
        small = decoder.init()
        assert list(small.flat) == ["dense_1.kernel", "dense_1.bias", "dense_2.kernel", "dense_2.bias"]
        again = encoder | decoder
        assert again.output_shape == (None, 8)

    def test_what_goes_round_the_cut_keeps_its_input(self):
        x = ax.input((None, 4), name="x")
        down = x | ax.dense(2, name="code")
        model = (down | ax.dense(4)) + x
        rest = model.after("code")
        assert {rest.names[n] for n in rest.inputs} == {"code", "x"}

    def test_between(self, mnist):
        assert names(mnist.between("dense_0", "dense_1")) == ["dense_0", "dropout_0", "dense_1"]
        with pytest.raises(GraphError, match="dense_0 does not come after dense_1"):
            mnist.between("dense_1", "dense_0")

    def test_outputs_that_do_not_come_after_are_left_out(self, mnist):
        model = mnist.upto("dense_0", "dense_2")
        assert names(model.after("dense_1")) == ["dense_1", "dense_2"]
        with pytest.raises(GraphError, match="nothing comes after dense_2"):
            mnist.after("dense_2")

    def test_a_layer_with_several_outputs(self):
        sequence, (hidden, _) = _lstm(ax.input((None, 5, 3)))
        model = (sequence | ax.flatten() | ax.dense(2)) + (hidden | ax.dense(2))
        ends = model.upto("lstm_0")
        assert ends.output_shape[0] == (None, 5, 4)
        rest = model.after("lstm_0")
        assert rest.output_shape == (None, 2)
        params, x = model.init(), rows(2, 5, 3)
        values = ends.predict(params, x)
        fed = {rest.names[n]: values[int(rest.names[n].rsplit("_")[-1])] for n in rest.inputs}
        np.testing.assert_allclose(rest.predict(params, fed), model.predict(params, x), rtol=1e-5, atol=1e-6)

    def test_the_second_use_of_a_shared_layer_keeps_its_weights(self):
        shared = ax.dense(4)
        x, y = ax.input((None, 4), name="x"), ax.input((None, 4), name="y")
        model = (x | ax.block("a", shared)) - (y | ax.block("b", shared))
        part = model.upto("a.dense_0#2")
        assert names(part) == ["y", "a.dense_0"]
        assert part.init(like=model.init(seed=3)).count == 20

    def test_nothing_to_end_in(self, mnist):
        with pytest.raises(GraphError, match="upto takes the node to end in"):
            mnist.upto()


def test_reduce_nodes(mnist):
    assert mnist.reduce_nodes(lambda found, node: [*found, node.op], []) == [
        "input", "dense", "dropout", "dense", "dense",
    ]  # fmt: skip


def test_map_nodes_takes_one_layer_for_one(mnist):
    made = mnist.map_nodes(lambda node: ax.dense(2) if node.op == "dense" else None)
    assert [n.options["units"] for n in made.find("dense")] == [2, 2, 2]
    with pytest.raises(GraphError, match="map_nodes puts one layer in place of one"):
        mnist.map_nodes(lambda node: ax.dense(2) | ax.relu() if node.op == "dense" else None)


def test_a_thousand_layers():
    model = ax.input((None, 4))
    for _ in range(1000):
        model = model | ax.dense(4)
    made = model.rewrite(lambda node: node.layer | ax.relu() if node.op == "dense" else None)
    assert len(made.nodes) == 2001
    assert made.find("dense_999").layer is model.find("dense_999").layer
    assert len(made.pop(1000).nodes) == 1001
    assert len(model.freeze().after("dense_499").nodes) == 501
    assert len(model.rename({"dense_0": "first"}).nodes) == 1001
    assert names(model.pop("dense_0"))[1] == "dense_1"


@pytest.mark.parametrize("verb", [ax.Model.rewrite, ax.Model.map_nodes, lambda m, f: m.reduce_nodes(f, 0)])
def test_what_is_done_with_nodes_is_a_function(verb):
    with pytest.raises(GraphError, match=r"^what is done with each node is a function\n  got: 3"):
        verb(ax.input((None, 4)) | ax.dense(2), 3)
