"""Refinement on a Ray cluster: one search per node, each in a process of its own; see `go_with_the_winners`.

The netlist is sent to every process once, early, so that kernels are loaded there while the first placements are
computed here.  If a node is lost, only its own work since the last comparison is lost with it; a node that is not ready
in time is left out.
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
from placer.annealing.cooperative import count_useful_threads
from placer.annealing.go_with_the_winners import SearchLostError, SearchStage, go_with_the_winners
from placer.annealing.metropolis import Budget, Reporter, SearchResult
from placer.annealing.moves import allow_moves
from placer.annealing.refine import SEED_STRIDE, new_search, refine
from placer.cost import evaluate
from placer.legalization.legalize import legalize

PATIENCE = 0.1
"""Fraction of the budget for which processes that are not ready are waited for."""

LEAST_S = 1e-3
"""Seconds that are left of a budget at least."""

CALLS = 4
"""Calls at a time to one process: a search must go on while it is told to stop."""


class Searcher:
    """One search, in a process of its own."""

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist

    def load_kernels(self) -> None:
        """Compile or load all kernels by a tiny refinement."""
        refine(legalize(Placement.given(load("jetty"))), Budget(trials=1))

    def begin(self, position: Any, orientation: Any, budget: dict[str, Any], seed: int, threads: int) -> None:
        """Prepare a search from centers [V, 2] in µm and orientations [V]; the budget begins now."""
        self.cpu_start_s = time.process_time()
        self.search = new_search(Placement(self.netlist, position, orientation), Budget(**budget), seed, threads, None)

    def advance(self, until: float, restart: Any) -> dict[str, Any]:
        """See `go_with_the_winners.Search.advance`; placements are pairs of positions and orientations."""
        stage = self.search.advance(until, Placement(self.netlist, *restart) if restart else None)
        result = stage.result
        return {
            "current": _arrays(stage.current), "proxy": stage.proxy,
            "best": _arrays(result.placement), "lowest": result.proxy,
            "trials": result.trials, "statistics": result.statistics,
            "cpu_seconds": time.process_time() - self.cpu_start_s,
        }  # fmt: skip

    def stop(self) -> None:
        """See `go_with_the_winners.Search.stop`."""
        self.search.stop()


class RemoteSearch:
    """A search in another process: a `go_with_the_winners.Search`."""

    def __init__(self, actor: Any, threads: int, start: Placement, proxy: float) -> None:
        self.actor, self.threads, self.netlist, self.lowest = actor, threads, start.netlist, proxy
        self.cpu_seconds, self.lost = 0.0, False

    def advance(self, until: float, restart: Placement | None) -> SearchStage:
        """See `go_with_the_winners.Search.advance`."""
        try:
            answer = _wait_for(self.actor.advance.remote(until, _arrays(restart) if restart else None))
        except SearchLostError:
            self.lost = True
            raise
        self.lowest, self.cpu_seconds = answer["lowest"], answer["cpu_seconds"]
        best = Placement(self.netlist, *answer["best"])
        result = SearchResult(best, answer["lowest"], answer["trials"], answer["statistics"], False)
        return SearchStage(Placement(self.netlist, *answer["current"]), answer["proxy"], result)

    def stop(self) -> None:
        """See `go_with_the_winners.Search.stop`."""
        self.actor.stop.remote()


class Fleet:
    """Processes on all nodes of the connected cluster, which load netlist and kernels as soon as they start.

    Raises `SettingsError` if no node has a whole processor.
    """

    def __init__(self, netlist: Netlist) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        allowed = allow_moves(netlist, 0.0)
        remote: Any = ray.remote(max_concurrency=CALLS)(Searcher)  # type: ignore[call-overload]
        # A copy, as everything that has been derived from the fields and cached would be sent, too.
        chip = ray.put(netlist.with_())
        self.searches: list[RemoteSearch] = []
        self.loading: dict[Any, tuple[Any, int]] = {}  # actors and their threads, by the pending `load_kernels`
        for node, cores in processors().items():
            threads = count_useful_threads(allowed, int(cores)) if cores >= 1 else 1
            for _ in range(int(cores) // threads):
                there = NodeAffinitySchedulingStrategy(node, soft=False)
                actor = remote.options(num_cpus=threads, scheduling_strategy=there).remote(chip)
                self.loading[actor.load_kernels.remote()] = actor, threads
        if not self.loading:
            raise SettingsError("no node of the Ray cluster has a whole processor; expected at least one")

    def refine(
        self, starts: Sequence[Placement], budget: Budget, seed: int, workers: int, progress: Reporter | None = None
    ) -> SearchResult:
        """Improve the first of several legal starts, the best, by one search in every process that is ready.

        The result is legal and never worse.  With a budget of trials, which each thread makes, all processes are waited
        for.  If none is ready in time, this process refines with `workers` threads for the time that is left.
        """
        start_s, proxies = budget.clock(), [evaluate(start).proxy for start in starts]
        self.searches = self._begin(starts, proxies, budget, start_s, seed)
        if not self.searches:
            return refine(starts[0], left_of(budget, start_s), seed=seed, workers=workers, progress=progress,
                          others=starts[1:])  # fmt: skip
        return go_with_the_winners(self.searches, starts[0], proxies[0], budget, start_s, progress)

    def _begin(
        self, starts: Sequence[Placement], proxies: Sequence[float], budget: Budget, start_s: float, seed: int
    ) -> list[RemoteSearch]:
        """A search in every process that is ready, from the starts in turn; the budget begins there."""
        patience_s = None if budget.seconds is None else PATIENCE * budget.seconds
        ready = wait_for(self.loading, patience_s, len(self.loading))
        left: dict[str, Any] = {"trials": budget.trials}
        if budget.seconds is not None:
            left = {"seconds": left_of(budget, start_s).seconds}
        pending = []
        for k, reference in enumerate(ready):
            actor, threads = self.loading[reference]
            start = starts[k % len(starts)]
            search = RemoteSearch(actor, threads, start, proxies[k % len(starts)])
            pending.append((search, actor.begin.remote(*_arrays(start), left, seed + SEED_STRIDE * k, threads)))
        searches = []
        for search, reference in pending:
            with suppress(SearchLostError):
                _wait_for(reference)
                searches.append(search)
        return searches

    def as_dict(self) -> dict[str, float]:
        """What the cluster did, for the metrics of a run."""
        return {
            "searches": len(self.searches),
            "lost": sum(search.lost for search in self.searches),
            "processors": sum(search.threads for search in self.searches),
            "cpu_seconds": sum(search.cpu_seconds for search in self.searches),
        }


def left_of(budget: Budget, start_s: float) -> Budget:
    """What is left of a budget that began at `start_s` on its clock; all of it if trials are counted."""
    if budget.seconds is None:
        return budget
    return replace(budget, seconds=max(budget.seconds - (budget.clock() - start_s), LEAST_S))


def _wait_for(reference: Any) -> Any:
    """The result of a remote call; raises `SearchLostError` if its process is lost."""
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError:  # raised by the search itself: a bug, not a loss
        raise
    except ray.exceptions.RayError as error:
        raise SearchLostError(first_line(error)) from None


def _arrays(placement: Placement) -> tuple[Any, Any]:
    return placement.position_um, placement.orientation
