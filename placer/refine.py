"""Exact-cost search over hard and soft macros: simulated annealing on the incremental proxy, legal at every step.

It starts from a good placement at a low temperature, which falls geometrically and ends at zero.  Several walkers may
run side by side, one thread each; after every round all go on from the best (go with the winners, as in Cheng et al.,
ISPD 2023).  What comes back is never worse than the start.
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
from netlists.netlist import Floats, Netlist
from netlists.placement import Placement
from placer.cost import evaluate
from placer.cost.incremental import accept, price, reject, reset
from placer.cost.state import CONGESTION, PROXY, State, new_state
from placer.legalize import HAIR, fixed_rectangles
from placer.proposals import KINDS, Movers, movers, propose
from placer.relax import disjoint

# Columns of the statistics, one row a kind of proposal
PROPOSED, LEGAL, ROUTED, ACCEPTED, GAIN = range(5)

CHUNK = 8192  # trials between two looks at the clock, about 0.05 s
UNLIMITED_EVERY = 32  # one trial in so many is routed whatever its wirelength, to learn what congestion may gain
FORGET = 0.9999  # a trial; what congestion gained lately fades


@dataclass(frozen=True)
class RefineSettings:
    """How the search cools; raises `SettingsError` where a value is out of range."""

    hot: float = 0.1  # first temperature, in proxy per movable macro of the start's proxy
    cold: float = 0.001  # last temperature before zero
    quench: float = 0.05  # last part of the search, at temperature zero
    rounds: int = 20  # walkers meet so many times

    def __post_init__(self) -> None:
        if not self.hot >= self.cold > 0:
            raise SettingsError(f"temperatures go from {self.hot} to {self.cold}; expected hot >= cold > 0")
        if not 0 <= self.quench <= 1:
            raise SettingsError(f"quench is {self.quench}; expected 0 to 1")
        if self.rounds < 1:
            raise SettingsError(f"rounds is {self.rounds}; expected 1 or more")

    def temperature(self, done: float) -> float:
        """In units of proxy per macro, when a part `done` of the search is over."""
        if done >= 1 - self.quench:
            return 0.0
        temperature: float = self.hot * (self.cold / self.hot) ** (done / (1 - self.quench))
        return temperature


@dataclass(frozen=True, eq=False)
class Refined:
    """What a search found and did."""

    placement: Placement
    proxy: float
    trials: int
    statistics: Floats  # [KINDS, 5] proposed, legal, routed, accepted, summed gain; kinds as in `proposals.KINDS`
    interrupted: bool  # by Ctrl-C


def refine(
    placement: Placement,
    *,
    seconds: float | None = None,
    trials: int | None = None,
    seed: int = 0,
    workers: int = 1,
    settings: RefineSettings | None = None,
    progress: Callable[[float, float], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Refined:
    """Search for `seconds` of `clock`, or for `trials` in each of the `workers` walkers; legal throughout.

    With `trials` the result depends on the placement, the seed and the number of workers alone; with `seconds` also on
    the speed of the machine.  `progress` is told the seconds gone and the best proxy after every round.  Ctrl-C ends
    the search with what it has.  Raises `PlacementError` when hard macros overlap or leave the canvas at the start,
    `SettingsError` unless exactly one of `seconds` and `trials` is given.
    """
    if (seconds is None) == (trials is None):
        raise SettingsError("refine takes either seconds or trials; give one of them")
    if placement.violations():
        raise PlacementError("hard macros overlap or leave the canvas; legalize the placement before refining it")
    settings, n = settings or RefineSettings(), placement.netlist
    begun, start = clock(), evaluate(placement).proxy
    allowed = movers(n, gap(placement)) if np.any(~n.fixed) else None
    if allowed is None:
        return Refined(placement, start, 0, np.zeros((len(KINDS), 5)), False)
    scale = start / max(allowed.soft.size + allowed.hard.size, 1)
    seeds = np.random.SeedSequence(seed).spawn(workers)
    walkers = [Walker(placement, allowed, np.random.default_rng(s), settings, scale) for s in seeds]
    stop, interrupted = Event(), False
    try:
        with ThreadPoolExecutor(workers) as pool:
            for i in range(settings.rounds):
                part = (i / settings.rounds, (i + 1) / settings.rounds)
                if seconds is None:
                    jobs = [pool.submit(w.walk, trials or 0, part, stop) for w in walkers]
                else:
                    jobs = [pool.submit(w.walk_until, clock, begun, seconds, part, stop) for w in walkers]
                try:
                    for job in jobs:
                        job.result()
                except KeyboardInterrupt:
                    stop.set()
                    raise
                winner = min(walkers, key=lambda w: w.proxy)
                for w in walkers:
                    w.follow(winner)
                if progress is not None:
                    progress(clock() - begun, min(w.best for w in walkers))
    except KeyboardInterrupt:
        interrupted = True
    return best_of(n, walkers, interrupted)


def best_of(netlist: Netlist, walkers: list[Walker], interrupted: bool) -> Refined:
    """The best placement that any of the walkers has seen."""
    best = min(walkers, key=lambda w: w.best)
    placement = Placement(netlist, best.best_position.copy(), best.best_orientation.copy())
    statistics = np.sum([w.statistics for w in walkers], axis=0)
    return Refined(placement, evaluate(placement).proxy, int(statistics[:, PROPOSED].sum()), statistics, interrupted)


def gap(placement: Placement) -> float:
    """The spacing in µm that hard macros keep: the legalizer's, or none where they lie closer already."""
    n = placement.netlist
    hair = HAIR * max(n.canvas_um)
    center, size = placement.position_um[n.movable_hard], n.size_um[n.movable_hard]
    return hair if disjoint(center, size, fixed_rectangles(n), *n.canvas_um, 0.999 * hair) else 0.0


