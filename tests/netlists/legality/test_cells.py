"""Legality of cells on rows: the fast checks compared with slow versions, and the sites that macros leave free."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Blockage, Constraints, Halo
from netlists.legality.cells import cell_violations, free_rows, on_rows, overlapping
from netlists.netlist import Bools, Floats, Kind, Netlist, Rows
from netlists.placement import Placement
from tests.designs import design, row_set

Rectangles = tuple[Floats, Floats]


def slow_overlapping(a: Rectangles, b: Rectangles, slack: float, same: bool) -> Bools:
    def hit(i: int, j: int) -> bool:
        inner = np.minimum(a[1][i], b[1][j]) - np.maximum(a[0][i], b[0][j])
        return bool((inner > slack).all()) and not (same and i == j)

    return np.array([any(hit(i, j) for j in range(len(b[0]))) for i in range(len(a[0]))], dtype=bool)


def slow_on_rows(low: Floats, high: Floats, rows: Rows, slack: float) -> Bools:
    def inside(i: int, k: int, bottom: float) -> bool:
        """Whether rectangle i from `bottom` up is inside row k, or inside it and rows above it."""
        top = rows.y_um[k] + rows.height_um[k]
        return bool(
            abs(bottom - rows.y_um[k]) <= slack
            and rows.x_um[k] - slack <= low[i, 0]
            and high[i, 0] <= rows.right_um[k] + slack
            and (high[i, 1] - top <= slack or any(inside(i, j, top) for j in range(len(rows))))
        )

    def stands(i: int, k: int) -> bool:
        sites = (low[i, 0] - rows.x_um[k]) / rows.site_um[k]
        return inside(i, k, low[i, 1]) and abs(sites - round(sites)) * rows.site_um[k] <= slack

    return np.array([any(stands(i, k) for k in range(len(rows))) for i in range(len(low))], dtype=bool)


@st.composite
def rectangles(draw: st.DrawFn) -> Rectangles:
    """0 to 30 rectangles on a coarse lattice, some without area, some far larger than others."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(0, 30))
    low: Floats = 0.7 * rng.integers(0, draw(st.sampled_from([4, 30])), (count, 2)).astype(np.float64)
    size = rng.integers(0, 4, (count, 2)) * rng.choice([0.7, 0.35, 5.6], (count, 1), p=[0.6, 0.3, 0.1])
    return low, np.add(low, size, dtype=np.float64)


@settings(deadline=None)  # compiles on first use
@given(rectangles(), rectangles())
def test_overlaps_are_those_of_all_pairs(a: Rectangles, b: Rectangles) -> None:
    np.testing.assert_array_equal(overlapping(*a, *b, 1e-9, False), slow_overlapping(a, b, 1e-9, False))
    np.testing.assert_array_equal(overlapping(*a, *a, 1e-9, True), slow_overlapping(a, a, 1e-9, True))


def some_rows(rng: np.random.Generator, scale: float) -> Rows:
    """Three levels of rows, each of one to three subrows with gaps."""
    x: list[float] = []
    y: list[float] = []
    sites: list[int] = []
    for level in (0.0, 1.0, 2.5):
        at = float(rng.integers(-2, 3))
        for _ in range(rng.integers(1, 4)):
            x.append(at)
            y.append(level)
            sites.append(int(rng.integers(1, 12)))
            at += 0.5 * sites[-1] + float(rng.integers(1, 4)) / 4
    order = rng.permutation(len(x))
    left, bottom = np.array(x)[order] * scale, np.array(y)[order] * scale
    return Rows(left, bottom, np.full(len(x), scale), np.full(len(x), 0.5 * scale), np.array(sites)[order])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1 / 3, 700.0]))
