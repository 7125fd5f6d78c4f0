"""What the commands that place designs share: one netlist placed, a front placed, quick placements after a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dse.floorplan.settings import FloorplanSettings
from netlists.runtime.command import command_line, say, warn
from netlists.runtime.lock import hold_folder
from netlists.runtime.progress import live_bar
from netlists.runtime.ray_connection import CORES

if TYPE_CHECKING:
    from dse.exploration.results import Result
    from dse.floorplan.loop import ClosedLoop, FailedLoop, Workload
    from dse.model.design import Design
    from dse.space.space import DesignSpace
    from netlists.netlist import Netlist
    from netlists.placement import Placement
    from placer.incumbent import RunProgress
    from placer.runs.settings import PlaceSettings

FAILED = 1
"""The exit code if a design of a front has no floorplan."""
QUICK_METHOD = "gradient"
"""The method of quick placements: a few seconds each, with a single iteration."""
QUICK_GRANULARITY = "coarse"


class Subject(NamedTuple):
    """What is to be placed: designs by name, on the networks of their exploration or, for a file, on its own."""

    designs: Sequence[tuple[str, Design]]
    workload: Workload | None
    result: Result | None


def place_netlist(
    settings: PlaceSettings,
    listener: Callable[[RunProgress], None] | None,
    netlist: Netlist,
    *,
    seed: int,
    on_stop: Callable[[], None] = lambda: None,
) -> Placement:
    """Place the netlist of a design by `placer.place`; `on_stop` is called if Ctrl-C ended that early."""
    from placer.runs.pipeline import place

    result = place(netlist, settings, seed=seed, progress=listener)
    if result.interrupted:
        on_stop()
    return result.placement


def place_front(
    subject: Subject, folder: Path, place_settings: PlaceSettings, settings: FloorplanSettings, ray: str
) -> bool:
    """Close the loop for designs of a front, and write the files of each one and the page of all.

    Returns whether all have a floorplan.
    """
    from dse.commands.floorplan_pages import write_front, write_loop
    from dse.floorplan.loop import ClosedLoop, close_loops
    from dse.reports.floorplan import report_front
    from dse.reports.tables import print_table

    assert subject.result
    placer = partial(place_netlist, replace(place_settings, workers=1), None)
    total, done = len(subject.designs), list[str]()
    with live_bar() as show:

        def keep(loop: ClosedLoop | FailedLoop) -> None:
            if isinstance(loop, ClosedLoop):
                write_loop(folder / loop.name, loop, command_line("dse"), {"Front": "../report.html"})
            done.append(loop.name)
            show(f"{len(done)} of {total} designs", len(done), total)

        loops = close_loops(
            subject.designs, placer, place_settings.seed, workload=subject.workload, settings=settings, ray=ray,
            workers=place_settings.workers, on_done=keep,
        )  # fmt: skip
    placed = [loop for loop in loops if isinstance(loop, ClosedLoop)]
    report = report_front(subject.result, loops)
    write_front(folder, report, placed, link_exploration(subject, folder))
    print_table(report.table)
    for note in report.notes:
        warn(note)
    say(f"report: {folder / 'report.html'}")
    return len(placed) == total


def link_exploration(subject: Subject, folder: Path) -> dict[str, str]:
    """The page of the exploration, as an address relative to the folder of a floorplan."""
    page = subject.result.folder / "report.html" if subject.result else None
    return {"Exploration": os.path.relpath(page, folder)} if page and page.exists() else {}


def place_promising(result: Result, space: DesignSpace, count: int, seed: int, ray: str, workers: int | None) -> bool:
    """Price designs of a front again, at most `count` of them, with the wires of quick placements.

    They lie evenly along the front, with the knee, and their pages are in the folder of the exploration.  The result
    depends on the seed alone.  Returns whether all have a floorplan.
    """
    from dse.exploration.selection import rebuild_design
    from placer.runs.settings import PlaceSettings

    designs = [(str(row["id"]), rebuild_design(space, row)) for row in result.thin_front(count)]
    settings = PlaceSettings(QUICK_METHOD, seed=seed, workers=workers or CORES, iterations=1)
    subject, folder = Subject(designs, space.networks, result), result.folder / "floorplan"
    with hold_folder(folder):
        return place_front(subject, folder, settings, FloorplanSettings(QUICK_GRANULARITY), ray)
