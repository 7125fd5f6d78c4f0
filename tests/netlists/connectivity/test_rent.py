"""Rent's rule: terminals against loops over blocks, and netlists whose exponent is known."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists.connectivity import Rent, estimate_rent
from netlists.connectivity.cluster import MAX_SINKS
from netlists.connectivity.rent import bisect, count_terminals, fit
from netlists.errors import SettingsError
from tests.netlists.connectivity.graphs import build, lattice


def rent_of(nodes: int, edges: Sequence[Sequence[int]], ports: int = 0) -> Rent:
    """The fit of a netlist of cells, the last nodes being ports."""
    rent = estimate_rent(build("C" * (nodes - ports) + "P" * ports, edges), threads=1)
    assert rent
    return rent


@pytest.mark.parametrize(
    ("shape", "exponent"), [((64, 64), 0.5), ((16, 16, 16), 2 / 3), ((4096,), 0.0)], ids=["mesh", "cube", "ring"]
)
def test_a_block_of_a_lattice_has_its_surface_as_terminals(shape: tuple[int, ...], exponent: float) -> None:
    """A block of B nodes of a lattice in d dimensions has a surface of B^(1 - 1/d) nodes; wrapped, it has no border."""
    assert rent_of(4096, lattice(shape, wrapped=True)).exponent == pytest.approx(exponent, abs=0.06)


def test_the_border_of_a_mesh_has_few_terminals() -> None:
    """Blocks at the border have fewer terminals, the largest ones most of all."""
    assert 0.38 < rent_of(4096, lattice((64, 64))).exponent < 0.52


def test_a_tree_is_cut_at_few_edges_and_random_wiring_everywhere() -> None:
    tree = list(nx.balanced_tree(2, 10).edges)
    assert rent_of(2047, tree).exponent < 0.25
    wild = np.random.default_rng(0).integers(0, 2048, (6000, 2)).tolist()
    assert rent_of(2048, wild).exponent > 0.8


def test_the_line_is_that_of_the_levels() -> None:
    blocks = 2 ** np.arange(1, 9)
    terminals = 3.5 * (1000 / blocks) ** 0.6
    terminals[:2] = 1.0  # left out of the fit
    rent = fit(1000, terminals)
    assert rent
    assert (rent.exponent, rent.coefficient) == pytest.approx((0.6, 3.5))
    assert rent.nodes == tuple(1000 / blocks)
    assert fit(1000, np.zeros(8)) is None


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 10), st.integers(1, 6))
def test_terminals_are_counted_as_by_loops(seed: int, pins: int, nets: int, blocks: int) -> None:
    rng = np.random.default_rng(seed)
    net, block = np.sort(rng.integers(0, nets, pins)), rng.integers(0, blocks, pins)
    outer = rng.random(nets) < 0.3
    total = 0
    for k in range(nets):
        touched = {int(b) for b in block[net == k]}
        if len(touched) > 1 or outer[k]:
            total += len(touched)
    assert count_terminals(net, block, outer) == total


def test_blocks_are_nested_and_balanced() -> None:
    edges = np.array(lattice((16, 16)))
    block = bisect(np.repeat(np.arange(len(edges)), 2), edges.ravel(), 256, 4, 0, 1)
    assert np.bincount(block, minlength=16) == pytest.approx(np.full(16, 16), abs=3)
    cuts = [int(np.sum(block[edges[:, 0]] >> k != block[edges[:, 1]] >> k)) for k in range(4)]
    assert cuts[3] <= 22  # a straight cut has 16 edges
    assert cuts[2] <= 45  # two have 32


def test_nets_to_ports_leave_their_block_and_clocks_do_not_count() -> None:
    edges = lattice((16, 16))
    to_ports = [(v, 256) for v in range(256)]
    without, ported = rent_of(256, edges), rent_of(257, [*edges, *to_ports], ports=1)
    assert ported.terminals[-1] == pytest.approx(without.terminals[-1] + 256 / ported.blocks[-1], rel=0.1)
    big = lattice((24, 24))
    assert rent_of(576, [*big, list(range(MAX_SINKS + 2))]).terminals == rent_of(576, big).terminals


def test_the_seed_alone_decides() -> None:
    n = build("C" * 1024, lattice((32, 32)))
    one, two = estimate_rent(n, seed=3, threads=1), estimate_rent(n, seed=3, threads=2)
    assert one
    assert two
    assert one.terminals == two.terminals
    with pytest.raises(SettingsError, match="seed is -1"):
        estimate_rent(n, seed=-1)


def test_small_netlists_have_no_exponent() -> None:
    assert estimate_rent(build("C" * 79, lattice((79,)))) is None
    assert estimate_rent(build("C" * 80, lattice((80,)))) is not None
    assert estimate_rent(build("C" * 80, [])) is None
    assert estimate_rent(build("", [])) is None
