"""Owns the plan of a step on the CPU: compiled kernels, and the list of their calls as plain numbers.

Knows nothing about how a plan is run or stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinygrad.device import Buffer
from tinygrad.engine.realize import resolve_params
from tinygrad.uop.ops import Ops, ProgramInfo, UOp

DEVICE = "CPU"
CORE = "core_id"
"""The parameter by which a kernel learns which of its parts to do."""
MOST_ARGUMENTS = 64

Space = Literal["input", "outer", "inner"]


@dataclass(frozen=True)
class Place:
    """A range of bytes: of an input, of a buffer that lives on after the step, or of one that belongs to the plan."""

    space: Space
    index: int
    offset: int
    size: int

    def meets(self, other: Place) -> bool:
        """Tell whether two ranges have bytes in common."""
        same = self.space == other.space and self.index == other.index
        return same and self.offset < other.offset + other.size and other.offset < self.offset + self.size


@dataclass(frozen=True)
class Kernel:
    """Machine code, and how it is called: with addresses, and where ``core`` is not -1 the number of the part there."""

    name: str
    code: bytes
    parts: int
    core: int


@dataclass(frozen=True)
class Call:
    """One kernel with its arguments, and the numbers of those that it writes to."""

    kernel: int
    arguments: tuple[Place, ...]
    written: tuple[int, ...]

    def after(self, other: Call) -> bool:
        """Tell whether this call has to wait for an earlier one."""
        return any(
            mine.meets(its)
            for i, mine in enumerate(self.arguments)
            for j, its in enumerate(other.arguments)
            if i in self.written or j in other.written
        )


@dataclass(frozen=True)
class Plan:
    """A step: ``inner`` are the sizes in bytes of the memory that it needs for itself."""

    kernels: tuple[Kernel, ...]
    calls: tuple[Call, ...]
    inner: tuple[int, ...]

    def levels(self) -> list[list[Call]]:
        """Group consecutive calls that may run at the same time."""
        levels: list[list[Call]] = []
        for call in self.calls:
            if not levels or any(call.after(other) for other in levels[-1]):
                levels.append([])
            levels[-1].append(call)
        return levels

    def overwritten(self) -> set[int]:
        """Return the outer buffers that are written to."""
        places = (call.arguments[i] for call in self.calls for i in call.written)
        return {place.index for place in places if place.space == "outer"}


def make_plan(linear: UOp, inputs: Sequence[UOp], outer: Mapping[UOp, int]) -> Plan | None:
    """Return the plan of compiled calls, or None where they are not all plain kernels on the CPU.

    Args:
        linear: calls as tinygrad's JIT replays them, inputs standing as numbered parameters.
        inputs: the buffers of the inputs.
        outer: the number of each buffer that is not the plan's own.
    """
    places = _Places({u.buffer: i for i, u in enumerate(inputs)}, {u.buffer: n for u, n in outer.items()})
    numbers: dict[UOp, int] = {}
    kernels: list[Kernel] = []
    calls = []
    for call in linear.src:
        program = call.src[0]
        if not _is_plain(call):
            return None
        given = resolve_params(call, tuple(inputs))
        buffers = [given[i].buffer for i in program.arg.globals]
        if len(buffers) >= MOST_ARGUMENTS or not all(isinstance(b, Buffer) and b.device == DEVICE for b in buffers):
            return None
        if program not in numbers:
            numbers[program] = len(kernels)
            kernels.append(_kernel(program))
        written = tuple(i for i, slot in enumerate(program.arg.globals) if slot in program.arg.outs)
        calls.append(Call(numbers[program], tuple(map(places, buffers)), written or tuple(range(len(buffers)))))
    return Plan(tuple(kernels), tuple(calls), tuple(places.inner))


class _Places:
    """Finds where a buffer is, numbering those that nobody else knows."""

    def __init__(self, inputs: dict[Buffer, int], outer: dict[Buffer, int]) -> None:
        self._known: dict[int, tuple[Space, int]] = {id(b): ("outer", n) for b, n in outer.items()}
        self._known |= {id(b): ("input", n) for b, n in inputs.items()}
        self._kept: list[Any] = [inputs, outer]  # an id is only good while its object lives
        self.inner: list[int] = []

    def __call__(self, buffer: Buffer) -> Place:
        base = buffer.base
        if id(base) not in self._known:
            self._known[id(base)] = "inner", len(self.inner)
            self._kept.append(base)
            self.inner.append(base.nbytes)
        return Place(*self._known[id(base)], buffer.offset, buffer.nbytes)


def _is_plain(call: UOp) -> bool:
    program = call.src[0]
    if program.op is not Ops.PROGRAM or not isinstance(program.arg, ProgramInfo):
        return False
    info = program.arg
    names = [variable.expr for variable in info.vars]
    return names in ([], [CORE]) and all(isinstance(size, int) for size in info.global_size) and call.device == DEVICE


def _kernel(program: UOp) -> Kernel:
    info = program.arg
    core = len(info.globals) if info.vars else -1
    return Kernel(info.function_name, program.src[3].arg, int(info.global_size[0]), core)
