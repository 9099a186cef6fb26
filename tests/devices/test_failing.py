"""A device that fails while it trains, and the default device of a session."""

import numpy as np
import pytest
from tinygrad.runtime.ops_python import PythonProgram

import axon_nb as ax
from axon_nb import engine
from axon_nb.errors import DeviceError

X = np.linspace(-1, 2, 8, dtype="float32").reshape(-1, 1)
"""Not the same on both sides of 0: the gradient of the bias would be 0, and its sign a matter of rounding."""


def test_a_device_that_is_lost_while_training_leaves_the_last_good_weights(monkeypatch):
    model = ax.input((None, 1)) | ax.dense(1)
    run = PythonProgram.__call__
    ended = []

    def breaking(self, *args, **kwargs):
        if ended:
            _lost()
        return run(self, *args, **kwargs)

    @ax.callbacks.on("epoch_started")
    def end(state):
        if state.epoch == 2:
            ended.append(state.epoch)

    monkeypatch.setattr(PythonProgram, "__call__", breaking)
    with pytest.raises(DeviceError) as caught:
        model.fit((X, 2 * X), loss="mean_squared_error", epochs=4, batch_size=8, device="PYTHON", callbacks=[end])
    assert "the device PYTHON failed in epoch 3" in str(caught.value)
    assert "device was unplugged" in str(caught.value)
    assert "fix" in str(caught.value)
    kept = caught.value.trained
    assert kept.epochs == 2
    assert {str(tensor.device) for tensor in kept.params.flat.values()} == {"CPU"}
    ended_well = model.fit((X, 2 * X), loss="mean_squared_error", epochs=2, batch_size=8, device="CPU")
    for name, tensor in ended_well.params.flat.items():
        np.testing.assert_allclose(kept.params.flat[name].numpy(), tensor.numpy(), rtol=1e-4)


def _lost():
    message = "the device was unplugged"
    raise RuntimeError(message)


def test_an_error_of_the_users_own_stays_theirs():
    def mine(x):
        message = "my own mistake"
        raise KeyError(message)

    model = ax.input((None, 1)) | ax.dense(1)

    @ax.callbacks.on("epoch_completed")
    def broken(state):
        mine(X)

    with pytest.raises(KeyError, match="my own mistake"):
        model.fit((X, X), loss="mean_squared_error", callbacks=[broken])


def test_the_default_device_can_be_chosen_and_a_wrong_one_changes_nothing():
    model = ax.input((None, 1)) | ax.dense(1)
    before = engine.default_device()
    assert before == "CPU"
    for wrong in ("CUDDA", "QCOM", "CPU:1"):
        with pytest.raises(DeviceError):
            engine.choose(wrong)
        assert engine.default_device() == before
    try:
        assert engine.choose("python") == "PYTHON"
        assert {str(t.device) for t in model.init().flat.values()} == {"PYTHON"}
    finally:
        engine.choose("CPU")
    assert {str(t.device) for t in model.init().flat.values()} == {"CPU"}
