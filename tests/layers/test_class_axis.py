"""Classes on another axis than the last: losses and metrics against PyTorch and the channels-last form, and in fit."""

import numpy as np
import pytest
from tinygrad import Context, Tensor

import axon_nb as ax
from axon_nb import losses, metrics
from axon_nb.errors import DataError, OptionError
from axon_nb.functional import activations
from axon_nb.functional.logits import logits_of
from axon_nb.training.labels import prepare_labels

RNG = np.random.default_rng(0)
SHAPES = [(2, 4, 3, 5), (3, 4, 6), (2, 4, 2, 3, 2)]
WEIGHTS = [0.5, 1.0, 2.0, 4.0]


@pytest.fixture(autouse=True)
def quick():
    """Compile in half the time: it is the numbers that are looked at here."""
    with Context(NOOPT=1):
        yield


def drawn(shape):
    x = RNG.normal(size=shape).astype("float32")
    return x, RNG.integers(0, shape[1], (shape[0], *shape[2:])).astype("int32")


def rows(y):
    return np.moveaxis(np.eye(4, dtype="float32")[y], -1, 1)


def last(array):
    return Tensor(np.ascontiguousarray(np.moveaxis(array, 1, -1)))


@pytest.mark.parametrize(("shape", "form", "options"), [
    (SHAPES[0], "numbers", {}), (SHAPES[1], "numbers", {}), (SHAPES[2], "numbers", {"axis": 1}),
    (SHAPES[0], "numbers", {"class_weights": WEIGHTS}), (SHAPES[0], "numbers", {"label_smoothing": 0.1}),
    (SHAPES[0], "rows", {"axis": 1}), (SHAPES[2], "rows", {"axis": -4, "label_smoothing": 0.1}),
], ids=str)  # fmt: skip
def test_cross_entropy_is_pytorchs(shape, form, options):
    torch = pytest.importorskip("torch")
    array, y = drawn(shape)
    x, there = Tensor(array), torch.tensor(array, requires_grad=True)
    value = losses.categorical_cross_entropy(Tensor(rows(y) if form == "rows" else y), x, from_logits=True, **options)
    (gradient,) = value.gradient(x)
    other = torch.nn.functional.cross_entropy(
        there, torch.tensor(rows(y)) if form == "rows" else torch.tensor(y).long(),
        weight=torch.tensor(WEIGHTS) if "class_weights" in options else None,
        label_smoothing=options.get("label_smoothing", 0.0),
    )  # fmt: skip
    other.backward()
    Tensor.realize(value, gradient)
    np.testing.assert_allclose(value.item(), other.item(), rtol=1e-5)
    np.testing.assert_allclose(gradient.numpy(), there.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["categorical_cross_entropy", "categorical_focal", "kl_divergence",
                                  "categorical_hinge"])  # fmt: skip
@pytest.mark.parametrize("form", ["numbers", "rows"])
def test_every_loss_of_classes_is_that_of_the_last_axis(name, form):
    array, y = drawn((2, 4, 3, 5))
    loss = getattr(losses, name)
    first, moved = activations.softmax(Tensor(array), axis=1), activations.softmax(last(array))
    true, beside = (rows(y), last(rows(y))) if form == "rows" else (y, Tensor(y))
    found = loss(Tensor(true), first, axis=1, reduction="none")
    np.testing.assert_allclose(found.numpy(), loss(beside, moved, reduction="none").numpy(), rtol=1e-4, atol=1e-6)
    if form == "numbers":
        np.testing.assert_allclose(loss(Tensor(true), first, reduction="none").numpy(), found.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["accuracy", "top_k_categorical_accuracy", "confusion_matrix", "precision", "recall",
                                  "f1", "specificity", "true_positives", "false_negatives", "auc"])  # fmt: skip
@pytest.mark.parametrize("form", ["numbers", "rows"])
def test_every_metric_of_classes_is_that_of_the_last_axis(name, form):
    array, y = drawn((2, 4, 3, 5))
    options = {"k": 2} if name.startswith("top") else {}
    metric = getattr(metrics, name)
    first, moved = activations.softmax(Tensor(array), axis=1), activations.softmax(last(array))
    true, beside = (rows(y), last(rows(y))) if form == "rows" else (y, Tensor(y))
    expected = metric(beside, moved, **options).numpy()
    np.testing.assert_array_equal(metric(Tensor(true), first, axis=1, **options).numpy(), expected)
    if form == "numbers":
        np.testing.assert_array_equal(metric(Tensor(true), first, **options).numpy(), expected)


def test_accuracy_of_yes_and_no_on_one_channel():
    p = RNG.random((3, 1, 4, 5)).astype("float32")
    y = RNG.integers(0, 2, (3, 1, 4, 5))
    expected = ((p > 0.5) == y).mean()
    for true in (y, y[:, 0]):
        assert metrics.accuracy(Tensor(true), Tensor(p)).item() == pytest.approx(expected)


