"""Metrics: Axon's cases, numbers worked out with NumPy, and pooling over an epoch of uneven batches."""

import numpy as np
import pytest
from axon_cases.runner import check, load, params
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import metrics
from axon_nb.errors import DataError, OptionError, TrainingError, UnknownNameError
from axon_nb.functional.metric import as_metric, metric
from axon_nb.functional.metrics import metrics as by_name
from axon_nb.training.feed import Batch
from axon_nb.training.goal import make_goal
from axon_nb.training.step import Trainer

NOT_OURS = {
    "running_average": "Axon's accumulator; a metric of ours is pooled over the epoch by itself",
    "running_sum": "Axon's accumulator; a metric of ours is pooled over the epoch by itself",
}


@pytest.fixture(autouse=True)
def quick():
    """Compile in half the time: it is the numbers that are looked at here."""
    with Context(NOOPT=1):
        yield


@pytest.mark.parametrize("case", params(load("metrics", skip=NOT_OURS)))
def test_axon_case(case):
    check(case, case.run(getattr(metrics, case.name)))


def test_every_axon_case_is_run_or_listed():
    listed = load("metrics", functions=NOT_OURS)
    assert len(load("metrics")) == len(load("metrics", skip=NOT_OURS)) + len(listed)
    assert len(listed) == 2


# against NumPy -------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
P = RNG.random((40, 3)).astype("float32")
YES = (RNG.random((40, 3)) < 0.2 + 0.6 * P).astype("float32")
SHARES = RNG.dirichlet(np.ones(4), 40).astype("float32")
CLASSES = RNG.integers(0, 4, 40).astype("int32")


def counted(threshold=0.5):
    said, true = P > threshold, YES > 0.5  # noqa: SIM300 - P is no constant
    pairs = {"tp": true & said, "fp": ~true & said, "fn": true & ~said, "tn": ~true & ~said}
    return {name: one.sum(0) for name, one in pairs.items()}


SHARES_OF = {
    "precision": lambda c: c["tp"] / (c["tp"] + c["fp"]),
    "recall": lambda c: c["tp"] / (c["tp"] + c["fn"]),
    "sensitivity": lambda c: c["tp"] / (c["tp"] + c["fn"]),
    "specificity": lambda c: c["tn"] / (c["tn"] + c["fp"]),
    "f1": lambda c: 2 * c["tp"] / (2 * c["tp"] + c["fp"] + c["fn"]),
}


@pytest.mark.parametrize("name", SHARES_OF)
def test_shares_of_counts(name):
    metric, share = by_name[name], SHARES_OF[name]
    each = counted(0.4)
    together = {kind: one.sum() for kind, one in each.items()}
    true, pred = Tensor(YES), Tensor(P)
    found = [metric(true, pred, threshold=0.4, average=a) for a in ("micro", "macro", "none")]
    Tensor.realize(*found)
    np.testing.assert_allclose(found[0].numpy(), share(together), rtol=1e-5)
    np.testing.assert_allclose(found[1].numpy(), share(each).mean(), rtol=1e-5)
    np.testing.assert_allclose(found[2].numpy(), share(each), rtol=1e-5)


def test_class_numbers_are_counted_by_the_largest_output():
    said = SHARES.argmax(-1)
    share = metrics.recall(Tensor(CLASSES), Tensor(SHARES), threshold=None, average="none").numpy()
    np.testing.assert_allclose(share, [(said[k == CLASSES] == k).mean() for k in range(4)], rtol=1e-5)


def test_the_confusion_matrix():
    expected = np.zeros((4, 4), int)
    np.add.at(expected, (CLASSES, SHARES.argmax(-1)), 1)
    assert metrics.confusion_matrix(Tensor(CLASSES), Tensor(SHARES)).tolist() == expected.tolist()
    rows = np.eye(4, dtype="float32")[CLASSES]
    assert metrics.confusion_matrix(Tensor(rows), Tensor(SHARES)).tolist() == expected.tolist()
    c = {kind: int(n[0]) for kind, n in counted().items()}
    two = metrics.confusion_matrix(Tensor(YES[:, :1]), Tensor(P[:, :1])).tolist()
    assert two == [[c["tn"], c["fp"]], [c["fn"], c["tp"]]]


@pytest.mark.parametrize("k", [1, 3])
def test_top_k(k):
    ranks = (-SHARES).argsort(-1, kind="stable")[:, :k]
    expected = (ranks == CLASSES[:, None]).any(-1).mean()
    assert metrics.top_k_categorical_accuracy(Tensor(CLASSES), Tensor(SHARES), k=k).item() == pytest.approx(expected)