def test_cells_on_rows_are_those_inside_some_row(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    rows = some_rows(rng, scale)
    low = np.column_stack([rng.integers(-14, 70, 200) / 4, rng.integers(-2, 8, 200) / 2]) * scale
    high = low + rng.integers(1, 5, (200, 2)) / 2 * scale
    stands = on_rows(low, high, rows, 1e-9 * scale)
    np.testing.assert_array_equal(stands, slow_on_rows(low, high, rows, 1e-9 * scale))


def chip(cells: list[tuple[float, float, float]], macro: tuple[float, float] = (20.0, 10.0)) -> Placement:
    """Cells 10 high given by corner and width; a macro 8 by 15 given by its corner; 4 rows of 100 sites."""
    count = len(cells)
    size = np.array([[8.0, 15.0], *([width, 10.0] for _, _, width in cells)])
    corner = np.array([macro, *((x, y) for x, y, _ in cells)])
    n = Netlist(
        name="chip", node_names=("m", *(f"c{k}" for k in range(count))),
        kind=np.array([Kind.HARD, *[Kind.CELL] * count], dtype=np.int8), size_um=size,
        fixed=np.zeros(count + 1, dtype=bool), position_um=corner + size / 2,
        orientation=np.zeros(count + 1, dtype=np.int8), pin_node=np.zeros(0, dtype=np.int64),
        pin_offset_um=np.zeros((0, 2)), net_start=np.zeros(1, dtype=np.int64), net_pin=np.zeros(0, dtype=np.int64),
        net_weight=np.zeros(0), canvas_um=(50.0, 40.0), grid=(4, 4),
        rows=Rows(np.zeros(4), np.arange(0.0, 40.0, 10.0), np.full(4, 10.0), np.full(4, 0.5), np.full(4, 100)),
    )  # fmt: skip
    return Placement.given(n)


@pytest.mark.parametrize(
    ("cells", "overlaps", "off_rows"),
    [
        ([(0, 0, 3), (3, 0, 3), (47, 30, 3)], [], []),  # touching, and in the corner
        ([(0, 0, 3), (2.5, 0, 3), (2.5, 10, 3)], [1, 2], []),
        ([(0, 0, 3), (1, 5, 3)], [1, 2], [2]),  # between rows
        ([(0.25, 0, 3)], [], [1]),  # between sites
        ([(48, 0, 3)], [], [1]),  # past the end
        ([(10, 40, 3), (10, -10, 3)], [], [1, 2]),  # above and below
        ([(27.5, 20, 3), (28, 20, 3)], [1, 2], []),  # the first one on the macro and on the second
        ([(18, 10, 2), (28, 10, 2), (20, 30, 8)], [], []),  # around the macro
    ],
)
def test_violations_name_the_cells(
    cells: list[tuple[float, float, float]], overlaps: list[int], off_rows: list[int]
) -> None:
    result = cell_violations(chip(cells))
    assert (result.overlaps.tolist(), result.off_rows.tolist()) == (overlaps, off_rows)
    assert bool(result) == bool(overlaps or off_rows)


def test_cells_are_off_rows_without_any_and_fixed_ones_do_not_count() -> None:
    placed = chip([(0, 0, 3), (1, 0, 3)])
    n = placed.netlist
    bare = Placement.given(n.with_(rows=None, size_um=np.minimum(n.size_um, [[9, 99], [9, 0], [9, 0]])))
    assert cell_violations(bare).off_rows.tolist() == [1, 2]
    half = Placement.given(n.with_(fixed=np.array([False, True, False])))
    assert cell_violations(half).overlaps.tolist() == [2]


def test_a_fixed_cell_counts_under_a_movable_macro_only() -> None:
    n = chip([(22, 10, 3)]).netlist
    fixed = n.with_(fixed=np.array([False, True]))
    assert cell_violations(Placement.given(fixed)).overlaps.tolist() == [1]
    both = n.with_(fixed=np.array([True, True]))
    assert not cell_violations(Placement.given(both))


def test_cells_that_extend_beyond_the_canvas() -> None:
    result = cell_violations(chip([(48, 0, 3), (0, 0, 3), (10, 35, 3)]))
    assert result.out_of_canvas.tolist() == [1, 3]


def test_many_cells_at_one_position_take_no_time() -> None:
    low = np.zeros((100_000, 2))
    assert overlapping(low, low + 1, low, low + 1, 1e-9, True).all()


def test_free_rows_are_what_macros_leave_in_whole_sites() -> None:
    placed = chip([(0, 0, 3)], macro=(20.25, 10.0))
    cells = placed.netlist.kind == Kind.CELL
    free = free_rows(placed, cells)
    runs = sorted(zip(free.y_um.tolist(), free.x_um.tolist(), free.right_um.tolist(), strict=True))
    # The macro reaches over rows 10 and 20 (its top is at 25), from site 20 to 28.5.
    assert runs == [(0, 0, 50), (10, 0, 20), (10, 28.5, 50), (20, 0, 20), (20, 28.5, 50), (30, 0, 50)]
    assert len(free_rows(placed, np.ones(2, dtype=bool))) == 4
    assert len(free_rows(placed, np.zeros(2, dtype=bool))) == 6
    flat = placed.netlist.with_(rows=None, size_um=np.array([[8.0, 15.0], [3.0, 0.0]]))
    assert len(free_rows(Placement.given(flat), cells)) == 0


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cells_on_free_rows_overlap_no_macro(seed: int) -> None:
    rng = np.random.default_rng(seed)
    macro = (float(rng.uniform(-10, 55)), float(rng.uniform(-20, 45)))
    free = free_rows(chip([], macro), np.zeros(1, dtype=bool))
    cells = list(zip(free.x_um.tolist(), free.y_um.tolist(), (free.right_um - free.x_um).tolist(), strict=True))
    result = cell_violations(chip(cells, macro))
    assert not result


def test_cells_keep_out_of_halos_and_blockages() -> None:
    chip = design(
        [(40, 40, 20, 20)], [(62, 40, 3, 10), (70, 40, 3, 10), (0, 0, 3, 10)], rows=row_set([(0, 0, 100, 100)])
    )
    assert not cell_violations(Placement.given(chip))
    constraints = Constraints(halos=(Halo("*", 0.0, 0.0, 5.0, 0.0),), blockages=(Blockage((0.0, 0.0, 10.0, 10.0)),))
    closed = chip.with_(constraints=constraints)
    violations = cell_violations(Placement.given(closed))
    assert violations.overlaps.tolist() == [closed.cells[0], closed.cells[2]]
    free = free_rows(Placement.given(closed), ~closed.fixed & (closed.kind == Kind.CELL))
    inside = (free.y_um == 40) & (free.x_um < 65) & (free.right_um > 40)
    assert not inside.any()
    partial = chip.with_(constraints=Constraints(blockages=(Blockage((0.0, 0.0, 10.0, 10.0), "partial"),)))
    assert not cell_violations(Placement.given(partial))
