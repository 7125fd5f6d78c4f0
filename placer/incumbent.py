"""The incumbent of a placement job: the best placements so far, how they came about, and the time that is left."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Protocol

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Bools, Ints
from netlists.placement import Placement

POOL = 24
"""Placements that are kept, at most."""
FIRST_FRACTION = 0.5
"""Fraction of the job's time that the search for the first placement may take."""
GRACE_S = 1.0
"""Seconds after the end of the job in which the first placement may still be legalized."""


@dataclass(frozen=True)
class RunProgress:
    """The state of a placement or a training run while it works; NaN if a stage has no such number."""

    stage: str
    best: float  # lowest proxy so far
    seconds: float  # since the start
    left_s: float  # of the budget
    iteration: int = 0  # 0 before the first, and in stages without iterations
    steps_per_second: float = nan  # of the environment
    entropy: float = nan  # of the policy
    kl: float = nan  # divergence of the policy from the one before the iteration

    @property
    def line(self) -> str:
        """The state in one line; numbers that are not known are left out."""
        known = (
            (f"iteration {self.iteration}", self.iteration or nan),
            (f"{self.steps_per_second:,.0f} steps/s", self.steps_per_second),
            (f"best proxy {self.best:.4f}", self.best),
            (f"entropy {self.entropy:.2f}", self.entropy),
            (f"KL {self.kl:.4f}", self.kl),
            (f"{max(self.left_s, 0):.0f} s left", self.left_s),
        )
        return " · ".join([self.stage, *(text for text, value in known if isfinite(value))])


Listener = Callable[[RunProgress], None]
"""Called with the progress of a run from time to time."""


class Scored(Protocol):
    """What a placement costs."""

    @property
    def proxy(self) -> float:
        """The proxy cost."""


class Candidates(Protocol):
    """B placements that were made side by side, as by episodes of the environment."""

    failed: Bools
    """[B] whether there is no legal placement."""
    error: LegalizationError | None
    """Of the last one that failed."""

    @property
    def costs(self) -> Sequence[Scored]:
        """The cost of each of the B placements."""

    @property
    def stuck(self) -> Ints:
        """[B] number of steps without a grid cell that fits."""

    def placement(self, b: int) -> Placement:
        """Placement number b."""


@dataclass
class Incumbent:
    """The best placements of a search, and its clock (see `netlists.runtime.clock.Clock`).

    `budget_s` (of the search) and `job_s` (of the whole job) count from `started`, a moment of `perf_counter`.  The
    first placement may take longer than the search should: FIRST_FRACTION of the job's time, and until GRACE_S after
    the end of the job for its legalization, as one placement is better than none.
    """

    stage: str
    budget_s: float
    started: float
    listener: Listener | None = None
    job_s: float = inf
    best: float = inf  # lowest proxy
    pool: list[tuple[float, Placement]] = field(default_factory=list)  # up to POOL best, by their proxy
    history: list[tuple[float, float]] = field(default_factory=list)  # (seconds, best proxy), falling
    stuck: int = 0  # steps without a grid cell that fits, over all episodes
    error: LegalizationError | None = None  # of the last candidate that failed

    @property
    def seconds(self) -> float:
        """Since the start of the job."""
        return time.perf_counter() - self.started

    @property
    def left_s(self) -> float:
        """Seconds of the budget of the search that are left; negative after its end."""
        return self.budget_s - self.seconds

    @property
    def deadline(self) -> float:
        """When the search ends; see `Clock`."""
        own = self.started + self.budget_s
        return own if self.pool else max(own, self.half)

    @property
    def last(self) -> float:
        """Until when an episode may be legalized; see `Clock`."""
        return self.deadline if self.pool else self.end + GRACE_S

    @property
    def half(self) -> float:
        """Until when the first placement may be searched for."""
        return self.started + FIRST_FRACTION * self.job_s

    @property
    def end(self) -> float:
        """When the job ends."""
        return self.started + self.job_s

    @property
    def placement(self) -> Placement | None:
        """The best placement so far."""
        return self.pool[0][1] if self.pool else None

    def offer(self, candidates: Candidates) -> None:
        """Take those of the candidates that did not fail and are among the best so far."""
        proxies = np.where(candidates.failed, np.inf, [cost.proxy for cost in candidates.costs])
        self.stuck += int(candidates.stuck.sum())
        self.error = candidates.error or self.error
        for b in np.argsort(proxies, kind="stable")[:POOL].tolist():
            if proxies[b] < np.inf:
                self.keep(float(proxies[b]), candidates.placement(b))

    def keep(self, proxy: float, placement: Placement) -> None:
        """Take a placement if it is among the best so far, and none of them has the same proxy."""
        rank = bisect_left(self.pool, proxy, key=lambda entry: entry[0])
        if rank < POOL and not (rank < len(self.pool) and self.pool[rank][0] == proxy):
            self.pool.insert(rank, (proxy, placement))
            del self.pool[POOL:]
        if proxy < self.best:
            self.best = proxy
            self.history.append((self.seconds, self.best))

    def note(self, proxy: float, stage: str, left_s: float) -> None:
        """Record the best proxy of a stage that keeps its placement itself, and report it to the listener."""
        if proxy < self.best:
            self.best = proxy
            self.history.append((self.seconds, proxy))
        if self.listener:
            self.listener(RunProgress(stage, self.best, self.seconds, left_s))

    def report(self, iteration: int, steps_per_second: float, entropy: float = nan, kl: float = nan) -> None:
        """Report an iteration of the search to the listener."""
        if self.listener:
            self.listener(
                RunProgress(self.stage, self.best, self.seconds, self.left_s, iteration, steps_per_second, entropy, kl)
            )
