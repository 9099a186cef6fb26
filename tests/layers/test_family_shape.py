"""Changes of shape, resizing, stacking, masks and choices beside Axon's, NumPy's and PyTorch's."""

import builtins

import numpy as np
import pytest
from axon_cases.runner import check, check_raises, load, params
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Tensor, dtypes

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import GraphError, OptionError, ShapeError

RNG = np.random.default_rng(0)
RESIZE = load("layers", functions=["resize"])


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def axon_resize(x, size=(1, 1), method="nearest", antialias=True, channels="last"):
    return functional.resize(x, tuple(size), method=method, antialias=antialias, channels=channels)


@pytest.mark.parametrize("case", params(case for case in RESIZE if case.kind == "call"))
def test_axon_resize(case):
    check(case, case.run(axon_resize), dtype=True)


@pytest.mark.parametrize("case", params(case for case in RESIZE if case.kind == "error"))
def test_axon_refusal(case):
    assert check_raises(case, axon_resize).fixes


NOT_OURS = {"shape.input.value.003": "a shape begins with the batch axis, so that () is none"}
SHAPES = load("shape", functions=["input", "compatible?"], skip=NOT_OURS)


@pytest.mark.parametrize("case", params(SHAPES))
def test_axon_shape(case):
    """What else Axon works out of shapes alone comes out of tracing the layers here, and is tested with them."""
    shapes = [tuple(shape) if isinstance(shape, list) else shape for shape in case.raw["args"]]
    if case.kind == "error":
        check_raises(case, lambda _: ax.input(*shapes))
    elif case.name == "input":
        check(case, ax.input(*shapes).output_shape)
    elif case.expected:
        assert ax.input(shapes[0], name="x").compute_output_shape(x=shapes[1]) == shapes[1]
    else:
        with pytest.raises(ShapeError, match="input 'x': takes"):
            ax.input(shapes[0], name="x").compute_output_shape(x=shapes[1])


def test_every_axon_case_is_run_or_listed():
    assert len(RESIZE) == 10
    assert len(SHAPES) == 9 - len(NOT_OURS)


