"""One search by several threads: each searches regions of its own for a moment, then all merge what they changed.

Several searches side by side (`walkers.race`) gain little from one another; what helps annealing is more moves at each
temperature.  What the threads do is in `member.py`; here they are started, told the time and stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from netlists.barrier import give_up, new_barrier
from netlists.netlist import Floats
from netlists.placement import Placement
from placer.cost import evaluate
from placer.cost.fresh import size_of_sums
from placer.cost.state import State, new_state
from placer.member import BEGIN, DONE, SMALLEST, TRIALS, Board, work
from placer.proposals import KINDS, Movers
from placer.walkers import PROPOSED, Budget, Found, Progress

TICK_S = 0.01  # between two looks at the clock
PHASES = 2000  # in which a schedule is told to the members
MOST_MEMBERS = 64  # of one search
REPORTS = 20  # calls of `progress`
ENDED = 2.0  # part of a search that is over when it is to stop


class Phase(NamedTuple):
    """How to search at a time: the temperatures of soft and hard macros, in proxy; for `breadth` see `State`."""

    soft: float
    hard: float
    breadth: float = 1.0


Schedule = Callable[[float], Phase]
"""The phase when a part 0 to 1 of the search is over."""


def feeds(allowed: Movers, workers: int) -> int:
    """How many of the workers one search can make use of."""
    return max(1, min(workers, MOST_MEMBERS, (allowed.soft.size + allowed.hard.size) // SMALLEST))


@dataclass
class Member:
    """One thread's copy of the placement."""

    state: State
    rng: np.random.Generator
    dealer: np.random.Generator
    hope: Floats  # [1], see `walkers.search`
    statistics: Floats  # [KINDS, 5]


class Team:
    """Members and the placement on which they agree."""

    def __init__(
        self, start: Placement, allowed: Movers, schedule: Schedule, budget: Budget, *, seed: int, workers: int
    ) -> None:
        """The clock of the budget begins to run.  A search takes no more members than it `feeds`."""
        n, count = start.netlist, feeds(allowed, workers)
        self.budget, self.begun = budget, budget.clock()
        self.netlist, self.allowed, self.start = n, allowed, start
        self.schedule = np.array([schedule(k / PHASES) for k in range(PHASES + 1)], dtype=np.float64)
        dealers, *rngs = np.random.SeedSequence(seed).spawn(count + 1)
        self.members = [
            Member(new_state(n, start.position_um, start.orientation), np.random.default_rng(rng),
                   np.random.default_rng(dealers), np.ones(1), np.zeros((len(KINDS), 5)))
            for rng in rngs
        ]  # fmt: skip
        self.board = new_board(start, size_of_sums(self.members[0].state), count)
        self.interrupted = False

    def search(self, until: float = 1.0, progress: Progress | None = None) -> None:
        """Go on until a part `until` of the budget is used; Ctrl-C ends the search for good."""
        if self.interrupted:
            return
        board, reported = self.board, 0
        board.over[0] = 0
        with ThreadPoolExecutor(len(self.members)) as pool:
            jobs = [pool.submit(self._work, k, until) for k in range(len(self.members))]
            try:
                while wait(jobs, TICK_S, FIRST_EXCEPTION).not_done:
                    done = self._tell_time()
                    if progress is not None and done * REPORTS >= reported + 1:
                        reported = int(done * REPORTS)
                        self._report(progress)
                if progress is not None:
                    self._report(progress)
            except KeyboardInterrupt:
                self.interrupted, board.clock[0] = True, ENDED
            for job in jobs:
                job.result()

    def _tell_time(self) -> float:
        """The part of the budget that is used; members are told where that depends on a clock."""
        if self.budget.seconds is None:
            return float(self.board.word[DONE])
        done = self.board.clock[0] = self.budget.used(self.begun, 0)
        return done

    def _report(self, progress: Progress) -> None:
        progress(self.budget.clock() - self.begun, float(self.board.lowest[0]))

    def _work(self, me: int, until: float) -> None:
        m, trials = self.members[me], self.budget.trials or 0
        try:
            work(m.state, self.board, me, self.allowed, m.rng, m.dealer, m.hope, m.statistics, self.schedule, trials,
                 until)  # fmt: skip
        except BaseException:
            give_up(self.board.arrivals, me)
            raise

    def found(self) -> Found:
        """The best placement so far."""
        statistics = np.sum([m.statistics for m in self.members], axis=0)
        best = Placement(self.netlist, self.board.best_position.copy(), self.board.best_orientation.copy())
        return Found(best, evaluate(best).proxy, int(statistics[:, PROPOSED].sum()), statistics, self.interrupted)


def new_board(start: Placement, sums: int, members: int) -> Board:
    """A board with a placement on it, which is the best so far."""
    memory = np.zeros(4)
    memory[TRIALS] = BEGIN
    return Board(
        position=start.position_um.astype(np.float64),
        orientation=start.orientation.astype(np.int8),
        owner=np.zeros(start.netlist.num_nodes, dtype=np.int64),
        claim=np.zeros((members, 8)),
        sums=np.zeros((members, sums)),
        total=np.zeros(sums),
        word=np.zeros(3),
        over=np.zeros(1, dtype=np.int64),
        clock=np.zeros(1),
        arrivals=new_barrier(members),
        memory=memory,
        lowest=np.array([evaluate(start).proxy]),
        best_position=start.position_um.astype(np.float64),
        best_orientation=start.orientation.astype(np.int8),
    )


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
    team = Team(start, allowed, schedule, budget, seed=seed, workers=workers)
    team.search(progress=progress)
    return team.found()
