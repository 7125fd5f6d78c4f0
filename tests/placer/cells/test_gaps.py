"""Cells moved into gaps: legal, wires never longer, and the gap that trying every site finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.netlist import Floats, Ints, Rows
from netlists.placement import Placement
from placer.cells import gaps as gaps_module
from placer.cells.abacus import NONE
from placer.cells.detailed import _legalize_near, _units
from placer.cells.gaps import Gaps, best_gap, find_runs, move_into_gaps, nearest_best, span
from placer.cost import evaluate
from tests.placer.cells.test_place import apart, assert_legal, flat


def on_rows(seed: int, gap: bool) -> tuple[Placement, Ints, Ints, Rows]:
    """Cells on rows in an order that no one has optimized, their indices and widths in sites, and the free rows."""
    n = flat(seed, gap=gap)
    start, cells = apart(n), n.cells
    position = start.position_um.copy()
    position[cells] = np.random.default_rng(seed).random((len(cells), 2)) * n.canvas_um
    start = Placement(n, position, start.orientation)
    units = _units(start, cells)
    sites = np.ceil(n.size_um[cells, 0] / units.rows.site_um[0] - 1e-9).astype(int)
    return _legalize_near(start, cells, sites, units), cells, sites, units.rows


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_cells_stay_legal_and_nets_get_much_shorter(seed: int, gap: bool) -> None:
    start, cells, sites, rows = on_rows(seed, gap)
    assert_legal(start)
    moved = move_into_gaps(start, cells, sites, rows)
    assert_legal(moved)
    assert evaluate(moved).hpwl_um < 0.8 * evaluate(start).hpwl_um
    stays = np.setdiff1d(np.arange(start.netlist.num_nodes), cells)
    np.testing.assert_array_equal(moved.position_um[stays], start.position_um[stays])
    np.testing.assert_array_equal(moved.position_um, move_into_gaps(start, cells, sites, rows).position_um)


def test_every_sweep_shortens_nets(monkeypatch: pytest.MonkeyPatch) -> None:
    start, cells, sites, rows = on_rows(7, gap=True)
    lengths = [evaluate(start).hpwl_um]
    for sweeps in (1, 2, 3):
        monkeypatch.setattr(gaps_module, "SWEEPS", sweeps)
        lengths.append(evaluate(move_into_gaps(start, cells, sites, rows)).hpwl_um)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[1] > lengths[2]


def test_a_cell_that_is_on_no_row_gets_a_gap() -> None:
    start, cells, sites, rows = on_rows(3, gap=False)
    position = start.position_um.copy()
    lost = cells[:5]
    position[lost] = start.position_um[:4].mean(axis=0)  # between rows, among the macros
    moved = move_into_gaps(Placement(start.netlist, position, start.orientation), cells, sites, rows)
    assert_legal(moved)


def test_two_pins_of_a_cell_on_one_net() -> None:
    """The net of a cell with pins at both of its ends and another pin far away is 4 + 10 sites long at first."""
    n = flat()
    cell, other = n.cells[:2].tolist()
    n = n.with_(
        pin_node=np.array([cell, other, cell]), pin_offset_um=np.array([[-2.0, 0.0], [0.0, 0.0], [2.0, 0.0]]),
        net_start=np.array([0, 3]), net_pin=np.arange(3), net_weight=np.ones(1),
    )  # fmt: skip
    position = np.where(n.fixed[:, None], n.position_um, [150.0, 156.0])
    position[[cell, other]] = [20.0, 4.0], [100.0, 4.0]
    pins = gaps_module._pins(Placement(n, position, np.zeros(n.num_nodes, dtype=np.int8)))
    boxes = np.empty((3, 5))
    assert gaps_module.surrounding(cell, pins, boxes) == 1
    assert boxes[0].tolist() == [102.0, 98.0, 4.0, 4.0, 1.0]
    assert nearest_best(20.0, boxes, 1, 0) == 98.0
    assert nearest_best(99.0, boxes, 1, 0) == 99.0
    assert span(98.0, boxes, 1, 0) == span(102.0, boxes, 1, 0) == 0.0  # less the 4 sites between the two pins


BOX = st.tuples(*[st.integers(-20, 40)] * 4, st.integers(1, 3))


def as_boxes(rows: list[tuple[int, ...]]) -> Floats:
    return np.array(rows, dtype=np.float64)


@given(st.lists(BOX, min_size=1, max_size=6), st.integers(-30, 50), st.integers(0, 1))
@settings(deadline=None, max_examples=200)
def test_nearest_best_is_the_nearest_of_the_shortest(rows: list[tuple[int, ...]], here: int, axis: int) -> None:
    boxes = as_boxes(rows)
    lengths = {x: span(float(x), boxes, len(boxes), axis) for x in range(-60, 81)}
    shortest = [x for x, found in lengths.items() if found == min(lengths.values())]
    assert nearest_best(float(here), boxes, len(boxes), axis) == min(shortest, key=lambda x: abs(x - here))


@st.composite
def taken_rows(draw: st.DrawFn) -> Gaps:
    """Rows of one or two runs, some sites of which are taken."""
    x, y, count, taken, level = list[int](), list[int](), list[int](), list[bool](), [0]
    for row in range(draw(st.integers(1, 6))):
        left = draw(st.integers(0, 5))
        for _ in range(draw(st.integers(1, 2))):
            sites = draw(st.integers(1, 14))
            x, y, count = [*x, left], [*y, 3 * row], [*count, sites]
            taken += draw(st.lists(st.booleans(), min_size=sites, max_size=sites))
            left += sites + draw(st.integers(1, 4))
        level.append(len(x))
    first = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64)
    return Gaps(
        np.array(x, float), np.array(y, float), np.array(count), first, np.array(level), np.array(taken, bool), 1.0
    )  # fmt: skip


@given(taken_rows(), st.lists(BOX, min_size=1, max_size=4), st.integers(1, 4), st.integers(0, 200))
@settings(deadline=None, max_examples=300)
def test_the_best_gap_is_that_of_trying_all(gaps: Gaps, rows: list[tuple[int, ...]], wide: int, limit: int) -> None:
    boxes, half = as_boxes(rows), np.array([wide / 2, 1.5])
    count = len(boxes)
    lengths = {}
    for r in range(len(gaps.x)):
        for s in range(gaps.sites[r] - wide + 1):
            if not gaps.taken[gaps.first[r] + s : gaps.first[r] + s + wide].any():
                x, y = gaps.x[r] + s + half[0], gaps.y[r] + half[1]
                lengths[r, s] = span(x, boxes, count, 0) + span(y, boxes, count, 1)
    best = [nearest_best(10.0, boxes, count, axis) for axis in (0, 1)]
    r, s = best_gap(best[0] - half[0], best[1] - half[1], half, wide, float(limit), gaps, boxes, count)
    if min(lengths.values(), default=np.inf) >= limit:
        assert (r, s) == (NONE, NONE)
    else:
        assert lengths[r, s] == min(lengths.values())


def test_cells_off_sites_or_on_each_other_have_no_run() -> None:
    gaps = Gaps(np.array([0.0, 20.0]), np.array([0.0, 0.0]), np.array([10, 10]), np.array([0, 10]), np.array([0, 2]),
                np.zeros(20, dtype=bool), 1.0)  # fmt: skip
    corner = np.array([[2.0, 0.0], [3.0, 0.0], [8.0, 0.0], [20.0, 0.0], [25.0, 2.0]])
    run, first = find_runs(corner, np.array([2, 2, 3, 4, 2]), gaps)
    assert run.tolist() == [0, NONE, NONE, 1, NONE]
    assert first.tolist() == [2, NONE, NONE, 0, NONE]
    assert np.flatnonzero(gaps.taken).tolist() == [2, 3, 10, 11, 12, 13]
