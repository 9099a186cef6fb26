"""Pooling beside Axon's own numbers and PyTorch's."""

import itertools

import numpy as np
import pytest
from axon_cases.one_layer import check_equivalence, raw_cases
from axon_cases.runner import check, check_raises, load, params
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Context, Tensor
from torch_beside import beside, numbers, torch

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import OptionError, ShapeError

F = torch.nn.functional


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


WINDOWS = ("max_pool", "avg_pool", "lp_pool")
ADAPTIVE = ("adaptive_avg_pool", "adaptive_max_pool", "adaptive_lp_pool")
GLOBAL = ("global_avg_pool", "global_max_pool", "global_lp_pool")
AXON = (*WINDOWS, *ADAPTIVE, *GLOBAL)
MODELS = frozenset((*AXON, "blur_pool"))
POLICY = "a precision policy, which is the model's: tests/core/test_policies.py runs the cases of all families"
NOT_OURS = {f"model.output_dtype.output_dtype.{n:03}": POLICY for n in range(25, 35)}
"""The cases of these functions that don't apply, with the reason."""

CASES = load("layers", functions=AXON)


def _ours(case):
    function = getattr(functional, case.name)
    if case.name in ADAPTIVE:  # an error case without output_size, which is required here
        return lambda x, output_size=1, **options: function(x, output_size, **options)
    return function


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "call"))
def test_axon_numbers(case):
    check(case, case.run(_ours(case)), dtype=True)


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "error"))
def test_axon_errors(case):
    check_raises(case, _ours(case))


@pytest.mark.parametrize("raw", raw_cases("equivalences", MODELS, {}))
def test_axon_equivalences(raw):
    check_equivalence(raw)


def test_every_axon_case_is_run_or_listed():
    assert raw_cases("model", MODELS, NOT_OURS) == []
    assert {case.kind for case in CASES} == {"call", "error"}
    assert not [case for case in load("shape") if "pool" in case.name]
    assert {case.name for case in load("layers") if "pool" in case.name} == set(AXON)


@pytest.mark.parametrize(("spatial", "options"), [
    ((9,), {"kernel_size": 3, "strides": 2, "padding": 1}),
    ((9,), {"kernel_size": 2, "dilation": 3, "strides": 1}),
    ((25,), {"kernel_size": 9, "strides": 4, "padding": 4}),
    ((4, 5), {"kernel_size": 2, "strides": 1}),
])  # fmt: skip
def test_max_pool_is_pytorch_s_with_many_equal_numbers(spatial, options):
    theirs = {1: F.max_pool1d, 2: F.max_pool2d}[len(spatial)]
    renamed = {{"strides": "stride"}.get(name, name): value for name, value in options.items()}
    beside(
        lambda x: functional.max_pool(x, **options), lambda x: theirs(x, **renamed),
        np.round(numbers(2, 3, *spatial)),
    )  # fmt: skip


