"""Optimizers: PyTorch's and the papers' steps, clipping, decay of some weights, steps of several batches, going on."""

import numpy as np
import pytest
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import optimizers, schedules
from axon_nb.engine import Program
from axon_nb.errors import OptionError, ParamsError
from axon_nb.functional.losses import mean_squared_error
from axon_nb.training.feed import Batch
from axon_nb.training.goal import Goal
from axon_nb.training.optimizers import optimizers as by_name
from axon_nb.training.step import Trainer

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(3, 2)).astype("float32")
BIAS = RNG.normal(size=2).astype("float32")
INPUTS = RNG.normal(size=(10, 4, 3)).astype("float32")
"""A batch for each of ten steps."""


@pytest.fixture(autouse=True)
def quick():
    """Compile in half the time: it is the numbers that are looked at here."""
    with Context(NOOPT=1):
        yield


def ours(optimizer, inputs=INPUTS, *, names=("kernel", "bias"), update=None, weights=None):
    """Take a step for each batch, recorded; return the weights after each."""
    kernel, bias = weights or (Tensor(KERNEL).contiguous().realize(), Tensor(BIAS).contiguous().realize())
    update = update or optimizer.build([kernel, bias], names)

    def step(x):
        loss = (x @ kernel + bias).square().mean()
        kernel.grad, bias.grad = loss.gradient(kernel, bias)
        Tensor.realize(*update.schedule_step())
        update.zero_grad()

    state = [kernel, bias, *update.state.values()]
    for tensor in state:
        tensor.replace(tensor.contiguous())
    program = Program(step, state=state, training=True)
    seen = []
    for batch in inputs:
        program(Tensor(batch))
        seen.append((kernel.numpy().copy(), bias.numpy().copy()))
    return seen


def gradients(kernel, bias, x):
    """The gradients of the same loss, in NumPy."""
    slope = 2 * (x @ kernel + bias) / (len(x) * kernel.shape[1])
    return [x.T @ slope, slope.sum(0)]


def of_torch(make, clip=None):
    torch = pytest.importorskip("torch")
    kernel, bias = (torch.tensor(value, requires_grad=True) for value in (KERNEL, BIAS))
    optimizer = make(torch.optim, [kernel, bias])
    seen = []
    for batch in INPUTS:
        optimizer.zero_grad()
        (torch.tensor(batch) @ kernel + bias).square().mean().backward()
        if clip is not None:
            clip(torch.nn.utils, [kernel, bias])
        optimizer.step()
        seen.append((kernel.detach().numpy().copy(), bias.detach().numpy().copy()))
    return seen


def of_numpy(move):
    """Take steps with a rule in NumPy: ``move(gradient, memory, step)`` says how far."""
    weights, memories = [KERNEL.astype("float64"), BIAS.astype("float64")], [{}, {}]
    seen = []
    for number, batch in enumerate(INPUTS):
        slopes = gradients(*weights, batch.astype("float64"))
        weights = [w - move(w, g, m, number + 1) for w, g, m in zip(weights, slopes, memories, strict=True)]
        seen.append(tuple(weights))
    return seen


def assert_same(seen, expected, tolerance=1e-4):
    for number, (mine, theirs) in enumerate(zip(seen, expected, strict=True)):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance / 10, err_msg=f"after step {number + 1}")


