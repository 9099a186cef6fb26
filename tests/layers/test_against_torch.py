"""The numbers of our layers, losses and optimizers beside PyTorch's, forward and backward."""

import itertools

import numpy as np
import pytest
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import functional, losses, optimizers
from axon_nb.functional import activations

torch = pytest.importorskip("torch")
F = torch.nn.functional

RNG = np.random.default_rng(0)
CLOSE = {"rtol": 1e-5, "atol": 2e-6}


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


def numbers(*shape):
    return RNG.normal(size=shape).astype("float32")


def compare(ours, theirs, *arrays, rtol=CLOSE["rtol"], atol=CLOSE["atol"]):
    """Check that two functions of the same arrays agree, and that their gradients do."""
    mine = [Tensor(a, device="CPU") for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*mine), theirs(*other)
    np.testing.assert_allclose(y.numpy(), z.detach().numpy(), rtol=rtol, atol=atol)
    weights = np.cos(np.arange(y.numel(), dtype="float32")).reshape(y.shape)
    gradients = (y * Tensor(weights, device="CPU")).sum().gradient(*mine)
    (z * torch.tensor(weights)).sum().backward()
    for gradient, tensor in zip(gradients, other, strict=True):
        np.testing.assert_allclose(gradient.numpy(), tensor.grad.numpy(), rtol=rtol, atol=atol * 5)


def test_dense():
    compare(functional.dense, lambda x, k, b: x @ k + b, numbers(3, 5, 4), numbers(4, 6), numbers(6))


CONVOLUTIONS = [
    # spatial, in, out, kernel, options
    ((9,), 3, 4, (3,), {}),
    ((9,), 3, 4, (3,), {"strides": 2, "padding": 1}),
    ((7, 8), 2, 4, (3, 3), {}),
    ((7, 8), 2, 4, (3, 2), {"strides": (2, 1), "padding": 1}),
    ((7, 8), 2, 4, (3, 3), {"padding": [(0, 1), (2, 0)]}),
    ((7, 8), 2, 4, (3, 3), {"dilation": 2}),
    ((7, 8), 4, 6, (3, 3), {"groups": 2, "dilation": (1, 2)}),
    ((7, 8), 4, 4, (3, 3), {"groups": 4}),
    pytest.param((4, 5, 6), 2, 3, (2, 3, 2), {"strides": (1, 2, 2), "padding": 1}, marks=pytest.mark.slow),
    ((3, 4, 4), 1, 2, (2, 2, 2), {"strides": (1, 2, 1)}),
]


def torch_padding(padding, rank):
    """Write our padding as ``F.pad`` takes it: pairs, the last axis first."""
    pairs = [(padding, padding)] * rank if isinstance(padding, int) else padding
    return [cell for pair in reversed(pairs) for cell in pair]