def test_a_softmax_along_the_same_axis_goes_by_its_logits_and_along_another_does_not():
    x = Tensor(drawn((2, 4, 3, 5))[0])
    p = activations.softmax(x, axis=1)
    assert logits_of(p, "softmax", 1).uop is x.uop
    assert logits_of(p, "softmax", -3).uop is x.uop
    assert logits_of(p, "softmax") is None
    far = Tensor(np.array([[[200.0], [-200.0]]], "float32"))
    value = losses.categorical_cross_entropy(Tensor([[1]]), activations.softmax(far, axis=1))
    assert value.item() == pytest.approx(400)


def test_smoothed_labels_keep_their_axis():
    array, y = drawn((2, 4, 3, 5))
    smooth = losses.label_smoothing(losses.categorical_cross_entropy, smoothing=0.1)
    expected = losses.categorical_cross_entropy(Tensor(y), last(array), from_logits=True, label_smoothing=0.1).item()
    assert smooth(Tensor(y), Tensor(array), from_logits=True).item() == pytest.approx(expected, rel=1e-5)
    assert losses.apply_label_smoothing(Tensor(y), Tensor(array)).shape == (2, 4, 3, 5)


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(OptionError, match=r"no axis 4 for the classes\n  got: output \(2, 4, 3, 5\)"):
        losses.categorical_cross_entropy(*map(Tensor, reversed(drawn((2, 4, 3, 5)))), axis=4)


# fit -----------------------------------------------------------------------------------------------------------------

IMAGES = RNG.normal(size=(8, 1, 6, 6)).astype("float32")
PLACES = (IMAGES[:, 0] > 0).astype("int32") + (IMAGES[:, 0] > 1)


def images(classes=3, channels="first"):
    axis = 1 if channels == "first" else -1
    size = (None, 1, 6, 6) if channels == "first" else (None, 6, 6, 1)
    return (
        ax.input(size, name="x") | ax.conv(6, kernel_size=1, activation="relu", channels=channels)
        | ax.conv(classes, kernel_size=1, channels=channels) | ax.softmax(axis=axis)
    )  # fmt: skip


def test_a_channels_first_model_trains_on_class_numbers_as_its_twin_does():
    options = {"loss": "categorical_cross_entropy", "metrics": ["accuracy"], "epochs": 25,
               "optimizer": ax.optimizers.adam(learning_rate=0.05), "class_weights": {2: 2.0}}  # fmt: skip
    first = images().fit((IMAGES, PLACES), **options)
    twin = images(channels="last").fit((np.moveaxis(IMAGES, 1, -1), PLACES), **options)
    assert first.history["accuracy"][-1] > 0.8
    for name, values in first.history.items():
        np.testing.assert_allclose(values, twin.history[name], rtol=2e-3, atol=2e-3)
    assert first.evaluate((IMAGES, PLACES))["accuracy"] > 0.8


def test_one_hot_labels_along_axis_1_are_told_from_the_last_axis():
    hot = np.moveaxis(np.eye(3, dtype="float32")[PLACES], -1, 1)
    model = images()
    with pytest.raises(DataError, match=r"one-hot along axis 1(?s:.)*axis=1\)(?s:.)*y.argmax\(1\)"):
        model.fit((IMAGES, hot), loss="categorical_cross_entropy")
    options = {"epochs": 2, "loss": losses.categorical_cross_entropy(axis=1), "metrics": [metrics.accuracy(axis=1)]}
    rows_, numbers = model.fit((IMAGES, hot), **options), model.fit((IMAGES, PLACES), **options)
    np.testing.assert_allclose(rows_.history["loss"], numbers.history["loss"], rtol=1e-5)
    assert rows_.history["accuracy"] == numbers.history["accuracy"]


def test_labels_that_fit_both_axes_are_taken_for_the_last_with_a_word():
    given = PLACES, 8, (8, 6, 6, 6), "categorical_cross_entropy", "conv 'conv_1'"
    with pytest.warns(UserWarning, match=r"fit the output \(8, 6, 6, 6\)(?s:.)*axis=1"):
        prepare_labels(*given)
    for axis in (1, -1):
        assert prepare_labels(*given, axis).shape == (8, 6, 6)


def test_yes_and_no_at_every_place_takes_labels_with_and_without_the_channel():
    model = ax.input((None, 1, 6, 6)) | ax.conv(1, kernel_size=1, activation="sigmoid")
    yes = IMAGES > 0
    options = {"loss": "binary_cross_entropy", "metrics": ["accuracy"], "epochs": 2}
    assert model.fit((IMAGES, yes), **options).history == model.fit((IMAGES, yes[:, 0]), **options).history


@pytest.mark.parametrize(("labels", "words"), [
    (PLACES + 1, r"go from 1 to 3 and the output of softmax 'softmax_0' (.*) has classes 0 to 2\n  fix: subtract 1"),
    (PLACES[:, :5], r"labels \(8, 5, 6\), output \(8, 3, 6, 6\)"),
])  # fmt: skip
def test_wrong_labels_are_told_in_its_words(labels, words):
    with pytest.raises(DataError, match=words):
        images().fit((IMAGES, labels), loss="categorical_cross_entropy")
