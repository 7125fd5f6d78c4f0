"""Standard cells placed on rows: legal on any rows, around macros, with wires that get shorter."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Constraints, Halo
from netlists.errors import LegalizationError
from netlists.legality.cells import cell_violations
from netlists.legality.rules import rule_violations
from netlists.netlist import Floats, Kind, Netlist, Rows
from netlists.placement import TOUCH, Placement
from placer import place
from placer.cells import place as cells_module
from placer.cells.abacus import assign_to_runs
from placer.cells.detailed import _TimeUp, _Watch, legalize_cells
from placer.cells.electrostatics import Bins, cover_fractions, solve_field
from placer.cells.global_placement import ENOUGH, _fillers, overflow, place_globally, wirelength_gradient
from placer.cells.place import FROM_MACROS, STAY, TOGETHER, PlacedCells, Round, has_cells, place_cells
from placer.cells.together import place_together
from placer.cost import evaluate, summary
from placer.legalization.by_rules import legalize_by_rules
from placer.legalization.row_alignment import legalize_on_rows
from placer.runs import pipeline
from placer.runs.job import Job


@cache
def flat(seed: int = 0, cells: int = 300, unit: float = 1.0, gap: bool = False) -> Netlist:
    """Cells of 2 to 6 sites and 4 movable macros on 20 rows, with nets between neighbors in a hidden order; 4 ports.

    With a `gap` rows come in two parts with a hole between them, and the upper ones stand apart.
    """
    rng = np.random.default_rng(seed)
    high, site, count = 8.0 * unit, unit, 20
    y = high * np.arange(count) + (np.arange(count) >= 10) * 3.3 * unit * gap
    rows = Rows(np.zeros(count), y, np.full(count, high), np.full(count, site), np.full(count, 160))
    if gap:
        x = np.repeat([0.0, 80.5 * site], count)
        sites = np.repeat([60, 70], count)
        rows = Rows(x, np.tile(y, 2), np.full(2 * count, high), np.full(2 * count, site), sites)
    v = cells + 8
    kind = np.array([Kind.HARD] * 4 + [Kind.PORT] * 4 + [Kind.CELL] * cells, dtype=np.int8)
    size = np.column_stack([rng.integers(2, 7, v) * site - 0.5 * site * gap, np.full(v, high)])
    size[:4], size[4:8] = [20.5 * site, 3 * high], 0.0
    canvas = (160 * site, float(y[-1]) + high)
    position = np.full((v, 2), np.array(canvas) / 2)
    position[4:8] = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * canvas
    order = np.concatenate([np.arange(8), 8 + rng.permutation(cells)])
    pins: list[int] = []
    for k in range(2 * cells):
        pins += [*order[8 + (k + rng.integers(0, 12, 3)) % cells], *order[rng.integers(0, 8, 1) if k % 20 == 0 else []]]
    start = np.concatenate([[0], np.cumsum([4 if k % 20 == 0 else 3 for k in range(2 * cells)])])
    return Netlist(
        name="flat", node_names=tuple(f"n{k}" for k in range(v)), kind=kind, size_um=size, fixed=kind == Kind.PORT,
        position_um=position, orientation=np.where(kind == Kind.HARD, 3, 0).astype(np.int8),
        pin_node=np.array(pins, dtype=np.int64), pin_offset_um=rng.normal(size=(len(pins), 2)) * unit,
        net_start=start.astype(np.int64), net_pin=np.arange(len(pins)),
        net_weight=rng.choice([1.0, 2.0], 2 * cells), canvas_um=canvas, grid=(8, 8), rows=rows,
    )  # fmt: skip


def apart(netlist: Netlist) -> Placement:
    """Macros side by side on the grid of rows, everything else where the netlist has it."""
    position = netlist.position_um.copy()
    position[:4] = netlist.size_um[:4] / 2 + np.array([[0.2, 1], [0.2, 9], [0.7, 1], [0.7, 9]]) * (
        netlist.canvas_um[0],
        netlist.size_um[8, 1],
    )
    return Placement(netlist, position, netlist.orientation.copy())


def assert_legal(placement: Placement) -> None:
    wrong = cell_violations(placement)
    assert not wrong, f"{len(wrong.overlaps)} overlaps, {len(wrong.off_rows)} off rows"
    assert not placement.violations()


@pytest.mark.parametrize("unit", [1.0, 380.0, 0.19])
@pytest.mark.parametrize("gap", [False, True])
def test_cells_are_legal_on_any_rows_and_everything_else_stays(unit: float, gap: bool) -> None:
    start = apart(flat(unit=unit, gap=gap))
    placed = legalize_cells(start)
    assert_legal(placed)
    np.testing.assert_array_equal(placed.position_um[:8], start.position_um[:8])
    np.testing.assert_array_equal(placed.orientation, start.orientation)
    np.testing.assert_array_equal(placed.position_um, legalize_cells(start).position_um)


def test_macros_off_the_grid_and_fixed_cells_are_obstacles() -> None:
    n = flat()
    fixed = n.fixed.copy()
    fixed[8:20] = True
    position = apart(n).position_um.copy()
    position[:4] += [0.37, 2.9]
    position[8:20] = np.column_stack([np.arange(12) * 9.3 + 20, np.full(12, 70.1)])
    placed = legalize_cells(Placement.given(n.with_(fixed=fixed, position_um=position)))
    assert_legal(placed)
    np.testing.assert_array_equal(placed.position_um[:20], position[:20])


def test_cells_slightly_wider_than_their_sites_take_one_more() -> None:
    n = flat(unit=380.0)
    size = n.size_um.copy()
    size[n.cells, 0] += 100 * TOUCH * max(n.canvas_um)
    assert_legal(legalize_cells(apart(n.with_(size_um=size))))


def test_detailed_placement_does_not_lengthen_wires() -> None:
    start = apart(flat())
    spread_out = place_globally(start, start.netlist.cells, seed=0)
    short, long = evaluate(legalize_cells(spread_out)), evaluate(legalize_cells(start))
    assert short.hpwl_um < long.hpwl_um


def test_a_deadline_ends_the_detailed_placement_legally() -> None:
    spread_out = legalize_on_rows(Placement.given(flat(cells=600)))
    placed = [legalize_cells(spread_out, time.perf_counter() + seconds) for seconds in (0.0, 0.02, np.inf)]
    for placement in placed:
        assert_legal(placement)
    hurried, _, thorough = (evaluate(placement).hpwl_um for placement in placed)
    assert thorough < hurried


def test_no_step_begins_that_would_end_too_late() -> None:
    watch = _Watch(time.perf_counter() + 1.0)
    watch(None)  # after a short step
    watch.longest_s = 0.6
    watch(None)
    assert watch.has_time(1.0)
    assert not watch.has_time(2.0)
    watch.longest_s = 1.1
    with pytest.raises(_TimeUp):
        watch(None)


def test_cells_that_cannot_be_placed_are_an_error() -> None:
    start = apart(flat())
    n = start.netlist
    assert n.rows is not None
    tall = n.size_um.copy()
    tall[9, 1] = 161.0
    few = Rows(n.rows.x_um[:3], n.rows.y_um[:3], n.rows.height_um[:3], n.rows.site_um[:3], n.rows.num_sites[:3])
    uneven = Rows(n.rows.x_um, n.rows.y_um, n.rows.height_um * np.linspace(1, 0.9, 20), n.rows.site_um,
                  n.rows.num_sites)  # fmt: skip
    changes: list[tuple[dict[str, Any], str]] = [
        ({"rows": None, "size_um": np.minimum(n.size_um, [99, 0])}, "no free rows"),
        ({"rows": few}, "need .* sites"),
        ({"rows": uneven}, "differ in height"),
        ({"size_um": tall}, "no room for 1 of 1 multi-row cells, among them 'n9'"),
    ]
    for change, message in changes:
        with pytest.raises(LegalizationError, match=message):
            legalize_cells(Placement(n.with_(**change), start.position_um, start.orientation))


def test_macros_end_on_the_grid_of_rows_and_sites() -> None:
    for gap in (False, True):
        assert not legalize_on_rows(Placement.given(flat(gap=gap))).violations()
    corner = legalize_on_rows(Placement.given(flat())).position_um[:4] - flat().size_um[:4] / 2
    np.testing.assert_allclose(corner / [1.0, 8.0], np.rint(corner / [1.0, 8.0]), atol=1e-9)


def test_a_macro_higher_than_all_whole_rows_stays_off_the_grid() -> None:
    n = flat(gap=True)
    size = n.size_um.copy()
    size[0] = 10.0, n.canvas_um[1] - 1.0
    assert not legalize_on_rows(Placement.given(n.with_(size_um=size))).violations()


def test_rounds_place_legally_and_keep_the_shortest() -> None:
    start = apart(flat())
    stay, move = place_cells(start), place_cells(start, move_macros=True)
    for result in (stay, move):
        assert_legal(result.placement)
        assert not result.interrupted
    np.testing.assert_array_equal(stay.placement.position_um[:8], start.position_um[:8])
    assert evaluate(move.placement).hpwl_um < evaluate(legalize_cells(start)).hpwl_um
    np.testing.assert_array_equal(place_cells(start).placement.position_um, stay.placement.position_um)


def test_rounds_without_room_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round whose macros find no room, or whose cells do not, loses nothing of the others."""
    n = flat()
    start = legalize_on_rows(Placement.given(n))
    together, legal = place_together, legalize_cells

    def no_room(*_: Any, **__: Any) -> Placement:
        raise LegalizationError("no room")

    monkeypatch.setattr(cells_module, "place_together", no_room)
    result = place_cells(start, move_macros=True)
    assert [each.start for each in result.rounds] == [STAY]
    assert_legal(result.placement)
    np.testing.assert_array_equal(result.placement.position_um[:4], start.position_um[:4])

    def only_in_place(placement: Placement, deadline: float = np.inf) -> Placement:
        if not np.array_equal(placement.position_um[:4], start.position_um[:4]):
            raise LegalizationError("no room")
        return legal(placement, deadline)

    monkeypatch.setattr(cells_module, "place_together", together)
    monkeypatch.setattr(cells_module, "legalize_cells", only_in_place)
    for rounds in (1, 3):  # with one round the macros have not stayed yet
        monkeypatch.setattr(cells_module, "FEWEST_ROUNDS", rounds)
        result = place_cells(start, move_macros=True)
        assert_legal(result.placement)
        np.testing.assert_array_equal(result.placement.position_um[:4], start.position_um[:4])
    monkeypatch.setattr(cells_module, "legalize_cells", no_room)
    with pytest.raises(LegalizationError, match="no room"):
        place_cells(start, move_macros=True)


