"""Owns writing kernels for a device that need not be here: schedules of tensors, rendered in a device's language.

Knows nothing about models. Nothing is compiled or run.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad import Context, Device, Tensor
from tinygrad.codegen import do_to_program
from tinygrad.device import Compiler
from tinygrad.helpers import Target, ansistrip
from tinygrad.renderer import Renderer, cstyle
from tinygrad.renderer.llvmir import LLVMRenderer
from tinygrad.renderer.ptx import PTXRenderer
from tinygrad.renderer.wgsl import WGSLRenderer
from tinygrad.uop.ops import Ops, UOp

from axon_nb.engine.devices import as_device
from axon_nb.engine.lock import RUNTIME
from axon_nb.errors import DeviceError, unknown


class _Uncompiled(Compiler):
    """A compiler that compiles nothing, so that a renderer needs no toolchain of its device."""

    def __init__(self) -> None:
        super().__init__(None)

    def compile(self, src: str) -> bytes:
        return src.encode()


@dataclass(frozen=True)
class Language:
    """What kernels of one device are written in."""

    device: str
    name: str
    """As people call it: ``CUDA C++``."""
    lexer: str
    """As syntax highlighters call it."""
    make: Callable[[], Renderer]

    def __repr__(self) -> str:
        return f"<Language {self.name} for {self.device}>"


def _bare(kind: Any, target: Target) -> Renderer:
    """Make a renderer past its own ``__init__``, which looks for the device's compiler."""
    renderer: Renderer = object.__new__(kind)
    Renderer.__init__(renderer, target)
    renderer.compiler = _Uncompiled()
    return renderer


def _cpu() -> Renderer:
    renderer = copy.copy(Device["CPU"].renderer)
    renderer.compiler = _Uncompiled()
    return renderer


_GPUS = (
    ("CUDA", "CUDA C++", "cuda", cstyle.CUDARenderer, "sm_80"),
    ("METAL", "Metal Shading Language", "cpp", cstyle.MetalRenderer, "Apple7"),
    ("CL", "OpenCL C", "c", cstyle.OpenCLRenderer, "cl_khr_fp16 cl_khr_fp64"),
    ("AMD", "HIP C++", "cpp", cstyle.HIPRenderer, "gfx1100"),
    ("WEBGPU", "WGSL", "wgsl", WGSLRenderer, ""),
    ("PTX", "PTX assembly", "text", PTXRenderer, "sm_80"),
)


def languages() -> dict[str, Language]:
    """Return the languages that kernels can be written in, by device: here or not.

    ``C`` is what a compiler of C would be given for the CPU; ``CPU`` is what runs here.

    Example:
        >>> languages()["METAL"].name
        'Metal Shading Language'
    """
    return _languages()


@functools.cache
def _languages() -> dict[str, Language]:
    arch = str(Device["CPU"].arch)
    llvm = isinstance(Device["CPU"].renderer, LLVMRenderer)
    found = [
        Language("CPU", "LLVM IR", "llvm", _cpu) if llvm else Language("CPU", "C", "c", _cpu),
        Language("C", "C", "c", lambda: _bare(cstyle.ClangRenderer, Target("CPU", arch=arch))),
    ]
    for device, name, lexer, kind, gpu in _GPUS:
        make = functools.partial(_bare, kind, Target(device, arch=gpu))
        found.append(Language(device, name, lexer, make))
    return {language.device: language for language in found}


def language_of(device: str | None) -> Language:
    """Return the language of a device by its name, or of the default device.

    Raises:
        DeviceError: there is no such device, or none of its kernels can be written.
    """
    known = languages()
    if isinstance(device, str) and device.strip().upper() in known:
        return known[device.strip().upper()]
    kind = as_device(device).partition(":")[0]
    if kind not in known:
        error = unknown("device", kind, known, error=DeviceError)
        error.fixes += (f"kernels can be written for: {', '.join(known)}",)
        raise error
    return known[kind]


@dataclass(frozen=True)
class Call:
    """One kernel of a schedule, not yet written, and the memory that it reads and writes."""

    ast: UOp
    buffers: tuple[UOp, ...]

    @property
    def size(self) -> int:
        """Number of elements that it writes."""
        return int(self.buffers[0].max_numel())


@dataclass(frozen=True)
class Written:
    """One kernel as source, with what it costs."""

    name: str
    source: str
    operations: int
    """Arithmetic operations."""
    nbytes: int
    """Bytes of all the memory that it touches, each counted once."""
    groups: tuple[int, ...]
    """Workgroups along each axis (on a CPU: parts)."""
    threads: tuple[int, ...] | None
    """Threads of a workgroup along each axis; ``None`` where the device has none."""


def schedule(tensors: Iterable[Tensor]) -> list[Call]:
    """Return the kernels that would compute tensors, in order. Computes nothing, and uses the tensors up.

    Each intermediate result keeps memory of its own here, so that a kernel's arguments say what it works on.
    """
    wanted = [t for t in tensors if not t.uop.is_virtual]
    with RUNTIME, Context(NO_MEMORY_PLANNER=1):
        linear, _ = Tensor.linear_with_vars(*wanted)
    return [
        Call(call.src[0], tuple(s for s in call.src[1:] if not s.is_bound_var))
        for call in linear.src
        if call.src[0].op is Ops.SINK
    ]


def write(call: Call, renderer: Renderer) -> Written:
    """Write a kernel in a renderer's language."""
    with RUNTIME:
        # Not to_program: its cache would give what is written here, and not compiled, to whoever runs the kernel.
        program = do_to_program(call.ast, renderer)
    estimates = program.src[0].arg.estimates
    info = program.arg
    source = next(part.arg for part in program.src if part.op is Ops.SOURCE)
    return Written(
        ansistrip(info.name),
        source,
        _whole(estimates.ops),
        _whole(estimates.mem),
        tuple(map(_whole, info.global_size)),
        tuple(map(_whole, info.local_size)) if info.local_size is not None and renderer.has_local else None,
    )


def _whole(value: Any) -> int:
    return int(getattr(value, "vmax", value))


def align(first: Sequence[Call], second: Sequence[Call], known: dict[UOp, str]) -> list[int | None]:
    """Find, for each kernel of one schedule, the kernel of another that does the same work.

    Args:
        first: the kernels to find partners for.
        second: where to look.
        known: names of memory that both schedules use: weights and inputs.
    """
    import difflib

    def signature(call: Call) -> tuple[Any, ...]:
        names = sorted(known[b] for b in call.buffers if b in known)
        return (call.size, *names)

    left, right = ([signature(call) for call in calls] for calls in (first, second))
    partners: list[int | None] = [None] * len(first)
    for block in difflib.SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            partners[block.a + offset] = block.b + offset
    return partners
