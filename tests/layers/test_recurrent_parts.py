"""Recurrent layers on several threads: kernels in parts give the numbers of one part, for every batch and cell."""

from __future__ import annotations

import numpy as np
import pytest
from tinygrad import Tensor
from tinygrad.helpers import Context
from tinygrad.uop.ops import AxisType, Ops, UOp

import axon_nb as ax
from axon_nb.engine import SETTINGS
from axon_nb.functional import conv_lstm, gru, lstm, rnn, scan_serial
from axon_nb.functional.scan import scan
from axon_nb.functional.scan_cell import Cell
from axon_nb.functional.scan_serial import share_of

GATES = {lstm: 4, gru: 3, rnn: 1}
TIME, WITHIN, UNITS = 3, 2, 6


@pytest.fixture(autouse=True)
def _parts_of_anything(monkeypatch):
    """Share out work that is too little to be worth it."""
    monkeypatch.setattr(scan_serial, "_LEAST", 1)


def numbers(*shape: int, dtype: str = "float32") -> Tensor:
    return Tensor((np.random.default_rng(shape).normal(size=shape) * 0.5).astype(dtype))


def tensors(cell, batch: int, dtype: str = "float32") -> dict[str, Tensor]:
    wide = GATES[cell] * UNITS
    shapes = {
        "x": (batch, TIME, WITHIN),
        "kernel": (WITHIN, wide),
        "recurrent_kernel": (UNITS, wide),
        "bias": (wide,),
        "hidden": (batch, UNITS),
        "cell": (batch, UNITS),
    }
    return {name: numbers(*shape, dtype=dtype) for name, shape in shapes.items()}


def run(cell, t: dict[str, Tensor], **options) -> Tensor:
    """Make one number of all outputs and last states."""
    t = dict(t)
    states = t.pop("hidden"), t.pop("cell")
    sequence, ends = cell(**t, initial=states if cell is lstm else states[0], **options)
    weighted = sequence * numbers(*sequence.shape, dtype="float32")
    return weighted.sum() + sum(end.square().sum() for end in ends)


def gradients(function, t: dict[str, Tensor], threads: int) -> tuple[dict[str, np.ndarray], set[int]]:
    """Return the number, its gradients, and in how many parts the kernels of scans were."""
    with Context(NUM_CPU_THREADS=threads):
        total = function(t)
        used = {name: one for name, one in t.items() if one.uop in total.uop.toposort()}
        found = [total, *total.gradient(*used.values())]
        parts = parts_of(*found)
        Tensor.realize(*found)
        return {name: one.numpy() for name, one in zip(["total", *used], found, strict=True)}, parts


def parts_of(*tensors: Tensor) -> set[int]:
    calls = [uop for uop in UOp.sink(*(one.uop for one in tensors)).toposort() if uop.op is Ops.CALL]
    sinks = [call.src[0] for call in calls if call.src[0].op is Ops.SINK and call.src[0].arg.name.startswith("scan")]
    return {threads_of(sink) for sink in sinks}


def threads_of(sink: UOp) -> int:
    sizes = {u.vmax + 1 for u in sink.toposort() if u.op is Ops.RANGE and u.arg[-1] is AxisType.THREAD}
    assert len(sizes) <= 1
    return int(sizes.pop()) if sizes else 1


def same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], tol: float = 1e-6) -> None:
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=tol, atol=tol, err_msg=name)


@pytest.mark.parametrize(
    ("batch", "threads", "parts"), [(1, 4, 1), (7, 2, 7), (8, 2, 2), (62, 2, 31), (63, 2, 9), (64, 3, 8), (96, 2, 4)]
)
def test_samples_are_shared_out(batch, threads, parts):
    assert batch // share_of(batch, 1 << 30, threads) == parts


def test_little_work_is_not_shared_out(monkeypatch):
    monkeypatch.setattr(scan_serial, "_LEAST", 1000)
    assert [share_of(64, work, threads=4) for work in (0, 1000, 3999, 4000, 64000)] == [64, 64, 32, 16, 16]
    assert share_of(64, 1 << 30, threads=1) == 64


@pytest.mark.parametrize(("cell", "batch", "parts"), [(lstm, 1, 1), (lstm, 7, 7), (lstm, 8, 2), (rnn, 6, 2)])
def test_several_threads_give_the_numbers_of_one(cell, batch, parts):
    t = tensors(cell, batch)
    expected, one = gradients(lambda t: run(cell, t), t, threads=1)
    got, several = gradients(lambda t: run(cell, t), t, threads=2)
    assert (one, several) == ({1}, {parts})
    same(got, expected)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [lstm, gru])
