"""Devices: the default one, the names that are taken, and what works here."""

import os
import subprocess
import sys

import pytest
from tinygrad import Context, Device

from axon_nb.engine import DeviceInfo, DeviceList, as_device, default_device, devices
from axon_nb.engine import devices as devices_function
from axon_nb.errors import DeviceError

module = sys.modules["axon_nb.engine.devices"]

IMPORT = """
import axon_nb.engine
import sys, threading
from tinygrad import Device
assert not Device._opened_devices, Device._opened_devices
assert "_select_device" not in vars(Device)
loaded = [m for m in ("llvmlite", "tinygrad.runtime.ops_cpu") if m in sys.modules]
assert not loaded, loaded
assert threading.active_count() == 1
print(axon_nb.engine.default_device(), Device.DEFAULT)
"""


@pytest.mark.parametrize(
    ("dev", "expected"),
    [(None, "CPU"), ("CPU", "CPU"), ("cuda", "CUDA"), ("PYTHON", "PYTHON"), ("CPU:LLVM", "CPU"), (":LLVM", "CPU")],
)
def test_importing_the_engine_sets_the_default_device_and_opens_none(dev, expected):
    env = {name: value for name, value in os.environ.items() if name not in ("DEV", "CC")}
    env |= {"DEV": dev} if dev else {}
    done = subprocess.run([sys.executable, "-c", IMPORT], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([expected, expected], "")


def test_the_default_device_follows_tinygrads_context():
    assert default_device() == Device.DEFAULT
    with Context(DEV="PYTHON"):
        assert default_device() == as_device(None) == "PYTHON"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("CPU", "CPU"),
        ("cpu", "CPU"),
        ("CPU:0", "CPU"),
        ("cuda:1", "CUDA:1"),
        ("cuda:01", "CUDA:1"),
        (" Metal ", "METAL"),
        ("opencl", "CL"),
        ("OpenCL:2", "CL:2"),
        ("mps", "METAL"),
        ("rocm", "AMD"),
        ("PYTHON", "PYTHON"),
        ("null", "NULL"),
    ],
)
def test_device_names(given, expected):
    assert as_device(given) == expected
    assert Device.canonicalize(expected) == expected


def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceError) as caught:
        as_device("CUDDA")
    assert str(caught.value) == (
        "there is no device 'CUDDA'\n"
        "  fix: did you mean 'CUDA'?\n"
        "  fix: the devices are: AMD, CL, CPU, CUDA, DSP, METAL, NULL, NV, PYTHON, QCOM, WEBGPU\n"
        "  fix: devices() shows which work here"
    )


@pytest.mark.parametrize("name", ["GPU", "gpu:0"])
def test_gpu_is_too_vague(name):
    with pytest.raises(DeviceError, match=f"'{name}' is no device by itself\n  fix: name the kind: CUDA, METAL, AMD"):
        as_device(name)


@pytest.mark.parametrize("name", ["CUDA:", "CUDA:x", "CUDA:-1", "CPU:LLVM"])
def test_the_index_of_a_device_is_a_number(name):
    with pytest.raises(DeviceError, match=f"the part after ':' in device '{name}' must be a number"):
        as_device(name)


@pytest.mark.parametrize("name", ["", "DISK", "NPY", "TINYFS"])
def test_what_only_holds_data_is_no_device(name):
    with pytest.raises(DeviceError, match=f"there is no device '{name}'"):
        as_device(name)


def test_the_cpu_works_and_metal_says_why_not():
    cpu = module.probe("CPU")
    assert (cpu.works, cpu.fix) == (True, "")
    assert ",native" in cpu.detail
    if sys.platform != "darwin":
        metal = module.probe("METAL")
        assert metal == DeviceInfo("METAL", False, "this is not macOS", "Metal comes with macOS on Apple hardware")


def test_a_device_that_is_not_there_says_why():
    info = module.probe("QCOM")
    assert not info.works
    assert info.detail
    assert "\n" not in info.detail
    assert info.fix == "needs a Qualcomm Adreno GPU"


def test_a_device_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "_PROBE", "import time; time.sleep(60)")
    info = module.probe("CUDA", timeout_s=0.5)
    assert info == DeviceInfo("CUDA", False, "no answer within 0.5 s", "give it a longer timeout_s")


def test_a_device_that_crashes_is_told(monkeypatch):
    monkeypatch.setattr(
        module, "_PROBE", "import os, sys; sys.stderr.write('driver gone'); sys.stderr.flush(); os._exit(3)"
    )
    info = module.probe("CUDA")
    assert (info.works, info.detail) == (False, "the process ended with 3: driver gone")


def test_noise_on_the_output_does_no_harm(monkeypatch):
    monkeypatch.setattr(module, "_PROBE", "print('hello from a driver')" + module._PROBE)
    assert module.probe("CPU").works


def test_cc_is_named_as_the_culprit(monkeypatch):
    monkeypatch.setenv("CC", "/no/such/compiler")
    info = module.probe("CPU")
    assert not info.works
    assert info.fix.startswith("unset CC")


def test_all_devices_are_tried(monkeypatch):
    monkeypatch.setattr(module, "probe", lambda name, timeout_s: DeviceInfo(name, name == "CPU", f"in {timeout_s} s"))
    found = devices_function(timeout_s=5)
    assert [info.name for info in found][:6] == ["CPU", "CUDA", "METAL", "CL", "AMD", "WEBGPU"]
    assert {info.name for info in found} == set(module.KNOWN) - {"NULL"}
    assert found[0] == DeviceInfo("CPU", True, "in 5 s")


LIST = DeviceList([DeviceInfo("CPU", True, "x86_64"), DeviceInfo("CL", False, "<b>no</b> driver", "install one")])


def test_the_list_prints_as_a_table():
    assert repr(LIST) == (
        "device  works  what it is, or why not and what to do\n"
        "CPU     yes    x86_64\n"
        "CL      no     <b>no</b> driver; install one"
    )
    assert isinstance(LIST, tuple)


def test_the_list_in_a_notebook_is_escaped():
    text = LIST._repr_html_()
    assert '"text-align:left">&lt;b&gt;no&lt;/b&gt; driver; install one</td>' in text
    assert text.count("<tr>") == 3


def test_devices_is_exported_as_the_function():
    assert devices is module.devices
