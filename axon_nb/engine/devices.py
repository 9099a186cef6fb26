"""Owns which devices there are: the default one, the names a user may give, and what works on this machine.

Knows nothing about models; opens no device in this process.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from tinygrad import Device
from tinygrad.device import ALL_DEVICES
from tinygrad.helpers import DEV, Target

from axon_nb.errors import AxonError, DeviceError, unknown

ALIASES = {"OPENCL": "CL", "MPS": "METAL", "ROCM": "AMD"}
"""What other libraries call a device: taken as well."""

_FIRST = ("CPU", "CUDA", "METAL", "CL", "AMD", "WEBGPU")  # what most people have, at the head of the list

KNOWN = (*_FIRST, *(d for d in ALL_DEVICES if d not in _FIRST), "PYTHON", "NULL")
"""Every device to compute on, the common ones first. (DISK, NPY and such hold data only.)"""

FIXES = {
    "CPU": "pip install --force-reinstall llvmlite, or install clang and set DEV=CPU:CLANG",
    "CUDA": "install NVIDIA's driver, and its compiler with: pip install nvidia-cuda-nvrtc",
    "METAL": "Metal comes with macOS on Apple hardware",
    "CL": "install an OpenCL driver (on Linux: apt install pocl-opencl-icd ocl-icd-libopencl1 runs it on the CPU)",
    "AMD": "install ROCm's comgr library, on Linux with an AMD GPU",
    "WEBGPU": "install the Dawn library (libwebgpu_dawn)",
    "NV": "needs Linux, an NVIDIA GPU and its driver; CUDA is the usual way to the same GPU",
    "QCOM": "needs a Qualcomm Adreno GPU",
    "DSP": "needs a Qualcomm Hexagon DSP",
}

_LONGEST_DETAIL = 100

NOTES = {"PYTHON": "runs every operation in Python: very slow, for checking results"}

# Runs in a process of its own: opening a device may hang, crash, or take memory that it never gives back.
_PROBE = """
import json, sys
import axon_nb.engine
from tinygrad import Device, Tensor
name = sys.argv[1]
try:
    device = Device[name]
    if (Tensor([1.0, 2.0], device=name) + 1).tolist() != [2.0, 3.0]:
        raise RuntimeError("1 + 1 is not 2 on it")
    count = device.count()
    parts = [str(device.arch or ""), f"{count} devices" if count > 1 else ""]
    said = {"works": True, "detail": ", ".join(p for p in parts if p)}
except BaseException as error:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = {"works": False, "detail": f"{type(error).__name__}: {error}"}
print("\\n" + json.dumps(said))
"""


@dataclass(frozen=True)
class DeviceInfo:
    """What is known of one device here: whether it works, what it is or why it fails, and what to do about it."""

    name: str
    works: bool
    detail: str
    fix: str = ""


class DeviceList(tuple[DeviceInfo, ...]):
    """Devices as a tuple that prints as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the table as plain text."""
        rows = list(_rows(self))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def _repr_html_(self) -> str:
        head, *body = (tuple(map(html.escape, row)) for row in _rows(self))
        look = ' style="text-align:left"'  # pages of notebooks set tables to the right
        lines = ["<tr>" + "".join(f"<th{look}>{cell}</th>" for cell in head) + "</tr>"]
        lines += ["<tr>" + "".join(f"<td{look}>{cell}</td>" for cell in row) + "</tr>" for row in body]
        return "<table>" + "".join(lines) + "</table>"


def use_default() -> None:
    """Give tinygrad a default device, CPU where DEV names none: it would spend 0.5 s on trying every one."""
    first, *rest = DEV.value
    if not first.device:
        DEV.value = [replace(first, device="CPU"), *rest]


def default_device() -> str:
    """Return the device that is used where none is named: the user's DEV, else CPU."""
    return str(DEV.device or "CPU").upper()


def choose(name: str) -> str:
    """Make a device the default one of this process; return its canonical name. What was before stays where it is.

    Raises:
        DeviceError: there is no such device, or it does not work here; the default one stays.
    """
    found = ready(name)
    kind, _, index = found.partition(":")
    if index:
        problem = f"the default device is the first of its kind, and {found} is not"
        raise DeviceError(problem, fix=f"device={found!r} where it is to be used, or choose {kind!r}")
    own = next((target for target in DEV.value if target.device == kind), None)
    others = [target for target in DEV.value if target.device not in ("", kind)]
    DEV.value = [own or Target(kind), *others]
    return found


