"""What fit returns: predictions in batches, numbers of other data, and how it is shown."""

import numpy as np
import pytest
from tinygrad import Tensor

import axon_nb as ax
from axon_nb.errors import DataError, OptionError
from axon_nb.training.independence import is_by_sample
from axon_nb.training.trained import Trained

RNG = np.random.default_rng(0)
X = RNG.normal(size=(21, 3)).astype("float32")


def trained(*layers, name=None, history=None, note=""):
    model = ax.input((None, 3), name="x")
    for layer in layers or (ax.dense(2),):
        model = model | layer
    model = model.named(name)
    return Trained(model, model.init(), history if history is not None else {"loss": [0.5]}, None, note)


@pytest.mark.parametrize("samples", [1, 2, 5, 21])
@pytest.mark.parametrize("batch_size", [1, 4, 512])
def test_predictions_do_not_depend_on_the_batch(samples, batch_size):
    made = trained()
    expected = made.model.predict(made.params, X[:samples])
    np.testing.assert_allclose(made.predict(X[:samples], batch_size=batch_size), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("x", [X, X.tolist(), {"x": X}, Tensor(X), X.astype("float64")], ids=lambda x: type(x).__name__)
def test_all_ways_to_give_data(x):
    y = trained().predict(x)
    assert isinstance(y, np.ndarray)
    assert y.shape == (21, 2)


def test_samples_that_act_on_one_another_are_not_filled_up():
    made = trained(lambda x: x - x.mean(0))
    np.testing.assert_allclose(made.predict(X), X - X.mean(0), atol=1e-6)
    halves = np.concatenate([X[:12] - X[:12].mean(0), X[12:] - X[12:].mean(0)])
    np.testing.assert_allclose(made.predict(X, batch_size=12), halves, atol=1e-6)


@pytest.mark.parametrize(("layer", "training", "without"), [
    (ax.dense(2, "relu"), True, True),
    (ax.dropout(0.5), True, True),
    (ax.batch_norm(), False, True),
    (ax.softmax(), True, True),
    (ax.softmax(axis=1), True, True),
    (ax.softmax(axis=0), False, False),
    (ax.softmax(axis=-2), False, False),
    (ax.dense(2, ax.softmax(axis=0)), False, False),
    (ax.dense(2, ax.softmax(axis=-1)), True, True),
    (ax.dense(2, lambda x: x / x.sum()), False, False),
    (ax.dense(2, kernel_initializer=lambda shape, rng: np.ones(shape)), True, True),
    (lambda x: x * 2, False, False),
    (ax.layer(lambda x: x * 2)(), False, False),
    (ax.concatenate(ax.relu, ax.tanh), True, True),
    (ax.concatenate(ax.relu, ax.tanh, axis=0), False, False),
])  # fmt: skip
def test_whether_samples_act_on_one_another(layer, training, without):
    model = ax.input((None, 3)) | layer
    assert (is_by_sample(model, training=True), is_by_sample(model, training=False)) == (training, without)


def test_several_outputs():
    model = ax.input((None, 3), name="x")
    model = (model | ax.relu(), model) | ax.noop()
    first, second = Trained(model, model.init(), {}, None).predict(X, batch_size=8)
    np.testing.assert_allclose(first, np.maximum(X, 0))
    np.testing.assert_allclose(second, X)


@pytest.mark.parametrize(("x", "options", "error", "words"), [
    (X[:, :2], {}, DataError, r"^the data for input 'x' does not fit: it takes \(None, 3\)\n  got: \(21, 2\)"),
    (X[:0], {}, DataError, "^input 'x' is empty"),
    (X, {"batch_size": 0}, OptionError, r"^batch_size must be a whole number of at least 1\n  got: 0"),
    (X, {"batch_size": "all"}, OptionError, "^batch_size must be a whole number"),
])  # fmt: skip
def test_refused(x, options, error, words):
    with pytest.raises(error, match=words):
        trained().predict(x, **options)


@pytest.mark.parametrize(("made", "text"), [
    (trained(), "<Trained model: 1 epoch, loss 0.5>"),
    (trained(name="iris", history={"loss": [2.0, 0.123456], "accuracy": [0.5, 0.75]}),
     "<Trained iris: 2 epochs, loss 0.1235, accuracy 0.75>"),
    (trained(history={}), "<Trained model: 0 epochs>"),
    (trained(note="stopped in epoch 2 of 3"), "<Trained model: 1 epoch, loss 0.5; stopped in epoch 2 of 3>"),
])  # fmt: skip
def test_text(made, text):
    assert repr(made) == text


def test_html_escapes_what_people_called_things():
    evil = "<script>alert(1)</script>"
    html = trained(name=evil, history={"loss": [0.5], evil: [1.0]}, note=evil)._repr_html_()
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 3


def test_html_has_a_row_per_epoch_or_ten_of_many():
    assert trained(history={"loss": [0.5, 0.25]})._repr_html_().count("<tr>") == 3
    html = trained(history={"loss": [1 / (n + 1) for n in range(100)]})._repr_html_()
    assert html.count("<tr>") == 11
    assert ">1.0000<" in html
    assert ">100<" in html


def test_a_plot_has_an_axis_per_number():
    figure = trained(history={"loss": [1.0, 0.5], "val_loss": [1.1, 0.6], "accuracy": [0.5, 0.7]}).plot()
    assert [axis.get_title() for axis in figure.axes] == ["loss", "accuracy"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["training", "validation"]
    assert trained(history={}).plot().axes == []


def test_plots_show_without_pyplot():
    assert trained(history={"loss": [1.0, 0.5]}).plot()._repr_png_().startswith(b"\x89PNG")


def test_two_are_the_same_only_if_they_are_one():
    made = trained()
    assert made == made
    assert made != trained()
    assert isinstance(hash(made), int)
