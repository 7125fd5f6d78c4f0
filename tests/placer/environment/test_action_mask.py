"""The action mask is exact to the last bit, so that macros never overlap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Box
from netlists.netlist import Bools, Floats, Kind, Netlist
from netlists.placement import Placement
from netlists.rows.cover import blocked
from netlists.tolerance import MACRO_GAP
from placer.cost import cost_arrays
from placer.environment.action_mask import center_range, find_places, new_scratch, preferred_offset
from tests.placer.environment.slow_action_mask import Cell
from tests.placer.legalization.test_legalize import blocks, overlaps

CANVAS = (24.0, 16.0)
HALVES = st.integers(-8, 56).map(lambda n: n / 2)
SIDES = st.integers(1, 32).map(lambda n: n / 2)
GRIDS = st.sampled_from([(1, 1), (1, 4), (4, 1), (2, 2), (4, 6), (8, 3)])


def board(size_um: list[tuple[float, float]], grid: tuple[int, int], canvas: tuple[float, float] = CANVAS) -> Netlist:
    return blocks(size_um, canvas, grid=grid)


def places(
    netlist: Netlist, position: Floats, blockers: list[int], node: int, room: Box = (-np.inf, -np.inf, np.inf, np.inf)
) -> tuple[Floats, Bools]:  # fmt: skip
    place, fits = np.zeros((*netlist.grid, 2)), np.zeros(netlist.grid, dtype=np.bool_)
    cost, others = cost_arrays(netlist), np.array(blockers, dtype=np.int64)
    bare = blocked(netlist).copy()
    scratch = new_scratch(cost, others, bare, node)
    anywhere = find_places(cost, position, others, bare, np.array(room), node, place, fits, scratch)
    assert anywhere == fits.any()
    return place, fits


def test_a_macro_stays_in_its_room() -> None:
    netlist = board([(4.0, 4.0)], (4, 6))
    place, fits = places(netlist, np.zeros((1, 2)), [], 0, (5.0, 0.0, 13.0, 8.0))
    assert fits.any()
    assert (place[fits] >= [7.0, 2.0]).all()
    assert (place[fits] <= [11.0, 6.0]).all()
    assert not places(netlist, np.zeros((1, 2)), [], 0, (5.0, 0.0, 8.0, 8.0))[1].any()


@settings(deadline=None, max_examples=120)
@given(
    st.tuples(SIDES, SIDES),
    st.lists(st.tuples(HALVES, HALVES, SIDES, SIDES), max_size=5),
    GRIDS,
)
def test_places_agree_with_their_definition(
    size: tuple[float, float], rectangles: list[tuple[float, float, float, float]], grid: tuple[int, int]
) -> None:
    size = (min(size[0], CANVAS[0]), min(size[1], CANVAS[1]))
    netlist = board([size, *((min(w, 24.0), min(h, 16.0)) for _, _, w, h in rectangles)], grid)
    position = np.array([(0.0, 0.0), *((x, y) for x, y, _, _ in rectangles)])
    blockers = list(range(1, len(position)))
    place, fits = places(netlist, position, blockers, 0)
    for r, c in np.ndindex(*grid):
        cell = Cell(netlist, position, np.array(blockers), 0, r, c)
        expected = cell.nearest()
        assert fits[r, c] == (expected is not None)
        sampled = [cell.away(p) for p in cell.samples(7) if cell.free(p)]
        assert fits[r, c] or not sampled
        if expected is not None:
            point = (Fraction(float(place[r, c, 0])), Fraction(float(place[r, c, 1])))
            assert cell.away(point) == pytest.approx(expected, abs=1e-9)
            assert expected <= min(sampled, default=np.inf)
            after = position.copy()
            after[0] = place[r, c]
            assert apart(netlist, after)


def apart(netlist: Netlist, position: Floats) -> bool:
    """Whether macro 0 is inside the canvas and overlaps no other, in float64 without tolerance."""
    half = netlist.size_um / 2
    low, high = position - half, position + half
    if (low[0] < 0).any() or (high[0] > np.array(netlist.canvas_um)).any():
        return False
    return bool(((high[1:] <= low[0]) | (high[0] <= low[1:])).any(axis=1).all())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))
def test_macros_at_these_places_never_overlap(seed: int, count: int, rows: int, cols: int) -> None:
    random = np.random.default_rng(seed)
    canvas = (float(random.uniform(1, 1e4)), float(random.uniform(1, 1e4)))
    size = random.uniform(0.02, random.choice([0.1, 0.4, 1.0]), (count, 2)) * canvas
    netlist = board([(w, h) for w, h in size], (rows, cols), canvas)
    # Some are obstacles, which may lie partly outside the canvas and overlap each other.
    fixed = random.random(count) < 0.2
    position = random.uniform(-0.2, 1.2, (count, 2)) * canvas
    netlist = netlist.with_(fixed=fixed, position_um=position.copy())
    placed = np.flatnonzero(fixed).tolist()
    homeless = []
    for node in np.flatnonzero(~fixed):
        place, fits = places(netlist, position, placed, int(node))
        if not fits.any():
            homeless.append(int(node))
            continue
        cells = np.argwhere(fits)
        r, c = cells[random.integers(len(cells))]
        position[node] = place[r, c]
        placed.append(int(node))
    kind = np.full(count, Kind.HARD, dtype=np.int8)
    kind[homeless] = Kind.SOFT
    placement = Placement(netlist.with_(kind=kind), position, netlist.orientation)
    assert not placement.violations()
    assert overlaps(placement) == 0


@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (3, 3), (4, 5), (21, 24)])
@pytest.mark.parametrize("canvas", [(10.0, 7.0), (1433.406, 1433.406), (0.1 + 0.2, 1 / 3)])
def test_a_macro_as_large_as_the_canvas_fits_only_in_the_middle(
    canvas: tuple[float, float], grid: tuple[int, int]
) -> None:
    netlist = board([canvas, (canvas[0] / 9, canvas[1] / 9)], grid, canvas)
    place, fits = places(netlist, np.zeros((2, 2)), [], 0)
    assert 1 <= fits.sum() <= 4
    np.testing.assert_array_equal(np.unique(place[fits], axis=0), [np.array(canvas) / 2])
    position = np.array([place[fits][0], (0.0, 0.0)])
    assert not places(netlist, position, [0], 1)[1].any()


def test_places_computed_by_hand() -> None:
    # A 4 by 4 macro on a canvas of 12 by 4 with cells of 4, beside a blocker in the middle cell.
    netlist = board([(4.0, 4.0), (4.0 - 1e-3, 4.0)], (1, 3), (12.0, 4.0))
    place, fits = places(netlist, np.array([(0.0, 0.0), (6.0, 2.0)]), [1], 0)
    assert fits.tolist() == [[True, False, True]]
    np.testing.assert_array_equal(place[0, [0, 2]], [(2.0, 2.0), (10.0, 2.0)])
    netlist = board([(4.0, 4.0), (4.0, 4.0)], (1, 3), (12.0, 4.0))
    assert not places(netlist, np.array([(0.0, 0.0), (6.0, 2.0)]), [1], 0)[1].any()
    netlist = board([(4.0, 4.0), (4.0, 4.0)], (1, 3), (12.0, 5.0))
    place, fits = places(netlist, np.array([(0.0, 0.0), (2.0, 2.5)]), [1], 0)
    assert fits.tolist() == [[False, True, True]]
    assert place[0, 1] == pytest.approx(
        [6 + 12 * MACRO_GAP, 2.0]
    )  # as low as possible: its height is not a whole number of cells


@pytest.mark.parametrize(
    ("size", "offset"), [(2.0, 0.5), (6.0, 0.5), (4.0, 0.0), (3.0, 0.0), (1.0, 0.5), (1.1, 0.0), (2.1, 0.0)]
)
def test_whole_cells_are_flush_with_the_grid_and_small_macros_in_the_middle(size: float, offset: float) -> None:
    assert preferred_offset(size, 2.0) == offset


def test_free_places_among_many_macros_in_one_cell_are_found() -> None:
    # 99 of 100 places taken, in a single cell: far more edges than most cells see.
    raster = [(0.5 + x, 0.5 + y) for y in range(10) for x in range(10)]
    netlist = board([(0.99, 0.99)] * 100, (1, 1), (10.0, 10.0))
    for missing in (0, 37, 99):
        position = np.array(raster)
        position[missing] = -5.0
        place, fits = places(netlist, position, [k for k in range(100) if k != missing], missing)
        assert fits.all()
        np.testing.assert_allclose(place[0, 0], raster[missing], atol=0.02)


def test_macros_at_the_far_wall_are_inside_in_float64() -> None:
    rounded = 0
    for canvas, fraction in np.random.default_rng(0).uniform((1, 0), (1e4, 1), (1000, 2)).tolist():
        half = canvas * fraction / 2
        low, high = center_range(canvas * fraction, canvas)
        assert low == half
        assert high + half <= canvas
        assert high == pytest.approx(canvas - half, rel=1e-15)
        rounded += high < canvas - half
    assert rounded > 0
