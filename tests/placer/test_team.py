"""Members of a team: who may move what, and that together they search as one does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlists import load
from netlists.placement import Placement
from placer.cost import evaluate
from placer.legalize import legalize
from placer.proposals import HARD_STEP, SHARES, Movers, chances
from placer.refine import refine
from placer.team import LOOK, ROUND, Phase, Team, cooperate, deal, play
from placer.walkers import PROPOSED, Budget


def some_movers(soft: int, hard: int) -> Movers:
    share = np.array(SHARES)
    share[:HARD_STEP] *= soft > 0
    share[HARD_STEP:] *= hard > 0
    nodes = np.arange(soft + hard)
    return Movers(nodes[:soft], nodes[soft:], nodes[soft:], 0.0, chances(share))


@given(st.integers(2, 6), st.integers(6, 60), st.integers(0, 20), st.integers(0, 7), st.integers(0, 2**32))
def test_every_macro_is_dealt_once(count: int, soft: int, hard: int, turn: int, seed: int) -> None:
    allowed = some_movers(soft, hard)
    hands = deal(allowed, count, turn, np.random.default_rng(seed))
    assert len(hands) == count
    assert sorted(np.concatenate([h.soft for h in hands])) == list(allowed.soft)
    assert [len(h.hard) for h in hands if len(h.hard)] == [hard] * (hard > 0)
    for hand in hands:
        tried = np.diff(hand.chance, prepend=0.0)
        assert np.all(tried >= 0)
        assert hand.chance[-1] == 1
        assert len(hand.soft) or not tried[:HARD_STEP].any()
        assert len(hand.hard) or not tried[HARD_STEP:].any()


@pytest.mark.parametrize("count", [2, 3])
def test_kinds_keep_their_part_of_all_trials(count: int) -> None:
    hands = deal(some_movers(50, 9), count, 0, np.random.default_rng(0))
    tried = np.mean([np.diff(h.chance, prepend=0.0) for h in hands], axis=0)
    np.testing.assert_allclose(tried, np.array(SHARES) / sum(SHARES), atol=1e-12)


def test_hard_macros_go_around() -> None:
    owners = [
        [len(h.hard) > 0 for h in deal(some_movers(9, 3), 3, turn, np.random.default_rng(0))].index(True)
        for turn in range(6)
    ]
    assert sorted(owners[:3]) == [0, 1, 2]
    assert owners[3:] == owners[:3]


def test_one_member_has_all() -> None:
    allowed = some_movers(4, 2)
    assert deal(allowed, 1, 5, np.random.default_rng(0)) == [allowed]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_team_makes_all_trials_and_agrees(workers: int) -> None:
    start = legalize(Placement.given(load("jetty")))
    n = start.netlist
    allowed = some_movers(0, 0)._replace(
        soft=n.soft, hard=n.movable_hard, obstacle=n.hard, chance=some_movers(1, 1).chance
    )
    found = cooperate(start, allowed, lambda done: Phase(0.0, 0.0), Budget(trials=3_000), seed=0, workers=workers)
    assert found.trials == 3_000 * workers == found.statistics[:, PROPOSED].sum()
    assert not found.placement.violations()
    assert found.proxy == evaluate(found.placement).proxy < evaluate(start).proxy
    share = found.statistics[:, PROPOSED] / found.trials
    np.testing.assert_allclose(share, np.array(SHARES) / sum(SHARES), atol=0.02)


@pytest.mark.parametrize(("wait", "made"), [(True, 1_000), (False, LOOK)])
def test_members_stop_when_one_is_over_unless_they_wait(wait: bool, made: int) -> None:
    start = legalize(Placement.given(load("jetty")))
    n = start.netlist
    allowed = some_movers(1, 1)._replace(soft=n.soft, hard=n.movable_hard, obstacle=n.hard)
    member = Team(start, allowed, 0, 1).members[0]
    over = np.zeros(1, dtype=bool)

    def go_on(trials: int) -> float:
        play(member.state, allowed, member.rng, trials, Phase(0.0, 0.0), member.hope, member.statistics,
             start.position_um, start.orientation, wait, over)  # fmt: skip
        return float(member.statistics[:, PROPOSED].sum())

    assert go_on(LOOK) == LOOK
    assert over[0]
    assert go_on(1_000 - LOOK) == made


@pytest.mark.parametrize("workers", [1, 3])
def test_a_team_ends_in_time(workers: int) -> None:
    start = legalize(Placement.given(load("jetty")))
    ticks = itertools.count()  # of a clock, which is read at the start and before each round
    found = refine(start, Budget(seconds=40.0, clock=lambda: float(next(ticks))), workers=workers)
    assert 39 * ROUND <= found.trials <= 39 * ROUND * workers
    assert found.trials % LOOK == 0
    assert not found.placement.violations()
    assert found.proxy == evaluate(found.placement).proxy < evaluate(start).proxy


def test_no_more_members_than_soft_macros() -> None:
    start = legalize(Placement.given(load("jetty")))
    for soft, members in ((0, 1), (1, 1), (2, 2), (20, 4)):
        allowed = some_movers(soft, 3)
        assert len(Team(start, allowed, 0, 4).members) == members
