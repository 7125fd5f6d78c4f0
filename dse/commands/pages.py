"""Pages and figures of evaluations and explorations: the data of `dse.reports`, drawn by `plots`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse.exploration.results import KNEE, Result
from dse.model.evaluation import Evaluation
from dse.reports import tables
from dse.reports.evaluation import format_design, format_mappings, list_notes, make_bars, make_roofline, summarize
from dse.reports.exploration import Curves, DesignReport, ExplorationReport, Plane, build_report, format_cell
from plots import energy, exploration, page, pareto, roofline, sensitivity, style

FOOTER = (
    "Cycles: compute (the array works, partial tiles included), fill (pipeline fill and drain, first and last"
    " transfers), stall (waiting for memory beyond both). MB and GB are 1e6 and 1e9 bytes; one MAC is two operations."
    " Energy and power: arithmetic, clock, registers, buffers, wires, leakage, off-chip memory; area: arithmetic,"
    " registers, buffers. Host, memory controller and pads are in neither."
)
"""The definitions below every page."""
ROOFLINE_CAPTION = "Attainable performance against operational intensity; the line is what array and memory allow"
BARS_CAPTION = "Where time and energy go, in the order in which layers run"
LAYERS_HEADING = "Layers"
MEMORY_HEADING = "Accesses, energy and bandwidth of memory"


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write metrics.json, roofline.png, energy.png and report.html to a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{evaluation.network.name} on {evaluation.design.template}"
    roofline_png, bars_png = _draw_layers(evaluation, title)
    style.write(folder / "roofline.png", roofline_png)
    style.write(folder / "energy.png", bars_png)
    write_metrics(folder, summarize(evaluation))
    misfits = sorted({f"Does not run: {reason}." for reason in evaluation.reasons if reason})
    section = page.Section(
        title,
        facts=tables.format_totals(evaluation),
        notes=[*list_notes([evaluation.network]), *misfits],
        figures={ROOFLINE_CAPTION: roofline_png, BARS_CAPTION: bars_png},
        tables=[
            page.Table(heading, table.columns, [[tables.format_number(value) for value in row] for row in table.rows])
            for heading, table in _layer_tables(evaluation).items()
        ],
        texts={"Design": format_design(evaluation.design), "Mappings": format_mappings(evaluation)},
    )
    page.write(folder / "report.html", [section], title=title, footer=FOOTER)


def write_exploration(result: Result, file: Path, which: str = KNEE) -> None:
    """Write the page of an exploration, with one design in detail: the knee or an id; raises `DesignError`.

    It has a link to the floorplans of the exploration, if they were made in their usual folder.
    """
    floorplans = result.folder / "floorplan" / "report.html"
    links = {"Floorplan": os.path.relpath(floorplans, file.parent)} if floorplans.exists() else {}
    exploration.write(file, _draw_exploration(build_report(result, which)), footer=FOOTER, links=links)


def _draw_layers(evaluation: Evaluation, title: str = "") -> tuple[bytes, bytes]:
    """The roofline and the bars of an evaluation, as PNG."""
    points, bars = make_roofline(evaluation), make_bars(evaluation)
    figure = roofline.draw(
        points.names,
        points.intensity,
        points.gops,
        peak_gops=points.peak_gops,
        bandwidth_gb_s=points.bandwidth_gb_s,
        share=points.seconds,
        title=title,
    )
    return style.png(figure), style.png(energy.draw(bars.names, bars.latency_ms, bars.energy_mj, title=title))


def _layer_tables(evaluation: Evaluation) -> dict[str, tables.Table]:
    """The tables of an evaluation by heading; that of the memory only if the design runs."""
    layers = {LAYERS_HEADING: tables.make_layer_table(evaluation)}
    memory = {MEMORY_HEADING: tables.make_memory_table(evaluation)} if evaluation.feasible else {}
    return layers | memory


def _draw_exploration(report: ExplorationReport) -> exploration.Exploration:
    convergence = influence = None
    if report.convergence:
        convergence = style.png(pareto.converged(report.convergence.evaluations, report.convergence.hypervolume))
    if report.influence:
        influence = style.png(sensitivity.bars(report.influence.names, report.influence.effects))
    content = exploration.Exploration(
        report.title,
        report.heading,
        report.story,
        convergence=convergence,
        influence=influence,
        influence_note=report.influence.note if report.influence else "",
        front=make_page_table(report.front) if report.front else None,
    )
    return content if report.design is None else _add_design(content, report.design)


def _add_design(content: exploration.Exploration, design: DesignReport) -> exploration.Exploration:
    """The page with a design in detail."""
    roofline_png, bars_png = _draw_layers(design.evaluation)
    return replace(
        content,
        facts=design.facts,
        design=design.file,
        comparison=make_page_table(design.comparison),
        scatters={caption: _draw_plane(plane) for caption, plane in design.planes.items()},
        sweeps={caption: _draw_curves(curves) for caption, curves in design.curves.items()},
        network=design.evaluation.network.name,
        layers={ROOFLINE_CAPTION: roofline_png, BARS_CAPTION: bars_png},
        layer_tables=[make_page_table(table, heading) for heading, table in _layer_tables(design.evaluation).items()],
        mappings=format_mappings(design.evaluation),
    )


def _draw_plane(plane: Plane) -> bytes:
    figure = pareto.draw(
        plane.front,
        plane.sample,
        labels=plane.labels,
        better=plane.better,
        chosen=plane.marked,
        published=plane.published,
        connected=plane.connected,
    )
    return style.png(figure)


def _draw_curves(curves: Curves) -> bytes:
    figure = sensitivity.sweep(curves.name, curves.values, curves.curves, feasible=curves.feasible, own=curves.own)
    return style.png(figure)


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write metrics.json to a folder, whole or not at all."""
    style.write(folder / "metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())


def make_page_table(table: tables.Table, heading: str = "") -> page.Table:
    """A table of a page on which integers have no decimals."""
    cells = [[format_cell(value) for value in row] for row in table.rows]
    return page.Table(heading or table.title, table.columns, cells, table.texts)