@pytest.mark.parametrize("workers", [2, 4, 16, 64])
def test_rounds_do_not_depend_on_the_number_of_threads(workers: int) -> None:
    start = apart(flat())
    alone, many = (place_cells(start, move_macros=True, workers=count) for count in (1, workers))
    np.testing.assert_array_equal(many.placement.position_um, alone.placement.position_um)
    assert [(each.start, each.seed, each.rank) for each in many.rounds] == [
        (each.start, each.seed, each.rank) for each in alone.rounds
    ]
    assert {each.start for each in alone.rounds} == {STAY, TOGETHER, FROM_MACROS}


@pytest.mark.parametrize(("stayed_um", "comes"), [(106.0, True), (106.1, False)])
def test_macros_are_a_start_only_if_they_are_close_in_place(stayed_um: float, comes: bool) -> None:
    start = apart(flat())
    search = cells_module._Search(start, True, 0, 100.0, lambda: None)
    assert [search._kind(number) for number in range(3)] == [TOGETHER, STAY, TOGETHER]  # nothing is known yet
    search.rounds = [Round(STAY, 1, start, (0, False, stayed_um))]
    assert search._kind(2) == TOGETHER
    search.rounds.insert(0, Round(TOGETHER, 0, start, (0, False, 100.0)))
    assert [search._kind(number) == FROM_MACROS for number in (2, 3)] == [comes, comes]
    search.began_from_macros = True
    assert search._kind(3) == TOGETHER