@pytest.mark.parametrize(("spatial", "inner", "outer", "kernel", "options"), CONVOLUTIONS)
def test_conv(spatial, inner, outer, kernel, options):
    options = dict(options)
    groups = options.get("groups", 1)
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[len(spatial)]

    def theirs(x, k, b):
        x = F.pad(x, torch_padding(options.get("padding", 0), len(spatial)))
        return convolve(x, k, b, stride=options.get("strides", 1), dilation=options.get("dilation", 1), groups=groups)

    arrays = numbers(2, inner, *spatial), numbers(outer, inner // groups, *kernel), numbers(outer)
    compare(lambda x, k, b: functional.conv(x, k, b, **options), theirs, *arrays, rtol=1e-4, atol=1e-5)


def same_pairs(spatial, kernel, strides, dilation):
    """Compute the padding of ONNX's SAME_UPPER and of Keras: ceil(size / stride) windows, the odd cell at the end."""
    pairs = []
    for size, k, s, d in zip(spatial, kernel, strides, dilation, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs


@pytest.mark.parametrize(("size", "kernel", "stride", "dilation", "pads"), [
    # pads by hand, as onnxruntime and Keras work them out
    (5, 3, 1, 1, (1, 1)),
    (6, 3, 2, 1, (0, 1)),
    (5, 3, 2, 1, (1, 1)),
    (6, 2, 1, 1, (0, 1)),
    (7, 3, 1, 2, (2, 2)),
    (8, 1, 2, 1, (0, 0)),
    (28, 5, 3, 1, (2, 2)),
])  # fmt: skip
def test_same_padding_is_that_of_onnx_and_keras(size, kernel, stride, dilation, pads):
    assert same_pairs((size,), (kernel,), (stride,), (dilation,)) == [pads]
    x, k = numbers(1, 1, size), numbers(1, 1, kernel)
    ours = functional.conv(Tensor(x), Tensor(k), strides=stride, padding="same", dilation=dilation)
    theirs = F.conv1d(F.pad(torch.tensor(x), pads), torch.tensor(k), stride=stride, dilation=dilation)
    assert ours.shape == (1, 1, -(-size // stride))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), **CLOSE)


def test_valid_padding_is_none():
    x, k = numbers(2, 3, 6, 6), numbers(4, 3, 3, 3)
    valid = functional.conv(Tensor(x), Tensor(k), padding="valid")
    np.testing.assert_allclose(valid.numpy(), F.conv2d(torch.tensor(x), torch.tensor(k)).numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"padding": "same", "strides": 2}, {"padding": [(1, 0), (0, 2)], "groups": 2}])
def test_channels_last_is_the_same_with_the_axis_moved_and_the_kernel_as_it_is(options):
    x, kernel, bias = numbers(2, 4, 6, 7), numbers(6, 4 // options.get("groups", 1), 3, 3), numbers(6)
    first = functional.conv(Tensor(x), Tensor(kernel), Tensor(bias), **options)
    last = functional.conv(
        Tensor(np.moveaxis(x, 1, -1)), Tensor(kernel), Tensor(bias), channels="last", **options
    )  # fmt: skip
    np.testing.assert_allclose(np.moveaxis(last.numpy(), -1, 1), first.numpy(), **CLOSE)


POOLS = [
    ((9,), {"kernel_size": 2}),
    ((9,), {"kernel_size": 3, "strides": 2, "padding": 1}),
    ((7, 8), {"kernel_size": (2, 3)}),
    ((7, 8), {"kernel_size": 3, "strides": (2, 1), "padding": 1}),
    ((4, 5, 6), {"kernel_size": 2, "strides": 1}),
]


@pytest.mark.parametrize(("spatial", "options"), [*POOLS, ((9, 9), {"kernel_size": 2, "strides": 1, "dilation": 3})])
def test_max_pool(spatial, options):
    pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[len(spatial)]
    theirs = {
        "stride": options.get("strides"),
        "padding": options.get("padding", 0),
        "dilation": options.get("dilation", 1),
    }
    compare(
        lambda x: functional.max_pool(x, **options),
        lambda x: pool(x, options["kernel_size"], **theirs),
        numbers(2, 3, *spatial) - 5,  # negative: padding with zeros would be the largest
    )


@pytest.mark.parametrize(("spatial", "options"), POOLS)
@pytest.mark.parametrize("count_padding", [True, False])
def test_avg_pool(spatial, options, count_padding):
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(spatial)]
    theirs = {
        "stride": options.get("strides"),
        "padding": options.get("padding", 0),
        "count_include_pad": count_padding,
    }
    compare(
        lambda x: functional.avg_pool(x, count_padding=count_padding, **options),
        lambda x: pool(x, options["kernel_size"], **theirs),
        numbers(2, 3, *spatial),
    )


@pytest.mark.parametrize("padding", ["same", [(0, 2), (1, 0)]])
@pytest.mark.parametrize("channels", ["first", "last"])
def test_pools_with_uneven_padding(padding, channels):
    x = numbers(2, 3, 6, 7)
    pairs = same_pairs((6, 7), (3, 3), (2, 2), (1, 1)) if padding == "same" else padding
    given = Tensor(x if channels == "first" else np.moveaxis(x, 1, -1))
    options = {"kernel_size": 3, "strides": 2, "padding": padding, "channels": channels}

    def check(ours, theirs):
        ours = ours.numpy() if channels == "first" else np.moveaxis(ours.numpy(), -1, 1)
        np.testing.assert_allclose(ours, theirs.numpy(), **CLOSE)

    flat = torch_padding(pairs, 2)
    total = F.avg_pool2d(F.pad(torch.tensor(x), flat), 3, 2) * 9
    count = F.avg_pool2d(F.pad(torch.ones(1, 1, 6, 7), flat), 3, 2) * 9
    check(functional.avg_pool(given, **options), total / 9)
    check(functional.avg_pool(given, count_padding=False, **options), total / count)
    check(functional.max_pool(given, **options), F.max_pool2d(F.pad(torch.tensor(x), flat, value=-np.inf), 3, 2))


def test_global_avg_pool():
    x = numbers(2, 3, 4, 5)
    compare(functional.global_avg_pool, lambda x: x.mean((2, 3)), x)
    kept = functional.global_avg_pool(Tensor(np.moveaxis(x, 1, -1)), keep_axes=True, channels="last")
    np.testing.assert_allclose(kept.numpy(), x.mean((2, 3)).reshape(2, 1, 1, 3), **CLOSE)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 5, 2)])
