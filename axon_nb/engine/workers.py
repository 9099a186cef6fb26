"""Owns how many worker processes compile kernels.

Knows nothing about what is compiled.
"""

from __future__ import annotations

import os

from tinygrad.helpers import NUM_CPU_THREADS, PARALLEL

FEWEST_CORES = 4
"""On 2 cores, where tinygrad starts 2 workers, the first step of a small CNN takes 34 s with them and 16 s without."""


def settle_workers() -> None:
    """Compile in this process where there are few cores, and keep workers alive where there are many.

    What the user's PARALLEL and BEAM_MAX_TASKS_PER_CHILD say stays.
    """
    # tinygrad ends a worker after 16 kernels: the next one imports everything again.
    os.environ.setdefault("BEAM_MAX_TASKS_PER_CHILD", "1000")
    if "PARALLEL" not in os.environ and NUM_CPU_THREADS.value < FEWEST_CORES:
        PARALLEL.value = 0
