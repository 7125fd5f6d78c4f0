"""Force-directed placement of soft macros: its kernels against their slow twins, and what holds for any netlist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.netlist import Floats, Netlist
from placer.cost import ProxyCost
from placer.soft.force_directed import field, place_soft, pull, soft_arrays
from placer.soft.node_nets import NodeNets, node_nets
from tests.netlists.chips import chips
from tests.placer.soft import slow_soft

SEEDS = st.integers(0, 2**32 - 1)


def scattered(netlist: Netlist, seed: int) -> Floats:
    """Random centers inside the canvas for all nodes that are not fixed."""
    position = np.random.default_rng(seed).uniform(0, netlist.canvas_um, (netlist.num_nodes, 2))
    position[netlist.fixed] = netlist.position_um[netlist.fixed]
    return position


def pulled(nets: NodeNets, position: Floats, movable: list[int], slack_um: float, step: float) -> Floats:
    moved = position.copy()
    pull(nets, moved, np.array(movable, dtype=np.int64), slack_um, step, np.empty((len(position), 4)))
    return moved


@settings(deadline=None, max_examples=100)
@given(chips(soft_offsets=True), SEEDS, st.sampled_from([0.05, 0.8, 1.0]), st.booleans())
def test_pull_is_its_definition(netlist: Netlist, seed: int, step: float, piled: bool) -> None:
    position = scattered(netlist, seed)
    if piled:
        position[~netlist.fixed] = np.array(netlist.canvas_um) / 2
    movable, slack_um = np.flatnonzero(~netlist.fixed), sum(netlist.cell_um) / 2
    nets = node_nets(netlist)
    result = pulled(nets, position, movable.tolist(), slack_um, step)
    expected = slow_soft.pull(nets, position, movable, slack_um, step)
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9 * max(netlist.canvas_um))
    np.testing.assert_array_equal(result[netlist.fixed], position[netlist.fixed])


@settings(deadline=None, max_examples=50)
@given(chips(soft_offsets=True), SEEDS)
def test_energy_of_the_springs_is_the_wirelength(netlist: Netlist, seed: int) -> None:
    nets, position = node_nets(netlist), scattered(netlist, seed)
    position += np.random.default_rng(seed).uniform(0, 1e-3, position.shape)  # no two pins at one position
    for axis in (0, 1):
        for k, net in enumerate(slow_soft.springs(nets, position, axis, 0.0)):
            x = position[nets.node, axis] + nets.offset_um[:, axis]
            energy = sum(weight * (x[e] - x[f]) ** 2 for e, f, weight in net)
            length = np.ptp(x[nets.start[k] : nets.start[k + 1]])
            assert energy == pytest.approx(nets.weight[k] * length, rel=1e-9, abs=1e-12)


def one_net(nodes: int) -> NodeNets:
    """All nodes on one net of weight 1, pins in their centers."""
    entries = np.arange(nodes)
    return NodeNets(
        np.array([0, nodes]), entries, np.zeros((nodes, 2)), np.ones(1), np.arange(nodes + 1), np.zeros(nodes, np.int64)
    )


def test_pull_on_paper() -> None:
    # A node outside the bounding box of the others is pulled to its nearer edge and past it; inside, HPWL is flat.
    place = np.array([(0.0, 0.0), (10.0, 10.0), (3.0, 30.0)])
    moved = pulled(one_net(3), place, [2], 1e-12, 1.0)
    assert moved[2] == pytest.approx([3.0, (10 / 20 + 0 / 30) / (1 / 20 + 1 / 30)])
    assert pulled(one_net(2), place[:2], [1], 1e-12, 0.25)[1] == pytest.approx([7.5, 7.5])


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), SEEDS)
def test_field_is_its_definition(rows: int, cols: int, seed: int) -> None:
    density = np.random.default_rng(seed).uniform(0, 2, (rows, cols))
    along_x, along_y = np.empty((2, rows, cols))
    field(soft_arrays(load("jetty").with_(grid=(rows, cols))), density, along_x, along_y)
    expected = slow_soft.field(density)
    np.testing.assert_allclose(along_x, expected[0], atol=1e-12)
    np.testing.assert_allclose(along_y, expected[1], atol=1e-12)


def test_field_points_away_from_a_pile() -> None:
    density, along_x, along_y = np.zeros((7, 9)), np.empty((7, 9)), np.empty((7, 9))
    density[3, 4] = 1.0
    field(soft_arrays(load("jetty").with_(grid=(7, 9))), density, along_x, along_y)
    assert (along_x[:, :4] < 0).all()
    assert (along_x[:, 5:] > 0).all()
    assert (along_y[:3] < 0).all()
    assert (along_y[4:] > 0).all()
    density[:] = 1.0
    field(soft_arrays(load("jetty").with_(grid=(7, 9))), density, along_x, along_y)
    np.testing.assert_allclose([along_x, along_y], 0, atol=1e-12)


def test_a_pile_in_the_middle_becomes_cheaper() -> None:
    netlist = load("jetty")
    cost = ProxyCost(netlist)
    piled = netlist.position_um.copy()
    piled[netlist.movable_soft] = np.array(netlist.canvas_um) / 2
    before = cost(piled, netlist.orientation)
    place_soft(soft_arrays(netlist), piled, 50)
    after = cost(piled, netlist.orientation)
    assert after.proxy < before.proxy
    assert after.density < before.density
    others = np.setdiff1d(np.arange(netlist.num_nodes), netlist.movable_soft)
    np.testing.assert_array_equal(piled[others], netlist.position_um[others])


@settings(deadline=None, max_examples=60)
@given(chips(soft_offsets=True), SEEDS, st.sampled_from([(1, 1), (1, 6), (6, 1), (4, 5)]), st.integers(1, 60))
def test_soft_macros_stay_in_the_canvas_and_others_where_they_are(
    netlist: Netlist, seed: int, grid: tuple[int, int], rounds: int
) -> None:
    netlist = netlist.with_(grid=grid)
    arrays, start = soft_arrays(netlist), scattered(netlist, seed)
    placed, again = start.copy(), start.copy()
    place_soft(arrays, placed, rounds)
    place_soft(arrays, again, rounds)
    np.testing.assert_array_equal(placed, again)
    still = np.setdiff1d(np.arange(netlist.num_nodes), arrays.movable)
    np.testing.assert_array_equal(placed[still], start[still])
    center, canvas = placed[arrays.movable], np.array(netlist.canvas_um)
    half = np.minimum(netlist.size_um[arrays.movable], canvas) / 2
    assert (center >= half - 1e-9).all()
    assert (center <= canvas - half + 1e-9).all()


def without_nets(netlist: Netlist) -> Netlist:
    return netlist.with_(net_start=np.zeros(1, np.int64), net_pin=np.empty(0, np.int64), net_weight=np.empty(0))


def test_soft_macros_without_nets_spread() -> None:
    netlist = without_nets(load("jetty"))
    position = netlist.position_um.copy()
    position[netlist.movable_soft] += 0.01 * (position[netlist.movable_soft] - np.array(netlist.canvas_um) / 2)
    before = ProxyCost(netlist)(position, netlist.orientation).density
    place_soft(soft_arrays(netlist), position, 50)
    assert ProxyCost(netlist)(position, netlist.orientation).density <= before
    assert np.isfinite(position).all()