def test_short_wires_of_cells_that_lie_on_each_other_do_not_count() -> None:
    start = apart(flat())  # all cells in the middle of the canvas
    spread = place_globally(start, start.netlist.cells, seed=1)
    assert evaluate(start).hpwl_um < evaluate(spread).hpwl_um
    assert cells_module._rank(start) > cells_module._rank(spread)


def test_overflow_is_the_area_above_the_density_limit() -> None:
    start = apart(flat())
    cells = start.netlist.cells
    area, bin_area = start.netlist.size_um[cells].prod(axis=1).sum(), np.prod(start.netlist.canvas_um) / 32**2
    # Cells are narrower than two bins: all are within 2 x 3 bins around the middle, filled to at most 0.9.
    assert 1 - 0.9 * 6 * bin_area / area <= overflow(start, cells) < 1
    spread = place_globally(start, cells, seed=1)
    assert overflow(spread, cells) < ENOUGH + 0.02  # of the point before the last step
    assert overflow(start, cells[:0]) == 0


def test_without_movable_macros_only_cells_are_placed() -> None:
    n = flat()
    fixed = n.fixed.copy()
    fixed[:4] = True
    start = apart(n)
    stuck = Placement.given(n.with_(fixed=fixed, position_um=start.position_um))
    result = place_cells(stuck, move_macros=True)
    assert {each.start for each in result.rounds} == {STAY}
    assert_legal(result.placement)


