"""Merged nets and the adjacency of nodes against plain definitions."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

from netlists import load
from netlists.netlist import ORIENTATION_MATRIX, Floats, Netlist
from placer.cost import ProxyCost, cost_arrays
from placer.cost.wirelength import weighted_hpwl
from placer.soft.node_nets import NodeNets, adjacency, node_nets
from tests.netlists.chips import chips


def nodes_of_nets(netlist: Netlist) -> list[tuple[int, ...]]:
    """The different nodes of every net, in node order."""
    ends = zip(netlist.net_start[:-1], netlist.net_start[1:], strict=True)
    return [tuple(sorted({int(v) for v in netlist.connection_node[first:last]})) for first, last in ends]


def entries(nets: NodeNets, k: int) -> range:
    return range(int(nets.start[k]), int(nets.start[k + 1]))


def hpwl(netlist: Netlist, nets: NodeNets, position: Floats) -> float:
    """Weighted HPWL of merged nets, in µm."""
    arrays = cost_arrays(netlist)._replace(net_start=nets.start, node=nets.node, weight=nets.weight)
    return float(weighted_hpwl(arrays, position[nets.node] + nets.offset_um))


def somewhere(netlist: Netlist) -> Floats:
    return np.random.default_rng(0).uniform(0, netlist.canvas_um, (netlist.num_nodes, 2))


@settings(deadline=None, max_examples=100)
@given(chips(soft_offsets=True))
def test_nets_over_the_same_nodes_are_one_of_their_weight(netlist: Netlist) -> None:
    expected: dict[tuple[int, ...], float] = defaultdict(float)
    for nodes, weight in zip(nodes_of_nets(netlist), netlist.net_weight, strict=True):
        if len(nodes) > 1:
            expected[nodes] += weight
    nets = node_nets(netlist)
    result = {tuple(nets.node[list(entries(nets, k))].tolist()): nets.weight[k] for k in range(len(nets.weight))}
    assert result == pytest.approx(dict(expected))
    assert len(result) == len(nets.weight)


@settings(deadline=None, max_examples=60)
@given(chips(soft_offsets=True))
def test_offsets_are_the_mean_of_the_turned_pins(netlist: Netlist) -> None:
    nets = node_nets(netlist)
    for k in range(len(nets.weight)):
        nodes = nets.node[list(entries(nets, k))]
        members = [n for n, of_net in enumerate(nodes_of_nets(netlist)) if of_net == tuple(nodes.tolist())]
        weights = np.maximum(netlist.net_weight[members], 1e-12)
        for e, v in zip(entries(nets, k), nodes, strict=True):
            per_net = []
            for n in members:
                pins = range(netlist.net_start[n], netlist.net_start[n + 1])
                mine = [netlist.connection_offset_um[p] for p in pins if netlist.connection_node[p] == v]
                per_net.append(ORIENTATION_MATRIX[netlist.orientation[v]] @ np.mean(mine, axis=0))
            np.testing.assert_allclose(nets.offset_um[e], np.average(per_net, axis=0, weights=weights), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(chips())
def test_wirelength_is_exact_where_pins_lie_in_the_centers(netlist: Netlist) -> None:
    netlist = netlist.with_(pin_offset_um=np.zeros_like(netlist.pin_offset_um))
    position = somewhere(netlist)
    exact = ProxyCost(netlist)(position, netlist.orientation).hpwl_um
    assert hpwl(netlist, node_nets(netlist), position) == pytest.approx(exact, rel=1e-12)


def test_wirelength_is_near_on_a_bundled_design() -> None:
    netlist = load("jetty")
    position = somewhere(netlist)
    exact = ProxyCost(netlist)(position, netlist.orientation).hpwl_um
    assert hpwl(netlist, node_nets(netlist), position) == pytest.approx(exact, rel=0.02)


@settings(deadline=None, max_examples=60)
@given(chips(soft_offsets=True))
def test_nodes_know_their_nets(netlist: Netlist) -> None:
    nets = node_nets(netlist)
    for v in range(netlist.num_nodes):
        mine = nets.node_net[nets.node_start[v] : nets.node_start[v + 1]]
        assert mine.tolist() == [k for k in range(len(nets.weight)) if v in nets.node[list(entries(nets, k))]]


@settings(deadline=None, max_examples=60)
@given(chips())
def test_adjacency_is_the_clique_model(netlist: Netlist) -> None:
    expected = np.zeros((netlist.num_nodes, netlist.num_nodes))
    for nodes, weight in zip(nodes_of_nets(netlist), netlist.net_weight, strict=True):
        for i, j in combinations(nodes, 2):
            expected[i, j] += weight / (len(nodes) - 1)
            expected[j, i] += weight / (len(nodes) - 1)
    nets = node_nets(netlist)
    result = adjacency(nets, netlist.num_nodes).toarray()
    np.testing.assert_allclose(result, expected, atol=1e-12)
    # The weights of a net's connections add up to its own weight at each of its nodes.
    wires = [nets.weight[nets.node_net[nets.node_start[v] : nets.node_start[v + 1]]].sum() for v in range(len(result))]
    np.testing.assert_allclose(result.sum(axis=1), wires, atol=1e-12)


@pytest.mark.parametrize(("nodes", "counts"), [(64, True), (65, False)])
def test_nets_of_more_than_64_nodes_are_left_out(nodes: int, counts: bool) -> None:
    netlist = load("jetty")
    pins = [int(np.flatnonzero(netlist.pin_node == v)[0]) for v in np.unique(netlist.pin_node)[:nodes]]
    netlist = netlist.with_(net_start=np.array([0, nodes]), net_pin=np.array(pins), net_weight=np.ones(1), net_names=())
    assert bool(adjacency(node_nets(netlist), netlist.num_nodes).nnz) == counts
