"""Normalisation beside Axon's own numbers and PyTorch's."""

import itertools

import numpy as np
import pytest
from axon_cases.one_layer import check_equivalence, check_params, raw_cases
from axon_cases.runner import check, load, params
from tinygrad import Context, Tensor, dtypes
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


AXON = frozenset(("batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm"))
POLICY = "a precision policy, which is the model's: tests/core/test_policies.py runs the cases of all families"
RUNNING = "instance_norm keeps no running values: PyTorch (by default) and Keras agree on that, Axon's break training"
NOT_OURS = {
    "model": {
        **{f"model.init.params.{n:03}": POLICY for n in (37, 38, 41, 45)},
        **{f"model.init.params.{n:03}": RUNNING for n in (34, 36)},
        **{f"model.output_dtype.output_dtype.{n:03}": POLICY for n in (40, 41, 42, 43)},
    },
    "equivalences": {f"model.equivalence.equivalence.{n:03}": RUNNING for n in (127, 129)},
}
"""The cases of these functions that don't apply, with the reason."""

CASES = load("layers", functions=("batch_norm", "group_norm", "rms_norm"))


def _batch_norm(x, gamma, beta, mean, variance, *, mode, epsilon):
    assert mode == "inference"
    return functional.batch_norm(x, mean, variance, gamma, beta, epsilon=epsilon, axis=-1)


OURS = {"batch_norm": _batch_norm, "group_norm": functional.group_norm, "rms_norm": functional.rms_norm}


@pytest.mark.parametrize("case", params(CASES))
def test_axon_numbers(case):
    check(case, case.run(OURS[case.name], num_groups="groups", channel_index="axis"), dtype=True)


@pytest.mark.parametrize("raw", raw_cases("equivalences", AXON, NOT_OURS["equivalences"]))
def test_axon_equivalences(raw):
    check_equivalence(raw)


@pytest.mark.parametrize("raw", raw_cases("model", AXON, NOT_OURS["model"]))
def test_axon_params(raw):
    check_params(raw)


@pytest.mark.parametrize("case", params(load("shape", functions=("norm_param",))))
def test_axon_shapes(case):
    shape, index = case.raw["args"]
    model = ax.input(tuple(shape)) | ax.batch_norm(channels="first" if index == 1 else "last", name="x")
    assert model.params["x.gamma"] == tuple(case.expected)


def test_every_axon_case_is_run_or_listed():
    for file, listed in NOT_OURS.items():
        run = {p.values[0]["id"] for p in raw_cases(file, AXON, listed)}
        assert run | set(listed) == {p.values[0]["id"] for p in raw_cases(file, AXON, {})}
    assert {case.name for case in load("layers") if "norm" in case.name} == set(OURS)


@pytest.mark.parametrize("axis", [-1, (1, 2), (-1, 1)])
def test_layer_norm_is_pytorch_s(axis):
    x = numbers(2, 3, 4) * 3 + 1
    if axis == -1:
        gamma, beta = numbers(4), numbers(4, seed=1)
    else:
        gamma, beta = numbers(3, 4), numbers(3, 4, seed=1)
    beside(
        lambda a, g, b: functional.layer_norm(a, g, b, axis=axis), lambda a, g, b: F.layer_norm(a, g.shape, g, b),
        x, gamma, beta,
    )  # fmt: skip


def test_layer_norm_over_an_axis_that_is_not_last_is_that_of_the_moved_axis():
    x = numbers(2, 3, 4)
    ours = functional.layer_norm(Tensor(x), Tensor(numbers(3)), Tensor(numbers(3, seed=1)), axis=1)
    theirs = F.layer_norm(
        torch.tensor(x).transpose(1, 2), (3,), torch.tensor(numbers(3)), torch.tensor(numbers(3, seed=1))
    )
    np.testing.assert_allclose(ours.numpy(), theirs.transpose(1, 2).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "groups"), [((3, 4), 2), ((2, 6, 5), 3), ((2, 4, 3, 2), 1)])
