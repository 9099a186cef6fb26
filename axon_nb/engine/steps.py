"""Owns how a recording becomes something to run: found on disk, compiled into a plan, or left to tinygrad's JIT.

Knows nothing about how functions are recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad.codegen import to_program_cache
from tinygrad.device import Buffer
from tinygrad.engine.jit import CapturedJit
from tinygrad.helpers import DEBUG, PROFILE, GlobalCounters, getenv
from tinygrad.uop.ops import UOp

from axon_nb.engine import native, store, structure
from axon_nb.engine.ahead import AHEAD
from axon_nb.engine.plan import DEVICE, Plan, make_plan
from axon_nb.engine.settings import SETTINGS
from axon_nb.engine.transfer import duplicate
from axon_nb.engine.workers import WORKERS

Replay = Callable[[list[UOp]], None]


def make(
    graphs: Sequence[UOp], inputs: list[UOp], held: set[UOp], lower: Callable[[], UOp], label: str
) -> Replay:  # fmt: skip
    """Return what runs the recorded graphs on inputs' buffers.

    Args:
        graphs: functions of numbered parameters with their buffers, as tinygrad's scheduler takes them.
        inputs: the buffers that other calls exchange.
        held: buffers that somebody can still see after the step.
        lower: schedules and compiles, where nothing on disk saves that.
        label: what is compiled, for people.
    """
    if not SETTINGS.fast or DEBUG >= 2 or PROFILE or getenv("HCQ2"):
        return _by_tinygrad(lower())
    outer = _outer(graphs, inputs)
    plain = outer is not None and _on_cpu(graphs)
    name = _name(graphs, inputs, outer, held) if plain and outer is not None and SETTINGS.cache else None
    if outer is not None and name is not None and (found := _found(name)) is not None:
        plan, runner, _ = found
        return _Native(plan, outer, runner).run
    WORKERS.begin(sum(len(graph.src[0].toposort()) for graph in graphs))
    with AHEAD.making(name):
        linear = lower()
        plan_made = make_plan(linear, inputs, outer) if plain and outer is not None else None
        if plan_made is None or outer is None:
            return _by_tinygrad(linear)
        runner = native.runner_code()
        if name is not None:
            store.save(name, plan_made, runner, {"label": label})
    return _Native(plan_made, outer, runner).run


def _found(name: str) -> tuple[Plan, bytes, Any] | None:
    """Look for a step on disk, also for one that is just being compiled ahead."""
    found = store.load(name)
    return store.load(name) if found is None and AHEAD.wait(name) else found


def compiled_kernels() -> int:
    """Return how many kernels this process has compiled: what a person who waits can be told."""
    return len(to_program_cache)


def _outer(graphs: Sequence[UOp], inputs: list[UOp]) -> dict[UOp, int] | None:
    """Number the buffers that graphs name beside the inputs; None where one is not a plain buffer."""
    numbers: dict[UOp, int] = {}
    for graph in graphs:
        for place in graph.src[1:]:
            if place.is_bound_var or not isinstance(place.buffer, Buffer):
                return None
            buffer = structure.root(place)
            if buffer not in inputs:
                numbers.setdefault(buffer, len(numbers))
    return numbers


def _on_cpu(graphs: Sequence[UOp]) -> bool:
    return all(place.device == DEVICE for graph in graphs for place in graph.src[1:])


def _name(graphs: Sequence[UOp], inputs: list[UOp], outer: dict[UOp, int] | None, held: set[UOp]) -> str | None:
    known = {buffer: ("outer", number, buffer in held) for buffer, number in (outer or {}).items()}
    return structure.name_of(graphs, {**known, **{buffer: ("input", i, True) for i, buffer in enumerate(inputs)}})


class _Native:
    """A plan with its buffers; an input that it would overwrite is copied first."""

    def __init__(self, plan: Plan, outer: dict[UOp, int], runner: bytes) -> None:
        buffers = list(outer)
        self._step = native.Step(plan, buffers, runner)
        self._overwritten = {buffers[number] for number in plan.overwritten()}
        self._kernels = len(plan.calls)

    def run(self, inputs: list[UOp]) -> None:
        given = [_copy(uop) if uop in self._overwritten else uop for uop in inputs]
        self._step.run(given)
        GlobalCounters.kernel_count += self._kernels


def _copy(uop: UOp) -> UOp:
    copy = duplicate(uop)
    return uop if copy is None else copy


def _by_tinygrad(linear: UOp) -> Replay:
    return functools.partial(_replay, CapturedJit(None, linear, [], []))


def _replay(recorded: CapturedJit, inputs: list[UOp]) -> None:
    # Straight to the recording: TinyJit's own check of its inputs takes 0.14 ms for each, and ours are known to fit.
    recorded(inputs, {})


__all__ = ["compiled_kernels", "make"]
