"""What the report pages of `placer place`, `placer sweep` and `placer report` show of finished runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from placer import reporting
from placer.reporting import FinishedRun
from placer.sweep_table import COSTS, best
from plots import congestion, placement, report, training
from plots.report import Run

if TYPE_CHECKING:
    from placer.sweep import Sweep  # loads Ray


def report_run(run: FinishedRun) -> Run:
    """A finished run as the report shows it; the first figure is the picture of the placement."""
    n, metrics, maps = run.placement.netlist, run.metrics, reporting.maps(run.placement)
    figures: dict[str, Figure | bytes] = {
        "Placement over routing congestion": placement.draw(run.placement, heat=reporting.congestion(maps)),
        "Congestion and density": congestion.draw(maps.horizontal, maps.vertical, maps.density, canvas_um=n.canvas_um),
    }
    if metrics["history"]:
        figures["Best cost over time"] = training.convergence({metrics["method"]: run.convergence})
    notes = [*n.notes, *(["Stopped by Ctrl-C: the best placement until then."] if metrics["interrupted"] else [])]
    if metrics["stuck"]:
        notes.append(f"{metrics['stuck']} steps of the search had no fitting cell; those episodes were legalized.")
    return Run(
        n.name, metrics["method"], cost=run.cost, facts=reporting.facts(n), stages=metrics["stages"],
        settings=metrics["settings"], command=metrics["command"], figures=figures, notes=notes,
        versions=metrics["versions"],
    )  # fmt: skip


def sweep_report(out: Path, done: Sweep) -> None:
    """Write `report.html` of a sweep: the table, convergence by netlist, and the best placement of each in full."""
    figures, runs, winners = {}, [], best(done.outcomes)
    for name in done.chips:
        curves = {o.title: o.convergence for o in done.outcomes if o.job.netlist == name and o.metrics.get("history")}
        if curves:
            figures[f"{name}: best cost over time"] = training.convergence(curves, title=name)
    for o in done.outcomes:
        name, title = o.job.netlist, f"{o.job.netlist} · {o.title}"
        if o is winners.get(name):
            runs.append(replace(report_run(o.read(out, done.chips[name])), title=title))
        else:
            cost = {key: o.metrics[key] for key in (*COSTS, "seconds", "cpu_seconds") if key in o.metrics}
            runs.append(Run(name, o.job.settings.method, title, cost, notes=[o.error] if o.error else []))
    report.write(out / "report.html", runs, title="Placements of a sweep", figures=figures)
