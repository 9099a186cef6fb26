"""Initializers beside Axon's numbers, and the spread of what they draw beside what the papers ask for."""

import math

import numpy as np
import pytest
from axon_cases.runner import check, check_raises, load, params

import axon_nb as ax
from axon_nb import initializers
from axon_nb.errors import OptionError, ShapeError
from axon_nb.functional.initializers import as_initializer, fans

DRAWN = ("lecun_uniform", "lecun_normal", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal")
THREEFRY = "the values come from threefry: bounds and moments are checked instead"
KIND = "initializers draw float32, and what holds the parameter casts it to its kind"

NOT_OURS = {
    **{case.id: THREEFRY for case in load("initializers", functions=DRAWN) if case.kind == "call"},
    **{case.id: KIND for case in load("initializers") if case.kind == "type" and case.expected != "f32"},
    "initializers.orthogonal.property.009": "a kernel is (out, in, *window): its rows are out, as in PyTorch",
}


def draw(case):
    """Call an initializer as Axon does: (shape, kind of numbers, key)."""
    args, options = case.factory
    shape = case.raw["args"][0]
    return getattr(initializers, case.name)(*args, **options)(tuple(shape), np.random.default_rng(1))


CASES = load("initializers", skip=NOT_OURS)


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind in ("call", "shape", "type")))
def test_axon_case(case):
    check(case, draw(case))


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "error"))
def test_axon_refusal(case):
    assert check_raises(case, lambda *_: draw(case)).fixes


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "property"))
def test_axon_property(case):
    q = draw(case)
    assert "@ transpose(q) == identity" in case.raw["property"]
    np.testing.assert_allclose(q @ q.T, np.eye(len(q)), atol=case.tol)
    if q.shape[0] == q.shape[1]:
        np.testing.assert_allclose(q.T @ q, np.eye(len(q)), atol=case.tol)


def test_every_axon_case_is_run_or_listed():
    kinds = {case.kind for case in CASES}
    assert kinds == {"call", "shape", "type", "error", "property"}
    assert len(CASES) + len(NOT_OURS) == 58


SHAPES = [(300, 200), (200, 300), (64, 32, 3, 3), (90, 100, 5)]


def numbers(initializer, shape, seed=0):
    return as_initializer(initializer)(shape, np.random.default_rng(seed)).astype(np.float64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DRAWN)
def test_the_spread_is_what_the_paper_asks_for(name, shape):
    fan_in, fan_out = fans(shape)
    wanted = {"lecun": 1 / fan_in, "glorot": 2 / (fan_in + fan_out), "he": 2 / fan_in}[name.split("_")[0]]
    values = numbers(name, shape)
    assert abs(values.mean()) < 4 * math.sqrt(wanted / values.size)
    assert values.var() == pytest.approx(wanted, rel=0.02)
    # An even distribution ends at sqrt(3) deviations; a normal one is cut at two of its own, 0.88 of which are left.
    end = math.sqrt(3 * wanted) if name.endswith("uniform") else 2 * math.sqrt(wanted) / 0.87962566
    assert np.abs(values).max() <= end * 1.0001
    assert np.abs(values).max() > end * 0.99


DISTRIBUTIONS = {
    "uniform": lambda x: (x + 1) / 2,
    "normal": lambda x: _normal_share(x),
    "truncated_normal": lambda x: (_normal_share(x) - _normal_share(-2)) / (1 - 2 * _normal_share(-2)),
}


def _normal_share(x):
    return 0.5 * (1 + np.vectorize(math.erf)(np.asarray(x) / math.sqrt(2)))


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_values_are_distributed_as_the_name_says(name):
    """The largest distance of shares (Kolmogorov and Smirnov) of so many draws is above this in 1 of 1000 seeds."""
    values = np.sort(numbers(getattr(initializers, name)(scale=1.0), (100, 100)).ravel())
    share = np.arange(1, values.size + 1) / values.size
    assert np.abs(DISTRIBUTIONS[name](values) - share).max() < 1.95 / math.sqrt(values.size)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 100), ("fan_out", 300), ("fan_avg", 200)])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated_normal"])
def test_variance_scaling(mode, fan, distribution):
    made = initializers.variance_scaling(scale=3.0, mode=mode, distribution=distribution)
    assert numbers(made, (100, 300)).var() == pytest.approx(3 / fan, rel=0.03)


def test_mean_and_scale():
    assert numbers(initializers.normal(mean=2.0, scale=0.5), (100, 100)).mean() == pytest.approx(2, abs=0.02)
    cut = numbers(initializers.truncated_normal(mean=2.0, scale=0.5), (100, 100))
    assert cut.mean() == pytest.approx(2, abs=0.02)
    assert (cut.min(), cut.max()) == pytest.approx((1, 3), abs=0.01)


