"""Several searches side by side, on this machine or on others, that are compared now and then.

Go with the winners (Aldous and Vazirani, "'Go with the winners' algorithms", FOCS 1994): at each comparison the worse
half of the searches continue from the placements of the better half.  If a search is lost, because the node that runs
it is, only its work since the last comparison is lost with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from netlists.errors import ChipscapeError
from netlists.placement import Placement
from placer.annealing.metropolis import Budget, Reporter, SearchResult

COMPARE_AT = (0.4, 0.6, 0.8)
"""Fractions of the budget after which searches are compared."""

TICK_S = 0.02
"""Seconds between two checks for searches that have ended and for Ctrl-C."""

REPORTS = 20
"""Number of calls of `progress` in a search with a budget in seconds."""


class SearchLostError(ChipscapeError):
    """A search ended without an answer, because the process or the node that ran it did."""


@dataclass(frozen=True, eq=False)
class SearchStage:
    """How far a search has come."""

    current: Placement  # where it continues
    proxy: float  # of the current placement
    result: SearchResult  # the best so far


class Search(Protocol):
    """A search that runs in stages."""

    def advance(self, until: float, restart: Placement | None) -> SearchStage:
        """Search until a fraction `until` of the budget is used, from another placement if one is given.

        Raises `SearchLostError` if the search is lost.
        """

    def stop(self) -> None:
        """End the search soon, at whatever stage it is; its result so far is valid."""

    @property
    def lowest(self) -> float:
        """The lowest proxy so far, as far as it is known here."""


def go_with_the_winners(searches: Sequence[Search], start: Placement, proxy: float, budget: Budget, start_s: float,
                        progress: Reporter | None = None) -> SearchResult:  # fmt: skip
    """The best result of several searches; `start`, which has the given proxy, if all of them are lost.

    The budget began at `start_s` on its clock.  `progress` gets the seconds so far and the best proxy now and then.
    Ctrl-C ends all searches.
    """
    stages: dict[int, SearchStage] = {}
    restarts: dict[int, Placement] = {}
    running, interrupted = list(range(len(searches))), False
    reporter = ProgressReporter(searches, budget, start_s, progress)
    with ThreadPoolExecutor(len(searches)) as pool:
        for until in (*(COMPARE_AT if len(searches) > 1 else ()), 1.0):
            jobs = {k: pool.submit(searches[k].advance, until, restarts.get(k)) for k in running}
            try:
                while wait(jobs.values(), TICK_S).not_done:
                    reporter.report_if_due()
                reporter.report_if_due(last=until == 1.0)
            except KeyboardInterrupt:
                interrupted = True
                for k in running:
                    searches[k].stop()
            for k, job in jobs.items():
                try:
                    stages[k] = job.result()
                except SearchLostError:
                    running.remove(k)
            if interrupted or not running:
                break
            restarts = choose_restarts({k: stages[k] for k in running})
    return combine_results([stage.result for stage in stages.values()], start, proxy, interrupted)


def choose_restarts(stages: dict[int, SearchStage]) -> dict[int, Placement]:
    """The placements from which searches of the worse half continue, the best of them from the best, by their keys."""
    ranked = sorted(stages, key=lambda k: stages[k].proxy)
    half = len(ranked) // 2
    return {worse: stages[better].current for better, worse in zip(ranked, ranked[len(ranked) - half :], strict=False)}


def combine_results(results: Sequence[SearchResult], start: Placement, proxy: float, interrupted: bool) -> SearchResult:
    """The best of all results, or the start if there is none, with the trials and statistics of all."""
    if not results:
        return SearchResult(start, proxy, 0, np.zeros(0), interrupted)
    best = min(results, key=lambda result: result.proxy)
    statistics = np.sum([result.statistics for result in results], axis=0)
    return SearchResult(best.placement, best.proxy, sum(result.trials for result in results), statistics, interrupted)


class ProgressReporter:
    """Calls `progress` with the state of the searches, REPORTS times."""

    def __init__(self, searches: Sequence[Search], budget: Budget, start_s: float, progress: Reporter | None) -> None:
        self.searches, self.budget, self.start_s, self.progress = searches, budget, start_s, progress
        self.last_s = start_s
        self.every_s = (budget.seconds or REPORTS) / REPORTS  # one second with a budget of trials

    def report_if_due(self, last: bool = False) -> None:
        """Report if enough time has passed since the last report, or if this is the last one."""
        if self.progress is None:
            return
        now_s = self.budget.clock()
        if last or now_s - self.last_s >= self.every_s:
            self.last_s = now_s
            self.progress(now_s - self.start_s, min(search.lowest for search in self.searches))
