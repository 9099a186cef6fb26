"""Training with optional inputs that are left out: of all data, or of some batches."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import DataError, OptionError

X = np.ones((8, 2), "float32")
SGD = ax.optimizers.sgd(learning_rate=0.1)
OPTIONS = {"loss": "mean_squared_error", "optimizer": SGD}


def model():
    """Add to input a what a layer makes of b and of c, or a again where these are left out."""
    a, b, c = (ax.input((None, 2), name=one, optional=one != "a") for one in "abc")
    options = {"kernel_initializer": "zeros", "use_bias": False}
    other = ax.or_else(b | ax.dense(2, name="of_b", **options), a)
    third = ax.or_else(c | ax.dense(2, name="of_c", **options), a)
    return (a, other, third) | ax.add()


def kernels(trained):
    return {name: trained.params[name]["kernel"].numpy()[0, 0].item() for name in ("of_b", "of_c")}


@pytest.mark.parametrize(
    "x", [{"a": X}, {"a": X, "b": None}, X, (X, None, None)], ids=["dict", "None", "alone", "tuple"]
)
@pytest.mark.parametrize("validation", [None, 0.25])
def test_what_is_left_out_of_all_data_stays_as_it_was(x, validation):
    one = model()
    if isinstance(x, tuple):
        x = tuple(X if one.names[node] == "a" else None for node in one.inputs)
    trained = one.fit((x, 3 * X), epochs=2, validation=validation, **OPTIONS)
    assert trained.history["loss"] == [0, 0]  # a three times
    assert kernels(trained) == {"of_b": 0, "of_c": 0}
    assert trained.evaluate((x, 3 * X)) == {"loss": 0}
    assert set(trained.history) == ({"loss", "val_loss"} if validation else {"loss"})


def test_what_is_given_is_trained():
    trained = model().fit(({"a": X, "b": X}, 3 * X), **OPTIONS)
    assert kernels(trained) == {"of_b": pytest.approx(0.1), "of_c": 0}


def test_batches_that_leave_out_other_inputs_train_what_they_have():
    batches = [({"a": X, "b": X}, 3 * X), ({"a": X, "c": X}, 3 * X), ({"a": X}, 3 * X)]
    trained = model().fit(batches, validation=batches[1:], **OPTIONS)
    # Each kernel moves in its own batch: from a mean error of 1, by a rate of 0.1.
    assert kernels(trained) == {"of_b": pytest.approx(0.1), "of_c": pytest.approx(0.1)}
    assert trained.history["val_loss"] == [pytest.approx((0.8**2 + 0) / 2)]


def test_predictions_of_other_inputs_of_one_shape_are_apart():
    one = model()
    params = one.fit([({"a": X, "b": X}, 3 * X), ({"a": X}, 3 * X)], **OPTIONS).params
    assert one.predict(params, {"a": X, "b": X})[0, 0] == pytest.approx(2.2)
    assert one.predict(params, {"a": X, "c": X})[0, 0] == pytest.approx(2)


def test_an_input_that_is_needed_and_labels_that_are_none_are_refused():
    with pytest.raises(DataError, match="no data for input 'a'"):
        model().fit(({"b": X}, X), **OPTIONS)
    with pytest.raises((DataError, OptionError), match="not numbers"):
        model().fit(({"a": X}, None), validation=0.5, **OPTIONS)