def close(ours, theirs, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(ours.numpy(), np.asarray(theirs), rtol=rtol, atol=atol)


SIZES = [(7, 3), (5, 12), (10, 10), (5, 6)]
THEIRS = {
    "nearest": ("nearest-exact", {}),
    "bilinear": ("bilinear", {"antialias": True}),
    "bicubic": ("bicubic", {"antialias": True}),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", THEIRS)
def test_resize_and_its_gradient_are_pytorchs(method, size):
    torch = pytest.importorskip("torch")
    x = numbers(1, 2, 5, 6)
    mode, options = THEIRS[method]
    mine, other = Tensor(x), torch.tensor(x, requires_grad=True)
    y = functional.resize(mine, size, method=method)
    z = torch.nn.functional.interpolate(other, size, mode=mode, **options)
    close(y, z.detach())
    (z * z).sum().backward()
    close((y * y).sum().gradient(mine)[0], other.grad, atol=1e-4)


def test_bilinear_without_antialias_is_pytorchs_default():
    torch = pytest.importorskip("torch")
    x = numbers(1, 2, 5, 6)
    y = functional.resize(Tensor(x), (3, 4), method="bilinear", antialias=False)
    close(y, torch.nn.functional.interpolate(torch.tensor(x), (3, 4), mode="bilinear"))


def test_resize_of_one_and_three_axes_and_of_channels_last():
    torch = pytest.importorskip("torch")
    line, block = numbers(1, 2, 6), numbers(1, 2, 3, 4, 2)
    close(
        functional.resize(Tensor(line), 9, method="bilinear"),
        torch.nn.functional.interpolate(torch.tensor(line), 9, mode="linear"),
    )
    first = functional.resize(Tensor(block), (6, 3, 2), method="bilinear").numpy()
    last = functional.resize(Tensor(np.moveaxis(block, 1, -1)), (6, 3, 2), method="bilinear", channels="last")
    close(last, np.moveaxis(first, 1, -1))


def test_nearest_keeps_whole_numbers_and_what_is_not_finite():
    whole = functional.resize(Tensor([[[1, 2, 3]]]), 5)
    assert whole.dtype == dtypes.int32
    assert whole.tolist() == [[[1, 1, 2, 3, 3]]]
    assert functional.resize(Tensor([[[1, 2, 3]]]), 3, method="bicubic").dtype == dtypes.int32  # left alone
    assert functional.resize(Tensor([[[1, 2, 3]]]), 4, method="bilinear").dtype == dtypes.float32
    rest = functional.resize(Tensor([[[np.nan, 1.0, np.inf]]]), 5).numpy().ravel()
    np.testing.assert_array_equal(rest, [np.nan, np.nan, 1, np.inf, np.inf])


def test_half_precision_is_resized_in_its_kind():
    y = functional.resize(Tensor(numbers(1, 1, 4)).half(), 6, method="bicubic")
    assert y.dtype == dtypes.half


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
def test_upsample_is_pytorchs(method):
    torch = pytest.importorskip("torch")
    x = numbers(1, 2, 3, 4)
    y = functional.upsample(Tensor(x), (2, 3), method=method)
    close(y, torch.nn.Upsample(scale_factor=(2, 3), mode=method)(torch.tensor(x)))


@pytest.mark.parametrize("channels", ["first", "last"])
def test_pixel_shuffle_is_pytorchs_and_unshuffle_its_inverse(channels):
    torch = pytest.importorskip("torch")
    x = numbers(2, 12, 3, 4)
    theirs = torch.nn.functional.pixel_shuffle(torch.tensor(x), 2).numpy()
    if channels == "last":
        x, theirs = np.moveaxis(x, 1, -1), np.moveaxis(theirs, 1, -1)
    y = functional.pixel_shuffle(Tensor(x), 2, channels=channels)
    np.testing.assert_array_equal(y.numpy(), theirs)
    np.testing.assert_array_equal(functional.pixel_unshuffle(y, 2, channels=channels).numpy(), x)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_pad_gives_numpys_shape(data):
    """Shapes only: nothing is computed, so that many can be drawn."""
    shape = data.draw(st.lists(st.integers(2, 6), min_size=3, max_size=5))
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=len(shape) - 2,
                               max_size=len(shape) - 2))  # fmt: skip
    mode = data.draw(st.sampled_from(["constant", "reflect", "edge", "wrap"]))
    channels = data.draw(st.sampled_from(["first", "last"]))
    rest = [(0, 0), (0, 0), *pairs] if channels == "first" else [(0, 0), *pairs, (0, 0)]
    y = functional.pad(Tensor.zeros(*shape), pairs, mode=mode, channels=channels)
    assert y.shape == np.pad(np.zeros(shape), rest, mode=mode).shape


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad_is_numpys(mode):
    x = numbers(1, 2, 3, 4)
    y = functional.pad(Tensor(x), [(1, 2), (2, 0)], mode=mode)
    np.testing.assert_array_equal(y.numpy(), np.pad(x, [(0, 0), (0, 0), (1, 2), (2, 0)], mode=mode))


def test_pad_with_a_value_and_cutting_off():
    x = numbers(1, 2, 3, 4)
    wanted = np.pad(x, [(0, 0), (0, 0), (0, 1), (2, 0)], constant_values=7)[:, :, 1:, :-1]
    np.testing.assert_array_equal(functional.pad(Tensor(x), [(-1, 1), (2, -1)], 7.0).numpy(), wanted)
    whole = functional.pad(Tensor([[[1, 2]]]), 1, 7.0)
    assert whole.dtype == dtypes.int32
    assert whole.tolist() == [[[7, 1, 2, 7]]]


