"""Screening: which of several starts ends best after refinement, judged by short refinements of all of them.

The proxy of a start says little about it.  On ariane136_asap7 starts of 0.841 to 0.867, refined for 15 s, end at 0.673
to 0.700 and in another order; after 100,000 trials, about a second, their order is already that of the end.  The few
that do best are refined longer, and the refinement proper then begins from the start again: continuing from the short
one ended 0.7% higher there.
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
from placer.legalization.by_rules import make_legal
from placer.soft.detailed import place_soft_detailed
from placer.soft.force_directed import SoftArrays, soft_arrays

QUICK = 33
"""Trials per movable node in the short refinement of every start."""

LONGER = 110
"""Trials per movable node in the longer refinement of the finalists."""

QUICK_FRACTION = 0.6
"""Fraction of the time for the short refinements."""

FINALISTS = 0.3
"""Fraction of the starts that are refined longer."""

SOFT_ROUNDS = 200
"""Rounds of the force-directed placement of soft macros per start."""

SOFT_SWEEPS = 20
"""Sweeps of the detailed placement of soft macros per start."""

Scored = tuple[float, Placement]
"""A legal start, and the proxy that its short refinement ended with."""


def screen(
    starts: Sequence[Placement], *, seconds: float, seed: int, workers: int, deadline: float = inf
) -> list[Placement]:
    """The most promising starts, best first, with hard macros legal and soft macros placed again.

    `starts` are in order of promise.  As many of them are tried as fit into the time (wall clock), but at least one per
    worker, and as many more as it takes until one can be legalized; no trial goes on after the deadline.  In infinite
    time all are tried, and the result depends on starts and seed only.

    Raises `LegalizationError` if none of the starts can be legalized.
    """
    start_s, arrays = time.perf_counter(), soft_arrays(starts[0].netlist)
    failures: list[LegalizationError] = []

    def try_start(start: Placement) -> Scored | None:
        try:
            return score(legalize_start(start, arrays, deadline), QUICK, seed, deadline)
        except LegalizationError as error:
            failures.append(error)
            return None

    field = run_in_time(try_start, starts, QUICK_FRACTION * seconds, workers)
    if not field:
        raise failures[0]
    finalists = [start for _, start in field[: max(1, round(FINALISTS * len(field)))]]
    left_s = seconds - (time.perf_counter() - start_s)
    if len(finalists) > 1 and left_s > 0:
        field = run_in_time(lambda start: score(start, LONGER, seed, deadline), finalists, left_s, workers)
        return [start for _, start in field]
    return finalists


def legalize_start(start: Placement, arrays: SoftArrays, deadline: float = inf) -> Placement:
    """A start with its soft macros placed again and its hard macros legalized.

    Raises `LegalizationError` if that is not possible by the deadline.
    """
    position = place_soft_detailed(arrays, start.position_um, SOFT_ROUNDS, SOFT_SWEEPS, deadline)
    placement = Placement(start.netlist, position, start.orientation.copy())
    return make_legal(placement, deadline=deadline)


def score(start: Placement, trials: int, seed: int, deadline: float = inf) -> Scored:
    """A legal start with the proxy after `trials` trials per movable node, or fewer if the deadline comes earlier."""
    count = int((~start.netlist.fixed).sum())
    return refine(start, Budget(trials=trials * count, deadline=deadline), seed=seed).proxy, start


def run_in_time(
    job: Callable[[Placement], Scored | None], starts: Sequence[Placement], seconds: float, workers: int
) -> list[Scored]:
    """The results of a job on the starts, lowest proxy first; `workers` at a time, at least until there is a result."""
    start_s, longest_s = time.perf_counter(), 0.0
    results: list[Scored] = []
    with ThreadPoolExecutor(workers) as pool:
        for k in range(0, len(starts), workers):
            now_s = time.perf_counter()
            if results and now_s - start_s + longest_s > seconds:
                break
            results += [scored for scored in pool.map(job, starts[k : k + workers]) if scored]
            longest_s = max(longest_s, time.perf_counter() - now_s)
    return sorted(results, key=lambda scored: scored[0])