TORCH = {
    "sgd": (optimizers.sgd(0.1), lambda o, w: o.SGD(w, 0.1)),
    "sgd with all": (
        optimizers.sgd(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda o, w: o.SGD(w, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1)),
    "adam": (optimizers.adam(0.1), lambda o, w: o.Adam(w, 0.1)),
    "adamw": (
        optimizers.adamw(0.1, beta1=0.8, beta2=0.99, weight_decay=0.1),
        lambda o, w: o.AdamW(w, 0.1, betas=(0.8, 0.99), weight_decay=0.1)),
    "rmsprop": (optimizers.rmsprop(0.1), lambda o, w: o.RMSprop(w, 0.1, alpha=0.9)),
    "rmsprop with all": (
        optimizers.rmsprop(0.1, momentum=0.9, centered=True, weight_decay=0.1, epsilon=0.01),
        lambda o, w: o.RMSprop(w, 0.1, alpha=0.9, momentum=0.9, centered=True, weight_decay=0.1, eps=0.01)),
    "adagrad": (
        optimizers.adagrad(0.1, weight_decay=0.1),
        lambda o, w: o.Adagrad(w, 0.1, initial_accumulator_value=0.1, eps=1e-7, weight_decay=0.1)),
    "radam": (optimizers.radam(0.1, weight_decay=0.1), lambda o, w: o.RAdam(w, 0.1, weight_decay=0.1)),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCH)
def test_ten_steps_are_pytorchs(name):
    optimizer, make = TORCH[name]
    assert_same(ours(optimizer), of_torch(make))


def yogi(w, g, memory, step, rate=0.1, b1=0.9, b2=0.999, epsilon=1e-3):
    memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    size = memory.get("v", 1e-6)
    memory["v"] = size - (1 - b2) * np.sign(size - g**2) * g**2
    return rate * memory["m"] / (1 - b1**step) / (np.sqrt(memory["v"] / (1 - b2**step)) + epsilon)


def adabelief(w, g, memory, step, rate=0.1, b1=0.9, b2=0.999, epsilon=1e-16, decay=0.1):
    memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    memory["s"] = b2 * memory.get("s", 0) + (1 - b2) * (g - memory["m"]) ** 2 + epsilon
    step = memory["m"] / (1 - b1**step) / (np.sqrt(memory["s"] / (1 - b2**step)) + epsilon)
    return rate * (step + decay * w)


def lamb(w, g, memory, step, rate=0.1, b1=0.9, b2=0.999, epsilon=1e-6, decay=0.1):
    memory["m"] = b1 * memory.get("m", 0) + (1 - b1) * g
    memory["v"] = b2 * memory.get("v", 0) + (1 - b2) * g**2
    far = memory["m"] / (1 - b1**step) / (np.sqrt(memory["v"] / (1 - b2**step)) + epsilon) + decay * w
    return rate * np.linalg.norm(w) / np.linalg.norm(far) * far


def lars(w, g, memory, step, rate=10.0, momentum=0.9, decay=0.1, trust=0.001):
    local = trust * np.linalg.norm(w) / (np.linalg.norm(g) + decay * np.linalg.norm(w))
    memory["b"] = momentum * memory.get("b", 0) + rate * local * (g + decay * w)
    return memory["b"]


def muon(w, g, memory, step, rate=0.1, momentum=0.95, decay=0.1):
    """Keller Jordan's, a step of the same size for every shape; a weight with one axis is AdamW's."""
    if w.ndim < 2:
        memory["m"] = 0.9 * memory.get("m", 0) + 0.1 * g
        memory["v"] = 0.999 * memory.get("v", 0) + 0.001 * g**2
        far = memory["m"] / (1 - 0.9**step) / (np.sqrt(memory["v"] / (1 - 0.999**step)) + 1e-8)
        return rate * (far + decay * w)
    memory["b"] = momentum * memory.get("b", 0) + g
    x = g + momentum * memory["b"]
    x = x.T / (np.linalg.norm(x) + 1e-7)  # the short side first
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
    return rate * (x.T + decay * w)


PAPERS = {
    "muon": (optimizers.muon(0.1, weight_decay=0.1), muon),
    "yogi": (optimizers.yogi(0.1), yogi),
    "adabelief": (optimizers.adabelief(0.1, weight_decay=0.1), adabelief),
    "lamb": (optimizers.lamb(0.1, weight_decay=0.1), lamb),
    "lars": (optimizers.lars(10.0, weight_decay=0.1), lars),
}


@pytest.mark.parametrize("name", PAPERS)
def test_ten_steps_are_the_papers(name):
    optimizer, move = PAPERS[name]
    assert_same(ours(optimizer), of_numpy(move))


def test_muon_makes_the_step_of_a_matrix_orthogonal_and_leaves_biases_to_adamw():
    rate = 0.1
    seen = ours(optimizers.muon(rate, weight_decay=0.0), INPUTS[:1])
    kernel, bias = seen[0]
    lengths = np.linalg.svd((KERNEL - kernel) / rate, compute_uv=False)
    assert lengths.min() > 0.6  # its five iterations end between these
    assert lengths.max() < 1.3
    np.testing.assert_allclose(np.abs(BIAS - bias), rate, rtol=1e-3)  # Adam's first step


def test_every_optimizer_is_tested_here():
    tested = {name.split()[0] for name in (*TORCH, *PAPERS)} | {"muon"}
    assert tested == set(by_name)


# clipping, decay -----------------------------------------------------------------------------------------------------


def test_clipping_is_pytorchs():
    def by_value(utils, weights):
        utils.clip_grad_value_(weights, 0.2)

    def by_norm(utils, weights):
        utils.clip_grad_norm_(weights, 0.5)

    assert_same(ours(optimizers.sgd(0.1, clip_value=0.2)), of_torch(TORCH["sgd"][1], by_value))
    assert_same(ours(optimizers.sgd(0.1, clip_norm=0.5)), of_torch(TORCH["sgd"][1], by_norm))


@pytest.mark.parametrize("decayed", ["kernels", lambda name: name == "kernel"])
def test_only_some_weights_decay(decayed):
    def make(optim, weights):
        groups = [{"params": weights[:1]}, {"params": weights[1:], "weight_decay": 0.0}]
        return optim.AdamW(groups, 0.1, weight_decay=0.5)

    assert_same(ours(optimizers.adamw(0.1, weight_decay=0.5, decayed=decayed)), of_torch(make))


def test_names_of_weights_are_those_of_the_params():
    names = []

    def note(name):
        names.append(name)
        return True

    model = ax.input((None, 3)) | ax.dense(2) | ax.dense(1, name="last")
    rule = optimizers.sgd(weight_decay=0.1, decayed=note)
    model.fit((np.ones((4, 3), "float32"), np.ones((4, 1))), loss="mean_squared_error", optimizer=rule)
    assert names == ["dense_0.kernel", "dense_0.bias", "last.kernel", "last.bias"]


# steps of several batches --------------------------------------------------------------------------------------------

X = RNG.normal(size=(22, 3)).astype("float32")
Y = RNG.normal(size=(22, 2)).astype("float32")
CLASSES = RNG.integers(0, 2, 22)
LINE = ax.input((None, 3)) | ax.dense(2)


def kernel_after(data, optimizer, batch_size, *, loss="mean_squared_error", epochs=2, **options):
    model = LINE if loss == "mean_squared_error" else LINE | ax.softmax()
    trained = model.fit(data, loss=loss, optimizer=optimizer, batch_size=batch_size, epochs=epochs, **options)
    return trained.params["dense_0"]["kernel"].numpy()


def in_order(size, labels):
    """Give the same batches each epoch, in order."""
    return [(X[i : i + size], labels[i : i + size]) for i in range(0, len(X), size)]


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_batches_that_make_one_step_are_one_batch(name):
    # 22 samples in batches of 4 are 2 steps of 3 batches: the last of 2 full ones and a short one of 2 samples.
    make = by_name[name]
    pieces = kernel_after(in_order(4, Y), make(0.1, accumulate=3, clip_norm=0.5), 4)
    whole = kernel_after(in_order(12, Y), make(0.1, clip_norm=0.5), 12)
    np.testing.assert_allclose(pieces, whole, rtol=1e-5, atol=1e-6)


def test_batches_that_make_one_step_share_the_weights_of_classes():
    options = {"loss": "categorical_cross_entropy", "class_weights": {0: 1.0, 1: 7.0}}
    pieces = kernel_after(in_order(4, CLASSES), optimizers.sgd(0.5, accumulate=3), 4, **options)
    whole = kernel_after(in_order(12, CLASSES), optimizers.sgd(0.5), 12, **options)
    np.testing.assert_allclose(pieces, whole, rtol=1e-5, atol=1e-6)


def test_gradients_that_are_left_over_change_the_weights_at_the_end_of_the_epoch():
    pieces = kernel_after(in_order(4, Y), optimizers.sgd(0.1, accumulate=100), 4, epochs=1)
    whole = kernel_after(in_order(22, Y), optimizers.sgd(0.1), 22, epochs=1)
    np.testing.assert_allclose(pieces, whole, rtol=1e-5, atol=1e-6)


# going on ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adam", "radam"])
def test_a_saved_state_goes_on_where_it_was(name):
    rate = schedules.cosine(0.1, steps=10)
    optimizer = by_name[name](rate)
    straight = ours(optimizer)
    kernel, bias = Tensor(KERNEL).contiguous().realize(), Tensor(BIAS).contiguous().realize()
    first = optimizer.build([kernel, bias])
    ours(optimizer, INPUTS[:5], update=first, weights=(kernel, bias))
    saved = {name: tensor.numpy().copy() for name, tensor in first.state.items()}
    second = optimizer.build([kernel, bias])
    second.load(saved)
    assert_same(ours(optimizer, INPUTS[5:], update=second, weights=(kernel, bias)), straight[5:], 1e-6)
    with pytest.raises(ParamsError, match=r"the state is another optimizer's\n  got: not the same: "):
        optimizers.sgd().build([kernel, bias]).load(saved)


def test_the_learning_rate_can_be_changed_between_recorded_steps():
    params = LINE.init()
    goal = Goal(lambda y, p: mean_squared_error(y, p, reduction="none"), {})
    rule = optimizers.sgd(schedules.linear(0.1, steps=100, end=0.1))
    trainer = Trainer(LINE, params, goal, rule, seed=0, device=params["dense_0"]["kernel"].device)
    batch = Batch({LINE.inputs[0]: X}, (Y,))
    before = params["dense_0"]["kernel"].numpy()
    trainer.train(trainer.load(batch))
    middle = trainer.params["dense_0"]["kernel"].numpy()
    trainer.restore(params)
    trainer.optimizer.learning_rate = 0.05
    assert trainer.optimizer.learning_rate == pytest.approx(0.05)
    trainer.train(trainer.load(batch))
    after = trainer.params["dense_0"]["kernel"].numpy()
    np.testing.assert_allclose(after - before, (middle - before) / 2, rtol=1e-5, atol=1e-7)


# options -------------------------------------------------------------------------------------------------------------


def test_options_show_where_they_are_not_plain():
    assert repr(optimizers.sgd(0.1)) == "sgd(learning_rate=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)"
    assert repr(optimizers.adagrad(clip_norm=1, accumulate=2)).endswith("clip_norm=1.0, accumulate=2)")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(lambda: optimizers.adam(lr=0.1), r"there is no adam option 'lr'\n  fix: did you mean 'learning_rate'"),
     (lambda: optimizers.adam(0), r"learning_rate must be a number above 0, or a schedule, got 0"),
     (lambda: optimizers.adam(accumulate=0), r"accumulate must be a whole number of at least 1, got 0"),
     (lambda: optimizers.adam(clip_norm=-1), r"clip_norm must be a number above 0, got -1"),
     (lambda: optimizers.adamw(decayed="biases"), r"decayed must be 'kernels' or a function of a weight's name"),
     (lambda: optimizers.adam(decayed="kernels").build([Tensor(KERNEL)]),
      r"decayed picks weights for weight_decay, and there is none\n  fix: "),
     (lambda: optimizers.as_optimizer(3), r"an optimizer is a name or one of axon_nb.optimizers\n  got: 3")],
)  # fmt: skip
def test_refusals(wrong, message):
    with pytest.raises(OptionError, match=message):
        wrong()