def test_outputs_that_are_all_equal_are_not_all_right():
    same = Tensor(np.full((40, 4), 0.25, "float32"))
    first = (CLASSES == 0).mean()
    assert metrics.top_k_categorical_accuracy(Tensor(CLASSES), same, k=1).item() == pytest.approx(first)
    assert metrics.accuracy(Tensor(CLASSES), same).item() == pytest.approx(first)


def test_accuracy_at_every_place_and_by_logits():
    true = RNG.integers(0, 4, (5, 6)).astype("int32")
    pred = RNG.random((5, 6, 4)).astype("float32")
    assert metrics.accuracy(Tensor(true), Tensor(pred)).item() == pytest.approx((pred.argmax(-1) == true).mean())
    x = np.array([[-3.0], [0.4], [2.0]], "float32")
    yes = Tensor(np.array([0, 0, 1], "int32"))
    assert metrics.accuracy(yes, Tensor(x), from_logits=True).item() == pytest.approx(2 / 3)
    assert metrics.accuracy(yes, Tensor(x), from_logits=True, threshold=0.6).item() == 1


def area(true, score):
    """How often a yes is above a no: over all pairs."""
    yes, no = score[true > 0.5], score[true <= 0.5]
    return ((yes[:, None] > no).mean() + (yes[:, None] >= no).mean()) / 2


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
def test_the_area_is_that_of_all_pairs(spread):
    true = RNG.random(2000) < 0.3
    x = ((true * 1.2 - 0.5 + RNG.normal(size=2000)) * spread).astype("float32")
    with np.errstate(over="ignore"):
        p = (1 / (1 + np.exp(-x.astype("float32")))).astype("float32")
    exact = area(true, x)
    if spread < 30:  # beyond that, probabilities themselves are all 0 or 1
        assert metrics.auc(Tensor(true), Tensor(p)).item() == pytest.approx(exact, abs=1e-3)
    assert metrics.auc(Tensor(true), Tensor(x), from_logits=True).item() == pytest.approx(exact, abs=1e-3)


def test_areas_of_several_outputs_and_of_one_side_only():
    each = [area(YES[:, i], P[:, i]) for i in range(3)]
    found = metrics.auc(Tensor(YES), Tensor(P), average="none").numpy()
    np.testing.assert_allclose(found, each, atol=5e-3)
    assert metrics.auc(Tensor(YES), Tensor(P)).item() == pytest.approx(found.mean(), abs=1e-6)
    assert metrics.auc(Tensor(YES), Tensor(P), average="micro").item() == pytest.approx(
        area(YES.ravel(), P.ravel()), abs=5e-3
    )
    assert np.isnan(metrics.auc(Tensor(np.ones(4)), Tensor(P[:4, 0])).item())


def explained(true, pred):
    return (1 - ((true - pred) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)).mean()


def test_r2_far_from_zero_and_of_constants():
    true = (RNG.normal(size=(40, 2)) + np.array([1e4, -5e3])).astype("float32")
    pred = (true + 0.5 * RNG.normal(size=(40, 2))).astype("float32")
    exact = explained(true.astype("float64"), pred.astype("float64"))
    assert metrics.r2(Tensor(true), Tensor(pred)).item() == pytest.approx(exact, abs=1e-3)
    ones = Tensor(np.ones((4, 1), "float32"))
    assert metrics.r2(ones, ones).item() == 1
    assert metrics.r2(ones, ones * 2).item() == 0


# pooled over an epoch ------------------------------------------------------------------------------------------------

SAME = {"use_bias": False, "kernel_initializer": "identity"}


def look(model, x, y, loss, names, batch_size):
    """Evaluate a model that was not trained, in batches of which the last is short."""
    start = model.init()
    device = start["dense_0"]["kernel"].device
    trainer = Trainer(model, start, make_goal(loss, names, None), None, seed=0, device=device)
    cuts = [slice(at, at + batch_size) for at in range(0, len(x), batch_size)]
    return trainer.evaluated(Batch({model.inputs[0]: x[cut]}, (y[cut],)) for cut in cuts)


YES_NO = ["precision", "recall", "specificity", "f1", "auc", "true_positives", "false_positives", "accuracy"]


