"""What nets join, summed up, against loops over nets and pairs."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists.connectivity import connectivity
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement


def random_placement(seed: int, nodes: int, nets: int, kinds: int) -> Placement:
    """Nodes of any kind anywhere, some outside the canvas, joined by nets in which nodes come several times."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, kinds, nodes).astype(np.int8)
    degree = rng.integers(1, 7, nets)
    netlist = Netlist(
        name="x", node_names=tuple(f"n{v}" for v in range(nodes)), kind=kind, size_um=np.ones((nodes, 2)),
        fixed=kind == Kind.PORT, position_um=rng.uniform(-5, 25, (nodes, 2)),
        orientation=np.zeros(nodes, dtype=np.int8), pin_node=np.arange(nodes), pin_offset_um=np.zeros((nodes, 2)),
        net_start=np.concatenate([[0], np.cumsum(degree)]),
        net_pin=rng.integers(0, nodes, degree.sum()), net_weight=rng.choice([0.0, 1.0, 2.5], nets),
        canvas_um=(20.0, 20.0), grid=(3, 4),
    )  # fmt: skip
    return Placement.given(netlist)


def slow(p: Placement) -> tuple[dict[int, int], dict[int, float], dict[tuple[int, int], float]]:
    """Nets and weight of each node, and the strength of each connection."""
    n = p.netlist
    nets: defaultdict[int, int] = defaultdict(int)
    weight: defaultdict[int, float] = defaultdict(float)
    strength: defaultdict[tuple[int, int], float] = defaultdict(float)
    for k in range(n.num_nets):
        nodes = {int(n.pin_node[q]) for q in n.net_pin[n.net_start[k] : n.net_start[k + 1]]}
        if len(nodes) < 2:
            continue
        for v in nodes:
            nets[v] += 1
            weight[v] += n.net_weight[k]
            for u in nodes - {v}:
                x, y = p.position_um[u]
                row, column = min(max(int(y // (20 / 3)), 0), 2), min(max(int(x // 5), 0), 3)
                partner = n.num_nodes + 4 * row + column if n.kind[u] == Kind.CELL else u
                if n.kind[v] in (Kind.HARD, Kind.SOFT) and n.net_weight[k]:
                    strength[v, partner] += n.net_weight[k] / (len(nodes) - 1)
    return nets, weight, strength


@given(st.integers(0, 10**6), st.integers(1, 15), st.integers(0, 20), st.integers(1, 4))
def test_sums_are_those_of_loops(seed: int, nodes: int, nets: int, kinds: int) -> None:
    p = random_placement(seed, nodes, nets, kinds)
    found = connectivity(p)
    count, weight, strength = slow(p)
    assert found.nets.tolist() == [count.get(v, 0) for v in range(nodes)]
    assert found.weight == pytest.approx([weight.get(v, 0.0) for v in range(nodes)])
    pairs = {(int(a), int(b)): s for a, b, s in zip(found.macro, found.partner, found.strength, strict=True)}
    assert len(pairs) == len(found.macro)
    assert pairs == pytest.approx(strength)


@given(st.integers(0, 10**6))
def test_strongest_first_and_weights_add_up(seed: int) -> None:
    p = random_placement(seed, 12, 20, 4)
    found = connectivity(p)
    assert np.all(np.diff(found.macro) >= 0)
    same = np.diff(found.macro) == 0
    assert np.all(np.diff(found.strength)[same] <= 0)
    for v in np.flatnonzero(p.netlist.kind <= Kind.SOFT):
        assert found.strength[found.macro == v].sum() == pytest.approx(found.weight[v])
