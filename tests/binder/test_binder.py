"""What Binder makes of this repository."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHON = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")


def pins():
    lines = [line.partition("#")[0].strip() for line in (BINDER / "requirements.txt").read_text().splitlines()]
    return {one.name.lower(): one for one in map(Requirement, filter(None, lines))}


@pytest.fixture(scope="module")
def dockerfile():
    pytest.importorskip("repo2docker", reason="needs jupyter-repo2docker")
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"python={PYTHON}" in done.stderr
    return done.stdout


def test_python_is_one_that_the_package_supports(dockerfile):
    assert f"Programming Language :: Python :: {PYTHON}" in PROJECT["classifiers"]
    assert f"environment-2epy-2d{PYTHON.replace('.', '-2e')}-2d" in dockerfile  # the lock file of that Python


def test_packages_come_before_the_repository_and_postbuild_after(dockerfile):
    """So a change of the package leaves the layer with its requirements in the cache."""
    steps = [
        "requirements.txt ${REPO_DIR}/binder/requirements.txt",
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "COPY --chown",
        "RUN ./binder/postBuild",
    ]
    places = [dockerfile.index(steps[0]), dockerfile.index(steps[1])]
    places.append(dockerfile.index(steps[2], places[-1]))
    places.append(dockerfile.index(steps[3]))
    assert places == sorted(places)
    assert "pip install --no-cache-dir -e" not in dockerfile


@pytest.mark.parametrize(
    "text", [*PROJECT["dependencies"], *(PROJECT["optional-dependencies"][x][0] for x in ("onnx",)),
             *PROJECT["optional-dependencies"]["lab"]],
)  # fmt: skip
def test_every_dependency_is_pinned_within_its_range(text):
    needed = Requirement(text)
    pin = pins()[needed.name.lower()]
    [exact] = pin.specifier
    assert exact.operator == "=="
    assert needed.specifier.contains(exact.version)


def test_requirements_hold_nothing_else():
    assert "-e" not in (BINDER / "requirements.txt").read_text().split()
    known = [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["lab"],
        *PROJECT["optional-dependencies"]["onnx"],
    ]
    assert set(pins()) == {Requirement(text).name.lower() for text in known}


def run_post_build(tmp_path, failing=""):
    """Run postBuild with stand-ins that note how they were called; return those calls and the exit status."""
    notes = tmp_path / "calls"
    for name in ("pip", "jupyter", "python"):
        tool = tmp_path / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >> "{notes}"\nexit {int(name == failing)}\n')
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([BINDER / "postBuild"], cwd=ROOT, env={**os.environ, "PATH": path}, timeout=30)
    return notes.read_text().splitlines(), done.returncode


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_post_build_installs_trusts_and_warms(tmp_path):
    calls, code = run_post_build(tmp_path)
    assert code == 0
    assert calls[0] == "pip install --no-deps ."
    trusted = calls[1].removeprefix("jupyter trust ").split()
    assert set(trusted) == {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    command, script, *warmed = calls[2].split()
    assert (command, script) == ("python", "binder/warm.py")
    assert warmed
    assert all((ROOT / path).exists() for path in (script, *warmed))


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(("failing", "calls"), [("pip", 1), ("jupyter", 2), ("python", 3)])
def test_a_step_that_fails_ends_the_build(tmp_path, failing, calls):
    made, code = run_post_build(tmp_path, failing)
    assert (len(made), code) == (calls, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "code"), [("open('ran', 'w').close()", 0), ("1 / 0", 1)])
def test_warming_runs_a_notebook_and_leaves_the_file_alone(tmp_path, source, code):
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="one")]), path)
    before = path.read_bytes()
    done = subprocess.run([sys.executable, BINDER / "warm.py", path], capture_output=True, timeout=120)
    assert done.returncode == code
    assert (tmp_path / "ran").exists() == (code == 0)
    assert path.read_bytes() == before


def test_badges_open_the_first_tutorial():
    links = re.findall(r"https://mybinder\.org/v2/gh/[^)\s]+", (ROOT / "README.md").read_text())
    assert links
    repository = PROJECT["urls"]["Homepage"].removeprefix("https://github.com/")
    for link in links:
        assert f"/gh/{repository}/" in link
        target = link.split("urlpath=lab/tree/")[1]
        assert (ROOT / target).exists()
