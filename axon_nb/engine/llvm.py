"""Owns the CPU compiler: tinygrad's LLVM IR made into machine code in this process, with no clang installed.

Knows nothing about models, tensors or programs.

tinygrad's CPU device renders C and calls ``clang``, also for four helper programs of its own when the device opens.
`install` puts `ClangRenderer` of this module, which renders LLVM IR for llvmlite, in the place where it looks.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import platform
import re
import sys
import threading
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tinygrad import dtypes
from tinygrad.codegen.opt import OptOps
from tinygrad.device import Compiler, _Device
from tinygrad.dtype import AddrSpace
from tinygrad.helpers import DEV, Target, getenv
from tinygrad.renderer.llvmir import CPULLVMRenderer, LLVMRenderer, base_rewrite, flags, ldt
from tinygrad.uop.ops import Ops, PatternMatcher, UOp, UPat

from axon_nb.errors import DeviceError

# The object goes through tinygrad's own ELF loader on every system, so the triple names no system.
TRIPLES = {"x86_64": "x86_64-none-unknown-elf", "arm64": "aarch64-none-unknown-elf"}

FINISHED = "; finished"
"""The first line of code that is as it is to run: LLVM's optimiser would find nothing, and take half the time."""

_installing = threading.Lock()


def wanted() -> bool:
    """Tell whether the user's environment leaves the CPU compiler to us.

    It does not when CC is set, or when DEV names a renderer for the CPU (``DEV=CPU:CLANG``, ``CPU:LLVM``, ``CPU:X86``).
    With another device (``DEV=CUDA``) it does: tinygrad opens the CPU beside it, as the host, and that too needs a
    compiler. The named device keeps its own compiler in any case.
    """
    return not os.environ.get("CC") and not any(t.renderer and t.device in ("", "CPU") for t in DEV.value)


def install() -> bool:
    """Make tinygrad's CPU device use llvmlite, from the next time it is opened; tell whether it is so.

    Importing tinygrad's CPU runtime takes 200 ms, so the change waits in front of `Device.get_class`.
    Calling it again changes nothing.
    """
    with _installing:
        if installed():
            return True
        if not wanted():
            return False
        _Device.get_class = _replacing(_Device.get_class)
        return True


def installed() -> bool:
    """Tell whether `install` has been done in this process."""
    return hasattr(_Device.get_class, "axon_nb")


def _replacing(original: Any) -> Any:
    @functools.wraps(original)
    def get_class(self: Any, device: str) -> Any:
        if device.partition(":")[0].upper() == "CPU":
            runtime = _cpu_runtime()
            runtime.ClangRenderer = ClangRenderer
            if not getenv("HCQ2"):
                runtime.CPUDevice.__init__ = _open_cpu
        return original(self, device)

    get_class.axon_nb = True  # type: ignore[attr-defined]  # the mark that `installed` looks for
    return get_class


def _cpu_runtime() -> Any:
    """Import tinygrad's CPU runtime without Mesa, whose tables and libraries take longer to load than all the rest."""
    name, mesa = "tinygrad.runtime.ops_cpu", "tinygrad.renderer.nir"
    if name in sys.modules or mesa in sys.modules:
        return importlib.import_module(name)
    stand_in: Any = types.ModuleType(mesa)
    stand_in.LVPRenderer = type("LVPRenderer", (), {})  # named in a list that only DEV=CPU:LVP chooses it from
    sys.modules[mesa] = stand_in
    libraries: Any = importlib.import_module("tinygrad.runtime.support.c").DLL
    slow = libraries.findlib
    libraries.findlib = staticmethod(functools.partial(_find_library, slow))
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[mesa]
        libraries.findlib = staticmethod(slow)


def _find_library(slow: Callable[..., Any], name: str, paths: list[str], extra_paths: Sequence[str] = ()) -> Any:
    """Find a library as tinygrad does, but look at the files that can be it only: it looks at all that are there."""
    chosen = os.environ.get(f"{name.replace('-', '_').upper()}_PATH")
    if sys.platform == "linux" and not chosen and not extra_paths and not os.environ.get("LD_LIBRARY_PATH"):
        folders = ("/usr/lib64", "/usr/lib", "/usr/local/lib", "/lib", "/lib64", f"/lib/{platform.machine()}-linux-gnu")
        for path in paths:
            fits = re.compile(rf"lib{re.escape(path)}\.so\.?[0-9]*").fullmatch
            for folder in filter(os.path.isdir, folders):
                with os.scandir(folder) as files:
                    found = next((one.path for one in files if fits(one.name) and _is_elf(one.path)), None)
                if found:
                    return found
    return slow(name, paths, list(extra_paths))


