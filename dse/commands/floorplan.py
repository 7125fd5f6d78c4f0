"""The command `dse floorplan`: designs of an exploration placed, and priced with the wires of their placements."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.commands.placing import FAILED, FLOORPLANS, Subject, link_exploration, place_front, place_netlist
from dse.floorplan.settings import GRANULARITIES, FloorplanSettings
from netlists.errors import SettingsError
from netlists.runtime.command import command_line, say, warn
from netlists.runtime.interrupts import INTERRUPTED, STOPPED, nothing_to_save
from netlists.runtime.lock import hold_folder
from netlists.runtime.output import check_out
from netlists.runtime.progress import live_line
from netlists.runtime.ray_connection import CORES, LOCAL

if TYPE_CHECKING:
    from placer.runs.settings import PlaceSettings

FRONT = "front"
"""The choice of all designs of the front, beside knee and the ids."""
GRANULARITY_HELP = "; ".join(f"{level.name}: {level.summary}" for level in GRANULARITIES.values())


def floorplan(
    design: Annotated[str, typer.Argument(metavar="DIR|DESIGN", help="A folder of dse explore, or a .yaml file")],
    which: Annotated[str, typer.Option("--design", metavar="ID", help=f"Of DIR: an id, knee or {FRONT}")] = "knee",
    out: Annotated[Path | None, typer.Option(help="Folder for the results; DIR/floorplan by default")] = None,
    method: Annotated[str, typer.Option(help="As in placer place")] = "rl",
    budget: Annotated[float, typer.Option(help="Wall-clock seconds of each placement")] = 45.0,
    iterations: Annotated[
        int | None, typer.Option(help="Instead of a budget: the result then depends on seed and workers alone")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads of a placement, or placements of a front at a time")] = CORES,
    seed: Annotated[int, typer.Option(help="The same seed gives the same random numbers")] = 0,
    granularity: Annotated[str, typer.Option(help=GRANULARITY_HELP)] = "medium",
    utilization: Annotated[float, typer.Option(help="Fraction of the canvas that macros cover")] = 0.65,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="For a front: of a cluster; local for the cores of this machine")
    ] = LOCAL,
) -> None:
    """Place a chosen ASIC design, and price it again with the wires of its floorplan.

    Writes netlist and placement (protobuf, Bookshelf), floorplan.png, metrics.json and report.html; for a front a
    folder of each design, and a page that compares them.  The exit code is 1 if one of a front cannot be placed.

    Example: dse floorplan run --design knee --budget 45
    """
    from placer.runs.settings import PlaceSettings

    subject = _load_subject(design, which)
    folder = out or _default_folder(subject, design)
    check_out(folder)
    place_settings = PlaceSettings(method, budget, seed, workers, iterations=iterations)
    settings = FloorplanSettings(granularity, utilization)
    with hold_folder(folder):
        if which == FRONT:
            if not place_front(subject, folder, place_settings, settings, ray):
                raise typer.Exit(FAILED)
        else:
            _place_one(subject, folder, place_settings, settings)


def _load_subject(name: str, which: str) -> Subject:
    """The designs to place, with the networks on which they are evaluated."""
    if not Path(name).is_dir():
        from dse.model.design import load_design

        if which == FRONT:
            raise SettingsError(f"{name} is no folder of dse explore, so it has no front; leave --design out")
        return Subject([(Path(name).stem, load_design(name))], None, None)
    from dse.exploration.results import load_results
    from dse.exploration.selection import rebuild_design, rebuild_space

    result = load_results(name)
    space = rebuild_space(result)
    rows = result.front if which == FRONT else [result.select(which)]
    if not rows:
        raise SettingsError(f"{name}: the front is empty; explore a space with feasible designs")
    return Subject([(str(row["id"]), rebuild_design(space, row)) for row in rows], space.networks, result)


def _default_folder(subject: Subject, name: str) -> Path:
    """Where the results go without --out; raises `SettingsError` for a design file, which has no folder."""
    if subject.result is None:
        raise SettingsError(f"{name} is a design file; give a folder for the results with --out")
    return subject.result.folder / FLOORPLANS


def _place_one(subject: Subject, folder: Path, place_settings: PlaceSettings, settings: FloorplanSettings) -> None:
    """Close the loop for one design, and write its files."""
    from dse.commands.floorplan_pages import write_loop, write_placement
    from dse.floorplan.loop import close_loop
    from dse.reports.floorplan import list_loop_notes, tabulate_prices, tabulate_wires
    from dse.reports.tables import print_table

    ((name, design),) = subject.designs
    stops = list[bool]()
    with nothing_to_save(), live_line() as show:
        placer = partial(
            place_netlist, place_settings, lambda progress: show(progress.line), on_stop=lambda: stops.append(True)
        )
        loop = close_loop(design, placer, place_settings.seed, name=name, workload=subject.workload, settings=settings)
    folder.mkdir(parents=True, exist_ok=True)
    command, links = command_line("dse"), link_exploration(subject.result, folder)
    placement = write_placement(folder, loop, place_settings, command, links)
    write_loop(folder, loop, command, {**links, "Placement": placement})
    for table in (tabulate_wires(loop), tabulate_prices(loop)):
        print_table(table)
    say(list_loop_notes(loop)[0], f"report: {folder / 'report.html'}")
    if stops:
        warn(STOPPED)
        raise SystemExit(INTERRUPTED)
