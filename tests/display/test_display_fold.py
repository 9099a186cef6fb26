"""Folding: what repeats is found, what doesn't look alike is not, and nothing is lost."""

from __future__ import annotations

import time

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from axon_nb.display.fold import Entry, Group, outline, params_of
from axon_nb.display.repeats import Repeat, Sequence, find_repeats


def folds(report):
    groups = [item for item in outline(report).items if isinstance(item, Group) and item.times > 1]
    return [(group.first.name, group.times, group.rows // group.times, group.parallel) for group in groups]


def counted(report, *, unfold):
    return sum(entry.params * entry.copies for entry in outline(report, unfold=unfold).entries)


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (samples.mnist(), []),
        (samples.cnn(), []),
        (samples.gan(), []),
        (samples.chain(12), [("dense_0", 6, 2, False)]),
        (samples.chain(1000), [("dense_0", 500, 2, False)]),
        (samples.chain(1000, alike=False), []),
        (samples.blocks(6), [("dense_1", 6, 4, False)]),
        (samples.blocks(6, named=True), [("block_0.dense_0", 6, 4, False)]),
        (samples.branches(300), [("dense_0", 300, 1, True)]),
        (
            samples.resnet50(),
            [("conv_5", 2, 10, False), ("conv_15", 3, 10, False), ("conv_28", 5, 10, False), ("conv_47", 2, 10, False)],
        ),
    ],
    ids=["mlp", "cnn", "gan", "6x2", "500x2", "different", "residual", "named", "parallel", "resnet"],
)
def test_repeats_are_found(report, expected):
    assert folds(report) == expected


def test_resnet50_has_the_published_number_of_parameters():
    # 25,557,032: torchvision.models.resnet50, and Keras without its conv biases.
    assert samples.resnet50().totals.trainable == 25_557_032


@pytest.mark.parametrize(
    "make", [samples.mnist, samples.gan, samples.blocks, samples.branches, samples.resnet50, samples.chain]
)
def test_folding_keeps_the_total(make):
    report = make()
    total = sum(params_of(row) for row in report.rows)
    assert counted(report, unfold=False) == counted(report, unfold=True) == total
    outlined = outline(report)
    assert len(outlined.entries) + len(outlined.shown) == len(report.rows)


def test_skip_connection_out_of_a_repeat_keeps_it_apart():
    rows = samples.Rows()
    rows.input("x", None, 64)
    for _ in range(12):
        rows.dense(64, 64)
    rows.add("add", "combine", (None, 64), parents=["dense_11", "dense_4"], output="")
    assert folds(rows.report("m")) == [("dense_0", 5, 1, False), ("dense_5", 7, 1, False)]


def test_named_output_inside_a_repeat_keeps_it_apart():
    rows = samples.Rows()
    rows.input("x", None, 64)
    for index in range(12):
        rows.dense(64, 64, output="middle" if index == 5 else None)
    assert [fold[:2] for fold in folds(rows.report("m"))] == [("dense_0", 6), ("dense_6", 6)]


def test_layers_that_differ_in_an_option_are_not_folded():
    rows = samples.Rows()
    rows.input("x", None, 64)
    for index in range(12):
        rows.add("dropout", "dropout", (None, 64), options={"rate": index / 20})
    assert folds(rows.report("m")) == []


def test_every_unit_reading_one_mask_is_still_a_repeat():
    rows = samples.Rows()
    rows.input("x", None, 64)
    mask = rows.input("mask", None, 64)
    before = "x"
    for _ in range(6):
        before = rows.add("multiply", "combine", (None, 64), parents=[before, mask])
        before = rows.dense(64, 64)
    assert folds(rows.report("m")) == [("multiply_0", 6, 2, False)]


def test_uses_of_one_shared_layer_fold():
    rows = samples.Rows()
    rows.input("x", None, 64)
    first = rows.dense(64, 64)
    for _ in range(10):
        rows.add("dense", "linear", (None, 64), options={"units": 64}, shared_with=first)
    assert folds(rows.report("m")) == [("dense_1", 10, 1, False)]


