"""What the tests of other frameworks share: Keras on PyTorch, where both are installed."""

import os

import pytest


def keras_on_torch():
    """Return Keras, run by PyTorch; skip the test where one of them is missing."""
    pytest.importorskip("torch", reason="Keras is run by PyTorch here, which is not installed: pip install torch")
    os.environ["KERAS_BACKEND"] = "torch"  # Keras reads it once, when it is imported
    keras = pytest.importorskip("keras", reason="Keras is not installed: pip install keras")
    assert keras.backend.backend() == "torch"
    return keras
