"""The placement methods: one entry per method holds everything that depends on the method.

The command line reads this table, so it loads no method: each entry's function imports its own when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netlists.runtime.device import resolve

if TYPE_CHECKING:
    from netlists.netlist import Netlist
    from netlists.placement import Placement
    from placer.annealing.metropolis import Budget
    from placer.incumbent import Incumbent

TRIALS = 20_000
"""Trials of each walker per iteration, if iterations are given instead of a budget."""
LEAST_S = 0.2
"""Seconds of the shortest search that is begun."""


@dataclass(frozen=True, eq=False)
class SearchTask:
    """What a method works on: it places the movable hard macros and offers what it finds to the incumbent."""

    netlist: Netlist
    incumbent: Incumbent
    seed: int
    workers: int  # threads
    iterations: int | None  # instead of the incumbent's budget
    weights: str | Path | None  # of the policy
    device: str  # where torch computes
    start: Placement | None  # the placement of the input, if the search is to begin from it; maybe illegal


@dataclass(frozen=True)
class Method:
    """A method of placing hard macros, and how a job uses it."""

    name: str
    summary: str  # what it does, in one line
    search: Callable[[SearchTask], None]
    """Searches until the budget of the incumbent is used, or for the iterations of the task.

    On Ctrl-C it raises `KeyboardInterrupt`; what it found until then is in the incumbent, too."""
    refine_fraction: float  # of the budget, for screening and refinement; 0: the method does without them
    uses_torch: bool = False  # it takes a device, and on a cluster a fraction of a GPU
    takes_weights: bool = False  # of a policy
    starts_from_input: bool = False  # with `start` given it searches from there; others leave their search out
    sweep_rank: int | None = None  # its place in the default of `placer sweep --methods`; None: it is not in it


def search_by_agent(task: SearchTask) -> None:
    """Go on training the policy on the netlist; see `placer.agent.placing`."""
    from placer.agent.placing import Agent  # loads torch

    device = resolve(task.device)
    Agent(task.netlist, task.incumbent, task.seed, task.workers, task.weights, device).run(task.iterations)


def search_by_gradient(task: SearchTask) -> None:
    """Descend the smooth proxy cost from several starts; see `placer.gradient.descent`."""
    from placer.gradient.descent import gradient  # loads torch

    device = resolve(task.device)
    gradient(task.netlist, task.incumbent, task.seed, task.workers, task.iterations, device=device)


def search_greedily(task: SearchTask) -> None:
    """Play one greedy episode; see `placer.environment.heuristics`."""
    from placer.environment.env import EpisodeBatch
    from placer.environment.heuristics import place_greedily

    place_greedily(EpisodeBatch(task.netlist, 1), task.incumbent)


def search_randomly(task: SearchTask) -> None:
    """Play random episodes; see `placer.environment.heuristics`."""
    from placer.environment.env import EpisodeBatch
    from placer.environment.heuristics import RANDOM_BATCH, place_randomly

    episodes = EpisodeBatch(task.netlist, RANDOM_BATCH, threads=task.workers)
    place_randomly(episodes, task.incumbent, task.seed, task.iterations)


def search_by_annealing(task: SearchTask) -> None:
    """Anneal hard and soft macros; see `placer.annealing.baseline`."""
    from placer.annealing.baseline import anneal
    from placer.legalization.by_rules import make_legal

    incumbent = task.incumbent
    start = make_legal(task.start, deadline=incumbent.end) if task.start else None
    left_s = incumbent.left_s
    result = anneal(
        task.netlist, search_budget(left_s, task.iterations), seed=task.seed, workers=task.workers, start=start,
        deadline=incumbent.end, progress=lambda seconds, proxy: incumbent.note(proxy, "anneal", left_s - seconds),
    )  # fmt: skip
    incumbent.best = result.proxy  # from fresh sums: it differs from what was noted by rounding errors
    incumbent.keep(result.proxy, result.placement)
    if result.interrupted:
        raise KeyboardInterrupt


def search_budget(left_s: float, iterations: int | None) -> Budget:
    """The budget of a search by annealing: the seconds that are left, or trials if iterations are given."""
    from placer.annealing.metropolis import Budget

    return Budget(seconds=max(left_s, LEAST_S)) if iterations is None else Budget(trials=TRIALS * iterations)


METHODS = {
    method.name: method
    for method in (
        Method(
            "rl", "reinforcement learning: a graph network places macro by macro, and learns on the netlist",
            search_by_agent, refine_fraction=0.85, uses_torch=True, takes_weights=True, sweep_rank=0,
        ),
        Method(
            "gradient", "descent of a differentiable proxy cost, hard and soft macros together, from several starts",
            search_by_gradient, refine_fraction=0.85, uses_torch=True,
        ),
        Method(
            "greedy", "one episode in which every macro goes to the grid cell with the lowest score",
            search_greedily, refine_fraction=1.0, sweep_rank=2,
        ),
        Method(
            "random", "the best of many random legal episodes",
            search_randomly, refine_fraction=0.85, sweep_rank=3,
        ),
        Method(
            "anneal", "simulated annealing from a spiral, the baseline: a whole search of its own",
            search_by_annealing, refine_fraction=0.0, starts_from_input=True, sweep_rank=1,
        ),
    )
}  # fmt: skip
"""Every method by its name, in the order of help texts."""

METHOD_NAMES = ", ".join([*METHODS][:-1]) + f" or {[*METHODS][-1]}"
"""For help texts."""
SWEEP_METHODS = sorted(
    (name for name, method in METHODS.items() if method.sweep_rank is not None),
    key=lambda name: METHODS[name].sweep_rank or 0,
)
"""The default of `placer sweep --methods`."""
