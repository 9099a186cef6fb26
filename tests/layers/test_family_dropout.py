"""Dropout and noise: what they do to numbers, in the mean and one by one."""

import math

import numpy as np
import pytest
from axon_cases.runner import DATA, check_raises, load, params
from tinygrad import Context, Tensor
from torch_beside import numbers, torch

import axon_nb as ax
from axon_nb import functional
from axon_nb.engine import uniform, words
from axon_nb.errors import OptionError, ShapeError


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


FUNCTIONS = ("spatial_dropout", "feature_alpha_dropout")
PLACES = "Axon drops places in all channels at once; PyTorch and Keras agree on whole channels"
NOT_OURS = {f"shape.spatial_dropout_noise_shape.value.{n:03}": PLACES for n in (1, 2)}
"""The cases of these functions that don't apply, with the reason."""

CASES = load("layers", functions=FUNCTIONS)


@pytest.mark.parametrize("case", params(CASES))
def test_axon_errors(case):
    check_raises(case, lambda x, key: getattr(functional, case.name)(x, Tensor(key.random((1, 1)))))


def test_every_axon_case_is_run_or_listed():
    assert [case for case in load("layers") if "dropout" in case.name and case.name not in FUNCTIONS] == []
    assert {case.kind for case in CASES} == {"error"}
    assert load("shape", functions=["spatial_dropout_noise_shape"], skip=NOT_OURS) == []
    for file in ("equivalences", "model"):
        assert "dropout" not in (DATA / f"{file}.json").read_text()


RATES = {
    "dropout": ax.dropout, "spatial_dropout": ax.spatial_dropout, "alpha_dropout": ax.alpha_dropout,
    "feature_alpha_dropout": ax.feature_alpha_dropout, "gaussian_dropout": ax.gaussian_dropout,
}  # fmt: skip
ALL = {**RATES, "gaussian_noise": ax.gaussian_noise}
WHOLE = ("spatial_dropout", "feature_alpha_dropout")

SHAPE = (64, 100, 20)
"""Of the samples whose statistics are taken: 128000 numbers, 6400 channels."""


def train(layer, x, seed=0):
    model = ax.input((None, *x.shape[1:])) | layer
    y, _ = model.apply(model.init(), x, mode="train", seed=seed)
    return y.numpy()


@pytest.mark.parametrize("name", ALL)
def test_after_training_nothing_is_changed(name):
    x = numbers(2, 3, 4)
    model = ax.input((None, 3, 4)) | ALL[name](0.5)
    y, _ = model.apply(model.init(), x, mode="inference")
    assert np.array_equal(y.numpy(), x)
    assert np.array_equal(train(ALL[name](0), x), x)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_noise_and_another_seed_another(name):
    x = numbers(4, 30, 4)
    first = train(ALL[name](0.5), x, seed=1)
    assert np.array_equal(first, train(ALL[name](0.5), x, seed=1))
    assert not np.array_equal(first, train(ALL[name](0.5), x, seed=2))


def test_two_layers_draw_their_own_noise():
    x = np.ones((4, 50), np.float32)
    model = ax.input((None, 50))
    both = (model | ax.dropout(), model | ax.dropout()) | ax.concatenate()
    y, _ = both.apply(both.init(), x)
    left, right = np.split(y.numpy(), 2, axis=1)
    assert not np.array_equal(left, right)


@pytest.mark.parametrize("name", ["dropout", "spatial_dropout"])
def test_dropout_keeps_the_mean_and_drops_the_share_that_was_asked_for(name):
    y = train(RATES[name](0.3), np.ones(SHAPE, np.float32))
    assert sorted(set(y.ravel().tolist())) == pytest.approx([0, 1 / 0.7])
    draws = 6400 if name in WHOLE else 128000
    assert (y == 0).mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / draws))


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("channels", ["first", "last"])
def test_whole_channels_are_dropped(name, channels):
    x = np.ones((8, 16, 5), np.float32)
    y = train(RATES[name](0.5, channels=channels), x if channels == "first" else np.moveaxis(x, 1, -1))
    y = y if channels == "first" else np.moveaxis(y, -1, 1)
    assert (y == y[:, :, :1]).all()
    assert len(np.unique(y)) == 2
    assert len({tuple(row) for row in y[:, :, 0]}) > 1  # each sample drops others


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(name, rate):
    y = train(RATES[name](rate), np.random.default_rng(0).normal(size=SHAPE).astype(np.float32))
    off = 0.05 if name in WHOLE else 0.02
    assert y.mean() == pytest.approx(0, abs=off)
    assert y.std() == pytest.approx(1, abs=off)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_s_numbers_are_pytorch_s(rate):
    x = np.ones(1000, np.float32)
    theirs = torch.nn.functional.alpha_dropout(torch.tensor(x), rate, training=True).unique().numpy()
    ours = functional.alpha_dropout(Tensor([1.0, 1.0]), Tensor([rate * 0.9, rate]), rate=rate).numpy()
    np.testing.assert_allclose(np.sort(ours), theirs, rtol=1e-5)


