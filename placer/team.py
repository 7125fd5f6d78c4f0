"""One search by several threads: each moves its own share of the macros for a moment, then all take over the moves.

Several searches side by side (`walkers.race`) gain little from one another; what helps annealing is more moves at each
temperature.  So the macros are dealt out anew every round.  Hard macros go to one member a round, in turn, since two
could put theirs into the same place; the soft ones are shared such that every kind of move is tried as often as with
one thread.  Members see each other's moves of a round only at its end, when the exact cost is computed afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from netlists.netlist import Bools, Floats
from netlists.placement import Placement
from placer.cost import evaluate
from placer.cost.arrays import Orientations
from placer.cost.incremental import reset, widen
from placer.cost.state import PROXY, State, new_state
from placer.proposals import HARD_STEP, KINDS, Movers, chances
from placer.walkers import PROPOSED, Budget, Found, Progress, generators, search

ROUND = 2048  # trials of a member between two meetings, about 10 ms; the fresh sums then cost 5%
LOOK = 128  # trials of a member between two looks whether another one has ended
REPORTS = 20  # calls of `progress`


class Phase(NamedTuple):
    """How to search at a time: the temperatures of soft and hard macros, in proxy; for `breadth` see `State`."""

    soft: float
    hard: float
    breadth: float = 1.0


Schedule = Callable[[float], Phase]
"""The phase when a part 0 to 1 of the search is over."""


@dataclass
class Member:
    """One thread's copy of the placement."""

    state: State
    rng: np.random.Generator
    hope: Floats  # [1], see `walkers.search`
    statistics: Floats  # [KINDS, 5]


class Team:
    """Members and the placement on which they agree."""

    def __init__(self, start: Placement, allowed: Movers, seed: int, workers: int) -> None:
        """No more members than soft macros are used, as hard ones keep only one busy."""
        n = start.netlist
        count = max(1, min(workers, allowed.soft.size))
        self.dealer, *members = generators(seed, count + 1)
        self.members = [
            Member(new_state(n, start.position_um, start.orientation), rng, np.ones(1), np.zeros((len(KINDS), 5)))
            for rng in members
        ]
        self.allowed, self.netlist = allowed, n
        self.position, self.orientation = start.position_um.copy(), start.orientation.copy()
        self.best, self.lowest = start, evaluate(start).proxy
        self.trials = self.rounds = 0  # trials: asked of each member

    def play(self, pool: ThreadPoolExecutor, trials: int, phase: Phase, *, wait: bool) -> None:
        """One round of trials for each member; those who are slower are waited for, or stop with the first."""
        hands = deal(self.allowed, len(self.members), self.rounds, self.dealer)
        over = np.zeros(1, dtype=bool)
        jobs = [
            pool.submit(play, m.state, hand, m.rng, trials, phase, m.hope, m.statistics, self.position,
                        self.orientation, wait, over)
            for m, hand in zip(self.members, hands, strict=True)
        ]  # fmt: skip
        proxies = [job.result() for job in jobs]  # the same of each
        self.keep(proxies[0])
        self.position, self.orientation = self.position.copy(), self.orientation.copy()
        for m, hand in zip(self.members, hands, strict=True):
            for nodes in (hand.soft, hand.hard):
                self.position[nodes], self.orientation[nodes] = m.state.position[nodes], m.state.orientation[nodes]
        self.trials += trials
        self.rounds += 1

    def keep(self, proxy: float) -> None:
        """Remember the placement agreed on, whose proxy is given, where it is the best so far."""
        if proxy < self.lowest:
            self.best, self.lowest = Placement(self.netlist, self.position, self.orientation), proxy

    def found(self, interrupted: bool) -> Found:
        """What came of it."""
        self.keep(evaluate(Placement(self.netlist, self.position, self.orientation)).proxy)
        statistics = np.sum([m.statistics for m in self.members], axis=0)
        trials = int(statistics[:, PROPOSED].sum())
        return Found(self.best, evaluate(self.best).proxy, trials, statistics, interrupted)


def cooperate(
    start: Placement,
    allowed: Movers,
    schedule: Schedule,
    budget: Budget,
    *,
    seed: int,
    workers: int,
    progress: Progress | None = None,
) -> Found:
    """Search from a legal placement; returns the best placement on which the members agreed.

    With a budget of trials the result depends on the start, the seed and the number of workers alone.  `progress` is
    told the seconds gone and the best proxy now and then.  Ctrl-C ends the search.
    """
    begun, team, interrupted = budget.clock(), Team(start, allowed, seed, workers), False
    reported = 0
    try:
        with ThreadPoolExecutor(len(team.members)) as pool:
            while (done := budget.used(begun, team.trials)) < 1:
                trials = ROUND if budget.trials is None else min(ROUND, budget.trials - team.trials)
                team.play(pool, trials, schedule(done), wait=budget.trials is not None)
                if progress is not None and done * REPORTS >= reported + 1:
                    reported = int(done * REPORTS)
                    progress(budget.clock() - begun, team.lowest)
    except KeyboardInterrupt:
        interrupted = True
    found = team.found(interrupted)
    if progress is not None and not interrupted:
        progress(budget.clock() - begun, found.proxy)
    return found


def deal(allowed: Movers, count: int, turn: int, rng: np.random.Generator) -> list[Movers]:
    """The movers of each of `count` members: all hard macros to one of them, soft ones at random.

    Every kind of proposal keeps its part of all trials where members make as many, up to the point where one member
    does nothing but hard moves.
    """
    if count == 1:
        return [allowed]
    share = np.diff(allowed.chance, prepend=0.0)
    hard = min(count * share[HARD_STEP:].sum(), 1.0)  # part of one member's trials
    first = round((1 - hard) / (count - hard) * allowed.soft.size)  # its soft macros
    dealt = rng.permutation(allowed.soft)
    hands = [dealt[:first], *np.array_split(dealt[first:], count - 1)]
    soft_share, hard_share = share.copy(), share.copy()
    soft_share[HARD_STEP:] = 0.0
    hard_share[HARD_STEP:] *= count
    hard_share[:HARD_STEP] *= (1 - hard) / hard_share[:HARD_STEP].sum() if first else 0.0
    movers = [allowed._replace(soft=hands[0], chance=chances(hard_share))]
    movers += [allowed._replace(soft=s, hard=s[:0], chance=chances(soft_share)) for s in hands[1:]]
    return movers[-(turn % count) :] + movers[: -(turn % count)]


@njit(cache=True, nogil=True)
def play(
    state: State,
    movers: Movers,
    rng: np.random.Generator,
    trials: int,
    phase: Phase,
    hope: Floats,
    statistics: Floats,
    position: Floats,
    orientation: Orientations,
    wait: bool,
    over: Bools,
) -> float:
    """Search on from the placement agreed on (centers [V, 2], orientations [V]); returns the proxy of that.

    It makes all trials or, unless it is to `wait`, those until `over` [1], which the first member to make all sets.
    """
    state.breadth[0] = 1.0
    state.position[:] = position
    state.orientation[:] = orientation
    reset(state)
    proxy: float = state.parts[PROXY]
    widen(state, phase.breadth)
    made = 0
    while made < trials and (wait or not over[0]):
        count = min(LOOK, trials - made)
        search(state, movers, rng, count, phase.soft, phase.hard, hope, statistics)
        made += count
    over[0] = True
    return proxy