def test_macros_with_cells_are_legal_and_keep_halos() -> None:
    n = flat().with_(constraints=Constraints(halos=(Halo("*", 2.0, 1.0, 2.0, 1.0),)))
    for deadline in (np.inf, 0.0):
        placed = place_together(legalize_by_rules(apart(n)), seed=0, deadline=deadline)
        assert not placed.violations()
        assert not rule_violations(placed)
    assert_legal(legalize_cells(placed))


def test_without_time_the_placement_is_hurried_but_legal() -> None:
    began = time.process_time()
    start = apart(flat())
    placed = place_cells(start, move_macros=True, seconds=0).placement
    assert_legal(placed)
    np.testing.assert_array_equal(placed.position_um[:4], start.position_um[:4])
    assert time.process_time() - began < 10


def test_ctrl_c_leaves_a_legal_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cells_module, "place_globally", stop)
    result = place_cells(apart(flat()))
    assert result.interrupted
    assert_legal(result.placement)


def test_macros_stay_and_cells_are_hurried_after_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[bool, float | None]] = []

    def cells(placement: Placement, *, move_macros: bool, seconds: float | None, **_: Any) -> PlacedCells:
        calls.append((move_macros, seconds))
        return PlacedCells(placement, False)

    monkeypatch.setattr(pipeline, "place_cells", cells)
    for stopped in (False, True):

        def stop(job: Job, stopped: bool = stopped) -> None:
            job.interrupted = stopped

        monkeypatch.setattr(pipeline, "refine_macros", stop)
        place(flat(), method="greedy", iterations=1, workers=1)
    assert calls == [(True, None), (False, 0.0)]


@pytest.mark.parametrize("refine", [False, True])
def test_flat_netlists_are_placed_to_the_last_cell(refine: bool) -> None:
    result = place(flat(), method="greedy", iterations=1, workers=1, refine=refine)
    assert_legal(result.placement)
    assert [stage.name for stage in result.stages][-2:] == ["expand", "cells"]
    assert (result.metrics["cells"], result.metrics["cell_overlaps"], result.metrics["cells_off_rows"]) == (300, 0, 0)


def test_cells_are_counted_if_there_are_any() -> None:
    counts = summary(Placement.given(flat()))
    assert counts["cell_overlaps"] == 300
    assert counts["cells_off_rows"] > 0
    no_cells = flat().with_(kind=np.where(flat().kind == Kind.CELL, Kind.SOFT, flat().kind).astype(np.int8))
    bare = summary(Placement.given(no_cells))
    assert "cells" not in bare
    assert (bare["cell_overlaps"], bare["cells_off_rows"]) == (0, 0)
    assert has_cells(flat())
    assert not has_cells(no_cells)
    assert has_cells(flat().with_(rows=None))


