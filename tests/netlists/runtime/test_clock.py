"""Deadlines: long computations check the clock, end soon after it, and leave a legal result or one error."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from netlists import load
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.clock import Endless, OutOfTimeError
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import place
from placer.annealing.metropolis import Budget
from placer.annealing.ray_searches import left_of
from placer.annealing.refine import refine
from placer.annealing.screening import screen
from placer.cost import evaluate
from placer.environment.env import EpisodeBatch
from placer.environment.heuristics import run
from placer.incumbent import FIRST_FRACTION, GRACE_S, Incumbent
from placer.legalization.free_space import place_in_order, place_in_time, reinsert, reinsert_in_time
from placer.legalization.legalize import legalize
from placer.legalization.packing import fixed_rectangles
from placer.runs.methods import METHODS
from placer.soft.detailed import detail_soft, place_soft_detailed
from placer.soft.force_directed import place_soft, soft_arrays
from placer.soft.multi_start import settle_soft

NOW = 0.0  # a deadline that has passed


class Ticking:
    """A clock that advances by a second whenever it is read."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(self) -> float:
        self.read += 1
        return float(self.read)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Ticking:
    """The clock that `netlists.runtime.clock` reads instead of the time."""
    clock = Ticking()
    monkeypatch.setattr("netlists.runtime.clock.time", SimpleNamespace(perf_counter=clock))
    return clock


@cache
def chip(seed: int) -> Netlist:
    """A netlist of 60 hard macros, of which 20 are fixed if the seed is odd."""
    settings = GeneratorSettings(
        hard_macros=60, macro_sizes=9, hard_coverage=(0.2, 0.45, 0.65)[seed % 3], fixed_macros=20 * (seed % 2),
        soft_macros=30, nets=300, ports=10, grid=(12, 12),
    )  # fmt: skip
    return generate(settings, seed)


def piled(netlist: Netlist) -> Placement:
    """The placement with all movable nodes in the middle."""
    middle = np.array(netlist.canvas_um) / 2
    position = np.where(netlist.fixed[:, None], netlist.position_um, middle)
    return Placement(netlist, position, netlist.orientation)


@pytest.mark.parametrize("seed", range(4))
def test_chunks_change_nothing(seed: int) -> None:
    n, random = chip(seed), np.random.default_rng(seed)
    size, obstacle = n.size_um[n.movable_hard], fixed_rectangles(n)
    target = random.uniform(0, 1, size.shape) * n.canvas_um
    order = np.argsort(-size.prod(axis=1), kind="stable")
    for weight in (np.inf, 0.5):
        failed, center = place_in_order(order, target, size, obstacle, *n.canvas_um, weight)
        ours, chunked = place_in_time(order, target, size, obstacle, n.canvas_um, weight, np.inf)
        assert ours == failed
        placed = order if failed < 0 else order[: int(np.flatnonzero(order == failed)[0])]
        np.testing.assert_array_equal(chunked[placed], center[placed])
    legal = Placement.given(n).position_um[n.movable_hard]
    moved, again = legal.copy(), legal.copy()
    reinsert(order, moved, target, size, obstacle, *n.canvas_um)
    reinsert_in_time(order, again, target, size, obstacle, n.canvas_um, np.inf)
    np.testing.assert_array_equal(again, moved)
    assert (moved != legal).any()
    position = piled(n).position_um.copy()
    together = place_soft_detailed(soft_arrays(n), position, 37, 5)
    place_soft(soft_arrays(n), position, 37)
    detail_soft(soft_arrays(n), position, 5)
    np.testing.assert_array_equal(together, position)


@pytest.mark.parametrize("seed", range(3))
def test_legalization_ends_at_the_deadline(seed: int, ticking: Ticking) -> None:
    n, ends = chip(seed), []
    legalize(piled(n), deadline=1e9)
    reads = ticking.read  # of a legalization without a deadline
    assert reads > 8
    for deadline in np.linspace(0, reads, 9).round():
        ticking.read = 0
        try:
            assert not legalize(piled(n), deadline=deadline).violations()
            ends.append(True)
        except OutOfTimeError:
            ends.append(False)
        assert ticking.read <= deadline + 25  # every remaining step reads the clock once and ends
    assert ends[0] is False
    assert ends[-1] is True
    assert sorted(ends) == ends  # more time never leads to a worse end


