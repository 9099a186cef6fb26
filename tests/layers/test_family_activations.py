"""Activations beside Axon's numbers and PyTorch's: values, gradients, kinks, and what is too large or not a number."""

import itertools

import numpy as np
import pytest
from axon_cases.runner import check, check_raises, load, params
from tinygrad import Tensor, dtypes

import axon_nb as ax
from axon_nb.errors import AxonError, OptionError, ShapeError
from axon_nb.functional import activations

ALONG_AN_AXIS = ("softmax", "log_softmax", "log_sumexp")

CASES = load("activations")
ERRORS = [case for case in CASES if case.kind == "error"]
NUMBERS = [case for case in CASES if case.kind != "error"]

AXONS_DEFAULTS = {name: {"alpha": 0.2, "beta": 0.2} for name in ("hard_sigmoid", "hard_silu")}
"""Defaults of Axon's that are not ours: given by name, its numbers come out."""


def of_each_number(case):
    return case.name not in ALONG_AN_AXIS


def together(case):
    """Say which cases differ in their numbers only, so that one kernel does for all of them."""
    return case.name, case.kind, str(case.raw["kwargs"]), case.dtype


GROUPS = {
    "-".join(map(str, key)): list(cases)
    for key, cases in itertools.groupby(sorted(filter(of_each_number, NUMBERS), key=together), together)
}


@pytest.mark.parametrize("cases", [pytest.param(cases, id=group) for group, cases in GROUPS.items()])
def test_axon_cases_of_each_number(cases):
    first, *_ = cases
    arrays = [np.asarray(case.raw["args"][0]["tensor"], "float32") for case in cases]
    x = Tensor(np.concatenate([array.ravel() for array in arrays])).cast(first.dtype)
    options = AXONS_DEFAULTS.get(first.name, {}) | first.raw["kwargs"]
    y = getattr(activations, first.name)(x, **options)
    assert y.dtype == x.dtype
    assert all(case.raw.get("reduce", "sum") == "sum" for case in cases)
    result = (y if first.kind == "call" else y.sum().gradient(x)[0]).cast("float32").numpy()
    for case, part in zip(cases, np.split(result, np.cumsum([a.size for a in arrays])[:-1]), strict=True):
        check(case, part.reshape(case.raw["expected_shape"]))


@pytest.mark.parametrize("case", params(case for case in NUMBERS if not of_each_number(case)))
def test_axon_case_along_an_axis(case):
    check(case, case.run(getattr(activations, case.name)), dtype=True)


@pytest.mark.parametrize("case", params(ERRORS))
def test_axon_refusal(case):
    assert check_raises(case, getattr(activations, case.name)).fixes


def test_every_axon_case_is_run():
    run = [*itertools.chain(*GROUPS.values()), *filter(lambda case: not of_each_number(case), NUMBERS), *ERRORS]
    assert sorted(case.id for case in run) == sorted(case.id for case in load("activations"))
    assert len(run) == 165


KINKS = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 5.5, 1e-4, -1e-4, -0.02, -20.0, 20.0, 50.0, -50.0, 80.0]
LARGE = [100.0, -100.0, 1e4, -1e4, 88.8, -88.8, 30.0]
X = np.array([*KINKS, *LARGE, *np.random.default_rng(0).normal(size=9) * 3], "float32").reshape(4, 8)

PYTORCHS_NAMES = {
    "hard_sigmoid": "hardsigmoid",
    "hard_silu": "hardswish",
    "hard_tanh": "hardtanh",
    "linear": "clone",
    "log_sigmoid": "logsigmoid",
    "log_sumexp": "logsumexp",
    "swish": "silu",
}
PYTORCHS_OPTIONS = {"softmax": {"dim": -1}, "log_softmax": {"dim": -1}, "log_sumexp": {"dim": -1, "keepdim": True}}


