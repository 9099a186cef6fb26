"""Owns the running of a plan: one native call for a whole step, its parts shared out among all cores.

Knows nothing about tensors, models or files.

Every kernel comes in parts. All threads take the next part from one counter and wait, if need be, until as many parts
are done as the part's level needs. So nobody waits for a thread that the system has put aside, unless it holds a part.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from tinygrad import Device, dtypes
from tinygrad.device import Buffer, TinyELF
from tinygrad.helpers import NUM_CPU_THREADS, Target
from tinygrad.renderer.llvmir import CPULLVMRenderer
from tinygrad.uop.ops import UOp

from axon_nb.engine.marks import Marks, marks
from axon_nb.engine.plan import DEVICE, MOST_ARGUMENTS, Kernel, Place, Plan

_CLASSES = (4, 8, 16, 32, MOST_ARGUMENTS)
"""Numbers of arguments that calls are made with: a C function does not mind those it does not know."""
_JOB_WORDS = 32
_TICKET, _DONE, _PARTS, _PART_TABLE, _PATCHES, _PATCH_TABLE, _INPUTS, _YIELD = 0, 8, 16, 17, 18, 19, 20, 21
_PART_WORDS, _PATCH_WORDS = 4, 3
_SPINS = 2000
"""How often a thread looks again before it lets others have the core."""


def runner_source() -> str:
    """Return the LLVM IR of the function that every thread runs; the job says what is to be done."""
    abi = f"{CPULLVMRenderer.abi} " if CPULLVMRenderer.abi else ""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    pause = "call void @llvm.aarch64.hint(i32 1)" if arm else "call void @llvm.x86.sse2.pause()"
    labels = " ".join(f"i64 {i}, label %call{n}" for i, n in enumerate(_CLASSES[:-1]))
    calls = "\n".join(_render_call(n, abi) for n in _CLASSES)
    declared = pause.removeprefix("call ").replace("i32 1", "i32")
    return f"""
declare {declared}

