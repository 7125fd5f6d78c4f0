"""The incremental cost equals the full evaluation after any series of changes; sums of the largest equal sorting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.errors import PlacementError
from netlists.netlist import ORIENTATIONS
from netlists.placement import Placement
from placer.cost import CostTerms, ProxyCost
from placer.cost.incremental import IncrementalCost
from placer.cost.recompute import recompute
from placer.cost.terms import set_breadth
from placer.cost.top_k import sum_of_largest
from tests import BENCHMARKS
from tests.placer.cost.test_proxy import random_placement

CLUSTERED = BENCHMARKS / "clustered"


def change_at_random(cost: IncrementalCost, rng: np.random.Generator, spread: float) -> CostTerms:
    """Try a move, swap or new orientation of random nodes and return its cost.

    Moves go up to `spread` canvases beyond the canvas.
    """
    n = cost.netlist
    movable = np.flatnonzero(~n.fixed)
    v = int(rng.choice(movable))
    kind = rng.integers(4)
    if kind == 0:
        x, y = rng.uniform(-spread, 1 + spread, 2) * n.canvas_um
        return cost.try_move(v, x, y)
    if kind == 1:  # a small step
        x, y = cost.state.position_um[v] + rng.normal(0, 0.3, 2) * n.cell_um
        return cost.try_move(v, x, y)
    if kind == 2:
        return cost.try_swap(v, int(rng.choice(movable)))
    return cost.try_orientation(v, int(rng.integers(len(ORIENTATIONS))))


def assert_same(result: CostTerms, expected: CostTerms) -> None:
    for part in ("wirelength", "density", "congestion", "hpwl_um"):
        assert getattr(result, part) == pytest.approx(getattr(expected, part), rel=1e-9, abs=1e-13), part


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_equals_the_full_evaluation(seed: int, rows: int, cols: int, smoothing: int, snap: bool) -> None:
    placement = random_placement(seed, rows, cols, smoothing, snap)
    full, cost, rng = ProxyCost(placement.netlist), IncrementalCost(placement), np.random.default_rng(seed)
    assert_same(cost.cost, full(placement.position_um, placement.orientation))
    for _ in range(12):
        before = cost.cost
        tried = change_at_random(cost, rng, 0.1)
        if rng.random() < 0.6:
            cost.accept()
            assert cost.cost == tried
        else:
            cost.reject()
            assert cost.cost == before
        assert_same(cost.cost, full(cost.state.position_um, cost.state.orientation))


def ten_thousand_changes(cost: IncrementalCost) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10_000):
        change_at_random(cost, rng, 0.0)
        if rng.random() < 0.5:
            cost.accept()
    cost.reject()
    assert_same(cost.cost, ProxyCost(cost.netlist)(cost.state.position_um, cost.state.orientation))


@pytest.mark.compiled
def test_ten_thousand_changes_of_a_bundled_design() -> None:
    ten_thousand_changes(IncrementalCost(Placement.given(load("jetty"))))


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["ariane133_ng45", "nvdla_ng45", "ibm01_synth"])
def test_ten_thousand_changes_of_a_real_design(name: str) -> None:
    if not CLUSTERED.exists():
        pytest.skip(f"no designs in {CLUSTERED}")
    ten_thousand_changes(IncrementalCost(Placement.given(load(CLUSTERED / name))))


def test_a_new_trial_rejects_the_last_one() -> None:
    cost = IncrementalCost(random_placement(1, 5, 6, 1, False))
    once = cost.try_move(2, 1.0, 2.0)
    cost.try_swap(2, 5)
    cost.try_swap(3, 3)
    assert cost.try_move(2, 1.0, 2.0) == once


def test_rejecting_or_accepting_nothing_changes_nothing() -> None:
    cost = IncrementalCost(random_placement(1, 5, 6, 1, False))
    before = cost.cost
    cost.reject()
    cost.accept()
    assert cost.cost == before
    recompute(cost.state)
    assert cost.cost == before


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.floats(1, 30))
def test_breadth_lets_more_cells_and_edges_count(seed: int, breadth: float) -> None:
    cost = IncrementalCost(random_placement(seed % 1000, 5, 6, 1, False))
    set_breadth(cost.state, breadth)
    node = int(cost.netlist.movable_hard[0])
    for _ in range(2):
        tried = cost.try_move(node, 3.0, 4.0)
        cost.accept()
        for values, usual, result in (
            (cost.state.density, 3, 2 * tried.density),
            (cost.state.congestion, 3, tried.congestion),
        ):
            ordered = np.sort(values.ravel())[::-1]
            assert result == pytest.approx(ordered[: int(usual * breadth)].mean(), rel=1e-9)
        recompute(cost.state)
        assert cost.cost.proxy == pytest.approx(tried.proxy, rel=1e-9)


def test_a_fixed_node_is_named() -> None:
    cost = IncrementalCost(random_placement(1, 5, 6, 1, False))
    before = cost.cost
    with pytest.raises(PlacementError, match="'n11' is fixed"):
        cost.try_move(11, 1.0, 2.0)
    with pytest.raises(PlacementError, match="'n10' is fixed"):
        cost.try_swap(2, 10)
    cost.accept()  # nothing was tried
    assert cost.cost == before


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.one_of(st.floats(0, 10), st.integers(0, 3)), min_size=1, max_size=60), st.data(), st.floats(-100, 100)
)
def test_the_sum_of_the_largest_equals_sorting(numbers: list[float], data: st.DataObject, guess: float) -> None:
    values = np.array(numbers, dtype=np.float64)
    k = data.draw(st.integers(1, values.size))
    total, level = sum_of_largest(values, k, guess)
    ordered = np.sort(values)[::-1]
    assert total == pytest.approx(ordered[:k].sum(), rel=1e-11, abs=1e-11)
    if k < values.size:
        assert sum_of_largest(values, k, level)[0] == pytest.approx(total, rel=1e-11, abs=1e-11)
