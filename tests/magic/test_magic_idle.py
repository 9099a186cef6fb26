"""What a cell made is worked on when the shell has nothing to do, and not before."""

import threading
import time
from dataclasses import replace

import pytest

from axon_nb.magic import extension, idle


@pytest.fixture
def worked():
    return []


@pytest.fixture
def waiting(notebook_with, library, monkeypatch, worked):
    """A notebook that is idle after a moment, and a signal of work that was begun."""
    monkeypatch.setattr(idle, "WAIT_S", 0.05)
    began = threading.Event()

    def work(model):
        worked.append(model.name)
        began.set()
        raise RuntimeError("of no concern to the user")

    return notebook_with(replace(library, ahead=work)), began


def test_a_model_is_worked_on_once_when_nothing_follows(waiting, worked):
    notebook, began = waiting
    notebook.run("%%axon first\ninput((None, 4)) | dense(2)")
    assert began.wait(20)
    notebook.run("1 + 1")
    time.sleep(0.3)
    assert worked == ["first"]


def test_with_run_all_it_is_the_last_one(waiting, worked, monkeypatch):
    notebook, began = waiting
    monkeypatch.setattr(idle, "WAIT_S", 5.0)
    notebook.run("%%axon first\ninput((None, 4)) | dense(2)")
    notebook.run("2 + 2")
    notebook.run("%%axon second\ninput((None, 4)) | dense(3)")
    assert not worked
    monkeypatch.setattr(idle, "WAIT_S", 0.05)
    notebook.run("3 + 3")
    assert began.wait(20)
    assert worked == ["second"]


def test_a_model_that_does_not_fit_is_not_worked_on(waiting, worked):
    notebook, began = waiting
    notebook.fails("%%axon wrong\ninput((None, 4)) | misfit()")
    assert not began.wait(0.3)


def test_nothing_is_begun_after_the_extension_is_gone(waiting, worked):
    notebook, began = waiting
    notebook.run("%%axon first\ninput((None, 4)) | dense(2)")
    extension.unload(notebook.shell)
    assert not began.wait(0.3)
    notebook.run("1 + 1")
    assert not began.wait(0.3)
