"""The estimate of whole placements: any netlist, tracks of layers and macros, lengths against bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import Floats, Kind, Netlist, RoutingLayer
from netlists.placement import Placement
from netlists.synthetic.tiny import tiny_netlist, tiny_netlist_with_rows
from placer.cost import evaluate
from placer.routing import RoutingEstimate, estimate
from placer.routing.estimation import MOST_PINS, connect, mean_of_fullest
from placer.routing.gcells import MOST_GCELLS, RESERVED, GCells, capacities, cover, gcells, tracks
from tests.netlists.chips import chips

M2_TO_M7 = tuple(
    RoutingLayer(f"metal{k}", k % 2 == 1, 1 / pitch, float(k <= 4))
    for k, pitch in ((2, 0.19), (3, 0.14), (4, 0.28), (5, 0.28), (6, 0.28), (7, 0.8))
)
"""NanGate45, whose macros block up to metal 4."""


def placed(netlist: Netlist, seed: int = 0) -> Placement:
    """All movable nodes anywhere on the canvas and a little beside it."""
    places = (1.1 * np.random.default_rng(seed).random((netlist.num_nodes, 2)) - 0.05) * netlist.canvas_um
    position = np.where(netlist.fixed[:, None], netlist.position_um, places)
    return Placement(netlist, np.nan_to_num(position), netlist.orientation.copy())


def same(a: RoutingEstimate, b: RoutingEstimate) -> bool:
    """Whether two estimates are equal to the last bit."""
    maps = np.array_equal(a.horizontal, b.horizontal) and np.array_equal(a.vertical, b.vertical)
    return maps and a.as_dict() == b.as_dict()


@settings(deadline=None, max_examples=40)
@given(chips(), st.integers(0, 99))
def test_any_netlist_is_routed(netlist: Netlist, seed: int) -> None:
    netlist = netlist.with_(position_um=np.nan_to_num(netlist.position_um))
    placement, grid = placed(netlist, seed), gcells(netlist)
    result = estimate(placement)
    assert same(result, estimate(placement))
    assert result.horizontal.shape == result.vertical.shape == (grid.rows, grid.cols)
    assert result.routed_um >= result.steiner_um >= 0
    assert result.utilization_max >= result.utilization_top >= 0
    assert result.utilization_max == max(result.horizontal.max(), result.vertical.max())
    assert all(np.isfinite(value) for value in result.as_dict().values())
    assert result.overflow > 0 or result.routed_um == result.steiner_um or result.utilization_max > 0.9


@pytest.mark.parametrize("utilization", [0.015234303589201931, 0.1, 0.7, 1 / 3])
def test_the_mean_of_equal_edges_is_that_of_one(utilization: float) -> None:
    for edges in range(100, 10_000, 100):
        assert mean_of_fullest(np.full(edges, utilization)) <= utilization
    assert mean_of_fullest(np.append(np.zeros(198), [0.25, 0.75])) == 0.5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_trees_are_no_shorter_than_boxes(seed: int) -> None:
    netlist = tiny_netlist_with_rows()
    position = np.random.default_rng(seed).random((netlist.num_nodes, 2)) * netlist.canvas_um
    placement = Placement(netlist, np.where(netlist.fixed[:, None], netlist.position_um, position), netlist.orientation)
    inside = netlist.with_(pin_offset_um=np.zeros_like(netlist.pin_offset_um), net_weight=np.ones(netlist.num_nets))
    placement = replace(placement, netlist=inside)
    lengths = connect(placement, gcells(inside)).length_um
    for n in range(inside.num_nets):
        pins = placement.position_um[inside.connection_node[inside.net_start[n] : inside.net_start[n + 1]]]
        pins = np.clip(pins, 0, inside.canvas_um)
        box = np.ptp(pins, axis=0).sum() if len(pins) else 0.0
        assert lengths[n] >= box - 1e-9
        assert len(pins) > 3 or lengths[n] == pytest.approx(box)
    assert estimate(placement).steiner_um >= evaluate(placement).hpwl_um * (1 - 1e-12)


@pytest.mark.parametrize("netlist", [tiny_netlist(), tiny_netlist_with_rows(), load("harbor")], ids=lambda n: n.name)
def test_demand_is_conserved(netlist: Netlist) -> None:
    placement, grid = placed(netlist), gcells(netlist)
    result = estimate(placement)
    horizontal, vertical = capacities(placement, grid)
    demand = result.horizontal * np.maximum(horizontal, 1), result.vertical * np.maximum(vertical, 1)
    ends = connect(placement, grid).ends
    detour = result.routed_um - result.steiner_um
    straight = np.abs(ends[:, 1] - ends[:, 3]).sum(), np.abs(ends[:, 0] - ends[:, 2]).sum()
    assert detour == pytest.approx(
        (demand[0].sum() - straight[0]) * grid.width_um + (demand[1].sum() - straight[1]) * grid.height_um, abs=1e-3
    )
    assert result.overflow == pytest.approx(
        np.maximum(demand[0] - horizontal, 0).sum() + np.maximum(demand[1] - vertical, 0).sum(), abs=1e-6
    )
    assert result.connections == len(ends)


def test_large_nets_are_left_out_and_counted() -> None:
    netlist = tiny_netlist()
    pins = np.concatenate([netlist.net_pin, np.zeros(MOST_PINS + 1, dtype=np.int64)])
    larger = netlist.with_(
        net_pin=pins, net_start=np.append(netlist.net_start, len(pins)), net_weight=np.append(netlist.net_weight, 1.0),
        net_names=(),
    )  # fmt: skip
    without, with_it = estimate(placed(netlist)), estimate(placed(larger))
    assert (without.nets_left_out, with_it.nets_left_out) == (0, 1)
    assert same(without, replace(with_it, nets_left_out=0))


def test_weights_do_not_count() -> None:
    netlist = tiny_netlist_with_rows()
    heavy = netlist.with_(net_weight=np.full(netlist.num_nets, 7.0))
    assert same(estimate(placed(netlist)), estimate(placed(heavy)))


def test_a_netlist_without_nets_and_a_single_gcell() -> None:
    netlist = tiny_netlist_with_rows()
    empty = netlist.with_(net_start=np.zeros(1, dtype=np.int64), net_pin=np.empty(0, dtype=np.int64),
                          net_weight=np.empty(0), net_names=())  # fmt: skip
    assert estimate(placed(empty)).as_dict() == dict.fromkeys(estimate(placed(empty)).as_dict(), 0)
    rows = netlist.rows
    assert rows is not None
    coarse = netlist.with_(rows=replace(rows, height_um=np.full(len(rows), 100.0)))
    result = estimate(placed(coarse))
    assert result.horizontal.shape == (1, 1)
    assert result.connections == result.overflow == result.utilization_max == 0
    assert result.routed_um == result.steiner_um > 0


@pytest.mark.parametrize(
    ("row_height_um", "canvas_um", "expected"),
    [
        (1.4, (1400.0, 700.0), (50, 100)),
        (1.4, (5.0, 5.0), (1, 1)),
        (0.01, (100.0, 50.0), (MOST_GCELLS // 2, MOST_GCELLS)),
    ],
)
def test_gcells_are_ten_rows_high(
    row_height_um: float, canvas_um: tuple[float, float], expected: tuple[int, int]
) -> None:
    netlist = tiny_netlist_with_rows()
    rows = netlist.rows
    assert rows is not None
    ports = np.zeros_like(netlist.position_um)
    size = np.where(netlist.kind[:, None] == Kind.HARD, 1.0, netlist.size_um)
    changed = netlist.with_(rows=replace(rows, height_um=np.full(len(rows), row_height_um)), canvas_um=canvas_um,
                            position_um=ports, size_um=size)  # fmt: skip
    grid = gcells(changed)
    assert (grid.rows, grid.cols) == expected
    assert (grid.cols * grid.width_um, grid.rows * grid.height_um) == pytest.approx(canvas_um)


def test_tracks_come_from_layers_if_there_are_any() -> None:
    netlist = tiny_netlist()
    assert tracks(netlist) == netlist.routing
    expected = (1 / 0.14 + 1 / 0.28, 1 / 0.19 + 2 / 0.28, 1 / 0.14, 1 / 0.19 + 1 / 0.28)  # metal 7 is not used
    found = tracks(netlist.with_(layers=M2_TO_M7))
    assert (
        found.horizontal_per_um, found.vertical_per_um, found.macro_horizontal_per_um, found.macro_vertical_per_um
    ) == pytest.approx(expected)  # fmt: skip
    only_one_way = netlist.with_(layers=M2_TO_M7[:1])
    assert tracks(only_one_way) == tracks(netlist)


def block(center_um: tuple[float, float], size_um: tuple[float, float]) -> Placement:
    """One hard macro on a canvas of 100 by 100 µm with the layers of NanGate45."""
    one = Netlist(
        "block", ("ram",), np.array([Kind.HARD], dtype=np.int8), np.array([size_um]), np.zeros(1, dtype=bool),
        np.array([center_um]), np.zeros(1, dtype=np.int8), np.empty(0, dtype=np.int64), np.empty((0, 2)),
        np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0), (100.0, 100.0), (10, 10),
        layers=M2_TO_M7,
    )  # fmt: skip
    return Placement.given(one)


@settings(deadline=None, max_examples=40)
@given(st.floats(30, 70), st.floats(30, 70), st.floats(0.1, 39), st.floats(0.1, 39))
def test_a_macro_blocks_the_tracks_above_it(x: float, y: float, width: float, height: float) -> None:
    """All tracks together are those without the macro, without those above it: its area times its tracks per µm."""
    grid = GCells(10, 10, 10.0, 10.0)
    free, left = capacities(block((50.0, 50.0), (0.0, 0.0)), grid), capacities(block((x, y), (width, height)), grid)
    t = tracks(block((x, y), (1.0, 1.0)).netlist)
    per_um = np.array([t.macro_horizontal_per_um, t.macro_vertical_per_um])
    blocked = (1 - RESERVED) * width * height / 10.0 * per_um
    for way in (0, 1):
        assert left[way].sum() == pytest.approx(free[way].sum() - blocked[way])
        assert (left[way] >= 0).all()
        assert (left[way] <= free[way]).all()


def test_tracks_over_and_beside_a_macro() -> None:
    horizontal, vertical = capacities(block((50.0, 50.0), (60.0, 60.0)), GCells(10, 10, 10.0, 10.0))
    assert horizontal[5, 5] == pytest.approx(0.7 * 10 / 0.28)  # metal 5 alone
    assert vertical[5, 5] == pytest.approx(0.7 * 10 / 0.28)  # metal 6 alone
    assert horizontal[0, 0] == pytest.approx(0.7 * 10 * (1 / 0.14 + 1 / 0.28))
    assert horizontal[5, 1] == pytest.approx((horizontal[0, 0] + horizontal[5, 5]) / 2)  # half above the macro
    assert not horizontal[:, -1].any()
    assert not vertical[-1].any()


def test_overlapping_macros_cover_no_more_than_everything() -> None:
    low, high = np.zeros((2, 2)), np.full((2, 2), 15.0)
    lines: Floats = np.array([0.0, 10.0, 20.0])
    assert cover(low, high, lines, lines).tolist() == [[1.0, 1.0], [1.0, 0.5]]
