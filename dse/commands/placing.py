"""What the commands that place designs share: one netlist placed, a front placed, quick placements after a search."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
    from dse.templates.base import Floats, Ints
    from netlists.netlist import Netlist
    from netlists.placement import Placement
    from placer.incumbent import RunProgress
    from placer.runs.settings import PlaceSettings

FAILED = 1
"""The exit code if a design of a front has no floorplan."""
QUICK_METHOD = "gradient"
"""The method of quick placements: a few seconds each, with a single iteration."""
QUICK_GRANULARITY = "coarse"
FLOORPLANS = "floorplan"
"""Name of the folder of floorplans in that of an exploration."""


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
    assert subject.result
    total, done = len(subject.designs), list[str]()
    with live_bar() as show:

        def keep(loop: ClosedLoop | FailedLoop) -> None:
            _keep_loop(folder, loop)
            done.append(loop.name)
            show(f"{len(done)} of {total} designs", len(done), total)

        loops = _close_all(subject, place_settings, settings, ray, keep)
    return compare_loops(subject.result, folder, loops)


def _close_all(
    subject: Subject, place_settings: PlaceSettings, settings: FloorplanSettings, ray: str,
    on_done: Callable[[ClosedLoop | FailedLoop], None],
) -> list[ClosedLoop | FailedLoop]:  # fmt: skip
    """The loops of all designs, side by side, each placed on one thread."""
    from dse.floorplan.loop import close_loops

    placer = partial(place_netlist, replace(place_settings, workers=1), None)
    return close_loops(
        subject.designs, placer, place_settings.seed, workload=subject.workload, settings=settings, ray=ray,
        workers=place_settings.workers, on_done=on_done,
    )  # fmt: skip


def _keep_loop(folder: Path, loop: ClosedLoop | FailedLoop) -> None:
    """Write the files of a design of several, if it has a floorplan, to its own folder."""
    from dse.commands.floorplan_pages import write_loop
    from dse.floorplan.loop import ClosedLoop

    if isinstance(loop, ClosedLoop):
        write_loop(folder / loop.name, loop, command_line("dse"), {"Front": "../report.html"})


def compare_loops(result: Result, folder: Path, loops: Sequence[ClosedLoop | FailedLoop]) -> bool:
    """Write and print how placed wires change the front of an exploration; returns whether all have a floorplan."""
    from dse.commands.floorplan_pages import write_front
    from dse.floorplan.loop import ClosedLoop
    from dse.reports.floorplan import report_front
    from dse.reports.tables import print_table

    placed = [loop for loop in loops if isinstance(loop, ClosedLoop)]
    report = report_front(result, loops)
    write_front(folder, report, placed, link_exploration(result, folder))
    print_table(report.table)
    for note in report.notes:
        warn(note)
    say(f"report: {folder / 'report.html'}")
    return len(placed) == len(loops)


def link_exploration(result: Result | None, folder: Path) -> dict[str, str]:
    """The page of the exploration, if there is one, as an address relative to the folder of a floorplan."""
    page = result.folder / "report.html" if result else None
    return {"Exploration": os.path.relpath(page, folder)} if page and page.exists() else {}


def quick_settings(seed: int, workers: int | None) -> PlaceSettings:
    """Those of quick placements, whose results depend on the seed alone."""
    from placer.runs.settings import PlaceSettings

    return PlaceSettings(QUICK_METHOD, seed=seed, workers=workers or CORES, iterations=1)


def place_promising(result: Result, space: DesignSpace, count: int, seed: int, ray: str, workers: int | None) -> bool:
    """Price designs of a front again, at most `count` of them, with the wires of quick placements.

    They lie evenly along the front, with the knee, and their pages are in the folder of the exploration.  The result
    depends on the seed alone.  Returns whether all have a floorplan.
    """
    from dse.exploration.selection import rebuild_design

    designs = [(str(row["id"]), rebuild_design(space, row)) for row in result.thin_front(count)]
    subject, folder = Subject(designs, space.networks, result), result.folder / FLOORPLANS
    with hold_folder(folder):
        return place_front(subject, folder, quick_settings(seed, workers), FloorplanSettings(QUICK_GRANULARITY), ray)


class SearchPlacer:
    """Places designs while a search runs, and keeps their loops; the pages are in the folder of the exploration."""

    def __init__(self, space: DesignSpace, most: int, folder: Path, seed: int, ray: str, workers: int | None) -> None:
        from dse.exploration.repricing import PlacementPlan

        self.plan = PlacementPlan(most, self.price)
        self.space, self.folder, self.seed, self.ray, self.workers = space, folder / FLOORPLANS, seed, ray, workers
        self.loops: list[ClosedLoop | FailedLoop] = []

    def price(self, numbers: Ints) -> Floats:
        """Objectives [m, K] of designs [m] with the wires of quick placements, smaller is better; infinite: none.

        Raises `KeyboardInterrupt` if Ctrl-C has ended the placements.
        """
        from dse.floorplan.loop import STOPPED, ClosedLoop
        from dse.model.design import Design

        designs = [(str(number), Design.model_validate(self.space.describe(number))) for number in numbers.tolist()]
        subject, settings = Subject(designs, self.space.networks, None), quick_settings(self.seed, self.workers)
        keep = partial(_keep_loop, self.folder)
        loops = _close_all(subject, settings, FloorplanSettings(QUICK_GRANULARITY), self.ray, keep)
        if any(not isinstance(loop, ClosedLoop) and loop.reason == STOPPED for loop in loops):
            raise KeyboardInterrupt
        self.loops += loops
        return np.array([self._sign_objectives(number, loop) for number, loop in zip(numbers, loops, strict=True)])

    def _sign_objectives(self, number: int, loop: ClosedLoop | FailedLoop) -> list[float]:
        """Objectives [K] of a design; those that wires do not change, as accuracy, are those of its evaluation."""
        from dse.floorplan.loop import ClosedLoop
        from dse.search.pareto import signs

        if not isinstance(loop, ClosedLoop):
            return [np.inf] * len(self.space.objectives)
        own = self.space.evaluate(np.array([number])).metrics
        values = [loop.after.metrics.get(name, float(own[name][0])) for name, _ in self.space.objectives]
        signed: list[float] = (np.array(values) * signs(self.space.objectives)).tolist()
        return signed