def compare(ours, theirs, *arrays, **options):
    """Check values and gradients against those of PyTorch's function of that name."""
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn.functional, theirs, None) or getattr(torch, theirs)
    mine = [Tensor(array) for array in arrays]
    other = [torch.tensor(array, requires_grad=True) for array in arrays]
    y, z = ours(*mine), theirs(*other, **options)
    weights = np.cos(np.arange(z.numel(), dtype="float32")).reshape(z.shape)
    gradients = (y * Tensor(weights)).sum().gradient(*mine)
    (z * torch.tensor(weights)).sum().backward()
    Tensor.realize(y, *gradients)  # at once, as in a step: what is kept for the gradient must not overflow
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-6, equal_nan=True)
    for gradient, tensor, array in zip(gradients, other, arrays, strict=True):
        there = ~np.isnan(array)
        np.testing.assert_allclose(gradient.numpy()[there], tensor.grad.numpy()[there], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", activations.activations)
def test_value_and_gradient_are_pytorchs(name):
    x = X.copy()
    if name not in (*ALONG_AN_AXIS, "glu"):
        x[-1, -1] = np.nan  # stays NaN
    if name == "exp":
        x = x.clip(-80, 80)  # what is larger is infinite, its gradient too
    theirs = PYTORCHS_NAMES.get(name, name)
    compare(activations.activations[name], theirs, x, **PYTORCHS_OPTIONS.get(name, {}))


def test_options_are_pytorchs():
    compare(lambda x: activations.gelu(x, approximate=True), "gelu", X, approximate="tanh")
    compare(lambda x: activations.elu(x, alpha=0.3), "elu", X, alpha=0.3)
    compare(lambda x: activations.celu(x, alpha=0.3), "celu", X, alpha=0.3)
    compare(lambda x: activations.leaky_relu(x, alpha=0.3), "leaky_relu", X, negative_slope=0.3)


def test_prelu_is_pytorchs():
    slopes = np.linspace(0.1, 0.5, 8, dtype="float32")
    x = X.reshape(2, 8, 2)
    compare(activations.prelu, "prelu", x, slopes)
    compare(activations.prelu, "prelu", x, slopes[:1])
    compare(lambda x, slope: activations.prelu(x.transpose(1, 2), slope, -1).transpose(1, 2), "prelu", x, slopes)


HALF = ("gelu", "silu", "softplus", "softmax", "selu")
slowly = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *(pytest.param(name, "float16", marks=() if name in HALF else slowly) for name in activations.activations),
        *(pytest.param(name, "bfloat16", marks=slowly) for name in activations.activations),
    ],
)
def test_half_precision_keeps_its_kind_and_stays_finite(name, dtype):
    x = Tensor(X.clip(-10, 10) if name == "exp" else X).cast(dtype)
    y = activations.activations[name](x)
    (gradient,) = y.sum().gradient(x)
    assert y.dtype == gradient.dtype == x.dtype
    assert np.isfinite(y.cast("float32").numpy()).all()
    assert np.isfinite(gradient.cast("float32").numpy()).all()


def test_relus_leave_whole_numbers_whole():
    x = Tensor([-3, 0, 9], dtype="int32")
    y = Tensor.stack(activations.relu(x), activations.relu6(x), activations.hard_tanh(x), activations.linear(x))
    assert y.dtype == dtypes.int32
    assert y.tolist() == [[0, 0, 9], [0, 0, 6], [-1, 0, 1], [-3, 0, 9]]


def test_infinities():
    """Log_sumexp of nothing at all is -inf; Axon asks for that, and inf - inf would be NaN."""
    x = Tensor([[float("-inf")] * 2, [float("inf"), 0.0], [float("-inf"), 2.0]])
    assert activations.log_sumexp(x).flatten().tolist() == [float("-inf"), float("inf"), 2.0]
    assert activations.softplus(x).flatten().tolist()[:3] == [0.0, 0.0, float("inf")]


def test_softmax_over_several_axes_is_that_of_the_axes_as_one():
    x = Tensor(X.reshape(2, 4, 4))
    for name in ALONG_AN_AXIS:
        function = getattr(activations, name)
        one = function(x.reshape(2, 16))
        np.testing.assert_allclose(function(x, axis=(1, -1)).flatten().numpy(), one.flatten().numpy(), rtol=1e-6)