def test_the_first_of_equal_numbers_gets_the_gradient_in_reading_order():
    x = Tensor([[[[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]]])
    (gradient,) = functional.max_pool(x, kernel_size=(2, 3)).sum().gradient(x)
    assert gradient.tolist() == [[[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]]
    (gradient,) = functional.global_max_pool(x).sum().gradient(x)
    assert gradient.tolist() == [[[[0.0, 0.25, 0.25], [0.25, 0.0, 0.25]]]]


def test_max_pool_lets_nan_through_and_takes_whole_numbers():
    x = Tensor([[[1.0, float("nan"), 2.0, 3.0]]])
    assert np.isnan(functional.max_pool(x).numpy()).tolist() == [[[True, False]]]
    whole = functional.max_pool(Tensor([[[-3, -5, -4]]]), padding=[(1, 0)])
    assert whole.tolist() == [[[-3, -4]]]


LP = [(2, {}), (1, {"strides": 1}), (3, {"kernel_size": 3}), (2.5, {"padding": 0, "strides": 3})]


@pytest.mark.parametrize(("norm", "options"), LP)
def test_lp_pool_is_pytorch_s(norm, options):
    x = numbers(2, 3, 9) if norm in (1, 2) else np.abs(numbers(2, 3, 9))
    size, strides = options.get("kernel_size", 2), options.get("strides")
    beside(
        lambda a: functional.lp_pool(a, norm=norm, **options), lambda a: F.lp_pool1d(a, norm, size, strides), x
    )  # fmt: skip


def test_lp_pool_of_negative_sums_is_pytorch_s():
    x = np.array([[[-3.0, 1.0, 1.0, 2.0]]], np.float32)
    theirs = F.lp_pool1d(torch.tensor(x), 3, 2).numpy()
    np.testing.assert_allclose(functional.lp_pool(Tensor(x), norm=3).numpy(), theirs, rtol=1e-4)
    assert np.isnan(theirs[0, 0, 0])


def test_windows_of_zeros_have_a_gradient_of_zero():
    x = Tensor.zeros(1, 1, 4).contiguous()
    y = (
        functional.lp_pool(x).sum()
        + functional.global_lp_pool(x, norm=3).sum()
        + functional.adaptive_lp_pool(x, 2).sum()
    )
    assert y.gradient(x)[0].tolist() == [[[0.0, 0.0, 0.0, 0.0]]]


ADAPT = {
    "adaptive_avg_pool": (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d),
    "adaptive_max_pool": (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d),
}


@pytest.mark.parametrize(("name", "spatial", "size"), [
    (name, *shapes)
    for name in ADAPT
    for shapes in (((7,), 3), ((8,), 4), ((5,), 8), ((20,), 1), ((5, 6), (3, 4)))
])  # fmt: skip
def test_adaptive_pools_are_pytorch_s(name, spatial, size):
    theirs = ADAPT[name][len(spatial) - 1]
    x = np.round(numbers(2, 2, *spatial)) if "max" in name else numbers(2, 2, *spatial)
    beside(lambda a: getattr(functional, name)(a, size), lambda a: theirs(a, size), x)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(size=st.integers(1, 20), cells=st.integers(1, 9))
def test_adaptive_pools_are_pytorch_s_for_any_sizes(size, cells):
    x = numbers(1, 2, size)
    for name, theirs in ADAPT.items():
        ours = getattr(functional, name)(Tensor(x), cells)
        np.testing.assert_allclose(ours.numpy(), theirs[0](torch.tensor(x), cells).numpy(), rtol=1e-4, atol=1e-5)


def test_adaptive_lp_pool_has_the_windows_of_the_others():
    x = np.abs(numbers(2, 2, 5, 6))
    mean = functional.adaptive_avg_pool(Tensor(x), (5, 2)) * 3  # these windows are all of 1x3 cells
    np.testing.assert_allclose(functional.adaptive_lp_pool(Tensor(x), (5, 2), norm=1).numpy(), mean.numpy(), rtol=1e-5)
    y = functional.adaptive_lp_pool(Tensor(x[:, :, :, 0]), 3, norm=3).numpy()
    assert y[0, 0, 1] == pytest.approx((x[0, 0, 1:4, 0] ** 3).sum() ** (1 / 3), rel=1e-5)


@pytest.mark.parametrize("keep", [True, False])
def test_global_pools_are_reductions_of_all_of_space(keep):
    x = numbers(2, 3, 4, 5)
    beside(
        lambda a: functional.global_max_pool(a, keep_axes=keep), lambda a: a.amax((2, 3), keepdim=keep), np.round(x)
    )  # fmt: skip
    beside(
        lambda a: functional.global_lp_pool(a, keep_axes=keep), lambda a: a.norm(dim=(2, 3), keepdim=keep), x
    )  # fmt: skip


@pytest.mark.parametrize(("strides", "padding"), [(1, "valid"), (2, "same")])
def test_blur_pool_is_a_convolution_with_a_binomial_window(strides, padding):
    window = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = (window[:, None] * window).expand(3, 1, 3, 3)
    pads = (0, 0, 0, 0) if padding == "valid" else (0, 1, 1, 1)  # of 6 x 5: one cell is added after 6, two around 5

    def theirs(x):
        return F.conv2d(F.pad(x, (pads[2], pads[3], pads[0], pads[1])), kernel, stride=strides, groups=3)

    beside(lambda x: functional.blur_pool(x, strides=strides, padding=padding), theirs, numbers(2, 3, 6, 5))


LAYERS = {
    "max_pool": lambda **o: ax.max_pool(2, **o),
    "avg_pool": lambda **o: ax.avg_pool(3, 2, "same", count_padding=False, **o),
    "lp_pool": lambda **o: ax.lp_pool(2, norm=1, **o),
    "blur_pool": lambda **o: ax.blur_pool(2, "same", **o),
    "adaptive_avg_pool": lambda **o: ax.adaptive_avg_pool(3, **o),
    "adaptive_max_pool": lambda **o: ax.adaptive_max_pool(3, **o),
    "adaptive_lp_pool": lambda **o: ax.adaptive_lp_pool(3, **o),
    "global_avg_pool": lambda **o: ax.global_avg_pool(keep_axes=True, **o),
    "global_max_pool": lambda **o: ax.global_max_pool(keep_axes=True, **o),
    "global_lp_pool": lambda **o: ax.global_lp_pool(keep_axes=True, **o),
}


@pytest.mark.parametrize(("name", "axes"), list(itertools.product(LAYERS, (1, 2, 3))))
def test_channels_may_stand_last_and_sizes_may_be_unknown(name, axes):
    sizes = ("time", "height", "width")[:axes]
    batch, channels, *spatial = (ax.input((None, 4, *sizes)) | LAYERS[name]()).output_shape
    assert (ax.input((None, *sizes, 4)) | LAYERS[name](channels="last")).output_shape == (batch, *spatial, channels)
    assert (batch, channels) == (None, 4)
    if "adaptive" in name or "global" in name:
        assert spatial == [3 if "adaptive" in name else 1] * axes


@pytest.mark.parametrize("name", LAYERS)
def test_channels_last_gives_the_same_numbers(name):
    x = np.abs(numbers(2, 4, 7))
    first, last = ax.input((None, 4, 7)) | LAYERS[name](), ax.input((None, 7, 4)) | LAYERS[name](channels="last")
    y, _ = first.apply(first.init(), x, mode="inference")
    z, _ = last.apply(last.init(), np.moveaxis(x, 1, -1), mode="inference")
    np.testing.assert_allclose(np.moveaxis(z.numpy(), -1, 1), y.numpy(), rtol=1e-5, atol=1e-6)


def test_padded_cells_count_as_zeros_unless_told_otherwise():
    x = Tensor([[[2.0, 4.0, 6.0]]])
    assert functional.avg_pool(x, kernel_size=2, padding="same").tolist() == [[[3.0, 3.0]]]
    assert functional.avg_pool(x, kernel_size=2, padding="same", count_padding=False).tolist() == [[[3.0, 6.0]]]


ERRORS = [
    ((None, 4), lambda: ax.max_pool(2), r"^max_pool 'max_pool_0' .*needs at least 3 axes"),
    ((None, 4), lambda: ax.global_lp_pool(), r"^global_lp_pool 'global_lp_pool_0' .*needs at least 3 axes"),
    ((None, 4), lambda: ax.adaptive_avg_pool(2), r"^adaptive_avg_pool .*needs at least 3 axes"),
    ((None, 4, 5), lambda: ax.lp_pool(6), "a window of 6 does not fit into 5 cells"),
    ((None, 4, 2, 5), lambda: ax.blur_pool(), "a window of 3 does not fit into 2 cells"),
    ((None, 4, 5), lambda: ax.adaptive_max_pool((2, 2)), "output_size has 2 sizes and the input 1 spatial axes"),
    ((None, 4, 5, 5), lambda: ax.avg_pool(2, padding=[(1, 1)]), "padding has 1 pairs and the input 2 spatial axes"),
]


@pytest.mark.parametrize(("shape", "make", "message"), ERRORS)
def test_a_layer_that_does_not_fit_says_what_it_got_and_what_to_do(shape, make, message):
    with pytest.raises(ShapeError, match=message):
        _ = (ax.input(shape) | make()).output_shape


def test_options_out_of_range_are_refused():
    for make in (
        lambda: ax.lp_pool(2, norm=0.5),
        lambda: ax.adaptive_avg_pool(0),
        lambda: ax.global_max_pool(keep_axes="yes"),
    ):
        with pytest.raises(OptionError, match="must be"):
            make()
    with pytest.raises(OptionError, match="output_size must be given"):
        ax.adaptive_max_pool()