def test_pad_of_all_axes_but_the_batch():
    assert functional.pad(Tensor.zeros(2, 3), [(1, 2)]).shape == (2, 6)
    assert functional.pad(Tensor.zeros(2, 3, 4), [(1, 2), (0, 1)]).shape == (2, 6, 5)


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)), st.booleans())
def test_transpose_gives_numpys_shape(order, from_the_end):
    x = Tensor.zeros(2, 3, 4, 5)
    named = [axis - 4 for axis in order] if from_the_end else order
    assert functional.transpose(x, named).shape == np.transpose(np.zeros(x.shape), order).shape
    rest = [axis for axis in order if axis]
    assert functional.transpose(x, rest).shape == np.transpose(np.zeros(x.shape), [0, *rest]).shape


def test_transpose_values():
    x = numbers(2, 3, 4)
    np.testing.assert_array_equal(functional.transpose(Tensor(x), (2, 1)).numpy(), x.transpose(0, 2, 1))
    np.testing.assert_array_equal(functional.transpose(Tensor(x)).numpy(), x.T)


@settings(max_examples=60, deadline=None)
@given(
    st.none() | st.integers(-7, 7), st.none() | st.integers(-7, 7), st.integers(-3, 3).filter(bool), st.integers(-2, 1)
)
def test_slice_is_pythons(start, stop, step, axis):
    shape = (6, 5)
    wanted = len(range(shape[axis])[builtins.slice(start, stop, step)])
    x = Tensor.zeros(*shape)
    if wanted:
        assert functional.slice(x, start, stop, step, axis=axis).shape[axis] == wanted
    else:
        with pytest.raises(ShapeError, match=f"nothing is left of axis {axis}, which has {shape[axis]} cells"):
            functional.slice(x, start, stop, step, axis=axis)


def test_slice_values():
    x = numbers(2, 5, 3)
    np.testing.assert_array_equal(functional.slice(Tensor(x), -1, 0, -2, axis=1).numpy(), x[:, -1:0:-2])


@pytest.mark.parametrize(("sections", "axis"), [(3, 1), ((1, 3, 2), 1), (2, -1), ((4,), 2)])
def test_split_is_numpys_and_concatenate_its_inverse(sections, axis):
    x = numbers(2, 6, 4)
    parts = functional.split(Tensor(x), sections, axis)
    wanted = np.split(x, sections if isinstance(sections, int) else np.cumsum(sections)[:-1], axis)
    assert len(parts) == len(wanted)
    for ours, theirs in zip(parts, wanted, strict=True):
        assert ours.shape == theirs.shape
    np.testing.assert_array_equal(parts[-1].numpy(), wanted[-1])
    np.testing.assert_array_equal(functional.concatenate(*parts, axis=axis).numpy(), x)


@pytest.mark.parametrize("sections", [1, (4,)])
def test_split_into_one_part_is_no_tuple(sections):
    model = ax.input((None, 4)) | ax.split(sections)
    assert model.output_shape == (None, 4)
    assert (model | ax.relu()).output_shape == (None, 4)


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, -3])
def test_stack_is_numpys(axis):
    a, b = numbers(2, 3), numbers(2, 3)
    np.testing.assert_array_equal(functional.stack(Tensor(a), Tensor(b), axis=axis).numpy(), np.stack([a, b], axis))


def test_mask_and_where():
    words = Tensor([[5, 2, 0], [1, 0, 0]])
    assert functional.mask(words, 0).tolist() == [[True, True, False], [True, False, False]]
    x, y = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor.zeros(2, 2)
    assert functional.where(Tensor([1.0, 0.0]), x, y).tolist() == [[1, 2], [0, 0]]  # for each sample
    assert functional.where(Tensor(0.0), x, y).tolist() == [[0, 0], [0, 0]]  # for the whole batch
    assert functional.where(x > 2, x, y).tolist() == [[0, 0], [3, 4]]  # for each number


