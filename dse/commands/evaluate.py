"""The command `dse evaluate`: the cost of a design, layer by layer, as tables, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from dse.commands.options import Batch, Json, Sizes, Skip, parse_batch, parse_sizes
from netlists.runtime.command import say, warn
from netlists.runtime.output import check_out

if TYPE_CHECKING:
    from dse.exploration.results import Result
    from dse.model.design import Design
    from dse.model.evaluation import Evaluation
    from dse.space.space import DesignSpace
    from dse.workloads.files import Options

MISFIT = 1
"""The exit code for a design that does not fit or run."""


class _Network(NamedTuple):
    """A network to evaluate a design on."""

    name: str | None  # None: the design's own
    weight: float
    options: Options


def evaluate(
    design: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN|DIR", help="A .yaml file, a published design by its name, or a folder of dse explore"
        ),
    ],
    which: Annotated[str, typer.Option("--design", metavar="ID", help="Which design of DIR: an id, or knee")] = "knee",
    network: Annotated[
        str | None, typer.Option(help="Name, .onnx or SCALE-Sim's .csv; the design's, or all of DIR, by default")
    ] = None,
    batch: Batch = None,
    search: Annotated[
        bool | None, typer.Option(help="Best mapping of each layer, or the one that the design or its parameters fix")
    ] = None,
    device: Annotated[str | None, typer.Option(help="FPGA part instead of the design's: a name or .yaml file")] = None,
    technology: Annotated[str | None, typer.Option(help="Node instead of the design's: a name or .yaml file")] = None,
    loop_nest: Annotated[bool, typer.Option("--loop-nest", help="Print the mapping of each layer")] = False,
    size: Sizes = None,
    skip: Skip = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for metrics.json, roofline.png, energy.png, report.html; several networks have one each in it"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a design costs on a network, layer by layer: cycles, traffic, energy, area or FPGA resources.

    A design explored on several networks is evaluated on each; the weighted mean is what explore stored.

    The exit code is 1 if a design does not fit or run.

    Example: dse evaluate qiu_fpga16 --network vgg16 --out run
    """
    from dse.workloads.files import Options

    result, space, subject = _load_subject(design, which)
    if out:
        check_out(out)
    counts, images = parse_batch(batch)
    subject = _change_subject(subject, images, device, technology)
    options = Options(parse_sizes(size), list(skip or ()), counts)
    workload = _list_networks(space, options) if space and network is None else [_Network(network, 1.0, options)]
    runs = [_evaluate_on(subject, each, search) for each in workload]
    weights = [each.weight for each in workload]
    _warn_of_ignored_fields(subject, runs)
    folders = _write_runs(out, runs) if out else []
    if as_json:
        _print_json(runs, weights)
    else:
        _print_tables(runs, weights, loop_nest, result)
        for folder in folders:
            say(f"report: {folder / 'report.html'}")
    _demand_feasible(runs)


def _load_subject(name: str, which: str) -> tuple[Result | None, DesignSpace | None, Design]:
    """The design to evaluate and, if it is one of an exploration, the latter's result and space."""
    if not Path(name).is_dir():
        from dse.validation.publication import find_design

        return None, None, find_design(name)
    from dse.exploration.results import load_results
    from dse.exploration.selection import rebuild_design, rebuild_space

    result = load_results(name)
    space = rebuild_space(result)
    return result, space, rebuild_design(space, result.select(which))


def _change_subject(subject: Design, batch: int | None, device: str | None, technology: str | None) -> Design:
    """The design with another batch, part or technology, if they are set."""
    from dse.model.custom_parts import inline_parts

    if batch is not None:
        subject = subject.model_copy(update={"batch": batch})
    place = {key: name for key, name in (("device", device), ("technology", technology)) if name}
    return subject.model_copy(update=inline_parts(place, Path()))


def _list_networks(space: DesignSpace, options: Options) -> list[_Network]:
    """The networks of a space; `options` replace or extend those of the space."""
    from dse.exploration.selection import network_options

    own = network_options(space, options.sizes, options.skip, options.counts)
    return [_Network(name, weight, own[name]) for name, weight in space.content["networks"].items()]


def _evaluate_on(subject: Design, network: _Network, search: bool | None) -> Evaluation:
    from dse.model.evaluation import evaluate as evaluate_design

    options = network.options
    return evaluate_design(
        subject, network.name, search=search, sizes=options.sizes, skip=options.skip, counts=options.counts
    )


def _warn_of_ignored_fields(subject: Design, runs: Sequence[Evaluation]) -> None:
    """Note on stderr which fields of a design do not apply, as they are about the layers of another network."""
    for field in ("layers", "mappings"):
        if getattr(subject, field) and not getattr(runs[0].design, field):
            warn(f"note: `{field}` of the design holds for {subject.network} only, so it is left out")


def _write_runs(out: Path, runs: Sequence[Evaluation]) -> list[Path]:
    """Write the files of each evaluation; returns their folders."""
    from dse.commands.pages import write_evaluation

    several = len(runs) > 1
    folders = [out / f"{k}_{run.network.name}" if several else out for k, run in enumerate(runs, 1)]
    for folder, run in zip(folders, runs, strict=True):
        write_evaluation(folder, run)
    return folders


def _print_json(runs: Sequence[Evaluation], weights: Sequence[float]) -> None:
    from dse.reports.evaluation import summarize, summarize_mean

    print(json.dumps(summarize_mean(runs, weights) if len(runs) > 1 else summarize(runs[0])))


def _print_tables(runs: Sequence[Evaluation], weights: Sequence[float], loop_nest: bool, result: Result | None) -> None:
    from dse.commands.printing import print_evaluation
    from dse.model.evaluation import mean_metrics
    from dse.reports.tables import format_totals, join_in_line

    for run in runs:
        print_evaluation(run, loop_nest)
    if len(runs) > 1 and result:
        mean = format_totals(runs[0], mean_metrics(runs, weights))
        say("", f"mean of {result.network_weights}: {join_in_line(mean)}")


def _demand_feasible(runs: Sequence[Evaluation]) -> None:
    """End with exit code MISFIT if a design does not run, and say why."""
    misfits = list(dict.fromkeys(f"{run.network.name}: {reason}" for run in runs for reason in run.reasons if reason))
    if misfits:
        warn(f"does not run: {'; '.join(misfits)}")
        raise typer.Exit(MISFIT)
