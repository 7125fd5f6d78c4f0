"""Walkers: Metropolis searches side by side on the exact cost, the best of which the others follow now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
from numba import njit

from netlists.errors import PlacementError, SettingsError
from netlists.netlist import Floats, Ints
from netlists.placement import Placement
from netlists.tolerance import MACRO_GAP
from placer.annealing.moves import HARD_STEP, KINDS, Movers, propose
from placer.cost import evaluate
from placer.cost.arrays import Orientations
from placer.cost.fresh import reset
from placer.cost.incremental import accept, price, reject
from placer.cost.proxy import CONGESTION_WEIGHT
from placer.cost.state import CONGESTION, PROXY, State, new_state
from placer.legalization.displacement import disjoint
from placer.legalization.packing import fixed_rectangles

# Columns of the statistics, one row a kind of proposal
PROPOSED, LEGAL, ROUTED, ACCEPTED, GAIN = range(5)

CHUNK = 8192  # trials between two looks at the clock, usually about 0.05 s
FIRST_CHUNK, CHUNK_S = 256, 0.25  # in a budget of seconds: the first chunk, and how long others may be
UNLIMITED_EVERY = 32  # one trial in so many is routed whatever its wirelength, to learn what congestion may gain
FORGET = 0.9999  # a trial; what congestion gained lately fades

Progress = Callable[[float, float], None]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """How long to search: `seconds` of a clock, or `trials` of each walker, with which results repeat exactly.

    A team (`placer.annealing.cooperative`) ends at the `deadline` (of `time.perf_counter`) in any case.  Raises
    `SettingsError` unless exactly one of seconds and trials is given.
    """

    seconds: float | None = None
    trials: int | None = None
    clock: Clock = time.perf_counter
    deadline: float = np.inf

    def __post_init__(self) -> None:
        if (self.seconds is None) == (self.trials is None):
            raise SettingsError("a search takes either seconds or trials; give one of them")

    def used(self, begun: float, trials: int) -> float:
        """The part that is used, when the search began at `begun` on the clock and each walker made `trials`."""
        if self.seconds is not None:
            return (self.clock() - begun) / self.seconds
        return trials / self.trials if self.trials else 1.0


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found and did."""

    placement: Placement
    proxy: float
    trials: int  # of all walkers
    statistics: Floats  # [KINDS, 5] proposed, legal, routed, accepted, summed gain; kinds as in `proposals.KINDS`
    interrupted: bool  # by Ctrl-C


class Walker:
    """One search with a random generator of its own; `advance(walker, trials, done)` says what it does in a chunk."""

    def __init__(
        self, start: Placement, rng: np.random.Generator, advance: Callable[[Walker, int, float], None]
    ) -> None:
        self.start, self.rng, self._advance = start, rng, advance
        self.state: State = new_state(start.netlist, start.position_um, start.orientation)
        reset(self.state)
        self.hope = np.array([self.proxy])
        self.statistics = np.zeros((len(KINDS), 5))
        self.never = np.zeros(1, dtype=np.int64)
        self.trials, self.chunk = 0, FIRST_CHUNK
        self.best = np.inf
        self._keep_best()

    @property
    def proxy(self) -> float:
        """Of the placement as it stands."""
        return float(self.state.parts[PROXY])

    def walk(self, budget: Budget, begun: float, until: float, stop: Event) -> None:
        """Go on until a part `until` of the budget is used."""
        while not stop.is_set():
            done, trials = budget.used(begun, self.trials), self.chunk
            if budget.trials is not None:
                trials = min(CHUNK, round(until * budget.trials) - self.trials)
            if done >= until or trials <= 0:
                break
            self._advance(self, trials, done)
            self.trials += trials
            reset(self.state)  # from fresh sums: roundings do not pile up
            self._keep_best()

    def search(self, movers: Movers, trials: int, soft: float, hard: float) -> None:
        """Make trials at one temperature for soft macros and one for hard ones."""
        start = time.perf_counter()
        search(self.state, movers, self.rng, trials, soft, hard, self.hope, self.statistics, self.never, 0, trials)
        self.chunk = min(CHUNK, 1 + int(trials * CHUNK_S / max(time.perf_counter() - start, 1e-9)))

    def follow(self, other: Walker) -> None:
        """Go on from where another walker is."""
        if other is not self:
            self.stand(other.state.position, other.state.orientation)

    def stand(self, position_um: Floats, orientation: Orientations) -> None:
        """Go on from somewhere else: centers [V, 2] and orientations [V]."""
        self.state.position[:], self.state.orientation[:] = position_um, orientation
        reset(self.state)

    def _keep_best(self) -> None:
        if self.proxy < self.best:
            self.best = self.proxy
            self.best_position, self.best_orientation = self.state.position.copy(), self.state.orientation.copy()


