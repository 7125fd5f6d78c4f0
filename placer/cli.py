"""The command `placer`: evaluate, place, train, sweep, convert, cluster, report and info.

Libraries that take seconds to load (torch, matplotlib) are imported by the commands that need them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netlists.legality.verdict import COUNTS
from netlists.runtime.command import run as run_command
from netlists.runtime.interrupts import INTERRUPTED, NOTHING, loading
from netlists.runtime.output import check_out
from netlists.runtime.ray_connection import LOCAL
from placer.annealing.ray_cluster import CORES
from placer.commands.info import info
from placer.commands.options import (
    Device,
    Grid,
    NetlistPath,
    OutDir,
    PlacementPath,
    PlcFile,
    Seed,
    SourcePath,
    TargetPath,
    Unfix,
    Weights,
    Workers,
    command_line,
    loaded,
    source,
)
from placer.commands.terminal import cluster_line, cost_table, shown_progress, shown_rows, shown_sweep, with_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORCE_HELP = "Replace a finished run in the folder that is of another netlist or better; otherwise it stays"
RAY_HELP = "Of a cluster; auto within one; local for this machine's cores"
COST_ROWS = ("proxy", "wirelength", "density", "congestion", "hpwl_um", "legal", *COUNTS)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def print_version(asked: bool) -> None:
    """Print the version of the package and end the command, if that is asked for."""
    if not asked:
        return
    try:
        print(f"placer {version('chipscape')}")
    except PackageNotFoundError:
        print("placer, from a checkout that is not installed")
    raise typer.Exit


@app.callback()
def main_options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Place the macros of a chip.  Each command explains itself: placer COMMAND --help"""


@app.command()
def evaluate(
    netlist: NetlistPath,
    placement: PlacementPath = None,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table")] = False,
) -> None:
    """Print the exact proxy cost of a placement.

    Example: placer evaluate harbor --placement run/placement.plc --json
    """
    from netlists import Placement, load_placement
    from placer.cost import lower_bounds, summary

    chip = loaded(source(netlist, plc, grid, unfix))
    placed = load_placement(chip, placement) if placement else Placement.given(chip)
    found = summary(placed)
    if as_json:
        print(json.dumps(found))
    else:
        cost_table(chip.name, found, shown_rows(found), lower_bounds(chip).as_dict())


@app.command()
def place(
    netlist: NetlistPath,
    out: OutDir,
    method: Annotated[str, typer.Option(help="rl, gradient, greedy, random or anneal")] = "rl",
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
) -> None:
    """Place a netlist; writes the placement, metrics.json, placement.png, report.html.  Ctrl-C keeps the best so far.

    Example: placer place harbor --out run --budget 240
    """
    with loading():
        from placer.runs.pipeline import place as run_stages
        from placer.runs.run_folder import write_run
        from placer.runs.settings import PlaceSettings
        from placer.runs.standing import better, standing

        if method in ("rl", "gradient"):
            import torch  # noqa: F401
    settings = PlaceSettings(
        method, budget, seed, workers, weights, refine, iterations, start=start, device=device, ray=ray
    )
    where = source(netlist, plc, grid, unfix)
    with nothing_found_at_ctrl_c():
        chip = loaded(where)
        check_out(out)
        old = None if force else standing(out, chip)
        with shown_progress() as show:
            result = run_stages(chip, settings, progress=show)
    shown = {key: result.metrics[key] for key in (*COST_ROWS, "seconds", "cpu_seconds")}
    rows, bounds = shown_rows(shown), result.metrics["lower_bounds"]
    if old and (why := better(old, result.metrics, chip)):
        cost_table(f"{chip.name} · {method}", shown, rows, bounds)
        print(f"kept the finished run in {out}: {why}, which was not written; --force writes it in any case")
        raise typer.Exit(INTERRUPTED if result.interrupted else 0)
    done = write_run(out, result, where, command_line())
    from placer.commands.report_pages import report_run
    from plots import report

    run = report_run(done)
    assert run.view
    write_png(out / "placement.png", run.view.still)
    report.write(out / "report.html", [run], title=f"{chip.name}: placement by {method}")
    cost_table(f"{chip.name} · {method}", shown, rows, bounds)
    if cluster := result.metrics.get("cluster"):
        print(cluster_line(cluster))
    print(f"report: {out / 'report.html'}")
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)


