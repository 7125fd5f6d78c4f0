"""Metropolis searches on the exact cost: the inner loop, and walkers that search side by side and follow the best.

A trial changes one or two macros; a worse proxy is accepted with probability exp(-increase / temperature) (Metropolis
et al., "Equation of state calculations by fast computing machines", 1953).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
from numba import njit

from netlists.errors import PlacementError, SettingsError
from netlists.legality.rules import rule_violations
from netlists.netlist import Floats, Ints
from netlists.placement import Placement
from netlists.tolerance import MACRO_GAP
from placer.annealing.moves import FIRST_HARD, NUM_KINDS, Moves, propose
from placer.cost import evaluate
from placer.cost.arrays import Orientations
from placer.cost.definition import CONGESTION_WEIGHT
from placer.cost.incremental import accept, evaluate_trial, reject
from placer.cost.recompute import recompute
from placer.cost.state import CONGESTION, PROXY, CostState, new_state
from placer.legalization.displacement import disjoint
from placer.legalization.packing import fixed_rectangles

PROPOSED = 0
"""Column of the statistics: number of moves drawn."""
LEGAL = 1
"""Column of the statistics: number of moves that are legal."""
ROUTED = 2
"""Column of the statistics: number of moves whose congestion was computed."""
ACCEPTED = 3
"""Column of the statistics: number of moves accepted."""
GAIN = 4
"""Column of the statistics: sum of the proxy gained by the accepted moves."""
STATISTICS = 5
"""Number of columns of the statistics, which have one row per kind of move."""

CHUNK = 8192
"""Trials between two looks at the clock at most, usually about 0.05 s."""

FIRST_CHUNK = 256
"""Trials before the first look at the clock, with a budget in seconds."""

CHUNK_S = 0.25
"""Seconds between two looks at the clock at most, with a budget in seconds."""

ALWAYS_ROUTED_EVERY = 32
"""One trial in this many is routed regardless of its wirelength, to learn what congestion may gain."""

FORGET = 0.9999
"""Factor per trial by which the largest gain of congestion so far fades."""

Reporter = Callable[[float, float], None]
"""Called now and then while a search runs, with the seconds since its start and the best proxy so far."""


@dataclass(frozen=True)
class Budget:
    """How long to search: `seconds` of a clock, or `trials` of each thread, with which results repeat exactly.

    A cooperative search (`placer.annealing.cooperative`) ends at the `deadline` (of `time.perf_counter`) in any case.
    Raises `SettingsError` unless exactly one of seconds and trials is set.
    """

    seconds: float | None = None
    trials: int | None = None
    clock: Callable[[], float] = time.perf_counter  # returns seconds
    deadline: float = np.inf  # s

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.trials is None):
            raise SettingsError("a search takes either seconds or trials; give one of them")

    def used(self, start_s: float, trials: int) -> float:
        """The fraction used, if the search began at `start_s` on the clock and each thread has made so many trials."""
        if self.seconds is not None:
            return (self.clock() - start_s) / self.seconds
        return trials / self.trials if self.trials else 1.0


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The best placement of a search, and what the search did."""

    placement: Placement
    proxy: float
    trials: int  # of all threads
    statistics: Floats  # [NUM_KINDS, STATISTICS] numbers of moves by kind, and the proxy that they gained
    interrupted: bool  # by Ctrl-C


class Walker:
    """One search with its own random generator; `advance(walker, trials, fraction)` says what it does in a chunk."""

    def __init__(
        self, start: Placement, rng: np.random.Generator, advance: Callable[[Walker, int, float], None]
    ) -> None:
        self.start, self.rng, self._advance = start, rng, advance
        self.state: CostState = new_state(start.netlist, start.position_um, start.orientation)
        recompute(self.state)
        self.congestion_gain = np.array([self.proxy])  # see `search`
        self.statistics = np.zeros((NUM_KINDS, STATISTICS))
        self.never = np.zeros(1, dtype=np.int64)
        self.trials, self.chunk = 0, FIRST_CHUNK
        self.best = np.inf
        self._record_best()

    @property
    def proxy(self) -> float:
        """The proxy of the current placement."""
        return float(self.state.terms[PROXY])

    def walk(self, budget: Budget, start_s: float, until: float, stop: Event) -> None:
        """Search until a fraction `until` of the budget is used, which began at `start_s` on its clock."""
        while not stop.is_set():
            fraction, trials = budget.used(start_s, self.trials), self.chunk
            if budget.trials is not None:
                trials = min(CHUNK, round(until * budget.trials) - self.trials)
            if fraction >= until or trials <= 0:
                break
            self._advance(self, trials, fraction)
            self.trials += trials
            recompute(self.state)  # so that rounding errors do not accumulate
            self._record_best()

    def search(self, moves: Moves, trials: int, soft: float, hard: float) -> None:
        """Make trials at one temperature for soft macros and one for hard macros, both in proxy."""
        start_s = time.perf_counter()
        search(
            self.state,
            moves,
            self.rng,
            trials,
            soft,
            hard,
            self.congestion_gain,
            self.statistics,
            self.never,
            0,
            trials,
        )
        self.chunk = min(CHUNK, 1 + int(trials * CHUNK_S / max(time.perf_counter() - start_s, 1e-9)))

    def follow(self, other: Walker) -> None:
        """Continue from the placement of another walker."""
        if other is not self:
            self.restart(other.state.position_um, other.state.orientation)

    def restart(self, position_um: Floats, orientation: Orientations) -> None:
        """Continue from another placement: centers [V, 2] and orientations [V]."""
        self.state.position_um[:], self.state.orientation[:] = position_um, orientation
        recompute(self.state)

    def _record_best(self) -> None:
        if self.proxy < self.best:
            self.best = self.proxy
            self.best_position_um, self.best_orientation = self.state.position_um.copy(), self.state.orientation.copy()


