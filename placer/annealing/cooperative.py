"""Cooperative search: threads that share one search, each in regions of its own, and merge their changes often.

Several independent searches side by side (`metropolis.run_walkers`) gain little from each other; what helps annealing
is more moves at each temperature.  `cooperative_worker` has what the threads do; here they are started, told the time
and stopped.
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
from placer.annealing.cooperative_worker import (
    ANNOUNCEMENTS,
    CLAIM_WIDTH,
    FIRST_TRIALS,
    MEMORIES,
    ROUND_TRIALS,
    SMALLEST_REGION,
    TRIALS_MADE,
    SharedArrays,
    work,
)
from placer.annealing.go_with_the_winners import SearchStage
from placer.annealing.metropolis import PROPOSED, STATISTICS, Budget, SearchResult, new_generators
from placer.annealing.moves import NUM_KINDS, Moves
from placer.cost import evaluate
from placer.cost.recompute import count_sums
from placer.cost.state import CostState, new_state

TICK_S = 0.01
"""Seconds between two looks at the clock."""

PHASES = 200
"""Steps of a schedule, evenly spaced over the search."""

MOST_THREADS = 64
"""Threads of one search at most."""

STOPPED = 2.0
"""Fraction of the search over, for the threads, once it is to stop: anything above 1."""


class Phase(NamedTuple):
    """How to search at a point in time; the temperatures are in proxy."""

    soft: float  # temperature of soft macros
    hard: float  # temperature of hard macros
    breadth: float = 1.0  # see `CostState.breadth`


Schedule = Callable[[float], Phase]
"""The phase when a fraction, from 0 to 1, of the search is over."""


def count_useful_threads(allowed: Moves, workers: int) -> int:
    """The number of `workers` that one search can use: each needs macros for a region of its own."""
    return max(1, min(workers, MOST_THREADS, (allowed.soft.size + allowed.hard.size) // SMALLEST_REGION))


@dataclass
class Worker:
    """One thread's copy of the placement, and what it keeps between calls of `work`."""

    state: CostState
    rng: np.random.Generator
    region_rng: np.random.Generator
    congestion_gain: Floats  # [1] in proxy, see `metropolis.search`
    statistics: Floats  # [NUM_KINDS, STATISTICS] numbers of moves by kind


class CooperativeSearch:
    """A search by several threads, and the placement on which they agree."""

    def __init__(
        self, start: Placement, allowed: Moves, schedule: Schedule, budget: Budget, *, seed: int, threads: int
    ) -> None:
        """Prepare a search from a legal placement; the budget begins now."""
        n = start.netlist
        self.budget, self.start_s = budget, budget.clock()
        self.netlist, self.allowed = n, allowed
        self.schedule = np.array([schedule(k / PHASES) for k in range(PHASES + 1)], dtype=np.float64)
        region_rng, *rngs = new_generators(seed, threads + 1)
        self.workers = [
            Worker(new_state(n, start.position_um, start.orientation), rng, deepcopy(region_rng), apart(np.ones(1)),
                   apart(np.zeros((NUM_KINDS, STATISTICS))))
            for rng in rngs
        ]  # fmt: skip
        self.shared = share_placement(start, count_sums(self.workers[0].state), threads)
        self.stopped = False

    def advance(self, until: float, restart: Placement | None = None) -> SearchStage:
        """Search until a fraction `until` of the budget is used, from another legal placement if one is given."""
        shared = self.shared
        if restart is not None:
            shared.position_um[:], shared.orientation[:] = restart.position_um, restart.orientation
        shared.finished_rounds[0] = 0
        fraction = STOPPED if self.stopped else self.budget.used(self.start_s, int(shared.memory[TRIALS_MADE]))
        with ThreadPoolExecutor(len(self.workers)) as pool:
            jobs = [pool.submit(self._work, k, fraction, until) for k in range(len(self.workers))]
            while wait(jobs, TICK_S, FIRST_EXCEPTION).not_done:
                if self.stopped or over(self.budget.deadline):
                    shared.clock[0] = STOPPED
                elif self.budget.seconds is not None:
                    shared.clock[0] = self.budget.used(self.start_s, 0)
            for job in jobs:
                job.result()
        current = Placement(self.netlist, shared.position_um.copy(), shared.orientation.copy())
        return SearchStage(current, evaluate(current).proxy, self.result())

    def stop(self) -> None:
        """End the search after the current round."""
        self.stopped = True

    @property
    def lowest(self) -> float:
        """The lowest proxy so far."""
        return float(self.shared.best_proxy[0])

    def _work(self, me: int, fraction: float, until: float) -> None:
        w, trials = self.workers[me], self.budget.trials or 0
        try:
            work(w.state, self.shared, me, self.allowed, w.rng, w.region_rng, w.congestion_gain, w.statistics,
                 self.schedule, trials, fraction, until)  # fmt: skip
        except BaseException:
            give_up(self.shared.arrivals, me)
            raise

    def result(self) -> SearchResult:
        """The best placement so far."""
        statistics = np.sum([w.statistics for w in self.workers], axis=0)
        best = Placement(self.netlist, self.shared.best_position_um.copy(), self.shared.best_orientation.copy())
        return SearchResult(best, evaluate(best).proxy, int(statistics[:, PROPOSED].sum()), statistics, False)


def share_placement(start: Placement, sums: int, threads: int) -> SharedArrays:
    """Shared arrays for so many threads with a placement in them, which is the best so far.

    `sums` is the length of `SharedArrays.total`.
    """
    memory = np.zeros(MEMORIES)
    memory[ROUND_TRIALS] = FIRST_TRIALS
    return SharedArrays(
        position_um=apart(start.position_um.astype(np.float64)),
        orientation=apart(start.orientation.astype(np.int8)),
        owner=apart(np.zeros(start.netlist.num_nodes, dtype=np.int64)),
        claims=apart(np.zeros((threads, CLAIM_WIDTH))),
        sums=apart(np.zeros((threads, sums))),
        total=apart(np.zeros(sums)),
        announcement=apart(np.zeros(ANNOUNCEMENTS)),
        finished_rounds=apart(np.zeros(1, dtype=np.int64)),
        clock=apart(np.zeros(1)),
        arrivals=new_barrier(threads),
        memory=apart(memory),
        best_proxy=apart(np.array([evaluate(start).proxy])),
        best_position_um=apart(start.position_um.astype(np.float64)),
        best_orientation=apart(start.orientation.astype(np.int8)),
    )
