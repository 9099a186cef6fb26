"""Freezing: what is frozen is not trained, costs no optimizer memory, and is told by tables and params."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import GraphError, UnknownNameError
from axon_nb.params import Leaf, Params
from axon_nb.training.goal import make_goal
from axon_nb.training.step import Trainer

X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = (X @ np.array([[1.0], [2.0], [-1.0], [0.5]], "float32")).astype("float32")


@pytest.fixture
def model():
    return ax.input((None, 4)) | ax.block("body", ax.dense(5, "tanh"), ax.batch_norm()) | ax.dense(3) | ax.dense(1)


def frozen(model):
    return list(model.init().frozen.flat)


BODY = ["body.dense_0.kernel", "body.dense_0.bias", "body.batch_norm_0.gamma", "body.batch_norm_0.beta"]
FIRST, LAST = ["dense_0.kernel", "dense_0.bias"], ["dense_1.kernel", "dense_1.bias"]


@pytest.mark.parametrize(("what", "expected"), [
    ("dense_0", FIRST),
    ("body", BODY),
    ("body.*", BODY),
    ("dense_0.bias", FIRST[1:]),
    ("body.dense_0.kernel", BODY[:1]),
    ("*.bias", [BODY[1], FIRST[1], LAST[1]]),
    ("dense", [*BODY[:2], *FIRST, *LAST]),
    (ax.batch_norm, BODY[2:]),
    (lambda node: node.options.get("units") == 3, FIRST),
    (["body", "dense_1.bias"], [*BODY, LAST[1]]),
    (["dense_0.kernel", "dense_0.bias"], FIRST),
    (None, [*BODY, *FIRST, *LAST]),
])  # fmt: skip
def test_what_is_meant(model, what, expected):
    made = model.freeze() if what is None else model.freeze(what)
    assert frozen(made) == expected
    back = made.unfreeze() if what is None else made.unfreeze(what)
    assert frozen(back) == []
    assert all(node.frozen == () for node in back.nodes)
    assert frozen(model) == []


def test_by_depth(model):
    assert frozen(model.freeze(first=2)) == BODY
    assert frozen(model.freeze(last=1)) == LAST
    assert frozen(model.freeze().unfreeze(last=2)) == BODY
    assert frozen(model.freeze(first=0)) == []
    assert frozen(model.freeze(last=99)) == [*BODY, *FIRST, *LAST]


def test_it_adds_and_exceptions_can_be_made(model):
    made = model.freeze("body").freeze("dense_0")
    assert frozen(made) == [*BODY, *FIRST]
    assert frozen(made.unfreeze("*.bias")) == [BODY[0], *BODY[2:], FIRST[0]]
    assert frozen(made.unfreeze("*.bias").freeze("body")) == [*BODY, FIRST[0]]


def test_bad_uses(model):
    with pytest.raises(UnknownNameError, match=r"^there is no node 'dense_7'\n  fix: did you mean 'dense_"):
        model.freeze("dense_7")
    with pytest.raises(GraphError, match=r"^no node is meant\n  got: 'conv_\*'"):
        model.freeze("conv_*")
    with pytest.raises(GraphError, match="give one of: what, first, last"):
        model.freeze("dense_0", first=1)
    with pytest.raises(GraphError, match="first and last take a number of layers"):
        model.freeze(first=-1)
    with pytest.raises(GraphError, match="no layer with parameters is meant"):
        model.freeze(lambda node: node.is_input)


def test_a_parameter_that_is_not_there_is_told(model):
    with pytest.raises(UnknownNameError, match=r"^there is no parameter 'dense_0.kernal'\n.*mean 'dense_0.k"):
        model.freeze("dense_0.kernal")
    with pytest.raises(UnknownNameError, match=r"no parameter 'body.batch_norm_0.means'\n(.*\n)*.*batch_norm_0.gamma"):
        model.freeze("body.batch_norm_0.means")
    states = model.freeze(["body.batch_norm_0.mean", "body.batch_norm_0.variance"])
    assert frozen(states) == []
    assert states.equals(model)
    assert frozen(model.freeze(list(model.params))) == frozen(model.freeze())
    with pytest.raises(GraphError, match=r"no node is meant\n  got: '\*.kernal'"):
        model.freeze("*.kernal")


@ax.layer
def gated(scope, x, units: int):
    return scope.apply(ax.dense(units), x) * scope.apply(ax.dense(units, "sigmoid"), x)


FIRST_GATE, SECOND_GATE = (
    [f"gated_0.dense_{i}.{name}" for name in ("kernel", "bias")] for i in range(2)
)  # fmt: skip


@pytest.mark.parametrize(("what", "expected"), [
    ("gated_0", [*FIRST_GATE, *SECOND_GATE]),
    ("gated_0.dense_1", SECOND_GATE),
    ("gated_0.dense_0.kernel", FIRST_GATE[:1]),
    ("gated_0.bias", [FIRST_GATE[1], SECOND_GATE[1]]),
    ("*.bias", [FIRST_GATE[1], SECOND_GATE[1], *FIRST[1:]]),
])  # fmt: skip
def test_parameters_of_layers_inside_a_layer(what, expected):
    model = ax.input((None, 4)) | gated(3) | ax.dense(2)
    assert frozen(model.freeze(what)) == expected
    assert frozen(model.freeze(what).unfreeze(what)) == []
    assert all(node.frozen == () for node in model.freeze(what).unfreeze(what).nodes)


def test_what_one_use_of_a_layer_freezes_is_frozen():
    shared = ax.dense(4)
    x = ax.input((None, 4))
    model = ax.outputs(x | shared, (x | shared).freeze())
    assert frozen(model) == ["dense_0.kernel", "dense_0.bias"]
    assert frozen(model.unfreeze("dense_0.bias")) == ["dense_0.kernel"]
    assert frozen(model.unfreeze("dense_0")) == []


def test_it_stays_when_the_model_is_composed_or_rewritten(model):
    made = model.freeze("body")
    longer = made | ax.dense(2)
    assert frozen(longer) == BODY
    composed = ax.compose(first=made, second=ax.input((None, 1)) | ax.dense(2))
    assert frozen(composed) == [f"first.{name}" for name in BODY]
    assert frozen(made.rewrite(lambda n: n.layer | ax.relu() if n.op == "dense" else None)) == BODY
    assert frozen(made.replace("body.dense_0", units=7)) == BODY
    assert frozen(made.rename({"body": "base"}))[0] == "base.dense_0.kernel"
    assert frozen(made.named("m")) == BODY


def test_a_shared_layer_is_frozen_wherever_it_is_named():
    shared = ax.dense(4)
    x = ax.input((None, 4))
    model = (x | shared) + (x | shared | ax.dense(4))
    assert frozen(model.freeze("dense_0#2")) == ["dense_0.kernel", "dense_0.bias"]
    assert frozen(model.freeze(shared)) == ["dense_0.kernel", "dense_0.bias"]


def test_tables_count_it_apart(model):
    assert "33 trainable" not in str(model.freeze("body").table())
    assert "22 trainable, 35 frozen, 10 state" in str(model.freeze("body").table())
    assert "22 trainable, 35 frozen, 10 state" in model.freeze("body").summary()._repr_html_()


def test_training_leaves_it_alone(model):
    start = model.init()
    made = model.freeze("body")
    trained = made.fit((X, Y), loss="mean_squared_error", epochs=2, like=start)
    for name in BODY:
        assert np.array_equal(trained.params[name].numpy(), start[name].numpy()), name
    for name in (*FIRST, *LAST):
        assert not np.array_equal(trained.params[name].numpy(), start[name].numpy()), name
    assert list(trained.params.frozen.flat) == BODY
    assert not np.array_equal(trained.params["body.batch_norm_0.mean"].numpy(), np.zeros(5))


def test_a_frozen_batch_norm_is_run_as_in_training_as_in_pytorch():
    torch = pytest.importorskip("torch")
    norm = torch.nn.BatchNorm1d(4, momentum=0.5, eps=1e-5)
    for parameter in norm.parameters():
        parameter.requires_grad = False
    expected = norm.train()(torch.from_numpy(X)).numpy()
    model = (ax.input((None, 4)) | ax.batch_norm(momentum=0.5)).freeze()
    y, after = model.apply(model.init(), X)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after["batch_norm_0.mean"].numpy(), norm.running_mean.numpy(), rtol=1e-5, atol=1e-6)


def test_a_second_stage_trains_it_again(model):
    first = model.freeze("body").fit((X, Y), loss="mean_squared_error", like=model.init())
    second = model.fit((X, Y), loss="mean_squared_error", like=first)
    assert list(second.params.frozen.flat) == []
    assert not np.array_equal(second.params[BODY[0]].numpy(), first.params[BODY[0]].numpy())


def test_a_frozen_model_can_be_fitted_and_changes_nothing(model):
    start = model.init()
    trained = model.freeze().fit((X, Y), loss="mean_squared_error", like=start)
    for name in [*BODY, *FIRST, *LAST]:
        assert np.array_equal(trained.params[name].numpy(), start[name].numpy())


def test_it_costs_no_optimizer_memory(model):
    def moments(model):
        goal = make_goal("mean_squared_error", (), None)
        trainer = Trainer(model, model.init(), goal, ax.optimizers.adam(), seed=0, device="CPU")
        return sum(tensor.numel() for tensor in trainer.optimizer.state.values())

    assert moments(model) - moments(model.freeze("body")) == 2 * 35  # two moments for each weight


def test_trainable_and_frozen_views_are_the_whole(model):
    params = model.freeze("body").init()
    assert params.trainable.count + params.frozen.count + params.state.count == params.count == 67
    assert isinstance(params.frozen, Params)
    assert all(isinstance(leaf, Leaf) and leaf.kind == "frozen" for leaf in params.frozen.leaves.values())
