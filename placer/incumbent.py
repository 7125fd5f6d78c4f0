"""The search for hard-macro places within a time budget: the best placement so far, and how it came about."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from netlists.errors import LegalizationError
from netlists.netlist import Floats
from placer.environment.env import EpisodeBatch


@dataclass(frozen=True)
class Progress:
    """What is known while a placement or a training run goes on; NaN where a stage has no such number."""

    stage: str
    best: float  # lowest proxy so far
    seconds: float  # since the start
    left_s: float
    iteration: int = 0
    steps_per_second: float = float("nan")
    entropy: float = float("nan")
    kl: float = float("nan")


POOL = 24  # placements that are kept
FIRST_SHARE = 0.5  # of the job's time
GRACE_S = 1.0  # after the end of the job, rather than no placement at all

Listener = Callable[[Progress], None]


@dataclass
class Search:
    """Keeps the best finished episodes and the clock: `budget_s` and `job_s` count from `started` (`perf_counter`).

    The first placement may take longer than the search is meant to: FIRST_SHARE of the job's time, and all of it for
    legalization, and GRACE_S.
    """

    stage: str
    budget_s: float
    started: float
    listener: Listener | None = None
    job_s: float = float("inf")  # until the end of the job
    best: float = float("inf")
    pool: list[tuple[float, Floats]] = field(default_factory=list)  # up to POOL best: proxy and centers [V, 2]
    history: list[tuple[float, float]] = field(default_factory=list)  # (seconds, best proxy), falling
    stuck: int = 0  # steps without a fitting cell, over all episodes
    error: LegalizationError | None = None  # of the last episode that failed

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def left_s(self) -> float:
        return self.budget_s - self.seconds

    @property
    def deadline(self) -> float:
        """See `clock.Clock`."""
        own = self.started + self.budget_s
        return own if self.pool else max(own, self.half)

    @property
    def last(self) -> float:
        """See `clock.Clock`."""
        return self.deadline if self.pool else self.end + GRACE_S

    @property
    def half(self) -> float:
        """Until when the first placement may be sought."""
        return self.started + FIRST_SHARE * self.job_s

    @property
    def end(self) -> float:
        """When the job ends."""
        return self.started + self.job_s

    @property
    def position_um(self) -> Floats | None:
        """[V, 2] of the best placement so far."""
        return self.pool[0][1] if self.pool else None

    def offer(self, episodes: EpisodeBatch) -> None:
        """Take the episodes just finished, but for failed ones, that are among the best so far."""
        proxies = np.where(episodes.failed, np.inf, [cost.proxy for cost in episodes.costs])
        self.stuck += int(episodes.stuck.sum())
        self.error = episodes.error or self.error
        for b in np.argsort(proxies, kind="stable")[:POOL].tolist():
            if proxies[b] < np.inf:
                self.keep(float(proxies[b]), episodes.placement(b).position_um)

    def keep(self, proxy: float, position_um: Floats) -> None:
        """Take a placement with centers [V, 2] if it is among the best so far, and none of them has its proxy."""
        rank = bisect_left(self.pool, proxy, key=lambda kept: kept[0])
        if rank < POOL and not (rank < len(self.pool) and self.pool[rank][0] == proxy):
            self.pool.insert(rank, (proxy, position_um.copy()))
            del self.pool[POOL:]
        if proxy < self.best:
            self.best = proxy
            self.history.append((self.seconds, self.best))

    def note(self, proxy: float, stage: str, left_s: float) -> None:
        """Record the best proxy of a later stage, which keeps its placement itself."""
        if proxy < self.best:
            self.best = proxy
            self.history.append((self.seconds, proxy))
        if self.listener:
            self.listener(Progress(stage, self.best, self.seconds, left_s))

    def tell(self, iteration: int, steps_per_second: float, entropy: float = np.nan, kl: float = np.nan) -> None:
        """Let the listener know how it goes."""
        if self.listener:
            self.listener(
                Progress(self.stage, self.best, self.seconds, self.left_s, iteration, steps_per_second, entropy, kl)
            )
