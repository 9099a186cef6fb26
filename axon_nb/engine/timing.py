"""Owns how long each kernel of a schedule takes on its device.

Knows nothing about models.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from tinygrad import Tensor
from tinygrad.engine.realize import ExecContext, compile_linear, link_linear, pm_exec
from tinygrad.uop.ops import Ops

from axon_nb.engine.lock import RUNTIME


def timed(tensors: Iterable[Tensor], repeats: int) -> list[float]:
    """Compute tensors several times over, kernel by kernel, and return the median time of each kernel in seconds.

    The kernels come in the order of `languages.schedule`. The first run, which fills caches, is not counted.
    """
    wanted = [t for t in tensors if not t.uop.is_virtual]
    with RUNTIME:
        linear, values = Tensor.linear_with_vars(*wanted)
        calls = [call for call in linear.src if call.src[0].op is Ops.SINK]
        ready = link_linear(compile_linear(linear.replace(src=tuple(calls)))).src
        context = ExecContext(values, update_stats=False, wait=True)
        runs = [[_run(call, context) for call in ready] for _ in range(repeats + 1)]
    return [statistics.median(times) for times in zip(*runs[1:], strict=True)]


def _run(call: object, context: ExecContext) -> float:
    return max((taken or 0.0 for taken in pm_exec.rewrite(call, context) or ()), default=0.0)
