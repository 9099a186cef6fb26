"""Data that fits on a device is uploaded once, and its batches are cut there, with the numbers of those cut here."""

import numpy as np
import pytest

import axon_nb as ax
from axon_nb.training import shelf
from axon_nb.training.shelf import Cut, Shelf

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
Y = (X.sum(1) > 0).astype("int64")
MODEL = ax.input((None, 3), name="x") | ax.dense(4, "relu") | ax.dropout(0.2) | ax.dense(2, "softmax")
OTHER = "CPU:1"


def fit(data=(X, Y), device=OTHER, **options):
    given = {
        "loss": "categorical_cross_entropy",
        "batch_size": 8,
        "epochs": 3,
        "progress": False,
        "metrics": ["accuracy"],
    }
    return MODEL.fit(data, device=device, **{**given, **options})


def uploads(monkeypatch):
    found, original = [], shelf.upload
    monkeypatch.setattr(shelf, "upload", lambda array, device: found.append(array.shape) or original(array, device))
    return found


@pytest.mark.parametrize("weights", [False, True])
def test_numbers_are_those_of_batches_cut_on_the_host(weights, monkeypatch):
    data = (X, Y, np.linspace(0.5, 1, 20)) if weights else (X, Y)
    found = uploads(monkeypatch)
    here = fit(data, validation=(X[:6], Y[:6]))
    assert found.count((20, 3)) == found.count((6, 3)) == 1
    monkeypatch.setattr(shelf, "MOST_BYTES", 0)
    there = fit(data, validation=(X[:6], Y[:6]))
    assert here.history == there.history
    for path, leaf in here.params.leaves.items():
        np.testing.assert_array_equal(leaf.tensor.numpy(), there.params.leaves[path].tensor.numpy())


def test_the_cpus_own_memory_is_cut_by_numpy(monkeypatch):
    found = uploads(monkeypatch)
    fit(device="CPU")
    assert found == []


def test_the_oldest_data_makes_room(monkeypatch):
    monkeypatch.setattr(shelf, "MOST_BYTES", 3 * X.nbytes)
    found = uploads(monkeypatch)
    kept = Shelf(OTHER)
    sources = [[X], [X + 1], [X + 2], [X + 3]]
    for source in (*sources, *sources[2:], sources[0]):
        [taken] = kept.take(Cut(source, np.array([1, 19, 1])), [None])
        np.testing.assert_array_equal(taken.numpy(), source[0][[1, 19, 1]])
    assert found.count((20, 3)) == 5  # only the first had to go, and came again


def test_data_that_is_too_large_stays_here(monkeypatch):
    monkeypatch.setattr(shelf, "MOST_BYTES", X.nbytes - 1)
    assert not Shelf(OTHER).fits(Cut([X], np.arange(2)))
    assert not Shelf(OTHER).fits(None)
