"""The shortcuts for moves by plain numbers make the very graph that tinygrad makes, and refuse what it refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygrad import Tensor
from tinygrad.uop.ops import Ops, UOp, recursive_property

from axon_nb.trace import moves

X = Tensor.empty(4, 6, 8)
KERNEL = Tensor.empty(3, 6, 2, 1)


@pytest.fixture
def without(monkeypatch):
    """Return a function that runs another one as tinygrad alone would."""
    shape = property(lambda self: self.uop.shape)

    def run(function):
        with monkeypatch.context() as patch:
            patch.setattr(UOp, "_mop", moves._mop)
            patch.setattr(Tensor, "_mop", moves._tensor_mop)
            patch.setattr(Tensor, "shape", shape)
            patch.setattr(recursive_property, "__get__", moves._get)
            return function()

    return run


def test_the_shortcuts_are_in_use():
    assert UOp._mop is moves._moved
    assert Tensor._mop is moves._moved_tensor
    assert recursive_property.__get__ is moves._remembered


CHAINS = {
    "reshape": lambda x: x.reshape(8, 24),
    "to one axis": lambda x: x.reshape(-1),
    "to no axes": lambda x: x.shrink(((0, 1), (0, 1), (0, 1))).reshape(()),
    "from no axes": lambda x: x.sum().reshape(1, 1).expand(3, 2),
    "no size": lambda x: x.shrink(((0, 0), None, None)).reshape(0, 48),
    "shrink and pad": lambda x: x.shrink(((1, 3), None, (2, 8))).pad(((2, 0), (0, 1), None)),
    "pad to": lambda x: x.pad_to(4, 8, 8),
    "pad to nothing more": lambda x: x.pad_to(4, 6, 8),
    "expand": lambda x: x.reshape(4, 1, 6, 8).expand(4, 5, 6, 8),
    "permute and flip": lambda x: x.permute(2, 0, 1).flip(0),
    "the same shape": lambda x: x.reshape(4, 6, 8).shrink((None, None, None)).permute(0, 1, 2),
    "repeat": lambda x: x.repeat(1, 2, 3),
    "pool": lambda x: x.max_pool2d((2, 2)),
    "conv": lambda x: x.reshape(4, 6, 4, 2).conv2d(KERNEL, stride=2, padding=1),
    "index": lambda x: x[1:3, ::2, -1],
    "sums": lambda x: x.sum(1).softmax(-1).cumsum(0),
    "constant": lambda x: x.const_like(2.0) + x,
    "stack": lambda x: Tensor.stack(x, x + 1, dim=1),
    "truth": lambda x: x._mop(Ops.FLIP, (True, False, False)),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_the_graph_is_the_same_object(chain, without):
    ours = chain(X)
    assert ours.uop is without(lambda: chain(X)).uop
    sizes = ours.shape
    del ours.uop.__dict__[moves._SHAPE]
    assert sizes == without(lambda: ours.shape)
    assert {type(size) for size in sizes} <= {int}


@settings(max_examples=60)
@given(st.data())
def test_any_moves_make_the_same_graph(data):
    ours, theirs = X, X.uop
    for _ in range(data.draw(st.integers(1, 6))):
        before = ours.shape
        moved = data.draw(st.sampled_from((Ops.RESHAPE, Ops.PERMUTE, Ops.PAD, Ops.SHRINK, Ops.EXPAND)))
        if moved is Ops.RESHAPE:
            arg = tuple(data.draw(st.permutations((*before, 1))))
        elif moved is Ops.PERMUTE:
            arg = tuple(data.draw(st.permutations(range(len(before)))))
        elif moved is Ops.EXPAND:
            arg = tuple(data.draw(st.lists(st.integers(1, 2), max_size=2)))
        elif moved is Ops.PAD:
            sides = [(data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))) for _ in before]
            arg = tuple((low, low + size + high) for (low, high), size in zip(sides, before, strict=True))
        else:
            starts = [data.draw(st.integers(0, size - 1)) for size in before]
            arg = tuple((low, data.draw(st.integers(1, size - low))) for low, size in zip(starts, before, strict=True))
        made = Tensor._mop(ours, moved, arg)
        known = moves._mop(theirs, moved, arg)
        assert made.uop is (known if made is not ours else theirs)
        assert made.shape == known.shape
        ours, theirs = made, made.uop


WRONG = {
    "a size below 0": (Ops.RESHAPE, (-4, -48)),
    "another number of values": (Ops.RESHAPE, (4, 6)),
    "an axis twice": (Ops.PERMUTE, (0, 0, 1)),
    "too few axes": (Ops.PERMUTE, (0, 1)),
    "a pad that cuts": (Ops.PAD, ((0, 3), (0, 6), (0, 8))),
    "a pad that begins before": (Ops.PAD, ((-1, 5), (0, 6), (0, 8))),
    "a cut that adds": (Ops.SHRINK, ((0, 5), (0, 6), (0, 8))),
    "a cut past the end": (Ops.SHRINK, ((3, 2), (0, 6), (0, 8))),
    "a cut of too few axes": (Ops.SHRINK, ((0, 1), (0, 1))),
}


@pytest.mark.parametrize(("op", "arg"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused_in_the_same_words(op, arg, without):
    def told():
        with pytest.raises(ValueError, match=r".") as caught:
            _ = X._mop(op, arg).shape
        return str(caught.value)

    assert told() == without(told)


def test_sizes_that_are_formulas_go_the_usual_way(without):
    n = UOp.variable("n", 1, 4).bind(3)
    chain = lambda: X.shrink(((0, n), None, None)).reshape(n, 48)  # noqa: E731
    assert chain().uop is without(chain).uop
