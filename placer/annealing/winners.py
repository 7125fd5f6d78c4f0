"""Several searches side by side, on this machine or elsewhere: now and then those behind go on from those ahead.

Go with the winners (Aldous and Vazirani, FOCS 1994): at a meeting the worse half of the searches take over the
placements of the better half.  A search that is lost, as its node may be, costs no more than what it has found since
the last meeting.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from netlists.errors import ChipscapeError
from netlists.placement import Placement
from placer.annealing.metropolis import Budget, Found, Progress

MEETINGS = (0.4, 0.6, 0.8)  # parts of the search after which searches compare
TICK_S = 0.02  # between two looks whether all are there, and at Ctrl-C
REPORTS = 20  # calls of `progress`


class SearchLostError(ChipscapeError):
    """A search ended without an answer, as the process or the node that ran it did."""


@dataclass(frozen=True, eq=False)
class Leg:
    """How far a search is."""

    now: Placement  # from which it goes on
    proxy: float  # of that
    found: Found


class Search(Protocol):
    """A search in parts."""

    def go(self, until: float, onward: Placement | None) -> Leg:
        """Go on until a part `until` of the search is over, from another placement if one is given.

        Raises `SearchLostError`.
        """

    def stop(self) -> None:
        """End the search soon, wherever it is; what it has found counts."""

    @property
    def lowest(self) -> float:
        """The lowest proxy so far, as far as it is known."""


def compete(searches: Sequence[Search], start: Placement, proxy: float, budget: Budget, begun: float,
            progress: Progress | None = None) -> Found:  # fmt: skip
    """The best that several searches find; a `start` of which the proxy is given where none of them ends.

    The budget began at `begun` on its clock.  `progress` is told the seconds gone and the best proxy now and then.
    Ctrl-C ends all searches.
    """
    legs: dict[int, Leg] = {}
    onward: dict[int, Placement] = {}
    living, interrupted = list(range(len(searches))), False
    meter = Meter(searches, budget, begun, progress)
    with ThreadPoolExecutor(len(searches)) as pool:
        for until in (*(MEETINGS if len(searches) > 1 else ()), 1.0):
            jobs = {k: pool.submit(searches[k].go, until, onward.get(k)) for k in living}
            try:
                while wait(jobs.values(), TICK_S).not_done:
                    meter.look()
                meter.look(last=until == 1.0)
            except KeyboardInterrupt:
                interrupted = True
                for k in living:
                    searches[k].stop()
            for k, job in jobs.items():
                try:
                    legs[k] = job.result()
                except SearchLostError:
                    living.remove(k)
            if interrupted or not living:
                break
            onward = followers({k: legs[k] for k in living})
    return together([leg.found for leg in legs.values()], start, proxy, interrupted)


def followers(legs: dict[int, Leg]) -> dict[int, Placement]:
    """Which searches go on from which other's placement: the worse half, best from best."""
    ranked = sorted(legs, key=lambda k: legs[k].proxy)
    half = len(ranked) // 2
    return {behind: legs[ahead].now for ahead, behind in zip(ranked, ranked[len(ranked) - half :], strict=False)}


def together(found: Sequence[Found], start: Placement, proxy: float, interrupted: bool) -> Found:
    """The best that was found, or the start where nothing was, and what all searches did."""
    if not found:
        return Found(start, proxy, 0, np.zeros(0), interrupted)
    best = min(found, key=lambda f: f.proxy)
    statistics = np.sum([f.statistics for f in found], axis=0)
    return Found(best.placement, best.proxy, sum(f.trials for f in found), statistics, interrupted)


class Meter:
    """Tells the listener how far the searches are, REPORTS times."""

    def __init__(self, searches: Sequence[Search], budget: Budget, begun: float, progress: Progress | None) -> None:
        self.searches, self.budget, self.begun, self.progress = searches, budget, begun, progress
        self.told = begun
        self.every = (budget.seconds or REPORTS) / REPORTS  # a second where trials are counted

    def look(self, last: bool = False) -> None:
        """Report if it is time."""
        if self.progress is None:
            return
        now = self.budget.clock()
        if last or now - self.told >= self.every:
            self.told = now
            self.progress(now - self.begun, min(search.lowest for search in self.searches))
