"""The whole path in a few seconds: the first tests to run and to read."""

import numpy as np
import pytest

import axon_nb as ax

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int32")


@pytest.fixture(scope="module")
def model():
    return ax.input((None, 4), name="flower") | ax.dense(8, "relu") | ax.dense(2, "softmax")


def test_a_pipe_of_layers_is_a_model(model):
    assert repr(model) == "<Model: flower (None, 4) -> dense_0 -> dense_1 (None, 2)>"
    assert model.output_shape == (None, 2)
    assert model.params == {
        "dense_0.kernel": (4, 8),
        "dense_0.bias": (8,),
        "dense_1.kernel": (8, 2),
        "dense_1.bias": (2,),
    }


def test_its_table_and_card_show_layers_shapes_and_parameters(model):
    table = str(model.table())
    assert "flower" in table
    assert "dense_1" in table
    assert "58" in table  # 4 * 8 + 8 + 8 * 2 + 2 parameters
    card = model._repr_mimebundle_()
    assert card == model._repr_mimebundle_()
    assert "dense_1" in card["text/plain"]
    assert "data:image/svg+xml;base64," in card["text/html"]


def test_it_predicts_with_first_weights(model):
    params = model.init(seed=1)
    assert params.count == 58
    y = model.predict(params, X)
    assert y.shape == (64, 2)
    assert y.sum(axis=1) == pytest.approx(np.ones(64), abs=1e-5)


def test_it_trains_and_predicts_better(model):
    trained = model.fit((X, Y), loss="categorical_cross_entropy", metrics=["accuracy"], epochs=30, batch_size=16,
                        optimizer=ax.optimizers.adam(learning_rate=0.03))  # fmt: skip
    assert len(trained.history["loss"]) == 30
    assert trained.history["loss"][-1] < 0.2 < trained.history["loss"][0]
    assert trained.history["accuracy"][-1] > 0.95
    assert (trained.predict(X).argmax(axis=1) == Y).mean() > 0.95
    assert repr(trained).startswith("<Trained model: 30 epochs, loss 0.")


def test_an_error_names_the_layer_and_says_what_to_do():
    with pytest.raises(ax.AxonError, match=r"there is no dense option 'unit'\n  fix: did you mean 'units'\?"):
        ax.dense(unit=3)
    with pytest.raises(ax.AxonError, match=r"conv 'conv_0' .*needs 3, 4 or 5 axes, with the batch first, and got 2"):
        _ = (ax.input((None, 784)) | ax.conv(8, 3)).output_shape