def as_device(name: str | None) -> str:
    """Return the canonical name of a device that a user named, in whatever case; None is the default one.

    Says nothing on whether it works here: that is `devices`.

    Raises:
        DeviceError: there is no such device.

    Example:
        >>> as_device("cuda:1"), as_device("opencl"), as_device("CPU:0")
        ('CUDA:1', 'CL', 'CPU')
    """
    if name is None:
        return default_device()
    kind, colon, index = name.strip().upper().partition(":")
    kind = ALIASES.get(kind, kind)
    if kind not in KNOWN:
        raise _no_device(name, kind)
    if colon and not index.isdecimal():
        problem = f"the part after ':' in device {name!r} must be a number"
        raise DeviceError(problem, fix=f"write {kind!r}, or '{kind}:1' for the second one")
    return f"{kind}:{int(index)}" if index and int(index) else kind


def ready(name: str | None = None) -> str:
    """Open a device that a user named, or the default one, and return its canonical name.

    Raises:
        DeviceError: there is no such device, or it does not work here; says why, and what to install.

    Example:
        >>> ready("cpu")
        'CPU'
    """
    found = as_device(name)
    try:
        Device[found]
    except AxonError:
        raise
    except Exception as error:
        kind = found.partition(":")[0]
        problem = f"the device {found} does not work here"
        fix = (*((FIXES[kind],) if kind in FIXES else ()), "devices() shows which work here")
        raise DeviceError(problem, got=_first_words(error), fix=fix) from error
    return found


def failed(error: BaseException) -> bool:
    """Tell whether an error came from a device while it ran something, not from the code that was to be run."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = code.co_filename.replace("\\", "/")
        if "tinygrad/runtime/" in place or ("tinygrad/engine/" in place and code.co_name in _RUNNING):
            return True
        trace = trace.tb_next
    return False


_RUNNING = ("exec_kernel", "exec_copy", "exec_graph")


def _first_words(error: BaseException) -> str:
    """Put in one line why a device does not open; of several ways that were tried, why the first failed."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".strip().split("\n", 1)[0]


def devices(timeout_s: float = 20) -> DeviceList:
    """Try every device, each in a process of its own, and return what works here and why the rest does not.

    Args:
        timeout_s: how long one device may take, in seconds.
    """
    names = [name for name in KNOWN if name != "NULL"]  # which computes nothing: it is there to compile for
    with ThreadPoolExecutor(max_workers=max(1, min(4, (os.cpu_count() or 2) // 2))) as pool:
        return DeviceList(pool.map(lambda name: probe(name, timeout_s), names))


def probe(name: str, timeout_s: float = 20) -> DeviceInfo:
    """Try one device in a process of its own."""
    if name == "METAL" and sys.platform != "darwin":
        return DeviceInfo(name, works=False, detail="this is not macOS", fix=FIXES[name])
    command = [sys.executable, "-c", _PROBE, name]
    try:
        done = subprocess.run(
            command,
            env=_probe_environment(name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return DeviceInfo(
            name, works=False, detail=f"no answer within {timeout_s:g} s", fix="give it a longer timeout_s"
        )
    return _answer(name, done)


def _probe_environment(name: str) -> dict[str, str]:
    # The user's own words for this device (DEV=CPU:CLANG) stay. PARALLEL=0: no worker processes for one kernel.
    kind = name.partition(":")[0]
    target = next((repr(t) for t in DEV.value if t.device == kind), kind)
    return {**os.environ, "DEV": target, "PARALLEL": "0", "DEBUG": "0"}


def _answer(name: str, done: subprocess.CompletedProcess[str]) -> DeviceInfo:
    fix = FIXES.get(name, "")
    if name == "CPU" and os.environ.get("CC"):
        fix = "unset CC, or set it to a clang: tinygrad takes it for its compiler"
    try:
        said = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        # It crashed, or somebody's library wrote over the answer.
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return DeviceInfo(name, works=False, detail=f"the process ended with {done.returncode}: {last}", fix=fix)
    detail = str(said["detail"]).strip().split("\n", 1)[0] or NOTES.get(name, "")
    if len(detail) > _LONGEST_DETAIL:  # OpenCL lists all its extensions
        detail = f"{detail[: _LONGEST_DETAIL - 3].rpartition(',')[0] or detail[: _LONGEST_DETAIL - 3]}, ..."
    return DeviceInfo(name, said["works"], detail, "" if said["works"] else fix)


def _no_device(name: str, kind: str) -> AxonError:
    if kind in ("GPU", "XPU"):
        error: AxonError = DeviceError(
            f"{name!r} is no device by itself", fix="name the kind: CUDA, METAL, AMD or CL (OpenCL)"
        )
    else:
        error = unknown("device", name, KNOWN, error=DeviceError)
    error.fixes += ("devices() shows which work here",)
    return error


def _rows(infos: tuple[DeviceInfo, ...]) -> Iterator[tuple[str, str, str]]:
    yield "device", "works", "what it is, or why not and what to do"
    for info in infos:
        yield info.name, "yes" if info.works else "no", "; ".join(p for p in (info.detail, info.fix) if p)
