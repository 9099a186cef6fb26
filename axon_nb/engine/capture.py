"""Owns one recording: how a function's kernels are recorded without being run, and what is undone if that fails.

Knows nothing about when to record, nor for which inputs.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad import Tensor, dtypes
from tinygrad import tensor as tensors_module
from tinygrad.dtype import DType
from tinygrad.engine.jit import JitError, jit_lower
from tinygrad.engine.realize import capturing, compile_linear, link_linear, run_linear
from tinygrad.helpers import CAPTURING, JIT, ContextVar, disable_gc
from tinygrad.schedule import create_linear_with_vars
from tinygrad.tensor import all_tensors
from tinygrad.uop.ops import Ops, UOp
from tinygrad.uop.ops import buffers as buffers_of_uops

from axon_nb.engine import steps
from axon_nb.engine.interrupt import interruptible, uninterrupted
from axon_nb.engine.lock import settle_cache
from axon_nb.engine.products import replace_products
from axon_nb.engine.settings import SETTINGS
from axon_nb.engine.transfer import duplicate, settle
from axon_nb.engine.workers import WORKERS

Tensors = tuple[Tensor, ...]
Function = Callable[..., Tensor | Tensors | None]


class Body:
    """A user's function with its results made fit for recording: all computed, none sharing memory with an input."""

    def __init__(self, function: Function, name: str, state: Tensors) -> None:
        self.function = function
        self.name = name
        self.state = state
        self.single = False
        """Whether the function, when last run, returned a tensor by itself."""

    def __call__(self, *inputs: Tensor) -> Tensors:
        """Run the function and realise its results and its state."""
        returned = self.function(*inputs)
        self.single = isinstance(returned, Tensor)
        results = check_results(returned, self.name)
        # In one go: results must see the state as it was before this call's assignments.
        realise((*results, *self.state))
        given = {tensor.uop.base for tensor in inputs}
        results = tuple(r if _own(r, given) else r.clone() for r in results)
        realise(results)
        return results


class _Recorder:
    """What tinygrad finds in `capturing`: takes the graphs of what is computed, and keeps them from being scheduled."""

    def __init__(self) -> None:
        self.graphs: list[UOp] = []
        self.kernels: list[UOp] = []

    def add_linear(self, linear: UOp, variables: dict[str, int]) -> None:
        """Take kernels, as tinygrad's own scheduler hands them over."""
        if variables:
            msg = "a recording has no variables"
            raise JitError(msg)
        self.kernels += linear.src


def _defer(graph: UOp) -> tuple[UOp, dict[str, int]]:
    """Stand in for tinygrad's scheduler: within a recording graphs are only noted, as they may be compiled already."""
    if capturing and isinstance(capturing[0], _Recorder) and CAPTURING:
        capturing[0].graphs.append(graph)
        return UOp(Ops.LINEAR, src=()), {}
    return _schedule(graph)


_schedule = create_linear_with_vars
tensors_module.create_linear_with_vars = _defer


def record(body: Body, inputs: Tensors) -> Callable[..., Tensors]:
    """Return what runs the body's kernels on inputs like these. No kernel of the body is run.

    A body that cannot be recorded, because it reads values or needs no kernel at all, is returned as it is.
    """
    if not JIT:
        return body
    with uninterrupted():
        settle_random({str(t.device) for t in (*inputs, *body.state) if isinstance(t.device, str)})
    try:
        with _undone_on_error(body.state), interruptible():
            return _record(body, inputs)
    except JitError:
        return body


@disable_gc()
def _record(body: Body, inputs: Tensors) -> Callable[..., Tensors]:
    recorder = _Recorder()
    capturing.append(recorder)
    try:
        results = body(*inputs)
    finally:
        capturing.clear()
    if not recorder.graphs:
        msg = "nothing to record"
        raise JitError(msg)
    buffers = [_buffer(tensor.uop) for tensor in inputs]
    held = set(buffers_of_uops) | {u for t in _living() for u in t.uop.toposort() if u.op is Ops.BUFFER}
    replay = steps.make(recorder.graphs, buffers, held, functools.partial(_lower, recorder, held, buffers), body.name)
    return functools.partial(_run, replay, results)


def _living() -> list[Tensor]:
    return [tensor for reference in list(all_tensors) if (tensor := reference()) is not None]


def _lower(recorder: _Recorder, held: set[UOp], inputs: list[UOp]) -> UOp:
    """Schedule and compile what was recorded."""
    capturing.append(recorder)
    try:
        for graph in recorder.graphs:
            function = replace_products(graph.src[0]) if SETTINGS.fast else graph.src[0]
            _schedule(graph.replace(src=(function, *graph.src[1:])))
    finally:
        capturing.clear()
    linear = UOp(Ops.LINEAR, src=tuple(recorder.kernels))
    recorder.kernels = []
    WORKERS.compile(linear)
    return jit_lower(linear, held, inputs)