def test_a_mask_is_each_samples_own(cell):
    t = tensors(cell, 6)
    mask = Tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 0, 1]])
    expected, _ = gradients(lambda t: run(cell, t, mask=mask, unroll=True), t, threads=1)
    got, parts = gradients(lambda t: run(cell, t, mask=mask), t, threads=3)
    assert parts == {3}
    same(got, expected, tol=1e-5)


@pytest.mark.slow
def test_double_precision_is_shared_out_too():
    t = tensors(lstm, 6, "float64")
    expected, _ = gradients(lambda t: run(lstm, t), t, threads=1)
    got, parts = gradients(lambda t: run(lstm, t), t, threads=2)
    assert parts == {2}
    assert got["recurrent_kernel"].dtype == np.float64
    same(got, expected, tol=1e-12)


@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_a_gradient_that_needs_not_all_buffers(activation):
    """The number of a part comes after those that are used; a wrong one is a wrong address."""
    t = tensors(rnn, 6)
    expected, _ = gradients(lambda t: run(rnn, t, activation=activation, unroll=True), t, threads=1)
    got, parts = gradients(lambda t: run(rnn, t, activation=activation), t, threads=2)
    assert parts == {2}
    same(got, expected, tol=1e-5)


def test_where_an_unused_buffer_stands_before_a_used_one_there_is_one_part():
    cell = Cell(lambda x, h, states: (x[0] + h[0] + states[0] * states[0],), gates=1, states=1)
    t = {"projected": numbers(4, 3, 2), "kernel": numbers(2, 2), "first": numbers(4, 2)}

    def function(t):
        return scan(cell, t["projected"], t["kernel"], [t["first"]]).square().sum()

    expected, _ = gradients(function, t, threads=1)
    got, parts = gradients(function, t, threads=2)
    assert parts == {1, 2}
    same(got, expected)


@pytest.mark.slow
def test_maps_are_shared_out_by_samples():
    shapes = {
        "x": (4, 2, 2, 4, 5),
        "kernel": (12, 2, 3, 3),
        "recurrent_kernel": (12, 3, 3, 3),
        "bias": (12,),
    }
    t = {name: numbers(*shape) for name, shape in shapes.items()}
    expected, _ = gradients(lambda t: conv_lstm(**t)[0].square().sum(), t, threads=1)
    got, parts = gradients(lambda t: conv_lstm(**t)[0].square().sum(), t, threads=2)
    assert parts == {2}
    same(got, expected, tol=1e-5)


@pytest.mark.slow
def test_a_cell_without_bias():
    t = tensors(lstm, 6)
    del t["bias"]
    expected, _ = gradients(lambda t: run(lstm, t), t, threads=1)
    got, _ = gradients(lambda t: run(lstm, t), t, threads=2)
    same(got, expected)
    assert "bias" not in got


@pytest.mark.slow
def test_only_cells_that_add_have_one_gradient_for_both():
    """A gated unit multiplies a product before it adds: what is projected has another gradient."""
    t = tensors(gru, 6)
    got, _ = gradients(lambda t: run(gru, t), t, threads=2)
    expected, _ = gradients(lambda t: run(gru, t, unroll=True), t, threads=1)
    same(got, expected, tol=1e-5)


@pytest.mark.parametrize("fast", [True, False])
def test_two_models_at_once_with_and_without_the_fast_step(fast, monkeypatch):
    monkeypatch.setattr(SETTINGS, "fast", fast)
    x = np.random.default_rng(0).normal(size=(6, TIME, WITHIN)).astype(np.float32)
    model = ax.input((None, TIME, WITHIN)) | ax.lstm(UNITS) | ax.gru(UNITS, return_sequence=False)
    other = ax.input((None, TIME, WITHIN)) | ax.rnn(UNITS, return_sequence=False)
    params, others = model.init(seed=1), other.init(seed=1)
    with Context(NUM_CPU_THREADS=1):
        expected = model.predict(params, x), other.predict(others, x)
    with Context(NUM_CPU_THREADS=2):
        for _ in range(3):
            np.testing.assert_allclose(model.predict(params, x), expected[0], rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(other.predict(others, x), expected[1], rtol=1e-6, atol=1e-6)
