"""Makes ``axon_cases`` importable from every test file, in whichever way pytest imports those."""

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

HERE = str(Path(__file__).parent)
if HERE not in sys.path:
    sys.path.insert(0, HERE)


def pytest_ignore_collect(collection_path):
    """Import only tests: `--doctest-modules` would import helpers too, and benchmarks, which change the process."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


# Tests, and the kernels that they start, leave the user's own compiled steps alone.
os.environ.setdefault("AXON_NB_AHEAD", "0")  # no processes that tests did not ask for
os.environ.setdefault("AXON_NB_CACHE_DIR", str(Path(tempfile.mkdtemp(prefix="axon_nb_tests_")) / "steps"))

# The same drawn examples each time, so that a red run means a change; EXPLORE=1 draws others.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("explore" if os.environ.get("EXPLORE") else "steady")

if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers of pytest-xdist ignore Ctrl-C, and what tests do with it would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_STATUS = pytest.StashKey[int]()

LIST = os.environ.get("AXON_NB_LIST_SKIPPED")
"""A file for the names of tests that are skipped, so that they can be run again once what they lack is there."""


def pytest_runtest_logreport(report):
    if LIST and report.skipped:
        _note(report.nodeid)


def pytest_collectreport(report):
    if LIST and report.skipped and report.nodeid:
        _note(report.nodeid)


def _note(nodeid):
    with Path(LIST).open("a", encoding="utf-8") as file:
        file.write(f"{nodeid}\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Leave at once: after thousands of tests tinygrad 0.14 takes minutes to take its graphs apart at Python's exit."""
    if _STATUS in config.stash:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash[_STATUS])
