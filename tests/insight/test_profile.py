"""Where the time of a prediction goes."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.errors import AxonError


@pytest.fixture(scope="module")
def mnist():
    return (
        ax.input((None, 1, 8, 8), name="image")
        | ax.conv(4, 3, activation="relu")
        | ax.dropout(0.5)
        | ax.flatten()
        | ax.dense(3, "softmax", name="<b>digits</b>")
    ).named("mnist")


X = np.random.default_rng(0).normal(size=(16, 1, 8, 8)).astype("float32")


@pytest.fixture(scope="module")
def profile(mnist):
    return mnist.profile(mnist.init(), X, repeats=3)


def test_every_layer_that_works_has_a_time(profile):
    assert set(profile.layers) == {"conv_0", "<b>digits</b>"}  # dropout and flatten do nothing here
    assert all(seconds > 0 for seconds in profile.layers.values())
    assert sum(profile.layers.values()) == pytest.approx(profile.seconds)
    assert profile.samples == 16
    assert profile.device == "CPU"


def test_layers_in_one_kernel_are_told(mnist):
    model = ax.input((None, 4), name="x") | ax.dense(3) | ax.relu() | ax.scale()
    found = model.profile(model.init(), np.ones((2, 4), "float32"), repeats=1)
    assert found.fused == [("dense_0", "relu_0", "scale_0")]


def test_it_is_shown_as_text_and_as_a_page(profile):
    text, page = repr(profile), profile._repr_html_()
    assert "16 samples on CPU" in text
    assert "conv_0" in text.split("Kernels, the longest first")[1]
    assert "<b>digits" not in page
    assert "&lt;b&gt;digits" in page
    assert page.count("<table") == 2
    assert "data:image/svg+xml" in page


def test_what_was_trained_has_it_too(mnist):
    x, y = X, np.arange(16) % 3
    trained = mnist.fit((x, y), loss="categorical_cross_entropy")
    assert set(trained.profile(X[:4], repeats=1).layers) == {"conv_0", "<b>digits</b>"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, p: m.profile(p, X, repeats=0), "repeats"),
        (lambda m, p: m.profile(p, X[:, :, :4]), "image"),
        (lambda m, p: m.profile({}, X), "params"),
        (lambda m, p: m.profile(p, X, device="GPU9"), "GPU9"),
    ],
)
def test_bad_input(mnist, call, said):
    with pytest.raises(AxonError, match=said):
        call(mnist, mnist.init())
