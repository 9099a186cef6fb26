"""Every layer that PyTorch has too gives its values and gradients, for shapes and options that hypothesis draws.

A twin draws a layer's inputs and options, and says what PyTorch makes of the same inputs and parameters. A layer
without a twin stands in a list with a reason, so that none is forgotten.
"""

import os

import pytest
import twins_maps
import twins_numbers
import twins_sequences
import twins_shapes
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tinygrad import Context
from twins import LAYERS, TWINS, compare

FILES = (twins_maps, twins_numbers, twins_sequences, twins_shapes)
"""What fills the table of twins when it is imported."""

NO_TWIN = {
    "conv_lstm": "PyTorch has none; test_family_recurrent.py compares it with one made of its convolutions",
    "sinusoidal_positions": "PyTorch has none; test_family_attention.py works out the paper's formula",
    "rotary_positions": "PyTorch has none; test_family_attention.py works out the paper's, as complex numbers",
    "adaptive_lp_pool": "PyTorch has none; test_family_pooling.py compares it with adaptive_avg_pool",
    "mask": "it tells which numbers are equal to one, and has no gradient",
    "constant": "it has no input and no parameters that are trained",
    "or_else": "it gives one of its inputs as it is",
}
EXPLORE = bool(os.environ.get("EXPLORE"))
"""Whether to draw many others than the same few: EXPLORE=1, as for all tests here that draw."""

DRAWING = settings(
    max_examples=25 if EXPLORE else 3,
    derandomize=not EXPLORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.generate],  # each try compiles kernels: making a failing one smaller would take minutes
)


@pytest.fixture(autouse=True)
def _plain_kernels():
    """Leave out tinygrad's optimisation of kernels, which takes most of the time here; other tests run with it."""
    with Context(NOOPT=1):
        yield


def test_every_layer_has_a_twin_or_a_reason():
    ours = {name for name, made in LAYERS.items() if made.declaration.family != "onnx"}
    assert set(TWINS) | set(NO_TWIN) == ours
    assert not set(TWINS) & set(NO_TWIN)


@pytest.mark.parametrize("name", LAYERS)
def test_values_and_gradients_are_pytorchs(name):
    if name not in TWINS:
        assert name in NO_TWIN or LAYERS[name].declaration.family == "onnx"
        return
    DRAWING(given(st.data())(lambda data: compare(name, data)))()
