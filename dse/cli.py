"""The command `dse`: evaluate, validate and explore designs; list networks, templates, devices.

Libraries that take seconds to load (torch, matplotlib) are imported by the commands that need them.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dse.commands import explore, quantize, report
from dse.commands.network_options import Batch, Sizes, Skip, batch_of, sizes_of
from netlists.runtime.command import run as run_command
from netlists.runtime.output import check_out

if TYPE_CHECKING:
    from dse.exploration.results import Result
    from dse.model.evaluation import Evaluation
    from dse.workloads.layers import Network

FOOTER = (
    "Cycles: compute (the array works, partial tiles included), fill (pipeline fill and drain, first and last"
    " transfers), stall (waiting for memory beyond both). MB and GB are 1e6 and 1e9 bytes; one MAC is two operations."
    " Energy and power: arithmetic, clock, registers, buffers, wires, leakage, off-chip memory; area: arithmetic,"
    " registers, buffers. Host, memory controller and pads are in neither."
)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of tables")]

GARBAGE = 50_000  # objects between two collections: a tenth of a command's time goes to them otherwise, for nothing
MISFIT = 1  # the exit code where a design does not run

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Models of CNN accelerators, and the search for the best.  Each command explains itself: dse COMMAND --help",
)


@app.command()
def evaluate(
    design: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN|DIR", help="A .yaml file, a published design by its name, or what explore wrote"
        ),
    ],
    which: Annotated[str, typer.Option("--design", metavar="ID", help="Which design of DIR: an id, or knee")] = "knee",
    network: Annotated[
        str | None, typer.Option(help="Name, .onnx or SCALE-Sim's .csv; the design's, or all of DIR, by default")
    ] = None,
    batch: Batch = None,
    search: Annotated[
        bool | None, typer.Option(help="Best mapping of each layer, or what the design gives or its parameters fix")
    ] = None,
    device: Annotated[str | None, typer.Option(help="FPGA part in the design's place: a name or .yaml file")] = None,
    technology: Annotated[str | None, typer.Option(help="Node in the design's place: a name or .yaml file")] = None,
    loop_nest: Annotated[bool, typer.Option("--loop-nest", help="Print the mapping of each layer")] = False,
    size: Sizes = None,
    skip: Skip = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for metrics.json, roofline.png, energy.png, report.html; one within for each network"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a design costs on a network, layer by layer: cycles, traffic, energy, area or FPGA resources.

    What explore found on several networks is evaluated on each; the weighted mean is what explore stored.

    A design that does not fit or run ends with exit code 1.

    Example: dse evaluate qiu_fpga16 --network vgg16 --out run
    """
    from dse.exploration.chosen import design_of, options_of, space_of
    from dse.exploration.results import load_results
    from dse.model.custom_parts import inline_parts
    from dse.model.evaluation import evaluate as run
    from dse.model.evaluation import mean_metrics
    from dse.reports import evaluation, tables
    from dse.validation.publication import find_design

    explored = load_results(design) if Path(design).is_dir() else None
    space = space_of(explored) if explored else None
    chosen = design_of(space, explored.chosen(which)) if explored and space else find_design(design)
    if out:
        check_out(out)
    counts, images = batch_of(batch)
    if images is not None:
        chosen = chosen.model_copy(update={"batch": images})
    place = inline_parts({key: name for key, name in (("device", device), ("technology", technology)) if name}, Path())
    chosen = chosen.model_copy(update=place)
    weights: dict[str, float] = space.content["networks"] if space and network is None else {}
    sizes, left_out = sizes_of(size), skip or ()
    given = {"sizes": sizes, "skip": left_out, "counts": counts}
    files = options_of(space, sizes, left_out, counts) if space and network is None else {}
    runs = [run(chosen, name, search=search, **files.get(name or "", given)) for name in weights or [network]]
    for field in ("layers", "mappings"):
        if getattr(chosen, field) and not getattr(runs[0].design, field):
            print(f"note: `{field}` of the design holds for {chosen.network} only, so it is left out", file=sys.stderr)
    several, shares = len(runs) > 1, list(weights.values())
    folders = [out / f"{k}_{found.network.name}" if several else out for k, found in enumerate(runs, 1)] if out else []
    for folder, found in zip(folders, runs, strict=bool(out)):
        write_evaluation(folder, found)
    misfits = list(dict.fromkeys(f"{found.network.name}: {why}" for found in runs for why in found.reasons if why))
    if as_json:
        print(json.dumps(evaluation.mean_summary(runs, shares) if several else evaluation.summary(runs[0])))
        demand_feasible(misfits)
        return
    for found in runs:
        show_evaluation(found, loop_nest)
    if several and explored:
        print(f"\nmean of {explored.shares}:", tables.in_a_line(tables.totals(runs[0], mean_metrics(runs, shares))))
    for folder in folders:
        print(f"report: {folder / 'report.html'}")
    demand_feasible(misfits)