def test_batch_norm_in_training(shape):
    momentum = 0.9  # the share kept; PyTorch's is the share replaced
    x, gamma, beta = numbers(*shape) * 3 + 1, numbers(3), numbers(3)
    model = ax.input((None, *shape[1:])) | ax.batch_norm(momentum=momentum, epsilon=1e-3, name="bn")
    params = model.init().map(
        lambda path, leaf: {"gamma": Tensor(gamma), "beta": Tensor(beta)}.get(path[-1], leaf.tensor)
    )
    y, after = model.apply(params, x, mode="train")
    theirs = torch.nn.BatchNorm1d(3, eps=1e-3, momentum=1 - momentum) if len(shape) < 4 else torch.nn.BatchNorm2d(
        3, eps=1e-3, momentum=1 - momentum
    )  # fmt: skip
    theirs.weight.data, theirs.bias.data = torch.tensor(gamma), torch.tensor(beta)
    np.testing.assert_allclose(y.numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after["bn"]["mean"].numpy(), theirs.running_mean.numpy(), **CLOSE)
    # PyTorch keeps the sample's variance, we (as Keras, Axon and ONNX) the population's.
    count = x.size / 3
    batch = (theirs.running_var.numpy() - momentum) / (1 - momentum) * (count - 1) / count
    np.testing.assert_allclose(after["bn"]["variance"].numpy(), momentum + (1 - momentum) * batch, rtol=1e-4)
    theirs.eval()
    theirs.running_mean, theirs.running_var = (torch.tensor(after["bn"][name].numpy()) for name in ("mean", "variance"))
    np.testing.assert_allclose(model.predict(after, x), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_batch_norm_gradients():
    def ours(x, gamma, beta):
        mean, variance = functional.normalization.moments(x)
        return functional.batch_norm(x, mean, variance, gamma, beta)

    def theirs(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, training=True)

    compare(ours, theirs, numbers(5, 3, 4), numbers(3), numbers(3), rtol=1e-4, atol=1e-5)


def test_embedding():
    words = RNG.integers(0, 7, (3, 4))
    compare(
        lambda kernel: functional.embedding(Tensor(words.astype("int32")), kernel),
        lambda kernel: F.embedding(torch.tensor(words), kernel),
        numbers(7, 5),
    )


ACTIVATIONS = {
    "relu": F.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: F.softmax(x, -1),
    "gelu": F.gelu,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    x = np.concatenate([numbers(4, 30) * 3, np.array([[-20.0, 20.0, 0.0] * 10], "float32")])
    compare(getattr(activations, name), ACTIVATIONS[name], x)


def test_softmax_along_another_axis():
    compare(lambda x: activations.softmax(x, axis=1), lambda x: F.softmax(x, 1), numbers(2, 3, 4))


def test_softmax_of_large_numbers_stays_finite():
    np.testing.assert_allclose(activations.softmax(Tensor([1e4, 1e4, -1e4])).numpy(), [0.5, 0.5, 0.0])


PROBABILITIES = F.softmax(torch.tensor(numbers(6, 4)), -1).numpy()
YES = torch.sigmoid(torch.tensor(numbers(6, 4))).numpy()
CLASSES = np.array([0, 3, 1, 1, 2, 0])
ONE_HOT = np.eye(4, dtype="float32")[CLASSES]
BITS = (numbers(6, 4) > 0).astype("float32")
LOGITS = numbers(6, 4) * 5

LOSSES = {
    "mean_squared_error": ({}, BITS, LOGITS, lambda t, p: F.mse_loss(p, t, reduction="none").mean(-1)),
    "mean_absolute_error": ({}, BITS, LOGITS, lambda t, p: F.l1_loss(p, t, reduction="none").mean(-1)),
    "binary_cross_entropy": ({}, BITS, YES, lambda t, p: F.binary_cross_entropy(p, t, reduction="none").mean(-1)),
    "binary_cross_entropy from logits": (
        {"from_logits": True}, BITS, LOGITS,
        lambda t, p: F.binary_cross_entropy_with_logits(p, t, reduction="none").mean(-1),
    ),
    "categorical_cross_entropy": (
        {}, ONE_HOT, PROBABILITIES, lambda t, p: F.nll_loss(p.log(), t.argmax(-1), reduction="none")
    ),
    "categorical_cross_entropy of class numbers": (
        {}, CLASSES, PROBABILITIES, lambda t, p: F.nll_loss(p.log(), t, reduction="none")
    ),
    "categorical_cross_entropy from logits": (
        {"from_logits": True}, CLASSES, LOGITS, lambda t, p: F.cross_entropy(p, t, reduction="none")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_loss(case, reduction):
    options, y_true, y_pred, theirs = LOSSES[case]
    loss = getattr(losses, case.split(" ", maxsplit=1)[0])
    reduced = {"mean": torch.Tensor.mean, "sum": torch.Tensor.sum, "none": lambda each: each}[reduction]
    compare(
        lambda p: loss(Tensor(y_true), p, reduction=reduction, **options),
        lambda p: reduced(theirs(torch.tensor(y_true), p)),
        y_pred,
        rtol=1e-4,
    )


@pytest.mark.parametrize(("y_true", "y_pred", "loss", "value"), [
    # numbers of Axon 0.8.1's documentation (losses.ex), which takes logs of clipped probabilities too
    ([[0, 1], [1, 0], [1, 0]], [[0.6811, 0.5565], [0.6551, 0.4551], [0.5422, 0.2648]], "binary_cross_entropy", [
        0.8644826412200928, 0.5150600075721741, 0.45986634492874146]),
    ([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], "categorical_cross_entropy", [
        0.051293306052684784, 2.3025851249694824]),
    ([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], "categorical_cross_entropy", [
        0.051293306052684784, 2.3025851249694824]),
    ([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]], "mean_squared_error", [0.5, 0.5]),
    ([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]], "mean_absolute_error", [0.5, 0.5]),
])  # fmt: skip
def test_loss_as_in_axon(y_true, y_pred, loss, value):
    each = getattr(losses, loss)(Tensor(y_true), Tensor(y_pred), reduction="none")
    np.testing.assert_allclose(each.numpy(), value, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_scales_the_rest(rate):
    model = ax.input((None, 400)) | ax.dropout(rate)
    x = np.full((250, 400), 3.0, "float32")
    y = model.apply(model.init(), x, mode="train")[0].numpy()
    deviation = (rate * (1 - rate) / y.size) ** 0.5
    assert abs((y == 0).mean() - rate) < 5 * deviation
    np.testing.assert_allclose(y[y != 0], 3 / (1 - rate), rtol=1e-6)
    for axis in (0, 1):  # no row and no column fares better than another
        shares = (y == 0).mean(axis)
        assert np.abs(shares - rate).max() < 6 * (rate * (1 - rate) / y.shape[axis]) ** 0.5


def test_dropout_differs_by_seed_layer_and_use_and_can_be_replayed():
    layer = ax.dropout(0.5)
    x = ax.input((None, 200))
    model = ax.input((None, 200)) | layer
    ones = np.ones((2, 200), "float32")

    def mask(model, seed):
        return model.apply(model.init(), ones, mode="train", seed=seed)[0].numpy() > 0

    assert (mask(model, 1) == mask(model, 1)).all()
    assert 0.3 < (mask(model, 1) == mask(model, 2)).mean() < 0.7
    both = (x | layer, x | layer) | ax.concatenate()
    first, second = np.split(mask(both, 1), 2, axis=1)
    assert 0.3 < (first == second).mean() < 0.7
    assert 0.3 < (mask(x | ax.dropout(0.5, name="a"), 1) == mask(x | ax.dropout(0.5, name="b"), 1)).mean() < 0.7


def test_dropout_does_nothing_outside_of_training_and_at_rate_0():
    x = numbers(3, 4)
    model = ax.input((None, 4)) | ax.dropout(0.5)
    assert (model.predict(model.init(), x) == x).all()
    none = ax.input((None, 4)) | ax.dropout(0)
    assert (none.apply(none.init(), x, mode="train")[0].numpy() == x).all()


OPTIMIZERS = {
    "adam": ({"learning_rate": 0.02}, torch.optim.Adam, {"lr": 0.02}),
    "adam, other betas": (
        {"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3},
        torch.optim.Adam, {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-3},
    ),
    "adamw": ({"learning_rate": 0.02, "weight_decay": 0.1}, torch.optim.AdamW, {"lr": 0.02, "weight_decay": 0.1}),
    "sgd": ({"learning_rate": 0.1}, torch.optim.SGD, {"lr": 0.1}),
    "sgd, momentum": ({"learning_rate": 0.1, "momentum": 0.9}, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "sgd, nesterov": (
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_optimizer_takes_the_same_ten_steps(case):
    options, theirs, their_options = OPTIMIZERS[case]
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(16, 3)).astype("float32"), rng.normal(size=(16, 2)).astype("float32")
    kernel, bias = rng.normal(size=(3, 2)).astype("float32"), rng.normal(size=2).astype("float32")
    with Context(TRAINING=1):
        mine = [Tensor(kernel).is_param_(), Tensor(bias).is_param_()]
        rule = getattr(optimizers, case.split(",")[0])(**options).build(mine)
        for _ in range(10):
            loss = losses.mean_squared_error(Tensor(y), functional.dense(Tensor(x), *mine))
            for tensor, gradient in zip(mine, loss.gradient(*mine), strict=True):
                tensor.grad = gradient
            rule.step()
    other = [torch.nn.Parameter(torch.tensor(kernel)), torch.nn.Parameter(torch.tensor(bias))]
    step = theirs(other, **their_options)
    for _ in range(10):
        step.zero_grad()
        F.mse_loss(torch.tensor(x) @ other[0] + other[1], torch.tensor(y)).backward()
        step.step()
    for tensor, expected in zip(mine, other, strict=True):
        np.testing.assert_allclose(tensor.numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_fit_takes_the_same_steps_as_a_loop_in_torch():
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(20, 4)).astype("float32"), rng.integers(0, 3, 20)
    model = ax.input((None, 4)) | ax.dense(5, "tanh") | ax.dense(3, "softmax")
    start = model.init(seed=0)
    trained = model.fit((x, labels), loss="categorical_cross_entropy", optimizer=optimizers.adam(learning_rate=0.01),
                        epochs=10, batch_size=20, like=start)  # fmt: skip
    weights = [torch.nn.Parameter(torch.tensor(tensor.numpy())) for tensor in start.flat.values()]
    step = torch.optim.Adam(weights, lr=0.01)
    history = []
    for _ in range(10):
        step.zero_grad()
        w0, b0, w1, b1 = weights
        loss = F.cross_entropy(torch.tanh(torch.tensor(x) @ w0 + b0) @ w1 + b1, torch.tensor(labels))
        loss.backward()
        step.step()
        history.append(loss.item())
    np.testing.assert_allclose(trained.history["loss"], history, rtol=1e-5)
    for tensor, expected in zip(trained.params.flat.values(), weights, strict=True):
        np.testing.assert_allclose(tensor.numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("initializer", "theirs"), [
    ("glorot_uniform", torch.nn.init.xavier_uniform_),
    ("he_uniform", lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu")),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(400, 300), (64, 32, 3, 3)])
def test_initializers_spread_as_torchs(initializer, theirs, shape):
    ours = ax.initializers.as_initializer(initializer)(shape, np.random.default_rng(0))
    # Their dense kernels are (out, in), ours (in, out).
    other = theirs(torch.empty(*(reversed(shape) if len(shape) == 2 else shape))).numpy()
    assert ours.std() == pytest.approx(other.std(), rel=0.02)
    assert np.abs(ours).max() == pytest.approx(np.abs(other).max(), rel=0.01)


def test_every_case_above_is_of_something_we_have():
    assert set(ACTIVATIONS) <= set(activations.activations)
    assert {case.split(" ")[0] for case in LOSSES} <= set(losses.losses)
    assert {case.split(",")[0] for case in OPTIMIZERS} <= set(optimizers.optimizers)
    assert len(list(itertools.chain(POOLS, CONVOLUTIONS))) == 15
