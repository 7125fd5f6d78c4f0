"""The command `placer sweep`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from netlists.runtime.command import command_line, say
from netlists.runtime.interrupts import INTERRUPTED, loading, nothing_to_save
from netlists.runtime.lock import hold_folder
from netlists.runtime.output import check_out
from netlists.runtime.progress import live_line
from netlists.runtime.ray_connection import LOCAL
from placer.commands.options import (
    RAY_HELP,
    Device,
    Follow,
    Lef,
    NetlistPaths,
    OutDir,
    Unfix,
    Weights,
    load_netlist,
    parse_source,
)
from placer.runs.methods import SWEEP_METHODS

FAILED = 1
"""The exit code if runs failed."""


def run(
    netlists: NetlistPaths,
    out: OutDir,
    methods: Annotated[str, typer.Option(help="Joined by commas")] = ",".join(SWEEP_METHODS),
    seeds: Annotated[int, typer.Option(help="Runs of each method, with the seeds 0, 1, ...")] = 1,
    budget: Annotated[float, typer.Option(help="Wall-clock seconds of each run")] = 120.0,
    workers: Annotated[int, typer.Option(help="Threads of each run")] = 1,
    weights: Weights = None,
    device: Device = "auto",
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help=RAY_HELP)] = LOCAL,
    resume: Annotated[bool, typer.Option("--resume", help="Do not repeat finished runs of the same settings")] = False,
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
) -> None:
    """Place netlists by several methods and seeds, one Ray task a run; writes a folder a run, results.csv, report.html.

    Example: placer sweep harbor jetty --out sweep --methods rl,anneal --seeds 3 --budget 60
    """
    with loading():
        from placer.commands.report_pages import write_sweep_report
        from placer.runs.settings import PlaceSettings
        from placer.runs.sweep import sweep

    settings = PlaceSettings(budget_s=budget, workers=workers, weights=weights, device=device)
    check_out(out)
    with hold_folder(out):
        with nothing_to_save():
            with live_line() as show:
                result = sweep(
                    [parse_source(name, unfix=unfix, lef=lef) for name in netlists], out, methods=methods.split(","),
                    seeds=seeds, settings=settings, address=ray, resume=resume, command=command_line("placer"),
                    load=partial(load_netlist, follow_outside=follow_outside),
                    progress=lambda progress: show(progress.line),
                )  # fmt: skip
            if result.interrupted and not result.outcomes:
                raise KeyboardInterrupt
        write_sweep_report(out, result)
    say(f"{len(result.outcomes)} runs, {result.resumed} of them finished before, {result.failed} failed")
    say(f"report: {out / 'report.html'}")
    if result.interrupted or result.failed:
        raise SystemExit(INTERRUPTED if result.interrupted else FAILED)
