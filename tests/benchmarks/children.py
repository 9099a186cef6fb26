"""Runs peers as child processes, in turns, so that what else the machine does meets them all alike."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROUNDS = 7
ROUND_S = 0.4
"""How long each peer runs in each round."""


class LeftOutError(Exception):
    """A peer that cannot be measured here: it is not installed, or needs what is not there."""


class Child:
    """One peer in a process of its own."""

    def __init__(self, peer: str, model: str, batch: int, mode: str, **environment: str) -> None:
        path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
        settings = {**os.environ, "PYTHONPATH": path, **environment}
        if peer == "tinygrad":
            settings |= {"AXON_NB_FAST": "0", "AXON_NB_CACHE": "0"}
        command = [sys.executable, str(HERE / "peers.py"), peer, model, str(batch), mode]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings
        )
        self.wait_s: float = self._read()
        self.times: list[float] = []

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise LeftOutError(f"the child ended: {self._process.args}")
        return json.loads(line)

    def round(self) -> None:
        """Take as many steps as fit into a round."""
        best = min(self.times, default=0) or self._take(1)[0]
        self.times += self._take(max(1, min(200, round(ROUND_S / max(best, 1e-5)))))

    def _take(self, steps: int) -> list[float]:
        self._process.stdin.write(f"{steps}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def compare(peers: list[str], model: str, batch: int, mode: str, **environment: str) -> dict[str, tuple[float, float]]:
    """Return for each peer the median and the best step in milliseconds: on a busy machine the best tell more.

    A peer that cannot be measured here is left out.
    """
    children = {}
    for peer in peers:
        with contextlib.suppress(LeftOutError):
            children[peer] = Child(peer, model, batch, mode, **environment)
    try:
        for _ in range(ROUNDS):
            for child in children.values():
                child.round()
        return {peer: (statistics.median(c.times) * 1e3, min(c.times) * 1e3) for peer, c in children.items()}
    finally:
        for child in children.values():
            child.close()