def test_group_norm_is_pytorch_s(shape, groups):
    beside(
        lambda x, g, b: functional.group_norm(x, g, b, groups=groups), lambda x, g, b: F.group_norm(x, groups, g, b),
        numbers(*shape) * 2 + 1, numbers(shape[1]), numbers(shape[1], seed=1),
    )  # fmt: skip


def test_instance_norm_is_pytorch_s():
    beside(
        lambda x, g, b: functional.instance_norm(x, g, b),
        lambda x, g, b: F.instance_norm(x, weight=g, bias=b),
        numbers(2, 3, 4, 2), numbers(3), numbers(3, seed=1),
    )  # fmt: skip


@pytest.mark.parametrize("axis", [-1, (1, 2)])
def test_rms_norm_is_pytorch_s(axis):
    size = (4,) if axis == -1 else (3, 4)
    beside(
        lambda x, g: functional.rms_norm(x, g, axis=axis), lambda x, g: F.rms_norm(x, size, g, eps=1e-6),
        numbers(2, 3, 4), numbers(*size),
    )  # fmt: skip


def test_rms_norm_shifts_gamma():
    x, gamma = Tensor(numbers(2, 4)), Tensor(numbers(4))
    left, right = functional.rms_norm(x, gamma, shift=1.0), functional.rms_norm(x, gamma + 1)
    np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-6)


def test_rms_norm_upcasts_the_division_or_everything():
    x = Tensor([[300.0, 400.0]], dtype=dtypes.float16)  # their squares are too large for half precision
    gamma = Tensor([1.0, 1.0])
    for upcast, dtype in (("normalization", dtypes.float16), ("all", dtypes.float32)):
        y = functional.rms_norm(x, gamma, upcast=upcast)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), [[0.8485, 1.1314]], rtol=1e-3)


def test_batch_norm_in_training_is_pytorch_s_but_for_the_running_variance():
    x, gamma, beta = numbers(4, 3, 2) * 2 + 1, numbers(3), numbers(3, seed=1)
    model = ax.input((None, 3, 2)) | ax.batch_norm(
        momentum=0.9, gamma_initializer=_given(gamma), beta_initializer=_given(beta)
    )
    y, after = model.apply(model.init(), x)
    mean, variance = torch.zeros(3), torch.ones(3)
    z = F.batch_norm(
        torch.tensor(x), mean, variance, torch.tensor(gamma), torch.tensor(beta), training=True, momentum=0.1
    )
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-4, atol=1e-5)
    state = after["batch_norm_0"]
    np.testing.assert_allclose(state["mean"].numpy(), mean.numpy(), rtol=1e-5, atol=1e-6)
    biased = 0.9 + 0.1 * x.var(axis=(0, 2))  # PyTorch divides by n - 1 here
    np.testing.assert_allclose(state["variance"].numpy(), biased, rtol=1e-5)
    used, same = model.apply(after, x, mode="inference")
    expected = F.batch_norm(
        torch.tensor(x), mean, torch.tensor(biased.astype("float32")), torch.tensor(gamma), torch.tensor(beta)
    )
    np.testing.assert_allclose(used.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)
    assert same == after


def _given(values):
    def draw(shape, rng):
        return values

    return draw


LAYERS = {
    "batch_norm": ax.batch_norm,
    "layer_norm": lambda **o: ax.layer_norm(axis=1 if o.pop("channels", "first") == "first" else -1, **o),
    "group_norm": lambda **o: ax.group_norm(1, **o),
    "instance_norm": ax.instance_norm,
    "rms_norm": lambda **o: ax.rms_norm(axis=1 if o.pop("channels", "first") == "first" else -1, **o),
}


@pytest.mark.parametrize(("name", "mode"), list(itertools.product(LAYERS, ("train", "inference"))))
def test_one_channel_and_one_value_for_each_do_not_divide_by_zero(name, mode):
    model = ax.input((None, 1, 1)) | LAYERS[name](name="x")
    params = model.init()
    assert all(shape == (1,) for shape in model.params.values())
    x = np.full((1, 1, 1), 7, np.float32)
    y, after = model.apply(params, x, mode=mode)
    assert np.isfinite(y.numpy()).all()
    assert {path: leaf.tensor.shape for path, leaf in after.leaves.items()} == {
        path: leaf.tensor.shape for path, leaf in params.leaves.items()
    }
    y, _ = model.apply(after, x, mode=mode)  # the second step gets what the first one left
    assert np.isfinite(y.numpy()).all()