@pytest.mark.parametrize(
    "normalised", [pytest.param(False, id="filled up"), pytest.param(True, id="as it is", marks=pytest.mark.slow)]
)
def test_counts_are_pooled_and_the_short_batch_counts_as_it_is(normalised):
    # With batch norm a short batch is not filled up.
    x, y = P[:, :1], YES[:, :1]
    model = (
        ax.input((None, 1))
        | ax.dense(1, **SAME)
        | (ax.dropout(0.0) if not normalised else ax.batch_norm(epsilon=1e-12))
    )
    found = look(model, x, y, "mean_squared_error", YES_NO, 12)
    c = {kind: one[0] for kind, one in counted().items()}
    if normalised:
        p = model.predict(model.init(), x)
        true, said = y > 0.5, p > 0.5
        c = {
            "tp": (true & said).sum(),
            "fp": (~true & said).sum(),
            "fn": (true & ~said).sum(),
            "tn": (~true & ~said).sum(),
        }
    for name, share in SHARES_OF.items():
        if name in found:
            assert found[name] == pytest.approx(share(c), rel=1e-5), name
    assert (found["true_positives"], found["false_positives"]) == (c["tp"], c["fp"])
    assert isinstance(found["true_positives"], int)
    assert found["accuracy"] == pytest.approx((c["tp"] + c["tn"]) / 40)


def test_the_area_and_what_is_explained_are_pooled():
    model = ax.input((None, 3)) | ax.dense(3, **SAME)
    true = (YES + 100).astype("float32")
    found = look(
        model, P + np.float32(100), true, "mean_squared_error", {"r": "r2", "error": "mean_absolute_error"}, 12
    )
    assert found["r"] == pytest.approx(explained(true, P + 100), abs=1e-4)
    assert found["error"] == pytest.approx(np.abs(YES - P).mean(), rel=1e-4)
    assert found["loss"] == pytest.approx(((YES - P) ** 2).mean(), rel=1e-4)
    once = look(model, P, YES, "mean_squared_error", ["auc"], 40)
    assert look(model, P, YES, "mean_squared_error", ["auc"], 12) == pytest.approx(once, abs=1e-6)


OF_SHARES = ax.losses.categorical_cross_entropy(from_logits=False)
"""Said, as a dense layer that gives probabilities is not known to."""


def test_the_history_holds_arrays_and_tables_leave_them_out():
    model = ax.input((None, 4)) | ax.dense(4, **SAME)
    rule = ax.optimizers.sgd(1e-12)
    trained = model.fit(
        (SHARES, CLASSES), loss=OF_SHARES, optimizer=rule, epochs=2, batch_size=12,
        metrics=["confusion_matrix", metrics.true_positives(threshold=0.4)], validation=(SHARES[:7], CLASSES[:7]),
    )  # fmt: skip
    expected = np.zeros((4, 4), int)
    np.add.at(expected, (CLASSES, SHARES.argmax(-1)), 1)
    for matrix in trained.history["confusion_matrix"]:
        np.testing.assert_array_equal(matrix, expected)
    assert trained.history["val_confusion_matrix"][0].sum() == 7
    assert "confusion" not in repr(trained)
    html = trained._repr_html_()
    assert "confusion" not in html
    assert f">{trained.history['true_positives'][0]}<" in html
    assert len(trained.plot().axes) == 2  # loss and true_positives


def test_classes_count_by_their_weights_over_the_whole_epoch():
    model = ax.input((None, 4)) | ax.dense(4, **SAME)
    weights = {0: 5.0, 2: 0.5}
    trained = model.fit(
        (SHARES, CLASSES), loss=OF_SHARES, optimizer=ax.optimizers.sgd(1e-12), batch_size=12,
        class_weights=weights,
    )  # fmt: skip
    each = -np.log(SHARES[np.arange(40), CLASSES])
    counts = np.array([weights.get(int(k), 1.0) for k in CLASSES])
    assert trained.history["loss"][0] == pytest.approx((each * counts).sum() / counts.sum(), rel=1e-4)
    assert trained.evaluate((SHARES, CLASSES), batch_size=7)["loss"] == pytest.approx(
        trained.history["loss"][0], rel=1e-4
    )


# functions of one's own, names, refusals -----------------------------------------------------------------------------


def test_plain_functions_and_losses_are_metrics():
    def worst(y_true, y_pred):
        return (y_true - y_pred).abs().max(-1)

    def whole(y_true, y_pred):
        return (y_true - y_pred).abs().max()

    model = ax.input((None, 3)) | ax.dense(3, **SAME)
    chosen = [worst, ax.losses.huber(delta=0.1), "log_cosh", worst]
    found = look(model, P, YES, "mean_squared_error", chosen, 12)
    assert list(found) == ["loss", "worst", "huber", "log_cosh", "worst_2"]
    assert found["worst"] == pytest.approx(np.abs(YES - P).max(-1).mean(), rel=1e-5)
    gap = np.abs(YES - P)
    assert found["huber"] == pytest.approx(np.where(gap < 0.1, gap**2 / 2, 0.1 * (gap - 0.05)).mean(), rel=1e-4)
    assert as_metric(whole, "whole")(Tensor(YES), Tensor(P)).item() == pytest.approx(gap.max())


