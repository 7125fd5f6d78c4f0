"""The command `placer place`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from netlists.formats.lefdef.writer import demand_tool
from netlists.runtime.command import command_line, say
from netlists.runtime.interrupts import INTERRUPTED, loading, nothing_to_save, undisturbed
from netlists.runtime.lock import hold_folder
from netlists.runtime.output import check_out
from netlists.runtime.progress import live_line
from netlists.runtime.ray_connection import CORES
from placer.commands.options import (
    RAY_HELP,
    Channel,
    ConstraintsFile,
    Device,
    Fix,
    Follow,
    Grid,
    Halo,
    Lef,
    NetlistPath,
    OutDir,
    PlcFile,
    Seed,
    Unfix,
    Weights,
    Workers,
    load_netlist,
    parse_source,
)
from placer.commands.terminal import describe_cluster, print_cost_table, select_rows
from placer.runs.methods import METHOD_NAMES, METHODS

if TYPE_CHECKING:
    from pathlib import Path

    from netlists.netlist import Netlist
    from placer.runs.pipeline import Result
    from placer.runs.run_folder import FinishedRun, Source
    from placer.runs.settings import PlaceSettings

FORCE_HELP = "Replace a finished run in the folder that is of another netlist or better; otherwise it stays"
"""About `--force`."""


def run(
    netlist: NetlistPath,
    out: OutDir,
    method: Annotated[str, typer.Option(help=METHOD_NAMES)] = "rl",
    budget: Annotated[float, typer.Option(help="Wall-clock seconds, loading and writing files not included")] = 120.0,
    iterations: Annotated[
        int | None, typer.Option(help="Instead of a budget: the result then depends on seed and workers alone")
    ] = None,
    workers: Workers = CORES,
    seed: Seed = 0,
    weights: Weights = None,
    refine: Annotated[bool, typer.Option(help="Improve the result of the method at the end")] = True,
    start: Annotated[str, typer.Option(help="scratch, or given: refine the input's placement")] = "scratch",
    device: Device = "auto",
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"Refine on Ray. {RAY_HELP}")] = None,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    fix: Fix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
    constraints: ConstraintsFile = None,
    halo: Halo = None,
    channel: Channel = None,
    tcl: Annotated[str, typer.Option(help="Tool for the macros.tcl of DEF designs: openroad or innovus")] = "openroad",
) -> None:
    """Place a netlist; writes the placement, metrics.json, placement.png, report.html.  Ctrl-C keeps the best so far.

    Example: placer place harbor --out run --budget 240
    """
    with loading():
        from placer.runs.settings import PlaceSettings

        if method in METHODS and METHODS[method].uses_torch:
            import torch  # noqa: F401
    settings = PlaceSettings(
        method, budget, seed, workers, weights, refine, iterations, start=start, device=device, ray=ray
    )
    source = parse_source(netlist, plc, grid, unfix, lef, constraints, halo, channel, fix)
    demand_tool(tcl)
    with nothing_to_save():
        chip = load_netlist(source, follow_outside)
        check_out(out)
    with hold_folder(out):
        result, kept = place_into(out, chip, settings, source, force, tcl)
    print_result(result)
    if kept:
        say(f"kept the finished run in {out}: {kept}, which was not written; --force writes it in any case")
    else:
        print_closing(result, out)
    if result.interrupted:
        raise SystemExit(INTERRUPTED)


def place_into(
    out: Path, chip: Netlist, settings: PlaceSettings, source: Source, force: bool, tcl: str
) -> tuple[Result, str]:
    """Place a netlist and write the result to a folder, unless a better one is there; returns why that is kept."""
    from placer.runs.pipeline import place
    from placer.runs.run_folder import read_earlier_run, reason_to_keep, write_run

    with nothing_to_save():
        earlier = None if force else read_earlier_run(out, chip)
        with live_line() as show:
            result = place(chip, settings, progress=lambda progress: show(progress.line))
            with undisturbed() as came:
                kept = reason_to_keep(earlier, result.metrics, chip) if earlier else ""
                finished = None if kept else write_run(out, result, source, command_line("placer"), tcl)
                result = replace(result, interrupted=result.interrupted or bool(came))
                came.clear()
    if finished:
        write_pages(finished)
    return result, kept


def print_result(result: Result) -> None:
    """Print the costs and times of a run as a table."""
    from placer.runs.run_folder import COSTS

    cost = {key: result.metrics[key] for key in (*COSTS, "seconds", "cpu_seconds")}
    title = f"{result.placement.netlist.name} · {result.settings.method}"
    print_cost_table(title, cost, select_rows(cost), result.metrics["lower_bounds"])


def print_closing(result: Result, out: Path) -> None:
    """Print what a cluster did, if one was used, and where the report is."""
    if cluster := result.metrics.get("cluster"):
        say(describe_cluster(cluster))
    say(f"report: {out / 'report.html'}")


def write_pages(finished: FinishedRun) -> None:
    """Write `placement.png` and `report.html` beside the other files of a run; raises `OSError`."""
    from placer.commands.report_pages import link_origins, report_run, write_png
    from placer.runs.run_folder import PAGES
    from plots import report

    page = report_run(finished)
    assert page.view
    picture, html = PAGES
    write_png(finished.folder / picture, page.view.still)
    title = f"{finished.placement.netlist.name}: placement by {finished.metrics['method']}"
    links = link_origins(finished.metrics["source"]["path"], finished.folder)
    report.write(finished.folder / html, [page], title=title, links=links)