class Walker:
    """One search with a random generator of its own; `scale` is the unit of temperature."""

    def __init__(
        self,
        placement: Placement,
        allowed: Movers,
        rng: np.random.Generator,
        settings: RefineSettings,
        scale: float,
    ) -> None:
        self.state: State = new_state(placement.netlist, placement.position_um, placement.orientation)
        reset(self.state)
        self.movers, self.rng, self.settings, self.scale = allowed, rng, settings, scale
        self.hope = np.array([scale])
        self.statistics = np.zeros((len(KINDS), 5))
        self.best = np.inf
        self.keep_best()

    @property
    def proxy(self) -> float:
        """Of the placement as it stands."""
        return float(self.state.parts[PROXY])

    def walk(self, trials: int, part: tuple[float, float], stop: Event) -> None:
        """Make the trials first..last-1 of `trials`, the given part of them."""
        now, end = round(part[0] * trials), round(part[1] * trials)
        while now < end and not stop.is_set():
            count = min(CHUNK, end - now)
            self.advance(count, now / trials)
            now += count

    def walk_until(
        self, clock: Callable[[], float], begun: float, seconds: float, part: tuple[float, float], stop: Event
    ) -> None:
        """Make trials until the given part of the time is over."""
        while (done := (clock() - begun) / seconds) < part[1] and not stop.is_set():
            self.advance(CHUNK, done)

    def advance(self, trials: int, done: float) -> None:
        """Make some trials at one temperature, then start from fresh sums."""
        temperature = self.scale * self.settings.temperature(done)
        search(self.state, self.movers, self.rng, trials, temperature, self.hope, self.statistics)
        reset(self.state)
        self.keep_best()

    def keep_best(self) -> None:
        """Remember the placement where it is the best so far."""
        if self.proxy < self.best:
            self.best = self.proxy
            self.best_position, self.best_orientation = self.state.position.copy(), self.state.orientation.copy()

    def follow(self, other: Walker) -> None:
        """Go on from where another walker is."""
        if other is not self:
            self.state.position[:], self.state.orientation[:] = other.state.position, other.state.orientation
            reset(self.state)


@njit(cache=True, nogil=True)
def search(
    state: State,
    movers: Movers,
    rng: np.random.Generator,
    trials: int,
    temperature: float,
    hope: Floats,
    statistics: Floats,
) -> None:
    """Trials at one temperature by Metropolis' rule.

    `hope` [1] is what the congestion term gained at most in one trial lately; trials that would need more are not
    routed.  `statistics` [KINDS, 5] are added to.
    """
    for i in range(trials):
        kind = int(np.searchsorted(movers.chance, rng.random(), side="right"))
        statistics[kind, PROPOSED] += 1
        if not propose(state, movers, kind, rng):
            continue
        statistics[kind, LEGAL] += 1
        before = state.parts[PROXY]
        limit = before - temperature * np.log(1.0 - rng.random())
        hope[0] *= FORGET
        now = price(state, limit, np.inf if i % UNLIMITED_EVERY == 0 else hope[0])
        if now < np.inf:
            statistics[kind, ROUTED] += 1
            hope[0] = max(hope[0], 0.5 * (state.parts[CONGESTION] - state.tried_parts[CONGESTION]))
        if now <= limit:
            statistics[kind, ACCEPTED] += 1
            statistics[kind, GAIN] += before - now
            accept(state)
        else:
            reject(state)