def test_alpha_dropout_s_gradient_reaches_what_is_kept():
    x = Tensor([1.0, 2.0])
    y = functional.alpha_dropout(x, Tensor([0.1, 0.9]), rate=0.5)
    keep = 0.5
    a = (keep + 1.7580993408473766**2 * keep * 0.5) ** -0.5
    assert y.sum().gradient(x)[0].tolist() == pytest.approx([0, a], rel=1e-5)


def test_gaussian_noise_has_the_deviation_that_was_asked_for():
    noise = train(ax.gaussian_noise(0.5), np.full(SHAPE, 3, np.float32)) - 3
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(0.5, rel=0.01)


def test_gaussian_dropout_has_the_variance_of_dropout():
    y = train(ax.gaussian_dropout(0.2), np.full(SHAPE, 2, np.float32))
    assert y.mean() == pytest.approx(2, rel=0.01)
    assert y.std() == pytest.approx(2 * math.sqrt(0.2 / 0.8), rel=0.01)


def test_box_muller_makes_normal_numbers():
    first, second = (uniform(words(0, "normal"), None, draw, SHAPE) for draw in range(2))
    z = functional.box_muller(first, second).numpy().ravel()
    assert np.isfinite(z).all()
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert z.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(z) < 1).mean() == pytest.approx(0.6827, abs=0.005)  # one sigma
    assert (z**4).mean() == pytest.approx(3, abs=0.1)
    assert np.corrcoef(z[:-1], z[1:])[0, 1] == pytest.approx(0, abs=0.01)


def test_the_ends_of_the_uniform_range_give_finite_numbers():
    largest = float(np.nextafter(np.float32(1), np.float32(0)))
    z = functional.box_muller(Tensor([0.0, largest]), Tensor([largest, 0.0])).numpy()
    assert np.isfinite(z).all()
    assert 5 < z[1] < 6


@pytest.mark.parametrize("name", ALL)
def test_shorter_numbers_stay_short(name):
    x = Tensor(numbers(2, 3, 4)).half()
    noise = Tensor.zeros(2, 3) if name in WHOLE else Tensor.zeros(2, 3, 4)
    options = {"stddev": 0.5} if name == "gaussian_noise" else {"rate": 0.5}
    assert getattr(functional, name)(x, noise, **options).dtype == x.dtype


@pytest.mark.parametrize("name", ALL)
def test_sizes_may_be_unknown(name):
    assert (ax.input((None, 3, "time")) | ALL[name](0.5)).output_shape == (None, 3, "time")


@pytest.mark.parametrize("name", ALL)
def test_whole_numbers_are_refused(name):
    with pytest.raises(ShapeError, match=rf"^{name} '{name}_0' .*needs floating-point numbers, and got int32"):
        _ = (ax.input((None, 4, 4), dtype="int32") | ALL[name](0.5)).output_shape


@pytest.mark.parametrize("name", WHOLE)
def test_features_have_no_channels_to_drop(name):
    with pytest.raises(ShapeError, match=rf"^{name} .*needs at least 3 axes(.|\n)*fix: write (alpha_)?dropout\(\)"):
        _ = (ax.input((None, 4)) | ALL[name](0.5)).output_shape


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("rate", [-0.1, 1, float("nan"), "half"])
def test_a_rate_is_from_zero_to_less_than_one(name, rate):
    with pytest.raises(OptionError, match=rf"^{name}: rate must be a number at least 0 and below 1, got"):
        RATES[name](rate)


def test_a_deviation_is_not_negative():
    with pytest.raises(OptionError, match="gaussian_noise: stddev must be a number at least 0"):
        ax.gaussian_noise(-1)
