"""Losses: Axon's cases, PyTorch's values and gradients, what must stay finite, and what is refused."""

import gc

import numpy as np
import pytest
from axon_cases.runner import check, check_raises, load, params
from tinygrad import Context, Tensor, TinyJit

import axon_nb as ax
from axon_nb import dense, input, losses, optimizers
from axon_nb.engine import Program
from axon_nb.errors import DataError, OptionError, UnknownNameError
from axon_nb.functional import activations, logits
from axon_nb.functional.losses import losses as by_name


@pytest.fixture(autouse=True)
def quick():
    """Compile in half the time: it is the numbers that are looked at here."""
    with Context(NOOPT=1):
        yield


AXON_DEFAULT = {"reduction": "none"}
RENAMED = {"axes": "axis", "eps": "epsilon"}
NOT_OURS = {
    "losses.soft_margin.001": 'recorded Axon bug: "none" sums over the batch; ours gives a number for each output',
}


def call(case):
    """Run a case with Axon's own default reduction."""
    args, kwargs = case.arguments()
    options = {RENAMED.get(name, name): value for name, value in kwargs.items()}
    if isinstance(options.get("axis"), list):
        options["axis"] = tuple(options["axis"])
    if case.name != "apply_label_smoothing":
        options = AXON_DEFAULT | options
    return getattr(losses, case.name)(*args, **options)


@pytest.mark.parametrize("case", params(load("losses", skip=NOT_OURS)))
def test_axon_case(case):
    if case.kind == "error":
        check_raises(case, losses.binary_cross_entropy)
    else:
        check(case, call(case))


def test_every_axon_case_is_run_or_listed():
    assert len(load("losses")) == len(load("losses", skip=NOT_OURS)) + len(NOT_OURS)


def test_axons_soft_margin_is_ours_summed_over_the_batch():
    (case,) = [case for case in load("losses") if case.id in NOT_OURS]
    check(case, call(case).sum(0))


# PyTorch -------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X = (2 * RNG.normal(size=(6, 4))).astype("float32")
NUMBERS = RNG.normal(size=(6, 4)).astype("float32")
YES = RNG.integers(0, 2, (6, 4)).astype("float32")
SIGNS = 2 * YES - 1
CLASSES = RNG.integers(0, 4, 6).astype("int32")
SHARES = RNG.dirichlet(np.ones(4), 6).astype("float32")
WEIGHTS = [0.5, 1.0, 2.0, 4.0]


def torch_focal(t, f, x, y):
    p = x.sigmoid()
    p_true = p * y + (1 - p) * (1 - y)
    each = f.binary_cross_entropy_with_logits(x, y, reduction="none") * (1 - p_true) ** 2
    return (each * (0.25 * y + 0.75 * (1 - y))).mean()


