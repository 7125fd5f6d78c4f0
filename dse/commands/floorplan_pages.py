"""The files and pages of `dse floorplan`: the data of `dse.reports.floorplan`, drawn by `plots`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dse.commands.pages import make_page_table, write_metrics
from dse.floorplan.files import write_floorplan
from dse.floorplan.loop import ClosedLoop
from dse.model.wires import TITLES
from dse.reports.evaluation import format_design
from dse.reports.floorplan import (
    FrontReport,
    format_facts,
    list_loop_notes,
    summarize_loop,
    tabulate_prices,
    tabulate_wires,
)
from netlists.runtime.interrupts import undisturbed
from netlists.runtime.output import replaced_together
from netlists.runtime.versions import read_versions
from placer.cost import summary
from plots import agreement, page, pareto, report, style, traffic

if TYPE_CHECKING:
    from placer.runs.settings import PlaceSettings

FOOTER = (
    "Estimated: the wires with which the design was explored. Placed: measured in the floorplan. Areas: SRAMs and"
    " elements of the array; host, memory controller and pads are not in them."
)
"""The definitions below the pages."""
PICTURE = "floorplan.png"
PLACEMENT_PAGE = "placement.html"


def write_loop(folder: Path, loop: ClosedLoop, command: str, links: Mapping[str, str]) -> None:
    """Write netlist, placement, floorplan.png, metrics.json and report.html of a design, all of them or none.

    Raises `OSError` or `NetlistError` if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with undisturbed(), replaced_together(folder) as part:
        write_files(part, loop, command, links)


def write_files(folder: Path, loop: ClosedLoop, command: str, links: Mapping[str, str]) -> None:
    """Write the files of a design one by one."""
    write_floorplan(folder, loop.placement)
    title = f"Floorplan of design {loop.name} ({loop.design.template})"
    picture = style.png(traffic.draw(loop.placement, loop.net_traffic, TITLES, title))
    style.write(folder / PICTURE, picture)
    metrics = summarize_loop(loop) | {
        "placement": summary(loop.placement), "command": command, "versions": read_versions()
    }  # fmt: skip
    write_metrics(folder, metrics)
    section = page.Section(
        title,
        facts=format_facts(loop),
        notes=list_loop_notes(loop),
        figures={
            "The floorplan; lines are buses from their drivers to their sinks, as wide as they have bits": picture
        },
        tables=[make_page_table(table) for table in (tabulate_prices(loop), tabulate_wires(loop))],
        texts={"Design": format_design(loop.design), "Command": command},
    )
    page.write(folder / "report.html", [section], title=title, footer=FOOTER, links=links)


def write_placement(
    folder: Path, loop: ClosedLoop, settings: PlaceSettings, command: str, links: Mapping[str, str]
) -> str:
    """Write the page of the placement itself, as the placer writes it, and return its name; raises `OSError`."""
    from placer.commands.report_pages import report_placement

    run = replace(
        report_placement(loop.placement), method=settings.method, settings=settings.as_dict(), command=command,
        versions=read_versions(),
    )  # fmt: skip
    title = f"{loop.design.template}: placement by {settings.method}"
    report.write(folder / PLACEMENT_PAGE, [run], title=title, links={**links, "Floorplan": "report.html"})
    return PLACEMENT_PAGE


def write_front(folder: Path, front: FrontReport, placed: Sequence[ClosedLoop], links: Mapping[str, str]) -> None:
    """Write metrics.json and report.html of a front, with links to the pages of its designs; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = {"facts": front.facts, "notes": front.notes, "designs": [summarize_loop(loop) for loop in placed]}
    write_metrics(folder, metrics)
    figures = {}
    if plane := front.plane:
        figures["The front with placed wires, and with estimated ones"] = pareto.draw(
            plane.after, plane.before, labels=plane.labels, better=plane.better, connected=plane.connected,
            background="with estimated wires",
        )  # fmt: skip
    if front.names:
        figures["Energy of the wires of one run, estimated and placed"] = agreement.draw(
            front.placed_mj, {"estimated": front.estimated_mj}, label="mJ", names=front.names
        )
    title = "Floorplans of the front"
    section = page.Section(
        title, facts=front.facts, notes=front.notes, figures=figures,
        tables=[make_page_table(table) for table in (front.moves, front.table)],
    )  # fmt: skip
    links = {**links, **{f"Design {name}": f"{name}/report.html" for name in front.names}}
    page.write(folder / "report.html", [section], title=title, footer=FOOTER, links=links)
