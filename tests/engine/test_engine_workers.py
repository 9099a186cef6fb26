"""Kernels are compiled in this process where cores are few."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os
import axon_nb.engine
from tinygrad.helpers import PARALLEL
print(json.dumps([PARALLEL.value, os.environ["BEAM_MAX_TASKS_PER_CHILD"]]))
"""


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"NUM_CPU_THREADS": "2"}, [0, "1000"]),
        ({"NUM_CPU_THREADS": "8"}, [8, "1000"]),
        ({"NUM_CPU_THREADS": "2", "PARALLEL": "2"}, [2, "1000"]),
        ({"NUM_CPU_THREADS": "8", "PARALLEL": "0", "BEAM_MAX_TASKS_PER_CHILD": "5"}, [0, "5"]),
    ],
    ids=str,
)
def test_workers(environment, expected):
    dropped = ("PARALLEL", "BEAM_MAX_TASKS_PER_CHILD", "PYTEST_XDIST_WORKER_COUNT")
    env = {name: value for name, value in os.environ.items() if name not in dropped} | environment
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