TORCH = {
    "mean_squared_error": (NUMBERS, {}, lambda t, f, x, y: f.mse_loss(x, y)),
    "mean_absolute_error": (NUMBERS, {}, lambda t, f, x, y: f.l1_loss(x, y)),
    "huber": (NUMBERS, {"delta": 0.7}, lambda t, f, x, y: f.huber_loss(x, y, delta=0.7)),
    "log_cosh": (NUMBERS, {}, lambda t, f, x, y: t.log(t.cosh(x - y)).mean()),
    "poisson": (YES, {}, lambda t, f, x, y: f.poisson_nll_loss(x.exp(), y, log_input=False, eps=1e-7)),
    "cosine_similarity": (NUMBERS, {}, lambda t, f, x, y: f.cosine_similarity(x, y, dim=-1).mean()),
    "cosine_distance": (NUMBERS, {}, lambda t, f, x, y: f.cosine_embedding_loss(x, y, t.ones(6))),
    "soft_margin": (SIGNS, {}, lambda t, f, x, y: f.soft_margin_loss(x, y)),
    "hinge": (SIGNS, {}, lambda t, f, x, y: (1 - x * y).clamp(min=0).mean()),
    "binary_cross_entropy": (
        YES, {"from_logits": True}, lambda t, f, x, y: f.binary_cross_entropy_with_logits(x, y)),
    "binary_cross_entropy weighted": (
        YES, {"from_logits": True, "positive_weight": 3.0},
        lambda t, f, x, y: f.binary_cross_entropy_with_logits(x, y, pos_weight=t.tensor(3.0))),
    "binary_cross_entropy smoothed": (
        YES, {"from_logits": True, "label_smoothing": 0.2},
        lambda t, f, x, y: f.binary_cross_entropy_with_logits(x, 0.8 * y + 0.1)),
    "categorical_cross_entropy": (
        CLASSES, {"from_logits": True}, lambda t, f, x, y: f.cross_entropy(x, y.long())),
    "categorical_cross_entropy rows": (SHARES, {"from_logits": True}, lambda t, f, x, y: f.cross_entropy(x, y)),
    "categorical_cross_entropy weighted": (
        CLASSES, {"from_logits": True, "class_weights": WEIGHTS},
        lambda t, f, x, y: f.cross_entropy(x, y.long(), weight=t.tensor(WEIGHTS))),
    "categorical_cross_entropy smoothed": (
        CLASSES, {"from_logits": True, "label_smoothing": 0.1},
        lambda t, f, x, y: f.cross_entropy(x, y.long(), label_smoothing=0.1)),
    "categorical_hinge": (
        CLASSES, {}, lambda t, f, x, y: f.multi_margin_loss(x, y.long(), reduction="none").mean() * 0
        + (1 + _wrong(t, x, y) - x.gather(1, y.long()[:, None])[:, 0]).clamp(min=0).mean()),
    "focal": (YES, {"from_logits": True}, torch_focal),
    "categorical_focal": (
        CLASSES, {"from_logits": True},
        lambda t, f, x, y: _picked_focal(x.log_softmax(-1).gather(1, y.long()[:, None])[:, 0])),
}  # fmt: skip


def _wrong(t, x, y):
    return t.where(t.nn.functional.one_hot(y.long(), 4) > 0, 0.0, x).max(-1).values


def _picked_focal(log_p):
    return -(log_p * (1 - log_p.exp()) ** 2).mean()


@pytest.mark.parametrize("name", TORCH)
def test_value_and_gradient_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    true, options, expected = TORCH[name]
    at = np.exp(X) if name == "poisson" else X
    x, there = Tensor(at), torch.tensor(X, requires_grad=True)
    value = by_name_or_module(name.split()[0])(Tensor(true), x, **options)
    (gradient,) = value.gradient(x)
    other = expected(torch, torch.nn.functional, there, torch.tensor(true))
    other.backward()
    slope = there.grad.numpy() / at if name == "poisson" else there.grad.numpy()
    Tensor.realize(value, gradient)
    np.testing.assert_allclose(value.numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=1e-4, atol=1e-5)


def by_name_or_module(name):
    return getattr(losses, name)


