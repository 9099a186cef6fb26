"""Convolutions beside Axon's own numbers and PyTorch's."""

import itertools

import numpy as np
import pytest
from axon_cases.one_layer import check_equivalence, check_params, kernel_of, raw_cases, transposed_padding
from axon_cases.runner import check, check_raises, load, params
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Context, Tensor
from torch_beside import beside, numbers, torch

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import AxonError, OptionError, ShapeError

F = torch.nn.functional


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


AXON = ("conv", "conv_transpose", "depthwise_conv", "separable_conv2d", "separable_conv3d")
SHAPES = (
    "conv_kernel", "conv_bias", "depthwise_conv_kernel", "depthwise_conv_bias", "separable_conv2d_kernel",
    "separable_conv2d_bias", "separable_conv3d_kernel", "separable_conv3d_bias",
)  # fmt: skip
POLICY = "a precision policy, which is the model's: tests/core/test_policies.py runs the cases of all families"
NOT_OURS = {
    "layers": {},
    "equivalences": {},
    "model": {
        **{f"model.init.params.{n:03}": POLICY for n in (16, 20, 24, 28, 32)},
        **{f"model.output_dtype.output_dtype.{n:03}": POLICY for n in (35, 36, 37, 38, 39)},
    },
    "shape": {},
}
"""The cases of these functions that don't apply, with the reason."""


def _conv_transpose(x, kernel, bias, *, kernel_dilation=1, padding="valid", **options):
    """Bring Axon's kernel (out, in, *window), which is not mirrored, and its padding into our form."""
    if len(kernel.shape) == len(x.shape):
        bias = Tensor.full((kernel.shape[0],), float(bias.item() if isinstance(bias, Tensor) else bias))
        if not isinstance(padding, str):
            padding = transposed_padding(padding, kernel.shape[2:], kernel_dilation)
        kernel = kernel.transpose(0, 1).flip(tuple(range(2, kernel.ndim)))
    return functional.conv_transpose(x, kernel, bias, dilation=kernel_dilation, padding=padding, **options)


def _spatial(x, *args, **options):
    return functional.spatial_separable_conv(x, args[::2], args[1::2] or None, **options)


OURS = {
    "conv": functional.conv, "conv_transpose": _conv_transpose, "depthwise_conv": functional.depthwise_conv,
    "separable_conv2d": _spatial, "separable_conv3d": _spatial,
}  # fmt: skip
CASES = load("layers", functions=AXON)


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "call"))
def test_axon_numbers(case):
    check(case, case.run(OURS[case.name]))


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "error"))
def test_axon_errors(case):
    check_raises(case, OURS[case.name])


@pytest.mark.parametrize("raw", raw_cases("equivalences", frozenset(AXON), NOT_OURS["equivalences"]))
def test_axon_equivalences(raw):
    check_equivalence(raw)


@pytest.mark.parametrize("raw", raw_cases("model", frozenset(AXON), NOT_OURS["model"]))
def test_axon_params(raw):
    check_params(raw)


@pytest.mark.parametrize("case", params(load("shape", functions=SHAPES)))
def test_axon_shapes(case):
    shape, size, kernel_size, *rest = case.raw["args"]
    channels = "last" if "last" in rest else "first"
    name, _, what = case.name.rpartition("_")
    layer = getattr(
        ax, {"separable_conv2d": "spatial_separable_conv", "separable_conv3d": "spatial_separable_conv"}.get(name, name)
    )
    # one case gives a 2-D window to a 1-D input, which its bias does not look at
    window = tuple(kernel_size)[: len(shape) - 2]
    found = (ax.input(tuple(shape)) | layer(size, window, channels=channels, name="x")).params
    number = f"_{rest[0]}" if name.startswith("separable") and what == "kernel" else "_1" if "separable" in name else ""
    expected = np.empty(case.expected)
    expected = kernel_of(expected) if channels == "last" else expected
    assert found[f"x.{what}{number}"] == expected.shape


def test_every_axon_case_is_run_or_listed():
    listed = {case for table in NOT_OURS.values() for case in table}
    run = [
        p.values[0]["id"]
        for file in ("equivalences", "model")
        for p in raw_cases(file, frozenset(AXON), NOT_OURS[file])
    ]
    everything = [p.values[0]["id"] for file in ("equivalences", "model") for p in raw_cases(file, frozenset(AXON), {})]
    assert set(run) | listed == set(everything)
    assert {case.kind for case in CASES} == {"call", "error"}
    assert not [
        n for n in ("conv", "separable") for case in load("shape") if n in case.name and case.name not in SHAPES
    ]