def slow_one_run(target: Floats, width: Floats, length: float) -> Floats:
    """Places in order in one run with the least sum of squared moves, by the minimax formula of isotonic regression."""
    before = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    d, count = target - before, len(target)
    means = [[d[j : k + 1].mean() if j <= k else np.nan for k in range(count)] for j in range(count)]
    level = [max(min(means[j][i:]) for j in range(i + 1)) for i in range(count)]
    return np.asarray(before + np.clip(level, 0, length - width.sum()))


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([20, 60, 200]))
def test_one_run_is_filled_with_the_least_movement(seed: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    width = rng.integers(1, 6, 12)
    target = np.sort(rng.uniform(-5, span, 12))
    corner = np.column_stack([target, np.zeros(12)])
    run, site = assign_to_runs(corner, width, np.zeros(1), np.array([span + 60]), np.zeros(1))
    assert (run == 0).all()
    np.testing.assert_allclose(site, slow_one_run(target, width.astype(float), span + 60), atol=0.5 + 1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_runs_hold_their_cells_and_no_cell_is_left_out_that_would_fit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, length = rng.integers(1, 9, 40), rng.integers(1, 25, 12)
    bottom = np.sort(rng.integers(0, 4, 12)).astype(float)
    run, site = assign_to_runs(rng.uniform(0, 30, (40, 2)), width, rng.uniform(0, 30, 12), length, bottom)
    for k in range(12):
        mine = np.flatnonzero(run == k)
        mine = mine[np.argsort(site[mine])]
        assert (site[mine][1:] >= (site + width)[mine][:-1]).all()
        assert not mine.size or (site[mine[0]] >= 0 and (site + width)[mine[-1]] <= length[k])
        assert (width[run < 0] + width[mine].sum() > length[k]).all()


def slow_wirelength(at: Floats, n: Netlist, smooth: float) -> float:
    """The weighted-average wirelength, net by net."""
    total = 0.0
    for k in range(n.num_nets):
        pins = slice(n.net_start[k], n.net_start[k + 1])
        for axis in range(2):
            x = at[n.connection_node[pins], axis] + n.connection_offset_um[pins, axis]
            up, down = np.exp((x - x.max()) / smooth), np.exp((x.min() - x) / smooth)
            total += n.net_weight[k] * ((up @ x) / up.sum() - (down @ x) / down.sum())
    return total


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 50))
def test_the_gradient_is_that_of_the_weighted_average_wirelength(seed: int, smooth: float) -> None:
    rng = np.random.default_rng(seed)
    n = flat(cells=20)
    at = rng.random((n.num_nodes, 2)) * 100
    gradient = np.zeros(at.shape)
    offset = np.ascontiguousarray(n.connection_offset_um)
    wirelength_gradient(at, n.connection_node, offset, n.net_start, n.net_weight, smooth, gradient)
    way = rng.normal(size=at.shape)
    rise = slow_wirelength(at + 1e-5 * way, n, smooth) - slow_wirelength(at - 1e-5 * way, n, smooth)
    np.testing.assert_allclose((gradient * way).sum(), rise / 2e-5, rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_charge_is_kept_and_density_is_area(seed: int) -> None:
    rng = np.random.default_rng(seed)
    bins = Bins((64.0, 32.0), np.zeros((16, 16)))
    size = rng.uniform(0.5, 12, (9, 2))
    center = rng.uniform(8, 24, (9, 2))  # stretched rectangles stay inside, too
    assert bins.density(center, bins.rectangles(size, size.prod(axis=1))).sum() * bins.size.prod() == pytest.approx(
        size.prod(axis=1).sum()
    )
    cover = cover_fractions(center[:1] - size[:1] / 2, center[:1] + size[:1] / 2, bins.canvas, 16)
    xs, ys = np.meshgrid(np.linspace(0, 64, 1601)[:-1] + 0.02, np.linspace(0, 32, 801)[:-1] + 0.02, indexing="ij")
    inside = (np.abs(xs - center[0, 0]) < size[0, 0] / 2) & (np.abs(ys - center[0, 1]) < size[0, 1] / 2)
    np.testing.assert_allclose(cover, inside.reshape(16, 100, 16, 50).mean(axis=(1, 3)), atol=0.05)


def test_the_field_solves_poissons_equation() -> None:
    count, step = 128, np.array([0.5, 2.0])
    x = (np.arange(count) + 0.5)[:, None] * step[0]
    y = (np.arange(count) + 0.5)[None, :] * step[1]
    a, b = 2 * np.pi / (count * step[0]), np.pi / (count * step[1])
    density = np.cos(a * x) * np.cos(b * y)  # of the potential density / (a² + b²)
    field_x, field_y = solve_field(density, step)
    np.testing.assert_allclose(field_x, a * np.sin(a * x) * np.cos(b * y) / (a**2 + b**2), atol=1e-9)
    np.testing.assert_allclose(field_y, b * np.cos(a * x) * np.sin(b * y) / (a**2 + b**2), atol=1e-9)


def test_fillers_are_few_and_cover_the_free_area() -> None:
    cells = np.tile([[2.0, 8.0]], (40_000, 1))
    some, many = _fillers(cells, 672_000.0), _fillers(cells, 16e6)
    np.testing.assert_array_equal(some, cells[:1].repeat(2000, axis=0))
    np.testing.assert_allclose(many, np.tile([[2.0, 8.0]], (20_000, 1)) * np.sqrt(960_000 / 20_000))
    assert len(_fillers(cells[:0], 1e9)) == 10_000


def test_spreading_ends_with_little_overlap_on_free_area() -> None:
    n = flat()
    start = apart(n)
    cells = n.kind == Kind.CELL
    placed = place_globally(start, n.cells, seed=1)
    np.testing.assert_array_equal(placed.position_um[~cells], start.position_um[~cells])
    low, high = placed.position_um - n.size_um / 2, placed.position_um + n.size_um / 2
    density = cover_fractions(low[cells], high[cells], n.canvas_um, 8)
    assert density.max() < 1.3
    assert (low[cells] > -1e-9).all()
    assert (high[cells] < np.array(n.canvas_um) + 1e-9).all()
