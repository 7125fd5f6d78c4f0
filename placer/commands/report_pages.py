"""The report pages of `placer place`, `placer sweep` and `placer report`: what they show of finished runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from netlists.connectivity import connectivity
from netlists.legality.channels import find_channels
from netlists.legality.verdict import COUNTS
from netlists.placement import Placement
from placer import routing
from placer.cost import summary
from placer.routing import RoutingEstimate
from placer.runs import run_folder
from placer.runs.run_folder import COSTS, FinishedRun
from placer.runs.sweep import Sweep
from placer.runs.sweep_table import Outcome, best_outcomes
from plots import congestion, floorplan, placement, report, style, training
from plots.report import Run
from plots.viewer import View

FLOORPLAN_FILES = "report.html", "floorplan.png"
"""What `dse floorplan` writes beside its netlist; Bookshelf files are in a folder of their own there."""
EXPLORATION_FILES = "report.html", "results.sqlite"
"""What `dse explore` writes."""


def link_origins(netlist: str, folder: Path) -> dict[str, str]:
    """The pages of `dse` on the accelerator that a netlist is of, by what they are; only those that exist.

    Addresses are relative to `folder`.  The floorplan is in the folder of the netlist or the one above, the exploration
    in one of the two above that, as a front has a folder for each design.
    """
    above = list(Path(netlist).absolute().parents)
    floorplans = [each for each in above[:2] if all((each / name).exists() for name in FLOORPLAN_FILES)]
    if not floorplans:
        return {}
    explorations = [each for each in floorplans[0].parents[:2]
                    if all((each / name).exists() for name in EXPLORATION_FILES)]  # fmt: skip
    pages = {"Floorplan": floorplans[0], **({"Exploration": explorations[0]} if explorations else {})}
    return {name: os.path.relpath(where / "report.html", folder.absolute()) for name, where in pages.items()}


def report_placement(placed: Placement) -> Run:
    """A placement as the report shows it, without the run that made it."""
    n, maps, cost = placed.netlist, run_folder.maps(placed), summary(placed)
    both = run_folder.congestion(maps)
    view = View(
        placed, connectivity(placed), placement.draw(placed, heat=both),
        {"Congestion": both, "Horizontal congestion": maps.horizontal, "Vertical congestion": maps.vertical,
         "Density": maps.density},
    )  # fmt: skip
    figures: dict[str, Figure | bytes] = {
        "Congestion and density": congestion.draw(maps.horizontal, maps.vertical, maps.density, canvas_um=n.canvas_um),
    }
    if n.cells.size:
        routed = routing.estimate(placed)
        figures[describe_routing(routed)] = congestion.draw_routing(
            routed.horizontal, routed.vertical, canvas_um=n.canvas_um
        )
    facts = run_folder.facts(n)
    if n.constraints and n.hard.size:
        found = find_channels(placed)
        figures["Halos, pin sides, blockages, fences and the gaps between macros"] = floorplan.draw(placed, found)
        facts = facts | found.counts
    return Run(n.name, cost=cost, violations=violations(cost), facts=facts, view=view, figures=figures, notes=n.notes)


def report_run(run: FinishedRun) -> Run:
    """A finished run as the report shows it."""
    page, metrics = report_placement(run.placement), run.metrics
    figures = dict(page.figures)
    if metrics["history"]:
        what = quantity(metrics)
        figures[f"Best {what} over time"] = training.convergence({metrics["method"]: run.convergence}, quantity=what)
    notes = [*page.notes, *(["Stopped by Ctrl-C: the best placement until then."] if metrics["interrupted"] else [])]
    if metrics["stuck"]:
        notes.append(f"{metrics['stuck']} steps of the search had no fitting cell; those episodes were legalized.")
    return replace(
        page, method=metrics["method"], cost=run.cost, bounds=metrics.get("lower_bounds", {}),
        stages=metrics["stages"], settings=metrics["settings"], command=metrics["command"], figures=figures,
        notes=notes, versions=metrics["versions"],
    )  # fmt: skip


def describe_routing(routed: RoutingEstimate) -> str:
    """An estimate of routing in one line."""
    return (
        f"Routing estimate: {routed.routed_um:,.0f} µm of wires (Steiner trees {routed.steiner_um:,.0f} µm), overflow "
        f"{routed.overflow:,.0f}, fullest edge {routed.utilization_max:.1%}"
    )


def violations(cost: Mapping[str, float]) -> dict[str, int]:
    """The counts of what makes a placement illegal, from its cost."""
    return {key: int(cost[key]) for key in COUNTS if key in cost}


def quantity(metrics: Mapping[str, Any]) -> str:
    """The quantity that converges in a run: cells are clustered while macros are placed, then wires decide."""
    if metrics.get("hpwl_history"):
        return "HPWL (µm)"
    return "proxy cost of the clustered design" if "clustered_proxy" in metrics else "proxy cost"


def write_comparison(out: Path, finished: Sequence[FinishedRun]) -> None:
    """Write the page that compares runs, each named by its folder; raises `OSError`."""
    histories = [run for run in finished if run.metrics["history"] and len(finished) > 1]
    figures = {}
    for what in dict.fromkeys(quantity(run.metrics) for run in histories):
        series = {str(run.folder): run.convergence for run in histories if quantity(run.metrics) == what}
        figures[f"Best {what} over time"] = training.convergence(series, quantity=what)
    runs = [replace(report_run(run), title=str(run.folder)) for run in finished]
    report.write(out, runs, title="Comparison of placements", figures=figures)


def write_sweep_report(out: Path, sweep: Sweep) -> None:
    """Write `report.html` of a sweep: the table, convergence by netlist, and the best placement of each in full.

    Raises `OSError`.
    """
    figures = {}
    for name in sweep.chips:
        outcomes = [outcome for outcome in sweep.outcomes if outcome.run.netlist == name and not outcome.error]
        curves = {outcome.title: outcome.convergence for outcome in outcomes if outcome.metrics.get("history")}
        if curves:
            what = quantity(outcomes[0].metrics)
            figures[f"{name}: best {what} over time"] = training.convergence(curves, title=name, quantity=what)
    winners = best_outcomes(sweep.outcomes)
    runs = []
    for outcome in sweep.outcomes:
        name = outcome.run.netlist
        if outcome is winners.get(name):
            finished = outcome.read(out, sweep.chips[name])
            runs.append(replace(report_run(finished), title=f"{name} · {outcome.title}"))
        else:
            runs.append(table_row(outcome))
    report.write(out / "report.html", runs, title="Placements of a sweep", figures=figures)


def table_row(outcome: Outcome) -> Run:
    """A run of a sweep that the page lists in its table only."""
    cost = {key: outcome.metrics[key] for key in (*COSTS, "seconds", "cpu_seconds") if key in outcome.metrics}
    counts = None if outcome.error else violations(outcome.metrics)
    notes = [outcome.error] if outcome.error else []
    title = f"{outcome.run.netlist} · {outcome.title}"
    return Run(outcome.run.netlist, outcome.run.settings.method, title, cost, violations=counts, notes=notes)


def write_png(path: Path, figure: Figure | bytes) -> None:
    """Write a figure, whole or not at all; raises `OSError`."""
    style.write(path, figure if isinstance(figure, bytes) else style.png(figure))
