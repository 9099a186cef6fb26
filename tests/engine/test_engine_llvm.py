"""The CPU works with no compiler installed, by LLVM in this process."""

import importlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from tinygrad import Device, Tensor, dtypes
from tinygrad.helpers import Target

from axon_nb.engine import llvm
from axon_nb.errors import DeviceError


def python(code, tmp_path, path="", **environment):
    """Run code in a process with no programs on its PATH and an empty cache; return what it prints as JSON."""
    dropped = ("DEV", "CC", "HCQ2")
    clean = {name: value for name, value in os.environ.items() if name not in dropped}
    env = {**clean, "PATH": path, "CACHEDB": str(tmp_path / "cache.db"), "PARALLEL": "0", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


TRAIN = """
import json, shutil
assert shutil.which("clang") is None
import axon_nb.engine as engine
import numpy as np
from tinygrad import Device, Tensor, nn
w1, w2 = (Tensor((np.arange(a * b).reshape(a, b) % 7 - 3).astype("float32") / 5).realize() for a, b in ((4, 8), (8, 3)))
x = Tensor((np.arange(20).reshape(5, 4) % 5).astype("float32")).realize()
y = Tensor(np.array([0, 1, 2, 1, 0])).realize()
optimizer = nn.optim.SGD([w1, w2], lr=0.1)

def function(x, y):
    optimizer.zero_grad()
    loss = ((x @ w1).tanh() @ w2).sparse_categorical_crossentropy(y)
    loss.backward()
    return loss.realize(*optimizer.schedule_step())

step = engine.Program(function, state=[w1, w2, optimizer.lr], training=True)
losses = [step(x, y).item() for _ in range(3)]
compiler = Device["CPU"].compiler
print(json.dumps({"losses": losses, "compiler": type(compiler).__name__, "key": compiler.cachekey}))
"""


def expected_losses():
    w1, w2 = ((np.arange(a * b).reshape(a, b) % 7 - 3) / 5 for a, b in ((4, 8), (8, 3)))
    x, y = np.arange(20).reshape(5, 4) % 5, np.array([0, 1, 2, 1, 0])
    losses = []
    for _ in range(3):
        hidden = np.tanh(x @ w1)
        logits = hidden @ w2
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        losses.append(-np.log(chances[range(5), y]).mean())
        slope = (chances - np.eye(3)[y]) / 5
        w1, w2 = w1 - 0.1 * x.T @ ((slope @ w2.T) * (1 - hidden**2)), w2 - 0.1 * hidden.T @ slope
    return losses


@pytest.mark.parametrize(
    "environment", [{}, {"HCQ2": "1"}, {"DEV": "CPU"}, {"PARALLEL": "2"}], ids=["plain", "hcq2", "cpu", "workers"]
)
def test_a_network_trains_with_no_program_on_the_path(tmp_path, environment):
    result = python(TRAIN, tmp_path, **environment)
    np.testing.assert_allclose(result["losses"], expected_losses(), rtol=1e-5)
    assert result["compiler"] == "LlvmliteCompiler"


def test_two_processes_share_what_they_compile(tmp_path):
    first = python(TRAIN, tmp_path)
    assert python(TRAIN, tmp_path, ASSERT_COMPILE="1") == first  # tinygrad then refuses to compile anything


CHOSEN = """
import json
import axon_nb.engine as engine
from axon_nb.engine import llvm
from tinygrad import Device
kind = Device.get_class("CPU")
import tinygrad.runtime.ops_cpu as ops_cpu
print(json.dumps([llvm.install(), llvm.installed(), ops_cpu.ClangRenderer.__module__, engine.default_device()]))
"""


@pytest.mark.parametrize(
    "environment",
    [{"DEV": "CPU:CLANG"}, {"DEV": "CPU:LLVM"}, {"DEV": "CPU:X86"}, {"DEV": "CUDA;CPU:CLANG"}, {"CC": "clang"}],
    ids=str,
)
def test_the_users_own_choice_of_compiler_stays(tmp_path, environment):
    installed, again, module, _ = python(CHOSEN, tmp_path, **environment)
    assert (installed, again, module) == (False, False, "tinygrad.renderer.cstyle")


@pytest.mark.parametrize("environment", [{}, {"DEV": "CPU"}, {"DEV": "CUDA"}, {"DEV": "PYTHON"}, {"CC": ""}], ids=str)
def test_otherwise_the_cpu_is_ours_also_as_the_host_of_another_device(tmp_path, environment):
    assert python(CHOSEN, tmp_path, **environment) == [
        True,
        True,
        "axon_nb.engine.llvm",
        environment.get("DEV", "CPU"),
    ]


def test_install_can_be_repeated():
    before = type(Device).get_class
    assert llvm.install()
    assert type(Device).get_class is before


@pytest.fixture
def compiler():
    return llvm.LlvmliteCompiler(f"{Device['CPU'].arch}")


SOURCE = "define void @E_4(ptr %a) {\n  store i32 7, ptr %a\n  ret void\n}\n"


def test_a_pickled_compiler_compiles_the_same(compiler):
    again = pickle.loads(pickle.dumps(compiler))
    assert again.cachekey == compiler.cachekey
    assert again.compile(SOURCE) == compiler.compile(SOURCE)
    assert compiler.compile(SOURCE).startswith(b"\x7fELF")


def test_a_pickled_renderer_is_ours():
    renderer = pickle.loads(pickle.dumps(Device["CPU"].renderer))
    assert type(renderer) is llvm.ClangRenderer
    assert renderer.compiler.cachekey == Device["CPU"].renderer.compiler.cachekey


def test_a_module_that_llvm_cannot_read_is_shown(compiler):
    with pytest.raises(DeviceError) as caught:
        compiler.compile(SOURCE.replace("i32 7", "i32 seven"))
    assert str(caught.value) == (
        "kernel 'E_4': LLVM refuses the code of this kernel: expected value token\n"
        "  got: store i32 seven, ptr %a\n"
        "  fix: this is a bug in axon_nb or tinygrad; until it is fixed install clang and set DEV=CPU:CLANG"
    )


def test_a_module_that_does_not_verify_is_refused(compiler):
    with pytest.raises(DeviceError, match=r"LLVM refuses the code of this kernel: .*does not dominate all uses"):
        compiler.compile("define i32 @E_1() {\n  %a = add i32 %b, 1\n  %b = add i32 1, 1\n  ret i32 %a\n}\n")


def test_an_error_comes_back_from_a_worker_process(compiler):
    with pytest.raises(DeviceError) as caught:
        compiler.compile("nonsense")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_threads_may_compile_at_once(compiler):
    objects = []
    work = [threading.Thread(target=lambda: objects.append(compiler.compile(SOURCE))) for _ in range(8)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert objects == [objects[0]] * 8


def test_the_cache_is_for_one_llvm_cpu_and_features():
    triple = llvm.TRIPLES["x86_64"]
    base = llvm.cache_key((20, 1, 8), triple, "znver3", ["+avx2", "-sse4a"])
    assert base == llvm.cache_key((20, 1, 8), triple, "znver3", ["-sse4a", "+avx2"])
    others = {
        llvm.cache_key((20, 1, 9), triple, "znver3", ["+avx2", "-sse4a"]),
        llvm.cache_key((20, 1, 8), llvm.TRIPLES["arm64"], "znver3", ["+avx2", "-sse4a"]),
        llvm.cache_key((20, 1, 8), triple, "znver2", ["+avx2", "-sse4a"]),
        llvm.cache_key((20, 1, 8), triple, "znver3", ["-avx2", "-sse4a"]),
    }
    assert len(others | {base}) == 5


def test_a_named_cpu_is_compiled_for(compiler):
    old = llvm.LlvmliteCompiler("x86_64,x86-64,sse4.2,-avx")
    assert "_x86-64_" in old.cachekey
    assert old.cachekey != llvm.LlvmliteCompiler("x86_64,x86-64").cachekey


def test_apple_and_windows_on_arm_keep_their_register():
    arm = llvm.LlvmliteCompiler("arm64,apple-m1")
    reserved = llvm.cache_key(arm._llvm.llvm_version_info, llvm.TRIPLES["arm64"], "apple-m1", ["+reserve-x18"])
    assert arm.cachekey == reserved
    # EM_AARCH64 is 183 in the ELF header, at offset 18.
    assert int.from_bytes(arm.compile(SOURCE)[18:20], "little") == 183


def test_an_unknown_processor_is_refused():
    with pytest.raises(DeviceError, match="the built-in compiler knows no riscv64 processor"):
        llvm.ClangRenderer(Target("CPU", arch="riscv64,native"))


@pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang to compare with")
def test_clang_gives_the_same(tmp_path):  # on the rare machine that has it
    clang = python(TRAIN.replace('assert shutil.which("clang") is None', ""), tmp_path, os.environ["PATH"], CC="clang")
    np.testing.assert_allclose(clang["losses"], expected_losses(), rtol=1e-5)


OPERATIONS = {
    "exp": lambda x: x.exp(),
    "sin": lambda x: (x * 50).sin(),
    "log": lambda x: (x.abs() + 1).log(),
    "erf": lambda x: x.erf(),
    "sqrt": lambda x: x.abs().sqrt(),
    "trunc": lambda x: (x * 5).trunc(),
    "half": lambda x: (x.half() * 2 + 1).float(),
    "double": lambda x: x.double().exp().float(),
    "int8": lambda x: (x * 20).cast(dtypes.int8).float(),
    "uint64": lambda x: ((x.abs() * 1e4).cast(dtypes.uint64) * 1234567 >> 3).float(),
    "divide": lambda x: ((x * 100).int() // 7 + (x * 100).int() % 5).float(),
    "bool": lambda x: ((x > 0) & (x < 0.5)).float(),
    "matmul": lambda x: x @ x.T,
    "softmax": lambda x: x.softmax(0),
    "sort": lambda x: x.sort(1)[0],
    "conv": lambda x: x.reshape(1, 1, 16, 16).conv2d(x[:3, :3].reshape(1, 1, 3, 3)),
    "argmax": lambda x: x.argmax(1).float(),
    "gather": lambda x: x[x.argmax(1)],
    "cumsum": lambda x: x.cumsum(1),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_give_what_the_python_device_gives(name):
    values = np.random.default_rng(0).standard_normal((16, 16)).astype("float32")
    ours, reference = (OPERATIONS[name](Tensor(values, device=device)).numpy() for device in ("CPU", "PYTHON"))
    np.testing.assert_allclose(ours, reference, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_roots_are_exact(kind):
    values = np.array([0, 1e-300, 1e-40, 1e-7, 0.1, 2, 3, 1e30, np.inf, np.nan, -1, *range(5, 37)], kind)
    with np.errstate(invalid="ignore"):
        expected = np.sqrt(values)
    np.testing.assert_array_equal(Tensor(values, device="CPU").sqrt().numpy(), expected)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere tinygrad's own search is used")
@pytest.mark.parametrize(
    ("name", "path"), [("libc", "c"), ("rt", "gcc_s"), ("m", "m"), ("no", "such_library")]
)
def test_libraries_are_found_where_tinygrad_finds_them(name, path):
    slow = importlib.import_module("tinygrad.runtime.support.c").DLL.findlib
    assert llvm._find_library(slow, name, [path]) == slow(name, [path])


def test_a_script_for_the_linker_is_no_library(tmp_path):
    (tmp_path / "libx.so").write_text("GROUP ( libx.so.6 )")
    assert not llvm._is_elf(str(tmp_path / "libx.so"))
    assert not llvm._is_elf(str(tmp_path / "gone"))