FANS = [
    ((784, 128), (784, 128)),  # dense: (in, units)
    ((32, 16, 3, 3), (16 * 9, 32 * 9)),  # conv: (out, in, *window)
    ((32, 4, 5), (4 * 5, 32 * 5)),  # conv over 16 channels in 4 groups
    ((8, 1, 3, 3), (9, 8 * 9)),  # depthwise conv
    ((10,), (10, 10)),
    ((), (1, 1)),
]


@pytest.mark.parametrize(("shape", "expected"), FANS)
def test_fans(shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize("shape", [shape for shape, _ in FANS if len(shape) > 1])
def test_fans_are_pytorchs(shape):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(*(shape[::-1] if len(shape) == 2 else shape)))
    assert fans(shape) == theirs


@pytest.mark.parametrize("channels", ["first", "last"])
def test_a_layer_draws_by_the_fans_of_its_kernel(channels):
    """Axon read channels-first kernels by their last two axes, the window's."""
    shape = (None, 16, 8, 8) if channels == "first" else (None, 8, 8, 16)
    layer = ax.conv(64, 3, channels=channels, kernel_initializer="he_normal", name="c")
    kernel = (ax.input(shape) | layer).init()["c"]["kernel"].numpy()
    assert kernel.shape == (64, 16, 3, 3)
    assert kernel.var() == pytest.approx(2 / (16 * 9), rel=0.05)


@pytest.mark.parametrize("shape", [(6, 6), (3, 8), (8, 3), (4, 2, 3), (20, 2, 3)])
def test_orthogonal(shape):
    q = numbers(initializers.orthogonal(gain=2.0), shape)
    flat = q.reshape(shape[0], -1)
    short = flat if flat.shape[0] <= flat.shape[1] else flat.T
    np.testing.assert_allclose(short @ short.T, 4 * np.eye(len(short)), atol=1e-5)


def test_orthogonal_has_no_favoured_sign():
    signs = [np.sign(np.diag(numbers("orthogonal", (2, 2), seed))).tolist() for seed in range(40)]
    assert {tuple(pair) for pair in signs} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_the_plain_ones():
    rng = np.random.default_rng(0)
    assert initializers.zeros()((2, 2), rng).tolist() == [[0, 0], [0, 0]]
    assert initializers.ones()((2,), rng).tolist() == [1, 1]
    assert initializers.full(0.5)((2,), rng).tolist() == [0.5, 0.5]
    assert as_initializer(0.5)((2,), rng).tolist() == [0.5, 0.5]
    assert initializers.identity()((2, 3), rng).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("name", initializers.initializers)
def test_every_initializer_draws_the_same_float32_for_the_same_seed(name):
    first, again, other = (as_initializer(name)((4, 4), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.dtype == np.float32
    assert first.shape == (4, 4)
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name in ("zeros", "ones", "full", "identity"))


@pytest.mark.parametrize("name", initializers.initializers)
def test_every_initializer_is_an_option_of_a_layer_by_name_and_as_a_function(name):
    made = getattr(initializers, name)
    assert repr(ax.dense(4, kernel_initializer=name)) == repr(ax.dense(4, kernel_initializer=made)).replace("()", "")
    for one in (name, made, made()):
        model = ax.input((None, 4)) | ax.dense(4, kernel_initializer=one, name="d")
        assert np.isfinite(model.init()["d"]["kernel"].numpy()).all()


WRONG = [
    (lambda: initializers.normal(scale=-1), OptionError, "normal: scale must be a number at least 0, got -1"),
    (lambda: initializers.normal(sigma=1), OptionError, "no normal option 'sigma'"),
    (lambda: initializers.variance_scaling(mode="fan_middle"), OptionError, "mode must be one of 'fan_in', "),
    (lambda: initializers.variance_scaling(distribution="even"), OptionError, "distribution must be one of 'normal', "),
    (lambda: numbers("identity", (2, 2, 2)), ShapeError, r"identity .* two axes\n  got: \(2, 2, 2\)\n  fix: "),
    (lambda: numbers("orthogonal", (2,)), ShapeError, r"orthogonal .* two axes or more\n  got: \(2,\)\n  fix: "),
    (lambda: ax.dense(3, kernel_initializer="he"), OptionError, "no initializer 'he'\n  fix: .*he_"),
    (lambda: (ax.input((None, 3)) | ax.dense(3, bias_initializer="orthogonal")).init(), ShapeError, "bias.*two"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_refusals(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
