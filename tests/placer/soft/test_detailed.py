"""Detailed placement of soft macros: its kernels against their definitions, and what holds for any netlist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import Netlist
from placer.cost import ProxyCost
from placer.cost.density import cover
from placer.soft.detailed import added_excess, collect_boxes, detail_soft, sum_distances, weighted_median
from placer.soft.force_directed import soft_arrays
from placer.soft.node_nets import node_nets
from tests.netlists.chips import chips
from tests.placer.soft.test_force_directed import SEEDS, scattered

WEIGHTED = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=1, max_size=40)


@settings(deadline=None, max_examples=300)
@given(WEIGHTED)
def test_weighted_median_is_its_definition(pairs: list[tuple[int, int]]) -> None:
    half = sum(weight for _, weight in pairs) / 2
    expected = min(x for x, _ in pairs if sum(weight for y, weight in pairs if y <= x) >= half)
    values, weight = np.array(pairs, dtype=np.float64).T.copy()
    assert weighted_median(values, weight, len(pairs)) == expected
    assert sorted(zip(values.tolist(), weight.tolist(), strict=True)) == sorted(pairs)


@settings(deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 200))
def test_weighted_median_of_real_weights_halves_them(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    values, weight = random.choice(random.normal(size=count), count), random.uniform(0, 1, count)
    median = weighted_median(values, weight, count)
    below, upto = weight[values < median].sum(), weight[values <= median].sum()
    assert median in values
    assert below <= weight.sum() / 2 + 1e-9
    assert upto >= weight.sum() / 2 - 1e-9


@settings(deadline=None, max_examples=60)
@given(chips(soft_offsets=True), SEEDS)
def test_spans_and_lengths_are_their_definition(netlist: Netlist, seed: int) -> None:
    nets, position = node_nets(netlist), scattered(netlist, seed)
    most = max(int(np.diff(nets.node_start).max(initial=0)), 1)
    for node in range(netlist.num_nodes):
        weight, low, high = np.empty(most), np.empty((2, most)), np.empty((2, most))
        count = collect_boxes(nets, position, node, weight, low, high)
        mine = nets.node_net[nets.node_start[node] : nets.node_start[node + 1]]
        assert count == len(mine)
        at, total = position[node], np.zeros(2)
        for i, k in enumerate(mine):
            others = [e for e in range(nets.start[k], nets.start[k + 1]) if nets.node[e] != node]
            pins = position[nets.node[others]] + nets.offset_um[others]
            np.testing.assert_array_equal([low[:, i], high[:, i]], [pins.min(axis=0), pins.max(axis=0)])
            total += nets.weight[k] * (np.ptp([*pins, at], axis=0) - np.ptp(pins, axis=0))
        for d in (0, 1):
            result = sum_distances(low[d], high[d], weight, count, at[d])
            assert result == pytest.approx(total[d], rel=1e-9, abs=1e-9 * max(netlist.canvas_um))


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.floats(0, 1))
def test_crowding_is_its_definition(seed: int, full: float) -> None:
    arrays, random = soft_arrays(load("jetty")), np.random.default_rng(seed)
    cost = arrays.cost
    density = random.uniform(0, 1.2, (cost.rows, cost.cols))
    node = random.choice(arrays.movable)
    x, y = random.uniform(0, 1, 2) * (cost.canvas_width_um, cost.canvas_height_um)
    after = density.copy()
    cover(cost, node, x, y, 1.0, after)
    expected = (np.maximum(after - full, 0) - np.maximum(density - full, 0)).sum()
    assert added_excess(cost, density, node, x, y, full) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(chips(soft_offsets=True), SEEDS, st.integers(0, 3))
def test_only_soft_macros_move_and_stay_in_the_canvas(netlist: Netlist, seed: int, sweeps: int) -> None:
    arrays, start = soft_arrays(netlist), scattered(netlist, seed)
    placed = start.copy()
    detail_soft(arrays, placed, sweeps)
    still = np.setdiff1d(np.arange(netlist.num_nodes), arrays.movable if sweeps else [])
    np.testing.assert_array_equal(placed[still], start[still])
    if sweeps:
        half = np.minimum(netlist.size_um[arrays.movable], np.array(netlist.canvas_um)) / 2
        assert (placed[arrays.movable] >= half - 1e-9).all()
        assert (placed[arrays.movable] <= np.array(netlist.canvas_um) - half + 1e-9).all()


@pytest.mark.parametrize("seed", range(3))
def test_sweeps_make_scattered_soft_macros_cheaper(seed: int) -> None:
    netlist = load("jetty")
    arrays, position, cost = soft_arrays(netlist), scattered(netlist, seed), ProxyCost(netlist)
    before = cost(position, netlist.orientation)
    detail_soft(arrays, position, 3)
    after = cost(position, netlist.orientation)
    assert after.wirelength + after.density / 2 < before.wirelength + before.density / 2
