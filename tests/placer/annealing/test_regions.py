"""Regions: every macro is in one, all are equally large, and each macro is tried as often as with a single region."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.legality.rules import rules
from netlists.netlist import Floats, Ints
from netlists.synthetic.tiny import tiny_netlist
from placer.annealing.moves import FIRST_HARD, FREQUENCIES, MoveKind, Moves, cumulate
from placer.annealing.regions import moves_in_region, split_nodes


def some_moves(soft: int, hard: int) -> Moves:
    frequency = np.array([FREQUENCIES[kind] for kind in MoveKind])
    frequency[:FIRST_HARD] *= soft > 0
    frequency[FIRST_HARD:] *= hard > 0
    nodes = np.arange(soft + hard)
    no_rules = rules(tiny_netlist())
    return Moves(nodes[:soft], nodes[soft:], nodes[soft:], np.empty((0, 4)), 0.0, no_rules, cumulate(frequency))


def slow_split(nodes: list[int], position: Floats, angle: float, count: int, turned: bool = False) -> list[list[int]]:
    """The regions, by recursion over lists."""
    if count == 1:
        return [nodes]
    way = np.array([-np.sin(angle), np.cos(angle)] if turned else [np.cos(angle), np.sin(angle)])
    nodes = sorted(nodes, key=lambda v: float(position[v] @ way))
    low = count // 2
    cut = len(nodes) * low // count
    lower, upper = (nodes[:cut], low), (nodes[cut:], count - low)
    return [region for part, k in (lower, upper) for region in slow_split(part, position, angle, k, not turned)]


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.floats(0, np.pi), st.integers(0, 2**32))
def test_regions_are_those_of_the_slow_twin(size: int, count: int, angle: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    position = rng.random((size + 3, 2))
    nodes: Ints = rng.permutation(size + 3)[:size]
    order, start = split_nodes(nodes, position, angle, count, 0, count)
    regions = [order[a:b].tolist() for a, b in itertools.pairwise(start)]
    assert [set(region) for region in regions] == [set(r) for r in slow_split(nodes.tolist(), position, angle, count)]
    for first in range(count):
        part, at = split_nodes(nodes, position, angle, count, first, first + 1)
        assert part[at[first] : at[first + 1]].tolist() == regions[first]


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 60), st.integers(0, 40), st.integers(0, 2**32))
def test_in_all_regions_macros_are_tried_as_in_one(count: int, soft: int, hard: int, seed: int) -> None:
    soft, hard = soft * count, hard * count  # equally many in every region
    if soft + hard == 0:
        return
    allowed = some_moves(soft, hard)
    rng = np.random.default_rng(seed)
    regions = [
        moves_in_region(allowed, s, h, count)
        for s, h in zip(
            np.split(rng.permutation(allowed.soft), count),
            np.split(rng.permutation(allowed.hard), count),
            strict=True,
        )
    ]
    for moves in regions:
        np.testing.assert_allclose(moves.chance, allowed.chance, atol=1e-12)
        assert moves.chance[-1] == 1


@pytest.mark.parametrize(("soft", "hard"), [(0, 3), (4, 0), (2, 1), (9, 1)])
def test_a_region_tries_only_what_it_has(soft: int, hard: int) -> None:
    allowed = some_moves(20, 6)
    moves = moves_in_region(allowed, allowed.soft[:soft], allowed.hard[:hard], 4)
    tried = np.diff(moves.chance, prepend=0.0)
    assert np.all(tried >= 0)
    assert moves.chance[-1] == 1
    assert np.any(tried[:FIRST_HARD] > 0) == (soft > 0)
    assert np.any(tried[FIRST_HARD:] > 0) == (hard > 0)
    if soft and hard:
        # The ratio of trials of a soft and a hard macro is that of a single region.
        expected = allowed.chance[FIRST_HARD - 1] / (1 - allowed.chance[FIRST_HARD - 1])
        here = moves.chance[FIRST_HARD - 1] / (1 - moves.chance[FIRST_HARD - 1])
        assert here == pytest.approx(expected * (soft / 20) / (hard / 6))