def test_divergence_is_pytorchs():
    torch = pytest.importorskip("torch")
    x, there = Tensor(X), torch.tensor(X, requires_grad=True)
    value = losses.kl_divergence(Tensor(SHARES), activations.softmax(x))
    other = torch.nn.functional.kl_div(there.log_softmax(-1), torch.tensor(SHARES), reduction="batchmean")
    other.backward()
    (gradient,) = value.gradient(x)
    Tensor.realize(value, gradient)
    np.testing.assert_allclose(value.item(), other.item(), rtol=1e-4)
    np.testing.assert_allclose(gradient.numpy(), there.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_margin_ranking_and_triplet_are_pytorchs():
    torch = pytest.importorskip("torch")
    a, b, c = (RNG.normal(size=(6, 4)).astype("float32") for _ in range(3))
    there = [torch.tensor(v, requires_grad=True) for v in (a, b, c)]
    f = torch.nn.functional
    for value, inputs, other, others in (
        _pair(losses.margin_ranking, Tensor(SIGNS), (a, b), {"margin": 0.5},
              f.margin_ranking_loss(*there[:2], torch.tensor(SIGNS), margin=0.5), there[:2]),
        _pair(losses.triplet, None, (a, b, c), {"margin": 0.5}, f.triplet_margin_loss(*there, margin=0.5), there),
    ):  # fmt: skip
        gradients = value.gradient(*inputs)
        Tensor.realize(value, *gradients)
        np.testing.assert_allclose(value.item(), other.item(), rtol=1e-4)
        for ours, theirs in zip(gradients, torch.autograd.grad(other, others), strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)


def _pair(loss, true, arrays, options, other, others):
    inputs = tuple(Tensor(array) for array in arrays)
    return loss(true, inputs, **options), inputs, other, others


def test_triplet_takes_the_hardest_of_a_batch():
    x = np.array([[0.0], [1.0], [1.5], [4.0], [9.0]], "float32")
    groups = np.array([0, 0, 1, 1, 2], "int32")
    value = losses.triplet(Tensor(groups), Tensor(x), reduction="none").numpy()
    # For each: farthest of its group - nearest of another + 1; the last is alone in its group.
    np.testing.assert_allclose(value, [1 - 1.5 + 1, 1 - 0.5 + 1, 2.5 - 0.5 + 1, 2.5 - 3 + 1, 0], atol=1e-4)
    gradient = losses.triplet(Tensor(groups), (at := Tensor(x))).gradient(at)[0].numpy()
    assert np.isfinite(gradient).all()
    assert gradient.any()


# connectionist temporal classification -------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [1, 7, pytest.param(300, marks=pytest.mark.slow)])
def test_ctc_is_pytorchs(time):
    torch = pytest.importorskip("torch")
    lengths = np.minimum([3, 2, 0, 1], time // 2 + (time == 1)).astype("int32")
    labels = np.array([[1, 2, 3], [2, 2, 0], [0, 0, 0], [3, 0, 0]], "int32")
    x = RNG.normal(size=(4, time, 5)).astype("float32")
    at, there = Tensor(x), torch.tensor(x, requires_grad=True)
    value = losses.connectionist_temporal_classification(
        (Tensor(lengths), Tensor(labels)), at, from_logits=True, reduction="none"
    )
    (gradient,) = value.sum().gradient(at)
    other = torch.nn.functional.ctc_loss(
        there.log_softmax(-1).transpose(0, 1), torch.tensor(labels), torch.full((4,), time), torch.tensor(lengths),
        reduction="none",
    )  # fmt: skip
    other.sum().backward()
    Tensor.realize(value, gradient)
    np.testing.assert_allclose(value.numpy(), other.detach().numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(gradient.numpy(), there.grad.numpy(), rtol=1e-3, atol=1e-4)


def test_ctc_reads_lengths_from_the_filling_and_divides_a_mean_by_them():
    x = Tensor(RNG.normal(size=(2, 7, 5)).astype("float32")).log_softmax(-1)
    labels = np.array([[1, 2, 0], [3, 0, 0]], "int32")
    each = losses.connectionist_temporal_classification(Tensor(labels), x, reduction="none").numpy()
    told = (Tensor(np.array([2, 1], "int32")), Tensor(labels))
    np.testing.assert_allclose(
        losses.connectionist_temporal_classification(told, x, reduction="none").numpy(), each, rtol=1e-5
    )
    mean = losses.connectionist_temporal_classification(Tensor(labels), x).item()
    np.testing.assert_allclose(mean, (each[0] / 2 + each[1]) / 2, rtol=1e-5)


def test_ctc_of_labels_that_cannot_be_spelled_is_infinite_without_a_gradient():
    x = Tensor(RNG.normal(size=(1, 2, 5)).astype("float32"))
    value = losses.connectionist_temporal_classification(Tensor(np.array([[1, 2, 3]], "int32")), x, from_logits=True)
    (gradient,) = value.gradient(x)
    assert value.item() == np.inf
    assert (gradient.numpy() == 0).all()


# numbers that overflow -----------------------------------------------------------------------------------------------

FAR = np.array([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 0.0]], "float32")


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("how", ["eager", "jit", "program"])
def test_a_loss_of_probabilities_goes_by_their_logits(kind, how):
    torch = pytest.importorskip("torch")
    wrong = np.array([[0, 0, 1], [1, 0, 0]], "float32")
    there = torch.tensor(FAR, requires_grad=True)

    def step(x, y):
        p = getattr(activations, kind)(x)
        loss = (losses.categorical_cross_entropy if kind == "softmax" else losses.binary_cross_entropy)(y, p)
        results = (loss, *loss.gradient(x), p)
        Tensor.realize(*results)
        return results

    run = {"eager": step, "jit": TinyJit(step), "program": Program(step)}[how]
    for _ in range(3):
        value, gradient, p = run(Tensor(FAR), Tensor(wrong))
    if kind == "softmax":
        other = torch.nn.functional.cross_entropy(there, torch.tensor(wrong))
    else:
        other = torch.nn.functional.binary_cross_entropy_with_logits(there, torch.tensor(wrong))
    other.backward()
    np.testing.assert_allclose(value.item(), other.item(), rtol=1e-5)
    np.testing.assert_allclose(gradient.numpy(), there.grad.numpy(), atol=1e-6)
    np.testing.assert_allclose(p.numpy(), getattr(torch, kind)(there, *[-1] * (kind == "softmax")).detach(), atol=1e-6)


def test_a_model_that_ends_in_softmax_learns_from_logits_that_are_far_off():
    model = input((None, 3)) | dense(3, "softmax", kernel_initializer="identity")
    x, y = FAR, np.array([2, 0])
    trained = model.fit((x, y), loss="categorical_cross_entropy", optimizer="sgd", batch_size=2)
    assert trained.history["loss"] == [2000.0]
    # (probabilities - one-hot rows) averaged over the samples: the bias moves against it.
    np.testing.assert_allclose(trained.params["dense_0"]["bias"].numpy(), [0, -0.005, 0.005], atol=1e-6)


IDENTITY = {"kernel_initializer": "identity"}
TO_CLASSES, TO_CHANCES = np.array([2, 0]), np.array([[0, 0, 1], [1, 0, 0]], "float32")
ENDS = {
    "option": (dense(3, "softmax", **IDENTITY), TO_CLASSES),
    "layer and noop": (dense(3, **IDENTITY) | ax.softmax() | ax.noop() | ax.linear(), TO_CLASSES),
    "block": (ax.block("head", dense(3, **IDENTITY), ax.activation("softmax")), TO_CLASSES),
    "reshape": (dense(3, "softmax", **IDENTITY) | ax.reshape((1, 3)), TO_CLASSES[:, None]),
    "flatten": (dense(3, **IDENTITY) | ax.reshape((1, 3)) | ax.softmax() | ax.flatten(), TO_CLASSES),
    "transpose": (
        dense(3, **IDENTITY) | ax.reshape((3, 1)) | ax.softmax(axis=1) | ax.transpose((2, 1)), TO_CLASSES[:, None]
    ),
    "slice": (
        dense(3, **IDENTITY) | ax.stack(ax.noop(), ax.tanh(), axis=1) | ax.softmax() | ax.slice(0, 1, axis=1),
        TO_CLASSES[:, None],
    ),
    "sigmoid option": (dense(3, "sigmoid", **IDENTITY), TO_CHANCES),
    "sigmoid transpose": (
        dense(3, "sigmoid", **IDENTITY) | ax.reshape((3, 1)) | ax.transpose((2, 1)), TO_CHANCES[:, None]
    ),
    "sigmoid reverse": (dense(3, "sigmoid", **IDENTITY) | ax.reverse(axis=1), TO_CHANCES[:, ::-1].copy()),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_a_model_that_ends_in_the_activation_trains_from_its_logits(end):
    """PyTorch's value from logits is 2000 for the classes, and the mean of 0s, log 2s and 1000s for each chance."""
    layers, labels = ENDS[end]
    kind = "binary_cross_entropy" if "sigmoid" in end else "categorical_cross_entropy"
    trained = (input((None, 3)) | layers).fit((FAR, labels), loss=kind, optimizer="sgd", batch_size=2)
    assert trained.history["loss"] == pytest.approx([666.8977 if "sigmoid" in end else 2000.0], rel=1e-6)
    (bias,) = (leaf.tensor.numpy() for path, leaf in trained.params.leaves.items() if path[-1] == "bias")
    if end == "sigmoid reverse":
        labels = labels[:, ::-1]
    if "sigmoid" in end:
        slope = ((np.array([[1, 0.5, 0], [0, 1, 0.5]]) - labels.reshape(2, 3)) / 3).mean(0)
    else:
        slope = (np.array([[1, 0, -1], [-1, 1, 0]])).mean(0)
    np.testing.assert_allclose(bias, -0.01 * slope, atol=1e-6)


def test_each_of_several_outputs_trains_from_its_logits():
    hidden = input((None, 3)) | dense(3, **IDENTITY)
    model = ax.outputs(kind=hidden | ax.softmax(), yes=hidden | ax.sigmoid())
    rules = {"kind": "categorical_cross_entropy", "yes": "binary_cross_entropy"}
    labels = {"kind": TO_CLASSES, "yes": TO_CHANCES}
    history = model.fit((FAR, labels), loss=rules, optimizer="sgd", batch_size=2).history
    assert (history["kind_loss"], history["yes_loss"]) == ([2000.0], [pytest.approx(666.8977, rel=1e-6)])


def test_logits_are_found_where_numbers_were_moved_but_not_after_other_work():
    x = Tensor(FAR)
    p = activations.sigmoid(x)
    assert logits.logits_of(p.cast("float16").reshape(6).cast("float32"), "sigmoid").shape == (6,)
    moved = [lambda t: t.permute(1, 0)[1:].flip(1), lambda t: t.reshape(2, 3, 1).contiguous()[:, 1:]]
    for move in moved:
        at = Tensor(FAR)
        found = logits.logits_of(move(activations.sigmoid(at)), "sigmoid")
        np.testing.assert_array_equal(found.numpy(), move(at).numpy())
    assert logits.logits_of(p * 0.5, "sigmoid") is None
    assert logits.logits_of(p.detach(), "sigmoid") is None
    assert logits.logits_of(p, "softmax") is None


def test_logits_of_a_softmax_are_found_along_its_axis_only():
    x = Tensor(np.arange(24, dtype="float32").reshape(2, 3, 4))
    p = activations.softmax(x, axis=1)

    def found(moved, axis):
        return logits.logits_of(moved, "softmax", axis) is not None

    assert found(p, 1)
    assert not found(p, -1)
    assert found(p.permute(0, 2, 1), -1)
    assert found(p.permute(0, 2, 1).reshape(8, 3), -1)
    assert found(p[:, :, 1:], 1)
    assert found(p.reshape(2, 3, 2, 2), 1)
    assert not found(p[:, 1:], 1)  # not all classes: its softmax would be another
    assert not found(p.reshape(2, 12), 1)
    assert not found(p.reshape(6, 4), -1)
    square = activations.softmax(Tensor(np.zeros((3, 3), "float32")), axis=0)
    assert found(square, 0)
    assert not found(square.reshape(3, 3, 1), 1)


def test_logits_that_are_none_are_warned_of():
    with pytest.warns(UserWarning, match=r"from_logits=True, and the output went through a softmax already"):
        losses.categorical_cross_entropy(Tensor([0]), activations.softmax(Tensor(FAR[:1])), from_logits=True)


def test_remembering_logits_keeps_nothing_alive():
    gc.collect()
    before = len(logits._origins)
    kept = [activations.softmax(Tensor(FAR) + float(i)) for i in range(5)]
    assert len(logits._origins) == before + 5
    kept[0].realize()  # is a buffer from now on
    del kept
    gc.collect()
    assert len(logits._origins) == before


@pytest.mark.parametrize(
    ("name", "true"),
    [("log_cosh", FAR * 0), ("huber", FAR * 0), ("soft_margin", FAR * 0 - 1), ("focal", FAR * 0 + 1),
     ("categorical_focal", np.array([2, 0], "int32")), ("kl_divergence", np.array([2, 0], "int32"))],
)  # fmt: skip
def test_large_numbers_leave_value_and_gradient_finite(name, true):
    x = Tensor(FAR)
    options = {"from_logits": True} if "focal" in name else {}
    pred = activations.softmax(x) if name == "kl_divergence" else x
    value = getattr(losses, name)(Tensor(true), pred, **options)
    (gradient,) = value.gradient(x)
    assert np.isfinite(value.item())
    assert np.isfinite(gradient.numpy()).all()


def test_gradients_of_what_is_exactly_right_are_zero():
    for name in ("mean_absolute_error", "huber", "log_cosh", "cosine_distance"):
        x = Tensor(np.ones((2, 3), "float32"))
        gradient = getattr(losses, name)(Tensor(np.ones((2, 3), "float32")), x).gradient(x)[0].numpy()
        np.testing.assert_allclose(gradient, 0, atol=1e-7, err_msg=name)
    nothing = Tensor(np.zeros((2, 3), "float32"))
    assert np.isfinite(losses.cosine_similarity(nothing, nothing).gradient(nothing)[0].numpy()).all()


# reductions, options, refusals ---------------------------------------------------------------------------------------

SAMPLES = {
    "numbers": (NUMBERS, X), "chances": (YES, SHARES), "classes": (CLASSES, SHARES), "signs": (SIGNS, X),
    "groups": (CLASSES, X),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in by_name if n != "connectionist_temporal_classification"])
def test_none_leads_to_mean(name):
    loss = by_name[name]
    true, pred = map(Tensor, SAMPLES[loss.labels])
    if name == "margin_ranking":
        pred = (pred, pred.flip(0))
    each, mean = (loss(true, pred, reduction=r) for r in ("none", "mean"))
    Tensor.realize(each, mean)
    assert each.shape[0] == 6
    np.testing.assert_allclose(mean.item(), each.numpy().mean(), rtol=1e-5)


FITTED = {
    "numbers": (X, NUMBERS), "chances": (X, YES), "classes": (X, CLASSES), "signs": (X, SIGNS),
    "groups": (X, np.array([0, 1] * 3)),
    "sequences": (RNG.normal(size=(6, 5, 4)).astype("float32"), np.array([[1, 2], [3, 0], [1, 1]] * 2)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", by_name)
def test_every_loss_trains_by_name(name):
    loss = by_name[name]
    x, y = FITTED[loss.labels]
    last = {"chances": "sigmoid", "classes": "softmax", "sequences": "log_softmax"}.get(loss.labels)
    model = input((None, *x.shape[1:])) | dense(4, "softplus" if name == "poisson" else last)
    options = {"loss": name, "optimizer": optimizers.adam(0.05), "epochs": 8, "batch_size": 4}
    if name == "margin_ranking":
        with pytest.raises(DataError, match=r"margin_ranking compares two outputs"):
            model.fit((x, y), **options)
        return
    history = model.fit((x, y), **options).history["loss"]
    assert history[-1] < history[0]


def test_a_row_of_single_outputs_has_a_loss_for_each():
    true, pred = Tensor([0.0, 1.0]), Tensor([0.25, 0.75])
    assert losses.mean_absolute_error(true, pred, reduction="none").tolist() == [0.25, 0.25]


def test_half_precision_is_summed_in_single():
    pred = Tensor(np.full((2, 4), 300.0, "float32")).cast("float16")
    assert losses.mean_squared_error(pred * 0, pred).item() == 90000.0


def test_a_loss_called_with_options_is_itself_with_these():
    gentle = losses.huber(delta=0.5)
    assert gentle(Tensor([0.0]), Tensor([2.0])).item() == 0.875
    with pytest.raises(OptionError, match=r"there is no huber option 'delt'\n  fix: did you mean 'delta'\?"):
        losses.huber(delt=0.5)


def test_label_smoothing_wraps_a_loss():
    smooth = losses.label_smoothing(losses.categorical_cross_entropy, smoothing=0.1)
    with_option = losses.categorical_cross_entropy(Tensor(CLASSES), Tensor(SHARES), label_smoothing=0.1)
    np.testing.assert_allclose(smooth(Tensor(CLASSES), Tensor(SHARES)).item(), with_option.item(), rtol=1e-6)
    assert smooth.__name__ == "categorical_cross_entropy"


def test_weights_of_samples_under_none():
    each = losses.categorical_cross_entropy(Tensor(CLASSES), Tensor(SHARES), reduction="none").numpy()
    weighted = losses.categorical_cross_entropy(
        Tensor(CLASSES), Tensor(SHARES), class_weights=WEIGHTS, reduction="none"
    )
    np.testing.assert_allclose(weighted.numpy(), each * np.array(WEIGHTS)[CLASSES], rtol=1e-5)
    yes = losses.binary_cross_entropy(Tensor(YES), Tensor(SHARES), positive_weight=3.0, reduction="none")
    assert yes.shape == (6,)


def test_a_similarity_is_no_loss_by_name():
    with pytest.raises(UnknownNameError, match=r"there is no loss 'cosine_similarity'\n  fix: .*cosine_distance"):
        by_name["cosine_similarity"]


REFUSED = [
    (lambda: losses.mean_squared_error(Tensor(X), Tensor(X[:, :2])), DataError,
     r"the labels and the output differ in shape\n  got: labels \(6, 4\), output \(6, 2\)"),
    (lambda: losses.mean_squared_error(Tensor(X), Tensor(X), reduction="average"), OptionError,
     r"reduction is 'mean', 'sum' or 'none'\n  got: 'average'"),
    (lambda: losses.categorical_cross_entropy(Tensor(X[:, :2]), Tensor(X)), DataError,
     r"fit neither as class numbers nor as one-hot rows\n  got: labels \(6, 2\), output \(6, 4\)"),
    (lambda: losses.categorical_cross_entropy(Tensor(CLASSES), Tensor(X), sparse=False), DataError, r"fit neither"),
    (lambda: losses.categorical_cross_entropy(Tensor(CLASSES), Tensor(X), class_weights=[1.0]), OptionError,
     r"class_weights needs a weight for each of the 4 classes\n  got: 1 weights"),
    (lambda: losses.categorical_cross_entropy(Tensor(CLASSES), Tensor(X), label_smoothing=1.0), OptionError,
     r"label smoothing must be a number of at least 0 and below 1\n  got: 1.0"),
    (lambda: losses.huber(Tensor(X), Tensor(X), delta=0), OptionError, r"delta must be a number above 0\n  got: 0"),
    (lambda: losses.margin_ranking(Tensor(SIGNS), Tensor(X)), DataError,
     r"margin_ranking compares two outputs: y_pred=\(first, second\)\n  got: one output"),
    (lambda: losses.triplet(None, (Tensor(X), Tensor(X))), DataError, r"three of them\n  got: 2 outputs"),
    (lambda: losses.triplet(None, Tensor(X)), DataError, r"a group number for each sample"),
    (lambda: losses.connectionist_temporal_classification(Tensor(CLASSES), Tensor(X)), DataError,
     r"takes labels \(batch, labels\), output \(batch, time, classes\)\n  got: labels \(6,\), output \(6, 4\)"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED)
def test_refusals(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
