"""Products of matrices are found in graphs, and our kernel gives the numbers that tinygrad's own code gives."""

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Device, Tensor

from axon_nb.engine import SETTINGS, Program, native, products
from axon_nb.engine.gemm import Product, source
from axon_nb.engine.plan import Kernel
from axon_nb.functional import conv


def run(product, a, b):
    """Run a kernel as its threads do, one part after the other."""
    code = Device["CPU"].compiler.compile(source(product))
    program = native._load(Kernel(product.name, code, product.parts, -1))
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_uint64] * 4)(program.addr)
    c = np.full((product.batch, product.rows, product.columns), np.nan, np.float32)
    a = np.ascontiguousarray(a.transpose(0, 2, 1) if product.a_turned else a)
    b = np.ascontiguousarray(b.transpose(0, 2, 1) if product.b_turned else b)
    for part in range(product.parts):
        function(c.ctypes.data, a.ctypes.data, b.ctypes.data, part)
    return c


def check(product):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((product.batch, product.rows, product.depth)).astype("float32")
    b = rng.standard_normal((product.batch, product.depth, product.columns)).astype("float32")
    expected = a.astype("float64") @ b.astype("float64")
    np.testing.assert_allclose(run(product, a, b), expected, rtol=1e-4, atol=1e-5 * product.depth**0.5)


WIDE = [False, *([True] if Device["CPU"].compiler.wide else [])]


@pytest.mark.parametrize("wide", WIDE)
@pytest.mark.parametrize("a_turned", [False, True])
@pytest.mark.parametrize("b_turned", [False, True])
@pytest.mark.parametrize(
    ("batch", "rows", "columns", "depth", "parts"),
    [
        (1, 6, 16, 4, 1),
        (1, 5, 10, 3, 1),
        (2, 13, 33, 300, 2),
        (1, 125, 40, 513, 3),
        (5, 7, 17, 20, 2),
        (1, 6, 70, 8, 2),
        (1, 128, 40, 260, 2),
        (2, 139, 20, 7, 3),
        (1, 251, 70, 300, 1),
    ],
)
def test_the_kernel_multiplies(batch, rows, columns, depth, parts, a_turned, b_turned, wide):
    check(Product(batch, rows, columns, depth, a_turned, b_turned, parts, wide))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 50), st.integers(1, 70), st.integers(1, 70), st.booleans(), st.booleans(),
    st.integers(1, 4), st.sampled_from(WIDE),
)  # fmt: skip
def test_the_kernel_multiplies_any_sizes(batch, rows, columns, depth, a_turned, b_turned, parts, wide):
    check(Product(batch, rows, columns, depth, a_turned, b_turned, parts, wide))


def numbers(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype("float32")).realize()


CASES = {
    "dense": (lambda x, w: x @ w, (32, 40), (40, 48)),
    "dense, turned": (lambda x, w: x @ w.T, (32, 40), (48, 40)),
    "dense over time": (lambda x, w: x @ w, (4, 9, 40), (40, 48)),
    "a slice": (lambda x, w: x[:, 3:35] @ w[8:40], (32, 40), (40, 48)),
    "computed factors": (lambda x, w: x.relu() @ w.sigmoid(), (32, 40), (40, 48)),
    "many at once": (lambda x, w: x @ w, (3, 2, 17, 40), (3, 2, 40, 33)),
    "attention": (lambda q, k: (q @ k.transpose(-1, -2)).softmax() @ k, (2, 3, 20, 16), (2, 3, 24, 16)),
    "narrow": (lambda x, w: x @ w, (5, 200), (200, 64)),
    "convolution": (lambda x, w: x.conv2d(w), (4, 3, 12, 12), (8, 3, 3, 3)),
    "strides and padding": (lambda x, w: x.conv2d(w, stride=2, padding=1), (4, 8, 13, 13), (16, 8, 3, 3)),
    "groups": (lambda x, w: x.conv2d(w, groups=2), (4, 8, 12, 12), (16, 4, 3, 3)),
    "dilation": (lambda x, w: x.conv2d(w, dilation=2), (4, 8, 12, 12), (16, 8, 3, 3)),
    "1 x 1": (lambda x, w: x.conv2d(w), (4, 16, 9, 9), (24, 16, 1, 1)),
    "one axis": (lambda x, w: x.conv2d(w), (8, 8, 40), (16, 8, 5)),
    "channels last inside": (lambda x, w: conv(x, w, padding="same"), (4, 8, 9, 11), (16, 8, 3, 3)),
    "strides inside": (lambda x, w: conv(x, w, strides=2, padding=1, dilation=2), (4, 8, 13, 12), (16, 8, 3, 3)),
    "computed inside": (lambda x, w: conv((x * 2).relu(), w.tanh()).relu(), (4, 8, 9, 11), (16, 8, 3, 3)),
    "three axes inside": (lambda x, w: conv(x, w, padding="same"), (2, 4, 5, 6, 7), (8, 4, 3, 2, 3)),
    "twice inside": (lambda x, w: conv(conv(x, w, padding="same").relu() * 0.02, w), (4, 8, 9, 11), (8, 8, 3, 3)),
    "channels stand last": (lambda x, w: conv(x, w, channels="last"), (4, 9, 11, 8), (16, 8, 3, 3)),
    "transposed convolution": (lambda x, w: x.conv_transpose2d(w, stride=2), (4, 8, 7, 7), (8, 8, 3, 3)),
    "a sum of two": (lambda x, w: x @ w + (x * 2) @ w, (32, 40), (40, 48)),
}