def _is_elf(path: str) -> bool:
    """Tell a library from a script for the linker that has its name."""
    try:
        with Path(path).open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _open_cpu(self: Any, device: str = "") -> None:
    """Stand in for `CPUDevice.__init__` without the four programs that it compiles for HCQ2's worker threads."""
    runtime: Any = importlib.import_module("tinygrad.runtime.ops_cpu")
    self.workers = []
    self.prgs = {}
    machine = platform.machine().lower()
    arch = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    renderers = [runtime.ClangRenderer, runtime.CPULLVMRenderer, runtime.LVPRenderer, runtime.X86Renderer]
    allocator = runtime.CPUAllocator(self)
    hcq: Any = importlib.import_module("tinygrad.runtime.support.hcq2")
    hcq.HCQ2Compiled.__init__(self, device, allocator, renderers, runtime.CPUProgram, arch=f"{arch},native")


def _render_call(renamed: dict[UOp, str], call: UOp) -> str:
    """Render a call of a function by its address: tinygrad's own LLVM renderer has none, its C renderer has."""
    address, *arguments = call.src
    name = renamed[call]
    returned = "void" if call.dtype == dtypes.void else ldt(call.dtype)
    result = "" if call.dtype == dtypes.void else f"{name} = "
    convention = f"{CPULLVMRenderer.abi} " if CPULLVMRenderer.abi else ""
    passed = ", ".join(f"{_argument_type(a)} {renamed[a]}" for a in arguments)
    return (
        f"  {name}_fn = inttoptr i64 {renamed[address]} to ptr\n"
        f"  {result}call {convention}{returned} {name}_fn({passed})"
    )


def _render_root(renamed: dict[UOp, str], root: UOp) -> str:
    kind = ldt(root.dtype)
    return f"  {renamed[root]} = call {kind} @llvm.sqrt.{_SUFFIX[kind]}({kind} {renamed[root.src[0]]})"


def _render_sum(renamed: dict[UOp, str], total: UOp) -> str | None:
    """Render what a loop adds to a running sum, in any order: LLVM then sums in vectors, which is also more exact."""
    if total.dtype not in dtypes.floats or not any(map(_is_running, total.src)):
        return None
    left, right = (renamed[one] for one in total.src)
    return f"  {renamed[total]} = fadd reassoc{flags} {ldt(total.dtype)} {left}, {right}"


def _is_running(number: UOp) -> bool:
    """Tell whether a number is read from a register within the loop that writes it."""
    if number.op is not Ops.LOAD or number.src[0].addrspace is not AddrSpace.REG:
        return False
    return not any(one.op is Ops.END for one in number.src[0].src[0].src)


def _is_plain_loop(kernel: UOp) -> bool:
    """Tell whether tinygrad computes no numbers of a kernel together."""
    opts = getattr(kernel.arg, "applied_opts", None)
    return opts is not None and not any(opt.op in (OptOps.UPCAST, OptOps.UNROLL) for opt in opts)


_SUFFIX = {"half": "f16", "float": "f32", "double": "f64"}


def _argument_type(argument: UOp) -> str:
    in_memory = argument.addrspace in (AddrSpace.GLOBAL, AddrSpace.REG, AddrSpace.LOCAL)
    if in_memory and argument.op in (Ops.INDEX, Ops.BUFFER, Ops.PARAM, Ops.AFTER):
        return "ptr"
    return str(ldt(argument.dtype))


WIDE_REGISTERS = '"prefer-vector-width"="512" "min-legal-vector-width"="512"'
"""What a function says to have vectors of 512 bits: the first processors that had them slowed down, so LLVM asks."""


class ClangRenderer(CPULLVMRenderer):
    """tinygrad's LLVM IR renderer for the CPU, compiled by llvmlite.

    It must bear this name: tinygrad finds it as `ops_cpu.ClangRenderer`, and takes its renderer's name, CLANG, from it.
    """

    _calls = (UPat(Ops.CALL, src=(UPat(),), allow_any_len=True, name="call"), lambda ctx, call: _render_call(ctx, call))
    # Without it tinygrad computes a power of 1/2 by logarithms: a hundred instructions a number, and less exact.
    _roots = (UPat(Ops.SQRT, name="root"), lambda ctx, root: _render_root(ctx, root))
    string_rewrite = PatternMatcher([_calls, _roots]) + base_rewrite
    _sums = (UPat(Ops.ADD, name="total"), lambda ctx, total: _render_sum(ctx, total))
    _any_order = PatternMatcher([_sums]) + string_rewrite
    code_for_op: ClassVar[dict[Ops, Any]] = {**CPULLVMRenderer.code_for_op, Ops.SQRT: lambda: None}

    def __init__(self, target: Target) -> None:
        # Past CPULLVMRenderer.__init__, which loads the libLLVM of the system.
        LLVMRenderer.__init__(self, target)
        self.compiler: LlvmliteCompiler = LlvmliteCompiler(target.arch)

    def render(self, uops: list[UOp]) -> str:
        """Write a kernel as LLVM IR."""
        # Only there: of equal sums within a kernel none is to be added in another order than the others.
        self.string_rewrite = self._any_order if _is_plain_loop(uops[-1]) else type(self).string_rewrite
        return super().render(uops)

    def _render_footer(self, uops: list[UOp]) -> str:
        plain = super()._render_footer(uops)
        return plain.replace("{", f"{{ {WIDE_REGISTERS}") if getattr(self.compiler, "wide", False) else plain