LENGTHS = [
    (ax.upsample(3), (None, 4, "3*time")),
    (ax.pad([(1, 2)], mode="reflect"), (None, 4, "time+3")),
    (ax.pad(-1), (None, 4, "time-2")),
    (ax.slice(1, -1), (None, 4, "time-2")),
    (ax.slice(step=2), (None, 4, "(time+1)//2")),
    (ax.slice(stop=3), (None, 4, 3)),
    (ax.resize(7, "bicubic"), (None, 4, 7)),
    (ax.transpose(), ("time", 4, None)),
    (ax.transpose((2, 1)), (None, "time", 4)),
    (ax.log_sumexp(), (None, 4, 1)),
    (ax.glu(1), (None, 2, "time")),
    (ax.constant(2.0), (None, 1, 1)),
    (ax.cond(lambda x: x.mean((1, 2)) > 0, ax.relu(), ax.noop()), (None, 4, "time")),
    (ax.stack(ax.relu(), ax.tanh(), axis=1), (None, 2, 4, "time")),
]


@pytest.mark.parametrize(("layer", "shape"), LENGTHS)
def test_lengths_may_be_unknown(layer, shape):
    assert (ax.input((None, 4, "time")) | layer).output_shape == shape


def test_constant_meets_any_input():
    for shape in ((None, 3), (None, 2, 3)):
        x = ax.input(shape)
        model = x + (x | ax.constant([1, 2, 3], name="c"))
        assert model.params == {"c.value": (3,)}
        y = model.predict(model.init(), np.ones((4, *shape[1:]), "float32"))
        np.testing.assert_array_equal(y, np.broadcast_to([2, 3, 4], (4, *shape[1:])))


def test_constant_is_not_trained():
    model = ax.input((None, 3)) | ax.constant([[1.0], [2.0]], name="c")
    assert model.output_shape == (None, 2, 1)
    assert {leaf.kind for leaf in model.init().leaves.values()} == {"state"}
    assert model.layers[0].options["value"] == ((1.0,), (2.0,))


def test_cond_of_layers_and_of_models():
    x = ax.input((None, 2), name="x")
    data = np.array([[1, 1], [-1, -1]], "float32")
    chosen = x | ax.cond(lambda x: x.sum(1) > 0, lambda x: x * 10, ax.noop())
    assert chosen.predict(chosen.init(), data).tolist() == [[10, 10], [-1, -1]]
    whole = ax.cond(x | (lambda x: x.sum() > 1), x | (lambda x: x * 10), x)
    assert whole.predict(whole.init(), data).tolist() == data.tolist()
    both = x | ax.cond(ax.constant(0), ax.dense(2), ax.dense(2))
    assert len(both.params) == 5  # of both branches, and the constant


def model(shape, layer):
    return lambda: (ax.input(shape) | layer()).output_shape


def join(a, b, layer):
    return lambda: ((ax.input(a), ax.input(b)) | layer()).output_shape


