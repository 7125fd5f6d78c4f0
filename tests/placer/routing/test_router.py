"""The router equals its slow twin to the last bit, and conserves what it counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.netlist import Floats, Ints
from placer.routing.estimation import Routes, count_bends, detours_um, outside, route, steps
from placer.routing.gcells import GCells
from placer.routing.patterns import empty_edges
from placer.routing.trees import Cells
from tests.placer.routing.slow_routing import SlowRouter, edges_of


def random_ends(rng: np.random.Generator, rows: int, cols: int, count: int) -> Cells:
    """Connections between different gcells."""
    cells = rng.integers(0, rows * cols, (count, 2))
    cells = cells[cells[:, 0] != cells[:, 1]]
    return np.column_stack([*divmod(cells[:, 0], cols), *divmod(cells[:, 1], cols)]).astype(np.int32)


def some_tracks(rng: np.random.Generator, rows: int, cols: int, most: float) -> tuple[Floats, Floats]:
    """Tracks [R, C] of edges, some of them blocked; edges of the canvas have none.

    They are eighths, whose sums are exact: of two passes with equal overflow the first one counts.
    """
    horizontal, vertical = np.round(8 * most * rng.random((2, rows, cols))) / 8 * (rng.random((2, rows, cols)) < 0.9)
    horizontal[:, -1], vertical[-1] = 0.0, 0.0
    return horizontal, vertical


def routed(ends: Cells, horizontal: Floats, vertical: Floats) -> Routes:
    """Routes over edges with these tracks [R, C]."""
    return route(ends, empty_edges(horizontal), empty_edges(vertical.T))


def demands(routes: Routes) -> tuple[Ints, Ints]:
    """Wires across the right and across the top edge of each gcell."""
    return routes.horizontal.demand, routes.vertical.demand.T


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.5, 2.0, 6.0, 100.0]))
def test_the_router_equals_its_twin(seed: int, rows: int, cols: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    ends = random_ends(rng, rows, cols, 60)
    horizontal, vertical = some_tracks(rng, rows, cols, most)
    routes, twin = routed(ends, horizontal, vertical), SlowRouter(horizontal, vertical)
    twin.run(ends.tolist())
    assert dict(enumerate(routes.leg.tolist())) == twin.legs
    across, along = demands(routes)
    assert all((across if way == "h" else along)[r, c] == used for (way, r, c), used in twin.demand.items())
    assert routes.overflow == twin.overflow


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.sampled_from([2.0, 20.0, 1000.0]))
def test_demand_is_the_length_of_all_routes(seed: int, rows: int, cols: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    ends = random_ends(rng, rows, cols, 200)
    routes = routed(ends, *some_tracks(rng, rows, cols, most))
    columns, lines = outside(ends, routes.leg)
    across, along = demands(routes)
    assert across.sum() == np.abs(ends[:, 1] - ends[:, 3]).sum() + 2 * columns.sum()
    assert along.sum() == np.abs(ends[:, 0] - ends[:, 2]).sum() + 2 * lines.sum()
    assert across.sum() + along.sum() == sum(len(edges_of(e, leg)) for e, leg in zip(ends, routes.leg, strict=True))
    assert not across[:, -1].any()
    assert not along[-1].any()
    assert detours_um(ends, routes.leg, GCells(rows, cols, 3.0, 5.0)) == 6 * columns.sum() + 10 * lines.sum()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12))
def test_with_tracks_enough_there_is_no_detour(seed: int, rows: int, cols: int) -> None:
    ends = random_ends(np.random.default_rng(seed), rows, cols, 100)
    plenty = np.full((rows, cols), 1000.0)
    routes = routed(ends, plenty, plenty)
    assert routes.overflow == 0
    assert sum(demand.sum() for demand in demands(routes)) == steps(ends).sum()
    bent = ((ends[:, 0] != ends[:, 2]) & (ends[:, 1] != ends[:, 3])).sum()
    assert bent <= count_bends(ends, routes.leg) <= 2 * bent


def test_ls_share_the_ways_around_a_box() -> None:
    ends = np.tile(np.array([[0, 0, 3, 3]], dtype=np.int32), (10, 1))
    tracks = np.full((4, 4), 8.0)
    across, along = demands(routed(ends, tracks, tracks))
    assert across[0, 0] + along[0, 0] == 10
    assert max(across.max(), along.max()) <= 8


def test_a_full_way_is_avoided_by_a_detour() -> None:
    """Five wires along a row with two tracks in each of three rows: the others go above and below."""
    ends = np.tile(np.array([[1, 0, 1, 4]], dtype=np.int32), (5, 1))
    routes = routed(ends, np.full((3, 5), 2.0), np.full((3, 5), 9.0))
    across, _ = demands(routes)
    assert routes.overflow == 0
    assert across[:, 2].sum() == 5
    assert sorted(routes.leg.tolist()).count(-1 - 1) + (routes.leg >= 0).sum() == 2
    assert detours_um(ends, routes.leg, GCells(3, 5, 1.0, 1.0)) == 3 * 2


def test_overflow_of_a_cut_is_known() -> None:
    """Ten wires over a cut with three tracks in each of two rows: four too many, wherever they go."""
    ends = np.array([[0, 0, 0, 1], [1, 0, 1, 1]] * 5, dtype=np.int32)
    routes = routed(ends, np.full((2, 2), 3.0), np.full((2, 2), 9.0))
    assert routes.overflow == 4
    assert demands(routes)[0][:, 0].sum() == 10


def test_blocked_edges_count_all_their_wires_as_overflow() -> None:
    ends = np.array([[0, 0, 0, 2]], dtype=np.int32)
    horizontal = np.array([[5.0, 0.0, 0.0]])
    routes = routed(ends, horizontal, np.zeros((1, 3)))
    assert routes.overflow == 1
    assert demands(routes)[0].tolist() == [[1, 1, 0]]


def test_nothing_to_route_and_a_single_gcell() -> None:
    none = np.empty((0, 4), dtype=np.int32)
    routes = routed(none, np.zeros((1, 1)), np.zeros((1, 1)))
    assert routes.overflow == 0
    assert not len(routes.leg)
    assert count_bends(none, routes.leg) == 0