define {abi}void @axon_step(ptr %job, i64 %leads) {{
entry:
  %done = getelementptr i64, ptr %job, i64 {_DONE}
  %parts.at = getelementptr i64, ptr %job, i64 {_PARTS}
  %parts = load i64, ptr %parts.at
  %table.at = getelementptr i64, ptr %job, i64 {_PART_TABLE}
  %table = load ptr, ptr %table.at
  %patches.at = getelementptr i64, ptr %job, i64 {_PATCHES}
  %patches = load i64, ptr %patches.at
  %patch.table.at = getelementptr i64, ptr %job, i64 {_PATCH_TABLE}
  %patch.table = load ptr, ptr %patch.table.at
  %inputs.at = getelementptr i64, ptr %job, i64 {_INPUTS}
  %inputs = load ptr, ptr %inputs.at
  %yield.at = getelementptr i64, ptr %job, i64 {_YIELD}
  %yield = load ptr, ptr %yield.at
  %is.leader = icmp ne i64 %leads, 0
  br i1 %is.leader, label %patch, label %claim
patch:
  %p = phi i64 [ 0, %entry ], [ %p.next, %patch.one ]
  %patched = icmp uge i64 %p, %patches
  br i1 %patched, label %begin, label %patch.one
patch.one:
  %patch.i = mul i64 %p, {_PATCH_WORDS}
  %patch.to.at = getelementptr i64, ptr %patch.table, i64 %patch.i
  %patch.to = load ptr, ptr %patch.to.at
  %patch.slot.at = getelementptr i64, ptr %patch.to.at, i64 1
  %patch.slot = load i64, ptr %patch.slot.at
  %patch.offset.at = getelementptr i64, ptr %patch.to.at, i64 2
  %patch.offset = load i64, ptr %patch.offset.at
  %input.at = getelementptr i64, ptr %inputs, i64 %patch.slot
  %input = load i64, ptr %input.at
  %address = add i64 %input, %patch.offset
  store i64 %address, ptr %patch.to
  %p.next = add i64 %p, 1
  br label %patch
begin:
  store atomic i64 0, ptr %done seq_cst, align 8
  store atomic i64 0, ptr %job seq_cst, align 8
  br label %claim
claim:
  %ticket = atomicrmw add ptr %job, i64 1 seq_cst
  %over = icmp uge i64 %ticket, %parts
  br i1 %over, label %finish, label %claimed
claimed:
  %part.i = mul i64 %ticket, {_PART_WORDS}
  %part = getelementptr i64, ptr %table, i64 %part.i
  %function = load ptr, ptr %part
  %arguments.at = getelementptr i64, ptr %part, i64 1
  %args = load ptr, ptr %arguments.at
  %needs.at = getelementptr i64, ptr %part, i64 2
  %needs = load i64, ptr %needs.at
  %class.at = getelementptr i64, ptr %part, i64 3
  %class = load i64, ptr %class.at
  br label %look
look:
  %spins = phi i64 [ 0, %claimed ], [ %spins.next, %again ]
  %so.far = load atomic i64, ptr %done acquire, align 8
  %ready = icmp uge i64 %so.far, %needs
  br i1 %ready, label %run, label %spin
spin:
  {pause}
  %spins.next = add i64 %spins, 1
  %patient = icmp ult i64 %spins, {_SPINS}
  br i1 %patient, label %again, label %let
let:
  call {abi}i32 %yield()
  br label %again
again:
  br label %look
run:
  switch i64 %class, label %call{_CLASSES[-1]} [ {labels} ]
{calls}
ran:
  %counted = atomicrmw add ptr %done, i64 1 seq_cst
  br label %claim
finish:
  br i1 %is.leader, label %all, label %out
all:
  %all.spins = phi i64 [ 0, %finish ], [ %all.next, %all.again ]
  %all.done = load atomic i64, ptr %done acquire, align 8
  %complete = icmp uge i64 %all.done, %parts
  br i1 %complete, label %out, label %all.spin
all.spin:
  {pause}
  %all.next = add i64 %all.spins, 1
  %all.patient = icmp ult i64 %all.spins, {_SPINS}
  br i1 %all.patient, label %all.again, label %all.let
all.let:
  call {abi}i32 %yield()
  br label %all.again
all.again:
  br label %all
out:
  ret void
}}
"""


def runner_code() -> bytes:
    """Return the compiled runner."""
    return bytes(Device[DEVICE].compiler.compile_cached(runner_source()))


def _render_call(count: int, abi: str) -> str:
    lines = [f"call{count}:"]
    for i in range(count):
        lines.append(f"  %c{count}.p{i} = getelementptr i64, ptr %args, i64 {i}")
        lines.append(f"  %c{count}.a{i} = load i64, ptr %c{count}.p{i}")
    given = ", ".join(f"i64 %c{count}.a{i}" for i in range(count))
    return "\n".join([*lines, f"  call {abi}void %function({given})", "  br label %ran"])


class Step:
    """A plan with its memory, ready to run.

    Args:
        plan: what to run.
        outer: the buffers that it shares with others, by number.
        code: the runner's machine code.
    """

    def __init__(self, plan: Plan, outer: Sequence[UOp], code: bytes) -> None:
        self._plan = plan
        self._outer = list(outer)  # kept: a buffer goes with the last UOp that names it
        self._code = code
        self._linked = False
        self._trial = Trial()
        self._given: Marks = ()
        """The inputs whose addresses stand in the table."""

    def run(self, inputs: Sequence[UOp]) -> None:
        """Run all kernels on these inputs, and return when they are done."""
        if not self._linked:
            self._link(len(inputs))
        if (given := marks(inputs)) != self._given:
            self._given = ()
            for slot, uop in enumerate(inputs):
                self._inputs[slot] = _address(uop.buffer)
            self._given = given
        if not self._is_wide:
            self._enter(self._job_address, 1)
            return
        began = time.perf_counter_ns()
        if self._trial.is_helped:
            _crew().call(self._enter, self)
        self._enter(self._job_address, 1)
        if self._trial.is_helped:
            _crew().rest()
        self._trial.note(time.perf_counter_ns() - began)

    def _link(self, inputs: int) -> None:
        """Load the code, take the memory and write the tables."""
        plan = self._plan
        self._programs = [_load(kernel) for kernel in plan.kernels]
        runner = _load(Kernel("axon_step", self._code, 1, -1))
        self._enter = ctypes.CFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)(runner.addr)
        self._runner = runner
        self._memory = [Buffer(DEVICE, size, dtypes.uint8).ensure_allocated() for size in plan.inner]
        self._spaces = {"outer": [uop.buffer for uop in self._outer], "inner": self._memory}
        self._inputs = (ctypes.c_uint64 * max(inputs, 1))()
        arguments: list[int] = []
        parts: list[tuple[int, int, int, int]] = []  # program, where its arguments begin, what it waits for, its class
        patches: list[tuple[int, int, int]] = []
        self._is_wide = False
        for level in plan.levels():
            waits = len(parts)
            for call in level:
                kernel = plan.kernels[call.kernel]
                for number in range(kernel.parts):
                    begin = len(arguments)
                    for place in call.arguments:
                        if place.space == "input":
                            patches.append((len(arguments), place.index, place.offset))
                        arguments.append(self._find(place))
                    if kernel.core >= 0:
                        arguments[begin + kernel.core :] = [number]
                    size = next(i for i, most in enumerate(_CLASSES) if len(arguments) - begin <= most)
                    arguments += [0] * (begin + _CLASSES[size] - len(arguments))
                    parts.append((call.kernel, begin, waits, size))
            self._is_wide |= len(parts) - waits > 1
        self._write(arguments, parts, patches)
        self._linked = True

    def _find(self, place: Place) -> int:
        return 0 if place.space == "input" else _address(self._spaces[place.space][place.index]) + place.offset

    def _write(
        self, arguments: list[int], parts: list[tuple[int, int, int, int]], patches: list[tuple[int, int, int]]
    ) -> None:
        self._arguments = (ctypes.c_uint64 * max(len(arguments), 1))(*arguments)
        start = ctypes.addressof(self._arguments)
        table = [w for p, begin, waits, size in parts for w in (self._programs[p].addr, start + 8 * begin, waits, size)]
        self._parts = (ctypes.c_uint64 * max(len(table), 1))(*table)
        moved = [word for at, slot, offset in patches for word in (start + 8 * at, slot, offset)]
        self._patches = (ctypes.c_uint64 * max(len(moved), 1))(*moved)
        self._job = (ctypes.c_uint64 * _JOB_WORDS)()
        self._job[_PARTS], self._job[_PART_TABLE] = len(parts), ctypes.addressof(self._parts)
        self._job[_TICKET] = len(parts)  # nothing to take until a leader has begun
        self._job[_PATCHES], self._job[_PATCH_TABLE] = len(patches), ctypes.addressof(self._patches)
        self._job[_INPUTS], self._job[_YIELD] = ctypes.addressof(self._inputs), _yield_address()
        self._job_address = ctypes.addressof(self._job)

    def help(self, enter: Any) -> None:
        """Take parts of this step until there are none left: what the other threads do."""
        enter(self._job_address, 0)


class Trial:
    """Finds out whether other threads are to help with a step, where it is brief: it is run both ways.

    To wake a thread takes some 10 us, and as long again until it has left the interpreter to the one that called it.

    Example:
        >>> trial = Trial()
        >>> for nanoseconds in [90_000] * Trial.RUNS + [80_000] * Trial.RUNS:
        ...     trial.note(nanoseconds)
        >>> trial.is_helped
        False
    """

    RUNS = 8
    """How often it is run each way; what it takes is the least of these."""
    BRIEF = 1_000_000
    """Nanoseconds from which on a step is worth the others' help in any case."""
    WORTH = 0.8
    """What part of its time a step may take with help: the others are in the way for some time afterwards."""

    def __init__(self) -> None:
        self.is_helped = True
        """Whether others are to help with the next run."""
        self._helped: list[int] = []
        self._alone: list[int] = []
        self._is_over = False

    def note(self, nanoseconds: int) -> None:
        """Take the time of a run, and choose how the next one is made."""
        if self._is_over:
            return
        runs = self._helped if self.is_helped else self._alone
        runs.append(nanoseconds)
        if len(runs) == self.RUNS:
            if self.is_helped:
                self.is_helped = self._is_over = min(runs) >= self.BRIEF
            else:
                self.is_helped, self._is_over = min(self._helped) < self.WORTH * min(runs), True