def _run(replay: Callable[[list[UOp]], None], results: Tensors, *inputs: Tensor) -> Tensors:
    replay([_buffer(tensor.uop) for tensor in inputs])
    return results


def _buffer(uop: UOp) -> UOp:
    return uop.src[0].base if uop.op is Ops.UNSHARD else uop.base


@contextmanager
def _undone_on_error(state: Tensors) -> Iterator[None]:
    """Put back what a recording changes, if it fails or Ctrl-C cuts it. As nothing has run, that is all there is."""
    tensors = [(t, t.uop, t.grad) for t in (*state, *Tensor._device_rng_counters.values())]
    settings = [(variable, variable.value) for variable in ContextVar._cache.values()]
    collecting = gc.isenabled()
    try:
        yield
    except BaseException:
        # tinygrad does most of this itself, but an interrupt also comes between its `try` and its `finally`.
        capturing.clear()
        for tensor, uop, grad in tensors:
            tensor.uop, tensor.grad = uop, grad
        for variable, value in settings:
            variable.value = value
        if collecting:
            gc.enable()
        settle_cache()
        raise


def settle_random(devices: Iterable[str]) -> None:
    """Make tinygrad's own generators exist, so that a function's `Tensor.rand` goes on from replay to replay.

    A generator born within a recording is born again at each replay, with the same numbers.
    """
    for device in sorted(devices):
        if device not in Tensor._device_seeds:
            Tensor._next_counter(device, 0)
            settle([Tensor._device_rng_counters[device].replace(Tensor.zeros(2, dtype=dtypes.uint32, device=device))])
        counter, seed = Tensor._device_rng_counters[device], Tensor._device_seeds[device]
        settle([one for one in (seed, counter) if not one.uop._base_buffer_is_realized()])


def realise(tensors: Iterable[Tensor]) -> None:
    """Compute tensors, all in one schedule; those without a place (constants) stay as they are."""
    waiting = [t for t in tensors if not t.uop.is_virtual]
    if waiting:
        Tensor.realize(*waiting)


def is_whole(uop: UOp) -> bool:
    """Tell whether a tensor is one buffer in its own shape, not a view into one."""
    for shell in (Ops.UNSHARD, Ops.RESHAPE):
        if uop.op is shell:
            uop = uop.src[0]
    return uop.op in (Ops.BUFFER, Ops.MSTACK)


def _own(result: Tensor, given: set[UOp]) -> bool:
    # A replay returns the tensors of the recording: one that is an input would stay the first call's input for ever.
    return result.uop.is_virtual or (is_whole(result.uop) and result.uop.base not in given)


def check_results(returned: Any, name: str) -> Tensors:
    """Return what a function returned as a tuple of tensors.

    Raises:
        TypeError: it is something else.
    """
    if returned is None:
        return ()
    results = (returned,) if isinstance(returned, Tensor) else returned
    if not isinstance(results, tuple | list) or not all(isinstance(r, Tensor) for r in results):
        msg = f"program '{name}' must return tensors: a tensor, a tuple of tensors or None, not {_kind(returned)}"
        raise TypeError(msg)
    return tuple(results)


def _kind(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {', '.join(sorted({type(v).__name__ for v in value}))}"
    return type(value).__name__


def copied(tensor: Tensor) -> Tensor:
    """Return a copy in memory of its own: a tenth of the time of ``clone().realize()``, which schedules anew."""
    uop = tensor.uop
    if uop.is_virtual:
        return Tensor(uop)
    if not isinstance(tensor.device, str) or not is_whole(uop) or 0 in tensor.shape:
        return tensor.clone().realize()
    old = uop.base
    new = duplicate(old)
    if new is None:
        new = UOp.new_buffer(old.device, old.max_numel(), old.dtype)
        kernel = _copy_kernel(old.device, old.max_numel(), old.dtype)
        run_linear(kernel, {}, (new, old), jit=True, update_stats=False)
    return Tensor(uop.replace(src=(new, *uop.src[1:])) if uop.op is Ops.RESHAPE else new)


@functools.lru_cache(maxsize=256)
def _copy_kernel(device: str, size: int, dtype: DType) -> UOp:
    new, old = (UOp.param(slot, dtype, (size,), device) for slot in (0, 1))
    copy = old.copy_to_device(device).call(new, old)
    return link_linear(compile_linear(UOp(Ops.LINEAR, src=(copy,))))
