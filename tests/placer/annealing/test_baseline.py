"""The annealing baseline: legal, repeatable, better than the spiral that it starts from."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.errors import LegalizationError
from netlists.netlist import Netlist
from netlists.synthetic.generate import generate, random_case
from placer.annealing.baseline import anneal, spiral
from placer.annealing.metropolis import PROPOSED, Budget, Walker, new_generators
from placer.annealing.moves import FIRST_HARD, allow_moves
from placer.cost import evaluate


@pytest.fixture(scope="module")
def jetty() -> Netlist:
    return load("jetty")


def test_better_than_its_start(jetty: Netlist) -> None:
    start, result = spiral(jetty), anneal(jetty, Budget(trials=50_000))
    assert not start.violations()
    assert not result.placement.violations()
    assert result.proxy == pytest.approx(evaluate(result.placement).proxy)
    assert result.proxy < 0.8 * evaluate(start).proxy
    assert np.all(result.statistics[:FIRST_HARD, PROPOSED] == 0)  # soft macros are placed by forces only


def test_ignores_the_positions_in_the_file(jetty: Netlist) -> None:
    position = jetty.position_um.copy()
    position[~jetty.fixed] = 1.0
    once, again = anneal(jetty, Budget(trials=9000)), anneal(jetty.with_(position_um=position), Budget(trials=9000))
    np.testing.assert_array_equal(once.placement.position_um, again.placement.position_um)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_seed_gives_the_same_result(jetty: Netlist, workers: int) -> None:
    once, again, other = (anneal(jetty, Budget(trials=9000), seed=s, workers=workers).placement for s in (1, 1, 2))
    np.testing.assert_array_equal(once.position_um, again.position_um)
    assert not np.array_equal(once.position_um, other.position_um)


def test_a_netlist_without_movable_hard_macros(jetty: Netlist) -> None:
    fixed = jetty.fixed.copy()
    fixed[jetty.hard] = True
    n = jetty.with_(fixed=fixed)
    result = anneal(n, Budget(trials=1000))
    np.testing.assert_array_equal(result.placement.position_um[n.hard], n.position_um[n.hard])
    assert result.proxy < evaluate(spiral(n)).proxy


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_spirals_of_generated_designs_are_legal(seed: int) -> None:
    netlist = generate(random_case(seed), seed)
    try:
        start = spiral(netlist)
    except LegalizationError:
        return
    assert not start.violations()


def test_no_reference_to_the_random_generator_is_left(jetty: Netlist) -> None:
    start = spiral(jetty)
    rng = new_generators(0, 1)[0]
    before = sys.getrefcount(rng)
    walker = Walker(start, rng, lambda *_: None)
    for _ in range(20):
        walker.search(allow_moves(jetty, 0.0), 10, 0.0, 0.0)
    del walker
    assert sys.getrefcount(rng) == before