def race(walkers: list[Walker], budget: Budget, begun: float, rounds: int, progress: Progress | None = None) -> Found:
    """Let walkers search, each in a thread; after every round all follow the best.  Returns the best ever seen.

    The budget began at `begun` on its clock.  `progress` is told the seconds gone and the best proxy so far after every
    round.  Ctrl-C ends the race.
    """
    stop, interrupted = Event(), False
    try:
        with ThreadPoolExecutor(len(walkers)) as pool:
            for i in range(rounds):
                jobs = [pool.submit(w.walk, budget, begun, (i + 1) / rounds, stop) for w in walkers]
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
                    progress(budget.clock() - begun, min(w.best for w in walkers))
    except KeyboardInterrupt:
        interrupted = True
    best = min(walkers, key=lambda w: w.best)
    placement = Placement(best.start.netlist, best.best_position.copy(), best.best_orientation.copy())
    statistics = np.sum([w.statistics for w in walkers], axis=0)
    return Found(placement, evaluate(placement).proxy, sum(w.trials for w in walkers), statistics, interrupted)


def generators(seed: int, count: int) -> list[np.random.Generator]:
    """A random generator for each walker; the first ones are the same whatever their number."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(count)]


def spacing_um(placement: Placement) -> float:
    """The spacing that hard macros keep: the legalizer's, or none where they lie closer already.

    Raises `PlacementError` when hard macros overlap or leave the canvas.
    """
    if placement.violations():
        raise PlacementError("hard macros overlap or leave the canvas; legalize the placement before the search")
    n = placement.netlist
    hair = MACRO_GAP * max(n.canvas_um)
    center, size = placement.position_um[n.movable_hard], n.size_um[n.movable_hard]
    return hair if disjoint(center, size, fixed_rectangles(n), *n.canvas_um, 0.999 * hair) else 0.0


@njit(cache=True, nogil=True)
def search(
    state: State,
    movers: Movers,
    rng: np.random.Generator,
    trials: int,
    soft: float,
    hard: float,
    hope: Floats,
    statistics: Floats,
    over: Ints,
    rounds: int,
    must: int,
) -> int:
    """Trials by Metropolis' rule, at one temperature for soft macros and one for hard ones; how many were made.

    `hope` [1] is what the congestion term gained at most in one trial lately; trials that would need more are not
    routed.  `statistics` [KINDS, 5] are added to.  After `must` trials no more are made once `over` [1], which other
    threads write, is above `rounds`.
    """
    parts, tried_parts, chance = state.parts, state.tried_parts, movers.chance
    for i in range(trials):
        if i >= must and over[0] > rounds:
            return i
        kind = int(np.searchsorted(chance, rng.random(), side="right"))
        statistics[kind, PROPOSED] += 1
        if not propose(state, movers, kind, rng):
            continue
        statistics[kind, LEGAL] += 1
        before = parts[PROXY]
        limit = before - (soft if kind < HARD_STEP else hard) * np.log(1.0 - rng.random())
        hope[0] *= FORGET
        now = price(state, limit, np.inf if i % UNLIMITED_EVERY == 0 else hope[0])
        if now < np.inf:
            statistics[kind, ROUTED] += 1
            hope[0] = max(hope[0], CONGESTION_WEIGHT * (parts[CONGESTION] - tried_parts[CONGESTION]))
        if now <= limit:
            statistics[kind, ACCEPTED] += 1
            statistics[kind, GAIN] += before - now
            accept(state)
        else:
            reject(state)
    return trials
