"""Owns the name of a computation: equal for the same graph in any process, and different for any other.

Knows nothing about what is done with the name.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tinygrad.codegen import to_program_config
from tinygrad.dtype import AddrSpace
from tinygrad.helpers import BEAM, DEV
from tinygrad.uop.ops import CallInfo, Ops, ParamArg, UOp

from axon_nb.engine.settings import SETTINGS


def name_of(calls: Sequence[UOp], outer: Mapping[UOp, tuple[Any, ...]]) -> str | None:
    """Return the name of what a recording computes, or None where it has none that another process would find.

    Args:
        calls: graphs as tinygrad hands them to its scheduler: a function of numbered parameters, and its buffers.
        outer: what is to be known of each of those buffers.
    """
    digest = hashlib.blake2b(repr(_surroundings()).encode(), digest_size=24)
    for call in calls:
        text = _describe(call.src[0])
        if text is None:
            return None
        digest.update(text.encode())
        for place in call.src[1:]:
            buffer = place.buffer
            seen = outer[root(place)]
            digest.update(repr((seen, buffer.offset, buffer.size, str(buffer.dtype), buffer.device)).encode())
    return digest.hexdigest()


def root(place: UOp) -> UOp:
    """Return the buffer under a view."""
    while place.op is not Ops.BUFFER:
        place = place.src[0]
    return place


def _describe(function: UOp) -> str | None:
    """Write a graph as text: each node once, naming its sources by their numbers."""
    numbers: dict[UOp, int] = {}
    slots: dict[int, int] = {}  # of memory within a kernel, whose numbers are counted through the whole process
    lines = []
    for node in function.toposort(enter_calls=True):
        argument = _argument(node, slots)
        if " at 0x" in argument:  # a Python function, or another object that is only itself
            return None
        numbers[node] = len(numbers)
        sources = ",".join(str(numbers[source]) for source in node.src)
        lines.append(f"{node.op}|{node.dtype}|{argument}|{sources}|{node.tag}")
    return "\n".join(lines)


def _argument(node: UOp, slots: dict[int, int]) -> str:
    value = node.arg
    if value is None or isinstance(value, int | str):
        return repr(value)
    if isinstance(value, CallInfo):
        return repr((value.name, value.precompile, value.precompile_backward, value.aux))
    if isinstance(value, ParamArg) and node.op is Ops.BUFFER and value.addrspace is not AddrSpace.GLOBAL:
        number = slots.setdefault(value.slot, len(slots))
        return repr((number, value.dtype, value.addrspace, value.name, value.volatile))
    return repr(value)


@functools.cache
def _machine() -> str:
    """Return what code for this CPU depends on, without loading LLVM."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
        wanted = ("flags", "Features", "model name", "cpu family", "model\t", "CPU part", "CPU implementer")
        return "\n".join(line for line in lines if line.startswith(wanted))
    except OSError:
        return f"{platform.processor()} {platform.machine()} {platform.version()}"


@functools.cache
def _sources() -> tuple[Any, ...]:
    """Tell one state of the engine's files from another: a new one may compile to other code."""
    tinygrad, llvmlite = (_version(name) for name in ("tinygrad", "llvmlite"))
    files = sorted(Path(__file__).parent.glob("*.py"))
    states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return (tinygrad, llvmlite, platform.system(), platform.machine(), _machine(), states)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _surroundings() -> tuple[Any, ...]:
    config = [(variable.key, variable.value) for variable in to_program_config]
    return (_sources(), config, BEAM.value, str(DEV.value), SETTINGS.fast)
