"""The whole job, stage by stage: from a netlist to a legal placement with its exact cost.

cluster (standard cells to soft macros) -> search (hard macros, by the method) -> screen (which of the best placements
to refine, with their soft macros placed again) -> legalize -> refine (all macros, by exact cost) -> expand (clusters
back to cells; macros on rows, if there are any) -> cells (cells on rows, and macros too, by wirelength; see
`placer.cells.place`).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cache
from math import inf
from typing import Any

import numpy as np

from netlists.connectivity.cluster import Clustering, cluster
from netlists.constraints import Constraints, Halo
from netlists.errors import LegalizationError, PlacementError
from netlists.legality.rules import rule_violations
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.runtime.ray_connection import connected
from netlists.synthetic.tiny import pile_up, tiny_netlist, tiny_netlist_with_rows
from placer import routing
from placer.annealing.ray_searches import Fleet
from placer.annealing.refine import refine
from placer.annealing.screening import screen
from placer.cells.place import Round, has_cells, place_cells
from placer.cells.together import place_together
from placer.cost import ProxyCost, lower_bounds, summary
from placer.incumbent import Listener
from placer.legalization.by_rules import demand_feasible, follow_guides, make_legal
from placer.legalization.legalize import legalize
from placer.legalization.row_alignment import align_to_rows, place_one_by_one
from placer.runs.job import Job, Stage, cpu_seconds
from placer.runs.methods import LEAST_S, SearchTask, search_budget
from placer.runs.settings import PlaceSettings
from placer.soft.multi_start import center_soft, settle_soft

SCREEN_FRACTION = 0.1
"""Fraction of the macros' budget for screening."""
CELLS_FRACTION = 0.9
"""Fraction of the budget after clustering for cells, if there are cells and rows: macros move again with the cells."""