@app.command()
def validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Published designs or .yaml files; all by default")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the models with published designs: our number, theirs, the error, and whether it is within the bar.

    Example: dse validate eyeriss_jssc17
    """
    from dse.reports import tables
    from dse.validation import compare
    from dse.validation.publication import names as all_names

    done = [compare.compare(name) for name in names or all_names()]
    if as_json:
        print(json.dumps([comparison.as_dict() for comparison in done]))
        return
    for comparison in done:
        tables.show_comparison(comparison)
    rows = [row for comparison in done for row in comparison.rows]
    barred = [row.ok for row in rows if row.ok is not None]
    print(f"{sum(barred)} of {len(barred)} numbers within their bars; {len(rows) - len(barred)} without a bar")


@app.command()
def networks(
    name: Annotated[str | None, typer.Argument(help="Name, .onnx or SCALE-Sim's .csv: list its layers")] = None,
    batch: Batch = None,
    size: Sizes = None,
    skip: Skip = None,
    as_json: Json = False,
) -> None:
    """List the built-in networks, or the layers of one.

    Example: dse networks resnet50
    """
    from dse.commands import catalog
    from dse.reports import tables
    from dse.workloads.builtin import NETWORKS
    from dse.workloads.files import load_network

    counts, images = batch_of(batch)
    names = [name] if name else NETWORKS
    found = [load_network(each, images or 1, sizes_of(size), skip or (), counts) for each in names]
    if as_json:
        print(json.dumps(catalog.network(found[0]) if name else [catalog.network(each) for each in found]))
    else:
        tables.show(tables.network_layers(found[0]) if name else tables.network_table(found))
        show_notes(found[:1])


@app.command()
def templates(
    name: Annotated[str | None, typer.Argument(help="List the parameters of this template")] = None,
    as_json: Json = False,
) -> None:
    """List the families of accelerators, or the parameters of one.

    Example: dse templates systolic
    """
    from dse.commands import catalog
    from dse.reports import tables
    from dse.templates import NAMES, template

    found = [template(each) for each in ([name] if name else NAMES)]
    if as_json:
        print(json.dumps(catalog.template(found[0]) if name else [catalog.template(each) for each in found]))
    elif name:
        tables.show(tables.parameter_table(found[0]))
        print(f"source: {found[0].source}")
    else:
        tables.show(tables.template_table(found))


@app.command()
def devices(
    name: Annotated[str | None, typer.Argument(help="A part or technology, or a .yaml file of one")] = None,
    as_json: Json = False,
) -> None:
    """List FPGA parts and ASIC technologies, or one of them.

    Example: dse devices XC7Z045
    """
    from dse.commands import catalog
    from dse.reports import tables

    parts, nodes = catalog.parts(name)
    if as_json:
        print(json.dumps([*map(asdict, parts), *map(asdict, nodes)]))
        return
    if parts:
        tables.show(tables.device_table(parts))
    if nodes:
        tables.show(tables.technology_table(nodes))


def demand_feasible(misfits: Sequence[str]) -> None:
    """End with exit code 1 where a design does not run, and say why."""
    if misfits:
        print(f"does not run: {'; '.join(misfits)}", file=sys.stderr)
        raise typer.Exit(MISFIT)


def write_report(result: Result, out: Path, design: str = "knee") -> Path:
    """Write the page of an exploration, with one design in detail: the knee or an id; raises `DesignError`."""
    from dse.reports.exploration import gather
    from plots import exploration

    exploration.write(out, exploration.Exploration(**gather(result, design)), footer=FOOTER)
    return out


def show_evaluation(found: Evaluation, loop_nest: bool) -> None:
    """Print the layers of an evaluation, their sum and, if wanted, their mappings."""
    from dse.reports import evaluation, tables

    tables.show(tables.layer_table(found))
    print(tables.in_a_line(tables.totals(found)))
    show_notes([found.network])
    if loop_nest:
        for name, lines in evaluation.loop_nests(found).items():
            print(f"\n{name}", *lines, sep="\n")


def show_notes(networks: Sequence[Network]) -> None:
    """Print what one input of each network is, and what its reader left out or took for granted."""
    from dse.reports import evaluation

    for line in evaluation.notes(networks):
        print(line)


def write_evaluation(out: Path, found: Evaluation) -> None:
    """Write metrics.json, roofline.png, energy.png and report.html to a folder, each whole or not at all."""
    from dse.reports import evaluation, tables
    from plots import energy, page, roofline, style

    out.mkdir(parents=True, exist_ok=True)
    title = f"{found.network.name} on {found.design.template}"
    figures = {
        "roofline": style.png(roofline.draw(**evaluation.roofline(found), title=title)),
        "energy": style.png(energy.draw(**evaluation.bars(found), title=title)),
    }
    for name, image in figures.items():
        style.write(out / f"{name}.png", image)
    summary = evaluation.summary(found)
    style.write(out / "metrics.json", (json.dumps(summary, indent=1) + "\n").encode())
    misfits = sorted({f"Does not run: {reason}." for reason in found.reasons if reason})
    shown = [tables.layer_table(found), *([tables.memory_table(found)] if found.feasible else [])]
    section = page.Section(
        title,
        facts=tables.totals(found),
        notes=[*evaluation.notes([found.network]), *misfits],
        figures={
            "Attainable performance against operational intensity; the line is what array and memory allow":
                figures["roofline"],
            "Where time and energy go, in the order in which layers run": figures["energy"],
        },
        tables=[
            page.Table(name, table.columns, [[tables.number(value) for value in row] for row in table.rows])
            for name, table in zip(("Layers", "Accesses, energy and bandwidth of memory"), shown, strict=False)
        ],
        texts={
            "Design": evaluation.design_file(found.design),
            "Mappings": evaluation.mappings(found),
        },
    )  # fmt: skip
    page.write(out / "report.html", [section], title=title, footer=FOOTER)


app.command()(quantize.quantize)
app.command()(explore.explore)
app.command()(report.report)


def main() -> None:
    """Run the command in `sys.argv`; errors of the user's making are one line and exit code 2."""
    gc.set_threshold(GARBAGE)
    run_command(app)
