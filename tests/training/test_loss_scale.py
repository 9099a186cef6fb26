"""Scaled losses: Axon's traces, what a step that overflows leaves alone, training in float16, going on."""

import numpy as np
import pytest
from axon_cases.runner import load, params
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import loss_scales, optimizers, policies
from axon_nb.errors import OptionError, UnknownNameError
from axon_nb.training.feed import Batch
from axon_nb.training.goal import make_goal
from axon_nb.training.loss_scale import loss_scales as by_name
from axon_nb.training.step import Trainer

RNG = np.random.default_rng(0)


# Axon's traces -------------------------------------------------------------------------------------------------------


def each(tree, function):
    """Call a function with every list of numbers in nested dicts."""
    tree = tree.get("map", tree) if isinstance(tree, dict) else tree
    return {k: each(v, function) for k, v in tree.items()} if isinstance(tree, dict) else function(tree)


def read(state):
    return {name: tensor.item() for name, tensor in state.items()}


@pytest.mark.parametrize("case", params(load("loss_scale")))
def test_axon_trace(case):
    scale = by_name[case.name](**case.raw.get("kwargs", {}))
    state = scale.init()
    if "steps" in case.raw:
        for step, expected in zip(case.raw["steps"], case.expected, strict=True):
            state = scale.adjust(state, Tensor([step == "finite"]))
            assert read(state) == pytest.approx(expected, rel=case.tol)
        return
    assert read(state) == pytest.approx(case.expected["init_state"], rel=case.tol)
    (given,) = case.raw["args"]
    scaled = each(given, lambda row: scale.scale(Tensor(row), state).tolist())
    again = each(scaled, lambda row: scale.unscale(Tensor(row), state).tolist())
    same(scaled, case.expected["scaled"], case.tol)
    same(again, case.expected.get("unscaled", case.expected.get("unscaled_again", again)), case.tol)
    if case.name != "dynamic":
        assert read(scale.adjust(state, Tensor([False]))) == read(state)


def same(found, expected, tol):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, part in expected.items():
            same(found[name], part, tol)
    else:
        np.testing.assert_allclose(found, expected, rtol=tol)


def test_a_scale_never_becomes_infinite():
    scale = loss_scales.dynamic(init_scale=2.0**127, period=1)
    state = scale.adjust(scale.init(), Tensor([True]))
    assert read(state) == {"loss_scale": 2.0**127, "counter": 0}


# steps ---------------------------------------------------------------------------------------------------------------

X = RNG.normal(size=(16, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 2))).astype("float32")
MODEL = ax.input((None, 4)) | ax.dense(3, "tanh") | ax.dense(2)


def trainer(scale, optimizer=None, model=MODEL):
    goal = make_goal("mean_squared_error", (), None)
    rule = optimizer or optimizers.adam(learning_rate=0.01)
    return Trainer(model, model.init(seed=1), goal, rule, seed=0, device="CPU", loss_scale=scale)


def step(one, x=X, y=Y):
    one.train(one.load(Batch({one.model.inputs[0]: x}, (y,))))


def seen(one, without=()):
    return {name: t.numpy().copy() for name, t in one.tensors.items() if name not in ("sums", "counter", *without)}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_overflows_changes_nothing_but_the_scale(accumulate):
    rule = optimizers.adam(learning_rate=0.01, accumulate=accumulate)
    one = trainer(loss_scales.dynamic(init_scale=8.0, period=2), rule)
    for _ in range(accumulate):
        step(one)
    before = seen(one)
    assert read(one.scales) == {"loss_scale": 8, "counter": 1}
    one.scales["loss_scale"].assign(Tensor([3e38])).realize()  # the loss stays finite, the gradient does not
    step(one, X, Y + 1e6)
    for _ in range(accumulate - 1):
        step(one)
    after = seen(one)
    for name, array in before.items():
        if not name.startswith("loss_scale/"):
            np.testing.assert_array_equal(after[name], array, err_msg=name)
    assert read(one.scales) == {"loss_scale": pytest.approx(1.5e38), "counter": 0}
    one.scales["loss_scale"].assign(Tensor([8.0])).realize()
    for _ in range(accumulate):
        step(one)
    assert any((seen(one)[name] != array).any() for name, array in after.items() if name.startswith("params"))


