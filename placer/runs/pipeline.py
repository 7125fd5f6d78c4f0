"""The whole job, stage by stage: netlist to legal placement with its exact cost.

cluster (standard cells to soft macros) -> search (hard macros, by the chosen method) -> screen (which of the best
placements to go on with, soft macros placed anew) -> legalize -> refine (all macros, by exact cost) -> expand (clusters
back to cells; macros on rows, if there are any) -> cells (cells on rows, and macros too, by wirelength; see
`placer.cells.place`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from netlists.cluster import cluster
from netlists.errors import LegalizationError, PlacementError
from netlists.netlist import Kind, Netlist, Rows
from netlists.placement import Placement
from netlists.runtime.device import resolve
from netlists.synthetic.generate import GeneratorSettings, generate
from placer.annealing.baseline import anneal
from placer.annealing.metropolis import Budget
from placer.annealing.ray_cluster import connected
from placer.annealing.ray_searches import Fleet
from placer.annealing.refine import refine
from placer.annealing.screening import screen
from placer.cells.place import has_cells, place_cells
from placer.cost import ProxyCost, evaluate, lower_bounds, summary
from placer.environment.env import EpisodeBatch
from placer.incumbent import Listener, Search
from placer.legalization.legalize import legalize
from placer.legalization.row_alignment import align_to_rows, place_one_by_one
from placer.runs.settings import PlaceSettings
from placer.runs.stages import Stage, Stages, cpu_seconds
from placer.soft.multi_start import center_soft, settle_soft

REFINE_SHARE = {"rl": 0.85, "gradient": 0.85, "greedy": 1.0, "random": 0.85, "anneal": 0.0}
"""Part of the budget kept for screening and refinement; annealing is a search of its own, without later stages."""
SCREEN_SHARE = 0.1  # part of the budget for screening
CELLS_SHARE = 0.7  # part of the budget for cells, where there are cells and rows
LEAST_S = 0.2  # the shortest search that is begun
TINY = GeneratorSettings(
    "tiny", (100.0, 100.0), (6, 6), hard_macros=3, macro_sizes=2, soft_macros=6, ports=4, nets=20
)  # what kernels are loaded with
TRIALS = 20_000  # of each walker for every iteration, where iterations are given instead of a budget


@dataclass(frozen=True, eq=False)
class Result:
    """A legal placement with what it took; `metrics` has the keys of `DIR/metrics.json`."""

    placement: Placement
    settings: PlaceSettings
    metrics: dict[str, Any]
    stages: list[Stage]
    history: list[tuple[float, float]]  # (seconds, best proxy so far) of the search
    interrupted: bool  # by Ctrl-C


def place(
    netlist: Netlist, settings: PlaceSettings | None = None, *, progress: Listener | None = None, **options: Any
) -> Result:
    """Place all movable nodes; `options` are fields of `PlaceSettings`.

    Standard cells end on rows, derived ones if there are none; hard macros on rows too, if the design has any.  Fixed
    nodes stay.  Ctrl-C ends the search with the best so far.  With `start` "given" there is no search and no soft-macro
    stage: the placement of the input is legalized and refined, and macros stay when standard cells are placed.
    Annealing begins from it.
    Raises `LegalizationError` when no legal placement is found, `SettingsError` and `CheckpointError` for bad options.
    """
    asked = replace(settings or PlaceSettings(), **options)
    macros_share = 1 - CELLS_SHARE if has_cells(netlist) else 1.0
    settings = replace(asked, budget_s=macros_share * asked.budget_s)
    with connected(asked.ray) if asked.ray else nullcontext():
        if settings.iterations is None:
            load_kernels(settings.method, settings.refine, settings.device)
            if netlist.rows or has_cells(netlist):
                load_row_kernels()
        stages = Stages()
        with stages.stage("cluster"):
            clustering = cluster(netlist, seed=settings.seed, threads=settings.workers)
        work = clustering.netlist
        later = REFINE_SHARE[settings.method] if settings.refine else 0.0
        search_s, job_s = (1 - later) * settings.budget_s, settings.budget_s
        if settings.iterations is not None:
            search_s = job_s = np.inf
        search = Search(settings.method, search_s, stages.started, progress, job_s)
        fleet = Fleet(work) if asked.ray else None
        placement, interrupted = place_macros(work, settings, search, stages, fleet)
    with stages.stage("expand"):
        placement = align_to_rows(clustering.expand(placement))
    hpwl_history = list[tuple[float, float]]()
    if has_cells(netlist):
        with stages.stage("cells"):
            began_s = search.seconds
            left_s = 0.0 if interrupted else asked.budget_s - search.seconds
            placed = place_cells(
                placement, move_macros=settings.refine and not keeps(settings) and not interrupted, seed=settings.seed,
                seconds=left_s if interrupted or settings.iterations is None else None,
                tick=lambda: search.note(np.inf, "cells", asked.budget_s - search.seconds),
            )  # fmt: skip
            placement, interrupted = placed.placement, interrupted or placed.interrupted
            hpwl_history = [(began_s + seconds, hpwl_um) for seconds, hpwl_um in placed.history]
    demand_legal(placement)
    found = summary(placement) | ({"clustered_proxy": stages.proxy} if work is not netlist else {})
    metrics = found | {
        "method": settings.method,
        "seed": settings.seed,
        "seconds": time.perf_counter() - stages.started,
        "cpu_seconds": cpu_seconds() - stages.cpu_started,
        "stages": [asdict(stage) for stage in stages.done],
        "stuck": search.stuck,
        "hpwl_history": hpwl_history,
        "lower_bounds": lower_bounds(netlist).as_dict(),
    }
    if fleet:
        metrics["cluster"] = fleet.as_dict()
    return Result(placement, asked, metrics, stages.done, search.history, interrupted)


def keeps(settings: PlaceSettings) -> bool:
    """Whether there is no search for places: those of the input are refined."""
    return settings.start == "given" and settings.method != "anneal"


def place_macros(
    netlist: Netlist, settings: PlaceSettings, search: Search, stages: Stages, fleet: Fleet | None
) -> tuple[Placement, bool]:
    """A legal placement of the macros, hard and soft, from search to refinement; and whether Ctrl-C ended it."""
    later, others = settings.refine and REFINE_SHARE[settings.method] > 0, list[Placement]()
    if keeps(settings):
        placement, interrupted = given(netlist), False
    else:
        with stages.stage(settings.method):
            placement, interrupted = find_hard(netlist, settings, search)
            stages.proxy = search.best
    if search.pool and later and not interrupted:
        with stages.stage("screen"):
            (placement, *others), interrupted = chosen(netlist, settings, search)
            stages.proxy = evaluate(placement).proxy
    if not keeps(settings) and not netlist.movable_hard.size and not interrupted:
        with stages.stage("soft"):
            placement, interrupted = settle_soft(placement, search.end)
            stages.proxy = evaluate(placement).proxy
    with stages.stage("legalize"):
        if placement.violations():
            placement = legalize(placement, deadline=search.end)
        stages.proxy = evaluate(placement).proxy
        search.note(stages.proxy, "legalize", search.left_s)
    if later and not interrupted:
        with stages.stage("refine"):
            placement, interrupted = improve(placement, others, settings, search, fleet)
            stages.proxy = evaluate(placement).proxy
    return placement, interrupted


@cache
def load_kernels(method: str, refine: bool, device: str) -> None:
    """Load the compiled kernels that a method needs, by placing a tiny netlist; the first time they are compiled."""
    chip = generate(TINY, 0)
    legalize(piled(chip))
    if place(chip, method=method, refine=refine, iterations=1, workers=2, device=device).interrupted:
        raise KeyboardInterrupt  # kernels are missing, and the user wants to stop


@cache
def load_row_kernels() -> None:
    """Load the compiled kernels that put macros and cells of one and two rows on rows, for a tiny netlist."""
    chip, y = generate(TINY, 0), np.arange(0.0, 100.0, 4.0)
    cells = np.flatnonzero(chip.kind == Kind.SOFT)
    kind, size = chip.kind.copy(), chip.size_um.copy()
    kind[cells], size[cells], size[cells[0], 1] = Kind.CELL, 4.0, 8.0
    size[chip.hard] = 12.0
    rows = Rows(np.zeros(25), y, np.full(25, 4.0), np.full(25, 0.5), np.full(25, 200))
    chip = chip.with_(kind=kind, size_um=size, rows=rows)
    placed = place_one_by_one(piled(chip))
    assert placed is not None
    if place_cells(placed, seconds=0.0).interrupted:
        raise KeyboardInterrupt  # as in `load_kernels`


def piled(chip: Netlist) -> Placement:
    """All movable nodes in the middle of the canvas, where hard macros overlap."""
    middle = np.array(chip.canvas_um) / 2
    return Placement(chip, np.where(chip.fixed[:, None], chip.position_um, middle), chip.orientation)


def find_hard(netlist: Netlist, settings: PlaceSettings, search: Search) -> tuple[Placement, bool]:
    """The best placement that the method finds, also noted in `search`; and whether Ctrl-C ended it."""
    orientation = netlist.orientation.copy()
    if not netlist.movable_hard.size and settings.start == "scratch":
        position = center_soft(netlist, netlist.position_um)
        search.best = ProxyCost(netlist)(position, orientation).proxy
        return Placement(netlist, position, orientation), False
    if settings.method == "anneal":
        return annealed(netlist, settings, search)
    interrupted = False
    try:
        if settings.method == "rl":
            from placer.agent.placing import Agent  # loads torch

            device = resolve(settings.device)
            Agent(netlist, search, settings.seed, settings.workers, settings.weights, device).run(settings.iterations)
        elif settings.method == "gradient":
            from placer.gradient.descent import gradient  # loads torch

            device = resolve(settings.device)
            gradient(netlist, search, settings.seed, settings.workers, settings.iterations, device=device)
        else:
            from placer.environment import heuristics

            if settings.method == "greedy":
                heuristics.greedy(EpisodeBatch(netlist, 1), search)
            else:
                episodes = EpisodeBatch(netlist, heuristics.RANDOM_BATCH, threads=settings.workers)
                heuristics.random(episodes, search, settings.seed, settings.iterations)
    except KeyboardInterrupt:
        if search.position_um is None:
            raise
        interrupted = True
    except LegalizationError:
        if search.position_um is None:
            raise
    if search.position_um is None:  # every episode failed
        assert search.error is not None
        raise search.error
    return Placement(netlist, search.position_um, orientation), interrupted


def chosen(netlist: Netlist, settings: PlaceSettings, search: Search) -> tuple[list[Placement], bool]:
    """The best of the placements found to refine, with soft macros placed anew, in order; and whether Ctrl-C came."""
    starts = [Placement(netlist, position, netlist.orientation.copy()) for _, position in search.pool]
    if settings.iterations is not None:
        seconds = np.inf
    else:
        search.budget_s += SCREEN_SHARE * settings.budget_s
        seconds = search.left_s
    try:
        best = screen(starts, seconds=seconds, seed=settings.seed, workers=settings.workers, deadline=search.end)
    except KeyboardInterrupt:
        return starts[:1], True
    search.note(evaluate(best[0]).proxy, "screen", search.left_s)
    return best, False


def annealed(netlist: Netlist, settings: PlaceSettings, search: Search) -> tuple[Placement, bool]:
    """The placement that simulated annealing finds for the whole budget; and whether Ctrl-C ended it."""
    start = legalize(given(netlist), deadline=search.end) if settings.start == "given" else None
    left_s = search.left_s
    if settings.iterations is not None:
        budget = Budget(trials=TRIALS * settings.iterations)
    else:
        budget = Budget(seconds=max(left_s, LEAST_S))
    found = anneal(
        netlist, budget, seed=settings.seed, workers=settings.workers, start=start, deadline=search.end,
        progress=lambda seconds, proxy: search.note(proxy, "anneal", left_s - seconds),
    )  # fmt: skip
    search.best = found.proxy
    return found.placement, found.interrupted


def given(netlist: Netlist) -> Placement:
    """The placement in the input; raises `PlacementError` where a node has no position."""
    lost = np.flatnonzero(~np.isfinite(netlist.position_um).all(axis=1))
    if lost.size:
        raise PlacementError(f"start is given, but node {netlist.node_names[lost[0]]!r} has no position in the input "
                             f"({lost.size} of {netlist.num_nodes} nodes); start from scratch")  # fmt: skip
    return Placement.given(netlist)


def improve(
    placement: Placement, others: Sequence[Placement], settings: PlaceSettings, search: Search, fleet: Fleet | None
) -> tuple[Placement, bool]:
    """The placement after exact-cost search for what is left of the budget; also whether Ctrl-C ended it.

    `others` are starts for more searches, where there are processors for them here or in the fleet.
    """
    left_s = search.started + settings.budget_s - time.perf_counter()
    if settings.iterations is not None:
        budget = Budget(trials=TRIALS * settings.iterations)
    elif left_s > LEAST_S:
        budget = Budget(seconds=left_s)
    else:
        return placement, False

    def progress(seconds: float, proxy: float) -> None:
        search.note(proxy, "refine", left_s - seconds)

    if fleet:
        found = fleet.refine([placement, *others], budget, settings.seed, settings.workers, progress)
    else:
        found = refine(
            placement, budget, seed=settings.seed, workers=settings.workers, progress=progress, others=others
        )
    return found.placement, found.interrupted


def demand_legal(placement: Placement) -> None:
    """Raise `LegalizationError` naming hard macros that overlap, leave the canvas or lie where no row is."""
    wrong = placement.violations()
    if wrong:
        names = placement.netlist.node_names
        shown = [" and ".join(repr(names[i]) for i in pair) for pair in wrong.overlaps[:3]]
        shown += [repr(names[i]) for i in wrong.out_of_canvas[:3]]
        shown += [repr(names[i]) for i in wrong.outside_rows[:3]]
        astray = len(np.union1d(wrong.out_of_canvas, wrong.outside_rows))
        raise LegalizationError(
            f"{len(wrong.overlaps)} overlaps and {astray} hard macros out of the canvas or where no row is remain "
            f"({', '.join(shown)}); enlarge the canvas"
        )