def test_swish_is_silu_by_another_name():
    model = ax.input((None, 4)) | ax.dense(3, "swish") | ax.swish()
    assert [op.declaration.name for op in model.layers] == ["dense", "swish"]
    assert activations.activations["swish"] is activations.silu is activations.swish is ax.functional.swish
    assert repr(ax.swish()) == "swish()"


def test_an_activation_with_options_may_be_an_option():
    model = ax.input((None, 4)) | ax.dense(3, ax.leaky_relu(0.5), kernel_initializer=-1.0)
    y = model.predict(model.init(), np.ones((1, 4), "float32"))
    assert y.tolist() == [[-2.0, -2.0, -2.0]]


@pytest.mark.parametrize(
    ("options", "slopes"),
    [({}, (4,)), ({"channels": "last"}, (8,)), ({"shared": True}, (1,)), ({"slope_initializer": "zeros"}, (4,))],
)
def test_prelu_has_a_slope_for_each_channel(options, slopes):
    model = ax.input((None, 4, 8)) | ax.prelu(name="p", **options)
    assert model.params == {"p.slope": slopes}
    assert model.init()["p"]["slope"].numpy().tolist() == [0.0 if "slope_initializer" in options else 0.25] * slopes[0]


WRONG = [
    (lambda: activations.celu(Tensor([1.0]), alpha=-1), OptionError, "celu: alpha must be a number above 0, got -1"),
    (lambda: ax.celu(0), OptionError, "celu: alpha must be a number above 0, got 0"),
    (lambda: ax.leaky_relu(float("nan")), OptionError, "leaky_relu: alpha must be a number, got nan"),
    (lambda: ax.gelu("tanh"), OptionError, "gelu: approximate must be True or False, got 'tanh'"),
    (lambda: ax.softmax("last"), OptionError, "softmax: axis must be an axis number or a tuple of them, got 'last'"),
    (lambda: ax.glu((1, 2)), OptionError, r"glu: axis must be an axis number, got \(1, 2\)"),
    (lambda: activations.softmax(Tensor([[1.0]]), axis=2), ShapeError, "no axis 2: .* 2 axes\n  fix: .*-2 to 1"),
    (lambda: activations.log_softmax(Tensor([[1.0]]), (1, -1)), ShapeError, r"axes \(1, -1\) name one axis twice"),
    (lambda: activations.glu(Tensor([[1.0]])), ShapeError, "its size 1 is odd\n  fix: .*twice as many units"),
    (lambda: activations.prelu(Tensor.ones(1, 3), Tensor.ones(2)), ShapeError, "1 has 3 cells.*\n  fix: give 3 values"),
    (lambda: (ax.input((None,)) | ax.prelu()).params, ShapeError, "prelu 'prelu_0' .*: needs at least 2 axes"),
    (lambda: (ax.input((None, None)) | ax.prelu()).params, ShapeError, "slope depends on a size that is not known"),
    (lambda: (ax.input((None, 3)) | ax.glu()).output_shape, ShapeError, r"glu 'glu_0' .*odd\n  got: \(None, 3\)"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_refusals(wrong, error, message):
    assert issubclass(error, AxonError)
    with pytest.raises(error, match=message):
        wrong()


def test_mish_keeps_its_digits_far_below_zero():
    """Beside the formula in 64 bits; the tanh of a softplus in 32 gives 0 from -17 on."""
    x = np.array([-80, -40, -20, -17, -5, -1, -1e-3, 0, 1e-3, 1, 5, 20, 88, 100], "float64")
    e = np.exp(-np.abs(x))
    share = np.where(x < 0, e * (e + 2), 1 + 2 * e)
    expected = x * share / (share + np.where(x < 0, 2, 2 * e * e))
    plain = x * np.tanh(np.log1p(np.exp(x)))
    np.testing.assert_allclose(expected, plain, rtol=1e-12)  # in 64 bits both are right
    np.testing.assert_allclose(activations.mish(Tensor(x.astype("float32"))).numpy(), plain, rtol=2e-5)