def _address(buffer: Buffer) -> int:
    return int(buffer.ensure_allocated().get_buf(DEVICE).va_addr)


def _load(kernel: Kernel) -> Any:
    """Return tinygrad's program for a kernel's code: it maps the memory, links and makes it executable."""
    device = Device[DEVICE]
    program = _loaded.get(kernel.code)
    if program is None:
        program = _loaded[kernel.code] = device.runtime(TinyELF(kernel.code, kernel.name, Target(DEVICE), ()))
        if len(_loaded) > _MOST_LOADED:
            del _loaded[next(iter(_loaded))]
    return program


_MOST_LOADED = 4096
_loaded: dict[bytes, Any] = {}


@functools.cache
def _yield_address() -> int:
    if sys.platform == "win32":
        return ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value or 0
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0


class _Crew:
    """Threads that sleep until there is a step to help with, one for each core but the first."""

    def __init__(self, size: int) -> None:
        self._work: tuple[Any, Step] | None = None
        self._gates = [threading.Lock() for _ in range(size)]
        for gate in self._gates:
            gate.acquire()
            threading.Thread(target=self._serve, args=(gate,), name="axon_nb step", daemon=True).start()

    def call(self, enter: Any, step: Step) -> None:
        """Wake everybody to help with a step. Who comes late finds it done, and sleeps again."""
        self._work = enter, step
        for gate in self._gates:
            if gate.locked():
                gate.release()

    def rest(self) -> None:
        """Forget the step: its memory is its owner's alone again."""
        self._work = None

    def _serve(self, gate: threading.Lock) -> None:
        while True:
            gate.acquire()
            work = self._work
            if work is not None:
                enter, step = work
                step.help(enter)
                del enter, step
            del work


@functools.cache
def _crew() -> _Crew:
    return _Crew(max(0, NUM_CPU_THREADS.value - 1))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)  # a child has none of its parent's threads
