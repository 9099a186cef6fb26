"""What changed between two models is told, and nothing else."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import deep, examples, models, wide

import axon_nb as ax
from axon_nb.errors import GraphError
from axon_nb.serialize.align import _by_count, common

X = ax.input((None, 4), name="x")


def base():
    return X | ax.dense(4) | ax.relu() | ax.residual(ax.dense(4)) | ax.dense(2)


def test_nothing_changed_is_said():
    same = base().diff(base())
    assert not same
    assert repr(same) == "nothing changed: 6 layers, 50 parameters"
    assert "nothing changed" in same._repr_html_()


def test_an_option_is_told_with_what_it_costs():
    found = (X | ax.dense(2) | ax.dense(3)).diff(X | ax.dense(8, "relu") | ax.dense(3))
    assert found.changed == {
        "dense_0": (
            "units 2 → 8", "activation None → relu", "shape (None, 2) → (None, 8)", "parameters 10 → 40",
        ),
        "dense_1": ("parameters 9 → 27",),
    }  # fmt: skip
    assert found.totals == (
        ("Parameters", "19", "67"), ("Size", "76 bytes", "268 bytes"), ("Multiply-adds", "14", "56"),
    )  # fmt: skip
    assert found.summary == "2 changed; 1 the same"


def test_a_layer_in_between_changes_no_other():
    longer = X | ax.dense(4) | ax.dense(4) | ax.relu() | ax.residual(ax.dense(4)) | ax.dense(2)
    found = base().diff(longer)
    assert (len(found.added), found.removed, found.changed) == (1, (), {})
    back = longer.diff(base())
    assert (back.added, len(back.removed), back.changed) == ((), 1, {})


CHANGES = [
    (lambda: base().freeze("dense_0"), {"dense_0": ("frozen",)}),
    (
        lambda: X | ax.dense(4, name="first") | ax.relu() | ax.residual(ax.dense(4)) | ax.dense(2),
        {"first": ("name dense_0 → first",)},
    ),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=["frozen", "renamed"])
def test_other_changes_are_told(change, told):
    found = base().diff(change())
    assert found.changed == told
    assert (found.added, found.removed) == ((), ())


def test_wiring_and_sharing_are_told():
    twin = ax.dense(4)
    own, shared = X | ax.dense(4) | ax.dense(4), X | twin | twin
    assert own.diff(shared).changed == {"dense_0#2": ("parameters 20 → 0", "shares with dense_0")}
    assert shared.diff(own).changed == {"dense_1": ("parameters 0 → 20", "weights of its own")}
    h = X | ax.relu()
    assert (h + X).diff(h + h).changed == {"add_0": ("reads relu_0, relu_0",)}
    a, b = X | ax.dense(2), X | ax.dense(3)
    assert ax.outputs(a, b).diff(ax.outputs(p=a, q=b)).summary == "other outputs; 3 the same"


def test_functions_are_told_apart_by_what_they_are():
    double = lambda x: x * 2  # noqa: E731 - what is tested
    assert not (X | double).diff(X | double)
    assert (X | double).diff(X | (lambda x: x * 3)).changed == {"function_0": ("another function",)}


def test_a_model_that_does_not_fit_is_compared_too():
    broken = X | ax.reshape((3, 3)) | ax.dense(2)
    found = (X | ax.dense(2)).diff(broken)
    assert found.added == ("reshape_0",)
    assert "not reached" in str(found)


def test_only_models_are_compared():
    with pytest.raises(GraphError, match=r"diff compares two models\n  got: 3"):
        ax.diff(X, 3)


def test_the_page_is_safe_and_suits_dark_themes():
    html = (X | ax.relu(name="<b>")).diff(X | ax.dense(2, name="<script>"))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "color:black" not in html
    assert "background:white" not in html


@given(a=models(), b=models())
@examples(15)
def test_any_two_models_can_be_compared(a, b):
    assert not a.diff(a)
    found = a.diff(b)
    assert bool(found) or a.equals(b)
    assert str(found)
    assert found._repr_html_()
    assert len(b.diff(a).added) == len(found.removed)


def longest(a, b):
    best = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            best[i + 1][j + 1] = best[i][j] + 1 if x == y else max(best[i][j + 1], best[i + 1][j])
    return best[-1][-1]


@given(a=st.text("abc", max_size=9), b=st.text("abc", max_size=9))
@examples(300)
def test_what_sequences_have_in_common(a, b):
    found = common(a, b)
    assert len(found) == longest(a, b)
    for pairs in (found, _by_count([*map(ord, a)], [*map(ord, b)])):
        assert all(a[i] == b[j] for i, j in pairs)
        assert all(i < k and j < m for (i, j), (k, m) in itertools.pairwise(pairs))


def test_sequences_with_little_in_common_are_paired_quickly():
    rng = random.Random(0)
    a, b = ([rng.randrange(500) for _ in range(5000)] for _ in range(2))
    assert len(common(a, b)) > 50


def test_large_models_are_compared():
    changed = deep(500) | ax.dense(4)
    for _ in range(499):
        changed = changed | ax.relu()
    found = deep(1000).diff(changed)
    assert (found.added, len(found.removed), found.changed) == (("dense_0",), 1, {})
    assert len(str(wide(300).diff(deep(1000))).splitlines()) < 220
