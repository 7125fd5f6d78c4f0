"""One search by several threads: each searches regions of its own for a moment, then all merge what they changed.

Several searches side by side (`walkers.race`) gain little from one another; what helps annealing is more moves at each
temperature.  What the threads do is in `member.py`; here they are started, told the time and stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from netlists.netlist import Floats
from netlists.placement import Placement
from netlists.runtime.barrier import apart, give_up, new_barrier
from netlists.runtime.clock import over
from placer.annealing.member import BEGIN, MADE, SMALLEST, TRIALS, Board, work
from placer.annealing.metropolis import PROPOSED, Budget, Found, generators
from placer.annealing.moves import KINDS, Movers
from placer.annealing.winners import Leg
from placer.cost import evaluate
from placer.cost.fresh import size_of_sums
from placer.cost.state import State, new_state

TICK_S = 0.01  # between two looks at the clock
PHASES = 200  # steps of a schedule
MOST_MEMBERS = 64  # of one search
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
        self, start: Placement, allowed: Movers, schedule: Schedule, budget: Budget, *, seed: int, members: int
    ) -> None:
        """The clock of the budget begins to run."""
        n = start.netlist
        self.budget, self.begun = budget, budget.clock()
        self.netlist, self.allowed = n, allowed
        self.schedule = np.array([schedule(k / PHASES) for k in range(PHASES + 1)], dtype=np.float64)
        dealer, *rngs = generators(seed, members + 1)
        self.members = [
            Member(new_state(n, start.position_um, start.orientation), rng, deepcopy(dealer), apart(np.ones(1)),
                   apart(np.zeros((len(KINDS), 5))))
            for rng in rngs
        ]  # fmt: skip
        self.board = new_board(start, size_of_sums(self.members[0].state), members)
        self.stopped = False

    def go(self, until: float, onward: Placement | None = None) -> Leg:
        """Go on until a part `until` of the budget is used, from another legal placement if one is given."""
        board = self.board
        if onward is not None:
            board.position[:], board.orientation[:] = onward.position_um, onward.orientation
        board.over[0] = 0
        done = ENDED if self.stopped else self.budget.used(self.begun, int(board.memory[MADE]))
        with ThreadPoolExecutor(len(self.members)) as pool:
            jobs = [pool.submit(self._work, k, done, until) for k in range(len(self.members))]
            while wait(jobs, TICK_S, FIRST_EXCEPTION).not_done:
                if self.stopped or over(self.budget.deadline):
                    board.clock[0] = ENDED
                elif self.budget.seconds is not None:
                    board.clock[0] = self.budget.used(self.begun, 0)
            for job in jobs:
                job.result()
        now = Placement(self.netlist, board.position.copy(), board.orientation.copy())
        return Leg(now, evaluate(now).proxy, self.found())

    def stop(self) -> None:
        """End the search with the round under way."""
        self.stopped = True

    @property
    def lowest(self) -> float:
        """The lowest proxy so far."""
        return float(self.board.lowest[0])

    def _work(self, me: int, done: float, until: float) -> None:
        m, trials = self.members[me], self.budget.trials or 0
        try:
            work(m.state, self.board, me, self.allowed, m.rng, m.dealer, m.hope, m.statistics, self.schedule, trials,
                 done, until)  # fmt: skip
        except BaseException:
            give_up(self.board.arrivals, me)
            raise

    def found(self) -> Found:
        """The best placement so far."""
        statistics = np.sum([m.statistics for m in self.members], axis=0)
        best = Placement(self.netlist, self.board.best_position.copy(), self.board.best_orientation.copy())
        return Found(best, evaluate(best).proxy, int(statistics[:, PROPOSED].sum()), statistics, False)


def new_board(start: Placement, sums: int, members: int) -> Board:
    """A board with a placement on it, which is the best so far."""
    memory = np.zeros(4)
    memory[TRIALS] = BEGIN
    return Board(
        position=apart(start.position_um.astype(np.float64)),
        orientation=apart(start.orientation.astype(np.int8)),
        owner=apart(np.zeros(start.netlist.num_nodes, dtype=np.int64)),
        claim=apart(np.zeros((members, 8))),
        sums=apart(np.zeros((members, sums))),
        total=apart(np.zeros(sums)),
        word=apart(np.zeros(3)),
        over=apart(np.zeros(1, dtype=np.int64)),
        clock=apart(np.zeros(1)),
        arrivals=new_barrier(members),
        memory=apart(memory),
        lowest=apart(np.array([evaluate(start).proxy])),
        best_position=apart(start.position_um.astype(np.float64)),
        best_orientation=apart(start.orientation.astype(np.int8)),
    )
