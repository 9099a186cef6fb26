"""Dense, bilinear, embedding, bias and scale beside Axon's numbers and PyTorch's."""

import numpy as np
import pytest
from axon_cases.runner import check, check_raises, load, params
from tinygrad import Tensor

import axon_nb as ax
from axon_nb import functional
from axon_nb.errors import ShapeError

RNG = np.random.default_rng(0)
CASES = load("layers", functions=["dense", "bilinear", "embedding", "flatten"])


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind != "error"))
def test_axon_case(case):
    check(case, case.run(getattr(functional, case.name)), dtype=True)


@pytest.mark.parametrize("case", params(case for case in CASES if case.kind == "error"))
def test_axon_refusal(case):
    assert isinstance(check_raises(case, getattr(functional, case.name)), ShapeError)


def test_every_axon_case_is_run():
    assert len(CASES) == 11 + 5 + 2 + 1
    assert {case.kind for case in CASES} == {"call", "grad", "error"}


def compare(ours, theirs, *arrays):
    torch = pytest.importorskip("torch")
    mine, other = [Tensor(array) for array in arrays], [torch.tensor(array, requires_grad=True) for array in arrays]
    y, z = ours(*mine), theirs(torch)(*other)
    gradients = (y * y).sum().gradient(*mine)
    (z * z).sum().backward()
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    for gradient, tensor in zip(gradients, other, strict=True):
        np.testing.assert_allclose(gradient.numpy(), tensor.grad.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [(2,), (2, 3)])
def test_bilinear_is_pytorchs(rows):
    arrays = numbers(*rows, 4), numbers(*rows, 5), numbers(6, 4, 5), numbers(6)
    compare(functional.bilinear, lambda torch: torch.nn.functional.bilinear, *arrays)


def test_bilinear_without_a_bias():
    arrays = numbers(2, 4), numbers(2, 5), numbers(6, 4, 5)
    compare(functional.bilinear, lambda torch: torch.nn.functional.bilinear, *arrays)


@pytest.mark.parametrize(("axis", "size"), [(-1, 4), (1, 3), (-2, 3)])
def test_bias_and_scale_meet_their_axis(axis, size):
    x, values = numbers(2, 3, 4), numbers(size)
    there = values if axis == -1 else values[:, None]
    np.testing.assert_allclose(functional.bias(Tensor(x), Tensor(values), axis).numpy(), x + there, rtol=1e-6)
    np.testing.assert_allclose(functional.scale(Tensor(x), Tensor(values), axis).numpy(), x * there, rtol=1e-6)


def test_embedding_gradient_reaches_the_rows_that_were_looked_up():
    words, kernel = Tensor([[1, 1], [3, 0]]), Tensor(numbers(4, 2))
    (gradient,) = functional.embedding(words, kernel).sum().gradient(kernel)
    assert gradient.tolist() == [[1, 1], [2, 2], [0, 0], [1, 1]]


def test_bilinear_layer():
    model = (ax.input((None, "time", 4)), ax.input((None, "time", 5))) | ax.bilinear(6, "relu", name="b")
    assert model.output_shape == (None, "time", 6)
    assert model.params == {"b.kernel": (6, 4, 5), "b.bias": (6,)}
    bare = (ax.input((None, 4)), ax.input((None, 5))) | ax.bilinear(6, use_bias=False, name="b")
    assert bare.params == {"b.kernel": (6, 4, 5)}


def test_bilinear_kernel_is_drawn_by_its_own_fans():
    model = (ax.input((None, 20)), ax.input((None, 30))) | ax.bilinear(40, kernel_initializer="he_normal", name="b")
    assert model.init()["b"]["kernel"].numpy().var() == pytest.approx(2 / (20 * 30), rel=0.05)


@pytest.mark.parametrize(("layer", "name", "start"), [(ax.bias, "bias", 0.0), (ax.scale, "scale", 1.0)])
def test_bias_and_scale_start_by_changing_nothing(layer, name, start):
    model = ax.input((None, 3, 4)) | layer(axis=1, name="mine")
    params = model.init()
    assert model.params == {f"mine.{name}": (3,)}
    assert params["mine"][name].numpy().tolist() == [start] * 3
    x = numbers(2, 3, 4)
    np.testing.assert_array_equal(model.predict(params, x), x)


def test_scale_may_start_small():
    model = ax.input((None, 4)) | ax.scale(scale_initializer=1e-4, name="s")
    np.testing.assert_allclose(model.init()["s"]["scale"].numpy(), [1e-4] * 4)


def pair(a, b, layer):
    return ((ax.input(a), ax.input(b)) | layer).output_shape


WRONG = [
    (lambda: functional.dense(Tensor.ones(2, 3), Tensor.ones(3)), r"kernel must be \(in, units\), and has .* \(3,\)"),
    (lambda: functional.dense(Tensor.ones(2, 3), Tensor.ones(4, 2)), "last axis is 3 and the kernel takes 4"),
    (lambda: functional.dense(Tensor.ones(3), Tensor.ones(3, 2)), "at least 2 axes, with the batch first, and got 1"),
    (lambda: functional.embedding(Tensor.ones(3), Tensor.ones(3, 2)), "whole numbers, and got float32\n  fix: .*int32"),
    (lambda: functional.bilinear(Tensor.ones(2, 3), Tensor.ones(2, 3), Tensor.ones(1, 3, 4)), "3 and 3, .* 3 and 4"),
    (lambda: functional.bias(Tensor.ones(2, 3), Tensor.ones(2)), "axis -1 has 3 cells.*\n  fix: give 3 values"),
    (lambda: functional.scale(Tensor.ones(2, 3), Tensor.ones(3), 2), "no axis 2: .* 2 axes\n  fix: .* -2 to 1"),
    (lambda: pair((None, 3), (None, 2, 3), ax.bilinear(2)), r"bilinear_0.* last axis only\n  got: .*\n  fix: put f"),
    (lambda: pair((None,), (None, 3), ax.bilinear(2)), "bilinear 'bilinear_0' .*: needs at least 2 axes"),
    (lambda: (ax.input((None, "wide")) | ax.bias()).params, "bias 'bias_0' .*not known: 'wide' .*\n.*\n  fix: give"),
    (lambda: (ax.input((None, 3)) | ax.scale(axis=3)).params, r"scale 'scale_0' .*no axis 3.*\n  got: \(None, 3\)"),
    (lambda: (ax.input((None, 3)) | ax.bias(axis=0)).params, "bias depends on a size that is not known: axis 0"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_refusals(wrong, message):
    with pytest.raises(ShapeError, match=message):
        wrong()
