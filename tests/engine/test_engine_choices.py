"""Kernels that tinygrad lays out badly for a CPU are laid out otherwise, and give the same numbers."""

import re

import numpy as np
import pytest
from tinygrad import Device, Tensor
from tinygrad.codegen.opt import OptOps, heuristic
from tinygrad.codegen.opt.postrange import Scheduler
from tinygrad.helpers import Context

from axon_nb.engine import SETTINGS, Program, choices
from axon_nb.engine.llvm import LlvmliteCompiler


def numbers(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype("float32")).realize()


@pytest.fixture
def chosen(monkeypatch):
    """What the kernels that are compiled from here on become: for each, what is computed together."""
    seen = []
    choose = heuristic.hand_coded_optimizations

    def noting(kernel):
        laid_out = choose(kernel)
        seen.append([(opt.op, opt.arg) for opt in laid_out.applied_opts if opt.op is OptOps.UPCAST])
        return laid_out

    monkeypatch.setattr(heuristic, "hand_coded_optimizations", noting)
    monkeypatch.setattr(SETTINGS, "cache", False)
    return seen


def run(function, *tensors):
    result = Program(function)(*tensors)
    return [one.numpy() for one in (result if isinstance(result, tuple) else (result,))]


CASES = {
    # what is computed, of what shapes, and how many numbers its first kernel computes together
    "a sum over rows": (lambda x: x.sum(0), [(301, 64)], [16]),
    "of few columns": (lambda x: x.sum(0), [(301, 12)], [4]),
    "over two axes": (lambda x: x.sum((0, 1)), [(7, 43, 64)], [16]),
    "the largest of rows": (lambda x: x.max(0), [(301, 80)], [16]),
    "of two in the same order": (lambda x, y: (x * y).sum(0), [(301, 48), (301, 48)], [16]),
    "beside a number for each row": (lambda x, y: (x * y).sum(0), [(302, 64), (302, 1)], [16]),
    "of one that is turned": (lambda x, y: (x + y.T).sum(0), [(303, 64), (64, 303)], [16]),
    "turned": (lambda x: x.T.contiguous(), [(132, 64)], [16, 4]),
    "turned, of odd sizes": (lambda x: x.T.contiguous(), [(133, 72)], [8]),
    "turned and computed": (lambda x: (x * 2 + 1).permute(0, 2, 1).contiguous(), [(3, 36, 80)], [16, 4]),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers_that_lie_side_by_side_are_computed_together(name, chosen):
    function, shapes, expected = CASES[name]
    tensors = [numbers(*shape, seed=n) for n, shape in enumerate(shapes)]
    found = run(function, *tensors)
    assert [lanes for _, lanes in chosen[0]] == expected
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "fast", False)
        plain = run(function, *tensors)
    for mine, theirs in zip(found, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: x.max(1), (64, 301)),  # that of vectors would have to know what to do with NaN
        (lambda x: x.sum(0), (301, 7)),
        (lambda x: x.sum(1), (301, 7)),
        (lambda x: x.T.contiguous(), (6, 7)),
    ],
    ids=["the largest of a row", "seven columns", "rows of seven", "turned, six"],
)
def test_others_are_left_to_tinygrad(function, shape, monkeypatch):
    asked = []
    monkeypatch.setattr(choices, "_laid_out", lambda *given: asked.append(given))
    monkeypatch.setattr(SETTINGS, "cache", False)
    run(function, numbers(*shape, seed=5))
    assert not asked


IN_ORDER = {
    "in order": (lambda x: (x * 2).sigmoid(), [(64, 65)]),
    "with a number for each column": (lambda x, y: (x + y).gelu(), [(64, 65), (1, 65)]),
    "a sum along rows": (lambda x: x.exp().sum(1), [(64, 301)]),
    "a mean of squares": (lambda x, y: (x - y).square().mean(1), [(64, 301), (64, 1)]),
}


@pytest.mark.parametrize("name", IN_ORDER)
def test_plain_loops_are_left_to_llvm_which_makes_vectors_of_them(name, chosen, monkeypatch):
    function, shapes = IN_ORDER[name]
    sources = []
    compile_ = LlvmliteCompiler.compile
    monkeypatch.setattr(LlvmliteCompiler, "compile", lambda self, src: sources.append(src) or compile_(self, src))
    tensors = [numbers(*shape, seed=n) for n, shape in enumerate(shapes)]
    with Context(CACHELEVEL=0):
        found = run(function, *tensors)
    assert chosen[0] == []
    assert re.search(r"<(8|16|4) x float>", optimised(sources[0]))
    expected = function(*(one.cast("float64") for one in tensors)).numpy()
    np.testing.assert_allclose(found[0], expected, rtol=2e-6, atol=1e-6)


def optimised(source):
    """What LLVM makes of a kernel."""
    compiler = Device["CPU"].compiler
    with compiler._llvm.create_context() as context, compiler._llvm.parse_assembly(source, context) as module:
        compiler._optimize(module)
        return str(module)


def test_a_large_kernel_computes_fewer_numbers_together(chosen):
    def pooled(x):
        total, *others = (x[:, :, i:10:2, j:10:2] for i in (0, 1) for j in (0, 1))
        for other in others:
            total = total.maximum(other)
        border = (None, None, (1, 1), (1, 1))
        return (total.pad(border) * 2 + (total * 3).pad(border)).contiguous()

    x = numbers(4, 8, 11, 11)
    (found,) = run(pooled, x)
    assert chosen == [[(OptOps.UPCAST, 7)]]  # of 7 x 7, which tinygrad would take together
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SETTINGS, "fast", False)
        (plain,) = run(pooled, x)
    np.testing.assert_allclose(found, plain, rtol=1e-5)


def test_off_with_the_fast_step(monkeypatch, chosen):
    monkeypatch.setattr(SETTINGS, "fast", False)
    run(lambda x: x.sum(0), numbers(311, 64))
    assert (OptOps.UPCAST, 16) not in chosen[0]


def test_installed_once():
    before = heuristic.hand_coded_optimizations
    choices.install()
    assert heuristic.hand_coded_optimizations is before


def test_a_device_of_another_kind_is_left_alone(monkeypatch):
    graph = []
    choose = heuristic.hand_coded_optimizations
    monkeypatch.setattr(
        heuristic, "hand_coded_optimizations", lambda kernel: graph.append(kernel.ast) or choose(kernel)
    )
    monkeypatch.setattr(SETTINGS, "cache", False)
    run(lambda x: x.sum(0), numbers(313, 64))
    with Context(ALLOW_DEVICE_USAGE=1):
        other = Device["PYTHON"].renderer
    laid_out = choose(Scheduler(graph[0], other))
    assert not any(opt.op is OptOps.UPCAST and opt.arg == 16 for opt in laid_out.applied_opts)
