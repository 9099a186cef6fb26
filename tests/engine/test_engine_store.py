"""A saved step comes back as it was; what is damaged, foreign or out of reach is never used and never stops anybody."""

import os
import stat
import subprocess
import sys
import threading
import warnings

import pytest

from axon_nb.engine import store
from axon_nb.engine.plan import Call, Kernel, Place, Plan

PLAN = Plan(
    (Kernel("first", b"\x7fELF one", 1, -1), Kernel("second", b"\x7fELF two", 2, 3)),
    (
        Call(0, (Place("outer", 0, 0, 64), Place("input", 1, 4, 8)), (0,)),
        Call(1, (Place("inner", 0, 0, 128), Place("outer", 0, 0, 64)), (0,)),
    ),
    (256,),
)
NAME = "0123abcd"
posix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners' modes here")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("AXON_NB_CACHE_DIR", str(tmp_path / "steps"))
    monkeypatch.setattr(store, "_told", False)
    return tmp_path / "steps"


def save():
    store.save(NAME, PLAN, b"runner", {"label": "step"})


def test_what_is_saved_comes_back(folder):
    assert store.load(NAME) is None
    save()
    assert store.load(NAME) == (PLAN, b"runner", {"label": "step"})
    assert store.load("another") is None
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.step", "key"]


@posix
def test_only_the_owner_may_enter(folder):
    save()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def damage_body(folder):
    path = folder / f"{NAME}.step"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut_short(folder):
    path = folder / f"{NAME}.step"
    path.write_bytes(path.read_bytes()[:20])


def rename_another(folder):
    store.save("other", PLAN, b"runner", {})
    (folder / "other.step").replace(folder / f"{NAME}.step")


def other_key(folder):
    (folder / "key").write_bytes(os.urandom(32))


def short_key(folder):
    (folder / "key").write_bytes(b"short")


def empty(folder):
    (folder / f"{NAME}.step").write_bytes(b"")


def a_folder(folder):
    (folder / f"{NAME}.step").unlink()
    (folder / f"{NAME}.step").mkdir(mode=0o700)


@pytest.mark.parametrize(
    "spoil", [damage_body, cut_short, rename_another, other_key, short_key, empty, a_folder], ids=lambda f: f.__name__
)
def test_what_is_damaged_is_not_used_and_said_once(folder, spoil):
    save()
    spoil(folder)
    with pytest.warns(UserWarning, match="compiled steps are not kept"):
        assert store.load(NAME) is None
    assert store.load(NAME) is None  # filterwarnings=error: a second warning would fail here


@posix
@pytest.mark.parametrize("what", ["folder", "file", "key"])
def test_what_others_may_write_is_not_used(folder, what):
    save()
    path = {"folder": folder, "file": folder / f"{NAME}.step", "key": folder / "key"}[what]
    path.chmod(0o777 if what == "folder" else 0o666)
    with pytest.warns(UserWarning, match="others may"):
        assert store.load(NAME) is None


@posix
def test_links_are_not_followed(folder, tmp_path):
    save()
    path = folder / f"{NAME}.step"
    path.replace(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match="not kept"):
        assert store.load(NAME) is None


def test_a_full_disk_leaves_nothing_behind(folder, monkeypatch):
    save()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Path, "replace", full)
    with pytest.warns(UserWarning, match="No space left"):
        store.save("new", PLAN, b"", {})
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.step", "key"]


def test_a_folder_that_cannot_be_made_stops_nobody(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AXON_NB_CACHE_DIR", str(tmp_path / "file" / "steps"))
    with pytest.warns(UserWarning, match="not kept"):
        save()


def test_warnings_as_errors_stop_nobody(folder):
    save()
    damage_body(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load(NAME) is None


def test_the_least_used_goes_when_there_is_no_room(folder, monkeypatch):
    for number, name in enumerate("abc"):
        store.save(name, PLAN, b"", {})
        os.utime(folder / f"{name}.step", (number, number))
    size = (folder / "a.step").stat().st_size
    assert store.load("a") is not None  # used just now
    monkeypatch.setattr(store, "MOST_BYTES", 3 * size)
    store.save("d", PLAN, b"", {})
    assert sorted(path.stem for path in folder.glob("*.step")) == ["a", "c", "d"]


def test_many_writers_at_once_leave_whole_files(folder):
    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load(NAME) == (PLAN, b"runner", {"label": "step"})


TWICE = """
import sys, numpy as np
from tinygrad import Tensor
from axon_nb.engine import Program, steps
lowered = []
original = steps.make_plan
steps.make_plan = lambda *given: lowered.append(1) or original(*given)
weight = Tensor(np.arange(12, dtype="float32").reshape(3, 4)).realize()
program = Program(lambda x: (x @ weight).relu().sum(axis=1), state=[weight])
print(len(lowered), program(Tensor(np.ones((2, 3), "float32"))).tolist(), len(lowered))
"""


def test_another_process_compiles_nothing():
    answers = [
        subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert answers == ["0 [66.0, 66.0] 1", "0 [66.0, 66.0] 0"]


def test_the_switch_turns_it_off(folder):
    settings = {**os.environ, "AXON_NB_CACHE": "0"}
    subprocess.run([sys.executable, "-c", TWICE], env=settings, check=True, capture_output=True)
    assert not folder.exists()
