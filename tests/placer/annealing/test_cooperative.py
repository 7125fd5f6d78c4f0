"""Cooperative search: threads that undo conflicting moves, agree to the last bit, and together search as one does."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.errors import LegalizationError
from netlists.netlist import Floats
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer.annealing import cooperative, cooperative_worker
from placer.annealing.cooperative import CooperativeSearch, Phase, count_useful_threads, share_placement
from placer.annealing.cooperative_worker import (
    FIRST_TRIALS,
    LEAST_TRIALS,
    MEMORIES,
    MOST_TRIALS,
    ROUND_TRIALS,
    SMALLEST_REGION,
    TRIALS_MADE,
    adapt_round_length,
    count_regions_per_thread,
    find_conflicts,
)
from placer.annealing.metropolis import PROPOSED, Budget, spacing_um
from placer.annealing.moves import FREQUENCIES, MoveKind, Moves, allow_moves
from placer.annealing.refine import refine
from placer.cost import evaluate
from placer.cost.state import PROXY
from placer.legalization.legalize import legalize
from tests.placer.annealing.test_regions import some_moves


@pytest.fixture(scope="module")
def jetty() -> Placement:
    return legalize(Placement.given(load("jetty")))


def allowed_in(start: Placement) -> Moves:
    return allow_moves(start.netlist, spacing_um(start))


def slow_conflicts(
    size: Floats, owner: list[int], before: Floats, after: Floats, hard: list[int], gap: float
) -> set[int]:
    """Which threads undo their hard moves, pair by pair."""
    undone = set()
    for v, u in itertools.combinations(hard, 2):
        both_moved = (before[v] != after[v]).any() and (before[u] != after[u]).any()
        close = bool(np.all(np.abs(after[v] - after[u]) < (size[v] + size[u]) / 2 + gap))
        if both_moved and close and owner[v] != owner[u]:
            undone.add(max(owner[v], owner[u]))
    return undone


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 5), st.integers(0, 2**32), st.floats(0, 0.1))
def test_of_two_threads_whose_macros_collide_the_higher_undoes_its_moves(threads: int, seed: int, gap: float) -> None:
    rng = np.random.default_rng(seed)
    start = Placement.given(load("jetty"))
    allowed = allow_moves(start.netlist, gap)
    shared = share_placement(start, 1, threads)
    shared.owner[:] = rng.integers(threads, size=shared.owner.size)
    moved = allowed.hard[rng.random(allowed.hard.size) < 0.7]
    shared.position_um[moved] += rng.normal(0, 0.1 * start.netlist.canvas_um[0], size=(moved.size, 2))
    result = find_conflicts(
        start.netlist.size_um.copy(), shared, allowed, start.position_um.copy(), start.orientation.copy()
    )
    expected = slow_conflicts(start.netlist.size_um, shared.owner.tolist(), start.position_um, shared.position_um,
                           allowed.hard.tolist(), gap)  # fmt: skip
    assert set(np.flatnonzero(result)) == expected


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_all_trials_are_made(jetty: Placement, workers: int) -> None:
    search = CooperativeSearch(
        jetty, allowed_in(jetty), lambda fraction: Phase(0.0, 0.0), Budget(trials=3_000), seed=0, threads=workers
    )
    result = search.advance(1.0).result
    assert result.trials == 3_000 * workers == result.statistics[:, PROPOSED].sum()
    assert not result.placement.violations()
    assert result.proxy == evaluate(result.placement).proxy < evaluate(jetty).proxy
    frequency = result.statistics[:, PROPOSED] / result.trials
    np.testing.assert_allclose(
        frequency, np.array([FREQUENCIES[kind] for kind in MoveKind]) / sum(FREQUENCIES.values()), atol=0.03
    )


def test_threads_see_the_same_to_the_last_bit(jetty: Placement) -> None:
    allowed = allowed_in(jetty)
    search = CooperativeSearch(
        jetty, allowed, lambda fraction: Phase(1e-5, 1e-5, 3 - 2 * fraction), Budget(trials=4_000), seed=1, threads=4
    )
    search.advance(0.5)
    first = search.workers[0].state
    for other in search.workers[1:]:
        for name in ("position_um", "orientation", "pin_um", "pin_cell", "density", "congestion"):
            np.testing.assert_array_equal(getattr(other.state, name), getattr(first, name))
    assert first.terms[PROXY] == pytest.approx(
        evaluate(Placement(jetty.netlist, first.position_um, first.orientation)).proxy
    )


def test_quality_does_not_depend_on_the_number_of_threads(jetty: Placement) -> None:
    """With as many trials in all from one start, seven threads reach what one reaches within a few percent."""
    ends = {w: np.mean([refine(jetty, Budget(trials=84_000 // w), seed=s, workers=w).proxy for s in range(3)])
            for w in (1, 2, 7)}  # fmt: skip
    start = evaluate(jetty).proxy
    for workers in (2, 7):
        assert ends[workers] - ends[1] < 0.1 * (start - ends[1])


@pytest.mark.parametrize("workers", [1, 2, 4, 16, 64])
def test_any_number_of_workers_is_legal_never_worse_and_repeatable(workers: int) -> None:
    for seed in range(6):
        netlist = generate(random_case(seed, low=0.1, high=0.7), seed)
        try:
            start = legalize(Placement.given(netlist))
        except LegalizationError:
            continue
        once, again = (refine(start, Budget(trials=400), seed=seed, workers=workers) for _ in range(2))
        assert not once.placement.violations()
        assert once.proxy <= evaluate(start).proxy
        np.testing.assert_array_equal(once.placement.position_um, again.placement.position_um)
        np.testing.assert_array_equal(once.placement.orientation, again.placement.orientation)


def test_a_search_continues_where_it_was(jetty: Placement) -> None:
    search = CooperativeSearch(
        jetty, allowed_in(jetty), lambda fraction: Phase(0.0, 0.0), Budget(trials=6_000), seed=0, threads=2
    )
    for until in (0.3, 0.31, 0.9, 1.0):
        result = search.advance(until).result
        assert until * 6_000 <= search.shared.memory[TRIALS_MADE] <= 6_000
    assert result.trials == 12_000
    assert result.proxy == evaluate(result.placement).proxy < evaluate(jetty).proxy


@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_ends_in_time(jetty: Placement, workers: int) -> None:
    ticks = itertools.count()  # of a clock that is read at the start and from time to time
    result = refine(jetty, Budget(seconds=10.0, clock=lambda: float(next(ticks))), workers=workers)
    assert next(ticks) < 20
    assert result.trials > 0
    assert not result.placement.violations()
    assert result.proxy == evaluate(result.placement).proxy < evaluate(jetty).proxy


def test_no_thread_waits_for_one_that_fails(jetty: Placement, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: object, shared: object, me: int, *rest: object) -> None:
        if me == 1:
            raise MemoryError("no room")
        cooperative_worker.work(state, shared, me, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cooperative, "work", fail)
    with pytest.raises(MemoryError, match="no room"):
        refine(jetty, Budget(trials=10**9), workers=3)


@pytest.mark.parametrize(("soft", "hard", "threads"), [(0, 3, 1), (0, 0, 1), (16, 0, 2), (20, 20, 5), (900, 133, 64)])
def test_each_useful_thread_has_a_region(soft: int, hard: int, threads: int) -> None:
    allowed = some_moves(soft, hard)
    assert count_useful_threads(allowed, 64) == threads
    assert count_useful_threads(allowed, 1) == 1
    per_thread = count_regions_per_thread(threads, allowed)
    assert per_thread == 1 or per_thread * threads * SMALLEST_REGION <= soft + hard


def test_rounds_become_shorter_while_threads_disturb_each_other() -> None:
    memory = np.zeros(MEMORIES)
    memory[ROUND_TRIALS] = FIRST_TRIALS
    for _ in range(100):
        adapt_round_length(memory, 2.0, 1.0)
    assert memory[ROUND_TRIALS] == LEAST_TRIALS
    for _ in range(200):
        adapt_round_length(memory, 0.5, 1.0)
    assert memory[ROUND_TRIALS] == MOST_TRIALS


def test_a_search_that_is_stopped_ends_with_what_it_has(jetty: Placement) -> None:
    search = CooperativeSearch(
        jetty, allowed_in(jetty), lambda fraction: Phase(0.0, 0.0), Budget(trials=10**9), seed=0, threads=2
    )
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(search.advance, 1.0)
        while search.lowest >= evaluate(jetty).proxy:
            time.sleep(0.01)
        search.stop()
        result = job.result(timeout=20).result
    assert 0 < result.trials < 2 * 10**9
    assert result.proxy == evaluate(result.placement).proxy < evaluate(jetty).proxy
    assert search.advance(1.0).result.trials == result.trials


def test_searches_side_by_side_are_independent(jetty: Placement) -> None:
    def run(seed: int) -> float:
        return refine(jetty, Budget(trials=2_000), seed=seed, workers=2).proxy

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(run, range(3)))
    assert together == [run(seed) for seed in range(3)]
