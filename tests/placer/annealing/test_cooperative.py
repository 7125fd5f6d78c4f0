"""Members of a team: who takes back what, and that together they search as one does."""

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
from placer.annealing import cooperative, member
from placer.annealing.cooperative import Phase, Team, feeds, new_board
from placer.annealing.member import BEGIN, LEAST, MOST, SMALLEST, TRIALS, learn, losers, regions_of_each
from placer.annealing.metropolis import PROPOSED, Budget, spacing_um
from placer.annealing.moves import SHARES, Movers, movers
from placer.annealing.refine import refine
from placer.cost import evaluate
from placer.legalization.legalize import legalize
from tests.placer.annealing.test_regions import some_movers


@pytest.fixture(scope="module")
def jetty() -> Placement:
    return legalize(Placement.given(load("jetty")))


def allowed_in(start: Placement) -> Movers:
    return movers(start.netlist, spacing_um(start))


def slow_losers(size: Floats, owner: list[int], before: Floats, after: Floats, hard: list[int], gap: float) -> set[int]:
    """Which members take back their hard moves, pair by pair."""
    lost = set()
    for v, u in itertools.combinations(hard, 2):
        both_moved = (before[v] != after[v]).any() and (before[u] != after[u]).any()
        close = bool(np.all(np.abs(after[v] - after[u]) < (size[v] + size[u]) / 2 + gap))
        if both_moved and close and owner[v] != owner[u]:
            lost.add(max(owner[v], owner[u]))
    return lost


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 5), st.integers(0, 2**32), st.floats(0, 0.1))
def test_of_two_members_whose_macros_collide_the_later_loses(members: int, seed: int, gap: float) -> None:
    rng = np.random.default_rng(seed)
    start = Placement.given(load("jetty"))
    allowed = movers(start.netlist, gap)
    board = new_board(start, 1, members)
    board.owner[:] = rng.integers(members, size=board.owner.size)
    moved = allowed.hard[rng.random(allowed.hard.size) < 0.7]
    board.position[moved] += rng.normal(0, 0.1 * start.netlist.canvas_um[0], size=(moved.size, 2))
    found = losers(start.netlist.size_um.copy(), board, allowed, start.position_um.copy())
    expected = slow_losers(start.netlist.size_um, board.owner.tolist(), start.position_um, board.position,
                           allowed.hard.tolist(), gap)  # fmt: skip
    assert set(np.flatnonzero(found)) == expected


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_a_team_makes_all_trials_and_agrees(jetty: Placement, workers: int) -> None:
    team = Team(jetty, allowed_in(jetty), lambda done: Phase(0.0, 0.0), Budget(trials=3_000), seed=0, members=workers)
    found = team.go(1.0).found
    assert found.trials == 3_000 * workers == found.statistics[:, PROPOSED].sum()
    assert not found.placement.violations()
    assert found.proxy == evaluate(found.placement).proxy < evaluate(jetty).proxy
    share = found.statistics[:, PROPOSED] / found.trials
    np.testing.assert_allclose(share, np.array(SHARES) / sum(SHARES), atol=0.03)


def test_members_see_the_same_to_the_last_bit(jetty: Placement) -> None:
    allowed = allowed_in(jetty)
    all_of_it = Team(jetty, allowed, lambda done: Phase(1e-5, 1e-5, 3 - 2 * done), Budget(trials=4_000), seed=1,
                     members=4)  # fmt: skip
    all_of_it.go(0.5)
    first = all_of_it.members[0].state
    for other in all_of_it.members[1:]:
        for name in ("position", "orientation", "point", "cell", "density", "load"):
            np.testing.assert_array_equal(getattr(other.state, name), getattr(first, name))
    assert first.parts[4] == pytest.approx(evaluate(Placement(jetty.netlist, first.position, first.orientation)).proxy)


def test_quality_does_not_depend_on_the_number_of_members(jetty: Placement) -> None:
    """As many trials in all from one start: what one thread reaches, seven reach within a few percent."""
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


def test_a_search_goes_on_where_it_was(jetty: Placement) -> None:
    whole = Team(jetty, allowed_in(jetty), lambda done: Phase(0.0, 0.0), Budget(trials=6_000), seed=0, members=2)
    for until in (0.3, 0.31, 0.9, 1.0):
        found = whole.go(until).found
        assert until * 6_000 <= whole.board.memory[0] <= 6_000
    assert found.trials == 12_000
    assert found.proxy == evaluate(found.placement).proxy < evaluate(jetty).proxy


@pytest.mark.parametrize("workers", [1, 3])
def test_a_team_ends_in_time(jetty: Placement, workers: int) -> None:
    ticks = itertools.count()  # of a clock, which is read at the start and now and then
    found = refine(jetty, Budget(seconds=10.0, clock=lambda: float(next(ticks))), workers=workers)
    assert next(ticks) < 20
    assert found.trials > 0
    assert not found.placement.violations()
    assert found.proxy == evaluate(found.placement).proxy < evaluate(jetty).proxy


def test_nobody_waits_for_a_member_that_fails(jetty: Placement, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(state: object, board: object, me: int, *rest: object) -> None:
        if me == 1:
            raise MemoryError("no room")
        member.work(state, board, me, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cooperative, "work", fail)
    with pytest.raises(MemoryError, match="no room"):
        refine(jetty, Budget(trials=10**9), workers=3)


@pytest.mark.parametrize(("soft", "hard", "members"), [(0, 3, 1), (0, 0, 1), (16, 0, 2), (20, 20, 5), (900, 133, 64)])
def test_a_search_feeds_so_many(soft: int, hard: int, members: int) -> None:
    allowed = some_movers(soft, hard)
    assert feeds(allowed, 64) == members
    assert feeds(allowed, 1) == 1
    each = regions_of_each(members, allowed)
    assert each == 1 or each * members * SMALLEST <= soft + hard


def test_disturbance_makes_rounds_shorter() -> None:
    memory = np.zeros(4)
    memory[TRIALS] = BEGIN
    for _ in range(100):
        learn(memory, 2.0, 1.0)
    assert memory[TRIALS] == LEAST
    for _ in range(200):
        learn(memory, 0.5, 1.0)
    assert memory[TRIALS] == MOST


def test_a_search_that_is_stopped_ends_with_what_it_has(jetty: Placement) -> None:
    search = Team(jetty, allowed_in(jetty), lambda done: Phase(0.0, 0.0), Budget(trials=10**9), seed=0, members=2)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(search.go, 1.0)
        while search.lowest >= evaluate(jetty).proxy:
            time.sleep(0.01)
        search.stop()
        found = job.result(timeout=20).found
    assert 0 < found.trials < 2 * 10**9
    assert found.proxy == evaluate(found.placement).proxy < evaluate(jetty).proxy
    assert search.go(1.0).found.trials == found.trials


def test_teams_side_by_side_do_not_meet(jetty: Placement) -> None:
    def run(seed: int) -> float:
        return refine(jetty, Budget(trials=2_000), seed=seed, workers=2).proxy

    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(run, range(3)))
    assert together == [run(seed) for seed in range(3)]
