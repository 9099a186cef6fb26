"""Every broken model is told apart by its layer and shapes, and is offered fixes that work."""

from collections import Counter

import pytest
from broken_models import BROKEN

from axon_nb.errors import AxonError, Fix
from axon_nb.graph import Model
from axon_nb.shapes import show
from axon_nb.trace import report, trace

AGREEMENT = 0.9
"""The share of mistakes for which the first fix is the one that a teacher would give."""


def error_of(broken):
    with pytest.raises(AxonError) as caught:
        _ = broken.build().output_shape
    return caught.value


def is_teachers(broken, fix):
    return any(words in fix for words in broken.teacher.split("|"))


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_model_is_explained_and_mended(broken):
    error = error_of(broken)
    _, _, number = broken.layer.rpartition("_")
    assert (f"'{broken.layer}'" if number.isdigit() or "#" in broken.layer else broken.layer) in error.where
    assert "broken_models.py line" in error.where
    assert error.fixes
    assert error.got
    assert f"\n  got: {error.got}" in str(error)
    assert all(isinstance(fix, Fix) for fix in error.fixes)
    for fix in error.fixes:
        assert isinstance(fix.model, Model)
        assert trace(fix.model).check().output_shape
        assert f"\n  fix: {fix.text}" in str(error)
    assert len(set(error.fixes)) == len(error.fixes) <= 3


@pytest.mark.parametrize("broken", [b for b in BROKEN if "_" in b.layer], ids=lambda broken: broken.name)
def test_shapes_are_shown_up_to_the_layer_that_does_not_fit(broken):
    known = report(broken.build())
    failed = [row for row in known.rows if row.status == "failed"]
    assert [row.name for row in failed] == [broken.layer]
    reached = known.rows[: known.rows.index(failed[0])]
    assert all(row.status == "ok" and row.shape is not None for row in reached)
    assert all(row.status == "pending" for row in known.rows[known.rows.index(failed[0]) + 1 :])
    parents = {row.key: row for row in known.rows}
    shapes = [show(parents[key].shape) for key in failed[0].parents]
    assert all(shape in known.error.got for shape in shapes)


def test_the_first_fix_is_mostly_that_of_a_teacher():
    others = [(b.name, error_of(b).fixes[0]) for b in BROKEN if not is_teachers(b, error_of(b).fixes[0])]
    assert len(BROKEN) >= 80
    assert len(others) <= (1 - AGREEMENT) * len(BROKEN), others


def test_no_mistake_stands_in_the_table_twice():
    assert max(Counter(broken.name for broken in BROKEN).values()) == 1