class LlvmliteCompiler(Compiler):
    """Compile LLVM IR to an ELF object with llvmlite.

    Args:
        arch: as tinygrad writes it, ``"x86_64,native"`` or ``"arm64,apple-m1,-feature"``.
    """

    def __init__(self, arch: str) -> None:
        self.arch = arch
        # Held here because llvmlite takes 50 ms to import, and only opening the CPU needs it.
        self._llvm = importlib.import_module("llvmlite.binding")
        self._compiling = threading.Lock()
        self._llvm.initialize_all_targets()
        self._llvm.initialize_all_asmprinters()
        self._machine, features, key = self._target_machine()
        self.wide = "+avx512f" in features
        """Whether the processor has registers of 512 bits."""
        super().__init__(key)

    def __reduce__(self) -> tuple[type[LlvmliteCompiler], tuple[str]]:
        return type(self), (self.arch,)  # what LLVM holds cannot be pickled: worker processes make their own

    def compile(self, src: str) -> bytes:
        """Return the object file of one module of LLVM IR.

        Raises:
            DeviceError: LLVM does not accept the module.
        """
        llvm = self._llvm
        with self._compiling, llvm.create_context() as context:
            try:
                # Freed here, before its context and never by the garbage collector: the other way round crashes.
                with llvm.parse_assembly(src, context) as module:
                    module.verify()
                    if not src.startswith(FINISHED):
                        self._optimize(module)
                    return bytes(self._machine.emit_object(module))
            except RuntimeError as error:
                raise _refused(src, str(error)) from error

    def _optimize(self, module: Any) -> None:
        options = self._llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = True
        passes = self._llvm.create_pass_builder(self._machine, options)
        passes.getModulePassManager().run(module, passes)

    def _target_machine(self) -> tuple[Any, list[str], str]:
        name, cpu, *extra = self.arch.split(",")
        if name not in TRIPLES:
            msg = f"the built-in compiler knows no {name} processor"
            raise DeviceError(msg, fix="install clang and set DEV=CPU:CLANG")
        features = [f if f.startswith("-") else f"+{f}" for f in extra]
        if cpu == "native":
            cpu = self._llvm.get_host_cpu_name()
            features += _host_features(self._llvm)
        if name == "arm64":
            features.insert(0, "+reserve-x18")  # macOS and Windows keep it for themselves, and clobber it
        triple = TRIPLES[name]
        machine = self._llvm.Target.from_triple(triple).create_target_machine(
            cpu=cpu, features=",".join(features), opt=2, reloc="pic", codemodel="default"
        )
        return machine, features, cache_key(self._llvm.llvm_version_info, triple, cpu, features)


def cache_key(version: tuple[int, ...], triple: str, cpu: str, features: list[str]) -> str:
    """Name the cache of objects that run on this CPU: one made for another may crash here.

    Example:
        >>> cache_key((20, 1, 8), "x86_64-none-unknown-elf", "znver2", ["+avx2"])
        'compile_llvmlite_20.1.8_x86_64_znver2_633d617d3179'
    """
    # The same features in another order are the same CPU.
    digest = hashlib.blake2b(",".join(sorted(features)).encode(), digest_size=6).hexdigest()
    numbers = ".".join(map(str, version))
    return f"compile_llvmlite_{numbers}_{triple.partition('-')[0]}_{cpu}_{digest}"


def _host_features(llvm: Any) -> list[str]:
    try:
        flat = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # llvmlite: "not supported on this platform"; the CPU's name still says most
        return []
    return [feature for feature in flat.split(",") if feature]


def _refused(src: str, message: str) -> DeviceError:
    """Make the error for IR that LLVM refuses: its words, and the line they are about."""
    kernel = re.search(r"define [^@]*@(\w+)", src)
    place = re.search(r"<string>:(\d+):\d+: error: (.*)", message)
    problem = place[2] if place else (message.strip() or "no reason given").splitlines()[0]
    lines = src.splitlines()
    got = lines[int(place[1]) - 1].strip() if place and int(place[1]) <= len(lines) else None
    what = f"LLVM refuses the code of this kernel: {problem}"
    return DeviceError(
        what,
        where=f"kernel '{kernel[1]}'" if kernel else None,
        got=got,
        fix="this is a bug in axon_nb or tinygrad; until it is fixed install clang and set DEV=CPU:CLANG",
    )
