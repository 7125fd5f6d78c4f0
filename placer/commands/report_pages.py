"""What the report pages of `placer place`, `placer sweep` and `placer report` show of finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from netlists.connectivity import connectivity
from netlists.legality.verdict import COUNTS
from placer.runs import run_folder
from placer.runs.run_folder import FinishedRun
from placer.runs.sweep import Sweep
from placer.runs.sweep_table import COSTS, best
from plots import congestion, placement, report, training
from plots.report import Run
from plots.viewer import View


def report_run(run: FinishedRun) -> Run:
    """A finished run as the report shows it."""
    n, metrics, maps = run.placement.netlist, run.metrics, run_folder.maps(run.placement)
    both = run_folder.congestion(maps)
    view = View(
        run.placement, connectivity(run.placement), placement.draw(run.placement, heat=both),
        {"Congestion": both, "Horizontal congestion": maps.horizontal, "Vertical congestion": maps.vertical,
         "Density": maps.density},
    )  # fmt: skip
    figures: dict[str, Figure | bytes] = {
        "Congestion and density": congestion.draw(maps.horizontal, maps.vertical, maps.density, canvas_um=n.canvas_um),
    }
    if metrics["history"]:
        what = quantity(metrics)
        figures[f"Best {what} over time"] = training.convergence({metrics["method"]: run.convergence}, quantity=what)
    notes = [*n.notes, *(["Stopped by Ctrl-C: the best placement until then."] if metrics["interrupted"] else [])]
    if metrics["stuck"]:
        notes.append(f"{metrics['stuck']} steps of the search had no fitting cell; those episodes were legalized.")
    return Run(
        n.name, metrics["method"], cost=run.cost, bounds=metrics.get("lower_bounds", {}),
        violations=violations(run.cost), facts=run_folder.facts(n), stages=metrics["stages"],
        settings=metrics["settings"], command=metrics["command"], view=view, figures=figures, notes=notes,
        versions=metrics["versions"],
    )  # fmt: skip


def violations(cost: Mapping[str, float]) -> dict[str, int]:
    """What makes a placement illegal, by how many, from its cost."""
    return {key: int(cost[key]) for key in COUNTS if key in cost}


def quantity(metrics: Mapping[str, Any]) -> str:
    """What the convergence of a run is about: cells are clustered while macros are placed, then wires decide."""
    if metrics.get("hpwl_history"):
        return "HPWL (µm)"
    return "proxy cost of the clustered design" if "clustered_proxy" in metrics else "proxy cost"


def comparison(out: Path, finished: Sequence[FinishedRun]) -> None:
    """Write the page that compares runs, each named by its folder."""
    histories = [run for run in finished if run.metrics["history"] and len(finished) > 1]
    figures = {}
    for what in dict.fromkeys(quantity(run.metrics) for run in histories):
        series = {str(run.folder): run.convergence for run in histories if quantity(run.metrics) == what}
        figures[f"Best {what} over time"] = training.convergence(series, quantity=what)
    runs = [replace(report_run(run), title=str(run.folder)) for run in finished]
    report.write(out, runs, title="Comparison of placements", figures=figures)


def sweep_report(out: Path, done: Sweep) -> None:
    """Write `report.html` of a sweep: the table, convergence by netlist, and the best placement of each in full."""
    figures, runs, winners = {}, [], best(done.outcomes)
    for name in done.chips:
        curves = {o.title: o.convergence for o in done.outcomes if o.job.netlist == name and o.metrics.get("history")}
        if curves:
            what = next(quantity(o.metrics) for o in done.outcomes if o.job.netlist == name and not o.error)
            figures[f"{name}: best {what} over time"] = training.convergence(curves, title=name, quantity=what)
    for o in done.outcomes:
        name, title = o.job.netlist, f"{o.job.netlist} · {o.title}"
        if o is winners.get(name):
            runs.append(replace(report_run(o.read(out, done.chips[name])), title=title))
        else:
            cost = {key: o.metrics[key] for key in (*COSTS, "seconds", "cpu_seconds") if key in o.metrics}
            counts = None if o.error else violations(o.metrics)
            notes = [o.error] if o.error else []
            runs.append(Run(name, o.job.settings.method, title, cost, violations=counts, notes=notes))
    report.write(out / "report.html", runs, title="Placements of a sweep", figures=figures)
