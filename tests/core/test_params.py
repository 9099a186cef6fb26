"""Params: nested and dotted access, kinds, copies, and the error for what is not there."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import ParamsError, UnknownNameError
from axon_nb.params import Leaf, Params


@pytest.fixture
def params():
    model = ax.input((None, 3)) | ax.block("body", ax.dense(2), ax.batch_norm(name="bn")) | ax.dense(1)
    return model.init()


def test_nested_and_dotted_names(params):
    assert list(params) == ["body", "dense_0"]
    assert len(params) == 2
    assert params["body"]["dense_0"]["kernel"].shape == (3, 2)
    assert params["body.dense_0.kernel"] is params["body"]["dense_0"]["kernel"] is params["body"]["dense_0.kernel"]
    assert list(params["body"]) == ["dense_0", "bn"]
    assert isinstance(params["body"], Params)


def test_it_is_a_mapping(params):
    assert "body" in params
    assert "body.bn.gamma" in params
    assert "gamma" not in params
    assert 3 not in params
    assert params.get("nothing") is None
    assert [name for name, _ in params.items()] == ["body", "dense_0"]


@pytest.mark.parametrize(("name", "words"), [
    ("dense_1", r"^there is no parameter or layer 'dense_1'\n  fix: did you mean 'dense_0'\?"),
    ("body.nothing", "^there is no parameter or layer 'body.nothing'"),
    ("dense_0.kernel.x", "^there is no parameter or layer"),
    (3, "^there is no parameter or layer 3"),
    ("", "^there is no parameter or layer ''"),
])  # fmt: skip
def test_a_name_that_is_not_there(params, name, words):
    with pytest.raises(UnknownNameError, match=words):
        params[name]
    with pytest.raises(KeyError, match="there is no"):
        params[name]


def test_kinds(params):
    assert list(params.trainable.flat) == [
        "body.dense_0.kernel", "body.dense_0.bias", "body.bn.gamma", "body.bn.beta", "dense_0.kernel", "dense_0.bias",
    ]  # fmt: skip
    assert list(params.state.flat) == ["body.bn.mean", "body.bn.variance"]
    assert list(params.frozen) == []


def test_numbers_of_values_and_bytes(params):
    assert params.count == 6 + 2 + 8 + 2 + 1
    assert params.nbytes == 4 * params.count
    assert repr(params) == (
        "<Params: 19 values, 76 bytes: body.dense_0.kernel (3, 2), body.dense_0.bias (2,), body.bn.gamma (2,), "
        "body.bn.beta (2,), body.bn.mean (2,), body.bn.variance (2,), dense_0.kernel (2, 1), dense_0.bias (1,)>"
    )
    assert repr(
        (ax.input((None, 2)) | ax.dense(2) | ax.dense(2) | ax.dense(2) | ax.dense(2) | ax.dense(2)).init()
    ).endswith("dense_3.kernel (2, 2), ... 3 more>")


def test_a_copy_stands_by_itself(params):
    copy = params.copy()
    assert copy == params
    copy["dense_0"]["bias"].assign(Tensor([7.0])).realize()
    assert params["dense_0"]["bias"].tolist() == [0.0]
    assert copy != params


def test_map_keeps_names_and_kinds(params):
    ones = params.map(lambda path, leaf: leaf.tensor.ones_like())
    assert ones["body"]["bn"]["mean"].tolist() == [1.0, 1.0]
    assert list(ones.state.flat) == list(params.state.flat)


def test_what_is_read_cannot_change_it(params):
    params.leaves.clear()
    params.flat.clear()
    assert params.count == 19


def test_equal_is_equal_in_names_kinds_and_values(params):
    model = ax.input((None, 3)) | ax.dense(2)
    first = model.init(seed=0)
    assert first == model.init(seed=0)
    assert first != model.init(seed=1)
    assert first != params
    assert first != Params({p: Leaf(leaf.tensor, "frozen") for p, leaf in first.leaves.items()})
    assert first != {"dense_0": 3}
    with pytest.raises(TypeError, match="unhashable"):
        hash(first)


def test_no_parameters_at_all():
    empty = (ax.input((None, 3)) | ax.relu()).init()
    assert (len(empty), empty.count, list(empty), empty.flat) == (0, 0, [], {})
    assert repr(empty) == "<Params: none>"
    assert empty == empty.copy()


def test_a_parameter_needs_a_name():
    with pytest.raises(ParamsError, match=r"^a parameter needs a name$"):
        Params({(): Leaf(Tensor([1.0]))})


def test_to_another_device_and_back(params):
    moved = params.to("CPU")
    assert moved == params
    assert np.array_equal(moved["dense_0"]["kernel"].numpy(), params["dense_0"]["kernel"].numpy())
