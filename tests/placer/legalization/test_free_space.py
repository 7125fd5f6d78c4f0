"""The exact free-space search against its definition by brute force."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from netlists.netlist import Floats
from placer.legalization.free_space import contact_fraction, nearest_free, place_in_order, reinsert, snug_corner

CANVAS = (10.0, 8.0)
# Multiples of a half are exact in float64 and make edges meet and align, where mistakes are likely.
HALVES = st.integers(-4, 24).map(lambda n: n / 2)
SIDES = st.integers(0, 8).map(lambda n: n / 2)
RECTANGLES = st.lists(st.tuples(HALVES, HALVES, SIDES, SIDES), max_size=8)


def corners(rectangles: list[tuple[float, float, float, float]]) -> Floats:
    """[4, K] low x, low y, high x, high y of rectangles with a low corner and a size each."""
    return np.array([(x, y, x + w, y + h) for x, y, w, h in rectangles], dtype=np.float64).reshape(-1, 4).T.copy()


def fits(x: float, y: float, w: float, h: float, rectangle: Floats) -> bool:
    """The definition: inside the canvas, and no interior point in common with any rectangle."""
    if x - w / 2 < 0 or y - h / 2 < 0 or x + w / 2 > CANVAS[0] or y + h / 2 > CANVAS[1]:
        return False
    low_x, low_y, high_x, high_y = rectangle
    meets = (low_x - w / 2 < x) & (x < high_x + w / 2) & (low_y - h / 2 < y) & (y < high_y + h / 2)
    return not meets.any()


def nearest_free_by_definition(tx: float, ty: float, w: float, h: float, rectangle: Floats) -> float:
    """Least distance to the target over all crossings of edges and of the lines through the target; or infinity.

    At a nearest free point each coordinate is the target's, a canvas limit or on an edge.
    """
    low_x, low_y, high_x, high_y = rectangle
    xs = [tx, w / 2, CANVAS[0] - w / 2, *(low_x - w / 2), *(high_x + w / 2)]
    ys = [ty, h / 2, CANVAS[1] - h / 2, *(low_y - h / 2), *(high_y + h / 2)]
    free = [np.hypot(x - tx, y - ty) for x, y in itertools.product(xs, ys) if fits(x, y, w, h, rectangle)]
    return min(free, default=np.inf)


def nearest(tx: float, ty: float, w: float, h: float, rectangle: Floats, count: int) -> tuple[bool, float, float]:
    low_x, low_y, high_x, high_y = rectangle
    return nearest_free(tx, ty, w, h, low_x, low_y, high_x, high_y, count, CANVAS[0], CANVAS[1])


def contact(x: float, y: float, w: float, h: float, rectangle: Floats) -> float:
    low_x, low_y, high_x, high_y = rectangle
    return contact_fraction(x, y, w, h, low_x, low_y, high_x, high_y, len(low_x), CANVAS[0], CANVAS[1], 1e-9)


@settings(max_examples=300, deadline=None)
@given(HALVES, HALVES, SIDES, SIDES, RECTANGLES)
def test_nearest_free_is_its_definition(
    tx: float, ty: float, w: float, h: float, rectangles: list[tuple[float, float, float, float]]
) -> None:
    rectangle = corners(rectangles)
    fits_somewhere, x, y = nearest(tx, ty, w, h, rectangle, len(rectangles))
    expected = nearest_free_by_definition(tx, ty, w, h, rectangle)
    assert fits_somewhere == np.isfinite(expected)
    if fits_somewhere:
        assert fits(x, y, w, h, rectangle)
        assert abs(np.hypot(x - tx, y - ty) - expected) < 1e-12


def test_nearest_free_regards_only_the_first_rectangles() -> None:
    rectangle = corners([(0, 0, 4, 4), (4, 0, 6, 8)])
    assert nearest(8.0, 4.0, 2.0, 2.0, rectangle, 1) == (True, 8.0, 4.0)
    assert nearest(8.0, 4.0, 2.0, 2.0, rectangle, 2) == (True, 3.0, 5.0)


def test_nearest_free_fits_into_an_exact_gap() -> None:
    rectangle = corners([(0, 0, 4, 8), (6, 0, 4, 8)])
    assert nearest(9.0, 1.0, 2.0, 2.0, rectangle, 2) == (True, 5.0, 1.0)
    assert not nearest(9.0, 1.0, 2.001, 2.0, rectangle, 2)[0]


@settings(max_examples=200, deadline=None)
@given(HALVES, HALVES, SIDES, SIDES, RECTANGLES, st.sampled_from([0.0, 1.0, 10.0]))
@example(0.0, 0.0, 0.0, 1.0, [(0, 0, 0, 0.5), (0, 3.5, 2, 4), (0, 4, 2, 4), (0, 4, 2, 4)], 1.0)
def test_snug_corner_is_the_best_of_all_corners(
    tx: float, ty: float, w: float, h: float, rectangles: list[tuple[float, float, float, float]], weight: float
) -> None:
    w, h = w + 0.5, h + 0.5  # a point has no outline
    rectangle = corners(rectangles)
    low_x, low_y, high_x, high_y = rectangle
    fits_somewhere, x, y = snug_corner(
        tx, ty, w, h, low_x, low_y, high_x, high_y, len(low_x), CANVAS[0], CANVAS[1], weight
    )
    xs = [w / 2, CANVAS[0] - w / 2, *(low_x - w / 2), *(high_x + w / 2)]
    ys = [h / 2, CANVAS[1] - h / 2, *(low_y - h / 2), *(high_y + h / 2)]

    def score(x: float, y: float) -> float:
        return contact(x, y, w, h, rectangle) - weight * float(np.hypot(x - tx, y - ty)) / sum(CANVAS)

    # On a line x = c only edges of rectangles across it count as corners; the others touch nothing in y.
    corner_places = [
        (cx, cy)
        for cx, cy in itertools.product(xs, ys)
        if fits(cx, cy, w, h, rectangle)
        and (
            cy in (h / 2, CANVAS[1] - h / 2)
            or ((low_x - w / 2 < cx) & (cx < high_x + w / 2) & ((cy == low_y - h / 2) | (cy == high_y + h / 2))).any()
        )
    ]
    assert fits_somewhere == bool(corner_places)
    if fits_somewhere:
        assert fits(x, y, w, h, rectangle)
        assert abs(score(x, y) - max(score(*place) for place in corner_places)) < 1e-9


def test_contact_is_a_fraction_of_the_outline() -> None:
    rectangle = corners([(2, 0, 3, 1), (2, 3, 1, 3)])
    # A 2 by 2 macro in the gap: left edge on the canvas, right edge on 1 of both, 1 + 1 of 8.
    assert contact(1.0, 1.0, 2.0, 2.0, rectangle) == (2 + 2 + 1) / 8
    assert contact(3.0, 2.0, 2.0, 2.0, rectangle) == (2 + 1) / 8
    assert contact(8.0, 4.0, 2.0, 2.0, rectangle) == 0


def test_contact_is_at_most_the_whole_outline() -> None:
    assert contact(1.0, 1.0, 2.0, 2.0, corners([(2, 0, 2, 2), (2, 0, 3, 2), (0, 2, 2, 2)])) == 1


def test_place_in_order_returns_the_first_macro_without_room() -> None:
    size = np.array([(6.0, 8.0), (6.0, 8.0), (4.0, 8.0)])
    target = np.full((3, 2), 4.0)
    nothing = np.empty((0, 4))
    assert place_in_order(np.array([0, 1, 2]), target, size, nothing, *CANVAS, 0.0)[0] == 1
    failed, center = place_in_order(np.array([0, 2]), target, size, nothing, *CANVAS, 0.0)
    assert failed == -1
    assert sorted(center[[0, 2], 0]) in ([2, 7], [3, 8])


def test_reinsert_moves_macros_only_nearer_to_their_targets() -> None:
    size = np.full((2, 2), 2.0)
    target = np.array([(3.0, 4.0), (9.0, 4.0)])
    center = np.array([(7.0, 4.0), (9.0, 4.0)])
    reinsert(np.array([0, 1]), center, target, size, np.array([(3.0, 0.0, 5.0, 8.0)]), *CANVAS)
    np.testing.assert_array_equal(center, [(2.0, 4.0), (9.0, 4.0)])