@pytest.mark.parametrize("accumulate", [1, 3])
def test_in_single_precision_a_scale_changes_no_number(accumulate):
    rule = optimizers.adam(learning_rate=0.01, accumulate=accumulate, clip_norm=0.5)
    plain, scaled = trainer(None, rule), trainer(loss_scales.static(), rule)
    for _ in range(6):
        step(plain)
        step(scaled)
    own = seen(scaled)
    for name, array in seen(plain).items():
        np.testing.assert_allclose(own[name], array, rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_scale_doubles_after_its_period_and_halves_at_once():
    one = trainer(loss_scales.dynamic(init_scale=4.0, period=2))
    scales = []
    for _ in range(4):
        step(one)
        scales.append(read(one.scales)["loss_scale"])
    one.scales["loss_scale"].assign(Tensor([2.0**127])).realize()
    step(one, X, Y + 1e6)
    assert [*scales, read(one.scales)["loss_scale"]] == [4, 8, 8, 16, 2.0**126]


# float16 -------------------------------------------------------------------------------------------------------------


def digits(samples):
    """Ten blurred figures of 8 x 8, with noise."""
    forms = np.random.default_rng(3).random((10, 8, 8)).astype("float32")
    y = RNG.integers(0, 10, samples)
    return (forms[y] + 0.2 * RNG.normal(size=(samples, 8, 8))).astype("float32")[:, None], y


@pytest.mark.parametrize("policy", ["mixed_float16", "float16"])
def test_a_model_in_float16_learns_digits(policy):
    data = digits(256)
    model = ax.input((None, 1, 8, 8)) | ax.flatten() | ax.dense(32, "relu") | ax.dense(10, "softmax")
    half = model.apply_policy(getattr(policies, policy))
    rule = optimizers.sgd(learning_rate=0.2, momentum=0.9)
    scale = loss_scales.dynamic(init_scale=2.0**17, period=50)  # too much at first: it has to find a lower one
    options = {"loss": "categorical_cross_entropy", "optimizer": rule, "metrics": ["accuracy"], "loss_scale": scale}
    trained = half.fit(data, epochs=12, **options)
    assert trained.history["accuracy"][-1] > 0.9
    assert all(np.isfinite(t.numpy()).all() for t in trained.params.flat.values())


def test_a_run_that_is_stopped_goes_on_bit_for_bit(tmp_path):
    data = digits(64)
    model = ax.input((None, 1, 8, 8)) | ax.flatten() | ax.dense(10, "softmax")
    half = model.apply_policy(policies.mixed_float16)
    options = {"loss": "categorical_cross_entropy", "loss_scale": loss_scales.dynamic(init_scale=2.0**20, period=3)}
    whole = half.fit(data, epochs=4, **options)
    half.fit(data, epochs=2, callbacks=[ax.callbacks.Checkpoint(tmp_path)], **options)
    resumed = half.fit(data, epochs=4, resume=tmp_path, **options)
    assert resumed.history == whole.history
    for path, tensor in whole.params.flat.items():
        np.testing.assert_array_equal(resumed.params.flat[path].numpy(), tensor.numpy())


# what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: loss_scales.dynamic(period=0), OptionError, "period must be a whole number of at least 1\n  got: 0"),
    (lambda: loss_scales.dynamic(factor=1.0), OptionError, "factor must be a number above 1\n  got: 1.0"),
    (lambda: loss_scales.static(0), OptionError, "init_scale must be a number above 0\n  got: 0"),
    (lambda: loss_scales.dynamic(min_loss_scale=float("nan")), OptionError, "min_loss_scale must be a number"),
    (lambda: MODEL.fit((X, Y), loss="mean_squared_error", loss_scale="dynamc"), UnknownNameError,
     "there is no loss scale 'dynamc'\n  fix: did you mean 'dynamic'"),
    (lambda: MODEL.fit((X, Y), loss="mean_squared_error", loss_scale=8), OptionError,
     "a loss scale is a name or one of axon_nb.loss_scales\n  got: 8\n  fix: loss_scale=\"dynamic\""),
])  # fmt: skip
def test_refusals(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)
