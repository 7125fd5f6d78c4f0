"""The command `dse explore`: progress while it searches, the table of the front at the end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.commands.network_options import Batch, Sizes, Skip, batch_of, sizes_of
from netlists.errors import SettingsError
from netlists.runtime.interrupts import INTERRUPTED
from netlists.runtime.progress import live_bar
from netlists.runtime.ray_connection import LOCAL

if TYPE_CHECKING:
    from dse.exploration.results import Result, Row
    from dse.exploration.run import Progress
    from dse.reports.tables import Table
    from dse.space.space import DesignSpace

ROWS = 20  # of the printed front
STARTING = "starting; the first time kernels are compiled, for about a minute"


def explore(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="A .yaml file, or a ready-made space by its name")],
    out: Annotated[Path, typer.Option("--out", help="Folder for results.sqlite, pareto.csv and report.html")],
    search: Annotated[str, typer.Option(help="exhaustive, random, nsga2, nsga3 or bayes")] = "exhaustive",
    budget: Annotated[int | None, typer.Option(help="Designs to evaluate; all, 20,000 (nsga) or 1,000 (bayes)")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same front, whatever the workers")] = 0,
    workers: Annotated[int | None, typer.Option(help="Processors at most; all by default")] = None,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Of a cluster; auto within one; local for this machine's cores")
    ] = LOCAL,
    batch: Batch = None,
    size: Sizes = None,
    skip: Skip = None,
    chunk: Annotated[int | None, typer.Option(help="Designs a task; 20,000 to 200,000 by the space's size")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in the folder, with a larger --budget too")] = False,
) -> None:
    """Search a space of designs for several objectives at once; writes the Pareto front.  Ctrl-C keeps what it has.

    Example: dse explore zhang_vx485t --out run --search nsga2 --budget 20000

    On a cluster: ray job submit --working-dir . -- dse explore space.yaml --out /data/run --ray auto

    Such a job runs in a copy of the working directory: --out has to be an absolute path, on the head node.
    """
    from dse.exploration.run import explore as run
    from dse.space.file import load_space

    again = ["dse", "explore", space, "--out", str(out), "--search", search, "--seed", str(seed)]
    for name, given in (("--budget", budget), ("--chunk", chunk), ("--batch", batch)):
        again += [name, str(given)] if given is not None else []
    for name, texts in (("--size", size), ("--skip", skip)):
        again += [word for text in texts or [] for word in (name, text)]
    counts, images = batch_of(batch)
    spanned = load_space(space, images, sizes_of(size), skip or (), counts)
    try:
        with shown() as show:
            result = run(
                spanned, out, search=search, budget=budget, seed=seed, ray=ray, workers=workers, chunk=chunk,
                resume=resume, on_progress=show,
            )  # fmt: skip
        tell(result, spanned, out)
        complete = result.complete
    except KeyboardInterrupt:  # the search itself ends with what it has; this came before or after it
        if complete := is_complete(out):
            print(f"complete; without its report, which `dse report {shlex.quote(str(out))}` writes", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    if not complete:
        print(f"stopped; go on with {shlex.join(again)} --resume", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


def tell(result: Result, space: DesignSpace, out: Path) -> None:
    """Print what an exploration has found, and write its report."""
    from dse.cli import show_notes, write_report
    from dse.reports import tables
    from dse.validation.baselines import rivals_of

    if result.front:
        tables.show(front_table(result, rivals_of(space)))
    print(
        f"{result.evaluated:,} designs evaluated in {result.seconds:,.1f} s, {result.feasible:,} of them feasible,"
        f" {len(result.front):,} on the front: {out / 'pareto.csv'}"
    )
    for sentence in (result.rejected, result.budgets if result.front else ""):
        if sentence:
            print(sentence)
    show_notes([network for network, _ in space.networks])
    print(f"report: {write_report(result, out / 'report.html')}")


def is_complete(out: Path) -> bool:
    """Whether a folder holds an exploration that came to its end."""
    from dse.exploration.results import load_results

    with suppress(SettingsError):
        return load_results(out).complete
    return False


def front_table(result: Result, rivals: Mapping[str, Mapping[str, float]]) -> Table:
    """The front by its first objective, at most ROWS of it, the knee among them; below it published designs."""
    from dse.exploration.results import KNEE
    from dse.reports.tables import Table

    knee, shown = result.knee, result.spread(ROWS)
    objectives = [name for name, _ in result.objectives]
    title = f"{result.run['name']}: {len(result.front):,} designs on the front"
    if len(shown) < len(result.front):
        title += f", {len(shown)} of them"
    cells = [
        [str(row["id"]), *(row[name] for name in objectives), KNEE if row is knee else "", written(result, row)]
        for row in shown
    ]
    names = [name.removesuffix("_found") for name in objectives]
    cells += [[rival, *(found.get(name) for name in names), "published", ""] for rival, found in rivals.items()]
    return Table(title, ["id", *objectives, "", "design"], cells, text_from=len(objectives) + 1)


def written(result: Result, row: Row) -> str:
    """The parameters in which the designs of the front differ, as one line."""
    return ", ".join(f"{name} {row[name]}" for name in result.differing if row[name] is not None)


@contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """A listener that shows how far the search is."""
    with live_bar(STARTING) as show:
        yield lambda p: show(progress_line(p), p.evaluated, p.total)


def progress_line(p: Progress) -> str:
    """How far the search is, its speed, the front and the best of each objective, in one line."""
    best = [f"{name} {value:.4g}" for name, value in p.best.items()]
    line = [
        f"{p.evaluated:,} designs ({p.evaluated / p.total:.0%})",
        f"{p.per_second:,.0f}/s",
        f"front {p.front:,}",
        *best,
    ]
    return " · ".join(line)
