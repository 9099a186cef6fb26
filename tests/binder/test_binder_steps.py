"""What Binder does with this repository, done here: packages in an environment of their own, postBuild, a reader."""

import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="postBuild needs bash")]

ROOT = Path(__file__).parents[2]
PYTHON = (ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
SHIPPED = ("axon_nb", "binder", "notebooks", "pyproject.toml", "README.md", "LICENSE")
NO_INDEX = "NewConnectionError|ConnectTimeoutError|NameResolutionError|ProxyError|Temporary failure in name resolution"

OFFLINE = '''
"""Lets no Python program reach further than this machine."""
import sys

NEAR = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "", None}


def watch(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if (host.decode() if isinstance(host, bytes) else host) not in NEAR:
        raise OSError(f"offline, and asked for {host}")


sys.addaudithook(watch)
'''

Image = namedtuple("Image", "folder python environment")
"""What Binder would have built: the repository, its Python, and the environment of its programs."""


def interpreter():
    """Find the Python that Binder takes, else skip."""
    names = [f"python{PYTHON}"]
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        names.insert(0, getattr(sys, "_base_executable", sys.executable))
    roots = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names += sorted(map(str, roots.glob(f"{PYTHON}.*/bin/python")))
    for name in filter(None, map(shutil.which, names)):
        if subprocess.run([name, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return name
    pytest.skip(f"needs Python {PYTHON}, with venv, as Binder takes it")


def run(image, *command, environment=None, timeout=600):
    return subprocess.run(
        command, cwd=image.folder, env=environment or image.environment, capture_output=True, text=True, timeout=timeout
    )


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    base = tmp_path_factory.mktemp("binder")
    folder, home, venv = base / "repository", base / "home", base / "venv"
    home.mkdir()
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(ROOT / name, folder)
    # What may change what is tried here; HOME stays, since it may say where packages come from.
    mine = "AXON_NB_", "PYTHON", "JUPYTER", "IPYTHON", "XDG_", "VIRTUAL_ENV", "MPL", "PYTEST"
    kept = {name: text for name, text in os.environ.items() if not name.startswith(mine)}
    fresh = {
        "AXON_NB_CACHE_DIR": "steps",
        "XDG_CACHE_HOME": "cache",
        "MPLCONFIGDIR": "matplotlib",
        "IPYTHONDIR": "ipython",
    }
    fresh |= {f"JUPYTER_{name}_DIR": f"jupyter/{name}" for name in ("DATA", "CONFIG", "RUNTIME")}
    elsewhere = {name: str(home / place) for name, place in fresh.items()}
    path = os.pathsep.join([str(venv / "bin"), kept["PATH"]])
    made = Image(folder, venv / "bin" / "python", {**kept, **elsewhere, "PATH": path})
    subprocess.run([interpreter(), "-m", "venv", venv], check=True, timeout=300)
    pip = [made.python, "-m", "pip", "install", "-q", "--retries", "1", "--no-compile"]
    done = run(made, *pip, "-r", "binder/requirements.txt", environment=kept, timeout=1800)
    if done.returncode and re.search(NO_INDEX, done.stderr):
        pytest.skip("needs a package index")
    assert done.returncode == 0, done.stderr
    done = run(made, "bash", "binder/postBuild")
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    shutil.rmtree(base)  # a gigabyte


@pytest.fixture(scope="module")
def offline(image):
    """Give the environment of programs that find no network."""
    place = image.folder.parent / "offline"
    place.mkdir()
    (place / "sitecustomize.py").write_text(OFFLINE)
    environment = {name: text for name, text in image.environment.items() if not name.lower().endswith("_proxy")}
    return {**environment, "PYTHONPATH": str(place)}


def test_the_package_is_installed_beside_the_pinned_ones_and_nothing_is_missing(image):
    done = run(image, image.python, "-P", "-c", "import axon_nb; print(axon_nb.__file__)")
    assert "site-packages" in done.stdout, done.stderr
    done = run(image, image.python, "-m", "pip", "check")
    assert done.returncode == 0, done.stdout


def test_notebooks_are_trusted_and_the_first_steps_compiled(image):
    code = """
import pathlib, nbformat
from nbformat.sign import NotebookNotary
notary = NotebookNotary()
for path in sorted(pathlib.Path("notebooks").glob("*.ipynb")):
    assert notary.check_signature(nbformat.read(path, as_version=4)), path
print("all")
"""
    done = run(image, image.python, "-c", code)
    assert done.stdout == "all\n", done.stderr
    steps = Path(image.environment["AXON_NB_CACHE_DIR"])
    assert len(list(steps.glob("*.step"))) >= 3


def test_without_a_network_there_is_none(image, offline):
    """The next tests would say nothing otherwise."""
    code = "import urllib.request; urllib.request.urlopen('http://192.0.2.1')"
    assert "offline, and asked for 192.0.2.1" in run(image, image.python, "-c", code, environment=offline).stderr


@pytest.mark.parametrize("name", ["01_first_model", "07_builder", "15_onnx"])
def test_a_tutorial_runs_offline(image, offline, name):
    done = run(image, image.python, "binder/warm.py", f"notebooks/{name}.ipynb", environment=offline)
    assert done.returncode == 0, done.stderr


def test_the_first_model_is_trained_in_half_a_minute(image, offline):
    """From the start of a kernel; in processor time, since who else works here is no reader's concern."""
    resource = pytest.importorskip("resource", reason="needs a system that counts processor time")
    notebook = nbformat.read(image.folder / "notebooks" / "01_first_model.ipynb", as_version=4)
    trains = next(i for i, cell in enumerate(notebook.cells) if cell.source.startswith("trained = "))
    notebook.cells = notebook.cells[: trains + 1]
    nbformat.write(notebook, image.folder / "notebooks" / "until_trained.ipynb")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = run(image, image.python, "binder/warm.py", "notebooks/until_trained.ipynb", environment=offline)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 30
