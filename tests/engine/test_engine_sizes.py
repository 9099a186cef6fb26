"""The shortcut for sizes that are plain numbers gives what tinygrad gives."""

import pytest
from tinygrad import Tensor
from tinygrad.uop.ops import UOp

from axon_nb.engine import sizes

ROWS = [(), (3,), (1, 2, 3), (-1, 0, 2**40), (7, 7, 7, 7)]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("other", ROWS)
def test_plain_sizes_are_left_as_they_are(row, other):
    both = UOp.sink(*(UOp.stack(*map(UOp.const, one)) if one else UOp.const(5) for one in (row, other)))
    assert UOp.simplify is sizes._shortcut
    assert both.simplify() is both
    assert sizes._simplify(both) is both


def test_formulas_are_simplified_still():
    n = UOp.variable("n", 1, 10)
    assert UOp.sink((n * 2) // 2).simplify() is UOp.sink(n)
    assert sizes._shortcut(UOp.sink((n * 2) // 2)) is sizes._simplify(UOp.sink((n * 2) // 2))


def test_the_shape_of_what_is_moved_about_is_the_same():
    x = Tensor.empty(4, 6, 8)
    assert x.reshape(8, 24).shrink(((1, 5), None)).pad(((2, 0), (0, 1))).shape == (6, 25)