def test_one_value_has_a_finite_gradient():
    x = Tensor(np.full((1, 1, 1), 7, np.float32))
    total = functional.layer_norm(x) + functional.instance_norm(x) + functional.group_norm(x, groups=1)
    total = total + functional.batch_norm(x, *functional.moments(x)) + functional.rms_norm(x * 0)
    assert np.isfinite(total.sum().gradient(x)[0].numpy()).all()


@pytest.mark.parametrize("name", LAYERS)
def test_channels_may_stand_last_and_sizes_may_be_unknown(name):
    first = ax.input((None, 4, "height", "width")) | LAYERS[name](name="x")
    last = ax.input((None, "height", "width", 4)) | LAYERS[name](name="x", channels="last")
    assert first.output_shape == (None, 4, "height", "width")
    assert last.output_shape == (None, "height", "width", 4)
    assert first.params == last.params
    assert first.params["x.gamma"] == (4,)


@pytest.mark.parametrize("name", LAYERS)
def test_channels_last_gives_the_same_numbers_and_gamma_starts_at_ones(name):
    x = numbers(3, 4, 5)
    first, last = (ax.input(s) | LAYERS[name](channels=c) for s, c in (((None, 4, 5), "first"), ((None, 5, 4), "last")))
    y, _ = first.apply(params := first.init(), x)
    z, _ = last.apply(last.init(), np.moveaxis(x, 1, -1))
    np.testing.assert_allclose(np.moveaxis(z.numpy(), -1, 1), y.numpy(), rtol=1e-4, atol=1e-5)
    assert params[f"{name}_0"]["gamma"].tolist() == [1, 1, 1, 1]


def test_only_batch_norm_tells_training_and_inference_apart():
    x = numbers(3, 4, 5)
    for name, make in LAYERS.items():
        model = ax.input((None, 4, 5)) | make()
        params = model.init()
        (y, _), (z, _) = (model.apply(params, x, mode=mode) for mode in ("train", "inference"))
        assert np.array_equal(y.numpy(), z.numpy()) == (name != "batch_norm")
        assert any(leaf.kind == "state" for leaf in params.leaves.values()) == (name == "batch_norm")


ERRORS = [
    ((None, 6, 4), lambda: ax.group_norm(4), r"^group_norm 'group_norm_0' .*groups=4 must divide the 6 channels"),
    (
        (None, 6),
        lambda: ax.instance_norm(),
        r"^instance_norm .*at least 3 axes(.|\n)*fix: write layer_norm\(",
    ),
    ((None, 6), lambda: ax.layer_norm(axis=2), r"^layer_norm 'layer_norm_0' .*there is no axis 2"),
    (
        (None, 6),
        lambda: ax.layer_norm(axis=(0, 1)),
        r"takes in the batch(.|\n)*fix: write layer_norm\(",
    ),
    ((None, 6), lambda: ax.rms_norm(axis=(1, -1)), "name one axis twice"),
    ((None, "n"), lambda: ax.layer_norm(), "the shape of its gamma depends on a size that is not known: 'n'"),
]


@pytest.mark.parametrize(("shape", "make", "message"), ERRORS)
def test_a_layer_that_does_not_fit_says_what_it_got_and_what_to_do(shape, make, message):
    with pytest.raises(ShapeError, match=message):
        _ = (ax.input(shape) | make()).output_shape


@pytest.mark.parametrize("name", LAYERS)
def test_whole_numbers_are_refused(name):
    with pytest.raises(ShapeError, match="needs floating-point numbers, and got int32"):
        _ = (ax.input((None, 4, 4), dtype="int32") | LAYERS[name]()).output_shape


def test_options_out_of_range_are_refused():
    for make in (
        lambda: ax.layer_norm(epsilon=0),
        lambda: ax.rms_norm(upcast="none"),
        lambda: ax.group_norm(0),
        lambda: ax.batch_norm(momentum=1.5),
    ):
        with pytest.raises(OptionError, match="must be"):
            make()