@pytest.mark.parametrize("name", CASES)
def test_products_are_found_in_values_and_gradients(name, monkeypatch):
    function, *shapes = CASES[name]
    found, original = [], products._program
    monkeypatch.setattr(products, "_program", lambda product: found.append(product) or original(product))
    monkeypatch.setattr(SETTINGS, "cache", False)

    def both(x, w):
        value = function(x, w)
        return value, *(value * value.sin().detach()).sum().gradient(x, w)

    seen = []
    for fast in (False, True):
        monkeypatch.setattr(SETTINGS, "fast", fast)
        inputs = [numbers(*shape, seed=n) for n, shape in enumerate(shapes)]
        seen.append([t.numpy() for t in Program(both)(*inputs)])
        assert len(found) >= 3 * fast
    for plain, ours in zip(*seen, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5 * np.abs(plain).max())


def test_results_lie_as_what_reads_them_goes_along(monkeypatch):
    """A gradient of a layer's input and the layer's output have features last; read across, a kernel takes tenfold."""
    found, original = [], products._program
    monkeypatch.setattr(products, "_program", lambda product: found.append(product) or original(product))
    monkeypatch.setattr(SETTINGS, "cache", False)

    def gradients(x, w):
        return (x @ w).sin().sum().gradient(x, w)

    Program(gradients)(numbers(4, 24, 40), numbers(40, 56, seed=1))
    sizes = {(one.rows, one.columns, one.depth) for one in found}
    assert sizes == {(96, 56, 40), (96, 40, 56), (40, 56, 96)}


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda x, y: (x * y).sum(1), [(64, 1000), (64, 1000)]),  # no axis of its own
        (lambda x, y: (x * y).sum(), [(64, 1000), (64, 1000)]),
        (lambda x, y: x @ y, [(4, 4), (4, 4)]),  # too little work
        (lambda x, y: (x.cast("int") @ y.cast("int")).cast("float"), [(64, 64), (64, 64)]),
        (lambda x, y: (x.unsqueeze(2) * y.unsqueeze(0)).max(1), [(64, 64), (64, 64)]),
        (lambda x, y: (x.unsqueeze(2) + y.unsqueeze(0)).sum(1), [(64, 64), (64, 64)]),
        (lambda x, y: (x.unsqueeze(1) * x.unsqueeze(0)).sum((0, 1, 2)) + y.sum(), [(64, 64), (64, 64)]),
    ],
)
def test_what_is_no_product_is_left_alone(function, shapes, monkeypatch):
    monkeypatch.setattr(products, "_program", lambda product: pytest.fail(f"found {product}"))
    monkeypatch.setattr(SETTINGS, "cache", False)
    inputs = [numbers(*shape) for shape in shapes]
    result = Program(function)(*inputs).numpy()
    np.testing.assert_allclose(result, function(*inputs).numpy(), rtol=1e-4, atol=1e-3)


def test_half_precision_is_left_to_tinygrad(monkeypatch):
    monkeypatch.setattr(products, "_program", lambda product: pytest.fail(f"found {product}"))
    x = numbers(64, 64).cast("float64").realize()
    assert Program(lambda x: x @ x)(x).dtype == x.dtype
