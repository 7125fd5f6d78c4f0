"""Go with the winners: the worse half continues from the better, lost searches are left out, the best result wins."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from netlists import load
from netlists.netlist import Floats
from netlists.placement import Placement
from placer.annealing.go_with_the_winners import (
    COMPARE_AT,
    SearchLostError,
    SearchStage,
    choose_restarts,
    go_with_the_winners,
)
from placer.annealing.metropolis import Budget, SearchResult
from placer.annealing.refine import refine
from placer.cost import evaluate
from placer.legalization.legalize import legalize


@pytest.fixture(scope="module")
def start() -> Placement:
    return legalize(Placement.given(load("jetty")))


class Scripted:
    """A search with a given proxy at each comparison; it is lost if that is None."""

    def __init__(self, start: Placement, proxies: list[float | None]) -> None:
        self.start, self.proxies = start, iter(proxies)
        self.calls: list[tuple[float, Placement | None]] = []
        self.lowest = np.inf
        self.stopped = False

    def advance(self, until: float, restart: Placement | None) -> SearchStage:
        self.calls.append((until, restart))
        proxy = next(self.proxies)
        if proxy is None:
            raise SearchLostError("gone")
        self.lowest = min(self.lowest, proxy)
        here = Placement(self.start.netlist, self.start.position_um.copy(), self.start.orientation)
        return SearchStage(here, proxy, SearchResult(here, self.lowest, 10, np.ones((2, 5)), False))

    def stop(self) -> None:
        self.stopped = True


def run(searches: list[Scripted], start: Placement) -> SearchResult:
    return go_with_the_winners(searches, start, 9.0, Budget(trials=1), 0.0)


def test_the_worse_half_continues_from_the_better(start: Placement) -> None:
    stages = {k: SearchStage(start, proxy, SearchResult(start, proxy, 0, np.zeros(0), False)) for k, proxy in
            {0: 0.5, 2: 0.7, 5: 0.6, 6: 0.9, 7: 0.8}.items()}  # fmt: skip
    for k in stages:
        stages[k] = SearchStage(
            Placement(start.netlist, start.position_um, start.orientation), stages[k].proxy, stages[k].result
        )
    restarts = choose_restarts(stages)
    assert set(restarts) == {7, 6}
    assert restarts[7] is stages[0].current
    assert restarts[6] is stages[5].current
    assert choose_restarts({3: stages[0]}) == {}


def test_the_best_of_all_is_kept(start: Placement) -> None:
    searches = [Scripted(start, [0.5, 0.6, 0.6, 0.6]), Scripted(start, [0.8, 0.7, 0.55, 0.4])]
    result = run(searches, start)
    assert result.proxy == 0.4
    assert result.trials == 20
    assert [until for until, _ in searches[0].calls] == [*COMPARE_AT, 1.0]
    assert [restart is not None for _, restart in searches[0].calls] == [False, False, False, True]
    assert [restart is not None for _, restart in searches[1].calls] == [False, True, True, False]


def test_of_a_lost_search_the_last_result_counts(start: Placement) -> None:
    searches = [Scripted(start, [0.5, None]), Scripted(start, [0.8, 0.7, 0.7, 0.6])]
    assert run(searches, start).proxy == 0.5
    assert len(searches[0].calls) == 2
    assert len(searches[1].calls) == 4
    assert run([Scripted(start, [None]), Scripted(start, [None])], start).placement is start


def test_a_single_search_runs_in_one_stage(start: Placement) -> None:
    alone = Scripted(start, [0.5])
    assert run([alone], start).proxy == 0.5
    assert alone.calls == [(1.0, None)]


def few_macros(start: Placement) -> Placement:
    """A netlist of which one search count_useful_threads one worker."""
    n = start.netlist
    fixed = n.fixed.copy()
    fixed[np.flatnonzero(~n.fixed)[10:]] = True
    return Placement(n.with_(fixed=fixed, position_um=start.position_um), start.position_um, start.orientation)


def positions(result: SearchResult) -> Floats:
    return result.placement.position_um


def test_workers_that_one_search_cannot_use_make_another(start: Placement) -> None:
    few = few_macros(start)
    one, three, again = (refine(few, Budget(trials=2_000), seed=3, workers=w) for w in (1, 3, 3))
    assert one.trials == 2_000
    assert three.trials == 6_000
    assert three.proxy <= evaluate(few).proxy
    np.testing.assert_array_equal(positions(three), positions(again))
    better = refine(few, Budget(trials=20_000), seed=4).placement
    helped = refine(few, Budget(trials=1), seed=3, workers=2, others=[better])
    assert helped.proxy <= evaluate(better).proxy < evaluate(few).proxy


def test_ctrl_c_ends_all_searches(start: Placement) -> None:
    calls = itertools.count()

    def interrupt(seconds: float, proxy: float) -> None:
        if next(calls) > 2:
            raise KeyboardInterrupt

    ticks = itertools.count()
    budget = Budget(seconds=2_000, clock=lambda: float(next(ticks)))
    result = refine(few_macros(start), budget, workers=3, progress=interrupt)
    assert result.interrupted
    assert result.proxy <= evaluate(few_macros(start)).proxy
