"""One lock lets a thread train while another predicts."""

import contextlib
import sqlite3
import threading
import time

import numpy as np
import pytest
from tinygrad import Tensor, helpers, nn

from axon_nb.engine import RUNTIME, Program, exclusive, lock


def test_exclusive_holds_the_lock():
    @exclusive
    def held():
        """Say whether another thread could take the lock."""
        free = []
        thread = threading.Thread(target=lambda: free.append(RUNTIME.acquire(blocking=False)))
        thread.start()
        thread.join()
        return free[0]

    assert held() is False
    assert held.__name__ == "held"
    assert held.__doc__.startswith("Say whether")


def test_a_thread_trains_while_another_predicts():
    rng = np.random.default_rng(0)
    x, y = Tensor(rng.random((64, 20), "float32")).realize(), Tensor(rng.integers(0, 10, 64)).realize()
    weights = [Tensor((rng.standard_normal(shape) * 0.1).astype("float32")).realize() for shape in ((20, 16), (16, 10))]
    optimizer = nn.optim.Adam(weights)

    def network(x):
        return (x @ weights[0]).relu() @ weights[1]

    def train(x, y):
        optimizer.zero_grad()
        loss = network(x).sparse_categorical_crossentropy(y)
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    step = Program(train, state=lambda: [*weights, *nn.state.get_parameters(optimizer)], training=True)
    predict = Program(lambda x: network(x).softmax(), state=weights)
    losses, failures, stop = [step(x, y).item()], [], threading.Event()
    predict.prepare(x)

    def work():
        try:
            while not stop.is_set():
                with RUNTIME:
                    losses.append(step(x, y).item())
                time.sleep(0)  # lets the other one have the lock
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    end, rounds = time.monotonic() + 3, 0
    try:
        while time.monotonic() < end:
            rounds += 1
            with RUNTIME:
                assert abs(predict(x).numpy().sum() - 64) < 1e-2
                # New kernels from this thread: the cache's connection belongs to both.
                assert (Tensor.ones(4, rounds % 20 + 1).contiguous() * 2).sum().item() == 8 * (rounds % 20 + 1)
                assert helpers.TRAINING.value == 0
    finally:
        stop.set()
        thread.join()
    assert not failures
    assert rounds > 3
    assert len(losses) > 3
    assert losses[-1] < losses[0]


def test_the_cache_can_be_used_from_any_thread():
    failures = []

    def use():
        try:
            with RUNTIME:
                helpers.diskcache_put("axon_test", "key", 3)
                assert helpers.diskcache_get("axon_test", "key") == 3
        except BaseException as error:
            failures.append(error)

    for _ in range(2):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()
    assert not failures


@pytest.fixture
def fresh_connection(monkeypatch):
    monkeypatch.setattr(helpers, "_db_connection", None)
    yield
    if helpers._db_connection is not None:
        helpers._db_connection.close()


def test_the_cache_is_opened_as_tinygrad_would(fresh_connection, monkeypatch, tmp_path):
    monkeypatch.setattr(helpers, "CACHEDB", str(tmp_path / "deep" / "cache.db"))
    connection = helpers.db_connection()
    assert helpers.db_connection() is connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert (tmp_path / "deep" / "cache.db").exists()


def test_without_a_place_for_the_cache_it_is_in_memory(fresh_connection, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(helpers, "CACHEDB", str(tmp_path / "file" / "cache.db"))
    monkeypatch.setattr(helpers, "_db_tables", set())
    helpers.diskcache_put("axon_test", "key", 3)
    assert helpers.diskcache_get("axon_test", "key") == 3


def test_a_connection_opened_before_is_opened_anew(monkeypatch, tmp_path):
    own = []
    thread = threading.Thread(target=lambda: own.append(sqlite3.connect(tmp_path / "cache.db", timeout=1)))
    thread.start()
    thread.join()
    monkeypatch.setattr(helpers, "_db_connection", own[0])
    monkeypatch.setattr(helpers, "db_connection", lambda: own[0])
    monkeypatch.setattr(helpers, "CACHEDB", str(tmp_path / "cache.db"))
    lock.share_cache()
    connection = helpers.db_connection()
    assert connection is not own[0]
    lock.share_cache()
    assert helpers.db_connection() is connection
    connection.close()


def test_an_open_transaction_is_ended(fresh_connection, monkeypatch, tmp_path):
    path = tmp_path / "cache.db"
    monkeypatch.setattr(helpers, "CACHEDB", str(path))
    helpers.db_connection().execute("CREATE TABLE 'a' (b)")
    helpers.db_connection().execute("INSERT INTO 'a' VALUES (1)")
    with contextlib.closing(sqlite3.connect(path, timeout=0.1)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO 'a' VALUES (2)")
        lock.settle_cache()
        other.execute("INSERT INTO 'a' VALUES (2)")
        other.commit()
        assert other.execute("SELECT count(*) FROM 'a'").fetchone() == (2,)
