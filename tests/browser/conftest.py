"""JupyterLab and Chromium for tests that need both: one server for all, a fresh notebook for each test."""

import pytest
from lab_server import CHROMIUM, running


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A running JupyterLab and Chromium."""
    pytest.importorskip("jupyterlab")
    pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with running(tmp_path_factory.mktemp("lab")) as made:
        yield made