def test_fold_does_not_cut_a_named_block():
    rows = samples.Rows()
    rows.input("x", None, 64)
    for index in range(6):
        rows.relu(None, 64, path=(f"block_{index}",))
        rows.dense(64, 64, path=(f"block_{index}",))
    items = outline(rows.report("m")).items
    fold = next(item for item in items if isinstance(item, Group))
    assert (fold.times, fold.path, fold.last_path, fold.named) == (6, ("block_0",), ("block_5",), True)
    assert [item.level for item in items] == [0, 0, 1, 1]


def test_rows_of_a_part_stand_together():
    rows = samples.Rows()
    rows.input("x", None, 4)
    rows.dense(4, 4, path=("a",), parents=["x"])
    rows.dense(4, 4, path=("b",), parents=["x"])
    rows.dense(4, 4, path=("a",), parents=["a.dense_0"])
    labels = [item.row.name if isinstance(item, Entry) else item.path for item in outline(rows.report("m")).items]
    assert labels == ["x", ("a",), "a.dense_0", "a.dense_1", ("b",), "b.dense_0"]


def test_a_path_of_a_thousand_blocks_is_no_problem():
    rows = samples.Rows()
    rows.input("x", None, 4)
    rows.dense(4, 4, path=tuple(f"b{index}" for index in range(1000)), name="deep")
    assert len(outline(rows.report("m")).items) == 10


@pytest.mark.parametrize("make", [samples.chain, lambda: samples.chain(1000, alike=False)])
def test_a_thousand_layers_take_time_in_proportion(make):
    report = make()
    start = time.process_time()
    outline(report)
    assert time.process_time() - start < 5


@settings(max_examples=60, deadline=None)
@given(
    unit=st.lists(st.integers(0, 3), min_size=1, max_size=5),
    times=st.integers(1, 9),
    head=st.lists(st.integers(0, 3), max_size=6),
    tail=st.lists(st.integers(0, 3), max_size=6),
)
def test_any_chain_folds_and_unfolds_to_the_same_total(unit, times, head, tail):
    rows = samples.Rows()
    rows.input("x", None, 8)
    for kind in [*head, *unit * times, *tail]:
        if kind == 0:
            rows.relu(None, 8)
        else:
            rows.dense(8, 8, activation=f"a{kind}")
    report = rows.report("chain")
    outlined = outline(report)
    assert counted(report, unfold=False) == sum(params_of(row) for row in report.rows)
    by_key = {row.key: row for row in report.rows}
    for hidden, shown in outlined.shown.items():
        assert by_key[hidden].options == by_key[shown].options
    if times * len(unit) > 12 and times > 2:
        assert len(outlined.items) < len(report.rows)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=40), st.randoms(use_true_random=False))
def test_repeats_never_overlap_and_units_look_alike(symbols, random):
    count = len(symbols)
    links = [tuple(random.sample(range(i), min(i, random.choice([1, 1, 1, 2])))) for i in range(count)]
    quiet = [False] * count
    sequence = Sequence(symbols, links, quiet, quiet, [0] * count)
    end = 0
    for repeat in find_repeats(sequence):
        assert repeat.start >= end
        assert repeat.times >= 2
        end = repeat.end
        units = [
            symbols[at : at + repeat.period] for at in range(repeat.start, repeat.start + repeat.period, repeat.period)
        ]
        assert all(unit == units[0] for unit in units)
    assert end <= count


def test_larger_unit_wins_over_a_smaller_one_inside_it():
    unit = [1, 2, 1, 2, 3]
    symbols = [0, *unit * 4]
    links = [(), *((i,) for i in range(len(symbols) - 1))]
    plain = [False] * len(symbols)
    assert find_repeats(Sequence(symbols, links, plain, plain, [0] * len(symbols))) == [Repeat(1, 5, 4)]
