"""Refinement on a Ray cluster: a search on every node, each in a process of its own; see `winners.py`.

The netlist goes to every process once, early, so that kernels are loaded there while the first placements are found
here.  A node that is lost costs its own search since the last meeting; one that is not ready in time is left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from netlists import load
from netlists.errors import SettingsError, first_line
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.ray_connection import processors, wait_for
from placer.annealing.cooperative import feeds
from placer.annealing.metropolis import Budget, Found, Progress
from placer.annealing.moves import movers
from placer.annealing.refine import SEEDS, new_team, refine
from placer.annealing.winners import Leg, SearchLostError, compete
from placer.cost import evaluate
from placer.legalization.legalize import legalize

PATIENCE = 0.1  # part of the budget in which nodes are waited for that are not ready
LEAST_S = 1e-3  # what is left of a budget at least
CALLS = 4  # at a time to one process: a search goes on while it is told to stop


class Searcher:
    """One search, in a process of its own."""

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist

    def ready(self) -> None:
        """Returns when the kernels are loaded."""
        refine(legalize(Placement.given(load("jetty"))), Budget(trials=1))

    def begin(self, position: Any, orientation: Any, budget: dict[str, Any], seed: int, members: int) -> None:
        """Take a start (centers [V, 2] in µm, orientations [V]); the budget begins to run."""
        self.cpu_started = time.process_time()
        self.team = new_team(Placement(self.netlist, position, orientation), Budget(**budget), seed, members, None)

    def go(self, until: float, onward: Any) -> dict[str, Any]:
        """See `winners.Search.go`; placements as position and orientation."""
        leg = self.team.go(until, Placement(self.netlist, *onward) if onward else None)
        f = leg.found
        return {
            "now": _bare(leg.now), "proxy": leg.proxy, "best": _bare(f.placement), "lowest": f.proxy,
            "trials": f.trials, "statistics": f.statistics, "cpu_seconds": time.process_time() - self.cpu_started,
        }  # fmt: skip

    def stop(self) -> None:
        """See `winners.Search.stop`."""
        self.team.stop()


class RemoteSearch:
    """A search in another process, as `winners.compete` wants it."""

    def __init__(self, actor: Any, members: int, start: Placement, proxy: float) -> None:
        self.actor, self.members, self.netlist, self.lowest = actor, members, start.netlist, proxy
        self.cpu_seconds, self.lost = 0.0, False

    def go(self, until: float, onward: Placement | None) -> Leg:
        """See `winners.Search.go`."""
        try:
            said = _answer(self.actor.go.remote(until, _bare(onward) if onward else None))
        except SearchLostError:
            self.lost = True
            raise
        self.lowest, self.cpu_seconds = said["lowest"], said["cpu_seconds"]
        best = Placement(self.netlist, *said["best"])
        found = Found(best, said["lowest"], said["trials"], said["statistics"], False)
        return Leg(Placement(self.netlist, *said["now"]), said["proxy"], found)

    def stop(self) -> None:
        """See `winners.Search.stop`."""
        self.actor.stop.remote()


class Fleet:
    """Processes on all nodes of the connected cluster, which load what they need from the beginning on.

    Raises `SettingsError` where no node has a whole processor.
    """

    def __init__(self, netlist: Netlist) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        allowed = movers(netlist, 0.0)
        remote: Any = ray.remote(max_concurrency=CALLS)(Searcher)  # type: ignore[call-overload]
        # A copy, as whatever was computed from the fields on the way would be sent with them.
        chip = ray.put(netlist.with_())
        self.searches: list[RemoteSearch] = []
        self.loading: dict[Any, tuple[Any, int]] = {}  # by the answer awaited: the actor, and its members
        for node, cores in processors().items():
            members = feeds(allowed, int(cores)) if cores >= 1 else 1
            for _ in range(int(cores) // members):
                there = NodeAffinitySchedulingStrategy(node, soft=False)
                actor = remote.options(num_cpus=members, scheduling_strategy=there).remote(chip)
                self.loading[actor.ready.remote()] = actor, members
        if not self.loading:
            raise SettingsError("no node of the Ray cluster has a whole processor; expected one at least")

    def refine(
        self, starts: Sequence[Placement], budget: Budget, seed: int, workers: int, progress: Progress | None = None
    ) -> Found:
        """Improve the best of legal starts, given first, by a search in every process that is ready.

        The result is legal and never worse.  With a budget of trials, each member's, all processes are waited for.
        Where none is ready in time, this process refines with `workers` threads for the time that is left.
        """
        begun, proxies = budget.clock(), [evaluate(start).proxy for start in starts]
        self.searches = self._begin(starts, proxies, budget, begun, seed)
        if not self.searches:
            return refine(starts[0], left_of(budget, begun), seed=seed, workers=workers, progress=progress,
                          others=starts[1:])  # fmt: skip
        return compete(self.searches, starts[0], proxies[0], budget, begun, progress)

    def _begin(
        self, starts: Sequence[Placement], proxies: Sequence[float], budget: Budget, begun: float, seed: int
    ) -> list[RemoteSearch]:
        """A search in every process that is ready, from the starts in turn; the budget begins to run there."""

        patience = None if budget.seconds is None else PATIENCE * budget.seconds
        ready = wait_for(self.loading, patience, len(self.loading))
        left: dict[str, Any] = {"trials": budget.trials}
        if budget.seconds is not None:
            left = {"seconds": left_of(budget, begun).seconds}
        asked = []
        for k, answer in enumerate(ready):
            actor, members = self.loading[answer]
            start = starts[k % len(starts)]
            search = RemoteSearch(actor, members, start, proxies[k % len(starts)])
            asked.append((search, actor.begin.remote(*_bare(start), left, seed + SEEDS * k, members)))
        found = []
        for search, answer in asked:
            with suppress(SearchLostError):
                _answer(answer)
                found.append(search)
        return found

    def as_dict(self) -> dict[str, float]:
        """What the cluster did, for the metrics of a run."""
        return {
            "searches": len(self.searches),
            "lost": sum(search.lost for search in self.searches),
            "processors": sum(search.members for search in self.searches),
            "cpu_seconds": sum(search.cpu_seconds for search in self.searches),
        }


def left_of(budget: Budget, begun: float) -> Budget:
    """What is left of a budget that began at `begun` on its clock; all of it where trials are counted."""
    if budget.seconds is None:
        return budget
    return replace(budget, seconds=max(budget.seconds - (budget.clock() - begun), LEAST_S))


def _answer(reference: Any) -> Any:
    """What a process answers; raises `SearchLostError` where it is lost."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError:  # raised by the search: a defect, not a loss
        raise
    except ray.exceptions.RayError as error:
        raise SearchLostError(first_line(error)) from None


def _bare(placement: Placement) -> tuple[Any, Any]:
    return placement.position_um, placement.orientation