def run_walkers(
    walkers: list[Walker], budget: Budget, start_s: float, rounds: int, progress: Reporter | None = None
) -> SearchResult:
    """Let walkers search, each in a thread; after every round all follow the best.  Returns the best placement seen.

    The budget began at `start_s` on its clock.  `progress` gets the seconds so far and the best proxy after every
    round.  Ctrl-C ends the search.
    """
    stop, interrupted = Event(), False
    try:
        with ThreadPoolExecutor(len(walkers)) as pool:
            for i in range(rounds):
                jobs = [pool.submit(w.walk, budget, start_s, (i + 1) / rounds, stop) for w in walkers]
                try:
                    for job in jobs:
                        job.result()
                except KeyboardInterrupt:
                    stop.set()  # the pool waits for its threads
                    raise
                winner = min(walkers, key=lambda w: w.proxy)
                for w in walkers:
                    w.follow(winner)
                if progress is not None:
                    progress(budget.clock() - start_s, min(w.best for w in walkers))
    except KeyboardInterrupt:
        interrupted = True
    best = min(walkers, key=lambda w: w.best)
    placement = Placement(best.start.netlist, best.best_position_um.copy(), best.best_orientation.copy())
    statistics = np.sum([w.statistics for w in walkers], axis=0)
    return SearchResult(placement, evaluate(placement).proxy, sum(w.trials for w in walkers), statistics, interrupted)


def new_generators(seed: int, count: int) -> list[np.random.Generator]:
    """So many independent random generators; the first ones do not depend on their number."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(count)]


def spacing_um(placement: Placement) -> float:
    """The spacing that hard macros keep in a search: the legalizer's, or none if they are closer already.

    Raises `PlacementError` if hard macros overlap or leave the canvas.
    """
    n = placement.netlist
    if placement.violations() or rule_violations(placement):
        raise PlacementError(
            "hard macros overlap, leave the canvas or break a constraint; legalize the placement before the search"
        )
    if n.constraints:
        return 0.0
    gap = MACRO_GAP * max(n.canvas_um)
    center, size = placement.position_um[n.movable_hard], n.size_um[n.movable_hard]
    return gap if disjoint(center, size, fixed_rectangles(n), *n.canvas_um, 0.999 * gap) else 0.0


@njit(cache=True, nogil=True)
def search(
    state: CostState,
    moves: Moves,
    rng: np.random.Generator,
    trials: int,
    soft: float,
    hard: float,
    congestion_gain: Floats,
    statistics: Floats,
    finished_rounds: Ints,
    rounds: int,
    least_trials: int,
) -> int:
    """Make trials by the Metropolis rule; returns the number of trials made.

    `soft` and `hard` are the temperatures of soft and hard macros, in proxy.  `congestion_gain` [1] is the largest fall
    of the weighted congestion term, in proxy, by one of the last trials; trials that would need more to be accepted are
    not routed.  The numbers of moves are added to `statistics` [NUM_KINDS, STATISTICS].  After `least_trials` the loop
    ends as soon as `finished_rounds` [1], a number that other threads write, exceeds `rounds`.
    """
    terms, trial_terms, chance = state.terms, state.trial_terms, moves.chance
    for i in range(trials):
        if i >= least_trials and finished_rounds[0] > rounds:
            return i
        kind = int(np.searchsorted(chance, rng.random(), side="right"))
        statistics[kind, PROPOSED] += 1
        if not propose(state, moves, kind, rng):
            continue
        statistics[kind, LEGAL] += 1
        before = terms[PROXY]
        limit = before - (soft if kind < FIRST_HARD else hard) * np.log(1.0 - rng.random())
        congestion_gain[0] *= FORGET
        proxy = evaluate_trial(state, limit, np.inf if i % ALWAYS_ROUTED_EVERY == 0 else congestion_gain[0])
        if proxy < np.inf:
            statistics[kind, ROUTED] += 1
            congestion_gain[0] = max(
                congestion_gain[0], CONGESTION_WEIGHT * (terms[CONGESTION] - trial_terms[CONGESTION])
            )
        if proxy <= limit:
            statistics[kind, ACCEPTED] += 1
            statistics[kind, GAIN] += before - proxy
            accept(state)
        else:
            reject(state)
    return trials
