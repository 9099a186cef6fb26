"""Tall drawings in columns: everything is there, arrows still join what they joined, and nothing lies on anything."""

import itertools
import re

import pytest
import samples

from axon_nb import add, dense, input, layer_norm, relu
from axon_nb.display import card_html, diagram_svg
from axon_nb.display.columns import TALLEST, WIDEST, in_columns
from axon_nb.display.diagram import _Diagram
from axon_nb.display.fold import outline
from axon_nb.display.layout import stack
from axon_nb.trace import report


def placed(shown, unfold=True):
    return _Diagram(shown, outline(shown, unfold=unfold), "TB", merge=not unfold).layout("graphviz-pure")


def residuals(count):
    model = input((None, 8))
    for index in range(count):
        model = model + (model | layer_norm() | dense(8 + index) | relu() | dense(8))
    return report(model)


def two_ways(length):
    """Return the report of two long ways side by side, which no cut parts."""
    start = input((None, 8))
    left, right = start, start
    for index in range(length):
        left, right = left | dense(8 + index), right | dense(9 + index)
    return report((left | dense(4), right | dense(4)) | add())


def points_of(arrow, steps=12):
    for first in range(0, len(arrow.points) - 3, 3):
        a, b, c, d = arrow.points[first : first + 4]
        for step in range(steps + 1):
            t = step / steps
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            yield tuple(sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1))


def size(svg):
    found = re.search(r'width="(\d+)" height="(\d+)"', svg)
    return int(found[1]), int(found[2])


LAYOUTS = {
    "chain": lambda: placed(samples.chain(40, alike=False)),
    "resnet50": lambda: placed(samples.resnet50(), unfold=False),
    "resnet50 unfolded": lambda: placed(samples.resnet50()),
    "residuals": lambda: placed(residuals(9)),
    "stack": lambda: stack(
        {f"n{i}": 60.0 for i in range(40)}, 36, [*((f"n{i}", f"n{i + 1}") for i in range(39)), ("n3", "n6")]
    ),
}


@pytest.fixture(params=LAYOUTS)
def both(request):
    tall = LAYOUTS[request.param]()
    return tall, in_columns(tall)


def test_what_fits_stays():
    one = placed(samples.gan())
    assert in_columns(one) is one


def test_columns_are_lower_and_not_too_wide(both):
    tall, columns = both
    assert tall.height > TALLEST
    assert columns.height < tall.height / 1.8
    assert columns.width <= WIDEST


def test_all_boxes_are_there_and_inside(both):
    tall, columns = both
    for before, after in zip((*tall.nodes, *tall.clusters), (*columns.nodes, *columns.clusters), strict=True):
        assert (before.id, before.width, before.height) == (after.id, after.width, after.height)
        assert -0.1 <= after.x - after.width / 2 <= after.x + after.width / 2 <= columns.width + 0.1
        assert -0.1 <= after.y - after.height / 2 <= after.y + after.height / 2 <= columns.height + 0.1
    for one, other in itertools.combinations(columns.nodes, 2):
        apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2 - 0.1
        assert apart_x or abs(one.y - other.y) >= (one.height + other.height) / 2 - 0.1


def test_arrows_leave_and_reach_the_same_boxes_at_the_same_places(both):
    tall, columns = both
    moved = {(a.x, a.y): (b.x, b.y) for a, b in zip(tall.nodes, columns.nodes, strict=True)}

    def nearest(point):
        outside = (
            (max(0, abs(point[0] - b.x) - b.width / 2) + max(0, abs(point[1] - b.y) - b.height / 2), b.x, b.y)
            for b in tall.nodes
        )
        return min(outside)[1:]

    for before, after in zip(tall.arrows, columns.arrows, strict=True):
        for old, new in ((before.points[0], after.points[0]), (before.tip, after.tip)):
            x, y = nearest(old)
            there = moved[x, y]
            assert new == pytest.approx((old[0] - x + there[0], old[1] - y + there[1]), abs=0.05)


def test_arrows_pass_beside_boxes(both):
    tall, columns = both

    def through(layout):
        found = 0
        for arrow in layout.arrows:
            hit = {
                box.id
                for x, y in points_of(arrow)
                for box in layout.nodes
                if abs(x - box.x) < box.width / 2 - 4 and abs(y - box.y) < box.height / 2 - 4
            }
            found += len(hit)
        return found

    assert through(columns) <= through(tall)
    for arrow in columns.arrows:
        assert all(-0.1 <= x <= columns.width + 0.1 and -0.1 <= y <= columns.height + 0.1 for x, y in points_of(arrow))


def test_arrows_that_meet_at_a_cut_have_an_end_in_common(both):
    """Between columns they run on one line: from one box, or to one box, so that it says what it joins."""
    _, columns = both
    lanes = {}
    for arrow in columns.arrows:
        for (x, y), (u, v) in itertools.pairwise(arrow.points):
            if x == u and v < y - 100:  # upwards, to the top of the next column
                lanes.setdefault(x, []).append(arrow)
    assert lanes
    for arrows in lanes.values():
        tails = [
            min(columns.nodes, key=lambda b: abs(b.y + b.height / 2 - a.points[0][1]) + abs(b.x - a.points[0][0])).id
            for a in arrows
        ]
        heads = [
            min(columns.nodes, key=lambda b: abs(b.y - b.height / 2 - a.tip[1]) + abs(b.x - a.tip[0])).id
            for a in arrows
        ]
        assert min(len(set(tails)), len(set(heads))) == 1


def test_two_long_ways_are_not_parted():
    tall = placed(two_ways(30))
    columns = in_columns(tall)
    assert columns.height > 0.9 * tall.height


def test_asked_for_from_top_to_bottom_it_is_one_column():
    shown = samples.chain(40, alike=False)
    assert size(diagram_svg(shown, direction="TB", unfold=True))[1] > TALLEST > size(diagram_svg(shown))[1]


@pytest.mark.parametrize(("make", "tallest"), [(lambda: residuals(3), 1200), (samples.resnet50, 1200)])
def test_a_card_shows_all_of_its_diagram(make, tallest):
    html = card_html(make())
    [image] = re.findall(r"<div style=[^>]*><img [^>]*>", html)
    assert "max-height" not in image
    assert "diagram()" not in html


def test_only_a_diagram_that_cannot_be_made_to_fit_scrolls_and_says_so():
    shown = two_ways(30)
    html = card_html(shown)
    assert re.search(r'max-height:560px;overflow:auto"><img ', html)
    assert "scrolls: diagram() shows all of it" in html


def test_a_drawing_shrinks_before_it_scrolls():
    shown = two_ways(18)
    width, height = size(diagram_svg(shown))
    assert TALLEST < height < TALLEST / 0.75
    [shown_width] = re.findall(r'<img alt="[^"]*" width="(\d+)"', card_html(shown))
    assert int(shown_width) == round(width * TALLEST / height)