TRANSPOSED = [
    # spatial, in, out, kernel, strides, dilation, groups, padding, output_padding
    ((5,), 3, 4, (3,), 2, 1, 1, 1, 1),
    ((4,), 4, 6, (4,), 3, 2, 2, 0, 0),
    ((3, 4), 4, 6, (3, 2), (2, 3), (1, 2), 2, (0, 1), (1, 0)),
    ((3, 4), 2, 3, (3, 3), 1, 2, 1, 1, 0),
    ((4, 3), 2, 2, (1, 4), (3, 2), 1, 1, 0, (2, 0)),
    pytest.param((2, 3, 2), 2, 3, (2, 1, 3), (2, 1, 2), 1, 1, (0, 0, 1), (0, 0, 1), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(
    ("spatial", "within", "out", "kernel", "strides", "dilation", "groups", "padding", "more"), TRANSPOSED
)
def test_conv_transpose_is_pytorch_s(spatial, within, out, kernel, strides, dilation, groups, padding, more):
    theirs = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[len(spatial)]
    cells = padding if isinstance(padding, int) else [(p, p) for p in padding]
    beside(
        lambda x, k, b: functional.conv_transpose(
            x, k, b, strides=strides, padding=cells, output_padding=more, dilation=dilation, groups=groups
        ),
        lambda x, k, b: theirs(
            x, k, b, stride=strides, padding=padding, output_padding=more, dilation=dilation, groups=groups
        ),
        numbers(2, within, *spatial), numbers(within, out // groups, *kernel), numbers(out),
    )  # fmt: skip


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    size=st.integers(1, 6), kernel=st.integers(1, 5), stride=st.integers(1, 3), dilation=st.integers(1, 2),
    before=st.integers(0, 2), after=st.integers(0, 2),
)  # fmt: skip
def test_conv_transpose_is_pytorch_s_for_any_sizes(size, kernel, stride, dilation, before, after):
    whole = (size - 1) * stride + (kernel - 1) * dilation + 1
    x, weights = numbers(1, 2, size), numbers(2, 3, kernel)
    options = {"strides": stride, "dilation": dilation, "padding": [(before, after)]}
    if whole - before - after < 1:
        with pytest.raises(ShapeError, match="padding cuts off all of the"):
            functional.conv_transpose(Tensor(x), Tensor(weights), **options)
        return
    beside(
        lambda a, k: functional.conv_transpose(a, k, **options),
        lambda a, k: F.conv_transpose1d(a, k, stride=stride, dilation=dilation)[..., before : whole - after],
        x, weights,
    )  # fmt: skip


@given(size=st.integers(1, 40), kernel=st.integers(1, 9), stride=st.integers(1, 5), dilation=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_conv_transpose_has_keras_s_lengths(size, kernel, stride, dilation):
    x, weights = Tensor.empty(1, 1, size), Tensor.empty(1, 1, kernel)
    lengths = {
        padding: functional.conv_transpose(x, weights, strides=stride, dilation=dilation, padding=padding).shape[2]
        for padding in ("valid", "same")
    }
    span = (kernel - 1) * dilation + 1
    assert lengths == {"valid": size * stride + max(span - stride, 0), "same": size * stride}


@given(size=st.integers(1, 30), kernel=st.integers(1, 7), stride=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_same_conv_transpose_turns_same_conv_around(size, kernel, stride):
    """Check that both look at the same cells: where conv's window k covers cell c, the gradient goes back there."""
    pads = functional.window.pads("same", (size * stride,), (kernel,), (stride,), (1,))
    cut = functional.window.transposed_pads("same", (kernel,), (stride,), (1,))
    assert cut[0][0] == pads[0][0]


def test_conv_transpose_is_the_gradient_of_conv():
    x, kernel, y = numbers(2, 3, 6), numbers(4, 3, 3), numbers(2, 4, 3)
    for padding in ("same", 1):
        t = Tensor(x)
        (gradient,) = (functional.conv(t, Tensor(kernel), strides=2, padding=padding) * Tensor(y)).sum().gradient(t)
        more = 0 if padding == "same" else 1
        again = functional.conv_transpose(Tensor(y), Tensor(kernel), strides=2, padding=padding, output_padding=more)
        np.testing.assert_allclose(again.numpy(), gradient.numpy(), rtol=1e-4, atol=1e-4)


def test_input_dilation_puts_zeros_between_the_cells():
    def theirs(x, kernel):
        wide = torch.zeros(2, 3, 13)
        wide[:, :, ::3] = x
        return F.conv1d(wide, kernel, stride=2, padding=1)

    beside(
        lambda x, kernel: functional.conv(x, kernel, strides=2, padding=1, input_dilation=3),
        theirs, numbers(2, 3, 5), numbers(4, 3, 3),
    )  # fmt: skip
    spread = functional.window.spread(Tensor(numbers(2, 3, 4, 5)), (2, 3)).numpy()
    assert spread.shape == (2, 3, 7, 13)
    np.testing.assert_array_equal(spread[:, :, ::2, ::3], numbers(2, 3, 4, 5))
    assert np.count_nonzero(spread) == 2 * 3 * 4 * 5


@pytest.mark.parametrize(("spatial", "kernel", "options"), [
    ((9,), (3,), {"strides": 2, "padding": 1}),
    ((6, 7), (3, 2), {"dilation": 2}),
    pytest.param((3, 4, 4), (2, 2, 2), {"strides": (1, 2, 1)}, marks=pytest.mark.slow),
])  # fmt: skip
def test_depthwise_conv_is_pytorch_s_with_a_group_for_each_channel(spatial, kernel, options):
    theirs = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(spatial)]
    renamed = {{"strides": "stride"}.get(name, name): value for name, value in options.items()}
    beside(
        lambda x, k, b: functional.depthwise_conv(x, k, b, **options),
        lambda x, k, b: theirs(x, k, b, groups=3, **renamed),
        numbers(2, 3, *spatial), numbers(6, 1, *kernel), numbers(6),
    )  # fmt: skip


@pytest.mark.parametrize("channels", ["first", "last"])
def test_a_channel_of_depthwise_conv_belongs_to_channel_c_over_multiplier(channels):
    x = np.eye(3, dtype=np.float32).reshape(3, 3, 1)  # sample n has a one in channel n
    x = np.moveaxis(x, 1, -1) if channels == "last" else x
    y = functional.depthwise_conv(Tensor(x), Tensor(np.ones((6, 1, 1), np.float32)), channels=channels).numpy()
    assert np.flatnonzero(y[1]).tolist() == [2, 3]


def test_separable_conv_is_depthwise_then_pointwise():
    beside(
        lambda x, d, p, b: functional.separable_conv(x, d, p, b, strides=2, padding=1),
        lambda x, d, p, b: F.conv1d(F.conv1d(x, d, stride=2, padding=1, groups=3), p, b),
        numbers(2, 3, 6), numbers(6, 1, 3), numbers(5, 6, 1), numbers(5),
    )  # fmt: skip


def test_spatial_separable_conv_is_a_depthwise_conv_with_an_outer_product():
    x, tall, wide = numbers(2, 3, 7, 8), numbers(6, 1, 3, 1), numbers(6, 1, 1, 2)
    beside(
        lambda a, t, w: functional.spatial_separable_conv(
            a, (t, w), strides=(2, 1), padding=[(1, 0), (0, 1)], dilation=(1, 2), factors="own_axis"
        ),
        lambda a, t, w: F.conv2d(F.pad(a, (0, 1, 1, 0)), t * w, stride=(2, 1), dilation=(1, 2), groups=3),
        x, tall, wide,
    )  # fmt: skip


def test_spatial_separable_conv_strides_in_every_factor_as_axon_unless_told_otherwise():
    x = ax.input((None, 3, 32, 32))
    assert (x | ax.spatial_separable_conv(1, 3, 2, "same")).output_shape == (None, 3, 8, 8)
    assert (x | ax.spatial_separable_conv(1, 3, 2, "same", factors="own_axis")).output_shape == (None, 3, 16, 16)
    one = ax.input((None, 3, 32)) | ax.spatial_separable_conv(2, 3, 2, name="one")
    assert one.output_shape == (None, 6, 15)
    assert one.params == {"one.kernel_1": (6, 1, 3), "one.bias_1": (6,)}


LAYERS = {
    "conv": lambda **o: ax.conv(4, 3, 2, "same", **o),
    "conv_transpose": lambda **o: ax.conv_transpose(4, 3, 2, "same", **o),
    "depthwise_conv": lambda **o: ax.depthwise_conv(2, 3, 2, "same", **o),
    "separable_conv": lambda **o: ax.separable_conv(4, 3, 2, "same", multiplier=2, **o),
    "spatial_separable_conv": lambda **o: ax.spatial_separable_conv(2, 3, 2, "same", **o),
}


@pytest.mark.parametrize(("name", "axes"), list(itertools.product(LAYERS, (1, 2, 3))))
def test_channels_may_stand_last_and_sizes_may_be_unknown(name, axes):
    sizes = ("time", "height", "width")[:axes]
    first = ax.input((None, 4, *sizes)) | LAYERS[name](name="x")
    last = ax.input((None, *sizes, 4)) | LAYERS[name](name="x", channels="last")
    assert first.params == last.params
    batch, units, *spatial = first.output_shape
    assert last.output_shape == (batch, *spatial, units)
    assert (batch, units) == (None, 8 if name in ("depthwise_conv", "spatial_separable_conv") else 4)


@pytest.mark.parametrize("name", LAYERS)
def test_channels_last_gives_the_same_numbers(name):
    x = numbers(2, 4, 5)
    options = {"name": "x", "bias_initializer": "normal", "activation": "relu"}
    first = ax.input((None, 4, 5), name="a") | LAYERS[name](**options)
    last = ax.input((None, 5, 4), name="a") | LAYERS[name](**options, channels="last")
    y, _ = first.apply(first.init(), x, mode="inference")
    z, _ = last.apply(last.init(), np.moveaxis(x, 1, -1), mode="inference")
    np.testing.assert_allclose(np.moveaxis(z.numpy(), -1, 1), y.numpy(), rtol=1e-4, atol=1e-5)
    assert y.numpy().min() == 0


X2 = (None, 4, 8, 8)
ERRORS = [
    (X2, lambda: ax.conv(6, 3, groups=4), r"^conv 'conv_0' .*groups=4 must divide the 4 channels .* and the 6 units"),
    ((None, 8), lambda: ax.conv(6, 3), r"needs 3, 4 or 5 axes.*and got 2(.|\n)*fix: put reshape"),
    (X2, lambda: ax.conv(6, 9), r"a window of 9 does not fit into 8 cells(.|\n)*fix: write conv"),
    (X2, lambda: ax.conv(6, (3, 3, 3)), "kernel_size has 3 sizes and the input 2 spatial axes"),
    (X2, lambda: ax.conv(6, 3, padding=[(1, 1)]), r"padding has 1 pairs and the input 2 .*(.|\n)*fix: write conv"),
    (X2, lambda: ax.conv(6, 3, input_dilation=(1, 2, 3)), "input_dilation has 3 sizes and the input 2 spatial axes"),
    (X2, lambda: ax.conv_transpose(6, 3, groups=4), "groups=4 must divide the 4 channels of the input and the 6 units"),
    (X2, lambda: ax.conv_transpose(6, 1, padding=4), "padding cuts off all of the 8 x 8 cells of the result"),
    (X2, lambda: ax.conv_transpose(6, 3, output_padding=(1,)), "output_padding has 1 sizes and the input 2"),
    ((None, 4), lambda: ax.depthwise_conv(2, 3), r"^depthwise_conv 'depthwise_conv_0' .*needs 3, 4 or 5 axes"),
    ((None, 4), lambda: ax.separable_conv(2, 3), r"^separable_conv 'separable_conv_0' .*needs 3, 4 or 5 axes"),
    ((None, 4, 8, 8, 8, 8), lambda: ax.spatial_separable_conv(2, 3), "needs 3, 4 or 5 axes.*and got 6"),
    ((None, "c", 8, 8), lambda: ax.depthwise_conv(2, 3), r"kernel depends on a size that is not known: 'c'"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "make", "message"), ERRORS)
def test_a_layer_that_does_not_fit_says_what_it_got_and_what_to_do(shape, make, message):
    with pytest.raises(ShapeError, match=message):
        _ = (ax.input(shape) | make()).output_shape


KERNEL_ERRORS = [
    (functional.conv, (2, 3, 3, 3), {}, "the input has 4 channels and the kernel takes 3"),
    (functional.conv, (3, 2, 3, 3), {"groups": 2}, "groups=2 must divide the 3 channels"),
    (functional.conv, (2, 4, 3), {}, "the kernel has 1 spatial axes and the input 2"),
    (functional.conv, (2, 4, 3, 3), {"padding": "full"}, "padding is 'valid', 'same', .* got 'full'"),
    (functional.conv_transpose, (3, 2, 3, 3), {}, "the input has 4 channels and the kernel takes 3"),
    (functional.depthwise_conv, (6, 1, 3, 3), {}, r"kernel is \(6, 1, 3, 3\)(.|\n)*fix: a kernel of"),
    (_spatial, (4, 1, 3, 1), {}, "takes one kernel .* of the 2 spatial"),
]


@pytest.mark.parametrize(("function", "kernel", "options", "message"), KERNEL_ERRORS)
def test_a_kernel_that_does_not_fit_says_so(function, kernel, options, message):
    with pytest.raises(AxonError, match=message):
        function(Tensor.zeros(1, 4, 8, 8), Tensor.zeros(*kernel), **options)


def test_options_out_of_range_are_refused():
    for make in (
        lambda: ax.conv_transpose(4, 3, output_padding=-1),
        lambda: ax.depthwise_conv(0, 3),
        lambda: ax.conv(4, 3, input_dilation=0),
        lambda: ax.spatial_separable_conv(1, 3, factors="both"),
    ):
        with pytest.raises(OptionError, match="must be"):
            make()
