"""The same models on every device that works here, compared with the CPU.

``AXON_NB_DEVICES=CUDA pytest tests/devices`` tries only the devices that it names, and fails where one does not work.
"""

import os

import numpy as np
import pytest
from models import CASES

import axon_nb as ax
from axon_nb.engine.devices import probe

CANDIDATES = ("CPU:1", "CL", "CUDA", "METAL", "AMD", "WEBGPU")
ASKED = tuple(name for name in os.environ.get("AXON_NB_DEVICES", "").upper().split(",") if name)


@pytest.fixture(scope="module")
def on_cpu():
    """Return what the CPU gives, worked out once for each model."""
    found = {}

    def give(name):
        if name not in found:
            found[name] = run(name, "CPU")
        return found[name]

    return give


@pytest.fixture(scope="module", params=ASKED or CANDIDATES)
def device(request):
    info = probe(request.param)
    if not info.works:
        if ASKED:
            pytest.fail(f"{request.param} does not work here: {info.detail}")
        pytest.skip(f"{request.param} is not here: {info.detail}")
    return request.param


def run(name, device):
    case = CASES[name]
    model = case.model()
    params = model.init(seed=3)
    values = model.predict(params, case.x, device=device)
    options = {"optimizer": "sgd", "epochs": 3, "batch_size": 8, "seed": 3, **case.options}
    trained = model.fit((case.x, case.y), loss=case.loss, device=device, **options)
    return values, trained.history["loss"], trained


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_the_cpu_gives(name, device, on_cpu):
    values, losses, trained = run(name, device)
    expected, expected_losses, _ = on_cpu(name)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-3, atol=1e-3)
    kinds = {str(leaf.tensor.device) for leaf in trained.params.leaves.values()}
    assert kinds == {device.removesuffix(":0")}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("device", ["CUDA", "METAL", "CL", "WEBGPU"])
def test_its_kernels_can_be_written_with_no_such_device(name, device):
    case = CASES[name]
    kernels = case.model().kernels(device=device, batch_size=8, training=name in ("mlp", "lstm"))
    assert len(kernels) >= 1
    assert all(kernel.source for kernel in kernels)


def test_params_go_from_one_device_to_another_and_back():
    case = CASES["mlp"]
    model = case.model()
    params = model.init()
    there = params.to("CPU:1")
    assert there.to("CPU") == params
    np.testing.assert_allclose(model.predict(there, case.x), model.predict(params, case.x), rtol=1e-6)


@pytest.mark.parametrize("name", ["CUDDA", "GPU", "CPU:x", ""])
def test_a_wrong_name_is_told_before_anything_runs(name):
    case = CASES["mlp"]
    model = case.model()
    params = model.init()
    for call in (
        lambda: model.predict(params, case.x, device=name),
        lambda: model.fit((case.x, case.y), loss=case.loss, device=name),
        lambda: model.compile(device=name),
    ):
        with pytest.raises(ax.AxonError, match=r"device|number"):
            call()


@pytest.mark.parametrize("name", ["AMD", "QCOM", "WEBGPU"])
def test_a_device_whose_driver_is_missing_is_told_in_our_words(name):
    if probe(name).works:
        pytest.skip(f"{name} works here")
    case = CASES["mlp"]
    model = case.model()
    params = model.init()
    with pytest.raises(ax.AxonError, match=name) as caught:
        model.predict(params, case.x, device=name)
    assert "fix" in str(caught.value)
    with pytest.raises(ax.AxonError, match=name):
        model.fit((case.x, case.y), loss=case.loss, device=name, like=params)
    np.testing.assert_array_equal(model.predict(params, case.x), model.predict(params, case.x))
