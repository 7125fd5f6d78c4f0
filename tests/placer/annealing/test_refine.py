"""Refinement keeps placements legal, never makes them worse, and is repeatable for a seed."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.errors import LegalizationError, PlacementError, SettingsError
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer.annealing.metropolis import ACCEPTED, LEGAL, PROPOSED, ROUTED, Budget, SearchResult
from placer.annealing.moves import FREQUENCIES, MoveKind, allow_moves
from placer.annealing.refine import RefineSettings, refine
from placer.cost import evaluate
from placer.legalization.legalize import legalize
from tests.placer.cost.test_proxy import random_placement


def legal(netlist: Netlist) -> Placement:
    return legalize(Placement.given(netlist))


@pytest.fixture(scope="module")
def jetty() -> Placement:
    return legal(load("jetty"))


def assert_sound(start: Placement, result: SearchResult) -> None:
    assert not result.placement.violations()
    assert result.proxy == pytest.approx(evaluate(result.placement).proxy, rel=1e-12)
    assert result.proxy <= evaluate(start).proxy
    n = start.netlist
    np.testing.assert_array_equal(result.placement.position_um[n.fixed], n.position_um[n.fixed])
    soft = n.movable_soft
    soft = soft[(n.size_um[soft] <= n.canvas_um).all(axis=1)]
    half = n.size_um[soft] / 2 - 1e-9 * max(n.canvas_um)
    moved = soft[(result.placement.position_um[soft] != start.position_um[soft]).any(axis=1)]
    half = half[np.isin(soft, moved)]
    assert np.all(result.placement.position_um[moved] >= half)
    assert np.all(result.placement.position_um[moved] <= np.array(n.canvas_um) - half)


def test_a_bundled_design_gets_much_better(jetty: Placement) -> None:
    result = refine(jetty, Budget(trials=60_000))
    assert_sound(jetty, result)
    assert result.proxy < 0.9 * evaluate(jetty).proxy
    assert result.trials == 60_000
    assert np.all(result.statistics[:, PROPOSED] > 0)
    for less, more in ((LEGAL, PROPOSED), (ROUTED, LEGAL), (ACCEPTED, ROUTED)):
        assert np.all(result.statistics[:, less] <= result.statistics[:, more])


def test_more_trials_are_better(jetty: Placement) -> None:
    few, many = (np.mean([refine(jetty, Budget(trials=t), seed=s).proxy for s in range(3)]) for t in (2_000, 60_000))
    assert many < few


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_seed_gives_the_same_result(jetty: Placement, workers: int) -> None:
    once, again = (refine(jetty, Budget(trials=5_000), seed=3, workers=workers) for _ in range(2))
    other = refine(jetty, Budget(trials=5_000), seed=4, workers=workers)
    np.testing.assert_array_equal(once.placement.position_um, again.placement.position_um)
    np.testing.assert_array_equal(once.placement.orientation, again.placement.orientation)
    assert not np.array_equal(once.placement.position_um, other.placement.position_um)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.0, 10.0))
def test_generated_designs_stay_legal_even_when_hot(seed: int, hot: float) -> None:
    netlist = generate(random_case(seed), seed)
    try:
        start = legal(netlist)
    except LegalizationError:
        return
    always = RefineSettings(hot=hot + 0.01, cold=hot + 0.01, quench=0)
    result = refine(start, Budget(trials=500), seed=seed, settings=always)
    assert_sound(start, result)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5))
def test_odd_chips(seed: int, rows: int, cols: int) -> None:
    n = random_placement(seed, rows, cols, 1, False).netlist
    size = n.size_um.copy()
    size[n.hard] *= 0.3
    try:
        start = legal(n.with_(size_um=size))
    except LegalizationError:
        return
    result = refine(start, Budget(trials=300), seed=seed)
    assert_sound(start, result)
    # A quarter turn would exchange width and height, so none is made.
    assert np.all((result.placement.orientation < 4) == (start.orientation < 4))


@pytest.mark.parametrize("stays", ["soft", "hard", "all"])
def test_fixed_macros_stay(jetty: Placement, stays: str) -> None:
    n = jetty.netlist
    fixed = n.fixed.copy()
    fixed[np.concatenate([n.soft if stays != "hard" else [], n.hard if stays != "soft" else []]).astype(int)] = True
    start = Placement(n.with_(fixed=fixed, position_um=jetty.position_um), jetty.position_um, jetty.orientation)
    result = refine(start, Budget(trials=5_000))
    assert_sound(start, result)
    moved = (result.placement.position_um != jetty.position_um).any(axis=1)
    assert not np.any(moved & fixed)
    assert np.any(moved) == (stays != "all")


def test_exactly_touching_macros_are_not_driven_apart() -> None:
    """Four macros that tile the canvas: only swaps and flips are legal."""
    n = load("jetty")
    four = n.hard[:4]
    kind, fixed, size, position = n.kind.copy(), n.fixed.copy(), n.size_um.copy(), n.position_um.copy()
    kind[n.hard[4:]] = Kind.SOFT
    size[four] = np.array(n.canvas_um) / 2
    position[four] = np.array([[1, 1], [3, 1], [1, 3], [3, 3]]) * np.array(n.canvas_um) / 4
    start = Placement.given(n.with_(kind=kind, fixed=fixed, size_um=size, position_um=position))
    result = refine(start, Budget(trials=20_000))
    assert_sound(start, result)
    assert result.statistics[MoveKind.HARD_FLIP, ACCEPTED] > 0
    corners = {tuple(p) for p in result.placement.position_um[four]}
    assert corners == {tuple(p) for p in position[four]}


def test_a_budget_in_seconds_is_kept(jetty: Placement) -> None:
    refine(jetty, Budget(trials=1))  # compiles the kernels
    reports: list[tuple[float, float]] = []
    begun = time.perf_counter()
    result = refine(jetty, Budget(seconds=0.5), progress=lambda s, proxy: reports.append((s, proxy)))
    assert 0.4 < time.perf_counter() - begun < 2.0
    assert_sound(jetty, result)
    assert [s for s, _ in reports] == sorted(s for s, _ in reports)
    assert [p for _, p in reports] == sorted((p for _, p in reports), reverse=True)
    assert reports[-1][1] == pytest.approx(result.proxy)


def test_ctrl_c_leaves_the_best_so_far(jetty: Placement) -> None:
    def interrupt(_: float, proxy: float) -> None:
        if proxy < evaluate(jetty).proxy:
            raise KeyboardInterrupt

    result = refine(jetty, Budget(trials=10_000_000), progress=interrupt)
    assert result.interrupted
    assert result.trials < 10_000_000
    assert_sound(jetty, result)
    assert result.proxy < evaluate(jetty).proxy


def test_wrong_use_is_refused(jetty: Placement) -> None:
    for both in ({}, {"seconds": 1.0, "trials": 1}):
        with pytest.raises(SettingsError, match="either seconds or trials"):
            Budget(**both)  # type: ignore[arg-type]
    for wrong in ({"hot": 0.1, "cold": 0.2}, {"cold": 0.0}, {"quench": 1.5}, {"hard_factor": -1.0}):
        with pytest.raises(SettingsError):
            RefineSettings(**wrong)
    piled = jetty.position_um.copy()
    piled[jetty.netlist.movable_hard] = np.array(jetty.netlist.canvas_um) / 2
    with pytest.raises(PlacementError, match="legalize"):
        refine(Placement(jetty.netlist, piled, jetty.orientation), Budget(trials=1))


def test_every_kind_of_proposal_has_a_share() -> None:
    assert set(FREQUENCIES) == set(MoveKind)
    chance = allow_moves(load("jetty"), 0.0).chance
    assert np.all(np.diff(chance) > 0)
    assert chance[-1] == 1
