"""The command `dse explore`: progress while it searches, the table of the front at its end."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.commands.options import Batch, Sizes, Skip, parse_batch, parse_sizes
from dse.commands.placing import FAILED, SearchPlacer, compare_loops, place_promising
from dse.search import REPRICED, SEARCHES
from netlists.errors import SettingsError
from netlists.runtime.command import say, warn
from netlists.runtime.interrupts import INTERRUPTED
from netlists.runtime.progress import live_bar
from netlists.runtime.ray_connection import LOCAL

if TYPE_CHECKING:
    from dse.exploration.results import Result, StoredDesign
    from dse.exploration.run import ExplorationProgress
    from dse.reports.tables import Table
    from dse.space.space import DesignSpace

LEAST_PLACED = 3
"""Designs that --place prices again, at least: both ends of the front and the knee."""
ROWS = 20
"""Rows of the front that are printed, at most."""
*FIRST_SEARCHES, LAST_SEARCH = SEARCHES
SEARCH_HELP = f"{', '.join(FIRST_SEARCHES)} or {LAST_SEARCH}"
BUDGET_HELP = "Designs to evaluate; all by default, but " + ", ".join(
    f"{search.budget:,} for {search.name}" for search in SEARCHES.values() if search.budget
)
PLACE_HELP = (
    "Price up to N designs again by quick floorplans: during the search with"
    f" {', '.join(REPRICED)}, which says where and learns from it; else on the front"
)
Place = Annotated[int | None, typer.Option(metavar="N", min=LEAST_PLACED, help=PLACE_HELP)]
WireLengths = Annotated[
    str | None, typer.Option(help="fitted to floorplans, or half_side of the chip; by default as in SPACE")
]


def explore(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A .yaml file, or a ready-made space by its name")],
    out: Annotated[Path, typer.Option("--out", help="Folder for results.sqlite, pareto.csv and report.html")],
    search: Annotated[str, typer.Option(help=SEARCH_HELP)] = "exhaustive",
    budget: Annotated[int | None, typer.Option(help=BUDGET_HELP)] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same front, whatever the workers")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processors at most; all by default")] = None,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Of a cluster; auto inside one; local for the cores of this machine")
    ] = LOCAL,
    batch: Batch = None,
    size: Sizes = None,
    skip: Skip = None,
    chunk: Annotated[int | None, typer.Option(help="Designs per task; 20,000 to 200,000 by the space's size")] = None,
    place: Place = None,
    wires: WireLengths = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the folder, also with a larger --budget")
    ] = False,
) -> None:
    """Search a space of designs for several objectives at once; writes the Pareto front.  Ctrl-C keeps what it has.

    Example: dse explore zhang_vx485t --out run --search nsga2 --budget 20000

    On a cluster: ray job submit --working-dir . -- dse explore space.yaml --out /data/run --ray auto

    Such a job runs in a copy of the working directory: --out has to be an absolute path, on the head node.
    """
    from dse.exploration.run import explore as explore_space
    from dse.space.file import load_space

    counts, images = parse_batch(batch)
    design_space = load_space(space, images, parse_sizes(size), skip or (), counts, wires)
    demand_asics(design_space, place)
    placer = SearchPlacer(design_space, place, out, seed, ray, workers) if place and search in REPRICED else None
    try:
        with show_progress() as listener:
            result = explore_space(
                design_space, out, search=search, budget=budget, seed=seed, ray=ray, workers=workers, chunk=chunk,
                resume=resume, on_progress=listener, plan=placer.plan if placer else None,
            )  # fmt: skip
        print_result(result, design_space, out)
        complete = result.complete
    except KeyboardInterrupt:  # during the search, Ctrl-C ends that and returns what it has; this came before or after
        if complete := is_complete(out):
            warn(f"complete; without its report, which `dse report {shlex.quote(str(out))}` writes")
            raise SystemExit(INTERRUPTED) from None
    if not complete:
        options = {"--budget": budget, "--chunk": chunk, "--batch": batch, "--place": place, "--wires": wires}
        lists = {"--size": size, "--skip": skip}
        warn(f"stopped; continue with {write_command(space, out, search, seed, options, lists)} --resume")
        raise SystemExit(INTERRUPTED)
    if placer and placer.loops:
        link_floorplans(result, compare_loops(result, placer.folder, placer.loops))
    elif place and result.front:
        link_floorplans(result, place_promising(result, design_space, place, seed, ray, workers))


def write_command(
    space: str, out: Path, search: str, seed: int, options: Mapping[str, object], lists: Mapping[str, list[str] | None]
) -> str:
    """The command of an exploration, with those options that were given, as a shell takes it."""
    command = ["dse", "explore", space, "--out", str(out), "--search", search, "--seed", str(seed)]
    for name, value in options.items():
        command += [name, str(value)] if value is not None else []
    for name, texts in lists.items():
        command += [word for text in texts or [] for word in (name, text)]
    return shlex.join(command)


def demand_asics(space: DesignSpace, place: int | None) -> None:
    """Raise `SettingsError` if designs of the space are to be placed and some are for FPGAs."""
    if place and any(part.device is not None for part in space.parts):
        raise SettingsError(f"--place makes floorplans, but {space.name} has FPGAs; leave it out")


def link_floorplans(result: Result, whole: bool) -> None:
    """Link the page of the exploration to its floorplans; the exit code says if one of them failed."""
    from dse.commands.pages import write_exploration

    write_exploration(result, result.folder / "report.html")
    if not whole:
        raise typer.Exit(FAILED)


def print_result(result: Result, space: DesignSpace, out: Path) -> None:
    """Write the report of an exploration, and print its front and its counts."""
    from dse.commands.pages import write_exploration
    from dse.commands.printing import print_notes
    from dse.reports.tables import print_table
    from dse.validation.baselines import evaluate_baselines

    write_exploration(result, out / "report.html")
    if result.front:
        print_table(tabulate_front(result, evaluate_baselines(space)))
    say(
        f"{result.evaluated:,} designs evaluated in {result.seconds:,.1f} s, {result.feasible:,} of them feasible,"
        f" {len(result.front):,} on the front: {out / 'pareto.csv'}"
    )
    for sentence in (result.rejections, result.budgets if result.front else ""):
        if sentence:
            say(sentence)
    print_notes([network for network, _ in space.networks])
    say(f"report: {out / 'report.html'}")


def is_complete(out: Path) -> bool:
    """Whether a folder holds an exploration that came to its end."""
    from dse.exploration.results import load_results

    with suppress(SettingsError):
        return load_results(out).complete
    return False


def tabulate_front(result: Result, baselines: Mapping[str, Mapping[str, float]]) -> Table:
    """The front by its first objective, at most ROWS of it with the knee; below it published designs."""
    from dse.exploration.results import KNEE
    from dse.reports.tables import Table

    knee, rows = result.knee, result.thin_front(ROWS)
    objectives = [name for name, _ in result.objectives]
    title = f"{result.name}: {len(result.front):,} designs on the front"
    if len(rows) < len(result.front):
        title += f", {len(rows)} of them"
    cells = [
        [str(row["id"]), *(row[name] for name in objectives), KNEE if row is knee else "", join_parameters(result, row)]
        for row in rows
    ]
    names = [name.removesuffix("_found") for name in objectives]
    cells += [[name, *(metrics.get(key) for key in names), "published", ""] for name, metrics in baselines.items()]
    return Table(title, ["id", *objectives, "", "design"], cells, text_from=len(objectives) + 1)


def join_parameters(result: Result, row: StoredDesign) -> str:
    """The parameters in which the designs of the front differ, in one line."""
    return ", ".join(f"{name} {row[name]}" for name in result.varied_parameters if row[name] is not None)


@contextmanager
def show_progress() -> Iterator[Callable[[ExplorationProgress], None]]:
    """A listener that shows how far the search is."""
    with live_bar() as show:
        yield lambda progress: show(progress_line(progress), progress.evaluated, progress.total)


def progress_line(progress: ExplorationProgress) -> str:
    """How far the search is, its speed, the front and the best value of each objective, in one line."""
    best = [f"{name} {value:.4g}" for name, value in progress.best.items()]
    line = [
        f"{progress.evaluated:,} designs ({progress.evaluated / progress.total:.0%})",
        f"{progress.per_second:,.0f}/s",
        f"front {progress.front:,}",
        *([f"floorplans {progress.placed:,}"] if progress.placed else []),
        *best,
    ]
    return " · ".join(line)