def test_a_metric_of_ones_own_is_summed_and_finished():
    @metric(finish=lambda sums: (sums[0] / sums[1]) ** 0.5)
    def root_error(y_true, y_pred):
        squares = (y_true - y_pred).square().mean(-1)
        return Tensor.stack(squares, squares.const_like(1), dim=-1)

    try:
        model = ax.input((None, 3)) | ax.dense(3, **SAME)
        found = look(model, P, YES, "mean_squared_error", ["root_error"], 12)
        assert found["root_error"] == pytest.approx(np.sqrt(((YES - P) ** 2).mean()), rel=1e-5)
        assert root_error(Tensor(YES), Tensor(P)).item() == pytest.approx(found["root_error"], rel=1e-5)
    finally:
        del by_name._things["root_error"]


def test_a_metric_called_with_options_is_itself_with_these():
    strict = metrics.precision(threshold=0.8)
    assert strict(Tensor(YES), Tensor(P)).item() == pytest.approx(
        SHARES_OF["precision"]({k: v.sum() for k, v in counted(0.8).items()})
    )
    assert (
        metrics.precision(y_true=Tensor(YES), y_pred=Tensor(P), threshold=0.8).item()
        == strict(Tensor(YES), Tensor(P)).item()
    )
    assert repr(strict) == "<Metric precision>"


def test_metrics_and_losses_take_what_predict_gives():
    model = ax.input((None, 4)) | ax.dense(4, **SAME)
    found = model.predict(model.init(), SHARES)
    assert isinstance(found, np.ndarray)
    assert metrics.accuracy(CLASSES, found).item() == pytest.approx((SHARES.argmax(-1) == CLASSES).mean())
    assert metrics.accuracy(y_true=CLASSES.tolist(), y_pred=found.astype("float64")).item() > 0
    assert metrics.recall(threshold=0.3)(YES, P).item() == metrics.recall(Tensor(YES), Tensor(P), threshold=0.3).item()
    loss = ax.losses.categorical_cross_entropy
    assert loss(CLASSES, found).item() == loss(Tensor(CLASSES), Tensor(SHARES)).item()
    assert loss(y_true=CLASSES, y_pred=found, reduction="none").shape == (40,)
    signs = np.ones(3, "float32")
    assert ax.losses.margin_ranking(signs, (signs * 2, signs), margin=2.0).item() == 1
    assert ax.losses.connectionist_temporal_classification(([1], [[1]]), np.full((1, 2, 2), np.log(0.5))).item() > 0
    assert ax.losses.triplet(None, (P, P, P), margin=0.5).item() == pytest.approx(0.5)
    assert ax.losses.huber(delta=0.5)([0.0], [2.0]).item() == 0.875


REFUSED = [
    (lambda: ax.losses.huber(["a"], ["b"]), DataError, r"tensors, or arrays of numbers\n  got: .*\n  fix: numpy.array"),
    (lambda: metrics.accuracy([[1], [1, 2]], [[1.0], [2.0]]), DataError, r"tensors, or arrays of numbers"),
    (lambda: metrics.precision(treshold=0.8), OptionError,
     r"there is no precision option 'treshold'\n  fix: did you mean"),
    (lambda: metrics.precision(Tensor(YES), Tensor(P), average="all"), OptionError, r"average is 'micro', 'macro' or"),
    (lambda: metrics.precision(Tensor(YES), Tensor(P[:, 0])), DataError, r"differ in shape\n  got: labels \(40, 3\)"),
    (lambda: metrics.accuracy(Tensor(YES), Tensor(SHARES)), DataError, r"fit neither as class numbers nor as one-hot"),
    (lambda: metrics.confusion_matrix(Tensor(YES), Tensor(SHARES)), DataError, r"fit neither"),
    (lambda: metrics.top_k_categorical_accuracy(Tensor(CLASSES), Tensor(SHARES), k=0), OptionError,
     r"k must be a whole"),
    (lambda: metrics.accuracy(Tensor(YES[:, 0]), Tensor(P[:, :1]), threshold=2.0, from_logits=True), OptionError,
     r"threshold must be a number above 0 and below 1\n  got: 2.0"),
    (lambda: as_metric(lambda t, p: 3.0, "three")(Tensor(YES), Tensor(P)), TrainingError,
     r"must return a tensor\n  got: 3.0"),
    (lambda: by_name["acuracy"], UnknownNameError, r"there is no metric 'acuracy'\n  fix: did you mean 'accuracy'"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED)
def test_refusals(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