IMAGE = (None, 3, 8, 8)
WRONG = [
    (model(IMAGE, lambda: ax.transpose((1, 1, 2))), ShapeError, "transpose_0.* name one axis twice"),
    (model(IMAGE, lambda: ax.transpose((1, 2))), ShapeError, r"leave out axis 3\n  got: .*\n  fix: write transpose\("),
    (model(IMAGE, lambda: ax.transpose((0, 1, 2, 4))), ShapeError, "no axis 4: the input has 4 axes"),
    (model((None, 3), lambda: ax.pad(1)), ShapeError, r"pad_0.* 0 spatial axes .* is 1\n.*\n  fix: give 1 pairs"),
    (model(IMAGE, lambda: ax.pad([(1, 1)])), ShapeError, "2 spatial axes and padding is .*\n.*\n  fix: write pad"),
    (model(IMAGE, lambda: ax.pad(8, mode="reflect")), ShapeError, "2 has 8 cells.*\n.*\n  fix: .*most 7 cells"),
    (model(IMAGE, lambda: ax.pad(9, mode="wrap")), ShapeError, "2 has 8 cells.*\n.*\n  fix: .*most 8 cells"),
    (model(IMAGE, lambda: ax.pad(-4)), ShapeError, r"axis 2 has 8 cells, which are too few for \(-4, -4\)"),
    (model(IMAGE, lambda: ax.resize((2, 2, 2))), ShapeError, "resize 'resize_0' .*size has 3"),
    (model((None, 3), lambda: ax.resize(2)), ShapeError, "needs 3, 4 or 5 axes, with the batch first, and got 2"),
    (model((None, 3), lambda: ax.upsample(2)), ShapeError, "upsample_0.* needs 3, 4 or 5 axes"),
    (model(IMAGE, lambda: ax.pixel_shuffle(2)), ShapeError, r"3 channels .* of 2 \* 2\n.*\n  fix: put conv"),
    (model((None, 3), lambda: ax.pixel_shuffle(2)), ShapeError, "pixel_shuffle_0.* needs 4 axes"),
    (model(IMAGE, lambda: ax.pixel_unshuffle(3)), ShapeError, "height 8 and width 8 .* of 3\n.*\n  fix: "),
    (model(IMAGE, lambda: ax.slice(9)), ShapeError, "slice_0.* nothing is left of axis -1, which has 8 cells"),
    (model(IMAGE, lambda: ax.slice(axis=7)), ShapeError, "slice_0.* no axis 7"),
    (model(IMAGE, lambda: ax.slice(step=0)), OptionError, "slice.*step must be another number than 0"),
    (join((None, 3), (None, 4), ax.stack), ShapeError, "stack_0.* same shape\n  got: .*\n  fix: put dense"),
    (join((None, 3), (None, 3), lambda: ax.stack(axis=4)), ShapeError, "stack_0.*no place 4 .*\n.*\n  fix: "),
    (join((None, 3), (None, 3), lambda: ax.concatenate(axis=4)), ShapeError, "concatenate_0.*no axis 4"),
    (lambda: functional.stack(), ShapeError, "takes at least one input"),
    (lambda: functional.split(Tensor.zeros(2, 5), 2), ShapeError, "5 cells, .* into 2 equal parts\n  fix"),
    (lambda: functional.split(Tensor.zeros(2, 5), (2, 2)), ShapeError, r"5 cells.* parts \(2, 2\) have 4\n  fix"),
    (lambda: functional.split(Tensor.zeros(2, 5), (6, -1)), ShapeError, r"\(6, -1\) have 5\n  fix: .*at least 1"),
    (lambda: functional.pad(Tensor.zeros(1, 1, 2), 1, mode="mirror"), OptionError, "no pad mode 'mirror'"),
    (lambda: functional.where(Tensor.zeros(3), Tensor.zeros(2, 3), Tensor.zeros(2, 3)), ShapeError, r"shape \(3,\)"),
    (lambda: functional.where(Tensor.zeros(2), Tensor.zeros(2, 3), Tensor.zeros(2, 1)), ShapeError, "differ"),
    (lambda: ax.resize(0), OptionError, "resize: size must be a whole number of at least 1"),
    (lambda: ax.resize(2, "linear"), OptionError, "resize: method must be one of 'nearest', 'bilinear', "),
    (lambda: ax.pad([1, 2]), OptionError, r"pad: padding must be a whole number, or \[\(before, after\), ...\]"),
    (lambda: ax.pad(1, mode="zeros"), OptionError, "pad: mode must be one of 'constant', 'reflect', 'edge', 'wrap'"),
    (lambda: ax.mask("<eos>"), OptionError, "mask: eos_token must be a whole number, got '<eos>'"),
    (lambda: ax.constant("two"), OptionError, "constant: value must be a finite number, or numbers"),
    (lambda: ax.constant([[1], [1, 2]]), OptionError, "constant: value must be a finite number, or numbers"),
    (lambda: ax.constant(float("nan")), OptionError, "constant: value must be a finite number"),
    (lambda: ax.cond(ax.input((None, 2)), ax.relu(), ax.tanh()), GraphError, "three models, or .*\n  fix: cond"),
    (lambda: ax.input((None, 2)) | ax.cond(ax.relu(), 1, ax.tanh()), GraphError, "an int is not a layer"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), WRONG)
def test_refusals(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
