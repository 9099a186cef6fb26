"""Marks tell places in memory apart, and keep none of them."""

import gc
from weakref import ref

from tinygrad import Tensor

from axon_nb.engine import marks


def of(*tensors):
    return marks([tensor.uop for tensor in tensors])


def made(value):
    return Tensor([value]).realize()


def test_marks_stay_while_numbers_change_in_place():
    tensor, other = made(1.0), made(1.0)
    before = of(tensor, other)
    tensor.assign(made(2.0)).realize()
    assert of(tensor, other) == before
    assert hash(of(tensor, other)) == hash(before)


def test_marks_differ_for_other_places_orders_and_numbers_of_them():
    first, second = made(1.0), made(1.0)
    assert len({of(first), of(second), of(first, second), of(second, first), of(first, first), of()}) == 6


def test_what_waits_to_be_computed_has_another_mark():
    tensor = made(1.0)
    before = of(tensor)
    tensor.assign(tensor + 1)
    assert of(tensor) != before
    tensor.replace(made(3.0))
    assert of(tensor) != before


def test_a_mark_keeps_nothing_alive_and_equals_no_later_place():
    seen = []
    for value in range(50):  # Python soon gives an address again
        tensor = made(float(value))
        watched = ref(tensor.uop)
        seen.append(of(tensor))
        del tensor
        gc.collect(1)  # of what is new: all that other tests left would take seconds, each time
        assert watched() is None
    alive = made(1.0)
    assert all(one != of(alive) for one in seen)
    assert len(set(seen)) == 50
