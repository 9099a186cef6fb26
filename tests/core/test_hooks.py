"""Hooks: they see what goes through a layer, may replace it, and their errors name hook and layer."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import GraphError, HookError, OptionError, UnknownNameError

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


@pytest.fixture
def model():
    return ax.input((None, 3), name="x") | ax.dense(4, "tanh") | ax.dense(1)


def fit(model, **options):
    options = {"loss": "mean_squared_error", "batch_size": 8, "like": model.init(), **options}
    return model.fit((X, Y), optimizer=ax.optimizers.sgd(0.1), **options)


def hidden(model, params):
    return np.tanh(X @ params["dense_0"]["kernel"].numpy() + params["dense_0"]["bias"].numpy())


def test_forward_sees_numbers_at_every_predict(model):
    seen, params = [], model.init()
    watched = model.hook("dense_0", lambda y: seen.append(y.numpy()))
    for _ in range(3):
        np.testing.assert_allclose(watched.predict(params, X), model.predict(params, X), rtol=1e-5, atol=1e-6)
    assert len(seen) == 3
    np.testing.assert_allclose(seen[2], hidden(model, params), rtol=1e-5, atol=1e-6)
    assert model.find("dense_0").hooks == ()


def test_by_glob_and_predicate_with_names_and_in_order(model):
    seen = []
    model.hook("dense_*", lambda y, name: seen.append(name)).predict(model.init(), X)
    assert seen == ["dense_0", "dense_1"]
    both = model.hook(lambda node: node.op == "dense", lambda y: seen.append(1)).hook(
        "dense_1", lambda y: seen.append(2)
    )
    seen.clear()
    both.predict(model.init(), X)
    assert seen == [1, 1, 2]
    assert [len(node.hooks) for node in both.unhook("dense_1").nodes] == [0, 1, 0]


@pytest.mark.parametrize("compiled", [False, True])
def test_what_it_returns_takes_the_place(model, compiled):
    params = model.init()
    silent = model.hook("dense_0", lambda y: y * 0, compiled=compiled)
    assert not silent.predict(params, X).any()
    inputs = model.hook("dense_1", lambda x: x * 0 + 1, on="pre_forward", compiled=compiled)
    expected = params["dense_1"]["kernel"].numpy().sum()
    np.testing.assert_allclose(inputs.predict(params, X), np.full((8, 1), expected), rtol=1e-5)
    fed = model.hook("x", lambda x: x * 2, compiled=compiled)
    np.testing.assert_allclose(fed.predict(params, X), model.predict(params, 2 * X), rtol=1e-5, atol=1e-6)


def test_a_compiled_hook_is_called_once(model):
    calls = []
    watched = model.hook("dense_0", lambda y: calls.append(y.shape), compiled=True)
    for _ in range(4):
        watched.predict(model.init(), X)
    assert calls == [(8, 4)]


def test_several_inputs_come_as_a_tuple(model):
    seen = []
    x = ax.input((None, 3))
    summed = (x | ax.dense(2)) + (x | ax.dense(2))
    summed.hook("add_0", lambda xs: seen.append(len(xs)), on="pre_forward").predict(summed.init(), X)
    zero = summed.hook("add_0", lambda xs: (xs[0], xs[0] * -1), on="pre_forward")
    assert seen == [2]
    assert not zero.predict(summed.init(), X).any()


@pytest.mark.parametrize(("mode", "trains", "infers"), [("train", 2, 0), ("inference", 0, 2), ("both", 2, 2)])
def test_modes(model, mode, trains, infers):
    seen = []
    watched = model.hook("dense_0", lambda y: seen.append(y.numpy().shape), mode=mode)
    trained = fit(watched, epochs=2)
    assert len(seen) == trains
    seen.clear()
    trained.predict(X[:3])
    trained.predict(X)
    assert len(seen) == infers
    assert set(seen) <= {(3, 4), (8, 4)}


def test_watching_does_not_change_training(model):
    seen = []
    plain = fit(model, epochs=3)
    for on in ("forward", "pre_forward", "backward"):
        watched = fit(model.hook("dense_*", lambda t: seen.append(t.numpy()), on=on), epochs=3)
        for name, value in plain.params.flat.items():
            np.testing.assert_allclose(watched.params.flat[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6)
    assert len(seen) == 18


def test_backward_sees_the_gradient(model):
    start, seen = model.init(), {}
    fit(model.hook("dense_*", lambda g, name: seen.update({name: g.numpy()}), on="backward"), like=start)
    kernel = start["dense_1"]["kernel"].numpy()
    error = 2 * (hidden(model, start) @ kernel + start["dense_1"]["bias"].numpy() - Y) / 8
    given, meant = np.argsort(seen["dense_1"][:, 0]), np.argsort(error[:, 0])  # fit shuffles the samples
    np.testing.assert_allclose(seen["dense_1"][given], error[meant], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(seen["dense_0"][given], (error @ kernel.T)[meant], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_backward_may_replace_the_gradient(model, compiled):
    start = model.init()
    stopped = fit(model.hook("dense_0", lambda g: g * 0, on="backward", compiled=compiled), like=start)
    assert np.array_equal(stopped.params["dense_0.kernel"].numpy(), start["dense_0.kernel"].numpy())
    assert not np.array_equal(stopped.params["dense_1.kernel"].numpy(), start["dense_1.kernel"].numpy())


def test_a_forward_hook_takes_part_in_the_gradient(model):
    start = model.init()
    cut = fit(model.hook("dense_0", lambda y: y.detach(), compiled=True), like=start)
    assert np.array_equal(cut.params["dense_0.kernel"].numpy(), start["dense_0.kernel"].numpy())
    with pytest.raises(HookError, match="it reads numbers and returns a tensor: the gradient would stop there"):
        fit(model.hook("dense_0", lambda y: (y.numpy(), y * 2)[1]), like=start)


def test_initialize(model):
    seen = {}
    watched = model.hook("dense_0", lambda weights: seen.update(weights), on="initialize")
    assert watched.init() == model.init()
    assert {name: tensor.shape for name, tensor in seen.items()} == {"kernel": (3, 4), "bias": (4,)}
    ones = model.hook("dense", lambda weights: {"kernel": np.ones(weights["kernel"].shape)}, on="initialize")
    assert ones.init()["dense_1.kernel"].tolist() == [[1.0]] * 4
    assert ones.init(like=model.init()) == model.init()
    for wrong in (lambda weights: 3, lambda weights: {"nothing": 3}, lambda weights: {"bias": [1.0]}):
        with pytest.raises(HookError, match="initialize hook 'function' on dense 'dense_0'"):
            model.hook("dense_0", wrong, on="initialize").init()


@pytest.mark.parametrize("on", ["forward", "pre_forward", "backward", "initialize"])
def test_an_error_names_hook_and_layer(model, on):
    def broken(value):
        raise ValueError("no good")

    with pytest.raises(HookError, match=rf"^{on} hook 'broken' on dense 'dense_1'.*: ValueError: no good"):
        fit(model.hook("dense_1", broken, on=on), like=None)


def test_bad_uses(model):
    with pytest.raises(UnknownNameError, match="there is no node 'dense_5'"):
        model.hook("dense_5", print)
    with pytest.raises(GraphError, match="no node is meant"):
        model.hook("conv*", print)
    with pytest.raises(OptionError, match="on is one of 'forward', 'pre_forward', 'backward', 'initialize'"):
        model.hook("dense_0", print, on="backwards")
    with pytest.raises(OptionError, match="mode is one of 'both', 'train', 'inference'"):
        model.hook("dense_0", print, mode="predict")
    with pytest.raises(OptionError, match="a hook is a function"):
        model.hook("dense_0", 3)
    with pytest.raises(OptionError, match="there is no gradient in inference"):
        model.hook("dense_0", print, on="backward", mode="inference")
    for wrong in (lambda y: 3, lambda y: y.sum(), lambda y: Tensor.zeros(1)):
        with pytest.raises(HookError, match=r"returns a tensor of the same shape, or nothing\n  got: .* for \(8, 4\)"):
            model.hook("dense_0", wrong).predict(model.init(), X)


def test_hooks_stay_when_the_model_is_composed_or_rewritten(model):
    seen = []
    watched = model.hook("dense_0", lambda y: seen.append(1))
    longer = ax.compose(watched, ax.input((None, 1)) | ax.dense(1))
    longer.predict(longer.init(), X)
    rewritten = watched.rewrite(lambda node: node.layer | ax.relu() if node.op == "dense" else None)
    rewritten.predict(rewritten.init(), X)
    assert seen == [1, 1]


def test_several_outputs():
    seen = []
    sequence, *_ = ax.input((None, 5, 3)) | ax.lstm(4, return_state=True)
    model = sequence | ax.flatten() | ax.dense(1)
    x = np.zeros((2, 5, 3), "float32")
    both = model.hook("lstm_0", lambda ys: seen.append(len(ys))).hook("lstm_0[0]", lambda y: seen.append(y.shape))
    both.predict(model.init(), x)
    assert seen == [3, (2, 5, 4)]