def train(
    netlists: Annotated[list[str], typer.Argument(metavar="NETLIST...", help="One or several netlists")],
    out: OutDir,
    budget: Annotated[float | None, typer.Option(help="Wall-clock seconds; 600 unless --iterations is given")] = None,
    iterations: Annotated[int | None, typer.Option(help="Instead of a budget, resumed ones included")] = None,
    workers: Workers = CORES,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"Play on Ray. {RAY_HELP}")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    unfix: Unfix = None,
    **learner: Any,
) -> None:
    """Train the agent on netlists; writes checkpoints, history.csv, training.png, TensorBoard scalars.  Ctrl-C saves.

    Example: placer train harbor --out weights --budget 600
    """
    with loading():
        from placer.agent.ppo import PPOSettings
        from placer.agent.training import Training, TrainSettings
        from placer.runs import run_folder

    if budget is None and iterations is None:
        budget = 600.0
    settings = TrainSettings(budget, iterations, seed, workers, resume, ray, device)
    with nothing_found_at_ctrl_c():
        chips = [loaded(source(name, unfix=unfix)) for name in netlists]
        check_out(out)
        training = Training(chips, PPOSettings(**learner), out, settings)
        with shown_progress() as show:
            interrupted = training.run(show)
        if interrupted and not training.history:
            raise KeyboardInterrupt
    if training.history:
        from plots import training as learning

        rows = [row for row in training.history if row["netlist"] == chips[0].name]
        write_png(out / "training.png", learning.draw(run_folder.curves(rows), title=chips[0].name))
    if training.ended:
        print(training.ended)
    print(f"weights: {out / 'weights.safetensors'} (iteration {training.snapshot.iteration})")
    if interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def sweep(
    netlists: Annotated[list[str], typer.Argument(metavar="NETLIST...", help="One or several netlists")],
    out: OutDir,
    methods: Annotated[str, typer.Option(help="Joined by commas")] = "rl,anneal,greedy,random",
    seeds: Annotated[int, typer.Option(help="Runs of each method, with the seeds 0, 1, ...")] = 1,
    budget: Annotated[float, typer.Option(help="Wall-clock seconds of each run")] = 120.0,
    workers: Annotated[int, typer.Option(help="Threads of each run")] = 1,
    weights: Weights = None,
    device: Device = "auto",
    ray: Annotated[str, typer.Option(metavar="ADDRESS", help=RAY_HELP)] = LOCAL,
    resume: Annotated[bool, typer.Option("--resume", help="Do not repeat finished runs of the same settings")] = False,
    unfix: Unfix = None,
) -> None:
    """Place netlists by several methods and seeds, one Ray task a run; writes a folder a run, results.csv, report.html.

    Example: placer sweep harbor jetty --out sweep --methods rl,anneal --seeds 3 --budget 60
    """
    with loading():
        from placer.commands.report_pages import sweep_report
        from placer.runs.settings import PlaceSettings
        from placer.runs.sweep import sweep as run_all

    settings = PlaceSettings(budget_s=budget, workers=workers, weights=weights, device=device)
    check_out(out)
    with nothing_found_at_ctrl_c():
        with shown_sweep() as show:
            done = run_all(
                [source(name, unfix=unfix) for name in netlists], out, methods=methods.split(","), seeds=seeds,
                settings=settings, address=ray, resume=resume, command=command_line(), progress=show, load=loaded,
            )  # fmt: skip
        if done.interrupted and not done.outcomes:
            raise KeyboardInterrupt
    sweep_report(out, done)
    print(f"{len(done.outcomes)} runs, {done.resumed} of them finished before, {done.failed} failed")
    print(f"report: {out / 'report.html'}")
    if done.interrupted or done.failed:
        raise typer.Exit(INTERRUPTED if done.interrupted else 1)


@app.command()
def convert(
    source_file: SourcePath,
    target: TargetPath,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
) -> None:
    """Write a netlist in another format.

    Example: placer convert ibm01.aux ibm01.pb.txt.gz
    """
    from netlists import save

    save(loaded(source(source_file, plc, grid, unfix)), target)


@app.command()
def cluster(
    source_file: SourcePath,
    target: TargetPath,
    clusters: Annotated[int | None, typer.Option(help="Number of soft macros; from the number of cells")] = None,
    seed: Seed = 0,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
) -> None:
    """Group the standard cells of a netlist into soft macros.

    Example: placer cluster ibm01.aux ibm01.pb.txt.gz --clusters 300
    """
    from netlists import save
    from netlists.cluster import cluster as group

    save(group(loaded(source(source_file, plc, grid, unfix)), clusters, seed=seed).netlist, target)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders written by placer place")],
    out: Annotated[Path, typer.Option("--out", help="The .html file to write")],
) -> None:
    """Compare finished runs on one HTML page.

    Example: placer report run/rl run/greedy --out comparison.html
    """
    from placer.commands.report_pages import comparison
    from placer.runs.run_folder import read_run

    runs = [read_run(folder) for folder in folders]
    out.parent.mkdir(parents=True, exist_ok=True)
    comparison(out, runs)
    print(f"report: {out}")


app.command()(info)


@contextmanager
def nothing_found_at_ctrl_c() -> Iterator[None]:
    """Ctrl-C ends the command in one line, as there is nothing to be saved yet."""
    try:
        yield
    except KeyboardInterrupt:
        print(NOTHING, end="", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


def write_png(path: Path, figure: Figure | bytes) -> None:
    """Write a figure, whole or not at all."""
    from plots import style

    style.write(path, figure if isinstance(figure, bytes) else style.png(figure))


def main() -> None:
    """Run the command in `sys.argv`; errors of the user's making are one line and exit code 2."""
    learner: type[Any] | None = None
    if sys.argv[1:2] == ["train"]:  # torch takes seconds to load: not for the other commands
        with loading():
            from placer.agent.ppo import PPOSettings as learner
    app.command("train")(with_settings(train, learner))
    run_command(app)
