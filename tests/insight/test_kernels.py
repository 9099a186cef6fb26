"""The kernels of a model, written for devices that are not here, and the layers they came from."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.engine.languages import languages
from axon_nb.errors import AxonError, DeviceError, ShapeError, UnknownNameError

MARKS = {
    "CPU": "define void @",
    "C": "void ",
    "CUDA": "__global__ void __launch_bounds__",
    "METAL": "kernel void",
    "CL": "__kernel void",
    "AMD": "__attribute__((global)) void",
    "WEBGPU": "@compute @workgroup_size",
    "PTX": ".visible .entry",
}


@pytest.fixture(scope="module")
def mnist():
    return (
        ax.input((None, 1, 8, 8), name="image")
        | ax.conv(4, 3, activation="relu", name="edges")
        | ax.max_pool(2)
        | ax.dropout(0.2)
        | ax.flatten()
        | ax.dense(3, "softmax", name="digits")
    ).named("mnist")


def test_every_language_is_here_to_be_tested():
    assert set(languages()) == set(MARKS)


@pytest.mark.parametrize("device", MARKS)
def test_sources_are_in_the_language_of_the_device(mnist, device):
    kernels = mnist.kernels(device=device)
    assert len(kernels) >= 2
    for kernel in kernels:
        assert MARKS[device] in kernel.source
        assert kernel.operations > 0
        assert kernel.nbytes > 0
    assert kernels.operations == sum(k.operations for k in kernels)


def test_kernels_name_their_layers(mnist):
    kernels = mnist.kernels(device="CL")
    assert kernels[0].layers == ("edges",)
    assert any("max_pool_0" in kernel.layers and "digits" in kernel.layers for kernel in kernels)
    assert kernels[-1].layers == ("digits",)
    assert kernels[-1].writes == "output of digits"
    assert {name for k in kernels for name in k.layers} >= {"edges", "max_pool_0", "digits"}


def test_only_the_kernels_of_one_layer(mnist):
    kernels = mnist.kernels("edges", device="CL")
    assert [kernel.layers for kernel in kernels] == [("edges",)]
    assert kernels.source.count("__kernel void") == 1
    with pytest.raises(UnknownNameError, match="edges"):
        mnist.kernels("edgse")


def test_a_training_step_has_loss_gradients_and_update(mnist):
    kernels = mnist.kernels(device="METAL", training=True, loss="categorical_cross_entropy")
    writes = {kernel.writes: kernel.layers for kernel in kernels if kernel.writes}
    assert set(writes) == {
        "loss", "gradient of edges.kernel", "gradient of edges.bias", "gradient of digits.kernel",
        "gradient of digits.bias",
    }  # fmt: skip
    assert "edges" in writes["gradient of edges.bias"]
    assert "loss" in writes["loss"]
    drawing = [kernel for kernel in kernels if kernel.layers == ("dropout_0",)]
    assert len(drawing) == 1  # the random numbers

    stepping = mnist.kernels(device="METAL", training=True, optimizer="adam")
    assert {f"new {path}" for path in ("edges.kernel", "edges.bias", "digits.kernel", "digits.bias")} <= {
        kernel.writes for kernel in stepping
    }


def test_running_values_are_written_by_the_training_step_only():
    model = ax.input((None, 4)) | ax.dense(3) | ax.batch_norm()
    assert not any("mean" in k.writes for k in model.kernels(device="C"))
    writes = [k.writes for k in model.kernels(device="C", training=True)]
    assert {"new batch_norm_0.mean", "new batch_norm_0.variance"} <= set(writes)


def test_sharing_parts_and_several_outputs():
    tower = (ax.input((None, 4), name="x") | ax.dense(3, "relu")).named("tower")
    head = (ax.input((None, 3), name="h") | ax.dense(2)).named("head")
    kernels = ax.compose(tower, head).kernels(device="C")
    assert [kernel.layers for kernel in kernels] == [("tower.dense_0",), ("head.dense_0",)]
    assert len(ax.compose(tower, head).kernels("tower", device="C")) == 1

    states = ax.input((None, 5, 4)) | ax.lstm(3, return_state=True)
    assert len(states.kernels(device="C")) >= 1


def test_it_writes_and_runs_nothing_else(mnist):
    params = mnist.init()
    x = np.random.default_rng(0).normal(size=(2, 1, 8, 8)).astype("float32")
    before = mnist.predict(params, x)
    for device in MARKS:
        assert mnist.kernels(device=device, batch_size=2).source
    again = ax.Model(mnist.outputs).predict(params, x)  # compiled anew
    np.testing.assert_array_equal(before, again)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda m: m.kernels(device="CUDDA"), DeviceError, "CUDA"),
        (lambda m: m.kernels(device="QCOM"), DeviceError, "kernels can be written for"),
        (lambda m: m.kernels(batch_size=0), AxonError, "batch_size"),
        (lambda m: m.kernels(training=True, loss="mse_"), AxonError, "loss"),
        (lambda m: m.kernels(training=True, loss=3), AxonError, "loss"),
        (lambda m: (ax.input((None, "time", 4)) | ax.dense(2)).kernels(), ShapeError, "input_0=(32, 32, 4)"),
        (lambda m: m.kernels(image=(2, 3, 8, 8)), ShapeError, "image"),
    ],
)
def test_bad_input(mnist, call, error, said):
    with pytest.raises(error) as caught:
        call(mnist)
    assert said in str(caught.value)


def test_named_and_unknown_sizes_can_be_given():
    model = ax.input((None, "time", 4), name="x") | ax.dense(2)
    assert len(model.kernels(device="C", x=(2, 7, 4))) == 1


def test_no_name_reaches_the_page_unescaped():
    model = ax.input((None, 4)) | ax.dense(2, name="<img src=x onerror=alert(1)>")
    kernels = model.kernels(device="CUDA")
    shown = kernels._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "onerror" in repr(kernels)


def test_the_page_is_the_same_each_time(mnist):
    first, second = (mnist.kernels(device="WEBGPU")._repr_html_() for _ in range(2))
    assert first == second
    assert first.count("<details") == len(mnist.kernels(device="WEBGPU"))


def test_metal_is_written_as_it_was_looked_at():
    (kernel,) = (ax.input((None, 4)) | ax.dense(3, "relu")).kernels(device="METAL", batch_size=2)
    assert kernel.source.rstrip() == (Path(__file__).parent / "dense.metal").read_text().rstrip()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to parse C")
def test_the_c_can_be_compiled(mnist, tmp_path):
    compiled = 0
    for kernel in mnist.kernels(device="C", training=True):
        if "ext_vector_type" in kernel.source or "__builtin_bit_cast" in kernel.source:
            continue  # clang's own words
        compiled += 1
        file = tmp_path / f"{kernel.number}.c"
        file.write_text(re.sub(r"\brestrict\b", "__restrict__", kernel.source))
        subprocess.run(["gcc", "-c", "-w", "-o", str(tmp_path / "out.o"), str(file)], check=True)
    assert compiled >= 3