@dataclass(frozen=True, eq=False)
class Result:
    """A legal placement, and how it was made; `metrics` has the keys of `DIR/metrics.json`."""

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

    Standard cells end on rows, which are derived if the design has none; hard macros end on rows too, if it has some.
    Fixed nodes stay.  Ctrl-C ends the search with the best placement so far.  With `start` "given" there is no search
    and no soft-macro stage: the placement of the input is legalized and refined, and macros stay when standard cells
    are placed.  Annealing begins from it instead.
    Raises `LegalizationError` if no legal placement is found, `PlacementError` if the input has to give one and does
    not, `SettingsError` and `CheckpointError` for bad options.
    """
    settings = replace(settings or PlaceSettings(), **options)
    netlist = follow_guides(netlist)
    if netlist.constraints and netlist.movable_hard.size:
        demand_feasible(netlist)
    flat = has_cells(netlist)
    with connected(settings.ray, needed=1) if settings.ray else nullcontext():
        if settings.iterations is None:
            load_kernels(settings.method, settings.refine, settings.device)
            if netlist.rows or flat:
                load_row_kernels()
            if netlist.constraints:
                load_rule_kernels()
        job = Job(netlist, settings, progress)
        clustering = cluster_cells(job)
        if flat:
            job.limit_macros((1 - CELLS_FRACTION) * job.left_s)
        if settings.ray:
            job.fleet = Fleet(job.netlist)
        place_macros(job)
    with job.undisturbed():
        expand_clusters(job, clustering)
    if flat:
        place_standard_cells(job)
    with job.undisturbed():
        job.placement = job.placement.rounded()
        demand_legal(job.placement)
        metrics = collect_metrics(job)
    return Result(job.placement, settings, metrics, job.stages, job.incumbent.history, job.interrupted)


def place_macros(job: Job) -> None:
    """Find a legal placement of the macros, hard and soft; Ctrl-C at any moment keeps the best of them so far."""
    try:
        find_macros(job)
    except KeyboardInterrupt:  # between two stages, or before a stage has begun to search
        if job.incumbent.placement is None:
            raise
        job.interrupted = True
        with job.undisturbed():
            job.placement = getattr(job, "placement", job.incumbent.placement)
            legalize_macros(job)


def find_macros(job: Job) -> None:
    """The stages from search to refinement."""
    if job.settings.keeps_input:
        job.placement = read_input(job.netlist)
    else:
        search_hard_macros(job)
    if job.incumbent.pool and job.settings.refines and not job.interrupted:
        screen_candidates(job)
    if not job.settings.keeps_input and not job.netlist.movable_hard.size and not job.interrupted:
        settle_soft_macros(job)
    legalize_macros(job)
    if job.settings.refines and not job.interrupted:
        refine_macros(job)


def cluster_cells(job: Job) -> Clustering:
    """Group the standard cells into soft macros: the job continues with the clustered netlist."""
    with job.stage("cluster"):
        clustering = cluster(job.netlist, seed=job.settings.seed, threads=job.settings.workers)
        job.netlist = clustering.netlist
    return clustering


def search_hard_macros(job: Job) -> None:
    """Find places for the hard macros by the method; without movable ones only lay out the soft macros.

    Raises `LegalizationError` if no candidate is legal.
    """
    netlist, settings, incumbent = job.netlist, job.settings, job.incumbent
    from_input = settings.start == "given"
    with job.stage(settings.method):
        if not netlist.movable_hard.size and not from_input:
            position = center_soft(netlist, netlist.position_um)
            job.placement = Placement(netlist, position, netlist.orientation.copy())
            incumbent.best = ProxyCost(netlist)(position, netlist.orientation).proxy
        else:
            start = read_input(netlist) if from_input else None
            task = SearchTask(netlist, incumbent, settings.seed, settings.workers, settings.iterations,
                              settings.weights, settings.device, start)  # fmt: skip
            job.placement = run_method(job, task)
        job.proxy = incumbent.best


def run_method(job: Job, task: SearchTask) -> Placement:
    """The best placement that the method finds, also if it ends with an error or by Ctrl-C after finding one.

    Raises `LegalizationError` if it finds none.
    """
    try:
        with job.stoppable():
            job.settings.entry.search(task)
    except LegalizationError:
        if not job.incumbent.pool:
            raise
    if job.incumbent.placement is None:  # every candidate failed
        assert job.incumbent.error is not None
        raise job.incumbent.error
    return job.incumbent.placement


def screen_candidates(job: Job) -> None:
    """Choose among the best placements found which ones to refine, with their soft macros placed again."""
    settings, incumbent = job.settings, job.incumbent
    with job.stage("screen"):
        seconds = inf
        if settings.iterations is None:
            incumbent.budget_s += SCREEN_FRACTION * job.budget_s
            seconds = incumbent.left_s
        candidates = [placement for _, placement in incumbent.pool]
        with job.stoppable():
            job.placement, *job.others = screen(
                candidates, seconds=seconds, seed=settings.seed, workers=settings.workers, deadline=incumbent.end
            )
        proxy = job.measure()
        if not job.interrupted:
            incumbent.note(proxy, "screen", incumbent.left_s)


def settle_soft_macros(job: Job) -> None:
    """Place the soft macros of a netlist whose hard macros are all fixed."""
    with job.stage("soft"):
        job.placement, job.interrupted = settle_soft(job.placement, job.macros_end)
        job.measure()


def legalize_macros(job: Job) -> None:
    """Move hard macros so that none overlap; raises `LegalizationError` if that is not possible in time."""
    with job.stage("legalize"):
        job.placement = make_legal(job.placement, deadline=job.incumbent.end)
        job.incumbent.note(job.measure(), "legalize", job.incumbent.left_s)


def refine_macros(job: Job) -> None:
    """Search by exact cost, hard and soft macros together, for what is left of the budget."""
    settings, left_s = job.settings, job.left_s
    with job.stage("refine"):
        if settings.iterations is not None or left_s > LEAST_S:
            budget = search_budget(left_s, settings.iterations)

            def progress(seconds: float, proxy: float) -> None:
                job.incumbent.note(proxy, "refine", left_s - seconds)

            if job.fleet:
                starts = [job.placement, *job.others]
                result = job.fleet.refine(starts, budget, settings.seed, settings.workers, progress)
            else:
                result = refine(job.placement, budget, seed=settings.seed, workers=settings.workers,
                                progress=progress, others=job.others)  # fmt: skip
            job.placement, job.interrupted = result.placement, result.interrupted
        job.measure()


def expand_clusters(job: Job, clustering: Clustering) -> None:
    """Put the cells where their clusters are, and hard macros on rows if there are any."""
    with job.stage("expand"):
        expanded = clustering.expand(job.placement)
        job.placement = expanded if expanded.netlist.constraints else align_to_rows(expanded)


def place_standard_cells(job: Job) -> None:
    """Put the standard cells on rows, by wirelength, in what is left of the whole budget."""
    settings, incumbent = job.settings, job.incumbent
    with job.stage("cells"):
        began_s = incumbent.seconds
        left_s = settings.budget_s - began_s if settings.iterations is None else None
        result = place_cells(
            job.placement, move_macros=settings.refine and not settings.keeps_input and not job.interrupted,
            seed=settings.seed, seconds=0.0 if job.interrupted else left_s, workers=settings.workers,
            tick=lambda: incumbent.note(inf, "cells", settings.budget_s - incumbent.seconds),
        )  # fmt: skip
        job.placement, job.interrupted = result.placement, job.interrupted or result.interrupted
        job.rounds = [round_metrics(each, each is result.chosen) for each in result.rounds]
        job.hpwl_history = [(began_s + seconds, hpwl_um) for seconds, hpwl_um in result.history]


def round_metrics(each: Round, chosen: bool) -> dict[str, Any]:
    """What a round of `place_cells` began from and was worth, before its cells were legalized."""
    off_rows, unspread, hpwl_um = each.rank
    return {
        "start": each.start, "seed": each.seed, "hpwl_um": hpwl_um, "macros_off_rows": off_rows, "unspread": unspread,
        "chosen": chosen,
    }  # fmt: skip


def collect_metrics(job: Job) -> dict[str, Any]:
    """The costs of the finished placement and how it was made, as in `metrics.json`."""
    placement = job.placement
    clustered = {"clustered_proxy": job.proxy} if job.netlist is not placement.netlist else {}
    metrics = (
        summary(placement)
        | routing.summary(placement)
        | clustered
        | {
            "method": job.settings.method,
            "seed": job.settings.seed,
            "seconds": job.incumbent.seconds,
            "cpu_seconds": cpu_seconds() - job.cpu_started_s,
            "stages": [asdict(stage) for stage in job.stages],
            "stuck": job.incumbent.stuck,
            "hpwl_history": job.hpwl_history,
            "rounds": job.rounds,
            "lower_bounds": lower_bounds(placement.netlist).as_dict(),
        }
    )
    if job.fleet:
        metrics["cluster"] = job.fleet.as_dict()
    return metrics


@cache
def load_kernels(method: str, refine: bool, device: str) -> None:
    """Load the compiled kernels that a method needs, by placing a tiny netlist; the first time they are compiled.

    Raises `KeyboardInterrupt` if Ctrl-C ends that: kernels are missing then, and the user wants to stop.
    """
    netlist = tiny_netlist()
    legalize(pile_up(netlist))
    if place(netlist, method=method, refine=refine, iterations=1, workers=2, device=device).interrupted:
        raise KeyboardInterrupt


@cache
def load_row_kernels() -> None:
    """Load the compiled kernels that put macros and cells of one and two rows on rows and route them.

    See `load_kernels`.
    """
    placement = place_one_by_one(pile_up(tiny_netlist_with_rows()))
    assert placement is not None
    place_together(placement, seed=0, deadline=0.0)
    if place_cells(placement, seconds=0.0).interrupted:
        raise KeyboardInterrupt
    routing.summary(placement)


@cache
def load_rule_kernels() -> None:
    """Load the compiled kernels that keep constraints; see `load_kernels`."""
    constraints = Constraints(halos=(Halo("*", 1.0, 1.0, 1.0, 1.0),))
    rule_violations(make_legal(pile_up(tiny_netlist().with_(constraints=constraints))))


def read_input(netlist: Netlist) -> Placement:
    """The placement in the input; raises `PlacementError` if a node has no position."""
    lost = np.flatnonzero(~np.isfinite(netlist.position_um).all(axis=1))
    if lost.size:
        raise PlacementError(f"start is given, but node {netlist.node_names[lost[0]]!r} has no position in the input "
                             f"({lost.size} of {netlist.num_nodes} nodes); start from scratch")  # fmt: skip
    return Placement.given(netlist)


def demand_legal(placement: Placement) -> None:
    """Raise `LegalizationError` naming hard macros that overlap, leave the canvas or lie where no row is."""
    wrong, broken = placement.violations(), rule_violations(placement)
    if broken and not wrong:
        raise LegalizationError(
            f"constraints are broken: {len(broken.close)} pairs of hard macros are too close, {len(broken.outside)} "
            f"macros outside their room, {len(broken.turned)} turned, {len(broken.off_grid)} off the grid"
        )
    if wrong:
        names = placement.netlist.node_names
        examples = [" and ".join(repr(names[i]) for i in pair) for pair in wrong.overlaps[:3]]
        examples += [repr(names[i]) for i in wrong.out_of_canvas[:3]]
        examples += [repr(names[i]) for i in wrong.outside_rows[:3]]
        outside = len(np.union1d(wrong.out_of_canvas, wrong.outside_rows))
        raise LegalizationError(
            f"{len(wrong.overlaps)} overlaps and {outside} hard macros out of the canvas or where no row is remain "
            f"({', '.join(examples)}); enlarge the canvas"
        )
