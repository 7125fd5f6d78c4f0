"""Which of several starts ends best after refinement?  Short refinements tell; the field is thinned once.

The proxy of a start says little about it.  On ariane136_asap7 starts of 0.841 to 0.867 end, refined for 15 s, at 0.673
to 0.700, in another order; after 100,000 trials, a second, their order is that of the end.  The refinement itself then
begins anew, from the start: going on from the short one ended 0.7% higher there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf

from netlists.errors import LegalizationError
from netlists.placement import Placement
from placer.annealing.metropolis import Budget
from placer.annealing.refine import refine
from placer.legalization.legalize import legalize
from placer.soft.detailed import with_soft_placed
from placer.soft.force_directed import SoftArrays, soft_arrays

QUICK, LONGER = 33, 110  # trials of each start, times its movable nodes
QUICK_SHARE = 0.6  # of the time
FINALISTS = 0.3  # part of the starts that are refined longer
SOFT_ROUNDS, SOFT_SWEEPS = 200, 20

Scored = tuple[float, Placement]
"""A legal start, and the proxy that its short refinement ended with."""


def screen(
    starts: Sequence[Placement], *, seconds: float, seed: int, workers: int, deadline: float = inf
) -> list[Placement]:
    """The most promising starts, best first, with hard macros legal and soft ones placed anew.

    They are given in order of promise.  As many are tried as fit the time (wall clock), in any case one for each worker
    and so many that one can be legalized, but nothing goes on after the deadline; in infinite time all are, and the
    result depends on starts and seed alone.
    Raises `LegalizationError` where none of them can be.
    """
    began, arrays = time.perf_counter(), soft_arrays(starts[0].netlist)
    failures: list[LegalizationError] = []

    def first(start: Placement) -> Scored | None:
        try:
            return score(settled(start, arrays, deadline), QUICK, seed, deadline)
        except LegalizationError as error:
            failures.append(error)
            return None

    field = in_time(first, starts, QUICK_SHARE * seconds, workers)
    if not field:
        raise failures[0]
    finalists = [start for _, start in field[: max(1, round(FINALISTS * len(field)))]]
    left = seconds - (time.perf_counter() - began)
    if len(finalists) > 1 and left > 0:
        field = in_time(lambda start: score(start, LONGER, seed, deadline), finalists, left, workers)
        return [start for _, start in field]
    return finalists


def settled(start: Placement, arrays: SoftArrays, deadline: float = inf) -> Placement:
    """A start with its soft macros placed anew, legalized; raises `LegalizationError`."""
    position = with_soft_placed(arrays, start.position_um, SOFT_ROUNDS, SOFT_SWEEPS, deadline)
    placement = Placement(start.netlist, position, start.orientation.copy())
    return legalize(placement, deadline=deadline) if placement.violations() else placement


def score(start: Placement, trials: int, seed: int, deadline: float = inf) -> Scored:
    """A legal start with the proxy that so many trials for each movable node bring it to, or fewer until a deadline."""
    count = int((~start.netlist.fixed).sum())
    return refine(start, Budget(trials=trials * count, deadline=deadline), seed=seed).proxy, start


def in_time(
    job: Callable[[Placement], Scored | None], starts: Sequence[Placement], seconds: float, workers: int
) -> list[Scored]:
    """What a job finds of starts, lowest proxy first; `workers` at a time, in any case until it finds something."""
    began, longest = time.perf_counter(), 0.0
    found: list[Scored] = []
    with ThreadPoolExecutor(workers) as pool:
        for k in range(0, len(starts), workers):
            now = time.perf_counter()
            if found and now - began + longest > seconds:
                break
            found += [scored for scored in pool.map(job, starts[k : k + workers]) if scored]
            longest = max(longest, time.perf_counter() - now)
    return sorted(found, key=lambda scored: scored[0])