def test_a_legal_placement_needs_no_time() -> None:
    for seed in range(3):
        legal = Placement.given(chip(seed))
        assert legalize(legal, deadline=NOW) is legal


@pytest.mark.parametrize("seed", range(3))
def test_soft_macros_stay_if_the_time_is_up(seed: int, ticking: Ticking) -> None:
    start = piled(chip(seed))
    arrays = soft_arrays(chip(seed))
    same = place_soft_detailed(arrays, start.position_um, 50, 5, NOW)
    np.testing.assert_array_equal(same, start.position_um)
    ticking.read = 0
    assert (place_soft_detailed(arrays, start.position_um, 50, 5, 4.0) != start.position_um).any()
    assert ticking.read == 4
    settled, _ = settle_soft(start, NOW)
    np.testing.assert_array_equal(settled.position_um, start.position_um)


@dataclass(frozen=True)
class At:
    """A clock with fixed deadlines."""

    deadline: float
    last: float


def any_allowed(episodes: EpisodeBatch) -> float:
    random = np.random.default_rng(0)
    return run(episodes, lambda o: np.where(o.mask, random.random(o.mask.shape), -1.0).argmax(axis=1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [1, 7])
def test_an_episode_that_ends_early_is_legal(seed: int, steps: int, ticking: Ticking) -> None:
    n = chip(seed)
    episodes = EpisodeBatch(n, 3, threads=1)
    episodes.clock = At(float(steps), np.inf)
    any_allowed(episodes)
    assert episodes.t == steps
    assert episodes.cut
    assert episodes.failed.tolist() == [False, True, True]  # one legal placement is enough
    assert not episodes.placement(0).violations()
    search = Incumbent("random", np.inf, 0.0)
    search.offer(episodes)
    assert len(search.pool) == 1
    assert search.best == evaluate(episodes.placement(0)).proxy


def test_episodes_without_any_time_fail() -> None:
    for seed in range(3):
        episodes = EpisodeBatch(chip(seed), 2, threads=1)
        episodes.clock = At(NOW, NOW)
        any_allowed(episodes)
        assert episodes.failed.all()
        assert isinstance(episodes.error, OutOfTimeError)
        episodes.clock = Endless()
        any_allowed(episodes)
        assert not episodes.cut
        assert not episodes.failed.all()


def test_the_first_placement_may_take_longer() -> None:
    search = Incumbent("rl", 3.0, 100.0, job_s=20.0)
    assert (search.deadline, search.last) == (100 + 20 * FIRST_FRACTION, 120 + GRACE_S)
    search.keep(1.0, Placement.given(chip(0)))
    assert (search.deadline, search.last, search.end) == (103.0, 103.0, 120.0)
    assert Incumbent("rl", 3.0, 100.0).deadline == np.inf


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("budget_s", [0.01, 0.3])
def test_runs_end_soon_with_a_placement_or_one_error(method: str, budget_s: float) -> None:
    place(chip(0), method=method, budget_s=0.01, workers=1)  # loads the kernels
    for seed in range(3):
        began = time.process_time()  # not wall-clock time: the machine may be busy
        with suppress(OutOfTimeError):
            assert not place(chip(seed), method=method, budget_s=budget_s, workers=1).placement.violations()
        assert time.process_time() - began < budget_s + 3.0


def test_a_search_of_many_trials_ends_at_its_deadline() -> None:
    start = legalize(Placement.given(load("jetty")))
    for seed in range(3):
        result = refine(start, Budget(trials=10**12, deadline=time.perf_counter() + 0.1 * seed), seed=seed)
        assert result.trials < 10**9
        assert result.proxy <= evaluate(start).proxy


def test_screening_without_time_returns_the_first_start() -> None:
    for seed in range(3):
        starts = [Placement.given(chip(seed)), legalize(piled(chip(seed)))]
        winners = screen(starts, seconds=np.inf, seed=0, workers=1, deadline=NOW)
        assert winners[0].netlist is chip(seed)
        assert not winners[0].violations()


@pytest.mark.parametrize(("waited", "left"), [(0.0, 10.0), (1.0, 9.0), (9.5, 0.5), (12.0, 1e-3)])
def test_the_wait_for_nodes_is_subtracted_from_the_budget(waited: float, left: float) -> None:
    budget = Budget(seconds=10.0, clock=lambda: 100.0 + waited)
    assert left_of(budget, 100.0).seconds == pytest.approx(left)
    assert left_of(Budget(trials=7), 100.0).trials == 7
