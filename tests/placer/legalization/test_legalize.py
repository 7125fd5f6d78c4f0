"""Legalization ends legally from any start and leaves legal placements alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from netlists.errors import LegalizationError, NetlistError
from netlists.netlist import Floats, Kind, Netlist
from netlists.placement import TOUCH, Placement
from netlists.synthetic.generate import GeneratorSettings, generate, random_case
from netlists.tolerance import MACRO_GAP
from placer.legalization.legalize import covered_area, legalize


def blocks(size_um: list[tuple[float, float]], canvas: tuple[float, float], **changes: object) -> Netlist:
    """Hard macros without nets on a canvas of 10 by 10 grid cells."""
    count = len(size_um)
    netlist = Netlist(
        name="blocks",
        node_names=tuple(f"m{i}" for i in range(count)),
        kind=np.full(count, Kind.HARD, dtype=np.int8),
        size_um=np.array(size_um, dtype=np.float64).reshape(count, 2),
        fixed=np.zeros(count, dtype=bool),
        position_um=np.full((count, 2), np.nan),
        orientation=np.zeros(count, dtype=np.int8),
        pin_node=np.empty(0, dtype=np.int64),
        pin_offset_um=np.empty((0, 2)),
        net_start=np.zeros(1, dtype=np.int64),
        net_pin=np.empty(0, dtype=np.int64),
        net_weight=np.empty(0),
        canvas_um=canvas,
        grid=(10, 10),
    )
    return netlist.with_(**changes) if changes else netlist


def placed(netlist: Netlist, center: object) -> Placement:
    position = np.broadcast_to(np.array(center, dtype=np.float64), (netlist.num_nodes, 2)).copy()
    return Placement(netlist, position, netlist.orientation)


def with_hard_at(netlist: Netlist, center: Floats) -> Placement:
    """All nodes where the netlist has them, but movable hard macros at `center`."""
    position = netlist.position_um.copy()
    position[netlist.movable_hard] = center
    return Placement(netlist, position, netlist.orientation)


def overlaps(placement: Placement, number: npt.DTypeLike = np.float64) -> int:
    """Overlapping pairs with a movable macro, plus movable hard macros outside the canvas, without any tolerance."""
    n = placement.netlist
    center, half = placement.position_um[n.hard].astype(number), (n.size_um[n.hard] / 2).astype(number)
    low, high, movable = center - half, center + half, ~n.fixed[n.hard]
    count = int((low[movable] < 0).sum() + (high[movable] > np.array(n.canvas_um, dtype=number)).sum())
    for i in range(len(low)):
        for j in range(i):
            meets = all(low[i, axis] < high[j, axis] and low[j, axis] < high[i, axis] for axis in (0, 1))
            count += meets and bool(movable[i] or movable[j])
    return count


def starts(netlist: Netlist, seed: int) -> list[Placement]:
    """All macros at the center, at random (partly outside the canvas), and a little off a legal placement."""
    random = np.random.default_rng(seed)
    canvas, count = np.array(netlist.canvas_um), len(netlist.movable_hard)
    scattered = random.uniform(-0.2, 1.2, (count, 2)) * canvas
    near = netlist.position_um[netlist.movable_hard] + random.normal(0, 0.02, (count, 2)) * canvas
    return [with_hard_at(netlist, center) for center in (np.tile(canvas / 2, (count, 1)), scattered, near)]


@pytest.mark.parametrize("seed", range(25))
def test_any_start_becomes_legal_and_only_movable_hard_macros_move(seed: int) -> None:
    netlist = generate(random_case(seed), seed)
    for start in starts(netlist, seed):
        legal = legalize(start)
        assert overlaps(legal) == 0
        assert not legal.violations()
        others = np.setdiff1d(np.arange(netlist.num_nodes), netlist.movable_hard)
        np.testing.assert_array_equal(legal.position_um[others], start.position_um[others])
        np.testing.assert_array_equal(legal.orientation, start.orientation)
        assert legalize(legal) is legal


def test_a_legal_placement_is_returned_unchanged() -> None:
    legal = Placement.given(generate(random_case(3), 3))
    assert legalize(legal) is legal


def test_result_does_not_depend_on_earlier_calls() -> None:
    netlist = generate(GeneratorSettings(hard_macros=60, hard_coverage=0.7, nets=0), 0)
    start = starts(netlist, 0)[1]
    first = legalize(start)
    legalize(starts(netlist, 5)[1])
    np.testing.assert_array_equal(legalize(start).position_um, first.position_um)


def test_there_is_no_overlap_in_float32_either() -> None:
    netlist = generate(GeneratorSettings(hard_macros=120, hard_coverage=0.65, nets=0), 4)
    for start in starts(netlist, 4):
        assert overlaps(legalize(start), np.float32) == 0


def test_two_macros_move_apart_by_the_least_distance() -> None:
    netlist = blocks([(10, 10), (10, 10)], (100, 100))
    legal = legalize(placed(netlist, [(50, 50), (53, 51)]))
    moved = np.hypot(*(legal.position_um - [(50, 50), (53, 51)]).T).sum()
    assert 7 <= moved <= 7 + 2 * MACRO_GAP * 100


def test_macros_in_a_row_slide_together() -> None:
    # Six macros of width 10 on a canvas 62 wide and one macro high, with targets that are all 1 too far right.
    netlist = blocks([(10, 10)] * 6, (62, 10.0001))
    target = np.column_stack([np.arange(6) * 10.2 + 7.0, np.full(6, 5.0)])
    legal = legalize(placed(netlist, target))
    assert overlaps(legal) == 0
    # The last macro must move back by 1, the one before it by 0.8, and so on.
    assert np.abs(legal.position_um[:, 0] - target[:, 0]).sum() == pytest.approx(3.0, abs=0.01)


def test_equal_macros_swap_rather_than_cross() -> None:
    # Two pairs of macros want the same two places; each macro ends at or beside its own target.
    netlist = blocks([(20, 20)] * 4, (200, 40))
    target = np.array([(30, 20), (170, 20), (30, 20), (170, 20)])
    legal = legalize(placed(netlist, target))
    assert np.hypot(*(legal.position_um - target).T).max() < 21


def test_fixed_macros_are_obstacles() -> None:
    wall = blocks(
        [(10, 80), (30, 30)], (100, 80), fixed=np.array([True, False]), position_um=np.array([(50.0, 40), (0, 0)])
    )
    legal = legalize(with_hard_at(wall, np.array([(48.0, 40.0)])))
    assert legal.position_um[1] == pytest.approx((30, 40), abs=1e-3)


def test_spacing_is_kept() -> None:
    netlist = generate(GeneratorSettings(hard_macros=30, hard_coverage=0.3, nets=0), 2)
    legal = legalize(starts(netlist, 2)[0], spacing_um=12.5)
    wider = netlist.with_(size_um=netlist.size_um + np.where(netlist.kind == Kind.HARD, 12.4999, 0.0)[:, None])
    assert not len(Placement(wider, legal.position_um, legal.orientation).violations().overlaps)
    assert legalize(legal, spacing_um=12.5) is legal


@pytest.mark.parametrize("canvas", [(100.0, 100.0), (1433.406, 1433.406), (0.7, 0.3)])
@pytest.mark.parametrize("raster", [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5)])
def test_exact_tilings_are_found(canvas: tuple[float, float], raster: tuple[int, int]) -> None:
    columns, rows = raster
    netlist = blocks([(canvas[0] / columns, canvas[1] / rows)] * (rows * columns), canvas)
    legal = legalize(placed(netlist, np.array(canvas) / 2))
    assert not legal.violations()


def test_exact_tilings_have_no_overlap_where_sizes_are_exact() -> None:
    netlist = blocks([(32, 16)] * 32, (128, 128))
    assert overlaps(legalize(placed(netlist, (64, 64)))) == 0


def test_too_much_area_is_reported_at_once() -> None:
    netlist = blocks([(60, 60), (70, 70), (40, 40)], (100, 100))
    with pytest.raises(LegalizationError, match=r"need 10100 µm², but only 10000 µm².*'m1', 'm0', 'm2'"):
        legalize(placed(netlist, (50, 50)))


def test_area_under_fixed_macros_is_not_available() -> None:
    fixed = np.array([True, True, False])
    position = np.array([(50.0, 50), (55, 50), (0, 0)])
    netlist = blocks([(60, 100), (60, 100), (40, 95)], (100, 100), fixed=fixed, position_um=position)
    with pytest.raises(LegalizationError, match="only 3500 µm²"):
        legalize(with_hard_at(netlist, np.array([(50.0, 50.0)])))


def test_a_macro_without_a_place_among_the_fixed_ones_is_named_at_once() -> None:
    pillars = np.array([(25.0, 25.0), (75.0, 25.0), (25.0, 75.0), (75.0, 75.0), (0, 0), (0, 0)])
    size = [(10.0, 10.0)] * 4 + [(20.0, 20.0), (41.0, 41.0)]
    netlist = blocks(size, (100, 100), fixed=np.arange(6) < 4, position_um=pillars)
    with pytest.raises(LegalizationError, match="'m5', 41 by 41 µm, has no place among 4 fixed macros"):
        legalize(Placement.given(netlist))
    fits = netlist.with_(size_um=np.array([*size[:5], (40, 40)]))
    assert not legalize(Placement.given(fits)).violations()


def test_a_macro_that_cannot_be_packed_is_named() -> None:
    netlist = blocks([(51, 49)] * 3, (100, 100))
    with pytest.raises(LegalizationError, match=r"no legal placement found: .* 75\.0% .*'m\d'"):
        legalize(placed(netlist, (50, 50)))


def test_two_macros_that_cannot_be_together_are_named_at_once() -> None:
    netlist = blocks([(60, 60), (10, 10), (41, 41)], (100, 100))
    with pytest.raises(LegalizationError, match="'m0', 'm2' fit neither side by side nor one above the other"):
        legalize(placed(netlist, (50, 50)))
    assert not legalize(placed(blocks([(60, 60), (40, 40)], (100, 100)), (50, 50))).violations()


@pytest.mark.parametrize("excess", [0.0, 1e-10, 9e-10, 1.1e-9, 1e-7])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_macro_as_large_as_the_canvas_within_the_tolerance_can_be_placed(excess: float, axis: int) -> None:
    canvas = (1433.406, 977.1)
    size = [400.0, 300.0]
    size[axis] = canvas[axis] + excess * max(canvas)
    if excess > TOUCH:
        with pytest.raises(NetlistError, match=r"hard macro 'm0' is .* expected at most the canvas"):
            blocks([(size[0], size[1])], canvas)
        return
    netlist = blocks([(size[0], size[1])], canvas)
    for start in ((0.0, 0.0), (700.0, 500.0), (1433.0, 977.0)):
        assert not legalize(placed(netlist, start)).violations()


def test_a_macro_as_wide_as_the_canvas_leaves_the_others_their_spacing() -> None:
    netlist = blocks([(100, 20), (30, 60), (40, 60), (20, 60)], (100, 81))
    legal = legalize(placed(netlist, (50, 50)))
    assert overlaps(legal) == 0
    assert overlaps(legal, np.float32) == 0


def test_no_movable_hard_macros_is_legal() -> None:
    netlist = blocks([], (100, 100))
    start = placed(netlist, (0, 0))
    assert legalize(start) is start


def test_covered_area_counts_overlaps_once_and_the_canvas_only() -> None:
    rectangles = np.array([(0.0, 0, 4, 4), (2, 2, 6, 6), (9, 9, 20, 20), (-5, -5, -1, -1)])
    assert covered_area(rectangles, 10, 10) == pytest.approx(16 + 16 - 4 + 1)
    assert covered_area(np.empty((0, 4)), 10, 10) == 0


def test_overlaps_by_rounding_are_resolved_by_rounding() -> None:
    side = 0.1
    netlist = blocks([(side, side)] * 60, (1.1, 1.0))
    column, row = np.arange(60) % 10, np.arange(60) // 10
    start = placed(netlist, np.column_stack([column * side + side / 2, row * side + side / 2]) + 0.01)
    assert not start.violations()
    assert overlaps(start) > 0  # 0.1 has no exact float64
    legal = legalize(start)
    assert overlaps(legal) == 0
    assert np.abs(legal.position_um - start.position_um).max() < 1e-14


def test_slight_overlaps_need_slight_moves_only() -> None:
    # A raster with gaps of 2 and all macros off by up to 2: there is room beside every overlap.
    netlist = blocks([(18, 18)] * 100, (200, 200))
    raster = np.column_stack([np.arange(100) % 10, np.arange(100) // 10]) * 20.0 + 10
    start = placed(netlist, raster + np.random.default_rng(0).uniform(-2, 2, raster.shape))
    assert overlaps(start) > 40
    legal = legalize(start)
    assert overlaps(legal) == 0
    assert np.hypot(*(legal.position_um - start.position_um).T).mean() < 1.5
    assert np.hypot(*(legal.position_um - start.position_um).T).max() < 6
